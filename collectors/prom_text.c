/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text and OpenMetrics: reads pieces of an exposition as they arrive, gives the sums its selectors ask for. Every
 * line is checked as promtool checks it, but only series whose name a selector names are decoded, and nothing is stored of
 * the rest. A line that lies whole in a piece is parsed where it stands; one that is cut is put together in `carry` first.
 * Called by source.c with what http.c receives. */
#include "collectors/prom_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/prom_family.h"
#include "collectors/prom_select.h"
#include "governor/util/num.h"
#include "governor/util/str.h"

struct span {
	const char *s;
	size_t len;
};

struct raw_label {
	struct span name, value;
	bool escaped;
};

struct cursor {
	const char *s;
	size_t at, len;
};

struct mg_prom {
	struct mg_selector *selector;
	struct mg_prom_value value[MG_MAX_SELECTORS];
	unsigned n_selectors;
	enum mg_prom_format format;
	struct mg_families families;
	struct mg_set seen;    /* matched series */
	char *carry, *scratch; /* [MG_MAX_PROM_LINE] each */
	size_t carry_len;
	struct raw_label label[MG_MAX_PROM_LABELS];
	struct mg_label decoded[MG_MAX_PROM_LABELS];
	unsigned n_labels;
	uint64_t line, series;
	bool eof; /* `# EOF` was read */
	int failed;
	struct mg_err err;
};

static int bad(struct mg_prom *p, const struct cursor *c, const char *what)
{
	return mg_fail(&p->err, -EBADMSG, "line %llu, column %zu: %s", (unsigned long long)p->line, c->at + 1, what);
}

static int peek(const struct cursor *c)
{
	return c->at < c->len ? (unsigned char)c->s[c->at] : -1;
}

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->len && (c->s[c->at] == ' ' || c->s[c->at] == '\t'))
		c->at++;
}

/* A tab separates in text alone. */
static struct span until_blank(struct cursor *c, enum mg_prom_format format)
{
	size_t start = c->at;

	while (c->at < c->len && c->s[c->at] != ' ' && (c->s[c->at] != '\t' || format == MG_PROM_OPENMETRICS))
		c->at++;
	return (struct span){ c->s + start, c->at - start };
}

static struct span name_token(struct cursor *c, bool colon)
{
	size_t start = c->at;

	if (c->at < c->len && mg_is_digit(c->s[c->at]))
		return (struct span){ c->s + start, 0 };
	while (c->at < c->len && (mg_is_word(c->s[c->at]) || (colon && c->s[c->at] == ':')))
		c->at++;
	return (struct span){ c->s + start, c->at - start };
}

static uint64_t *family_of(struct mg_prom *p, struct span name)
{
	return mg_family_of(&p->families, name.s, name.len, p->format == MG_PROM_OPENMETRICS);
}

static bool ends_with(struct span name, const char *suffix)
{
	size_t n = strlen(suffix);

	return name.len > n && memcmp(name.s + name.len - n, suffix, n) == 0;
}

/* ---- comments ---- */

static const struct {
	const char *name;
	enum mg_prom_type type;
	bool text, openmetrics;
} types[] = {
	{ "counter", MG_PROM_COUNTER, true, true },
	{ "gauge", MG_PROM_GAUGE, true, true },
	{ "summary", MG_PROM_SUMMARY, true, true },
	{ "histogram", MG_PROM_HISTOGRAM, true, true },
	{ "untyped", MG_PROM_UNTYPED, true, false },
	{ "gauge_histogram", MG_PROM_GAUGE_HISTOGRAM, true, false },
	{ "gaugehistogram", MG_PROM_GAUGE_HISTOGRAM, false, true },
	{ "unknown", MG_PROM_UNTYPED, false, true },
	{ "info", MG_PROM_INFO, false, true },
	{ "stateset", MG_PROM_STATESET, false, true },
};

