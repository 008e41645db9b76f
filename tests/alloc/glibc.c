/* SPDX-License-Identifier: Apache-2.0 */
/* What claiming promises on glibc: threads that allocate meanwhile hardly wait, nothing is damaged however often it runs, a
 * program with one thread gets no arenas, and where it cannot run the pause bound decides about malloc_trim. */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/alloc/host.h"
#include "tests/alloc/filter.h"
#include "tests/alloc/heap.h"
#include "tests/alloc/runtime_thread.h"
#include "tests/check.h"

#define PAUSE_NS 10000000ull
#define NO_PAUSE 0
#define LIVE 512
#define STRESS_NS 5000000000ull
#define SHORT_NS 20000000ull /* what a busy machine adds to any wait */

static const struct mg_allocator_ops *ops;

/* A thread of the program: fills and empties a heap of its own, then allocates and frees, checks what it wrote, and notes the
 * longest it waited. */
struct busy {
	pthread_t thread;
	size_t bytes;
	enum mg_heap_pattern pattern;
	uint64_t seed, longest_ns, operations, damaged;
	_Atomic bool ready, measure, stop;
};

static void note_wait(struct busy *b, uint64_t since)
{
	uint64_t took = mg_host_now_ns() - since;

	if (atomic_load_explicit(&b->measure, memory_order_relaxed) && took > b->longest_ns)
		b->longest_ns = took;
}

static void churn(struct busy *b, void *block[static LIVE], size_t size[static LIVE])
{
	size_t i = mg_heap_random(&b->seed) % LIVE;
	uint64_t start = mg_host_now_ns();

	if (block[i]) {
		b->damaged += !mg_heap_intact(block[i], size[i]);
		start = mg_host_now_ns();
		free(block[i]);
	}
	size[i] = 16 + mg_heap_random(&b->seed) % (i % 64 ? 1200 : 60000);
	block[i] = malloc(size[i]);
	note_wait(b, start);
	mg_heap_mark(block[i], size[i]);
	if (++b->operations % 256 == 0)
		usleep(100);
}

static void *busy_thread(void *arg)
{
	struct busy *b = arg;
	struct mg_heap heap = { .bytes = b->bytes, .pattern = b->pattern };
	void *block[LIVE] = { 0 };
	size_t size[LIVE] = { 0 };

	mg_heap_make(&heap);
	atomic_store(&b->ready, true);
	while (!atomic_load_explicit(&b->stop, memory_order_relaxed))
		churn(b, block, size);
	for (size_t i = 0; i < LIVE; i++)
		free(block[i]);
	b->damaged += mg_heap_damage(&heap);
	mg_heap_end(&heap);
	return NULL;
}

static void start_busy(struct busy *b, unsigned n, size_t bytes, enum mg_heap_pattern pattern)
{
	for (unsigned i = 0; i < n; i++) {
		b[i] = (struct busy){ .bytes = bytes / n, .pattern = pattern, .seed = i + 1 };
		check(pthread_create(&b[i].thread, NULL, busy_thread, &b[i]) == 0, "thread %u starts", i);
	}
	for (unsigned i = 0; i < n; i++)
		while (!atomic_load(&b[i].ready))
			usleep(1000);
	usleep(100000);
}

/* Returns the longest wait of any thread since measuring began. */
static uint64_t measured(struct busy *b, unsigned n, bool on)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < n; i++) {
		atomic_store(&b[i].measure, on);
		longest = b[i].longest_ns > longest ? b[i].longest_ns : longest;
		if (on)
			b[i].longest_ns = 0;
	}
	return longest;
}

static uint64_t end_busy(struct busy *b, unsigned n, uint64_t *damaged)
{
	uint64_t operations = 0;

	for (unsigned i = 0; i < n; i++)
		atomic_store(&b[i].stop, true);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(b[i].thread, NULL);
		operations += b[i].operations;
		*damaged += b[i].damaged;
	}
	return operations;
}

struct outcome {
	uint64_t longest_ns, control_ns, took_ns, before, after;
};

enum how { OURS, TRIM };

