/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines as they read, and how often one event may be logged. The clock is in the row. */
#include "governor/audit/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "governor/util/value.h"
#include "tests/check.h"

#define WALL 1772366400250000000ULL /* 2026-03-01T12:00:00.250Z */

static char path[64];

/* Opens a log into a fresh file. */
static struct mg_writer *begin(int text, enum mg_level max)
{
	struct mg_writer *w = NULL;
	struct mg_err err;

	strcpy(path, "/tmp/memgov-log-XXXXXX");
	int fd = mkstemp(path);
	check(fd >= 0 && close(fd) == 0, "a file can be made");
	check(mg_writer_new(path, 0, &w, &err) == 0, "the writer opens: %s", err.text);
	check(mg_log_open(w, text, max, &err) == 0, "the log opens: %s", err.text);
	return w;
}

/* Closes it and returns what was written. Valid until the next call. */
static const char *end(struct mg_writer *w)
{
	static char text[16384];

	mg_log_close();
	mg_writer_free(w);
	FILE *f = fopen(path, "r");
	check(f != NULL, "the file is there");
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	unlink(path);
	return text;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

static void lines_read_as_written(void **state)
{
	static const struct { int text; const char *value; const char *line; } rows[] = {
		{ 0, "redis",
		  "{\"ts\":\"2026-03-01T12:00:00.250Z\",\"level\":\"info\",\"event\":\"target.hello\","
		  "\"exe\":\"redis\",\"uid\":7,\"share\":0.5}\n" },
		{ 0, "a\"\n\x1b",
		  "{\"ts\":\"2026-03-01T12:00:00.250Z\",\"level\":\"info\",\"event\":\"target.hello\","
		  "\"exe\":\"a\\\"\\u000a\\u001b\",\"uid\":7,\"share\":0.5}\n" },
		{ 1, "redis", "2026-03-01T12:00:00.250Z info  target.hello exe=redis uid=7 share=0.5\n" },
		{ 1, "two words", "2026-03-01T12:00:00.250Z info  target.hello exe=\"two words\" uid=7 share=0.5\n" },
		{ 1, "\x1b[31m", "2026-03-01T12:00:00.250Z info  target.hello exe=\\x1b[31m uid=7 share=0.5\n" },
		{ 1, "", "2026-03-01T12:00:00.250Z info  target.hello exe=\"\" uid=7 share=0.5\n" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_writer *w = begin(rows[i].text, MG_LOG_INFO);
		mg_log(1, WALL, MG_LOG_INFO, "target.hello", { "exe", MG_S(rows[i].value) }, { "uid", MG_U(7) },
		       { "share", MG_F(0.5) });
		const char *got = end(w);
		check(strcmp(got, rows[i].line) == 0, "row %u reads\n%sexpected\n%s", i, got, rows[i].line);
	}
}

/* A pair that does not fit is left out whole, so that the line still parses. */
static void a_long_value_is_left_out(void **state)
{
	static char huge[8000];
	struct mg_writer *w = begin(0, MG_LOG_INFO);

	(void)state;
	memset(huge, 'x', sizeof huge - 1);
	mg_log(1, WALL, MG_LOG_INFO, "e", { "huge", MG_S(huge) }, { "uid", MG_U(7) });
	const char *got = end(w);
	check(strstr(got, "huge") == NULL && strstr(got, "\"uid\":7}") != NULL, "only the huge pair is missing: %s", got);
}

static void rates_are_limited_per_event(void **state)
{
	static const struct { const char *what; enum mg_level level; uint64_t every_ns; unsigned n, written; } rows[] = {
		{ "a burst of five passes", MG_LOG_INFO, 1, 5, 5 },
		{ "the rest of a burst does not", MG_LOG_INFO, 1, 100, 5 },
		{ "warnings too", MG_LOG_WARN, 1, 100, 5 },
		{ "errors are never sampled", MG_LOG_ERROR, 1, 100, 100 },
		{ "one a minute for ever", MG_LOG_INFO, 60 * MG_NS_PER_S, 100, 100 },
		{ "five, then one a minute (ten minutes)", MG_LOG_INFO, 30 * MG_NS_PER_S, 21, 15 },
		{ "debug is above the level", MG_LOG_DEBUG, 60 * MG_NS_PER_S, 10, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_writer *w = begin(0, MG_LOG_INFO);
		for (unsigned k = 0; k < rows[i].n; k++)
			mg_log(1 + k * rows[i].every_ns, WALL, rows[i].level, "e", { "k", MG_U(k) });
		unsigned got = count(end(w), "\"event\":\"e\"");
		check(got == rows[i].written, "%s: %u lines, expected %u", rows[i].what, got, rows[i].written);
	}
}

static void the_next_line_tells_what_was_suppressed(void **state)
{
	struct mg_writer *w = begin(0, MG_LOG_INFO);

	(void)state;
	for (unsigned k = 0; k < 12; k++)
		mg_log(1, WALL, MG_LOG_INFO, "e", { "k", MG_U(k) });
	mg_log(1 + 60 * MG_NS_PER_S, WALL, MG_LOG_INFO, "e", { "k", MG_U(99) });
	const char *got = end(w);
	check(strstr(got, "\"k\":99,\"suppressed\":7}") != NULL, "seven were kept back: %s", got);
}

static void events_do_not_share_their_budget(void **state)
{
	struct mg_writer *w = begin(0, MG_LOG_INFO);

	(void)state;
	for (unsigned k = 0; k < 100; k++)
		mg_log(1, WALL, MG_LOG_INFO, "loud", { "k", MG_U(k) });
	mg_log(1, WALL, MG_LOG_INFO, "quiet", { "k", MG_U(0) });
	check(count(end(w), "\"event\":\"quiet\"") == 1, "a loud event does not silence another");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_read_as_written),
		cmocka_unit_test(a_long_value_is_left_out),
		cmocka_unit_test(rates_are_limited_per_event),
		cmocka_unit_test(the_next_line_tells_what_was_suppressed),
		cmocka_unit_test(events_do_not_share_their_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
