/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_PROM_TEXT_H
#define MG_PROM_TEXT_H

#include "governor/util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Prometheus text 0.0.4 and OpenMetrics 1.0, parsed as it arrives, with selectors pushed into the parser: only the named
 * series are kept. promtool's accept/reject is the reference; where this parser is stricter (the caps below) the error says
 * so. Allocates nothing after mg_prom_new, but for what libc's regexec takes for a selector with =~ or !~. */
#define MG_MAX_SELECTORS     64
#define MG_MAX_PROM_LINE     65536
#define MG_MAX_PROM_LABELS   128  /* of one series */
#define MG_MAX_PROM_FAMILIES 3072 /* past it TYPE lines are no longer remembered: no second-TYPE error, no counter flag */
#define MG_MAX_PROM_MATCHED  1536 /* past it a series given twice is summed twice */

struct mg_prom; /* the parser */

enum mg_prom_format { MG_PROM_TEXT, MG_PROM_OPENMETRICS };

/* A selector: `name`, `name{a="b",c!="d",e=~"5..|4.."}`. Regular expressions are POSIX extended, anchored at both ends as
 * in PromQL. `le` and `quantile` compare as numbers. Several matching series are summed; one given twice counts once, the
 * first time, as Prometheus does. Histograms and summaries are addressed by their series' names: `x_bucket{le="0.5"}`.
 * Returns 0 and an owned *ret (mg_prom_free); -EINVAL with err naming the selector and column; -ENOMEM. */
int mg_prom_new(const char *const selectors[], unsigned n, struct mg_prom **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_prom *mg_prom_free(struct mg_prom *p);
/* Forgets the last exposition; the next bytes are the start of one. */
void mg_prom_begin(struct mg_prom *p, enum mg_prom_format format);
/* Takes a piece, cut anywhere. Returns 0, or -EBADMSG with err naming line and column (never the text: it may be a
 * secret). After an error the rest is ignored and the same error returned. */
int mg_prom_feed(struct mg_prom *p, const char *buf, size_t len, struct mg_err *err) MG_CHECK_RESULT;
/* The exposition must end with a newline (OpenMetrics: `# EOF`), else it was cut: -EBADMSG. */
int mg_prom_end(struct mg_prom *p, struct mg_err *err) MG_CHECK_RESULT;

struct mg_prom_value {
	double value;    /* sum over `series` */
	unsigned series; /* how many matched; 0: not in this exposition */
	bool has_time;
	int64_t time_ms; /* oldest timestamp among them, since 1970 */
	bool counter;    /* by # TYPE; also a histogram's and a summary's _count, _sum, _bucket */
};
/* Meaningful after mg_prom_end returned 0. */
struct mg_prom_value mg_prom_get(const struct mg_prom *p, unsigned selector);
uint64_t mg_prom_series(const struct mg_prom *p); /* series seen, for the metric */

#endif
