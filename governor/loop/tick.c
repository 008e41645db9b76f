/* SPDX-License-Identifier: Apache-2.0 */
/* One tick: observe -> decide -> guard -> act -> audit. Reads the registry (engine.c) and the time it is handed, gives
 * commands to the actuators and records to the audit. Dry run differs from enforcing by the actuator alone, so that both
 * decide alike. Allocates nothing. */
#include "governor/loop/tick.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "governor/util/str.h"

#define VERY_STALE_REPORTS 3 /* times stale_hold: a target silent for this long is no longer renewed */

/* ---- observe ---- */

static double live_of(const struct mg_target *t, uint64_t now_ns)
{
	static const enum mg_signal best_first[] = { MG_SIG_HEAP_LIVE, MG_SIG_SHIM_LIVE, MG_SIG_PROC_RSS, MG_SIG_SHIM_RESIDENT };

	for (unsigned i = 0; i < sizeof best_first / sizeof best_first[0]; i++) {
		struct mg_value v = mg_sample_read(&t->sig[best_first[i]], now_ns);
		if (v.known && v.v > 0)
			return v.v;
	}
	return 0;
}

static void sum_shares(struct mg_engine *e, uint64_t now_ns)
{
	for (struct mg_share *s = e->shares; s; s = s->next)
		s->live_bytes = s->rss_bytes = s->usage_bytes = 0;
	for (struct mg_target *t = e->targets; t; t = t->next) {
		if (!t->share)
			continue;
		struct mg_value rss = mg_sample_read(&t->sig[MG_SIG_PROC_RSS], now_ns);
		struct mg_value usage = mg_sample_read(&t->sig[MG_SIG_CGROUP_WORKING_SET], now_ns);
		t->share->live_bytes += live_of(t, now_ns);
		t->share->rss_bytes += rss.known ? rss.v : 0;
		if (usage.known)
			t->share->usage_bytes = fmax(t->share->usage_bytes, usage.v);
	}
}

static void take_share(struct mg_target *t, uint64_t now_ns)
{
	t->share_ratio = 1;
	t->others_bytes = 0;
	if (!t->share)
		return;
	if (t->share->n > 1 && t->share->live_bytes > 0)
		t->share_ratio = live_of(t, now_ns) / t->share->live_bytes;
	t->others_bytes = fmax(0, t->share->usage_bytes - t->share->rss_bytes);
}

/* Quiet: CPU below MG_QUIET_CPU and resident memory not grown by more than 1 % (and 1 MiB) since it became so. */
static void watch_quiet(struct mg_target *t, uint64_t now_ns)
{
	struct mg_value cpu = mg_sample_read(&t->sig[MG_SIG_PROC_CPU], now_ns);
	struct mg_value rss = mg_sample_read(&t->sig[MG_SIG_PROC_RSS], now_ns);

	if (!cpu.known || !rss.known) {
		t->quiet_since_ns = 0;
		return;
	}
	bool grown = rss.v > t->quiet_rss * 1.01 + 1048576;
	if (t->quiet_since_ns == 0 || grown || cpu.v >= MG_QUIET_CPU) {
		t->quiet_since_ns = now_ns;
		t->quiet_rss = rss.v;
	} else if (rss.v < t->quiet_rss) {
		t->quiet_rss = rss.v;
	}
}

static void make_view(const struct mg_engine *e, const struct mg_target *t, uint64_t now_ns, struct mg_view *v)
{
	memset(v, 0, sizeof *v);
	v->now_ns = now_ns;
	v->interval_ns = e->config->interval_ns;
	v->quiet_ns = t->quiet_since_ns ? now_ns - t->quiet_since_ns : MG_NEVER;
	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		v->sig[i] = mg_sample_read(&t->sig[i], now_ns);
	memcpy(v->knob, t->knob, sizeof v->knob);
	memcpy(v->action, t->action, sizeof v->action);
	v->share_ratio = t->share_ratio;
	v->others_bytes = t->others_bytes;
}

/* ---- audit ---- */

static bool same_want(const struct mg_want *a, const struct mg_want *b)
{
	bool to = a->to == b->to || (isnan(a->to) && isnan(b->to));

	return a->verb == b->verb && a->knob == b->knob && a->action == b->action && a->vetoed == b->vetoed && to;
}

/* A want that only repeats the newest recorded one tells nothing new. Actions that go out are always told. */
static bool worth_recording(const struct mg_target_rule *tr, const struct mg_want *w, uint64_t now_ns)
{
	if (w->verb == MG_VERB_ACTION && !w->vetoed)
		return true;
	return !same_want(&tr->recorded, w) || now_ns - tr->recorded_ns >= MG_RERECORD_NS;
}

