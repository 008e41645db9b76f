/* SPDX-License-Identifier: Apache-2.0 */
/* YAML text in, a tree with positions out. libyaml's events are read instead of its documents, because a document has
 * already followed aliases, forgotten anchors and swallowed duplicate keys, and all three are errors here. Called by the
 * loader (load.c). */
#include "governor/config/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#include "governor/config/findings.h"

struct builder {
	struct mg_tree *tree;
	struct mg_findings *f;
	struct mg_node *open[MG_MAX_CONFIG_DEPTH]; /* the maps and lists around the present event */
	struct mg_node *key[MG_MAX_CONFIG_DEPTH];  /* of each: the key that waits for its value */
	unsigned depth, documents;
	bool done;
};

static int refuse(struct builder *b, yaml_mark_t at, const char *text)
{
	mg_finding_add(b->f, MG_SEV_ERROR, (unsigned)at.line + 1, (unsigned)at.column + 1, "%s", text);
	return -EINVAL;
}

static struct mg_node *new_node(struct builder *b, const yaml_event_t *e, enum mg_node_type type, size_t len)
{
	struct mg_node *n = calloc(1, sizeof *n + len + 1);

	if (!n)
		return NULL;
	n->type = type;
	n->line = (unsigned)e->start_mark.line + 1;
	n->column = (unsigned)e->start_mark.column + 1;
	n->len = len;
	n->older = b->tree->newest;
	b->tree->newest = n;
	b->tree->n++;
	return n;
}

static void check_duplicate(struct builder *b, const struct mg_node *map, const struct mg_node *key)
{
	for (const struct mg_node *c = map->child; c; c = c->next) {
		if (c->key->len != key->len || memcmp(c->key->text, key->text, key->len) != 0)
			continue;
		mg_finding_add(b->f, MG_SEV_ERROR, key->line, key->column, "`%.64s` is given twice, first on line %u", key->text, c->key->line);
		return;
	}
}

/* A node that stands where a map expects a key. */
static void take_key(struct builder *b, struct mg_node *map, struct mg_node *n)
{
	if (n->type == MG_NODE_SCALAR)
		check_duplicate(b, map, n);
	else if (n->type != MG_NODE_BAD)
		mg_finding_add(b->f, MG_SEV_ERROR, n->line, n->column, "a key must be one word, not a map or a list");
	b->key[b->depth - 1] = n;
}

/* Hangs n under the innermost open map or list. */
static int attach(struct builder *b, struct mg_node *n)
{
	if (b->depth == 0) {
		b->tree->root = n;
		return 0;
	}
	struct mg_node *parent = b->open[b->depth - 1], **key = &b->key[b->depth - 1];
	if (parent->type == MG_NODE_MAP && !*key) {
		take_key(b, parent, n);
		return 0;
	}
	if (parent->n == MG_MAX_YAML_CHILDREN) {
		mg_finding_add(b->f, MG_SEV_ERROR, n->line, n->column, "more than %d entries in one map or list", MG_MAX_YAML_CHILDREN);
		return -EINVAL;
	}
	n->key = *key;
	*key = NULL;
	*(parent->last ? &parent->last->next : &parent->child) = n;
	parent->last = n;
	parent->n++;
	return 0;
}

static int check_marks(struct builder *b, const yaml_event_t *e, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (b->tree->n >= MG_MAX_YAML_NODES)
		return refuse(b, e->start_mark, "too many values for a policy file");
	if (anchor)
		refuse(b, e->start_mark, "anchors are not accepted: write the value out");
	if (tag)
		refuse(b, e->start_mark, "tags are not accepted: write the value plain");
	return 0;
}

static int on_open(struct builder *b, const yaml_event_t *e, enum mg_node_type type)
{
	if (b->depth == MG_MAX_CONFIG_DEPTH)
		return refuse(b, e->start_mark, "nested too deeply for a policy file");
	struct mg_node *n = new_node(b, e, type, 0);
	if (!n)
		return -ENOMEM;
	int r = attach(b, n);
	if (r < 0)
		return r;
	b->key[b->depth] = NULL;
	b->open[b->depth++] = n;
	return 0;
}

static int on_map(struct builder *b, const yaml_event_t *e)
{
	int r = check_marks(b, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);

	return r < 0 ? r : on_open(b, e, MG_NODE_MAP);
}

static int on_list(struct builder *b, const yaml_event_t *e)
{
	int r = check_marks(b, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);

	return r < 0 ? r : on_open(b, e, MG_NODE_LIST);
}

static int on_close(struct builder *b, const yaml_event_t *e)
{
	(void)e;
	b->depth--;
	return 0;
}