static int read_type(struct mg_prom *p, const struct cursor *c, uint64_t *family)
{
	bool om = p->format == MG_PROM_OPENMETRICS;
	size_t len = c->len - c->at;

	if (!om && mg_family_type(family) != MG_PROM_NONE)
		return bad(p, c, "a second TYPE of this metric, or TYPE after its samples");
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		bool here = om ? types[i].openmetrics : types[i].text;
		bool same = om ? mg_equal(c->s + c->at, len, types[i].name) : mg_equal_nocase(c->s + c->at, len, types[i].name);
		if (here && same) {
			*family = (*family & ~MG_FAMILY_TYPE) | (uint64_t)types[i].type;
			return 0;
		}
	}
	return bad(p, c, "unknown metric type");
}

static int read_help(struct mg_prom *p, struct cursor *c, uint64_t *family)
{
	if (*family & MG_FAMILY_HELP)
		return bad(p, c, "a second HELP of this metric");
	*family |= MG_FAMILY_HELP;
	for (; c->at < c->len; c->at++) {
		if (c->s[c->at] != '\\')
			continue;
		c->at++;
		if (peek(c) != '\\' && peek(c) != 'n')
			return bad(p, c, "invalid escape: only \\\\ and \\n");
	}
	return 0;
}

static int text_comment(struct mg_prom *p, struct cursor *c)
{
	c->at++;
	skip_blanks(c);
	struct span word = until_blank(c, p->format);
	bool help = mg_equal(word.s, word.len, "HELP");
	if (c->at == c->len || (!help && !mg_equal(word.s, word.len, "TYPE")))
		return 0;
	skip_blanks(c);
	struct span name = name_token(c, true);
	if (c->at == c->len)
		return 0;
	if (name.len == 0 || (peek(c) != ' ' && peek(c) != '\t'))
		return bad(p, c, "invalid metric name in a comment");
	uint64_t *family = family_of(p, name);
	skip_blanks(c);
	if (c->at == c->len)
		return 0;
	return help ? read_help(p, c, family) : read_type(p, c, family);
}

static bool unit_is_suffix(struct span name, struct span unit)
{
	return unit.len == 0 || (name.len > unit.len && name.s[name.len - unit.len - 1] == '_' &&
				 memcmp(name.s + name.len - unit.len, unit.s, unit.len) == 0);
}

static int openmetrics_comment(struct mg_prom *p, struct cursor *c)
{
	if (mg_equal(c->s, c->len, "# EOF")) {
		p->eof = true;
		return 0;
	}
	bool help = c->len > 7 && memcmp(c->s, "# HELP ", 7) == 0, type = c->len > 7 && memcmp(c->s, "# TYPE ", 7) == 0;
	if (!help && !type && !(c->len > 7 && memcmp(c->s, "# UNIT ", 7) == 0))
		return bad(p, c, "expected # HELP, # TYPE, # UNIT or # EOF");
	c->at = 7;
	struct span name = name_token(c, true);
	if (name.len == 0 || peek(c) != ' ')
		return bad(p, c, "expected a metric's name and a space");
	c->at++;
	if (type)
		return read_type(p, c, family_of(p, name));
	if (!help && !unit_is_suffix(name, (struct span){ c->s + c->at, c->len - c->at }))
		return bad(p, c, "the unit is not the suffix of the metric's name");
	return 0;
}

/* ---- samples ---- */

/* The length of the UTF-8 sequence at s, 0 when it is none. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
	static const struct {
		unsigned char lo, hi, second_lo, second_hi, n;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (s[0] < forms[i].lo || s[0] > forms[i].hi)
			continue;
		size_t n = forms[i].n;
		if (n > len || (n > 1 && (s[1] < forms[i].second_lo || s[1] > forms[i].second_hi)))
			return 0;
		for (size_t k = 2; k < n; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return n;
	}
	return 0;
}

static bool valid_utf8(struct span s)
{
	for (size_t i = 0; i < s.len;) {
		if ((unsigned char)s.s[i] < 0x80) {
			i++;
			continue;
		}
		size_t n = utf8_length((const unsigned char *)s.s + i, s.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

/* From the opening quote past the closing one. Text knows three escapes; OpenMetrics takes any other as it stands. */
static int read_label_value(struct mg_prom *p, struct cursor *c, struct raw_label *l)
{
	if (peek(c) != '"')
		return bad(p, c, "expected a quote before the label's value");
	size_t start = ++c->at;
	for (; c->at < c->len && c->s[c->at] != '"'; c->at++) {
		if (c->s[c->at] != '\\')
			continue;
		l->escaped = true;
		c->at++;
		int e = peek(c);
		if (e == -1 || (p->format == MG_PROM_TEXT && e != '\\' && e != 'n' && e != '"'))
			return bad(p, c, "invalid escape in a label's value: only \\\\, \\n and \\\"");
	}
	if (c->at >= c->len)
		return bad(p, c, "a label's value has no closing quote in its line");
	l->value = (struct span){ c->s + start, c->at - start };
	c->at++;
	return valid_utf8(l->value) ? 0 : bad(p, c, "a label's value is not UTF-8");
}

