/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for every want in every world: guards veto or move toward the present value, never past it, never out of bounds,
 * never below live. Random worlds; the seed is printed and may be given as the argument. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "governor/guard/guard.h"
#include "governor/util/num.h"
#include "tests/check.h"

#define S      MG_NS_PER_S
#define WORLDS 200000

static uint64_t seed;

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
static uint64_t next(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
	return (unsigned)(next() % n);
}

static bool coin(void)
{
	return below(2) == 0;
}

/* Spread over the knob's decades, sometimes just outside of its ends, sometimes NaN. */
static double any_value(enum mg_knob k)
{
	const struct mg_knob_info *i = mg_knob_info(k);
	double lo = fmax(i->floor / 4, 1e-3), hi = fmin(i->ceiling * 4, 1e12);

	return below(20) == 0 ? NAN : lo * pow(hi / lo, (double)below(10001) / 10000);
}

static struct mg_amount any_amount(enum mg_knob k)
{
	bool share = below(3) == 0;

	return (struct mg_amount){ .v = share ? (double)below(150) / 100 : fmax(0, any_value(k)), .share = share, .given = coin() };
}

struct world {
	struct mg_guard_conf conf;
	struct mg_bounds bounds;
	struct mg_rule rule;
	struct mg_view view;
	struct mg_guard_state state;
	struct mg_guard_ctx c;
};

static void any_world(struct world *g)
{
	memset(g, 0, sizeof *g);
	g->conf = mg_guard_defaults;
	g->conf.max_step_ratio = (double)below(40) / 10;
	g->view.now_ns = 100000 * S;
	for (enum mg_signal i = 0; i < MG_SIG__BUILTIN; i++)
		g->view.sig[i] = coin() ? mg_known_value(pow(10, 6 + (double)below(600) / 100)) : mg_unknown_value();
	for (enum mg_knob k = 0; k < MG_KNOB__COUNT; k++) {
		g->view.knob[k].supported = below(10) > 0;
		g->view.knob[k].restore = (enum mg_restore)below(3);
		g->bounds.lo[k] = any_amount(k);
		g->bounds.hi[k] = any_amount(k);
		g->rule.step.at[k] = any_amount(k);
		g->state.set_at_ns[k] = below(4) ? 0 : g->view.now_ns - below(30) * S;
	}
	g->c = (struct mg_guard_ctx){ .conf = &g->conf, .bounds = &g->bounds, .rule = &g->rule, .view = &g->view, .state = &g->state,
				      .report_age_ns = below(20) * S, .late_tick = below(10) == 0, .vetoed_knobs = below(20) ? 0 : next(),
				      .decided_knobs = below(20) ? 0 : next() };
}

/* The bound as the documentation says it: a share is of cgroup.limit and counts for knobs in bytes while that is known. */
static double resolve(const struct world *g, const struct mg_amount *a, enum mg_knob k, double none)
{
	struct mg_value limit = g->view.sig[MG_SIG_CGROUP_LIMIT];

	if (!a->given || isnan(a->v))
		return none;
	if (!a->share)
		return a->v;
	return k == MG_KNOB_MEMORY_LIMIT && mg_known(limit) ? floor(a->v * limit.v) : none;
}

static double outside(double v, double lo, double hi)
{
	return v < lo ? lo - v : v > hi ? v - hi : 0;
}

static void check_value(const struct world *g, const struct mg_want *before, const struct mg_want *w, uint64_t at)
{
	enum mg_knob k = w->knob;
	double lo = resolve(g, &g->bounds.lo[k], k, -INFINITY), hi = resolve(g, &g->bounds.hi[k], k, INFINITY);
	double live = fmax(mg_known(g->view.sig[MG_SIG_SHIM_LIVE]) ? g->view.sig[MG_SIG_SHIM_LIVE].v : 0,
			   mg_known(g->view.sig[MG_SIG_HEAP_LIVE]) ? g->view.sig[MG_SIG_HEAP_LIVE].v : 0);
	bool first = isnan(w->from);

	check(isfinite(w->to), "seed %llu: a number comes out", (unsigned long long)at);
	check(first || (w->to - w->from) * (w->to - before->to) <= 0, "seed %llu: %g lies between the present %g and the wanted %g",
	      (unsigned long long)at, w->to, w->from, before->to);
	check(outside(w->to, lo, hi) == 0 || (!first && outside(w->to, lo, hi) < outside(w->from, lo, hi)),
	      "seed %llu: %g is within %g..%g, or on its way there from %g", (unsigned long long)at, w->to, lo, hi, w->from);
	check(k != MG_KNOB_MEMORY_LIMIT || w->to >= live || (!first && w->to > w->from), "seed %llu: the limit %g, wanted %g, present %g, is not below live %g",
	      (unsigned long long)at, w->to, before->to, w->from, live);
	check((w->guards != 0) == (w->to != before->to), "seed %llu: what was cut is marked, what is marked was cut", (unsigned long long)at);
}

static void guards_only_hold_back(void **state)
{
	static struct world g;
	static char why[MG_MAX_GUARDS][MG_WHY_MAX];
	unsigned passed = 0, cut = 0;
	(void)state;

	for (unsigned i = 0; i < WORLDS; i++) {
		uint64_t at = seed;
		any_world(&g);
		enum mg_knob k = below(MG_KNOB__COUNT);
		struct mg_want w = { .verb = MG_VERB_SET, .knob = k, .from = below(4) ? any_value(k) : NAN, .to = any_value(k) };
		const struct mg_want before = w;
		mg_guard_run(&g.c, &w, why);
		check(w.verb == before.verb && w.knob == before.knob && (w.from == before.from || isnan(w.from)), "seed %llu: nothing else is changed",
		      (unsigned long long)at);
		check(!w.vetoed || w.guards != 0, "seed %llu: a veto is marked", (unsigned long long)at);
		for (unsigned k2 = 0; mg_guards[k2].name; k2++)
			check((why[k2][0] != '\0') == !!(w.guards & 1U << k2), "seed %llu: %s gives a clause when it cuts", (unsigned long long)at, mg_guards[k2].name);
		if (w.vetoed)
			continue;
		passed++;
		cut += w.guards != 0;
		check_value(&g, &before, &w, at);
	}
	check(passed > WORLDS / 50 && cut > WORLDS / 200, "the worlds are not all vetoed: %u passed, %u of them cut", passed, cut);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(guards_only_hold_back) };

	if (argc < 2 || mg_scan_u64(argv[1], strlen(argv[1]), &seed) < 0)
		seed = (uint64_t)time(NULL);
	printf("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
