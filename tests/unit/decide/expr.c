/* SPDX-License-Identifier: Apache-2.0 */
/* Rule expressions: what they mean, what is refused with which words, and three-valued logic in full. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/check.h"
#include "tests/unit/decide/names.h"

#define S   MG_NS_PER_S
#define MIB 1048576.0
#define NOW (1000 * S)

static struct mg_sample target[MG_SIG__BUILTIN], source[N_APP];
static struct mg_expr_env env = { .now_ns = NOW, .target = target, .source = source, .n_source = N_APP };

/* The world every row sees: a 1 GiB container, 300 MiB used; the app's level unknown. */
static void set_up(void)
{
	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		target[i] = (struct mg_sample){ .value = NAN, .at_ns = NOW, .max_age_ns = 5 * S };
	target[MG_SIG_CGROUP_LIMIT].value = 1024 * MIB;
	target[MG_SIG_CGROUP_USAGE].value = 300 * MIB;
	target[MG_SIG_CGROUP_HEADROOM].value = .25;
	target[MG_SIG_PROC_RSS].value = 200 * MIB;
	target[MG_SIG_PROC_THREADS].value = 0;
	target[MG_SIG_HEAP_GC_PERCENT].value = 100;
	source[APP_HEAP_INUSE] = (struct mg_sample){ 900e6, NOW, 15 * S };
	source[APP_GCS] = (struct mg_sample){ 50, NOW, 15 * S };
	source[APP_LEVEL] = (struct mg_sample){ NAN, NOW, 15 * S };
	env.now_ns = NOW;
}

static struct mg_expr *compile(const char *text, enum mg_unit want)
{
	struct mg_expr *e = NULL;
	struct mg_err err = { "" };
	size_t at = 0;
	int r = mg_expr_compile(text, want, &test_names, &e, &at, &err);

	check(r == 0, "`%s` compiles: at %zu: %s", text, at, err.text);
	return e;
}

/* ---- what they mean ---- */

static const struct { const char *text; enum mg_tri is; } conditions[] = {
	{ "app.heap_inuse > 800MB", MG_YES }, { "app.heap_inuse > 800MiB and cgroup.headroom < 20%", MG_NO },
	{ "app.heap_inuse > 1GB", MG_NO }, { "app.level > 5", MG_UNKNOWN }, { "shim.live > 1MiB", MG_UNKNOWN },
	{ "cgroup.headroom < 30%", MG_YES }, { "cgroup.headroom < 0.3", MG_YES }, { "cgroup.headroom >= 0.25", MG_YES },
	{ "cgroup.headroom != 25%", MG_NO }, { "cgroup.headroom == 25%", MG_YES }, { "heap.gc_percent <= 100", MG_YES },
	{ "not cgroup.headroom < 30%", MG_NO }, { "not not cgroup.headroom < 30%", MG_YES },
	{ "not proc.threads > 0 and cgroup.headroom < 30%", MG_YES }, /* not binds tighter than and */
	{ "proc.threads > 0 or cgroup.headroom < 30% and proc.threads == 0", MG_YES },
	{ "proc.threads == 0 or proc.threads > 5 and app.level > 5", MG_YES }, /* and binds tighter than or */
	{ "(proc.threads == 0 or proc.threads > 5) and proc.threads > 5", MG_NO },
	{ "cgroup.usage > 0.2 * cgroup.limit", MG_YES }, { "cgroup.usage / cgroup.limit > 40%", MG_NO },
	{ "cgroup.usage / proc.threads > 1MiB", MG_UNKNOWN }, { "proc.rss / 0 > 1MiB", MG_UNKNOWN },
	{ "cgroup.limit - cgroup.usage - proc.rss > 500MiB", MG_YES }, { "cgroup.limit - (cgroup.usage - proc.rss) > 900MiB", MG_YES },
	{ "2 + 3 * 4 == 14", MG_YES }, { "(2 + 3) * 4 == 20", MG_YES }, { "12 / 3 / 2 == 2", MG_YES }, { "-2 + 3 == 1", MG_YES },
	{ "10 - -2 == 12", MG_YES }, { "-(2 + 3) == -5", MG_YES }, { "abs(2 - 5) == 3", MG_YES },
	{ "min(cgroup.limit, 512MiB, 2GiB) == 512MiB", MG_YES }, { "max(cgroup.usage, proc.rss) == cgroup.usage", MG_YES },
	{ "min(shim.live, 2GiB) < 1GiB", MG_UNKNOWN }, { "(shim.live or proc.rss) == proc.rss", MG_YES },
	{ "(shim.live or heap.live or 5MiB) == 5MiB", MG_YES }, { "(shim.live or heap.live) > 0", MG_UNKNOWN },
	{ "1GiB / 10s == 102.4MiB / 1s", MG_YES }, { "proc.rss / (10MiB / 1s) == 20s", MG_YES }, { "(5MiB / 1s) * 2s == 10MiB", MG_YES },
	{ "2x * proc.rss == 400MiB", MG_YES }, { "\tproc.threads\n==\r0 ", MG_YES },
};

