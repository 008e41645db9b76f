/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_LISTEN_H
#define MG_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "governor/util/err.h"

/* A listening stream socket, and who may speak through it. */
struct mg_listener_socket {
	int fd;                /* owned, -1: none */
	bool is_unix;
	bool any;              /* bound to a wildcard address */
	char host[128];        /* as configured, without port */
	char path[108];        /* unix: removed at close when it is still ours */
	dev_t dev;
	ino_t ino;
};

/* where: ADDR:PORT (numeric, [v6]:PORT, localhost:PORT, :PORT) or unix:PATH. A unix socket has mode 0600 before anybody can
 * connect, is bound to a temporary name and renamed; a socket that still answers is never taken over (-EADDRINUSE). */
int mg_listen(const char *where, struct mg_listener_socket *ret, struct mg_err *err) MG_CHECK_RESULT;
void mg_listen_close(struct mg_listener_socket *s);
/* True when a request with this Host header (may be NULL) may be answered: addresses, localhost and the configured name.
 * Other names would let a web page reach us through its own DNS name. */
bool mg_listen_host_ok(const struct mg_listener_socket *s, const char *host);
/* True when the peer of a connected unix socket is our uid or root. */
bool mg_listen_peer_ok(int fd);

#endif
