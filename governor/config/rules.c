/* SPDX-License-Identifier: Apache-2.0 */
/* `targets:` of the policy file and their `rules:`. A rule has the keys of every rule and those of its policy, whose field
 * table is read through the same types. Reads maps and lists, gives mg_config.targets. Called through the rows of keys.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "governor/config/keys.h"
#include "governor/util/unit.h"

static const char *const json_string[] = { "string", NULL };
static const char *const json_object[] = { "object", NULL };
static const char *const json_list[] = { "array", NULL };

#define MAX_POLICIES 32

/* ---- one policy's fields ---- */

static const struct mg_type *const field_types[] = {
	[MG_BOOL] = &mg_type_bool, [MG_U32] = &mg_type_u32, [MG_BYTES] = &mg_type_bytes, [MG_RATIO] = &mg_type_ratio,
	[MG_PERCENT] = &mg_type_percent, [MG_DURATION] = &mg_type_duration, [MG_FACTOR] = &mg_type_factor,
	[MG_EXPR_COND] = &mg_type_cond, [MG_EXPR_BYTES] = &mg_type_quantity, [MG_KNOB_VALUES] = &mg_type_knobs,
	[MG_ACTION_SPEC] = &mg_type_action,
};

struct mg_key mg_field_key(const struct mg_field *f)
{
	bool expr = f->type == MG_EXPR_COND || f->type == MG_EXPR_BYTES;
	size_t offset = offsetof(struct mg_rule, conf) + f->offset;

	if (expr)
		offset = offsetof(struct mg_rule, expr) + f->offset * sizeof(struct mg_expr *);
	return (struct mg_key){ .name = f->name, .type = field_types[f->type], .def = f->def, .help = f->help, .offset = offset,
				.required = f->required };
}

static const struct mg_field *find_field(const struct mg_policy_ops *p, const struct mg_node *key)
{
	for (const struct mg_field *f = p->fields; f->name; f++)
		if (mg_equal(key->text, key->len, f->name))
			return f;
	return NULL;
}

static const struct mg_policy_ops *owner_of(const struct mg_node *key)
{
	for (unsigned i = 0; mg_policies[i]; i++)
		if (find_field(mg_policies[i], key))
			return mg_policies[i];
	return NULL;
}

static void load_fields(struct mg_load *l, const struct mg_node *n, struct mg_rule *r)
{
	for (const struct mg_field *f = r->policy->fields; f->name; f++) {
		struct mg_key rows[] = { mg_field_key(f), { 0 } };
		mg_keys_load(l, n, rows, r);
	}
}

/* ---- one rule ---- */

static void unknown_rule_key(struct mg_load *l, const struct mg_node *key, const struct mg_rule *r)
{
	const struct mg_policy_ops *other = owner_of(key);
	const char *words[64] = { NULL };
	unsigned n = 0;

	if (other && !r->policy)
		return; /* whose key it would be is not known while the policy is not */
	if (other) {
		mg_load_error(l, key, "`%s` is a key of policy `%s`, not of `%s`", key->text, other->name, r->policy->name);
		return;
	}
	for (const struct mg_field *f = r->policy ? r->policy->fields : NULL; f && f->name && n < 50; f++)
		words[n++] = f->name;
	for (const struct mg_key *k = mg_rule_keys; k->name; k++)
		words[n++] = k->name;
	mg_load_bad_word(l, key, "unknown key", words);
}

static void check_rule_keys(struct mg_load *l, const struct mg_node *n, const struct mg_rule *r)
{
	for (const struct mg_node *c = n->child; c; c = c->next) {
		if (c->key->type != MG_NODE_SCALAR || mg_key_find(mg_rule_keys, c->key->text, c->key->len))
			continue;
		if (!r->policy || !find_field(r->policy, c->key))
			unknown_rule_key(l, c->key, r);
	}
}

/* A policy's own check starts its sentence with the key it is about: `ratio: ...`. */
static void check_conf(struct mg_load *l, const struct mg_node *n, const struct mg_rule *r)
{
	const struct mg_node *at = NULL;
	struct mg_err err;
	char key[MG_NAME_MAX];

	if (!r->policy->check || r->policy->check(r->conf, &err) == 0)
		return;
	size_t len = strcspn(err.text, ":");
	if (mg_copyn(key, sizeof key, err.text, len))
		at = mg_node_get(n, key);
	mg_load_error(l, at ? at : n, "%s", err.text);
}

/* A value outside the target's bounds is cut at every tick; say so once, here. */
static void warn_outside(struct mg_load *l, const struct mg_node *n, const struct mg_knob_map *map, const struct mg_bounds *b)
{
	for (const struct mg_node *c = n->child; c; c = c->next) {
		int i = mg_knob_find(c->key->text, c->key->len);
		if (i < 0 || !map->at[i].given || map->at[i].share)
			continue;
		const struct mg_amount *v = &map->at[i], *lo = &b->lo[i], *hi = &b->hi[i];
		if ((lo->given && !lo->share && v->v < lo->v) || (hi->given && !hi->share && v->v > hi->v))
			mg_load_warn(l, c, "`%s`: %s is outside the target's bounds and will be cut to them", c->key->text, c->text);
	}
}