static void conditions_mean(void **state)
{
	(void)state;
	set_up();
	for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
		struct mg_expr *e = compile(conditions[i].text, MG_UNIT_BOOL);
		struct mg_expr_state *s = mg_expr_state_new(e);
		enum mg_tri r = mg_expr_cond(e, s, &env);
		check(r == conditions[i].is, "`%s` is %d, not %d", conditions[i].text, conditions[i].is, r);
		check(strcmp(mg_expr_text(e), conditions[i].text) == 0, "the text is kept as written");
		mg_expr_state_free(s);
		mg_expr_free(e);
	}
}

static const struct { const char *text; enum mg_unit want; double v; } quantities[] = {
	{ "cgroup.limit", MG_UNIT_BYTES, 1024 * MIB }, { "min(cgroup.limit, 512MiB)", MG_UNIT_BYTES, 512 * MIB },
	{ "0.8 * cgroup.limit", MG_UNIT_BYTES, 0.8 * 1024 * MIB }, { "50% * cgroup.limit", MG_UNIT_BYTES, 512 * MIB },
	{ "cgroup.limit / 2", MG_UNIT_BYTES, 512 * MIB }, { "4096", MG_UNIT_BYTES, 4096 }, { "shim.live", MG_UNIT_BYTES, NAN },
	{ "cgroup.usage / cgroup.limit", MG_UNIT_RATIO, 300.0 / 1024 }, { "-proc.rss", MG_UNIT_BYTES, -200 * MIB },
};

static void quantities_mean(void **state)
{
	(void)state;
	set_up();
	for (size_t i = 0; i < sizeof quantities / sizeof quantities[0]; i++) {
		struct mg_expr *e = compile(quantities[i].text, quantities[i].want);
		struct mg_expr_state *s = mg_expr_state_new(e);
		struct mg_value v = mg_expr_value(e, s, &env);
		check(v.known == !isnan(quantities[i].v), "`%s` is known: %d", quantities[i].text, v.known);
		check(!v.known || fabs(v.v - quantities[i].v) < 1, "`%s` is %g, not %g", quantities[i].text, quantities[i].v, v.v);
		mg_expr_state_free(s);
		mg_expr_free(e);
	}
}

/* ---- three values ---- */

static void three_values(void **state)
{
	const enum mg_tri N = MG_NO, Y = MG_YES, U = MG_UNKNOWN;
	static const char *const said[] = { [MG_NO] = "1 > 2", [MG_YES] = "1 < 2", [MG_UNKNOWN] = "app.level > 0" };
	const enum mg_tri and_table[3][3] = { { N, N, N }, { N, Y, U }, { N, U, U } };
	const enum mg_tri or_table[3][3] = { { N, Y, U }, { Y, Y, Y }, { U, Y, U } };
	const enum mg_tri not_table[3] = { Y, N, U };
	char text[64];
	(void)state;

	set_up();
	for (unsigned a = 0; a < 3; a++)
		for (unsigned b = 0; b < 9; b++) {
			snprintf(text, sizeof text, "%s %s %s", said[a], b < 3 ? "and" : b < 6 ? "or" : "and not", said[b % 3]);
			struct mg_expr *e = compile(text, MG_UNIT_BOOL);
			enum mg_tri want = b < 3 ? and_table[a][b] : b < 6 ? or_table[a][b % 3] : and_table[a][not_table[b % 3]];
			enum mg_tri r = mg_expr_cond(e, NULL, &env);
			check(r == want, "`%s` is %d, not %d", text, want, r);
			mg_expr_free(e);
		}
}

