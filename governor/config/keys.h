/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONFIG_KEYS_H
#define MG_CONFIG_KEYS_H

#include <cjson/cJSON.h>

#include "governor/config/findings.h"
#include "governor/config/tree.h"
#include "governor/util/field.h"

/* The tables of the policy file. A section is an array of keys ended by name NULL; one row of it gives a key's parsing,
 * default, help and schema. */

struct mg_key;

/* What one file is loaded into, and what the loader must remember until the end of the file. */
struct mg_load {
	struct mg_config *c;
	struct mg_findings *f;
	struct mg_names names;
	const struct mg_node *signal_at[MG_MAX_SOURCE_SIGNALS]; /* where each signal of c stands */
	bool signal_used[MG_MAX_SOURCE_SIGNALS];
	bool no_memory;
};

/* How values of one type are read and described. */
struct mg_type {
	const char *const *json;     /* JSON types an editor accepts, ended by NULL */
	const char *pattern;         /* of a string, NULL: any */
	const char *const *words;    /* the only words accepted, ended by NULL; NULL: any */
	/* Reads n into base + k->offset, or adds findings and leaves it. n is never BAD. */
	void (*parse)(struct mg_load *l, const struct mg_node *n, const struct mg_key *k, void *base);
	void (*schema)(cJSON *o, const struct mg_key *k); /* adds what the three above cannot say; NULL: nothing */
};

struct mg_key {
	const char *name;            /* one that ends in `.` is a prefix: `label.` */
	const struct mg_type *type;
	const char *def;             /* as a user would write it, NULL: none */
	const char *help;
	size_t offset;               /* from the section's base */
	size_t size;                 /* capacity of a text or an array, in bytes */
	size_t count;                /* of a list: offset of its uint8_t length */
	const char *min, *max;       /* the range accepted, as a user would write it */
	const struct mg_key *keys;   /* of a section, or of the entries of a named list */
	bool required;
};

#define MG_AT(s, m) .offset = offsetof(struct s, m), .size = sizeof(((struct s *)0)->m)

/* The file itself, an entry of `sources:`, of `signals:`, of `targets:`, and what every rule has (keys.c). */
extern const struct mg_key mg_config_keys[], mg_source_keys[], mg_signal_keys[], mg_target_keys[], mg_rule_keys[];

/* Scalars (types.c). */
extern const struct mg_type mg_type_version, mg_type_bool, mg_type_u32, mg_type_bytes, mg_type_ratio, mg_type_percent,
	mg_type_duration, mg_type_factor, mg_type_mode, mg_type_octal, mg_type_name, mg_type_text, mg_type_path, mg_type_listen,
	mg_type_admin, mg_type_uid, mg_type_ids, mg_type_unit, mg_type_kind;
/* What knows knobs and expressions (amounts.c). */
extern const struct mg_type mg_type_cond, mg_type_quantity, mg_type_knobs, mg_type_step, mg_type_bounds, mg_type_action,
	mg_type_slo;
/* Sections and lists (load.c, sources.c, rules.c). */
extern const struct mg_type mg_type_section, mg_type_sources, mg_type_url, mg_type_signals, mg_type_targets, mg_type_rules,
	mg_type_policy, mg_type_label;

/* Reads a section: unknown keys, then every row. n may be NULL: defaults alone. */
void mg_section_load(struct mg_load *l, const struct mg_node *n, const struct mg_key *keys, void *base);
/* Reads the rows in their order: the value where the section has it, else the default; a required key must be there. */
void mg_keys_load(struct mg_load *l, const struct mg_node *section, const struct mg_key *keys, void *base);
/* The row of a key that stands in a file, NULL: none. */
const struct mg_key *mg_key_find(const struct mg_key *keys, const char *name, size_t len);
/* A policy's field as a row; its base is the rule. */
struct mg_key mg_field_key(const struct mg_field *f);

/* A finding at a node; NULL: at the start of the file. */
void mg_load_error(struct mg_load *l, const struct mg_node *n, const char *fmt, ...) MG_PRINTF(3, 4);
void mg_load_warn(struct mg_load *l, const struct mg_node *n, const char *fmt, ...) MG_PRINTF(3, 4);
/* True when n is of that type; else a finding. */
bool mg_load_expect(struct mg_load *l, const struct mg_node *n, enum mg_node_type type, const struct mg_key *k);
/* A name that can stand in expressions, records and metric labels: letters, digits, `_`, and `.` `-` where extra. */
bool mg_load_name(struct mg_load *l, const struct mg_node *n, const char *what, bool extra, char *dst, size_t cap);
/* n is not one of words (ended by NULL): says which is near or which there are. before: the sentence's start. */
void mg_load_bad_word(struct mg_load *l, const struct mg_node *n, const char *before, const char *const *words);

/* Schema pieces (schema.c). */
cJSON *mg_schema_key(const struct mg_key *k);
void mg_schema_section(cJSON *o, const struct mg_key *keys);
/* The pattern of a map's names. */
void mg_schema_names(cJSON *o, const char *pattern);
cJSON *mg_schema_requires(const char *key);

#endif
