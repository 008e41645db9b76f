// SPDX-License-Identifier: Apache-2.0
/* The runtime thread: reads requests from the mailbox, calls the allocator's adapter, gives replies; posted to by the link
 * thread. It shares the process's descriptor table, may malloc, and may be held up by the program's locks: that is why the
 * protocol is not here. It is also the last of memgov's threads to leave when the program's own have ended, so that the C
 * library, which ends the process with its last thread, does so from a thread with the program's descriptors. */

#include <errno.h>
#include <time.h>

#include "shim/log.h"
#include "shim/proc.h"
#include "shim/shim.h"
#include "shim/sys.h"

#define LOOK_FIRST_NS (10 * MG_NS_PER_MS)
#define LOOK_LAST_NS  MG_NS_PER_S

static const struct mg_allocator_ops *ops;

static void read_decay(struct mg_reply *r)
{
	r->decay_known = ops->get_decay && ops->get_decay(&r->found) == 0;
}

/* After a fork the child still has what a governor had set in the parent: put it back before calling it the baseline. */
static void do_detect(const struct mg_request *q, struct mg_reply *r)
{
	(void)q;
	mg_threads_register_starter();
	ops = mg_allocator_detect();
	r->ops = ops;
	if (atomic_load(&mg_shim.decay_leased) && ops->set_decay && ops->set_decay(atomic_load(&mg_shim.decay_baseline)) == 0)
		atomic_store(&mg_shim.decay_leased, false);
	read_decay(r);
}

static void do_stats(const struct mg_request *q, struct mg_reply *r)
{
	r->stats = (struct mg_alloc_stats){ MG_STAT_UNKNOWN, MG_STAT_UNKNOWN, MG_STAT_UNKNOWN, 0 };
	ops->stats(&r->stats, q->want_live);
}

static void do_purge(const struct mg_request *q, struct mg_reply *r)
{
	uint64_t before = mg_sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);

	r->r = ops->purge(&q->purge, &r->purge);
	r->cpu_ns = mg_sys_clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
}

static void do_decay(const struct mg_request *q, struct mg_reply *r)
{
	read_decay(r);
	if (r->decay_known && r->found != q->expect)
		r->r = -EEXIST;
	else
		r->r = ops->set_decay ? ops->set_decay(q->value) : -ENOTSUP;
}

static void (*const asks[])(const struct mg_request *q, struct mg_reply *r) = {
	[MG_ASK_DETECT] = do_detect,
	[MG_ASK_STATS] = do_stats,
	[MG_ASK_PURGE] = do_purge,
	[MG_ASK_DECAY] = do_decay,
};

static void serve(const struct mg_request *q)
{
	struct mg_reply r = { .ask = q->ask };

	asks[q->ask](q, &r);
	mg_mailbox_done(&mg_shim.box, &r);
}

/* True when, the main thread having ended, no thread but ours is left. The kernel counts the dead main thread too. Where
 * /proc does not say, the program is let go: better ungoverned than unending. */
static bool last_ones(void)
{
	long n;

	if (!atomic_load(&mg_shim.main_gone))
		return false;
	n = mg_proc_threads();
	return n < 0 || n <= MG_OUR_THREADS + 1;
}

static void send_link_away(void)
{
	if (mg_thread_ask(&mg_shim.link))
		mg_threads_poke();
	mg_thread_wait(&mg_shim.link, UINT64_MAX);
}

static uint64_t patience(uint64_t last_ns)
{
	if (!atomic_load(&mg_shim.main_gone))
		return UINT64_MAX;
	if (last_ns == UINT64_MAX)
		return LOOK_FIRST_NS;
	return last_ns < LOOK_LAST_NS / 2 ? last_ns * 2 : LOOK_LAST_NS;
}

void *mg_runtime_main(void *arg)
{
	uint64_t wait_ns = UINT64_MAX;

	(void)arg;
	atomic_store(&mg_shim.runtime.tid, (int)mg_sys_gettid());
	for (;;) {
		uint32_t bell = atomic_load(&mg_shim.box.bell);
		const struct mg_request *q = mg_mailbox_take(&mg_shim.box);

		if (q) {
			serve(q);
			continue;
		}
		mg_log_flush();
		if (mg_thread_leaves(&mg_shim.runtime))
			break;
		if (last_ones()) {
			send_link_away();
			break;
		}
		wait_ns = patience(wait_ns);
		(void)mg_sys_futex_wait(&mg_shim.box.bell, bell, wait_ns);
	}
	atomic_store(&mg_shim.runtime.ctl, MG_THREAD_GONE);
	return NULL;
}
