/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TABLE_H
#define MG_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "governor/util/err.h"
#include "governor/util/value.h"

/* Aligned columns for people. Cells are copied with control bytes shown as \xNN; the last column is never padded. Out of
 * memory ends the program: a command line has nothing better to do. */
#define MG_TABLE_MAX_COLUMNS 12
struct mg_table;

/* titles: ended by NULL. A title that begins with `>` aligns its column to the right. */
struct mg_table *mg_table_new(const char *const titles[]);
struct mg_table *mg_table_free(struct mg_table *t);
/* The next cell; a row ends when its columns are full. */
void mg_table_cell(struct mg_table *t, const char *fmt, ...) MG_PRINTF(2, 3);
void mg_table_quantity(struct mg_table *t, double v, enum mg_unit unit); /* NaN: `-` */
/* Prints with every line indented; no title line when titles is false. */
void mg_table_print(const struct mg_table *t, FILE *f, unsigned indent, bool titles);

#endif
