/* SPDX-License-Identifier: Apache-2.0 */
/* Each guard by table: the want before, the want after, and which guard did it. One row changes one thing of a quiet world in
 * which nothing is cut. */
#include <math.h>
#include <string.h>

#include "governor/guard/guard.h"
#include "tests/check.h"

#define S   MG_NS_PER_S
#define MIB 1048576.0
#define NOW (10000 * S)

struct world {
	struct mg_guard_conf conf;
	struct mg_bounds bounds;
	struct mg_rule rule;
	struct mg_view view;
	struct mg_guard_state state;
	struct mg_guard_ctx c;
	struct mg_want w;
	char why[MG_MAX_GUARDS][MG_WHY_MAX];
};
static struct world g;

static void start(void)
{
	memset(&g, 0, sizeof g);
	g.conf = mg_guard_defaults;
	g.view = (struct mg_view){ .now_ns = NOW, .share_ratio = 1 };
	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		g.view.sig[i] = mg_unknown_value();
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++)
		g.view.knob[k].supported = true;
	for (unsigned a = 0; a < MG_ACTION__COUNT; a++)
		g.view.action[a] = true;
	g.c = (struct mg_guard_ctx){ .conf = &g.conf, .bounds = &g.bounds, .rule = &g.rule, .view = &g.view, .state = &g.state, .report_age_ns = S };
}

static unsigned index_of(const char *name)
{
	unsigned i = 0;

	while (mg_guards[i].name && strcmp(mg_guards[i].name, name) != 0)
		i++;
	check(mg_guards[i].name != NULL, "there is a guard %s", name);
	return i;
}

static void see(enum mg_signal signal, double mib)
{
	g.view.sig[signal] = isnan(mib) ? mg_unknown_value() : mg_known_value(mib * MIB);
}

static void set(enum mg_knob knob, double from, double to)
{
	g.w = (struct mg_want){ .verb = MG_VERB_SET, .knob = knob, .from = from, .to = to };
}

static void act(enum mg_action action)
{
	g.w = (struct mg_want){ .verb = MG_VERB_ACTION, .action = action, .bytes = INFINITY, .from = NAN, .to = NAN };
}

static void restore(enum mg_knob knob, double from, double to)
{
	g.w = (struct mg_want){ .verb = MG_VERB_RESTORE, .knob = knob, .from = from, .to = to };
}

static void run(void)
{
	g.w.vetoed = false;
	g.w.guards = 0;
	mg_guard_run(&g.c, &g.w, g.why);
}

/* The want was cut by that guard alone (NULL: by none), with its clause, and is vetoed or not. */
static void expect(const char *what, const char *guard, bool vetoed)
{
	run();
	uint32_t bits = guard ? 1U << index_of(guard) : 0;
	check(g.w.guards == bits, "%s: cut by %s, got mask %x: %s", what, guard ? guard : "no guard", g.w.guards,
	      g.w.guards ? g.why[__builtin_ctz(g.w.guards)] : "");
	check(g.w.vetoed == vetoed, "%s: vetoed %d", what, g.w.vetoed);
	if (guard)
		check(strncmp(g.why[index_of(guard)], guard, strlen(guard)) == 0, "%s: the clause begins with its guard: %s", what, g.why[index_of(guard)]);
}

static void expect_to(const char *what, const char *guard, double to)
{
	expect(what, guard, false);
	check(g.w.to == to, "%s: %g, not %g", what, to, g.w.to);
}

/* ---- values ---- */

static const struct amount_row { const char *what; double lo, hi, from, to; bool veto; double result; } bounds_rows[] = {
	{ "inside", 25, 400, 100, 150, false, 150 }, { "below", 25, 400, 30, 15, false, 25 }, { "above", 25, 400, 300, 500, false, 400 },
	{ "first setting, below", 25, 400, NAN, 15, false, 25 }, { "first setting, above", 25, 400, NAN, 500, false, 400 },
	{ "present outside, want inside", 25, 400, 500, 300, false, 300 }, { "present outside, want nearer", 25, 400, 900, 500, false, 500 },
	{ "present outside, want farther", 25, 400, 500, 600, true, NAN }, { "present outside, want past the other end", 50, 100, 120, 30, false, 50 },
	{ "lower above upper", 400, 25, 100, 150, true, NAN },
};

