/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_PAGES_H
#define MG_PAGES_H

#include "governor/audit/json.h"
#include "governor/serve/serve.h"

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

/* Pieces of more than one page. */
bool mg_asked_for(const struct mg_request *q, const struct mg_target *t);
unsigned mg_page_no_target(const struct mg_request *q, struct mg_buf *b); /* 404 */
void mg_json_value(struct mg_json *j, const char *key, struct mg_value v); /* unknown: null */
/* True for a want that only time keeps back (cooldown, backoff, budget): it will come. */
bool mg_want_delayed(const struct mg_want *w);
/* Want i of the rule's newest decision, with the guards that cut it. */
void mg_json_want(struct mg_json *j, const struct mg_target_rule *tr, unsigned i);

#endif
