// SPDX-License-Identifier: Apache-2.0
/* Functions of libc that do something else in a process with threads. unshare() and setns() into some namespaces need a
 * single-threaded process. The set*id() family changes every thread, and aborts the process when a thread may not follow:
 * after PR_SET_KEEPCAPS or capset(), which change the calling thread alone, memgov's threads could not. So where the program
 * has no thread of its own, memgov's leave for the call and come back after it, with the caller's new identity. setsid() marks
 * a daemon on its way, whose child is the program to govern. Each then does what the next definition in the process does. A
 * child made by vfork() or clone() shares this memory but not the threads: there the call is only passed on. */

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/types.h>

#include "shim/libc.h"
#include "shim/proc.h"
#include "shim/shim.h"
#include "shim/sys.h"

#define EXPORT   __attribute__((visibility("default")))
#define STOP_NS  (100 * MG_NS_PER_MS)

#define UNSHARE_ALONE (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)
#define SETNS_ALONE   (CLONE_NEWUSER | CLONE_NEWNS)

/* Columns: function, parameters, arguments, whether the call needs a process of one thread. */
#define STAND_IN_TABLE(X) \
	X(setuid, (uid_t u), (u), true) \
	X(setgid, (gid_t g), (g), true) \
	X(setreuid, (uid_t u, uid_t e), (u, e), true) \
	X(setregid, (gid_t g, gid_t e), (g, e), true) \
	X(setresuid, (uid_t u, uid_t e, uid_t s), (u, e, s), true) \
	X(setresgid, (gid_t g, gid_t e, gid_t s), (g, e, s), true) \
	X(seteuid, (uid_t e), (e), true) \
	X(setegid, (gid_t e), (e), true) \
	X(setgroups, (size_t n, const gid_t *list), (n, list), true) \
	X(unshare, (int flags), (flags), flags & UNSHARE_ALONE) \
	X(setns, (int fd, int type), (fd, type), namespaces(fd, type) & SETNS_ALONE)

static struct {
#define NEXT_FN(fn, params, args, needed) int (*fn) params;
	STAND_IN_TABLE(NEXT_FN)
#undef NEXT_FN
	pid_t (*setsid)(void);
} next;

static int unsupported(void)
{
	if (__errno_location)
		*__errno_location() = ENOSYS;
	return -1;
}

static bool resolve(void *slot, const char *name)
{
	void **fn = slot;

	if (!*fn && dlsym)
		*fn = dlsym(RTLD_NEXT, name);
	return *fn != NULL;
}

void mg_interpose_resolve(void)
{
#define RESOLVE(fn, params, args, needed) (void)resolve(&next.fn, #fn);
	STAND_IN_TABLE(RESOLVE)
#undef RESOLVE
	(void)resolve(&next.setsid, "setsid");
}

static bool has_threads(void)
{
	return atomic_load(&mg_shim.pid) == mg_sys_getpid() &&
	       (atomic_load(&mg_shim.link.ctl) != MG_THREAD_GONE || atomic_load(&mg_shim.runtime.ctl) != MG_THREAD_GONE);
}

static _Atomic bool under_way;

/* True when the threads were sent away, and mg_threads_start() is due after the call. */
static bool alone(bool needed)
{
	if (!needed || !has_threads() || mg_proc_threads() > MG_OUR_THREADS + 1 || atomic_exchange(&under_way, true))
		return false;
	(void)mg_threads_stop(STOP_NS);
	return true;
}

static void together(bool was_alone)
{
	if (!was_alone)
		return;
	mg_threads_start();
	atomic_store(&under_way, false);
}

/* A descriptor that does not tell its type is a pidfd: its namespaces are in `type`. */
static long namespaces(int fd, int type)
{
	long kind = mg_sys2(__NR_ioctl, fd, NS_GET_NSTYPE);

	return kind > 0 ? kind : type;
}

#define STAND_IN(fn, params, args, needed) \
	EXPORT int fn params; \
	int fn params \
	{ \
		bool was_alone; \
		int r; \
		if (!resolve(&next.fn, #fn)) \
			return unsupported(); \
		was_alone = alone(needed); \
		r = next.fn args; \
		together(was_alone); \
		return r; \
	}
STAND_IN_TABLE(STAND_IN)
#undef STAND_IN

EXPORT pid_t setsid(void);
pid_t setsid(void)
{
	pid_t r;

	if (!resolve(&next.setsid, "setsid"))
		return unsupported();
	r = next.setsid();
	if (r <= 0 || atomic_load(&mg_shim.pid) != r || atomic_exchange(&mg_shim.leads, true))
		return r;
	atomic_store(&mg_shim.silent, false);
	mg_threads_register_starter();
	mg_threads_start(); /* nothing where they run */
	return r;
}
