// SPDX-License-Identifier: Apache-2.0
/* The link thread: the only one that knows the governor. Each tick reads the clock once and then, in this order: leases that
 * ended, jobs of the runtime thread that ended, whether the process was sealed, datagrams, a dial that is due, a report, the
 * pace. It runs on a private descriptor table, so the program can neither see nor close its descriptors, and it never
 * allocates: its state is static. After a stop longer than a lease (SIGSTOP, freezer, suspend) the lease is what it looks at
 * first. Started by threads.c; calls client.c, dial.c, job.c, pacer.c. */

#include "shim/link.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/random.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "shim/log.h"
#include "shim/sample.h"
#include "shim/shim.h"
#include "shim/sys.h"
#include "shim/text.h"

#define JOB_LOOK_NS    (2 * MG_NS_PER_MS)   /* while the runtime thread works: it may wait for a sample */
#define JOB_IDLE_NS    (100 * MG_NS_PER_MS) /* without a sample for so long it is held up by the program: look less often */
#define JOB_SELDOM_NS  (50 * MG_NS_PER_MS)
#define SEALED_LOOK_NS (100 * MG_NS_PER_MS) /* at most, beside the looks before anything unusual */

static struct mg_link link_state;

uint64_t mg_link_random(struct mg_link *l, uint64_t below)
{
	l->rng ^= l->rng << 13;
	l->rng ^= l->rng >> 7;
	l->rng ^= l->rng << 17;
	return below ? l->rng % below : 0;
}

/* Kernels before 5.9: a copy of the table, emptied by its list. Closing while listing may skip entries: begin again until
 * a pass finds none but the list itself. */
static int close_listed(void)
{
	_Alignas(8) char buf[2048];
	long dir, n;
	uint64_t fd;
	bool more;

	do {
		more = false;
		dir = mg_sys_open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return (int)dir;
		n = mg_sys_getdents((int)dir, buf, sizeof(buf));
		for (long off = 0; off < n;) {
			const struct mg_dirent *d = (const void *)(buf + off);

			off += d->reclen;
			if (!mg_text_u64(d->name, &fd) || fd == (uint64_t)dir)
				continue;
			more = true;
			(void)mg_sys_close((int)fd);
		}
		(void)mg_sys_close((int)dir);
	} while (more);
	return 0;
}

/* Without a table of its own the thread must not open anything: its numbers would be the program's. */
static int private_table(void)
{
#ifdef __NR_close_range
	if (mg_sys3(__NR_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE) == 0)
		return 0;
#endif
	if (mg_sys1(__NR_unshare, CLONE_FILES) < 0)
		return -EPERM;
	return close_listed();
}

/* A signal that this thread alone is sent and has blocked: another thread can wake it without sharing a descriptor. */
static void open_wake(struct mg_link *l)
{
	uint64_t mask = 1ull << (MG_POKE_SIGNAL - 1);

	l->wake = (int)mg_sys4(__NR_signalfd4, -1, &mask, sizeof(mask), O_CLOEXEC | O_NONBLOCK);
	l->pokes = atomic_load(&mg_shim.pokes);
}

/* Takes as many as were sent, no more: one that waits for the whole process is the program's. */
static void take_poke(struct mg_link *l)
{
	char info[128];

	if (l->pokes == atomic_load(&mg_shim.pokes)) {
		l->wake = -1;
		return;
	}
	l->pokes++;
	(void)mg_sys_read(l->wake, info, sizeof(info));
}

/* The identity is the process's: it survives a stop of the threads, not a fork. */
static void seed(struct mg_link *l)
{
	if (mg_sys3(__NR_getrandom, &l->rng, sizeof(l->rng), GRND_NONBLOCK) != sizeof(l->rng))
		l->rng = l->now_ns ^ (uint64_t)mg_sys_getpid() << 32 ^ (uintptr_t)l;
	l->rng |= 1;
	if (mg_shim.id_pid == mg_sys_getpid())
		return;
	mg_shim.id = mg_link_random(l, UINT64_MAX);
	mg_shim.id_pid = mg_sys_getpid();
}

