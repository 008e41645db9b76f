/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_PROM_TEXT_H
#define MG_PROM_TEXT_H

#include "governor/util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Prometheus text 0.0.4 and OpenMetrics 1.0, parsed as it arrives, with selectors pushed into the parser: only the named
 * series are kept. promtool's accept/reject is the reference. Allocates nothing after mg_prom_new. */
#define MG_MAX_SELECTORS  64
#define MG_MAX_PROM_LINE  65536

struct mg_prom; /* the parser */

enum mg_prom_format { MG_PROM_TEXT, MG_PROM_OPENMETRICS };

/* A selector: `name`, `name{a="b",c!="d",e=~"glob*"}` is compiled from text; several matching series are summed. */
int mg_prom_new(const char *const selectors[], unsigned n, struct mg_prom **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_prom *mg_prom_free(struct mg_prom *p);
void mg_prom_begin(struct mg_prom *p, enum mg_prom_format format);
/* Returns 0, or -EBADMSG with err naming line and column. After an error the rest is ignored. */
int mg_prom_feed(struct mg_prom *p, const char *buf, size_t len, struct mg_err *err) MG_CHECK_RESULT;
/* The exposition must end with a newline (OpenMetrics: `# EOF`), else it was cut: -EBADMSG. */
int mg_prom_end(struct mg_prom *p, struct mg_err *err) MG_CHECK_RESULT;

struct mg_prom_value {
	double value;         /* sum over `series` */
	unsigned series;      /* how many matched; 0: not in this exposition */
	bool has_time;
	int64_t time_ms;      /* oldest timestamp among them */
	bool counter;         /* by # TYPE */
};
struct mg_prom_value mg_prom_get(const struct mg_prom *p, unsigned selector);
uint64_t mg_prom_series(const struct mg_prom *p); /* series seen, for the metric */

#endif