static void unknown_by_age(void **state)
{
	struct mg_expr *e = compile("(cgroup.limit or 5MiB) + proc.rss", MG_UNIT_BYTES);
	(void)state;

	set_up();
	target[MG_SIG_PROC_RSS].at_ns = NOW - 4 * S;
	struct mg_value v = mg_expr_value(e, NULL, &env);
	check(v.known && v.age_ns == 4 * S, "a value is as old as its oldest part");
	target[MG_SIG_CGROUP_LIMIT].at_ns = NOW - 6 * S;
	v = mg_expr_value(e, NULL, &env);
	check(v.known && v.v == 205 * MIB, "a limit past its max_age is passed over");
	target[MG_SIG_PROC_RSS].at_ns = NOW - 6 * S;
	check(!mg_expr_value(e, NULL, &env).known, "a sum with a stale part is unknown");
	mg_expr_free(e);
	e = compile("app.heap_inuse > 1MB", MG_UNIT_BOOL);
	struct mg_expr_env fewer = env;
	fewer.n_source = APP_HEAP_INUSE;
	check(mg_expr_cond(e, NULL, &fewer) == MG_UNKNOWN, "a source signal that is not there is unknown");
	mg_expr_free(e);
}

/* ---- over time ---- */

/* `for 15s` with one evaluation per row. */
static const struct { uint64_t at_s; double bytes; enum mg_tri is; } spells[] = {
	{ 0, 700e6, MG_NO }, { 1, 900e6, MG_NO }, { 10, 900e6, MG_NO }, { 15, 900e6, MG_NO }, { 16, 900e6, MG_YES }, { 20, 900e6, MG_YES },
	{ 21, 700e6, MG_NO }, { 22, 900e6, MG_NO }, { 36, 900e6, MG_NO }, { 37, NAN, MG_UNKNOWN }, { 38, 900e6, MG_NO },
	{ 52, 900e6, MG_NO }, { 53, 900e6, MG_YES },
};

static void holds_for_a_time(void **state)
{
	struct mg_expr *e = compile("app.heap_inuse > 800MB for 15s", MG_UNIT_BOOL);
	struct mg_expr_state *s = mg_expr_state_new(e);
	(void)state;

	set_up();
	for (size_t i = 0; i < sizeof spells / sizeof spells[0]; i++) {
		env.now_ns = NOW + spells[i].at_s * S;
		source[APP_HEAP_INUSE].value = spells[i].bytes;
		source[APP_HEAP_INUSE].at_ns = env.now_ns;
		enum mg_tri r = mg_expr_cond(e, s, &env);
		check(r == spells[i].is, "at %llu s with %g bytes: %d, not %d", (unsigned long long)spells[i].at_s, spells[i].bytes, spells[i].is, r);
	}
	mg_expr_state_free(s);
	mg_expr_free(e);
}

static const struct { const char *text; double v; } over_time[] = {
	{ "max(proc.rss, 1h)", 400 * MIB }, { "min(proc.rss, 1h)", 100 * MIB }, { "avg(proc.rss, 1h)", 200 * MIB }, { "max(proc.rss)", 100 * MIB },
	{ "max(proc.rss, 10m) - min(proc.rss, 1h)", 200 * MIB }, { "cgroup.limit or max(proc.rss, 1h)", 1024 * MIB },
	{ "shim.live or max(proc.rss, 1h)", 400 * MIB }, { "delta(proc.rss, 1h)", 0 }, { "max(max(proc.rss, 1h), cgroup.limit)", 1024 * MIB },
	{ "rate(cgroup.events_high, 10m) * 1s * 1MiB", 0.01 * MIB },
};

