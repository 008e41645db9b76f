/* SPDX-License-Identifier: Apache-2.0 */
/* How the control socket comes to its path: past a dead governor's, never over a live one's or over a file. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "governor/serve/control_listen.h"
#include "tests/protocol/rig.h"

static char dir[64];
static struct mg_control_conf conf;

static int setup(void **state)
{
	(void)state;

	strcpy(dir, "/tmp/mg-listen-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	conf = (struct mg_control_conf){ .mode = 0660 };
	snprintf(conf.path, sizeof conf.path, "%s/control.sock", dir);
	return 0;
}

static int teardown(void **state)
{
	char lock[128];
	(void)state;

	snprintf(lock, sizeof lock, "%s.lock", conf.path);
	unlink(lock);
	unlink(conf.path);
	return rmdir(dir);
}

static int open_one(struct mg_listener *s, struct mg_err *err)
{
	err->text[0] = '\0';
	int r = mg_listener_open(s, &conf, err);
	check((r < 0) == (err->text[0] != '\0'), "%d with the sentence `%s`", r, err->text);
	return r;
}

static int socket_at(const char *path, int type, bool listening)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	check(bind(fd, (struct sockaddr *)&a, sizeof a) == 0, "bind %s: %s", path, strerror(errno));
	if (listening)
		check(listen(fd, 1) == 0, "listen: %s", strerror(errno));
	return fd;
}

static void test_mode(void **state)
{
	static const struct { mode_t mode; int r; mode_t want; } row[] = {
		{ 0, 0, 0660 }, { 0600, 0, 0600 }, { 0660, 0, 0660 },
		{ 0666, -EINVAL, 0 }, { 0662, -EINVAL, 0 }, { 0664, -EINVAL, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct mg_listener s;
		struct mg_err err;
		struct stat st;
		conf.mode = row[i].mode;
		int r = open_one(&s, &err);
		check(r == row[i].r, "mode %04o: %d (%s), expected %d", (unsigned)row[i].mode, r, err.text, row[i].r);
		if (r < 0)
			continue;
		check(stat(conf.path, &st) == 0 && (st.st_mode & 07777) == row[i].want, "mode %04o became %04o",
		      (unsigned)row[i].mode, (unsigned)st.st_mode & 07777);
		mg_listener_close(&s);
		check(access(conf.path, F_OK) < 0, "the socket is still there after closing");
	}
}

static void test_path(void **state)
{
	static const struct { const char *path; int r; } row[] = {
		{ "control.sock", -EINVAL },
		{ "", -EINVAL },
		{ "/nowhere/at/all/control.sock", -ENOENT },
		{ "/tmp/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789/x",
		  -ENAMETOOLONG },
	};
	struct mg_control_conf kept = conf;
	(void)state;

	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct mg_listener s;
		struct mg_err err;
		snprintf(conf.path, sizeof conf.path, "%s", row[i].path);
		int r = open_one(&s, &err);
		check(r == row[i].r, "`%s`: %d (%s), expected %d", row[i].path, r, err.text, row[i].r);
	}
	conf = kept;
}

static void test_second_governor(void **state)
{
	struct mg_listener first, second;
	struct mg_err err;
	(void)state;

	check(open_one(&first, &err) == 0, "%s", err.text);
	check(open_one(&second, &err) == -EADDRINUSE && strstr(err.text, ".lock"), "a second governor: `%s`", err.text);
	check(access(conf.path, F_OK) == 0, "the first one's socket is gone");
	mg_listener_close(&first);
	check(open_one(&second, &err) == 0, "after the first: %s", err.text);
	mg_listener_close(&second);
}

static void test_stale(void **state)
{
	struct mg_listener s;
	struct mg_err err;
	char fresh[128];
	(void)state;

	close(socket_at(conf.path, SOCK_SEQPACKET, true)); /* its owner died */
	snprintf(fresh, sizeof fresh, "%s.new", conf.path);
	close(socket_at(fresh, SOCK_SEQPACKET, false));    /* in the middle of this */
	check(open_one(&s, &err) == 0, "over a dead governor's socket: %s", err.text);
	check(access(fresh, F_OK) < 0, "%s was left", fresh);
	mg_listener_close(&s);
}