struct naming {
	const struct mg_engine *e;
	struct mg_record *r;
	uint64_t now_ns;
};

static void name_source(void *ctx, struct mg_signal_ref ref)
{
	const struct naming *n = ctx;

	if (ref.scope != MG_SCOPE_SOURCE || n->r->n_sources == MG_RECORD_SOURCES || ref.id >= n->e->config->n_signals)
		return;
	mg_copy(n->r->source[n->r->n_sources].name, sizeof n->r->source[0].name, n->e->config->signals[ref.id].name);
	n->r->source[n->r->n_sources++].v = mg_sample_read(&n->e->source[ref.id], n->now_ns);
}

/* The configured sources that the rule names, beside the signals that every target has. */
static void record_sources(const struct mg_engine *e, const struct mg_rule *rule, struct mg_record *r)
{
	struct naming n = { e, r, r->now_ns };

	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++)
		if (rule->expr[i])
			mg_expr_signals(rule->expr[i], name_source, &n);
}

static struct mg_record *record(struct mg_engine *e, const struct mg_target *t, struct mg_target_rule *tr,
				const struct mg_view *v, const struct mg_want *w, uint64_t seq)
{
	if (!e->audit || !worth_recording(tr, w, v->now_ns))
		return NULL;
	struct mg_record *r = mg_audit_add(e->audit);
	*r = (struct mg_record){ .ts_wall_ns = v->now_ns + e->wall_offset_ns,
				 .now_ns = v->now_ns,
				 .seq = seq,
				 .want = *w,
				 .mode = mg_engine_mode(e, t, tr->rule),
				 .outcome = { .expected_bytes = NAN, .achieved_bytes = NAN, .minflt = NAN, .majflt = NAN } };
	mg_copy(r->target, sizeof r->target, t->name);
	mg_copy(r->target_id, sizeof r->target_id, t->id);
	mg_copy(r->rule, sizeof r->rule, tr->rule->name);
	mg_copy(r->rule_at, sizeof r->rule_at, tr->rule->at);
	mg_copy(r->why, sizeof r->why, tr->last.why);
	memcpy(r->sig, v->sig, sizeof r->sig);
	record_sources(e, tr->rule, r);
	tr->recorded = *w;
	tr->recorded_ns = v->now_ns;
	return r;
}

static void record_hold(struct mg_engine *e, struct mg_target *t, struct mg_target_rule *tr, const struct mg_view *v)
{
	struct mg_want hold = { .verb = MG_VERB_HOLD, .to = NAN, .from = NAN, .bytes = NAN };

	if (tr->was_holding)
		return;
	tr->was_holding = true;
	struct mg_record *r = record(e, t, tr, v, &hold, 0);
	if (!r)
		return;
	r->outcome.state = MG_OUTCOME_DONE;
	mg_audit_write(e->audit, r);
}

/* ---- act ---- */

static struct mg_pending *pending_slot(struct mg_target *t)
{
	for (unsigned i = 0; i < MG_MAX_PENDING; i++)
		if (!t->pending[i].used)
			return &t->pending[i];
	return NULL;
}

static double expected_bytes(const struct mg_want *w, const struct mg_view *v)
{
	if (w->verb != MG_VERB_ACTION || w->action != MG_ACTION_PURGE)
		return NAN;
	struct mg_value returnable = v->sig[MG_SIG_SHIM_RETURNABLE];
	return returnable.known ? fmin(w->bytes, returnable.v) : NAN;
}

static void count_sent(struct mg_target *t, struct mg_target_rule *tr, const struct mg_want *w, uint64_t now_ns, bool dry)
{
	t->stats.decisions++;
	if (!dry)
		t->acted_ns = now_ns;
	if (w->verb == MG_VERB_ACTION) {
		t->stats.actions++;
		return;
	}
	t->stats.sets++;
	t->leased = true;
	t->enforced |= !dry;
	if (w->verb == MG_VERB_SET)
		tr->set_knobs |= 1U << w->knob;
	else
		tr->set_knobs &= ~(1U << w->knob);
}

