#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void seg_buf_init(struct seg_buf *b, size_t max)
{
	*b = (struct seg_buf){.max = max};
}

void seg_buf_release(struct seg_buf *b)
{
	free(b->data);
	*b = (struct seg_buf){.max = b->max};
}

void seg_buf_clear(struct seg_buf *b)
{
	b->len = 0;
	b->failed = b->no_memory = false;
}

enum seg_rc seg_buf_rc(const struct seg_buf *b)
{
	if (!b->failed)
		return SEG_OK;
	return b->no_memory ? SEG_NO_MEMORY : SEG_LIMIT;
}

static bool reserve(struct seg_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : b->max < 64 ? b->max : 64;
	uint8_t *data;

	if (b->failed)
		return false;
	if (more <= b->cap - b->len)
		return true;
	if (more > b->max - b->len)
		goto fail;
	cap = cap > b->max ? b->max : cap;
	while (cap < b->len + more)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->no_memory = true;
		goto fail;
	}
	b->data = data;
	b->cap = cap;
	return true;
fail:
	b->failed = true;
	return false;
}

void seg_buf_append(struct seg_buf *b, const void *data, size_t len)
{
	if (len && reserve(b, len)) {
		memcpy(b->data + b->len, data, len);
		b->len += len;
	}
}

void seg_buf_u8(struct seg_buf *b, uint8_t v)
{
	seg_buf_append(b, &v, 1);
}

void seg_buf_u32be(struct seg_buf *b, uint32_t v)
{
	v = __builtin_bswap32(v);
	seg_buf_append(b, &v, sizeof v);
}

void seg_buf_u64be(struct seg_buf *b, uint64_t v)
{
	v = __builtin_bswap64(v);
	seg_buf_append(b, &v, sizeof v);
}

void seg_buf_u64le(struct seg_buf *b, uint64_t v)
{
	seg_buf_append(b, &v, sizeof v);
}

void seg_buf_f64(struct seg_buf *b, double v)
{
	seg_buf_append(b, &v, sizeof v);
}

void seg_buf_varint(struct seg_buf *b, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (uint8_t)(v | 0x80);
	bytes[n++] = (uint8_t)v;
	seg_buf_append(b, bytes, n);
}

void seg_buf_zigzag(struct seg_buf *b, int64_t v)
{
	seg_buf_varint(b, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

void seg_buf_bytes(struct seg_buf *b, const void *data, size_t len)
{
	seg_buf_varint(b, len);
	seg_buf_append(b, data, len);
}

void seg_buf_printf(struct seg_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(b, (size_t)n + 1))
		return;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

struct seg_view seg_view_of(const void *data, size_t len)
{
	return (struct seg_view){data, data ? (const uint8_t *)data + len : NULL, false};
}

const void *seg_view_raw(struct seg_view *v, size_t len)
{
	const uint8_t *p = v->at;

	if (v->failed || (size_t)(v->end - v->at) < len) {
		v->failed = true;
		return NULL;
	}
	v->at += len;
	return p;
}

uint8_t seg_view_u8(struct seg_view *v)
{
	const uint8_t *p = seg_view_raw(v, 1);

	return p ? *p : 0;
}

static void copy_or_zero(struct seg_view *v, void *to, size_t len)
{
	const void *p = seg_view_raw(v, len);

	if (p)
		memcpy(to, p, len);
	else
		memset(to, 0, len);
}

uint32_t seg_view_u32be(struct seg_view *v)
{
	uint32_t x;

	copy_or_zero(v, &x, sizeof x);
	return __builtin_bswap32(x);
}

uint64_t seg_view_u64be(struct seg_view *v)
{
	return __builtin_bswap64(seg_view_u64le(v));
}

uint64_t seg_view_u64le(struct seg_view *v)
{
	uint64_t x;

	copy_or_zero(v, &x, sizeof x);
	return x;
}

double seg_view_f64(struct seg_view *v)
{
	double x;

	copy_or_zero(v, &x, sizeof x);
	return x;
}

uint64_t seg_view_varint(struct seg_view *v)
{
	uint64_t x = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = seg_view_u8(v);

		if (shift == 63 && byte > 1)
			break;
		x |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v->failed ? 0 : x;
	}
	v->failed = true;
	return 0;
}

int64_t seg_view_zigzag(struct seg_view *v)
{
	uint64_t x = seg_view_varint(v);

	return (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
}

const void *seg_view_bytes(struct seg_view *v, size_t *ret_len)
{
	uint64_t len = seg_view_varint(v);
	const void *p = seg_view_raw(v, len);

	*ret_len = p ? len : 0;
	return p;
}
