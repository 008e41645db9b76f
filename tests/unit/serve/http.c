/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over real sockets: which page is where, methods, hosts, crowds. The loop runs here, the client in a thread. */
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/unit/serve/world.h"

static struct {
	struct world world;
	struct mg_loop *loop;
	struct mg_serve *serve;
	mg_handle handle;
	int stop[2];
	char dir[64], admin[96], listen[32];
	unsigned port;
	const char *failure; /* what the client found wrong; checked in the main thread */
	char detail[256];
} t;

static void on_stop(void *ctx, uint32_t events)
{
	(void)ctx;
	(void)events;
	mg_loop_stop(t.loop);
}

/* A port nobody has: bind 0, look, close. */
static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	check(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0, "a free port");
	close(fd);
	return ntohs(a.sin_port);
}

static void serve_while(void *(*client)(void *))
{
	struct mg_err err = { "" };
	pthread_t thread;

	memset(&t, 0, sizeof t);
	strcpy(t.dir, "/tmp/memgov-http-XXXXXX");
	check(mkdtemp(t.dir) != NULL && pipe(t.stop) == 0, "a directory and a pipe");
	world_open(&t.world);
	world_hello(&t.world, "00ab", "/bin/api");
	world_tick(&t.world, WORLD_NOW);
	check(mg_loop_new(&t.loop, &err) == 0, "a loop: %s", err.text);
	t.world.engine.stats.started_ns = t.world.engine.stats.last_tick_ns = mg_loop_now(t.loop);
	t.world.ctx.loop = t.loop;
	t.port = free_port();
	snprintf(t.admin, sizeof t.admin, "unix:%s/admin", t.dir);
	snprintf(t.listen, sizeof t.listen, "127.0.0.1:%u", t.port);
	check(mg_serve_open(&t.world.ctx, t.listen, t.admin, &t.serve, &err) == 0, "it serves: %s", err.text);
	check(mg_loop_add(t.loop, t.stop[0], EPOLLIN, on_stop, NULL, &t.handle) == 0, "the pipe stops the loop");
	check(pthread_create(&thread, NULL, client, NULL) == 0, "a client thread");
	int r = mg_loop_run(t.loop, &err);
	pthread_join(thread, NULL);
	t.serve = mg_serve_close(t.serve);
	mg_loop_del(t.loop, &t.handle);
	t.loop = mg_loop_free(t.loop);
	close(t.stop[0]);
	close(t.stop[1]);
	world_close(&t.world);
	check(r == 0, "the loop ran: %s", err.text);
	check(rmdir(t.dir) == 0, "the admin socket is removed");
	check(!t.failure, "%s %s", t.failure ? t.failure : "", t.detail);
}

struct answer { long status; size_t len; char body[65536], headers[2048]; };

static size_t on_data(char *p, size_t size, size_t n, void *ctx)
{
	struct answer *a = ctx;

	mg_copyn(a->body, sizeof a->body, p, size * n < sizeof a->body ? size * n : sizeof a->body - 1);
	a->len += size * n;
	return size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct answer *a = ctx;
	size_t len = strlen(a->headers);

	mg_copyn(a->headers + len, sizeof a->headers - len, p, size * n);
	return size * n;
}

static void request(bool admin, const char *method, const char *path, const char *host, const char *body, struct answer *a)
{
	char url[256], host_header[128];
	struct curl_slist *headers = NULL;
	CURL *h = curl_easy_init();

	memset(a, 0, sizeof *a);
	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", admin ? 1 : t.port, path);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, 20L);
	if (admin)
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, t.admin + 5);
	if (host) {
		snprintf(host_header, sizeof host_header, "Host: %s", host);
		headers = curl_slist_append(headers, host_header);
	}
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	else if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, body ? body : "");
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	}
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, a);
	if (curl_easy_perform(h) == CURLE_OK)
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &a->status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(h);
}

static const char big[8192] = { [0 ... 8190] = 'x' };

