/* SPDX-License-Identifier: Apache-2.0 */
/* The crash breaker's memory. Reads and writes one small file of lines `WALL_NS QUARANTINED EXE`, replaced whole; called by
 * run.c when a target that was acted upon is gone. */
#include "governor/loop/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "governor/util/cleanup.h"
#include "governor/util/num.h"
#include "governor/util/str.h"

/* The name is the target's word: what would break the file's lines is stored as `?`. */
static char plain(char c)
{
	return (unsigned char)c < 0x20 ? '?' : c;
}

static void store_exe(struct mg_crash_entry *e, const char *exe)
{
	mg_copy(e->exe, sizeof e->exe, exe);
	for (char *p = e->exe; *p; p++)
		*p = plain(*p);
}

static bool is_exe(const struct mg_crash_entry *e, const char *exe)
{
	size_t i = 0;

	if (e->last_wall_ns == 0)
		return false;
	for (; exe[i] != '\0' && i < sizeof e->exe - 1; i++)
		if (e->exe[i] != plain(exe[i]))
			return false;
	return e->exe[i] == '\0';
}

static struct mg_crash_entry *find(struct mg_crash *c, const char *exe)
{
	for (unsigned i = 0; i < MG_MAX_QUARANTINE; i++)
		if (is_exe(&c->at[i], exe))
			return &c->at[i];
	return NULL;
}

/* A free entry, else the one that crashed longest ago and is not in quarantine, else the oldest. */
static struct mg_crash_entry *make_room(struct mg_crash *c)
{
	struct mg_crash_entry *best = &c->at[0];

	for (unsigned i = 1; i < MG_MAX_QUARANTINE; i++) {
		struct mg_crash_entry *e = &c->at[i];
		if (e->quarantined == best->quarantined ? e->last_wall_ns < best->last_wall_ns : best->quarantined)
			best = e;
	}
	return best;
}

static bool load_line(struct mg_crash *c, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	uint64_t wall, flag;

	if (!space || mg_scan_u64(line, (size_t)(space - line), &wall) < 0 || wall == 0)
		return false;
	size_t rest = len - (size_t)(space - line) - 1;
	if (rest < 3 || mg_scan_u64(space + 1, 1, &flag) < 0 || flag > 1 || space[2] != ' ')
		return false;
	struct mg_crash_entry *e = make_room(c);
	e->last_wall_ns = wall;
	e->quarantined = flag == 1;
	return mg_copyn(e->exe, sizeof e->exe, space + 3, rest - 2);
}

int mg_crash_load(struct mg_crash *c, const char *path, struct mg_err *err)
{
	static char text[MG_MAX_QUARANTINE * 300];
	int r = 0;

	memset(c, 0, sizeof *c);
	mg_copy(c->path, sizeof c->path, path);
	MG_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : mg_fail(err, -errno, "%s: %s", path, strerror(errno));
	ssize_t n = read(fd, text, sizeof text);
	if (n < 0)
		return mg_fail(err, -errno, "%s: %s", path, strerror(errno));
	unsigned line = 1;
	for (size_t at = 0; at < (size_t)n; line++) {
		const char *end = memchr(text + at, '\n', (size_t)n - at);
		size_t len = end ? (size_t)(end - text) - at : (size_t)n - at;
		if (!load_line(c, text + at, len))
			r = mg_fail(err, -EBADMSG, "%s:%u: not a crash record, skipped", path, line);
		at += len + 1;
	}
	return r;
}

/* Best effort: a list that cannot be kept must not stop governing. */
static void save(const struct mg_crash *c)
{
	char tmp[160], text[320];
	struct mg_buf name = mg_buf(tmp, sizeof tmp);

	mg_buf_printf(&name, "%s.new", c->path);
	unlink(tmp);
	MG_CLOSE int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	bool ok = true;
	for (unsigned i = 0; i < MG_MAX_QUARANTINE; i++) {
		const struct mg_crash_entry *e = &c->at[i];
		if (!e->last_wall_ns)
			continue;
		struct mg_buf b = mg_buf(text, sizeof text);
		mg_buf_printf(&b, "%llu %d %s\n", (unsigned long long)e->last_wall_ns, e->quarantined, e->exe);
		ok &= write(fd, b.at, b.len) == (ssize_t)b.len;
	}
	if (!ok || rename(tmp, c->path) < 0)
		unlink(tmp);
}

bool mg_crash_quarantined(const struct mg_crash *c, const char *exe)
{
	for (unsigned i = 0; i < MG_MAX_QUARANTINE; i++)
		if (c->at[i].quarantined && is_exe(&c->at[i], exe))
			return true;
	return false;
}

bool mg_crash_note(struct mg_crash *c, const char *exe, uint64_t wall_ns)
{
	struct mg_crash_entry *e = find(c, exe);
	bool again = e && wall_ns - e->last_wall_ns <= MG_CRASH_HOUR_NS;

	if (!e) {
		e = make_room(c);
		*e = (struct mg_crash_entry){ 0 };
		store_exe(e, exe);
	}
	bool news = again && !e->quarantined;
	e->quarantined |= again;
	e->last_wall_ns = wall_ns;
	save(c);
	return news;
}

bool mg_crash_release(struct mg_crash *c, const char *exe)
{
	struct mg_crash_entry *e = find(c, exe);

	if (!e || !e->quarantined)
		return false;
	*e = (struct mg_crash_entry){ 0 };
	save(c);
	return true;
}

/* struct pidfd_info of <linux/pidfd.h>, first published size; Debian 12's headers are older than the call. */
struct pidfd_info_v0 {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define PIDFD_GET_INFO_V0 _IOWR(0xFF, 11, struct pidfd_info_v0)
#define INFO_EXIT         (1ULL << 3)

static enum mg_death judge(int exit_code)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };

	for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++)
		if (WIFSIGNALED(exit_code) && WTERMSIG(exit_code) == faults[i])
			return MG_DEATH_FAULT;
	return MG_DEATH_OTHER;
}

static enum mg_death ask_pidfd(int pidfd)
{
	struct pidfd_info_v0 info = { .mask = INFO_EXIT };

	if (ioctl(pidfd, PIDFD_GET_INFO_V0, &info) < 0)
		return errno == ESRCH ? MG_DEATH_NOT_YET : MG_DEATH_UNKNOWN;
	return info.mask & INFO_EXIT ? judge(info.exit_code) : MG_DEATH_NOT_YET;
}

/* The last field is the exit code, set when the process begins to end and gone when it is reaped. */
static enum mg_death ask_stat(int stat_fd)
{
	char text[1024];
	uint64_t code;

	ssize_t n = pread(stat_fd, text, sizeof text, 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	const char *space = n > 0 ? memrchr(text, ' ', (size_t)n) : NULL;
	const char *paren = n > 0 ? memrchr(text, ')', (size_t)n) : NULL; /* the name before it may hold anything */
	if (!space || !paren || mg_scan_u64(space + 1, (size_t)(text + n - space - 1), &code) < 0 || code > INT32_MAX)
		return MG_DEATH_UNKNOWN;
	if (code == 0 && paren[2] != 'Z' && paren[2] != 'X')
		return MG_DEATH_NOT_YET;
	return judge((int)code);
}

enum mg_death mg_crash_death(int pidfd, int stat_fd)
{
	enum mg_death d = pidfd >= 0 ? ask_pidfd(pidfd) : MG_DEATH_UNKNOWN;

	return d == MG_DEATH_UNKNOWN && stat_fd >= 0 ? ask_stat(stat_fd) : d;
}
