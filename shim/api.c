// SPDX-License-Identifier: Apache-2.0
/* The public functions of memgov.h, for programs that ask whether they are governed. */

#include "shim/memgov.h"

#include "shim/shim.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int memgov_version(void)
{
	return MEMGOV_VERSION_MAJOR * 10000 + MEMGOV_VERSION_MINOR * 100 + MEMGOV_VERSION_PATCH;
}

EXPORT int memgov_abi(void)
{
	return MEMGOV_ABI;
}

EXPORT int memgov_active(void)
{
	return atomic_load(&mg_shim.active);
}
