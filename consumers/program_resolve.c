/* Compiles a writer's and a reader's schema into a generic program: Avro's schema resolution (specification 1.11). */
#include <stdio.h>
#include <string.h>

#include "consumers/program_internal.h"

static void resolve(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r);

static bool has_alias(const char **aliases, uint32_t len, const char *name)
{
	for (uint32_t i = 0; i < len; i++) {
		if (strcmp(aliases[i], name) == 0)
			return true;
	}
	return false;
}

static bool same_name(const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	return strcmp(seg_schema_short_name(w->name), seg_schema_short_name(r->name)) == 0 ||
	       has_alias(r->aliases, r->aliases_len, w->name);
}

static bool promotes(enum seg_avro_type w, enum seg_avro_type r)
{
	switch (w) {
	case SEG_AVRO_INT:
		return r == SEG_AVRO_LONG || r == SEG_AVRO_FLOAT || r == SEG_AVRO_DOUBLE;
	case SEG_AVRO_LONG:
		return r == SEG_AVRO_FLOAT || r == SEG_AVRO_DOUBLE;
	case SEG_AVRO_FLOAT:
		return r == SEG_AVRO_DOUBLE;
	case SEG_AVRO_STRING:
		return r == SEG_AVRO_BYTES;
	case SEG_AVRO_BYTES:
		return r == SEG_AVRO_STRING;
	case SEG_AVRO_NULL:
	case SEG_AVRO_BOOLEAN:
	case SEG_AVRO_DOUBLE:
	case SEG_AVRO_RECORD:
	case SEG_AVRO_ENUM:
	case SEG_AVRO_FIXED:
	case SEG_AVRO_ARRAY:
	case SEG_AVRO_MAP:
	case SEG_AVRO_UNION:
	case SEG_AVRO_TYPES:
		break;
	}
	return false;
}

/* Whether the schemas match, as the specification uses the word: types and names, not the fields of records. */
static bool matches(const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	if (w->type == SEG_AVRO_UNION || r->type == SEG_AVRO_UNION)
		return true;
	if (w->type != r->type)
		return promotes(w->type, r->type);
	if (w->type == SEG_AVRO_ARRAY || w->type == SEG_AVRO_MAP)
		return matches(w->parts[0], r->parts[0]);
	if (w->type == SEG_AVRO_FIXED)
		return w->size == r->size && same_name(w, r);
	return !w->name || same_name(w, r);
}

static void json_step(struct builder *b, enum json_step kind, const char *text, size_t len)
{
	uint32_t index = 0;
	struct seg_str copy = builder_text(b, text, len);
	struct seg_str *item = builder_add(b, &b->texts, sizeof(*item), &index);

	if (item)
		*item = copy;
	builder_step(b, STEP_JSON, STORE_NONE, index, (uint32_t)kind);
}

/* Defaults ----------------------------------------------------------------------------------------------------------- */

static bool default_json(struct builder *b, struct seg_buf *out, const json_t *j, const struct seg_schema_node *r,
			 unsigned depth);

/* In JSON, bytes are characters of the code points 0 to 255. */
static bool default_bytes(struct seg_buf *out, const json_t *j)
{
	struct seg_buf raw;
	const char *s = json_string_value(j);
	size_t len = json_string_length(j);
	bool ok = true;

	seg_buf_init(&raw, SEG_SCHEMA_MAX_TEXT);
	for (size_t i = 0; i < len && ok; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x80) {
			ok = c <= 0xc3 && i + 1 < len;
			c = (unsigned char)(((c & 3) << 6) | (ok ? s[++i] & 0x3f : 0));
		}
		seg_buf_u8(&raw, c);
	}
	struct scalar v = {.tag = SCALAR_BYTES, .s = {(const char *)raw.data, (uint32_t)raw.len}};

	if (ok)
		program_json_scalar(out, &v, SEG_AVRO_BYTES);
	seg_buf_release(&raw);
	return ok;
}

static bool default_record(struct builder *b, struct seg_buf *out, const json_t *j, const struct seg_schema_node *r,
			   unsigned depth)
{
	bool ok = json_is_object(j);

	program_json_step(out, JSON_OPEN_OBJECT, (struct seg_str){NULL, 0});
	for (uint32_t i = 0; ok && i < r->len; i++) {
		const json_t *value = json_object_get(j, r->fields[i].name);

		program_json_key(out, seg_str_from(r->fields[i].name));
		value = value ? value : r->fields[i].value;
		ok = value && default_json(b, out, value, r->fields[i].type, depth);
	}
	program_json_step(out, JSON_CLOSE_OBJECT, (struct seg_str){NULL, 0});
	return ok;
}

