/* SPDX-License-Identifier: Apache-2.0 */
/* What a good policy file becomes: defaults, every key, units guessed from names, modes as caps, names in expressions. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "governor/config/config.h"
#include "governor/util/value.h"
#include "tests/check.h"

#define S(n) ((n) * MG_NS_PER_S)

static struct mg_findings f;

static struct mg_config *parse(const char *yaml)
{
	struct mg_config *c = NULL;
	int r = mg_config_parse("dir/p.yaml", yaml, strlen(yaml), &c, &f);

	check(r == 0 && c, "loads, not %d: %u:%u: %s\n%s", r, f.at[0].line, f.at[0].column, f.at[0].text, yaml);
	return c;
}

static void test_defaults(void **state)
{
	struct mg_config *c = parse("version: 1\ntargets: { a: { rules: [ { policy: memory-limit } ] } }\n");
	const struct mg_target_spec *t = &c->targets[0];

	(void)state;
	check(f.n == 0, "no finding, not %s", f.at[0].text);
	check(strcmp(c->file, "dir/p.yaml") == 0 && strlen(c->hash) == 16, "file and hash are kept: %s %s", c->file, c->hash);
	check(c->mode == MG_MODE_DRY_RUN, "a fresh install changes nothing");
	check(c->interval_ns == S(1) && c->lease_ns == S(30), "a second and 30 of them");
	check(strcmp(c->socket, "/run/memgov/control.sock") == 0 && c->socket_mode == 0660, "socket %s %o", c->socket, c->socket_mode);
	check(c->allow_uids[0] == 0 && c->n_uids == (geteuid() == 0 ? 1 : 2) && c->n_gids == 0, "root and the own user, %u ids",
		c->n_uids);
	check(strcmp(c->listen, "127.0.0.1:19464") == 0 && c->admin[0] == '\0', "listeners %s, %s", c->listen, c->admin);
	check(c->audit_file[0] == '\0' && c->audit_max_bytes == 64 * 1048576.0, "audit to stderr, %g bytes", c->audit_max_bytes);
	check(t->mode == MG_MODE_ENFORCE && t->rules[0].mode == MG_MODE_ENFORCE, "target and rule put no cap on the mode");
	check(t->match.uid == -1 && !t->workers && !t->bounds.lo[0].given, "no match, no workers, no bounds");
	check(memcmp(&t->guards, &mg_guard_defaults, sizeof t->guards) == 0, "guards as the guard library's defaults");
	check(strcmp(t->rules[0].name, "memory-limit") == 0, "a rule is named after its policy, not %s", t->rules[0].name);
	check(strcmp(t->rules[0].at, "dir/p.yaml:2") == 0, "and knows its line: %s", t->rules[0].at);
	check(strcmp(mg_expr_text(t->rules[0].expr[0]), "cgroup.limit") == 0, "a field's default is compiled too");
	mg_config_free(c);
}

static const char full[] =
	"version: 1\n"
	"mode: enforce\n"
	"interval: 500ms\n"
	"control: { socket: /run/x.sock, mode: 0600, allow_uids: [ 1000, 65532 ], allow_gids: [ 2000 ], lease: 1m }\n"
	"serve: { listen: \"[::1]:80\", admin: unix:/run/a.sock }\n"
	"audit: { file: /var/log/a.jsonl, max_size: 1GB }\n"
	"sources:\n"
	"  app:\n"
	"    prometheus: https://h:6060/metrics\n"
	"    every: 5s\n"
	"    max_age: 15s\n"
	"    timeout: 2s\n"
	"    ca_file: /ca\n"
	"    cert_file: /cert\n"
	"    key_file: /key\n"
	"    bearer_token_file: /token\n"
	"    signals:\n"
	"      heap: go_memstats_heap_inuse_bytes\n"
	"      odd: { series: 'odd{a=\"}\"}', unit: bytes, kind: counter }\n"
	"  fleet:\n"
	"    promql: http://127.0.0.1:9090\n"
	"    bearer_token_file: /token\n"
	"    insecure_token: true\n"
	"    range: 5m\n"
	"    signals:\n"
	"      errors: sum(rate(http_requests_total{code=~\"5..\"}[5m])) / sum(rate(http_requests_total[5m]))\n"
	"targets:\n"
	"  api:\n"
	"    match: { exe: \"api*\", cmdline: \"*-x*\", uid: 1000, runtime: go, allocator: glibc, label.app: shop, label.tier: \"w*\" }\n"
	"    mode: dry-run\n"
	"    bounds: { gc_percent: 25..400, memory_limit: 128MiB..95%, decay: 1s..1m }\n"
	"    workers: true\n"
	"    guards: { cooldown: 30s, max_step: 1.5x, actions_per_hour: 60, stale_hold: 20s, live_margin: 1.3 }\n"
	"    rules:\n"
	"      - name: seed\n"
	"        policy: threshold\n"
	"        mode: off\n"
	"        when: app.heap > 800MB and fleet.errors < 0.1 and rate(app.odd) > 0 for 15s\n"
	"        set: { gc_percent: 50, memory_limit: 80% }\n"
	"        otherwise: { gc_percent: 100 }\n"
	"        do: { purge: { bytes: 50%, max_pause: 10ms } }\n"
	"        step: { gc_percent: 25 }\n"
	"        irreversible: true\n"
	"      - policy: hold\n";

static void test_every_key_of_the_file(void **state)
{
	struct mg_config *c = parse(full);

	(void)state;
	check(f.n == 0, "no finding, not %u:%u %s", f.at[0].line, f.at[0].column, f.at[0].text);
	check(c->mode == MG_MODE_ENFORCE && c->interval_ns == S(1) / 2 && c->lease_ns == S(60), "mode and times");
	check(strcmp(c->socket, "/run/x.sock") == 0 && c->socket_mode == 0600, "socket");
	check(c->n_uids == 2 && c->allow_uids[1] == 65532 && c->n_gids == 1 && c->allow_gids[0] == 2000, "ids");
	check(strcmp(c->listen, "[::1]:80") == 0 && strcmp(c->admin, "unix:/run/a.sock") == 0, "listeners");
	check(strcmp(c->audit_file, "/var/log/a.jsonl") == 0 && c->audit_max_bytes == 1e9, "audit");
	check(c->n_sources == 2 && c->n_signals == 3 && c->n_targets == 1, "2 sources, 3 signals, 1 target");
	mg_config_free(c);
}

static void test_every_key_of_a_source(void **state)
{
	struct mg_config *c = parse(full);
	const struct mg_source *app = &c->sources[0], *fleet = &c->sources[1];

	(void)state;
	check(app->kind == MG_SOURCE_PROMETHEUS && strcmp(app->url, "https://h:6060/metrics") == 0, "a page at %s", app->url);
	check(app->every_ns == S(5) && app->max_age_ns == S(15) && app->timeout_ns == S(2), "its times");
	check(strcmp(app->ca_file, "/ca") == 0 && strcmp(app->cert_file, "/cert") == 0 && strcmp(app->key_file, "/key") == 0,
		"its files");
	check(strcmp(app->bearer_token_file, "/token") == 0 && !app->insecure_token && !app->allow_link_local, "its token");
	check(fleet->kind == MG_SOURCE_PROMQL && fleet->range_ns == S(300) && fleet->insecure_token, "a server");
	check(fleet->every_ns == S(15) && fleet->max_age_ns == S(45) && fleet->timeout_ns == S(5), "with default times");
	check(strcmp(c->signals[1].name, "app.odd") == 0 && strcmp(c->signals[1].query, "odd{a=\"}\"}") == 0, "a series: %s",
		c->signals[1].query);
	check(c->signals[1].unit == MG_UNIT_BYTES && c->signals[1].kind == MG_SIGNAL_COUNTER, "with its unit and kind");
	check(c->signals[2].source == 1 && c->signals[2].unit == MG_UNIT_ANY, "a query of the second source has no unit of its own");
	mg_config_free(c);
}

static void test_every_key_of_a_target(void **state)
{
	struct mg_config *c = parse(full);
	const struct mg_target_spec *t = &c->targets[0];
	const struct mg_match *m = &t->match;

	(void)state;
	check(strcmp(m->exe, "api*") == 0 && strcmp(m->cmdline, "*-x*") == 0 && m->uid == 1000, "match exe, cmdline, uid");
	check(strcmp(m->runtime, "go") == 0 && strcmp(m->allocator, "glibc") == 0 && m->n_labels == 2, "runtime, allocator, labels");
	check(strcmp(m->label[1].key, "tier") == 0 && strcmp(m->label[1].value, "w*") == 0, "label %s", m->label[1].key);
	check(t->mode == MG_MODE_DRY_RUN && t->workers, "mode and workers");
	check(t->bounds.lo[MG_KNOB_GC_PERCENT].v == 25 && t->bounds.hi[MG_KNOB_GC_PERCENT].v == 400, "bounds of gc_percent");
	check(t->bounds.lo[MG_KNOB_MEMORY_LIMIT].v == 128 * 1048576.0 && !t->bounds.lo[MG_KNOB_MEMORY_LIMIT].share, "from 128 MiB");
	check(fabs(t->bounds.hi[MG_KNOB_MEMORY_LIMIT].v - 0.95) < 1e-9 && t->bounds.hi[MG_KNOB_MEMORY_LIMIT].share,
		"to 95 %% of the limit");
	check(t->bounds.hi[MG_KNOB_DECAY].v == 60, "decay in seconds");
	check(t->guards.cooldown_ns == S(30) && t->guards.max_step_ratio == 1.5 && t->guards.actions_per_hour == 60, "guards");
	check(t->guards.stale_hold_ns == S(20) && t->guards.live_margin_ratio == 1.3, "more guards");
	mg_config_free(c);
}

static void test_every_key_of_a_rule(void **state)
{
	struct mg_config *c = parse(full);
	const struct mg_rule *r = &c->targets[0].rules[0];

	(void)state;
	check(strcmp(r->name, "seed") == 0 && strcmp(r->at, "dir/p.yaml:35") == 0, "%s at %s", r->name, r->at);
	check(r->mode == MG_MODE_OFF && r->irreversible, "mode and irreversible");
	check(r->step.at[MG_KNOB_GC_PERCENT].v == 25 && !r->step.at[MG_KNOB_MEMORY_LIMIT].given, "a step for one knob");
	check(r->policy == mg_policy_find("threshold", 9) && r->expr[0] && !r->expr[1], "policy and expression");
	for (const struct mg_field *fd = r->policy->fields; fd->name; fd++) {
		const struct mg_knob_map *map = (const void *)(r->conf + fd->offset);
		const struct mg_action_spec *action = (const void *)(r->conf + fd->offset);
		if (strcmp(fd->name, "set") == 0)
			check(map->at[MG_KNOB_GC_PERCENT].v == 50 && map->at[MG_KNOB_MEMORY_LIMIT].share, "set: a number and a share");
		if (strcmp(fd->name, "do") == 0)
			check(action->given && action->action == MG_ACTION_PURGE && action->bytes.v == 0.5 && action->bytes.share &&
			      action->max_pause_ns == 10 * MG_NS_PER_MS, "do: half of it, in 10 ms");
		if (strcmp(fd->name, "every") == 0)
			check(*(const uint64_t *)(const void *)(r->conf + fd->offset) == S(60), "every: the policy's default");
	}
	check(strcmp(c->targets[0].rules[1].name, "hold") == 0, "the second rule is there");
	mg_config_free(c);
}

static void test_units_guessed_from_names(void **state)
{
	static const struct {
		const char *source, *query;
		enum mg_unit unit;
		enum mg_signal_kind kind;
	} rows[] = {
		{ "prometheus", "go_memstats_heap_inuse_bytes", MG_UNIT_BYTES, MG_SIGNAL_GAUGE },
		{ "prometheus", "go_memstats_alloc_bytes_total", MG_UNIT_BYTES, MG_SIGNAL_COUNTER },
		{ "prometheus", "process_cpu_seconds_total", MG_UNIT_SECONDS, MG_SIGNAL_COUNTER },
		{ "prometheus", "process_start_time_seconds", MG_UNIT_SECONDS, MG_SIGNAL_GAUGE },
		{ "prometheus", "cache_hit_ratio", MG_UNIT_RATIO, MG_SIGNAL_GAUGE },
		{ "prometheus", "go_gc_gogc_percent", MG_UNIT_PERCENT, MG_SIGNAL_GAUGE },
		{ "prometheus", "http_requests_total", MG_UNIT_COUNT, MG_SIGNAL_COUNTER },
		{ "prometheus", "latency_count", MG_UNIT_COUNT, MG_SIGNAL_COUNTER },
		{ "prometheus", "http_requests_total{code=\"500\"}", MG_UNIT_COUNT, MG_SIGNAL_COUNTER },
		{ "prometheus", "jvm_memory_bytes_used{area=\"heap\"}", MG_UNIT_ANY, MG_SIGNAL_GAUGE },
		{ "prometheus", "go_goroutines", MG_UNIT_ANY, MG_SIGNAL_GAUGE },
		{ "promql", "up_bytes", MG_UNIT_BYTES, MG_SIGNAL_GAUGE },
		{ "promql", "a_bytes / b_bytes", MG_UNIT_ANY, MG_SIGNAL_GAUGE },
		{ "promql", "a_bytes{x=\"}\"} / b_bytes{y=\"z\"}", MG_UNIT_ANY, MG_SIGNAL_GAUGE },
		{ "promql", "rate(a_bytes_total[5m])", MG_UNIT_ANY, MG_SIGNAL_GAUGE },
	};
	char yaml[512];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(yaml, sizeof yaml, "version: 1\nsources: { s: { %s: http://h/m, signals: { x: '%s' } } }\n", rows[i].source,
			rows[i].query);
		struct mg_config *c = parse(yaml);
		check(c->signals[0].unit == rows[i].unit, "%s: unit %d, not %d", rows[i].query, rows[i].unit, c->signals[0].unit);
		check(c->signals[0].kind == rows[i].kind, "%s: kind %d, not %d", rows[i].query, rows[i].kind, c->signals[0].kind);
		mg_config_free(c);
	}
}

static void test_writings_of_the_same(void **state)
{
	static const char *const rows[] = {
		"version: 1\ntargets: { a: { rules: [ { policy: memory-limit, ratio: 80%, of: \"min(cgroup.limit, 2GiB)\" } ] } }\n",
		"\xef\xbb\xbfversion: 1\ntargets: { a: { rules: [ { policy: memory-limit, ratio: 0.8, of: 'min(cgroup.limit, 2GiB)' } ] } }\n",
		"%YAML 1.1\n---\nversion: 1\r\ntargets: { a: { rules: [ { ratio: 0.80, policy: memory-limit, of: \"min(cgroup.limit, 2GiB)\" } ] } }\n...\n",
		"\"version\": 1\ntargets:\n  a:\n    rules:\n    - ratio: 80%\n      of: |\n        min(cgroup.limit,\n        2GiB)\n      policy: memory-limit\n",
		"version: 1\ntargets:\n  a:\n    rules:\n    - policy: memory-limit\n      of: >-\n        min(cgroup.limit,\n        2GiB)\n",
		"{ \"targets\": { \"a\": { \"rules\": [ { \"policy\": \"memory-limit\", \"of\": \"min(cgroup.limit, 2GiB)\" } ] } }, \"version\": 1 }",
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_config *c = parse(rows[i]);
		const struct mg_rule *r = &c->targets[0].rules[0];
		check(*(const double *)(const void *)r->conf == 0.8, "writing %zu: the ratio is 0.8", i);
		check(strcmp(mg_expr_text(r->expr[0]), "min(cgroup.limit, 2GiB)") == 0, "writing %zu: of %s", i, mg_expr_text(r->expr[0]));
		mg_config_free(c);
	}
}

static void test_names_resolve(void **state)
{
	struct mg_config *c = parse(full);
	struct mg_names names = mg_config_names(c);
	struct mg_signal_ref ref;
	enum mg_unit unit;
	enum mg_signal_kind kind;

	(void)state;
	check(names.lookup(names.ctx, "cgroup.limit", 12, &ref, &unit, &kind) == 0, "a built-in signal is found");
	check(ref.scope == MG_SCOPE_TARGET && ref.id == MG_SIG_CGROUP_LIMIT && unit == MG_UNIT_BYTES, "as itself");
	check(names.lookup(names.ctx, "app.odd", 7, &ref, &unit, &kind) == 0, "a source's signal is found");
	check(ref.scope == MG_SCOPE_SOURCE && ref.id == 1 && kind == MG_SIGNAL_COUNTER, "by its index");
	check(names.lookup(names.ctx, "app.od", 6, &ref, &unit, &kind) == -ENOENT, "another is not");
	check(strcmp(names.nearest(names.ctx, "app.od", 6), "app.odd") == 0, "but a near one is known");
	check(names.nearest(names.ctx, "entirely.else", 13) == NULL, "and none to what is far");
	mg_config_free(c);
}

static void test_listen_off(void **state)
{
	static const char *const rows[] = { "off", "\"\"" };
	char yaml[128];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(yaml, sizeof yaml, "version: 1\nserve: { listen: %s }\n", rows[i]);
		struct mg_config *c = parse(yaml);
		check(c->listen[0] == '\0', "listen: %s serves nothing, not %s", rows[i], c->listen);
		mg_config_free(c);
	}
}

static void test_hash_follows_the_bytes(void **state)
{
	struct mg_config *a = parse("version: 1\n"), *b = parse("version: 1\n"), *c = parse("version: 1 \n");

	(void)state;
	check(strcmp(a->hash, b->hash) == 0, "the same bytes, the same hash");
	check(strcmp(a->hash, c->hash) != 0, "other bytes, another");
	mg_config_free(a);
	mg_config_free(b);
	mg_config_free(c);
}

static void test_files_that_cannot_be_read(void **state)
{
	char fifo[] = "/tmp/mg-config-XXXXXX";
	struct mg_config *c = NULL;
	struct mg_err err = { "" };

	(void)state;
	check(mg_config_load("/no/such/file", &c, &f, &err) == -ENOENT && !c, "no file: %s", err.text);
	check(strstr(err.text, "/no/such/file: No such file"), "names it: %s", err.text);
	check(mg_config_load("/tmp", &c, &f, &err) == -EINVAL && strstr(err.text, "not a regular file"), "a directory: %s", err.text);
	check(mg_config_load("/dev/zero", &c, &f, &err) == -EINVAL && strstr(err.text, "not a regular file"), "an endless device: %s",
		err.text);
	check(mkdtemp(fifo) && rmdir(fifo) == 0 && mkfifo(fifo, 0600) == 0, "a pipe can be made");
	int r = mg_config_load(fifo, &c, &f, &err); /* would hang if it waited for a writer */
	unlink(fifo);
	check(r == -EINVAL && strstr(err.text, "not a regular file"), "a pipe: %s", err.text);
	check(f.n == 0, "none of this is a finding in the file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key_of_the_file),
		cmocka_unit_test(test_every_key_of_a_source),
		cmocka_unit_test(test_every_key_of_a_target),
		cmocka_unit_test(test_every_key_of_a_rule),
		cmocka_unit_test(test_units_guessed_from_names),
		cmocka_unit_test(test_writings_of_the_same),
		cmocka_unit_test(test_names_resolve),
		cmocka_unit_test(test_listen_off),
		cmocka_unit_test(test_hash_follows_the_bytes),
		cmocka_unit_test(test_files_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
