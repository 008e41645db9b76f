/* SPDX-License-Identifier: Apache-2.0 */
/* Who may connect, and who may not for a while. Reads the kernel's word about a peer (SO_PEERCRED, SO_PEERGROUPS) and the
 * configured lists; keeps one row for each allowed user with its connections and its bans. Called by control.c. A user that is
 * not allowed gets no row, so strangers cannot fill the table. */
#include "governor/serve/control_users.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "governor/util/cleanup.h"
#include "governor/util/num.h"
#include "governor/util/value.h"

#define FIRST_BAN_NS (1 * MG_NS_PER_S)
#define LAST_BAN_NS  (300 * MG_NS_PER_S)
#define FORGET_NS    (600 * MG_NS_PER_S)
#define MAX_DOUBLING 9

/* Reads one of the kernel's overflow ids; 65534 is what it is built with. */
static uint32_t overflow_id(const char *path)
{
	const uint32_t built_in = 65534;
	char text[16];
	uint64_t id;
	MG_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (n < 2 || mg_scan_u64(text, (size_t)n - 1, &id) < 0 || id > UINT32_MAX)
		return built_in;
	return (uint32_t)id;
}

void mg_users_init(struct mg_users *u)
{
	u->overflow_uid = overflow_id("/proc/sys/kernel/overflowuid");
	u->overflow_gid = overflow_id("/proc/sys/kernel/overflowgid");
}

void mg_users_done(struct mg_users *u)
{
	for (unsigned i = 0; i < MG_MAX_USERS; i++)
		mg_errand_forget(u->at[i].errand);
}

static bool uid_listed(const struct mg_control_conf *conf, uid_t uid)
{
	if (conf->n_uids == 0)
		return uid == 0 || uid == geteuid();
	for (unsigned i = 0; i < conf->n_uids; i++)
		if (conf->allow_uids[i] == uid)
			return true;
	return false;
}

static bool gid_listed(const struct mg_users *u, const struct mg_control_conf *conf, gid_t gid)
{
	for (unsigned i = 0; i < conf->n_gids; i++)
		if (conf->allow_gids[i] == gid && gid != u->overflow_gid)
			return true;
	return false;
}

/* How many of the peer's groups are in u->groups; 0 too when it has more than there is room for. */
static size_t peer_groups(struct mg_users *u, int fd)
{
	socklen_t len = sizeof u->groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, u->groups, &len) < 0)
		return 0;
	return len / sizeof u->groups[0];
}

bool mg_users_allowed(struct mg_users *u, const struct mg_control_conf *conf, int fd, const struct ucred *cred)
{
	if (cred->uid != u->overflow_uid && uid_listed(conf, cred->uid))
		return true;
	if (conf->n_gids == 0)
		return false;
	if (gid_listed(u, conf, cred->gid))
		return true;
	size_t n = peer_groups(u, fd);
	for (size_t i = 0; i < n; i++)
		if (gid_listed(u, conf, u->groups[i]))
			return true;
	return false;
}

/* A row nobody would miss. */
static bool forgettable(struct mg_user *user, uint64_t now_ns)
{
	const char *why;

	return !user->used || (user->peers == 0 && !mg_user_barred(user, now_ns, &why) && now_ns - user->struck_ns > FORGET_NS);
}

struct mg_user *mg_users_get(struct mg_users *u, uid_t uid, uint64_t now_ns)
{
	struct mg_user *room = NULL;

	for (unsigned i = 0; i < MG_MAX_USERS; i++) {
		struct mg_user *user = &u->at[i];
		if (user->used && user->uid == uid)
			return user;
		if (!room && forgettable(user, now_ns))
			room = user;
	}
	if (room)
		*room = (struct mg_user){ .uid = uid, .used = true };
	return room;
}

void mg_user_strike(struct mg_user *user, uint64_t now_ns)
{
	if (now_ns - user->struck_ns > FORGET_NS)
		user->strikes = 0;
	uint64_t ban_ns = FIRST_BAN_NS << (user->strikes < MAX_DOUBLING ? user->strikes : MAX_DOUBLING);
	user->strikes++;
	user->struck_ns = now_ns;
	user->banned_until_ns = now_ns + (ban_ns < LAST_BAN_NS ? ban_ns : LAST_BAN_NS);
}

bool mg_user_barred(struct mg_user *user, uint64_t now_ns, const char **why)
{
	if (user->errand && mg_errand_over(user->errand))
		user->errand = mg_errand_forget(user->errand);
	if (user->errand) {
		*why = "descriptors this user sent are still being closed";
		return true;
	}
	*why = "this user broke a rule of the protocol a short while ago";
	return now_ns < user->banned_until_ns;
}