static void looks_back(void **state)
{
	static const double rss[] = { 100, 400, 300, 100, 100 }; /* MiB, ten minutes apart but for the last */
	static const uint64_t at_s[] = { 0, 600, 1200, 1770, 1800 };
	static const struct mg_signal_ref refs[] = { { MG_SCOPE_TARGET, MG_SIG_PROC_RSS }, { MG_SCOPE_TARGET, MG_SIG_CGROUP_EVENTS_HIGH } };
	(void)state;

	for (size_t i = 0; i < sizeof over_time / sizeof over_time[0]; i++) {
		struct mg_expr *e = compile(over_time[i].text, MG_UNIT_BYTES);
		struct mg_expr_state *s = mg_expr_state_new(e);
		set_up();
		env.now_ns = NOW + 1800 * S;
		for (unsigned k = 0; k < MG_SIG__BUILTIN; k++)
			target[k].at_ns = env.now_ns;
		for (unsigned k = 0; k < 5; k++) {
			mg_expr_feed(e, s, refs[0], NOW + at_s[k] * S, rss[k] * MIB);
			mg_expr_feed(e, s, refs[1], NOW + at_s[k] * S, (double)at_s[k] / 100);
		}
		struct mg_value v = mg_expr_value(e, s, &env);
		check(v.known && fabs(v.v - over_time[i].v) < 10, "`%s` is %g, not %g", over_time[i].text, over_time[i].v, v.v);
		mg_expr_state_free(s);
		mg_expr_free(e);
	}
}

/* ---- what is refused ---- */