static bool duplicate_label(const struct mg_prom *p, struct span name)
{
	for (unsigned i = 0; i < p->n_labels; i++)
		if (p->label[i].name.len == name.len && memcmp(p->label[i].name.s, name.s, name.len) == 0)
			return true;
	return false;
}

/* le of a histogram and quantile of a summary must be numbers in text; OpenMetrics says so too, but no server checks it. */
static int check_bound(struct mg_prom *p, const struct cursor *c, const uint64_t *family, const struct raw_label *l)
{
	bool bound = (mg_family_type(family) == MG_PROM_HISTOGRAM && mg_equal(l->name.s, l->name.len, "le")) ||
		     (mg_family_type(family) == MG_PROM_SUMMARY && mg_equal(l->name.s, l->name.len, "quantile"));
	double number;

	if (!bound || p->format == MG_PROM_OPENMETRICS || mg_scan_double(l->value.s, l->value.len, &number) == 0)
		return 0;
	return bad(p, c, "le or quantile is not a number");
}

static int read_label(struct mg_prom *p, struct cursor *c, const uint64_t *family)
{
	bool blanks = p->format == MG_PROM_TEXT;
	struct raw_label l = { .name = name_token(c, false) };

	if (l.name.len == 0)
		return bad(p, c, "expected a label's name");
	if (p->n_labels == MG_MAX_PROM_LABELS)
		return bad(p, c, "more than 128 labels");
	if (mg_equal(l.name.s, l.name.len, "__name__"))
		return bad(p, c, "the label __name__ is reserved");
	if (duplicate_label(p, l.name))
		return bad(p, c, "a label's name is given twice");
	if (blanks)
		skip_blanks(c);
	if (peek(c) != '=')
		return bad(p, c, "expected = after a label's name");
	c->at++;
	if (blanks)
		skip_blanks(c);
	int r = read_label_value(p, c, &l);
	if (r == 0)
		r = check_bound(p, c, family, &l);
	if (r == 0)
		p->label[p->n_labels++] = l;
	return r;
}

/* From the opening brace past the closing one. */
static int read_labels(struct mg_prom *p, struct cursor *c, const uint64_t *family)
{
	bool text = p->format == MG_PROM_TEXT, comma = false;

	p->n_labels = 0;
	c->at++;
	for (;;) {
		if (text)
			skip_blanks(c);
		if (peek(c) == '}' && (text || !comma)) {
			c->at++;
			return 0;
		}
		int r = read_label(p, c, family);
		if (r < 0)
			return r;
		if (text)
			skip_blanks(c);
		comma = peek(c) == ',';
		if (!comma && peek(c) != '}')
			return bad(p, c, "expected , or } after a label");
		c->at += comma;
	}
}

static int read_number(struct mg_prom *p, struct cursor *c, const char *what, double *ret)
{
	struct span token = until_blank(c, p->format);

	if (mg_scan_double(token.s, token.len, ret) == 0)
		return 0;
	c->at -= token.len;
	return bad(p, c, what);
}

