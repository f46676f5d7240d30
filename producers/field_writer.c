#include "producers/field_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refuse(struct seg_fields *f, const char *name, const char *why)
{
	if (!f->bad) {
		f->bad = name ? name : "an item";
		f->why = why;
	}
}

static void put_text(struct seg_fields *f, const char *z)
{
	seg_buf_append(f->to, z, strlen(z));
}

/* Length of the UTF-8 character at p (RFC 3629: no surrogates, no overlong forms), 0 if there is none. */
static size_t utf8_len(const unsigned char *p, const unsigned char *end)
{
	size_t left = (size_t)(end - p), len = p[0] < 0x80   ? 1
					       : p[0] < 0xC2 ? 0
					       : p[0] < 0xE0 ? 2
					       : p[0] < 0xF0 ? 3
							     : 4;

	if (!len || len > left || p[0] > 0xF4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
	    (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return len;
}

/* JSON's escapes; false at the first byte that is not UTF-8 (unless lossy). */
static bool put_quoted(struct seg_fields *f, struct seg_str s, bool lossy)
{
	const unsigned char *p = (const unsigned char *)s.ptr, *end = p + s.len, *plain = p;

	seg_buf_u8(f->to, '"');
	while (p < end) {
		size_t len = utf8_len(p, end);
		bool escape = len == 1 && (*p < 0x20 || *p == '"' || *p == '\\');

		if (len && !escape) {
			p += len;
			continue;
		}
		if (!len && !lossy)
			return false;
		seg_buf_append(f->to, plain, (size_t)(p - plain));
		if (!len)
			put_text(f, "\xEF\xBF\xBD");
		else if (*p < 0x20)
			seg_buf_printf(f->to, "\\u%04x", *p);
		else
			seg_buf_append(f->to, (char[]){'\\', (char)*p}, 2);
		plain = ++p;
	}
	seg_buf_append(f->to, plain, (size_t)(p - plain));
	seg_buf_u8(f->to, '"');
	return true;
}

/* Comma and name before a value. Names of fields are the schemas' own and need no escapes. */
static void begin(struct seg_fields *f, const char *name)
{
	if (!f->json)
		return;
	if (!f->first)
		seg_buf_u8(f->to, ',');
	f->first = false;
	if (name) {
		seg_buf_u8(f->to, '"');
		put_text(f, name);
		seg_buf_append(f->to, "\":", 2);
	}
}

static void put_avro_bytes(struct seg_fields *f, const void *v, size_t len)
{
	seg_buf_zigzag(f->to, (int64_t)len);
	seg_buf_append(f->to, v, len);
}

void seg_field_string(struct seg_fields *f, const char *name, struct seg_str v)
{
	if (!v.ptr) {
		refuse(f, name, "is missing");
		return;
	}
	begin(f, name);
	if (!f->json)
		put_avro_bytes(f, v.ptr, v.len);
	else if (!put_quoted(f, v, false))
		refuse(f, name, "is not UTF-8");
}

/* Avro has no escapes: what is not UTF-8 is replaced in a first walk that counts and a second that writes. */
static void put_avro_lossy(struct seg_fields *f, const char *v)
{
	const unsigned char *p = (const unsigned char *)v, *end = p + strlen(v);
	size_t size = 0;

	for (const unsigned char *at = p; at < end;) {
		size_t len = utf8_len(at, end);

		size += len ? len : 3;
		at += len ? len : 1;
	}
	seg_buf_zigzag(f->to, (int64_t)size);
	while (p < end) {
		size_t len = utf8_len(p, end);

		seg_buf_append(f->to, len ? (const char *)p : "\xEF\xBF\xBD", len ? len : 3);
		p += len ? len : 1;
	}
}

static void put_lossy(struct seg_fields *f, const char *v)
{
	if (f->json)
		(void)put_quoted(f, seg_str_from(v), true);
	else
		put_avro_lossy(f, v);
}

void seg_field_lossy_string(struct seg_fields *f, const char *name, const char *v)
{
	if (!v) {
		refuse(f, name, "is missing");
		return;
	}
	begin(f, name);
	put_lossy(f, v);
}

bool seg_field_branch(struct seg_fields *f, const char *name, bool present)
{
	if (!f->json) {
		seg_buf_zigzag(f->to, present);
	} else if (!present) {
		begin(f, name);
		put_text(f, "null");
	}
	return present;
}

void seg_field_opt_string(struct seg_fields *f, const char *name, struct seg_str v)
{
	if (seg_field_branch(f, name, v.ptr != NULL))
		seg_field_string(f, name, v);
}

void seg_field_long(struct seg_fields *f, const char *name, int64_t v)
{
	begin(f, name);
	if (f->json)
		seg_buf_printf(f->to, "%lld", (long long)v);
	else
		seg_buf_zigzag(f->to, v);
}

void seg_field_ulong(struct seg_fields *f, const char *name, uint64_t v)
{
	if (v > INT64_MAX)
		refuse(f, name, "is larger than a long");
	seg_field_long(f, name, (int64_t)v);
}

void seg_field_opt_long(struct seg_fields *f, const char *name, bool present, int64_t v)
{
	if (seg_field_branch(f, name, present))
		seg_field_long(f, name, v);
}

/* The shortest of three that reads back as the same number: .1 is "0.1". */
static void put_json_double(struct seg_fields *f, double v)
{
	char text[32];

	if (!isfinite(v)) {
		put_text(f, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	put_text(f, text);
}

void seg_field_double(struct seg_fields *f, const char *name, double v)
{
	begin(f, name);
	if (f->json)
		put_json_double(f, v);
	else
		seg_buf_f64(f->to, v);
}

void seg_field_opt_double(struct seg_fields *f, const char *name, double v)
{
	if (seg_field_branch(f, name, !isnan(v)))
		seg_field_double(f, name, v);
}

/* Base64 of RFC 4648 with padding. */
static void put_base64(struct seg_fields *f, const unsigned char *v, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	seg_buf_u8(f->to, '"');
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i;
		uint32_t bits =
			(uint32_t)v[i] << 16 | (have > 1 ? (uint32_t)v[i + 1] << 8 : 0) | (have > 2 ? v[i + 2] : 0);
		char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], have > 1 ? digits[bits >> 6 & 63] : '=',
				have > 2 ? digits[bits & 63] : '='};

		seg_buf_append(f->to, four, sizeof four);
	}
	seg_buf_u8(f->to, '"');
}

void seg_field_bytes(struct seg_fields *f, const char *name, const void *v, size_t len)
{
	begin(f, name);
	if (f->json)
		put_base64(f, v, len);
	else
		put_avro_bytes(f, v, len);
}

void seg_field_opt_bytes(struct seg_fields *f, const char *name, struct seg_str v)
{
	if (seg_field_branch(f, name, v.ptr != NULL))
		seg_field_bytes(f, name, v.ptr, v.len);
}

void seg_field_enum(struct seg_fields *f, const char *name, unsigned v, const char *const *symbols, size_t len)
{
	if (v >= len) {
		refuse(f, name, "is not one of the schema's symbols");
		return;
	}
	begin(f, name);
	if (!f->json)
		seg_buf_zigzag(f->to, v);
	else
		(void)put_quoted(f, seg_str_from(symbols[v]), true);
}

static void open_json(struct seg_fields *f, const char *name, char bracket)
{
	begin(f, name);
	if (f->json) {
		seg_buf_u8(f->to, (uint8_t)bracket);
		f->first = true;
	}
}

static void close_json(struct seg_fields *f, char bracket)
{
	if (f->json) {
		seg_buf_u8(f->to, (uint8_t)bracket);
		f->first = false;
	}
}

void seg_field_record_begin(struct seg_fields *f, const char *name)
{
	open_json(f, name, '{');
}

void seg_field_record_end(struct seg_fields *f)
{
	close_json(f, '}');
}

/* Avro: a count before the one block (none if empty), a zero behind it. */
static void begin_block(struct seg_fields *f, size_t len)
{
	if (!f->json && len)
		seg_buf_zigzag(f->to, (int64_t)len);
}

static void end_blocks(struct seg_fields *f)
{
	if (!f->json)
		seg_buf_zigzag(f->to, 0);
}

void seg_field_array_begin(struct seg_fields *f, const char *name, size_t len)
{
	open_json(f, name, '[');
	begin_block(f, len);
}

void seg_field_array_end(struct seg_fields *f)
{
	end_blocks(f);
	close_json(f, ']');
}

void seg_field_map_begin(struct seg_fields *f, const char *name, size_t len)
{
	open_json(f, name, '{');
	begin_block(f, len);
}

void seg_field_key(struct seg_fields *f, const char *key)
{
	if (!key) {
		refuse(f, "a map's key", "is missing");
		return;
	}
	if (f->json && !f->first)
		seg_buf_u8(f->to, ',');
	put_lossy(f, key);
	if (f->json) {
		seg_buf_u8(f->to, ':');
		f->first = true;
	}
}

void seg_field_map_end(struct seg_fields *f)
{
	end_blocks(f);
	close_json(f, '}');
}
