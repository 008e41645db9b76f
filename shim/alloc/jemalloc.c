/* SPDX-License-Identifier: Apache-2.0 */
/* jemalloc through mallctl, under whatever prefix it is exported. A purge takes the arenas in turn: one arena.<i>.purge is the
 * slice, and bytes and cancel are looked at between two. Decay times live in each arena (the arenas.* value is for arenas to
 * come), so all are written, and what each had is kept for an exact restore. Where `allocated` is far below `active` the rest
 * is fragmentation that no purge returns: live = allocated, free_resident = resident - allocated, returnable = dirty + muzzy
 * keep that difference visible. Called on the runtime thread. */
#include <errno.h>
#include <sys/types.h>

#include "shim/alloc/adapters.h"
#include "shim/alloc/host.h"

#define BLOCK_BYTES 100000
#define ALL_ARENAS 4096 /* MALLCTL_ARENAS_ALL */
#define ARENAS_TO_COME UINT32_MAX
#define MIB_MAX 4
#define ARENA 1       /* where arena.<i>.x has its index */
#define STATS_ARENA 2 /* where stats.arenas.<i>.x has it */
#define FOR_EVER_MS (-1)
#define NOT_KNOWN (-2)

struct mib {
	size_t at[MIB_MAX];
	size_t len; /* 0: this version has no such name */
};

static struct {
	int (*ctl)(const char *, void *, size_t *, void *, size_t);
	int (*to_mib)(const char *, size_t *, size_t *);
	int (*by_mib)(const size_t *, size_t, void *, size_t *, void *, size_t);
	struct mib epoch, allocated, resident, pdirty, pmuzzy;                /* statistics */
	struct mib purge, dirty_ms, muzzy_ms, all_dirty, all_muzzy; /* of one arena; of arenas to come */
	size_t page;
} je;

/* Dirty and muzzy times before the first set_decay. */
static struct {
	ssize_t (*arena)[2]; /* owned; NULL: nothing is set */
	unsigned n;
	ssize_t to_come[2];
} baseline;

static const char *const prefixes[][3] = {
	{ "mallctl", "mallctlnametomib", "mallctlbymib" },
	{ "je_mallctl", "je_mallctlnametomib", "je_mallctlbymib" },
	{ "_rjem_mallctl", "_rjem_mallctlnametomib", "_rjem_mallctlbymib" },
	{ "_rjem_je_mallctl", "_rjem_je_mallctlnametomib", "_rjem_je_mallctlbymib" },
	{ "je_arrow_mallctl", "je_arrow_mallctlnametomib", "je_arrow_mallctlbymib" },
};

static bool resolve(unsigned row)
{
	je.ctl = (int (*)(const char *, void *, size_t *, void *, size_t))mg_host_symbol(prefixes[row][0]);
	je.to_mib = (int (*)(const char *, size_t *, size_t *))mg_host_symbol(prefixes[row][1]);
	je.by_mib = (int (*)(const size_t *, size_t, void *, size_t *, void *, size_t))mg_host_symbol(prefixes[row][2]);
	return je.ctl && je.to_mib && je.by_mib;
}

/* Bytes this thread has allocated, as jemalloc counts; does not move when another allocator serves malloc. */
static uint64_t thread_allocated(void)
{
	uint64_t n = 0;
	size_t len = sizeof n;

	return je.ctl("thread.allocated", &n, &len, NULL, 0) == 0 ? n : 0;
}

static bool counts_a_block(void)
{
	uint64_t before = thread_allocated();
	void *block = mg_host_alloc(BLOCK_BYTES);
	bool mine = block && thread_allocated() - before >= BLOCK_BYTES;

	mg_host_free(block);
	return mine;
}

static struct mib mib(const char *name)
{
	struct mib m = { .len = MIB_MAX };

	if (je.to_mib(name, m.at, &m.len))
		m.len = 0;
	return m;
}