/* Hands one want to the mode's actuator and keeps it pending until it is answered. */
static void act(struct mg_engine *e, struct mg_target *t, unsigned rule, const struct mg_view *v, const struct mg_want *w)
{
	struct mg_target_rule *tr = &t->rules[rule];
	bool dry = mg_engine_mode(e, t, tr->rule) != MG_MODE_ENFORCE;
	const struct mg_act_ops *ops = dry ? &mg_act_null : t->act;
	struct mg_pending *p = pending_slot(t);
	uint64_t seq = ++e->seq;

	int r = p ? ops->send(t->peer, w, v, seq, e->config->lease_ns, v->now_ns) : -EAGAIN;
	if (r < 0) {
		t->stats.lost++;
		return;
	}
	*p = (struct mg_pending){ .seq = seq,
				  .sent_ns = v->now_ns,
				  .want = *w,
				  .rule = (uint8_t)rule,
				  .used = true,
				  .dry = dry,
				  .expected_bytes = expected_bytes(w, v) };
	count_sent(t, tr, w, v->now_ns, dry);
	e->stats.decisions++;
	mg_guard_commit(&t->guard, &t->spec->guards, v->now_ns, w);
	struct mg_record *rec = record(e, t, tr, v, w, seq);
	if (!rec)
		return;
	rec->cuts = tr->cuts[w - tr->last.want];
	rec->outcome.expected_bytes = p->expected_bytes;
	rec->outcome.state = dry ? MG_OUTCOME_DRY : MG_OUTCOME_PENDING;
	if (dry)
		mg_audit_write(e->audit, rec);
}

static void record_veto(struct mg_engine *e, struct mg_target *t, struct mg_target_rule *tr, const struct mg_view *v, unsigned i)
{
	t->stats.vetoes++;
	struct mg_record *r = record(e, t, tr, v, &tr->last.want[i], 0);
	if (!r)
		return;
	r->cuts = tr->cuts[i];
	r->outcome.state = MG_OUTCOME_VETOED;
	mg_audit_write(e->audit, r);
}

/* ---- one rule ---- */

/* Inputs unknown for MG_VERY_STALE_NS: what this rule set goes back to the baseline. */
static void restore_when_very_stale(struct mg_target_rule *tr, uint64_t now_ns)
{
	if (!tr->last.unknown) {
		tr->unknown_since_ns = 0;
		return;
	}
	if (tr->unknown_since_ns == 0)
		tr->unknown_since_ns = now_ns;
	if (tr->set_knobs == 0 || now_ns - tr->unknown_since_ns < MG_VERY_STALE_NS)
		return;
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++)
		if (tr->set_knobs & 1U << k)
			mg_restore_knob(&tr->last, (enum mg_knob)k, "inputs unknown for 5 minutes: back to the baseline");
}

/* Runs the guards and keeps the clauses of those that cut. */
static void guard(const struct mg_guard_ctx *g, struct mg_want *w, struct mg_cuts *cuts)
{
	char why[MG_MAX_GUARDS][MG_WHY_MAX];

	mg_guard_run(g, w, why);
	for (unsigned i = 0; i < MG_MAX_GUARDS && cuts->n < MG_MAX_CUTS; i++) {
		if (!(w->guards & 1U << i))
			continue;
		cuts->at[cuts->n].guard = (uint8_t)i;
		mg_copy(cuts->at[cuts->n++].why, MG_CUT_MAX, why[i]);
	}
}

static void note_knob(uint64_t *vetoed, uint64_t *decided, const struct mg_want *w)
{
	if (w->verb == MG_VERB_ACTION)
		return;
	if (w->vetoed)
		*vetoed |= 1ULL << w->knob;
	else
		*decided |= 1ULL << w->knob;
}

static void run_rule(struct mg_engine *e, struct mg_target *t, unsigned rule, const struct mg_expr_env *env, struct mg_view *v,
		     struct mg_guard_ctx *g)
{
	struct mg_target_rule *tr = &t->rules[rule];

	memset(&tr->last, 0, sizeof tr->last);
	memset(tr->cuts, 0, sizeof tr->cuts);
	mg_rule_decide(tr->rule, &tr->state, v, env, &tr->last);
	restore_when_very_stale(tr, v->now_ns);
	tr->decided_at_ns = v->now_ns;
	if (tr->last.n == 0) {
		record_hold(e, t, tr, v);
		return;
	}
	tr->was_holding = false;
	g->rule = tr->rule;
	uint64_t vetoed = g->vetoed_knobs, decided = g->decided_knobs;
	for (unsigned i = 0; i < tr->last.n; i++) {
		struct mg_want *w = &tr->last.want[i];
		guard(g, w, &tr->cuts[i]);
		note_knob(&vetoed, &decided, w);
		if (w->vetoed)
			record_veto(e, t, tr, v, i);
		else
			act(e, t, rule, v, w);
	}
	g->vetoed_knobs = vetoed; /* one rule's wants do not stand in each other's way, later rules' do */
	g->decided_knobs = decided;
}

/* ---- one target ---- */

