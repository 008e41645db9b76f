/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities as policy files write them, what is refused with which advice, and how they are shown. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "governor/util/unit.h"
#include "tests/check.h"

static const struct { const char *text; enum mg_unit unit; int r; double v; const char *says; } parses[] = {
	{ "800MiB", MG_UNIT_BYTES, 0, 800.0 * 1048576, NULL }, { "800MB", MG_UNIT_BYTES, 0, 800e6, NULL },
	{ "512Mi", MG_UNIT_BYTES, 0, 512.0 * 1048576, NULL }, { "1.5GiB", MG_UNIT_BYTES, 0, 1.5 * 1073741824, NULL },
	{ "2Ti", MG_UNIT_BYTES, 0, 2.0 * 1099511627776, NULL }, { "1kB", MG_UNIT_BYTES, 0, 1000, NULL },
	{ "4096", MG_UNIT_BYTES, 0, 4096, NULL }, { "7B", MG_UNIT_BYTES, 0, 7, NULL },
	{ "20%", MG_UNIT_RATIO, 0, .2, NULL }, { "0.8", MG_UNIT_RATIO, 0, .8, NULL }, { "1", MG_UNIT_RATIO, 0, 1, NULL },
	{ "20", MG_UNIT_RATIO, -ERANGE, 0, "write a share as 0..1 or with %" },
	{ "100", MG_UNIT_PERCENT, 0, 100, NULL }, { "100%", MG_UNIT_PERCENT, 0, 100, NULL },
	{ "10ms", MG_UNIT_SECONDS, 0, .01, NULL }, { "15s", MG_UNIT_SECONDS, 0, 15, NULL }, { "5m", MG_UNIT_SECONDS, 0, 300, NULL },
	{ "1h", MG_UNIT_SECONDS, 0, 3600, NULL }, { "1d", MG_UNIT_SECONDS, 0, 86400, NULL },
	{ "15", MG_UNIT_SECONDS, -EINVAL, 0, "a duration with its unit" },
	{ "2x", MG_UNIT_ANY, 0, 2, NULL }, { "3", MG_UNIT_COUNT, 0, 3, NULL },
	{ "800mb", MG_UNIT_BYTES, -EINVAL, 0, "unknown unit `mb`" }, { "20%", MG_UNIT_BYTES, -EINVAL, 0, "is not bytes" },
	{ "800 MiB", MG_UNIT_BYTES, -EINVAL, 0, "is not bytes" }, { "", MG_UNIT_BYTES, -EINVAL, 0, "is not bytes" },
	{ "-1", MG_UNIT_BYTES, -EINVAL, 0, "is not bytes" }, { "15s", MG_UNIT_BYTES, -EINVAL, 0, "is not bytes" },
};

static void parses_quantities(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof parses / sizeof parses[0]; i++) {
		struct mg_err err = { "" };
		double v = 42;
		int r = mg_unit_parse(parses[i].text, strlen(parses[i].text), parses[i].unit, &v, &err);
		check(r == parses[i].r, "`%s` as %s gives %d, not %d", parses[i].text, mg_unit_name(parses[i].unit), parses[i].r, r);
		check(fabs(v - (r == 0 ? parses[i].v : 42)) < 1e-9 * fabs(v), "`%s` gives %g", parses[i].text, v);
		check(r == 0 || strstr(err.text, parses[i].says), "`%s` is refused with advice, not: %s", parses[i].text, err.text);
		check(mg_unit_parse(parses[i].text, strlen(parses[i].text), parses[i].unit, &v, NULL) == r,
		      "`%s` is judged alike without an error to fill", parses[i].text);
	}
}

static const struct { const char *text; int r; uint64_t ns; } durations[] = {
	{ "1ms", 0, MG_NS_PER_MS }, { "15s", 0, 15 * MG_NS_PER_S }, { "366d", 0, 366 * 86400 * MG_NS_PER_S },
	{ "0s", 0, 0 }, { "367d", -ERANGE, 42 }, { "999999999999d", -ERANGE, 42 }, { "15", -EINVAL, 42 }, { "1w", -EINVAL, 42 },
};

