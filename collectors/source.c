/* SPDX-License-Identifier: Apache-2.0 */
/* The configured sources: every one on its own timer asks http.c, feeds what arrives to prom_text.c or promql.c, and gives
 * samples to the sink once an answer is whole and sound. A source that fails gives nothing: its last good samples age. Started
 * and stopped by the loop with the configuration. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/collector.h"
#include "collectors/prom_text.h"
#include "collectors/promql.h"
#include "governor/util/str.h"

#define ACCEPT_EXPOSITION "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
#define ACCEPT_JSON       "application/json"
#define OPENMETRICS       "application/openmetrics-text"
#define SPREAD_NS         (50 * MG_NS_PER_MS) /* between the first scrapes of two sources */

struct source {
	struct mg_sources *all;
	const struct mg_source *conf;
	struct mg_http_request *request;
	struct mg_timer timer;
	struct mg_source_stats stats;
	uint16_t signal[MG_MAX_SOURCE_SIGNALS]; /* indices into the configuration's list */
	unsigned n_signals, at;                 /* at: which of them is being asked (PromQL asks one after the other) */
	uint64_t started_ns;                    /* the cycle's start: a sample is never younger */
	uint64_t sent_ns, sent_wall_ns;         /* this request's */
	bool begun;                             /* the exposition's first piece has come */
	bool cycle_failed;
	int body_r; /* why we ended the body ourselves */
	struct mg_err body_err;
	struct mg_prom *prom; /* prometheus */
	char *answer;         /* promql: [MG_MAX_PROMQL_ANSWER + 1] */
	size_t answer_len;
};

struct mg_sources {
	struct mg_loop *loop;
	const struct mg_config *config;
	struct mg_sink sink;
	unsigned n;
	struct source source[];
};

static void fail_source(struct source *s, const char *why)
{
	const struct mg_sink *sink = &s->all->sink;

	s->cycle_failed = true;
	s->stats.failures++;
	(void)mg_copy(s->stats.last_error, sizeof s->stats.last_error, why);
	sink->failed(sink->ctx, s->conf->name, why);
}

static void give(struct source *s, unsigned i, double value, uint64_t at_ns)
{
	const struct mg_sink *sink = &s->all->sink;

	sink->sample(sink->ctx, (struct mg_signal_ref){ MG_SCOPE_SOURCE, s->signal[i] }, value, at_ns);
}

/* When a sample with a timestamp of its own was true, on our clock. Its age is taken against the server's clock where the
 * server says it (Date), so that clocks that differ do not make samples old or young. Never younger than the request. */
static uint64_t when(const struct source *s, double time_s)
{
	int64_t date_s = mg_http_date_s(s->request);
	double now_s = date_s > 0 ? (double)date_s : (double)s->sent_wall_ns / 1e9;
	double age_ns = (now_s - time_s) * 1e9;

	if (!(age_ns > 0))
		return s->sent_ns;
	return age_ns < (double)s->sent_ns ? s->sent_ns - (uint64_t)age_ns : 1;
}

static void end_cycle(struct source *s)
{
	uint64_t now = mg_loop_now(s->all->loop), next = s->started_ns + s->conf->every_ns;

	if (!s->cycle_failed) {
		s->stats.last_ok_ns = now;
		s->stats.last_error[0] = '\0';
	}
	if (mg_loop_timer(s->all->loop, &s->timer, next > now ? next : now + 1) < 0)
		fail_source(s, "no timer is left: the source stops");
}

static int start_request(struct source *s, const char *url, struct mg_err *err)
{
	s->sent_ns = mg_loop_now(s->all->loop);
	s->sent_wall_ns = mg_loop_wall(s->all->loop);
	s->body_r = 0;
	s->begun = false;
	s->answer_len = 0;
	s->stats.scrapes++;
	return mg_http_get(s->request, url, err);
}

/* ---- prometheus ---- */

