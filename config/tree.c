#include "config/tree.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* One parse under way. `root` is the first node made, so that all others hang on its `all` list. */
struct build {
	yaml_parser_t parser;
	const char *text, *name;
	size_t len;
	struct seg_node *root, *open; /* open: the list or map that is being filled */
	size_t depth, nodes, documents;
	char *key; /* waiting for its value */
	size_t key_line, key_column;
	struct seg_error *err;
};

static enum seg_rc refuse(struct build *b, yaml_mark_t mark, const char *what)
{
	seg_error_set(b->err, SEG_INVALID, "%s:%zu:%zu: %s", b->name, mark.line + 1, mark.column + 1, what);
	return SEG_INVALID;
}

static enum seg_rc no_memory(struct build *b)
{
	seg_error_set(b->err, SEG_NO_MEMORY, "%s: out of memory", b->name);
	return SEG_NO_MEMORY;
}

void seg_text_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void seg_tree_free(struct seg_node *root)
{
	while (root) {
		struct seg_node *next = root->all;

		free(root->key);
		seg_text_free(root->text);
		seg_text_free(root->written);
		free(root);
		root = next;
	}
}

bool seg_node_is_null(const struct seg_node *n)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	if (n->kind != SEG_NODE_TEXT || !n->plain || n->written)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (strcmp(n->text, nulls[i]) == 0)
			return true;
	return false;
}

const char *seg_node_kind_text(const struct seg_node *n)
{
	switch (n->kind) {
	case SEG_NODE_TEXT:
		return seg_node_is_null(n) ? "nothing" : "text";
	case SEG_NODE_LIST:
		return "a list";
	case SEG_NODE_MAP:
		return "a map";
	}
	return "";
}

/* Bytes that libyaml cannot read have an offset only; text before it is counted for line and column. */
static enum seg_rc refuse_bytes(struct build *b)
{
	yaml_mark_t at = {.index = 0};

