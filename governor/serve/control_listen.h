/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONTROL_LISTEN_H
#define MG_CONTROL_LISTEN_H

#include <sys/stat.h>

#include "governor/serve/control.h"

/* The listening socket and the lock that makes this governor the only one at its path. */
struct mg_listener {
	int fd, lock_fd;
	bool passes_rights;  /* the kernel cannot refuse descriptors at the socket (before Linux 6.16) */
	bool no_acl;         /* its file system has no access lists: only owner and group get in */
	dev_t dev;           /* of the socket's file, to remove no other's */
	ino_t ino;
	char path[108];
};

/* Returns 0; -EADDRINUSE when another governor lives at the path; -EEXIST when something else than a socket is there; -EINVAL,
 * -ENAMETOOLONG or what the kernel said. Nothing is left behind on failure. */
int mg_listener_open(struct mg_listener *s, const struct mg_control_conf *conf, struct mg_err *err) MG_CHECK_RESULT;
/* After a reload: lets the new lists in. */
void mg_listener_allow(struct mg_listener *s, const struct mg_control_conf *conf);
void mg_listener_close(struct mg_listener *s);

#endif
