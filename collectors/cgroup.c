/* SPDX-License-Identifier: Apache-2.0 */
/* A target's cgroup: reads kept descriptors of its memory files and those of its ancestors, gives MG_SIG_CGROUP_* and
 * MG_SIG_PSI_* to the sink. One pread per file, no allocation; called by the engine for every target at every tick. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/cgroup_files.h"
#include "collectors/collector.h"
#include "governor/util/num.h"
#include "governor/util/signal.h"
#include "governor/util/str.h"

#define MAX_FILE_BYTES 16384        /* memory.stat of a v1 kernel is 2 KiB */
#define V1_UNLIMITED   (1ULL << 62) /* v1 writes "no limit" as the largest page count in bytes */

const char *const mg_cgroup_file_names[3][MG_CG__FILES] = {
	[1] = { [MG_CG_CURRENT] = "memory.usage_in_bytes",
		[MG_CG_MAX] = "memory.limit_in_bytes",
		[MG_CG_STAT] = "memory.stat",
		[MG_CG_EVENTS] = "memory.failcnt",
		[MG_CG_SWAP] = "memory.memsw.usage_in_bytes" },
	[2] = { [MG_CG_CURRENT] = "memory.current",
		[MG_CG_MAX] = "memory.max",
		[MG_CG_HIGH] = "memory.high",
		[MG_CG_STAT] = "memory.stat",
		[MG_CG_EVENTS] = "memory.events",
		[MG_CG_PRESSURE] = "memory.pressure",
		[MG_CG_SWAP] = "memory.swap.current" },
};

/* The tags of protocol/SPEC.md, by version and slot. */
static const char *const tag_names[3][MG_CG__FILES] = {
	[1] = { [MG_CG_CURRENT] = "usage",
		[MG_CG_MAX] = "limit",
		[MG_CG_STAT] = "stat",
		[MG_CG_EVENTS] = "failcnt",
		[MG_CG_SWAP] = "memsw" },
	[2] = { [MG_CG_CURRENT] = "current",
		[MG_CG_MAX] = "max",
		[MG_CG_HIGH] = "high",
		[MG_CG_STAT] = "stat",
		[MG_CG_EVENTS] = "events",
		[MG_CG_PRESSURE] = "pressure",
		[MG_CG_SWAP] = "swap" },
};

void mg_cgroup_init(struct mg_cgroup *g)
{
	*g = (struct mg_cgroup){ .fd_oom_control = -1 };
	for (unsigned l = 0; l < MG_CGROUP_LEVELS; l++)
		for (unsigned f = 0; f < MG_CG__FILES; f++)
			g->fd[l][f] = -1;
}

void mg_cgroup_close(struct mg_cgroup *g)
{
	for (unsigned l = 0; l < MG_CGROUP_LEVELS; l++)
		for (unsigned f = 0; f < MG_CG__FILES; f++)
			if (g->fd[l][f] >= 0)
				close(g->fd[l][f]);
	if (g->fd_oom_control >= 0)
		close(g->fd_oom_control);
	mg_cgroup_init(g);
}

