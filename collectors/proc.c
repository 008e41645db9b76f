/* SPDX-License-Identifier: Apache-2.0 */
/* A target's process: reads kept descriptors of statm, stat and smaps_rollup, gives MG_SIG_PROC_* to the sink. One pread
 * per file, no allocation; called by the engine at every tick. smaps_rollup costs milliseconds a GiB and holds the target's
 * mmap lock, so it is read only when a rule wants it, once a minute. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "governor/util/cleanup.h"
#include "governor/util/num.h"
#include "governor/util/signal.h"
#include "governor/util/str.h"

#define PSS_EVERY_NS   (60 * MG_NS_PER_S)
#define MAX_FILE_BYTES 4096

enum { FILE_STATM, FILE_STAT, FILE_SMAPS_ROLLUP, FILE__COUNT };
static const char *const file_names[FILE__COUNT] = { "statm", "stat", "smaps_rollup" };

static int *slot(struct mg_proc *p, unsigned file)
{
	return file == FILE_STATM ? &p->statm : file == FILE_STAT ? &p->stat : &p->smaps_rollup;
}

void mg_proc_init(struct mg_proc *p)
{
	*p = (struct mg_proc){ .statm = -1, .stat = -1, .smaps_rollup = -1 };
	p->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	p->clock_ticks = (uint64_t)sysconf(_SC_CLK_TCK);
}

void mg_proc_close(struct mg_proc *p)
{
	for (unsigned f = 0; f < FILE__COUNT; f++)
		if (*slot(p, f) >= 0)
			close(*slot(p, f));
	mg_proc_init(p);
}

static bool take_one(struct mg_proc *p, const char *tag, size_t len, int *fd)
{
	for (unsigned f = 0; f < FILE__COUNT; f++) {
		if (*fd < 0 || *slot(p, f) >= 0 || !mg_equal(tag, len, file_names[f]))
			continue;
		*slot(p, f) = *fd;
		*fd = -1;
		return true;
	}
	return false;
}

int mg_proc_take(struct mg_proc *p, const char *tags, size_t tags_len, int fds[], unsigned n)
{
	int taken = 0;

	for (unsigned i = 0; i < n && tags_len > 0; i++) {
		const char *comma = memchr(tags, ',', tags_len);
		size_t len = comma ? (size_t)(comma - tags) : tags_len;
		taken += take_one(p, tags, len, &fds[i]);
		size_t step = len + (comma != NULL);
		tags += step;
		tags_len -= step;
	}
	return taken;
}

int mg_proc_open_pid(struct mg_proc *p, int pid, struct mg_err *err)
{
	char path[32];

	if (pid <= 0)
		return mg_fail(err, -EINVAL, "no pid: the peer is in another PID namespace");
	snprintf(path, sizeof path, "/proc/%d", pid);
	int dir MG_CLOSE = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return mg_fail(err, errno == ENOENT ? -ENODEV : -errno, "%s: %s", path, strerror(errno));
	for (unsigned f = 0; f < FILE__COUNT; f++)
		*slot(p, f) = openat(dir, file_names[f], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (p->statm >= 0 && p->stat >= 0)
		return 0;
	int r = mg_fail(err, errno == ESRCH || errno == ENOENT ? -ENODEV : -errno, "%s/statm: %s", path, strerror(errno));
	mg_proc_close(p);
	return r;
}

struct pass { /* one reading of one target */
	struct mg_proc *p;
	const struct mg_sink *sink;
	uint64_t now_ns;
	struct mg_err *err;
	int r;
	char buf[MAX_FILE_BYTES];
	size_t len;
};

static void emit(const struct pass *ps, enum mg_signal signal, double value)
{
	ps->sink->sample(ps->sink->ctx, (struct mg_signal_ref){ MG_SCOPE_TARGET, (uint16_t)signal }, value, ps->now_ns);
}

static void note(struct pass *ps, int r, unsigned file, const char *why)
{
	if (ps->r == 0 || (r == -ENODEV && ps->r != -ENODEV))
		ps->r = mg_fail(ps->err, r, "/proc/<pid>/%s: %s", file_names[file], why);
}