static unsigned characters(const char *s, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

/* Block texts (`|`, `>`) are one line to us: breaks become spaces and the last one goes. */
static void unfold(struct mg_node *n)
{
	for (size_t i = 0; i < n->len; i++)
		if (n->text[i] == '\n')
			n->text[i] = ' ';
	while (n->len > 0 && n->text[n->len - 1] == ' ')
		n->text[--n->len] = '\0';
}

/* C0, DEL and C1: escapes in quotes can write what libyaml refuses to read plain, and terminals obey. */
static bool has_control(const struct mg_node *n)
{
	const unsigned char *s = (const unsigned char *)n->text;

	for (size_t i = 0; i < n->len; i++)
		if (s[i] < 0x20 || s[i] == 0x7f || (s[i] == 0xc2 && s[i + 1] < 0xa0))
			return true;
	return false;
}

static int on_scalar(struct builder *b, const yaml_event_t *e)
{
	yaml_scalar_style_t style = e->data.scalar.style;
	int r = check_marks(b, e, e->data.scalar.anchor, e->data.scalar.tag);

	if (r < 0)
		return r;
	struct mg_node *n = new_node(b, e, MG_NODE_SCALAR, e->data.scalar.length);
	if (!n)
		return -ENOMEM;
	memcpy(n->text, e->data.scalar.value, n->len);
	if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
		unfold(n);
	if (has_control(n)) {
		refuse(b, e->start_mark, "a control character in a text");
		n->type = MG_NODE_BAD;
	}
	n->plain = style == YAML_PLAIN_SCALAR_STYLE;
	n->indent = !n->plain;
	size_t width = e->end_mark.column - e->start_mark.column;
	n->one_to_one = e->start_mark.line == e->end_mark.line && width == characters(n->text, n->len) + 2 * n->indent;
	return attach(b, n);
}

static int on_alias(struct builder *b, const yaml_event_t *e)
{
	refuse(b, e->start_mark, "aliases are not accepted: write the value out");
	struct mg_node *n = new_node(b, e, MG_NODE_BAD, 0);
	return n ? attach(b, n) : -ENOMEM;
}

static int on_document(struct builder *b, const yaml_event_t *e)
{
	if (b->documents++ > 0)
		return refuse(b, e->start_mark, "a second document: a policy file holds one");
	if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
		refuse(b, e->start_mark, "tags are not accepted: remove %TAG");
	return 0;
}

static int on_end(struct builder *b, const yaml_event_t *e)
{
	b->done = true;
	return b->tree->root ? 0 : refuse(b, e->start_mark, "the file is empty: a policy file starts with `version: 1`");
}

static int on_nothing(struct builder *b, const yaml_event_t *e)
{
	(void)b;
	(void)e;
	return 0;
}

static int (*const handlers[])(struct builder *b, const yaml_event_t *e) = {
	[YAML_NO_EVENT] = on_nothing,
	[YAML_STREAM_START_EVENT] = on_nothing,
	[YAML_STREAM_END_EVENT] = on_end,
	[YAML_DOCUMENT_START_EVENT] = on_document,
	[YAML_DOCUMENT_END_EVENT] = on_nothing,
	[YAML_ALIAS_EVENT] = on_alias,
	[YAML_SCALAR_EVENT] = on_scalar,
	[YAML_SEQUENCE_START_EVENT] = on_list,
	[YAML_SEQUENCE_END_EVENT] = on_close,
	[YAML_MAPPING_START_EVENT] = on_map,
	[YAML_MAPPING_END_EVENT] = on_close,
};

/* libyaml gives its reader's errors (bytes that are no text) a byte offset instead of a mark. */
static yaml_mark_t mark_of_offset(const char *text, size_t len, size_t offset)
{
	yaml_mark_t m = { .index = offset };

	for (size_t at = 0; at < len && at < offset;) {
		size_t n = mg_line_break(text + at, len - at);
		m.line += n > 0;
		m.column = n > 0 ? 0 : m.column + (((unsigned char)text[at] & 0xc0) != 0x80);
		at += n > 0 ? n : 1;
	}
	return m;
}

static int syntax_error(struct builder *b, const yaml_parser_t *p, const char *text, size_t len)
{
	const char *problem = p->problem ? p->problem : "not readable";
	yaml_mark_t at = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR)
		at = mark_of_offset(text, len, p->problem_offset);
	mg_finding_add(b->f, MG_SEV_ERROR, (unsigned)at.line + 1, (unsigned)at.column + 1, "not YAML: %s%s%s", problem,
		       p->context ? " " : "", p->context ? p->context : "");
	return -EINVAL;
}

static int build(struct builder *b, yaml_parser_t *p, const char *text, size_t len)
{
	while (!b->done) {
		yaml_event_t e;
		if (!yaml_parser_parse(p, &e))
			return syntax_error(b, p, text, len);
		int r = handlers[e.type](b, &e);
		yaml_event_delete(&e);
		if (r < 0)
			return r;
	}
	return 0;
}

int mg_tree_parse(struct mg_tree *ret, const char *text, size_t len, struct mg_findings *f)
{
	struct mg_tree tree = { 0 };
	struct builder b = { .tree = &tree, .f = f };
	yaml_parser_t p;

	/* libyaml would read UTF-16 behind its mark, and every position and every source line would be off. */
	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		return refuse(&b, (yaml_mark_t){ 0 }, "not UTF-8: save the file as UTF-8");
	if (!yaml_parser_initialize(&p))
		return -ENOMEM;
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	int r = build(&b, &p, text, len);
	yaml_parser_delete(&p);
	if (r < 0)
		mg_tree_free(&tree);
	else
		*ret = tree;
	return r;
}

void mg_tree_free(struct mg_tree *t)
{
	for (struct mg_node *n = t->newest, *older; n; n = older) {
		older = n->older;
		free(n);
	}
	*t = (struct mg_tree){ 0 };
}

const struct mg_node *mg_node_get(const struct mg_node *map, const char *key)
{
	if (!map || map->type != MG_NODE_MAP)
		return NULL;
	for (const struct mg_node *c = map->child; c; c = c->next)
		if (c->key->type == MG_NODE_SCALAR && mg_equal(c->key->text, c->key->len, key))
			return c;
	return NULL;
}

unsigned mg_node_column(const struct mg_node *n, size_t offset)
{
	if (!n->one_to_one || offset > n->len)
		return n->column;
	return n->column + n->indent + characters(n->text, offset);
}
