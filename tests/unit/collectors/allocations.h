/* SPDX-License-Identifier: Apache-2.0 */
/* Counts what the code under test allocates: link with --wrap=malloc,--wrap=calloc,--wrap=realloc. libc's own are not seen. */
#ifndef MG_TESTS_ALLOCATIONS_H
#define MG_TESTS_ALLOCATIONS_H

#include <stdlib.h>

static unsigned allocations;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	allocations++;
	return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	allocations++;
	return __real_realloc(p, n);
}

#endif
