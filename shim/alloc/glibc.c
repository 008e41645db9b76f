/* SPDX-License-Identifier: Apache-2.0 */
/* glibc's malloc. It keeps freed pages for ever and its own malloc_trim(0) holds an arena's lock for seconds, so a purge claims
 * first (claim.c) and trims the rest only where that is predicted to stay within the pause bound. It has no decay: mallopt's
 * thresholds end the dynamic threshold for good and could not be put back. Live bytes come from mallinfo2, which takes every
 * arena's lock; what a purge would return is learned from what purges returned, for the sum of free bytes says little
 * (free chunks below a page, pages already given back). Called through mg_allocator_glibc on the runtime thread. */
#include <errno.h>
#include <malloc.h>

#include "shim/alloc/adapters.h"
#include "shim/alloc/claim.h"
#include "shim/alloc/host.h"


MG_WEAK(dlopen);
MG_WEAK(dladdr);

/* First guesses, on the safe side; replaced by what a trim in this process took. */
#define TRIM_NS_PER_CHUNK 1300.0 /* a chunk whose pages are already gone costs one madvise; 1.27 us measured on a slow machine */
#define TRIM_NS_PER_BYTE  5.0    /* worst measured: 1 GiB in scattered pages, 5.1 s */
#define FIRST_SHARE 0.5          /* of what mallinfo2 says is free; 0.3 to 0.9 measured */
#define LEARN 0.5                /* weight of the newest observation */

static struct {
	struct mg_claim_libc libc;
	int (*trim)(size_t);
	struct mallinfo2 (*info2)(void);
	const char *(*libc_version)(void);
} sym;

/* What purges taught. */
static struct {
	double trim_ns_per_chunk, trim_ns_per_byte;
	double share;        /* of the growth over the floor, or of free bytes, that a purge returns */
	uint64_t floor_anon; /* what the last purge left; 0: none yet */
} learned = { TRIM_NS_PER_CHUNK, TRIM_NS_PER_BYTE, FIRST_SHARE, 0 };

static double blend(double old, double seen)
{
	return old + LEARN * (seen - old);
}

/* libc's own functions, not what another library put before them. */
static bool resolve(void)
{
	Dl_info where;

	sym.libc_version = (const char *(*)(void))mg_host_symbol("gnu_get_libc_version");
	if (!sym.libc_version || !dladdr || !dlopen || !dladdr((void *)sym.libc_version, &where))
		return false;
	void *libc = dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (!libc)
		return false;
	sym.libc.malloc = (void *(*)(size_t))dlsym(libc, "malloc");
	sym.libc.free = (void (*)(void *))dlsym(libc, "free");
	sym.libc.usable_size = (size_t (*)(void *))dlsym(libc, "malloc_usable_size");
	sym.trim = (int (*)(size_t))dlsym(libc, "malloc_trim");
	sym.info2 = (struct mallinfo2 (*)(void))dlsym(libc, "mallinfo2");
	return sym.libc.malloc && sym.libc.free && sym.libc.usable_size && sym.trim;
}

/* Held by the program. Before glibc 2.33 there is only mallinfo, whose counters are ints and wrap: unknown. */
static uint64_t in_use(void)
{
	if (!sym.info2)
		return MG_STAT_UNKNOWN;
	struct mallinfo2 m = sym.info2();
	return m.uordblks + m.hblkhd;
}

/* Who owns malloc, by the linker's own search order and without a lock: asking the counters while other threads allocate is
 * a guess. In a program at a fixed address the first answer is the program's entry for calling it, not a definition; what
 * comes after this library then is what that entry leads to. */
static bool owns_malloc(void)
{
	void *first = mg_host_symbol("malloc");

	if (first == (void *)sym.libc.malloc)
		return true;
	return mg_host_is_import(first) && dlsym(RTLD_NEXT, "malloc") == (void *)sym.libc.malloc;
}

static bool probe(void)
{
	return resolve() && owns_malloc();
}

static const char *version(void)
{
	return sym.libc_version ? sym.libc_version() : "";
}

static void stats(struct mg_alloc_stats *ret, bool want_live)
{
	uint64_t start = mg_host_now_ns(), anon = mg_host_anon();

	*ret = (struct mg_alloc_stats){ MG_STAT_UNKNOWN, MG_STAT_UNKNOWN, MG_STAT_UNKNOWN, 0 };
	if (want_live)
		ret->live = in_use();
	if (ret->live != MG_STAT_UNKNOWN)
		ret->free_resident = mg_host_above(anon, ret->live);
	if (ret->free_resident != MG_STAT_UNKNOWN)
		ret->returnable = (uint64_t)(learned.share * (double)ret->free_resident);
	else if (learned.floor_anon)
		ret->returnable = (uint64_t)(learned.share * (double)mg_host_above(anon, learned.floor_anon));
	ret->took_ns = mg_host_now_ns() - start;
}

/* A trim walks every free chunk under its arena's lock, and empties the pages of those a claim did not reach. */
static bool trim_in_bounds(const struct mg_purge_request *q, const struct mg_claim_result *claim)
{
	double ns = (double)claim->chunks * learned.trim_ns_per_chunk;

	if (!claim->whole)
		ns += (double)mg_host_anon() * learned.trim_ns_per_byte;
	return (q->max_pause_ns == 0 || ns <= (double)q->max_pause_ns) && (q->cpu_budget_ns == 0 || ns <= (double)q->cpu_budget_ns);
}

static void trim(const struct mg_claim_result *claim, struct mg_purge_result *ret)
{
	uint64_t before = mg_host_anon(), start = mg_host_now_ns();

	(void)sym.trim(0);
	uint64_t took = mg_host_now_ns() - start, returned = mg_host_above(before, mg_host_anon());
	if (took > ret->longest_ns)
		ret->longest_ns = took;
	if (claim->whole && claim->chunks)
		learned.trim_ns_per_chunk = blend(learned.trim_ns_per_chunk, (double)took / (double)claim->chunks);
	else if (returned > 0 && (double)took / (double)returned > learned.trim_ns_per_byte)
		learned.trim_ns_per_byte = (double)took / (double)returned;
}

static void learn(uint64_t before, uint64_t after)
{
	if (learned.floor_anon && before > learned.floor_anon)
		learned.share = blend(learned.share, (double)mg_host_above(before, after) / (double)(before - learned.floor_anon));
	if (learned.share > 1)
		learned.share = 1;
	learned.floor_anon = after;
}

static int purge(const struct mg_purge_request *q, struct mg_purge_result *ret)
{
	uint64_t start = mg_host_now_ns(), before = mg_host_anon();
	struct mg_claim_result claim = { 0 };
	struct mg_purge_result out = { 0 };
	int r = mg_claim_run(&sym.libc, q, &claim);

	out.longest_ns = claim.longest_ns;
	out.more = claim.stopped || mg_host_cancelled(q);
	if (!out.more && trim_in_bounds(q, &claim))
		trim(&claim, &out);
	else if (!out.more && r < 0)
		return -EAGAIN; /* no claim, and a trim would take too long */
	uint64_t after = mg_host_anon();
	out.returned = mg_host_above(before, after);
	out.took_ns = mg_host_now_ns() - start;
	if (!out.more)
		learn(before, after);
	*ret = out;
	return 0;
}

const struct mg_allocator_ops mg_allocator_glibc = {
	.name = "glibc", .probe = probe, .version = version, .live_is_cheap = false, .stats = stats, .purge = purge,
	.decay_restore = MG_RESTORE_NONE,
};
