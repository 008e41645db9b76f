/* SPDX-License-Identifier: Apache-2.0 */
/* The scalar types of the policy file: one reader each, and what an editor is told of it. Called through the rows of
 * keys.c and, for policies, of their own field tables. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "governor/config/keys.h"
#include "governor/util/num.h"
#include "governor/util/unit.h"

static const char *const json_string[] = { "string", NULL };
static const char *const json_number_or_string[] = { "number", "string", NULL };
static const char *const json_integer_or_string[] = { "integer", "string", NULL };
static const char *const json_integer[] = { "integer", NULL };
static const char *const json_bool[] = { "boolean", NULL };
static const char *const json_list[] = { "array", NULL };

#define PATTERN_BYTES "^[0-9]*\\.?[0-9]+(B|kB|[MGT]B|[KMGT]iB?)?$"

static void *at(void *base, const struct mg_key *k)
{
	return (char *)base + k->offset;
}

static bool scalar(struct mg_load *l, const struct mg_node *n, const struct mg_key *k)
{
	if (!mg_load_expect(l, n, MG_NODE_SCALAR, k))
		return false;
	if (n->len == 0 && n->plain) {
		mg_load_error(l, n, "`%s` has no value", k->name);
		return false;
	}
	return true;
}

/* Reads a quantity and holds it against the row's range. */
static bool quantity(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, enum mg_unit unit, double *ret)
{
	struct mg_err err;
	double v, min, max;

	if (!scalar(l, n, k))
		return false;
	if (mg_unit_parse(n->text, n->len, unit, &v, &err) < 0) {
		mg_load_error(l, n, "`%s`: %s", k->name, err.text);
		return false;
	}
	if ((k->min && mg_unit_parse(k->min, strlen(k->min), unit, &min, NULL) == 0 && v < min) ||
	    (k->max && mg_unit_parse(k->max, strlen(k->max), unit, &max, NULL) == 0 && v > max)) {
		mg_load_error(l, n, "`%s` must be %s%s%s%s, not %s", k->name, k->min ? "at least " : "", k->min ? k->min : "",
			      k->min && k->max ? " and at most " : k->max ? "at most " : "", k->max ? k->max : "", n->text);
		return false;
	}
	*ret = v;
	return true;
}

static void parse_bytes(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	(void)quantity(l, n, k, MG_UNIT_BYTES, at(base, k));
}

static void parse_ratio(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	(void)quantity(l, n, k, MG_UNIT_RATIO, at(base, k));
}

static void parse_factor(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	(void)quantity(l, n, k, MG_UNIT_ANY, at(base, k));
}

static void parse_percent(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	double v;

	if (!quantity(l, n, k, MG_UNIT_PERCENT, &v))
		return;
	if (v > 1e6)
		mg_load_error(l, n, "`%s`: %s is no percentage", k->name, n->text);
	else
		*(uint32_t *)at(base, k) = (uint32_t)(v + 0.5);
}

static void parse_duration(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_err err;
	double seconds;

	if (quantity(l, n, k, MG_UNIT_SECONDS, &seconds) && mg_duration_parse(n->text, n->len, at(base, k), &err) < 0)
		mg_load_error(l, n, "`%s`: %s", k->name, err.text);
}

static void parse_u32(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	uint64_t v;
	double in_range;

	if (!scalar(l, n, k))
		return;
	if (mg_scan_u64(n->text, n->len, &v) < 0 || v > UINT32_MAX)
		mg_load_error(l, n, "`%s`: `%.64s` is not a whole number", k->name, n->text);
	else if (quantity(l, n, k, MG_UNIT_COUNT, &in_range))
		*(uint32_t *)at(base, k) = (uint32_t)v;
}

static void parse_version(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	(void)base;
	if (scalar(l, n, k) && !mg_equal(n->text, n->len, "1"))
		mg_load_error(l, n, "`version` is %.64s: this memgov reads version 1", n->text);
}

static void schema_version(cJSON *o, const struct mg_key *k)
{
	(void)k;
	cJSON_AddNumberToObject(o, "const", 1);
}

/* Returns the word's index, -1 with a finding. */
static int word(struct mg_load *l, const struct mg_node *n, const struct mg_key *k)
{
	const char *const *words = k->type->words;

	if (!scalar(l, n, k))
		return -1;
	for (int i = 0; words[i]; i++)
		if (mg_equal(n->text, n->len, words[i]))
			return i;
	char before[80];
	(void)snprintf(before, sizeof before, "`%s` cannot be", k->name);
	mg_load_bad_word(l, n, before, words);
	return -1;
}

static void parse_mode(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	int i = word(l, n, k);

	if (i >= 0)
		*(enum mg_mode *)at(base, k) = (enum mg_mode)i;
}

