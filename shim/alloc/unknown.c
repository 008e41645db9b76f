/* SPDX-License-Identifier: Apache-2.0 */
/* An allocator that cannot be asked: linked statically into the program, stripped, or not known here. Reports nothing it does
 * not know and refuses every request. The last row of the registry, so that detection always ends. */
#include "shim/alloc/adapters.h"
#include "shim/alloc/host.h"

/* Says "static" when malloc is the program's own. */
static const char *version(void)
{
	return mg_host_in_program("malloc") ? "static" : "";
}

static bool probe(void)
{
	return true;
}

const struct mg_allocator_ops mg_allocator_unknown = {
	.name = "unknown", .probe = probe, .version = version, .stats = mg_host_no_stats, .purge = mg_host_no_purge,
	.decay_restore = MG_RESTORE_NONE,
};
