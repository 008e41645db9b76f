/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHOW_H
#define MG_SHOW_H

#include "governor/util/unit.h"

/* A quantity as text inside one call's arguments: mg_hold(ret, "live %s", MG_SHOW(v, MG_UNIT_BYTES)). The text lives until
 * the end of the full expression. */
struct mg_shown {
	char s[32];
};

static inline struct mg_shown mg_shown(double v, enum mg_unit unit)
{
	struct mg_shown t;

	mg_unit_show(v, unit, t.s, sizeof t.s);
	return t;
}
#define MG_SHOW(v, unit) (mg_shown((v), (unit)).s)
#define MG_SHOW_NS(ns)   MG_SHOW((double)(ns) / 1e9, MG_UNIT_SECONDS)

#endif
