#include "consumers/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "consumers/arena.h"

const char *const seg_avro_type_names[SEG_AVRO_TYPES] = {
	"null",	  "boolean", "int",  "long",  "float", "double", "bytes",
	"string", "record",  "enum", "fixed", "array", "map",	 "union",
};

enum { MAX_NAME = 512, ARENA_MAX = 16 * 1024 * 1024 };

/* The public part first, so that one pointer serves both. */
struct schema {
	struct seg_schema pub;
	struct seg_arena arena;
	json_t *json; /* defaults and names point into it */
};

struct parser {
	struct schema *schema;
	json_t *names; /* full name to index of the node */
	struct seg_schema_node **nodes;
	uint32_t nodes_len, nodes_cap;
	struct seg_error *err;
};

static struct seg_schema_node *parse(struct parser *p, const json_t *j, const char *space, unsigned depth);

const char *seg_schema_short_name(const char *full)
{
	const char *dot = strrchr(full, '.');
	return dot ? dot + 1 : full;
}

static void *no_memory(struct parser *p)
{
	(void)!seg_error_set(p->err, SEG_NO_MEMORY, "out of memory for a schema");
	return NULL;
}

#define invalid(p, ...) ((void)!seg_error_set((p)->err, SEG_INVALID, __VA_ARGS__), NULL)

static void *take(struct parser *p, size_t count, size_t size)
{
	void *m = seg_arena_alloc(&p->schema->arena, count * size);
	return m ? m : no_memory(p);
}

static bool name_is_valid(const char *name, bool dots)
{
	bool start = true;
	for (const char *c = name; *c; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
		bool digit = *c >= '0' && *c <= '9';
		if (*c == '.' && dots && !start)
			start = true;
		else if (letter || (digit && !start))
			start = false;
		else
			return false;
	}
	return !start;
}

static bool primitive(const char *name, enum seg_avro_type *ret)
{
	for (int t = SEG_AVRO_NULL; t <= SEG_AVRO_STRING; t++) {
		if (strcmp(name, seg_avro_type_names[t]) == 0) {
			*ret = (enum seg_avro_type)t;
			return true;
		}
	}
	return false;
}

static struct seg_schema_node *add_node(struct parser *p, enum seg_avro_type type)
{
	if (p->nodes_len == SEG_SCHEMA_MAX_NODES)
		return invalid(p, "the schema has more than %d types", SEG_SCHEMA_MAX_NODES);
	if (p->nodes_len == p->nodes_cap) {
		uint32_t cap = p->nodes_cap ? p->nodes_cap * 2 : 64;
		struct seg_schema_node **grown = realloc(p->nodes, cap * sizeof(struct seg_schema_node *));
		if (!grown)
			return no_memory(p);
		p->nodes = grown;
		p->nodes_cap = cap;
	}
	struct seg_schema_node *n = take(p, 1, sizeof(*n));
	if (!n)
		return NULL;
	n->type = type;
	n->index = p->nodes_len;
	n->references = 1;
	n->symbol_default = -1;
	p->nodes[p->nodes_len++] = n;
	return n;
}

/* name, or space.name if name has no dot; in the arena. */
static const char *full_name(struct parser *p, const char *name, const char *space)
{
	if (!name_is_valid(name, true))
		return invalid(p, "\"%.60s\" is not a valid name", name);
	bool alone = strchr(name, '.') || !space || !*space;
	size_t len = strlen(name) + (alone ? 0 : strlen(space) + 1);
	if (len > MAX_NAME)
		return invalid(p, "the name \"%.60s…\" is longer than %d bytes", name, MAX_NAME);
	char *full = take(p, len + 1, 1);
	if (full)
		snprintf(full, len + 1, "%s%s%s", alone ? "" : space, alone ? "" : ".", name);
	return full;
}

static const char *space_of(struct parser *p, const char *full)
{
	const char *dot = strrchr(full, '.');
	char *space = seg_arena_copy(&p->schema->arena, full, dot ? (size_t)(dot - full) : 0);
	return space ? space : no_memory(p);
}

