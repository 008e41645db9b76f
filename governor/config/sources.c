/* SPDX-License-Identifier: Apache-2.0 */
/* `sources:` of the policy file: where metrics come from, what they are called in rules, and what may not be asked or told
 * (tokens over http, metadata addresses). Reads one map, gives mg_config.sources and .signals. Called through the row of
 * keys.c; the collectors read what it gives. */
#include <arpa/inet.h>
#include <stdio.h>

#include "governor/config/keys.h"

static const char *const json_string[] = { "string", NULL };
static const char *const json_object[] = { "object", NULL };

/* The parts of a URL that decide what may be sent there. host has no brackets. */
struct url {
	bool https;
	char host[256];
	const char *path;
};

/* Copies the host at s, as what is looked up: no brackets, no zone, no final dot. Returns what is wrong, NULL: nothing. */
static const char *take_host(const char *s, size_t authority, struct url *ret)
{
	bool bracket = s[0] == '[';
	const char *close = bracket ? memchr(s, ']', authority) : NULL;
	size_t len = bracket ? (close ? (size_t)(close - s - 1) : 0) : strcspn(s, ":/?#");

	if (bracket && memchr(s, '%', len))
		len = (size_t)((const char *)memchr(s, '%', len) - s - 1);
	if (!bracket && memchr(s, '%', len))
		return "has a `%` in its host";
	if (len > 1 && s[bracket + len - 1] == '.')
		len--;
	if (len == 0)
		return "has no host";
	return mg_copyn(ret->host, sizeof ret->host, s + bracket, len) ? NULL : "has too long a host";
}

/* Returns what is wrong, NULL when nothing is. */
static const char *split_url(const char *s, struct url *ret)
{
	size_t scheme = strncmp(s, "http://", 7) == 0 ? 7 : strncmp(s, "https://", 8) == 0 ? 8 : 0;

	if (scheme == 0)
		return "is no http:// or https:// address";
	size_t authority = strcspn(s + scheme, "/?#");
	if (memchr(s + scheme, '@', authority))
		return "holds a user or password: use bearer_token_file";
	if (strpbrk(s, " \\"))
		return "holds a blank or a backslash";
	ret->https = scheme == 8;
	ret->path = s + scheme + authority;
	return take_host(s + scheme, authority, ret);
}

/* The host as an IPv4 address (also as hex, octal or mapped into IPv6, all of which resolvers accept), in host order. */
static bool as_ipv4(const char *host, uint32_t *ret)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (inet_aton(host, &a4)) {
		*ret = ntohl(a4.s_addr);
		return true;
	}
	if (inet_pton(AF_INET6, host, &a6) != 1 || !IN6_IS_ADDR_V4MAPPED(&a6))
		return false;
	memcpy(ret, &a6.s6_addr[12], sizeof *ret);
	*ret = ntohl(*ret);
	return true;
}

static bool is_loopback(const char *host)
{
	struct in6_addr a6;
	uint32_t a4;

	if (as_ipv4(host, &a4))
		return a4 >> 24 == 127;
	if (inet_pton(AF_INET6, host, &a6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&a6);
	return mg_equal_nocase(host, strlen(host), "localhost");
}

/* Link-local addresses, and what clouds serve credentials at. Names that resolve there are the collector's to refuse. */
static bool is_link_local(const char *host)
{
	static const char *const names[] = { "metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal" };
	static const uint32_t elsewhere[] = { 0x646464c8 /* 100.100.100.200 */, 0xc00000c0 /* 192.0.0.192 */ };
	struct in6_addr a6, ec2;
	uint32_t a4;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (mg_equal_nocase(host, strlen(host), names[i]))
			return true;
	if (as_ipv4(host, &a4))
		return a4 >> 16 == 0xa9fe || a4 == elsewhere[0] || a4 == elsewhere[1];
	if (inet_pton(AF_INET6, host, &a6) != 1 || inet_pton(AF_INET6, "fd00:ec2::254", &ec2) != 1)
		return false;
	return IN6_IS_ADDR_LINKLOCAL(&a6) || memcmp(&a6, &ec2, sizeof a6) == 0;
}

static void parse_url(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_source *s = base;
	struct url u;

	if (!mg_load_expect(l, n, MG_NODE_SCALAR, k))
		return;
	const char *wrong = split_url(n->text, &u);
	if (wrong)
		mg_load_error(l, n, "`%s`: `%.128s` %s", k->name, n->text, wrong);
	else if (s->url[0] != '\0')
		mg_load_error(l, n, "a source is either `prometheus` or `promql`: make two of it");
	else if (!mg_copyn(s->url, sizeof s->url, n->text, n->len))
		mg_load_error(l, n, "`%s` is longer than %zu bytes", k->name, sizeof s->url - 1);
	s->kind = strcmp(k->name, "promql") == 0 ? MG_SOURCE_PROMQL : MG_SOURCE_PROMETHEUS;
	if (!wrong && s->kind == MG_SOURCE_PROMQL && strpbrk(u.path, "?#"))
		mg_load_error(l, n, "`promql` is the server's address alone, without `?` or `#`");
}

/* The length of NAME or NAME{...} at s, 0 when s does not start so. *name: of NAME. */
static size_t selector_length(const char *s, size_t *name)
{
	size_t i = 0;
	bool quoted = false;

	while (mg_is_word(s[i]) || s[i] == ':')
		i++;
	*name = i;
	if (i == 0 || mg_is_digit(s[0]))
		return 0;
	if (s[i] != '{')
		return i;
	for (i++; s[i] != '\0'; i++) {
		if (quoted && s[i] == '\\' && s[i + 1] != '\0')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (s[i] == '}' && !quoted)
			return i + 1;
	}
	return 0;
}

/* What a metric's name says of it; the longest suffixes first. */
static const struct suffix {
	const char *suffix;
	enum mg_unit unit;
	enum mg_signal_kind kind;
} suffixes[] = {
	{ "_bytes_total", MG_UNIT_BYTES, MG_SIGNAL_COUNTER },
	{ "_seconds_total", MG_UNIT_SECONDS, MG_SIGNAL_COUNTER },
	{ "_bytes", MG_UNIT_BYTES, MG_SIGNAL_GAUGE },
	{ "_seconds", MG_UNIT_SECONDS, MG_SIGNAL_GAUGE },
	{ "_ratio", MG_UNIT_RATIO, MG_SIGNAL_GAUGE },
	{ "_percent", MG_UNIT_PERCENT, MG_SIGNAL_GAUGE },
	{ "_total", MG_UNIT_COUNT, MG_SIGNAL_COUNTER },
	{ "_count", MG_UNIT_COUNT, MG_SIGNAL_COUNTER },
	{ "_bucket", MG_UNIT_COUNT, MG_SIGNAL_COUNTER },
};

static void guess(struct mg_source_signal *s, bool unit, bool kind)
{
	size_t name;

	if (selector_length(s->query, &name) != strlen(s->query))
		return; /* an expression: its functions may have changed the unit */
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		size_t len = strlen(suffixes[i].suffix);
		if (name < len || memcmp(s->query + name - len, suffixes[i].suffix, len) != 0)
			continue;
		if (unit)
			s->unit = suffixes[i].unit;
		if (kind)
			s->kind = suffixes[i].kind;
		return;
	}
}

