/*
 * A growing byte buffer with a maximum fixed at init. After a failed append (no memory, or over the maximum) `failed`
 * stays set and further appends do nothing, so a writer checks once at the end.
 */
#ifndef SEG_BASE_BUF_H
#define SEG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct seg_buf {
	uint8_t *data;
	size_t len, cap, max;
	bool failed;
	bool no_memory; /* ... for want of memory, not for its maximum */
};

void seg_buf_init(struct seg_buf *b, size_t max);
void seg_buf_release(struct seg_buf *b);
void seg_buf_clear(struct seg_buf *b); /* keeps the memory, clears `failed` */
/* What a writer finds at the end: SEG_OK, SEG_NO_MEMORY or SEG_LIMIT. */
enum seg_rc seg_buf_rc(const struct seg_buf *b);
void seg_buf_append(struct seg_buf *b, const void *data, size_t len);
void seg_buf_u8(struct seg_buf *b, uint8_t v);
void seg_buf_u32be(struct seg_buf *b, uint32_t v);
void seg_buf_u64be(struct seg_buf *b, uint64_t v); /* big endian: sorts as the number does */
void seg_buf_u64le(struct seg_buf *b, uint64_t v);
void seg_buf_f64(struct seg_buf *b, double v);	    /* IEEE 754, little endian */
void seg_buf_varint(struct seg_buf *b, uint64_t v); /* LEB128 */
void seg_buf_zigzag(struct seg_buf *b, int64_t v);
void seg_buf_bytes(struct seg_buf *b, const void *data, size_t len); /* varint length, then the bytes */
void seg_buf_printf(struct seg_buf *b, const char *fmt, ...) SEG_PRINTF(2, 3);

/* The matching bounded reader: after a read past the end `failed` is set and all reads give 0. */
struct seg_view {
	const uint8_t *at, *end;
	bool failed;
};

struct seg_view seg_view_of(const void *data, size_t len);
uint8_t seg_view_u8(struct seg_view *v);
uint32_t seg_view_u32be(struct seg_view *v);
uint64_t seg_view_u64be(struct seg_view *v);
uint64_t seg_view_u64le(struct seg_view *v);
double seg_view_f64(struct seg_view *v);
uint64_t seg_view_varint(struct seg_view *v);
int64_t seg_view_zigzag(struct seg_view *v);
const void *seg_view_bytes(struct seg_view *v, size_t *ret_len); /* borrowed; NULL and failed past the end */
const void *seg_view_raw(struct seg_view *v, size_t len);

#endif
