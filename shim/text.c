// SPDX-License-Identifier: Apache-2.0
/* Reads numbers, fields and globs out of text and builds short strings, for all of the shim that meets /proc, cgroup files
 * or the environment: env.c, proc.c, cgroup.c, client.c, log.c. Pure. */

#include "shim/text.h"

#include <string.h>

const char *mg_text_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return NULL;
		v = v * 10 + digit;
	}
	if (p == s)
		return NULL;
	*ret = v;
	return p;
}

bool mg_text_field(const char *text, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);

	for (const char *line = text; *line;) {
		if (!strncmp(line, key, n) && (line[n] == ' ' || line[n] == '\t')) {
			const char *v = line + n;

			while (*v == ' ' || *v == '\t')
				v++;
			return mg_text_u64(v, ret) != NULL;
		}
		while (*line && *line != '\n')
			line++;
		line += *line == '\n';
	}
	return false;
}

/* The usual two-pointer walk: on a mismatch go back to the last star and let it swallow one byte more. */
bool mg_text_glob(const char *glob, size_t glob_len, const char *name)
{
	const char *g = glob, *end = glob + glob_len, *star = NULL, *mark = name;

	while (*name) {
		if (g < end && *g == '*') {
			star = ++g;
			mark = name;
		} else if (g < end && (*g == '?' || *g == *name)) {
			g++;
			name++;
		} else if (star) {
			g = star;
			name = ++mark;
		} else {
			return false;
		}
	}
	while (g < end && *g == '*')
		g++;
	return g == end;
}

void mg_text_init(struct mg_text *t, char *buf, size_t cap)
{
	*t = (struct mg_text){ .buf = buf, .cap = cap };
	buf[0] = '\0';
}

void mg_text_strn(struct mg_text *t, const char *s, size_t n)
{
	size_t room = t->cap - 1 - t->len;

	if (n > room) {
		t->cut = true;
		n = room;
	}
	memcpy(t->buf + t->len, s, n);
	t->len += n;
	t->buf[t->len] = '\0';
}

void mg_text_str(struct mg_text *t, const char *s)
{
	mg_text_strn(t, s, strlen(s));
}

void mg_text_num(struct mg_text *t, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	mg_text_strn(t, digits + n, sizeof(digits) - n);
}
