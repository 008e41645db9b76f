/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CLIENT_H
#define MG_CLIENT_H

#include <cjson/cJSON.h>

#include "governor/cli/cli.h"

#define MG_CLIENT_MAX_BYTES (32U << 20)

/* Asks the governor's API. path: "/api/v1/status"; target NULL: all; method "GET" or "POST". Returns an exit status: on
 * MG_EXIT_OK *ret is owned (cJSON_Delete). With --output json the answer has been printed as it came. */
int mg_client(const struct mg_cli *c, const char *method, const char *path, const char *target, cJSON **ret);

/* Fields of an answer, forgiving: "" and NaN where there is none. Borrowed. */
const char *mg_json_text(const cJSON *o, const char *key);
double mg_json_double(const cJSON *o, const char *key);
bool mg_json_true(const cJSON *o, const char *key);

#endif