static int link_open(struct mg_link *l)
{
	const struct mg_env *e = &mg_shim.env;
	int r = private_table();

	if (r < 0)
		return r;
	*l = (struct mg_link){ .now_ns = mg_sys_clock_ns(CLOCK_BOOTTIME), .sock = -1 };
	mg_proc_open(&l->proc, mg_shim.page_size, mg_shim.filters);
	open_wake(l);
	seed(l);
	l->backoff_ns = MG_LINK_BACKOFF_MIN_NS;
	l->dial_ns = l->now_ns + MG_LINK_LAZY_NS + mg_link_random(l, MG_LINK_LAZY_NS);
	l->report_ns = MG_NEVER;
	l->pace_ns = mg_env_limits(e) ? l->now_ns + MG_LINK_LAZY_NS : MG_NEVER;
	l->live = l->free_resident = l->returnable = l->limit = l->charge = MG_STAT_UNKNOWN;
	l->live_every_ns = MG_LIVE_EVERY_NS;
	l->lease.knob[MG_KNOB_GC_PERCENT].baseline = l->lease.knob[MG_KNOB_GC_PERCENT].present = e->gc_percent;
	l->lease.knob[MG_KNOB_MEMORY_LIMIT].baseline = l->lease.knob[MG_KNOB_MEMORY_LIMIT].present = e->limit_bytes;
	return 0;
}

bool mg_link_purging(const struct mg_link *l)
{
	return l->job.kind == MG_JOB_PURGE || l->job.kind == MG_JOB_PACE;
}

static void end_lease(struct mg_link *l, bool lapsed)
{
	mg_lease_end(&l->lease, lapsed);
	if (lapsed)
		mg_log(MG_LOG_INFO, "lease-ended", "settings", "baseline");
	l->pace_ns = l->now_ns;
}

/* Only stores and the usual calls: a last report, and then silence. The socket stays open, since close() may be fatal. */
bool mg_link_sealed(struct mg_link *l)
{
	if (l->sealed || !mg_proc_sealed(&l->proc))
		return l->sealed;
	l->sealed = true;
	atomic_store(&mg_shim.sealed, true);
	mg_sample_close(true);
	mg_mailbox_cancel(&mg_shim.box);
	end_lease(l, false);
	mg_job_tick(l);
	if (l->conn == MG_CONN_UP)
		mg_client_report(l);
	mg_log(MG_LOG_INFO, "sealed", "why", "a seccomp filter was added; memgov is silent from here on");
	return true;
}

void mg_link_close(struct mg_link *l, const char *why)
{
	if (l->conn == MG_CONN_NONE)
		return;
	mg_log(MG_LOG_INFO, "disconnected", "why", why);
	(void)mg_sys_close(l->sock);
	l->sock = -1;
	l->conn = MG_CONN_NONE;
	l->report_ns = MG_NEVER;
	mg_dial_later(l);
}

/* The cgroup and the allocator are looked at when first needed: after the lazy delay, when the program has started, and not
 * in the many programs that live shorter. True when both are known. */
static bool detected(struct mg_link *l)
{
	static struct mg_cgroup_place place;

	if (l->ops)
		return true;
	if (l->job.kind != MG_JOB_NONE)
		return false;
	if (mg_cgroup_locate(&place) == 0)
		mg_cgroup_keep(&l->cgroup, &place);
	(void)mg_job_add(l, &(struct mg_job){ .kind = MG_JOB_DETECT, .deadline_ns = MG_NEVER });
	return false;
}

static void dial_if_due(struct mg_link *l)
{
	struct stat st;

	if (l->conn != MG_CONN_NONE || l->now_ns < l->dial_ns)
		return;
	if (atomic_load(&mg_shim.decay_leased) && !detected(l))
		return; /* inherited from the parent, or from before the threads were stopped: put back governor or not */
	if (atomic_load(&mg_shim.silent) || mg_sys_stat(mg_shim.env.socket, &st) < 0)
		mg_dial_later(l);
	else if (detected(l))
		mg_dial(l);
}

static void serve_governor(struct mg_link *l)
{
	if ((l->conn == MG_CONN_HELLO || l->conn == MG_CONN_WELCOME) && l->now_ns >= l->answer_by_ns)
		mg_link_close(l, "no WELCOME in time");
	if (l->conn == MG_CONN_HELLO && l->now_ns >= l->hello_ns)
		mg_dial_hello(l);
	if (l->conn != MG_CONN_NONE)
		mg_client_read(l);
	dial_if_due(l);
	if (l->conn == MG_CONN_UP && l->now_ns >= l->report_ns) {
		mg_client_report(l);
		mg_job_stats(l);
		l->report_ns = l->now_ns + l->report_every_ns;
	}
}

