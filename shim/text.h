/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_TEXT_H
#define MG_SHIM_TEXT_H

/* Text without libc: reading numbers out of /proc files and environment values, and building short strings. Nothing here
 * reads a locale; every buffer has its size beside it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads decimal digits at s. Returns the text behind them, NULL when there is none or the number does not fit. */
const char *mg_text_u64(const char *s, uint64_t *ret);
/* The value of a line `key<blank>value` in a NUL-terminated file's text; false when there is no such line. */
bool mg_text_field(const char *text, const char *key, uint64_t *ret);
/* True when name matches the glob (* and ?). */
bool mg_text_glob(const char *glob, size_t glob_len, const char *name);

/* A string being built; what does not fit is cut and `cut` says so. */
struct mg_text {
	char *buf;
	size_t cap, len;
	bool cut;
};
void mg_text_init(struct mg_text *t, char *buf, size_t cap);
void mg_text_str(struct mg_text *t, const char *s);
void mg_text_strn(struct mg_text *t, const char *s, size_t n);
void mg_text_num(struct mg_text *t, uint64_t v);

#endif
