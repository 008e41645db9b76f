/* SPDX-License-Identifier: Apache-2.0 */
/* idle-return: give free pages back while nobody waits for them.
 * bytes = returnable - keep * live, when at least `min`, once the process has been quiet for `after`, at most every `every`;
 * and after `at_least` without a return even when it is never quiet. Live unknown: live = resident - returnable, which is
 * never below it. Returnable unknown (glibc before its first return): ask for all while quiet, then again only after resident
 * has grown by `min`. A return that gave under a tenth of what was expected doubles the pauses, up to 32 times.
 * Source: golang/go#16930 and #39779 (memory kept after a burst); experiential#766 (a trim on the busy-to-idle edge alone never
 * fires on a process that is never idle: hence the second clock).
 * Reads: quiet time, shim.returnable or else shim.free_resident, heap.live or else shim.live, shim.resident or else proc.rss.
 * Does: purge. Unknown input: hold. */
#include <errno.h>
#include <math.h>

#include "governor/decide/show.h"
#include "policies/registry.h"
#include "policies/share.h"

#define FRUITLESS_RATIO 0.1 /* of what was expected */
#define MAX_SLOWDOWN    32U

struct idle_return {
	double keep_ratio, min_bytes;
	uint64_t after_ns, every_ns, at_least_ns, max_pause_ns;
};

struct idle_return_state {
	uint64_t last_ns;       /* of the last purge asked for; of the first look before that */
	double min_bytes;       /* the rule's, for the outcome */
	double floor_resident;  /* lowest resident seen since the last purge for an unknown amount */
	uint32_t doublings;     /* fruitless purges in a row, as a power of two */
	bool seen, asked;
};

static const struct mg_field idle_return_fields[] = {
	{ "keep", MG_RATIO, offsetof(struct idle_return, keep_ratio), "20%", "free pages to keep, as a share of live bytes", 0 },
	{ "after", MG_DURATION, offsetof(struct idle_return, after_ns), "10s", "how long the process must have been quiet", 0 },
	{ "every", MG_DURATION, offsetof(struct idle_return, every_ns), "30s", "not more often than this", 0 },
	{ "at_least", MG_DURATION, offsetof(struct idle_return, at_least_ns), "5m", "this often even when it is never quiet", 0 },
	{ "min", MG_BYTES, offsetof(struct idle_return, min_bytes), "16MiB", "leave it when less than this would come back", 0 },
	{ "max_pause", MG_DURATION, offsetof(struct idle_return, max_pause_ns), "10ms", "longest wait the program may see", 0 },
	{ 0 },
};

static int idle_return_check(const void *conf, struct mg_err *err)
{
	const struct idle_return *c = conf;

	if (c->every_ns == 0)
		return mg_fail(err, -EINVAL, "every: must be above 0: a purge at every tick costs more than it returns");
	if (c->at_least_ns < c->every_ns)
		return mg_fail(err, -EINVAL, "at_least: %s is shorter than every, which is %s", MG_SHOW_NS(c->at_least_ns),
			       MG_SHOW_NS(c->every_ns));
	return 0;
}

static struct mg_value first_known(const struct mg_view *v, enum mg_signal a, enum mg_signal b)
{
	return mg_known(v->sig[a]) ? v->sig[a] : v->sig[b];
}

/* What a return would give above the cushion; unknown: no basis for a number. */
static struct mg_value above_cushion(const struct idle_return *c, const struct mg_view *v)
{
	struct mg_value returnable = first_known(v, MG_SIG_SHIM_RETURNABLE, MG_SIG_SHIM_FREE_RESIDENT);
	struct mg_value live = mg_live(v), resident = first_known(v, MG_SIG_SHIM_RESIDENT, MG_SIG_PROC_RSS);

	if (!mg_known(returnable) || (!mg_known(live) && !mg_known(resident)))
		return mg_unknown_value();
	double in_use = mg_known(live) ? live.v : fmax(0, resident.v - returnable.v);
	return mg_known_value(floor(fmax(0, returnable.v - c->keep_ratio * in_use)));
}

static void ask(const struct idle_return *c, struct idle_return_state *s, uint64_t now_ns)
{
	s->last_ns = now_ns;
	s->asked = true;
	s->min_bytes = c->min_bytes;
}

