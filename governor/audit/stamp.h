/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_STAMP_H
#define MG_STAMP_H

#include "governor/util/str.h"

/* Appends wall_ns (since 1970) as RFC 3339 in UTC with milliseconds: 2026-03-01T12:00:00.250Z. */
void mg_buf_stamp(struct mg_buf *b, uint64_t wall_ns);

#endif
