/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_HTTP_H
#define MG_HTTP_H

#include "governor/config/config.h"
#include "governor/loop/loop.h"

/* libcurl's multi-socket interface on the loop. NOSIGNAL, both timeouts, PROTOCOLS_STR http,https, no redirects, PROXY="",
 * explicit Accept, size-capped body, gzip refused, resolver without blocking (the threaded one of Debian's build).
 * Link-local and cloud metadata addresses are refused after resolution unless the source allows them. A bearer token goes
 * out over https alone, or with `insecure_token` to a loopback address; its file is read again when it changes. */
#define MG_MAX_SCRAPE_BYTES (16U << 20)
#define MG_MAX_TOKEN_BYTES  16384
#define MG_MAX_HTTP_SOCKETS 256

struct mg_http; /* the multi handle */
/* Returns 0 and an owned *ret (mg_http_free). Borrows l, which must outlive it. */
int mg_http_new(struct mg_loop *l, struct mg_http **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_http *mg_http_free(struct mg_http *h); /* after its requests */

struct mg_http_ops {
	/* A piece of the body. Negative errno aborts the transfer. */
	int (*body)(void *ctx, const char *buf, size_t len);
	/* status 0: no answer, err says why (host and port named, never a body). The request may be started again from here,
	 * not freed. */
	void (*done)(void *ctx, long status, const struct mg_err *err);
};
struct mg_http_request; /* kept and reused: one per source */
/* Borrows src and ops. 0; -EINVAL src cannot be used (a password in the url, a token without https); -ENOMEM. */
int mg_http_request_new(struct mg_http *h, const struct mg_source *src, const char *accept, const struct mg_http_ops *ops,
			void *ctx, struct mg_http_request **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_http_request *mg_http_request_free(struct mg_http_request *r);
/* Starts GET url. 0; -EBUSY while the last one is under way; another negative errno with err (the token's file). */
int mg_http_get(struct mg_http_request *r, const char *url, struct mg_err *err) MG_CHECK_RESULT;

/* What the present answer's head said; meaningful in body and done. */
long mg_http_status(const struct mg_http_request *r);
const char *mg_http_content_type(const struct mg_http_request *r); /* "" when there was none */
int64_t mg_http_date_s(const struct mg_http_request *r);           /* the server's clock, since 1970; 0: not said */

#endif
