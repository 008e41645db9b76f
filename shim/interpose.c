// SPDX-License-Identifier: Apache-2.0
/* Three functions of libc that a process with threads cannot call as one without: unshare() and setns() into some namespaces
 * need a single-threaded process, so memgov's threads leave for the call and come back after it; setsid() marks a daemon on
 * its way, whose child is the program to govern. Each does exactly what libc's does otherwise. A child made by vfork() or
 * clone() shares this memory but not the threads: there they only pass the call on. */

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/types.h>

#include "shim/libc.h"
#include "shim/shim.h"
#include "shim/sys.h"

#define STOP_NS (100 * MG_NS_PER_MS)

#define UNSHARE_ALONE (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)
#define SETNS_ALONE   (CLONE_NEWUSER | CLONE_NEWNS)

__attribute__((visibility("default"))) int unshare(int flags);
__attribute__((visibility("default"))) int setns(int fd, int type);
__attribute__((visibility("default"))) pid_t setsid(void);

static int result(long r)
{
	if (r >= 0)
		return (int)r;
	if (__errno_location)
		*__errno_location() = (int)-r;
	return -1;
}

static bool has_threads(void)
{
	return atomic_load(&mg_shim.pid) == mg_sys_getpid() &&
	       (atomic_load(&mg_shim.link.ctl) != MG_THREAD_GONE || atomic_load(&mg_shim.runtime.ctl) != MG_THREAD_GONE);
}

static long call_alone(long nr, long a, long b)
{
	static _Atomic bool under_way;
	bool mine = has_threads() && !atomic_exchange(&under_way, true);
	long r;

	if (mine)
		(void)mg_threads_stop(STOP_NS);
	r = mg_sys2(nr, a, b);
	if (mine) {
		mg_threads_start();
		atomic_store(&under_way, false);
	}
	return r;
}

int unshare(int flags)
{
	return result(flags & UNSHARE_ALONE ? call_alone(__NR_unshare, flags, 0) : mg_sys1(__NR_unshare, flags));
}

/* A descriptor that does not tell its type is a pidfd: its namespaces are in `type`. */
int setns(int fd, int type)
{
	long kind = mg_sys2(__NR_ioctl, fd, NS_GET_NSTYPE);

	if (kind <= 0)
		kind = type;
	return result(kind & SETNS_ALONE ? call_alone(__NR_setns, fd, type) : mg_sys2(__NR_setns, fd, type));
}

pid_t setsid(void)
{
	long r = mg_sys0(__NR_setsid);

	if (r > 0 && atomic_load(&mg_shim.pid) == r && !atomic_exchange(&mg_shim.leads, true) && !has_threads()) {
		mg_threads_register_starter();
		mg_threads_start();
	}
	return result(r);
}
