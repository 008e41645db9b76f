/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the engine, gives the operator's JSON: status, decisions, plan; and the answers of the probes. What a target says
 * of itself is escaped, its command line and environment are never shown. Called by http.c. */
#include "governor/serve/pages.h"

#include <math.h>


#define HEALTHY_TICKS 3 /* the loop is healthy while its last tick is younger than this many intervals */

/* ---- shared with explain.c ---- */

bool mg_asked_for(const struct mg_request *q, const struct mg_target *t)
{
	return !q->target || strcmp(q->target, t->name) == 0 || strcmp(q->target, t->id) == 0;
}

unsigned mg_page_no_target(const struct mg_request *q, struct mg_buf *b)
{
	struct mg_json j = { .b = b };

	mg_json_open(&j, NULL, '{');
	mg_json_str(&j, "error", "no connected process has that name or id");
	mg_json_str(&j, "target", q->target ? q->target : "");
	mg_json_close(&j, '}');
	return 404;
}

void mg_json_value(struct mg_json *j, const char *key, struct mg_value v)
{
	mg_json_num(j, key, v.known ? v.v : NAN);
}

/* The guard that vetoes is the last that speaks; these wait for nothing but time. */
bool mg_want_delayed(const struct mg_want *w)
{
	static const char *const timed[] = { "cooldown", "backoff", "budget" };

	if (!w->vetoed || w->guards == 0)
		return false;
	const char *last = mg_guards[31 - __builtin_clz(w->guards)].name;
	for (unsigned i = 0; i < sizeof timed / sizeof timed[0]; i++)
		if (strcmp(last, timed[i]) == 0)
			return true;
	return false;
}

void mg_json_want(struct mg_json *j, const struct mg_target_rule *tr, unsigned i)
{
	const struct mg_want *w = &tr->last.want[i];
	bool action = w->verb == MG_VERB_ACTION;

	mg_json_open(j, NULL, '{');
	mg_json_str(j, "verb", mg_want_verb(w));
	if (action)
		mg_json_null(j, "knob");
	else
		mg_json_str(j, "knob", mg_knob_info(w->knob)->name);
	mg_json_num(j, "from", action ? NAN : w->from);
	mg_json_num(j, "to", w->verb == MG_VERB_SET ? w->to : action ? w->bytes : NAN);
	if (action)
		mg_json_seconds(j, "max_pause_s", w->max_pause_ns);
	mg_json_bool(j, "vetoed", w->vetoed);
	mg_json_bool(j, "delayed", mg_want_delayed(w));
	mg_json_cuts(j, "guards", &tr->cuts[i]);
	mg_json_close(j, '}');
}

/* ---- probes ---- */

unsigned mg_page_healthz(const struct mg_request *q, struct mg_buf *b)
{
	const struct mg_engine *e = q->ctx->engine;
	uint64_t last = e->stats.last_tick_ns > e->stats.started_ns ? e->stats.last_tick_ns : e->stats.started_ns;
	uint64_t age = q->now_ns > last ? q->now_ns - last : 0;
	bool ok = age < HEALTHY_TICKS * e->config->interval_ns;

	mg_buf_printf(b, "%s: last tick %.1f s ago\n", ok ? "ok" : "stuck", (double)age / (double)MG_NS_PER_S);
	return ok ? 200 : 503;
}

unsigned mg_page_readyz(const struct mg_request *q, struct mg_buf *b)
{
	const struct mg_engine *e = q->ctx->engine;
	bool ok = e->config && e->stats.ticks > 0;

	mg_buf_printf(b, "%s\n", ok ? "ok: policy loaded, ticking" : "not ready: no tick yet");
	return ok ? 200 : 503;
}

/* ---- status ---- */

static void put_knobs(struct mg_json *j, const char *key, const struct mg_target *t, bool baseline)
{
	mg_json_open(j, key, '{');
	for (int k = 0; k < MG_KNOB__COUNT; k++)
		if (t->knob[k].supported)
			mg_json_value(j, mg_knob_info((enum mg_knob)k)->name,
				      baseline ? t->knob[k].baseline : t->knob[k].present);
	mg_json_close(j, '}');
}

static void put_knob_list(struct mg_json *j, const char *key, uint32_t bits)
{
	mg_json_open(j, key, '[');
	for (int k = 0; k < MG_KNOB__COUNT; k++)
		if (bits >> k & 1)
			mg_json_str(j, NULL, mg_knob_info((enum mg_knob)k)->name);
	mg_json_close(j, ']');
}

/* The rule that spoke last, for a target none of whose decisions is in the ring. */
static const struct mg_target_rule *newest_rule(const struct mg_target *t)
{
	const struct mg_target_rule *newest = NULL;

	for (unsigned i = 0; t->spec && t->rules && i < t->spec->n_rules; i++)
		if (t->rules[i].decided_at_ns != 0 && (!newest || t->rules[i].decided_at_ns > newest->decided_at_ns))
			newest = &t->rules[i];
	return newest;
}

