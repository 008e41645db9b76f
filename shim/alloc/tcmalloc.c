/* SPDX-License-Identifier: Apache-2.0 */
/* gperftools' tcmalloc through its C API. ReleaseToSystem holds the page heap's lock, which every thread needs, and takes no
 * less than a whole free span: asked for one page at a time it releases one span a call, so a purge is a row of short calls,
 * and the longest is the largest span. How large that may be is read from its statistics' text; all free bytes where it says
 * nothing.
 * The decay is its aggressive decommit: a freed span goes back at once (0 ms) or stays (off); there is nothing between.
 * Called on the runtime thread. */
#include <errno.h>

#include "shim/alloc/adapters.h"
#include "shim/alloc/host.h"

#define BLOCK_BYTES 1000
#define OWNED 1 /* MallocExtension_kOwned */
#define AGGRESSIVE "tcmalloc.aggressive_memory_decommit"

/* What releasing one contiguous byte takes: first guess, on the safe side (0.04 measured); then the slowest seen. */
#define NS_PER_BYTE   0.06
#define LARGE_SPAN    (1u << 20) /* smaller spans are all call, no pages: they teach nothing about bytes */

/* The statistics' line on spans above 128 pages: how many, and MiB in all. */
#define LARGE_LINE  "large *"
#define TEXT_BYTES  (64u << 10) /* below 10,000 tcmalloc leaves the spans out */
#define SMALL_MOST  (8u << 20)  /* 128 pages at the largest page size it can be built with */
#define LARGE_LEAST (512u << 10) /* and at the smallest */

static struct {
	void (*text)(char *, int);
	int (*ownership)(const void *);
	int (*get)(const char *, size_t *);
	int (*set)(const char *, size_t);
	void (*release)(size_t);
	const char *(*version)(int *, int *, const char **);
} sym;

static double ns_per_byte = NS_PER_BYTE;

static bool probe(void)
{
	sym.ownership = (int (*)(const void *))mg_host_symbol("MallocExtension_GetOwnership");
	sym.get = (int (*)(const char *, size_t *))mg_host_symbol("MallocExtension_GetNumericProperty");
	sym.set = (int (*)(const char *, size_t))mg_host_symbol("MallocExtension_SetNumericProperty");
	sym.release = (void (*)(size_t))mg_host_symbol("MallocExtension_ReleaseToSystem");
	sym.text = (void (*)(char *, int))mg_host_symbol("MallocExtension_GetStats");
	sym.version = (const char *(*)(int *, int *, const char **))mg_host_symbol("tc_version");
	if (!sym.ownership || !sym.get || !sym.release)
		return false;
	void *block = mg_host_alloc(BLOCK_BYTES);
	bool mine = block && sym.ownership(block) == OWNED;
	mg_host_free(block);
	return mine;
}

static const char *version(void)
{
	int major = 0, minor = 0;
	const char *patch = "";

	return sym.version ? sym.version(&major, &minor, &patch) : "";
}

static uint64_t property(const char *name)
{
	size_t value = 0;

	return sym.get(name, &value) ? value : MG_STAT_UNKNOWN;
}

/* Counters, read under the page heap's lock for microseconds. */
static void stats(struct mg_alloc_stats *ret, bool want_live)
{
	uint64_t start = mg_host_now_ns();

	(void)want_live;
	ret->live = property("generic.current_allocated_bytes");
	ret->free_resident = ret->live == MG_STAT_UNKNOWN ? MG_STAT_UNKNOWN : mg_host_above(mg_host_anon(), ret->live);
	ret->returnable = property("tcmalloc.pageheap_free_bytes");
	ret->took_ns = mg_host_now_ns() - start;
}

