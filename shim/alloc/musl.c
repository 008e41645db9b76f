/* SPDX-License-Identifier: Apache-2.0 */
/* musl's malloc: it has no call that returns pages (mallocng gives whole groups back by itself), no statistics and no decay.
 * Detected so that `status` can name it; refuses every request. Called on the runtime thread. */
#include "shim/alloc/adapters.h"
#include "shim/alloc/host.h"

/* musl's malloc and its dynamic linker are one object, so the name that owns malloc tells; a malloc of the program's own, or a
 * preloaded one, has another. */
static bool probe(void)
{
	return !mg_host_symbol("gnu_get_libc_version") && mg_host_owner_has("malloc", "ld-musl-");
}

static const char *version(void)
{
	return "";
}

const struct mg_allocator_ops mg_allocator_musl = {
	.name = "musl", .probe = probe, .version = version, .stats = mg_host_no_stats, .purge = mg_host_no_purge,
	.decay_restore = MG_RESTORE_NONE,
};
