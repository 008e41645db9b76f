/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_PAGES_H
#define MG_PAGES_H

#include "governor/serve/serve.h"
#include "governor/util/str.h"

/* What one request asks for; times are the loop's. */
struct mg_request {
	const struct mg_serve_ctx *ctx;
	uint64_t now_ns, wall_ns;
	const char *target;  /* name or id; NULL: all */
	unsigned limit;      /* most entries of a list */
	bool admin;          /* which listener */
};

#define MG_MAX_SERVED_TARGETS 512 /* in one answer; the rest is counted as left out */

/* A page renders into b (rendered again into a larger buffer when b->full) and returns the HTTP status. */
typedef unsigned (*mg_page_fn)(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_metrics(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_healthz(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_readyz(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_status(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_decisions(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_explain(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_plan(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_pause(const struct mg_request *q, struct mg_buf *b);
unsigned mg_page_resume(const struct mg_request *q, struct mg_buf *b);

#endif
