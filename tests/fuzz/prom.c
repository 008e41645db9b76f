/* SPDX-License-Identifier: Apache-2.0 */
/* Expositions: byte 0 picks the format and the size of the pieces. Whole and in pieces must give the same. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/prom_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const selectors[] = {
	"foo", "foo_total", "h_bucket{le=\"0.5\"}", "foo{a=\"b\",c!=\"d\"}", "foo{a=~\"x.*|[0-9]+\"}", "s{quantile!~\"0.9\"}",
};
#define N (sizeof selectors / sizeof selectors[0])

static int parse(struct mg_prom *p, enum mg_prom_format format, const char *s, size_t len, size_t piece,
		 struct mg_prom_value ret[N])
{
	struct mg_err err;
	int r = 0;

	mg_prom_begin(p, format);
	for (size_t at = 0; at < len && r == 0; at += piece)
		r = mg_prom_feed(p, s + at, len - at < piece ? len - at : piece, &err);
	if (r == 0)
		r = mg_prom_end(p, &err);
	for (unsigned i = 0; i < N; i++)
		ret[i] = mg_prom_get(p, i);
	return r;
}

static int same(const struct mg_prom_value *a, const struct mg_prom_value *b)
{
	int value = a->value == b->value || (isnan(a->value) && isnan(b->value));

	return value && a->series == b->series && a->has_time == b->has_time && a->time_ms == b->time_ms &&
	       a->counter == b->counter;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mg_prom *p;
	struct mg_prom_value whole[N], pieces[N];
	struct mg_err err;

	if (!p && mg_prom_new(selectors, N, &p, &err) < 0)
		abort();
	if (size < 1)
		return 0;
	enum mg_prom_format format = data[0] & 1 ? MG_PROM_OPENMETRICS : MG_PROM_TEXT;
	const char *s = (const char *)data + 1;
	size_t piece = (data[0] >> 1) % 64 + 1;
	int a = parse(p, format, s, size - 1, size, whole);
	int b = parse(p, format, s, size - 1, piece, pieces);
	if (a != b)
		abort();
	for (unsigned i = 0; i < N && a == 0; i++)
		if (!same(&whole[i], &pieces[i]))
			abort();
	return 0;
}