static void test_occupied(void **state)
{
	static const struct { const char *name; int type; int r; } row[] = {
		{ "a governor without a lock", SOCK_SEQPACKET, -EADDRINUSE },
		{ "a stream server", SOCK_STREAM, -EADDRINUSE },
		{ "a file", 0, -EEXIST },
	};
	(void)state;

	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct mg_listener s;
		struct mg_err err;
		struct stat before, after;
		int fd = row[i].type ? socket_at(conf.path, row[i].type, true)
				     : open(conf.path, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
		check(lstat(conf.path, &before) == 0, "%s is not there", row[i].name);
		check(open_one(&s, &err) == row[i].r, "%s: `%s`", row[i].name, err.text);
		check(lstat(conf.path, &after) == 0 && after.st_ino == before.st_ino, "%s was replaced", row[i].name);
		close(fd);
		unlink(conf.path);
	}
}

/* A socket that somebody put in our place is not ours to remove. */
static void test_replaced(void **state)
{
	struct mg_listener s;
	struct mg_err err;
	(void)state;

	check(open_one(&s, &err) == 0, "%s", err.text);
	unlink(conf.path);
	int fd = socket_at(conf.path, SOCK_SEQPACKET, true);
	mg_listener_close(&s);
	check(access(conf.path, F_OK) == 0, "another's socket was removed");
	close(fd);
}

/* A lock that is a link leads nowhere. */
static void test_lock_link(void **state)
{
	struct mg_listener s;
	struct mg_err err;
	char lock[128], aim[128];
	(void)state;

	snprintf(lock, sizeof lock, "%s.lock", conf.path);
	snprintf(aim, sizeof aim, "%s/aim", dir);
	check(symlink(aim, lock) == 0, "symlink: %s", strerror(errno));
	check(open_one(&s, &err) == -ELOOP, "a link as lock: `%s`", err.text);
	check(access(aim, F_OK) < 0, "a file was made through the link");
}

/* Whether a process of that user can connect: 0, or the negative errno. */
static int connect_as(uid_t uid, gid_t gid)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		strcpy(a.sun_path, conf.path);
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(255);
		_exit(connect(fd, (struct sockaddr *)&a, sizeof a) < 0 ? errno : 0);
	}
	check(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status), "a child tries");
	return -WEXITSTATUS(status);
}

static void test_lists(void **state)
{
	static const uid_t uids[] = { 4711, 1234, 4711 };
	static const gid_t gids[] = { 2000, 1999 };
	static const struct { uid_t uid; gid_t gid; int want; } row[] = {
		{ 4711, 4711, 0 }, { 1234, 1234, 0 }, { 5000, 2000, 0 }, { 5000, 1999, 0 }, { 5000, 5000, -EACCES },
	};
	struct mg_listener s;
	struct mg_err err;
	(void)state;

	if (geteuid() != 0)
		return; /* the allow-lists of an unprivileged governor are its directory's group: nothing to try */
	check(chmod(dir, 0711) == 0, "others may reach the socket");
	conf.allow_uids = uids;
	conf.n_uids = 3;
	conf.allow_gids = gids;
	conf.n_gids = 2;
	check(open_one(&s, &err) == 0, "the socket opens: %s", err.text);
	if (!s.no_acl)
		for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
			check(connect_as(row[i].uid, row[i].gid) == row[i].want, "uid %u gid %u: %d", row[i].uid, row[i].gid,
			      connect_as(row[i].uid, row[i].gid));
	conf.n_uids = 1;
	conf.n_gids = 0;
	mg_listener_allow(&s, &conf);
	if (!s.no_acl)
		check(connect_as(1234, 1234) == -EACCES, "a reload shuts out who is no longer listed");
	mg_listener_close(&s);
}

#define each(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(test_mode), each(test_lists), each(test_path), each(test_second_governor), each(test_stale), each(test_occupied),
		each(test_replaced), each(test_lock_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
