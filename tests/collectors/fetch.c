/* SPDX-License-Identifier: Apache-2.0 */
/* A source on the real loop, for the scripts beside this file: fetch COUNT KEY=VALUE... NAME:QUERY... runs one configured
 * source until COUNT samples and failures have come, and writes each as a line of JSON, then its counters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/collector.h"
#include "governor/util/num.h"
#include "governor/util/str.h"

#define GIVE_UP_NS (20 * MG_NS_PER_S)

struct run {
	struct mg_loop *loop;
	struct mg_config config;
	uint64_t left;
	struct mg_timer give_up;
};

static void say(struct mg_buf *b)
{
	puts(b->at);
	fflush(stdout);
}

static void count(struct run *r)
{
	if (--r->left == 0)
		mg_loop_stop(r->loop);
}

static void on_sample(void *ctx, struct mg_signal_ref ref, double value, uint64_t at_ns)
{
	struct run *r = ctx;
	char line[512];
	struct mg_buf b = mg_buf(line, sizeof line);

	if (r->left == 0)
		return;
	mg_buf_printf(&b, "{\"sample\":");
	mg_buf_json(&b, r->config.signals[ref.id].name);
	mg_buf_printf(&b, ",\"value\":\"%g\",\"age_s\":%.3f}", value, ((double)mg_loop_now(r->loop) - (double)at_ns) / 1e9);
	say(&b);
	count(r);
}

static void on_failed(void *ctx, const char *source, const char *why)
{
	struct run *r = ctx;
	char line[1024];
	struct mg_buf b = mg_buf(line, sizeof line);

	if (r->left == 0)
		return;
	mg_buf_printf(&b, "{\"failed\":");
	mg_buf_json(&b, source);
	mg_buf_printf(&b, ",\"why\":");
	mg_buf_json(&b, why);
	mg_buf_put(&b, "}", 1);
	say(&b);
	count(r);
}

static void on_give_up(void *ctx, uint64_t now_ns)
{
	struct run *r = ctx;

	(void)now_ns;
	mg_loop_stop(r->loop);
}

static const struct {
	const char *key;
	size_t offset, cap;
} texts[] = {
	{ "url", offsetof(struct mg_source, url), sizeof((struct mg_source *)0)->url },
	{ "ca", offsetof(struct mg_source, ca_file), 256 },
	{ "cert", offsetof(struct mg_source, cert_file), 256 },
	{ "key", offsetof(struct mg_source, key_file), 256 },
	{ "token", offsetof(struct mg_source, bearer_token_file), 256 },
};
static const struct {
	const char *key;
	size_t offset;
} spans[] = {
	{ "every_ms", offsetof(struct mg_source, every_ns) },
	{ "timeout_ms", offsetof(struct mg_source, timeout_ns) },
	{ "max_age_ms", offsetof(struct mg_source, max_age_ns) },
	{ "range_ms", offsetof(struct mg_source, range_ns) },
};

static bool set(struct mg_source *s, const char *key, size_t len, const char *value)
{
	uint64_t ms;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (mg_equal(key, len, texts[i].key))
			return mg_copy((char *)s + texts[i].offset, texts[i].cap, value);
	for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
		if (mg_equal(key, len, spans[i].key) && mg_scan_u64(value, strlen(value), &ms) == 0) {
			*(uint64_t *)(void *)((char *)s + spans[i].offset) = ms * MG_NS_PER_MS;
			return true;
		}
	if (mg_equal(key, len, "kind"))
		s->kind = strcmp(value, "promql") == 0 ? MG_SOURCE_PROMQL : MG_SOURCE_PROMETHEUS;
	else if (mg_equal(key, len, "insecure_token"))
		s->insecure_token = true;
	else if (mg_equal(key, len, "allow_link_local"))
		s->allow_link_local = true;
	else
		return false;
	return true;
}

static bool add_signal(struct mg_config *c, const char *name, size_t len, const char *query)
{
	struct mg_source_signal *s = &c->signals[c->n_signals++];

	return mg_copyn(s->name, sizeof s->name, name, len) && mg_copy(s->query, sizeof s->query, query);
}

/* KEY=VALUE before NAME:QUERY: a query may hold `=`, a key holds no `:`. */
static bool read_argument(struct run *r, const char *arg)
{
	size_t n = strcspn(arg, "=:");

	if (arg[n] == '=')
		return set(&r->config.sources[0], arg, n, arg + n + 1);
	return arg[n] == ':' && r->config.n_signals < MG_MAX_SOURCE_SIGNALS && add_signal(&r->config, arg, n, arg + n + 1);
}

static void print_stats(const struct mg_sources *s)
{
	struct mg_source_stats st;

	mg_sources_stats(s, 0, &st);
	printf("{\"stats\":{\"scrapes\":%llu,\"failures\":%llu,\"bytes\":%llu,\"series\":%llu,\"ok\":%s}}\n",
	       (unsigned long long)st.scrapes, (unsigned long long)st.failures, (unsigned long long)st.bytes,
	       (unsigned long long)st.series, st.last_ok_ns ? "true" : "false");
}

static int run_source(struct run *r, struct mg_err *err)
{
	struct mg_sink sink = { on_sample, on_failed, r };
	struct mg_sources *sources = NULL;
	struct mg_http *http = NULL;
	int e = mg_loop_new(&r->loop, err);

	if (e == 0)
		e = mg_http_new(r->loop, &http, err);
	if (e == 0)
		e = mg_sources_start(r->loop, http, &r->config, &sink, &sources, err);
	if (e == 0)
		e = mg_loop_timer(r->loop, &r->give_up, mg_loop_now(r->loop) + GIVE_UP_NS);
	if (e == 0)
		e = mg_loop_run(r->loop, err);
	if (sources)
		print_stats(sources);
	mg_sources_stop(sources);
	mg_http_free(http);
	mg_loop_free(r->loop);
	return e;
}

int main(int argc, char **argv)
{
	static struct run r;
	struct mg_err err = { "" };

	if (argc < 3 || mg_scan_u64(argv[1], strlen(argv[1]), &r.left) < 0 || r.left == 0)
		return 2;
	r.config.n_sources = 1;
	r.give_up = (struct mg_timer){ .f = on_give_up, .ctx = &r, .slot = -1 };
	r.config.sources[0] = (struct mg_source){
		.name = "test", .every_ns = 200 * MG_NS_PER_MS, .timeout_ns = 5 * MG_NS_PER_S, .max_age_ns = 60 * MG_NS_PER_S
	};
	for (int i = 2; i < argc; i++)
		if (!read_argument(&r, argv[i]))
			return 2;
	if (run_source(&r, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 3;
	}
	return 0;
}