static void keeps_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bounds_rows / sizeof bounds_rows[0]; i++) {
		const struct amount_row *r = &bounds_rows[i];
		start();
		g.conf.max_step_ratio = 1e9;
		g.bounds.lo[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = r->lo, .given = true };
		g.bounds.hi[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = r->hi, .given = true };
		set(MG_KNOB_GC_PERCENT, r->from, r->to);
		if (r->veto)
			expect(r->what, "bounds", true);
		else
			expect_to(r->what, r->result == r->to ? NULL : "bounds", r->result);
	}
}

static void resolves_shares(void **state)
{
	(void)state;
	start();
	see(MG_SIG_PROC_RSS, 10);
	g.bounds.lo[MG_KNOB_MEMORY_LIMIT] = (struct mg_amount){ .v = 128 * MIB, .given = true };
	g.bounds.hi[MG_KNOB_MEMORY_LIMIT] = (struct mg_amount){ .v = .95, .share = true, .given = true };
	set(MG_KNOB_MEMORY_LIMIT, NAN, 2000 * MIB);
	expect_to("a share of an unknown limit bounds nothing", NULL, 2000 * MIB);
	set(MG_KNOB_MEMORY_LIMIT, NAN, 64 * MIB);
	expect_to("the absolute end still does", "bounds", 128 * MIB);
	see(MG_SIG_CGROUP_LIMIT, 1000);
	set(MG_KNOB_MEMORY_LIMIT, NAN, 2000 * MIB);
	expect_to("95% of the present limit", "bounds", 950 * MIB);
	see(MG_SIG_CGROUP_LIMIT, 100);
	set(MG_KNOB_MEMORY_LIMIT, NAN, 2000 * MIB);
	expect("a limit so small that the bounds cross", "bounds", true);
}

static const struct { const char *what; enum mg_knob knob; double from, to, result; } range_rows[] = {
	{ "GC percent of 5", MG_KNOB_GC_PERCENT, 15, 5, 10 }, { "GC percent of a million", MG_KNOB_GC_PERCENT, NAN, 1e6, 10000 },
	{ "a limit of one byte", MG_KNOB_MEMORY_LIMIT, NAN, 1, 1048576 }, { "a decay of two hours", MG_KNOB_DECAY, NAN, 7200, 3600 },
};

static void keeps_the_knobs_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof range_rows / sizeof range_rows[0]; i++) {
		start();
		see(MG_SIG_SHIM_LIVE, 0);
		set(range_rows[i].knob, range_rows[i].from, range_rows[i].to);
		expect_to(range_rows[i].what, "range", range_rows[i].result);
	}
	start();
	set(MG_KNOB_GC_PERCENT, 100, NAN);
	expect("no number", "range", true);
	set(MG_KNOB_GC_PERCENT, NAN, INFINITY);
	expect_to("an infinite one", "range", 10000);
}

static const struct {
	const char *what;
	double shim_live, heap_live, resident, returnable, free_resident, from, to; /* MiB */
	bool veto;
	double result;
} live_rows[] = {
	{ "well above live", 100, NAN, 500, NAN, NAN, 500, 400, false, 400 },
	{ "below live and its margin", 300, NAN, 500, NAN, NAN, 500, 290, false, 330 },
	{ "the larger of two words on live", 100, 300, 500, NAN, NAN, 500, 290, false, 330 },
	{ "first setting below live", 300, NAN, 500, NAN, NAN, NAN, 100, false, 330 },
	{ "present below live, want lower", 300, NAN, 500, NAN, NAN, 200, 150, true, NAN },
	{ "present below live, want higher", 300, NAN, 500, NAN, NAN, 200, 250, false, 250 },
	{ "live unknown, above what cannot come back", NAN, NAN, 500, 300, NAN, 500, 300, false, 300 },
	{ "live unknown, below it", NAN, NAN, 500, 150, NAN, 500, 300, false, 350 },
	{ "free resident where returnable is unknown", NAN, NAN, 500, NAN, 150, 500, 300, false, 350 },
	{ "only resident known", NAN, NAN, 500, NAN, NAN, 600, 400, false, 500 },
	{ "nothing known, lower", NAN, NAN, NAN, NAN, NAN, 500, 400, true, NAN },
	{ "nothing known, first setting", NAN, NAN, NAN, NAN, NAN, NAN, 400, true, NAN },
	{ "nothing known, higher", NAN, NAN, NAN, NAN, NAN, 500, 600, false, 600 },
};

