/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one target with its rules, gives everything that led to its newest decisions: inputs with their ages, each rule's
 * place in the file, its expressions and its reason, the guards that cut, the last records, and hints about what no
 * policy can change. Called by http.c. */
#include "governor/serve/pages.h"

#include "governor/loop/tick.h"
#include "governor/util/unit.h"

#define LAST_RECORDS     5
#define FRAGMENT_BYTES   (32.0 * 1024 * 1024) /* less is not worth a hint */
#define FRAGMENT_FACTOR  4                    /* free-but-resident over returnable */

/* ---- inputs ---- */

static void put_input(struct mg_json *j, const char *name, enum mg_unit unit, const struct mg_sample *s, uint64_t now_ns)
{
	struct mg_value v = mg_sample_read(s, now_ns);

	mg_json_open(j, NULL, '{');
	mg_json_str(j, "name", name);
	mg_json_str(j, "unit", mg_unit_name(unit));
	mg_json_value(j, "value", v);
	mg_json_bool(j, "known", v.known);
	if (s->at_ns != 0)
		mg_json_seconds(j, "age_s", now_ns - s->at_ns);
	else
		mg_json_null(j, "age_s");
	mg_json_seconds(j, "max_age_s", s->max_age_ns);
	mg_json_close(j, '}');
}

/* Signals that were never sampled are left out, unless they come from the policy's own sources: that is a finding. */
static void put_inputs(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	const struct mg_engine *e = q->ctx->engine;

	mg_json_open(j, "inputs", '[');
	for (int i = 0; i < MG_SIG__BUILTIN; i++) {
		const struct mg_signal_info *info = mg_signal_info((enum mg_signal)i);
		if (t->sig[i].at_ns != 0)
			put_input(j, info->name, info->unit, &t->sig[i], q->now_ns);
	}
	for (unsigned i = 0; i < e->config->n_signals; i++)
		put_input(j, e->config->signals[i].name, e->config->signals[i].unit, &e->source[i], q->now_ns);
	mg_json_close(j, ']');
}

/* ---- rules ---- */

static void put_rule(struct mg_json *j, const struct mg_request *q, const struct mg_target *t, const struct mg_target_rule *tr)
{
	mg_json_open(j, NULL, '{');
	mg_json_str(j, "name", tr->rule->name);
	mg_json_str(j, "at", tr->rule->at);
	mg_json_str(j, "policy", tr->rule->policy->name);
	mg_json_str(j, "mode", mg_mode_name(mg_engine_mode(q->ctx->engine, t, tr->rule)));
	mg_json_open(j, "expressions", '[');
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++)
		if (tr->rule->expr[i])
			mg_json_str(j, NULL, mg_expr_text(tr->rule->expr[i]));
	mg_json_close(j, ']');
	mg_json_bool(j, "unknown", tr->last.unknown);
	mg_json_str(j, "why", tr->last.why);
	if (tr->decided_at_ns != 0)
		mg_json_seconds(j, "age_s", q->now_ns - tr->decided_at_ns);
	else
		mg_json_null(j, "age_s");
	mg_json_open(j, "wants", '[');
	for (unsigned i = 0; i < tr->last.n; i++)
		mg_json_want(j, tr, i);
	mg_json_close(j, ']');
	mg_json_close(j, '}');
}

static void put_rules(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	mg_json_open(j, "rules", '[');
	for (unsigned i = 0; t->spec && t->rules && i < t->spec->n_rules; i++)
		put_rule(j, q, t, &t->rules[i]);
	mg_json_close(j, ']');
}

/* ---- hints ---- */

static bool unmatched(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return !t->spec;
}

static bool watching(const struct mg_request *q, const struct mg_target *t)
{
	return t->spec && mg_engine_watching(q->ctx->engine, t, q->now_ns);
}

static bool paused(const struct mg_request *q, const struct mg_target *t)
{
	return t->paused || q->ctx->engine->paused || q->ctx->engine->off_file;
}

static bool quarantined(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return t->quarantined;
}

static bool sealed(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return t->sealed;
}

static bool contended(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return t->contended != 0;
}

static bool restore_pending(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return t->restore_pending != 0;
}

static bool copy_on_write(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return t->cow;
}

static bool silent(const struct mg_request *q, const struct mg_target *t)
{
	return t->seen_report && t->spec && q->now_ns - t->report_ns > t->spec->guards.stale_hold_ns;
}

static bool fragmented(const struct mg_request *q, const struct mg_target *t)
{
	struct mg_value idle = mg_sample_read(&t->sig[MG_SIG_SHIM_FREE_RESIDENT], q->now_ns);
	struct mg_value back = mg_sample_read(&t->sig[MG_SIG_SHIM_RETURNABLE], q->now_ns);

	return idle.known && back.known && idle.v >= FRAGMENT_BYTES && idle.v > FRAGMENT_FACTOR * back.v;
}

static bool no_limit(const struct mg_request *q, const struct mg_target *t)
{
	return !mg_sample_read(&t->sig[MG_SIG_CGROUP_LIMIT], q->now_ns).known;
}