static void return_known(const struct idle_return *c, struct idle_return_state *s, const struct mg_view *v, double bytes,
			 bool quiet, struct mg_decision *ret)
{
	if (bytes < c->min_bytes || bytes <= 0) {
		mg_hold(ret, "%s above the cushion, under the minimum of %s", MG_SHOW(bytes, MG_UNIT_BYTES),
			MG_SHOW(c->min_bytes, MG_UNIT_BYTES));
		return;
	}
	mg_purge(ret, bytes, c->max_pause_ns, "%s above the cushion, %s", MG_SHOW(bytes, MG_UNIT_BYTES),
		 quiet ? "the process is quiet" : "never quiet, but long since the last return");
	ask(c, s, v->now_ns);
}

static void return_blind(const struct idle_return *c, struct idle_return_state *s, const struct mg_view *v, bool quiet,
			 struct mg_decision *ret)
{
	struct mg_value resident = first_known(v, MG_SIG_SHIM_RESIDENT, MG_SIG_PROC_RSS);

	if (!quiet || !mg_known(resident)) {
		mg_hold_unknown(ret, "what is returnable is unknown");
		return;
	}
	double grown = resident.v - s->floor_resident;
	if (grown < c->min_bytes) {
		mg_hold(ret, "resident grew by %s since the last return, under the minimum of %s", MG_SHOW(grown, MG_UNIT_BYTES),
			MG_SHOW(c->min_bytes, MG_UNIT_BYTES));
		return;
	}
	mg_purge(ret, INFINITY, c->max_pause_ns, "quiet, and what is returnable of %s is not yet known",
		 MG_SHOW(resident.v, MG_UNIT_BYTES));
	s->floor_resident = resident.v;
	ask(c, s, v->now_ns);
}

/* Resident falls after a purge, perhaps over several ticks: growth is counted from the lowest point. */
static void follow_resident(struct idle_return_state *s, const struct mg_view *v)
{
	struct mg_value resident = first_known(v, MG_SIG_SHIM_RESIDENT, MG_SIG_PROC_RSS);

	if (mg_known(resident) && resident.v < s->floor_resident)
		s->floor_resident = resident.v;
	if (!s->seen) {
		s->seen = true;
		s->last_ns = v->now_ns;
	}
}

static void idle_return_decide(const void *conf, void *state, const struct mg_view *v, struct mg_decision *ret)
{
	const struct idle_return *c = conf;
	struct idle_return_state *s = state;

	follow_resident(s, v);
	uint64_t since = v->now_ns - s->last_ns, slow = 1ULL << s->doublings;
	bool quiet = v->quiet_ns != MG_NEVER && v->quiet_ns >= c->after_ns;
	bool pause_over = !s->asked || since >= c->every_ns * slow;
	if (!(quiet && pause_over) && since < c->at_least_ns * slow) {
		if (v->quiet_ns == MG_NEVER)
			mg_hold_unknown(ret, "whether the process is quiet is unknown");
		else
			mg_hold(ret, quiet ? "asked for a return %s ago" : "not quiet; last look at returning %s ago", MG_SHOW_NS(since));
		return;
	}
	struct mg_value bytes = above_cushion(c, v);
	if (mg_known(bytes))
		return_known(c, s, v, bytes.v, quiet, ret);
	else
		return_blind(c, s, v, quiet, ret);
}

static void idle_return_outcome(void *state, uint64_t now_ns, double expected_bytes, double achieved_bytes)
{
	struct idle_return_state *s = state;
	(void)now_ns;

	if (isnan(achieved_bytes))
		return;
	/* What was asked without a number is judged by what would have been worth asking for. */
	double wanted = isfinite(expected_bytes) ? FRUITLESS_RATIO * expected_bytes : s->min_bytes;
	if (achieved_bytes >= wanted)
		s->doublings = 0;
	else if (1U << s->doublings < MAX_SLOWDOWN)
		s->doublings++;
}

const struct mg_policy_ops mg_policy_idle_return = {
	.name = "idle-return", .help = "give free pages back when the process is quiet, and now and then when it never is",
	.fields = idle_return_fields, .conf_size = sizeof(struct idle_return), .state_size = sizeof(struct idle_return_state),
	.decide = idle_return_decide, .check = idle_return_check, .outcome = idle_return_outcome, .reads_live = 0,
};
