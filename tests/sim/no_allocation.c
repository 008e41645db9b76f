/* SPDX-License-Identifier: Apache-2.0 */
/* The promise "memgov's own code allocates nothing per tick", held by counting: every malloc of the project's code is
 * wrapped by the linker, and 10,000 ticks of a governor that decides, acts and records must not reach one. */
#include <math.h>

#include "tests/check.h"
#include "tests/sim/sim.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static unsigned long calls;

void *__wrap_malloc(size_t n) { calls++; return __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { calls++; return __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { calls++; return __real_realloc(p, n); }
void __wrap_free(void *p) { calls++; __real_free(p); }

static const char yaml[] =
	"version: 1\nmode: enforce\ntargets:\n  t:\n    match: { exe: \"*\" }\n    rules:\n"
	"      - policy: memory-limit\n        of: cgroup.limit or max(proc.rss, 1h)\n"
	"      - policy: idle-return\n"
	"      - policy: threshold\n        when: slope(proc.rss, 1m) > 0 and cgroup.headroom < 50% for 5s\n        do: { purge: { bytes: 50% } }\n";

static void ticks_allocate_nothing(void **state)
{
	static struct sim s;

	(void)state;
	sim_start(&s, yaml);
	struct sim_proc *a = sim_add(&s, "a", 100 * MIB, GIB), *b = sim_add(&s, "b", 300 * MIB, INFINITY);
	sim_run(&s, 10);
	calls = 0;
	for (unsigned i = 0; i < 10000; i++) {
		sim_live(a, (100 + 400 * (i / 30 % 2)) * MIB);
		sim_live(b, (300 + i % 700) * MIB);
		a->cpu = i / 60 % 2 ? 0 : 0.5;
		sim_tick(&s);
	}
	check(calls == 0, "10,000 ticks made %lu calls of the allocator", calls);
	check(a->sets + a->purges > 10, "while it governed: %u settings, %u purges", a->sets, a->purges);
	__wrap_free(__wrap_malloc(1));
	check(calls == 2, "the wrapping works: %lu calls seen of 2", calls);
	sim_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ticks_allocate_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
