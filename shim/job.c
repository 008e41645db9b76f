// SPDX-License-Identifier: Apache-2.0
/* What the link thread has the runtime thread do: one job runs, one may wait behind it. Reads replies from the mailbox, gives
 * ACKs and NAKs, fresh statistics and restored knobs; called each tick and by the client. Nobody waits: a job that is late is
 * answered with a deadline NAK and told to stop, and ends when it ends. */

#include <errno.h>

#include "shim/alloc/host.h"
#include "shim/link.h"
#include "shim/log.h"
#include "shim/shim.h"
#include "shim/sys.h"

uint64_t mg_link_live(const struct mg_link *l)
{
	return l->live != MG_STAT_UNKNOWN && l->now_ns - l->live_at_ns < MG_LIVE_MAX_AGE_NS ? l->live : MG_STAT_UNKNOWN;
}

bool mg_job_idle(const struct mg_link *l)
{
	return l->job.kind == MG_JOB_NONE;
}

static bool is_action(enum mg_job_kind k)
{
	return k == MG_JOB_PURGE || k == MG_JOB_PACE || k == MG_JOB_SET_DECAY || k == MG_JOB_RESTORE_DECAY;
}

bool mg_job_add(struct mg_link *l, const struct mg_job *j)
{
	if (is_action(l->job.kind) || l->next.kind != MG_JOB_NONE)
		return false;
	l->next = *j;
	mg_job_tick(l);
	return true;
}

/* The costly sample of live bytes: where the policy or a setting needs it, once a minute, rarer when it was dear. */
static bool live_is_due(const struct mg_link *l)
{
	bool wanted = l->want_live || l->lease.knob[MG_KNOB_GC_PERCENT].present != MG_KNOB_OFF;

	return l->ops->live_is_cheap || (wanted && l->now_ns >= l->live_next_ns);
}

void mg_job_stats(struct mg_link *l)
{
	if (l->ops && mg_job_idle(l) && l->next.kind == MG_JOB_NONE)
		(void)mg_job_add(l, &(struct mg_job){ .kind = MG_JOB_STATS, .deadline_ns = MG_NEVER });
}

static struct mg_request request_of(struct mg_link *l)
{
	const struct mg_job *j = &l->job;
	const struct mg_knob_state *decay = &l->lease.knob[MG_KNOB_DECAY];

	switch (j->kind) {
	case MG_JOB_STATS:
		return (struct mg_request){ .ask = MG_ASK_STATS, .want_live = live_is_due(l) };
	case MG_JOB_PURGE:
	case MG_JOB_PACE:
		return (struct mg_request){ .ask = MG_ASK_PURGE, .purge = {
			.bytes = j->bytes, .max_pause_ns = j->max_pause_ns, .cpu_budget_ns = mg_budget_left(&l->budget, l->now_ns) } };
	case MG_JOB_SET_DECAY:
		return (struct mg_request){ .ask = MG_ASK_DECAY, .expect = decay->present, .value = j->set.value[MG_KNOB_DECAY] };
	case MG_JOB_RESTORE_DECAY:
		return (struct mg_request){ .ask = MG_ASK_DECAY, .expect = decay->present, .value = decay->baseline };
	case MG_JOB_NONE:
	case MG_JOB_DETECT:
		break;
	}
	return (struct mg_request){ .ask = MG_ASK_DETECT };
}

/* A fork handler must find the baseline before the allocator is changed. */
static void note_decay(struct mg_link *l, bool leased)
{
	atomic_store(&mg_shim.decay_baseline, l->lease.knob[MG_KNOB_DECAY].baseline);
	atomic_store(&mg_shim.decay_leased, leased);
}

static void start_next(struct mg_link *l)
{
	struct mg_request q;

	if (l->next.kind == MG_JOB_NONE && l->lease.knob[MG_KNOB_DECAY].pending)
		l->next = (struct mg_job){ .kind = MG_JOB_RESTORE_DECAY, .deadline_ns = MG_NEVER };
	if (l->next.kind == MG_JOB_NONE || mg_mailbox_busy(&mg_shim.box))
		return;
	l->job = l->next;
	l->job_active_ns = l->now_ns;
	l->next.kind = MG_JOB_NONE;
	if (l->job.kind == MG_JOB_SET_DECAY)
		note_decay(l, true);
	q = request_of(l);
	(void)mg_mailbox_post(&mg_shim.box, &q);
}

static void offer(struct mg_link *l, enum mg_knob knob, enum mg_restore restore, bool known)
{
	l->lease.knob[knob].offered = true;
	l->lease.knob[knob].restore = restore;
	l->lease.knob[knob].present_known = known;
}

static void ended_detect(struct mg_link *l, const struct mg_reply *r)
{
	struct mg_knob_state *decay = &l->lease.knob[MG_KNOB_DECAY];

	l->ops = r->ops;
	l->can_purge = l->ops->purge != mg_host_no_purge;
	if (l->can_purge) {
		offer(l, MG_KNOB_GC_PERCENT, MG_RESTORE_EXACT, true);
		offer(l, MG_KNOB_MEMORY_LIMIT, MG_RESTORE_EXACT, true);
	}
	if (l->ops->set_decay) {
		offer(l, MG_KNOB_DECAY, l->ops->decay_restore, r->decay_known);
		decay->baseline = decay->present = r->decay_known ? r->found : MG_KNOB_OFF;
	}
	mg_log(MG_LOG_INFO, "detected", "allocator", l->ops->name);
}