static void serve_sample(struct mg_link *l)
{
	uint64_t field[3];
	uint32_t ticket;

	if (!mg_sample_wanted(&ticket) || !mg_proc_statm(&l->proc, field))
		return;
	mg_sample_publish(ticket, field);
	l->job_active_ns = l->now_ns;
}

static bool sealed_by_now(struct mg_link *l)
{
	if (l->now_ns < l->sealed_look_ns)
		return l->sealed;
	l->sealed_look_ns = l->now_ns + SEALED_LOOK_NS;
	return mg_link_sealed(l);
}

static void tick(struct mg_link *l)
{
	l->now_ns = mg_sys_clock_ns(CLOCK_BOOTTIME);
	serve_sample(l);
	if (mg_lease_due(&l->lease, l->now_ns))
		end_lease(l, true);
	if (!atomic_load(&mg_shim.main_gone) && mg_proc_leader_gone(&l->proc)) {
		atomic_store(&mg_shim.main_gone, true);
		mg_mailbox_ring(&mg_shim.box);
	}
	if (sealed_by_now(l))
		return;
	mg_job_tick(l);
	serve_governor(l);
	if (l->pace_ns != MG_NEVER && l->now_ns >= l->pace_ns && detected(l))
		mg_pacer_tick(l);
}

static uint64_t sooner(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t next_wake(const struct mg_link *l)
{
	uint64_t at = l->now_ns + MG_LINK_QUIET_NS;

	if (l->sealed)
		return at;
	at = sooner(at, l->conn == MG_CONN_NONE ? l->dial_ns : l->report_ns);
	at = sooner(at, l->pace_ns);
	if (l->conn == MG_CONN_HELLO)
		at = sooner(at, l->hello_ns);
	if (l->conn == MG_CONN_WELCOME)
		at = sooner(at, l->answer_by_ns);
	if (mg_lease_held(&l->lease))
		at = sooner(at, l->lease.restore_ns);
	if (!mg_job_idle(l))
		at = sooner(at, l->now_ns + (l->now_ns - l->job_active_ns < JOB_IDLE_NS ? JOB_LOOK_NS : JOB_SELDOM_NS));
	return at;
}

static void wait(struct mg_link *l)
{
	struct pollfd fds[2] = { { .fd = l->wake, .events = POLLIN }, { .fd = l->sealed ? -1 : l->sock, .events = POLLIN } };
	uint64_t at = next_wake(l), now = mg_sys_clock_ns(CLOCK_BOOTTIME);

	if (mg_sys_poll(fds, 2, at > now ? at - now : 0) > 0 && fds[0].revents)
		take_poke(l);
}

/* True in a child that was to put a knob back and nothing else, and has. The runtime thread is asked to leave first. */
static bool nothing_left(const struct mg_link *l)
{
	if (!atomic_load(&mg_shim.silent) || mg_env_limits(&mg_shim.env) || atomic_load(&mg_shim.decay_leased) || !mg_job_idle(l))
		return false;
	if (mg_thread_ask(&mg_shim.runtime))
		mg_mailbox_ring(&mg_shim.box);
	return true;
}

/* In a sealed process even the end of a thread may be fatal, unless it is the process's. */
static bool leaves(struct mg_link *l)
{
	if (nothing_left(l))
		(void)mg_thread_ask(&mg_shim.link);
	if (atomic_load(&mg_shim.link.ctl) != MG_THREAD_ASKED || (mg_link_sealed(l) && !atomic_load(&mg_shim.main_gone)))
		return false;
	return mg_thread_leaves(&mg_shim.link);
}

void *mg_link_main(void *arg)
{
	struct mg_link *l = &link_state;
	int r;

	(void)arg;
	atomic_store(&mg_shim.link.tid, (int)mg_sys_gettid());
	r = link_open(l);
	mg_sample_close(r < 0);
	atomic_store(&mg_shim.ready, 1);
	(void)mg_sys_futex_wake(&mg_shim.ready);
	while (r == 0 && !leaves(l)) {
		tick(l);
		atomic_store(&mg_shim.active, mg_lease_held(&l->lease));
		wait(l);
	}
	if (r == 0 && l->conn == MG_CONN_UP && !l->sealed)
		mg_client_bye(l, "the target's threads stop");
	mg_sample_close(true);
	atomic_store(&mg_shim.active, false);
	atomic_store(&mg_shim.link.ctl, MG_THREAD_GONE);
	return NULL;
}