static void put_last_decision(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	const struct mg_record *r = q->ctx->engine->audit ? mg_audit_newest(q->ctx->engine->audit, t->id) : NULL;
	const struct mg_target_rule *tr = r ? NULL : newest_rule(t);

	if (!r && !tr) {
		mg_json_null(j, "last_decision");
		return;
	}
	mg_json_open(j, "last_decision", '{');
	mg_json_str(j, "rule", r ? r->rule : tr->rule->name);
	mg_json_str(j, "verb", r ? mg_want_verb(&r->want) : tr->last.n ? mg_want_verb(&tr->last.want[0]) : "hold");
	mg_json_str(j, "why", r ? r->why : tr->last.why);
	mg_json_stamp(j, "at", r ? r->ts_wall_ns : q->wall_ns - (q->now_ns - tr->decided_at_ns));
	mg_json_bool(j, "vetoed", r ? r->want.vetoed : tr->last.n && tr->last.want[0].vetoed);
	mg_json_close(j, '}');
}

static struct mg_value read_signal(const struct mg_request *q, const struct mg_target *t, enum mg_signal s)
{
	return mg_sample_read(&t->sig[s], q->now_ns);
}

static void put_state(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	mg_json_str(j, "mode", mg_mode_name(t->spec ? mg_engine_mode(q->ctx->engine, t, NULL) : MG_MODE_OFF));
	mg_json_bool(j, "governed", t->spec != NULL);
	mg_json_bool(j, "paused", t->paused);
	mg_json_bool(j, "quarantined", t->quarantined);
	mg_json_bool(j, "sealed", t->sealed);
	put_knob_list(j, "contended", t->contended);
	put_knob_list(j, "restore_pending", t->restore_pending);
	mg_json_open(j, "cgroup", '{');
	mg_json_str(j, "source", t->cgroup.source);
	mg_json_str(j, "scope", t->cgroup.scope);
	mg_json_u64(j, "version", (uint64_t)t->cgroup.version);
	mg_json_num(j, "share_ratio", t->share_ratio);
	mg_json_close(j, '}');
	if (t->seen_report)
		mg_json_seconds(j, "report_age_s", q->now_ns - t->report_ns);
	else
		mg_json_null(j, "report_age_s");
}

static void put_target(struct mg_json *j, const struct mg_request *q, const struct mg_target *t)
{
	mg_json_open(j, NULL, '{');
	mg_json_str(j, "name", t->name);
	mg_json_str(j, "id", t->id);
	mg_json_str(j, "exe", t->exe);
	mg_json_u64(j, "uid", t->uid);
	mg_json_u64(j, "pid", (uint64_t)(t->pid > 0 ? t->pid : 0));
	mg_json_str(j, "runtime", t->runtime);
	mg_json_str(j, "allocator", t->allocator);
	mg_json_value(j, "rss_bytes", read_signal(q, t, MG_SIG_PROC_RSS));
	mg_json_value(j, "usage_bytes", read_signal(q, t, MG_SIG_CGROUP_USAGE));
	mg_json_value(j, "limit_bytes", read_signal(q, t, MG_SIG_CGROUP_LIMIT));
	mg_json_value(j, "live_bytes", read_signal(q, t, MG_SIG_SHIM_LIVE));
	mg_json_value(j, "returnable_bytes", read_signal(q, t, MG_SIG_SHIM_RETURNABLE));
	mg_json_num(j, "returned_bytes", t->stats.returned_bytes + t->stats.shim_purged_bytes);
	mg_json_seconds(j, "longest_pause_s", t->stats.longest_pause_ns);
	mg_json_u64(j, "naks", t->stats.naks);
	put_knobs(j, "settings", t, false);
	put_knobs(j, "baseline", t, true);
	put_state(j, q, t);
	put_last_decision(j, q, t);
	mg_json_close(j, '}');
}

static void put_governor(struct mg_json *j, const struct mg_request *q)
{
	const struct mg_engine *e = q->ctx->engine;

	mg_json_str(j, "version", MG_VERSION);
	mg_json_str(j, "mode", mg_mode_name(mg_engine_mode(e, NULL, NULL)));
	mg_json_str(j, "config_file", e->config->file);
	mg_json_str(j, "config_hash", e->config->hash);
	mg_json_str(j, "config_error", e->last_reload_error);
	mg_json_bool(j, "paused", e->paused);
	mg_json_bool(j, "off_file", e->off_file);
	mg_json_u64(j, "ticks", e->stats.ticks);
	mg_json_seconds(j, "uptime_s", q->now_ns - e->stats.started_ns);
	mg_json_seconds(j, "tick_lateness_s", e->stats.tick_lateness_ns);
}

unsigned mg_page_status(const struct mg_request *q, struct mg_buf *b)
{
	struct mg_json j = { .b = b };
	unsigned shown = 0, matching = 0;

	mg_json_open(&j, NULL, '{');
	put_governor(&j, q);
	mg_json_open(&j, "targets", '[');
	for (const struct mg_target *t = q->ctx->engine->targets; t; t = t->next) {
		if (!mg_asked_for(q, t) || matching++ >= MG_MAX_SERVED_TARGETS)
			continue;
		put_target(&j, q, t);
		shown++;
	}
	mg_json_close(&j, ']');
	mg_json_u64(&j, "left_out", matching - shown);
	mg_json_close(&j, '}');
	if (q->target && matching == 0) {
		*b = mg_buf(b->at, b->cap);
		return mg_page_no_target(q, b);
	}
	return 200;
}

