/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a cgroup: reads /proc/<pid>/cgroup and mount tables, gives struct mg_cgroup its descriptors. Called when a target
 * appears, never in the tick. libcgroup says where the controller is mounted; mountinfo answers where libcgroup cannot (a
 * mount whose root is not the hierarchy's, another process's mounts). */
#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "collectors/cgroup_files.h"
#include "collectors/collector.h"
#include "governor/util/cleanup.h"
#include "governor/util/str.h"

#define MAX_PATH       4096
#define HIERARCHY_ROOT 1 /* the inode of a hierarchy's root directory */

/* ---- a directory and its ancestors ---- */

static bool same_place(int fd, struct statx *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		return false;
	bool same = ret->stx_ino == 0 || (st.stx_dev_major == ret->stx_dev_major && st.stx_dev_minor == ret->stx_dev_minor);
	*ret = st;
	return same;
}

static int open_file(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

/* Opens one level; true when there was a charge or a limit to open. */
static bool open_level(struct mg_cgroup *g, int dir)
{
	int *fd = g->fd[g->levels];

	for (unsigned f = 0; f < MG_CG__FILES; f++) {
		bool above = f == MG_CG_EVENTS || f == MG_CG_PRESSURE || f == MG_CG_SWAP; /* not read above the own level */
		const char *name = mg_cgroup_file_names[g->version][f];
		if (name && fd[f] < 0 && (g->levels == 0 || !above))
			fd[f] = open_file(dir, name);
	}
	if (fd[MG_CG_CURRENT] >= 0 || fd[MG_CG_MAX] >= 0) {
		g->levels++;
		return true;
	}
	mg_close_fd(&fd[MG_CG_STAT]); /* the root of v2 has a stat and nothing else */
	mg_close_fd(&fd[MG_CG_HIGH]);
	return false;
}

/* Walks up while there are memory files on the same filesystem. Takes dir. */
static void open_levels(struct mg_cgroup *g, int dir)
{
	struct statx at = { 0 };
	uint64_t last_ino = 0;

	while (g->levels < MG_CGROUP_LEVELS && same_place(dir, &at)) {
		if (at.stx_ino == last_ino)
			break; /* `..` of a namespace's root is itself */
		last_ino = at.stx_ino;
		if (!open_level(g, dir))
			break;
		int up = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(dir);
		dir = up;
		if (dir < 0)
			break;
	}
	mg_close_fd(&dir);
	const char *scope = last_ino == HIERARCHY_ROOT ? "full" : g->levels > 1 ? "visible-root" : "own";
	(void)mg_copy(g->scope, sizeof g->scope, scope);
}

/* Takes dir. */
static int open_dir(struct mg_cgroup *g, int dir, int version, const char *source, struct mg_err *err)
{
	const char *usage = mg_cgroup_file_names[version][MG_CG_CURRENT];

	g->fd[0][MG_CG_CURRENT] = open_file(dir, usage);
	if (g->fd[0][MG_CG_CURRENT] < 0) {
		int r = mg_fail(err, -errno, "%s: %s%s", usage, strerror(errno),
				errno == ENOENT ? " (is the memory controller enabled?)" : "");
		close(dir);
		return r;
	}
	g->version = version;
	if (version == 1)
		g->fd_oom_control = open_file(dir, "memory.oom_control");
	open_levels(g, dir);
	(void)mg_copy(g->source, sizeof g->source, source);
	mg_cgroup_identify(g);
	return 0;
}

int mg_cgroup_open_path(struct mg_cgroup *g, const char *path, struct mg_err *err)
{
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return mg_fail(err, -errno, "%s: %s", path, strerror(errno));
	int version = faccessat(dir, mg_cgroup_file_names[1][MG_CG_CURRENT], F_OK, 0) == 0 ? 1 : 2;
	return open_dir(g, dir, version, "path", err);
}

/* ---- where a process's group is ---- */

struct place {
	int version;
	char path[MAX_PATH]; /* below the root of the reader's cgroup namespace, "" for that root */
};

/* One line of /proc/<pid>/cgroup: `4:memory:/a/b` (v1, where it outranks) or `0::/a/b` (v2). */
static void read_place_line(char *line, struct place *ret)
{
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	bool memory = false;

	line[strcspn(line, "\n")] = '\0';
	if (!path || path[1] != '/' || strlen(path) >= sizeof ret->path)
		return;
	*path++ = '\0';
	controllers++;
	bool unified = controllers[0] == '\0';
	for (char *save, *c = strtok_r(controllers, ",", &save); c; c = strtok_r(NULL, ",", &save))
		memory |= strcmp(c, "memory") == 0;
	if (!memory && (!unified || ret->version == 1))
		return;
	ret->version = memory ? 1 : 2;
	(void)mg_copy(ret->path, sizeof ret->path, path[1] == '\0' ? "" : path);
}

static FILE *open_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "re");
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}
#define CLOSE_FILE __attribute__((cleanup(close_file)))

