/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_VALUE_H
#define MG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* Three-valued answers: unknown never fires a rule. */
enum mg_tri { MG_NO, MG_YES, MG_UNKNOWN };

/* What a number measures. Two quantities compare and add only when their units agree; MG_UNIT_ANY agrees with all
 * (a Prometheus series whose name tells no unit). Ratios are 0..1; `20%` in a policy file is the ratio 0.2. */
enum mg_unit {
	MG_UNIT_ANY,
	MG_UNIT_COUNT,
	MG_UNIT_BYTES,
	MG_UNIT_RATIO,
	MG_UNIT_PERCENT,     /* GOGC-style percent: 100 means one more heap of live */
	MG_UNIT_SECONDS,
	MG_UNIT_PER_S,
	MG_UNIT_BYTES_PER_S,
	MG_UNIT_BOOL,        /* the result of a comparison */
	MG_UNIT__COUNT
};

/* A number that may be unknown: missing, NaN, or older than its max_age. v is meaningless unless known. */
struct mg_value {
	double v;
	bool known;
	uint64_t age_ns; /* since it was sampled, UINT64_MAX = never */
};

static inline struct mg_value mg_known_value(double v) { return (struct mg_value){ .v = v, .known = true, .age_ns = 0 }; }
static inline struct mg_value mg_unknown_value(void) { return (struct mg_value){ .v = 0, .known = false, .age_ns = UINT64_MAX }; }
static inline bool mg_known(struct mg_value v) { return v.known; }
static inline double mg_clamp(double v, double lo, double hi) { return v < lo ? lo : v > hi ? hi : v; }

#define MG_NS_PER_S  1000000000ULL
#define MG_NS_PER_MS 1000000ULL
#define MG_NEVER     UINT64_MAX /* a time that never comes, a limit that is not set ("max") */

#endif
