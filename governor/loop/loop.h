/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_LOOP_H
#define MG_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "governor/util/err.h"

/* The one loop of the governor: epoll over kept slots, timers, and the only reader of a clock.
 * A handle is slot and generation, so an event for a descriptor that was closed and reused is dropped. */
struct mg_loop;
typedef uint64_t mg_handle; /* 0: none */

int mg_loop_new(struct mg_loop **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_loop *mg_loop_free(struct mg_loop *l);
/* CLOCK_BOOTTIME in ns, read once per wake-up: constant inside a callback. */
uint64_t mg_loop_now(const struct mg_loop *l);
/* The same clock read anew: what a turn has cost so far. */
uint64_t mg_loop_fresh(const struct mg_loop *l);
/* Wall time in ns since 1970 for records, derived from the same reading. */
uint64_t mg_loop_wall(const struct mg_loop *l);

/* Watches fd (borrowed) for EPOLL* events. Returns 0 and a handle. No allocation after the slot table is full-grown:
 * -ENFILE past MG_LOOP_MAX_FDS. */
#define MG_LOOP_MAX_FDS 65536
int mg_loop_add(struct mg_loop *l, int fd, uint32_t events, void (*f)(void *ctx, uint32_t events), void *ctx, mg_handle *ret) MG_CHECK_RESULT;
int mg_loop_mod(struct mg_loop *l, mg_handle h, uint32_t events) MG_CHECK_RESULT;
/* EPOLL_CTL_DEL, always before the caller closes fd. Clears *h. No-op for 0. */
void mg_loop_del(struct mg_loop *l, mg_handle *h);

/* One-shot timer at an absolute boottime; timers are re-armed by their callback. 0 disarms. */
struct mg_timer {
	uint64_t at_ns;
	void (*f)(void *ctx, uint64_t now_ns);
	void *ctx;
	int slot;      /* private; initialise to -1 */
};
int mg_loop_timer(struct mg_loop *l, struct mg_timer *t, uint64_t at_ns) MG_CHECK_RESULT;
/* Called after every batch of events, before the loop sleeps (curl and microhttpd need one look per turn). */
int mg_loop_after(struct mg_loop *l, void (*f)(void *ctx), void *ctx) MG_CHECK_RESULT;

int mg_loop_run(struct mg_loop *l, struct mg_err *err) MG_CHECK_RESULT; /* until mg_loop_stop */
void mg_loop_stop(struct mg_loop *l);

#endif
