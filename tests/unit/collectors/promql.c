/* SPDX-License-Identifier: Apache-2.0 */
/* Urls asked and answers read, by table. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "collectors/collector.h"
#include "collectors/promql.h"
#include "tests/check.h"

#define OK(type, result) "{\"status\":\"success\",\"data\":{\"resultType\":\"" type "\",\"result\":" result "}}"
#define ERROR(type)      "{\"status\":\"error\",\"errorType\":\"" type "\",\"error\":\"secret\"}"

static const struct {
	const char *text;
	int r;
	double value, time_s;
	const char *says;
} answers[] = {
	{ OK("scalar", "[1700000000.5,\"42\"]"), 0, 42, 1700000000.5, NULL },
	{ OK("vector", "[{\"metric\":{},\"value\":[1700000000,\"0.25\"]}]"), 0, 0.25, 1700000000, NULL },
	{ OK("vector", "[{\"metric\":{},\"value\":[1700000000,\"NaN\"]}]"), 0, NAN, 1700000000, NULL },
	{ OK("vector", "[{\"metric\":{},\"value\":[1700000000,\"+Inf\"]}]"), 0, INFINITY, 1700000000, NULL },
	{ OK("vector", "[{\"metric\":{},\"value\":[1700000000,\"-Inf\"]}]"), 0, -INFINITY, 1700000000, NULL },
	{ OK("matrix", "[{\"metric\":{},\"values\":[[1,\"1\"],[2,\"2\"],[3,\"7\"]]}]"), 0, 7, 3, NULL },
	{ OK("vector", "[]"), -ENODATA, 0, 0, "no series" },
	{ OK("matrix", "[]"), -ENODATA, 0, 0, "no series" },
	{ OK("vector", "[{\"value\":[1,\"1\"]},{\"value\":[1,\"1\"]},{\"value\":[1,\"1\"]}]"), -EBADMSG, 0, 0, "3 series" },
	{ OK("vector", "[{\"histogram\":[1,{}]}]"), -EBADMSG, 0, 0, "native histogram" },
	{ OK("string", "[1,\"x\"]"), -EBADMSG, 0, 0, "resultType" },
	{ OK("vector", "{}"), -EBADMSG, 0, 0, "no list" },
	{ OK("vector", "[7]"), -EBADMSG, 0, 0, "no object" },
	{ OK("vector", "[{}]"), -EBADMSG, 0, 0, "[time, \"number\"]" },
	{ OK("vector", "[{\"value\":[1]}]"), -EBADMSG, 0, 0, "[time, \"number\"]" },
	{ OK("vector", "[{\"value\":[1,2]}]"), -EBADMSG, 0, 0, "[time, \"number\"]" },
	{ OK("vector", "[{\"value\":[\"1\",\"2\"]}]"), -EBADMSG, 0, 0, "[time, \"number\"]" },
	{ OK("vector", "[{\"value\":[1,\"0x10\"]}]"), -EBADMSG, 0, 0, "not a number" },
	{ OK("vector", "[{\"value\":[1,\"\"]}]"), -EBADMSG, 0, 0, "not a number" },
	{ OK("matrix", "[{\"values\":[]}]"), -EBADMSG, 0, 0, "no values" },
	{ OK("matrix", "[{\"values\":[[1,\"1\"],7]}]"), -EBADMSG, 0, 0, "[time, \"number\"]" },
	{ ERROR("bad_data"), -EREMOTEIO, 0, 0, "bad_data" },
	{ ERROR("execution"), -EREMOTEIO, 0, 0, "execution" },
	{ ERROR("unavailable"), -EREMOTEIO, 0, 0, "unavailable" },
	{ ERROR("secret"), -EREMOTEIO, 0, 0, "no known type" },
	{ "{\"status\":\"error\"}", -EREMOTEIO, 0, 0, "no known type" },
	{ "{\"status\":\"success\"}", -EBADMSG, 0, 0, "resultType" },
	{ "{\"status\":5}", -EBADMSG, 0, 0, "status" },
	{ "{}", -EBADMSG, 0, 0, "status" },
	{ "[]", -EBADMSG, 0, 0, "status" },
	{ "null", -EBADMSG, 0, 0, "status" },
	{ "", -EBADMSG, 0, 0, "not JSON" },
	{ "<html>secret", -EBADMSG, 0, 0, "not JSON at byte 0" },
	{ OK("scalar", "[1,\"1\"]") "x", -EBADMSG, 0, 0, "not JSON" },
	{ "{\"status\":\"success\"", -EBADMSG, 0, 0, "not JSON" },
};

static void answers_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		double value = 4711, time_s = 4711;
		struct mg_err err = { "" };
		int r = mg_promql_parse(answers[i].text, strlen(answers[i].text), &value, &time_s, &err);
		check(r == answers[i].r, "row %zu: %d expected, got %d: %s", i, answers[i].r, r, err.text);
		if (r < 0) {
			check(value == 4711 && time_s == 4711, "row %zu: outputs are untouched on failure", i);
			check(strstr(err.text, answers[i].says), "row %zu: `%s` should say `%s`", i, err.text, answers[i].says);
			check(!strstr(err.text, "secret"), "row %zu: the server's words are not passed on: %s", i, err.text);
			continue;
		}
		check(value == answers[i].value || (isnan(value) && isnan(answers[i].value)), "row %zu: value %g", i, value);
		check(time_s == answers[i].time_s, "row %zu: time %.3f", i, time_s);
	}
}

/* A NUL is white space to cJSON: what follows one must not pass. */
static void text_after_a_nul(void **state)
{
	static const char text[] = OK("scalar", "[1,\"1\"]") "\0x";
	double value, time_s;
	struct mg_err err = { "" };

	(void)state;
	check(mg_promql_parse(text, sizeof text - 1, &value, &time_s, &err) == -EBADMSG, "text after a NUL must not pass");
}

