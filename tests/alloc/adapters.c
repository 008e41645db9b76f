/* SPDX-License-Identifier: Apache-2.0 */
/* Each adapter against its real allocator: the same program runs under every one (LD_PRELOAD) and is told by its argument which
 * it must find. What a purge returned is judged against what the allocator's own full purge leaves in the same run. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "shim/alloc/adapters.h"
#include "shim/alloc/host.h"
#include "tests/alloc/filter.h"
#include "tests/alloc/heap.h"
#include "tests/alloc/runtime_thread.h"
#include "tests/check.h"

#define NO_PAUSE 0
#define NOISE (4.0 * MG_MIB) /* what resident memory moves by itself */
#define HEAP_BYTES (256 * MG_MIB)

static void trim(void)
{
	int (*f)(size_t) = (int (*)(size_t))dlsym(RTLD_DEFAULT, "malloc_trim");

	f(0);
}

static void purge_all_arenas(void)
{
	int (*f)(const char *, void *, size_t *, void *, size_t) =
		(int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT, "mallctl");

	check(f("arena.4096.purge", NULL, NULL, NULL, 0) == 0, "jemalloc's own purge runs");
}

static void release_free_memory(void)
{
	void (*f)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");

	f();
}

static void collect(void)
{
	void (*f)(bool) = (void (*)(bool))dlsym(RTLD_DEFAULT, "mi_collect");

	f(true);
}

static const struct expected {
	const char *name, *library, *version;
	void (*own_purge)(void);
	double share;        /* of the bytes the allocator's own purge would return */
	bool returns;        /* false: its purge from another thread returns next to nothing, and so does ours */
	bool splits;         /* a byte target stops it inside one heap */
	bool refuses_pauses; /* says -EAGAIN where a pause cannot be kept */
	uint64_t decay_ms;   /* a value other than its own; UINT64_MAX: it has no decay */
} table[] = {
	{ "glibc", "libc.so.6", "2.", trim, 0.95, true, true, false, UINT64_MAX },
	{ "jemalloc", "libjemalloc.so.2", "5.", purge_all_arenas, 0.95, true, false, false, 1234 },
	{ "tcmalloc", "libtcmalloc_minimal.so.4", "gperftools", release_free_memory, 0.95, true, true, true, 0 },
	{ "mimalloc", "libmimalloc.so.2", "2.", collect, 0, false, false, false, 0 },
};

static const struct expected *expected;
static const struct mg_allocator_ops *ops;

static void finds_the_allocator(void **state)
{
	(void)state;
	check(strcmp(ops->name, expected->name) == 0, "the owner of a block is %s, found %s", expected->name, ops->name);
	check(strncmp(ops->version(), expected->version, strlen(expected->version)) == 0, "its version starts with %s, found %s",
	      expected->version, ops->version());
}

struct shape {
	const char *name;
	struct mg_heap heap;
};

static void returns_what_the_allocator_would(const struct shape *s)
{
	struct mg_heap heap = s->heap;

	mg_heap_make(&heap);
	uint64_t before = mg_host_anon();
	struct mg_purge_call c = mg_purge(ops, UINT64_MAX, NO_PAUSE);
	uint64_t ours = mg_host_anon();
	check(c.ret == 0, "%s: a purge without bounds is not refused, got %d", s->name, c.ret);
	check(mg_heap_damage(&heap) == 0, "%s: no live block is touched", s->name);
	expected->own_purge();
	uint64_t own = mg_host_anon();

	printf("%s %s: resident %llu MiB -> %llu, own purge leaves %llu; %.0f ms, longest %.2f ms\n", ops->name, s->name,
	       (unsigned long long)(before / MG_MIB), (unsigned long long)(ours / MG_MIB), (unsigned long long)(own / MG_MIB),
	       (double)c.r.took_ns / 1e6, (double)c.r.longest_ns / 1e6);
	double fell = (double)before - (double)ours, would_fall = (double)before - (double)own, said = (double)c.r.returned;
	check(fell + NOISE >= expected->share * would_fall, "%s: at least %.2f of what its own purge returns",
	      s->name, expected->share);
	if (expected->returns)
		check((double)ours <= 1.1 * (double)own, "%s: within 10 %% of what its own purge leaves", s->name);
	check(said <= fell + NOISE && said >= fell - NOISE, "%s: what it says it returned is what resident memory fell by, %.0f",
	      s->name, said);
	check(mg_heap_damage(&heap) == 0, "%s: nor by the two after each other", s->name);
	mg_heap_end(&heap);
}

