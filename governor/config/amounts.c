/* SPDX-License-Identifier: Apache-2.0 */
/* The types that know knobs, actions and expressions: `bounds:`, `step:`, `set:`, `do:`, `when:`, `of:`. Reads one value,
 * gives the struct the guards and policies hold. Called through the rows of keys.c and of the policies' field tables. */
#include <errno.h>
#include <stdio.h>

#include "governor/config/keys.h"
#include "governor/util/unit.h"

static const char *const json_string[] = { "string", NULL };
static const char *const json_object[] = { "object", NULL };

static void *at(void *base, const struct mg_key *k)
{
	return (char *)base + k->offset;
}

static void bad_knob(struct mg_load *l, const struct mg_node *n)
{
	const char *words[MG_KNOB__COUNT + 1] = { NULL };

	for (unsigned i = 0; i < MG_KNOB__COUNT; i++)
		words[i] = mg_knob_info((enum mg_knob)i)->name;
	mg_load_bad_word(l, n->key, "unknown knob", words);
}

/* The knob a map's entry is about, -1 with a finding. */
static int entry_knob(struct mg_load *l, const struct mg_node *n)
{
	int knob;

	if (n->type == MG_NODE_BAD || n->key->type != MG_NODE_SCALAR)
		return -1;
	knob = mg_knob_find(n->key->text, n->key->len);
	if (knob < 0)
		bad_knob(l, n);
	return knob;
}

/* Reads an amount of a knob. share: `95%` is accepted. */
static bool amount(struct mg_load *l, const struct mg_node *n, const char *s, size_t len, enum mg_knob knob, bool share,
		   struct mg_amount *ret)
{
	const struct mg_knob_info *info = mg_knob_info(knob);
	struct mg_err err;
	char lo[32], hi[32];

	if (mg_amount_parse(s, len, info->unit, ret, &err) < 0) {
		mg_load_error(l, n, "`%s`: %s", info->name, err.text);
		return false;
	}
	bool fits = ret->share ? ret->v > 0 && ret->v <= 1 : ret->v >= info->floor && ret->v <= info->ceiling;
	if (ret->share && (!share || info->unit != MG_UNIT_BYTES))
		mg_load_error(l, n, "`%s` cannot be a share here: write it in %s", info->name, mg_unit_name(info->unit));
	else if (!fits && ret->share)
		mg_load_error(l, n, "`%s`: a share is above 0%% and at most 100%%", info->name);
	else if (!fits)
		mg_load_error(l, n, "`%s` goes from %s to %s", info->name, mg_unit_show(info->floor, info->unit, lo, sizeof lo),
			      mg_unit_show(info->ceiling, info->unit, hi, sizeof hi));
	else
		return true;
	return false;
}

static void parse_knobs(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_knob_map *map = at(base, k);
	struct mg_amount a;

	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	for (const struct mg_node *c = n->child; c; c = c->next) {
		int knob = entry_knob(l, c);
		if (knob < 0 || !mg_load_expect(l, c, MG_NODE_SCALAR, k))
			continue;
		if (amount(l, c, c->text, c->len, (enum mg_knob)knob, true, &a))
			map->at[knob] = a;
	}
}

/* A step is how far a knob may move at once, so the knob's floor does not bound it. */
static void parse_step(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_knob_map *map = at(base, k);
	struct mg_err err;
	double v;

	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	for (const struct mg_node *c = n->child; c; c = c->next) {
		int knob = entry_knob(l, c);
		if (knob < 0 || !mg_load_expect(l, c, MG_NODE_SCALAR, k))
			continue;
		if (mg_unit_parse(c->text, c->len, mg_knob_info((enum mg_knob)knob)->unit, &v, &err) < 0)
			mg_load_error(l, c, "`step`: %s", err.text);
		else if (v <= 0)
			mg_load_error(l, c, "`step` of `%s` must be above 0, or it never moves", mg_knob_info((enum mg_knob)knob)->name);
		else
			map->at[knob] = (struct mg_amount){ .v = v, .given = true };
	}
}

