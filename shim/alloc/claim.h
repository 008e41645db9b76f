/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_ALLOC_CLAIM_H
#define MG_SHIM_ALLOC_CLAIM_H

/* Returns glibc's free pages without malloc_trim's long lock: claim.c says how. Used by glibc.c alone. */

#include <stddef.h>

#include "shim/alloc/adapter.h"

struct mg_claim_libc {
	void *(*malloc)(size_t bytes);
	void (*free)(void *block);
	size_t (*usable_size)(void *block);
};

struct mg_claim_result {
	uint64_t given;      /* bytes handed to madvise, resident or not */
	uint64_t chunks;     /* free chunks taken: what a malloc_trim would have to walk */
	uint64_t longest_ns; /* longest single malloc or free: what an application thread may have waited for */
	uint32_t helpers;    /* threads started */
	uint32_t made;       /* arenas that did not exist before; glibc keeps them for ever */
	bool stopped;        /* by a bound, a cancel or a failed thread: there may be more */
	bool whole;          /* every arena was visited: the program's only one, or the whole ring, three times */
};

/* One pass. 0; -ENOTSUP when the kernel or a filter does not allow it (nothing was done); -EAGAIN when no thread may be
 * started now. */
int mg_claim_run(const struct mg_claim_libc *libc, const struct mg_purge_request *q, struct mg_claim_result *ret);

#endif