static bool default_items(struct builder *b, struct seg_buf *out, const json_t *j, const struct seg_schema_node *r,
			  unsigned depth)
{
	bool map = r->type == SEG_AVRO_MAP, ok = map ? json_is_object(j) : json_is_array(j);
	const char *key;
	const json_t *item;
	size_t i;

	program_json_step(out, map ? JSON_OPEN_OBJECT : JSON_OPEN_ARRAY, (struct seg_str){NULL, 0});
	json_object_foreach((json_t *)j, key, item)
	{
		program_json_key(out, seg_str_from(key));
		ok = ok && default_json(b, out, item, r->parts[0], depth);
	}
	json_array_foreach(j, i, item) ok = ok && default_json(b, out, item, r->parts[0], depth);
	program_json_step(out, map ? JSON_CLOSE_OBJECT : JSON_CLOSE_ARRAY, (struct seg_str){NULL, 0});
	return ok;
}

static bool default_number(struct seg_buf *out, const json_t *j, const struct seg_schema_node *r)
{
	bool whole = r->type == SEG_AVRO_INT || r->type == SEG_AVRO_LONG;
	struct scalar v = {.tag = whole ? SCALAR_INT : SCALAR_REAL};

	v.i = json_integer_value(j);
	v.d = json_number_value(j);
	program_json_scalar(out, &v, r->type);
	return whole ? json_is_integer(j) : json_is_number(j);
}

static bool default_json(struct builder *b, struct seg_buf *out, const json_t *j, const struct seg_schema_node *r,
			 unsigned depth)
{
	struct scalar v = {.tag = SCALAR_NULL};

	if (depth == 0)
		return false;
	switch (r->type) {
	case SEG_AVRO_NULL:
	case SEG_AVRO_BOOLEAN:
		v.i = json_is_true(j);
		program_json_scalar(out, &v, r->type);
		return r->type == SEG_AVRO_NULL ? json_is_null(j) : json_is_boolean(j);
	case SEG_AVRO_INT:
	case SEG_AVRO_LONG:
	case SEG_AVRO_FLOAT:
	case SEG_AVRO_DOUBLE:
		return default_number(out, j, r);
	case SEG_AVRO_BYTES:
	case SEG_AVRO_FIXED:
		return json_is_string(j) && default_bytes(out, j);
	case SEG_AVRO_STRING:
	case SEG_AVRO_ENUM:
		v.s = (struct seg_str){json_string_value(j), (uint32_t)json_string_length(j)};
		program_json_scalar(out, &v, r->type);
		return json_is_string(j);
	case SEG_AVRO_RECORD:
		return default_record(b, out, j, r, depth - 1);
	case SEG_AVRO_ARRAY:
	case SEG_AVRO_MAP:
		return default_items(b, out, j, r, depth - 1);
	case SEG_AVRO_UNION: /* a default is of the first branch */
		return default_json(b, out, j, r->parts[0], depth - 1);
	case SEG_AVRO_TYPES:
		break;
	}
	return false;
}

static void default_value(struct builder *b, const struct seg_schema_field *f)
{
	struct seg_buf out;

	seg_buf_init(&out, 4 * SEG_SCHEMA_MAX_TEXT);
	if (!default_json(b, &out, f->value, f->type, SEG_SCHEMA_MAX_DEPTH) || out.failed)
		builder_fail(b, SEG_SKIP, "the default of field %.120s is not of its type", f->name);
	json_step(b, JSON_VALUE, (const char *)out.data, out.len);
	seg_buf_release(&out);
}

/* Types ---------------------------------------------------------------------------------------------------------------- */

static void mismatch(struct builder *b)
{
	builder_step(b, STEP_FAIL, STORE_NONE, SEG_REFUSED_SCHEMA_MISMATCH, 0);
}

static const struct seg_schema_field *reader_field(const struct seg_schema_node *r, const char *name)
{
	for (uint32_t i = 0; i < r->len; i++) {
		if (strcmp(r->fields[i].name, name) == 0)
			return &r->fields[i];
	}
	for (uint32_t i = 0; i < r->len; i++) {
		if (has_alias(r->fields[i].aliases, r->fields[i].aliases_len, name))
			return &r->fields[i];
	}
	return NULL;
}

/* Whether one of the writer's fields becomes this one. */
static bool supplied(const struct seg_schema_node *w, const struct seg_schema_node *r, const struct seg_schema_field *f)
{
	for (uint32_t i = 0; i < w->len; i++) {
		if (reader_field(r, w->fields[i].name) == f)
			return true;
	}
	return false;
}