static struct outcome under_load(unsigned threads, size_t bytes, enum mg_heap_pattern pattern, enum how how)
{
	struct busy b[MG_HEAP_THREADS];
	struct outcome o = { 0 };
	uint64_t damaged = 0;

	start_busy(b, threads, bytes, pattern);
	(void)measured(b, threads, true);
	usleep(300000);
	o.control_ns = measured(b, threads, true);
	o.before = mg_host_anon();
	uint64_t start = mg_host_now_ns();
	if (how == OURS)
		(void)mg_purge(ops, UINT64_MAX, PAUSE_NS);
	else
		malloc_trim(0);
	o.took_ns = mg_host_now_ns() - start;
	o.after = mg_host_anon();
	usleep(50000); /* a thread that waited must have come to note it */
	o.longest_ns = measured(b, threads, false);
	(void)end_busy(b, threads, &damaged);
	malloc_trim(0);
	check(damaged == 0, "no block of a working thread is damaged: %llu", (unsigned long long)damaged);
	return o;
}

struct load {
	const char *name;
	unsigned threads;
	enum mg_heap_pattern pattern;
};

/* One comparison; false when it missed the marks. */
static bool compare(const struct load *l)
{
	struct outcome trim = under_load(l->threads, 512 * MG_MIB, l->pattern, TRIM);
	struct outcome ours = under_load(l->threads, 512 * MG_MIB, l->pattern, OURS);
	double share = (double)(ours.before - ours.after) / (double)(trim.before - trim.after);

	printf("%s: malloc_trim %.0f ms, longest wait %.2f ms (control %.2f); purge %.0f ms, longest %.2f ms (control %.2f), "
	       "returns %.3f of it, wait ratio %.3f\n", l->name, (double)trim.took_ns / 1e6, (double)trim.longest_ns / 1e6,
	       (double)trim.control_ns / 1e6, (double)ours.took_ns / 1e6, (double)ours.longest_ns / 1e6,
	       (double)ours.control_ns / 1e6, share, (double)ours.longest_ns / (double)trim.longest_ns);
	return share >= 0.9 && ours.longest_ns < trim.longest_ns / 2 + SHORT_NS;
}

/* Waits are the scheduler's too, and an arena locked at every look is missed: on a busy machine one try in three must do. */
static void threads_hardly_wait(void **state)
{
	(void)state;
	static const struct load loads[] = {
		{ "burst, 1 thread", 1, MG_HEAP_BURST },
		{ "burst, 4 threads", 4, MG_HEAP_BURST },
		{ "random, 4 threads", 4, MG_HEAP_RANDOM },
	};

	for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++)
		check(compare(&loads[i]) || compare(&loads[i]) || compare(&loads[i]),
		      "%s: nine tenths of what malloc_trim returns, and no thread waits half as long", loads[i].name);
}

/* Purges of every kind over and over: bounded, unbounded, cancelled on the way. */
static void nothing_is_damaged(void **state)
{
	(void)state;
	struct busy b[4];
	_Atomic bool cancel = false;
	uint64_t damaged = 0, purges = 0, end = mg_host_now_ns() + STRESS_NS, seed = mg_host_now_ns();

	printf("seed %llu\n", (unsigned long long)seed);
	start_busy(b, 4, 128 * MG_MIB, MG_HEAP_RANDOM);
	for (; mg_host_now_ns() < end; purges++) {
		struct mg_purge_call c = { .ops = ops, .q = { .bytes = UINT64_MAX, .max_pause_ns = PAUSE_NS, .cancel = &cancel } };
		pthread_t t;

		if (mg_heap_random(&seed) % 4 == 0)
			c.q.bytes = mg_heap_random(&seed) % (8 * MG_MIB);
		check(pthread_create(&t, NULL, mg_purge_thread, &c) == 0, "the runtime thread starts");
		usleep((useconds_t)(mg_heap_random(&seed) % 30000));
		atomic_store(&cancel, mg_heap_random(&seed) % 4 == 0);
		pthread_join(t, NULL);
		atomic_store(&cancel, false);
		check(c.ret == 0, "a purge in a running program is not refused, got %d", c.ret);
	}
	uint64_t operations = end_busy(b, 4, &damaged);
	printf("%llu purges, %llu operations\n", (unsigned long long)purges, (unsigned long long)operations);
	check(purges >= 10 && operations > 10000, "there was something to damage");
	check(damaged == 0, "every block held what was written: %llu did not (seed above)", (unsigned long long)damaged);
}