static void check_values(struct mg_load *l, const struct mg_node *n, const struct mg_rule *r, const struct mg_bounds *b)
{
	for (const struct mg_field *f = r->policy->fields; f->name; f++) {
		const struct mg_node *map = f->type == MG_KNOB_VALUES ? mg_node_get(n, f->name) : NULL;
		if (map && map->type == MG_NODE_MAP)
			warn_outside(l, map, (const void *)(r->conf + f->offset), b);
	}
}

static void check_name(struct mg_load *l, const struct mg_node *n, const struct mg_target_spec *t, struct mg_rule *r)
{
	const struct mg_node *name = mg_node_get(n, "name");

	if (r->name[0] == '\0' && r->policy)
		(void)mg_copy(r->name, sizeof r->name, r->policy->name);
	for (unsigned i = 0; i < t->n_rules; i++) {
		if (r->name[0] == '\0' || strcmp(t->rules[i].name, r->name) != 0)
			continue;
		mg_load_error(l, name ? name : n, "a second rule `%s` in target `%s`: give it another `name`", r->name, t->name);
		return;
	}
}

static void load_rule(struct mg_load *l, const struct mg_node *n, struct mg_target_spec *t)
{
	struct mg_rule *r = &t->rules[t->n_rules];
	unsigned errors = l->f->errors;

	(void)snprintf(r->at, sizeof r->at, "%.100s:%u", l->c->file, n->line);
	mg_keys_load(l, n, mg_rule_keys, r);
	check_rule_keys(l, n, r);
	check_name(l, n, t, r);
	t->n_rules++; /* from here mg_config_free knows its expressions */
	if (!r->policy)
		return;
	load_fields(l, n, r);
	if (l->f->errors == errors)
		check_conf(l, n, r);
	check_values(l, n, r, &t->bounds);
}

static void parse_rules(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_target_spec *t = base;

	if (!mg_load_expect(l, n, MG_NODE_LIST, k))
		return;
	if (n->n > MG_MAX_TARGET_RULES) {
		mg_load_error(l, n, "%u rules in target `%s`: at most %d", n->n, t->name, MG_MAX_TARGET_RULES);
		return;
	}
	t->rules = calloc(n->n ? n->n : 1, sizeof *t->rules);
	l->no_memory |= !t->rules;
	for (const struct mg_node *c = n->child; c && t->rules; c = c->next) {
		if (c->type == MG_NODE_MAP)
			load_rule(l, c, t);
		else if (c->type != MG_NODE_BAD)
			mg_load_error(l, c, "a rule is a map, like { policy: memory-limit, ratio: 0.8 }");
	}
}

static void policy_words(const char *words[static MAX_POLICIES])
{
	unsigned n = 0;

	for (; mg_policies[n] && n < MAX_POLICIES - 1; n++)
		words[n] = mg_policies[n]->name;
	words[n] = NULL;
}

static void parse_policy(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_rule *r = base;
	const char *words[MAX_POLICIES];

	if (!mg_load_expect(l, n, MG_NODE_SCALAR, k))
		return;
	r->policy = mg_policy_find(n->text, n->len);
	policy_words(words);
	if (!r->policy)
		mg_load_bad_word(l, n, "unknown policy", words);
}

/* ---- targets ---- */

static void parse_label(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_match *m = base;
	size_t prefix = strlen(k->name);

	if (!mg_load_expect(l, n, MG_NODE_SCALAR, k))
		return;
	if (m->n_labels == MG_MAX_LABELS) {
		mg_load_error(l, n->key, "more than %d labels", MG_MAX_LABELS);
		return;
	}
	bool fits = mg_copyn(m->label[m->n_labels].key, sizeof m->label[0].key, n->key->text + prefix, n->key->len - prefix);
	fits &= mg_copyn(m->label[m->n_labels].value, sizeof m->label[0].value, n->text, n->len);
	if (fits)
		m->n_labels++;
	else
		mg_load_error(l, n->key, "a label's name has at most 63 bytes, its value 127");
}

static bool matches_all(const struct mg_match *m)
{
	const char *const globs[] = { m->exe, m->cmdline, m->runtime, m->allocator };

	for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++)
		if (globs[i][0] != '\0' && strcmp(globs[i], "*") != 0)
			return false;
	return m->uid < 0 && m->n_labels == 0;
}

static bool same_match(const struct mg_match *a, const struct mg_match *b)
{
	bool same = strcmp(a->exe, b->exe) == 0 && strcmp(a->cmdline, b->cmdline) == 0 && strcmp(a->runtime, b->runtime) == 0 &&
		    strcmp(a->allocator, b->allocator) == 0 && a->uid == b->uid && a->n_labels == b->n_labels;

	for (unsigned i = 0; same && i < a->n_labels; i++)
		same = strcmp(a->label[i].key, b->label[i].key) == 0 && strcmp(a->label[i].value, b->label[i].value) == 0;
	return same;
}

