#include "base/avro_fingerprint.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define EMPTY UINT64_C(0xc15d213aa4d7a795)

enum { MAX_NAME = 1024 };

static const char *const primitives[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"};

struct writer {
	struct seg_buf *out;
	json_t *names; /* full names written so far */
	struct seg_error *err;
};

static bool type_form(struct writer *w, const json_t *j, const char *space, unsigned depth);

uint64_t seg_avro_crc64(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t fp = EMPTY;

	for (size_t i = 0; i < len; i++) {
		fp ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			fp = (fp >> 1) ^ (EMPTY & -(fp & 1));
	}
	return fp;
}

void seg_single_object_header(uint64_t fingerprint, uint8_t ret[SEG_SINGLE_OBJECT_HEADER])
{
	ret[0] = 0xC3;
	ret[1] = 0x01;
	for (int i = 0; i < 8; i++)
		ret[2 + i] = (uint8_t)(fingerprint >> (8 * i));
}

static bool invalid(struct writer *w, const char *what)
{
	(void)!seg_error_set(w->err, SEG_INVALID, "not an Avro schema: %s", what);
	return false;
}

static void put(struct writer *w, const char *text)
{
	seg_buf_append(w->out, text, strlen(text));
}

/* Names and symbols are letters, digits, dots and underscores: nothing to escape in those that are valid. */
static bool put_quoted(struct writer *w, const char *name)
{
	if (!name)
		return invalid(w, "a name or symbol is not a string");
	for (const char *c = name; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\')
			return invalid(w, "a name has a character that names cannot have");
	}
	put(w, "\"");
	put(w, name);
	put(w, "\"");
	return true;
}

static bool primitive(const char *name)
{
	for (size_t i = 0; i < sizeof(primitives) / sizeof(*primitives); i++) {
		if (strcmp(name, primitives[i]) == 0)
			return true;
	}
	return false;
}

static bool full_name(struct writer *w, const char *name, const char *space, char ret[MAX_NAME])
{
	bool alone = strchr(name, '.') || !*space;
	int len = snprintf(ret, MAX_NAME, "%s%s%s", alone ? "" : space, alone ? "" : ".", name);

	return len < MAX_NAME || invalid(w, "a name is too long");
}

/* A reference: a primitive type, or a name that was defined before. */
static bool name_form(struct writer *w, const char *name, const char *space)
{
	char full[MAX_NAME];

	if (primitive(name))
		return put_quoted(w, name);
	if (!full_name(w, name, space, full))
		return false;
	/* Older writers leave the namespace out of references. */
	if (!json_object_get(w->names, full) && json_object_get(w->names, name))
		return put_quoted(w, name);
	if (!json_object_get(w->names, full))
		return invalid(w, "a type that is not defined");
	return put_quoted(w, full);
}

static bool fields_form(struct writer *w, const json_t *j, const char *space, unsigned depth)
{
	const json_t *fields = json_object_get(j, "fields"), *field;
	size_t i;

	if (!json_is_array(fields))
		return invalid(w, "a record without an array of fields");
	put(w, ",\"fields\":[");
	json_array_foreach(fields, i, field)
	{
		put(w, i ? ",{\"name\":" : "{\"name\":");
		if (!put_quoted(w, json_string_value(json_object_get(field, "name"))))
			return false;
		put(w, ",\"type\":");
		if (!type_form(w, json_object_get(field, "type"), space, depth))
			return false;
		put(w, "}");
	}
	put(w, "]}");
	return true;
}

static bool symbols_form(struct writer *w, const json_t *j)
{
	const json_t *symbols = json_object_get(j, "symbols"), *symbol;
	size_t i;

	if (!json_is_array(symbols))
		return invalid(w, "an enum without an array of symbols");
	put(w, ",\"symbols\":[");
	json_array_foreach(symbols, i, symbol)
	{
		put(w, i ? "," : "");
		if (!put_quoted(w, json_string_value(symbol)))
			return false;
	}
	put(w, "]}");
	return true;
}

static bool named_form(struct writer *w, const char *type, const json_t *j, const char *space, unsigned depth)
{
	const char *name = json_string_value(json_object_get(j, "name"));
	const char *own = json_string_value(json_object_get(j, "namespace"));
	char full[MAX_NAME], inner[MAX_NAME];

	if (!name)
		return invalid(w, "a record, enum or fixed without a name");
	if (!full_name(w, name, own ? own : space, full))
		return false;
	snprintf(inner, sizeof(inner), "%s", full);
	char *dot = strrchr(inner, '.');
	*(dot ? dot : inner) = '\0';
	if (json_object_get(w->names, full))
		return invalid(w, "a name is defined twice");
	if (json_object_set_new(w->names, full, json_true()))
		return invalid(w, "a name is not UTF-8");
	put(w, "{\"name\":");
	if (!put_quoted(w, full))
		return false;
	put(w, ",\"type\":");
	(void)put_quoted(w, type);
	if (strcmp(type, "record") == 0)
		return fields_form(w, j, inner, depth);
	if (strcmp(type, "enum") == 0)
		return symbols_form(w, j);
	const json_t *size = json_object_get(j, "size");
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return invalid(w, "a fixed without a size");
	seg_buf_printf(w->out, ",\"size\":%" JSON_INTEGER_FORMAT "}", json_integer_value(size));
	return true;
}

static bool union_form(struct writer *w, const json_t *j, const char *space, unsigned depth)
{
	const json_t *branch;
	size_t i;

	put(w, "[");
	json_array_foreach(j, i, branch)
	{
		put(w, i ? "," : "");
		if (!type_form(w, branch, space, depth))
			return false;
	}
	put(w, "]");
	return true;
}

static bool object_form(struct writer *w, const json_t *j, const char *space, unsigned depth)
{
	const json_t *inner = json_object_get(j, "type");
	const char *type = json_string_value(inner);

	if (!inner)
		return invalid(w, "a type that is neither a name, an array nor an object with a type");
	if (type && strcmp(type, "error") == 0)
		type = "record";
	if (type && (strcmp(type, "record") == 0 || strcmp(type, "enum") == 0 || strcmp(type, "fixed") == 0))
		return named_form(w, type, j, space, depth);
	bool array = type && strcmp(type, "array") == 0;
	if (!array && !(type && strcmp(type, "map") == 0))
		return type_form(w, inner, space, depth);
	put(w, array ? "{\"type\":\"array\",\"items\":" : "{\"type\":\"map\",\"values\":");
	if (!type_form(w, json_object_get(j, array ? "items" : "values"), space, depth))
		return false;
	put(w, "}");
	return true;
}

static bool type_form(struct writer *w, const json_t *j, const char *space, unsigned depth)
{
	if (depth == 0) {
		(void)!seg_error_set(w->err, SEG_LIMIT, "the schema nests deeper than %d levels",
				     SEG_AVRO_SCHEMA_DEPTH);
		return false;
	}
	if (json_is_string(j))
		return name_form(w, json_string_value(j), space);
	if (json_is_array(j))
		return union_form(w, j, space, depth - 1);
	return object_form(w, j, space, depth - 1);
}

static enum seg_rc fits(const struct seg_buf *out, struct seg_error *err)
{
	if (!out->failed)
		return SEG_OK;
	if (out->no_memory)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for a schema");
	return seg_error_set(err, SEG_LIMIT, "the schema is larger than %d bytes", SEG_AVRO_SCHEMA_BYTES);
}

static enum seg_rc canonical(const char *json, size_t len, struct seg_buf *out, struct seg_error *err)
{
	struct seg_error local = {SEG_INVALID, "not an Avro schema"};
	struct writer w = {.out = out, .names = json_object(), .err = &local};
	json_error_t at;
	json_t *j = w.names ? json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at) : NULL;
	enum seg_rc rc = SEG_OK;

	if (!w.names)
		rc = seg_error_set(err, SEG_NO_MEMORY, "out of memory for a schema");
	else if (!j)
		rc = seg_error_set(err, SEG_INVALID, "not an Avro schema: line %d: %s", at.line, at.text);
	else if (!type_form(&w, j, "", SEG_AVRO_SCHEMA_DEPTH))
		rc = seg_error_set(err, local.rc, "%s", local.text);
	else
		rc = fits(out, err);
	json_decref(j);
	json_decref(w.names);
	return rc;
}

enum seg_rc seg_avro_canonical(const char *json, size_t len, char **ret, struct seg_error *err)
{
	struct seg_buf out;

	seg_buf_init(&out, SEG_AVRO_SCHEMA_BYTES + 1);
	enum seg_rc rc = canonical(json, len, &out, err);
	if (rc == SEG_OK) {
		seg_buf_u8(&out, 0);
		rc = fits(&out, err);
	}
	if (rc == SEG_OK)
		*ret = (char *)out.data;
	else
		seg_buf_release(&out);
	return rc;
}

enum seg_rc seg_avro_fingerprint(const char *json, size_t len, uint64_t *ret, struct seg_error *err)
{
	struct seg_buf out;

	seg_buf_init(&out, SEG_AVRO_SCHEMA_BYTES);
	enum seg_rc rc = canonical(json, len, &out, err);
	if (rc == SEG_OK)
		*ret = seg_avro_crc64(out.data, out.len);
	seg_buf_release(&out);
	return rc;
}