/* The least that the largest free span is known not to exceed. Spans already given back count: they make it too large only. */
static uint64_t largest_span_bound(uint64_t free_bytes)
{
	char *text = sym.text ? mg_host_alloc(TEXT_BYTES) : NULL;
	uint64_t spans = 0, mib = 0, bound = free_bytes;

	if (!text)
		return bound;
	text[0] = '\0';
	sym.text(text, TEXT_BYTES);
	const char *line = mg_host_find(text, LARGE_LINE);
	const char *total = line ? mg_host_find(mg_host_scan(line + sizeof LARGE_LINE - 1, &spans), "~") : NULL;
	if (total) {
		(void)mg_host_scan(total + 1, &mib);
		bound = (mib + 1) << 20; /* the text says tenths, rounded */
		bound = spans > 1 ? mg_host_above(bound, (spans - 1) * LARGE_LEAST) : bound;
		bound = bound > SMALL_MOST ? bound : SMALL_MOST;
	}
	mg_host_free(text);
	return bound < free_bytes ? bound : free_bytes;
}

/* Releases one span, as far as can be: tcmalloc keeps what a call released beyond the bytes asked for as a credit, which later
 * calls must ask for first. So ask for what the last call gave. Returns the bytes by which the page heap's free ones fell. */
static uint64_t release_one(uint64_t ask, struct mg_purge_result *r)
{
	uint64_t before = property("tcmalloc.pageheap_free_bytes"), start = mg_host_now_ns();

	sym.release(ask);
	uint64_t took = mg_host_now_ns() - start, gone = mg_host_above(before, property("tcmalloc.pageheap_free_bytes"));
	if (took > r->longest_ns)
		r->longest_ns = took;
	if (gone >= LARGE_SPAN && (double)took / (double)gone > ns_per_byte)
		ns_per_byte = (double)took / (double)gone;
	return gone;
}

static bool over_bound(const struct mg_purge_request *q, uint64_t gone, uint64_t cpu_start)
{
	return mg_host_cancelled(q) || gone >= q->bytes ||
	       (q->cpu_budget_ns && mg_host_cpu_ns() - cpu_start > q->cpu_budget_ns);
}

static int purge(const struct mg_purge_request *q, struct mg_purge_result *ret)
{
	uint64_t before = mg_host_anon(), start = mg_host_now_ns(), cpu_start = mg_host_cpu_ns(), gone = 0;
	uint64_t free_bytes = property("tcmalloc.pageheap_free_bytes");
	struct mg_purge_result out = { 0 };

	if (free_bytes == MG_STAT_UNKNOWN)
		return -ENOTSUP;
	if (q->max_pause_ns && (double)largest_span_bound(free_bytes) * ns_per_byte > (double)q->max_pause_ns)
		return -EAGAIN;
	/* a credit of unknown size may be left from before: doubling finds its end, at the latest at all free bytes */
	for (uint64_t ask = 1; ask / 2 <= free_bytes && property("tcmalloc.pageheap_free_bytes") > 0 && !out.more;) {
		uint64_t one = release_one(ask, &out);

		ask = one ? one : ask * 2;
		gone += one;
		out.more = over_bound(q, gone, cpu_start);
	}
	out.returned = mg_host_above(before, mg_host_anon());
	out.took_ns = mg_host_now_ns() - start;
	*ret = out;
	return 0;
}

static int get_decay(uint64_t *ret_ms)
{
	uint64_t on = property(AGGRESSIVE);

	if (on == MG_STAT_UNKNOWN)
		return -ENOTSUP;
	*ret_ms = on ? 0 : UINT64_MAX;
	return 0;
}

static int set_decay(uint64_t ms)
{
	if (ms != 0 && ms != UINT64_MAX)
		return -ERANGE; /* it gives back at once or keeps: a time would be a promise it cannot hold */
	return sym.set && sym.set(AGGRESSIVE, ms == 0) ? 0 : -ENOTSUP;
}

const struct mg_allocator_ops mg_allocator_tcmalloc = {
	.name = "tcmalloc", .probe = probe, .version = version, .live_is_cheap = true, .stats = stats, .purge = purge,
	.decay_restore = MG_RESTORE_EXACT, .get_decay = get_decay, .set_decay = set_decay,
};
