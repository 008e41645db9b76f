/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONFIG_FINDINGS_H
#define MG_CONFIG_FINDINGS_H

#include "governor/config/config.h"
#include "governor/util/str.h"

/* Adds a finding; past the cap it is only counted. */
void mg_finding_add(struct mg_findings *f, enum mg_severity severity, unsigned line, unsigned column, const char *fmt, ...)
	MG_PRINTF(5, 6);
/* Puts findings in the order of the file. */
void mg_findings_sort(struct mg_findings *f);
/* The line break at s as YAML sees it (LF, CR, CRLF, NEL, LS, PS): its bytes, 0 when there is none. */
size_t mg_line_break(const char *s, size_t len);

/* Did-you-mean: start with the word, try every candidate, read best (NULL: none is near). */
struct mg_nearest {
	const char *word;
	size_t len;
	const char *best; /* borrowed from the candidates */
	uint32_t distance;
};
static inline struct mg_nearest mg_nearest(const char *word, size_t len)
{
	return (struct mg_nearest){ word, len, NULL, len < 3 ? 1 : len < 8 ? 2 : 3 };
}
static inline void mg_nearest_try(struct mg_nearest *n, const char *candidate)
{
	uint32_t d = mg_distance(n->word, n->len, candidate, strlen(candidate), n->distance);
	if (d == UINT32_MAX || (n->best && d == n->distance))
		return;
	n->best = candidate;
	n->distance = d;
}

#endif