static void returns_in_every_shape(void **state)
{
	(void)state;
	const struct shape shapes[] = {
		{ "burst, one thread", { .bytes = HEAP_BYTES, .pattern = MG_HEAP_BURST } },
		{ "random, one thread", { .bytes = HEAP_BYTES, .pattern = MG_HEAP_RANDOM } },
		{ "tail, one thread", { .bytes = HEAP_BYTES, .pattern = MG_HEAP_TAIL } },
		{ "burst, 4 threads", { .bytes = HEAP_BYTES, .pattern = MG_HEAP_BURST, .threads = 4 } },
		{ "random, 4 threads", { .bytes = HEAP_BYTES, .pattern = MG_HEAP_RANDOM, .threads = 4 } },
	};

	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		returns_what_the_allocator_would(&shapes[i]);
}

/* An emulator's translations are memory of the process too and grow meanwhile. */
#ifdef MG_EMULATED
#define EMULATOR_GROWS (4 * MG_MIB)
#else
#define EMULATOR_GROWS 0
#endif

static void stops_at_the_byte_target(void **state)
{
	(void)state;
	struct mg_heap heap = { .bytes = HEAP_BYTES, .pattern = MG_HEAP_BURST, .threads = 4 };

	if (!expected->returns)
		return;
	if (ops == &mg_allocator_glibc && !mg_filters_work()) {
		printf("skipped: no seccomp filter can be installed here, and a malloc_trim has no byte target\n");
		skip();
	}
	mg_heap_make(&heap);
	uint64_t before = mg_host_anon(), target = 32 * MG_MIB;
	struct mg_purge_call c = mg_purge(ops, target, NO_PAUSE);
	uint64_t after = mg_host_anon();
	check(c.ret == 0 && c.r.more, "it stops before the end and says that there is more, got %d", c.ret);
	check(before - after >= target - EMULATOR_GROWS, "the target is met: %llu MiB fell", (unsigned long long)((before - after) / MG_MIB));
	check(!expected->splits || before - after < 3 * target, "and not passed by far: %llu MiB fell",
	      (unsigned long long)((before - after) / MG_MIB));
	struct mg_purge_call rest = mg_purge(ops, UINT64_MAX, NO_PAUSE);
	check(rest.r.returned > target && !rest.r.more, "the next purge gets the rest: %llu MiB",
	      (unsigned long long)(rest.r.returned / MG_MIB));
	check(mg_heap_damage(&heap) == 0, "no live block is touched by a purge that stopped");
	mg_heap_end(&heap);
}

static void stops_when_cancelled(void **state)
{
	(void)state;
	struct mg_heap heap = { .bytes = HEAP_BYTES, .pattern = MG_HEAP_BURST, .threads = 4 };
	_Atomic bool cancel = true;
	struct mg_purge_call c = { .ops = ops, .q = { .bytes = UINT64_MAX, .cancel = &cancel } };

	mg_heap_make(&heap);
	mg_on_runtime_thread(mg_purge_thread, &c);
	check(c.ret == 0 && c.r.more, "a cancelled purge is not an error, got %d, and there is more", c.ret);
	check(c.r.returned <= HEAP_BYTES / 4, "at most one slice was done: %llu MiB", (unsigned long long)(c.r.returned / MG_MIB));
	check(mg_heap_damage(&heap) == 0, "no live block is touched by a cancelled purge");
	mg_heap_end(&heap);
}

static void refuses_a_pause_it_cannot_keep(void **state)
{
	(void)state;
	struct mg_heap heap = { .bytes = HEAP_BYTES, .pattern = MG_HEAP_TAIL };

	if (!expected->refuses_pauses)
		return;
	mg_heap_make(&heap);
	struct mg_purge_call c = mg_purge(ops, UINT64_MAX, 1000);
	check(c.ret == -EAGAIN, "a pause of 1 us is refused, got %d", c.ret);
	check(mg_purge(ops, UINT64_MAX, NO_PAUSE).r.returned > HEAP_BYTES / 2, "nothing was done before the refusal");
	mg_heap_end(&heap);
}

static void decay_is_set_and_restored(void **state)
{
	(void)state;
	uint64_t first = 0, now = 0;

	if (expected->decay_ms == UINT64_MAX) {
		check(!ops->get_decay && !ops->set_decay, "an allocator without decay offers none");
		return;
	}
	check(ops->get_decay(&first) == 0 && first != expected->decay_ms, "its own decay can be read: %llu", (unsigned long long)first);
	check(ops->set_decay(expected->decay_ms) == 0, "a decay can be set");
	check(ops->get_decay(&now) == 0 && now == expected->decay_ms, "and is read back: %llu", (unsigned long long)now);
	check(ops->set_decay(first) == 0 && ops->get_decay(&now) == 0 && now == first, "and put back: %llu", (unsigned long long)now);
	check(ops->decay_restore == MG_RESTORE_EXACT, "so that the lease may promise an exact restore");
	check(ops->set_decay(UINT64_MAX - 1) == -ERANGE, "a time the allocator cannot hold is refused");
}

