/*
 * From base/outputs.h's structs to bytes: Avro single-object encoding (C3 01, fingerprint, body) or JSON, and container
 * files for replay. Field by field the shipped schemas (base/schemas.h), written in one pass; container files by Avro-C.
 *
 * Threads: an encoder belongs to one thread. Nothing is kept of what is passed in.
 */
#ifndef SEG_PRODUCERS_ENCODE_H
#define SEG_PRODUCERS_ENCODE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/outputs.h"

enum seg_output {
	SEG_OUTPUT_CHANGE,
	SEG_OUTPUT_SEGMENT,
	SEG_OUTPUT_ALERT,
	SEG_OUTPUT_CUSTOMER,
	SEG_OUTPUT_DEAD_LETTER,
	SEG_OUTPUTS
};

/* "segment_change", "segment", "drift_alert", "customer", "dead_letter": names of schemas and of CloudEvents types. */
extern const char *const seg_output_names[SEG_OUTPUTS];

struct seg_encoder;

SEG_MUST_CHECK enum seg_rc seg_encoder_new(enum seg_format format, struct seg_encoder **ret, struct seg_error *err);
void seg_encoder_free(struct seg_encoder *e);

/*
 * `record` is the struct that belongs to the output: seg_change, seg_segment_row, seg_alert, seg_customer_row or
 * seg_dead_letter. Appends to `to`; on failure `to` is as before (SEG_INVALID: a NULL where the schema has none, a string
 * that is not UTF-8 in JSON; SEG_LIMIT: over the buffer's maximum). JSON: one object on one line without a newline, 64-bit
 * numbers as numbers, bytes in base64, non-finite doubles in non-null fields as null. In a dead letter's text and header
 * names, and in names of features, what is not UTF-8 becomes U+FFFD: a hostile record must not stop its own dead letter.
 */
SEG_MUST_CHECK enum seg_rc seg_encode(struct seg_encoder *e, enum seg_output output, const void *record,
				      struct seg_buf *to, struct seg_error *err);

/* Schema fingerprint of an output. */
uint64_t seg_encoder_fingerprint(const struct seg_encoder *e, enum seg_output output);

/*
 * An Avro container file (no compression) of one output. path must not exist. The sync marker is random: two files written
 * alike differ there only. Append: a record over 16 MiB is SEG_LIMIT, and the file goes on without it.
 */
struct seg_container;
SEG_MUST_CHECK enum seg_rc seg_container_open(const char *path, enum seg_output output, struct seg_container **ret,
					      struct seg_error *err);
SEG_MUST_CHECK enum seg_rc seg_container_append(struct seg_container *c, const void *record, struct seg_error *err);

/* A container file without records, of any shipped schema ("campaign_trigger"): an output nothing is written to yet. */
SEG_MUST_CHECK enum seg_rc seg_container_write_empty(const char *path, const char *schema, struct seg_error *err);

/* Flushes and closes; frees c in any case. NULL is fine. */
enum seg_rc seg_container_close(struct seg_container *c, struct seg_error *err);

#endif
