/* SPDX-License-Identifier: Apache-2.0 */
/* Samples age, windows slide, counters reset: with the clock in every row. */
#include <math.h>

#include "governor/observe/observe.h"
#include "tests/check.h"

#define S MG_NS_PER_S

static bool same(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

static const struct { const char *what; double value; uint64_t at_s, now_s; bool known; uint64_t age_s; } samples[] = {
	{ "fresh", 5, 100, 100, true, 0 }, { "at its max_age", 5, 100, 110, true, 10 }, { "one second older", 5, 100, 111, false, 11 },
	{ "NaN", NAN, 100, 100, false, 0 }, { "of the future", 5, 100, 99, true, 0 }, { "infinite", INFINITY, 100, 101, true, 1 },
};

static void samples_age(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		struct mg_sample s = { samples[i].value, samples[i].at_s * S, 10 * S };
		struct mg_value v = mg_sample_read(&s, samples[i].now_s * S);
		check(v.known == samples[i].known, "a sample that is %s is known: %d", samples[i].what, v.known);
		check(v.age_ns == samples[i].age_s * S, "a sample that is %s knows its age", samples[i].what);
		check(!v.known || v.v == samples[i].value, "a sample that is %s keeps its value", samples[i].what);
	}
	struct mg_sample never = { 0, 0, 10 * S };
	struct mg_value v = mg_sample_read(&never, 100 * S);
	check(!v.known && v.age_ns == MG_NEVER, "a sample never taken is unknown and infinitely old");
}

struct push { uint64_t at_s; double v; };

static const struct window_case {
	const char *what;
	uint64_t span_s;
	enum mg_signal_kind kind;
	struct push push[8];
	uint64_t now_s, max_age_s;
	double expect[6]; /* by enum mg_window_fn; NAN: unknown */
} windows[] = {
	{ "empty", 60, MG_SIGNAL_GAUGE, { { 0 } }, 100, 60, { NAN, NAN, NAN, NAN, NAN, NAN } },
	{ "of one sample", 60, MG_SIGNAL_GAUGE, { { 90, 7 } }, 100, 60, { 7, 7, 7, NAN, NAN, NAN } },
	{ "of a line", 60, MG_SIGNAL_GAUGE, { { 100, 10 }, { 110, 20 }, { 120, 30 }, { 130, 40 } }, 130, 60, { 10, 40, 25, 30, 1, 1 } },
	{ "of a falling line", 60, MG_SIGNAL_GAUGE, { { 100, 40 }, { 110, 30 }, { 120, 20 } }, 120, 60, { 20, 40, 30, -20, -1, -1 } },
	{ "of uneven spacing", 320, MG_SIGNAL_GAUGE, { { 100, 0 }, { 110, 10 }, { 300, 200 } }, 300, 60, { 0, 200, 70, 200, 1, 1 } },
	{ "within one bucket", 3200, MG_SIGNAL_GAUGE, { { 1, 10 }, { 2, 30 }, { 3, 20 } }, 3, 60, { 10, 30, 20, 10, 5, 5 } },
	{ "whose old part slid out", 32, MG_SIGNAL_GAUGE, { { 100, 1000 }, { 140, 1 }, { 150, 2 } }, 160, 60, { 1, 2, 1.5, 1, .1, .1 } },
	{ "that keeps its whole span", 32, MG_SIGNAL_GAUGE, { { 100, 9 }, { 132, 1 } }, 132, 60, { 1, 9, 5, -8, -.25, -.25 } },
	{ "whose newest is stale", 60, MG_SIGNAL_GAUGE, { { 100, 1 }, { 110, 2 } }, 120, 9, { NAN, NAN, NAN, NAN, NAN, NAN } },
	{ "of NaN", 60, MG_SIGNAL_GAUGE, { { 100, NAN }, { 110, INFINITY } }, 110, 60, { NAN, NAN, NAN, NAN, NAN, NAN } },
	{ "fed the same twice", 60, MG_SIGNAL_GAUGE, { { 100, 1 }, { 100, 1 }, { 110, 4 }, { 105, 9 } }, 110, 60, { 1, 4, 2.5, 3, .3, .3 } },
	{ "of a counter", 60, MG_SIGNAL_COUNTER, { { 100, 10 }, { 110, 30 }, { 120, 50 } }, 120, 60, { 10, 50, 30, 40, 2, 2 } },
	{ "of a counter that was reset", 60, MG_SIGNAL_COUNTER, { { 100, 100 }, { 110, 120 }, { 120, 5 }, { 130, 25 } }, 130, 60,
	  { 5, 120, 62.5, 45, 1.5, NAN } },
	{ "of a counter reset inside a bucket", 3200, MG_SIGNAL_COUNTER, { { 1, 100 }, { 2, 3 }, { 3, 5 } }, 3, 60, { 3, 100, 36, 5, 2.5, NAN } },
	{ "of a counter whose jump came before it", 32, MG_SIGNAL_COUNTER, { { 10, 0 }, { 100, 900 }, { 110, 910 } }, 110, 60,
	  { 900, 910, 905, 10, 1, 1 } },
};

