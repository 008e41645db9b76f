/* SPDX-License-Identifier: Apache-2.0 */
/* What claiming promises on glibc: threads that allocate meanwhile hardly wait, nothing is damaged however often it runs, a
 * program with one thread gets no arenas, and where it cannot run the pause bound decides about malloc_trim. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/alloc/host.h"
#include "tests/alloc/heap.h"
#include "tests/alloc/runtime_thread.h"
#include "tests/check.h"

#define PAUSE_NS 10000000ull
#define NO_PAUSE 0
#define LIVE 512

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

static void threads_hardly_wait(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned threads;
		enum mg_heap_pattern pattern;
	} rows[] = {
		{ "burst, 1 thread", 1, MG_HEAP_BURST },
		{ "burst, 4 threads", 4, MG_HEAP_BURST },
		{ "random, 4 threads", 4, MG_HEAP_RANDOM },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct outcome trim = under_load(rows[i].threads, 512 * MG_MIB, rows[i].pattern, TRIM);
		struct outcome ours = under_load(rows[i].threads, 512 * MG_MIB, rows[i].pattern, OURS);
		double share = (double)(ours.before - ours.after) / (double)(trim.before - trim.after);

		printf("%s: malloc_trim %.0f ms, longest wait %.2f ms (control %.2f); purge %.0f ms, longest %.2f ms (control %.2f), "
		       "returns %.3f of it, wait ratio %.3f\n", rows[i].name, (double)trim.took_ns / 1e6, (double)trim.longest_ns / 1e6,
		       (double)trim.control_ns / 1e6, (double)ours.took_ns / 1e6, (double)ours.longest_ns / 1e6,
		       (double)ours.control_ns / 1e6, share, (double)ours.longest_ns / (double)trim.longest_ns);
		check(share >= 0.9, "%s: at least nine tenths of what malloc_trim returns: %.3f", rows[i].name, share);
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
		cmocka_unit_test(threads_hardly_wait),
	};

	pthread_t link;

	if (pthread_create(&link, NULL, link_thread, NULL))
		return 1;
	ops = mg_detect();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
