// SPDX-License-Identifier: Apache-2.0
/* Starts and stops memgov's two threads, and says what a fork does to them; called by the constructor, the interposed
 * functions and the fork handlers, always on a thread that has the program's descriptor table (a thread created by the
 * link thread would get its private one). The threads are made together and at once: whether a seccomp filter was added
 * can only be read from a descriptor opened before. Every signal is blocked in them but those that report a fault of the
 * thread itself; the C library's own are left to it, or setuid() would wait for ever. */

#include <errno.h>
#include <time.h>

#include "shim/libc.h"
#include "shim/shim.h"
#include "shim/sys.h"

#define RUNTIME_STACK    (1024u * 1024)
#define LINK_STACK_FIRST (64u * 1024)
#define LINK_STACK_LAST  (1024u * 1024)
#define READY_WAIT_NS    (20 * MG_NS_PER_MS)
#define LOOK_NS          (MG_NS_PER_MS / 5)

struct mg_shim mg_shim;

bool mg_thread_leaves(struct mg_thread *t)
{
	uint32_t asked = MG_THREAD_ASKED;

	return atomic_compare_exchange_strong(&t->ctl, &asked, MG_THREAD_LEAVING);
}

/* A thread is gone when the kernel knows its number no more: only then does it count as single-threaded. */
static bool released(const struct mg_thread *t)
{
	uint32_t ctl = atomic_load(&t->ctl);
	int tid = atomic_load(&t->tid);

	if (tid == 0)
		return ctl == MG_THREAD_GONE;
	return (ctl == MG_THREAD_GONE || ctl == MG_THREAD_LEAVING) && mg_sys_tgkill(mg_sys_getpid(), tid, 0) == -ESRCH;
}

void mg_thread_wait(const struct mg_thread *t, uint64_t wait_ns)
{
	_Atomic uint32_t never = 0;
	uint64_t start = mg_sys_clock_ns(CLOCK_MONOTONIC);

	while (!released(t) && mg_sys_clock_ns(CLOCK_MONOTONIC) - start < wait_ns)
		(void)mg_sys_futex_wait(&never, 0, LOOK_NS);
}

void mg_threads_poke(void)
{
	atomic_fetch_add(&mg_shim.pokes, 1);
	(void)mg_sys_tgkill(mg_sys_getpid(), atomic_load(&mg_shim.link.tid), MG_POKE_SIGNAL);
}

static int create(struct mg_thread *t, size_t stack, void *(*body)(void *))
{
	pthread_attr_t attr;
	pthread_t handle;
	int r = pthread_attr_init(&attr);

	if (r != 0)
		return r;
	r = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (r == 0)
		r = pthread_attr_setstacksize(&attr, stack);
	atomic_store(&t->tid, 0);
	atomic_store(&t->ctl, MG_THREAD_RUN);
	if (r == 0)
		r = pthread_create(&handle, &attr, body, NULL);
	if (r != 0)
		atomic_store(&t->ctl, MG_THREAD_GONE);
	(void)pthread_attr_destroy(&attr);
	return r;
}

/* A program with much static thread-local storage, or a port with a larger least stack, refuses small ones with EINVAL. */
static int create_link(void)
{
	size_t stack = LINK_STACK_FIRST;
	int r;

	do
		r = create(&mg_shim.link, stack, mg_link_main);
	while (r == EINVAL && (stack *= 2) <= LINK_STACK_LAST);
	return r;
}

bool mg_thread_ask(struct mg_thread *t)
{
	uint32_t run = MG_THREAD_RUN;

	return atomic_compare_exchange_strong(&t->ctl, &run, MG_THREAD_ASKED);
}

static bool withdraw(struct mg_thread *t)
{
	uint32_t asked = MG_THREAD_ASKED;

	return atomic_compare_exchange_strong(&t->ctl, &asked, MG_THREAD_RUN);
}

static void block_signals(sigset_t *old)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	sigset_t all;

	(void)sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&all, faults[i]);
	(void)pthread_sigmask(SIG_SETMASK, &all, old);
}

static bool can_start(void)
{
	return pthread_create && pthread_attr_init && pthread_attr_destroy && pthread_attr_setstacksize &&
	       pthread_attr_setdetachstate && pthread_sigmask && sigfillset && sigdelset;
}

