/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP: reads what libcurl's sockets bring, gives pieces of bodies and an end to source.c. libcurl says which sockets and
 * which time it waits for, the loop tells it when they come; nothing here blocks. Before a byte is sent, the resolved
 * address is judged (a name must not lead to a metadata service) and, for a token without TLS, must be loopback. */
#include "collectors/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collectors/address.h"
#include "governor/util/cleanup.h"
#include "governor/util/str.h"

#define CONNECT_TIMEOUT_MAX_MS 5000L

struct watched { /* a socket libcurl has us watch */
	struct mg_http *http;
	mg_handle handle;
	int fd;
	bool used;
};

struct mg_http {
	struct mg_loop *loop;
	CURLM *multi;
	struct mg_timer timer;
	struct watched watched[MG_MAX_HTTP_SOCKETS];
};

struct token_file { /* what the file was when it was read */
	struct timespec mtime;
	ino_t ino;
	off_t size;
};

struct mg_http_request {
	struct mg_http *http;
	const struct mg_source *src;
	const struct mg_http_ops *ops;
	void *ctx;
	CURL *easy;
	struct curl_slist *headers;
	char where[300]; /* scheme, host and port of the url, for messages */
	char content_type[128];
	char curl_error[CURL_ERROR_SIZE];
	int64_t date_s;
	uint64_t received;
	const char *refusal; /* why we ended the transfer ourselves; static */
	struct token_file token;
	bool plain_token; /* a token goes out without TLS: loopback only */
	bool encoded, busy;
};

/* ---- addresses ---- */

static const char *judge(const struct mg_http_request *r, const struct mg_address *a)
{
	if (r->plain_token && !mg_address_is_loopback(a))
		return "the token is not sent without https to an address that is not loopback";
	if (!r->src->allow_link_local && mg_address_is_forbidden(a))
		return "the name leads to a link-local or metadata address: allow_link_local is not set";
	return NULL;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct mg_http_request *r = ctx;
	struct mg_address a;

	(void)purpose;
	if (!mg_address_of(&sa->addr, &a))
		return CURL_SOCKET_BAD;
	r->refusal = judge(r, &a);
	if (r->refusal)
		return CURL_SOCKET_BAD;
	return socket(sa->family, sa->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, sa->protocol);
}