/* A path with `/..` in it lies outside the reader's namespace. */
static int find_place(int proc, struct place *ret, struct mg_err *err)
{
	FILE *f CLOSE_FILE = open_at(proc, "cgroup");
	char *line MG_FREE = NULL;
	size_t cap = 0;

	*ret = (struct place){ 0 };
	if (!f)
		return mg_fail(err, errno == ENOENT || errno == ESRCH ? -ENODEV : -errno, "/proc/<pid>/cgroup: %s",
			       strerror(errno));
	while (getline(&line, &cap, f) > 0)
		read_place_line(line, ret);
	if (ret->version == 0)
		return mg_fail(err, -ENODEV, "/proc/<pid>/cgroup names no memory cgroup");
	return 0;
}

/* ---- where the controller is mounted ---- */

struct mount {
	char dir[MAX_PATH]; /* of the group: mount point and what of the path lies below the mount's root */
	bool found;
};

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static void decode_octal(char *z)
{
	char *out = z;

	for (; *z != '\0'; z++) {
		if (z[0] == '\\' && z[1] >= '0' && z[1] <= '3' && z[2] >= '0' && z[2] <= '7' && z[3] >= '0' && z[3] <= '7') {
			*out++ = (char)((z[1] - '0') * 64 + (z[2] - '0') * 8 + (z[3] - '0'));
			z += 3;
		} else {
			*out++ = *z;
		}
	}
	*out = '\0';
}

/* True when path is dir or lies below it; *rest is what is below, with its slash. */
static bool below(const char *path, const char *dir, const char **rest)
{
	size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	if (strncmp(path, dir, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return false;
	*rest = path + n;
	return true;
}

struct mount_line {
	char *root, *point, *type, *options;
};

/* `31 23 0:28 /root /mount/point rw,relatime shared:1 - type source options` */
static bool split_mount(char *line, struct mount_line *ret)
{
	char *field[5], *save, *dash = strstr(line, " - ");

	if (!dash)
		return false;
	*dash = '\0';
	for (unsigned i = 0; i < 5; i++)
		if (!(field[i] = strtok_r(i ? NULL : line, " ", &save)))
			return false;
	ret->type = strtok_r(dash + 3, " ", &save);
	char *source = strtok_r(NULL, " ", &save);
	ret->options = strtok_r(NULL, " \n", &save);
	ret->root = field[3];
	ret->point = field[4];
	if (!ret->type || !source || !ret->options)
		return false;
	decode_octal(ret->root);
	decode_octal(ret->point);
	return true;
}

static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *o = options; o; o = strchr(o, ',')) {
		o += *o == ',';
		if (strncmp(o, name, n) == 0 && (o[n] == ',' || o[n] == '\0'))
			return true;
	}
	return false;
}

static bool join(char dst[static MAX_PATH], const char *dir, const char *rest)
{
	int n = snprintf(dst, MAX_PATH, "%s%s", dir, rest);

	return n >= 0 && n < MAX_PATH;
}