void mg_cgroup_identify(struct mg_cgroup *g)
{
	struct statx st;

	/* Not fstat: on a descriptor from a stranger it may block (a mute FUSE mount). */
	if (statx(g->fd[0][MG_CG_CURRENT], "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		return;
	g->dev = ((uint64_t)st.stx_dev_major << 32) | st.stx_dev_minor;
	g->ino = st.stx_ino;
}

/* ---- descriptors sent by the shim ---- */

struct tag {
	int version, *slot;
	unsigned level;
};

/* `v2.0.current` -> its slot in g. */
static bool find_slot(struct mg_cgroup *g, const char *s, size_t len, struct tag *ret)
{
	if (len < 6 || s[0] != 'v' || (s[1] != '1' && s[1] != '2') || s[2] != '.' || s[4] != '.')
		return false;
	if (s[3] < '0' || s[3] >= '0' + MG_CGROUP_LEVELS)
		return false;
	struct tag t = { .version = s[1] - '0', .level = (unsigned)(s[3] - '0') };
	if (t.version == 1 && t.level == 0 && mg_equal(s + 5, len - 5, "oom_control"))
		t.slot = &g->fd_oom_control;
	for (unsigned f = 0; f < MG_CG__FILES; f++)
		if (tag_names[t.version][f] && mg_equal(s + 5, len - 5, tag_names[t.version][f]))
			t.slot = &g->fd[t.level][f];
	*ret = t;
	return t.slot != NULL;
}

static bool take_one(struct mg_cgroup *g, const char *tag, size_t len, int *fd)
{
	struct tag t;

	if (*fd < 0 || !find_slot(g, tag, len, &t) || *t.slot >= 0 || (g->version != 0 && g->version != t.version))
		return false;
	g->version = t.version;
	if (t.level >= g->levels)
		g->levels = t.level + 1;
	*t.slot = *fd;
	*fd = -1;
	return true;
}

int mg_cgroup_take(struct mg_cgroup *g, const char *tags, size_t tags_len, int fds[], unsigned n)
{
	int taken = 0;

	for (unsigned i = 0; i < n && tags_len > 0; i++) {
		const char *comma = memchr(tags, ',', tags_len);
		size_t len = comma ? (size_t)(comma - tags) : tags_len;
		taken += take_one(g, tags, len, &fds[i]);
		size_t step = len + (comma != NULL);
		tags += step;
		tags_len -= step;
	}
	if (taken > 0) {
		(void)mg_copy(g->source, sizeof g->source, "shim-fds");
		mg_cgroup_identify(g);
	}
	return taken;
}

/* ---- reading ---- */

struct amount {
	uint64_t v;
	bool known;
};

struct pass { /* one reading of one target */
	struct mg_cgroup *g;
	const struct mg_sink *sink;
	uint64_t now_ns;
	struct mg_err *err;
	int r; /* the first failure; -ENODEV outranks */
	char buf[MAX_FILE_BYTES];
	size_t len;
};

static void emit(const struct pass *p, enum mg_signal signal, double value)
{
	p->sink->sample(p->sink->ctx, (struct mg_signal_ref){ MG_SCOPE_TARGET, (uint16_t)signal }, value, p->now_ns);
}

static void note(struct pass *p, int r, const char *file, unsigned level, const char *why)
{
	if (p->r == -ENODEV || (p->r < 0 && r != -ENODEV))
		return;
	p->r = mg_fail(p->err, r, "%s of cgroup level %u: %s", file, level, why);
}

/* Reads fd whole into p->buf. False when there is no such file or it cannot be read (noted). */
static bool fetch(struct pass *p, int fd, const char *name, unsigned level)
{
	if (fd < 0)
		return false;
	ssize_t n = pread(fd, p->buf, sizeof p->buf, 0);
	if (n < 0 && errno == EINTR)
		n = pread(fd, p->buf, sizeof p->buf, 0);
	if (n < 0)
		note(p, -errno, name, level, errno == ENODEV ? "the cgroup is gone" : strerror(errno));
	else if ((size_t)n == sizeof p->buf)
		note(p, -EBADMSG, name, level, "longer than 16 KiB");
	p->len = n < 0 ? 0 : (size_t)n;
	return n >= 0 && (size_t)n < sizeof p->buf;
}

static bool fetch_slot(struct pass *p, unsigned level, enum mg_cgroup_file file)
{
	return fetch(p, p->g->fd[level][file], mg_cgroup_file_names[p->g->version][file], level);
}

/* A file of one number. known: it is there and parses. False: it is there and does not. */
static bool read_amount(struct pass *p, unsigned level, enum mg_cgroup_file file, struct amount *ret)
{
	struct mg_err why;

	*ret = (struct amount){ 0 };
	if (p->g->fd[level][file] < 0)
		return true;
	if (!fetch_slot(p, level, file))
		return false;
	if (mg_parse_u64_or_max(p->buf, p->len, &ret->v, &why) < 0) {
		note(p, -EBADMSG, mg_cgroup_file_names[p->g->version][file], level, why.text);
		return false;
	}
	ret->known = true;
	return true;
}

static bool parse_flat(struct pass *p, const char *name, unsigned level, struct mg_flat *want, unsigned n)
{
	struct mg_err why;

	if (mg_parse_flat_keyed(p->buf, p->len, want, n, &why) == 0)
		return true;
	note(p, -EBADMSG, name, level, why.text);
	return false;
}

enum stat_key { STAT_ANON, STAT_FILE, STAT_INACTIVE_FILE, STAT_HIERARCHICAL_LIMIT, STAT__KEYS };

static const char *const stat_keys[3][STAT__KEYS] = {
	[1] = { "total_rss", "total_cache", "total_inactive_file", "hierarchical_memory_limit" },
	[2] = { "anon", "file", "inactive_file", "-" },
};

/* What is known of one level. */
struct level {
	struct amount current, inactive_file, limit;
	bool sound; /* nothing that was there failed to be read */
};

static bool read_stat(struct pass *p, unsigned level, struct mg_flat want[STAT__KEYS])
{
	for (unsigned k = 0; k < STAT__KEYS; k++)
		want[k] = (struct mg_flat){ .key = stat_keys[p->g->version][k] };
	return fetch_slot(p, level, MG_CG_STAT) && parse_flat(p, "memory.stat", level, want, STAT__KEYS);
}

static void lower(struct amount *limit, uint64_t v, int version)
{
	bool unlimited = version == 1 ? v >= V1_UNLIMITED : v == UINT64_MAX;

	if (unlimited || (limit->known && limit->v <= v))
		return;
	*limit = (struct amount){ v, true };
}

static struct level read_level(struct pass *p, unsigned i)
{
	struct amount max, high;
	struct level l = { 0 };

	l.sound = read_amount(p, i, MG_CG_CURRENT, &l.current);
	l.sound &= read_amount(p, i, MG_CG_MAX, &max);
	l.sound &= read_amount(p, i, MG_CG_HIGH, &high);
	if (max.known)
		lower(&l.limit, max.v, p->g->version);
	if (high.known)
		lower(&l.limit, high.v, p->g->version);
	return l;
}

static double minus(uint64_t a, uint64_t b)
{
	return a > b ? (double)(a - b) : 0;
}

static void emit_stat(struct pass *p, struct level *own, const struct mg_flat stat[STAT__KEYS])
{
	if (stat[STAT_ANON].found)
		emit(p, MG_SIG_CGROUP_ANON, (double)stat[STAT_ANON].value);
	if (stat[STAT_FILE].found)
		emit(p, MG_SIG_CGROUP_FILE, (double)stat[STAT_FILE].value);
	own->inactive_file = (struct amount){ stat[STAT_INACTIVE_FILE].value, stat[STAT_INACTIVE_FILE].found };
	if (own->current.known && own->inactive_file.known)
		emit(p, MG_SIG_CGROUP_WORKING_SET, minus(own->current.v, own->inactive_file.v));
}

struct room {
	struct amount limit; /* the smallest */
	double bytes, ratio; /* of the level with the least */
	bool known;
};

/* Where a level's own charge or stat is not visible, the target's own stand in: what can be reclaimed above is at least
 * what can be reclaimed here, and the charge above at least ours. */
static void add_level(struct room *room, const struct level *l, const struct level *own)
{
	if (!l->limit.known)
		return;
	lower(&room->limit, l->limit.v, 2);
	uint64_t charge = l->current.known ? l->current.v : own->current.v;
	uint64_t inactive = l->inactive_file.known ? l->inactive_file.v : own->inactive_file.v;
	if (!own->current.known || !own->inactive_file.known)
		return;
	double bytes = minus(l->limit.v, (uint64_t)minus(charge, inactive));
	double ratio = l->limit.v ? bytes / (double)l->limit.v : 0;
	if (!room->known || bytes < room->bytes)
		room->bytes = bytes;
	if (!room->known || ratio < room->ratio)
		room->ratio = ratio;
	room->known = true;
}

static void emit_room(const struct pass *p, const struct room *room)
{
	emit(p, MG_SIG_CGROUP_LIMIT, room->limit.known ? (double)room->limit.v : NAN);
	emit(p, MG_SIG_CGROUP_HEADROOM_BYTES, room->known ? room->bytes : NAN);
	emit(p, MG_SIG_CGROUP_HEADROOM, room->known ? room->ratio : NAN);
}

/* Charge, stat and limits of every level. A level that could not be read leaves the last limit and headroom to age. */
static struct amount read_levels(struct pass *p)
{
	struct mg_flat stat[STAT__KEYS], above[STAT__KEYS];
	struct room room = { 0 };
	struct level own = read_level(p, 0);
	bool sound = own.sound;

	if (own.current.known)
		emit(p, MG_SIG_CGROUP_USAGE, (double)own.current.v);
	if (read_stat(p, 0, stat)) {
		emit_stat(p, &own, stat);
		if (stat[STAT_HIERARCHICAL_LIMIT].found)
			lower(&own.limit, stat[STAT_HIERARCHICAL_LIMIT].value, 1);
	} else {
		sound = false;
	}
	add_level(&room, &own, &own);
	for (unsigned i = 1; i < p->g->levels; i++) {
		struct level l = read_level(p, i);
		sound &= l.sound;
		if (l.limit.known && read_stat(p, i, above))
			l.inactive_file = (struct amount){ above[STAT_INACTIVE_FILE].value, above[STAT_INACTIVE_FILE].found };
		add_level(&room, &l, &own);
	}
	if (sound)
		emit_room(p, &room);
	return own.current;
}

static void read_swap(struct pass *p, struct amount current)
{
	struct amount swap;

	if (!read_amount(p, 0, MG_CG_SWAP, &swap) || !swap.known)
		return;
	if (p->g->version == 2)
		emit(p, MG_SIG_CGROUP_SWAP, (double)swap.v);
	else if (current.known)
		emit(p, MG_SIG_CGROUP_SWAP, minus(swap.v, current.v)); /* memsw counts memory and swap */
}

static void read_events_v2(struct pass *p)
{
	struct mg_flat want[] = { { .key = "high" }, { .key = "max" }, { .key = "oom_kill" } };
	static const enum mg_signal signal[] = { MG_SIG_CGROUP_EVENTS_HIGH, MG_SIG_CGROUP_EVENTS_MAX,
						 MG_SIG_CGROUP_EVENTS_OOM_KILL };

	if (!fetch_slot(p, 0, MG_CG_EVENTS) || !parse_flat(p, "memory.events", 0, want, 3))
		return;
	for (unsigned i = 0; i < 3; i++)
		if (want[i].found)
			emit(p, signal[i], (double)want[i].value);
}

static void read_events_v1(struct pass *p)
{
	struct mg_flat want = { .key = "oom_kill" };
	struct amount failcnt;

	if (read_amount(p, 0, MG_CG_EVENTS, &failcnt) && failcnt.known)
		emit(p, MG_SIG_CGROUP_EVENTS_MAX, (double)failcnt.v);
	if (fetch(p, p->g->fd_oom_control, "memory.oom_control", 0) && parse_flat(p, "memory.oom_control", 0, &want, 1) &&
	    want.found)
		emit(p, MG_SIG_CGROUP_EVENTS_OOM_KILL, (double)want.value);
}

static void read_pressure(struct pass *p)
{
	struct mg_psi_shares shares;
	struct mg_psi psi;
	struct mg_err why;

	if (!fetch_slot(p, 0, MG_CG_PRESSURE))
		return;
	if (mg_parse_psi(p->buf, p->len, &psi, &why) < 0) {
		note(p, -EBADMSG, "memory.pressure", 0, why.text);
	} else if (mg_psi_push(&p->g->psi, p->now_ns, &psi, &shares)) {
		emit(p, MG_SIG_PSI_SOME, shares.some);
		emit(p, MG_SIG_PSI_FULL, shares.full);
	}
}

int mg_cgroup_read(struct mg_cgroup *g, uint64_t now_ns, const struct mg_sink *sink, struct mg_err *err)
{
	struct pass p;

	if (g->version == 0)
		return 0;
	p.g = g, p.sink = sink, p.now_ns = now_ns, p.err = err, p.r = 0;
	read_swap(&p, read_levels(&p));
	if (g->version == 2)
		read_events_v2(&p);
	else
		read_events_v1(&p);
	read_pressure(&p);
	return p.r;
}
