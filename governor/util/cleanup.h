/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CLEANUP_H
#define MG_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void mg_close_fd(int *fd) { if (*fd >= 0) close(*fd); *fd = -1; }
static inline void mg_free_ptr(void *p) { free(*(void **)p); }

#define MG_CLOSE __attribute__((cleanup(mg_close_fd)))
#define MG_FREE  __attribute__((cleanup(mg_free_ptr)))

#endif
