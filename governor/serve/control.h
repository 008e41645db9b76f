/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONTROL_H
#define MG_CONTROL_H

#include <sys/types.h>

#include "governor/loop/loop.h"
#include "protocol/knobs.h"
#include "protocol/wire.h"

/* The control socket: listens, authenticates, hands parsed messages on. security.md "Descriptors from strangers",
 * "Roles" and "Protocol" are its rules. A hostile peer can neither crash nor stall the loop. */
struct mg_control;
struct mg_peer; /* one connection */

#define MG_CONTROL_MAX_IDS 64 /* of either list */
struct mg_control_conf {
	char path[108];
	mode_t mode;                      /* 0660 unless configured; never 0666 */
	const uid_t *allow_uids; unsigned n_uids; /* borrowed; none: the governor's own uid and root */
	const gid_t *allow_gids; unsigned n_gids; /* borrowed; matched by SO_PEERGROUPS; the first becomes the socket's group */
	unsigned max_peers, max_per_uid;  /* 10240, 1024 */
	uint64_t hello_deadline_ns;       /* 2 s */
};

/* What a peer said of itself, plus its received and verified descriptors. */
struct mg_hello {
	uid_t uid; gid_t gid; pid_t pid;  /* from SO_PEERCRED; pid 0: another PID namespace */
	const struct mg_wire_msg *msg;
	unsigned n_fds;
	int fds[MG_WIRE_MAX_FDS];         /* in the order of the tags; the callee takes those it keeps and sets them to -1 */
};

struct mg_control_ops {
	/* Returns 0 to keep the peer (user stored with mg_peer_set_user), or negative errno to refuse it with ERROR `denied`. */
	int (*hello)(void *ctx, struct mg_peer *p, struct mg_hello *h);
	/* REPORT, ACK, NAK, BYE of a peer past its HELLO. */
	void (*message)(void *ctx, struct mg_peer *p, const struct mg_wire_msg *m);
	/* The connection of a kept peer ended. Called from the loop, never inside mg_peer_drop; p is freed after it returns. */
	void (*gone)(void *ctx, struct mg_peer *p, const char *why);
	/* For logs and counters: a refused or broken peer, rate-limited by the log. line: what the operator can do, or "". */
	void (*refused)(void *ctx, uid_t uid, gid_t gid, pid_t pid, const char *why, const char *line);
};

/* Binds a temporary name and renames it over path; takes PATH.lock; never unlinks a live peer's socket. Called on the loop's
 * thread; uses SIGALRM, which stays blocked or harmless outside. -EADDRINUSE: another governor lives there. */
int mg_control_open(struct mg_loop *l, const struct mg_control_conf *conf, const struct mg_control_ops *ops, void *ctx,
		    struct mg_control **ret, struct mg_err *err) MG_CHECK_RESULT;
/* Tells gone() of every kept peer, closes all, removes the socket's file. Returns NULL. */
struct mg_control *mg_control_close(struct mg_control *c);
/* After a reload: who may dial from now on. Borrows conf's lists in place of the old ones; connected peers stay. */
void mg_control_allow(struct mg_control *c, const struct mg_control_conf *conf);

void mg_peer_set_user(struct mg_peer *p, void *user);
void *mg_peer_user(const struct mg_peer *p);
/* Never blocks. -EAGAIN: the peer's queue is full, the datagram is dropped and counted. */
int mg_peer_send(struct mg_peer *p, const char *buf, size_t len);
/* ERROR, then close; p stays valid until gone() of this or the next turn. */
void mg_peer_drop(struct mg_peer *p, const char *code, const char *why);

struct mg_control_stats {
	uint64_t accepted, refused, malformed, messages, sent, send_dropped, banned, rights_refused;
	unsigned peers;
	bool no_acl; /* the allow-lists reach no further than the socket's owner and group */
};
void mg_control_stats(const struct mg_control *c, struct mg_control_stats *ret);

#endif
