/*
 * Headers of output records: CloudEvents 1.0 (Kafka binding, binary mode) on what segmentd says, and on dead letters where
 * they came from and why.
 */
#ifndef SEG_PRODUCERS_HEADERS_H
#define SEG_PRODUCERS_HEADERS_H

#include "base/outputs.h"
#include "producers/encode.h"

enum { SEG_CE_HEADERS = 6, SEG_HEADER_TEXT = 256 };

/* Caller's memory; `list` points into `text`, so it must not be copied or moved once filled. */
struct seg_ce_headers {
	struct seg_header list[SEG_CE_HEADERS];
	size_t len;
	char text[SEG_HEADER_TEXT * 2];
};

/*
 * ce_specversion 1.0, ce_id, ce_type segmentd.<output>.v1, ce_source segmentd/<app>, ce_time (RFC 3339), content-type.
 * id is borrowed.
 */
void seg_ce_headers_set(struct seg_ce_headers *h, enum seg_output output, enum seg_format format, const char *app,
			struct seg_str id, int64_t time_ms);

/* Names of a dead letter's own headers: one table, also for the docs and `segmentd dlq`. */
#define SEG_DLQ_HEADER_TABLE(X)                                                                                        \
	X(SEG_DLQ_TOPIC, "segmentd.dlq.topic", "source topic")                                                         \
	X(SEG_DLQ_PARTITION, "segmentd.dlq.partition", "source partition, decimal")                                    \
	X(SEG_DLQ_OFFSET, "segmentd.dlq.offset", "source offset, decimal")                                             \
	X(SEG_DLQ_TIMESTAMP, "segmentd.dlq.timestamp",                                                                 \
	  "the record's Kafka timestamp, ms since 1970, decimal; absent: none")                                        \
	X(SEG_DLQ_REASON, "segmentd.dlq.reason", "reason code")                                                        \
	X(SEG_DLQ_TEXT, "segmentd.dlq.text", "what, where, what to do")                                                \
	X(SEG_DLQ_SCHEMA, "segmentd.dlq.schema_id", "writer schema: fingerprint in hex or registry id; absent: none")  \
	X(SEG_DLQ_TRUNCATED, "segmentd.dlq.truncated", "true: the value was too large and is left out")                \
	X(SEG_DLQ_CUT, "truncated", "true, with segmentd.dlq.truncated: the same under a plain name")                  \
	X(SEG_DLQ_SHA256, "segmentd.dlq.sha256", "of the value that was left out, lower-case hex")                     \
	X(SEG_DLQ_BYTES, "segmentd.dlq.bytes", "length of the value that was left out, decimal")

enum seg_dlq_header {
#define X(id, name, text) id,
	SEG_DLQ_HEADER_TABLE(X)
#undef X
		SEG_DLQ_HEADERS
};

extern const char *const seg_dlq_header_names[SEG_DLQ_HEADERS];

/* A dead letter as a Kafka record: original headers first and untouched (traceparent among them), then its own. */
struct seg_dlq_record {
	struct seg_header *headers; /* owned */
	size_t headers_len;
	struct seg_str value; /* borrowed from the letter; ptr NULL when truncated or null */
	char text[512];
};

/*
 * max_bytes: what the topic takes (its max.message.bytes); a larger record goes without its value, with SHA-256 and
 * length of it in headers, and if the original headers are what is too large, without those.
 */
SEG_MUST_CHECK enum seg_rc seg_dlq_record_init(struct seg_dlq_record *r, const struct seg_dead_letter *letter,
					       size_t max_bytes, struct seg_error *err);
void seg_dlq_record_release(struct seg_dlq_record *r);

/* Null key: the source partition modulo the count; otherwise by the key. */
int32_t seg_dlq_partition(const struct seg_dead_letter *letter, int32_t partitions);

#endif