static void never_below_live(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof live_rows / sizeof live_rows[0]; i++) {
		start();
		see(MG_SIG_SHIM_LIVE, live_rows[i].shim_live);
		see(MG_SIG_HEAP_LIVE, live_rows[i].heap_live);
		see(MG_SIG_PROC_RSS, live_rows[i].resident);
		see(MG_SIG_SHIM_RETURNABLE, live_rows[i].returnable);
		see(MG_SIG_SHIM_FREE_RESIDENT, live_rows[i].free_resident);
		set(MG_KNOB_MEMORY_LIMIT, live_rows[i].from * MIB, live_rows[i].to * MIB);
		if (live_rows[i].veto) {
			expect(live_rows[i].what, "never-below-live", true);
			continue;
		}
		run();
		check(!g.w.vetoed && fabs(g.w.to / MIB - live_rows[i].result) < 1e-6, "%s: %g MiB, not %g", live_rows[i].what, live_rows[i].result, g.w.to / MIB);
	}
	start();
	see(MG_SIG_SHIM_LIVE, 300);
	g.bounds.hi[MG_KNOB_MEMORY_LIMIT] = (struct mg_amount){ .v = 310 * MIB, .given = true };
	set(MG_KNOB_MEMORY_LIMIT, NAN, 300 * MIB);
	expect("live and the bounds leave nothing between them", "never-below-live", true);
	start();
	set(MG_KNOB_GC_PERCENT, 100, 80);
	expect_to("other knobs are not measured against live", NULL, 80);
}

static const struct { const char *what; double step, factor, from, to, result; } step_rows[] = {
	{ "a rule's step down", 25, 0, 100, 50, 75 }, { "the rest of the way", 25, 0, 75, 50, 50 }, { "a rule's step up", 25, 0, 50, 100, 75 },
	{ "at most half", NAN, 2, 400, 100, 200 }, { "at most double", NAN, 2, 50, 400, 100 }, { "the smaller of both", 25, 2, 400, 100, 375 },
	{ "within both", 25, 2, 100, 80, 80 }, { "off has no distance", 25, 2, NAN, 50, 50 }, { "no factor is given", NAN, 0, 10, 10000, 10000 },
};

static void steps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof step_rows / sizeof step_rows[0]; i++) {
		start();
		g.conf.max_step_ratio = step_rows[i].factor;
		g.rule.step.at[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = step_rows[i].step, .given = !isnan(step_rows[i].step) };
		set(MG_KNOB_GC_PERCENT, step_rows[i].from, step_rows[i].to);
		expect_to(step_rows[i].what, step_rows[i].result == step_rows[i].to ? NULL : "step", step_rows[i].result);
	}
	start();
	g.rule.step.at[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = .1, .share = true, .given = true };
	set(MG_KNOB_GC_PERCENT, 200, 100);
	expect_to("a step as a share is of the present value", "step", 180);
	g.rule.step.at[MG_KNOB_GC_PERCENT].v = 0;
	set(MG_KNOB_GC_PERCENT, 200, 100);
	expect("a step of 0", "step", true);
	start();
	set(MG_KNOB_DECAY, 0, 10);
	expect_to("from 0 no factor leads anywhere", NULL, 10);
}

static const struct { const char *what; double from, to; bool held; } small_rows[] = {
	{ "the same", 100, 100, true }, { "4% more", 100, 104, true }, { "4% less", 100, 96, true }, { "5% less", 100, 95, false },
	{ "off before", NAN, 100, false },
};

static void holds_small_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof small_rows / sizeof small_rows[0]; i++) {
		start();
		set(MG_KNOB_GC_PERCENT, small_rows[i].from, small_rows[i].to);
		expect(small_rows[i].what, small_rows[i].held ? "hysteresis" : NULL, small_rows[i].held);
	}
	start();
	g.rule.step.at[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = 10, .given = true };
	set(MG_KNOB_GC_PERCENT, 400, 100);
	expect_to("a small step of a large change passes", "step", 390);
	restore(MG_KNOB_GC_PERCENT, 100, 100);
	expect("what is as it was needs no restore", "hysteresis", true);
	restore(MG_KNOB_GC_PERCENT, 100, 101);
	expect("a restore is never too small", NULL, false);
}

/* ---- rights, order, time ---- */

