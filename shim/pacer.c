// SPDX-License-Identifier: Apache-2.0
/* The soft limit and the pace, held in process between the governor's ticks and without a governor: reads resident memory
 * (the cgroup's charge where the limit is a share of the cgroup's), asks mg_pace_step what to return and when to look
 * again, and has the runtime thread return it; called by the link thread. Silent while both are off. */

#include "shim/link.h"
#include "shim/shim.h"
#include "shim/sys.h"

#define STATS_FRESH_NS  MG_NS_PER_S
#define REFUSED_NS      MG_NS_PER_S /* until the next look after the budget, a child or the pause bound said no */
#define BUSY_NS         (20 * MG_NS_PER_MS)

/* A share is followed when the cgroup's limit changes; no limit, no soft limit. */
static void follow_share(struct mg_link *l)
{
	struct mg_knob_state *k = &l->lease.knob[MG_KNOB_MEMORY_LIMIT];
	uint64_t share = MG_KNOB_OFF;
	bool at_baseline = k->present == k->baseline;

	if (mg_shim.env.limit_percent == 0)
		return;
	mg_cgroup_look(&l->cgroup, &l->limit, &l->charge);
	if (l->limit != MG_STAT_UNKNOWN)
		share = l->limit / 100 * mg_shim.env.limit_percent;
	k->baseline = share;
	if (at_baseline)
		k->present = share;
}

static bool judged_by_charge(const struct mg_link *l)
{
	const struct mg_knob_state *k = &l->lease.knob[MG_KNOB_MEMORY_LIMIT];

	return mg_shim.env.limit_percent != 0 && k->present == k->baseline && l->charge != MG_STAT_UNKNOWN;
}

static uint64_t held(const struct mg_link *l)
{
	return judged_by_charge(l) ? l->charge : mg_proc_resident(&l->proc);
}

static bool wanted(const struct mg_link *l)
{
	return l->lease.knob[MG_KNOB_GC_PERCENT].present != MG_KNOB_OFF ||
	       l->lease.knob[MG_KNOB_MEMORY_LIMIT].present != MG_KNOB_OFF || mg_shim.env.limit_percent != 0;
}

static bool may_purge(struct mg_link *l)
{
	return mg_budget_left(&l->budget, l->now_ns) > 0 && !mg_link_sealed(l) &&
	       !mg_cow_lives(&l->cow, atomic_load(&mg_shim.forks));
}

void mg_pacer_look(struct mg_link *l)
{
	struct mg_pace_conf c = { l->lease.knob[MG_KNOB_GC_PERCENT].present, l->lease.knob[MG_KNOB_MEMORY_LIMIT].present };
	struct mg_pace_look look = { l->now_ns, held(l), mg_link_live(l), l->free_resident, l->returnable };
	struct mg_job j = { .kind = MG_JOB_PACE, .deadline_ns = MG_NEVER, .max_pause_ns = MG_MAX_PAUSE_NS };
	uint64_t next_ns = MG_LINK_QUIET_NS;

	if (look.resident == MG_STAT_UNKNOWN) {
		l->pace_ns = l->now_ns + MG_LINK_QUIET_NS;
		return;
	}
	j.bytes = mg_pace_step(&l->pace, &c, &look, &next_ns);
	l->pace_ns = l->now_ns + next_ns;
	if (j.bytes == 0)
		return;
	if (!may_purge(l))
		mg_pacer_refused(l);
	else if (!mg_job_add(l, &j))
		l->pace_ns = l->now_ns + BUSY_NS;
}

/* Fresh numbers first, when there is time for them: the look follows when they are here (job.c). */
void mg_pacer_tick(struct mg_link *l)
{
	follow_share(l);
	if (!wanted(l) || !l->can_purge) {
		l->pace_ns = MG_NEVER;
		return;
	}
	if (l->now_ns - l->stats_ns >= STATS_FRESH_NS && mg_job_idle(l)) {
		mg_job_stats(l);
		return;
	}
	if (l->job.kind == MG_JOB_STATS)
		return;
	mg_pacer_look(l);
}

void mg_pacer_purged(struct mg_link *l, const struct mg_purge_result *r)
{
	if (mg_shim.env.limit_percent)
		mg_cgroup_look(&l->cgroup, &l->limit, &l->charge);
	mg_pace_purged(&l->pace, l->now_ns, held(l), r->returned);
}

void mg_pacer_refused(struct mg_link *l)
{
	l->pace_ns = l->now_ns + REFUSED_NS;
}