/* A list of names (`aliases`, `symbols`); resolved against space if that is not NULL. */
static bool parse_names(struct parser *p, const json_t *j, const char *space, const char ***ret, uint32_t *ret_len)
{
	if (!j)
		return true;
	if (!json_is_array(j))
		return invalid(p, "aliases and symbols must be arrays of names") != NULL;
	uint32_t len = (uint32_t)json_array_size(j);
	const char **list = len ? take(p, len, sizeof(*list)) : NULL;
	if (len && !list)
		return false;
	for (uint32_t i = 0; i < len; i++) {
		const char *s = json_string_value(json_array_get(j, i));
		if (!s || !name_is_valid(s, space != NULL))
			return invalid(p, "\"%.60s\" is not a valid name", s ? s : "(not a string)") != NULL;
		list[i] = space ? full_name(p, s, space) : s;
		if (!list[i])
			return false;
	}
	*ret = list;
	*ret_len = len;
	return true;
}

/* Gives the node its full name and makes it known, before its parts are parsed: they may refer to it. */
static const char *define(struct parser *p, struct seg_schema_node *n, const json_t *j, const char *space)
{
	const char *name = json_string_value(json_object_get(j, "name"));
	const json_t *own = json_object_get(j, "namespace");
	enum seg_avro_type ignored;
	if (!name)
		return invalid(p, "a %s has no name", seg_avro_type_names[n->type]);
	if (own && !json_is_string(own))
		return invalid(p, "the namespace of \"%.60s\" is not a string", name);
	if (own && *json_string_value(own) && !name_is_valid(json_string_value(own), true))
		return invalid(p, "\"%.60s\" is not a valid namespace", json_string_value(own));
	n->name = full_name(p, name, own ? json_string_value(own) : space);
	if (!n->name)
		return NULL;
	if (primitive(n->name, &ignored))
		return invalid(p, "\"%s\" is the name of a primitive type", n->name);
	if (json_object_get(p->names, n->name))
		return invalid(p, "\"%.200s\" is defined twice", n->name);
	if (json_object_set_new(p->names, n->name, json_integer(n->index)))
		return no_memory(p);
	const char *inner = space_of(p, n->name);
	if (!inner || !parse_names(p, json_object_get(j, "aliases"), inner, &n->aliases, &n->aliases_len))
		return NULL;
	return inner;
}

static bool parse_field(struct parser *p, struct seg_schema_field *f, const json_t *j, const char *space,
			unsigned depth)
{
	const json_t *type = json_object_get(j, "type");
	f->name = json_string_value(json_object_get(j, "name"));
	if (!f->name || !name_is_valid(f->name, false))
		return invalid(p, "\"%.60s\" is not a valid field name", f->name ? f->name : "(none)") != NULL;
	if (!type)
		return invalid(p, "field \"%.60s\" has no type", f->name) != NULL;
	f->value = json_object_get(j, "default");
	if (!parse_names(p, json_object_get(j, "aliases"), NULL, &f->aliases, &f->aliases_len))
		return false;
	f->type = parse(p, type, space, depth + 1);
	return f->type != NULL;
}

/* Takes a name into a set; false: it was there, or out of memory. */
static bool unique(struct parser *p, json_t *set, const char *name, const char *what)
{
	if (json_object_get(set, name))
		return invalid(p, "%s \"%.60s\" is there twice", what, name) != NULL;
	if (json_object_set_new(set, name, json_true()))
		return no_memory(p) != NULL;
	return true;
}

static bool parse_record(struct parser *p, struct seg_schema_node *n, const json_t *j, const char *space,
			 unsigned depth)
{
	const char *inner = define(p, n, j, space);
	const json_t *fields = json_object_get(j, "fields");
	if (!inner)
		return false;
	if (!json_is_array(fields))
		return invalid(p, "record \"%.200s\" has no array of fields", n->name) != NULL;
	n->len = (uint32_t)json_array_size(fields);
	n->fields = n->len ? take(p, n->len, sizeof(*n->fields)) : NULL;
	if (n->len && !n->fields)
		return false;
	json_t *seen = json_object();
	bool ok = seen != NULL;
	for (uint32_t i = 0; ok && i < n->len; i++) {
		ok = parse_field(p, &n->fields[i], json_array_get(fields, i), inner, depth) &&
		     unique(p, seen, n->fields[i].name, "field");
	}
	json_decref(seen);
	return ok;
}

