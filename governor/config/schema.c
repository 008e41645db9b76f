/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON schema of the policy file, draft 2020-12, printed from the tables that parse it: what editors complete and
 * check by. Reads keys.c and the policies' fields, gives conf/policy.schema.json. Called by the CLI and by the test that
 * holds that file against it. */
#include <errno.h>
#include <unistd.h>

#include "governor/config/keys.h"

#define SCHEMA_ID "urn:memgov:policy:1"

static void add_words(cJSON *o, const char *name, const char *const *words)
{
	cJSON *a = cJSON_AddArrayToObject(o, name);

	for (unsigned i = 0; words[i]; i++)
		cJSON_AddItemToArray(a, cJSON_CreateString(words[i]));
}

static void add_range(cJSON *o, const struct mg_key *k)
{
	char text[MG_ERR_MAX];
	struct mg_buf b = mg_buf(text, sizeof text);

	mg_buf_put(&b, k->help, strlen(k->help));
	if (k->min || k->max)
		mg_buf_printf(&b, " (%s%s%s)", k->min ? k->min : "up to ", k->min && k->max ? " to " : k->min ? " or more" : "",
			      k->max ? k->max : "");
	cJSON_AddStringToObject(o, "description", text);
}

/* An editor shows defaults; one that is a number or a truth value is given as such. */
static void add_default(cJSON *o, const struct mg_key *k)
{
	cJSON *v = k->type == &mg_type_bool || k->type == &mg_type_u32 ? cJSON_Parse(k->def) : cJSON_CreateString(k->def);

	cJSON_AddItemToObject(o, "default", v);
}

cJSON *mg_schema_key(const struct mg_key *k)
{
	const struct mg_type *t = k->type;
	cJSON *o = cJSON_CreateObject();

	add_range(o, k);
	if (t->json[1])
		add_words(o, "type", t->json);
	else
		cJSON_AddStringToObject(o, "type", t->json[0]);
	if (t->pattern)
		cJSON_AddStringToObject(o, "pattern", t->pattern);
	if (t->words)
		add_words(o, "enum", t->words);
	if (t->schema)
		t->schema(o, k);
	if (k->def)
		add_default(o, k);
	return o;
}

/* `label.` becomes the pattern `^label\..+`. */
static void add_prefix(cJSON *o, const struct mg_key *k)
{
	char pattern[64];
	struct mg_buf b = mg_buf(pattern, sizeof pattern);

	mg_buf_printf(&b, "^%.*s\\..+", (int)strlen(k->name) - 1, k->name);
	cJSON_AddItemToObject(cJSON_AddObjectToObject(o, "patternProperties"), pattern, mg_schema_key(k));
}

void mg_schema_section(cJSON *o, const struct mg_key *keys)
{
	cJSON *all = cJSON_AddObjectToObject(o, "properties"), *required = NULL;

	for (const struct mg_key *k = keys; k->name; k++) {
		if (k->name[strlen(k->name) - 1] == '.')
			add_prefix(o, k);
		else
			cJSON_AddItemToObject(all, k->name, mg_schema_key(k));
		if (!k->required)
			continue;
		if (!required)
			required = cJSON_AddArrayToObject(o, "required");
		cJSON_AddItemToArray(required, cJSON_CreateString(k->name));
	}
	cJSON_AddBoolToObject(o, "additionalProperties", false);
}

void mg_schema_names(cJSON *o, const char *pattern)
{
	cJSON *names = cJSON_AddObjectToObject(o, "propertyNames");

	cJSON_AddStringToObject(names, "pattern", pattern);
	cJSON_AddNumberToObject(names, "maxLength", MG_NAME_MAX - 1);
}

cJSON *mg_schema_requires(const char *key)
{
	const char *const words[] = { key, NULL };
	cJSON *o = cJSON_CreateObject();

	add_words(o, "required", words);
	return o;
}

static int write_text(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, s, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int mg_config_schema(int fd)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "$schema", "https://json-schema.org/draft/2020-12/schema");
	cJSON_AddStringToObject(o, "$id", SCHEMA_ID);
	cJSON_AddStringToObject(o, "$comment", "SPDX-License-Identifier: Apache-2.0; printed from governor/config/keys.c");
	cJSON_AddStringToObject(o, "title", "memgov policy file");
	cJSON_AddStringToObject(o, "type", "object");
	mg_schema_section(o, mg_config_keys);
	char *text = cJSON_Print(o);
	cJSON_Delete(o);
	if (!text)
		return -ENOMEM;
	int r = write_text(fd, text, strlen(text));
	cJSON_free(text);
	return r < 0 ? r : write_text(fd, "\n", 1);
}
