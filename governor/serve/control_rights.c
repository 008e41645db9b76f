/* SPDX-License-Identifier: Apache-2.0 */
/* Judges descriptors received with SCM_RIGHTS. Reads what the kernel knows of a file without asking its server (statx without
 * sync, flags, the name behind /proc/self/fd), and on devices that the governor's own mounts do not share - procfs has one for
 * each PID namespace - asks fstatfs in a thread that may be left behind. Called by control.c with the descriptors of a HELLO. */
#include "governor/serve/control_rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "governor/util/str.h"

#define ERRAND_STACK (256U << 10)
#define MAX_LEVEL    8

enum fs { FS_NONE, FS_PROC, FS_CGROUP1, FS_CGROUP2 };

static const struct {
	const char *type; /* in mountinfo */
	enum fs fs;
	unsigned long magic;
} systems[] = {
	{ "proc", FS_PROC, PROC_SUPER_MAGIC },
	{ "cgroup", FS_CGROUP1, CGROUP_SUPER_MAGIC },
	{ "cgroup2", FS_CGROUP2, CGROUP2_SUPER_MAGIC },
};
#define N_SYSTEMS (sizeof systems / sizeof systems[0])

/* Tags (of cgroup files: after `vV.N.`) and the names of the files they stand for. */
static const struct {
	enum fs fs;
	const char *tag, *file;
} files[] = {
	{ FS_PROC, "statm", "statm" },
	{ FS_PROC, "stat", "stat" },
	{ FS_PROC, "smaps_rollup", "smaps_rollup" },
	{ FS_CGROUP2, "current", "memory.current" },
	{ FS_CGROUP2, "max", "memory.max" },
	{ FS_CGROUP2, "high", "memory.high" },
	{ FS_CGROUP2, "stat", "memory.stat" },
	{ FS_CGROUP2, "events", "memory.events" },
	{ FS_CGROUP2, "pressure", "memory.pressure" },
	{ FS_CGROUP2, "swap", "memory.swap.current" },
	{ FS_CGROUP1, "usage", "memory.usage_in_bytes" },
	{ FS_CGROUP1, "limit", "memory.limit_in_bytes" },
	{ FS_CGROUP1, "stat", "memory.stat" },
	{ FS_CGROUP1, "failcnt", "memory.failcnt" },
	{ FS_CGROUP1, "oom_control", "memory.oom_control" },
	{ FS_CGROUP1, "memsw", "memory.memsw.usage_in_bytes" },
};
#define N_FILES (sizeof files / sizeof files[0])

/* ---- the governor's own mounts ---- */

static enum fs fs_of_type(const char *type)
{
	for (size_t i = 0; i < N_SYSTEMS; i++)
		if (strcmp(systems[i].type, type) == 0)
			return systems[i].fs;
	return FS_NONE;
}

static enum fs fs_of_magic(unsigned long magic)
{
	for (size_t i = 0; i < N_SYSTEMS; i++)
		if (systems[i].magic == magic)
			return systems[i].fs;
	return FS_NONE;
}

static void own_mount(struct mg_rights *r, const char *line)
{
	unsigned major, minor;
	char type[32];
	const char *after = strstr(line, " - ");

	if (r->n_own == MG_MAX_OWN_MOUNTS || !after || sscanf(line, "%*u %*u %u:%u", &major, &minor) != 2 ||
	    sscanf(after, " - %31s", type) != 1)
		return;
	enum fs fs = fs_of_type(type);
	if (fs == FS_NONE)
		return;
	r->own[r->n_own].major = major;
	r->own[r->n_own].minor = minor;
	r->own[r->n_own++].fs = (int)fs;
}

void mg_rights_init(struct mg_rights *r)
{
	char *line = NULL;
	size_t cap = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	r->n_own = 0;
	if (!f)
		return; /* every descriptor takes the longer check then */
	while (getline(&line, &cap, f) > 0)
		own_mount(r, line);
	free(line);
	fclose(f);
}

static enum fs own_fs(const struct mg_rights *r, const struct statx *sx)
{
	for (unsigned i = 0; i < r->n_own; i++)
		if (r->own[i].major == sx->stx_dev_major && r->own[i].minor == sx->stx_dev_minor)
			return (enum fs)r->own[i].fs;
	return FS_NONE;
}

/* ---- the socket ---- */

int mg_rights_pass(int fd, bool on)
{
	const int value = on;

	return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &value, sizeof value) < 0 ? -errno : 0;
}