static void ended_stats(struct mg_link *l, const struct mg_reply *r)
{
	l->stats_ns = l->now_ns;
	l->free_resident = r->stats.free_resident;
	l->returnable = r->stats.returnable;
	if (r->stats.live != MG_STAT_UNKNOWN) {
		bool dear = r->stats.took_ns > MG_LIVE_COSTLY_NS;

		l->live = r->stats.live;
		l->live_at_ns = l->now_ns;
		l->live_every_ns = dear ? l->live_every_ns * 2 : MG_LIVE_EVERY_NS;
		l->live_next_ns = l->now_ns + l->live_every_ns;
	}
	if (l->pace_ns != MG_NEVER && l->now_ns >= l->pace_ns)
		mg_pacer_look(l);
}

static enum mg_nak nak_of(int r)
{
	return r == -EAGAIN ? MG_NAK_PAUSE : r == -EEXIST ? MG_NAK_CONTENDED : MG_NAK_UNSUPPORTED;
}

static void count_purge(struct mg_link *l, const struct mg_reply *r)
{
	mg_budget_spend(&l->budget, l->now_ns, r->cpu_ns);
	if (r->purge.longest_ns > l->longest_ns)
		l->longest_ns = r->purge.longest_ns;
}

static void ended_purge(struct mg_link *l, const struct mg_reply *r)
{
	count_purge(l, r);
	if (l->job.answered || l->conn != MG_CONN_UP)
		return;
	if (r->r == 0)
		mg_client_ack_purge(l, l->job.seq, &r->purge);
	else
		mg_client_nak(l, l->job.seq, nak_of(r->r), NULL, -1);
}

static void ended_pace(struct mg_link *l, const struct mg_reply *r)
{
	count_purge(l, r);
	if (r->r == 0) {
		l->purges++;
		l->purged_bytes += r->purge.returned;
		mg_pacer_purged(l, &r->purge);
	} else {
		mg_pacer_refused(l);
	}
}

/* What the application has set itself is the baseline from now on. */
static void taken_back(struct mg_link *l, const struct mg_reply *r)
{
	struct mg_knob_state *decay = &l->lease.knob[MG_KNOB_DECAY];

	decay->contended = true;
	decay->baseline = decay->present = r->found;
	note_decay(l, false);
}

static void ended_set_decay(struct mg_link *l, const struct mg_reply *r)
{
	const struct mg_set *s = &l->job.set;

	if (r->r == -EEXIST)
		taken_back(l, r);
	if (r->r == 0) {
		mg_lease_apply(&l->lease, s, l->now_ns, mg_link_random(l, MG_LEASE_JITTER_NS));
		l->pace_ns = l->now_ns;
	} else if (l->lease.knob[MG_KNOB_DECAY].present == l->lease.knob[MG_KNOB_DECAY].baseline) {
		note_decay(l, false);
	}
	if (l->job.answered || l->conn != MG_CONN_UP)
		return;
	if (r->r == 0)
		mg_client_ack_set(l, s);
	else
		mg_client_nak(l, s->seq, nak_of(r->r), NULL, MG_KNOB_DECAY);
}

static void ended_restore_decay(struct mg_link *l, const struct mg_reply *r)
{
	struct mg_knob_state *decay = &l->lease.knob[MG_KNOB_DECAY];

	decay->pending = false;
	if (r->r == -EEXIST) {
		taken_back(l, r);
		return;
	}
	if (r->r == 0)
		decay->present = decay->baseline;
	note_decay(l, false);
}

static void (*const ended[])(struct mg_link *l, const struct mg_reply *r) = {
	[MG_JOB_DETECT] = ended_detect,
	[MG_JOB_STATS] = ended_stats,
	[MG_JOB_PURGE] = ended_purge,
	[MG_JOB_PACE] = ended_pace,
	[MG_JOB_SET_DECAY] = ended_set_decay,
	[MG_JOB_RESTORE_DECAY] = ended_restore_decay,
};

static void answer_late(struct mg_link *l, struct mg_job *j)
{
	if (j->kind == MG_JOB_NONE || j->answered || j->deadline_ns == MG_NEVER || l->now_ns < j->deadline_ns)
		return;
	if (l->conn == MG_CONN_UP)
		mg_client_nak(l, j->seq, MG_NAK_DEADLINE, NULL, -1);
	j->answered = true;
	if (j == &l->job)
		mg_mailbox_cancel(&mg_shim.box);
	else
		j->kind = MG_JOB_NONE;
}

void mg_job_tick(struct mg_link *l)
{
	struct mg_reply r;

	if (l->job.kind != MG_JOB_NONE && mg_mailbox_collect(&mg_shim.box, &r)) {
		ended[l->job.kind](l, &r);
		l->job.kind = MG_JOB_NONE;
	}
	answer_late(l, &l->job);
	answer_late(l, &l->next);
	if (mg_job_idle(l))
		start_next(l);
}
