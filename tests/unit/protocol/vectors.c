/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every .txt file of protocol/vectors (format: their README.md) against protocol/wire.c. A case is collected line by line and
 * judged when the next one starts. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"
#include "tests/check.h"

#define MAX_IN     (80 * 1024)
#define MAX_LINE   1024
#define MAX_EXPECT 128

struct expect {
	char word[16];
	char rest[MAX_LINE];
};

struct vector {
	char name[MAX_LINE], at[MAX_LINE];
	char in[MAX_IN];
	size_t len;
	struct expect expect[MAX_EXPECT];
	unsigned n;
};

static struct vector vec;
static unsigned cases;

static const struct { const char *name; int r; } errors[] = {
	{ "EBADMSG", -EBADMSG }, { "EEXIST", -EEXIST }, { "E2BIG", -E2BIG }, { "EPROTO", -EPROTO },
	{ "EINVAL", -EINVAL }, { "ERANGE", -ERANGE }, { "ENOENT", -ENOENT }, { "ENODATA", -ENODATA },
};

static int error_find(const char *name)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].r;
	return 0;
}

/* Takes one escaped byte off *s. */
static char byte_take(const char **s)
{
	const char *p = *s;

	*s = p + 1;
	if (p[0] != '\\')
		return p[0];
	*s = p + 2;
	if (p[1] == 'n')
		return '\n';
	if (p[1] != 'x')
		return p[1];
	*s = p + 4;
	return (char)strtoul((char[]){ p[2], p[3], '\0' }, NULL, 16);
}

static size_t decode(const char *s, char *out)
{
	size_t n = 0;

	while (*s)
		out[n++] = byte_take(&s);
	return n;
}

static void in_append(const char *bytes, unsigned long number)
{
	while (*bytes) {
		check(vec.len + 24 < MAX_IN, "%s: the datagram of this case is too long for the test", vec.at);
		if (*bytes != '#') {
			vec.in[vec.len++] = byte_take(&bytes);
			continue;
		}
		bytes++;
		vec.len += (size_t)snprintf(vec.in + vec.len, 24, "%lu", number);
	}
}

static const char *expected(const char *word)
{
	for (unsigned i = 0; i < vec.n; i++)
		if (strcmp(vec.expect[i].word, word) == 0)
			return vec.expect[i].rest;
	return NULL;
}

static void judge_pair(const struct mg_wire_msg *m, unsigned i, const struct expect *e)
{
	char want[MAX_LINE], got[2 * MG_WIRE_MAX];
	size_t n = decode(e->rest, want);

	check(i < m->n, "%s: pair `%s` is missing, only %u were read", vec.at, e->rest, m->n);
	const struct mg_wire_key *k = &m->key[i];
	memcpy(got, k->key, k->key_len);
	got[k->key_len] = '=';
	int r = mg_wire_unescape(k, got + k->key_len + 1, MG_WIRE_MAX);
	check(r >= 0, "%s: the value of pair %u does not unescape: %d", vec.at, i, r);
	check(n == k->key_len + 1U + (unsigned)r && memcmp(want, got, n) == 0, "%s: pair %u is `%s`, expected `%s`", vec.at, i,
	      got, e->rest);
	check(k->must == (strcmp(e->word, "must") == 0), "%s: pair %u has the wrong must-understand mark", vec.at, i);
}

static void judge_pairs(const struct mg_wire_msg *m)
{
	unsigned i = 0;

	for (unsigned e = 0; e < vec.n; e++)
		if (strcmp(vec.expect[e].word, "key") == 0 || strcmp(vec.expect[e].word, "must") == 0)
			judge_pair(m, i++, &vec.expect[e]);
	const char *n = expected("keys");
	unsigned want = n ? (unsigned)strtoul(n, NULL, 10) : i;
	if (n || i)
		check(m->n == want, "%s: %u pairs were read, expected %u", vec.at, m->n, want);
}

static void judge_u64(const struct mg_wire_msg *m, const char *rest)
{
	char key[MAX_LINE], text[MAX_LINE];
	uint64_t got = 4711;

	check(sscanf(rest, "%s %s", key, text) == 2, "%s: `u64: %s` is not NAME NUMBER", vec.at, rest);
	int r = mg_wire_u64(m, key, &got), want_r = error_find(text);
	uint64_t want = strcmp(text, "max") == 0 ? UINT64_MAX : want_r < 0 ? 4711 : strtoull(text, NULL, 10);
	check(r == want_r && got == want, "%s: %s reads as %d %ju, expected %s", vec.at, key, r, (uintmax_t)got, text);
}