static bool parse_enum(struct parser *p, struct seg_schema_node *n, const json_t *j, const char *space)
{
	if (!define(p, n, j, space) || !parse_names(p, json_object_get(j, "symbols"), NULL, &n->symbols, &n->len))
		return false;
	if (n->len == 0)
		return invalid(p, "enum \"%.200s\" has no symbols", n->name) != NULL;
	const json_t *value = json_object_get(j, "default");
	json_t *seen = json_object();
	bool ok = seen != NULL;
	for (uint32_t i = 0; ok && i < n->len; i++) {
		ok = unique(p, seen, n->symbols[i], "symbol");
		if (json_is_string(value) && strcmp(json_string_value(value), n->symbols[i]) == 0)
			n->symbol_default = (int32_t)i;
	}
	json_decref(seen);
	if (ok && value && n->symbol_default < 0)
		return invalid(p, "the default of enum \"%.200s\" is not one of its symbols", n->name) != NULL;
	return ok;
}

static bool parse_fixed(struct parser *p, struct seg_schema_node *n, const json_t *j, const char *space)
{
	if (!define(p, n, j, space))
		return false;
	const json_t *size = json_object_get(j, "size");
	if (!json_is_integer(size) || json_integer_value(size) < 1 || json_integer_value(size) > SEG_SCHEMA_MAX_FIXED)
		return invalid(p, "the size of fixed \"%.200s\" must be 1 to %d", n->name, SEG_SCHEMA_MAX_FIXED) !=
		       NULL;
	n->size = (uint32_t)json_integer_value(size);
	return true;
}

static bool parse_item(struct parser *p, struct seg_schema_node *n, const json_t *item, const char *space,
		       unsigned depth)
{
	if (!item)
		return invalid(p, "an %s has no item type", seg_avro_type_names[n->type]) != NULL;
	n->len = 1;
	n->parts = take(p, 1, sizeof(struct seg_schema_node *));
	if (!n->parts)
		return false;
	n->parts[0] = parse(p, item, space, depth + 1);
	return n->parts[0] != NULL;
}

static struct seg_schema_node *parse_union(struct parser *p, const json_t *j, const char *space, unsigned depth)
{
	struct seg_schema_node *n = add_node(p, SEG_AVRO_UNION);
	if (!n)
		return NULL;
	n->len = (uint32_t)json_array_size(j);
	if (n->len == 0)
		return invalid(p, "a union has no branches");
	n->parts = take(p, n->len, sizeof(struct seg_schema_node *));
	json_t *seen = n->parts ? json_object() : NULL;
	bool ok = seen != NULL;
	for (uint32_t i = 0; ok && i < n->len; i++) {
		struct seg_schema_node *part = parse(p, json_array_get(j, i), space, depth + 1);
		n->parts[i] = part;
		if (part && part->type == SEG_AVRO_UNION)
			(void)invalid(p, "a union is directly in a union");
		ok = part && part->type != SEG_AVRO_UNION &&
		     unique(p, seen, part->name ? part->name : seg_avro_type_names[part->type], "union branch");
	}
	json_decref(seen);
	return ok ? n : NULL;
}

static struct seg_schema_node *parse_name(struct parser *p, const char *name, const char *space)
{
	enum seg_avro_type type;
	if (primitive(name, &type))
		return add_node(p, type);
	const char *full = full_name(p, name, space);
	if (!full)
		return NULL;
	const json_t *index = json_object_get(p->names, full);
	if (!index)
		index = json_object_get(p->names, name); /* what older writers do: a name without a namespace */
	if (!index || !p->nodes)
		return invalid(p, "\"%.200s\" is not a known type", full);
	struct seg_schema_node *n = p->nodes[json_integer_value(index)];
	n->references++;
	return n;
}

