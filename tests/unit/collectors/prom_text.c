/* SPDX-License-Identifier: Apache-2.0 */
/* The exposition parser against its tables: verdicts, values, pieces cut anywhere, nothing allocated. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/prom_text.h"
#include "governor/util/str.h"
#include "tests/check.h"
#include "tests/collectors/expositions.h"
#include "tests/unit/collectors/allocations.h"

static struct mg_prom *new_parser(const char *selector)
{
	struct mg_prom *p;
	struct mg_err err = { "" };

	check(mg_prom_new(&selector, 1, &p, &err) == 0, "selector `%s` should compile: %s", selector, err.text);
	return p;
}

/* Feeds text in pieces of `piece` bytes, each in its own block, so that a read past its end is seen. */
static int parse(struct mg_prom *p, enum mg_prom_format format, const char *text, size_t len, size_t piece, struct mg_err *err)
{
	int r = 0;

	mg_prom_begin(p, format);
	for (size_t at = 0; at < len && r == 0; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *block = malloc(n);
		check(block != NULL, "out of memory");
		memcpy(block, text + at, n);
		r = mg_prom_feed(p, block, n, err);
		free(block);
	}
	return r == 0 ? mg_prom_end(p, err) : r;
}

static void verdicts_are_promtools(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 4096 };
	struct mg_prom *p = new_parser("foo");

	(void)state;
	for (size_t i = 0; i < N_EXPOSITIONS; i++) {
		const struct exposition *e = &expositions[i];
		bool expected = e->unlike ? !e->promtool : e->promtool;
		for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
			struct mg_err err = { "" };
			int r = parse(p, MG_PROM_TEXT, e->text, e->len, pieces[k], &err);
			check((r == 0) == expected, "row %zu in pieces of %zu: `%.60s` should be %s: %s", i, pieces[k], e->text,
			      expected ? "accepted" : "rejected", err.text);
			check(r == 0 || (r == -EBADMSG && strncmp(err.text, "line ", 5) == 0),
			      "row %zu: the error names its line, got %d `%s`", i, r, err.text);
		}
	}
	mg_prom_free(p);
}

struct value_row {
	const char *selector, *text;
	unsigned series;
	double value;
	bool counter;
};

