#include "producers/headers.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/hash.h"

static const char *const ce_types[SEG_OUTPUTS] = {[SEG_OUTPUT_CHANGE] = "segmentd.segment_change.v1",
						  [SEG_OUTPUT_SEGMENT] = "segmentd.segment.v1",
						  [SEG_OUTPUT_ALERT] = "segmentd.drift_alert.v1",
						  [SEG_OUTPUT_CUSTOMER] = "segmentd.customer.v1",
						  [SEG_OUTPUT_DEAD_LETTER] = "segmentd.dead_letter.v1"};

const char *const seg_dlq_header_names[SEG_DLQ_HEADERS] = {
#define X(id, name, text) [id] = name,
	SEG_DLQ_HEADER_TABLE(X)
#undef X
};

static void add_ce(struct seg_ce_headers *h, const char *name, struct seg_str value)
{
	h->list[h->len++] = (struct seg_header){name, value.ptr, value.len};
}

void seg_ce_headers_set(struct seg_ce_headers *h, enum seg_output output, enum seg_format format, const char *app,
			struct seg_str id, int64_t time_ms)
{
	/* cppcheck-suppress ctuuninitvar ; only addresses are taken */
	char *source = h->text, *when = h->text + SEG_HEADER_TEXT;

	h->len = 0;
	snprintf(source, SEG_HEADER_TEXT, "segmentd/%s", app);
	seg_time_format(time_ms, when);
	add_ce(h, "ce_specversion", seg_str_from("1.0"));
	add_ce(h, "ce_id", id);
	add_ce(h, "ce_type", seg_str_from(ce_types[output]));
	add_ce(h, "ce_source", seg_str_from(source));
	add_ce(h, "ce_time", seg_str_from(when));
	add_ce(h, "content-type", seg_str_from(format == SEG_FORMAT_JSON ? "application/json" : "application/avro"));
}

/* What a record costs beside its bytes, and each header: more than Kafka's batch, record and length fields take. */
enum { RECORD_OVERHEAD = 128, HEADER_OVERHEAD = 12 };

/* A dead letter's headers being put together. */
struct draft {
	struct seg_dlq_record *r;
	size_t text_len;
	size_t own_bytes;
};

static void add_own(struct draft *d, enum seg_dlq_header which, struct seg_str value)
{
	const char *name = seg_dlq_header_names[which];

	d->r->headers[d->r->headers_len++] = (struct seg_header){name, value.ptr, value.len};
	d->own_bytes += strlen(name) + value.len + HEADER_OVERHEAD;
}

/* The numbers and the digest together are shorter than the record's text. */
static void add_text(struct draft *d, enum seg_dlq_header which, const char *fmt, ...) SEG_PRINTF(3, 4);
static void add_text(struct draft *d, enum seg_dlq_header which, const char *fmt, ...)
{
	char *at = d->r->text + d->text_len;
	size_t left = sizeof d->r->text - d->text_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(at, left, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= left)
		return;
	d->text_len += (size_t)n + 1;
	add_own(d, which, (struct seg_str){at, (uint32_t)n});
}

static void add_whence(struct draft *d, const struct seg_dead_letter *letter)
{
	add_own(d, SEG_DLQ_TOPIC, seg_str_from(letter->topic));
	add_text(d, SEG_DLQ_PARTITION, "%" PRId32, letter->partition);
	add_text(d, SEG_DLQ_OFFSET, "%" PRId64, letter->offset);
	if (letter->timestamp_ms != SEG_NO_TIME)
		add_text(d, SEG_DLQ_TIMESTAMP, "%" PRId64, letter->timestamp_ms);
	add_own(d, SEG_DLQ_REASON, seg_str_from(letter->reason));
	add_own(d, SEG_DLQ_TEXT, seg_str_from(letter->text));
	if (letter->schema_id.ptr)
		add_own(d, SEG_DLQ_SCHEMA, letter->schema_id);
}

static enum seg_rc add_truncated(struct draft *d, struct seg_str value, struct seg_error *err)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char hex[crypto_hash_sha256_BYTES * 2 + 1];

	add_own(d, SEG_DLQ_TRUNCATED, seg_str_from("true"));
	add_own(d, SEG_DLQ_CUT, seg_str_from("true"));
	if (!value.ptr)
		return SEG_OK;
	if (sodium_init() < 0)
		return seg_error_set(err, SEG_FATAL, "libsodium cannot be initialised");
	crypto_hash_sha256(digest, (const unsigned char *)value.ptr, value.len);
	sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
	add_text(d, SEG_DLQ_SHA256, "%s", hex);
	add_text(d, SEG_DLQ_BYTES, "%" PRIu32, value.len);
	return SEG_OK;
}

static size_t original_bytes(const struct seg_dead_letter *letter)
{
	size_t bytes = 0;

	for (size_t i = 0; i < letter->headers_len; i++)
		bytes += strlen(letter->headers[i].name) + letter->headers[i].len + HEADER_OVERHEAD;
	return bytes;
}

/* Own headers behind room for the original ones; truncates as far as it must. */
static enum seg_rc fill(struct draft *d, const struct seg_dead_letter *letter, size_t max_bytes, struct seg_error *err)
{
	struct seg_dlq_record *r = d->r;
	size_t originals = letter->headers_len, headers = original_bytes(letter);
	size_t fixed = RECORD_OVERHEAD + letter->key.len;
	enum seg_rc rc = SEG_OK;

	r->headers_len = originals;
	add_whence(d, letter);
	r->value = letter->value;
	if (fixed + d->own_bytes + headers + letter->value.len > max_bytes) {
		rc = add_truncated(d, letter->value, err);
		r->value = (struct seg_str){0};
	}
	if (rc == SEG_OK && fixed + d->own_bytes + headers > max_bytes) {
		r->headers_len -= originals;
		memmove(r->headers, r->headers + originals, r->headers_len * sizeof *r->headers);
		originals = 0;
		if (fixed + d->own_bytes > max_bytes)
			rc = seg_error_set(
				err, SEG_LIMIT,
				"a dead letter of %s [%" PRId32 "] at %" PRId64
				" is too large even without value and headers: raise the topic's max.message.bytes"
				" above %zu",
				letter->topic, letter->partition, letter->offset, max_bytes);
	}
	for (size_t i = 0; i < originals; i++)
		r->headers[i] = letter->headers[i];
	return rc;
}

enum seg_rc seg_dlq_record_init(struct seg_dlq_record *r, const struct seg_dead_letter *letter, size_t max_bytes,
				struct seg_error *err)
{
	struct draft d = {.r = r};
	enum seg_rc rc;

	*r = (struct seg_dlq_record){0};
	r->headers = malloc((letter->headers_len + SEG_DLQ_HEADERS) * sizeof *r->headers);
	if (!r->headers)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a dead letter's headers");
	rc = fill(&d, letter, max_bytes, err);
	if (rc != SEG_OK)
		seg_dlq_record_release(r);
	return rc;
}

void seg_dlq_record_release(struct seg_dlq_record *r)
{
	free(r->headers);
	*r = (struct seg_dlq_record){0};
}

int32_t seg_dlq_partition(const struct seg_dead_letter *letter, int32_t partitions)
{
	if (letter->key.ptr)
		return seg_partition_for_key(letter->key.ptr, letter->key.len, partitions);
	return letter->partition < 0 ? 0 : letter->partition % partitions;
}
