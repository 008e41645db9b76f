/* SPDX-License-Identifier: Apache-2.0 */
/* Whether only root can change a policy file. What the file says is done to other users' processes, so for a governor that
 * runs as root the file, every directory above it and every link on the way must be in root's hand alone. Reads a path,
 * gives yes or one sentence. Called by run, before the file is loaded. */
#include "governor/config/owner.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "governor/util/str.h"

#define MAX_LINKS 16

/* A sticky directory lets nobody replace what belongs to another; nothing is replaced through a read-only mount, which is
 * what a Kubernetes ConfigMap (mode 0777) stands on. */
static bool others_may_write(const char *path, const struct stat *st)
{
	struct statvfs fs;

	if (S_ISLNK(st->st_mode) || !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return false;
	if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX))
		return false;
	return statvfs(path, &fs) < 0 || !(fs.f_flag & ST_RDONLY);
}

static int check_one(const char *path, uid_t owner, struct stat *st, struct mg_err *err)
{
	if (lstat(path, st) < 0)
		return mg_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (st->st_uid != 0 && st->st_uid != owner)
		return mg_fail(err, -EPERM, "%s belongs to uid %u, who could change the policy: chown root %s", path, st->st_uid, path);
	if (others_may_write(path, st))
		return mg_fail(err, -EPERM, "%s can be written by others, who could change the policy: chmod go-w %s", path, path);
	return 0;
}

/* Where the link at path leads, seen from the link's directory, with the rest of the way behind it. */
static int follow(const char *path, size_t dir_len, const char *rest, char *ret, size_t cap, struct mg_err *err)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof to - 1);

	if (n < 0)
		return mg_fail(err, -errno, "%s: %s", path, strerror(errno));
	to[n] = '\0';
	struct mg_buf b = mg_buf(ret, cap);
	if (to[0] != '/')
		mg_buf_put(&b, path, dir_len);
	mg_buf_put(&b, to, (size_t)n);
	mg_buf_put(&b, rest, strlen(rest));
	return b.full ? mg_fail(err, -ENAMETOOLONG, "%s leads to too long a path", path) : 0;
}

/* Checks every component of an absolute path, up to the first link. 0: none; 1: a link, next is the way behind it. */
static int check_path(const char *path, uid_t owner, char next[static PATH_MAX], struct mg_err *err)
{
	char part[PATH_MAX];
	struct stat st;
	int r = check_one("/", owner, &st, err);

	for (size_t at = 0; r == 0; ) {
		size_t start = at + strspn(path + at, "/");
		if (path[start] == '\0')
			return 0;
		at = start + strcspn(path + start, "/");
		(void)mg_copyn(part, sizeof part, path, at);
		r = check_one(part, owner, &st, err);
		if (r == 0 && S_ISLNK(st.st_mode)) {
			r = follow(part, start, path + at, next, PATH_MAX, err);
			return r < 0 ? r : 1;
		}
	}
	return r;
}

int mg_owner_check(const char *path, uid_t owner, struct mg_err *err)
{
	char now[PATH_MAX], next[PATH_MAX];
	struct mg_buf b = mg_buf(now, sizeof now);

	if (path[0] != '/') {
		if (!getcwd(now, sizeof now))
			return mg_fail(err, -errno, "no current directory: %s", strerror(errno));
		b.len = strlen(now);
		mg_buf_put(&b, "/", 1);
	}
	mg_buf_put(&b, path, strlen(path));
	if (b.full)
		return mg_fail(err, -ENAMETOOLONG, "too long a path");
	for (unsigned links = 0; links < MAX_LINKS; links++) {
		int r = check_path(now, owner, next, err);
		if (r <= 0)
			return r;
		memcpy(now, next, sizeof now);
	}
	return mg_fail(err, -ELOOP, "%s: too many links", path);
}

int mg_config_check_owner(const char *path, struct mg_err *err)
{
	return geteuid() == 0 ? mg_owner_check(path, 0, err) : 0;
}