unsigned mg_rights_take(struct msghdr *msg, int fd[static MG_WIRE_MAX_FDS])
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t bytes = c->cmsg_len - CMSG_LEN(0); /* the buffer holds no more than MG_WIRE_MAX_FDS */
		memcpy(fd + n, CMSG_DATA(c), bytes);
		n += (unsigned)(bytes / sizeof(int));
	}
	return n;
}

/* ---- errands ---- */

enum errand_state { ERRAND_ASKED, ERRAND_ANSWERED, ERRAND_LEFT };

struct mg_errand {
	atomic_uint refs;      /* the loop's and the thread's */
	_Atomic enum errand_state state; /* whoever comes second sees what the first did, and closes the descriptors if LEFT */
	atomic_bool over;
	bool parked;           /* no thread could be made yet */
	int answer_fd;         /* eventfd; -1: nobody waits */
	unsigned n;
	int fd[MG_WIRE_MAX_FDS];
	bool asked[MG_WIRE_MAX_FDS];
	enum fs fs[MG_WIRE_MAX_FDS];
};

static void errand_unref(struct mg_errand *e)
{
	if (atomic_fetch_sub(&e->refs, 1) != 1)
		return;
	if (e->answer_fd >= 0)
		close(e->answer_fd);
	free(e);
}

static void errand_close_all(struct mg_errand *e)
{
	for (unsigned i = 0; i < e->n; i++)
		close(e->fd[i]);
	atomic_store(&e->over, true);
}

static void *errand_run(void *arg)
{
	struct mg_errand *e = arg;
	struct statfs sf;

	for (unsigned i = 0; i < e->n && atomic_load(&e->state) != ERRAND_LEFT; i++)
		if (e->asked[i])
			e->fs[i] = fstatfs(e->fd[i], &sf) < 0 ? FS_NONE : fs_of_magic((unsigned long)sf.f_type);
	if (atomic_exchange(&e->state, ERRAND_ANSWERED) == ERRAND_LEFT)
		errand_close_all(e);
	else
		eventfd_write(e->answer_fd, 1);
	errand_unref(e);
	return NULL;
}

/* Starts the thread, with all signals blocked: the process's signals are the loop's. */
static int errand_start(struct mg_errand *e)
{
	pthread_t thread;
	pthread_attr_t attr;
	sigset_t all, before;

	atomic_fetch_add(&e->refs, 1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, ERRAND_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = -pthread_create(&thread, &attr, errand_run, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (r < 0)
		atomic_fetch_sub(&e->refs, 1);
	e->parked = r < 0;
	return r;
}

/* Takes the descriptors. NULL when out of memory: they are still the caller's. */
static struct mg_errand *errand_new(int fd[], unsigned n, enum errand_state state)
{
	struct mg_errand *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->answer_fd = -1;
	atomic_init(&e->refs, 1);
	atomic_init(&e->state, state);
	for (unsigned i = 0; i < n; i++) {
		if (fd[i] >= 0)
			e->fd[e->n++] = fd[i];
		fd[i] = -1;
	}
	return e;
}

struct mg_errand *mg_rights_refuse(int fd[], unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++)
		left += fd[i] >= 0;
	if (left == 0)
		return NULL;
	struct mg_errand *e = errand_new(fd, n, ERRAND_LEFT);
	if (e)
		(void)errand_start(e); /* parked: mg_errand_over tries again */
	return e;              /* without memory the descriptors stay open: to close them here could wait for ever */
}

bool mg_errand_over(struct mg_errand *e)
{
	if (e->parked)
		(void)errand_start(e);
	return atomic_load(&e->over);
}

struct mg_errand *mg_errand_forget(struct mg_errand *e)
{
	if (e)
		errand_unref(e);
	return NULL;
}

/* ---- the check ---- */

static int deny(const char *sentence, const char **why)
{
	*why = sentence;
	return -EPERM;
}

/* What can be known of a file at once: its kind, its flags, and its file system where the governor has it mounted. */
static int look(const struct mg_rights *r, int fd, enum fs *fs, const char **why)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &sx) < 0)
		return deny("a descriptor that cannot be looked at", why);
	if (!S_ISREG(sx.stx_mode))
		return deny("a descriptor that is no regular file", why);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) != O_RDONLY || flags & O_PATH)
		return deny("a descriptor that is not opened for reading alone", why);
	*fs = own_fs(r, &sx);
	return 0;
}

