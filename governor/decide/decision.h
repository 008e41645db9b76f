/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_DECISION_H
#define MG_DECISION_H

#include "governor/util/err.h"
#include "governor/util/knob.h"

#define MG_WHY_MAX  192
#define MG_MAX_WANT 4 /* changes one rule may ask for at one tick */
#define MG_MAX_GUARDS 16

enum mg_verb { MG_VERB_HOLD, MG_VERB_SET, MG_VERB_ACTION, MG_VERB_RESTORE };

/* One change a policy asks for. Guards edit it in place; `vetoed` keeps it from being sent. */
struct mg_want {
	enum mg_verb verb;       /* SET, ACTION or RESTORE (of `knob`) */
	enum mg_knob knob;       /* SET, RESTORE */
	enum mg_action action;   /* ACTION */
	double to;               /* SET: in the knob's unit */
	double from;             /* SET: the present value; NAN when unknown. Filled before the guards run */
	double bytes;            /* ACTION purge: at most this many; INFINITY: all that is returnable */
	uint64_t max_pause_ns;   /* ACTION: longest pause the program may see; 0: the target's default */
	bool vetoed;
	uint32_t guards;         /* bit i: guard i of mg_guards cut or vetoed it */
};

/* What the guards said of one want: a clause of each that cut it, in their order. Further ones show in want.guards alone. */
#define MG_MAX_CUTS 4
#define MG_CUT_MAX  96
struct mg_cuts {
	uint8_t n;
	struct { uint8_t guard; char why[MG_CUT_MAX]; } at[MG_MAX_CUTS]; /* guard: index into mg_guards */
};

/* What a rule says at one tick: any number of wants (none = hold) and one sentence of reason. */
struct mg_decision {
	uint8_t n;
	struct mg_want want[MG_MAX_WANT];
	bool unknown;            /* held because an input was unknown */
	char why[MG_WHY_MAX];
};

/* Builders, for policies. Each overwrites `why`. A full decision drops further wants (tables never ask for more). */
void mg_hold(struct mg_decision *ret, const char *fmt, ...) MG_PRINTF(2, 3);
void mg_hold_unknown(struct mg_decision *ret, const char *fmt, ...) MG_PRINTF(2, 3);
void mg_set(struct mg_decision *ret, enum mg_knob knob, double to, const char *fmt, ...) MG_PRINTF(4, 5);
void mg_restore_knob(struct mg_decision *ret, enum mg_knob knob, const char *fmt, ...) MG_PRINTF(3, 4);
void mg_purge(struct mg_decision *ret, double bytes, uint64_t max_pause_ns, const char *fmt, ...) MG_PRINTF(4, 5);
void mg_run_action(struct mg_decision *ret, enum mg_action action, uint64_t max_pause_ns, const char *fmt, ...) MG_PRINTF(4, 5);

#endif
