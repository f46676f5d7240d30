/* The body of an output record, shared by encode.c and container.c. Internal to producers/. */
#ifndef SEG_PRODUCERS_ENCODE_FIELDS_H
#define SEG_PRODUCERS_ENCODE_FIELDS_H

#include "producers/encode.h"

/* Appends the record's Avro body or JSON object; on failure `to` is as before. Codes as seg_encode(). */
SEG_MUST_CHECK enum seg_rc seg_encode_body(enum seg_output output, const void *record, bool json, struct seg_buf *to,
					   struct seg_error *err);

#endif
