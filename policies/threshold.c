/* SPDX-License-Identifier: Apache-2.0 */
/* threshold: rule in, knob or action out.
 * `when` yes: the values of `set`, and the action of `do` on the rising edge and then at most every `every`. `when` no: the
 * values of `otherwise`; a knob of `set` that `otherwise` does not name goes back to what it was before memgov. Damping is not
 * here: `for` in the condition, and the step, hysteresis and cooldown guards, do it.
 * Source: the hand-written loops this replaces (a GC percent switched at a heap size, malloc_trim on an alarm).
 * Reads: when. Sets: what `set` and `otherwise` name; a share of memory_limit is of this target's part of cgroup.limit.
 * Unknown input: hold. */
#include <errno.h>
#include <math.h>

#include "governor/decide/show.h"
#include "policies/registry.h"
#include "policies/share.h"

struct threshold {
	struct mg_knob_map set, otherwise;
	struct mg_action_spec action;
	uint64_t every_ns;
};

struct threshold_state {
	bool was_yes;
	bool acted;
	uint32_t set_knobs; /* bit per knob this rule has set and not yet seen restored */
	uint64_t acted_at_ns;
};

enum { SLOT_WHEN };

static const struct mg_field threshold_fields[] = {
	{ "when", MG_EXPR_COND, SLOT_WHEN, NULL, "the condition, like: app.heap_inuse > 800MB for 15s", 1 },
	{ "set", MG_KNOB_VALUES, offsetof(struct threshold, set), NULL, "knobs while the condition holds", 0 },
	{ "otherwise", MG_KNOB_VALUES, offsetof(struct threshold, otherwise), NULL,
	  "knobs while it does not; default: as before memgov", 0 },
	{ "do", MG_ACTION_SPEC, offsetof(struct threshold, action), NULL, "an action when the condition comes true", 0 },
	{ "every", MG_DURATION, offsetof(struct threshold, every_ns), "1m", "repeat the action this often while it stays true", 0 },
	{ 0 },
};

static bool any_given(const struct mg_knob_map *m)
{
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++)
		if (m->at[k].given)
			return true;
	return false;
}

static int check_shares(const struct mg_knob_map *m, const char *key, struct mg_err *err)
{
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++)
		if (m->at[k].given && m->at[k].share && k != MG_KNOB_MEMORY_LIMIT)
			return mg_fail(err, -EINVAL, "%s: %s cannot be a share: write it in %s", key, mg_knob_info(k)->name,
				       mg_unit_name(mg_knob_info(k)->unit));
	return 0;
}

static int threshold_check(const void *conf, struct mg_err *err)
{
	const struct threshold *t = conf;
	int r;

	if (!any_given(&t->set) && !any_given(&t->otherwise) && !t->action.given)
		return mg_fail(err, -EINVAL, "set: the rule changes nothing: give `set:` or `do:`");
	if (t->every_ns == 0)
		return mg_fail(err, -EINVAL, "every: must be above 0: the action would run at every tick");
	if ((r = check_shares(&t->set, "set", err)) < 0)
		return r;
	return check_shares(&t->otherwise, "otherwise", err);
}

/* The amount as a value of the knob; unknown: a share while there is no limit. */
static struct mg_value resolve(const struct mg_amount *a, const struct mg_view *v)
{
	struct mg_value limit = mg_own_limit(v);

	if (!a->share)
		return mg_known_value(a->v);
	limit.v = floor(limit.v * a->v);
	return limit;
}

/* Asks for every value of m. Returns the knobs whose share had no limit to be of, as bits. */
static uint32_t ask_values(const struct mg_knob_map *m, const struct mg_view *v, const char *why, struct mg_decision *ret)
{
	uint32_t unknown = 0;

	for (unsigned k = 0; k < MG_KNOB__COUNT; k++) {
		if (!m->at[k].given)
			continue;
		struct mg_value to = resolve(&m->at[k], v);
		if (mg_known(to))
			mg_set(ret, k, to.v, "%s", why);
		else
			unknown |= 1U << k;
	}
	return unknown;
}

