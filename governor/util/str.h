/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_STR_H
#define MG_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "governor/util/err.h"

/* No ctype, no locale. */
static inline bool mg_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool mg_is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool mg_is_word(char c) { return mg_is_alpha(c) || mg_is_digit(c) || c == '_'; }
static inline char mg_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline bool mg_equal(const char *s, size_t len, const char *z) { return strlen(z) == len && memcmp(s, z, len) == 0; }
bool mg_equal_nocase(const char *s, size_t len, const char *z);

/* Shell-style match of the whole text: `*`, `?`, `[a-z]`; an empty pattern matches everything. Linear, no recursion. */
bool mg_glob(const char *pattern, const char *text);
/* Edit distance, for did-you-mean; UINT32_MAX when above max. */
uint32_t mg_distance(const char *a, size_t alen, const char *b, size_t blen, uint32_t max);
/* Copies z, cut at cap, always terminated. Returns false when cut. */
bool mg_copy(char *dst, size_t cap, const char *z);
bool mg_copyn(char *dst, size_t cap, const char *s, size_t len);
/* 64-bit FNV-1a, for the configuration's hash and canary membership. Not for secrets. */
uint64_t mg_hash(const void *p, size_t len, uint64_t seed);

/* Text into a fixed buffer. `full` says something did not fit; the text stays terminated. */
struct mg_buf {
	char *at;
	size_t cap, len;
	bool full;
};
static inline struct mg_buf mg_buf(char *at, size_t cap) { at[0] = '\0'; return (struct mg_buf){ at, cap, 0, false }; }
void mg_buf_put(struct mg_buf *b, const char *s, size_t len);
void mg_buf_printf(struct mg_buf *b, const char *fmt, ...) MG_PRINTF(2, 3);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void mg_buf_json(struct mg_buf *b, const char *z);
/* A JSON number; NaN and infinities become null. */
void mg_buf_json_number(struct mg_buf *b, double v);
/* The text with terminal control bytes shown as \xNN. */
void mg_buf_plain(struct mg_buf *b, const char *z);

#endif
