/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_PROM_FAMILY_H
#define MG_PROM_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "governor/util/err.h"

/* A set of 64-bit hashes of fixed size, open addressing. The low bits of an entry are the user's. */
struct mg_set {
	uint64_t *slot; /* 0: free */
	unsigned slots, used, max;
};
int mg_set_new(struct mg_set *s, unsigned max) MG_CHECK_RESULT; /* -ENOMEM; needs mg_set_done, also after failure */
void mg_set_clear(struct mg_set *s);
void mg_set_done(struct mg_set *s);
/* True when hash was not in the set. A full set takes nothing more and goes on saying true. */
bool mg_set_add(struct mg_set *s, uint64_t hash);

enum mg_prom_type {
	MG_PROM_NONE,
	MG_PROM_COUNTER,
	MG_PROM_GAUGE,
	MG_PROM_SUMMARY,
	MG_PROM_UNTYPED,
	MG_PROM_HISTOGRAM,
	MG_PROM_GAUGE_HISTOGRAM,
	MG_PROM_INFO,
	MG_PROM_STATESET,
};

/* What is known of a family, in the low bits of its hash. */
#define MG_FAMILY_TYPE 0x0fULL
#define MG_FAMILY_HELP 0x10ULL

/* The families of one exposition. */
struct mg_families {
	struct mg_set set;
	uint64_t stranger;   /* stands for a family past the cap */
	char last_name[256]; /* series of one family follow each other: one look-up for all */
	size_t last_name_len;
	uint64_t *last;
	uint64_t last_hash; /* of the name asked for last */
};
int mg_families_new(struct mg_families *f) MG_CHECK_RESULT;
void mg_families_clear(struct mg_families *f);
/* The family a name belongs to, made when there is none: its own, or that of the histogram or summary (in OpenMetrics also
 * counter and info) whose suffix it has. Valid until the next call. */
uint64_t *mg_family_of(struct mg_families *f, const char *name, size_t len, bool openmetrics);
static inline enum mg_prom_type mg_family_type(const uint64_t *family)
{
	return (enum mg_prom_type)(*family & MG_FAMILY_TYPE);
}

#endif