static void asks_for_rights(void **state)
{
	(void)state;
	start();
	g.view.knob[MG_KNOB_DECAY] = (struct mg_knob_view){ .supported = false };
	g.view.action[MG_ACTION_GC] = false;
	set(MG_KNOB_DECAY, NAN, 5);
	expect("a knob the target lacks", "supported", true);
	restore(MG_KNOB_DECAY, 5, NAN);
	expect("its restore", "supported", true);
	act(MG_ACTION_GC);
	expect("an action the target lacks", "supported", true);
	act(MG_ACTION_PURGE);
	expect("one it has", NULL, false);
	g.view.knob[MG_KNOB_DECAY] = (struct mg_knob_view){ .supported = true, .restore = MG_RESTORE_NONE };
	set(MG_KNOB_DECAY, NAN, 5);
	expect("a knob that cannot be put back", "restore-none", true);
	g.rule.irreversible = true;
	expect("the rule says it may", NULL, false);
}

static void holds_when_stale(void **state)
{
	(void)state;
	start();
	g.c.report_age_ns = 15 * S;
	set(MG_KNOB_GC_PERCENT, 100, 80);
	expect("a report 15 s old", NULL, false);
	g.c.report_age_ns = 15 * S + 1;
	expect("one just older", "stale", true);
	act(MG_ACTION_PURGE);
	expect("an action then", "stale", true);
	g.c.report_age_ns = MG_NEVER;
	expect("no report at all", "stale", true);
	restore(MG_KNOB_GC_PERCENT, 50, 100);
	expect("a restore passes", NULL, false);
}

static void late_ticks_tighten_nothing(void **state)
{
	(void)state;
	start();
	g.c.late_tick = true;
	set(MG_KNOB_GC_PERCENT, 100, 80);
	expect("a lower value", "late-tick", true);
	set(MG_KNOB_GC_PERCENT, NAN, 80);
	expect("a value where it was off", "late-tick", true);
	act(MG_ACTION_PURGE);
	expect("a purge", "late-tick", true);
	set(MG_KNOB_GC_PERCENT, 100, 120);
	expect("a higher value", NULL, false);
	restore(MG_KNOB_GC_PERCENT, 50, 100);
	expect("a restore", NULL, false);
}

static void the_first_rule_wins(void **state)
{
	(void)state;
	start();
	g.c.vetoed_knobs = 1ULL << MG_KNOB_GC_PERCENT;
	g.c.decided_knobs = 1ULL << MG_KNOB_DECAY;
	set(MG_KNOB_GC_PERCENT, 100, 80);
	expect("a veto of an earlier rule's stands", "earlier-rule", true);
	set(MG_KNOB_DECAY, 10, 5);
	expect("what an earlier rule set stands", "earlier-rule", true);
	restore(MG_KNOB_DECAY, 10, 5);
	expect("against a restore too", "earlier-rule", true);
	act(MG_ACTION_PURGE);
	expect("actions are nobody's knob", NULL, false);
}

static void cools_down(void **state)
{
	(void)state;
	start();
	set(MG_KNOB_GC_PERCENT, 100, 80);
	mg_guard_commit(&g.state, &g.conf, NOW, &g.w);
	g.view.now_ns = NOW + 6 * S;
	expect("6 s after a setting", "cooldown", true);
	check(strcmp(g.why[index_of("cooldown")], "cooldown: 9 s left") == 0, "the clause says how long: %s", g.why[index_of("cooldown")]);
	restore(MG_KNOB_GC_PERCENT, 80, 100);
	expect("a restore need not wait", NULL, false);
	set(MG_KNOB_DECAY, 10, 5);
	expect("another knob need not wait", NULL, false);
	act(MG_ACTION_PURGE);
	expect("an action need not wait for a knob", NULL, false);
	mg_guard_commit(&g.state, &g.conf, g.view.now_ns, &g.w);
	act(MG_ACTION_GC);
	expect("but for another action", "cooldown", true);
	g.view.now_ns = NOW + 15 * S;
	set(MG_KNOB_GC_PERCENT, 100, 80);
	expect("15 s after", NULL, false);
}

static void spends_its_budget(void **state)
{
	unsigned n = 0;
	(void)state;

	start();
	g.conf.actions_per_hour = 6;
	for (unsigned i = 0; i < 120; i++) { /* an hour, every 30 s */
		g.view.now_ns = NOW + i * 30 * S;
		act(MG_ACTION_PURGE);
		run();
		if (g.w.vetoed)
			continue;
		n++;
		mg_guard_commit(&g.state, &g.conf, g.view.now_ns, &g.w);
	}
	check(n == 11, "six at once, then one every ten minutes: 11 in the first hour, not %u", n);
	g.view.now_ns += 30 * S - 10 * S;
	act(MG_ACTION_PURGE);
	expect("then the budget says so", "budget", true);
	g.view.now_ns += 24 * 3600 * S;
	for (unsigned i = 0; i < 6; i++, g.view.now_ns += 15 * S) {
		expect("a day saves up no more than the budget", NULL, false);
		mg_guard_commit(&g.state, &g.conf, g.view.now_ns, &g.w);
	}
	expect("of six", "budget", true);
	start();
	g.conf.actions_per_hour = 0;
	act(MG_ACTION_PURGE);
	expect("no budget, no action", "budget", true);
}

