/* SPDX-License-Identifier: Apache-2.0 */
/* The number scanner accepts what promtool accepts and nothing else. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "governor/util/num.h"
#include "tests/check.h"

static const struct { const char *text; int r; uint64_t v; } integers[] = {
	{ "0", 0, 0 }, { "007", 0, 7 }, { "18446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -ERANGE, 0 }, { "99999999999999999999", -ERANGE, 0 },
	{ "", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "+1", -EINVAL, 0 }, { " 1", -EINVAL, 0 }, { "1 ", -EINVAL, 0 },
	{ "0x10", -EINVAL, 0 }, { "1_000", -EINVAL, 0 }, { "1.0", -EINVAL, 0 },
};

static void scans_integers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
		uint64_t v = 42;
		int r = mg_scan_u64(integers[i].text, strlen(integers[i].text), &v);
		check(r == integers[i].r, "`%s` gives %d, not %d", integers[i].text, integers[i].r, r);
		check(v == (r == 0 ? integers[i].v : 42), "`%s` gives %llu", integers[i].text, (unsigned long long)v);
	}
}

static const struct { const char *text; int r; double v; } floats[] = {
	{ "0", 0, 0 }, { "1.5", 0, 1.5 }, { ".5", 0, .5 }, { "5.", 0, 5 }, { "-1.5e3", 0, -1500 }, { "+2E-1", 0, .2 }, { "1e308", 0, 1e308 },
	{ "inf", 0, INFINITY }, { "+Inf", 0, INFINITY }, { "-INFINITY", 0, -INFINITY },
	{ "1e400", -ERANGE, 0 }, { "-1e400", -ERANGE, 0 }, { "1e-400", 0, 0 },
	{ "", -EINVAL, 0 }, { ".", -EINVAL, 0 }, { "e5", -EINVAL, 0 }, { "1e", -EINVAL, 0 }, { "1e+", -EINVAL, 0 }, { "--1", -EINVAL, 0 },
	{ "0x1p4", -EINVAL, 0 }, { "1_000", -EINVAL, 0 }, { "nan(0)", -EINVAL, 0 }, { "-nan", -EINVAL, 0 }, { "infin", -EINVAL, 0 },
	{ "1,5", -EINVAL, 0 }, { "1 ", -EINVAL, 0 }, { "1.2.3", -EINVAL, 0 },
};

static void scans_floats(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
		double v = 42;
		int r = mg_scan_double(floats[i].text, strlen(floats[i].text), &v);
		check(r == floats[i].r, "`%s` gives %d, not %d", floats[i].text, floats[i].r, r);
		check(v == (r == 0 ? floats[i].v : 42), "`%s` gives %g", floats[i].text, v);
	}
	static const char *const nans[] = { "NaN", "nan", "NAN" };
	for (size_t i = 0; i < 3; i++) {
		double v = 0;
		check(mg_scan_double(nans[i], 3, &v) == 0 && isnan(v), "`%s` is not a number and is accepted", nans[i]);
	}
}

static void refuses_endless_text(void **state)
{
	char text[200];
	double v = 42;
	(void)state;

	memset(text, '1', sizeof text);
	check(mg_scan_double(text, sizeof text, &v) == -EINVAL && v == 42, "200 digits are refused and nothing is stored");
	check(mg_scan_decimal(text, sizeof text, &v) == 0, "200 digits are no decimal either");
}

static const struct { const char *text; size_t n; double v; } decimals[] = {
	{ "15s", 2, 15 }, { "0.8", 3, .8 }, { "1.5GiB", 3, 1.5 }, { ".5x", 2, .5 }, { "1e3", 1, 1 }, { "-1", 0, 42 }, { "x", 0, 42 },
	{ "", 0, 42 }, { ".", 0, 42 }, { "inf", 0, 42 },
};

static void scans_leading_decimals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof decimals / sizeof decimals[0]; i++) {
		double v = 42;
		size_t n = mg_scan_decimal(decimals[i].text, strlen(decimals[i].text), &v);
		check(n == decimals[i].n && v == decimals[i].v, "`%s`: %zu bytes taken, value %g", decimals[i].text, n, v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scans_integers), cmocka_unit_test(scans_floats), cmocka_unit_test(refuses_endless_text),
		cmocka_unit_test(scans_leading_decimals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