/* Writes the record of a command that is over, with what it cost in faults. */
static void close_record(struct mg_engine *e, struct mg_pending *p)
{
	struct mg_record *r = e->audit ? mg_audit_find(e->audit, p->seq) : NULL;

	p->used = false;
	if (!r || r->outcome.state == MG_OUTCOME_DRY)
		return;
	if (r->outcome.state == MG_OUTCOME_PENDING)
		r->outcome.state = MG_OUTCOME_LOST;
	if (p->want.verb == MG_VERB_ACTION && p->done_ns) {
		r->outcome.minflt = round(p->minflt);
		r->outcome.majflt = round(p->majflt);
	}
	mg_audit_write(e->audit, r);
}

/* Adds this tick's faults to what is being verified; ends windows, and commands that nobody answered. */
static void watch_pending(struct mg_engine *e, struct mg_target *t, uint64_t now_ns)
{
	struct mg_value minflt = mg_sample_read(&t->sig[MG_SIG_PROC_MINFLT_RATE], now_ns);
	struct mg_value majflt = mg_sample_read(&t->sig[MG_SIG_PROC_MAJFLT_RATE], now_ns);
	double dt = (double)e->config->interval_ns / 1e9;

	for (unsigned i = 0; i < MG_MAX_PENDING; i++) {
		struct mg_pending *p = &t->pending[i];
		if (!p->used)
			continue;
		p->minflt += minflt.known ? minflt.v * dt : 0;
		p->majflt += majflt.known ? majflt.v * dt : 0;
		if (p->done_ns ? now_ns - p->done_ns >= MG_VERIFY_NS : now_ns - p->sent_ns > MG_PENDING_NS) {
			t->stats.lost += !p->done_ns && !p->dry;
			close_record(e, p);
		}
	}
}

void mg_tick_gone(struct mg_engine *e, struct mg_target *t)
{
	for (unsigned i = 0; i < MG_MAX_PENDING; i++)
		if (t->pending[i].used)
			close_record(e, &t->pending[i]);
}

/* Settings that are really in the target go through its actuator, those of a dry run through the null one. */
static const struct mg_act_ops *ops_of(const struct mg_target *t)
{
	return t->enforced ? t->act : &mg_act_null;
}

/* Keeps every setting alive, also while holding. A target that went silent is left to its lease, and so are settings that
 * an earlier governor left when this one may not enforce: dry run sends nothing. */
static void renew(struct mg_engine *e, struct mg_target *t, uint64_t now_ns)
{
	uint64_t stale = t->spec ? t->spec->guards.stale_hold_ns : 15 * MG_NS_PER_S;

	if (!t->leased || now_ns - t->renewed_ns < e->config->lease_ns / 3 || now_ns - t->report_ns > VERY_STALE_REPORTS * stale)
		return;
	if (t->enforced && t->mode != MG_MODE_ENFORCE)
		return;
	if (ops_of(t)->renew(t->peer, ++e->seq, e->config->lease_ns, now_ns) == 0) {
		t->renewed_ns = now_ns;
		t->stats.renewals++;
	}
}

void mg_tick_restore(struct mg_engine *e, struct mg_target *t, uint64_t now_ns)
{
	if (!t->leased)
		return;
	if (ops_of(t)->restore(t->peer, ++e->seq, now_ns) < 0) {
		t->stats.lost++;
		return; /* still leased: tried again at the next tick, and the lease is no longer renewed while off */
	}
	t->leased = t->enforced = false;
	t->stats.restores++;
	for (unsigned i = 0; t->rules && i < t->spec->n_rules; i++)
		t->rules[i].set_knobs = 0;
}

static void tick_target(struct mg_engine *e, struct mg_target *t, uint64_t now_ns, bool late)
{
	t->stats.ticks++;
	take_share(t, now_ns);
	watch_quiet(t, now_ns);
	watch_pending(e, t, now_ns);
	t->mode = mg_engine_mode(e, t, NULL);
	if (t->sealed) { /* it put everything back by itself and hears nothing any more */
		t->leased = t->enforced = false;
		return;
	}
	if (t->mode == MG_MODE_OFF) {
		mg_tick_restore(e, t, now_ns);
		return;
	}
	renew(e, t, now_ns);
	if (!t->rules || mg_engine_watching(e, t, now_ns))
		return;
	struct mg_view v;
	struct mg_expr_env env = { .now_ns = now_ns, .target = t->sig, .source = e->source, .n_source = e->config->n_signals };
	struct mg_guard_ctx g = { .conf = &t->spec->guards,
				  .bounds = &t->spec->bounds,
				  .view = &v,
				  .state = &t->guard,
				  .report_age_ns = now_ns - t->report_ns,
				  .late_tick = late };
	make_view(e, t, now_ns, &v);
	for (unsigned i = 0; i < t->spec->n_rules; i++)
		if (mg_engine_mode(e, t, t->rules[i].rule) != MG_MODE_OFF)
			run_rule(e, t, i, &env, &v, &g);
}