static void parse_kind(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	int i = word(l, n, k);

	if (i >= 0)
		*(enum mg_signal_kind *)at(base, k) = (enum mg_signal_kind)i;
}

static void parse_bool(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	if (!scalar(l, n, k))
		return;
	bool yes = mg_equal(n->text, n->len, "true");
	if (yes || mg_equal(n->text, n->len, "false"))
		*(bool *)at(base, k) = yes;
	else
		mg_load_error(l, n, "`%s` must be true or false, not `%.64s`", k->name, n->text);
}

static void parse_unit(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	int i = word(l, n, k);

	if (i >= 0)
		*(enum mg_unit *)at(base, k) = (enum mg_unit)mg_unit_find(n->text, n->len);
}

static void parse_octal(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	uint32_t v = 0;

	if (!scalar(l, n, k))
		return;
	for (size_t i = 0; i < n->len; i++) {
		if (n->text[i] < '0' || n->text[i] > '7' || n->len > 5) {
			mg_load_error(l, n, "`%s`: `%.64s` is not an octal file mode, like 0660", k->name, n->text);
			return;
		}
		v = v * 8 + (uint32_t)(n->text[i] - '0');
	}
	if (v & ~0770U)
		mg_load_error(l, n, "`%s`: %s lets everyone in: give owner and group alone rights, like 0660", k->name, n->text);
	else
		*(uint32_t *)at(base, k) = v;
}

static void copy_text(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	if (!mg_copyn(at(base, k), k->size, n->text, n->len))
		mg_load_error(l, n, "`%s` is longer than %zu bytes", k->name, k->size - 1);
}

static void parse_text(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	if (!scalar(l, n, k))
		return;
	if (n->len == 0)
		mg_load_error(l, n, "`%s` has no value", k->name);
	else
		copy_text(l, n, k, base);
}

static void parse_name(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	if (scalar(l, n, k))
		(void)mg_load_name(l, n, k->name, true, at(base, k), k->size);
}

static void parse_path(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	if (!scalar(l, n, k))
		return;
	if (n->len > 0 && n->text[0] == '/')
		copy_text(l, n, k, base);
	else
		mg_load_error(l, n, "`%s`: `%.64s` is not an absolute path", k->name, n->text);
}

static bool good_port(const char *s)
{
	uint64_t port;

	return mg_scan_u64(s, strlen(s), &port) == 0 && port > 0 && port <= 65535;
}

/* ADDR:PORT, with brackets around an IPv6 address. Names are refused: a listener must not depend on a resolver. */
static bool is_address(const char *s, bool *loopback)
{
	char host[64];
	struct in_addr a4;
	struct in6_addr a6;
	const char *colon = strrchr(s, ':');

	if (!colon || !good_port(colon + 1))
		return false;
	size_t len = (size_t)(colon - s);
	bool bracketed = len > 2 && s[0] == '[' && colon[-1] == ']';
	if (!mg_copyn(host, sizeof host, s + bracketed, len - 2 * bracketed))
		return false;
	if (!bracketed && inet_pton(AF_INET, host, &a4) == 1) {
		*loopback = ntohl(a4.s_addr) >> 24 == 127;
		return true;
	}
	*loopback = bracketed && inet_pton(AF_INET6, host, &a6) == 1 && IN6_IS_ADDR_LOOPBACK(&a6);
	return bracketed && inet_pton(AF_INET6, host, &a6) == 1;
}

static void parse_listen(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	bool loopback;

	if (!scalar(l, n, k))
		return;
	if (n->len == 0 || mg_equal(n->text, n->len, "off"))
		*(char *)at(base, k) = '\0';
	else if (is_address(n->text, &loopback))
		copy_text(l, n, k, base);
	else
		mg_load_error(l, n, "`%s`: `%.64s` is not ADDR:PORT, like 127.0.0.1:19464 or [::1]:19464, or off", k->name, n->text);
}

static void parse_admin(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	bool loopback;

	if (!scalar(l, n, k))
		return;
	if (strncmp(n->text, "unix:/", 6) == 0) {
		copy_text(l, n, k, base);
	} else if (is_address(n->text, &loopback)) {
		copy_text(l, n, k, base);
		mg_load_warn(l, n, "`%s`: %s may pause and resume; a socket, unix:PATH, lets the governor's own user and root in alone",
			     k->name, loopback ? "every process of this machine" : "everyone who reaches this address");
	} else {
		mg_load_error(l, n, "`%s`: `%.64s` is neither unix:/PATH nor ADDR:PORT", k->name, n->text);
	}
}

