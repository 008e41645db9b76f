/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_JSON_H
#define MG_JSON_H

#include "governor/util/str.h"

/* JSON into a fixed buffer, without allocation; commas are placed by the writer. key NULL: an element of an array. */
struct mg_json {
	struct mg_buf *b; /* borrowed; b->full says it did not fit */
	bool comma;
};

void mg_json_open(struct mg_json *j, const char *key, char bracket); /* '{' or '[' */
void mg_json_close(struct mg_json *j, char bracket);
void mg_json_str(struct mg_json *j, const char *key, const char *value);
void mg_json_num(struct mg_json *j, const char *key, double value);  /* NaN and infinities: null */
void mg_json_u64(struct mg_json *j, const char *key, uint64_t value);
void mg_json_bool(struct mg_json *j, const char *key, bool value);
void mg_json_null(struct mg_json *j, const char *key);
void mg_json_seconds(struct mg_json *j, const char *key, uint64_t ns);
void mg_json_stamp(struct mg_json *j, const char *key, uint64_t wall_ns);
/* A value that is JSON already. */
void mg_json_raw(struct mg_json *j, const char *key, const char *json, size_t len);

struct mg_cuts;
/* `key: [{name, why}, ...]` of the guards that cut a want. */
void mg_json_cuts(struct mg_json *j, const char *key, const struct mg_cuts *cuts);

#endif
