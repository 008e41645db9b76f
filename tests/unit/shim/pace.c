/* SPDX-License-Identifier: Apache-2.0 */
/* The pace and the soft limit as stories: each row is one look at the process, with its clock, and what must come of it. */
#include "shim/alloc/adapter.h"
#include "tests/check.h"

#define MIB 1048576ull
#define MS 1000000ull
#define UNKNOWN MG_STAT_UNKNOWN
#define ANY UINT64_MAX

/* Sizes in MiB, times in ms. `returned` is told to the pace when the look asked for a purge. */
struct row {
	uint64_t at_ms, resident, live, unused, returnable;
	uint64_t want, next_ms;
	uint64_t returned;
	const char *says;
};

struct story {
	const char *name;
	uint64_t gc_percent, limit;
	const struct row *rows;
};

static uint64_t mib(uint64_t n)
{
	return n == UNKNOWN ? UNKNOWN : n * MIB;
}

static void look(struct mg_pace *p, const struct story *s, const struct row *r)
{
	struct mg_pace_conf conf = { s->gc_percent, mib(s->limit) };
	struct mg_pace_look l = { r->at_ms * MS, mib(r->resident), mib(r->live), mib(r->unused), mib(r->returnable) };
	uint64_t next = 0, want = mg_pace_step(p, &conf, &l, &next);

	check(want / MIB == r->want, "%s, at %llu ms: %llu MiB wanted, %llu expected: %s", s->name, (unsigned long long)r->at_ms,
	      (unsigned long long)(want / MIB), (unsigned long long)r->want, r->says);
	check(next >= 20 * MS && next <= 5000 * MS, "%s, at %llu ms: the next look is in 20 ms to 5 s, got %llu ns", s->name,
	      (unsigned long long)r->at_ms, (unsigned long long)next);
	check(r->next_ms == ANY || next / MS == r->next_ms, "%s, at %llu ms: next look in %llu ms, %llu expected: %s", s->name,
	      (unsigned long long)r->at_ms, (unsigned long long)(next / MS), (unsigned long long)r->next_ms, r->says);
	if (want)
		mg_pace_purged(p, l.now_ns, l.resident - mib(r->returned), mib(r->returned));
}

#define U UNKNOWN
#define END { .says = NULL }

static const struct row off[] = {
	{ 1000, 100, 50, 50, 50, 0, 5000, 0, "nothing is set" },
	{ 2000, 900, 50, 850, 850, 0, 5000, 0, "however fast it grows" },
	END,
};

static const struct row limit[] = {
	{ 1000, 100, U, U, U, 0, 5000, 0, "no slope known yet" },
	{ 2000, 200, U, U, U, 0, 3120, 0, "312 MiB away at 100 MiB/s" },
	{ 3000, 400, U, U, U, 0, 560, 0, "112 MiB away at 200 MiB/s" },
	{ 3500, 544, U, U, U, 48, 20, 60, "32 above, and a margin of 1/32 of the limit" },
	{ 3520, 484, U, U, U, 0, ANY, 0, "below again" },
	{ 3600, 511, U, U, U, 0, 20, 0, "1 MiB away at 337 MiB/s: the soonest look" },
	END,
};

static const struct row slope_is_forgotten[] = {
	{ 1000, 100, U, U, U, 0, 5000, 0, "start" },
	{ 2000, 200, U, U, U, 0, 3120, 0, "100 MiB/s" },
	{ 12000, 200, U, U, U, 0, 5000, 0, "50 MiB/s after 10 s of quiet: 6.2 s, at the latest 5" },
	{ 12010, 412, U, U, U, 0, 20, 0, "a jump: 21 GiB/s" },
	{ 700000, 412, U, U, U, 0, 5000, 0, "eleven minutes later all is forgotten" },
	END,
};

static const struct row pace[] = {
	{ 1000, 150, 100, 50, 50, 0, 5000, 0, "half of what may be free" },
	{ 2000, 210, 100, 110, 110, 10, 20, 10, "10 MiB over 100 % of live" },
	{ 3000, 200, 100, 100, 100, 0, ANY, 0, "exactly at the trigger" },
	{ 4000, 202, 100, 102, 102, 0, ANY, 0, "2 MiB over: less than 1/32 of resident is not worth it" },
	{ 5000, 400, 300, 100, 100, 0, ANY, 0, "live grew, so more may be free" },
	{ 6000, 700, 300, U, U, 100, 20, 100, "free is resident - live where it is not reported" },
	END,
};

static const struct row pace_without_live[] = {
	{ 1000, 100, U, U, U, 0, 5000, 0, "the first look is the floor" },
	{ 2000, 80, U, U, U, 0, 5000, 0, "and follows a fall" },
	{ 3000, 150, U, U, U, 0, ANY, 0, "70 over a floor of 80" },
	{ 4000, 180, U, U, U, 20, 20, 90, "100 over a floor of 80: 20 too much" },
	{ 5000, 170, U, U, U, 0, ANY, 0, "80 over the new floor of 90" },
	{ 6000, 200, U, U, U, 20, 20, 0, "110 over 90, but all of it was live" },
	{ 7000, 200, U, U, U, 0, ANY, 0, "so 200 is the new floor" },
	{ 8000, 390, U, U, U, 0, ANY, 0, "190 over 200 is allowed" },
	{ 9000, 420, U, U, U, 20, 20, 20, "220 is not" },
	END,
};