static const struct value_row value_rows[] = {
	{ "foo", "foo 1.5\n", 1, 1.5, false },
	{ "foo", "bar 1\n", 0, 0, false },
	{ "foo", "foo_bar 1\nfoo 2\nfo 3\n", 1, 2, false },
	{ "foo", "foo{a=\"1\"} 1\nfoo{a=\"2\"} 2\n", 2, 3, false },
	{ "foo{a=\"2\"}", "foo{a=\"1\"} 1\nfoo{a=\"2\"} 2\n", 1, 2, false },
	{ "foo{a!=\"2\"}", "foo{a=\"1\"} 1\nfoo{a=\"2\"} 2\nfoo 4\n", 2, 5, false },
	{ "foo{a=\"\"}", "foo{a=\"1\"} 1\nfoo 4\n", 1, 4, false },
	{ "foo{a=~\"1.\"}", "foo{a=\"1\"} 1\nfoo{a=\"12\"} 2\nfoo{a=\"123\"} 4\n", 1, 2, false },
	{ "foo{a=~\"x|yy*\"}", "foo{a=\"x\"} 1\nfoo{a=\"y\"} 2\nfoo{a=\"xy\"} 4\n", 2, 3, false },
	{ "foo{a!~\"[0-9]+\"}", "foo{a=\"7\"} 1\nfoo{a=\"x7\"} 2\n", 1, 2, false },
	{ "foo{a=\"1\",b!=\"2\",c=~\".*z\"}", "foo{c=\"xz\",b=\"1\",a=\"1\"} 1\nfoo{c=\"xz\",b=\"2\",a=\"1\"} 2\n", 1, 1, false },
	{ "foo{ a = 'x' , }", "foo{a=\"x\"} 1\n", 1, 1, false },
	{ "foo{a=\"q\\\"\\\\\\n\"}", "foo{a=\"q\\\"\\\\\\n\"} 3\n", 1, 3, false },
	{ "foo{a=\"x\"}", "foo{a=\"x\0y\"} 3\n", 0, 0, false },
	{ "foo", "foo NaN\n", 1, NAN, false },
	{ "foo", "foo +Inf\n", 1, INFINITY, false },
	/* a series given twice counts once, whatever the order of its labels */
	{ "foo", "foo{a=\"1\",b=\"2\"} 1\nfoo{b=\"2\",a=\"1\"} 2\n", 1, 1, false },
	{ "foo", "# TYPE foo counter\nfoo 7\n", 1, 7, true },
	{ "foo", "# TYPE foo gauge\nfoo 7\n", 1, 7, false },
	/* histograms and summaries by the names of their series; bounds compare as numbers */
	{ "h_bucket{le=\"0.5\"}", "# TYPE h histogram\nh_bucket{le=\"0.50\"} 3\nh_bucket{le=\"+Inf\"} 9\n", 1, 3, true },
	{ "h_bucket{le=\"+Inf\"}", "# TYPE h histogram\nh_bucket{le=\"5e-1\"} 3\nh_bucket{le=\"inf\"} 9\n", 1, 9, true },
	{ "h_bucket{le!=\"1\"}", "# TYPE h histogram\nh_bucket{le=\"1.0\"} 3\nh_bucket{le=\"2\"} 9\n", 1, 9, true },
	{ "h_count", "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_sum 5\nh_count 9\n", 1, 9, true },
	{ "s_sum", "# TYPE s summary\ns{quantile=\"0.9\"} 3\ns_sum 5\n", 1, 5, true },
	{ "s{quantile=\"0.90\"}", "# TYPE s summary\ns{quantile=\"0.9\"} 3\ns_sum 5\n", 1, 3, false },
};

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static void selected_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof value_rows / sizeof value_rows[0]; i++) {
		const struct value_row *row = &value_rows[i];
		struct mg_prom *p = new_parser(row->selector);
		struct mg_err err = { "" };
		size_t len = strlen(row->text);
		if (row->text[len - 1] != '\n')
			len += 1 + strlen(row->text + len + 1); /* the row with a NUL inside */
		int r = parse(p, MG_PROM_TEXT, row->text, len, 5, &err);
		check(r == 0, "row %zu should parse: %s", i, err.text);
		struct mg_prom_value v = mg_prom_get(p, 0);
		check(v.series == row->series, "row %zu: %u series of `%s` expected, got %u", i, row->series, row->selector,
		      v.series);
		check(same(v.value, row->value), "row %zu: `%s` should be %g, got %g", i, row->selector, row->value, v.value);
		check(v.counter == row->counter, "row %zu: counter should be %d", i, row->counter);
		mg_prom_free(p);
	}
}

struct time_row {
	enum mg_prom_format format;
	const char *text;
	bool has_time;
	int64_t time_ms;
};

static const struct time_row time_rows[] = {
	{ MG_PROM_TEXT, "foo 1\n", false, 0 },
	{ MG_PROM_TEXT, "foo 1 1700000000123\n", true, 1700000000123 },
	{ MG_PROM_TEXT, "foo{a=\"1\"} 1 1700000000123\nfoo{a=\"2\"} 1 1700000000100\n", true, 1700000000100 },
	{ MG_PROM_TEXT, "foo 1 -1500\n", true, -1500 },
	{ MG_PROM_OPENMETRICS, "foo 1 1700000000.123\n# EOF\n", true, 1700000000123 },
	{ MG_PROM_OPENMETRICS, "foo 1 1.7e9\n# EOF\n", true, 1700000000000 },
	{ MG_PROM_OPENMETRICS, "foo 1\n# EOF\n", false, 0 },
};

