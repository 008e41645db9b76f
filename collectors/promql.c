/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus API: gives the urls of /api/v1/query and /api/v1/query_range, reads their JSON answers, gives one number
 * and its time. Pure but for cJSON's allocations. Called by source.c. An answer must be one number: an expression that
 * gives several series is a mistake in the policy, not something to sum. */
#include "collectors/promql.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "collectors/collector.h"
#include "governor/util/num.h"
#include "governor/util/str.h"

#define RANGE_POINTS 100

/* ---- asking ---- */

static void put_encoded(struct mg_buf *b, const char *z)
{
	for (; *z != '\0'; z++) {
		if (mg_is_word(*z) || *z == '-' || *z == '.' || *z == '~')
			mg_buf_put(b, z, 1);
		else
			mg_buf_printf(b, "%%%02X", (unsigned char)*z);
	}
}

static void put_range(struct mg_buf *b, const struct mg_source *src, uint64_t wall_ns)
{
	double end = (double)wall_ns / 1e9, span = (double)src->range_ns / 1e9;

	mg_buf_printf(b, "&start=%.3f&end=%.3f&step=%.3f", end - span, end, fmax(1, span / RANGE_POINTS));
}

int mg_promql_url(const struct mg_source *src, const char *query, uint64_t wall_ns, char *url, size_t cap)
{
	struct mg_buf b = mg_buf(url, cap);
	size_t base = strlen(src->url);

	while (base > 0 && src->url[base - 1] == '/')
		base--;
	mg_buf_put(&b, src->url, base);
	mg_buf_printf(&b, "/api/v1/%s?query=", src->range_ns ? "query_range" : "query");
	put_encoded(&b, query);
	if (src->range_ns)
		put_range(&b, src, wall_ns);
	if (src->max_age_ns)
		mg_buf_printf(&b, "&lookback_delta=%.3f", (double)src->max_age_ns / 1e9);
	return b.full ? -E2BIG : 0;
}

/* ---- reading ---- */

struct point {
	double value, time_s;
};

static int malformed(struct mg_err *err, const char *what)
{
	return mg_fail(err, -EBADMSG, "not an answer of the Prometheus API: %s", what);
}

/* `[ 1700000000.123, "42" ]` */
static int read_point(const cJSON *pair, struct point *ret, struct mg_err *err)
{
	const cJSON *time = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);

	if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2 || !cJSON_IsNumber(time) || !cJSON_IsString(value))
		return malformed(err, "a value is not [time, \"number\"]");
	if (mg_scan_double(value->valuestring, strlen(value->valuestring), &ret->value) < 0)
		return malformed(err, "a value is not a number");
	ret->time_s = time->valuedouble;
	return 0;
}

/* The one element of a vector or matrix; -ENODATA when there is none. */
static int only_element(const cJSON *result, const cJSON **ret, struct mg_err *err)
{
	int n = cJSON_IsArray(result) ? cJSON_GetArraySize(result) : -1;

	if (n < 0)
		return malformed(err, "its result is no list");
	if (n == 0)
		return mg_fail(err, -ENODATA, "the query gives no series");
	if (n > 1)
		return mg_fail(err, -EBADMSG,
			       "the query gives %d series where one number is needed: aggregate it, as with sum(...)", n);
	*ret = cJSON_GetArrayItem(result, 0);
	return cJSON_IsObject(*ret) ? 0 : malformed(err, "a series is no object");
}

static int read_scalar(const cJSON *result, struct point *ret, struct mg_err *err)
{
	return read_point(result, ret, err);
}

static int read_vector(const cJSON *result, struct point *ret, struct mg_err *err)
{
	const cJSON *series = NULL;
	int r = only_element(result, &series, err);

	if (r < 0)
		return r;
	if (cJSON_HasObjectItem(series, "histogram"))
		return mg_fail(err, -EBADMSG, "the query gives a native histogram: use histogram_quantile(...)");
	return read_point(cJSON_GetObjectItemCaseSensitive(series, "value"), ret, err);
}

static int read_matrix(const cJSON *result, struct point *ret, struct mg_err *err)
{
	const cJSON *series = NULL;
	int r = only_element(result, &series, err);

	if (r < 0)
		return r;
	const cJSON *values = cJSON_GetObjectItemCaseSensitive(series, "values");
	int n = cJSON_IsArray(values) ? cJSON_GetArraySize(values) : 0;
	if (n == 0)
		return malformed(err, "a series has no values");
	return read_point(cJSON_GetArrayItem(values, n - 1), ret, err);
}

static const struct {
	const char *type;
	int (*read)(const cJSON *result, struct point *ret, struct mg_err *err);
} result_types[] = {
	{ "scalar", read_scalar },
	{ "vector", read_vector },
	{ "matrix", read_matrix },
};

static int read_data(const cJSON *data, struct point *ret, struct mg_err *err)
{
	const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "resultType"));

	for (size_t i = 0; type && i < sizeof result_types / sizeof result_types[0]; i++)
		if (strcmp(type, result_types[i].type) == 0)
			return result_types[i].read(cJSON_GetObjectItemCaseSensitive(data, "result"), ret, err);
	return malformed(err, "its resultType is none of scalar, vector, matrix");
}

/* The server's words may quote what the target exports: the type alone is passed on, with what it means here. */
static const struct {
	const char *type, *help;
} error_types[] = {
	{ "bad_data", "the expression or a parameter is not valid" },
	{ "execution", "the expression could not be evaluated" },
	{ "timeout", "the query ran out of time" },
	{ "canceled", "the query was canceled" },
	{ "unavailable", "the server is not ready" },
	{ "not_found", "there is nothing at this address" },
	{ "internal", "the server failed" },
};

static int server_error(const cJSON *root, struct mg_err *err)
{
	const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "errorType"));

	for (size_t i = 0; type && i < sizeof error_types / sizeof error_types[0]; i++)
		if (strcmp(type, error_types[i].type) == 0)
			return mg_fail(err, -EREMOTEIO, "the server answers %s: %s", type, error_types[i].help);
	return mg_fail(err, -EREMOTEIO, "the server answers an error of no known type");
}

static int read_root(const cJSON *root, struct point *ret, struct mg_err *err)
{
	const char *status = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "status"));

	if (status && strcmp(status, "error") == 0)
		return server_error(root, err);
	if (!status || strcmp(status, "success") != 0)
		return malformed(err, "its status is neither success nor error");
	return read_data(cJSON_GetObjectItemCaseSensitive(root, "data"), ret, err);
}

int mg_promql_parse(const char *buf, size_t len, double *value, double *time_s, struct mg_err *err)
{
	struct point p = { 0 };
	const char *end = buf;

	/* require_null_terminated: without it anything may follow the answer. len counts the NUL the caller put there. */
	cJSON *root = cJSON_ParseWithLengthOpts(buf, len + 1, &end, 1);
	if (!root)
		return mg_fail(err, -EBADMSG, "not JSON at byte %zu of %zu", (size_t)(end - buf), len);
	int r = read_root(root, &p, err);
	cJSON_Delete(root);
	if (r < 0)
		return r;
	*value = p.value;
	*time_s = p.time_s;
	return 0;
}
