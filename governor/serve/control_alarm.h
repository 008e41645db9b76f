/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONTROL_ALARM_H
#define MG_CONTROL_ALARM_H

#include <signal.h>
#include <time.h>

#include "governor/util/err.h"

#define MG_ALARM_MS 50

/* A bell around accept, recv and close of strangers' sockets. It belongs to the thread that made it. */
struct mg_alarm {
	timer_t timer;
	struct sigaction before;  /* what SIGALRM did before us */
	sigset_t mask;            /* the thread's mask outside the window */
	unsigned rung;            /* the handler's count when the window opened */
};

int mg_alarm_init(struct mg_alarm *a, struct mg_err *err) MG_CHECK_RESULT;
void mg_alarm_done(struct mg_alarm *a);
/* Between on and off no call waits longer than MG_ALARM_MS: it ends with EINTR. Not nested. off returns how often it rang:
 * 0, unless something inside waited. errno is kept by both. */
void mg_alarm_on(struct mg_alarm *a);
unsigned mg_alarm_off(struct mg_alarm *a);
/* Closes a stranger's socket inside a window of its own; returns how often it rang. */
unsigned mg_alarm_close(struct mg_alarm *a, int fd);

#endif
