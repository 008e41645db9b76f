/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_HTTP_H
#define MG_HTTP_H

#include "governor/config/config.h"
#include "governor/loop/loop.h"

/* libcurl's multi-socket interface on the loop. NOSIGNAL, both timeouts, PROTOCOLS_STR http,https, no redirects, PROXY="",
 * explicit Accept, size-capped body, gzip refused, resolver without blocking (the threaded one of Debian's build). */
#define MG_MAX_SCRAPE_BYTES (16U << 20)

struct mg_http; /* the multi handle */
int mg_http_new(struct mg_loop *l, struct mg_http **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_http *mg_http_free(struct mg_http *h);

struct mg_http_ops {
	/* A piece of the body. Negative errno aborts the transfer. */
	int (*body)(void *ctx, const char *buf, size_t len);
	/* status 0: no answer, err says why (host and port named, never a body). */
	void (*done)(void *ctx, long status, const struct mg_err *err);
};
struct mg_http_request; /* kept and reused: one per source */
int mg_http_request_new(struct mg_http *h, const struct mg_source *src, const char *accept, const struct mg_http_ops *ops, void *ctx,
			struct mg_http_request **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_http_request *mg_http_request_free(struct mg_http_request *r);
/* Starts GET url. -EBUSY while the last one is under way. */
int mg_http_get(struct mg_http_request *r, const char *url) MG_CHECK_RESULT;

#endif
