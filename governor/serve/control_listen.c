/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the control socket at its path. Takes PATH.lock, asks whether somebody answers at PATH, binds PATH.new and renames it over
 * PATH, so that at every moment targets find the old socket or the new one, ready. Called by control.c. */
#include "governor/serve/control_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "governor/serve/control_acl.h"
#include "governor/serve/control_rights.h"
#include "governor/util/cleanup.h"
#include "governor/util/str.h"

#define BACKLOG      512
#define DEFAULT_MODE 0660

static int check_conf(const struct mg_control_conf *conf, struct mg_err *err)
{
	if (conf->path[0] != '/')
		return mg_fail(err, -EINVAL, "control.socket `%s` is not an absolute path", conf->path);
	if (strlen(conf->path) + sizeof ".lock" > sizeof conf->path)
		return mg_fail(err, -ENAMETOOLONG, "control.socket `%s` is longer than %zu bytes", conf->path,
			       sizeof conf->path - sizeof ".lock");
	if (conf->mode & (S_IROTH | S_IWOTH))
		return mg_fail(err, -EINVAL, "control socket mode %04o lets every user in: use 0660 and a group",
			       (unsigned)conf->mode);
	return 0;
}

static struct sockaddr_un address(const char *path, const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct mg_buf text = mg_buf(a.sun_path, sizeof a.sun_path);

	mg_buf_put(&text, path, strlen(path)); /* check_conf saw to it that both fit */
	mg_buf_put(&text, suffix, strlen(suffix));
	return a;
}

static int take_lock(const char *path, int *ret, struct mg_err *err)
{
	const struct sockaddr_un lock = address(path, ".lock");
	MG_CLOSE int fd = open(lock.sun_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return mg_fail(err, -errno, "cannot open %s: %s", lock.sun_path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return mg_fail(err, errno == EWOULDBLOCK ? -EADDRINUSE : -errno, "another governor holds %s", lock.sun_path);
	*ret = fd;
	fd = -1;
	return 0;
}

/* Nobody may live at path: a governor that held no lock (another version, another host's volume), or a file of someone else. */
static int check_vacant(const char *path, struct mg_err *err)
{
	const struct sockaddr_un a = address(path, "");
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : mg_fail(err, -errno, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return mg_fail(err, -EEXIST, "%s is there and is no socket; remove it or set control.socket", path);
	MG_CLOSE int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return mg_fail(err, -errno, "cannot make a socket: %s", strerror(errno));
	if (connect(probe, (const struct sockaddr *)&a, sizeof a) < 0 && errno == ECONNREFUSED)
		return 0;
	return mg_fail(err, -EADDRINUSE, "another process listens at %s", path);
}

/* The group of the first allowed gid, so that 0660 lets it in. Without the right to give it the socket keeps its directory's
 * group, which is what a pod's fsGroup wants. */
static void give_group(const char *path, const struct mg_control_conf *conf)
{
	if (conf->n_gids > 0 && lchown(path, (uid_t)-1, conf->allow_gids[0]) < 0)
		return;
}

static int bind_at(int fd, const struct mg_control_conf *conf, const struct sockaddr_un *a, struct mg_err *err)
{
	if (unlink(a->sun_path) < 0 && errno != ENOENT)
		return mg_fail(err, -errno, "cannot remove the left-over %s: %s", a->sun_path, strerror(errno));
	if (bind(fd, (const struct sockaddr *)a, sizeof *a) < 0)
		return mg_fail(err, -errno, "cannot make the socket %s: %s", a->sun_path, strerror(errno));
	give_group(a->sun_path, conf);
	/* Nobody can connect yet: it does not listen. */
	if (chmod(a->sun_path, conf->mode ? conf->mode : DEFAULT_MODE) < 0 || listen(fd, BACKLOG) < 0)
		return mg_fail(err, -errno, "cannot set up %s: %s", a->sun_path, strerror(errno));
	return mg_control_acl(a->sun_path, conf) < 0; /* 1: the allow-lists reach no further than owner and group */
}

static int publish(struct mg_listener *s, const struct sockaddr_un *a, struct mg_err *err)
{
	struct stat st;

	if (lstat(a->sun_path, &st) < 0 || rename(a->sun_path, s->path) < 0)
		return mg_fail(err, -errno, "cannot rename %s to %s: %s", a->sun_path, s->path, strerror(errno));
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

int mg_listener_open(struct mg_listener *s, const struct mg_control_conf *conf, struct mg_err *err)
{
	const struct sockaddr_un fresh = address(conf->path, ".new");
	MG_CLOSE int lock = -1, fd = -1;

	int r = check_conf(conf, err);
	if (r == 0)
		r = take_lock(conf->path, &lock, err);
	if (r == 0)
		r = check_vacant(conf->path, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mg_fail(err, -errno, "cannot make a socket: %s", strerror(errno));
	mg_copy(s->path, sizeof s->path, conf->path);
	s->passes_rights = mg_rights_pass(fd, false) < 0;
	r = bind_at(fd, conf, &fresh, err);
	s->no_acl = r > 0;
	if (r >= 0)
		r = publish(s, &fresh, err);
	if (r < 0) {
		unlink(fresh.sun_path);
		return r;
	}
	s->fd = fd;
	s->lock_fd = lock;
	fd = lock = -1;
	return 0;
}

void mg_listener_allow(struct mg_listener *s, const struct mg_control_conf *conf)
{
	give_group(s->path, conf);
	s->no_acl = mg_control_acl(s->path, conf) < 0;
}

void mg_listener_close(struct mg_listener *s)
{
	struct stat st;

	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	close(s->fd);
	close(s->lock_fd); /* PATH.lock stays: to remove it would let two governors hold two locks of one name */
}
