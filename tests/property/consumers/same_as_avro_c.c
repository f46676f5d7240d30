/*
 * Random schemas and random values: where writer and reader are the same, a generic program reads what Avro-C reads, and
 * takes as many bytes. Usage: same_as_avro_c [CASES [SEED]]
 */
#include <avro.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/rng.h"
#include "consumers/program_internal.h"

enum { DEPTH = 4 };

struct gen {
	struct seg_rng rng;
	struct seg_buf schema, bytes;
	unsigned names;
};

static uint64_t below(struct gen *g, uint64_t n)
{
	return seg_rng_below(&g->rng, n);
}

/* Schemas ---------------------------------------------------------------------------------------------------------------- */

static void random_type(struct gen *g, unsigned depth);

static void random_record(struct gen *g, unsigned depth)
{
	unsigned fields = 1 + (unsigned)below(g, 5); /* Avro-C cannot read arrays of empty records */

	seg_buf_printf(&g->schema, "{\"type\":\"record\",\"name\":\"N%u\",\"fields\":[", g->names++);
	for (unsigned i = 0; i < fields; i++) {
		seg_buf_printf(&g->schema, "%s{\"name\":\"f%u\",\"type\":", i ? "," : "", i);
		random_type(g, depth - 1);
		seg_buf_printf(&g->schema, "}");
	}
	seg_buf_printf(&g->schema, "]}");
}

static void random_union(struct gen *g, unsigned depth)
{
	static const char *const branches[] = {"\"null\"", "\"long\"", "\"string\"", "\"double\"", "\"boolean\""};
	size_t first = below(g, 5), count = 1 + below(g, 4);

	seg_buf_printf(&g->schema, "[");
	for (size_t i = 0; i < count; i++)
		seg_buf_printf(&g->schema, "%s%s", i ? "," : "", branches[(first + i) % 5]);
	if (depth > 1 && below(g, 2)) {
		seg_buf_printf(&g->schema, ",");
		random_record(g, depth);
	}
	seg_buf_printf(&g->schema, "]");
}

static void random_type(struct gen *g, unsigned depth)
{
	uint64_t choice = below(g, depth ? 16 : 10);

	if (choice < 8) {
		seg_buf_printf(&g->schema, "\"%s\"", seg_avro_type_names[choice]);
	} else if (choice == 8) {
		seg_buf_printf(&g->schema, "{\"type\":\"enum\",\"name\":\"N%u\",\"symbols\":[\"a\",\"b\",\"c\"]}",
			       g->names++);
	} else if (choice == 9) {
		seg_buf_printf(&g->schema, "{\"type\":\"fixed\",\"name\":\"N%u\",\"size\":%u}", g->names++,
			       1 + (unsigned)below(g, 9));
	} else if (choice < 12) {
		seg_buf_printf(&g->schema,
			       choice == 10 ? "{\"type\":\"array\",\"items\":" : "{\"type\":\"map\",\"values\":");
		random_type(g, depth - 1);
		seg_buf_printf(&g->schema, "}");
	} else if (choice < 14) {
		random_union(g, depth);
	} else {
		random_record(g, depth);
	}
}

/* Values ------------------------------------------------------------------------------------------------------------------ */

static int64_t random_integer(struct gen *g, unsigned bits)
{
	unsigned keep = 1 + (unsigned)below(g, bits);

	return (int64_t)seg_rng_next(&g->rng) >> (64 - keep);
}

static void random_text(struct gen *g)
{
	static const char *const texts[] = {"", "a", "K\xc3\xb6ln", "a longer text than the others", "\"\\\n"};
	const char *s = texts[below(g, 5)];

	seg_buf_zigzag(&g->bytes, (int64_t)strlen(s));
	seg_buf_append(&g->bytes, s, strlen(s));
}

static void random_raw(struct gen *g, size_t len)
{
	while (len--)
		seg_buf_u8(&g->bytes, (uint8_t)seg_rng_next(&g->rng));
}

static void random_value(struct gen *g, const struct seg_schema_node *n);

/* In one or two blocks. A map's keys are told apart: Avro-C keeps one of two that are equal. */
static void random_items(struct gen *g, const struct seg_schema_node *n)
{
	unsigned keys = 0;

	for (int block = 0; block < 2; block++) {
		unsigned count = (unsigned)below(g, 4);

		if (count == 0)
			break;
		seg_buf_zigzag(&g->bytes, count);
		for (unsigned i = 0; i < count; i++) {
			if (n->type == SEG_AVRO_MAP) {
				seg_buf_zigzag(&g->bytes, 2);
				seg_buf_printf(&g->bytes, "k%u", keys++);
			}
			random_value(g, n->parts[0]);
		}
	}
	seg_buf_zigzag(&g->bytes, 0);
}

