/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's promises: timers fire in order and not early, a handle outlives nothing, a turn has one time. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "governor/loop/loop.h"
#include "governor/util/value.h"
#include "tests/check.h"

static struct mg_loop *loop;
static char order[16];
static size_t n_order;

static struct mg_loop *new_loop(void)
{
	struct mg_err err;
	struct mg_loop *l = NULL;

	check(mg_loop_new(&l, &err) == 0, "a loop can be made: %s", err.text);
	memset(order, 0, sizeof order);
	n_order = 0;
	return l;
}

static void note(void *ctx, uint64_t now_ns)
{
	const struct mg_timer *t = ctx;

	check(now_ns >= t->at_ns, "a timer never fires early");
	order[n_order++] = (char)('a' + (t->at_ns / MG_NS_PER_MS) % 26);
	if (n_order == 3)
		mg_loop_stop(loop);
}

static void timers_fire_in_order(void **state)
{
	(void)state;
	struct mg_timer t[4];
	struct mg_err err;

	loop = new_loop();
	uint64_t base = mg_loop_now(loop) / (26 * MG_NS_PER_MS) * 26 * MG_NS_PER_MS + 26 * MG_NS_PER_MS;
	const unsigned at_ms[] = { 3, 1, 2, 4 };
	for (unsigned i = 0; i < 4; i++) {
		t[i] = (struct mg_timer){ .f = note, .ctx = &t[i], .slot = -1 };
		check(mg_loop_timer(loop, &t[i], base + at_ms[i] * MG_NS_PER_MS) == 0, "timer %u is armed", i);
	}
	check(mg_loop_timer(loop, &t[3], 0) == 0, "a timer can be disarmed");
	check(mg_loop_run(loop, &err) == 0, "the loop ends when stopped");
	check(strcmp(order, "bcd") == 0, "timers fire by time and the disarmed one does not: got %s", order);
	mg_loop_free(loop);
}

struct end {
	int fd[2];
	mg_handle h;
	unsigned calls;
	struct end *other;
};

/* Each end, on its first event, closes the other: whichever comes second in the batch must not be called. */
static void close_other(void *ctx, uint32_t events)
{
	struct end *e = ctx;

	(void)events;
	e->calls++;
	mg_loop_del(loop, &e->other->h);
	mg_loop_del(loop, &e->h);
	mg_loop_stop(loop);
}

static void closed_handle_gets_no_event(void **state)
{
	(void)state;
	struct end a = { 0 }, b = { 0 };
	struct mg_err err;

	loop = new_loop();
	a.other = &b;
	b.other = &a;
	for (struct end *e = &a; e; e = e == &a ? &b : NULL) {
		check(pipe(e->fd) == 0 && write(e->fd[1], "x", 1) == 1, "a readable pipe can be made");
		check(mg_loop_add(loop, e->fd[0], EPOLLIN, close_other, e, &e->h) == 0, "it can be watched");
	}
	mg_handle stale = a.h;
	check(mg_loop_run(loop, &err) == 0, "the loop ends when stopped");
	check(a.calls + b.calls == 1, "one end is called, the removed one is not: %u calls", a.calls + b.calls);
	check(mg_loop_mod(loop, stale, EPOLLIN) == -ENOENT, "a handle is void after mg_loop_del");
	for (struct end *e = &a; e; e = e == &a ? &b : NULL) {
		close(e->fd[0]);
		close(e->fd[1]);
	}
	mg_loop_free(loop);
}

static void quiet(void *ctx, uint32_t events)
{
	(void)ctx;
	(void)events;
}

static void many_descriptors(void **state)
{
	(void)state;
	enum { N = 300 };
	mg_handle h[N];
	int fd[N];

	loop = new_loop();
	for (unsigned i = 0; i < N; i++) {
		int p[2];
		check(pipe(p) == 0, "a pipe can be made");
		fd[i] = p[0];
		close(p[1]);
		check(mg_loop_add(loop, fd[i], EPOLLIN, quiet, NULL, &h[i]) == 0, "descriptor %u can be watched", i);
	}
	for (unsigned i = 0; i < N; i++)
		for (unsigned j = i + 1; j < N; j++)
			check(h[i] != h[j], "handles %u and %u differ", i, j);
	for (unsigned i = 0; i < N; i++) {
		mg_loop_del(loop, &h[i]);
		check(h[i] == 0, "a removed handle is cleared");
		close(fd[i]);
	}
	mg_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(closed_handle_gets_no_event),
		cmocka_unit_test(many_descriptors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