static void timestamps(void **state)
{
	struct mg_prom *p = new_parser("foo");

	(void)state;
	for (size_t i = 0; i < sizeof time_rows / sizeof time_rows[0]; i++) {
		struct mg_err err = { "" };
		int r = parse(p, time_rows[i].format, time_rows[i].text, strlen(time_rows[i].text), 1, &err);
		check(r == 0, "row %zu should parse: %s", i, err.text);
		struct mg_prom_value v = mg_prom_get(p, 0);
		check(v.has_time == time_rows[i].has_time && v.time_ms == time_rows[i].time_ms,
		      "row %zu: %lld ms expected, got %lld", i, (long long)time_rows[i].time_ms, (long long)v.time_ms);
	}
	mg_prom_free(p);
}

static void openmetrics_verdicts(void **state)
{
	struct mg_prom *p = new_parser("foo");

	(void)state;
	for (size_t i = 0; i < N_OPENMETRICS; i++) {
		for (size_t piece = 1; piece < 40; piece += 6) {
			struct mg_err err = { "" };
			const struct openmetrics *o = &openmetrics[i];
			bool expected = o->unlike ? !o->prometheus : o->prometheus;
			int r = parse(p, MG_PROM_OPENMETRICS, o->text, strlen(o->text), piece, &err);
			check((r == 0) == expected, "row %zu: `%s` should be %s: %s", i, o->text,
			      expected ? "accepted" : "rejected", err.text);
		}
	}
	mg_prom_free(p);
}

static void openmetrics_counters(void **state)
{
	static const char text[] =
		"# TYPE foo counter\n# HELP foo x\nfoo_total{a=\"1\"} 17 # {t=\"q\"} 1\nfoo_created 1.6e9\n# EOF\n";
	static const char *const selectors[] = { "foo_total", "foo_created" };
	struct mg_prom *p;
	struct mg_err err = { "" };

	(void)state;
	check(mg_prom_new(selectors, 2, &p, &err) == 0, "%s", err.text);
	check(parse(p, MG_PROM_OPENMETRICS, text, sizeof text - 1, 9, &err) == 0, "%s", err.text);
	check(mg_prom_get(p, 0).value == 17 && mg_prom_get(p, 0).counter, "foo_total is the counter of family foo");
	check(mg_prom_get(p, 1).value == 1.6e9 && !mg_prom_get(p, 1).counter, "foo_created is a time, not a counter");
	mg_prom_free(p);
}

static void errors_name_line_and_column_and_quote_nothing(void **state)
{
	static const struct {
		const char *text, *where;
	} rows[] = {
		{ "foo 1\nbar{a=\"secret\" 1\n", "line 2, column 16" },
		{ "\n\nfoo secret\n", "line 3, column 5" },
		{ "foo 1\nsecret", "line 2" },
		{ "# TYPE foo secret\n", "line 1, column 12" },
	};
	struct mg_prom *p = new_parser("foo");

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_err err = { "" }, again = { "" };
		check(parse(p, MG_PROM_TEXT, rows[i].text, strlen(rows[i].text), 4, &err) == -EBADMSG, "row %zu is malformed", i);
		check(strstr(err.text, rows[i].where), "row %zu: `%s` should name %s", i, err.text, rows[i].where);
		check(!strstr(err.text, "secret"), "row %zu: an error never quotes the body: %s", i, err.text);
		check(mg_prom_feed(p, "foo 1\n", 6, &again) == -EBADMSG && strcmp(again.text, err.text) == 0,
		      "row %zu: the first error stays", i);
	}
	mg_prom_free(p);
}

static void bad_selectors(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "column 1" },
		{ "1foo", "column 1" },
		{ "foo{", "label's name" },
		{ "foo{a", "=, !=, =~ or !~" },
		{ "foo{a=", "quoted" },
		{ "foo{a=b}", "column 7" },
		{ "foo{a=\"b}", "closing quote" },
		{ "foo{a=\"b\"", "`,` or `}`" },
		{ "foo{a=\"b\"} x", "nothing more" },
		{ "foo bar", "nothing more" },
		{ "foo{a=~\"(\"}", "`(`" },
		{ "foo{a=~\"\\\\d\"}", "not POSIX" },
		{ "foo{a=~\"(?i)x\"}", "not POSIX" },
		{ "foo{a=~\"x*?\"}", "not POSIX" },
		{ "foo{a=~\"(x)\\\\1\"}", "not POSIX" },
		{ "foo{a=\"\\q\"}", "after a backslash" },
		{ "{__name__=\"foo\"}", "metric's name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_prom *p;
		struct mg_err err = { "" };
		check(mg_prom_new(&rows[i].text, 1, &p, &err) == -EINVAL, "`%s` is no selector", rows[i].text);
		check(strstr(err.text, rows[i].says), "`%s`: the error should say `%s`, says `%s`", rows[i].text, rows[i].says,
		      err.text);
	}
}

