/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_ALLOC_HOST_H
#define MG_SHIM_ALLOC_HOST_H

/* What the adapters ask of the process they are in, without stdio and without strong symbols. */

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/libc.h"

MG_WEAK(dlsym);

/* The process's malloc and free, called where the compiler cannot see a pair and drop it. NULL when there is none. */
void *mg_host_alloc(size_t bytes);
void mg_host_free(void *block);
/* The address of a symbol anywhere in the process, NULL when there is none (or no dynamic linker to ask). */
void *mg_host_symbol(const char *name);
/* In bytes, from the auxiliary vector; never zero. */
size_t mg_host_page(void);
/* Resident anonymous bytes (resident minus file and shared pages); 0 when /proc is not readable. */
uint64_t mg_host_anon(void);
/* Address space in use, in bytes; 0 when /proc is not readable. */
uint64_t mg_host_vsize(void);
/* CLOCK_MONOTONIC and this thread's CPU time. */
uint64_t mg_host_now_ns(void);
uint64_t mg_host_cpu_ns(void);
/* How many bytes the first number is above the second, 0 when it is not. */
static inline uint64_t mg_host_above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}
/* Reads the unsigned number at the start of a file. False when the file is missing or says something else ("max"). */
bool mg_host_number(const char *path, uint64_t *ret);
/* Copies a name's letters; dst holds cap bytes and is always terminated. */
void mg_host_copy(char *dst, const char *src, size_t cap);

#endif
