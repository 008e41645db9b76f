/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_FIELD_H
#define MG_FIELD_H

#include <stddef.h>

/* One row of an option table gives parsing, default, `--help`, man page and JSON schema of a key. */
enum mg_field_type {
	MG_BOOL,          /* bool */
	MG_U32,           /* uint32_t, a plain number */
	MG_BYTES,         /* double, bytes: 800MB, 1GiB, 512Mi */
	MG_RATIO,         /* double, 0..1: `0.8` or `80%` */
	MG_PERCENT,       /* uint32_t, a plain number */
	MG_DURATION,      /* uint64_t, nanoseconds: 10ms, 15s, 5m, 1h, 1d */
	MG_FACTOR,        /* double: 2x */
	MG_EXPR_COND,     /* a condition; offset is the expression's slot in mg_view.expr */
	MG_EXPR_BYTES,    /* an expression in bytes; offset is the slot */
	MG_KNOB_VALUES,   /* struct mg_knob_map */
	MG_ACTION_SPEC,   /* struct mg_action_spec */
};

#define MG_MAX_RULE_EXPR 4 /* expression fields of one rule */

struct mg_field {
	const char *name;          /* NULL ends the table */
	enum mg_field_type type;
	size_t offset;             /* into the policy's conf, or the expression slot */
	const char *def;           /* default as the user would write it, NULL: none */
	const char *help;
	int required;              /* 1: a rule without it is an error */
};

#endif