/* ---- decisions ---- */

unsigned mg_page_decisions(const struct mg_request *q, struct mg_buf *b)
{
	static char line[MG_RECORD_JSON_MAX];
	const struct mg_audit *a = q->ctx->engine->audit;
	const struct mg_record *r;
	struct mg_json j = { .b = b };
	unsigned shown = 0;

	mg_json_open(&j, NULL, '{');
	mg_json_open(&j, "decisions", '[');
	for (unsigned i = 0; a && shown < q->limit && (r = mg_audit_at(a, i)) != NULL; i++) {
		if (q->target && strcmp(q->target, r->target) != 0 && strcmp(q->target, r->target_id) != 0)
			continue;
		int n = mg_record_json(r, line, sizeof line);
		if (n > 0)
			mg_json_raw(&j, NULL, line, (size_t)n);
		shown++;
	}
	mg_json_close(&j, ']');
	mg_json_close(&j, '}');
	return 200;
}

/* ---- plan ---- */

/* Returns how many changes the rule's newest decision holds; delayed ones count. */
static unsigned put_plan_rule(struct mg_json *j, const struct mg_request *q, const struct mg_target *t,
			      const struct mg_target_rule *tr)
{
	unsigned changes = 0;

	mg_json_open(j, NULL, '{');
	mg_json_str(j, "rule", tr->rule->name);
	mg_json_str(j, "rule_at", tr->rule->at);
	mg_json_str(j, "mode", mg_mode_name(mg_engine_mode(q->ctx->engine, t, tr->rule)));
	mg_json_str(j, "why", tr->last.why);
	mg_json_open(j, "wants", '[');
	for (unsigned i = 0; i < tr->last.n; i++) {
		mg_json_want(j, tr, i);
		changes += !tr->last.want[i].vetoed || mg_want_delayed(&tr->last.want[i]);
	}
	mg_json_close(j, ']');
	mg_json_close(j, '}');
	return changes;
}

unsigned mg_page_plan(const struct mg_request *q, struct mg_buf *b)
{
	struct mg_json j = { .b = b };
	unsigned changes = 0, shown = 0;

	mg_json_open(&j, NULL, '{');
	mg_json_str(&j, "mode", mg_mode_name(mg_engine_mode(q->ctx->engine, NULL, NULL)));
	mg_json_open(&j, "targets", '[');
	for (const struct mg_target *t = q->ctx->engine->targets; t && shown < MG_MAX_SERVED_TARGETS; t = t->next) {
		if (!t->spec || !mg_asked_for(q, t))
			continue;
		mg_json_open(&j, NULL, '{');
		mg_json_str(&j, "name", t->name);
		mg_json_str(&j, "id", t->id);
		mg_json_str(&j, "exe", t->exe);
		mg_json_open(&j, "rules", '[');
		for (unsigned i = 0; t->rules && i < t->spec->n_rules; i++)
			changes += put_plan_rule(&j, q, t, &t->rules[i]);
		mg_json_close(&j, ']');
		mg_json_close(&j, '}');
		shown++;
	}
	mg_json_close(&j, ']');
	mg_json_u64(&j, "changes", changes);
	mg_json_close(&j, '}');
	if (q->target && shown == 0) {
		*b = mg_buf(b->at, b->cap);
		return mg_page_no_target(q, b);
	}
	return 200;
}

/* ---- the stop button ---- */

static unsigned set_paused(const struct mg_request *q, struct mg_buf *b, bool paused)
{
	struct mg_json j = { .b = b };
	unsigned n = 0;

	for (struct mg_target *t = q->ctx->engine->targets; t && q->target; t = t->next) {
		if (!mg_asked_for(q, t))
			continue;
		q->ctx->pause(q->ctx->ctx, t, paused);
		n++;
	}
	if (q->target && n == 0)
		return mg_page_no_target(q, b);
	if (!q->target)
		q->ctx->pause(q->ctx->ctx, NULL, paused);
	mg_json_open(&j, NULL, '{');
	mg_json_bool(&j, "paused", paused);
	if (q->target)
		mg_json_str(&j, "target", q->target);
	else
		mg_json_null(&j, "target");
	mg_json_u64(&j, "processes", q->target ? n : q->ctx->engine->n_targets);
	mg_json_bool(&j, "off_file", q->ctx->engine->off_file);
	mg_json_close(&j, '}');
	return 200;
}

unsigned mg_page_pause(const struct mg_request *q, struct mg_buf *b)
{
	return set_paused(q, b, true);
}

unsigned mg_page_resume(const struct mg_request *q, struct mg_buf *b)
{
	return set_paused(q, b, false);
}