static void prepare(void)
{
	size_t len = sizeof je.page;

	je.epoch = mib("epoch");
	je.allocated = mib("stats.allocated");
	je.resident = mib("stats.resident");
	je.pdirty = mib("stats.arenas.0.pdirty");
	je.pmuzzy = mib("stats.arenas.0.pmuzzy");
	je.purge = mib("arena.0.purge");
	je.dirty_ms = mib("arena.0.dirty_decay_ms");
	je.muzzy_ms = mib("arena.0.muzzy_decay_ms");
	je.all_dirty = mib("arenas.dirty_decay_ms");
	je.all_muzzy = mib("arenas.muzzy_decay_ms");
	if (je.ctl("arenas.page", &je.page, &len, NULL, 0))
		je.page = mg_host_page();
}

static bool probe(void)
{
	for (unsigned row = 0; row < sizeof prefixes / sizeof prefixes[0]; row++) {
		if (!resolve(row) || !counts_a_block())
			continue;
		prepare();
		return true;
	}
	return false;
}

static const char *version(void)
{
	const char *v = "";
	size_t len = sizeof v;

	return je.ctl && je.ctl("version", &v, &len, NULL, 0) == 0 ? v : "";
}

static uint64_t read_size(const struct mib *m)
{
	size_t v = 0, len = sizeof v;

	return m->len && je.by_mib(m->at, m->len, &v, &len, NULL, 0) == 0 ? v : MG_STAT_UNKNOWN;
}

static struct mib of_arena(struct mib m, size_t where, size_t arena)
{
	m.at[where] = arena;
	return m;
}

static uint64_t dirty_bytes(void)
{
	struct mib dirty = of_arena(je.pdirty, STATS_ARENA, ALL_ARENAS), muzzy = of_arena(je.pmuzzy, STATS_ARENA, ALL_ARENAS);
	uint64_t d = read_size(&dirty), m = read_size(&muzzy);

	if (d == MG_STAT_UNKNOWN)
		return d;
	return (d + (m == MG_STAT_UNKNOWN ? 0 : m)) * je.page;
}

static void refresh(void)
{
	uint64_t epoch = 1;

	if (je.epoch.len)
		(void)je.by_mib(je.epoch.at, je.epoch.len, NULL, NULL, &epoch, sizeof epoch);
}

/* The counters are merged in 0.02 ms and no lock is held for long. */
static void stats(struct mg_alloc_stats *ret, bool want_live)
{
	uint64_t start = mg_host_now_ns();

	(void)want_live;
	refresh();
	uint64_t resident = read_size(&je.resident);
	ret->live = read_size(&je.allocated);
	bool known = ret->live != MG_STAT_UNKNOWN && resident != MG_STAT_UNKNOWN;
	ret->free_resident = known ? mg_host_above(resident, ret->live) : MG_STAT_UNKNOWN;
	ret->returnable = dirty_bytes();
	ret->took_ns = mg_host_now_ns() - start;
}

static unsigned arena_count(void)
{
	unsigned n = 0;
	size_t len = sizeof n;

	if (je.ctl("arenas.narenas", &n, &len, NULL, 0))
		return 0;
	return n < ALL_ARENAS ? n : ALL_ARENAS;
}

/* One slice; nothing happens to an arena that no thread has used yet (arena.<i>.initialized would tell, as of the last epoch). */
static void purge_arena(unsigned arena, struct mg_purge_result *r)
{
	struct mib m = of_arena(je.purge, ARENA, arena);
	uint64_t start = mg_host_now_ns();

	(void)je.by_mib(m.at, m.len, NULL, NULL, NULL, 0);
	uint64_t took = mg_host_now_ns() - start;
	if (took > r->longest_ns)
		r->longest_ns = took;
}

/* The pause of a slice is not refused beforehand: jemalloc unlocks the arena while the kernel takes the pages. longest_ns is the
 * whole slice, more than a thread can have waited. */
static int purge(const struct mg_purge_request *q, struct mg_purge_result *ret)
{
	uint64_t before = mg_host_anon(), start = mg_host_now_ns(), cpu_start = mg_host_cpu_ns();
	unsigned n = arena_count();
	struct mg_purge_result out = { 0 };

	if (!je.purge.len)
		return -ENOTSUP;
	for (unsigned i = 0; i < n && !out.more; i++) {
		out.more = mg_host_cancelled(q) || mg_host_above(before, mg_host_anon()) >= q->bytes ||
			   (q->cpu_budget_ns && mg_host_cpu_ns() - cpu_start > q->cpu_budget_ns);
		if (!out.more)
			purge_arena(i, &out);
	}
	out.returned = mg_host_above(before, mg_host_anon());
	out.took_ns = mg_host_now_ns() - start;
	*ret = out;
	return 0;
}