static bool limit_partly_seen(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return t->cgroup.version != 0 && strcmp(t->cgroup.scope, "own") == 0;
}

static bool refuses(const struct mg_request *q, const struct mg_target *t)
{
	(void)q;
	return t->stats.naks > 0;
}

static const struct {
	const char *name, *text;
	bool (*applies)(const struct mg_request *q, const struct mg_target *t);
} hints[] = {
	{ "unmatched", "no target of the policy matches this process: it is watched and never changed", unmatched },
	{ "watching", "newly connected: it is watched for a few ticks before anything is decided", watching },
	{ "paused", "paused: nothing is sent until `memgov resume`, or until the off file is removed", paused },
	{ "quarantined", "the program died soon after actions: it stays in dry run until `memgov resume TARGET`", quarantined },
	{ "sealed", "the program added a seccomp filter: its shim restored the baseline and went silent", sealed },
	{ "contended", "the program changed a knob by itself: that knob belongs to the program now", contended },
	{ "restore-pending", "a restore waits for the program's runtime, which is busy or blocked", restore_pending },
	{ "copy-on-write", "a copy-on-write child lives: purges wait until it ends", copy_on_write },
	{ "silent", "the target has not reported for too long: every rule holds", silent },
	{ "refuses", "the target refused commands: the newest decisions say which and why", refuses },
	{ "fragmented",
	  "most free memory sits between live blocks (fragmentation): no purge can return it, only the program's own "
	  "defragmentation (redis: `activedefrag yes`) or a restart can",
	  fragmented },
	{ "no-limit", "no memory limit is known for its cgroup: rules that need one hold", no_limit },
	{ "limit-scope", "only the own level of the cgroup is seen: a limit of a parent is invisible from inside the container",
	  limit_partly_seen },
};

static void put_hints(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	mg_json_open(j, "hints", '[');
	for (unsigned i = 0; i < sizeof hints / sizeof hints[0]; i++) {
		if (!hints[i].applies(q, t))
			continue;
		mg_json_open(j, NULL, '{');
		mg_json_str(j, "name", hints[i].name);
		mg_json_str(j, "text", hints[i].text);
		mg_json_close(j, '}');
	}
	mg_json_close(j, ']');
}

/* ---- the page ---- */

static void put_records(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	static char line[MG_RECORD_JSON_MAX];
	const struct mg_audit *a = q->ctx->engine->audit;
	const struct mg_record *r;
	unsigned shown = 0;

	mg_json_open(j, "decisions", '[');
	for (unsigned i = 0; a && shown < LAST_RECORDS && (r = mg_audit_at(a, i)) != NULL; i++) {
		int n = strcmp(r->target_id, t->id) == 0 ? mg_record_json(r, line, sizeof line) : 0;
		if (n <= 0)
			continue;
		mg_json_raw(j, NULL, line, (size_t)n);
		shown++;
	}
	mg_json_close(j, ']');
}

static void put_target(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	mg_json_open(j, NULL, '{');
	mg_json_str(j, "name", t->name);
	mg_json_str(j, "id", t->id);
	mg_json_str(j, "exe", t->exe);
	mg_json_str(j, "runtime", t->runtime);
	mg_json_str(j, "allocator", t->allocator);
	mg_json_str(j, "mode", mg_mode_name(t->spec ? mg_engine_mode(q->ctx->engine, t, NULL) : MG_MODE_OFF));
	mg_json_open(j, "knobs", '[');
	for (int k = 0; k < MG_KNOB__COUNT; k++) {
		if (!t->knob[k].supported)
			continue;
		mg_json_open(j, NULL, '{');
		mg_json_str(j, "name", mg_knob_info((enum mg_knob)k)->name);
		mg_json_str(j, "unit", mg_unit_name(mg_knob_info((enum mg_knob)k)->unit));
		mg_json_value(j, "present", t->knob[k].present);
		mg_json_value(j, "baseline", t->knob[k].baseline);
		mg_json_close(j, '}');
	}
	mg_json_close(j, ']');
	put_inputs(j, q, t);
	put_rules(j, q, t);
	put_hints(j, q, t);
	put_records(j, q, t);
	mg_json_close(j, '}');
}

unsigned mg_page_explain(const struct mg_request *q, struct mg_buf *b)
{
	struct mg_json j = { .b = b };
	unsigned shown = 0;

	mg_json_open(&j, NULL, '{');
	mg_json_open(&j, "targets", '[');
	for (const struct mg_target *t = q->ctx->engine->targets; t && shown < MG_MAX_SERVED_TARGETS; t = t->next) {
		if (!mg_asked_for(q, t))
			continue;
		put_target(&j, q, t);
		shown++;
	}
	mg_json_close(&j, ']');
	mg_json_close(&j, '}');
	if (q->target && shown == 0) {
		*b = mg_buf(b->at, b->cap);
		return mg_page_no_target(q, b);
	}
	return 200;
}
