/* SPDX-License-Identifier: Apache-2.0 */
/* A policy file's bytes in, a configuration or every finding at once out. Walks the tree (tree.c) along the tables
 * (keys.c), then looks at what only the whole file tells: unused signals, the lease against the tick. Called by run,
 * reload, check-config. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "governor/config/keys.h"
#include "governor/util/cleanup.h"

/* ---- findings of the loader ---- */

static void MG_PRINTF(4, 0) add(struct mg_load *l, enum mg_severity severity, const struct mg_node *n, const char *fmt, va_list ap)
{
	struct mg_err err;

	(void)vsnprintf(err.text, sizeof err.text, fmt, ap);
	mg_finding_add(l->f, severity, n ? n->line : 1, n ? n->column : 1, "%s", err.text);
}

void mg_load_error(struct mg_load *l, const struct mg_node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, MG_SEV_ERROR, n, fmt, ap);
	va_end(ap);
}

void mg_load_warn(struct mg_load *l, const struct mg_node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, MG_SEV_WARNING, n, fmt, ap);
	va_end(ap);
}

bool mg_load_expect(struct mg_load *l, const struct mg_node *n, enum mg_node_type type, const struct mg_key *k)
{
	static const char *const names[] = { [MG_NODE_SCALAR] = "a single value", [MG_NODE_MAP] = "a map", [MG_NODE_LIST] = "a list" };
	const char *name = n->key && n->key->type == MG_NODE_SCALAR ? n->key->text : k->name;

	if (n->type == type)
		return true;
	if (n->type == MG_NODE_SCALAR && n->len == 0)
		mg_load_error(l, n->key ? n->key : n, "`%.64s` has no value: write %s", name, names[type]);
	else if (n->type != MG_NODE_BAD)
		mg_load_error(l, n, "`%.64s` must be %s, not %s", name, names[type], names[n->type]);
	return false;
}

void mg_load_bad_word(struct mg_load *l, const struct mg_node *n, const char *before, const char *const *words)
{
	struct mg_nearest near = mg_nearest(n->text, n->len);
	char list[256];
	struct mg_buf b = mg_buf(list, sizeof list);

	for (unsigned i = 0; words[i]; i++) {
		mg_nearest_try(&near, words[i]);
		mg_buf_printf(&b, "%s%s", i ? ", " : "", words[i]);
	}
	if (near.best)
		mg_load_error(l, n, "%s `%.64s`: did you mean `%s`?", before, n->text, near.best);
	else
		mg_load_error(l, n, "%s `%.64s`: there is %s", before, n->text, words[0] ? list : "nothing to write here");
}

bool mg_load_name(struct mg_load *l, const struct mg_node *n, const char *what, bool extra, char *dst, size_t cap)
{
	bool good = n->len > 0 && mg_is_word(n->text[0]) && (extra || !mg_is_digit(n->text[0]));

	for (size_t i = 0; i < n->len; i++)
		good &= mg_is_word(n->text[i]) || (extra && (n->text[i] == '-' || n->text[i] == '.'));
	if (!good)
		mg_load_error(l, n, "%s `%.64s`: a name has letters, digits and `_`%s", what, n->text, extra ? ", and inside `-` and `.`" : "");
	else if (n->len >= cap)
		mg_load_error(l, n, "%s `%.32s...` is longer than %zu bytes", what, n->text, cap - 1);
	else
		return mg_copyn(dst, cap, n->text, n->len);
	return false;
}

/* ---- sections ---- */

static bool is_prefix(const struct mg_key *k)
{
	return k->name[strlen(k->name) - 1] == '.';
}

static bool key_matches(const struct mg_key *k, const char *name, size_t len)
{
	size_t n = strlen(k->name);

	return is_prefix(k) ? len > n && memcmp(name, k->name, n) == 0 : mg_equal(name, len, k->name);
}

const struct mg_key *mg_key_find(const struct mg_key *keys, const char *name, size_t len)
{
	for (const struct mg_key *k = keys; k->name; k++)
		if (key_matches(k, name, len))
			return k;
	return NULL;
}

static void check_unknown(struct mg_load *l, const struct mg_node *n, const struct mg_key *keys)
{
	const char *words[64] = { NULL };
	unsigned count = 0;

	for (const struct mg_key *k = keys; k->name && count < 63; k++)
		words[count++] = k->name;
	for (const struct mg_node *c = n->child; c; c = c->next)
		if (c->key->type == MG_NODE_SCALAR && !mg_key_find(keys, c->key->text, c->key->len))
			mg_load_bad_word(l, c->key, "unknown key", words);
}

