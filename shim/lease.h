/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_LEASE_H
#define MG_SHIM_LEASE_H

/* What the governor has set in this process, for how long, and what no message may do. Pure: time is a parameter
 * (CLOCK_BOOTTIME, ns). The baseline of a knob is what the process had before any governor. */

#include <stdbool.h>
#include <stdint.h>

#include "protocol/knobs.h"

#define MG_KNOB_OFF            UINT64_MAX /* `max` on the wire */
#define MG_LEASE_MAX_NS        (300ull * 1000000000)
#define MG_LEASE_JITTER_NS     1000000000ull
#define MG_MAX_STEP            2u
#define MG_GOVERNORS_MAX       3u  /* within the window; one more and the shim holds off */
#define MG_GOVERNORS_WINDOW_NS (600ull * 1000000000)
#define MG_BUDGET_SLOTS        6u  /* of ten seconds each */
#define MG_BUDGET_SLOT_NS      10000000000ull
#define MG_BUDGET_NS           3000000000ull /* 5 % of a minute */

/* Columns: constant, code on the wire, the sentence sent when there is no better one. */
#define MG_NAK_TABLE(X) \
	X(UNSUPPORTED,  "unsupported",  "this target has no such knob or action") \
	X(CONTENDED,    "contended",    "the application changed this knob itself; what it set is the baseline now") \
	X(FLOOR,        "floor",        "below what this target accepts") \
	X(MISMATCH,     "mismatch",     "what the governor assumed is more than a quarter off") \
	X(EXPIRED,      "expired",      "the message or its lease has passed") \
	X(BUSY,         "busy",         "an action is running") \
	X(PAUSE,        "pause",        "the pause bound cannot be kept now") \
	X(COW,          "cow",          "a copy-on-write child lives; a purge would copy its pages") \
	X(SEALED,       "sealed",       "a seccomp filter was added since load") \
	X(BUDGET,       "budget",       "purges took 5 % of the last minute's CPU") \
	X(DEADLINE,     "deadline",     "the action did not end in time and was cancelled") \
	X(IRREVERSIBLE, "irreversible", "this knob cannot be restored and irreversible=1 is missing")

enum mg_nak {
#define MG_NAK_ENUM(id, ...) MG_NAK_##id,
	MG_NAK_TABLE(MG_NAK_ENUM)
#undef MG_NAK_ENUM
	MG_NAK__COUNT,
	MG_NAK_NONE = MG_NAK__COUNT
};
const char *mg_nak_code(enum mg_nak nak);
const char *mg_nak_why(enum mg_nak nak);
const char *mg_knob_wire_name(enum mg_knob knob);

struct mg_knob_state {
	bool offered;
	bool contended;           /* the application took it back; cleared by the next RESTORE or connection */
	bool pending;             /* its restore waits for the runtime thread */
	enum mg_restore restore;
	uint64_t baseline, present; /* MG_KNOB_OFF: off */
	bool present_known;
};

struct mg_lease {
	struct mg_knob_state knob[MG_KNOB__COUNT];
	uint64_t seq;             /* newest handled on this connection */
	uint64_t end_ns;          /* 0: no lease */
	uint64_t restore_ns;      /* end plus this process's jitter */
	bool lapsed;              /* the last lease ended by itself */
};

struct mg_set {
	uint64_t seq, sent_ns, lease_ns;
	uint64_t assume_live, assume_limit; /* MG_KNOB_OFF: not assumed */
	bool irreversible;
	bool has[MG_KNOB__COUNT];
	uint64_t value[MG_KNOB__COUNT];
};

/* What the target knows of itself; UINT64_MAX: unknown. */
struct mg_lease_facts { uint64_t live, resident, returnable, limit; };

struct mg_verdict {
	enum mg_nak nak;          /* MG_NAK_NONE: accepted */
	const char *why;          /* static; NULL: mg_nak_why(nak) */
	int knob;                 /* the knob at fault, -1 none */
};

enum mg_fresh { MG_FRESH, MG_FRESH_OLD /* drop in silence */, MG_FRESH_EXPIRED };

/* Takes notice of seq. */
enum mg_fresh mg_lease_fresh(struct mg_lease *l, uint64_t seq, uint64_t sent_ns, uint64_t life_ns, uint64_t now_ns);
/* Judges a whole SET; changes nothing. */
struct mg_verdict mg_lease_judge(const struct mg_lease *l, const struct mg_set *s, const struct mg_lease_facts *f);
/* The values of s are in force and leased; jitter_ns is this process's share of MG_LEASE_JITTER_NS. */
void mg_lease_apply(struct mg_lease *l, const struct mg_set *s, uint64_t now_ns, uint64_t jitter_ns);
/* RENEW: false when the lease already lapsed or the life is longer than MG_LEASE_MAX_NS. */
bool mg_lease_renew(struct mg_lease *l, uint64_t sent_ns, uint64_t life_ns, uint64_t now_ns, uint64_t jitter_ns);
bool mg_lease_due(const struct mg_lease *l, uint64_t now_ns);
/* Ends the lease: in-process knobs are at their baseline at once; DECAY that differs is marked pending, for the runtime
 * thread. lapsed: by itself, not by RESTORE. */
void mg_lease_end(struct mg_lease *l, bool lapsed);
bool mg_lease_held(const struct mg_lease *l);

/* Governors seen: the times of the last WELCOMEs. */
struct mg_governors { uint64_t at_ns[MG_GOVERNORS_MAX + 1]; unsigned next; };
/* Notes one; true when there were more than MG_GOVERNORS_MAX within the window. */
bool mg_governors_note(struct mg_governors *g, uint64_t now_ns);
unsigned mg_governors_count(const struct mg_governors *g, uint64_t now_ns);

/* CPU spent on purges over the last minute. */
struct mg_budget { uint64_t slot, spent_ns[MG_BUDGET_SLOTS]; };
uint64_t mg_budget_left(struct mg_budget *b, uint64_t now_ns);
void mg_budget_spend(struct mg_budget *b, uint64_t now_ns, uint64_t cpu_ns);

#endif
