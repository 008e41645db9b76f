/* SPDX-License-Identifier: Apache-2.0 */
/* headroom: keep the heap's next peak at `target` of the limit.
 * gc_percent = (target * limit - live) / live * 100, clamped to min..max; limit is the target's own part of cgroup.limit.
 * Source: Uber's GOGC tuner ("How We Saved 70K Cores Across 30 Mission-Critical Services"); golang/go#48409 for why it is
 * clamped (an unclamped percent near 0 collects without end). Live means marked live: a limit that follows allocated bytes
 * chases itself.
 * Reads: cgroup.limit, heap.live or else shim.live. Sets: gc_percent (percent). Unknown input: hold. */
#include <errno.h>

#include "governor/decide/show.h"
#include "policies/registry.h"
#include "policies/share.h"

struct headroom {
	double target_ratio;
	uint32_t min_percent, max_percent;
};

static const struct mg_field headroom_fields[] = {
	{ "target", MG_RATIO, offsetof(struct headroom, target_ratio), "0.7", "share of the limit the next heap peak may reach", 0 },
	{ "min", MG_PERCENT, offsetof(struct headroom, min_percent), "25", "never collect more often than this", 0 },
	{ "max", MG_PERCENT, offsetof(struct headroom, max_percent), "500", "never collect less often than this", 0 },
	{ 0 },
};

static int headroom_check(const void *conf, struct mg_err *err)
{
	const struct headroom *h = conf;

	if (h->target_ratio <= 0 || h->target_ratio > 1)
		return mg_fail(err, -EINVAL, "target: %g is not a share of the limit: write one above 0 and up to 1", h->target_ratio);
	if (h->min_percent == 0 || h->min_percent > h->max_percent)
		return mg_fail(err, -EINVAL, "min: %u is not between 1 and max, which is %u", h->min_percent, h->max_percent);
	return 0;
}

static void headroom_decide(const void *conf, void *state, const struct mg_view *v, struct mg_decision *ret)
{
	const struct headroom *h = conf;
	struct mg_value limit = mg_own_limit(v), live = mg_live(v);
	(void)state;

	if (!mg_known(limit) || !mg_known(live) || live.v <= 0) {
		mg_hold_unknown(ret, "%s unknown", mg_known(limit) ? "live bytes" : "limit");
		return;
	}
	double percent = (h->target_ratio * limit.v / live.v - 1) * 100;
	mg_set(ret, MG_KNOB_GC_PERCENT, mg_clamp(percent, h->min_percent, h->max_percent), "live %s of limit %s",
	       MG_SHOW(live.v, MG_UNIT_BYTES), MG_SHOW(limit.v, MG_UNIT_BYTES));
}

const struct mg_policy_ops mg_policy_headroom = {
	.name = "headroom", .help = "GC percent from the room between live heap and limit",
	.fields = headroom_fields, .conf_size = sizeof(struct headroom),
	.decide = headroom_decide, .check = headroom_check, .reads_live = 1,
};
