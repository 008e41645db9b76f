/* SPDX-License-Identifier: Apache-2.0 */
/* What the vectors cannot say of protocol/wire.c: the writer's limits, cut strings, and what it writes it reads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/wire.h"
#include "tests/check.h"

static void test_write(void **state)
{
	static const char want[] = "memgov/1 SET\nseq=7\nknob.gc_percent=50\nknob.memory_limit=max\nlabel.app=a b%25\n!mark=x\n";
	char buf[MG_WIRE_MAX];
	struct mg_wire_out o;
	(void)state;

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_SET);
	mg_wire_put_u64(&o, "seq", 7);
	mg_wire_put_u64_in(&o, "knob", "gc_percent", 50);
	mg_wire_put_u64_in(&o, "knob", "memory_limit", UINT64_MAX);
	mg_wire_put_str_in(&o, "label", "app", "a b%");
	mg_wire_put_str(&o, "!mark", "x");
	long n = mg_wire_end(&o);
	check(n == (long)strlen(want) && memcmp(buf, want, (size_t)n) == 0, "the message is `%.*s`", (int)n, buf);
}

static void test_strange_keys(void **state)
{
	static const char *const keys[] = { "", "!", "A", "a b", "a\nuid", "a=b", "1", "\xc3\xa9", "!!a", ".a" };
	char buf[MG_WIRE_MAX];
	struct mg_wire_out o;
	(void)state;

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_BYE);
		size_t empty = o.len;
		mg_wire_put_str(&o, keys[i], "x");
		mg_wire_put_u64(&o, keys[i], 1);
		check(o.len == empty && o.keys == 0 && !o.full, "key `%s` was written", keys[i]);
	}
	static const char *const labels[] = { "", "A", "a\nuid=0", "a b", "app/name" };
	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
		mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_HELLO);
		size_t empty = o.len;
		mg_wire_put_str_in(&o, "label", labels[i], "x");
		check(o.len == empty && mg_wire_end(&o) == (long)empty, "label `%s` was written or failed the message",
		      labels[i]);
	}
}

static void test_nul_becomes_space(void **state)
{
	char buf[MG_WIRE_MAX], out[64];
	struct mg_wire_out o;
	struct mg_wire_msg m;
	(void)state;

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_HELLO);
	mg_wire_put_strn(&o, "cmdline", "sh\0-c\0true", 10);
	check(mg_wire_parse(buf, (size_t)mg_wire_end(&o), &m, NULL) == 0, "a command line with NULs is not readable");
	check(mg_wire_str(&m, "cmdline", out, sizeof out) == 10 && strcmp(out, "sh -c true") == 0, "it reads as `%s`", out);
}

static void test_full(void **state)
{
	static const struct { size_t cap, value; long want; } row[] = {
		{ 0, 0, -E2BIG }, { 12, 0, -E2BIG }, { 18, 0, 18 }, { 17, 0, -E2BIG },
		{ 4096, 4078, 4096 }, { 4096, 4079, -E2BIG }, { 8192, 4079, -E2BIG }, /* never above 4096, whatever the buffer */
	};
	static char buf[8192], value[8192];
	struct mg_wire_out o;
	(void)state;

	memset(value, 'x', sizeof value);
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		mg_wire_begin(&o, buf, row[i].cap, MG_WIRE_BYE);
		mg_wire_put_strn(&o, "why", value, row[i].value);
		long n = mg_wire_end(&o);
		check(n == row[i].want, "row %zu: the end is %ld, expected %ld", i, n, row[i].want);
	}
}

static void test_too_many_keys(void **state)
{
	char buf[MG_WIRE_MAX], key[16];
	struct mg_wire_out o;
	(void)state;

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_REPORT);
	for (unsigned i = 0; i < MG_WIRE_MAX_KEYS; i++) {
		snprintf(key, sizeof key, "k%u", i);
		mg_wire_put_u64(&o, key, i);
	}
	check(mg_wire_end(&o) > 0, "96 keys fit");
	mg_wire_put_u64(&o, "last", 1);
	check(mg_wire_end(&o) == -E2BIG, "a 97th key must not be sent: no reader takes it");
}

static void test_cut(void **state)
{
	static const char in[] = "memgov/1 HELLO\nexe=ab%0Acd\n";
	static const struct { size_t cap; int r; const char *want; } row[] = {
		{ 0, -EINVAL, "#" }, { 1, 0, "" }, { 3, 2, "ab" }, { 4, 3, "ab\n" }, { 6, 5, "ab\ncd" }, { 16, 5, "ab\ncd" },
	};
	struct mg_wire_msg m;
	(void)state;

	check(mg_wire_parse(in, sizeof in - 1, &m, NULL) == 0, "the message is well-formed");
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		char out[16] = "#";
		int r = mg_wire_str(&m, "exe", out, row[i].cap);
		check(r == row[i].r && strcmp(out, row[i].want) == 0, "cut at %zu it is %d `%s`", row[i].cap, r, out);
	}
	char out[4];
	check(mg_wire_str(&m, "ex", out, sizeof out) == -ENOENT, "a prefix of a key is not the key");
}

/* Values of random bytes come back as they were written, whatever they are. */
static void test_round_trip(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	(void)state;

	print_message("seed %u\n", seed);
	for (unsigned round = 0; round < 2000; round++) {
		char value[200], buf[MG_WIRE_MAX], out[256];
		size_t n = (unsigned)rand_r(&seed) % sizeof value;
		struct mg_wire_out o;
		struct mg_wire_msg m;

		for (size_t i = 0; i < n; i++)
			value[i] = (char)(rand_r(&seed) % 255 + 1);
		mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_HELLO);
		mg_wire_put_strn(&o, "exe", value, n);
		mg_wire_put_u64(&o, "pid", round);
		long len = mg_wire_end(&o);
		check(len > 0 && mg_wire_parse(buf, (size_t)len, &m, NULL) == 0, "round %u: what was written cannot be read",
		      round);
		uint64_t pid = 0;
		check(mg_wire_u64(&m, "pid", &pid) == 0 && pid == round, "round %u: the key after the value was forged", round);
		check(mg_wire_str(&m, "exe", out, sizeof out) == (int)n && memcmp(out, value, n) == 0,
		      "round %u: the value changed", round);
	}
}

static void test_verbs(void **state)
{
	(void)state;

	for (unsigned v = 0; v < MG_WIRE__COUNT; v++) {
		const char *name = mg_wire_verb_name((enum mg_wire_verb)v);
		check(mg_wire_verb_find(name, strlen(name)) == (enum mg_wire_verb)v, "verb %s is not found by its name", name);
	}
	check(mg_wire_verb_find("HELL", 4) == MG_WIRE_UNKNOWN, "a prefix of a verb is not the verb");
	check(strcmp(mg_wire_verb_name(MG_WIRE_UNKNOWN), "UNKNOWN") == 0, "an unknown verb has a name to log");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write), cmocka_unit_test(test_strange_keys), cmocka_unit_test(test_nul_becomes_space),
		cmocka_unit_test(test_full), cmocka_unit_test(test_too_many_keys), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_verbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