static int scan_i64(struct span s, int64_t *ret)
{
	bool negative = s.len > 0 && s.s[0] == '-';
	size_t sign = s.len > 0 && (s.s[0] == '-' || s.s[0] == '+');
	uint64_t v;

	if (mg_scan_u64(s.s + sign, s.len - sign, &v) < 0 || v > (uint64_t)INT64_MAX + negative)
		return -EINVAL;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

struct sample {
	double value;
	bool has_time;
	int64_t time_ms;
};

static int text_value(struct mg_prom *p, struct cursor *c, struct sample *ret)
{
	skip_blanks(c);
	int r = read_number(p, c, "expected a number as value", &ret->value);
	if (r < 0 || c->at == c->len)
		return r;
	skip_blanks(c);
	struct span time = until_blank(c, p->format);
	if (scan_i64(time, &ret->time_ms) < 0)
		return bad(p, c, "expected an integer as timestamp");
	ret->has_time = true;
	return c->at == c->len ? 0 : bad(p, c, "text after the timestamp");
}

static int openmetrics_time(struct mg_prom *p, struct cursor *c, int64_t *ret)
{
	double seconds = 0;
	int r = read_number(p, c, "expected seconds as timestamp", &seconds);

	if (r < 0)
		return r;
	if (!(fabs(seconds) < 1e15))
		return bad(p, c, "a timestamp is out of range");
	*ret = llround(seconds * 1000);
	return 0;
}

/* ` # {trace_id="x"} 0.67 1520879607.789`: checked, not kept. The series' own labels are no longer needed here. */
static int read_exemplar(struct mg_prom *p, struct cursor *c, struct span name)
{
	static const uint64_t untyped = 0;
	double value;
	int64_t time_ms;

	if (!ends_with(name, "_total") && !ends_with(name, "_bucket"))
		return bad(p, c, "an exemplar of what is neither a counter nor a bucket");
	c->at++;
	if (peek(c) != ' ')
		return bad(p, c, "expected a space after #");
	c->at++;
	if (peek(c) != '{')
		return bad(p, c, "expected the labels of an exemplar");
	int r = read_labels(p, c, &untyped);
	if (r < 0)
		return r;
	if (peek(c) != ' ')
		return bad(p, c, "expected a space before the exemplar's value");
	c->at++;
	r = read_number(p, c, "expected a number as the exemplar's value", &value);
	if (r < 0 || c->at == c->len)
		return r;
	c->at++;
	r = openmetrics_time(p, c, &time_ms);
	return r == 0 && c->at < c->len ? bad(p, c, "text after the exemplar") : r;
}

static int openmetrics_value(struct mg_prom *p, struct cursor *c, struct sample *ret)
{
	if (peek(c) != ' ')
		return bad(p, c, "expected a space before the value");
	c->at++;
	int r = read_number(p, c, "expected a number as value", &ret->value);
	if (r < 0 || c->at == c->len)
		return r;
	c->at++;
	if (peek(c) != '#') {
		r = openmetrics_time(p, c, &ret->time_ms);
		if (r < 0 || c->at == c->len) {
			ret->has_time = true;
			return r;
		}
		ret->has_time = true;
		c->at++;
	}
	return peek(c) == '#' ? 1 : bad(p, c, "expected the end of the line or an exemplar");
}

/* ---- the series that are asked for ---- */

static size_t unescape(const struct span *raw, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < raw->len; i++) {
		char c = raw->s[i];
		if (c == '\\' && (raw->s[i + 1] == '\\' || raw->s[i + 1] == '"' || raw->s[i + 1] == 'n'))
			c = raw->s[++i] == 'n' ? '\n' : raw->s[i];
		out[n++] = c;
	}
	return n;
}

/* Decoded values end with a NUL; they fit scratch, for a label takes at least that much more in its line. */
static void decode_labels(struct mg_prom *p)
{
	char *at = p->scratch;

	for (unsigned i = 0; i < p->n_labels; i++) {
		const struct raw_label *l = &p->label[i];
		size_t len = l->value.len;
		if (l->escaped)
			len = unescape(&l->value, at);
		else
			memcpy(at, l->value.s, len);
		at[len] = '\0';
		p->decoded[i] = (struct mg_label){ l->name.s, at, l->name.len, len };
		at += len + 1;
	}
}

