/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_PROM_SELECT_H
#define MG_PROM_SELECT_H

#include <regex.h>

#include "governor/util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MG_MAX_MATCHERS 16
#define MG_MAX_SELECTOR 512

/* One label of a series, decoded. value is NUL-terminated; value_len counts the NULs inside it. */
struct mg_label {
	const char *name, *value;
	size_t name_len, value_len;
};

enum mg_match_op { MG_MATCH_EQ, MG_MATCH_NE, MG_MATCH_RE, MG_MATCH_NRE };

struct mg_matcher {
	enum mg_match_op op;
	const char *name, *value; /* into the selector's own copy */
	size_t name_len, value_len;
	bool numeric; /* le and quantile compare as numbers */
	double number;
	regex_t re;
};

struct mg_selector {
	char text[MG_MAX_SELECTOR];
	size_t name_len; /* the metric's name is text[0..name_len) */
	uint64_t name_hash;
	struct mg_matcher matcher[MG_MAX_MATCHERS];
	unsigned n;
};

/* Compiles text into s. 0 or -EINVAL with err naming the column. Needs mg_selector_done, also after failure. */
int mg_selector_compile(struct mg_selector *s, const char *text, struct mg_err *err) MG_CHECK_RESULT;
void mg_selector_done(struct mg_selector *s);
/* True when every matcher holds; a label that is not there is the empty text, as in PromQL. */
bool mg_selector_match(const struct mg_selector *s, const struct mg_label labels[], unsigned n);

#endif
