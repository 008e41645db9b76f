/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's small texts and the pressure windows, by table. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "collectors/collector.h"
#include "tests/check.h"

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t v;
	} rows[] = {
		{ "0\n", 0, 0 },
		{ "max\n", 0, UINT64_MAX },
		{ "9223372036854771712\n", 0, 9223372036854771712ULL },
		{ "18446744073709551615\n", 0, UINT64_MAX },
		{ "18446744073709551616\n", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
		{ "\n", -EBADMSG, 0 },
		{ "12", -EBADMSG, 0 },
		{ "-1\n", -EBADMSG, 0 },
		{ "12 \n", -EBADMSG, 0 },
		{ "0x10\n", -EBADMSG, 0 },
		{ "1\n2\n", -EBADMSG, 0 },
		{ "MAX\n", -EBADMSG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t v = 4711;
		struct mg_err err = { "" };
		int r = mg_parse_u64_or_max(rows[i].text, strlen(rows[i].text), &v, &err);
		check(r == rows[i].r, "row %zu `%s`: %d expected, got %d", i, rows[i].text, rows[i].r, r);
		check(v == (r == 0 ? rows[i].v : 4711), "row %zu: the value, untouched on failure, is %llu", i,
		      (unsigned long long)v);
		check(r == 0 || strstr(err.text, "line 1"), "row %zu: the error names its line: %s", i, err.text);
	}
}

static void flat_keyed(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *says;
		bool found;
		uint64_t v;
	} rows[] = {
		{ "anon 5\nfile 6\n", 0, NULL, true, 6 },
		{ "anon 5\n", 0, NULL, false, 0 },
		{ "", 0, NULL, false, 0 },
		{ "files 5\nfil 4\nfile 7\n", 0, NULL, true, 7 },
		{ "file 5", -EBADMSG, "line 1: cut", false, 0 },
		{ "anon 5\nfile 6", -EBADMSG, "line 2: cut", false, 0 },
		{ "anon 5\n\nfile 6\n", -EBADMSG, "line 2", false, 0 },
		{ "file\n", -EBADMSG, "line 1", false, 0 },
		{ " file 5\n", -EBADMSG, "line 1", false, 0 },
		{ "file -5\n", -EBADMSG, "line 1", false, 0 },
		{ "file 5 6\n", -EBADMSG, "line 1", false, 0 },
		{ "file 99999999999999999999\n", -EBADMSG, "line 1", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_flat want = { .key = "file" };
		struct mg_err err = { "" };
		int r = mg_parse_flat_keyed(rows[i].text, strlen(rows[i].text), &want, 1, &err);
		check(r == rows[i].r, "row %zu: %d expected, got %d", i, rows[i].r, r);
		check(r < 0 || (want.found == rows[i].found && want.value == rows[i].v), "row %zu: file is %llu", i,
		      (unsigned long long)want.value);
		check(r == 0 || strstr(err.text, rows[i].says), "row %zu: `%s` should say `%s`", i, err.text, rows[i].says);
	}
}

#define SOME "some avg10=1.00 avg60=0.50 avg300=0.10 total=100\n"
#define FULL "full avg10=0.00 avg60=0.00 avg300=0.00 total=40\n"

static void pressure(void **state)
{
	static const struct {
		const char *text;
		int r;
		bool full;
		const char *says;
	} rows[] = {
		{ SOME FULL, 0, true, NULL },
		{ SOME, 0, false, NULL },
		{ "", -EBADMSG, false, "line 1" },
		{ FULL SOME, -EBADMSG, false, "line 1" },
		{ SOME SOME, -EBADMSG, false, "line 2" },
		{ SOME FULL FULL, -EBADMSG, false, "line 2" },
		{ SOME "full", -EBADMSG, false, "line 2" },
		{ "some avg10=1.00 avg60=0.50 avg300=0.10 total=100", -EBADMSG, false, "line 1" },
		{ "some avg10= avg60=0.50 avg300=0.10 total=100\n", -EBADMSG, false, "line 1" },
		{ "some avg10=1.00 avg60=0.50 avg300=0.10 total=-1\n", -EBADMSG, false, "line 1" },
		{ "some avg10=1.00 avg60=0.50 avg300=0.10 total=1 x=2\n", -EBADMSG, false, "line 1" },
		{ "some avg10=1.00 avg300=0.10 avg60=0.50 total=1\n", -EBADMSG, false, "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_psi p = { 0 };
		struct mg_err err = { "" };
		int r = mg_parse_psi(rows[i].text, strlen(rows[i].text), &p, &err);
		check(r == rows[i].r, "row %zu: %d expected, got %d", i, rows[i].r, r);
		check(r < 0 || (p.some_total_us == 100 && p.has_full == rows[i].full &&
				p.full_total_us == (rows[i].full ? 40 : 0)),
		      "row %zu: totals", i);
		check(r == 0 || strstr(err.text, rows[i].says), "row %zu: `%s` should say `%s`", i, err.text, rows[i].says);
	}
}

static void pressure_windows(void **state)
{
	static const struct {
		uint64_t at_s;
		uint64_t some_us, full_us;
		bool ended;
		double some, full;
	} rows[] = {
		{ 10, 1000000, 500000, false, 0, 0 }, /* the first reading starts a window */
		{ 11, 1500000, 500000, false, 0, 0 }, /* shorter than 2 s */
		{ 12, 2000000, 600000, true, 0.5, 0.05 },
		{ 13, 2000000, 600000, false, 0, 0 },
		{ 16, 2000000, 600000, true, 0, 0 },
		{ 18, 9000000, 600000, true, 1, 0 }, /* the kernel's clock may run ahead of ours: never above 1 */
		{ 20, 1000, 100, false, 0, 0 },      /* smaller totals: another cgroup, start over */
		{ 22, 201000, 100, true, 0.1, 0 },
	};
	struct mg_psi_window w = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_psi p = { rows[i].some_us, rows[i].full_us, true };
		struct mg_psi_shares s = { 0 };
		bool ended = mg_psi_push(&w, rows[i].at_s * MG_NS_PER_S, &p, &s);
		check(ended == rows[i].ended, "row %zu: the window has%s ended", i, rows[i].ended ? "" : " not");
		check(!ended || (fabs(s.some - rows[i].some) < 1e-9 && fabs(s.full - rows[i].full) < 1e-9),
		      "row %zu: some %g full %g", i, s.some, s.full);
	}
}

static void no_full_is_unknown(void **state)
{
	struct mg_psi p = { .some_total_us = 0 };
	struct mg_psi_window w = { 0 };
	struct mg_psi_shares s;

	(void)state;
	check(!mg_psi_push(&w, MG_NS_PER_S, &p, &s), "the first reading starts a window");
	check(mg_psi_push(&w, 4 * MG_NS_PER_S, &p, &s) && isnan(s.full), "a kernel that writes no full line knows no full share");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),          cmocka_unit_test(flat_keyed),         cmocka_unit_test(pressure),
		cmocka_unit_test(pressure_windows), cmocka_unit_test(no_full_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
