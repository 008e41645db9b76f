/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_AUDIT_H
#define MG_AUDIT_H

#include "governor/audit/log.h"
#include "governor/decide/decision.h"
#include "governor/decide/rule.h"
#include "governor/observe/view.h"

#define MG_RECORD_SOURCES 8

/* One decision as it is recorded: what `explain`, /api/v1/decisions and the JSONL file show. */
struct mg_record {
	uint64_t ts_wall_ns, now_ns, seq;
	char target[MG_NAME_MAX], target_id[20], rule[MG_NAME_MAX], rule_at[128];
	enum mg_mode mode;             /* dry-run or enforce */
	struct mg_want want;           /* verb, knob, from, to, guards */
	char why[MG_WHY_MAX];
	struct mg_cuts cuts;
	struct mg_value sig[MG_SIG__BUILTIN];          /* inputs, with ages */
	struct {                                       /* inputs of configured sources that the rule names */
		char name[2 * MG_NAME_MAX];
		struct mg_value v;
	} source[MG_RECORD_SOURCES];
	uint8_t n_sources;
	struct {
		enum {
			MG_OUTCOME_PENDING, MG_OUTCOME_DRY, MG_OUTCOME_VETOED, MG_OUTCOME_DONE, MG_OUTCOME_REFUSED,
			MG_OUTCOME_LOST
		} state;
		double expected_bytes, achieved_bytes;  /* NAN: not an action, or unknown */
		uint64_t took_ns, longest_pause_ns;
		double minflt, majflt;                  /* faults inside the verification window */
		char text[96];                          /* NAK code and why */
	} outcome;
};

/* The last decisions of all targets, in a fixed ring; JSONL to the writer when the outcome is known (or at once for dry
 * run and vetoes). Holding is not recorded, except its first tick after something else. */
#define MG_AUDIT_RING 128
struct mg_audit;
int mg_audit_new(struct mg_writer *w, struct mg_audit **ret) MG_CHECK_RESULT;
struct mg_audit *mg_audit_free(struct mg_audit *a);
/* Returns the slot to fill, borrowed until the ring wraps. */
struct mg_record *mg_audit_add(struct mg_audit *a);
struct mg_record *mg_audit_find(struct mg_audit *a, uint64_t seq);
/* Writes r as one JSONL line. */
void mg_audit_write(struct mg_audit *a, const struct mg_record *r);
/* i = 0 is the newest; NULL past the end. */
const struct mg_record *mg_audit_at(const struct mg_audit *a, unsigned i);
/* What a target's status shows: its newest change, else its newest record (a hold or a veto); NULL: none in the ring. */
const struct mg_record *mg_audit_newest(const struct mg_audit *a, const char *target_id);

/* What was written since start, for memgov_decisions_total: one row per target name, rule, verb and mode. Vetoed wants
 * are no decisions; they count in cuts. */
#define MG_AUDIT_COUNTS 512
struct mg_audit_count {
	char target[MG_NAME_MAX], rule[MG_NAME_MAX];
	const char *verb;
	enum mg_mode mode;
	uint64_t n;
};
struct mg_audit_stats {
	struct mg_audit_count count[MG_AUDIT_COUNTS];
	unsigned n_counts;
	uint64_t uncounted;                            /* past the cap */
	uint64_t cuts[MG_MAX_GUARDS];                  /* by guard: wants it cut or vetoed */
};
const struct mg_audit_stats *mg_audit_stats(const struct mg_audit *a); /* borrowed */

/* hold, set, restore; of an action its own name: purge, gc. Static storage. */
const char *mg_want_verb(const struct mg_want *w);
/* Largest JSON object of a record. */
#define MG_RECORD_JSON_MAX 16384
/* Renders r as one JSON object into buf; returns the length, -ENOSPC. */
int mg_record_json(const struct mg_record *r, char *buf, size_t cap);
/* ts, outcome and mode left out: what replay compares. */
int mg_record_decision_json(const struct mg_record *r, char *buf, size_t cap);

#endif