/* A default is read as if the user had written it, so a table cannot hold one that the loader would refuse. */
static void load_default(struct mg_load *l, const struct mg_node *section, const struct mg_key *k, void *base)
{
	union { /* a node ends in a flexible array */
		struct mg_node n;
		char room[sizeof(struct mg_node) + 256];
	} u = { .n = { .type = MG_NODE_SCALAR, .plain = true, .len = strlen(k->def) } };

	u.n.line = section ? section->line : 1;
	u.n.column = section ? section->column : 1;
	if (u.n.len < 256) {
		memcpy(u.room + offsetof(struct mg_node, text), k->def, u.n.len + 1);
		k->type->parse(l, &u.n, k, base);
	}
}

static bool load_given(struct mg_load *l, const struct mg_node *section, const struct mg_key *k, void *base)
{
	bool given = false;

	for (const struct mg_node *c = section ? section->child : NULL; c; c = c->next) {
		if (c->key->type != MG_NODE_SCALAR || !key_matches(k, c->key->text, c->key->len) || (given && !is_prefix(k)))
			continue;
		given = true;
		if (c->type != MG_NODE_BAD)
			k->type->parse(l, c, k, base);
	}
	return given;
}

void mg_keys_load(struct mg_load *l, const struct mg_node *section, const struct mg_key *keys, void *base)
{
	for (const struct mg_key *k = keys; k->name; k++) {
		if (load_given(l, section, k, base))
			continue;
		if (k->required)
			mg_load_error(l, section && section->key ? section->key : section, "`%s` is missing: %s", k->name, k->help);
		else if (k->def)
			load_default(l, section, k, base);
		else if (k->type == &mg_type_section)
			mg_section_load(l, NULL, k->keys, (char *)base + k->offset);
	}
}

void mg_section_load(struct mg_load *l, const struct mg_node *n, const struct mg_key *keys, void *base)
{
	static const struct mg_key here = { .name = "the section" };
	bool map = n && mg_load_expect(l, n, MG_NODE_MAP, &here);

	if (map)
		check_unknown(l, n, keys);
	mg_keys_load(l, map ? n : NULL, keys, base);
}

static void parse_section(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	mg_section_load(l, n, k->keys, (char *)base + k->offset);
}

static void schema_section(cJSON *o, const struct mg_key *k)
{
	mg_schema_section(o, k->keys);
}

static const char *const json_object[] = { "object", NULL };
const struct mg_type mg_type_section = { json_object, NULL, NULL, parse_section, schema_section };

/* ---- names in expressions ---- */

static int lookup(void *ctx, const char *name, size_t len, struct mg_signal_ref *ref, enum mg_unit *unit,
		  enum mg_signal_kind *kind)
{
	const struct mg_config *c = ctx;
	int builtin = mg_signal_find(name, len);

	if (builtin >= 0) {
		const struct mg_signal_info *info = mg_signal_info((enum mg_signal)builtin);
		*ref = (struct mg_signal_ref){ MG_SCOPE_TARGET, (uint16_t)builtin };
		*unit = info->unit;
		*kind = info->kind;
		return 0;
	}
	for (uint16_t i = 0; i < c->n_signals; i++) {
		if (!mg_equal(name, len, c->signals[i].name))
			continue;
		*ref = (struct mg_signal_ref){ MG_SCOPE_SOURCE, i };
		*unit = c->signals[i].unit;
		*kind = c->signals[i].kind;
		return 0;
	}
	return -ENOENT;
}

static const char *nearest(void *ctx, const char *name, size_t len)
{
	const struct mg_config *c = ctx;
	struct mg_nearest near = mg_nearest(name, len);

	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		mg_nearest_try(&near, mg_signal_info((enum mg_signal)i)->name);
	for (unsigned i = 0; i < c->n_signals; i++)
		mg_nearest_try(&near, c->signals[i].name);
	return near.best;
}

struct mg_names mg_config_names(struct mg_config *c)
{
	return (struct mg_names){ .lookup = lookup, .nearest = nearest, .ctx = c };
}

/* ---- the file ---- */

static void check_whole(struct mg_load *l, const struct mg_node *root)
{
	struct mg_config *c = l->c;
	const struct mg_node *lease = mg_node_get(mg_node_get(root, "control"), "lease"), *targets = mg_node_get(root, "targets");

	if (c->lease_ns > 0 && c->lease_ns < 3 * c->interval_ns)
		mg_load_error(l, lease ? lease : mg_node_get(root, "interval"),
			      "`lease` must be at least three times `interval`: it is renewed every third of it");
	if (!targets || (targets->type == MG_NODE_MAP && targets->n == 0))
		mg_load_warn(l, root, "no `targets`: nothing is governed");
	for (unsigned i = 0; i < c->n_signals && l->f->errors == 0; i++) /* a rule with an error may be the one that uses it */
		if (!l->signal_used[i])
			mg_load_warn(l, l->signal_at[i], "signal `%s` is used by no rule", c->signals[i].name);
	if (c->n_uids == 0 && !mg_node_get(mg_node_get(root, "control"), "allow_uids")) {
		c->allow_uids[c->n_uids++] = 0;
		if (geteuid() != 0)
			c->allow_uids[c->n_uids++] = geteuid();
	}
}

