/* SPDX-License-Identifier: Apache-2.0 */
/* A service as users have them: several threads answering small requests without end, a burst now and then, most of it
 * freed again. Reads commands from standard input, one a line, and answers each with one line of JSON; every thread takes
 * the time of every malloc and free while it serves, so that a stall caused from outside shows in `stats`. Started by the
 * demo and the end-to-end tests, with and without libmemgov.so.
 *   fill MIB   the threads allocate this much together, in mixed sizes
 *   free       all but one run of 32 blocks in 512 is freed
 *   drop       the rest too
 *   trim       glibc's own full purge, malloc_trim(0)
 *   reset      the longest pause starts anew
 *   stats      {"requests":..,"longest_us":..,"live_bytes":..}
 *   quit */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_THREADS        64
#define REQUEST_BLOCKS     16
#define REQUEST_PAUSE_NS   10000000L
#define KEEP_RUN           16
#define KEEP_EVERY         512

struct block {
	struct block *next;
	size_t size;
};

enum work { WORK_NONE, WORK_FILL, WORK_FREE, WORK_DROP };

struct worker {
	pthread_t thread;
	uint64_t random;
	struct block *blocks;
	_Atomic size_t live_bytes;
	_Atomic uint64_t requests, longest_ns;
	_Atomic enum work work; /* set by the main thread, back to WORK_NONE when done */
	size_t fill_bytes;
};

static struct worker workers[MAX_THREADS];
static unsigned n_workers = 4;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* 32 bytes to 16 KiB, every power of two as often as the next. */
static size_t mixed_size(struct worker *w)
{
	uint64_t r = next_random(w);
	size_t power = (size_t)32 << (r % 9);

	return power + (r >> 8) % power;
}

static void fill(struct worker *w)
{
	size_t done = 0;

	while (done < w->fill_bytes) {
		size_t size = mixed_size(w);
		struct block *b = malloc(size);

		if (!b)
			break;
		memset(b, 0x5a, size);
		b->size = size;
		b->next = w->blocks;
		w->blocks = b;
		done += size;
	}
	atomic_fetch_add(&w->live_bytes, done);
}

/* Frees all blocks but the first `keep` of every KEEP_EVERY. */
static void free_most(struct worker *w, unsigned keep)
{
	struct block **at = &w->blocks;
	size_t freed = 0;

	for (unsigned i = 0; *at; i++) {
		struct block *b = *at;

		if (i % KEEP_EVERY < keep) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		freed += b->size;
		free(b);
	}
	atomic_fetch_sub(&w->live_bytes, freed);
}

static void note_pause(struct worker *w, uint64_t since_ns)
{
	uint64_t took_ns = now_ns() - since_ns;

	if (took_ns > atomic_load(&w->longest_ns))
		atomic_store(&w->longest_ns, took_ns);
}

static void serve_request(struct worker *w)
{
	void *blocks[REQUEST_BLOCKS];

	for (unsigned i = 0; i < REQUEST_BLOCKS; i++) {
		size_t size = mixed_size(w);
		uint64_t start_ns = now_ns();

		blocks[i] = malloc(size);
		note_pause(w, start_ns);
		if (blocks[i])
			memset(blocks[i], 1, size < 64 ? size : 64);
	}
	for (unsigned i = 0; i < REQUEST_BLOCKS; i++) {
		uint64_t start_ns = now_ns();

		free(blocks[i]);
		note_pause(w, start_ns);
	}
	atomic_fetch_add(&w->requests, 1);
}

static void *worker_main(void *arg)
{
	const struct timespec pause = { 0, REQUEST_PAUSE_NS };
	struct worker *w = arg;

	for (;;) {
		switch (atomic_load(&w->work)) {
		case WORK_NONE:
			serve_request(w);
			nanosleep(&pause, NULL);
			continue;
		case WORK_FILL:
			fill(w);
			break;
		case WORK_FREE:
			free_most(w, KEEP_RUN);
			break;
		case WORK_DROP:
			free_most(w, 0);
			break;
		}
		atomic_store(&w->work, WORK_NONE);
	}
	return NULL;
}

static void run_on_all(enum work work, size_t mib)
{
	const struct timespec pause = { 0, 1000000L };

	for (unsigned i = 0; i < n_workers; i++) {
		workers[i].fill_bytes = (mib << 20) / n_workers;
		atomic_store(&workers[i].work, work);
	}
	for (unsigned i = 0; i < n_workers; i++)
		while (atomic_load(&workers[i].work) != WORK_NONE)
			nanosleep(&pause, NULL);
}

static void do_fill(size_t mib)
{
	run_on_all(WORK_FILL, mib);
}

static void do_free(size_t unused)
{
	(void)unused;
	run_on_all(WORK_FREE, 0);
}

static void do_drop(size_t unused)
{
	(void)unused;
	run_on_all(WORK_DROP, 0);
}

static void do_trim(size_t unused)
{
	(void)unused;
	malloc_trim(0);
}

static void do_reset(size_t unused)
{
	(void)unused;
	for (unsigned i = 0; i < n_workers; i++)
		atomic_store(&workers[i].longest_ns, 0);
}

static void do_nothing(size_t unused)
{
	(void)unused;
}

static void do_quit(size_t unused)
{
	(void)unused;
	exit(0);
}

static const struct {
	const char *name;
	void (*run)(size_t argument);
} commands[] = {
	{ "fill", do_fill }, { "free", do_free }, { "drop", do_drop }, { "trim", do_trim },
	{ "reset", do_reset }, { "stats", do_nothing }, { "quit", do_quit },
};

static void answer(void)
{
	uint64_t requests = 0, longest_ns = 0;
	size_t live_bytes = 0;

	for (unsigned i = 0; i < n_workers; i++) {
		uint64_t ns = atomic_load(&workers[i].longest_ns);

		requests += atomic_load(&workers[i].requests);
		live_bytes += atomic_load(&workers[i].live_bytes);
		longest_ns = ns > longest_ns ? ns : longest_ns;
	}
	printf("{\"requests\":%llu,\"longest_us\":%llu,\"live_bytes\":%zu}\n", (unsigned long long)requests,
	       (unsigned long long)(longest_ns / 1000), live_bytes);
	fflush(stdout);
}

static int run_command(const char *line)
{
	char name[16];
	size_t argument = 0;

	if (sscanf(line, "%15s %zu", name, &argument) < 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		commands[i].run(argument);
		answer();
		return 0;
	}
	return -EINVAL;
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc > 1)
		n_workers = (unsigned)strtoul(argv[1], NULL, 10);
	if (n_workers == 0 || n_workers > MAX_THREADS) {
		fprintf(stderr, "usage: %s [THREADS, 1 to %d]\n", argv[0], MAX_THREADS);
		return 2;
	}
	for (unsigned i = 0; i < n_workers; i++) {
		workers[i].random = 0x9e3779b97f4a7c15U + i;
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0)
			return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		if (run_command(line) == 0)
			continue;
		printf("{\"error\":\"no such command\"}\n");
		fflush(stdout);
	}
	return 0;
}