static void check_target(struct mg_load *l, const struct mg_node *n, const struct mg_target_spec *t)
{
	const struct mg_node *rules = mg_node_get(n, "rules");

	if (!rules || (rules->type == MG_NODE_LIST && rules->n == 0))
		mg_load_warn(l, n->key, "target `%s` has no rules: it is watched and never changed", t->name);
	for (const struct mg_target_spec *e = l->c->targets; e < t; e++) {
		if (!matches_all(&e->match) && !same_match(&e->match, &t->match))
			continue;
		mg_load_warn(l, n->key, "target `%s` is never reached: `%s` before it matches all it would", t->name, e->name);
		return;
	}
}

static void load_target(struct mg_load *l, const struct mg_node *n, const struct mg_key *k)
{
	struct mg_target_spec *t = &l->c->targets[l->c->n_targets];

	if (!mg_load_name(l, n->key, "target", true, t->name, sizeof t->name) || !mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	l->c->n_targets++;
	t->match.uid = -1;
	mg_section_load(l, n, k->keys, t);
	check_target(l, n, t);
}

static void parse_targets(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	(void)base;
	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	if (n->n > MG_MAX_TARGET_SPECS) {
		mg_load_error(l, n, "%u targets: at most %d", n->n, MG_MAX_TARGET_SPECS);
		return;
	}
	l->c->targets = calloc(n->n ? n->n : 1, sizeof *l->c->targets);
	l->no_memory |= !l->c->targets;
	for (const struct mg_node *t = n->child; t && l->c->targets; t = t->next)
		if (t->type != MG_NODE_BAD && t->key->type == MG_NODE_SCALAR)
			load_target(l, t, k);
}

/* ---- schema ---- */

static void schema_targets(cJSON *o, const struct mg_key *k)
{
	mg_schema_names(o, "^[A-Za-z0-9_][A-Za-z0-9_.-]*$");
	cJSON *entry = cJSON_AddObjectToObject(o, "additionalProperties");
	cJSON_AddStringToObject(entry, "type", "object");
	mg_schema_section(entry, k->keys);
	cJSON_AddNumberToObject(o, "maxProperties", MG_MAX_TARGET_SPECS);
}

/* "when policy is P, its fields are known too" */
static cJSON *schema_of_policy(const struct mg_policy_ops *p)
{
	cJSON *o = cJSON_CreateObject(), *test = cJSON_AddObjectToObject(o, "if"), *then = cJSON_AddObjectToObject(o, "then");
	cJSON *policy = cJSON_AddObjectToObject(cJSON_AddObjectToObject(test, "properties"), "policy");
	cJSON *all = cJSON_AddObjectToObject(then, "properties"), *required = cJSON_AddArrayToObject(then, "required");

	cJSON_AddStringToObject(policy, "const", p->name);
	cJSON_AddStringToObject(then, "description", p->help);
	for (const struct mg_field *f = p->fields; f->name; f++) {
		struct mg_key k = mg_field_key(f);
		cJSON_AddItemToObject(all, f->name, mg_schema_key(&k));
		if (f->required)
			cJSON_AddItemToArray(required, cJSON_CreateString(f->name));
	}
	return o;
}

static void schema_rules(cJSON *o, const struct mg_key *k)
{
	cJSON *item = cJSON_AddObjectToObject(o, "items");

	cJSON_AddStringToObject(item, "type", "object");
	mg_schema_section(item, k->keys);
	/* The policies' fields come by `allOf`, which `additionalProperties` would not see. */
	cJSON_DeleteItemFromObject(item, "additionalProperties");
	cJSON *all = cJSON_AddArrayToObject(item, "allOf");
	for (unsigned i = 0; mg_policies[i]; i++)
		cJSON_AddItemToArray(all, schema_of_policy(mg_policies[i]));
	cJSON_AddBoolToObject(item, "unevaluatedProperties", false);
	cJSON_AddNumberToObject(o, "maxItems", MG_MAX_TARGET_RULES);
}

static void schema_policy(cJSON *o, const struct mg_key *k)
{
	cJSON *words = cJSON_AddArrayToObject(o, "enum");

	(void)k;
	for (unsigned i = 0; mg_policies[i]; i++)
		cJSON_AddItemToArray(words, cJSON_CreateString(mg_policies[i]->name));
}

const struct mg_type mg_type_targets = { json_object, NULL, NULL, parse_targets, schema_targets };
const struct mg_type mg_type_rules = { json_list, NULL, NULL, parse_rules, schema_rules };
const struct mg_type mg_type_policy = { json_string, NULL, NULL, parse_policy, schema_policy };
const struct mg_type mg_type_label = { json_string, NULL, NULL, parse_label, NULL };
