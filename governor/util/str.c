/* SPDX-License-Identifier: Apache-2.0 */
/* Text without locale or allocation: matching, escaping, bounded buffers. Called by everything that reads or prints. */
#include "governor/util/str.h"

#include <math.h>
#include <stdio.h>

bool mg_equal_nocase(const char *s, size_t len, const char *z)
{
	for (size_t i = 0; i < len; i++)
		if (z[i] == '\0' || mg_lower(s[i]) != mg_lower(z[i]))
			return false;
	return z[len] == '\0';
}

/* Matches one `[...]` at p against c; *end is past the `]`, NULL when there is none (then `[` is literal). */
static bool match_set(const char *p, char c, const char **end)
{
	bool negated = p[1] == '!' || p[1] == '^', hit = false;
	const char *q = p + 1 + negated;

	for (bool first = true; *q != '\0' && (*q != ']' || first); first = false) {
		if (q[1] == '-' && q[2] != ']' && q[2] != '\0') {
			hit |= c >= q[0] && c <= q[2];
			q += 3;
		} else {
			hit |= c == *q++;
		}
	}
	*end = *q == ']' ? q + 1 : NULL;
	return hit != negated;
}

static bool match_one(const char *p, char c, const char **next)
{
	if (*p == '[') {
		const char *end;
		bool hit = match_set(p, c, &end);
		if (end) {
			*next = end;
			return hit;
		}
	}
	*next = p + 1;
	return *p == '?' || *p == c;
}

bool mg_glob(const char *pattern, const char *text)
{
	const char *p = pattern, *t = text, *star = NULL, *retry = NULL, *next;

	if (*pattern == '\0')
		return true;
	while (*t != '\0') {
		if (*p == '*') {
			star = ++p;
			retry = t;
		} else if (*p != '\0' && match_one(p, *t, &next)) {
			p = next;
			t++;
		} else if (star) {
			p = star;
			t = ++retry;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

uint32_t mg_distance(const char *a, size_t alen, const char *b, size_t blen, uint32_t max)
{
	uint32_t row[65];

	if (alen > 64 || blen > 64)
		return UINT32_MAX;
	for (size_t j = 0; j <= blen; j++)
		row[j] = (uint32_t)j;
	for (size_t i = 1; i <= alen; i++) {
		uint32_t diagonal = row[0];
		row[0] = (uint32_t)i;
		for (size_t j = 1; j <= blen; j++) {
			uint32_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			best = above + 1 < best ? above + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[blen] <= max ? row[blen] : UINT32_MAX;
}

bool mg_copyn(char *dst, size_t cap, const char *s, size_t len)
{
	size_t n = len < cap ? len : cap - 1;

	memcpy(dst, s, n);
	dst[n] = '\0';
	return n == len;
}

bool mg_copy(char *dst, size_t cap, const char *z)
{
	return mg_copyn(dst, cap, z, strlen(z));
}

uint64_t mg_hash(const void *p, size_t len, uint64_t seed)
{
	const unsigned char *b = p;
	uint64_t h = 0xcbf29ce484222325ULL ^ seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3ULL;
	return h;
}

void mg_buf_put(struct mg_buf *b, const char *s, size_t len)
{
	size_t room = b->cap - b->len - 1;

	if (len > room) {
		b->full = true;
		len = room;
	}
	memcpy(b->at + b->len, s, len);
	b->len += len;
	b->at[b->len] = '\0';
}

void mg_buf_printf(struct mg_buf *b, const char *fmt, ...)
{
	size_t room = b->cap - b->len;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(b->at + b->len, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= room) {
		b->full = true;
		b->len = b->cap - 1;
	} else {
		b->len += (size_t)n;
	}
}

/* The length of the valid UTF-8 sequence at s, 0 when it is not one. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)))
		return 0;
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90)))
		return 0;
	return n;
}

void mg_buf_json(struct mg_buf *b, const char *z)
{
	mg_buf_put(b, "\"", 1);
	for (const unsigned char *s = (const unsigned char *)z; *s != '\0';) {
		size_t n = utf8_length(s);
		if (n == 0) {
			mg_buf_put(b, "\xef\xbf\xbd", 3);
			s++;
		} else if (n == 1 && (*s < 0x20 || *s == 0x7f)) {
			mg_buf_printf(b, "\\u%04x", *s++);
		} else {
			if (*s == '"' || *s == '\\')
				mg_buf_put(b, "\\", 1);
			mg_buf_put(b, (const char *)s, n);
			s += n;
		}
	}
	mg_buf_put(b, "\"", 1);
}

void mg_buf_json_number(struct mg_buf *b, double v)
{
	if (isnan(v) || isinf(v))
		mg_buf_put(b, "null", 4);
	else if (v == floor(v) && fabs(v) < 9007199254740992.0)
		mg_buf_printf(b, "%.0f", v);
	else
		mg_buf_printf(b, "%.6g", v);
}

void mg_buf_plain(struct mg_buf *b, const char *z)
{
	for (const unsigned char *s = (const unsigned char *)z; *s != '\0'; s++) {
		if (*s < 0x20 || *s == 0x7f || (*s & 0xe0) == 0x80)
			mg_buf_printf(b, "\\x%02x", *s);
		else
			mg_buf_put(b, (const char *)s, 1);
	}
}
