/* SPDX-License-Identifier: Apache-2.0 */
/* How fast an exposition of 100,000 series passes when five of them are asked for. Prints MB/s and series/s. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collectors/prom_text.h"
#include "governor/util/str.h"

#define FAMILIES   1000
#define PER_FAMILY 100
#define ROUNDS     10
#define PIECE      16384 /* what libcurl hands over at most */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct mg_buf exposition(void)
{
	size_t cap = 16U << 20;
	char *text = malloc(cap);

	if (!text)
		exit(4);
	struct mg_buf b = mg_buf(text, cap);
	for (unsigned f = 0; f < FAMILIES; f++) {
		mg_buf_printf(&b, "# HELP http_requests_%u_total Requests answered.\n# TYPE http_requests_%u_total counter\n", f,
			      f);
		for (unsigned i = 0; i < PER_FAMILY; i++)
			mg_buf_printf(&b, "http_requests_%u_total{code=\"%u\",instance=\"10.0.0.%u:8080\",method=\"GET\"} %u.5\n",
				      f, 200 + i % 5, i, f * i);
	}
	return b;
}

int main(void)
{
	static const char *const selectors[] = {
		"http_requests_0_total{code=\"200\"}",
		"http_requests_17_total",
		"http_requests_500_total{code=~\"20[34]\"}",
		"http_requests_999_total{instance!=\"10.0.0.1:8080\"}",
		"not_there",
	};
	struct mg_buf b = exposition();
	struct mg_err err = { "" };
	struct mg_prom *p;

	if (b.full || mg_prom_new(selectors, 5, &p, &err) < 0)
		return 4;
	double start = now_s();
	for (unsigned round = 0; round < ROUNDS; round++) {
		mg_prom_begin(p, MG_PROM_TEXT);
		for (size_t at = 0; at < b.len; at += PIECE)
			if (mg_prom_feed(p, b.at + at, b.len - at < PIECE ? b.len - at : PIECE, &err) < 0)
				return 4;
		if (mg_prom_end(p, &err) < 0)
			return 4;
	}
	double took = (now_s() - start) / ROUNDS;
	double series = (double)mg_prom_series(p);
	printf("prom_parse: %.0f series, %.1f MB in %.1f ms: %.0f MB/s, %.1f million series/s\n", series, (double)b.len / 1e6,
	       took * 1e3, (double)b.len / 1e6 / took, series / took / 1e6);
	free(b.at);
	mg_prom_free(p);
	return 0;
}