/* Two of glibc's arenas, this thread's and the helper's, are 64 MiB of reserved address space each. */
static void one_thread_gets_no_arenas(void **state)
{
	(void)state;
	struct mg_heap heap = { .bytes = 64 * MG_MIB, .pattern = MG_HEAP_BURST };

	mg_heap_make(&heap);
	uint64_t before = mg_host_vsize();
	size_t in_use = mallinfo2().uordblks;
	struct mg_purge_call c = mg_purge(ops, UINT64_MAX, PAUSE_NS);
	uint64_t grown = mg_host_above(mg_host_vsize(), before);
	check(c.ret == 0 && c.r.returned > 48 * MG_MIB, "the main arena is reached: %llu MiB",
	      (unsigned long long)(c.r.returned / MG_MIB));
	check(mallinfo2().uordblks < in_use + MG_MIB, "every claimed chunk is free again: %zu bytes more are in use",
	      mallinfo2().uordblks - in_use);
	check(grown <= 2 * 64 * MG_MIB + MG_MIB, "without arenas for every core: address space grew by %llu MiB",
	      (unsigned long long)(grown / MG_MIB));
	check(mg_heap_damage(&heap) == 0, "no live block is touched");
	mg_heap_end(&heap);
}

static void forbid_threads(void)
{
	struct rlimit few = { 8, 8 };

	if (setrlimit(RLIMIT_NPROC, &few))
		abort();
}

/* In a child: what it forbids to itself ends with it. Exit status: a bit for each thing that went wrong. */
static int without(void (*forbid)(void))
{
	struct mg_heap heap = { .bytes = 64 * MG_MIB, .pattern = MG_HEAP_BURST };
	struct mg_purge_call c = { .ops = ops, .q = { .bytes = UINT64_MAX, .max_pause_ns = PAUSE_NS } };

	mg_heap_make(&heap);
	forbid();
	uint64_t before = mg_host_anon();
	(void)mg_purge_thread(&c);
	int wrong = (c.ret != -EAGAIN) | (mg_host_above(before, mg_host_anon()) > MG_MIB) << 1;
	c.q.max_pause_ns = NO_PAUSE;
	(void)mg_purge_thread(&c);
	return wrong | (c.ret != 0) << 2 | (c.r.returned < 48 * MG_MIB) << 3 | (mg_heap_damage(&heap) != 0) << 4;
}

static void the_bound_is_kept_without_claims(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		void (*forbid)(void);
	} rows[] = { { "filters forbidden", mg_forbid_filters }, { "threads forbidden", forbid_threads } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0)
			_exit(without(rows[i].forbid));
		waitpid(pid, &status, 0);
		check(WIFEXITED(status), "%s: the child ends by itself", rows[i].name);
		int wrong = WEXITSTATUS(status);
		check(!(wrong & 1), "%s: a pause that malloc_trim cannot keep is refused", rows[i].name);
		check(!(wrong & 2), "%s: and nothing is done", rows[i].name);
		check(!(wrong & 12), "%s: without a bound malloc_trim returns the pages", rows[i].name);
		check(!(wrong & 16), "%s: no live block is touched", rows[i].name);
	}
}

/* Stands for the shim's link thread, which every governed process has. */
static void *link_thread(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_gets_no_arenas), /* first: the others leave arenas behind */
		cmocka_unit_test(the_bound_is_kept_without_claims),
		cmocka_unit_test(threads_hardly_wait),
		cmocka_unit_test(nothing_is_damaged),
	};

	pthread_t link;

	if (!mg_filters_work()) {
		fprintf(stderr, "skipped: no seccomp filter can be installed here, so nothing can be claimed\n");
		return 77;
	}
	if (pthread_create(&link, NULL, link_thread, NULL))
		return 1;
	ops = mg_detect();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