/* What a program set for one arena alone comes back as well. */
static void each_arena_gets_its_own_decay_back(void **state)
{
	(void)state;
	int (*ctl)(const char *, void *, size_t *, void *, size_t) =
		(int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT, "mallctl");
	ssize_t own = 777, now = 0;
	size_t len = sizeof now;
	uint64_t first = 0;

	if (ops != &mg_allocator_jemalloc)
		return;
	check(ctl("arena.0.dirty_decay_ms", NULL, NULL, &own, sizeof own) == 0, "the program sets one arena's decay");
	check(ops->get_decay(&first) == 0 && ops->set_decay(expected->decay_ms) == 0, "a decay is set");
	check(ctl("arena.0.dirty_decay_ms", &now, &len, NULL, 0) == 0 && now == (ssize_t)expected->decay_ms,
	      "in the arenas that exist: %zd", now);
	check(ops->set_decay(first) == 0, "and put back");
	check(ctl("arena.0.dirty_decay_ms", &now, &len, NULL, 0) == 0 && now == own, "to what this arena had: %zd", now);
	check(ctl("arena.0.dirty_decay_ms", NULL, NULL, &(ssize_t){ (ssize_t)first }, sizeof own) == 0, "the test leaves no trace");
}

/* With no decay the frees themselves return the pages: for mimalloc the only way there is. */
static void no_decay_returns_at_once(void **state)
{
	(void)state;
	struct mg_heap heap = { .bytes = HEAP_BYTES, .pattern = MG_HEAP_BURST, .threads = 4 };
	uint64_t first = 0;

	if (!ops->set_decay)
		return;
	check(ops->get_decay(&first) == 0 && ops->set_decay(0) == 0, "decay 0 can be set");
	mg_heap_make(&heap);
	uint64_t left = mg_host_anon();
	check(left < HEAP_BYTES / 10 * 8, "nine of ten blocks were freed and pages went at once: %llu MiB are left",
	      (unsigned long long)(left / MG_MIB));
	check(ops->set_decay(first) == 0, "the decay is put back");
	mg_heap_end(&heap);
}

static void statistics_are_plausible(void **state)
{
	(void)state;
	struct mg_heap heap = { .bytes = HEAP_BYTES, .pattern = MG_HEAP_BURST };
	struct mg_alloc_stats full, after;

	mg_heap_make(&heap);
	ops->stats(&full, true);
	(void)mg_purge(ops, UINT64_MAX, NO_PAUSE);
	ops->stats(&after, true);
	printf("%s stats: live %lld free_resident %lld returnable %lld MiB, %.3f ms\n", ops->name, (long long)full.live / 1048576,
	       (long long)full.free_resident / 1048576, (long long)full.returnable / 1048576, (double)full.took_ns / 1e6);
	if (full.live != MG_STAT_UNKNOWN) {
		check(full.live > HEAP_BYTES / 20 && full.live < HEAP_BYTES / 4, "a tenth is live: %llu MiB",
		      (unsigned long long)(full.live / MG_MIB));
		check(full.free_resident > HEAP_BYTES / 2, "most of what is resident is free: %llu MiB",
		      (unsigned long long)(full.free_resident / MG_MIB));
		check(full.returnable > HEAP_BYTES / 4 && after.returnable < full.returnable / 4, "returnable is foretold: %llu MiB",
		      (unsigned long long)(full.returnable / MG_MIB));
		check(after.free_resident + full.returnable / 10 * 9 <= full.free_resident, "and a purge returns it: %llu MiB are left",
		      (unsigned long long)(after.free_resident / MG_MIB));
	}
	mg_heap_end(&heap);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_allocator),
		cmocka_unit_test(statistics_are_plausible),
		cmocka_unit_test(returns_in_every_shape),
		cmocka_unit_test(stops_at_the_byte_target),
		cmocka_unit_test(stops_when_cancelled),
		cmocka_unit_test(refuses_a_pause_it_cannot_keep),
		cmocka_unit_test(decay_is_set_and_restored),
		cmocka_unit_test(each_arena_gets_its_own_decay_back),
		cmocka_unit_test(no_decay_returns_at_once),
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (argc > 1 && strcmp(argv[1], table[i].name) == 0)
			expected = &table[i];
	if (!expected) {
		fprintf(stderr, "usage: alloc_adapters glibc|jemalloc|tcmalloc|mimalloc\n");
		return 2;
	}
	if (!dlopen(expected->library, RTLD_LAZY | RTLD_NOLOAD)) {
		fprintf(stderr, "skipped: %s is not loaded; is it installed?\n", expected->library);
		return 77;
	}
	ops = mg_detect();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