static void parses_durations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
		uint64_t ns = 42;
		int r = mg_duration_parse(durations[i].text, strlen(durations[i].text), &ns, NULL);
		check(r == durations[i].r && ns == durations[i].ns, "`%s` gives %d and %llu ns", durations[i].text, r, (unsigned long long)ns);
	}
}

static const struct { const char *text; enum mg_unit unit; int r; double v; bool share; } amounts[] = {
	{ "95%", MG_UNIT_BYTES, 0, .95, true }, { "128MiB", MG_UNIT_BYTES, 0, 134217728, false },
	{ "50%", MG_UNIT_PERCENT, 0, 50, false }, { "50", MG_UNIT_PERCENT, 0, 50, false }, { "10s", MG_UNIT_SECONDS, 0, 10, false },
	{ "10", MG_UNIT_SECONDS, -EINVAL, 0, false }, { "%", MG_UNIT_BYTES, -EINVAL, 0, false },
};

static void parses_amounts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
		struct mg_amount a = { 0 };
		int r = mg_amount_parse(amounts[i].text, strlen(amounts[i].text), amounts[i].unit, &a, NULL);
		check(r == amounts[i].r, "`%s` gives %d", amounts[i].text, r);
		check(a.given == (r == 0) && a.share == amounts[i].share, "`%s` is a share: %d", amounts[i].text, a.share);
		check(fabs(a.v - amounts[i].v) < 1e-9, "`%s` gives %g", amounts[i].text, a.v);
	}
}

static const struct { double v; enum mg_unit unit; const char *text; } shows[] = {
	{ 512, MG_UNIT_BYTES, "512 B" }, { 1288490189, MG_UNIT_BYTES, "1.2 GiB" }, { 838860800, MG_UNIT_BYTES, "800 MiB" },
	{ 1.8446744073709552e19, MG_UNIT_BYTES, "max" }, { 1048576, MG_UNIT_BYTES_PER_S, "1.0 MiB/s" }, { .35, MG_UNIT_RATIO, "35 %" },
	{ 15, MG_UNIT_SECONDS, "15 s" }, { .9996, MG_UNIT_SECONDS, "1 s" }, { .9994, MG_UNIT_SECONDS, "999 ms" }, { .01, MG_UNIT_SECONDS, "10 ms" }, { 600, MG_UNIT_SECONDS, "10 min" }, { 9000, MG_UNIT_SECONDS, "2.5 h" },
	{ 100, MG_UNIT_PERCENT, "100" }, { 2.5, MG_UNIT_PER_S, "2.5/s" }, { 1, MG_UNIT_BOOL, "yes" }, { 3, MG_UNIT_COUNT, "3" },
	{ NAN, MG_UNIT_BYTES, "unknown" },
};

static void shows_quantities(void **state)
{
	char buf[32];
	(void)state;

	for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++)
		check(strcmp(mg_unit_show(shows[i].v, shows[i].unit, buf, sizeof buf), shows[i].text) == 0, "%g is shown as `%s`, not `%s`",
		      shows[i].v, shows[i].text, buf);
}

static void names_units(void **state)
{
	(void)state;
	for (enum mg_unit u = 0; u < MG_UNIT__COUNT; u++) {
		const char *name = mg_unit_name(u);
		int found = mg_unit_find(name, strlen(name));
		check(found == (u == MG_UNIT_BOOL ? -1 : (int)u), "`%s` is found as %d", name, found);
	}
	check(mg_unit_find("furlongs", 8) == -1, "a name that is none is not found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_quantities), cmocka_unit_test(parses_durations), cmocka_unit_test(parses_amounts),
		cmocka_unit_test(shows_quantities), cmocka_unit_test(names_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
