/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SERVE_H
#define MG_SERVE_H

#include "governor/loop/engine.h"

/* HTTP: the public listener (/metrics /healthz /readyz) and the operator's (/api/v1/...), libmicrohttpd nested in the loop. */
struct mg_serve;
struct mg_serve_ctx {
	struct mg_engine *engine;
	const struct mg_control *control;      /* NULL: none */
	struct mg_sources *const *sources;     /* the current ones; replaced at reload. *sources NULL: none */
	const struct mg_writer *audit_writer;  /* NULL: none */
	struct mg_loop *loop;
	/* The operator's verbs, all called from the loop. t NULL: every target. */
	void (*pause)(void *ctx, struct mg_target *t, bool paused);
	void *ctx;
};

/* listen: "" or ADDR:PORT. admin: "unix:PATH" or ADDR:PORT. ctx is copied; what it points to is borrowed. */
int mg_serve_open(const struct mg_serve_ctx *ctx, const char *listen, const char *admin, struct mg_serve **ret,
		  struct mg_err *err) MG_CHECK_RESULT;
struct mg_serve *mg_serve_close(struct mg_serve *s);

/* The metric families, for `memgov list metrics`: i counts from 0; false past the end. */
struct mg_metric_info { const char *name, *type, *help; };
bool mg_metric_info(unsigned i, struct mg_metric_info *ret);

#endif
