/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_KNOBS_H
#define MG_KNOBS_H

/* The one vocabulary of knobs, read by the governor and by the shim.
 * Columns: constant, name on the wire and in policy files, unit, floor, ceiling, default hysteresis (share of the
 * present value below which a change is not worth sending), help.
 * GC percent: GOGC-style, percent of live. memory_limit: bytes. decay: milliseconds. */
#define MG_KNOB_TABLE(X) \
	X(GC_PERCENT,   "gc_percent",   PERCENT, 10,      10000,   0.05, "free-but-resident memory, or garbage, may reach this percent of live") \
	X(MEMORY_LIMIT, "memory_limit", BYTES,   1048576, 1.8e19,  0.02, "soft limit on resident bytes, held in process between ticks") \
	X(DECAY,        "decay",        SECONDS, 0,       3600,    0.05, "how long the allocator keeps free pages before it returns them")

enum mg_knob {
#define MG_KNOB_ENUM(id, ...) MG_KNOB_##id,
	MG_KNOB_TABLE(MG_KNOB_ENUM)
#undef MG_KNOB_ENUM
	MG_KNOB__COUNT
};

/* What an action does once; actions are not leases and have no baseline. */
#define MG_ACTION_TABLE(X) \
	X(PURGE, "purge", "return free pages to the kernel, up to a number of bytes and within a pause bound") \
	X(GC,    "gc",    "run the runtime's own collection")

enum mg_action {
#define MG_ACTION_ENUM(id, ...) MG_ACTION_##id,
	MG_ACTION_TABLE(MG_ACTION_ENUM)
#undef MG_ACTION_ENUM
	MG_ACTION__COUNT
};

/* How a knob can be put back when its lease ends. none: refused unless the rule says `irreversible: true`. */
enum mg_restore { MG_RESTORE_EXACT, MG_RESTORE_DEFAULT, MG_RESTORE_NONE };

#endif
