/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_ALLOC_ADAPTERS_H
#define MG_SHIM_ALLOC_ADAPTERS_H

/* The adapters, each in the file of its name; registry.c puts them in the order in which they are asked. */

#include "shim/alloc/adapter.h"

extern const struct mg_allocator_ops mg_allocator_glibc;
extern const struct mg_allocator_ops mg_allocator_jemalloc;
extern const struct mg_allocator_ops mg_allocator_mimalloc;
extern const struct mg_allocator_ops mg_allocator_musl;
extern const struct mg_allocator_ops mg_allocator_tcmalloc;
extern const struct mg_allocator_ops mg_allocator_unknown;

#endif