static int read_ms(const struct mib *m, ssize_t *ret)
{
	size_t len = sizeof *ret;

	return m->len && je.by_mib(m->at, m->len, ret, &len, NULL, 0) == 0 ? 0 : -ENOTSUP;
}

static int write_ms(const struct mib *m, ssize_t ms)
{
	return m->len && je.by_mib(m->at, m->len, NULL, NULL, &ms, sizeof ms) == 0 ? 0 : -ENOTSUP;
}

/* Both times of one arena; ARENAS_TO_COME for the values new arenas start with. */
static struct mib leaf(unsigned arena, unsigned which)
{
	if (arena == ARENAS_TO_COME)
		return which ? je.all_muzzy : je.all_dirty;
	return of_arena(which ? je.muzzy_ms : je.dirty_ms, ARENA, arena);
}

static void read_times(unsigned arena, ssize_t ret[static 2])
{
	for (unsigned which = 0; which < 2; which++) {
		struct mib m = leaf(arena, which);

		if (read_ms(&m, &ret[which]) < 0)
			ret[which] = NOT_KNOWN;
	}
}

/* Returns the error of the dirty time: some versions have no muzzy one. */
static int write_times(unsigned arena, const ssize_t ms[static 2])
{
	int r = 0;

	for (unsigned which = 2; which-- > 0;) {
		struct mib m = leaf(arena, which);

		if (ms[which] != NOT_KNOWN)
			r = write_ms(&m, ms[which]);
	}
	return r;
}

static int keep_baseline(void)
{
	unsigned n = arena_count();

	baseline.arena = mg_host_alloc((n + 1) * sizeof *baseline.arena);
	if (!baseline.arena)
		return -ENOMEM;
	baseline.n = n;
	for (unsigned i = 0; i < n; i++)
		read_times(i, baseline.arena[i]); /* fails for an arena not yet initialized: not known */
	read_times(ARENAS_TO_COME, baseline.to_come);
	return 0;
}

/* Arenas made meanwhile get what they would have started with. */
static int put_baseline_back(void)
{
	unsigned n = arena_count();

	for (unsigned i = 0; i < n; i++) {
		bool kept = i < baseline.n && baseline.arena[i][0] != NOT_KNOWN;

		(void)write_times(i, kept ? baseline.arena[i] : baseline.to_come);
	}
	int r = write_times(ARENAS_TO_COME, baseline.to_come);
	mg_host_free(baseline.arena);
	baseline.arena = NULL;
	return r;
}

static ssize_t to_ssize(uint64_t ms)
{
	return ms == UINT64_MAX ? FOR_EVER_MS : (ssize_t)ms;
}

static int get_decay(uint64_t *ret_ms)
{
	ssize_t ms;
	int r = read_ms(&je.all_dirty, &ms);

	if (r < 0)
		return r;
	*ret_ms = ms < 0 ? UINT64_MAX : (uint64_t)ms;
	return 0;
}

/* The time from free to returned is dirty plus muzzy: the first is set, the second becomes none. Setting the value found at
 * first is the restore, and exact. */
static int set_decay(uint64_t ms)
{
	const ssize_t times[2] = { to_ssize(ms), 0 };

	if (ms != UINT64_MAX && ms > INT32_MAX)
		return -ERANGE;
	if (!je.all_dirty.len)
		return -ENOTSUP;
	if (!baseline.arena && keep_baseline() < 0)
		return -ENOMEM;
	if (times[0] == baseline.to_come[0])
		return put_baseline_back();
	for (unsigned i = 0; i < arena_count(); i++)
		(void)write_times(i, times);
	return write_times(ARENAS_TO_COME, times);
}

const struct mg_allocator_ops mg_allocator_jemalloc = {
	.name = "jemalloc", .probe = probe, .version = version, .live_is_cheap = true, .stats = stats, .purge = purge,
	.decay_restore = MG_RESTORE_EXACT, .get_decay = get_decay, .set_decay = set_decay,
};