static void random_value(struct gen *g, const struct seg_schema_node *n)
{
	uint64_t branch;

	switch (n->type) {
	case SEG_AVRO_NULL:
		return;
	case SEG_AVRO_BOOLEAN:
		seg_buf_u8(&g->bytes, (uint8_t)below(g, 2));
		return;
	case SEG_AVRO_INT:
		seg_buf_zigzag(&g->bytes, random_integer(g, 32));
		return;
	case SEG_AVRO_LONG:
		seg_buf_zigzag(&g->bytes, random_integer(g, 64));
		return;
	case SEG_AVRO_FLOAT:
	case SEG_AVRO_DOUBLE: {
		double d = seg_rng_normal(&g->rng) * 1e6;
		float f = (float)d;

		seg_buf_append(&g->bytes, n->type == SEG_AVRO_FLOAT ? (void *)&f : (void *)&d,
			       n->type == SEG_AVRO_FLOAT ? sizeof(f) : sizeof(d));
		return;
	}
	case SEG_AVRO_BYTES:
	case SEG_AVRO_STRING:
		random_text(g);
		return;
	case SEG_AVRO_FIXED:
		random_raw(g, n->size);
		return;
	case SEG_AVRO_ENUM:
		seg_buf_zigzag(&g->bytes, (int64_t)below(g, n->len));
		return;
	case SEG_AVRO_ARRAY:
	case SEG_AVRO_MAP:
		random_items(g, n);
		return;
	case SEG_AVRO_UNION:
		branch = below(g, n->len);
		seg_buf_zigzag(&g->bytes, (int64_t)branch);
		random_value(g, n->parts[branch]);
		return;
	case SEG_AVRO_RECORD:
		for (uint32_t i = 0; i < n->len; i++)
			random_value(g, n->fields[i].type);
		return;
	case SEG_AVRO_TYPES:
		break;
	}
}

/* Avro-C's value, written as generic programs write theirs ---------------------------------------------------------------- */

static void write_value(struct seg_buf *out, const avro_value_t *v);

static void write_items(struct seg_buf *out, const avro_value_t *v, bool keys, bool object)
{
	size_t len = 0;

	avro_value_get_size(v, &len);
	program_json_step(out, object ? JSON_OPEN_OBJECT : JSON_OPEN_ARRAY, (struct seg_str){NULL, 0});
	for (size_t i = 0; i < len; i++) {
		avro_value_t item = {NULL, NULL};
		const char *name = NULL;

		if (avro_value_get_by_index(v, i, &item, &name) != 0)
			return;
		if (keys)
			program_json_key(out, seg_str_from(name));
		write_value(out, &item);
	}
	program_json_step(out, object ? JSON_CLOSE_OBJECT : JSON_CLOSE_ARRAY, (struct seg_str){NULL, 0});
}

static void write_text(struct seg_buf *out, const avro_value_t *v, enum seg_avro_type as)
{
	struct scalar s = {.tag = SCALAR_TEXT};
	const void *p = NULL;
	size_t len = 0;

	if (as == SEG_AVRO_STRING) {
		avro_value_get_string(v, (const char **)&p, &len);
		len--; /* the NUL is counted */
	} else if (as == SEG_AVRO_BYTES) {
		avro_value_get_bytes(v, &p, &len);
	} else {
		avro_value_get_fixed(v, &p, &len);
	}
	s.s = (struct seg_str){p, (uint32_t)len};
	program_json_scalar(out, &s, as);
}

static void write_number(struct seg_buf *out, const avro_value_t *v, avro_type_t type)
{
	struct scalar s = {.tag = SCALAR_INT};
	int32_t i = 0;
	float f = 0;
	int b = 0;

	if (type == AVRO_INT32) {
		avro_value_get_int(v, &i);
		s.i = i;
		program_json_scalar(out, &s, SEG_AVRO_INT);
	} else if (type == AVRO_INT64) {
		avro_value_get_long(v, &s.i);
		program_json_scalar(out, &s, SEG_AVRO_LONG);
	} else if (type == AVRO_BOOLEAN) {
		avro_value_get_boolean(v, &b);
		s.i = b;
		program_json_scalar(out, &s, SEG_AVRO_BOOLEAN);
	} else {
		s.tag = SCALAR_REAL;
		if (type == AVRO_FLOAT)
			avro_value_get_float(v, &f);
		else
			avro_value_get_double(v, &s.d);
		s.d = type == AVRO_FLOAT ? (double)f : s.d;
		program_json_scalar(out, &s, SEG_AVRO_DOUBLE);
	}
}

static void write_symbol(struct seg_buf *out, const avro_value_t *v)
{
	int i = 0;

	avro_value_get_enum(v, &i);
	struct scalar s = {.tag = SCALAR_SYMBOL, .s = seg_str_from(avro_schema_enum_get(avro_value_get_schema(v), i))};

	program_json_scalar(out, &s, SEG_AVRO_ENUM);
}

