/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: reads `name{a="b",c!="d",e=~"x|y",f!~"z"}`, gives the answer to "is this series meant?". Compiled once when a
 * source starts, asked by prom_text.c for every series whose name matched. Regular expressions are POSIX extended and
 * anchored at both ends as in PromQL; what RE2 has and POSIX has not is refused by name, not matched as something else.
 * regexec may allocate inside libc: it runs only for series whose name matched a selector that uses =~ or !~. */
#include "collectors/prom_select.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "governor/util/num.h"
#include "governor/util/str.h"

struct reader {
	const char *text; /* as written, for messages */
	char *s;          /* the selector's copy, unescaped in place */
	size_t at, len;
	struct mg_err *err;
};

static int expected(const struct reader *r, const char *what)
{
	return mg_fail(r->err, -EINVAL, "selector `%s`, column %zu: expected %s", r->text, r->at + 1, what);
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->len && (r->s[r->at] == ' ' || r->s[r->at] == '\t'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (r->at >= r->len || r->s[r->at] != c)
		return false;
	r->at++;
	return true;
}

static size_t word(struct reader *r, bool colon)
{
	size_t start = r->at;

	while (r->at < r->len && (mg_is_word(r->s[r->at]) || (colon && r->s[r->at] == ':'))) {
		if (r->at == start && mg_is_digit(r->s[r->at]))
			break;
		r->at++;
	}
	return r->at - start;
}

static int read_op(struct reader *r, enum mg_match_op *ret)
{
	static const struct {
		const char *text;
		enum mg_match_op op;
	} ops[] = {
		{ "=~", MG_MATCH_RE },
		{ "!~", MG_MATCH_NRE },
		{ "!=", MG_MATCH_NE },
		{ "=", MG_MATCH_EQ },
	};

	skip_blanks(r);
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		size_t n = strlen(ops[i].text);
		if (r->len - r->at >= n && memcmp(r->s + r->at, ops[i].text, n) == 0) {
			r->at += n;
			*ret = ops[i].op;
			return 0;
		}
	}
	return expected(r, "=, !=, =~ or !~");
}

/* What the escape at r->s[r->at] stands for, 0 when there is no such escape. */
static char escaped(const struct reader *r)
{
	switch (r->s[r->at]) {
	case '\\':
	case '"':
	case '\'': return r->s[r->at];
	case 'n': return '\n';
	}
	return 0;
}

/* The quoted text at r, unescaped where it stands and ended with a NUL. `\.` in a regular expression is written `\\.`, as in
 * PromQL. */
static int read_value(struct reader *r, struct mg_matcher *m)
{
	skip_blanks(r);
	char quote = r->at < r->len ? r->s[r->at] : '\0';
	if (quote != '"' && quote != '\'')
		return expected(r, "a quoted value");
	char *start = r->s + ++r->at, *out = start;
	for (; r->at < r->len && r->s[r->at] != quote; r->at++) {
		char c = r->s[r->at];
		if (c == '\\') {
			r->at++;
			c = escaped(r);
		}
		if (c == '\0')
			return expected(r, "\\\\, \\n or a quote after a backslash");
		*out++ = c;
	}
	if (r->at >= r->len)
		return expected(r, "a closing quote");
	r->at++;
	m->value = start;
	m->value_len = (size_t)(out - start);
	*out = '\0';
	return 0;
}

/* POSIX would read these as other things than RE2 does; back references could take exponential time. */
static const char *foreign_syntax(const char *z)
{
	for (; *z != '\0'; z++) {
		if (z[0] == '(' && z[1] == '?')
			return "(?...)";
		if (z[0] == '\\' && (mg_is_word(z[1])))
			return "a backslash before a letter or digit";
		if ((z[0] == '*' || z[0] == '+' || z[0] == '?' || z[0] == '}') && z[1] == '?')
			return "a lazy quantifier";
		if (z[0] == '\\' && z[1] != '\0')
			z++;
	}
	return NULL;
}

