/* SPDX-License-Identifier: Apache-2.0 */
/* Reads HTTP requests through libmicrohttpd, whose epoll descriptor is nested in the governor's loop, and gives pages. A
 * table says which path exists on which listener and with which method; everything else is refused with a reason. Called
 * by the loop; allocates (libmicrohttpd does) outside ticks only. */
#include "governor/serve/serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "governor/serve/listen.h"
#include "governor/serve/pages.h"
#include "governor/util/num.h"

#define MAX_CONNECTIONS    64
#define MAX_PER_ADDRESS    32
#define IDLE_S             10
#define CONNECTION_BYTES   (16U << 10)
#define FIRST_PAGE_BYTES   (64U << 10)
#define MAX_PAGE_BYTES     (16U << 20)
#define MAX_BODY_BYTES     4096
#define DEFAULT_DECISIONS  50

struct mg_server {
	const struct mg_serve *serve;
	struct MHD_Daemon *daemon;
	struct mg_listener_socket socket;
	bool admin;
	mg_handle handle;
	struct mg_timer timer;
};

struct mg_serve {
	struct mg_serve_ctx ctx;
	struct mg_server server[2]; /* public, admin */
};

/* ---- routes ---- */

enum { ON_PUBLIC = 1, ON_ADMIN = 2, ON_BOTH = 3 };

static unsigned page_index(const struct mg_request *q, struct mg_buf *b);

static const struct route {
	const char *path;
	unsigned where;
	bool changes;      /* POST, else GET and HEAD */
	const char *type, *help;
	mg_page_fn page;
} routes[] = {
#define TEXT "text/plain; charset=utf-8"
#define PROM "text/plain; version=0.0.4; charset=utf-8"
#define JSON "application/json"
	{ "/metrics",          ON_BOTH,  false, PROM, "Prometheus metrics",                             mg_page_metrics },
	{ "/healthz",          ON_BOTH,  false, TEXT, "200 while the loop ticks",                       mg_page_healthz },
	{ "/readyz",           ON_BOTH,  false, TEXT, "200 once a policy is loaded and a tick is done", mg_page_readyz },
	{ "/",                 ON_ADMIN, false, TEXT, "this list",                                      page_index },
	{ "/api/v1/status",    ON_ADMIN, false, JSON, "governor and targets (target=)",                 mg_page_status },
	{ "/api/v1/decisions", ON_ADMIN, false, JSON, "the newest decisions (target=, limit=)",         mg_page_decisions },
	{ "/api/v1/explain",   ON_ADMIN, false, JSON, "what led to a target's decisions (target=)",     mg_page_explain },
	{ "/api/v1/plan",      ON_ADMIN, false, JSON, "what would change now (target=)",                mg_page_plan },
	{ "/api/v1/pause",     ON_ADMIN, true,  JSON, "restore every baseline and send nothing (target=)", mg_page_pause },
	{ "/api/v1/resume",    ON_ADMIN, true,  JSON, "govern again (target=)",                         mg_page_resume },
};

static unsigned page_index(const struct mg_request *q, struct mg_buf *b)
{
	(void)q;
	for (unsigned i = 0; i < sizeof routes / sizeof routes[0]; i++)
		mg_buf_printf(b, "%-5s %-18s %s\n", routes[i].changes ? "POST" : "GET", routes[i].path, routes[i].help);
	return MHD_HTTP_OK;
}

static const struct route *find_route(const struct mg_server *s, const char *path)
{
	for (unsigned i = 0; i < sizeof routes / sizeof routes[0]; i++)
		if ((routes[i].where & (s->admin ? ON_ADMIN : ON_PUBLIC)) && strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}

/* ---- answers ---- */

/* Takes body (malloc'd). */
static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type, char *body, size_t len,
			      const char *allow)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);

	if (!r) {
		free(body);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
	MHD_add_response_header(r, MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff");
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (allow)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *why, const char *allow)
{
	char *body = strdup(why);

	return body ? answer(c, status, TEXT, body, strlen(body), allow) : MHD_NO;
}

/* Renders into a buffer that doubles until the page fits. */
static enum MHD_Result render(struct MHD_Connection *c, const struct route *route, const struct mg_request *q)
{
	for (size_t cap = FIRST_PAGE_BYTES; cap <= MAX_PAGE_BYTES; cap *= 2) {
		char *body = malloc(cap);
		if (!body)
			return MHD_NO;
		struct mg_buf b = mg_buf(body, cap);
		unsigned status = route->page(q, &b);
		if (!b.full)
			return answer(c, status, route->type, body, b.len, NULL);
		free(body);
	}
	return refuse(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is too large: ask for one target\n", NULL);
}

/* ---- requests ---- */

/* Returns NULL when the request may be answered, else why not. */
static const char *objection(const struct mg_server *s, struct MHD_Connection *c, const struct route *route)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (s->socket.is_unix && (!i || !mg_listen_peer_ok(i->connect_fd)))
		return "the operator's API is for the governor's own uid and root\n";
	if (!mg_listen_host_ok(&s->socket, MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
		return "unknown Host: use the address or localhost\n";
	if (route && route->changes && !s->socket.is_unix)
		return "changes are accepted on a unix socket only: set serve.admin to unix:PATH\n";
	return NULL;
}

static unsigned limit_of(struct MHD_Connection *c)
{
	const char *text = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "limit");
	uint64_t n = DEFAULT_DECISIONS;

	if (text && mg_scan_u64(text, strlen(text), &n) < 0)
		n = DEFAULT_DECISIONS;
	return n < MG_AUDIT_RING ? (unsigned)n : MG_AUDIT_RING;
}

static enum MHD_Result dispatch(const struct mg_server *s, struct MHD_Connection *c, const char *path, const char *method)
{
	const struct route *route = find_route(s, path);
	const char *why = objection(s, c, route);
	bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

	if (why)
		return refuse(c, MHD_HTTP_FORBIDDEN, why, NULL);
	if (!route)
		return refuse(c, MHD_HTTP_NOT_FOUND, s->admin ? "no such page; / lists them\n" : "no such page\n", NULL);
	if (route->changes ? strcmp(method, MHD_HTTP_METHOD_POST) != 0 : !reads)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "wrong method\n", route->changes ? "POST" : "GET, HEAD");
	const char *target = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "target");
	struct mg_request q = {
		.ctx = &s->serve->ctx, .now_ns = mg_loop_now(s->serve->ctx.loop), .wall_ns = mg_loop_wall(s->serve->ctx.loop),
		.target = target && *target != '\0' ? target : NULL, .limit = limit_of(c), .admin = s->admin,
	};
	return render(c, route, &q);
}

