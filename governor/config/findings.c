/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a policy file, in the order of the file and as compilers print it: `file:line:col: error: text`, the
 * source line, a caret. Filled by the tree and the loader, printed by check-config and by run when it refuses a file. */
#include "governor/config/findings.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_SHOWN 120 /* characters of a source line; a longer one is shown around the caret */

void mg_finding_add(struct mg_findings *f, enum mg_severity severity, unsigned line, unsigned column, const char *fmt, ...)
{
	va_list ap;

	*(severity == MG_SEV_ERROR ? &f->errors : &f->warnings) += 1;
	if (f->n == MG_MAX_FINDINGS)
		return;
	struct mg_finding *at = &f->at[f->n++];
	*at = (struct mg_finding){ .severity = severity, .line = line, .column = column };
	va_start(ap, fmt);
	(void)vsnprintf(at->text, sizeof at->text, fmt, ap);
	va_end(ap);
}

static bool before(const struct mg_finding *a, const struct mg_finding *b)
{
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void mg_findings_sort(struct mg_findings *f)
{
	for (unsigned i = 1; i < f->n; i++) {
		struct mg_finding x = f->at[i];
		unsigned j = i;
		for (; j > 0 && before(&x, &f->at[j - 1]); j--)
			f->at[j] = f->at[j - 1];
		f->at[j] = x;
	}
}

size_t mg_line_break(const char *s, size_t len)
{
	static const char *const breaks[] = { "\r\n", "\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9" };

	for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
		size_t n = strlen(breaks[i]);
		if (len >= n && memcmp(s, breaks[i], n) == 0)
			return n;
	}
	return 0;
}

/* The start of a line (1-based) and its length; an empty one past the end. */
static const char *find_line(const char *text, size_t len, unsigned line, size_t *ret_len)
{
	size_t at = 0, n;

	for (unsigned i = 1; i < line && at < len; at += n) {
		n = mg_line_break(text + at, len - at);
		if (n == 0)
			n = 1;
		else
			i++;
	}
	size_t end = at;
	while (end < len && mg_line_break(text + end, len - end) == 0)
		end++;
	*ret_len = end - at;
	return text + at;
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t skip_characters(const char *s, size_t len, unsigned n)
{
	size_t i = 0;

	for (; i < len; i++)
		if (starts_character(s[i]) && n-- == 0)
			break;
	return i;
}

/* The bytes of the character at s, 0 when it is none that may be shown: controls, and what is not UTF-8. */
static size_t shown_length(const unsigned char *s, size_t len)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if (n > len || (n == 1 && s[0] != '\t' && (s[0] < 0x20 || s[0] == 0x7f)))
		return 0;
	if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90))
		return 0;
	for (size_t i = 1; i < n; i++)
		if (starts_character((char)s[i]))
			return 0;
	return n;
}

/* The source line, and under it a caret below its byte `caret`. */
static void put_line(struct mg_buf *b, const char *line, size_t len, size_t caret)
{
	char under[4 * MAX_SHOWN + 1];
	struct mg_buf pad = mg_buf(under, sizeof under);

	mg_buf_put(b, "  ", 2);
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = shown_length((const unsigned char *)line + i, len - i);
		mg_buf_put(b, n ? line + i : "?", n ? n : 1);
		if (i < caret)
			mg_buf_put(&pad, line[i] == '\t' ? "\t" : " ", 1);
	}
	mg_buf_printf(b, "\n  %s^\n", under);
}

static void put_source(struct mg_buf *b, const char *line, size_t len, unsigned column)
{
	unsigned skip = column > MAX_SHOWN ? column - MAX_SHOWN / 2 : 0;
	size_t start = skip_characters(line, len, skip);
	size_t shown = skip_characters(line + start, len - start, MAX_SHOWN);

	if (shown > 4 * MAX_SHOWN) /* bytes that are no characters */
		shown = 4 * MAX_SHOWN;
	put_line(b, line + start, shown, skip_characters(line + start, shown, column - 1 - skip));
}

/* A report nobody can read is no error of the file: a closed pipe ends the printing. */
static void write_all(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, s, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s += n;
		len -= (size_t)n;
	}
}

static void print_one(const struct mg_finding *at, const char *path, const char *text, size_t len, int fd)
{
	char out[MG_ERR_MAX + 4096];
	struct mg_buf b = mg_buf(out, sizeof out);
	size_t line_len;

	mg_buf_plain(&b, path);
	mg_buf_printf(&b, ":%u:%u: %s: ", at->line, at->column, at->severity == MG_SEV_ERROR ? "error" : "warning");
	mg_buf_put(&b, at->text, strlen(at->text));
	mg_buf_put(&b, "\n", 1);
	const char *line = find_line(text, len, at->line, &line_len);
	put_source(&b, line, line_len, at->column);
	write_all(fd, b.at, b.len);
}

void mg_findings_print(const struct mg_findings *f, const char *path, const char *text, size_t len, int fd)
{
	char more[80];
	unsigned all = f->errors + f->warnings;

	for (unsigned i = 0; i < f->n; i++)
		print_one(&f->at[i], path, text, len, fd);
	if (all > f->n) {
		int n = snprintf(more, sizeof more, "%u more findings are not shown\n", all - f->n);
		write_all(fd, more, (size_t)n);
	}
}