static void write_value(struct seg_buf *out, const avro_value_t *v)
{
	struct scalar null = {.tag = SCALAR_NULL};
	avro_type_t type = avro_value_get_type(v);
	avro_value_t branch = {NULL, NULL};

	if (type == AVRO_NULL) {
		program_json_scalar(out, &null, SEG_AVRO_NULL);
	} else if (type == AVRO_STRING || type == AVRO_BYTES || type == AVRO_FIXED) {
		write_text(out, v,
			   type == AVRO_STRING	? SEG_AVRO_STRING
			   : type == AVRO_BYTES ? SEG_AVRO_BYTES
						: SEG_AVRO_FIXED);
	} else if (type == AVRO_ENUM) {
		write_symbol(out, v);
	} else if (type == AVRO_UNION) {
		if (avro_value_get_current_branch(v, &branch) == 0)
			write_value(out, &branch);
	} else if (type == AVRO_RECORD || type == AVRO_MAP || type == AVRO_ARRAY) {
		write_items(out, v, type != AVRO_ARRAY, type != AVRO_ARRAY);
	} else {
		write_number(out, v, type);
	}
}

static bool read_by_avro_c(const struct gen *g, struct seg_buf *out, size_t *ret_used)
{
	avro_schema_t schema = NULL;
	avro_value_t v;
	avro_reader_t reader = avro_reader_memory((const char *)g->bytes.data, (int64_t)g->bytes.len);

	if (avro_schema_from_json_length((const char *)g->schema.data, g->schema.len, &schema) != 0)
		return false;
	avro_value_iface_t *iface = avro_generic_class_from_schema(schema);
	bool ok = iface && avro_generic_value_new(iface, &v) == 0;

	if (ok) {
		ok = avro_value_read(reader, &v) == 0;
		if (ok)
			write_value(out, &v);
		char rest;

		*ret_used = g->bytes.len - (avro_read(reader, &rest, 1) == 0); /* nothing may be left */
		avro_value_decref(&v);
	}
	if (iface)
		avro_value_iface_decref(iface);
	avro_schema_decref(schema);
	avro_reader_free(reader);
	return ok;
}

static int check(struct gen *g, long number)
{
	struct seg_schema *s = NULL;
	struct seg_program *p = NULL;
	struct seg_error err = {SEG_OK, ""};
	struct seg_buf ours, theirs;
	size_t used = 0;
	int failed = 0;

	seg_buf_init(&ours, 16 << 20);
	seg_buf_init(&theirs, 16 << 20);
	seg_buf_clear(&g->schema);
	seg_buf_clear(&g->bytes);
	g->names = 0;
	random_record(g, DEPTH);
	if (seg_schema_parse((char *)g->schema.data, g->schema.len, &s, &err) != SEG_OK ||
	    seg_program_generic(s, s, &p, &err) != SEG_OK) {
		printf("case %ld: %s\n%.*s\n", number, err.text, (int)g->schema.len, (char *)g->schema.data);
		failed = 1;
		goto out;
	}
	random_value(g, s->root);
	struct seg_run run = {
		.data = g->bytes.data ? g->bytes.data : (uint8_t *)"", .len = g->bytes.len, .json = &ours};
	enum seg_refusal r = seg_program_run(p, SEG_ENTRY_FULL, &run);

	if (!read_by_avro_c(g, &theirs, &used) || r != SEG_REFUSED_NOT || used != run.used || ours.len != theirs.len ||
	    memcmp(ours.data, theirs.data, ours.len) != 0) {
		printf("case %ld\nschema %.*s\nours   %s %.*s\nAvro-C %.*s (%s)\n", number, (int)g->schema.len,
		       (char *)g->schema.data, seg_refusal_code(r), (int)ours.len, (char *)ours.data, (int)theirs.len,
		       (char *)theirs.data, avro_strerror());
		failed = 1;
	}
out:
	seg_program_free(p);
	seg_schema_free(s);
	seg_buf_release(&ours);
	seg_buf_release(&theirs);
	return failed;
}

int main(int argc, char **argv)
{
	long cases = argc > 1 ? atol(argv[1]) : 3000;
	struct gen g = {.names = 0};
	int failed = 0;
	size_t bytes = 0;

	seg_rng_init(&g.rng, argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
	seg_buf_init(&g.schema, 1 << 20);
	seg_buf_init(&g.bytes, 1 << 20);
	for (long i = 0; i < cases && !failed; i++) {
		failed = check(&g, i);
		bytes += g.bytes.len;
	}
	printf("%ld schemas, values of %zu bytes\n", cases, bytes);
	seg_buf_release(&g.schema);
	seg_buf_release(&g.bytes);
	return failed || bytes < (size_t)cases;
}
