/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_VIEW_H
#define MG_VIEW_H

#include "governor/util/field.h"
#include "governor/util/knob.h"
#include "governor/util/signal.h"

/* What one rule of one target sees at one tick. A value: no pointers, so it can be copied, recorded and replayed. */
struct mg_knob_view {
	bool supported;
	enum mg_restore restore;
	struct mg_value present;  /* what the target last said it has; unknown: never said, or "off" */
	struct mg_value baseline; /* what it had before memgov; unknown: the runtime's own default */
};

struct mg_view {
	uint64_t now_ns;        /* the tick's time, CLOCK_BOOTTIME */
	uint64_t interval_ns;
	uint64_t quiet_ns;      /* how long the process has been quiet: CPU below 5 % of a core and no growth; MG_NEVER: unknown */
	struct mg_value sig[MG_SIG__BUILTIN];
	struct mg_knob_view knob[MG_KNOB__COUNT];
	bool action[MG_ACTION__COUNT]; /* supported by the target */
	double share_ratio;     /* of the cgroup's limit that is this target's: 1 when alone */
	double others_bytes;    /* charge in the same cgroup that no target accounts for; 0 when unknown */
	/* The rule's expression fields, already evaluated, by slot. */
	enum mg_tri cond[MG_MAX_RULE_EXPR];
	struct mg_value expr[MG_MAX_RULE_EXPR];
};

#endif
