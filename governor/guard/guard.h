/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_GUARD_H
#define MG_GUARD_H

#include "governor/decide/decision.h"
#include "governor/decide/rule.h"
#include "governor/observe/view.h"

/* `bounds:` and `guards:` of a target, as loaded. */
struct mg_bounds {
	struct mg_amount lo[MG_KNOB__COUNT], hi[MG_KNOB__COUNT]; /* shares are of cgroup.limit */
};

struct mg_guard_conf {
	uint64_t cooldown_ns;      /* between two changes of one knob, and between two actions */
	double max_step_ratio;     /* 2 = at most double or half at once */
	uint32_t actions_per_hour; /* action budget */
	uint64_t stale_hold_ns;    /* no report from the target for this long: hold */
	double live_margin_ratio;  /* never below this times live: 1.1 */
};
extern const struct mg_guard_conf mg_guard_defaults; /* 15 s, 2, 120, 15 s, 1.1 */

/* What guards remember of one target. Zeroed at start. */
struct mg_guard_state {
	uint64_t set_at_ns[MG_KNOB__COUNT];
	uint64_t acted_at_ns;
	double budget;             /* token bucket: actions left */
	uint64_t budget_at_ns;
	uint64_t backoff_until_ns; /* set by verification when an action did not give what was expected */
	uint32_t failures;         /* in a row */
};

struct mg_guard_ctx {
	const struct mg_guard_conf *conf;
	const struct mg_bounds *bounds;
	const struct mg_rule *rule;
	const struct mg_view *view;
	const struct mg_guard_state *state;
	uint64_t report_age_ns;    /* since the target last spoke */
	bool late_tick;            /* this tick came later than a third of the lease: tighten nothing */
	uint64_t vetoed_knobs;     /* bit per knob an earlier rule's want was vetoed or held in this tick */
	uint64_t decided_knobs;    /* bit per knob an earlier rule already set in this tick: first rule wins */
};

/* A guard may veto the want or move it toward the present value, nothing else. Returns true when it did either and
 * fills why with a clause ("cooldown: 9s left"). */
struct mg_guard {
	const char *name, *help;
	bool (*check)(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX]);
};
extern const struct mg_guard mg_guards[]; /* in their fixed order, ended by name NULL */

/* Runs all guards in order over one want; each that cut is marked in w->guards and its clause put in why[its index]. */
void mg_guard_run(const struct mg_guard_ctx *c, struct mg_want *w, char why[][MG_WHY_MAX]);
/* Notes that w was handed to the actuator (in dry run too, so that both modes decide alike). */
void mg_guard_commit(struct mg_guard_state *s, const struct mg_guard_conf *conf, uint64_t now_ns, const struct mg_want *w);
/* Notes how an action ended: far less than expected three times in a row backs the target's actions off. */
void mg_guard_judge(struct mg_guard_state *s, uint64_t now_ns, double expected_bytes, double achieved_bytes);

#endif