	for (size_t i = 0; i < b->parser.problem_offset && i < b->len; i++) {
		unsigned char c = (unsigned char)b->text[i];

		if (c == '\n') {
			at.line++;
			at.column = 0;
		} else if ((c & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return refuse(b, at, "a byte that is not UTF-8 text; save the file as UTF-8 without control characters");
}

static enum seg_rc refuse_syntax(struct build *b)
{
	char what[256];
	const char *context = b->parser.context;

	if (b->parser.error == YAML_MEMORY_ERROR)
		return no_memory(b);
	if (b->parser.error == YAML_READER_ERROR)
		return refuse_bytes(b);
	snprintf(what, sizeof(what), "not YAML: %s%s%s%s", b->parser.problem ? b->parser.problem : "unreadable",
		 context ? " (" : "", context ? context : "", context ? ")" : "");
	return refuse(b, b->parser.problem_mark, what);
}

static enum seg_rc add_node(struct build *b, enum seg_node_kind kind, yaml_mark_t mark, struct seg_node **ret)
{
	struct seg_node *n;

	if (!b->open && b->root)
		return refuse(b, mark, "a second document; one file is one configuration");
	if (!b->open && kind != SEG_NODE_MAP)
		return refuse(b, mark, "the file must be a map of `key: value` lines");
	if (++b->nodes > SEG_TREE_NODES_MAX)
		return refuse(b, mark, "too many values for a configuration");
	n = calloc(1, sizeof(*n));
	if (!n)
		return no_memory(b);
	*n = (struct seg_node){.kind = kind, .line = mark.line + 1, .column = mark.column + 1, .parent = b->open};
	n->key = b->key;
	n->key_line = b->key_line;
	n->key_column = b->key_column;
	b->key = NULL;
	if (!b->root) {
		b->root = n;
	} else {
		n->all = b->root->all;
		b->root->all = n;
	}
	if (b->open) {
		if (b->open->last)
			b->open->last->next = n;
		else
			b->open->first = n;
		b->open->last = n;
		b->open->len++;
	}
	*ret = n;
	return SEG_OK;
}

static enum seg_rc open_node(struct build *b, enum seg_node_kind kind, yaml_mark_t mark)
{
	struct seg_node *n;
	enum seg_rc rc;

	if (b->open && b->open->kind == SEG_NODE_MAP && !b->key)
		return refuse(b, mark, "a key must be text");
	if (++b->depth > SEG_TREE_DEPTH_MAX)
		return refuse(b, mark, "nested too deeply for a configuration");
	rc = add_node(b, kind, mark, &n);
	if (rc == SEG_OK)
		b->open = n;
	return rc;
}

static void close_node(struct build *b)
{
	b->open = b->open->parent;
	b->depth--;
}

static enum seg_rc take_key(struct build *b, const char *text, size_t len, yaml_mark_t mark)
{
	char what[SEG_TREE_KEY_MAX + 80];

	if (len == 0)
		return refuse(b, mark, "an empty key");
	if (len > SEG_TREE_KEY_MAX)
		return refuse(b, mark, "a key longer than 200 bytes");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return refuse(b, mark, "a control character in a key");
	if (b->open->len >= SEG_TREE_KEYS_MAX)
		return refuse(b, mark, "more than 1000 keys in one map");
	if (strcmp(text, "<<") == 0)
		return refuse(b, mark, "merge keys (<<) are not supported; write the values out");
	for (const struct seg_node *n = b->open->first; n; n = n->next) {
		if (strcmp(n->key, text) != 0)
			continue;
		snprintf(what, sizeof(what), "`%s` is given twice; it is already in line %zu", text, n->key_line);
		return refuse(b, mark, what);
	}
	b->key = strdup(text);
	b->key_line = mark.line + 1;
	b->key_column = mark.column + 1;
	return b->key ? SEG_OK : no_memory(b);
}

static enum seg_rc take_text(struct build *b, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	struct seg_node *n;
	enum seg_rc rc;

	if (strlen(text) != len)
		return refuse(b, e->start_mark, "a NUL character in a text");
	if (b->open && b->open->kind == SEG_NODE_MAP && !b->key)
		return take_key(b, text, len, e->start_mark);
	if (len > SEG_TREE_TEXT_MAX)
		return refuse(b, e->start_mark, "a text longer than 64 KiB");
	/* A file of nothing but comments between document markers is an empty configuration. */
	if (!b->open && !b->root && len == 0 && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return SEG_OK;
	rc = add_node(b, SEG_NODE_TEXT, e->start_mark, &n);
	if (rc != SEG_OK)
		return rc;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = strdup(text);
	return n->text ? SEG_OK : no_memory(b);
}

static enum seg_rc refuse_extras(struct build *b, yaml_mark_t mark, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return refuse(b, mark, "anchors (&name) are not supported; write the value out where it is needed");
	if (tag)
		return refuse(b, mark, "tags (!name) are not supported; the option decides the type");
	return SEG_OK;
}

static enum seg_rc take_event(struct build *b, const yaml_event_t *e)
{
	enum seg_rc rc;

	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return refuse(b, e->start_mark, "aliases (*name) are not supported; write the value out");
	case YAML_SCALAR_EVENT:
		rc = refuse_extras(b, e->start_mark, e->data.scalar.anchor, e->data.scalar.tag);
		return rc == SEG_OK ? take_text(b, e) : rc;
	case YAML_SEQUENCE_START_EVENT:
		rc = refuse_extras(b, e->start_mark, e->data.sequence_start.anchor, e->data.sequence_start.tag);
		return rc == SEG_OK ? open_node(b, SEG_NODE_LIST, e->start_mark) : rc;
	case YAML_MAPPING_START_EVENT:
		rc = refuse_extras(b, e->start_mark, e->data.mapping_start.anchor, e->data.mapping_start.tag);
		return rc == SEG_OK ? open_node(b, SEG_NODE_MAP, e->start_mark) : rc;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_node(b);
		return SEG_OK;
	case YAML_DOCUMENT_START_EVENT:
		if (++b->documents > 1)
			return refuse(b, e->start_mark, "a second document; one file is one configuration");
		return SEG_OK;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return SEG_OK;
	}
	return SEG_OK;
}

static enum seg_rc build(struct build *b)
{
	enum seg_rc rc = SEG_OK;
	bool end = false;

	while (rc == SEG_OK && !end) {
		yaml_event_t e;

		if (!yaml_parser_parse(&b->parser, &e))
			return refuse_syntax(b);
		end = e.type == YAML_STREAM_END_EVENT;
		rc = take_event(b, &e);
		if (e.type == YAML_SCALAR_EVENT)
			explicit_bzero(e.data.scalar.value, e.data.scalar.length);
		yaml_event_delete(&e);
	}
	return rc;
}

enum seg_rc seg_tree_parse(const char *text, size_t len, const char *name, struct seg_node **ret, struct seg_error *err)
{
	struct build b = {.text = text, .len = len, .name = name, .err = err};
	enum seg_rc rc;

	if (len > SEG_TREE_BYTES_MAX)
		return seg_error_set(err, SEG_INVALID, "%s: larger than 1 MiB", name);
	if (!yaml_parser_initialize(&b.parser))
		return no_memory(&b);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	rc = build(&b);
	yaml_parser_delete(&b.parser);
	free(b.key);
	if (rc == SEG_OK)
		*ret = b.root;
	else
		seg_tree_free(b.root);
	return rc;
}
