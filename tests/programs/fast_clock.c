/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the governor: its clocks run FAST_CLOCK times as fast, so that hours of ticks pass in seconds. Reads the
 * real clock, gives the fast one; absolute timers are translated back. Started by the footprint test. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S  1000000000
#define N_CLOCKS  16

static int64_t factor = 1;
static int64_t start_ns[N_CLOCKS];

static int64_t to_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec;
}

static struct timespec from_ns(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

__attribute__((constructor)) static void read_factor(void)
{
	const char *text = getenv("FAST_CLOCK");

	if (text && atoi(text) > 0)
		factor = atoi(text);
	for (int id = 0; id < N_CLOCKS; id++) {
		struct timespec t;
		if (syscall(SYS_clock_gettime, id, &t) == 0)
			start_ns[id] = to_ns(&t);
	}
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);

	if (r == 0 && id >= 0 && id < N_CLOCKS)
		*t = from_ns(start_ns[id] + (to_ns(t) - start_ns[id]) * factor);
	return r;
}

__attribute__((visibility("default"))) int timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *old)
{
	struct itimerspec real = *to;
	int64_t at_ns = to_ns(&to->it_value);

	if (at_ns && (flags & TFD_TIMER_ABSTIME))
		at_ns = start_ns[CLOCK_BOOTTIME] + (at_ns - start_ns[CLOCK_BOOTTIME]) / factor;
	real.it_value = from_ns(at_ns);
	return (int)syscall(SYS_timerfd_settime, fd, flags, &real, old);
}