static const struct row backs_off[] = {
	{ 1000, 600, U, U, U, 104, 20, 0, "above the limit, nothing comes back" },
	{ 1020, 600, U, U, U, 0, 980, 0, "1 s of pause" },
	{ 2000, 600, U, U, U, 104, 20, 1, "1 MiB of 600 is next to nothing" },
	{ 2500, 599, U, U, U, 0, 1500, 0, "2 s of pause" },
	{ 4000, 599, U, U, U, 103, 20, 0, "third time" },
	{ 8000, 599, U, U, U, 103, 20, 0, "after 4 s" },
	{ 16000, 599, U, U, U, 103, 20, 0, "after 8 s" },
	{ 32000, 599, U, U, U, 103, 20, 0, "after 16 s" },
	{ 64000, 599, U, U, U, 103, 20, 0, "after 32 s" },
	{ 123000, 599, U, U, U, 0, 1000, 0, "the pause does not pass 60 s" },
	{ 124000, 599, U, U, U, 103, 20, 0, "nor end before" },
	{ 183000, 599, U, U, U, 0, 1000, 0, "60 s again" },
	{ 183500, 650, U, U, U, 154, 20, 100, "it grew noticeably: at once" },
	{ 183520, 550, U, U, U, 54, 20, 50, "that gave something: no pause" },
	END,
};

static const struct row nothing_to_return[] = {
	{ 1000, 600, U, U, 0, 0, 5000, 0, "the allocator says there is nothing" },
	{ 2000, 620, U, U, 0, 0, 968, 0, "look again when 1/32 more may have come at 20 MiB/s" },
	{ 3000, 620, U, U, 30, 124, 20, 30, "now there is" },
	END,
};

static const struct row both[] = {
	{ 1000, 500, 100, 300, 300, 200, 20, 200, "the pace wants 200, the limit nothing" },
	{ 2000, 560, 300, 260, 260, 64, 20, 60, "the limit wants 64, the pace nothing" },
	END,
};

static const struct row clock_stands_still[] = {
	{ 1000, 100, U, U, U, 0, 5000, 0, "start" },
	{ 1000, 300, U, U, U, 0, 5000, 0, "no time passed: no slope, no division" },
	{ 900, 400, U, U, U, 0, 5000, 0, "nor when it goes back" },
	END,
};

static const struct row small_process[] = {
	{ 1000, 2, 1, 1, 1, 0, 5000, 0, "1 MiB over 10 % of 1 MiB: below a MiB" },
	{ 2000, 4, 1, 3, 3, 2, 20, 2, "2.9 MiB are worth it" },
	END,
};

static const struct story stories[] = {
	{ "off", U, U, off },
	{ "limit", U, 512, limit },
	{ "slope is forgotten", U, 512, slope_is_forgotten },
	{ "pace", 100, U, pace },
	{ "pace without live", 100, U, pace_without_live },
	{ "backs off", U, 512, backs_off },
	{ "nothing to return", U, 512, nothing_to_return },
	{ "both", 100, 512, both },
	{ "clock stands still", U, 512, clock_stands_still },
	{ "small process", 10, U, small_process },
};

static void stories_come_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
		struct mg_pace p = { 0 };

		for (const struct row *r = stories[i].rows; r->says; r++)
			look(&p, &stories[i], r);
	}
}

/* Whatever is looked at: the delay is in bounds, and a purge that gives nothing is soon asked for no more than once a minute. */
static void never_spins(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 0, 1, MIB, 512 * MIB, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX };
	enum { N = sizeof sizes / sizeof sizes[0] };

	for (unsigned c = 0; c < N * N * N; c++) {
		struct mg_pace_conf conf = { c % 2 ? 100 : UINT64_MAX - 1, sizes[c % N] };
		struct mg_pace_look l = { 1, sizes[c / N % N], sizes[c / N / N], MG_STAT_UNKNOWN, MG_STAT_UNKNOWN };
		struct mg_pace p = { 0 };
		unsigned purges = 0;

		for (unsigned looks = 0; l.now_ns < 600000 * MS; looks++) {
			uint64_t next = 0;

			check(looks < 1000, "ten minutes with nothing to return take few looks (case %u)", c);
			if (mg_pace_step(&p, &conf, &l, &next)) {
				purges++;
				mg_pace_purged(&p, l.now_ns, l.resident, 0);
			}
			check(next >= 20 * MS && next <= 5000 * MS, "the delay is in bounds, got %llu (case %u)",
			      (unsigned long long)next, c);
			l.now_ns += next;
		}
		check(purges <= 16, "six doublings, then one a minute: %u purges in ten minutes (case %u)", purges, c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stories_come_out), cmocka_unit_test(never_spins) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