static struct mg_config *new_config(const char *path, const char *text, size_t len)
{
	struct mg_config *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	(void)mg_copy(c->file, sizeof c->file, path);
	(void)snprintf(c->hash, sizeof c->hash, "%016llx", (unsigned long long)mg_hash(text, len, 0));
	return c;
}

/* The tree into *ret; -EINVAL when there are errors. */
static int load_tree(const struct mg_tree *tree, struct mg_config *c, struct mg_findings *f)
{
	struct mg_load l = { .c = c, .f = f, .names = mg_config_names(c) };
	static const struct mg_key file = { .name = "the file" };

	if (!mg_load_expect(&l, tree->root, MG_NODE_MAP, &file))
		return -EINVAL;
	mg_section_load(&l, tree->root, mg_config_keys, c);
	check_whole(&l, tree->root);
	if (l.no_memory)
		return -ENOMEM;
	return f->errors > 0 ? -EINVAL : 0;
}

int mg_config_parse(const char *path, const char *text, size_t len, struct mg_config **ret, struct mg_findings *findings)
{
	struct mg_tree tree = { 0 };

	*findings = (struct mg_findings){ 0 };
	if (len > MG_MAX_CONFIG_BYTES) {
		mg_finding_add(findings, MG_SEV_ERROR, 1, 1, "larger than %u bytes: this is no policy file", MG_MAX_CONFIG_BYTES);
		return -EINVAL;
	}
	int r = mg_tree_parse(&tree, text, len, findings);
	if (r < 0)
		return r;
	struct mg_config *c = new_config(path, text, len);
	r = c ? load_tree(&tree, c, findings) : -ENOMEM;
	mg_tree_free(&tree);
	mg_findings_sort(findings);
	if (r < 0)
		mg_config_free(c);
	else
		*ret = c;
	return r;
}

static int read_all(int fd, char *buf, size_t cap, size_t *ret)
{
	size_t len = 0;
	ssize_t n;

	while (len < cap && (n = read(fd, buf + len, cap - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	*ret = len;
	return 0;
}

int mg_config_read(const char *path, char **ret, size_t *ret_len, struct mg_err *err)
{
	/* NONBLOCK: opening a pipe must not hang a reload */
	MG_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	size_t len;

	if (fd < 0 || fstat(fd, &st) < 0)
		return mg_fail(err, -errno, "cannot open %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return mg_fail(err, -EINVAL, "%s is not a regular file", path);
	char *buf = malloc(MG_MAX_CONFIG_BYTES + 1); /* one more: what is too large shows */
	if (!buf)
		return mg_fail(err, -ENOMEM, "no memory to read %s", path);
	int r = read_all(fd, buf, MG_MAX_CONFIG_BYTES + 1, &len);
	if (r < 0) {
		free(buf);
		return mg_fail(err, r, "cannot read %s: %s", path, strerror(-r));
	}
	*ret = buf;
	*ret_len = len;
	return 0;
}

int mg_config_load(const char *path, struct mg_config **ret, struct mg_findings *findings, struct mg_err *err)
{
	MG_FREE char *text = NULL;
	size_t len = 0;

	*findings = (struct mg_findings){ 0 };
	int r = mg_config_read(path, &text, &len, err);
	if (r < 0)
		return r;
	r = mg_config_parse(path, text, len, ret, findings);
	if (r == -EINVAL)
		return mg_fail(err, r, "%s: %u errors; memgov check-config shows them", path, findings->errors);
	return r < 0 ? mg_fail(err, r, "no memory to load %s", path) : 0;
}

void mg_findings_print_file(const struct mg_findings *f, const char *path, int fd)
{
	MG_FREE char *text = NULL;
	size_t len = 0;

	if (mg_config_read(path, &text, &len, NULL) < 0)
		len = 0;
	mg_findings_print(f, path, text ? text : "", len, fd);
}

struct mg_config *mg_config_free(struct mg_config *c)
{
	if (!c)
		return NULL;
	for (unsigned t = 0; t < c->n_targets; t++) {
		for (unsigned i = 0; i < c->targets[t].n_rules; i++)
			for (unsigned e = 0; e < MG_MAX_RULE_EXPR; e++)
				mg_expr_free(c->targets[t].rules[i].expr[e]);
		free(c->targets[t].rules);
	}
	free(c->targets);
	free(c);
	return NULL;
}