static void bound(struct mg_load *l, const struct mg_node *n, enum mg_knob knob, struct mg_bounds *b)
{
	const char *dots = strstr(n->text, ".."), *name = mg_knob_info(knob)->name;
	struct mg_amount lo, hi;

	if (!dots) {
		mg_load_error(l, n, "`%s`: `%.64s` is not a range, like 25..400 or 128MiB..95%%", name, n->text);
		return;
	}
	const char *end = dots + 2;
	if (!amount(l, n, n->text, (size_t)(dots - n->text), knob, true, &lo) || !amount(l, n, end, strlen(end), knob, true, &hi))
		return;
	if (lo.share == hi.share && lo.v > hi.v) {
		mg_load_error(l, n, "`%s`: the range %s is empty: write the lower end first", name, n->text);
		return;
	}
	b->lo[knob] = lo;
	b->hi[knob] = hi;
}

static void parse_bounds(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	for (const struct mg_node *c = n->child; c; c = c->next) {
		int knob = entry_knob(l, c);
		if (knob >= 0 && mg_load_expect(l, c, MG_NODE_SCALAR, k))
			bound(l, c, (enum mg_knob)knob, at(base, k));
	}
}

/* What an action may be told; the base is the action. */
static void parse_purge_bytes(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_amount *a = at(base, k);
	struct mg_err err;

	if (!mg_load_expect(l, n, MG_NODE_SCALAR, k))
		return;
	if (mg_amount_parse(n->text, n->len, MG_UNIT_BYTES, a, &err) < 0)
		mg_load_error(l, n, "`bytes`: %s", err.text);
	else if (a->v <= 0 || (a->share && a->v > 1))
		mg_load_error(l, n, "`bytes`: %s is nothing to return: write an amount or a share of what is returnable", n->text);
}

static const struct mg_type type_purge_bytes = { json_string, "^[0-9]*\\.?[0-9]+(%|B|kB|[MGT]B|[KMGT]iB?)$", NULL,
						 parse_purge_bytes, NULL };

static const struct mg_key purge_keys[] = {
	{ "bytes", &type_purge_bytes, NULL, "at most this much, or this share of what is returnable; default: all of it",
	  MG_AT(mg_action_spec, bytes) },
	{ "max_pause", &mg_type_duration, NULL, "longest wait the program may see; default: the target's",
	  MG_AT(mg_action_spec, max_pause_ns), .min = "1ms", .max = "10s" },
	{ 0 },
};
static const struct mg_key gc_keys[] = { { 0 } };
static const struct mg_key *const action_keys[MG_ACTION__COUNT] = { [MG_ACTION_PURGE] = purge_keys, [MG_ACTION_GC] = gc_keys };

static void parse_action(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_action_spec *spec = at(base, k);
	const char *words[MG_ACTION__COUNT + 1] = { NULL };

	if (!mg_load_expect(l, n, MG_NODE_MAP, k))
		return;
	if (n->n != 1) {
		mg_load_error(l, n, "`%s` names one action, like { purge: { max_pause: 10ms } }", k->name);
		return;
	}
	if (n->child->type == MG_NODE_BAD || n->child->key->type != MG_NODE_SCALAR)
		return;
	int action = mg_action_find(n->child->key->text, n->child->key->len);
	if (action >= 0) {
		spec->given = true;
		spec->action = (enum mg_action)action;
		mg_section_load(l, n->child, action_keys[action], spec);
		return;
	}
	for (unsigned i = 0; i < MG_ACTION__COUNT; i++)
		words[i] = mg_action_info((enum mg_action)i)->name;
	mg_load_bad_word(l, n->child->key, "unknown action", words);
}

static void note_used(void *ctx, struct mg_signal_ref ref)
{
	struct mg_load *l = ctx;

	if (ref.scope == MG_SCOPE_SOURCE && ref.id < MG_MAX_SOURCE_SIGNALS)
		l->signal_used[ref.id] = true;
}

static struct mg_expr *compile(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, enum mg_unit want)
{
	struct mg_expr *e = NULL;
	struct mg_err err;
	size_t offset = 0;

