/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_PROC_H
#define MG_SHIM_PROC_H

/* What the link thread reads about its own process. Descriptors live in its private table and are kept, so that a tick is
 * pread() alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads up to cap-1 bytes from the start of a kept descriptor, NUL-terminated. Length or negative errno. */
long mg_file_pread(int fd, char *buf, size_t cap);
/* The same for a path, opened and closed. Only from a thread with a private descriptor table, or before main. */
long mg_file_read(const char *path, char *buf, size_t cap);
/* Reads a file of one number; `max` is UINT64_MAX. */
int mg_file_u64(int fd, uint64_t *ret);

struct mg_proc {
	int leader_statm;     /* /proc/self/statm: all zero once the main thread has ended */
	int statm;            /* of this thread: stays true after that */
	int leader_status;    /* Seccomp_filters of the main thread ... */
	int status;           /* ... and of this one */
	uint64_t page_size;
	uint64_t filters;     /* Seccomp_filters at load; UINT64_MAX: this kernel does not say */
};
void mg_proc_open(struct mg_proc *p, uint64_t page_size, uint64_t filters_at_load);
/* Size, resident and shared, in pages. */
bool mg_proc_statm(const struct mg_proc *p, uint64_t field[3]);
/* Resident bytes, UINT64_MAX unknown. */
uint64_t mg_proc_resident(const struct mg_proc *p);
bool mg_proc_leader_gone(const struct mg_proc *p);
/* True when a seccomp filter was added since load, or when that can no longer be read. */
bool mg_proc_sealed(const struct mg_proc *p);
/* Seccomp_filters in the text of a status file; UINT64_MAX when it has no such line. */
uint64_t mg_proc_filters(const char *status);
/* How many threads are memgov's own. */
#define MG_OUR_THREADS 2
/* Threads of the process as the link count of its task directory says: no descriptor. Negative errno. */
long mg_proc_threads(void);
/* Start of the process in CLOCK_BOOTTIME ns, from the text of a stat file; 0 unknown. */
uint64_t mg_proc_start_ns(const char *stat, uint64_t ticks_per_s);

/* Copy-on-write children: forked from this process, not through exec, still alive. */
#define MG_COW_MAX_KIDS    16
#define MG_COW_MAX_THREADS 256
struct mg_cow {
	uint32_t forks_seen;   /* value of the fork counter at the last full look */
	unsigned n;
	uint32_t kid[MG_COW_MAX_KIDS];
};
/* Looks at what is known and, when there were forks since the last look, at the children of every thread. Opens files. */
bool mg_cow_lives(struct mg_cow *c, uint32_t forks);

#endif
