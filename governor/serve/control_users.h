/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONTROL_USERS_H
#define MG_CONTROL_USERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "governor/serve/control.h"
#include "governor/serve/control_rights.h"

#define MG_MAX_USERS 256

/* What the control socket remembers of a user that is allowed to connect. */
struct mg_user {
	uid_t uid;
	bool used;
	unsigned peers;            /* connections, those being closed too */
	unsigned strikes;          /* violations, forgotten after a quiet time */
	uint64_t struck_ns, banned_until_ns;
	struct mg_errand *errand;  /* refused descriptors of this user, still being closed; NULL: none */
};

struct mg_users {
	struct mg_user at[MG_MAX_USERS];
	uid_t overflow_uid;        /* what the kernel shows for users of another user namespace */
	gid_t overflow_gid;
	gid_t groups[1024];        /* of the peer at hand */
};

void mg_users_init(struct mg_users *u);
void mg_users_done(struct mg_users *u);
/* True when the lists allow the peer at fd: its uid, or one of its groups. The overflow ids are never allowed. */
bool mg_users_allowed(struct mg_users *u, const struct mg_control_conf *conf, int fd, const struct ucred *cred);
/* Returns the user's row, borrowed, taking a free or forgettable one; NULL when all are in use. */
struct mg_user *mg_users_get(struct mg_users *u, uid_t uid, uint64_t now_ns);
/* A violation: bans the user for 1 s, doubling to 5 min; ten quiet minutes forget all. */
void mg_user_strike(struct mg_user *user, uint64_t now_ns);
/* True while the user may open no connection, with the reason. */
bool mg_user_barred(struct mg_user *user, uint64_t now_ns, const char **why);

#endif