static bool scan_id(const struct mg_node *n, uint64_t *ret)
{
	return n->type == MG_NODE_SCALAR && mg_scan_u64(n->text, n->len, ret) == 0 && *ret < UINT32_MAX;
}

static void parse_uid(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	uint64_t v;

	if (!scalar(l, n, k))
		return;
	if (scan_id(n, &v))
		*(int64_t *)at(base, k) = (int64_t)v;
	else
		mg_load_error(l, n, "`%s`: `%.64s` is not a numeric id", k->name, n->text);
}

#define OVERFLOW_ID 65534 /* whoever has no id in this user namespace: letting it in lets everyone in */

static void parse_ids(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	uint32_t *ids = at(base, k);
	uint8_t *count = (uint8_t *)base + k->count;
	uint64_t v;

	_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t), "ids are 32 bits wide");
	if (!mg_load_expect(l, n, MG_NODE_LIST, k))
		return;
	for (const struct mg_node *c = n->child; c; c = c->next) {
		if (c->type == MG_NODE_BAD)
			continue;
		if (!scan_id(c, &v))
			mg_load_error(l, c, "`%s` holds numeric ids, not `%.64s`", k->name, c->text);
		else if (v == OVERFLOW_ID)
			mg_load_error(l, c, "`%s`: %d stands for every id unknown here, so it would let strangers in", k->name, OVERFLOW_ID);
		else if (*count == MG_MAX_IDS)
			return mg_load_error(l, c, "`%s` holds at most %d ids", k->name, MG_MAX_IDS);
		else
			ids[(*count)++] = (uint32_t)v;
	}
}

static void schema_ids(cJSON *o, const struct mg_key *k)
{
	cJSON *items = cJSON_AddObjectToObject(o, "items");

	(void)k;
	cJSON_AddStringToObject(items, "type", "integer");
	cJSON_AddNumberToObject(items, "minimum", 0);
	cJSON_AddNumberToObject(o, "maxItems", MG_MAX_IDS);
}

static const char *const words_mode[] = {
	[MG_MODE_OFF] = "off", [MG_MODE_DRY_RUN] = "dry-run", [MG_MODE_ENFORCE] = "enforce", NULL,
};
static const char *const words_kind[] = { [MG_SIGNAL_GAUGE] = "gauge", [MG_SIGNAL_COUNTER] = "counter", NULL };
static const char *const words_unit[] = {
	"any", "count", "bytes", "ratio", "percent", "seconds", "per_second", "bytes_per_second", NULL,
};

const struct mg_type mg_type_version = { json_integer, NULL, NULL, parse_version, schema_version };
const struct mg_type mg_type_bool = { json_bool, NULL, NULL, parse_bool, NULL };
const struct mg_type mg_type_u32 = { json_integer, NULL, NULL, parse_u32, NULL };
const struct mg_type mg_type_bytes = { json_integer_or_string, PATTERN_BYTES, NULL, parse_bytes, NULL };
const struct mg_type mg_type_ratio = { json_number_or_string, "^[0-9]*\\.?[0-9]+%?$", NULL, parse_ratio, NULL };
const struct mg_type mg_type_percent = { json_number_or_string, "^[0-9]*\\.?[0-9]+%?$", NULL, parse_percent, NULL };
const struct mg_type mg_type_duration = { json_string, "^[0-9]*\\.?[0-9]+(ms|s|m|h|d)$", NULL, parse_duration, NULL };
const struct mg_type mg_type_factor = { json_number_or_string, "^[0-9]*\\.?[0-9]+x?$", NULL, parse_factor, NULL };
const struct mg_type mg_type_mode = { json_string, NULL, words_mode, parse_mode, NULL };
const struct mg_type mg_type_octal = { json_integer_or_string, "^[0-7]{3,5}$", NULL, parse_octal, NULL };
const struct mg_type mg_type_name = { json_string, "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", NULL, parse_name, NULL };
const struct mg_type mg_type_text = { json_string, NULL, NULL, parse_text, NULL };
const struct mg_type mg_type_path = { json_string, "^/", NULL, parse_path, NULL };
const struct mg_type mg_type_listen = { json_string, "^(|off|.+:[0-9]+)$", NULL, parse_listen, NULL };
const struct mg_type mg_type_admin = { json_string, "^(unix:/.+|.+:[0-9]+)$", NULL, parse_admin, NULL };
const struct mg_type mg_type_uid = { json_integer, NULL, NULL, parse_uid, NULL };
const struct mg_type mg_type_ids = { json_list, NULL, NULL, parse_ids, schema_ids };
const struct mg_type mg_type_unit = { json_string, NULL, words_unit, parse_unit, NULL };
const struct mg_type mg_type_kind = { json_string, NULL, words_kind, parse_kind, NULL };