static void check_query(struct mg_load *l, const struct mg_node *n, const struct mg_source *src, const struct mg_source_signal *s)
{
	const struct mg_node *wrong = mg_node_get(n, src->kind == MG_SOURCE_PROMQL ? "series" : "query");
	size_t name;

	if (wrong)
		mg_load_error(l, wrong, src->kind == MG_SOURCE_PROMQL ? "a promql source is asked with `query`, not `series`" :
			      "a prometheus source has `series`; a `query` needs a source with promql:");
	else if (s->query[0] == '\0')
		mg_load_error(l, n, "a signal needs `%s`", src->kind == MG_SOURCE_PROMQL ? "query" : "series");
	else if (src->kind == MG_SOURCE_PROMETHEUS && selector_length(s->query, &name) != strlen(s->query))
		mg_load_error(l, n, "`%.128s` is no series, like NAME or NAME{label=\"value\"}; expressions need a source with promql:",
			      s->query);
}

static void load_signal(struct mg_load *l, const struct mg_node *n, const struct mg_source *src)
{
	static const struct mg_key shorthand = { "signals", &mg_type_text, NULL, NULL, MG_AT(mg_source_signal, query) };
	struct mg_config *c = l->c;
	char name[MG_NAME_MAX];

	if (!mg_load_name(l, n->key, "signal", false, name, sizeof name))
		return;
	if (c->n_signals == MG_MAX_SOURCE_SIGNALS) {
		mg_load_error(l, n->key, "more than %d signals of all sources together", MG_MAX_SOURCE_SIGNALS);
		return;
	}
	struct mg_source_signal s = { .source = (uint16_t)(src - c->sources) };
	unsigned errors = l->f->errors;
	(void)snprintf(s.name, sizeof s.name, "%s.%s", src->name, name);
	if (n->type == MG_NODE_SCALAR)
		shorthand.type->parse(l, n, &shorthand, &s);
	else if (n->type == MG_NODE_MAP)
		mg_section_load(l, n, mg_signal_keys, &s);
	else
		mg_load_error(l, n, "a signal is a series, a query, or a map of them with unit and kind");
	if (l->f->errors == errors)
		check_query(l, n, src, &s);
	guess(&s, !mg_node_get(n, "unit"), !mg_node_get(n, "kind"));
	l->signal_at[c->n_signals] = n->key;
	c->signals[c->n_signals++] = s;
}

static void parse_signals(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	for (const struct mg_node *s = n->child; s; s = s->next)
		if (s->type != MG_NODE_BAD && s->key->type == MG_NODE_SCALAR)
			load_signal(l, s, base);
}