/* libmicrohttpd calls once with the headers, then with each piece of a body, then to be answered. No page reads a body: a
 * small one is thrown away, a large one ends the connection. *state counts it, from 1. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path, const char *method, const char *version,
				  const char *body, size_t *body_len, void **state)
{
	uintptr_t seen = (uintptr_t)*state;

	(void)version;
	(void)body;
	if (seen != 0 && *body_len == 0)
		return dispatch(cls, c, path, method);
	*state = (void *)(seen + 1 + *body_len);
	*body_len = 0;
	return (uintptr_t)*state > MAX_BODY_BYTES ? MHD_NO : MHD_YES;
}

/* ---- nesting in the loop ---- */

static void arm_timer(struct mg_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	uint64_t at = 0;

	if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
		at = mg_loop_now(s->serve->ctx.loop) + (ms ? ms : 1) * MG_NS_PER_MS;
	if (mg_loop_timer(s->serve->ctx.loop, &s->timer, at) < 0)
		MHD_quiesce_daemon(s->daemon); /* no timer, no time-outs: serve nobody rather than leak connections */
}

static void on_events(void *ctx, uint32_t events)
{
	struct mg_server *s = ctx;

	(void)events;
	MHD_run(s->daemon);
	arm_timer(s);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
	(void)now_ns;
	on_events(ctx, 0);
}

static int start(struct mg_server *s, struct mg_err *err)
{
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, s->socket.fd,
				     MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				     s->socket.is_unix ? 0 : MAX_PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
	if (!s->daemon)
		return mg_fail(err, -EIO, "libmicrohttpd does not start");
	const union MHD_DaemonInfo *i = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r = i ? mg_loop_add(s->serve->ctx.loop, i->epoll_fd, EPOLLIN, on_events, s, &s->handle) : -ENOTSUP;
	if (r < 0)
		return mg_fail(err, r, "cannot watch libmicrohttpd's descriptor");
	return 0;
}

static int open_server(struct mg_serve *serve, struct mg_server *s, const char *where, bool admin, struct mg_err *err)
{
	s->serve = serve;
	s->admin = admin;
	s->timer = (struct mg_timer){ .f = on_timer, .ctx = s, .slot = -1 };
	int r = mg_listen(where, &s->socket, err);
	return r < 0 ? r : start(s, err);
}

static void close_server(struct mg_server *s)
{
	if (s->daemon) {
		mg_loop_del(s->serve->ctx.loop, &s->handle);
		int disarmed = mg_loop_timer(s->serve->ctx.loop, &s->timer, 0); /* cannot fail */
		(void)disarmed;
		MHD_socket fd = MHD_quiesce_daemon(s->daemon); /* ours again: MHD_stop_daemon would close it */
		MHD_stop_daemon(s->daemon);
		if (fd == MHD_INVALID_SOCKET)
			s->socket.fd = -1;
	}
	mg_listen_close(&s->socket);
}

int mg_serve_open(const struct mg_serve_ctx *ctx, const char *listen, const char *admin, struct mg_serve **ret,
		  struct mg_err *err)
{
	struct mg_serve *s = calloc(1, sizeof *s);
	int r = 0;

	if (!s)
		return mg_fail(err, -ENOMEM, "out of memory for the HTTP listeners");
	s->ctx = *ctx;
	s->server[0].socket.fd = s->server[1].socket.fd = -1;
	if (*listen != '\0')
		r = open_server(s, &s->server[0], listen, false, err);
	if (r == 0 && *admin != '\0')
		r = open_server(s, &s->server[1], admin, true, err);
	if (r < 0) {
		mg_serve_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct mg_serve *mg_serve_close(struct mg_serve *s)
{
	if (!s)
		return NULL;
	close_server(&s->server[0]);
	close_server(&s->server[1]);
	free(s);
	return NULL;
}