static const struct { const char *text; enum mg_unit want; size_t at; const char *says; } refused[] = {
	{ "", MG_UNIT_BOOL, 0, "the expression ends where a signal, a number or `(` is expected" },
	{ "cgroup.limit < 20%", MG_UNIT_BOOL, 15, "cgroup.limit is in bytes, 20% is a share: compare cgroup.headroom instead" },
	{ "10% > cgroup.usage", MG_UNIT_BOOL, 6, "10% is a share, cgroup.usage is in bytes: compare cgroup.headroom instead" },
	{ "proc.rss > 20%", MG_UNIT_BOOL, 11, "write bytes, like 512MiB, or a product, like 20% * cgroup.limit" },
	{ "cgroup.headroom < 20", MG_UNIT_BOOL, 18, "cgroup.headroom is a share of 1: write 20%, or 2000% where 20 times the whole is meant" },
	{ "heap.gc_percent > 50%", MG_UNIT_BOOL, 18, "write the percent as a plain number" },
	{ "proc.rss > 15s", MG_UNIT_BOOL, 11, "proc.rss is in bytes, 15s is a duration" },
	{ "slope(proc.rss) > 1MiB", MG_UNIT_BOOL, 18, "write a rate, like 10MiB / 1s" },
	{ "proc.rss + 20%", MG_UNIT_BYTES, 11, "is a share" },
	{ "proc.rss * cgroup.limit", MG_UNIT_BYTES, 11, "their product has no unit" },
	{ "1s / proc.rss", MG_UNIT_BYTES, 5, "their quotient has no unit" },
	{ "max(proc.rss, 2s, 1GiB)", MG_UNIT_BYTES, 14, "2s is a duration" },
	{ "cgroup.limt > 1GiB", MG_UNIT_BOOL, 0, "no signal `cgroup.limt`; did you mean `cgroup.limit`?" },
	{ "1 < 2 and nothing.like_it > 1", MG_UNIT_BOOL, 10, "no signal `nothing.like_it`; `memgov list signals`" },
	{ "avgg(proc.rss) > 1", MG_UNIT_BOOL, 0, "no function `avgg`; did you mean `avg`?" },
	{ "median(proc.rss) > 1", MG_UNIT_BOOL, 0, "there are min max abs rate delta slope avg" },
	{ "rate(proc.rss) > 1", MG_UNIT_BOOL, 5, "proc.rss is a gauge: rate is of counters, write slope(proc.rss)" },
	{ "slope(app.gcs) > 1", MG_UNIT_BOOL, 6, "write rate(app.gcs)" },
	{ "avg(proc.rss + 1MiB) > 1MiB", MG_UNIT_BOOL, 0, "avg looks at one signal over time: avg(signal, 1m)" },
	{ "avg(proc.rss, 1m, 2m) > 1MiB", MG_UNIT_BOOL, 0, "avg looks at one signal" },
	{ "min(5) > 1", MG_UNIT_BOOL, 0, "min takes two values or more, or one signal over time" },
	{ "abs(1, 2) > 1", MG_UNIT_BOOL, 0, "abs takes one value" },
	{ "max(proc.rss, 0s) > 1MiB", MG_UNIT_BOOL, 14, "a window must be above 0" },
	{ "max(proc.rss, 400d) > 1MiB", MG_UNIT_BOOL, 14, "at most a year" },
	{ "max(1,2,3,4,5,6,7,8,9) > 1", MG_UNIT_BOOL, 20, "more than 8 arguments" },
	{ "max(proc.rss,1m)+max(proc.rss,2m)+max(proc.rss,3m)+max(proc.rss,4m)+max(proc.rss,5m)", MG_UNIT_BYTES, 72, "more than 4 windows" },
	{ "app.heap_inuse > 800MB for", MG_UNIT_BOOL, 26, "ends where a duration, like 15s, is expected" },
	{ "app.heap_inuse > 800MB for 15", MG_UNIT_BOOL, 27, "`15` stands where a duration" },
	{ "app.heap_inuse > 800MB for 0s", MG_UNIT_BOOL, 27, "the time after `for` must be above 0" },
	{ "1 < 2 for 15s and 1 < 2", MG_UNIT_BOOL, 14, "`and` stands where the end is expected" },
	{ "(1 < 2 for 15s) and 1 < 2", MG_UNIT_BOOL, 7, "`for` goes at the end of the whole condition" },
	{ "proc.rss for 15s", MG_UNIT_BYTES, 0, "`for` belongs to conditions" },
	{ "proc.rss", MG_UNIT_BOOL, 0, "proc.rss is in bytes: a condition is needed here" },
	{ "proc.rss > 1MiB", MG_UNIT_BYTES, 0, "is a condition: what is needed here is in bytes" },
	{ "cgroup.headroom", MG_UNIT_BYTES, 0, "cgroup.headroom is a share: what is needed here is in bytes" },
	{ "proc.rss and 1 < 2", MG_UNIT_BOOL, 0, "`and` takes conditions" },
	{ "not proc.rss", MG_UNIT_BOOL, 4, "`not` takes conditions" },
	{ "cgroup.limit or proc.rss > 5MiB", MG_UNIT_BOOL, 16, "put (a or b) in parentheses" },
	{ "1 < 2 < 3", MG_UNIT_BOOL, 0, "write `a < b and b < c`" },
	{ "(1 < 2) + 3 > 1", MG_UNIT_BOOL, 0, "(1 < 2) is a condition: arithmetic takes quantities" },
	{ "abs(1 < 2) > 1", MG_UNIT_BOOL, 4, "is a condition: abs takes quantities" },
	{ "proc.rss > 1MiB && 1 < 2", MG_UNIT_BOOL, 16, "`&&` is written `and` here" },
	{ "proc.rss = 1MiB", MG_UNIT_BOOL, 9, "`=` is written `==` here" },
	{ "!(1 < 2)", MG_UNIT_BOOL, 0, "`!` is written `not` here" },
	{ "proc.rss > 800mb", MG_UNIT_BOOL, 11, "unknown unit `mb`" },
	{ "proc.rss > 1e9", MG_UNIT_BOOL, 11, "unknown unit `e9`" },
	{ "proc.rss > #", MG_UNIT_BOOL, 11, "`#` has no meaning here" },
	{ "proc.rss > \x01", MG_UNIT_BOOL, 11, "a byte 0x01 has no meaning here" },
	{ "(proc.rss > 1MiB", MG_UNIT_BOOL, 16, "ends where `)` is expected" },
	{ "proc.rss > 1MiB)", MG_UNIT_BOOL, 15, "`)` stands where an operator is expected" },
	{ "min(proc.rss; 1MiB)", MG_UNIT_BYTES, 12, "`;` has no meaning here" },
	{ "min(proc.rss 1MiB)", MG_UNIT_BYTES, 13, "`1MiB` stands where `,` or `)` is expected" },
	{ "1 + * 2 > 1", MG_UNIT_BOOL, 4, "`*` stands where a signal" },
	{ "for > 1", MG_UNIT_BOOL, 0, "`for` stands where a signal" },
	{ "((((((((((((((((((((((((((((((((((1 > 0))))))))))))))))))))))))))))))))))", MG_UNIT_BOOL, 32, "nested deeper than 32 levels" },
	{ "not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not not "
	  "not 1 < 2", MG_UNIT_BOOL, 128, "nested deeper" },
};