static int compile_regex(const struct mg_selector *s, struct mg_matcher *m, struct mg_err *err)
{
	char anchored[MG_MAX_SELECTOR + 8], why[96];
	const char *foreign = foreign_syntax(m->value);

	if (foreign)
		return mg_fail(err, -EINVAL, "selector of `%.*s`: %s in `%s` is not POSIX: write [0-9], [a-z], alternatives",
			       (int)s->name_len, s->text, foreign, m->value);
	snprintf(anchored, sizeof anchored, "^(%s)$", m->value);
	int r = regcomp(&m->re, anchored, REG_EXTENDED | REG_NOSUB);
	if (r == 0)
		return 0;
	regerror(r, &m->re, why, sizeof why);
	m->op = MG_MATCH_EQ; /* there is nothing for mg_selector_done to free */
	return mg_fail(err, -EINVAL, "selector of `%.*s`: `%s`: %s", (int)s->name_len, s->text, m->value, why);
}

static int read_matcher(struct mg_selector *s, struct reader *r)
{
	if (s->n == MG_MAX_MATCHERS)
		return expected(r, "at most 16 matchers");
	struct mg_matcher m = { .name = r->s + r->at };
	m.name_len = word(r, false);
	if (m.name_len == 0)
		return expected(r, "a label's name");
	int e = read_op(r, &m.op);
	if (e == 0)
		e = read_value(r, &m);
	if (e < 0)
		return e;
	bool number = mg_equal(m.name, m.name_len, "le") || mg_equal(m.name, m.name_len, "quantile");
	m.numeric = number && mg_scan_double(m.value, m.value_len, &m.number) == 0 && m.number == m.number;
	if (m.op == MG_MATCH_RE || m.op == MG_MATCH_NRE)
		e = compile_regex(s, &m, r->err);
	if (e == 0)
		s->matcher[s->n++] = m;
	return e;
}

static int read_matchers(struct mg_selector *s, struct reader *r)
{
	while (!take(r, '}')) {
		int e = read_matcher(s, r);
		if (e < 0)
			return e;
		if (take(r, '}'))
			return 0;
		if (!take(r, ','))
			return expected(r, "`,` or `}`");
		skip_blanks(r);
	}
	return 0;
}

int mg_selector_compile(struct mg_selector *s, const char *text, struct mg_err *err)
{
	*s = (struct mg_selector){ 0 };
	if (!mg_copy(s->text, sizeof s->text, text))
		return mg_fail(err, -EINVAL, "selector longer than %d bytes", MG_MAX_SELECTOR - 1);
	struct reader r = { .text = text, .s = s->text, .len = strlen(s->text), .err = err };
	s->name_len = word(&r, true);
	if (s->name_len == 0)
		return expected(&r, "the metric's name");
	s->name_hash = mg_hash(s->text, s->name_len, 0);
	if (take(&r, '{')) {
		skip_blanks(&r);
		int e = read_matchers(s, &r);
		if (e < 0)
			return e;
	}
	skip_blanks(&r);
	return r.at == r.len ? 0 : expected(&r, "nothing more: a selector is name{label=\"value\",...}");
}

void mg_selector_done(struct mg_selector *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->matcher[i].op == MG_MATCH_RE || s->matcher[i].op == MG_MATCH_NRE)
			regfree(&s->matcher[i].re);
	s->n = 0;
}

static bool equal(const struct mg_matcher *m, const char *value, size_t len)
{
	double number;

	if (m->numeric && mg_scan_double(value, len, &number) == 0)
		return number == m->number;
	return len == m->value_len && memcmp(value, m->value, len) == 0;
}

static bool regex_holds(const struct mg_matcher *m, const char *value, size_t len)
{
	return strlen(value) == len && regexec(&m->re, value, 0, NULL, 0) == 0; /* a NUL inside: no */
}

static bool matcher_holds(const struct mg_matcher *m, const char *value, size_t len)
{
	switch (m->op) {
	case MG_MATCH_EQ: return equal(m, value, len);
	case MG_MATCH_NE: return !equal(m, value, len);
	case MG_MATCH_RE: return regex_holds(m, value, len);
	case MG_MATCH_NRE: return !regex_holds(m, value, len);
	}
	return false;
}

static const struct mg_label *find_label(const struct mg_matcher *m, const struct mg_label labels[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (labels[i].name_len == m->name_len && memcmp(labels[i].name, m->name, m->name_len) == 0)
			return &labels[i];
	return NULL;
}

bool mg_selector_match(const struct mg_selector *s, const struct mg_label labels[], unsigned n)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct mg_label *l = find_label(&s->matcher[i], labels, n);
		if (!matcher_holds(&s->matcher[i], l ? l->value : "", l ? l->value_len : 0))
			return false;
	}
	return true;
}
