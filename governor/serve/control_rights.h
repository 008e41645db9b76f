/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONTROL_RIGHTS_H
#define MG_CONTROL_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "governor/util/err.h"
#include "protocol/wire.h"

/* Descriptors that strangers sent. Until mg_rights_check said yes, only statx without sync, fcntl and close by an errand may
 * touch one: fstat, fstatfs, read and close wait for ever on the file of a FUSE server that does not answer. */

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16; the same on all architectures but parisc and sparc */
#endif
#define MG_MAX_OWN_MOUNTS 64

/* The file systems a descriptor may be on, and the devices on which the governor itself sees them. */
struct mg_rights {
	struct { uint32_t major, minor; int fs; } own[MG_MAX_OWN_MOUNTS];
	unsigned n_own;
};

/* Closes, or checks, a set of descriptors in a thread of its own. */
struct mg_errand;

void mg_rights_init(struct mg_rights *r);
/* Lets descriptors pass the socket, or not. 0, or -ENOPROTOOPT before Linux 6.16. */
int mg_rights_pass(int fd, bool on);
/* The descriptors of one received message, moved to fd[]; returns their number. A control buffer for them: */
#define MG_RIGHTS_BUFFER CMSG_SPACE(MG_WIRE_MAX_FDS * sizeof(int))
unsigned mg_rights_take(struct msghdr *msg, int fd[static MG_WIRE_MAX_FDS]);

/* Says whether every fd[i] is a regular file of procfs or a cgroup file system, read-only, and the file that the i-th tag of the
 * comma-separated list names. Descriptors under unknown tags are closed and set to -1. Returns 0; -EPERM, *why: a sentence, when
 * one is not; -ETIMEDOUT when a file system did not answer within MG_RIGHTS_WAIT_MS; -EAGAIN, -ENOMEM. On failure all descriptors
 * are taken and set to -1, and *errand is what closes them. Takes at most that time. */
#define MG_RIGHTS_WAIT_MS 50
int mg_rights_check(const struct mg_rights *r, const char *tags, int fd[], unsigned n, struct mg_errand **errand,
		    const char **why) MG_CHECK_RESULT;
/* Takes descriptors nobody has checked and closes them elsewhere. Returns what does it, NULL when there is nothing to close. */
struct mg_errand *mg_rights_refuse(int fd[], unsigned n);

/* True when all is closed. An errand that found no thread tries again here. */
bool mg_errand_over(struct mg_errand *e);
struct mg_errand *mg_errand_forget(struct mg_errand *e);

#endif