static void deep_nesting(void **state)
{
	static char text[100001];
	double value, time_s;
	struct mg_err err = { "" };

	(void)state;
	memset(text, '[', sizeof text - 1);
	check(mg_promql_parse(text, sizeof text - 1, &value, &time_s, &err) == -EBADMSG,
	      "a hundred thousand brackets are refused");
}

static void urls(void **state)
{
	static const struct {
		const char *base, *query;
		uint64_t range_ns, max_age_ns;
		const char *url;
	} rows[] = {
		{ "http://h:9090", "up", 0, 0, "http://h:9090/api/v1/query?query=up" },
		{ "http://h:9090/prom//", "up", 0, 0, "http://h:9090/prom/api/v1/query?query=up" },
		{ "http://h", "rate(x{a=~\"5..\"}[5m]) + 1 & 2", 0, 90 * MG_NS_PER_S,
		  "http://h/api/v1/"
		  "query?query=rate%28x%7Ba%3D~%225..%22%7D%5B5m%5D%29%20%2B%201%20%26%202&lookback_delta=90.000" },
		{ "http://h", "x", 600 * MG_NS_PER_S, 0,
		  "http://h/api/v1/query_range?query=x&start=1699999400.250&end=1700000000.250&step=6.000" },
		{ "http://h", "x", 10 * MG_NS_PER_S, 0,
		  "http://h/api/v1/query_range?query=x&start=1699999990.250&end=1700000000.250&step=1.000" },
		{ "http://h", "\xc3\xa9#%", 0, 0, "http://h/api/v1/query?query=%C3%A9%23%25" },
	};
	char url[MG_MAX_PROMQL_URL];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_source src = { .range_ns = rows[i].range_ns, .max_age_ns = rows[i].max_age_ns };
		snprintf(src.url, sizeof src.url, "%s", rows[i].base);
		check(mg_promql_url(&src, rows[i].query, 1700000000250000000ULL, url, sizeof url) == 0, "row %zu fits", i);
		check(strcmp(url, rows[i].url) == 0, "row %zu: %s expected, got %s", i, rows[i].url, url);
		check(mg_promql_url(&src, rows[i].query, 0, url, 30) == -E2BIG, "row %zu does not fit 30 bytes", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(text_after_a_nul),
		cmocka_unit_test(deep_nesting),
		cmocka_unit_test(urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
