/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_ALLOC_HEAP_H
#define MG_TESTS_ALLOC_HEAP_H

/* A heap that was filled and mostly freed, whose remaining blocks know what they hold. Bookkeeping lives in mmap, so that the
 * allocator under test sees the blocks alone. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mg_heap_pattern {
	MG_HEAP_BURST,  /* blocks in runs of 1024, nine of ten runs freed */
	MG_HEAP_RANDOM, /* nine of ten blocks freed at random: few whole pages, much work */
	MG_HEAP_TAIL,   /* all freed but the last blocks: what a request's memory looks like */
};

#define MG_HEAP_THREADS 8

struct mg_heap {
	size_t bytes;
	enum mg_heap_pattern pattern;
	unsigned threads; /* 0: the caller's */
	/* private */
	pthread_barrier_t full, leave;
	struct mg_heap_part {
		struct mg_heap *heap;
		pthread_t thread;
		void **block;
		uint32_t *size;
		size_t n;
		uint64_t seed;
	} part[MG_HEAP_THREADS];
};

/* Fills and frees; the threads that did it stay alive, asleep. */
void mg_heap_make(struct mg_heap *h);
/* The number of blocks whose content is not what was written. */
size_t mg_heap_damage(const struct mg_heap *h);
/* Frees all and ends the threads. */
void mg_heap_end(struct mg_heap *h);

/* A generator with a period of 2^64 and no lock. */
static inline uint64_t mg_heap_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Writes a block's content, which follows from its address and size; tells whether it is still there. */
void mg_heap_mark(void *block, size_t size);
bool mg_heap_intact(const void *block, size_t size);

#endif
