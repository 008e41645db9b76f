/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_OBSERVE_H
#define MG_OBSERVE_H

#include "governor/util/signal.h"
#include "governor/util/err.h"

#define MG_MAX_SOURCE_SIGNALS 64  /* signals of all configured sources together */
#define MG_WINDOW_BUCKETS     32  /* resolution of a window: span / 32 */

/* A signal's address. Built-ins and cache signals belong to a target, source signals (`app.heap_inuse`) to the
 * governor: scope MG_SCOPE_TARGET: id is enum mg_signal; MG_SCOPE_SOURCE: id is an index into the config's list. */
enum mg_scope { MG_SCOPE_TARGET, MG_SCOPE_SOURCE };
struct mg_signal_ref {
	uint8_t scope;
	uint16_t id;
};

/* The newest sample of a signal. NaN is stored as "unknown". */
struct mg_sample {
	double value;
	uint64_t at_ns;      /* 0: never */
	uint64_t max_age_ns; /* older is unknown */
};

struct mg_value mg_sample_read(const struct mg_sample *s, uint64_t now_ns);

/* What is kept of a signal over a span: fed with every sample, read by min max avg delta rate slope. Holds a fixed ring
 * of buckets, each with min, max, sum, count, first, last and (counters) the increase with resets taken out. */
struct mg_window;

/* Returns owned (mg_window_free), NULL when out of memory. The only allocation of observe, at configuration time. */
struct mg_window *mg_window_new(uint64_t span_ns, enum mg_signal_kind kind);
struct mg_window *mg_window_free(struct mg_window *w);
void mg_window_push(struct mg_window *w, uint64_t at_ns, double value);

enum mg_window_fn { MG_WINDOW_MIN, MG_WINDOW_MAX, MG_WINDOW_AVG, MG_WINDOW_DELTA, MG_WINDOW_RATE, MG_WINDOW_SLOPE };
/* Unknown when the window holds fewer than two samples (min, max, avg: none), or its newest is older than max_age_ns.
 * rate: increase per second of a counter; slope: least-squares fit over bucket averages, per second; delta: last - first. */
struct mg_value mg_window_read(const struct mg_window *w, enum mg_window_fn fn, uint64_t now_ns, uint64_t max_age_ns);

/* Exponentially weighted mean with a time constant; unevenly spaced samples allowed. */
struct mg_ewma { double v; uint64_t at_ns; };
void mg_ewma_push(struct mg_ewma *e, uint64_t now_ns, double x, uint64_t tau_ns);

/* A counter read as a rate between two readings; a smaller reading is a reset and counts from zero. */
struct mg_rate { double last; uint64_t at_ns; };
struct mg_value mg_rate_push(struct mg_rate *r, uint64_t now_ns, double reading);

#endif
