/*
 * A YAML text as a small tree that knows lines and columns: what libyaml says, without what a configuration has no use
 * for. Aliases and anchors, tags, several documents, keys that are not text and keys given twice are refused; size,
 * depth and number of nodes are bounded. All texts are wiped when the tree is freed, for they may hold secrets.
 *
 * No state; a tree belongs to its caller.
 */
#ifndef SEG_CONFIG_TREE_H
#define SEG_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum {
	SEG_TREE_BYTES_MAX = 1 << 20,
	SEG_TREE_DEPTH_MAX = 16,
	SEG_TREE_NODES_MAX = 20000,
	SEG_TREE_KEYS_MAX = 1000,     /* of one map */
	SEG_TREE_TEXT_MAX = 64 << 10, /* a single scalar, also after ${ENV} is put in */
	SEG_TREE_KEY_MAX = 200
};

enum seg_node_kind { SEG_NODE_TEXT, SEG_NODE_LIST, SEG_NODE_MAP };

struct seg_node {
	enum seg_node_kind kind;
	size_t line, column; /* both from 1 */
	char *key;	     /* in a map; NULL else */
	size_t key_line, key_column;
	char *text;		       /* SEG_NODE_TEXT: its value, never NULL, without NUL bytes */
	char *written;		       /* as it stands in the file, if ${ENV} changed it: what messages may show */
	bool plain;		       /* not in quotes */
	struct seg_node *first, *last; /* children of lists and maps, in the order of the file */
	size_t len;
	struct seg_node *next; /* sibling */
	struct seg_node *parent;
	struct seg_node *all; /* of the tree, for freeing without recursion */
};

/* *ret is NULL for a text without a document. `name` stands for the file in messages ("name:line:column: …").
 * SEG_INVALID: not what is allowed; SEG_NO_MEMORY. The root is always a map. */
enum seg_rc seg_tree_parse(const char *text, size_t len, const char *name, struct seg_node **ret,
			   struct seg_error *err) SEG_MUST_CHECK;

/* The whole tree, given its root. NULL is nothing. */
void seg_tree_free(struct seg_node *root);

/* Nothing was written: empty, ~ or null, without quotes. */
bool seg_node_is_null(const struct seg_node *n);

/* "text", "a list", "a map", "nothing". Static. */
const char *seg_node_kind_text(const struct seg_node *n);

/* Wipes and frees a text. NULL is nothing. */
void seg_text_free(char *text);

#endif