	if (!mg_load_expect(l, n, MG_NODE_SCALAR, k))
		return NULL;
	int r = mg_expr_compile(n->text, want, &l->names, &e, &offset, &err);
	if (r == -ENOMEM)
		l->no_memory = true;
	else if (r < 0)
		mg_finding_add(l->f, MG_SEV_ERROR, n->line, mg_node_column(n, offset), "`%s`: %s", k->name, err.text);
	if (r < 0)
		return NULL;
	mg_expr_signals(e, note_used, l);
	return e;
}

static void parse_cond(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	*(struct mg_expr **)at(base, k) = compile(l, n, k, MG_UNIT_BOOL);
}

static void parse_quantity(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_expr *e = compile(l, n, k, MG_UNIT_BYTES);
	struct mg_signal_ref ref;

	*(struct mg_expr **)at(base, k) = e;
	if (!e || !mg_expr_is_plain_signal(e, &ref) || ref.scope != MG_SCOPE_TARGET || ref.id == MG_SIG_CGROUP_LIMIT)
		return;
	const char *name = mg_signal_info((enum mg_signal)ref.id)->name;
	mg_load_warn(l, n, "`%s` follows %s down as memory is given back, so it shrinks itself: write max(%s, 1h)", k->name, name, name);
}

static void parse_slo(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base)
{
	struct mg_expr *e = compile(l, n, k, MG_UNIT_BOOL);

	(void)base;
	if (e)
		mg_load_warn(l, n, "`slo` is checked and not acted on by this version");
	mg_expr_free(e);
}

/* Every knob with its help; pattern: of its value. */
static void schema_knobs(cJSON *o, const char *pattern)
{
	cJSON *all = cJSON_AddObjectToObject(o, "properties");

	for (unsigned i = 0; i < MG_KNOB__COUNT; i++) {
		cJSON *one = cJSON_AddObjectToObject(all, mg_knob_info((enum mg_knob)i)->name), *types = cJSON_AddArrayToObject(one, "type");
		cJSON_AddItemToArray(types, cJSON_CreateString("string"));
		if (!pattern)
			cJSON_AddItemToArray(types, cJSON_CreateString("number"));
		else
			cJSON_AddStringToObject(one, "pattern", pattern);
		cJSON_AddStringToObject(one, "description", mg_knob_info((enum mg_knob)i)->help);
	}
	cJSON_AddBoolToObject(o, "additionalProperties", false);
}

static void schema_values(cJSON *o, const struct mg_key *k)
{
	(void)k;
	schema_knobs(o, NULL);
}

static void schema_bounds(cJSON *o, const struct mg_key *k)
{
	(void)k;
	schema_knobs(o, "^[^.]+(\\.[0-9]+[^.]*)?\\.\\..+$");
}

static void schema_action(cJSON *o, const struct mg_key *k)
{
	cJSON *all = cJSON_AddObjectToObject(o, "properties");

	(void)k;
	for (unsigned i = 0; i < MG_ACTION__COUNT; i++) {
		cJSON *one = cJSON_AddObjectToObject(all, mg_action_info((enum mg_action)i)->name);
		cJSON_AddStringToObject(one, "type", "object");
		cJSON_AddStringToObject(one, "description", mg_action_info((enum mg_action)i)->help);
		mg_schema_section(one, action_keys[i]);
	}
	cJSON_AddBoolToObject(o, "additionalProperties", false);
	cJSON_AddNumberToObject(o, "minProperties", 1);
	cJSON_AddNumberToObject(o, "maxProperties", 1);
}

const struct mg_type mg_type_knobs = { json_object, NULL, NULL, parse_knobs, schema_values };
const struct mg_type mg_type_step = { json_object, NULL, NULL, parse_step, schema_values };
const struct mg_type mg_type_bounds = { json_object, NULL, NULL, parse_bounds, schema_bounds };
const struct mg_type mg_type_action = { json_object, NULL, NULL, parse_action, schema_action };
const struct mg_type mg_type_cond = { json_string, NULL, NULL, parse_cond, NULL };
const struct mg_type mg_type_quantity = { json_string, NULL, NULL, parse_quantity, NULL };
const struct mg_type mg_type_slo = { json_string, NULL, NULL, parse_slo, NULL };
