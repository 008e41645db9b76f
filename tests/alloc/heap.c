/* SPDX-License-Identifier: Apache-2.0 */
/* Fills and frees a heap in the patterns that decide what an allocator can give back, for the tests beside it. */
#include "tests/alloc/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALLEST 16
#define SIZES 1200 /* 16 to 1215 bytes: 615 on average */
#define RUN 1024

static unsigned char mark_of(const void *block, size_t size)
{
	return (unsigned char)(((uintptr_t)block >> 4) * 31 + size);
}

void mg_heap_mark(void *block, size_t size)
{
	memset(block, mark_of(block, size), size);
}

bool mg_heap_intact(const void *block, size_t size)
{
	const unsigned char *b = block;
	unsigned char mark = mark_of(block, size);

	for (size_t i = 0; i < size; i++)
		if (b[i] != mark)
			return false;
	return true;
}

static void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static bool kept(struct mg_heap_part *p, size_t i)
{
	switch (p->heap->pattern) {
	case MG_HEAP_BURST:
		return i / RUN % 10 == 0;
	case MG_HEAP_RANDOM:
		return mg_heap_random(&p->seed) % 10 == 0;
	case MG_HEAP_TAIL:
		return i > p->n - p->n / 20;
	}
	abort();
}

static void fill(struct mg_heap_part *p)
{
	for (size_t i = 0; i < p->n; i++) {
		p->size[i] = (uint32_t)(SMALLEST + mg_heap_random(&p->seed) % SIZES);
		p->block[i] = malloc(p->size[i]);
		if (!p->block[i])
			abort();
		mg_heap_mark(p->block[i], p->size[i]);
	}
	for (size_t i = 0; i < p->n; i++) {
		if (kept(p, i))
			continue;
		free(p->block[i]);
		p->block[i] = NULL;
	}
}

static void *worker(void *arg)
{
	struct mg_heap_part *p = arg;

	fill(p);
	pthread_barrier_wait(&p->heap->full);
	pthread_barrier_wait(&p->heap->leave);
	return NULL;
}

void mg_heap_make(struct mg_heap *h)
{
	unsigned parts = h->threads ? h->threads : 1;

	pthread_barrier_init(&h->full, NULL, parts + 1);
	pthread_barrier_init(&h->leave, NULL, parts + 1);
	for (unsigned i = 0; i < parts; i++) {
		struct mg_heap_part *p = &h->part[i];

		*p = (struct mg_heap_part){ .heap = h, .n = h->bytes / parts / (SMALLEST + SIZES / 2), .seed = i + 1 };
		p->block = pages(p->n * sizeof *p->block);
		p->size = pages(p->n * sizeof *p->size);
		if (h->threads == 0)
			fill(p);
		else if (pthread_create(&p->thread, NULL, worker, p))
			abort();
	}
	if (h->threads)
		pthread_barrier_wait(&h->full);
}

size_t mg_heap_damage(const struct mg_heap *h)
{
	size_t damaged = 0;

	for (unsigned i = 0; i < MG_HEAP_THREADS; i++)
		for (size_t k = 0; k < h->part[i].n; k++)
			if (h->part[i].block[k])
				damaged += !mg_heap_intact(h->part[i].block[k], h->part[i].size[k]);
	return damaged;
}

void mg_heap_end(struct mg_heap *h)
{
	if (h->threads)
		pthread_barrier_wait(&h->leave);
	for (unsigned i = 0; i < MG_HEAP_THREADS; i++) {
		struct mg_heap_part *p = &h->part[i];

		if (h->threads && p->n)
			pthread_join(p->thread, NULL);
		for (size_t k = 0; k < p->n; k++)
			free(p->block[k]);
		if (p->n) {
			munmap(p->block, p->n * sizeof *p->block);
			munmap(p->size, p->n * sizeof *p->size);
		}
		p->n = 0;
	}
}