void mg_engine_tick(struct mg_engine *e, uint64_t now_ns, uint64_t lateness_ns)
{
	bool late = lateness_ns > e->config->lease_ns / 3;

	e->stats.ticks++;
	e->stats.late_ticks += late;
	e->stats.last_tick_ns = now_ns;
	e->stats.tick_lateness_ns = lateness_ns;
	if (lateness_ns > e->stats.tick_lateness_max_ns)
		e->stats.tick_lateness_max_ns = lateness_ns;
	sum_shares(e, now_ns);
	for (struct mg_target *t = e->targets; t; t = t->next)
		tick_target(e, t, now_ns, late);
}

/* ---- answers ---- */

static struct mg_pending *pending_find(struct mg_target *t, uint64_t seq)
{
	for (unsigned i = 0; i < MG_MAX_PENDING; i++)
		if (t->pending[i].used && !t->pending[i].done_ns && t->pending[i].seq == seq)
			return &t->pending[i];
	return NULL;
}

static void take_cost(struct mg_target *t, const struct mg_wire_msg *m, const struct mg_pending *p, struct mg_record *r)
{
	uint64_t returned = 0, took_us = 0, longest_us = 0;

	if (p->want.verb != MG_VERB_ACTION || mg_wire_u64(m, "returned", &returned) < 0)
		return;
	if (mg_wire_u64(m, "took_us", &took_us) < 0)
		took_us = 0;
	if (mg_wire_u64(m, "longest_us", &longest_us) < 0)
		longest_us = 0;
	t->stats.returned_bytes += (double)returned;
	if (longest_us * 1000 > t->stats.longest_pause_ns)
		t->stats.longest_pause_ns = longest_us * 1000;
	if (!r)
		return;
	r->outcome.achieved_bytes = (double)returned;
	r->outcome.took_ns = took_us * 1000;
	r->outcome.longest_pause_ns = longest_us * 1000;
}

/* Tells guard and policy how an action ended. */
static void judge(struct mg_target *t, const struct mg_wire_msg *m, const struct mg_pending *p, uint64_t now_ns)
{
	uint64_t returned = 0;

	if (p->want.verb != MG_VERB_ACTION || !t->rules)
		return;
	if (m->verb == MG_WIRE_ACK && mg_wire_u64(m, "returned", &returned) < 0)
		return;
	mg_guard_judge(&t->guard, now_ns, p->expected_bytes, (double)returned);
	struct mg_target_rule *tr = &t->rules[p->rule];
	if (tr->rule->policy->outcome)
		tr->rule->policy->outcome(tr->state.policy, now_ns, p->expected_bytes, (double)returned);
}

static void note_refusal(const struct mg_wire_msg *m, struct mg_record *r)
{
	char code[32] = "", why[96] = "";
	struct mg_buf b = mg_buf(r->outcome.text, sizeof r->outcome.text);

	if (mg_wire_str(m, "code", code, sizeof code) < 0 || mg_wire_str(m, "why", why, sizeof why) < 0)
		why[0] = '\0';
	mg_buf_printf(&b, "%s: %s", code, why);
}

void mg_tick_answer(struct mg_engine *e, struct mg_target *t, const struct mg_wire_msg *m, uint64_t now_ns)
{
	uint64_t seq;

	if (mg_wire_u64(m, "seq", &seq) < 0)
		return;
	struct mg_pending *p = pending_find(t, seq);
	if (!p)
		return; /* a renewal's or a restore's answer, or one that came too late */
	struct mg_record *r = e->audit ? mg_audit_find(e->audit, seq) : NULL;
	if (m->verb == MG_WIRE_ACK)
		take_cost(t, m, p, r);
	else
		t->stats.naks++;
	if (p->rule < (t->spec ? t->spec->n_rules : 0))
		judge(t, m, p, now_ns);
	if (r && r->outcome.state == MG_OUTCOME_PENDING) {
		r->outcome.state = m->verb == MG_WIRE_ACK ? MG_OUTCOME_DONE : MG_OUTCOME_REFUSED;
		if (m->verb == MG_WIRE_NAK)
			note_refusal(m, r);
	}
	if (p->want.verb == MG_VERB_ACTION && m->verb == MG_WIRE_ACK)
		p->done_ns = now_ns; /* written when its window ends */
	else
		close_record(e, p);
}
