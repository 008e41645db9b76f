/* SPDX-License-Identifier: Apache-2.0 */
/* Guards on the value of a SET: bounds, the knob's own ends, live bytes, hysteresis, step. Each reads the view and the
 * configuration and moves w->to toward w->from or vetoes; called in order by mg_guard_run. A knob that is off has no present
 * value (w->from is NAN): its first setting has no distance to measure, so steps and hysteresis do not apply to it. */
#include "governor/guard/limits.h"

#include <math.h>
#include <stdio.h>

#include "governor/decide/show.h"

static const char *text(char *buf, size_t cap, const struct mg_want *w, double v)
{
	return mg_unit_show(v, mg_knob_info(w->knob)->unit, buf, cap);
}

int mg_guard_within(struct mg_want *w, double lo, double hi)
{
	double allowed = mg_clamp(w->to, lo, hi);
	bool on_the_way = isnan(w->from) || (allowed - w->from) * (allowed - w->to) <= 0;

	if (isnan(w->to) || allowed == w->to)
		return 0;
	if (on_the_way) {
		w->to = allowed;
		return 1;
	}
	if (fabs(w->to - allowed) < fabs(w->from - mg_clamp(w->from, lo, hi)))
		return 0;
	w->vetoed = true;
	return -1;
}

/* A bound's value: `missing` where none is given, or where it is a share of a limit that is not known. */
static double bound(const struct mg_amount *a, const struct mg_guard_ctx *c, enum mg_knob knob, double missing)
{
	struct mg_value limit = c->view->sig[MG_SIG_CGROUP_LIMIT];

	if (!a->given)
		return missing;
	if (!a->share)
		return a->v;
	return mg_known(limit) && mg_knob_info(knob)->unit == MG_UNIT_BYTES ? floor(a->v * limit.v) : missing;
}

static double lower_bound(const struct mg_guard_ctx *c, const struct mg_want *w)
{
	return bound(&c->bounds->lo[w->knob], c, w->knob, -INFINITY);
}

static double upper_bound(const struct mg_guard_ctx *c, const struct mg_want *w)
{
	return bound(&c->bounds->hi[w->knob], c, w->knob, INFINITY);
}

/* Runs mg_guard_within and says what it did: "bounds: 500 is above 400". What it moved must still be within the bounds: where
 * two guards leave nothing between them, the want is vetoed. */
static bool cut(const struct mg_guard_ctx *c, struct mg_want *w, double lo, double hi, const char *guard, const char *what,
		char why[static MG_WHY_MAX])
{
	double wanted = w->to;
	char a[32], b[32];
	int r = mg_guard_within(w, lo, hi);
	const char *end = r < 0 ? "; so is the present value" : "";

	if (r == 0)
		return false;
	struct mg_want moved = *w;
	if (r > 0 && mg_guard_within(&moved, lower_bound(c, w), upper_bound(c, w)) != 0) {
		w->vetoed = true;
		end = "; that is outside of the bounds";
	}
	snprintf(why, MG_WHY_MAX, "%s: %s is %s %s%s%s", guard, text(a, sizeof a, w, wanted), wanted < lo ? "below" : "above",
		 text(b, sizeof b, w, wanted < lo ? lo : hi), what, end);
	return true;
}

bool mg_guard_bounds(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb != MG_VERB_SET)
		return false;
	double lo = lower_bound(c, w), hi = upper_bound(c, w);
	char a[32], b[32];

	if (lo > hi)
		return mg_guard_veto(w, why, "bounds: the lower one, %s, is above the upper one, %s", text(a, sizeof a, w, lo),
				     text(b, sizeof b, w, hi));
	return cut(c, w, lo, hi, "bounds", "", why);
}

bool mg_guard_range(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb != MG_VERB_SET)
		return false;
	if (isnan(w->to))
		return mg_guard_veto(w, why, "range: the policy gave no number");
	return cut(c, w, mg_knob_info(w->knob)->floor, mg_knob_info(w->knob)->ceiling, "range", ", the end of the knob", why);
}

/* The largest of what two sources say, NAN when neither says anything. */
static double largest(const struct mg_view *v, enum mg_signal a, enum mg_signal b)
{
	return fmax(mg_known(v->sig[a]) ? v->sig[a].v : NAN, mg_known(v->sig[b]) ? v->sig[b].v : NAN);
}

/* A limit below live bytes makes the program collect without end. Unknown live is at most what is resident and would not
 * come back from a purge; where that is unknown too, the limit may only rise. */
bool mg_guard_live(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb != MG_VERB_SET || w->knob != MG_KNOB_MEMORY_LIMIT)
		return false;
	double live = largest(c->view, MG_SIG_SHIM_LIVE, MG_SIG_HEAP_LIVE);
	double resident = largest(c->view, MG_SIG_SHIM_RESIDENT, MG_SIG_PROC_RSS);
	double returnable = largest(c->view, MG_SIG_SHIM_RETURNABLE, MG_SIG_SHIM_FREE_RESIDENT);

	if (!isnan(live))
		return cut(c, w, ceil(c->conf->live_margin_ratio * live), INFINITY, "never-below-live", ", live bytes and their margin", why);
	if (!isnan(resident))
		return cut(c, w, fmax(0, resident - (isnan(returnable) ? 0 : returnable)), INFINITY, "never-below-live",
			   ", resident and not returnable (live is unknown)", why);
	if (isnan(w->from) || w->to < w->from)
		return mg_guard_veto(w, why, "never-below-live: live and resident bytes are unknown, the limit may not fall");
	return false;
}

/* Before the step guard: a small step of a large change must pass. */
bool mg_guard_hysteresis(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	(void)c;
	if (w->verb == MG_VERB_RESTORE && w->to == w->from)
		return mg_guard_veto(w, why, "hysteresis: already as before memgov");
	if (w->verb != MG_VERB_SET || isnan(w->from))
		return false;
	if (w->to == w->from)
		return mg_guard_veto(w, why, "hysteresis: already so");
	double ratio = mg_knob_info(w->knob)->hysteresis_ratio, change = fabs(w->to - w->from);
	if (change >= ratio * fabs(w->from))
		return false;
	return mg_guard_veto(w, why, "hysteresis: a change of %s is under %s", MG_SHOW(change / fabs(w->from), MG_UNIT_RATIO),
			     MG_SHOW(ratio, MG_UNIT_RATIO));
}

/* The largest change the rule's `step:` allows; a share is of the present value. */
static double rule_step(const struct mg_guard_ctx *c, const struct mg_want *w)
{
	const struct mg_amount *step = &c->rule->step.at[w->knob];

	if (!step->given)
		return INFINITY;
	return step->share ? step->v * fabs(w->from) : step->v;
}

bool mg_guard_step(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX])
{
	if (w->verb != MG_VERB_SET || isnan(w->from))
		return false;
	double step = rule_step(c, w), factor = c->conf->max_step_ratio;
	double lo = w->from - step, hi = w->from + step;
	char a[32], b[32];

	if (factor > 1 && w->from > 0) { /* from 0 no factor leads anywhere */
		lo = fmax(lo, w->from / factor);
		hi = fmin(hi, w->from * factor);
	}
	double wanted = w->to;
	if (mg_guard_within(w, lo, hi) == 0)
		return false;
	if (w->to == w->from)
		return mg_guard_veto(w, why, "step: a step of 0 leads nowhere");
	snprintf(why, MG_WHY_MAX, "step: %s of the way to %s", text(a, sizeof a, w, w->to), text(b, sizeof b, w, wanted));
	return true;
}
