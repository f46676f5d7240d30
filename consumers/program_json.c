/* The output of generic programs: JSON in which no value is lost. Texts are "s:…", bytes "b:<hex>", floating point numbers
 * "d:<the bits in hex>" (NaN and -0 too), unions are not tagged. Only tests read it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "consumers/program_internal.h"

static void comma(struct seg_buf *out)
{
	uint8_t last = out->len ? out->data[out->len - 1] : '[';

	if (last != '[' && last != '{' && last != ':')
		seg_buf_u8(out, ',');
}

static void escaped(struct seg_buf *out, const char *prefix, struct seg_str s)
{
	seg_buf_printf(out, "\"%s", prefix);
	for (uint32_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c < 0x20 || c == '"' || c == '\\')
			seg_buf_printf(out, "\\u%04x", c);
		else
			seg_buf_u8(out, c);
	}
	seg_buf_u8(out, '"');
}

static void hex(struct seg_buf *out, struct seg_str s)
{
	seg_buf_printf(out, "\"b:");
	for (uint32_t i = 0; i < s.len; i++)
		seg_buf_printf(out, "%02x", (unsigned char)s.ptr[i]);
	seg_buf_u8(out, '"');
}

static void real(struct seg_buf *out, const struct scalar *v, bool narrow)
{
	double d = v->tag == SCALAR_INT ? (double)v->i : v->d;
	uint64_t bits;

	if (narrow && v->tag == SCALAR_INT)
		d = (double)(float)v->i;
	memcpy(&bits, &d, sizeof(bits));
	seg_buf_printf(out, "\"d:%016" PRIx64 "\"", bits);
}

void program_json_scalar(struct seg_buf *out, const struct scalar *v, enum seg_avro_type as)
{
	comma(out);
	switch (as) {
	case SEG_AVRO_BOOLEAN:
		seg_buf_printf(out, v->i ? "true" : "false");
		return;
	case SEG_AVRO_INT:
	case SEG_AVRO_LONG:
		seg_buf_printf(out, "%" PRId64, v->i);
		return;
	case SEG_AVRO_FLOAT:
	case SEG_AVRO_DOUBLE:
		real(out, v, as == SEG_AVRO_FLOAT);
		return;
	case SEG_AVRO_BYTES:
	case SEG_AVRO_FIXED:
		hex(out, v->s);
		return;
	case SEG_AVRO_STRING:
	case SEG_AVRO_ENUM:
		escaped(out, "s:", v->s);
		return;
	case SEG_AVRO_NULL:
	case SEG_AVRO_RECORD:
	case SEG_AVRO_ARRAY:
	case SEG_AVRO_MAP:
	case SEG_AVRO_UNION:
	case SEG_AVRO_TYPES:
		break;
	}
	seg_buf_printf(out, "null");
}

void program_json_key(struct seg_buf *out, struct seg_str key)
{
	comma(out);
	escaped(out, "", key);
	seg_buf_u8(out, ':');
}

void program_json_step(struct seg_buf *out, enum json_step step, struct seg_str text)
{
	switch (step) {
	case JSON_OPEN_OBJECT:
		comma(out);
		seg_buf_u8(out, '{');
		return;
	case JSON_CLOSE_OBJECT:
		seg_buf_u8(out, '}');
		return;
	case JSON_OPEN_ARRAY:
		comma(out);
		seg_buf_u8(out, '[');
		return;
	case JSON_CLOSE_ARRAY:
		seg_buf_u8(out, ']');
		return;
	case JSON_FIELD:
		program_json_key(out, text);
		return;
	case JSON_VALUE:
		comma(out);
		seg_buf_append(out, text.ptr, text.len);
		return;
	}
}