static int exposition_body(void *ctx, const char *buf, size_t len)
{
	struct source *s = ctx;

	s->stats.bytes += len;
	if (mg_http_status(s->request) != 200)
		return 0; /* an error's page is not read */
	if (!s->begun) {
		bool om = strncmp(mg_http_content_type(s->request), OPENMETRICS, strlen(OPENMETRICS)) == 0;
		mg_prom_begin(s->prom, om ? MG_PROM_OPENMETRICS : MG_PROM_TEXT);
		s->begun = true;
	}
	s->body_r = mg_prom_feed(s->prom, buf, len, &s->body_err);
	return s->body_r;
}

static void give_exposition(struct source *s)
{
	for (unsigned i = 0; i < s->n_signals; i++) {
		struct mg_prom_value v = mg_prom_get(s->prom, i);
		bool there = v.series > 0;
		give(s, i, there ? v.value : NAN, there && v.has_time ? when(s, (double)v.time_ms / 1000) : s->sent_ns);
	}
	s->stats.series = mg_prom_series(s->prom);
}

/* What went wrong with the request itself: 0 and err untouched when nothing did. */
static int judge(const struct source *s, long status, const struct mg_err *transport, struct mg_err *err)
{
	if (s->body_r < 0)
		return mg_fail(err, s->body_r, "%s", s->body_err.text);
	if (status == 0)
		return mg_fail(err, -EIO, "%s", transport->text);
	return 0;
}

static void exposition_done(void *ctx, long status, const struct mg_err *transport)
{
	struct source *s = ctx;
	struct mg_err err;
	int r = judge(s, status, transport, &err);

	if (r == 0 && status != 200)
		r = mg_fail(&err, -EIO, "HTTP status %ld", status);
	if (r == 0 && !s->begun)
		mg_prom_begin(s->prom, MG_PROM_TEXT); /* an empty exposition is a valid one */
	if (r == 0)
		r = mg_prom_end(s->prom, &err);
	if (r < 0)
		fail_source(s, err.text);
	else
		give_exposition(s);
	end_cycle(s);
}

static void exposition_start(void *ctx, uint64_t now_ns)
{
	struct source *s = ctx;
	struct mg_err err;

	s->started_ns = now_ns;
	s->cycle_failed = false;
	if (start_request(s, s->conf->url, &err) < 0) {
		fail_source(s, err.text);
		end_cycle(s);
	}
}

/* ---- promql ---- */

static void query_next(struct source *s)
{
	const struct mg_config *c = s->all->config;
	char url[MG_MAX_PROMQL_URL];
	struct mg_err err;
	int r;

	if (s->at == s->n_signals)
		return end_cycle(s);
	r = mg_promql_url(s->conf, c->signals[s->signal[s->at]].query, mg_loop_wall(s->all->loop), url, sizeof url);
	if (r < 0)
		r = mg_fail(&err, r, "the query's url is longer than %d bytes", MG_MAX_PROMQL_URL);
	else
		r = start_request(s, url, &err);
	if (r < 0) {
		fail_source(s, err.text);
		end_cycle(s);
	}
}

static void query_start(void *ctx, uint64_t now_ns)
{
	struct source *s = ctx;

	s->started_ns = now_ns;
	s->cycle_failed = false;
	s->at = 0;
	s->stats.series = 0;
	query_next(s);
}

static int answer_body(void *ctx, const char *buf, size_t len)
{
	struct source *s = ctx;

	s->stats.bytes += len;
	if (s->answer_len + len > MG_MAX_PROMQL_ANSWER) {
		s->body_r = mg_fail(&s->body_err, -E2BIG, "the answer is larger than 256 KiB: the query must give one series");
		return s->body_r;
	}
	memcpy(s->answer + s->answer_len, buf, len);
	s->answer_len += len;
	return 0;
}

/* An answer read whole. An empty one is a sound answer: the value is unknown. */
static int give_answer(struct source *s, long status, struct mg_err *err)
{
	double value, time_s;

	s->answer[s->answer_len] = '\0';
	int r = mg_promql_parse(s->answer, s->answer_len, &value, &time_s, err);
	if (r == -ENODATA) {
		give(s, s->at, NAN, s->sent_ns);
		return 0;
	}
	if (r == -EBADMSG && status != 200)
		return mg_fail(err, -EIO, "HTTP status %ld", status);
	if (r < 0)
		return r;
	give(s, s->at, value, when(s, time_s));
	s->stats.series++;
	return 0;
}

