/* SPDX-License-Identifier: Apache-2.0 */
/* The engine behind the pages' tests: real policy, real messages, a clock in the hand. */
#include "tests/unit/serve/world.h"

#include "protocol/wire.h"
#include "tests/check.h"

static const char policy[] =
	"version: 1\n"
	"mode: dry-run\n"
	"interval: 1s\n"
	"sources:\n"
	"  app:\n"
	"    prometheus: http://127.0.0.1:6060/metrics\n"
	"    signals: { heap_inuse: go_memstats_heap_inuse_bytes }\n"
	"targets:\n"
	"  api:\n"
	"    match: { exe: \"*api*\" }\n"
	"    rules:\n"
	"      - { name: seed, policy: threshold, when: proc.rss > 1MB, set: { gc_percent: 50 }, step: { gc_percent: 25 } }\n"
	"      - { name: app, policy: threshold, when: app.heap_inuse > 1MB, set: { memory_limit: 64MiB } }\n"
	"    guards: { cooldown: 60s }\n";

static void on_pause(void *ctx, struct mg_target *t, bool paused)
{
	struct world *w = ctx;

	*(paused ? &w->paused : &w->resumed) += 1;
	mg_engine_pause(&w->engine, t, paused, w->q.now_ns);
}

struct mg_target *world_hello(struct world *w, const char *id, const char *exe)
{
	char buf[MG_WIRE_MAX];
	struct mg_wire_out o;
	struct mg_wire_msg m;
	const char *why = "";

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_HELLO);
	const char *const pairs[][2] = {
		{ "id", id }, { "role", "target" }, { "exe", exe }, { "cmdline", "secret-argument" }, { "runtime", "none" },
		{ "allocator", "jemalloc" },
		{ "libc", "glibc" }, { "scope", "own" }, { "knobs", "gc_percent:exact,memory_limit:exact" },
		{ "actions", "purge" },
		{ "knob.gc_percent", "100" }, { "baseline.gc_percent", "100" }, { "knob.memory_limit", "max" }, { "pid", "77" },
	};
	for (unsigned i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		mg_wire_put_str(&o, pairs[i][0], pairs[i][1]);
	long n = mg_wire_end(&o);
	check(n > 0 && mg_wire_parse(buf, (size_t)n, &m, &why) == 0, "the HELLO is well-formed: %s", why);
	struct mg_target *t = mg_engine_hello(&w->engine, &m, WORLD_NOW);
	check(t && mg_engine_match(&w->engine, t) == 0, "the target is taken");
	t->seen_ns = WORLD_NOW - 60 * MG_NS_PER_S; /* past its first ticks, in which it would only be watched */
	return t;
}

void world_tick(struct world *w, uint64_t now_ns)
{
	for (struct mg_target *t = w->engine.targets; t; t = t->next) {
		mg_engine_sample(&w->engine, t, MG_SIG_PROC_RSS, 600e6, now_ns);
		mg_engine_sample(&w->engine, t, MG_SIG_SHIM_RESIDENT, 600e6, now_ns);
		mg_engine_sample(&w->engine, t, MG_SIG_CGROUP_USAGE, 700e6, now_ns);
		mg_engine_sample(&w->engine, t, MG_SIG_CGROUP_LIMIT, 1e9, now_ns);
		mg_engine_sample(&w->engine, t, MG_SIG_SHIM_FREE_RESIDENT, 500e6, now_ns);
		mg_engine_sample(&w->engine, t, MG_SIG_SHIM_RETURNABLE, 10e6, now_ns);
		t->seen_report = true;
		t->report_ns = now_ns;
	}
	mg_engine_tick(&w->engine, now_ns, 0);
	w->q.now_ns = now_ns + MG_NS_PER_S / 4;
	w->q.wall_ns = WORLD_WALL + w->q.now_ns - WORLD_NOW;
}

void world_open(struct world *w)
{
	static struct mg_findings findings;
	struct mg_config *c = NULL;

	*w = (struct world){ .audit = NULL };
	int r = mg_config_parse("test.yaml", policy, sizeof policy - 1, &c, &findings);
	check(r == 0, "the policy loads: line %u: %s", findings.at[0].line, findings.at[0].text);
	mg_engine_init(&w->engine, c, WORLD_NOW);
	check(mg_audit_new(NULL, &w->audit) == 0, "an audit ring can be made");
	w->engine.audit = w->audit;
	w->engine.wall_offset_ns = WORLD_WALL - WORLD_NOW;
	w->ctx = (struct mg_serve_ctx){ .engine = &w->engine, .pause = on_pause, .ctx = w };
	w->q = (struct mg_request){ .ctx = &w->ctx, .now_ns = WORLD_NOW, .wall_ns = WORLD_WALL, .limit = 50, .admin = true };
}

void world_close(struct world *w)
{
	mg_engine_done(&w->engine);
	w->audit = mg_audit_free(w->audit);
}
