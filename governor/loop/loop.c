/* SPDX-License-Identifier: Apache-2.0 */
/* The governor's loop. Reads descriptors' readiness and the clock, calls back, is called by run.c. Time is read once per
 * wake-up, so that everything that happens in one turn happens at one time. Timers sit in a heap behind one timerfd on
 * CLOCK_BOOTTIME, which goes on counting through suspend as leases do. */
#include "governor/loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "governor/util/value.h"

#define EVENTS_PER_TURN 64
#define MAX_TIMERS      4096
#define MAX_AFTER       4
#define TIMER_KEY       UINT64_MAX

struct slot {
	void (*f)(void *ctx, uint32_t events);
	void *ctx;
	int fd; /* -1: free */
	uint32_t generation;
	uint32_t next_free;
};

struct mg_loop {
	int epoll_fd, timer_fd;
	bool stop;
	uint64_t now_ns, wall_ns, armed_ns;
	struct slot *slots;
	uint32_t n_slots, free_slot; /* free_slot: index + 1, 0 none */
	struct mg_timer **timers;    /* binary heap by at_ns */
	unsigned n_timers, cap_timers;
	struct {
		void (*f)(void *ctx);
		void *ctx;
	} after[MAX_AFTER];
	unsigned n_after;
};

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * MG_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void read_clocks(struct mg_loop *l)
{
	l->now_ns = read_clock(CLOCK_BOOTTIME);
	l->wall_ns = read_clock(CLOCK_REALTIME);
}

uint64_t mg_loop_now(const struct mg_loop *l)
{
	return l->now_ns;
}

uint64_t mg_loop_fresh(const struct mg_loop *l)
{
	(void)l;
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t mg_loop_wall(const struct mg_loop *l)
{
	return l->wall_ns;
}

int mg_loop_new(struct mg_loop **ret, struct mg_err *err)
{
	struct mg_loop *l = calloc(1, sizeof *l);

	if (!l)
		return mg_fail(err, -ENOMEM, "no memory for the event loop");
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = TIMER_KEY };
	if (l->epoll_fd < 0 || l->timer_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &ev) < 0) {
		int r = -errno;
		mg_loop_free(l);
		return mg_fail(err, r, "cannot make the event loop: %s", strerror(-r));
	}
	read_clocks(l);
	*ret = l;
	return 0;
}

struct mg_loop *mg_loop_free(struct mg_loop *l)
{
	if (!l)
		return NULL;
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	free(l->slots);
	free(l->timers);
	free(l);
	return NULL;
}

/* ---- descriptors ---- */

static mg_handle handle_of(const struct mg_loop *l, uint32_t i)
{
	return (uint64_t)l->slots[i].generation << 32 | (i + 1);
}

static struct slot *slot_of(struct mg_loop *l, mg_handle h)
{
	uint32_t i = (uint32_t)h;

	if (i == 0 || i > l->n_slots)
		return NULL;
	struct slot *s = &l->slots[i - 1];
	return s->fd >= 0 && s->generation == h >> 32 ? s : NULL;
}

static int grow_slots(struct mg_loop *l)
{
	uint32_t n = l->n_slots ? l->n_slots * 2 : 32;

	if (n > MG_LOOP_MAX_FDS)
		return -ENFILE;
	struct slot *s = realloc(l->slots, n * sizeof *s);
	if (!s)
		return -ENOMEM;
	for (uint32_t i = l->n_slots; i < n; i++)
		s[i] = (struct slot){ .fd = -1, .generation = 1, .next_free = i + 1 < n ? i + 2 : 0 };
	l->free_slot = l->n_slots + 1;
	l->slots = s;
	l->n_slots = n;
	return 0;
}

int mg_loop_add(struct mg_loop *l, int fd, uint32_t events, void (*f)(void *ctx, uint32_t events), void *ctx, mg_handle *ret)
{
	int r = l->free_slot ? 0 : grow_slots(l);

	if (r < 0)
		return r;
	uint32_t i = l->free_slot - 1;
	struct slot *s = &l->slots[i];
	struct epoll_event ev = { .events = events, .data.u64 = handle_of(l, i) };
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	l->free_slot = s->next_free;
	s->f = f;
	s->ctx = ctx;
	s->fd = fd;
	*ret = ev.data.u64;
	return 0;
}

int mg_loop_mod(struct mg_loop *l, mg_handle h, uint32_t events)
{
	struct slot *s = slot_of(l, h);
	struct epoll_event ev = { .events = events, .data.u64 = h };

	if (!s)
		return -ENOENT;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) < 0 ? -errno : 0;
}

