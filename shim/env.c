// SPDX-License-Identifier: Apache-2.0
/* Reads the MEMGOV_* variables through a getter, gives struct mg_env; called once by the constructor (init.c). A value that
 * cannot be used counts as not set, and the first such variable is named for the log: a typing error in an environment must
 * not stop a program. Units are those of the policy file. Pure but for the getter. */

#include "shim/env.h"

#include <stddef.h>
#include <string.h>

#include "shim/text.h"

static const struct { const char *name; uint64_t factor; } units[] = {
	{ "", 1 },
	{ "KiB", 1ull << 10 }, { "MiB", 1ull << 20 }, { "GiB", 1ull << 30 }, { "TiB", 1ull << 40 },
	{ "Ki", 1ull << 10 }, { "Mi", 1ull << 20 }, { "Gi", 1ull << 30 }, { "Ti", 1ull << 40 },
	{ "kB", 1000ull }, { "MB", 1000000ull }, { "GB", 1000000000ull }, { "TB", 1000000000000ull },
	{ "B", 1 },
};

static bool read_size(const char *s, uint64_t *ret)
{
	uint64_t n;
	const char *unit = mg_text_u64(s, &n);

	if (!unit)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name))
			continue;
		if (n == 0 || n > (UINT64_MAX - 1) / units[i].factor)
			return false;
		*ret = n * units[i].factor;
		return true;
	}
	return false;
}

static bool set_text(char *dst, size_t cap, const char *s)
{
	size_t n = strlen(s);

	if (n >= cap)
		return false;
	memcpy(dst, s, n + 1);
	return true;
}

static bool set_socket(struct mg_env *e, const char *s)
{
	if (s[0] != '/' || !set_text(e->socket, sizeof(e->socket), s))
		return false;
	e->socket_set = true;
	return true;
}

static bool set_labels(struct mg_env *e, const char *s) { return set_text(e->labels, sizeof(e->labels), s); }
static bool set_exe(struct mg_env *e, const char *s) { return set_text(e->exe, sizeof(e->exe), s); }

static bool set_governor_uid(struct mg_env *e, const char *s)
{
	uint64_t n;
	const char *end = mg_text_u64(s, &n);

	if (!end || *end || n >= UINT32_MAX)
		return false;
	e->governor_uid = (uint32_t)n;
	e->governor_uid_set = true;
	return true;
}

static bool set_disable(struct mg_env *e, const char *s)
{
	e->disabled = strcmp(s, "0") != 0;
	return true;
}

static bool set_log(struct mg_env *e, const char *s)
{
	static const char *const names[] = { [MG_LOG_OFF] = "off", [MG_LOG_ERROR] = "error", [MG_LOG_INFO] = "info" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(s, names[i])) {
			e->log = (enum mg_log_level)i;
			return true;
		}
	}
	return false;
}

static bool set_gc_percent(struct mg_env *e, const char *s)
{
	uint64_t n;
	const char *end;

	if (!strcmp(s, "off"))
		return true;
	end = mg_text_u64(s, &n);
	if (!end || (*end && strcmp(end, "%")) || n < 10 || n > 10000)
		return false;
	e->gc_percent = n;
	return true;
}

static bool set_limit(struct mg_env *e, const char *s)
{
	uint64_t n;
	const char *end;

	if (!strcmp(s, "off"))
		return true;
	end = mg_text_u64(s, &n);
	if (end && !strcmp(end, "%")) {
		if (n < 1 || n > 100)
			return false;
		e->limit_percent = (uint32_t)n;
		return true;
	}
	return read_size(s, &e->limit_bytes);
}

static const struct { const char *name; bool (*set)(struct mg_env *e, const char *s); } variables[] = {
	{ "MEMGOV_DISABLE", set_disable },
	{ "MEMGOV_SOCKET", set_socket },
	{ "MEMGOV_LABELS", set_labels },
	{ "MEMGOV_GOVERNOR_UID", set_governor_uid },
	{ "MEMGOV_EXE", set_exe },
	{ "MEMGOV_LOG", set_log },
	{ "MEMGOV_GC_PERCENT", set_gc_percent },
	{ "MEMGOV_MEMORY_LIMIT", set_limit },
};

void mg_env_read(struct mg_env *ret, mg_env_get_fn *get)
{
	*ret = (struct mg_env){ .gc_percent = MG_ENV_OFF, .limit_bytes = MG_ENV_OFF, .socket = MG_ENV_SOCKET };
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *val = get(variables[i].name);

		if (val && *val && !variables[i].set(ret, val) && !ret->bad)
			ret->bad = variables[i].name;
	}
}

bool mg_env_wants_exe(const struct mg_env *e, const char *base)
{
	const char *glob = e->exe;

	while (*glob) {
		size_t n = 0;

		while (glob[n] && glob[n] != ',')
			n++;
		if (n > 0 && mg_text_glob(glob, n, base))
			return true;
		glob += n + (glob[n] == ',');
	}
	return e->exe[0] == '\0';
}

static bool label_key_ok(const char *s, size_t n)
{
	if (n == 0 || n >= MG_ENV_MAX_LABEL || s[0] < 'a' || s[0] > 'z')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == '.' || s[i] == '-'))
			return false;
	return true;
}

bool mg_env_label(const char **at, char key[MG_ENV_MAX_LABEL], char val[MG_ENV_MAX_LABEL + 1])
{
	while (**at) {
		const char *s = *at, *eq = s, *end;

		while (*eq && *eq != '=' && *eq != ',')
			eq++;
		for (end = eq; *end && *end != ','; end++)
			;
		*at = end + (*end == ',');
		if (*eq != '=' || !label_key_ok(s, (size_t)(eq - s)) || end - eq - 1 > MG_ENV_MAX_LABEL)
			continue;
		memcpy(key, s, (size_t)(eq - s));
		key[eq - s] = '\0';
		memcpy(val, eq + 1, (size_t)(end - eq - 1));
		val[end - eq - 1] = '\0';
		return true;
	}
	return false;
}

bool mg_env_limits(const struct mg_env *e)
{
	return e->gc_percent != MG_ENV_OFF || e->limit_bytes != MG_ENV_OFF || e->limit_percent != 0;
}