/* Takes the newest mount of the controller; a later mount that covers the group's directory makes it unknown again. */
static void consider_mount(struct mount *m, const struct mount_line *l, const struct place *p)
{
	const char *rest;
	bool ours = strcmp(l->type, p->version == 2 ? "cgroup2" : "cgroup") == 0 &&
		    (p->version == 2 || has_option(l->options, "memory"));

	if (!ours) {
		if (m->found && below(m->dir, l->point, &rest))
			m->found = false;
		return;
	}
	if (below(p->path[0] ? p->path : "/", l->root, &rest))
		m->found = join(m->dir, l->point, strcmp(rest, "/") == 0 ? "" : rest);
}

static int find_mount(int proc, const struct place *p, struct mount *ret, struct mg_err *err)
{
	FILE *f CLOSE_FILE = open_at(proc, "mountinfo");
	char *line MG_FREE = NULL;
	struct mount_line l;
	size_t cap = 0;

	if (!f)
		return mg_fail(err, -errno, "mountinfo: %s", strerror(errno));
	while (getline(&line, &cap, f) > 0)
		if (split_mount(line, &l))
			consider_mount(ret, &l, p);
	return ret->found ? 0 : mg_fail(err, -ENOENT, "no mount of the memory controller shows the cgroup");
}

/* ---- the governor's own mount ---- */

/* Where libcgroup says the memory controller is mounted; NULL when it cannot say. Returned owned (free). */
static char *libcgroup_mount_point(void)
{
	static bool tried, works;
	char *point = NULL;

	if (!tried)
		works = cgroup_init() == 0; /* once: it reads every mount */
	tried = true;
	if (!works || cgroup_get_subsys_mount_point("memory", &point) != 0)
		return NULL;
	return point;
}

static bool is_cgroup(int fd, int version)
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	return version == 2 ? s.f_type == CGROUP2_SUPER_MAGIC : s.f_type == CGROUP_SUPER_MAGIC;
}

static int open_checked(struct mg_cgroup *g, int dir, int version, const char *source, struct mg_err *err)
{
	if (dir < 0)
		return mg_fail(err, errno == ENOENT ? -ENODEV : -errno, "the cgroup's directory: %s", strerror(errno));
	if (!is_cgroup(dir, version)) {
		close(dir);
		return mg_fail(err, -ENOENT, "the directory found is not on a cgroup filesystem");
	}
	return open_dir(g, dir, version, source, err);
}

static int open_host(struct mg_cgroup *g, const struct place *p, struct mg_err *err)
{
	char *point MG_FREE = libcgroup_mount_point();
	struct mount m = { .found = false };

	if (strstr(p->path, "/.."))
		return mg_fail(err, -ENOENT, "the cgroup lies outside of the governor's namespace");
	if (point && join(m.dir, point, p->path)) {
		int dir = open(m.dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir >= 0 && open_checked(g, dir, p->version, "host-mount", err) == 0)
			return 0;
	}
	int self MG_CLOSE = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = find_mount(self, p, &m, err);
	if (r < 0)
		return r;
	return open_checked(g, open(m.dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), p->version, "host-mount", err);
}

/* ---- the target's own mount ---- */

static int open_beneath(int root, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	while (*path == '/')
		path++;
	return (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
}

static int open_proc_root(struct mg_cgroup *g, int proc, const struct place *p, struct mg_err *err)
{
	struct mount m = { .found = false };
	int r = find_mount(proc, p, &m, err);

	if (r < 0)
		return r;
	int root MG_CLOSE = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return mg_fail(err, -errno, "/proc/<pid>/root: %s", strerror(errno));
	return open_checked(g, open_beneath(root, m.dir), p->version, "proc-root", err);
}

int mg_cgroup_open_pid(struct mg_cgroup *g, int pid, struct mg_err *err)
{
	char path[32];
	struct place p;

	if (pid <= 0)
		return mg_fail(err, -EINVAL, "no pid: the peer is in another PID namespace");
	snprintf(path, sizeof path, "/proc/%d", pid);
	int proc MG_CLOSE = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return mg_fail(err, errno == ENOENT ? -ENODEV : -errno, "%s: %s", path, strerror(errno));
	int r = find_place(proc, &p, err);
	if (r < 0)
		return r;
	if (open_host(g, &p, err) == 0)
		return 0;
	return open_proc_root(g, proc, &p, err);
}