static enum seg_logical logical_of(const json_t *j, enum seg_avro_type type)
{
	const char *name = json_string_value(json_object_get(j, "logicalType"));
	if (!name)
		return SEG_LOGICAL_NONE;
	if (type == SEG_AVRO_LONG && strcmp(name, "timestamp-millis") == 0)
		return SEG_LOGICAL_MILLIS;
	if (type == SEG_AVRO_LONG && strcmp(name, "timestamp-micros") == 0)
		return SEG_LOGICAL_MICROS;
	if (type == SEG_AVRO_INT && strcmp(name, "date") == 0)
		return SEG_LOGICAL_DATE;
	return SEG_LOGICAL_NONE;
}

static struct seg_schema_node *parse_complex(struct parser *p, enum seg_avro_type type, const json_t *j,
					     const char *space, unsigned depth)
{
	struct seg_schema_node *n = add_node(p, type);
	bool ok = n != NULL;
	if (ok && type == SEG_AVRO_RECORD)
		ok = parse_record(p, n, j, space, depth);
	else if (ok && type == SEG_AVRO_ENUM)
		ok = parse_enum(p, n, j, space);
	else if (ok && type == SEG_AVRO_FIXED)
		ok = parse_fixed(p, n, j, space);
	else if (ok)
		ok = parse_item(p, n, json_object_get(j, type == SEG_AVRO_MAP ? "values" : "items"), space, depth);
	return ok ? n : NULL;
}

static struct seg_schema_node *parse(struct parser *p, const json_t *j, const char *space, unsigned depth)
{
	if (depth > SEG_SCHEMA_MAX_DEPTH)
		return invalid(p, "types nest deeper than %d levels", SEG_SCHEMA_MAX_DEPTH);
	if (json_is_string(j))
		return parse_name(p, json_string_value(j), space);
	if (json_is_array(j))
		return parse_union(p, j, space, depth);
	const json_t *type = json_object_get(j, "type");
	if (!type)
		return invalid(p, "a type must be a name, an array or an object with a \"type\"");
	const char *name = json_string_value(type);
	enum seg_avro_type simple;
	if (name && strcmp(name, "error") == 0)
		name = "record";
	for (int t = SEG_AVRO_RECORD; name && t <= SEG_AVRO_MAP; t++) {
		if (strcmp(name, seg_avro_type_names[t]) == 0)
			return parse_complex(p, (enum seg_avro_type)t, j, space, depth);
	}
	struct seg_schema_node *n = parse(p, type, space, depth + 1);
	if (n && name && primitive(name, &simple))
		n->logical = logical_of(j, n->type);
	return n;
}

enum seg_rc seg_schema_parse(const char *text, size_t len, struct seg_schema **ret, struct seg_error *err)
{
	struct seg_error local = {SEG_OK, ""};
	json_error_t at;
	if (len > SEG_SCHEMA_MAX_TEXT)
		return seg_error_set(err, SEG_INVALID, "the schema is larger than %d bytes", SEG_SCHEMA_MAX_TEXT);
	struct schema *s = calloc(1, sizeof(*s));
	struct parser p = {.schema = s, .names = json_object(), .err = &local};
	if (!s || !p.names) {
		no_memory(&p);
		goto out;
	}
	seg_arena_init(&s->arena, ARENA_MAX);
	s->json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
	if (!s->json) {
		(void)invalid(&p, "line %d: %s", at.line, at.text);
		goto out;
	}
	s->pub.root = parse(&p, s->json, NULL, 0);
	s->pub.nodes = p.nodes_len;
	if (s->pub.root)
		(void)!seg_avro_fingerprint(text, len, &s->pub.fingerprint, &local);
out:
	json_decref(p.names);
	free(p.nodes);
	if (local.rc != SEG_OK) {
		seg_schema_free(s ? &s->pub : NULL);
		return seg_error_set(err, local.rc, "%s", local.text);
	}
	*ret = &s->pub;
	return SEG_OK;
}

void seg_schema_free(struct seg_schema *s)
{
	struct schema *own = (struct schema *)s;
	if (!own)
		return;
	json_decref(own->json);
	seg_arena_release(&own->arena);
	free(own);
}