/* A process that has ended answers ESRCH, or nothing at all. */
static bool fetch(struct pass *ps, unsigned file)
{
	int fd = *slot(ps->p, file);
	ssize_t n = fd < 0 ? 0 : pread(fd, ps->buf, sizeof ps->buf, 0);

	if (fd >= 0 && n < 0 && errno == EINTR)
		n = pread(fd, ps->buf, sizeof ps->buf, 0);
	if (n < 0 && errno != ESRCH)
		note(ps, -errno, file, strerror(errno));
	else if (fd >= 0 && n <= 0)
		note(ps, -ENODEV, file, "the process is gone");
	ps->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* The n-th (from 0) field of blank-separated text. */
static bool field_u64(const char *s, size_t len, unsigned n, uint64_t *ret)
{
	size_t at = 0;

	for (; n > 0; n--) {
		const char *blank = memchr(s + at, ' ', len - at);
		if (!blank)
			return false;
		at = (size_t)(blank - s) + 1;
	}
	size_t end = at;
	while (end < len && mg_is_digit(s[end]))
		end++;
	bool whole = end == len || s[end] == ' ' || s[end] == '\n';
	return whole && mg_scan_u64(s + at, end - at, ret) == 0;
}

static void read_statm(struct pass *ps)
{
	uint64_t pages;

	if (!fetch(ps, FILE_STATM))
		return;
	if (field_u64(ps->buf, ps->len, 1, &pages))
		emit(ps, MG_SIG_PROC_RSS, (double)pages * (double)ps->p->page_size);
	else
		note(ps, -EBADMSG, FILE_STATM, "line 1: the second field is not a number");
}

struct stat_fields {
	uint64_t minflt, majflt, utime, stime, threads;
};

/* The command may hold blanks and parentheses: fields are counted from its last `)`. */
static bool parse_stat(const char *buf, size_t len, struct stat_fields *ret)
{
	const char *close = memrchr(buf, ')', len);

	if (!close || (size_t)(close - buf) + 2 > len)
		return false;
	const char *s = close + 2; /* field 3, the state */
	size_t left = len - (size_t)(s - buf);
	return field_u64(s, left, 7, &ret->minflt) && field_u64(s, left, 9, &ret->majflt) &&
	       field_u64(s, left, 11, &ret->utime) && field_u64(s, left, 12, &ret->stime) &&
	       field_u64(s, left, 17, &ret->threads);
}

static void emit_rates(const struct pass *ps, const struct stat_fields *f)
{
	const struct mg_proc *p = ps->p;
	uint64_t ticks = f->utime + f->stime;
	double seconds = (double)(ps->now_ns - p->at_ns) / (double)MG_NS_PER_S;

	if (p->at_ns == 0 || ps->now_ns <= p->at_ns || f->minflt < p->minflt || f->majflt < p->majflt || ticks < p->cpu_ticks)
		return;
	emit(ps, MG_SIG_PROC_MINFLT_RATE, (double)(f->minflt - p->minflt) / seconds);
	emit(ps, MG_SIG_PROC_MAJFLT_RATE, (double)(f->majflt - p->majflt) / seconds);
	emit(ps, MG_SIG_PROC_CPU, (double)(ticks - p->cpu_ticks) / (double)p->clock_ticks / seconds);
}

static void read_stat(struct pass *ps)
{
	struct stat_fields f;

	if (!fetch(ps, FILE_STAT))
		return;
	if (!parse_stat(ps->buf, ps->len, &f))
		return note(ps, -EBADMSG, FILE_STAT, "line 1: not the fields of proc(5)");
	emit(ps, MG_SIG_PROC_THREADS, (double)f.threads);
	emit_rates(ps, &f);
	ps->p->minflt = f.minflt;
	ps->p->majflt = f.majflt;
	ps->p->cpu_ticks = f.utime + f.stime;
	ps->p->at_ns = ps->now_ns;
}

/* `Pss:              1234 kB` */
static bool parse_pss(const char *buf, size_t len, uint64_t *ret_kib)
{
	const char *line = memmem(buf, len, "\nPss:", 5);

	if (!line)
		return false;
	size_t at = (size_t)(line - buf) + 5;
	while (at < len && buf[at] == ' ')
		at++;
	return field_u64(buf + at, len - at, 0, ret_kib);
}

static void read_pss(struct pass *ps)
{
	uint64_t kib;

	if (!fetch(ps, FILE_SMAPS_ROLLUP))
		return;
	if (parse_pss(ps->buf, ps->len, &kib))
		emit(ps, MG_SIG_PROC_PSS, (double)kib * 1024);
	else
		note(ps, -EBADMSG, FILE_SMAPS_ROLLUP, "no line `Pss: N kB`");
	ps->p->pss_at_ns = ps->now_ns;
}

int mg_proc_read(struct mg_proc *p, uint64_t now_ns, bool want_pss, const struct mg_sink *sink, struct mg_err *err)
{
	struct pass ps;

	ps.p = p, ps.sink = sink, ps.now_ns = now_ns, ps.err = err, ps.r = 0;
	read_statm(&ps);
	read_stat(&ps);
	if (want_pss && (p->pss_at_ns == 0 || now_ns - p->pss_at_ns >= PSS_EVERY_NS))
		read_pss(&ps);
	return ps.r;
}