/* One query's failure leaves the others; a server that does not answer at all is not asked again in this cycle. */
static void answer_done(void *ctx, long status, const struct mg_err *transport)
{
	struct source *s = ctx;
	struct mg_err err, why;
	int r = judge(s, status, transport, &err);

	if (r == 0)
		r = give_answer(s, status, &err);
	if (r < 0) {
		mg_fail(&why, r, "%s: %.250s", s->all->config->signals[s->signal[s->at]].name, err.text);
		fail_source(s, why.text);
	}
	s->at = status == 0 && s->body_r == 0 ? s->n_signals : s->at + 1;
	query_next(s);
}

/* ---- start and stop ---- */

static const struct kind {
	const char *accept;
	struct mg_http_ops ops;
	void (*start)(void *ctx, uint64_t now_ns);
} kinds[] = {
	[MG_SOURCE_PROMETHEUS] = { ACCEPT_EXPOSITION, { exposition_body, exposition_done }, exposition_start },
	[MG_SOURCE_PROMQL] = { ACCEPT_JSON, { answer_body, answer_done }, query_start },
};

static int new_prom(struct source *s, struct mg_err *err)
{
	const char *selectors[MG_MAX_SOURCE_SIGNALS];

	for (unsigned i = 0; i < s->n_signals; i++)
		selectors[i] = s->all->config->signals[s->signal[i]].query;
	return mg_prom_new(selectors, s->n_signals, &s->prom, err);
}

static int start_source(struct source *s, struct mg_http *h, unsigned index, struct mg_err *err)
{
	const struct mg_config *c = s->all->config;
	const struct kind *k;

	s->conf = &c->sources[index];
	k = &kinds[s->conf->kind];
	s->timer = (struct mg_timer){ .f = k->start, .ctx = s, .slot = -1 };
	for (uint16_t i = 0; i < c->n_signals; i++)
		if (c->signals[i].source == index)
			s->signal[s->n_signals++] = i;
	int r = 0;
	if (s->conf->kind == MG_SOURCE_PROMETHEUS)
		r = new_prom(s, err);
	else if (!(s->answer = malloc(MG_MAX_PROMQL_ANSWER + 1)))
		r = mg_fail(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = mg_http_request_new(h, s->conf, k->accept, &k->ops, s, &s->request, err);
	if (r == 0)
		r = mg_loop_timer(s->all->loop, &s->timer, mg_loop_now(s->all->loop) + 1 + index * SPREAD_NS);
	return r;
}

int mg_sources_start(struct mg_loop *l, struct mg_http *h, const struct mg_config *c, const struct mg_sink *sink,
		     struct mg_sources **ret, struct mg_err *err)
{
	struct mg_sources *all = calloc(1, sizeof *all + c->n_sources * sizeof all->source[0]);

	if (!all)
		return mg_fail(err, -ENOMEM, "out of memory");
	all->loop = l;
	all->config = c;
	all->sink = *sink;
	for (; all->n < c->n_sources; all->n++) {
		all->source[all->n].all = all;
		int r = start_source(&all->source[all->n], h, all->n, err);
		if (r < 0) {
			all->n++; /* what it has is freed with the rest */
			mg_sources_stop(all);
			return r;
		}
	}
	*ret = all;
	return 0;
}

struct mg_sources *mg_sources_stop(struct mg_sources *all)
{
	if (!all)
		return NULL;
	for (unsigned i = 0; i < all->n; i++) {
		struct source *s = &all->source[i];
		int r = mg_loop_timer(all->loop, &s->timer, 0);
		(void)r; /* disarming does not fail */
		mg_http_request_free(s->request);
		mg_prom_free(s->prom);
		free(s->answer);
	}
	free(all);
	return NULL;
}

void mg_sources_stats(const struct mg_sources *all, unsigned source, struct mg_source_stats *ret)
{
	*ret = source < all->n ? all->source[source].stats : (struct mg_source_stats){ 0 };
}