/* True the first time this series is seen. The labels' order does not matter. */
static bool first_time(struct mg_prom *p)
{
	uint64_t h = p->families.last_hash;

	for (unsigned i = 0; i < p->n_labels; i++) {
		const struct mg_label *l = &p->decoded[i];
		h += mg_hash(l->value, l->value_len, mg_hash(l->name, l->name_len, 1));
	}
	return mg_set_add(&p->seen, h);
}

static bool is_counter(const uint64_t *family, struct span name)
{
	switch (mg_family_type(family)) {
	case MG_PROM_COUNTER:
	case MG_PROM_HISTOGRAM: return true;
	case MG_PROM_SUMMARY: return ends_with(name, "_sum") || ends_with(name, "_count");
	case MG_PROM_NONE:
	case MG_PROM_GAUGE:
	case MG_PROM_UNTYPED:
	case MG_PROM_GAUGE_HISTOGRAM:
	case MG_PROM_INFO:
	case MG_PROM_STATESET: break;
	}
	return false;
}

static void add(struct mg_prom_value *v, const struct sample *s, bool counter)
{
	bool older = s->has_time && (!v->has_time || s->time_ms < v->time_ms);

	v->value += s->value;
	v->series++;
	v->counter = counter;
	if (older) {
		v->has_time = true;
		v->time_ms = s->time_ms;
	}
}

static void offer(struct mg_prom *p, const uint64_t *family, struct span name, const struct sample *s)
{
	bool decoded = false, first = false;

	for (unsigned i = 0; i < p->n_selectors; i++) {
		const struct mg_selector *sel = &p->selector[i];
		if (sel->name_hash != p->families.last_hash || sel->name_len != name.len ||
		    memcmp(sel->text, name.s, name.len) != 0)
			continue;
		if (!decoded)
			decode_labels(p);
		decoded = true;
		if (!mg_selector_match(sel, p->decoded, p->n_labels))
			continue;
		if (!first && !first_time(p))
			return;
		first = true;
		add(&p->value[i], s, is_counter(family, name));
	}
}

static int read_sample(struct mg_prom *p, struct cursor *c)
{
	bool text = p->format == MG_PROM_TEXT;
	struct sample s = { 0 };
	struct span name = name_token(c, true);

	if (name.len == 0)
		return bad(p, c, "expected a metric's name");
	uint64_t *family = family_of(p, name);
	if (mg_family_type(family) == MG_PROM_NONE)
		*family |= MG_PROM_UNTYPED;
	p->n_labels = 0;
	if (text)
		skip_blanks(c);
	int r = peek(c) == '{' ? read_labels(p, c, family) : 0;
	if (r == 0)
		r = text ? text_value(p, c, &s) : openmetrics_value(p, c, &s);
	if (r < 0)
		return r;
	p->series++;
	offer(p, family, name, &s);
	return r > 0 ? read_exemplar(p, c, name) : 0;
}

static int read_line(struct mg_prom *p, const char *s, size_t len)
{
	struct cursor c = { .s = s, .len = len };

	p->line++;
	if (len > MG_MAX_PROM_LINE - 2)
		return bad(p, &c, "a line longer than 64 KiB");
	if (p->eof)
		return bad(p, &c, "text after # EOF");
	if (p->format == MG_PROM_OPENMETRICS)
		return peek(&c) == '#' ? openmetrics_comment(p, &c) : read_sample(p, &c);
	skip_blanks(&c);
	if (c.at == c.len)
		return 0;
	return peek(&c) == '#' ? text_comment(p, &c) : read_sample(p, &c);
}

/* ---- pieces ---- */

static int carry(struct mg_prom *p, const char *s, size_t len)
{
	if (p->carry_len + len > MG_MAX_PROM_LINE) {
		p->line++;
		return bad(p, &(struct cursor){ 0 }, "a line longer than 64 KiB");
	}
	memcpy(p->carry + p->carry_len, s, len);
	p->carry_len += len;
	return 0;
}