static bool is_at_baseline(const struct mg_knob_view *k)
{
	if (!mg_known(k->present) || !mg_known(k->baseline))
		return mg_known(k->present) == mg_known(k->baseline);
	return k->present.v == k->baseline.v;
}

/* Puts back what `set` changed and `otherwise` does not name; asked again at each tick until the target says it is done. */
static void ask_restores(const struct threshold *t, struct threshold_state *s, const struct mg_view *v, struct mg_decision *ret)
{
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++) {
		if (!(s->set_knobs & 1U << k) || t->otherwise.at[k].given)
			continue;
		if (is_at_baseline(&v->knob[k]))
			s->set_knobs &= ~(1U << k);
		else
			mg_restore_knob(ret, k, "the condition no longer holds");
	}
}

static void note_set(struct threshold_state *s, const struct mg_decision *d)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->want[i].verb == MG_VERB_SET)
			s->set_knobs |= 1U << d->want[i].knob;
}

static double purge_bytes(const struct mg_amount *a, const struct mg_view *v)
{
	struct mg_value returnable = v->sig[MG_SIG_SHIM_RETURNABLE];

	if (!a->given)
		return INFINITY;
	if (!a->share)
		return a->v;
	return mg_known(returnable) ? floor(returnable.v * a->v) : NAN;
}

static void ask_action(const struct threshold *t, struct threshold_state *s, const struct mg_view *v, struct mg_decision *ret)
{
	bool due = !s->was_yes || !s->acted || v->now_ns - s->acted_at_ns >= t->every_ns;
	double bytes = purge_bytes(&t->action.bytes, v);

	if (!t->action.given || !due)
		return;
	if (t->action.action != MG_ACTION_PURGE)
		mg_run_action(ret, t->action.action, t->action.max_pause_ns, "the condition holds");
	else if (!isnan(bytes))
		mg_purge(ret, bytes, t->action.max_pause_ns, "the condition holds");
	else /* a share of an unknown amount bounds nothing: ask for all, the pause bound still holds */
		mg_purge(ret, INFINITY, t->action.max_pause_ns, "the condition holds; what is returnable is unknown");
	s->acted = true;
	s->acted_at_ns = v->now_ns;
}

static void when_yes(const struct threshold *t, struct threshold_state *s, const struct mg_view *v, struct mg_decision *ret)
{
	uint32_t unknown = ask_values(&t->set, v, "the condition holds", ret);

	note_set(s, ret);
	ask_action(t, s, v, ret);
	s->was_yes = true;
	if (ret->n == 0 && unknown)
		mg_hold_unknown(ret, "the condition holds; the limit its share is of is unknown");
	else if (ret->n == 0)
		mg_hold(ret, "the condition holds; next action in %s", MG_SHOW_NS(t->every_ns - (v->now_ns - s->acted_at_ns)));
}

static void when_no(const struct threshold *t, struct threshold_state *s, const struct mg_view *v, struct mg_decision *ret)
{
	uint32_t unknown = ask_values(&t->otherwise, v, "the condition does not hold", ret);

	ask_restores(t, s, v, ret);
	s->was_yes = false;
	if (ret->n == 0 && unknown)
		mg_hold_unknown(ret, "the condition does not hold; the limit its share is of is unknown");
	else if (ret->n == 0)
		mg_hold(ret, "the condition does not hold");
}

static void threshold_decide(const void *conf, void *state, const struct mg_view *v, struct mg_decision *ret)
{
	switch (v->cond[SLOT_WHEN]) {
	case MG_YES: when_yes(conf, state, v, ret); return;
	case MG_NO: when_no(conf, state, v, ret); return;
	case MG_UNKNOWN: mg_hold_unknown(ret, "the condition is unknown"); return;
	}
}

const struct mg_policy_ops mg_policy_threshold = {
	.name = "threshold", .help = "knobs and actions by a condition",
	.fields = threshold_fields, .conf_size = sizeof(struct threshold), .state_size = sizeof(struct threshold_state),
	.decide = threshold_decide, .check = threshold_check,
};