/* Five series of five thousand: the same memory as for one, and nothing allocated while they pass. */
static void five_of_five_thousand(void **state)
{
	static const char *const selectors[] = { "m_17", "m_4999{i=\"1\"}", "m_0{i!=\"0\"}", "m_2500", "absent" };
	static char text[1 << 20];
	struct mg_buf b = mg_buf(text, sizeof text);
	struct mg_prom *p;
	struct mg_err err = { "" };

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		mg_buf_printf(&b, "# HELP m_%u h\n# TYPE m_%u gauge\nm_%u{i=\"0\",pod=\"a\\\"b\"} %u\nm_%u{i=\"1\"} 1\n", i, i, i,
			      i, i);
	check(!b.full, "the exposition fits its buffer");
	check(mg_prom_new(selectors, 5, &p, &err) == 0, "%s", err.text);
	unsigned before = allocations;
	for (unsigned round = 0; round < 2; round++) {
		mg_prom_begin(p, MG_PROM_TEXT);
		for (size_t at = 0; at < b.len; at += 1000)
			check(mg_prom_feed(p, text + at, b.len - at < 1000 ? b.len - at : 1000, &err) == 0, "%s", err.text);
		check(mg_prom_end(p, &err) == 0, "%s", err.text);
	}
	check(allocations == before, "parsing allocated %u times", allocations - before);
	check(mg_prom_series(p) == 10000, "10000 series pass, got %llu", (unsigned long long)mg_prom_series(p));
	check(mg_prom_get(p, 0).value == 18 && mg_prom_get(p, 1).value == 1 && mg_prom_get(p, 2).value == 1, "the first three");
	check(mg_prom_get(p, 3).value == 2501 && mg_prom_get(p, 4).series == 0, "the last two");
	mg_prom_free(p);
}

static void caps(void **state)
{
	static char text[MG_MAX_PROM_LINE + 64];
	struct mg_prom *p = new_parser("foo");
	struct mg_err err = { "" };

	(void)state;
	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '\n';
	check(parse(p, MG_PROM_TEXT, text, sizeof text, 4096, &err) == -EBADMSG && strstr(err.text, "64 KiB"),
	      "a long line in pieces: %s", err.text);
	check(parse(p, MG_PROM_TEXT, text, sizeof text, sizeof text, &err) == -EBADMSG && strstr(err.text, "64 KiB"),
	      "and whole: %s", err.text);
	struct mg_buf b = mg_buf(text, sizeof text);
	mg_buf_printf(&b, "foo{");
	for (unsigned i = 0; i <= MG_MAX_PROM_LABELS; i++)
		mg_buf_printf(&b, "l%u=\"\",", i);
	mg_buf_printf(&b, "} 1\n");
	check(parse(p, MG_PROM_TEXT, text, b.len, b.len, &err) == -EBADMSG && strstr(err.text, "128 labels"), "129 labels: %s",
	      err.text);
	mg_prom_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_promtools),
		cmocka_unit_test(selected_values),
		cmocka_unit_test(timestamps),
		cmocka_unit_test(openmetrics_verdicts),
		cmocka_unit_test(openmetrics_counters),
		cmocka_unit_test(errors_name_line_and_column_and_quote_nothing),
		cmocka_unit_test(bad_selectors),
		cmocka_unit_test(five_of_five_thousand),
		cmocka_unit_test(caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
