/*
 * A message's bytes into an event: the first stage of the way of an event.
 *
 * Avro values are in single-object encoding. Each writer schema, found by its fingerprint among the shipped ones and those
 * of schemas.dir, is compiled together with the source's field mapping into a program (consumers/program.h) at its first
 * message; from then on a message costs one pass over its bytes and no allocation. JSON values (format json) are objects
 * with our field names, or those that the mapping names; times are milliseconds or RFC 3339 text.
 *
 * Lifecycle: new, decode any number of times, free. Threads: one decoder belongs to one thread.
 */
#ifndef SEG_CONSUMERS_DECODER_H
#define SEG_CONSUMERS_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"
#include "base/outputs.h"
#include "base/reasons.h"
#include "base/str.h"

enum { SEG_DECODE_MAX_BYTES = 1 << 20 }; /* larger messages are refused */

/* Our field `field` comes from `path` (a.b.c through records and maps) or is always `constant`; the other is NULL. */
struct seg_mapped {
	const char *field, *path, *constant;
};

struct seg_decoder_options {
	enum seg_source source;
	enum seg_format format;
	const struct seg_mapped *mapping; /* of this source */
	size_t mapping_len;
	const char *schemas_dir; /* further writer schemas, *.avsc; NULL or "": only the shipped ones */
};

/* What dead letters say. schema_id is filled by each decode, so that it is there when cleaning refuses; text only by a refusal. */
struct seg_refused {
	char text[256];	    /* what, where, what to do */
	char schema_id[24]; /* fingerprint of the writer's schema in hex; "" if there is none */
};

struct seg_decoder;

/* Copies the options. SEG_INVALID: a mapping that cannot be, a schema that is not one; SEG_IO: the folder. */
SEG_MUST_CHECK enum seg_rc seg_decoder_new(const struct seg_decoder_options *options, struct seg_decoder **ret,
					   struct seg_error *err);
void seg_decoder_free(struct seg_decoder *d);

/*
 * value.ptr NULL is refused as null_value. On success the strings of *ret point into the message or into the decoder, and
 * are valid until the next decode or as long as the message, whichever ends first. When refused, *ret is undefined but for
 * source and time_ms, which is the event time if that could be read, else SEG_NO_TIME. ret_why may be NULL.
 */
enum seg_refusal seg_decoder_decode(struct seg_decoder *d, struct seg_str value, struct seg_event *ret,
				    struct seg_refused *ret_why);

/* Makes a further writer schema known (JSON text), e.g. one found in a registry or in a file's header. */
SEG_MUST_CHECK enum seg_rc seg_decoder_add_schema(struct seg_decoder *d, const char *json, size_t len,
						  uint64_t *ret_fingerprint, struct seg_error *err);

#endif
