/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_RIG_H
#define MG_TESTS_RIG_H

/* Starts the host program (host.c) in one of its modes, with the shim preloaded, and talks to it by lines. */

#include <stdbool.h>
#include <sys/types.h>

struct host {
	pid_t pid;
	int in, out;      /* its standard input and output */
	char line[256];
};

/* env: NAME=value words, NULL-ended, beside LD_PRELOAD; the tests' own environment is not passed on. */
void host_start(struct host *h, const char *mode, const char *const env[]);
void host_start_program(struct host *h, const char *program, const char *mode, const char *const env[]);
/* As another user, before exec. */
void host_start_as(struct host *h, uid_t uid, const char *mode, const char *const env[]);
/* The next line it prints, in h->line; false when none comes in time. */
bool host_line(struct host *h, int timeout_ms);
/* Reads lines until one begins so. */
bool host_says(struct host *h, const char *begin, int timeout_ms);
void host_tell(struct host *h, const char *line);
/* Closes its input and waits: the exit status, 128 + signal, or -1 when it does not end in time (it is killed then). */
int host_end(struct host *h, int timeout_ms);
void host_kill(struct host *h);
/* Threads of a process as /proc says; -1 gone. */
int threads_of(pid_t pid);
/* Waits until the process has so many threads. */
bool threads_become(pid_t pid, int n, int timeout_ms);
/* The uid that all of its threads have; -1 when they differ. */
int threads_uid(pid_t pid);
/* Entries in /proc/PID/fd. */
int descriptors_of(pid_t pid);
const char *scratch(const char *name); /* a path in this test's own directory; valid until two calls later */
void scratch_make(void);
void scratch_remove(void);
void sleep_ms(int ms);

#endif
