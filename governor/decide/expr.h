/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_EXPR_H
#define MG_EXPR_H

#include "governor/observe/observe.h"
#include "governor/util/value.h"

/* Rule expressions: compiled at load, unit-checked, evaluated three-valued without allocation.
 *
 *   condition  = disjunction [ "for" DURATION ]
 *   or and not, comparisons < <= > >= == !=, + - * /, unary -, parentheses
 *   numbers with units (800MiB 20% 15s 2x), signals (`source.name`), functions:
 *   min(a,b,...) max(a,b,...) abs(a)                    of values
 *   min|max|avg|delta|rate|slope(signal [, DURATION])   over a window, default 1m
 *   a or b on quantities is the first that is known (as PromQL's `or`); on conditions it is Kleene's.
 * Comparisons of quantities whose units differ are an error at load. */

#define MG_EXPR_MAX_OPS     64
#define MG_EXPR_MAX_WINDOWS 4
#define MG_EXPR_MAX_TEXT    512

/* How names resolve: the loader knows the sources. */
struct mg_names {
	/* Returns 0 and fills ref, unit, kind; -ENOENT when there is no such signal. */
	int (*lookup)(void *ctx, const char *name, size_t len, struct mg_signal_ref *ref, enum mg_unit *unit,
		      enum mg_signal_kind *kind);
	/* Returns the nearest known name for a did-you-mean, borrowed, NULL when none is near. */
	const char *(*nearest)(void *ctx, const char *name, size_t len);
	void *ctx;
};

struct mg_expr; /* immutable, shared by all targets */

/* Compiles text. want: MG_UNIT_BOOL for a condition, another unit for a quantity. On failure returns -EINVAL, fills
 * err, and *err_at with the offset of the offending token. *ret is owned (mg_expr_free). */
int mg_expr_compile(const char *text, enum mg_unit want, const struct mg_names *names, struct mg_expr **ret, size_t *err_at,
		    struct mg_err *err) MG_CHECK_RESULT;
struct mg_expr *mg_expr_free(struct mg_expr *e);
const char *mg_expr_text(const struct mg_expr *e);
/* Calls f for every signal named, once each. */
void mg_expr_signals(const struct mg_expr *e, void (*f)(void *ctx, struct mg_signal_ref ref), void *ctx);
/* True when the value can only follow the signal itself (`of: proc.rss`): a limit set from it shrinks itself. */
bool mg_expr_is_plain_signal(const struct mg_expr *e, struct mg_signal_ref *ret);

/* What one target keeps for one expression: windows and the `for` timer. */
struct mg_expr_state;
struct mg_expr_state *mg_expr_state_new(const struct mg_expr *e);
struct mg_expr_state *mg_expr_state_free(struct mg_expr_state *s);
/* Feeds the windows that watch ref. Call for every new sample, before evaluation. */
void mg_expr_feed(const struct mg_expr *e, struct mg_expr_state *s, struct mg_signal_ref ref, uint64_t at_ns, double value);

/* Where evaluation reads: samples by id, of both scopes. */
struct mg_expr_env {
	uint64_t now_ns;
	const struct mg_sample *target; /* [MG_SIG__BUILTIN] */
	const struct mg_sample *source; /* [n_source], may be NULL */
	uint16_t n_source;
};

/* `for`: YES only after the inner condition was YES at every evaluation for that long; unknown restarts the clock. */
enum mg_tri mg_expr_cond(const struct mg_expr *e, struct mg_expr_state *s, const struct mg_expr_env *env);
struct mg_value mg_expr_value(const struct mg_expr *e, struct mg_expr_state *s, const struct mg_expr_env *env);

#endif
