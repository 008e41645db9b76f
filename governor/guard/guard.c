/* SPDX-License-Identifier: Apache-2.0 */
/* The guards in their fixed order, those on rights, order and time, and what guards remember. Reads a want with its context,
 * gives it back vetoed, nearer to the present value, or as it was; called by the engine between decide and act. */
#include "governor/guard/guard.h"

#include <math.h>
#include <stdio.h>

#include "governor/decide/show.h"
#include "governor/guard/limits.h"

#define NS_PER_HOUR      (3600 * MG_NS_PER_S)
#define FRUITLESS_RATIO  0.1                /* an action that returned less than this share of what was expected */
#define FAILURES_ALLOWED 3U                 /* in a row, before actions back off */
#define BACKOFF_NS       (60 * MG_NS_PER_S) /* then doubled by each further failure */
#define MAX_DOUBLINGS    6U                 /* 64 minutes */

const struct mg_guard_conf mg_guard_defaults = {
	.cooldown_ns = 15 * MG_NS_PER_S,
	.max_step_ratio = 2,
	.actions_per_hour = 120,
	.stale_hold_ns = 15 * MG_NS_PER_S,
	.live_margin_ratio = 1.1,
};

bool mg_guard_veto(struct mg_want *w, char why[static MG_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	w->vetoed = true;
	va_start(ap, fmt);
	(void)vsnprintf(why, MG_WHY_MAX, fmt, ap);
	va_end(ap);
	return true;
}

static bool supported(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb == MG_VERB_ACTION && !c->view->action[w->action])
		return mg_guard_veto(w, why, "supported: the target cannot do %s", mg_action_info(w->action)->name);
	if (w->verb != MG_VERB_ACTION && !c->view->knob[w->knob].supported)
		return mg_guard_veto(w, why, "supported: the target has no %s", mg_knob_info(w->knob)->name);
	return false;
}

static bool restorable(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb != MG_VERB_SET || c->view->knob[w->knob].restore != MG_RESTORE_NONE || c->rule->irreversible)
		return false;
	return mg_guard_veto(w, why, "restore-none: %s cannot be put back here; the rule may say `irreversible: true`",
			     mg_knob_info(w->knob)->name);
}

/* Putting back what was there before is right however little is known: the next three pass a restore. */
static bool stale(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb == MG_VERB_RESTORE || c->report_age_ns <= c->conf->stale_hold_ns)
		return false;
	if (c->report_age_ns == MG_NEVER)
		return mg_guard_veto(w, why, "stale: the target has not reported yet");
	return mg_guard_veto(w, why, "stale: the target last reported %s ago", MG_SHOW_NS(c->report_age_ns));
}

/* For every knob less is tighter; a knob that is off is as loose as can be. Actions take memory away. */
static bool tightens(const struct mg_want *w)
{
	return w->verb == MG_VERB_ACTION || (w->verb == MG_VERB_SET && (isnan(w->from) || w->to < w->from));
}

static bool late(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (!c->late_tick || !tightens(w))
		return false;
	return mg_guard_veto(w, why, "late-tick: this tick came too late to tighten anything");
}

static bool earlier(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb == MG_VERB_ACTION)
		return false;
	if (c->vetoed_knobs & 1ULL << w->knob)
		return mg_guard_veto(w, why, "earlier-rule: an earlier rule's change of %s was vetoed or held", mg_knob_info(w->knob)->name);
	if (c->decided_knobs & 1ULL << w->knob)
		return mg_guard_veto(w, why, "earlier-rule: an earlier rule decides %s", mg_knob_info(w->knob)->name);
	return false;
}

static bool cooldown(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb == MG_VERB_RESTORE)
		return false;
	uint64_t last = w->verb == MG_VERB_ACTION ? c->state->acted_at_ns : c->state->set_at_ns[w->knob];
	uint64_t since = c->view->now_ns - last;

	if (last == 0 || since >= c->conf->cooldown_ns)
		return false;
	return mg_guard_veto(w, why, "cooldown: %s left", MG_SHOW_NS(c->conf->cooldown_ns - since));
}

