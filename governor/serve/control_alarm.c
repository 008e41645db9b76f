/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps strangers from making the loop wait. A message can carry a descriptor whose last close waits: a TCP socket with
 * SO_LINGER waits for its peer, inside our accept, recv or close, before we know who sent it. Such waits end when a signal is
 * pending, so a timer sends SIGALRM to this thread every 50 ms while the window is open; the handler does nothing and has no
 * SA_RESTART. An interval and not one shot: the signal may come just before the wait. Called by control.c. */
#include "governor/serve/control_alarm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc has it from 2.37 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define ALARM_NS (MG_ALARM_MS * 1000000L)

static volatile sig_atomic_t rings;

static void ring(int sig)
{
	(void)sig;
	rings = (sig_atomic_t)((unsigned)rings + 1);
}

int mg_alarm_init(struct mg_alarm *a, struct mg_err *err)
{
	struct sigaction action = { .sa_handler = ring };
	struct sigevent to_us = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };

	to_us.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &to_us, &a->timer) < 0)
		return mg_fail(err, -errno, "cannot make the timer that guards the control socket: %s", strerror(errno));
	sigemptyset(&action.sa_mask);
	sigaction(SIGALRM, &action, &a->before);
	return 0;
}

void mg_alarm_done(struct mg_alarm *a)
{
	timer_delete(a->timer);
	sigaction(SIGALRM, &a->before, NULL);
}

static void set_interval(const struct mg_alarm *a, long ns)
{
	const struct itimerspec every = { .it_interval.tv_nsec = ns, .it_value.tv_nsec = ns };

	timer_settime(a->timer, 0, &every, NULL);
}

void mg_alarm_on(struct mg_alarm *a)
{
	sigset_t alarm_only;

	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	a->rung = (unsigned)rings;
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, &a->mask);
	set_interval(a, ALARM_NS);
}

unsigned mg_alarm_off(struct mg_alarm *a)
{
	int saved = errno;

	set_interval(a, 0);
	pthread_sigmask(SIG_SETMASK, &a->mask, NULL);
	errno = saved;
	return (unsigned)rings - a->rung;
}

unsigned mg_alarm_close(struct mg_alarm *a, int fd)
{
	mg_alarm_on(a);
	close(fd); /* EINTR: Linux has closed it all the same */
	return mg_alarm_off(a);
}
