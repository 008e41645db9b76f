/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONFIG_TREE_H
#define MG_CONFIG_TREE_H

#include "governor/config/config.h"

#define MG_MAX_YAML_NODES    65536 /* of one file */
#define MG_MAX_YAML_CHILDREN 1024  /* of one map or list */

/* A YAML text as a tree in which every node knows where it stands. BAD: already reported, to be skipped in silence. */
enum mg_node_type { MG_NODE_SCALAR, MG_NODE_MAP, MG_NODE_LIST, MG_NODE_BAD };

struct mg_node {
	enum mg_node_type type;
	unsigned line, column;        /* 1-based; columns count characters */
	unsigned indent;              /* columns before the text of a scalar: 1 when quoted */
	bool one_to_one;              /* the text stands in the file as it is, so offsets into it are columns */
	bool plain;                   /* not quoted */
	const struct mg_node *key;    /* of a map's child */
	struct mg_node *child, *last, *next;
	struct mg_node *older;        /* all nodes, for freeing */
	unsigned n;                   /* children */
	size_t len;
	char text[];                  /* of a scalar, terminated, without control bytes */
};

struct mg_tree {
	struct mg_node *root, *newest;
	unsigned n;
};

/* Reads one YAML document. 0: *ret holds a tree (mg_tree_free), findings may have been added; -EINVAL: not readable, a
 * finding says where; -ENOMEM. Anchors, aliases, tags, duplicate keys and further documents are findings. */
int mg_tree_parse(struct mg_tree *ret, const char *text, size_t len, struct mg_findings *f) MG_CHECK_RESULT;
void mg_tree_free(struct mg_tree *t);
/* The value of a key, NULL when the map (may be NULL) has none. */
const struct mg_node *mg_node_get(const struct mg_node *map, const char *key);
/* The column of text[offset]; the node's own where the file writes the text in another way. */
unsigned mg_node_column(const struct mg_node *n, size_t offset);

#endif