static const struct { double expected, achieved; unsigned failures; uint64_t backoff_s; } verdicts[] = {
	{ 100, 100, 0, 0 }, { 100, 5, 1, 0 }, { 100, 0, 2, 0 }, { NAN, 0, 2, 0 }, { INFINITY, 0, 2, 0 }, { 0, 0, 2, 0 }, { 100, NAN, 2, 0 },
	{ 100, 9.9, 3, 60 }, { 100, 0, 4, 120 }, { 100, 0, 5, 240 }, { 100, 0, 6, 480 }, { 100, 0, 7, 960 }, { 100, 0, 8, 1920 },
	{ 100, 0, 9, 3840 }, { 100, 0, 10, 3840 }, { 100, 10, 0, 0 },
};

static void backs_off(void **state)
{
	(void)state;
	start();
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
		mg_guard_judge(&g.state, NOW, verdicts[i].expected, verdicts[i].achieved);
		check(g.state.failures == verdicts[i].failures, "verdict %zu: %u failures in a row", i, g.state.failures);
		uint64_t until = verdicts[i].backoff_s ? NOW + verdicts[i].backoff_s * S : 0;
		check(g.state.backoff_until_ns == until, "verdict %zu: backs off for %llu s", i, (unsigned long long)verdicts[i].backoff_s);
		act(MG_ACTION_PURGE);
		expect("an action", verdicts[i].backoff_s ? "backoff" : NULL, verdicts[i].backoff_s > 0);
		set(MG_KNOB_GC_PERCENT, 100, 80);
		expect("a setting goes on", NULL, false);
	}
}

/* ---- the list ---- */

static void the_list_is_named(void **state)
{
	static const char *const order[] = { "supported", "restore-none", "stale", "late-tick", "earlier-rule", "bounds", "range",
		"never-below-live", "hysteresis", "step", "cooldown", "backoff", "budget" };
	unsigned n = 0;
	(void)state;

	for (; mg_guards[n].name; n++) {
		check(n < 13 && strcmp(mg_guards[n].name, order[n]) == 0, "guard %u is %s", n, mg_guards[n].name);
		check(mg_guards[n].help[0] != '\0' && mg_guards[n].check != NULL, "%s has a help and a check", mg_guards[n].name);
	}
	check(n == 13, "thirteen guards, not %u", n);
}

static void a_veto_ends_the_run(void **state)
{
	(void)state;
	start();
	g.view.action[MG_ACTION_PURGE] = false;
	g.c.late_tick = true;
	g.conf.actions_per_hour = 0;
	memset(g.why, 'x', sizeof g.why);
	act(MG_ACTION_PURGE);
	expect("three reasons to refuse", "supported", true);
	check(g.why[index_of("late-tick")][0] == '\0' && g.why[index_of("budget")][0] == '\0', "the first is the one told");
}

static void several_guards_cut(void **state)
{
	(void)state;
	start();
	g.bounds.lo[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = 25, .given = true };
	set(MG_KNOB_GC_PERCENT, 400, 5);
	run();
	check(!g.w.vetoed && g.w.to == 200, "from 400 to 5: first to the bound of 25, then half way: %g", g.w.to);
	check(g.w.guards == (1U << index_of("bounds") | 1U << index_of("step")), "both are marked");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_bounds), cmocka_unit_test(resolves_shares), cmocka_unit_test(keeps_the_knobs_ends),
		cmocka_unit_test(never_below_live), cmocka_unit_test(steps), cmocka_unit_test(holds_small_changes),
		cmocka_unit_test(asks_for_rights), cmocka_unit_test(holds_when_stale), cmocka_unit_test(late_ticks_tighten_nothing),
		cmocka_unit_test(the_first_rule_wins), cmocka_unit_test(cools_down), cmocka_unit_test(spends_its_budget),
		cmocka_unit_test(backs_off), cmocka_unit_test(the_list_is_named), cmocka_unit_test(a_veto_ends_the_run),
		cmocka_unit_test(several_guards_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