static const char *const fn_names[] = { "min", "max", "avg", "delta", "rate", "slope" };

static void check_window(const struct window_case *c)
{
	struct mg_window *w = mg_window_new(c->span_s * S, c->kind);

	check(w != NULL, "a window is made");
	for (unsigned i = 0; i < 8 && c->push[i].at_s; i++)
		mg_window_push(w, c->push[i].at_s * S, c->push[i].v);
	for (unsigned f = 0; f < 6; f++) {
		struct mg_value v = mg_window_read(w, (enum mg_window_fn)f, c->now_s * S, c->max_age_s * S);
		if (f == MG_WINDOW_SLOPE && c->kind == MG_SIGNAL_COUNTER)
			continue; /* refused when the expression is compiled */
		check(v.known == !isnan(c->expect[f]), "%s of a window %s is known: %d", fn_names[f], c->what, v.known);
		check(!v.known || same(v.v, c->expect[f]), "%s of a window %s is %g, not %g", fn_names[f], c->what, c->expect[f], v.v);
	}
	check(mg_window_free(w) == NULL, "a freed window is NULL");
}

static void windows_fold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++)
		check_window(&windows[i]);
}

/* Against the plain definition, over every second of a long run with a gap longer than the window. */
static void windows_slide(void **state)
{
	enum { SECONDS = 1000, SPAN = 64 };
	static double at[SECONDS + 1];
	struct mg_window *w = mg_window_new(SPAN * S, MG_SIGNAL_GAUGE);
	(void)state;

	for (unsigned t = 1; t <= SECONDS; t++) {
		at[t] = t > 400 && t < 600 ? NAN : (double)(t * 7919U % 101U);
		mg_window_push(w, t * S, at[t]);
		double whole = -1, wider = -1; /* the span, and the span plus the bucket in which its start lies */
		for (unsigned k = t > SPAN + 2 ? t - SPAN - 2 : 1; k <= t; k++) {
			wider = fmax(wider, at[k]);
			whole = k + SPAN >= t ? fmax(whole, at[k]) : whole;
		}
		struct mg_value v = mg_window_read(w, MG_WINDOW_MAX, t * S, SPAN * S);
		check(!v.known || (v.v >= whole && v.v <= wider), "second %u: the maximum %g is between %g and %g", t, v.v, whole, wider);
		check(v.known == (t < 465 || t >= 600), "second %u: known %d", t, v.known);
	}
	mg_window_free(w);
}

static void mean_follows(void **state)
{
	struct mg_ewma e = { 0 };
	(void)state;

	mg_ewma_push(&e, 10 * S, 100, 10 * S);
	check(e.v == 100, "the first value is taken whole");
	mg_ewma_push(&e, 20 * S, 200, 10 * S);
	check(same(e.v, 100 + 100 * (1 - exp(-1))), "one time constant later 63 %% of a step is followed, not %g", e.v);
	mg_ewma_push(&e, 30 * S, NAN, 10 * S);
	check(same(e.v, 100 + 100 * (1 - exp(-1))) && e.at_ns == 20 * S, "NaN changes nothing");
	struct mg_ewma one = { 0 }, two = { 0 };
	mg_ewma_push(&one, 1 * S, 0, 10 * S);
	mg_ewma_push(&two, 1 * S, 0, 10 * S);
	mg_ewma_push(&one, 21 * S, 50, 10 * S);
	mg_ewma_push(&two, 11 * S, 50, 10 * S);
	mg_ewma_push(&two, 21 * S, 50, 10 * S);
	check(same(one.v, two.v), "how often a constant is sampled does not matter: %g and %g", one.v, two.v);
	mg_ewma_push(&one, 22 * S, 7, 0);
	check(one.v == 7, "without a time constant the mean is the value");
}

static const struct { const char *what; uint64_t at_s; double reading; double rate; } readings[] = {
	{ "the first", 10, 100, NAN }, { "ten in ten seconds", 20, 110, 1 }, { "none", 30, 110, 0 }, { "a reset", 40, 20, 2 },
	{ "at the same time", 40, 500, NAN }, { "NaN", 50, NAN, NAN }, { "after NaN", 60, 60, 2 }, { "back in time", 55, 90, NAN },
};

static void rates_reset(void **state)
{
	struct mg_rate r = { 0 };
	(void)state;

	for (size_t i = 0; i < sizeof readings / sizeof readings[0]; i++) {
		struct mg_value v = mg_rate_push(&r, readings[i].at_s * S, readings[i].reading);
		check(v.known == !isnan(readings[i].rate), "a reading that is %s gives a rate: %d", readings[i].what, v.known);
		check(!v.known || same(v.v, readings[i].rate), "a reading that is %s gives %g, not %g", readings[i].what, readings[i].rate, v.v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_age), cmocka_unit_test(windows_fold), cmocka_unit_test(windows_slide),
		cmocka_unit_test(mean_follows), cmocka_unit_test(rates_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