/* A kept connection was opened by another source, perhaps one that allows more: judge it again for this one. */
static int on_ready(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
	struct mg_http_request *r = ctx;
	struct mg_address a;

	(void)local_ip, (void)port, (void)local_port;
	if (!mg_address_parse(ip, &a))
		return CURL_PREREQFUNC_ABORT;
	r->refusal = judge(r, &a);
	return r->refusal ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- the answer ---- */

static size_t on_body(char *buf, size_t one, size_t len, void *ctx)
{
	struct mg_http_request *r = ctx;

	(void)one; /* always 1 */
	r->received += len;
	if (r->encoded)
		r->refusal = "the answer is compressed though identity was asked for";
	else if (r->received > MG_MAX_SCRAPE_BYTES)
		r->refusal = "the answer is larger than 16 MiB";
	else if (r->ops->body(r->ctx, buf, len) == 0)
		return len;
	return CURL_WRITEFUNC_ERROR;
}

struct text {
	const char *s;
	size_t len;
};

/* The value of a header line, trimmed, when it is that header. */
static bool header(const char *line, size_t len, const char *name, struct text *ret)
{
	size_t n = strlen(name);

	if (len < n + 1 || line[n] != ':' || !mg_equal_nocase(line, n, name))
		return false;
	const char *s = line + n + 1, *end = line + len;
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	while (end > s && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	*ret = (struct text){ s, (size_t)(end - s) };
	return true;
}

static size_t on_header(char *line, size_t one, size_t len, void *ctx)
{
	struct mg_http_request *r = ctx;
	struct text v;
	char date[64];

	(void)one;
	if (header(line, len, "Content-Type", &v))
		(void)mg_copyn(r->content_type, sizeof r->content_type, v.s, v.len); /* cut: no type we know is that long */
	else if (header(line, len, "Content-Encoding", &v))
		r->encoded = v.len > 0 && !mg_equal_nocase(v.s, v.len, "identity");
	else if (header(line, len, "Date", &v) && mg_copyn(date, sizeof date, v.s, v.len))
		r->date_s = curl_getdate(date, NULL) > 0 ? curl_getdate(date, NULL) : 0;
	return len;
}

long mg_http_status(const struct mg_http_request *r)
{
	long status = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

const char *mg_http_content_type(const struct mg_http_request *r)
{
	return r->content_type;
}

int64_t mg_http_date_s(const struct mg_http_request *r)
{
	return r->date_s;
}

static void finish(struct mg_http_request *r, CURLcode code)
{
	struct mg_err err = { "" };
	long status = mg_http_status(r);

	curl_multi_remove_handle(r->http->multi, r->easy);
	r->busy = false;
	if (code != CURLE_OK) {
		const char *why = r->refusal ? r->refusal : r->curl_error[0] ? r->curl_error : curl_easy_strerror(code);
		mg_fail(&err, 0, "%s: %s", r->where, why);
		status = 0;
	}
	r->ops->done(r->ctx, status, &err);
}

/* ---- the loop ---- */

static void collect_finished(struct mg_http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct mg_http_request *r;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result; /* m is gone once the handle is removed */
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		finish(r, code);
	}
}

static void on_event(void *ctx, uint32_t events)
{
	struct watched *w = ctx;
	struct mg_http *h = w->http;
	int mask = 0, running;

	if (events & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	curl_multi_socket_action(h->multi, w->fd, mask, &running);
	collect_finished(h);
}

static void on_timeout(void *ctx, uint64_t now_ns)
{
	struct mg_http *h = ctx;
	int running;

	(void)now_ns;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect_finished(h);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct mg_http *h = ctx;
	uint64_t now = mg_loop_now(h->loop);

	(void)multi;
	/* 0 is "at once": not from in here, libcurl must not be entered again. */
	uint64_t at = timeout_ms < 0 ? 0 : now + (uint64_t)timeout_ms * MG_NS_PER_MS + (timeout_ms == 0);
	return mg_loop_timer(h->loop, &h->timer, at) < 0 ? -1 : 0;
}

static struct watched *free_slot(struct mg_http *h)
{
	for (size_t i = 0; i < MG_MAX_HTTP_SOCKETS; i++)
		if (!h->watched[i].used)
			return &h->watched[i];
	return NULL;
}

static int watch(struct mg_http *h, struct watched *w, curl_socket_t fd, uint32_t events)
{
	if (w)
		return mg_loop_mod(h->loop, w->handle, events);
	w = free_slot(h);
	if (!w)
		return -ENFILE;
	w->fd = fd;
	int r = mg_loop_add(h->loop, fd, events, on_event, w, &w->handle);
	if (r < 0)
		return r;
	w->used = true;
	curl_multi_assign(h->multi, fd, w);
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct mg_http *h = ctx;
	struct watched *w = socket_ctx;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);

	(void)easy;
	if (what != CURL_POLL_REMOVE)
		return watch(h, w, fd, events) < 0 ? -1 : 0;
	if (w) {
		mg_loop_del(h->loop, &w->handle);
		w->used = false;
	}
	return 0;
}

int mg_http_new(struct mg_loop *l, struct mg_http **ret, struct mg_err *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return mg_fail(err, -EIO, "libcurl does not start");
	struct mg_http *h = calloc(1, sizeof *h);
	CURLM *multi = curl_multi_init();
	if (!h || !multi) {
		free(h);
		curl_multi_cleanup(multi);
		curl_global_cleanup();
		return mg_fail(err, -ENOMEM, "out of memory");
	}
	h->loop = l;
	h->multi = multi;
	h->timer = (struct mg_timer){ .f = on_timeout, .ctx = h, .slot = -1 };
	for (size_t i = 0; i < MG_MAX_HTTP_SOCKETS; i++)
		h->watched[i].http = h;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)MG_MAX_SOURCES);
	*ret = h;
	return 0;
}

struct mg_http *mg_http_free(struct mg_http *h)
{
	if (!h)
		return NULL;
	curl_multi_cleanup(h->multi); /* has us unwatch every socket */
	int r = mg_loop_timer(h->loop, &h->timer, 0);
	(void)r; /* disarming does not fail */
	free(h);
	curl_global_cleanup();
	return NULL;
}

/* ---- requests ---- */

static bool has_prefix(const char *z, const char *prefix)
{
	return strncmp(z, prefix, strlen(prefix)) == 0;
}

/* Fills where and finds what no request may have. */
static int check_url(struct mg_http_request *r, struct mg_err *err)
{
	char *host = NULL, *port = NULL, *user = NULL, *password = NULL;
	int e = 0;

	CURLU *u = curl_url();
	if (!u)
		return mg_fail(err, -ENOMEM, "out of memory");
	bool https = has_prefix(r->src->url, "https://");
	if (curl_url_set(u, CURLUPART_URL, r->src->url, 0) != CURLUE_OK || (!https && !has_prefix(r->src->url, "http://")))
		e = mg_fail(err, -EINVAL, "source %s: the url must be http://HOST... or https://HOST...", r->src->name);
	else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK ||
		 curl_url_get(u, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK)
		e = mg_fail(err, -EINVAL, "source %s: no user or password in a url: use bearer_token_file", r->src->name);
	else if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		 curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		e = mg_fail(err, -EINVAL, "source %s: the url names no host", r->src->name);
	if (e == 0)
		snprintf(r->where, sizeof r->where, "%s:%s", host, port);
	r->plain_token = !https && r->src->bearer_token_file[0] != '\0';
	if (e == 0 && r->plain_token && !r->src->insecure_token)
		e = mg_fail(err, -EINVAL, "source %s: a bearer token needs https (or insecure_token: true, to loopback)",
			    r->src->name);
	curl_free(host), curl_free(port), curl_free(user), curl_free(password);
	curl_url_cleanup(u);
	return e;
}