static int feed_line(struct mg_prom *p, const char *s, size_t len)
{
	if (p->carry_len == 0)
		return read_line(p, s, len);
	int r = carry(p, s, len);
	if (r == 0)
		r = read_line(p, p->carry, p->carry_len);
	p->carry_len = 0;
	return r;
}

static int feed(struct mg_prom *p, const char *buf, size_t len)
{
	while (len > 0) {
		const char *end = memchr(buf, '\n', len);
		if (!end)
			return carry(p, buf, len);
		size_t n = (size_t)(end - buf);
		int r = feed_line(p, buf, n);
		if (r < 0)
			return r;
		buf += n + 1;
		len -= n + 1;
	}
	return 0;
}

static int settle(struct mg_prom *p, int r, struct mg_err *err)
{
	p->failed = r;
	if (r < 0 && err)
		*err = p->err;
	return r;
}

int mg_prom_feed(struct mg_prom *p, const char *buf, size_t len, struct mg_err *err)
{
	return settle(p, p->failed < 0 ? p->failed : feed(p, buf, len), err);
}

int mg_prom_end(struct mg_prom *p, struct mg_err *err)
{
	bool om = p->format == MG_PROM_OPENMETRICS;

	if (p->failed < 0)
		return settle(p, p->failed, err);
	if (om && mg_equal(p->carry, p->carry_len, "# EOF") && !p->eof)
		return settle(p, feed_line(p, "", 0), err);
	if (p->carry_len > 0 || (om && !p->eof)) {
		int r = mg_fail(&p->err, -EBADMSG, "line %llu: the exposition was cut: it must end with %s",
				(unsigned long long)p->line + 1, om ? "# EOF" : "a newline");
		return settle(p, r, err);
	}
	return 0;
}

void mg_prom_begin(struct mg_prom *p, enum mg_prom_format format)
{
	p->format = format;
	memset(p->value, 0, sizeof p->value);
	mg_families_clear(&p->families);
	mg_set_clear(&p->seen);
	p->carry_len = 0;
	p->line = p->series = 0;
	p->eof = false;
	p->failed = 0;
}

struct mg_prom_value mg_prom_get(const struct mg_prom *p, unsigned selector)
{
	return p->value[selector];
}

uint64_t mg_prom_series(const struct mg_prom *p)
{
	return p->series;
}

static int reserve(struct mg_prom *p, unsigned n)
{
	p->selector = calloc(n ? n : 1, sizeof *p->selector);
	p->carry = malloc(MG_MAX_PROM_LINE);
	p->scratch = malloc(MG_MAX_PROM_LINE);
	if (!p->selector || !p->carry || !p->scratch || mg_families_new(&p->families) < 0)
		return -ENOMEM;
	return mg_set_new(&p->seen, MG_MAX_PROM_MATCHED);
}

int mg_prom_new(const char *const selectors[], unsigned n, struct mg_prom **ret, struct mg_err *err)
{
	if (n > MG_MAX_SELECTORS)
		return mg_fail(err, -EINVAL, "more than %d selectors", MG_MAX_SELECTORS);
	struct mg_prom *p = calloc(1, sizeof *p);
	if (!p)
		return mg_fail(err, -ENOMEM, "out of memory");
	int r = reserve(p, n);
	if (r < 0)
		mg_fail(err, r, "out of memory");
	for (; r == 0 && p->n_selectors < n; p->n_selectors++)
		r = mg_selector_compile(&p->selector[p->n_selectors], selectors[p->n_selectors], err);
	if (r < 0) {
		mg_prom_free(p);
		return r;
	}
	mg_prom_begin(p, MG_PROM_TEXT);
	*ret = p;
	return 0;
}

struct mg_prom *mg_prom_free(struct mg_prom *p)
{
	if (!p)
		return NULL;
	for (unsigned i = 0; p->selector && i < p->n_selectors; i++)
		mg_selector_done(&p->selector[i]);
	free(p->selector);
	free(p->carry);
	free(p->scratch);
	mg_set_done(&p->families.set);
	mg_set_done(&p->seen);
	free(p);
	return NULL;
}
