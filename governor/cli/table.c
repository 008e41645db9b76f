/* SPDX-License-Identifier: Apache-2.0 */
/* Reads cells one after another, gives aligned text. Called by the verbs that print tables. */
#include "governor/cli/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "governor/util/str.h"
#include "governor/util/unit.h"

#define CELL_BYTES 512

struct mg_table {
	unsigned columns;
	bool right[MG_TABLE_MAX_COLUMNS];
	char **cell; /* the first row holds the titles */
	size_t n, cap;
};

static void *must(void *p)
{
	if (!p) {
		fputs("memgov: out of memory\n", stderr);
		exit(4);
	}
	return p;
}

static void add(struct mg_table *t, const char *text)
{
	char plain[4 * CELL_BYTES];
	struct mg_buf b = mg_buf(plain, sizeof plain);

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->cell = must(reallocarray(t->cell, t->cap, sizeof *t->cell));
	}
	mg_buf_plain(&b, text);
	t->cell[t->n++] = must(strdup(plain));
}

struct mg_table *mg_table_new(const char *const titles[])
{
	struct mg_table *t = must(calloc(1, sizeof *t));

	for (; titles[t->columns]; t->columns++) {
		const char *title = titles[t->columns];
		t->right[t->columns] = *title == '>';
		add(t, title + (*title == '>'));
	}
	return t;
}

struct mg_table *mg_table_free(struct mg_table *t)
{
	for (size_t i = 0; t && i < t->n; i++)
		free(t->cell[i]);
	if (t)
		free(t->cell);
	free(t);
	return NULL;
}

void mg_table_cell(struct mg_table *t, const char *fmt, ...)
{
	char text[CELL_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	add(t, text);
}

void mg_table_quantity(struct mg_table *t, double v, enum mg_unit unit)
{
	char text[64];

	add(t, isnan(v) ? "-" : mg_unit_show(v, unit, text, sizeof text));
}

static int width(const struct mg_table *t, unsigned column, bool titles)
{
	size_t w = 0;

	for (size_t i = column + (titles ? 0 : t->columns); i < t->n; i += t->columns)
		if (strlen(t->cell[i]) > w)
			w = strlen(t->cell[i]);
	return (int)w;
}

void mg_table_print(const struct mg_table *t, FILE *f, unsigned indent, bool titles)
{
	int w[MG_TABLE_MAX_COLUMNS];

	for (unsigned c = 0; c < t->columns; c++)
		w[c] = width(t, c, titles);
	for (size_t i = titles ? 0 : t->columns; i < t->n; i++) {
		unsigned c = (unsigned)(i % t->columns);
		bool last = c + 1 == t->columns;
		int pad = t->right[c] ? w[c] : last ? 0 : -w[c];
		fprintf(f, "%*s%*s%s", c == 0 ? (int)indent : 0, "", pad, t->cell[i], last ? "\n" : "  ");
	}
}