static void refuses_with_advice(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct mg_expr *e = (struct mg_expr *)&env;
		struct mg_err err = { "" };
		size_t at = 9999;
		int r = mg_expr_compile(refused[i].text, refused[i].want, &test_names, &e, &at, &err);
		check(r == -EINVAL, "`%s` is refused", refused[i].text);
		check(strstr(err.text, refused[i].says), "`%s` is refused because `%s`, not: %s", refused[i].text, refused[i].says, err.text);
		check(at == refused[i].at, "`%s`: the offender is at %zu, not %zu", refused[i].text, refused[i].at, at);
		check(e == (struct mg_expr *)&env, "`%s`: nothing is given on failure", refused[i].text);
		check(mg_expr_compile(refused[i].text, refused[i].want, &test_names, &e, NULL, NULL) == r, "no error need be asked for");
	}
}

static void refuses_what_is_too_long(void **state)
{
	char text[MG_EXPR_MAX_TEXT + 2];
	struct mg_expr *e = NULL;
	struct mg_err err;
	size_t at, n = 0;
	(void)state;

	memset(text, ' ', sizeof text);
	text[sizeof text - 1] = '\0';
	check(mg_expr_compile(text, MG_UNIT_BOOL, &test_names, &e, &at, &err) == -EINVAL && strstr(err.text, "longer than"),
	      "a text past the cap is refused");
	n += (size_t)snprintf(text, sizeof text, "1");
	for (unsigned i = 0; i < 32; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "+1");
	check(mg_expr_compile(text, MG_UNIT_ANY, &test_names, &e, &at, &err) == -EINVAL && strstr(err.text, "more than 64 parts"),
	      "33 operands and 32 operators are more than 64 parts: %s", err.text);
	text[n - 2] = '\0';
	check(mg_expr_compile(text, MG_UNIT_ANY, &test_names, &e, &at, &err) == 0, "63 parts are not: %s", err.text);
	mg_expr_free(e);
}

/* ---- what the loader asks ---- */

static const struct { const char *text; int plain; } plains[] = {
	{ "proc.rss", MG_SIG_PROC_RSS }, { "cgroup.limit", MG_SIG_CGROUP_LIMIT }, { "0.9 * proc.rss", MG_SIG_PROC_RSS },
	{ "proc.rss + 64MiB", MG_SIG_PROC_RSS }, { "min(proc.rss, 2GiB)", MG_SIG_PROC_RSS }, { "proc.rss / 2", MG_SIG_PROC_RSS },
	{ "max(proc.rss, 1h)", -1 }, { "max(proc.rss, 2GiB)", -1 }, { "cgroup.limit or proc.rss", -1 }, { "cgroup.limit - proc.rss", -1 },
	{ "2GiB", -1 }, { "proc.rss or 2GiB", -1 },
};

static void knows_plain_signals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof plains / sizeof plains[0]; i++) {
		struct mg_expr *e = compile(plains[i].text, MG_UNIT_BYTES);
		struct mg_signal_ref ref = { MG_SCOPE_SOURCE, 999 };
		bool plain = mg_expr_is_plain_signal(e, &ref);
		check(plain == (plains[i].plain >= 0), "`%s` only follows its signal: %d", plains[i].text, plain);
		check(!plain || (ref.scope == MG_SCOPE_TARGET && ref.id == plains[i].plain), "`%s` tells which", plains[i].text);
		mg_expr_free(e);
	}
}

static unsigned n_named, named[8];

static void note(void *ctx, struct mg_signal_ref ref)
{
	(void)ctx;
	named[n_named++] = ref.scope * 1000U + ref.id;
}

static void names_signals_once(void **state)
{
	struct mg_expr *e = compile("max(proc.rss, 1h) > proc.rss * 2 and app.gcs > 1 and rate(app.gcs) > 1 and proc.rss > 1MiB", MG_UNIT_BOOL);
	(void)state;

	n_named = 0;
	mg_expr_signals(e, note, NULL);
	check(n_named == 2, "two signals are named, not %u", n_named);
	check(named[0] == MG_SIG_PROC_RSS && named[1] == 1000 + APP_GCS, "each once, in order");
	mg_expr_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_mean), cmocka_unit_test(quantities_mean), cmocka_unit_test(three_values),
		cmocka_unit_test(unknown_by_age), cmocka_unit_test(holds_for_a_time), cmocka_unit_test(looks_back),
		cmocka_unit_test(refuses_with_advice), cmocka_unit_test(refuses_what_is_too_long), cmocka_unit_test(knows_plain_signals),
		cmocka_unit_test(names_signals_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
