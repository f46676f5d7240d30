/*
 * Reads Avro container files (Avro 1.11 specification, "Object Container Files"), block by block, codecs null and deflate.
 * The schema is kept as it is in the file, with logical types, defaults and aliases, and every length is checked, which is
 * why this is not Avro-C's reader. Threads: one owner.
 */
#ifndef SEG_CONSUMERS_CONTAINER_H
#define SEG_CONSUMERS_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct seg_avro_file;

/* SEG_IO; SEG_INVALID: not a container file, or a codec that is not read here. */
SEG_MUST_CHECK enum seg_rc seg_avro_file_open(const char *path, struct seg_avro_file **ret, struct seg_error *err);
void seg_avro_file_close(struct seg_avro_file *c);

/* JSON text of the writer's schema; valid until close. */
struct seg_str seg_avro_file_schema(const struct seg_avro_file *c);

/* The next block's records, decompressed; valid until the next call. SEG_NOT_FOUND: the end. SEG_CORRUPT. */
SEG_MUST_CHECK enum seg_rc seg_avro_file_block(struct seg_avro_file *c, struct seg_str *ret, uint64_t *ret_records,
					       struct seg_error *err);

/* Back to the first block. */
SEG_MUST_CHECK enum seg_rc seg_avro_file_rewind(struct seg_avro_file *c, struct seg_error *err);

#endif
