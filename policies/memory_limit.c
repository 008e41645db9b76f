/* SPDX-License-Identifier: Apache-2.0 */
/* memory-limit: a soft limit that follows the limit outside.
 * memory_limit = ratio * (of - others) * share - non_heap, where `others` is what unmanaged processes of the cgroup hold and
 * `share` this target's part of the rest (both only where the cgroup has a limit), and non_heap = max(0, proc.rss -
 * heap.committed) where a runtime says what it has committed: its limit counts its own memory alone. An allocator's soft limit
 * is on resident bytes, which hold everything already: nothing is taken off.
 * Source: automemlimit (0.9 of the limit, fixed at start) and the asks it leaves open: follow a limit that changes
 * (automemlimit#15, golang/go#75164) and leave room for memory outside the runtime (apm-server#14475).
 * Reads: of (default cgroup.limit), proc.rss, heap.committed. Sets: memory_limit (bytes). Unknown input: hold. */
#include <errno.h>
#include <math.h>

#include "governor/decide/show.h"
#include "policies/registry.h"
#include "policies/share.h"

struct memory_limit {
	double ratio;
};

enum { SLOT_OF };

static const struct mg_field memory_limit_fields[] = {
	{ "ratio", MG_RATIO, offsetof(struct memory_limit, ratio), "0.8", "share of `of` the process may hold before it gives back", 0 },
	{ "of", MG_EXPR_BYTES, SLOT_OF, "cgroup.limit", "what the ratio is of, in bytes: cgroup.limit or max(proc.rss, 1h)", 0 },
	{ 0 },
};

static int memory_limit_check(const void *conf, struct mg_err *err)
{
	const struct memory_limit *m = conf;

	if (m->ratio <= 0 || m->ratio > 1)
		return mg_fail(err, -EINVAL, "ratio: %g is not a share: write one above 0 and up to 1", m->ratio);
	return 0;
}

static double non_heap_bytes(const struct mg_view *v)
{
	struct mg_value rss = v->sig[MG_SIG_PROC_RSS], committed = v->sig[MG_SIG_HEAP_COMMITTED];

	return mg_known(rss) && mg_known(committed) ? fmax(0, rss.v - committed.v) : 0;
}

static void memory_limit_decide(const void *conf, void *state, const struct mg_view *v, struct mg_decision *ret)
{
	const struct memory_limit *m = conf;
	struct mg_value of = v->expr[SLOT_OF];
	(void)state;

	if (!mg_known(of)) {
		mg_hold_unknown(ret, "what the limit is a share of (`of`) is unknown");
		return;
	}
	/* Without a limit on the cgroup there is nothing to share: `of` is then the process's own. */
	double own = mg_known(v->sig[MG_SIG_CGROUP_LIMIT]) ? mg_own_part(v, of.v) : of.v;
	double non_heap = non_heap_bytes(v), limit = floor(m->ratio * own - non_heap);
	if (limit <= 0) {
		mg_hold(ret, "nothing is left of %s after %s of others and %s outside the heap", MG_SHOW(of.v, MG_UNIT_BYTES),
			MG_SHOW(v->others_bytes, MG_UNIT_BYTES), MG_SHOW(non_heap, MG_UNIT_BYTES));
		return;
	}
	mg_set(ret, MG_KNOB_MEMORY_LIMIT, limit, "%s of %s, %s outside the heap", MG_SHOW(m->ratio, MG_UNIT_RATIO),
	       MG_SHOW(own, MG_UNIT_BYTES), MG_SHOW(non_heap, MG_UNIT_BYTES));
}

const struct mg_policy_ops mg_policy_memory_limit = {
	.name = "memory-limit", .help = "soft memory limit as a share of the present limit outside",
	.fields = memory_limit_fields, .conf_size = sizeof(struct memory_limit),
	.decide = memory_limit_decide, .check = memory_limit_check, .reads_live = 1, /* the guard below live needs it */
};
