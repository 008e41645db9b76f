/* SPDX-License-Identifier: Apache-2.0 */
/* A sink that keeps what it is given. */
#ifndef MG_TESTS_SINK_H
#define MG_TESTS_SINK_H

#include "collectors/collector.h"
#include "governor/util/signal.h"

struct got {
	unsigned n;
	double value;
	uint64_t at_ns;
};

struct samples {
	struct got at[MG_SIG__BUILTIN];
	struct got source[MG_MAX_SOURCE_SIGNALS];
	unsigned failures;
	char why[MG_ERR_MAX];
};

static inline void samples_take(void *ctx, struct mg_signal_ref ref, double value, uint64_t at_ns)
{
	struct samples *s = ctx;
	struct got *g = ref.scope == MG_SCOPE_TARGET ? &s->at[ref.id] : &s->source[ref.id];

	g->n++;
	g->value = value;
	g->at_ns = at_ns;
}

static inline void samples_failed(void *ctx, const char *source, const char *why)
{
	struct samples *s = ctx;

	(void)source;
	s->failures++;
	snprintf(s->why, sizeof s->why, "%s", why);
}

static inline struct mg_sink samples_sink(struct samples *s)
{
	return (struct mg_sink){ .sample = samples_take, .failed = samples_failed, .ctx = s };
}

#endif
