/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_GOVERNOR_H
#define MG_TESTS_GOVERNOR_H

/* A governor of a few lines: listens, reads datagrams, sends what a test wants. Every wait has a bound. */

#include <stdbool.h>
#include <stdint.h>

#include "protocol/wire.h"

struct governor {
	int listener, peer;       /* -1 none */
	char path[64];
	uint64_t seq;             /* last sent */
	char in[MG_WIRE_MAX + 1]; /* last datagram; msg points into it */
	struct mg_wire_msg msg;
	unsigned n_fds;           /* of the last datagram */
	int fds[MG_WIRE_MAX_FDS];
};

void governor_listen(struct governor *g, const char *path);
/* Closes everything and removes the socket; as a SIGKILL leaves it when keep_path. */
void governor_stop(struct governor *g, bool keep_path);
/* False when nobody dials within the time. */
bool governor_accept(struct governor *g, int timeout_ms);
/* Reads until a datagram of this verb is there; others are dropped. False: time is up or the target closed. */
bool governor_expect(struct governor *g, enum mg_wire_verb verb, int timeout_ms);
/* True when the target closes the connection within the time. */
bool governor_closed(struct governor *g, int timeout_ms);
/* accept + HELLO. */
bool governor_meet(struct governor *g, int timeout_ms);
/* Sends text after `memgov/1 VERB`, with seq and sent_ns where the verb has them. Returns the seq. */
uint64_t governor_send(struct governor *g, const char *verb, const char *keys);
bool governor_send_raw(struct governor *g, const void *data, size_t len);
bool governor_welcome(struct governor *g, const char *keys);
/* True when ACK (or NAK) for seq comes; the message stays in g->msg. */
bool governor_answered(struct governor *g, uint64_t seq, enum mg_wire_verb verb, int timeout_ms);
uint64_t governor_number(const struct governor *g, const char *key);
const char *governor_text(const struct governor *g, const char *key);
void governor_close_fds(struct governor *g);
uint64_t boot_ns(void);

#endif
