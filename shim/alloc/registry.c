/* SPDX-License-Identifier: Apache-2.0 */
/* The allocators memgov knows, in the order in which they are asked who owns a block: those that replace malloc before libc's
 * own, whose symbols are there under every other. Read by the runtime thread, once. */
#include "shim/alloc/adapters.h"

const struct mg_allocator_ops *const mg_allocators[] = {
	&mg_allocator_jemalloc, &mg_allocator_tcmalloc, &mg_allocator_mimalloc,
	&mg_allocator_glibc, &mg_allocator_musl, &mg_allocator_unknown, 0,
};

const struct mg_allocator_ops *mg_allocator_detect(void)
{
	const struct mg_allocator_ops *const *a = mg_allocators;

	while (!(*a)->probe())
		a++;
	return *a;
}
