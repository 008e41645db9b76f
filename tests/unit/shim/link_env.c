// SPDX-License-Identifier: Apache-2.0
/* The environment's variables, and the text helpers under them. */

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "shim/env.h"
#include "shim/text.h"

static const char *name, *value;

static const char *get(const char *n)
{
	return strcmp(n, name) ? NULL : value;
}

static struct mg_env read_one(const char *n, const char *v)
{
	struct mg_env e;

	name = n;
	value = v;
	mg_env_read(&e, get);
	return e;
}

static void test_limit(void **state)
{
	static const struct { const char *text; uint64_t bytes; uint32_t percent; bool bad; } rows[] = {
		{ "512MiB", 512ull << 20, 0, false }, { "512Mi", 512ull << 20, 0, false }, { "2GiB", 2ull << 30, 0, false },
		{ "100MB", 100000000, 0, false }, { "4096", 4096, 0, false }, { "10B", 10, 0, false },
		{ "80%", MG_ENV_OFF, 80, false }, { "100%", MG_ENV_OFF, 100, false }, { "off", MG_ENV_OFF, 0, false },
		{ "0%", MG_ENV_OFF, 0, true }, { "101%", MG_ENV_OFF, 0, true }, { "0", MG_ENV_OFF, 0, true },
		{ "-1", MG_ENV_OFF, 0, true }, { "1 GiB", MG_ENV_OFF, 0, true }, { "1gib", MG_ENV_OFF, 0, true },
		{ "99999999999999999999", MG_ENV_OFF, 0, true }, { "18446744073709551615TiB", MG_ENV_OFF, 0, true }, { "x", MG_ENV_OFF, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mg_env e = read_one("MEMGOV_MEMORY_LIMIT", rows[i].text);

		check(e.limit_bytes == rows[i].bytes, "%s is %llu bytes", rows[i].text, (unsigned long long)rows[i].bytes);
		check(e.limit_percent == rows[i].percent, "%s is %u percent, got %u", rows[i].text, rows[i].percent, e.limit_percent);
		check(!!e.bad == rows[i].bad, "%s is %s", rows[i].text, rows[i].bad ? "named as bad" : "good");
	}
}

static void test_others(void **state)
{
	char longest[900];
	struct mg_env e = read_one("NONE", "");

	(void)state;
	check(!strcmp(e.socket, MG_ENV_SOCKET) && !e.socket_set && !e.disabled && e.log == MG_LOG_OFF, "without variables there are defaults");
	check(!mg_env_limits(&e), "and no limits");
	e = read_one("MEMGOV_SOCKET", "/a/b");
	check(e.socket_set && !strcmp(e.socket, "/a/b"), "a socket is taken");
	check(read_one("MEMGOV_SOCKET", "a/b").bad, "a relative socket is refused: the program may change its directory");
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	e = read_one("MEMGOV_SOCKET", longest);
	check(e.bad && !strcmp(e.socket, MG_ENV_SOCKET), "a socket that fits no address is refused, and the default stays");
	check(read_one("MEMGOV_LABELS", longest).bad, "labels without end are refused");
	check(read_one("MEMGOV_DISABLE", "1").disabled && read_one("MEMGOV_DISABLE", "yes").disabled, "disable is anything");
	check(!read_one("MEMGOV_DISABLE", "0").disabled && !read_one("MEMGOV_DISABLE", "").disabled, "but 0 and nothing");
	check(read_one("MEMGOV_LOG", "info").log == MG_LOG_INFO && read_one("MEMGOV_LOG", "loud").bad, "log levels have names");
	e = read_one("MEMGOV_GOVERNOR_UID", "65532");
	check(e.governor_uid_set && e.governor_uid == 65532, "a uid is a number");
	check(read_one("MEMGOV_GOVERNOR_UID", "4294967295").bad && read_one("MEMGOV_GOVERNOR_UID", "root").bad, "no other thing is");
	check(read_one("MEMGOV_GC_PERCENT", "100").gc_percent == 100 && read_one("MEMGOV_GC_PERCENT", "100%").gc_percent == 100, "percent");
	check(read_one("MEMGOV_GC_PERCENT", "9").bad && read_one("MEMGOV_GC_PERCENT", "20000").bad, "within what a knob takes");
}

static void test_exe(void **state)
{
	static const struct { const char *globs, *exe; bool wanted; } rows[] = {
		{ "", "any", true }, { "redis-server", "redis-server", true }, { "redis*", "redis-server", true }, { "redis", "redis-server", false },
		{ "a,b,c", "b", true }, { "a,b,c", "d", false }, { "py*3", "python3", true }, { "py*3", "python", false }, { "?", "x", true },
		{ "?", "xy", false }, { "*", "", true }, { "*a*b", "xaxb", true }, { "*a*b", "xaxbx", false }, { ",", "x", false }, { "a*b*c", "abbc", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mg_env e = read_one("MEMGOV_EXE", rows[i].globs);

		check(mg_env_wants_exe(&e, rows[i].exe) == rows[i].wanted, "'%s' %s '%s'", rows[i].globs, rows[i].wanted ? "takes" : "leaves", rows[i].exe);
	}
}

static void test_labels(void **state)
{
	struct mg_env e = read_one("MEMGOV_LABELS", "team=core,=x,Bad=1,novalue,zone=eu-1=b,empty=,new=a\nb");
	char key[MG_ENV_MAX_LABEL], val[MG_ENV_MAX_LABEL + 1], got[200] = "";
	const char *at = e.labels;

	(void)state;
	while (mg_env_label(&at, key, val)) {
		strcat(got, key);
		strcat(got, ":");
		strcat(got, val);
		strcat(got, ";");
	}
	check(!strcmp(got, "team:core;zone:eu-1=b;empty:;new:a\nb;"), "good labels are kept and bad ones skipped, got %s", got);
}

static void test_text(void **state)
{
	uint64_t v = 7;
	char buf[8];
	struct mg_text t;

	(void)state;
	check(mg_text_u64("18446744073709551615x", &v) && v == UINT64_MAX, "the largest number is read");
	check(!mg_text_u64("18446744073709551616", &v) && v == UINT64_MAX, "one more is refused, and nothing written");
	check(!mg_text_u64("", &v) && !mg_text_u64("-1", &v), "no digits, no number");
	check(mg_text_field("a 1\nSeccomp_filters:\t3\n", "Seccomp_filters:", &v) && v == 3, "a field is found by its whole name");
	check(!mg_text_field("Seccomp_filtersX: 3\n", "Seccomp_filters", &v), "not by its beginning");
	mg_text_init(&t, buf, sizeof(buf));
	mg_text_num(&t, 0);
	mg_text_str(&t, "-");
	mg_text_num(&t, 12345678);
	check(!strcmp(buf, "0-12345") && t.cut, "what does not fit is cut and said, got %s", buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit), cmocka_unit_test(test_others), cmocka_unit_test(test_exe), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