/* Asks fstatfs about the descriptors that look() could not place, in a thread. */
static int ask(int fd[], enum fs fs[], unsigned n, struct mg_errand **errand)
{
	struct mg_errand *e = calloc(1, sizeof *e);

	if (!e)
		return -ENOMEM;
	atomic_init(&e->refs, 1);
	atomic_init(&e->state, ERRAND_ASKED);
	e->answer_fd = eventfd(0, EFD_CLOEXEC);
	e->n = n;
	for (unsigned i = 0; i < n; i++) {
		e->fd[i] = fd[i];
		e->asked[i] = fs[i] == FS_NONE;
	}
	struct pollfd answer = { .fd = e->answer_fd, .events = POLLIN };
	int r = e->answer_fd < 0 ? -EMFILE : errand_start(e);
	if (r == 0)
		(void)poll(&answer, 1, MG_RIGHTS_WAIT_MS);
	if (r == 0 && atomic_exchange(&e->state, ERRAND_LEFT) != ERRAND_ANSWERED) {
		*errand = e; /* stuck: the thread has the descriptors, and closes them when it can */
		return -ETIMEDOUT;
	}
	for (unsigned i = 0; i < n && r == 0; i++)
		if (e->asked[i])
			fs[i] = e->fs[i];
	errand_unref(e);
	return r;
}

/* The index in files[] of `statm`, `v2.0.current`, ...; -1 for a tag of a later version. */
static int file_find(const char *tag, size_t len)
{
	enum fs fs = FS_PROC;

	if (len > 5 && tag[0] == 'v' && tag[2] == '.' && tag[4] == '.') {
		if ((tag[1] != '1' && tag[1] != '2') || !mg_is_digit(tag[3]) || tag[3] - '0' >= MAX_LEVEL)
			return -1;
		fs = tag[1] == '1' ? FS_CGROUP1 : FS_CGROUP2;
		tag += 5;
		len -= 5;
	}
	for (size_t i = 0; i < N_FILES; i++)
		if (files[i].fs == fs && mg_equal(tag, len, files[i].tag))
			return (int)i;
	return -1;
}

/* The end of path is `/name`, and for procfs `/PID/name`: /proc/kmsg and its like are no process's. */
static bool path_names(const char *path, const char *name, enum fs fs)
{
	const char *slash = strrchr(path, '/');

	if (!slash || strcmp(slash + 1, name) != 0)
		return false;
	return fs != FS_PROC || (slash > path && mg_is_digit(slash[-1]));
}

static bool is_file(int fd, const char *name, enum fs fs)
{
	char link[32], path[4096];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return path_names(path, name, fs);
}

/* Takes the next tag off the list. */
static const char *tag_take(const char **tags, size_t *len)
{
	const char *tag = *tags;

	*len = strcspn(tag, ",");
	*tags = tag + *len + (tag[*len] == ',');
	return tag;
}

static int name_one(const char *tag, size_t len, int *fd, enum fs fs, const char **why)
{
	int f = file_find(tag, len);

	if (fs == FS_NONE)
		return deny("a descriptor that is neither of procfs nor of a cgroup file system", why);
	if (f >= 0 && (files[f].fs != fs || !is_file(*fd, files[f].file, fs)))
		return deny("a descriptor that is not the file its tag names", why);
	if (f < 0) {
		close(*fd);
		*fd = -1;
	}
	return 0;
}

static int check_all(const struct mg_rights *r, const char *tags, int fd[], unsigned n, struct mg_errand **errand,
		     const char **why)
{
	enum fs fs[MG_WIRE_MAX_FDS];
	bool strange = false;

	for (unsigned i = 0; i < n; i++) {
		int res = look(r, fd[i], &fs[i], why);
		if (res < 0)
			return res;
		strange = strange || fs[i] == FS_NONE;
	}
	int res = strange ? ask(fd, fs, n, errand) : 0;
	for (unsigned i = 0; i < n && res == 0; i++) {
		size_t len;
		const char *tag = tag_take(&tags, &len);
		res = name_one(tag, len, &fd[i], fs[i], why);
	}
	return res;
}

int mg_rights_check(const struct mg_rights *r, const char *tags, int fd[], unsigned n, struct mg_errand **errand,
		    const char **why)
{
	*errand = NULL;
	*why = "its descriptors cannot be checked now";
	int res = check_all(r, tags, fd, n, errand, why);
	if (res == 0)
		return 0;
	if (res == -ETIMEDOUT) {
		*why = "a descriptor whose file system does not answer";
		for (unsigned i = 0; i < n; i++)
			fd[i] = -1;
		return res;
	}
	*errand = mg_rights_refuse(fd, n);
	return res;
}
