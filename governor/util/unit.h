/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_UNITS_H
#define MG_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "governor/util/err.h"
#include "governor/util/knob.h"
#include "governor/util/value.h"

/* Quantities as policy files write them: 800MiB 800MB 512Mi 20% 15s 10ms 2x 100. */

/* Reads a quantity at the start of s. Returns how many bytes it took (0: none) and its unit: BYTES, RATIO (`%`),
 * SECONDS, or ANY for a plain number and `2x`. An unknown suffix takes 0 and fills err. */
size_t mg_unit_scan(const char *s, size_t len, double *v, enum mg_unit *unit, struct mg_err *err);
/* The whole of s is a quantity of that unit. A plain number is accepted for BYTES (bytes), RATIO (0..1), PERCENT, COUNT;
 * durations need a unit. 0, -EINVAL, -ERANGE with err saying what to write. */
int mg_unit_parse(const char *s, size_t len, enum mg_unit unit, double *ret, struct mg_err *err) MG_CHECK_RESULT;
int mg_duration_parse(const char *s, size_t len, uint64_t *ret_ns, struct mg_err *err) MG_CHECK_RESULT;
/* A knob's amount: its unit, or a share. */
int mg_amount_parse(const char *s, size_t len, enum mg_unit unit, struct mg_amount *ret, struct mg_err *err) MG_CHECK_RESULT;
/* Shows v for people: `1.2 GiB`, `35 %`, `15 s`. Returns buf. */
const char *mg_unit_show(double v, enum mg_unit unit, char *buf, size_t cap);
const char *mg_unit_name(enum mg_unit unit); /* bytes, ratio, ... for lists and messages */
int mg_unit_find(const char *name, size_t len); /* -1: none */

#endif
