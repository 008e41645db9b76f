/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON piece by piece into a fixed buffer. Called by record.c and by serve's API. */
#include "governor/audit/json.h"

#include "governor/audit/stamp.h"
#include "governor/util/value.h"

static void begin(struct mg_json *j, const char *key)
{
	if (j->comma)
		mg_buf_put(j->b, ",", 1);
	j->comma = true;
	if (key) {
		mg_buf_json(j->b, key);
		mg_buf_put(j->b, ":", 1);
	}
}

void mg_json_open(struct mg_json *j, const char *key, char bracket)
{
	begin(j, key);
	mg_buf_put(j->b, &bracket, 1);
	j->comma = false;
}

void mg_json_close(struct mg_json *j, char bracket)
{
	mg_buf_put(j->b, &bracket, 1);
	j->comma = true;
}

void mg_json_str(struct mg_json *j, const char *key, const char *value)
{
	begin(j, key);
	mg_buf_json(j->b, value);
}

void mg_json_num(struct mg_json *j, const char *key, double value)
{
	begin(j, key);
	mg_buf_json_number(j->b, value);
}

void mg_json_u64(struct mg_json *j, const char *key, uint64_t value)
{
	begin(j, key);
	mg_buf_printf(j->b, "%llu", (unsigned long long)value);
}

void mg_json_bool(struct mg_json *j, const char *key, bool value)
{
	begin(j, key);
	mg_buf_printf(j->b, "%s", value ? "true" : "false");
}

void mg_json_null(struct mg_json *j, const char *key)
{
	begin(j, key);
	mg_buf_put(j->b, "null", 4);
}

void mg_json_seconds(struct mg_json *j, const char *key, uint64_t ns)
{
	mg_json_num(j, key, (double)ns / (double)MG_NS_PER_S);
}

void mg_json_stamp(struct mg_json *j, const char *key, uint64_t wall_ns)
{
	begin(j, key);
	mg_buf_put(j->b, "\"", 1);
	mg_buf_stamp(j->b, wall_ns);
	mg_buf_put(j->b, "\"", 1);
}

void mg_json_raw(struct mg_json *j, const char *key, const char *json, size_t len)
{
	begin(j, key);
	mg_buf_put(j->b, json, len);
}
