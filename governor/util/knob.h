/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_UTIL_KNOB_H
#define MG_UTIL_KNOB_H

#include <stdbool.h>
#include <stddef.h>

#include "governor/util/value.h"
#include "protocol/knobs.h"

/* One row per knob: what parsing, bounds, `memgov list knobs`, the man page and the JSON schema read. */
struct mg_knob_info {
	const char *name, *help;
	enum mg_unit unit;
	double floor, ceiling;   /* in the knob's unit; the ends no policy and no message passes */
	double hysteresis_ratio; /* a change smaller than this share of the present value is held */
};

struct mg_action_info {
	const char *name, *help;
};

const struct mg_knob_info *mg_knob_info(enum mg_knob knob);
const struct mg_action_info *mg_action_info(enum mg_action action);
/* Return the knob or action with that name, -1 when there is none. */
int mg_knob_find(const char *name, size_t len);
int mg_action_find(const char *name, size_t len);

/* An amount as a policy file gives it: absolute in the knob's unit, or a share (`95%`) of what the key is about
 * (bounds: the present limit; purge: what is returnable). */
struct mg_amount {
	double v;
	bool share; /* v is a ratio */
	bool given;
};

/* Values for some knobs: `set: { gc_percent: 50, memory_limit: 512MiB }`. */
struct mg_knob_map {
	struct mg_amount at[MG_KNOB__COUNT];
};

/* `do: { purge: { bytes: 50%, max_pause: 10ms } }` and `do: { gc: {} }`. */
struct mg_action_spec {
	bool given;
	enum mg_action action;
	struct mg_amount bytes;  /* not given: all that is returnable */
	uint64_t max_pause_ns;   /* 0: the target's default */
};

#endif