static void judge_stranger(const struct mg_wire_msg *m, const char *want)
{
	char text[MAX_LINE] = "";
	const char *known[32] = { 0 };
	unsigned n = 0;

	snprintf(text, sizeof text, "%s", expected("known"));
	for (char *save, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		known[n++] = w;
	const struct mg_wire_key *stranger = NULL;
	bool understood = mg_wire_understood(m, known, &stranger);
	check(understood == (strcmp(want, "-") == 0), "%s: understood is %d, expected stranger %s", vec.at, understood, want);
	if (!understood)
		check(stranger->key_len == strlen(want) && memcmp(stranger->key, want, strlen(want)) == 0,
		      "%s: the stranger is `%.*s`, expected %s", vec.at, stranger->key_len, stranger->key, want);
}

static void judge_canonical(const struct mg_wire_msg *m)
{
	char buf[MG_WIRE_MAX], key[MG_WIRE_MAX], val[MG_WIRE_MAX];
	struct mg_wire_out o;

	mg_wire_begin(&o, buf, sizeof buf, m->verb);
	for (unsigned i = 0; i < m->n; i++) {
		const struct mg_wire_key *k = &m->key[i];
		snprintf(key, sizeof key, "%s%.*s", k->must ? "!" : "", k->key_len, k->key);
		int r = mg_wire_unescape(k, val, sizeof val);
		mg_wire_put_strn(&o, key, val, (size_t)r);
	}
	long n = mg_wire_end(&o);
	check(n == (long)vec.len && memcmp(buf, vec.in, vec.len) == 0, "%s: written back it is `%.*s`", vec.at, (int)n, buf);
}

static void judge_accept(const struct mg_wire_msg *m)
{
	const char *version = expected("version"), *verb = expected("verb");

	check(verb && strcmp(mg_wire_verb_name(m->verb), verb) == 0, "%s: the verb is %s, expected %s", vec.at,
	      mg_wire_verb_name(m->verb), verb ? verb : "(none given)");
	if (version)
		check(m->version == strtoul(version, NULL, 10), "%s: the version is %u, expected %s", vec.at, m->version,
		      version);
	judge_pairs(m);
	for (unsigned e = 0; e < vec.n; e++) {
		if (strcmp(vec.expect[e].word, "u64") == 0)
			judge_u64(m, vec.expect[e].rest);
		if (strcmp(vec.expect[e].word, "stranger") == 0)
			judge_stranger(m, vec.expect[e].rest);
	}
	if (expected("canonical"))
		judge_canonical(m);
}

static void judge(void)
{
	static struct mg_wire_msg m;
	const char *why = NULL, *error = expected("error");

	if (!vec.name[0])
		return;
	cases++;
	char *exact = malloc(vec.len ? vec.len : 1); /* its own block, so that a read past the end is seen */
	assert_non_null(exact);
	memcpy(exact, vec.in, vec.len);
	memset(&m, 0xaa, sizeof m);
	int r = mg_wire_parse(exact, vec.len, &m, &why);
	if (error) {
		check(r < 0 && r == error_find(error), "%s: parsed with %d (%s), expected %s", vec.at, r, why ? why : "-", error);
		check(why != NULL, "%s: refused without a sentence", vec.at);
		check(m.n == 0xaaaaaaaa, "%s: a refused message touched the result", vec.at);
	} else {
		check(r == 0, "%s: refused with %d (%s), expected to be accepted", vec.at, r, why ? why : "-");
		judge_accept(&m);
	}
	free(exact);
}

static void negotiate(const char *rest)
{
	unsigned a, b, c, d, want;

	check(sscanf(rest, "%u %u %u %u = %u", &a, &b, &c, &d, &want) == 5, "`negotiate: %s` is not A B C D = N", rest);
	unsigned got = mg_wire_negotiate(a, b, c, d);
	check(got == want, "%u..%u and %u..%u speak %u, expected %u", a, b, c, d, got, want);
	cases++;
}

static void case_start(const char *file, unsigned line, const char *name)
{
	judge();
	vec.len = vec.n = 0;
	snprintf(vec.name, sizeof vec.name, "%s", name);
	snprintf(vec.at, sizeof vec.at, "%.200s:%u: %.700s", strrchr(file, '/') + 1, line, name);
}

static void line_read(const char *file, unsigned number, char *line)
{
	unsigned long times = 1;

	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return;
	char *rest = strchr(line, ':');
	check(rest, "%s:%u: a line without a word and a colon", file, number);
	*rest++ = '\0';
	rest += *rest == ' ';
	if (strcmp(line, "case") == 0)
		return case_start(file, number, rest);
	if (strcmp(line, "negotiate") == 0)
		return negotiate(rest);
	if (strcmp(line, "in") == 0 || sscanf(line, "in*%lu", &times) == 1) {
		for (unsigned long i = 0; i < times; i++)
			in_append(rest, i);
		return;
	}
	check(vec.n < MAX_EXPECT, "%s:%u: more expectations than the test holds", file, number);
	struct expect *e = &vec.expect[vec.n++];
	snprintf(e->word, sizeof e->word, "%.*s", (int)sizeof e->word - 1, line);
	snprintf(e->rest, sizeof e->rest, "%s", rest);
}

static void file_run(const char *path)
{
	char line[MAX_LINE];
	unsigned number = 0;
	FILE *f = fopen(path, "r");

	check(f, "%s cannot be read: %s", path, strerror(errno));
	while (fgets(line, sizeof line, f))
		line_read(path, ++number, line);
	fclose(f);
	judge();
	vec.name[0] = '\0';
}

static void test_vectors(void **state)
{
	glob_t g;
	(void)state;

	check(glob(MG_VECTORS "/*.txt", 0, NULL, &g) == 0, "no vectors in %s", MG_VECTORS);
	for (size_t i = 0; i < g.gl_pathc; i++)
		file_run(g.gl_pathv[i]);
	check(g.gl_pathc >= 4 && cases >= 80, "only %u cases in %zu files were run", cases, g.gl_pathc);
	globfree(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