/* status 0: the connection is closed without an answer. */
static const struct { bool admin; const char *method, *path, *host, *body; long status; const char *contains; } requests[] = {
	{ false, "GET", "/metrics", NULL, NULL, 200, "memgov_build_info" },
	{ false, "HEAD", "/metrics", NULL, NULL, 200, NULL },
	{ false, "GET", "/healthz", NULL, NULL, 200, "ok" },
	{ false, "GET", "/readyz", NULL, NULL, 200, "ok" },
	{ false, "GET", "/", NULL, NULL, 404, NULL },
	{ false, "GET", "/api/v1/status", NULL, NULL, 404, NULL },
	{ false, "POST", "/api/v1/pause", NULL, NULL, 404, NULL },
	{ false, "POST", "/metrics", NULL, NULL, 405, NULL },
	{ false, "DELETE", "/healthz", NULL, NULL, 405, NULL },
	{ false, "GET", "/metrics/../api/v1/status", NULL, NULL, 404, NULL },
	{ false, "GET", "/metrics", "evil.example", NULL, 403, "Host" },
	{ false, "GET", "/metrics", "localhost:1", NULL, 200, NULL },
	{ true, "GET", "/", NULL, NULL, 200, "/api/v1/status" },
	{ true, "GET", "/metrics", "any.name", NULL, 200, "memgov_build_info" },
	{ true, "GET", "/api/v1/status", NULL, NULL, 200, "\"id\":\"00ab\"" },
	{ true, "GET", "/api/v1/status?target=nobody", NULL, NULL, 404, "nobody" },
	{ true, "GET", "/api/v1/decisions?limit=1", NULL, NULL, 200, "decisions" },
	{ true, "GET", "/api/v1/explain?target=api", NULL, NULL, 200, "rules" },
	{ true, "GET", "/api/v1/plan", NULL, NULL, 200, "changes" },
	{ true, "GET", "/api/v1/pause", NULL, NULL, 405, NULL },
	{ true, "POST", "/api/v1/status", NULL, NULL, 405, NULL },
	{ true, "POST", "/api/v1/pause", NULL, NULL, 200, "\"paused\":true" },
	{ true, "POST", "/api/v1/resume?target=00ab", NULL, "{}", 200, "\"paused\":false" },
	{ true, "POST", "/api/v1/resume", NULL, big, 0, NULL },
	{ true, "GET", "/api/v1/status", NULL, NULL, 200, NULL },
};

static void fail_with(const char *what, const char *detail)
{
	if (t.failure)
		return;
	t.failure = what;
	mg_copy(t.detail, sizeof t.detail, detail);
}

static void *ask_all(void *unused)
{
	static struct answer a;
	char detail[256];

	for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		request(requests[i].admin, requests[i].method, requests[i].path, requests[i].host, requests[i].body, &a);
		snprintf(detail, sizeof detail, "%s %s: %ld, expected %ld: %.60s", requests[i].method, requests[i].path, a.status,
			 requests[i].status, a.body);
		if (a.status != requests[i].status)
			fail_with("status of", detail);
		if (requests[i].contains && !strstr(a.body, requests[i].contains))
			fail_with("body of", detail);
		if (a.status != 0 && !strstr(a.headers, "Content-Security-Policy: default-src 'none'"))
			fail_with("no content security policy with", detail);
		if (strcmp(requests[i].method, "HEAD") == 0 && a.len != 0)
			fail_with("a body with", detail);
	}
	if (write(t.stop[1], "x", 1) != 1)
		fail_with("the loop cannot be stopped", "");
	return unused;
}

static void pages_are_where_they_belong(void **state)
{
	(void)state;
	serve_while(ask_all);
	check(t.world.paused == 1 && t.world.resumed == 1, "the operator's verbs were called once each");
}

/* More silent connections than the listener takes: the other listener answers all the while, and once they are gone so
 * does this one. */
static void *crowd(void *unused)
{
	enum { CROWD = 200 };
	static struct answer a;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)t.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd[CROWD];

	for (unsigned i = 0; i < CROWD; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fd[i], (struct sockaddr *)&to, sizeof to) == 0 && write(fd[i], "GET", 3) != 3)
			fail_with("a silent connection cannot write", "");
	}
	request(true, "GET", "/api/v1/status", NULL, NULL, &a);
	if (a.status != 200)
		fail_with("the operator is locked out by a crowd on the public listener", "");
	for (unsigned i = 0; i < CROWD; i++)
		close(fd[i]);
	request(false, "GET", "/healthz", NULL, NULL, &a);
	if (a.status != 200)
		fail_with("the listener does not recover from a crowd", a.body);
	if (write(t.stop[1], "x", 1) != 1)
		fail_with("the loop cannot be stopped", "");
	return unused;
}

static void a_crowd_locks_nobody_out(void **state)
{
	(void)state;
	serve_while(crowd);
}

static void nothing_is_left_when_opening_fails(void **state)
{
	struct world w;
	struct mg_serve *s = NULL;
	struct mg_err err = { "" };
	struct mg_loop *loop = NULL;

	(void)state;
	world_open(&w);
	check(mg_loop_new(&loop, &err) == 0, "a loop: %s", err.text);
	w.ctx.loop = loop;
	check(mg_serve_open(&w.ctx, "127.0.0.1:0", "unix:relative", &s, &err) < 0,
	      "a bad admin address fails after a good listen address");
	check(s == NULL && strstr(err.text, "relative") != NULL, "the error names it: %s", err.text);
	loop = mg_loop_free(loop);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_where_they_belong),
		cmocka_unit_test(a_crowd_locks_nobody_out),
		cmocka_unit_test(nothing_is_left_when_opening_fails),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
