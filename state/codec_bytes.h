/*
 * The calls of base/buf.h that a profile makes hundreds of times, with their common case inline: room enough for a
 * number of any size, or as many bytes left. All else, the failures among it, is left to base/buf.h.
 */
#ifndef SEG_STATE_CODEC_BYTES_H
#define SEG_STATE_CODEC_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

enum { SEG_VARINT_BYTES = 10 };

static inline bool seg_put_room(const struct seg_buf *b)
{
	return b->cap - b->len >= SEG_VARINT_BYTES && !b->failed;
}

static inline void seg_put_u8(struct seg_buf *b, uint8_t v)
{
	if (seg_put_room(b))
		b->data[b->len++] = v;
	else
		seg_buf_u8(b, v);
}

static inline void seg_put_varint(struct seg_buf *b, uint64_t v)
{
	if (!seg_put_room(b)) {
		seg_buf_varint(b, v);
		return;
	}
	uint8_t *at = b->data + b->len;
	for (; v >= 0x80; v >>= 7)
		*at++ = (uint8_t)(v | 0x80);
	*at++ = (uint8_t)v;
	b->len = (size_t)(at - b->data);
}

static inline void seg_put_zigzag(struct seg_buf *b, int64_t v)
{
	seg_put_varint(b, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static inline void seg_put_u64(struct seg_buf *b, uint64_t v)
{
	if (seg_put_room(b)) {
		memcpy(b->data + b->len, &v, sizeof(v));
		b->len += sizeof(v);
	} else {
		seg_buf_u64le(b, v);
	}
}

static inline void seg_put_f64(struct seg_buf *b, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	seg_put_u64(b, bits);
}

static inline bool seg_get_room(const struct seg_view *v)
{
	return v->end - v->at >= SEG_VARINT_BYTES && !v->failed;
}

static inline uint8_t seg_get_u8(struct seg_view *v)
{
	return seg_get_room(v) ? *v->at++ : seg_view_u8(v);
}

static inline uint64_t seg_get_varint(struct seg_view *v)
{
	if (!seg_get_room(v))
		return seg_view_varint(v);
	const uint8_t *at = v->at;
	uint64_t x = *at & 0x7f;
	for (unsigned shift = 7; *at++ & 0x80; shift += 7) {
		if (shift == 63 && *at > 1)
			return seg_view_varint(v); /* too long: fails there */
		x |= (uint64_t)(*at & 0x7f) << shift;
	}
	v->at = at;
	return x;
}

static inline int64_t seg_get_zigzag(struct seg_view *v)
{
	uint64_t x = seg_get_varint(v);
	return (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
}

static inline uint64_t seg_get_u64(struct seg_view *v)
{
	uint64_t x;
	if (!seg_get_room(v))
		return seg_view_u64le(v);
	memcpy(&x, v->at, sizeof(x));
	v->at += sizeof(x);
	return x;
}

static inline double seg_get_f64(struct seg_view *v)
{
	uint64_t bits = seg_get_u64(v);
	double x;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

#endif