static void resolve_fields(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	json_step(b, JSON_OPEN_OBJECT, "", 0);
	for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
		const struct seg_schema_field *f = reader_field(r, w->fields[i].name);

		builder_where(b, w->fields[i].name);
		if (!f) {
			builder_skip(b, w->fields[i].type);
			continue;
		}
		json_step(b, JSON_FIELD, f->name, strlen(f->name));
		resolve(b, w->fields[i].type, f->type);
	}
	for (uint32_t i = 0; i < r->len && b->rc == SEG_OK; i++) {
		const struct seg_schema_field *f = &r->fields[i];

		if (supplied(w, r, f))
			continue;
		if (!f->value) {
			mismatch(b);
			continue;
		}
		json_step(b, JSON_FIELD, f->name, strlen(f->name));
		default_value(b, f);
	}
	json_step(b, JSON_CLOSE_OBJECT, "", 0);
}

static void resolve_items(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	bool map = w->type == SEG_AVRO_MAP;

	json_step(b, map ? JSON_OPEN_OBJECT : JSON_OPEN_ARRAY, "", 0);
	struct loop l = builder_loop(b);

	if (map)
		builder_step(b, STEP_KEY, STORE_JSON, 0, SEG_AVRO_STRING);
	resolve(b, w->parts[0], r->parts[0]);
	builder_loop_end(b, l);
	json_step(b, map ? JSON_CLOSE_OBJECT : JSON_CLOSE_ARRAY, "", 0);
}

static void resolve_writer_union(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	uint32_t jumps = builder_jumps(b, w->len, false), last = 0;

	builder_step(b, STEP_UNION, STORE_NONE, jumps, 0);
	for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
		builder_jump_here(b, jumps, i);
		resolve(b, w->parts[i], r);
		last = builder_step(b, STEP_JUMP, STORE_NONE, last, 0);
	}
	for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
		uint32_t before = b->program->steps[last].arg;

		builder_patch(b, last);
		last = before;
	}
}

static void resolve_scalar(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	uint32_t arg = w->type == SEG_AVRO_FIXED ? w->size : 0;
	enum step_code code = w->type == SEG_AVRO_FIXED ? STEP_FIXED : (enum step_code)((int)STEP_NULL + (int)w->type);

	if (w->type == SEG_AVRO_ENUM) {
		code = STEP_ENUM;
		arg = builder_symbols(b, w, r);
	}
	builder_step(b, code, STORE_JSON, arg, r->type);
}

/* The reader's branch for w: its own type before a promotion, so that a union read as itself changes nothing. */
static uint32_t branch(const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	uint32_t promoted = r->len;

	for (uint32_t i = 0; i < r->len; i++) {
		if (!matches(w, r->parts[i]))
			continue;
		if (w->type == r->parts[i]->type)
			return i;
		promoted = promoted < r->len ? promoted : i;
	}
	return promoted;
}

static void resolve(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	if (w->type == SEG_AVRO_UNION) {
		resolve_writer_union(b, w, r);
		return;
	}
	if (r->type == SEG_AVRO_UNION) {
		uint32_t i = branch(w, r);

		if (i < r->len)
			resolve(b, w, r->parts[i]);
		else
			mismatch(b);
		return;
	}
	if (!matches(w, r))
		mismatch(b);
	else if (w->type == SEG_AVRO_RECORD)
		builder_call(b, w, r); /* it may name itself */
	else if (w->type == SEG_AVRO_ARRAY || w->type == SEG_AVRO_MAP)
		resolve_items(b, w, r);
	else
		resolve_scalar(b, w, r);
}

enum seg_rc seg_program_generic(const struct seg_schema *writer, const struct seg_schema *reader,
				struct seg_program **ret, struct seg_error *err)
{
	struct builder b;

	if (builder_begin(&b, err) == SEG_OK) {
		b.resolve = resolve_fields;
		b.program->entries[SEG_ENTRY_FULL] = builder_here(&b);
		resolve(&b, writer->root, reader->root);
		builder_step(&b, STEP_END, STORE_NONE, 0, 0);
		b.program->entries[SEG_ENTRY_TIME] = b.program->entries[SEG_ENTRY_SKIP] = builder_here(&b);
		builder_skip(&b, writer->root);
		builder_step(&b, STEP_END, STORE_NONE, 0, 0);
	}
	return builder_finish(&b, ret);
}
