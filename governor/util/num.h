/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_NUM_H
#define MG_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "governor/util/err.h"

/* The one number scanner: no locale, no ctype, no hex, no `1_000`. */

/* Reads an unsigned decimal that is the whole of s[0..len). 0, -EINVAL, -ERANGE. */
int mg_scan_u64(const char *s, size_t len, uint64_t *ret) MG_CHECK_RESULT;
/* Reads a Prometheus float that is the whole of s: decimal with optional fraction and exponent, or inf, +Inf, NaN in any
 * case. 0, -EINVAL, -ERANGE (1e400). */
int mg_scan_double(const char *s, size_t len, double *ret) MG_CHECK_RESULT;
/* Reads an unsigned decimal with optional fraction at the start of s (no sign, no exponent, no inf); returns how many
 * bytes it took, 0 when there is no number. */
size_t mg_scan_decimal(const char *s, size_t len, double *ret);

#endif
