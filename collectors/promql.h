/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_PROMQL_H
#define MG_PROMQL_H

#include "governor/config/config.h"

#define MG_MAX_PROMQL_URL    3072
#define MG_MAX_PROMQL_ANSWER (256U << 10) /* one series, even over a range, is a few KiB */

/* Writes the url of the query's next evaluation. wall_s: now, for the ends of a range. -E2BIG when it does not fit. An
 * instant query asks the server not to look back further than the source's max_age (servers before 2.44 ignore that and
 * look back 5 minutes). */
int mg_promql_url(const struct mg_source *src, const char *query, uint64_t wall_ns, char *url, size_t cap) MG_CHECK_RESULT;

#endif
