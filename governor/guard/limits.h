/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_LIMITS_H
#define MG_LIMITS_H

#include "governor/guard/guard.h"

/* How a guard cuts: it vetoes, or it moves a value toward the present one. All three fill why and return true when they did. */
bool mg_guard_veto(struct mg_want *w, char why[static MG_WHY_MAX], const char *fmt, ...) MG_PRINTF(3, 4);

/* Keeps w->to inside [lo, hi], without ever leaving the way from w->from to w->to:
 *  - the nearest allowed value lies on that way (or from is unknown: there is no way to leave): w->to becomes it;
 *  - from is outside as well, and w->to comes nearer to the range: left as it is;
 *  - else: veto.
 * Does not fill why. Returns 0: nothing to do, 1: moved, -1: vetoed. */
int mg_guard_within(struct mg_want *w, double lo, double hi);

/* The guards on values, in limits.c; those on time, rights and order are in guard.c. */
bool mg_guard_bounds(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX]);
bool mg_guard_range(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX]);
bool mg_guard_live(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX]);
bool mg_guard_hysteresis(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX]);
bool mg_guard_step(const struct mg_guard_ctx *c, struct mg_want *w, char why[static MG_WHY_MAX]);

#endif
