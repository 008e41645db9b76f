/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_ALLOC_HOST_H
#define MG_SHIM_ALLOC_HOST_H

/* What the adapters ask of the process they are in, without stdio and without strong symbols. */

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/alloc/adapter.h"
#include "shim/libc.h"

MG_WEAK(dlsym);

/* The process's malloc and free, called where the compiler cannot see a pair and drop it. NULL when there is none. */
void *mg_host_alloc(size_t bytes);
void mg_host_free(void *block);
/* The address of a symbol anywhere in the process, NULL when there is none (or no dynamic linker to ask). */
void *mg_host_symbol(const char *name);
/* True when the object that the dynamic linker names for the symbol has this text in its path. Taken with the limits of
 * dladdr: in a program at a fixed address it names the program. */
bool mg_host_owner_has(const char *symbol, const char *part);
/* True when address is no definition but a program's own entry for calling an imported function. */
bool mg_host_is_import(const void *address);
/* True when the dynamic linker names the program itself, or there is none to ask. */
bool mg_host_in_program(const char *symbol);
/* In bytes, from the auxiliary vector; never zero. */
size_t mg_host_page(void);
/* Resident anonymous bytes (resident minus file and shared pages); 0 when /proc is not readable. */
uint64_t mg_host_anon(void);
/* Address space in use, in bytes; 0 when /proc is not readable. */
uint64_t mg_host_vsize(void);
/* CLOCK_MONOTONIC and this thread's CPU time. */
uint64_t mg_host_now_ns(void);
uint64_t mg_host_cpu_ns(void);
bool mg_host_cancelled(const struct mg_purge_request *q);
/* How many bytes the first number is above the second, 0 when it is not. */
static inline uint64_t mg_host_above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}
/* Reads the unsigned number at the start of a file. False when the file is missing or says something else ("max"). */
bool mg_host_number(const char *path, uint64_t *ret);

/* Reads blanks and an unsigned number; returns what follows. */
const char *mg_host_scan(const char *s, uint64_t *ret);
/* Where the text is in s, NULL when it is not. */
const char *mg_host_find(const char *s, const char *part);
/* For allocators that cannot be asked and cannot be told. */
void mg_host_no_stats(struct mg_alloc_stats *ret, bool want_live);
int mg_host_no_purge(const struct mg_purge_request *q, struct mg_purge_result *ret);

#endif
