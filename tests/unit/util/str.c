/* SPDX-License-Identifier: Apache-2.0 */
/* Matching, escaping and bounded buffers. */
#include <math.h>
#include <string.h>

#include "governor/util/knob.h"
#include "governor/util/signal.h"
#include "governor/util/str.h"
#include "tests/check.h"

static const struct { const char *pattern, *text; bool match; } globs[] = {
	{ "", "anything", true }, { "*", "", true }, { "*", "a/b", true }, { "api*", "api-server", true }, { "api*", "capi", false },
	{ "*d", "abcd", true }, { "a*b*c", "aXbYbZc", true }, { "a*b*c", "aXbY", false }, { "?", "a", true }, { "?", "", false },
	{ "[a-c]x", "bx", true }, { "[a-c]x", "dx", false }, { "[!a]", "b", true }, { "[^a]", "a", false }, { "[]]", "]", true },
	{ "[", "[", true }, { "[a", "[a", true }, { "[a", "a", false }, { "a**b", "ab", true }, { "redis", "redis-server", false },
	{ "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
};

static void matches_globs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++)
		check(mg_glob(globs[i].pattern, globs[i].text) == globs[i].match, "`%s` against `%s` is %s", globs[i].pattern,
		      globs[i].text, globs[i].match ? "a match" : "no match");
}

static const struct { const char *a, *b; uint32_t max, d; } distances[] = {
	{ "", "", 2, 0 }, { "abc", "abc", 2, 0 }, { "abc", "abd", 2, 1 }, { "abc", "ab", 2, 1 }, { "kitten", "sitting", 3, 3 },
	{ "kitten", "sitting", 2, UINT32_MAX }, { "", "abc", 3, 3 },
};

static void measures_distance(void **state)
{
	char longer[80];
	(void)state;

	for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
		const char *a = distances[i].a, *b = distances[i].b;
		uint32_t d = mg_distance(a, strlen(a), b, strlen(b), distances[i].max);
		check(d == distances[i].d, "`%s` to `%s` is %u, not %u", a, b, distances[i].d, d);
		check(mg_distance(b, strlen(b), a, strlen(a), distances[i].max) == d, "`%s` to `%s` is the same both ways", a, b);
	}
	memset(longer, 'a', sizeof longer);
	check(mg_distance(longer, sizeof longer, longer, sizeof longer, 9) == UINT32_MAX, "what is too long is far");
}

static void copies_and_cuts(void **state)
{
	char buf[4];
	(void)state;

	check(mg_copy(buf, sizeof buf, "abc") && strcmp(buf, "abc") == 0, "what fits is copied whole");
	check(!mg_copy(buf, sizeof buf, "abcd") && strcmp(buf, "abc") == 0, "what does not is cut, terminated and told");
	check(mg_copyn(buf, sizeof buf, "xyz", 2) && strcmp(buf, "xy") == 0, "a length is kept to");
}

static const struct { const char *text, *json; } quotes[] = {
	{ "plain", "\"plain\"" }, { "a\"b\\c", "\"a\\\"b\\\\c\"" }, { "line\nend", "\"line\\u000aend\"" }, { "\x1b[31m", "\"\\u001b[31m\"" },
	{ "\x7f", "\"\\u007f\"" }, { "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" }, { "\xff", "\"\xef\xbf\xbd\"" },
	{ "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"" }, { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" }, { "cut\xe2\x82", "\"cut\xef\xbf\xbd\xef\xbf\xbd\"" },
};

static void quotes_json(void **state)
{
	char at[64];
	(void)state;

	for (size_t i = 0; i < sizeof quotes / sizeof quotes[0]; i++) {
		struct mg_buf b = mg_buf(at, sizeof at);
		mg_buf_json(&b, quotes[i].text);
		check(strcmp(at, quotes[i].json) == 0 && !b.full, "row %zu is quoted as %s", i, at);
	}
}

static const struct { double v; const char *json; } numbers[] = {
	{ 0, "0" }, { 1073741824, "1073741824" }, { -3, "-3" }, { .25, "0.25" }, { NAN, "null" }, { INFINITY, "null" }, { -INFINITY, "null" },
};

static void writes_json_numbers(void **state)
{
	char at[64];
	(void)state;

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		struct mg_buf b = mg_buf(at, sizeof at);
		mg_buf_json_number(&b, numbers[i].v);
		check(strcmp(at, numbers[i].json) == 0, "%g is written %s, not %s", numbers[i].v, numbers[i].json, at);
	}
}

static void strips_terminal_bytes(void **state)
{
	char at[64];
	struct mg_buf b = mg_buf(at, sizeof at);
	(void)state;

	mg_buf_plain(&b, "a\x1b]0;x\x07\x9b" "b");
	check(strcmp(at, "a\\x1b]0;x\\x07\\x9bb") == 0, "control bytes are shown, not sent: %s", at);
}

static void says_when_full(void **state)
{
	char at[8];
	struct mg_buf b = mg_buf(at, sizeof at);
	(void)state;

	mg_buf_put(&b, "1234", 4);
	mg_buf_printf(&b, "%d", 567);
	check(!b.full && b.len == 7 && strcmp(at, "1234567") == 0, "seven bytes fit into eight");
	mg_buf_printf(&b, "%d", 8);
	check(b.full && strcmp(at, "1234567") == 0, "the eighth does not, and what was there stays terminated");
	mg_buf_put(&b, "9", 1);
	check(b.full && b.len == 7, "full stays full");
}

static void finds_rows(void **state)
{
	(void)state;
	for (enum mg_knob k = 0; k < MG_KNOB__COUNT; k++)
		check(mg_knob_find(mg_knob_info(k)->name, strlen(mg_knob_info(k)->name)) == (int)k, "knob %s is found", mg_knob_info(k)->name);
	for (enum mg_action a = 0; a < MG_ACTION__COUNT; a++)
		check(mg_action_find(mg_action_info(a)->name, strlen(mg_action_info(a)->name)) == (int)a, "action %d is found", (int)a);
	for (enum mg_signal s = 0; s < MG_SIG__BUILTIN; s++)
		check(mg_signal_find(mg_signal_info(s)->name, strlen(mg_signal_info(s)->name)) == (int)s, "signal %d is found", (int)s);
	check(mg_knob_find("gc_percen", 9) == -1 && mg_action_find("", 0) == -1 && mg_signal_find("cgroup", 6) == -1,
	      "a part of a name is not a name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_globs), cmocka_unit_test(measures_distance), cmocka_unit_test(copies_and_cuts),
		cmocka_unit_test(quotes_json), cmocka_unit_test(writes_json_numbers), cmocka_unit_test(strips_terminal_bytes),
		cmocka_unit_test(says_when_full), cmocka_unit_test(finds_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