static bool backoff(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb != MG_VERB_ACTION || c->view->now_ns >= c->state->backoff_until_ns)
		return false;
	return mg_guard_veto(w, why, "backoff: %s left, the last %u actions returned next to nothing",
			     MG_SHOW_NS(c->state->backoff_until_ns - c->view->now_ns), c->state->failures);
}

/* The token bucket at now: full at first, refilled evenly. */
static double tokens_at(const struct mg_guard_state *s, const struct mg_guard_conf *conf, uint64_t now_ns)
{
	double full = conf->actions_per_hour;

	if (s->budget_at_ns == 0)
		return full;
	return fmin(full, s->budget + full * ((double)(now_ns - s->budget_at_ns) / (double)NS_PER_HOUR));
}

static bool budget(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb != MG_VERB_ACTION || tokens_at(c->state, c->conf, c->view->now_ns) >= 1)
		return false;
	return mg_guard_veto(w, why, "budget: %u actions an hour are used up", c->conf->actions_per_hour);
}

/* Rights first, then values from the hardest rule to the softest, then time: what costs nothing to say comes before what a
 * refusal would use up. */
const struct mg_guard mg_guards[] = {
	{ "supported", "the target has the knob or action", supported },
	{ "restore-none", "a knob that cannot be put back needs `irreversible: true`", restorable },
	{ "stale", "hold while the target does not report", stale },
	{ "late-tick", "a late tick tightens nothing", late },
	{ "earlier-rule", "the first rule that speaks of a knob decides it", earlier },
	{ "bounds", "the target's `bounds:`", mg_guard_bounds },
	{ "range", "the ends of the knob itself", mg_guard_range },
	{ "never-below-live", "a memory limit stays above live bytes and their margin", mg_guard_live },
	{ "hysteresis", "a change too small to be worth sending is held", mg_guard_hysteresis },
	{ "step", "the rule's `step:` and `guards: max_step`", mg_guard_step },
	{ "cooldown", "time between two changes of a knob, and between two actions", cooldown },
	{ "backoff", "actions that returned nothing are not repeated at once", backoff },
	{ "budget", "actions an hour", budget },
	{ NULL, NULL, NULL },
};
_Static_assert(sizeof mg_guards / sizeof mg_guards[0] - 1 <= MG_MAX_GUARDS, "a guard's bit and clause need a place");

void mg_guard_run(const struct mg_guard_ctx *c, struct mg_want *w, char why[][MG_WHY_MAX])
{
	for (unsigned i = 0; mg_guards[i].name; i++) {
		why[i][0] = '\0';
		if (!w->vetoed && mg_guards[i].check(c, w, why[i]))
			w->guards |= 1U << i;
	}
}

void mg_guard_commit(struct mg_guard_state *s, const struct mg_guard_conf *conf, uint64_t now_ns, const struct mg_want *w)
{
	switch (w->verb) {
	case MG_VERB_SET: case MG_VERB_RESTORE:
		s->set_at_ns[w->knob] = now_ns;
		return;
	case MG_VERB_ACTION:
		s->budget = tokens_at(s, conf, now_ns) - 1;
		s->budget_at_ns = now_ns;
		s->acted_at_ns = now_ns;
		return;
	case MG_VERB_HOLD:
		return;
	}
}

void mg_guard_judge(struct mg_guard_state *s, uint64_t now_ns, double expected_bytes, double achieved_bytes)
{
	if (!isfinite(expected_bytes) || expected_bytes <= 0 || isnan(achieved_bytes))
		return; /* nothing was promised: nothing to hold against it */
	if (achieved_bytes >= FRUITLESS_RATIO * expected_bytes) {
		s->failures = 0;
		s->backoff_until_ns = 0;
		return;
	}
	s->failures++;
	if (s->failures < FAILURES_ALLOWED)
		return;
	unsigned doublings = s->failures - FAILURES_ALLOWED;
	s->backoff_until_ns = now_ns + (BACKOFF_NS << (doublings < MAX_DOUBLINGS ? doublings : MAX_DOUBLINGS));
}