static int add_headers(struct mg_http_request *r, const char *accept)
{
	char line[256];

	snprintf(line, sizeof line, "Accept: %s", accept);
	struct curl_slist *one = curl_slist_append(NULL, line);
	struct curl_slist *two = one ? curl_slist_append(one, "Accept-Encoding: identity") : NULL;
	r->headers = two ? two : one;
	return two ? 0 : -ENOMEM;
}

static void set_tls(CURL *e, const struct mg_source *s)
{
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (s->ca_file[0])
		curl_easy_setopt(e, CURLOPT_CAINFO, s->ca_file);
	if (s->cert_file[0])
		curl_easy_setopt(e, CURLOPT_SSLCERT, s->cert_file);
	if (s->key_file[0])
		curl_easy_setopt(e, CURLOPT_SSLKEY, s->key_file);
}

static void set_options(struct mg_http_request *r)
{
	CURL *e = r->easy;
	long timeout_ms = (long)(r->src->timeout_ns / MG_NS_PER_MS);
	bool shorter = timeout_ms > 0 && timeout_ms < CONNECT_TIMEOUT_MAX_MS;

	curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? timeout_ms : 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, shorter ? timeout_ms : CONNECT_TIMEOUT_MAX_MS);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* else ending a transfer waits for a name server that does not answer */
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "memgov/" MG_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)MG_MAX_SCRAPE_BYTES);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->curl_error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_ready);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, r);
	set_tls(e, r->src);
}

int mg_http_request_new(struct mg_http *h, const struct mg_source *src, const char *accept, const struct mg_http_ops *ops,
			void *ctx, struct mg_http_request **ret, struct mg_err *err)
{
	struct mg_http_request *r = calloc(1, sizeof *r);

	if (!r)
		return mg_fail(err, -ENOMEM, "out of memory");
	*r = (struct mg_http_request){ .http = h, .src = src, .ops = ops, .ctx = ctx };
	int e = check_url(r, err);
	if (e == 0) {
		r->easy = curl_easy_init();
		if (!r->easy || add_headers(r, accept) < 0)
			e = mg_fail(err, -ENOMEM, "out of memory");
	}
	if (e < 0) {
		mg_http_request_free(r);
		return e;
	}
	set_options(r);
	*ret = r;
	return 0;
}

struct mg_http_request *mg_http_request_free(struct mg_http_request *r)
{
	if (!r)
		return NULL;
	if (r->busy)
		curl_multi_remove_handle(r->http->multi, r->easy);
	curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	free(r);
	return NULL;
}

/* A token is one line of visible ASCII; anything else could forge headers. */
static bool valid_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] <= 0x20 || s[i] >= 0x7f)
			return false;
	return len > 0;
}

static int read_token(struct mg_http_request *r, int fd, struct mg_err *err)
{
	const char *path = r->src->bearer_token_file;
	char token[MG_MAX_TOKEN_BYTES + 1];
	ssize_t n = pread(fd, token, sizeof token, 0);
	int e = 0;

	if (n < 0)
		return mg_fail(err, -errno, "%s: %s", path, strerror(errno));
	size_t len = (size_t)n;
	while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r'))
		len--;
	if (len > MG_MAX_TOKEN_BYTES || !valid_token(token, len)) {
		e = mg_fail(err, -EINVAL, "%s: not a bearer token (one line of visible ASCII, at most 16 KiB)", path);
	} else {
		token[len] = '\0';
		curl_easy_setopt(r->easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(r->easy, CURLOPT_XOAUTH2_BEARER, token);
	}
	explicit_bzero(token, sizeof token);
	return e;
}

/* Kubernetes replaces the file by renaming a link, others write in place: both change ino, mtime or size. */
static int refresh_token(struct mg_http_request *r, struct mg_err *err)
{
	const char *path = r->src->bearer_token_file;
	struct stat st;

	if (path[0] == '\0')
		return 0;
	int fd MG_CLOSE = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return mg_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return mg_fail(err, -EINVAL, "%s: not a regular file", path);
	struct token_file now = { st.st_mtim, st.st_ino, st.st_size };
	if (now.ino == r->token.ino && now.size == r->token.size && now.mtime.tv_sec == r->token.mtime.tv_sec &&
	    now.mtime.tv_nsec == r->token.mtime.tv_nsec)
		return 0;
	int e = read_token(r, fd, err);
	if (e == 0)
		r->token = now;
	return e;
}

int mg_http_get(struct mg_http_request *r, const char *url, struct mg_err *err)
{
	if (r->busy)
		return mg_fail(err, -EBUSY, "%s: the last request is still under way", r->where);
	int e = refresh_token(r, err);
	if (e < 0)
		return e;
	r->received = 0;
	r->content_type[0] = r->curl_error[0] = '\0';
	r->date_s = 0;
	r->encoded = false;
	r->refusal = NULL;
	if (curl_easy_setopt(r->easy, CURLOPT_URL, url) != CURLE_OK || curl_multi_add_handle(r->http->multi, r->easy) != CURLM_OK)
		return mg_fail(err, -ENOMEM, "%s: libcurl takes no request", r->where);
	r->busy = true;
	return 0;
}