void mg_loop_del(struct mg_loop *l, mg_handle *h)
{
	struct slot *s = slot_of(l, *h);

	if (s) {
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
		s->fd = -1;
		s->generation++;
		s->next_free = l->free_slot;
		l->free_slot = (uint32_t)*h;
	}
	*h = 0;
}

/* ---- timers ---- */

static void place(struct mg_loop *l, unsigned i, struct mg_timer *t)
{
	l->timers[i] = t;
	t->slot = (int)i;
}

static void sift_up(struct mg_loop *l, unsigned i)
{
	struct mg_timer *t = l->timers[i];

	for (; i > 0 && l->timers[(i - 1) / 2]->at_ns > t->at_ns; i = (i - 1) / 2)
		place(l, i, l->timers[(i - 1) / 2]);
	place(l, i, t);
}

static void sift_down(struct mg_loop *l, unsigned i)
{
	struct mg_timer *t = l->timers[i];

	for (;;) {
		unsigned child = 2 * i + 1;
		if (child >= l->n_timers)
			break;
		if (child + 1 < l->n_timers && l->timers[child + 1]->at_ns < l->timers[child]->at_ns)
			child++;
		if (l->timers[child]->at_ns >= t->at_ns)
			break;
		place(l, i, l->timers[child]);
		i = child;
	}
	place(l, i, t);
}

static void timer_remove(struct mg_loop *l, struct mg_timer *t)
{
	unsigned i = (unsigned)t->slot;
	struct mg_timer *last = l->timers[--l->n_timers];

	t->slot = -1;
	if (last == t)
		return;
	place(l, i, last);
	sift_up(l, i);
	sift_down(l, (unsigned)last->slot);
}

int mg_loop_timer(struct mg_loop *l, struct mg_timer *t, uint64_t at_ns)
{
	if (t->slot >= 0)
		timer_remove(l, t);
	if (at_ns == 0)
		return 0;
	if (l->n_timers == l->cap_timers) {
		unsigned cap = l->cap_timers ? l->cap_timers * 2 : 16;
		struct mg_timer **p = cap > MAX_TIMERS ? NULL : realloc(l->timers, cap * sizeof(struct mg_timer *));
		if (!p)
			return -ENOMEM;
		l->timers = p;
		l->cap_timers = cap;
	}
	t->at_ns = at_ns;
	place(l, l->n_timers, t);
	sift_up(l, l->n_timers++);
	return 0;
}

static void run_timers(struct mg_loop *l)
{
	unsigned due = l->n_timers; /* a timer that re-arms itself in the past waits for the next turn */

	while (due-- > 0 && l->n_timers > 0 && l->timers[0]->at_ns <= l->now_ns && !l->stop) {
		struct mg_timer *t = l->timers[0];
		timer_remove(l, t);
		t->f(t->ctx, l->now_ns);
	}
}

static void arm(struct mg_loop *l)
{
	uint64_t at = l->n_timers ? l->timers[0]->at_ns : 0;

	if (at == l->armed_ns && at > l->now_ns)
		return;
	struct itimerspec spec = { .it_value = { .tv_sec = (time_t)(at / MG_NS_PER_S), .tv_nsec = (long)(at % MG_NS_PER_S) } };
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
	l->armed_ns = at;
}

/* ---- the turn ---- */

int mg_loop_after(struct mg_loop *l, void (*f)(void *ctx), void *ctx)
{
	if (l->n_after == MAX_AFTER)
		return -ENOSPC;
	l->after[l->n_after].f = f;
	l->after[l->n_after++].ctx = ctx;
	return 0;
}

static void dispatch(struct mg_loop *l, const struct epoll_event *ev)
{
	if (ev->data.u64 == TIMER_KEY) {
		uint64_t expirations;
		ssize_t n = read(l->timer_fd, &expirations, sizeof expirations);
		(void)n; /* EAGAIN: another turn already read it */
		l->armed_ns = 0;
		return;
	}
	struct slot *s = slot_of(l, ev->data.u64);
	if (s)
		s->f(s->ctx, ev->events);
}

int mg_loop_run(struct mg_loop *l, struct mg_err *err)
{
	struct epoll_event ev[EVENTS_PER_TURN];

	for (l->stop = false; !l->stop;) {
		arm(l);
		int n = epoll_wait(l->epoll_fd, ev, EVENTS_PER_TURN, -1);
		if (n < 0 && errno != EINTR)
			return mg_fail(err, -errno, "epoll_wait: %s", strerror(errno));
		read_clocks(l);
		for (int i = 0; i < n && !l->stop; i++)
			dispatch(l, &ev[i]);
		run_timers(l);
		for (unsigned i = 0; i < l->n_after; i++)
			l->after[i].f(l->after[i].ctx);
	}
	return 0;
}

void mg_loop_stop(struct mg_loop *l)
{
	l->stop = true;
}