static void start_both(void)
{
	uint64_t start = mg_sys_clock_ns(CLOCK_MONOTONIC), spent = 0;

	mg_mailbox_reset(&mg_shim.box);
	atomic_store(&mg_shim.pid, mg_sys_getpid());
	atomic_store(&mg_shim.ready, 0);
	if (create(&mg_shim.runtime, RUNTIME_STACK, mg_runtime_main) != 0)
		return;
	if (create_link() != 0) {
		(void)mg_thread_ask(&mg_shim.runtime);
		mg_mailbox_ring(&mg_shim.box);
		return;
	}
	while (!atomic_load(&mg_shim.ready) && spent < READY_WAIT_NS) {
		(void)mg_sys_futex_wait(&mg_shim.ready, 0, READY_WAIT_NS - spent);
		spent = mg_sys_clock_ns(CLOCK_MONOTONIC) - start;
	}
}

/* Fails in silence (RLIMIT_NPROC, a libc without threads): the program is then as if memgov were not there. */
void mg_threads_start(void)
{
	sigset_t old;
	int saved_errno = __errno_location ? *__errno_location() : 0;

	if (!can_start() || atomic_load(&mg_shim.sealed) || atomic_load(&mg_shim.runtime.ctl) != MG_THREAD_GONE || atomic_load(&mg_shim.link.ctl) != MG_THREAD_GONE)
		return;
	block_signals(&old);
	start_both();
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (__errno_location)
		*__errno_location() = saved_errno;
}

bool mg_threads_stop(uint64_t wait_ns)
{
	uint64_t start = mg_sys_clock_ns(CLOCK_MONOTONIC), spent;

	if (atomic_load(&mg_shim.sealed))
		return false;
	(void)mg_thread_ask(&mg_shim.runtime);
	mg_mailbox_cancel(&mg_shim.box);
	if (mg_thread_ask(&mg_shim.link))
		mg_threads_poke();
	mg_mailbox_ring(&mg_shim.box);
	mg_thread_wait(&mg_shim.link, wait_ns);
	spent = mg_sys_clock_ns(CLOCK_MONOTONIC) - start;
	mg_thread_wait(&mg_shim.runtime, spent < wait_ns ? wait_ns - spent : 0);
	if (released(&mg_shim.link) && released(&mg_shim.runtime))
		return true;
	if (!withdraw(&mg_shim.link))
		mg_thread_wait(&mg_shim.link, wait_ns);
	if (!withdraw(&mg_shim.runtime))
		mg_thread_wait(&mg_shim.runtime, wait_ns);
	return false;
}

/* A fork waits for the allocator's locks: a purge under way shall let go of them. */
static void before_fork(void)
{
	mg_mailbox_cancel(&mg_shim.box);
}

static void after_fork_parent(void)
{
	atomic_fetch_add(&mg_shim.forks, 1);
}

/* Stores only: the allocators' own handlers may not have run yet. The child has no thread, hence no pace, no lease. */
static void after_fork_child(void)
{
	atomic_store(&mg_shim.runtime.ctl, MG_THREAD_GONE);
	atomic_store(&mg_shim.runtime.tid, 0);
	atomic_store(&mg_shim.link.ctl, MG_THREAD_GONE);
	atomic_store(&mg_shim.link.tid, 0);
	atomic_store(&mg_shim.main_gone, false);
	atomic_store(&mg_shim.active, false);
	atomic_store(&mg_shim.forks, 0);
	mg_mailbox_reset(&mg_shim.box);
	atomic_store(&mg_shim.pid, mg_sys_getpid());
}

/* A child dials where the policy asks for it and where it is a daemon on its way that no governor has met yet. Without
 * dialling it has threads where the environment gave limits of its own, and until a knob of the parent's lease is put back. */
static void start_in_child(void)
{
	bool dials = atomic_load(&mg_shim.workers) || (atomic_load(&mg_shim.leads) && !atomic_load(&mg_shim.welcomed));

	atomic_store(&mg_shim.silent, !dials);
	atomic_store(&mg_shim.welcomed, false);
	if (dials || mg_env_limits(&mg_shim.env) || atomic_load(&mg_shim.decay_leased))
		mg_threads_start();
}

/* glibc has no pthread_atfork in its shared object, musl has no __register_atfork. */
static void at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	if (__register_atfork)
		(void)__register_atfork(prepare, parent, child, NULL);
	else if (pthread_atfork)
		(void)pthread_atfork(prepare, parent, child);
}

void mg_threads_register_fork(void)
{
	at_fork(before_fork, after_fork_parent, after_fork_child);
}

void mg_threads_register_starter(void)
{
	if (!atomic_exchange(&mg_shim.starter, true))
		at_fork(NULL, NULL, start_in_child);
}