static void check_secrets(struct mg_load *l, const struct mg_node *n, const struct mg_source *s, const struct url *u)
{
	const struct mg_node *token = mg_node_get(n, "bearer_token_file");

	if (token && !u->https && !is_loopback(u->host))
		mg_load_error(l, token, "a token goes over https only: %s would show it to the network", s->url);
	else if (token && !u->https && !s->insecure_token)
		mg_load_error(l, token, "a token goes over https only; to send it to loopback as it is, add insecure_token: true");
	if (is_link_local(u->host) && !s->allow_link_local)
		mg_load_error(l, mg_node_get(n, s->kind == MG_SOURCE_PROMQL ? "promql" : "prometheus"),
			      "%s is a link-local or metadata address; if it is meant, add allow_link_local: true", u->host);
}

static void check_tls(struct mg_load *l, const struct mg_node *n, const struct url *u)
{
	static const char *const keys[] = { "ca_file", "cert_file", "key_file" };
	const struct mg_node *cert = mg_node_get(n, "cert_file"), *key = mg_node_get(n, "key_file");

	if (!cert != !key)
		mg_load_error(l, cert ? cert : key, "`cert_file` and `key_file` come together: add the other");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !u->https; i++)
		if (mg_node_get(n, keys[i]))
			mg_load_error(l, mg_node_get(n, keys[i]), "`%s` has no effect over http: write https://", keys[i]);
}

static void check_times(struct mg_load *l, const struct mg_node *n, struct mg_source *s)
{
	uint64_t usual = 5 * MG_NS_PER_S;

	if (s->max_age_ns == 0)
		s->max_age_ns = 3 * s->every_ns;
	if (s->timeout_ns == 0)
		s->timeout_ns = s->every_ns < usual ? s->every_ns : usual;
	if (s->max_age_ns < s->every_ns)
		mg_load_warn(l, mg_node_get(n, "max_age"), "`max_age` is shorter than `every`: the signals are unknown between two samples");
	if (s->timeout_ns > s->every_ns)
		mg_load_warn(l, mg_node_get(n, "timeout"), "`timeout` is longer than `every`: a slow answer makes the next request wait");
	if (s->range_ns > 0 && s->kind != MG_SOURCE_PROMQL)
		mg_load_error(l, mg_node_get(n, "range"), "`range` is for promql sources");
}

static void check_source(struct mg_load *l, const struct mg_node *n, struct mg_source *s)
{
	struct url u;

	if (s->url[0] == '\0' && !mg_node_get(n, "prometheus") && !mg_node_get(n, "promql")) {
		mg_load_error(l, n->key, "source `%s` needs `prometheus` or `promql`", s->name);
		return;
	}
	check_times(l, n, s);
	if (split_url(s->url, &u) != NULL)
		return; /* said at the key */
	check_secrets(l, n, s, &u);
	check_tls(l, n, &u);
}

static bool is_builtin(const char *source)
{
	static const char *const names[] = { "cgroup", "psi", "proc", "shim", "heap", "cache" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(source, names[i]) == 0)
			return true;
	return false;
}

static void load_source(struct mg_load *l, const struct mg_node *n, const struct mg_key *k)
{
	struct mg_config *c = l->c;

	if (c->n_sources == MG_MAX_SOURCES) {
		mg_load_error(l, n->key, "more than %d sources", MG_MAX_SOURCES);
		return;
	}
	struct mg_source *s = &c->sources[c->n_sources];
	if (!mg_load_name(l, n->key, "source", false, s->name, sizeof s->name))
		return;
	if (is_builtin(s->name)) {
		mg_load_error(l, n->key, "`%s` is built in, every target has it: choose another name", s->name);
		return;
	}
	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	c->n_sources++;
	mg_section_load(l, n, k->keys, s);
	check_source(l, n, s);
}

static void parse_sources(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	(void)base;
	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	for (const struct mg_node *s = n->child; s; s = s->next)
		if (s->type != MG_NODE_BAD && s->key->type == MG_NODE_SCALAR)
			load_source(l, s, k);
}

static void schema_sources(cJSON *o, const struct mg_key *k)
{
	mg_schema_names(o, "^[A-Za-z_][A-Za-z0-9_]*$");
	cJSON *entry = cJSON_AddObjectToObject(o, "additionalProperties");
	cJSON *either = cJSON_AddArrayToObject(entry, "oneOf");
	cJSON_AddItemToArray(either, mg_schema_requires("prometheus"));
	cJSON_AddItemToArray(either, mg_schema_requires("promql"));
	cJSON_AddStringToObject(entry, "type", "object");
	mg_schema_section(entry, k->keys);
}

static void schema_signals(cJSON *o, const struct mg_key *k)
{
	mg_schema_names(o, "^[A-Za-z_][A-Za-z0-9_]*$");
	cJSON *entry = cJSON_AddObjectToObject(o, "additionalProperties"), *types = cJSON_AddArrayToObject(entry, "type");
	cJSON_AddItemToArray(types, cJSON_CreateString("string"));
	cJSON_AddItemToArray(types, cJSON_CreateString("object"));
	mg_schema_section(entry, k->keys);
}

const struct mg_type mg_type_sources = { json_object, NULL, NULL, parse_sources, schema_sources };
const struct mg_type mg_type_url = { json_string, "^https?://", NULL, parse_url, NULL };
const struct mg_type mg_type_signals = { json_object, NULL, NULL, parse_signals, schema_signals };
