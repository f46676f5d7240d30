#include "daemon/kafka_sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "producers/encode.h"
#include "producers/headers.h"

enum {
	RECORD_MAX = 4 * 1024 * 1024,
	ID_MAX = 256,
	DEAD_LETTER_MAX = 1024 * 1024 + 64 * 1024,
	DEAD_LETTER_LEAST = 1024
};

struct seg_kafka_sink {
	const struct seg_config *config;
	struct seg_txn *txn;
	struct seg_encoder *encoders[2]; /* by format */
	struct seg_buf value;
	struct seg_sink interface;
	size_t bytes, dead_letter_max;
};

void seg_output_topics(const struct seg_config *config, const char *ret[SEG_TOPIC_OUTS])
{
	ret[SEG_TOPIC_OUT_CHANGES] = config->outputs[SEG_CONFIG_SEGMENT_CHANGES].topic;
	ret[SEG_TOPIC_OUT_SEGMENTS] = config->outputs[SEG_CONFIG_SEGMENTS].topic;
	ret[SEG_TOPIC_OUT_ALERTS] = config->outputs[SEG_CONFIG_DRIFT_ALERTS].topic;
	ret[SEG_TOPIC_OUT_DEAD_LETTERS] = config->outputs[SEG_CONFIG_DEAD_LETTERS].topic;
	ret[SEG_TOPIC_OUT_CHANGELOG] = config->internals.changelog;
	ret[SEG_TOPIC_OUT_SUMS] = config->internals.model_sums;
	ret[SEG_TOPIC_OUT_MODEL] = config->internals.model;
}

static enum seg_rc produce(struct seg_kafka_sink *s, const struct seg_txn_record *record, uint32_t *ret_ticket,
			   struct seg_error *err)
{
	s->bytes += record->key.len + record->value.len;
	return seg_txn_produce(s->txn, record, ret_ticket, err);
}

/* One of the Avro or JSON outputs, with its CloudEvents headers. */
static enum seg_rc send_output(struct seg_kafka_sink *s, enum seg_config_output which, enum seg_output kind,
			       const void *row, struct seg_txn_record *record, struct seg_str id, int64_t time_ms,
			       struct seg_error *err)
{
	enum seg_format format = s->config->outputs[which].format;
	seg_buf_clear(&s->value);
	enum seg_rc rc = seg_encode(s->encoders[format], kind, row, &s->value, err);
	if (rc)
		return rc;
	struct seg_ce_headers headers;
	seg_ce_headers_set(&headers, kind, format, s->config->app, id, time_ms);
	record->value = (struct seg_str){(const char *)s->value.data, (uint32_t)s->value.len};
	record->headers = headers.list;
	record->headers_len = headers.len;
	rc = produce(s, record, NULL, err);
	record->headers = NULL; /* gone with this function */
	record->headers_len = 0;
	return rc;
}

static enum seg_rc sink_change(void *ctx, int32_t partition, const struct seg_change *change, struct seg_error *err)
{
	struct seg_txn_record record = {
		.topic = SEG_TOPIC_OUT_CHANGES, .partition = partition, .key = change->customer_id};
	return send_output(ctx, SEG_CONFIG_SEGMENT_CHANGES, SEG_OUTPUT_CHANGE, change, &record,
			   seg_str_from(change->event_id), change->event_time_ms, err);
}

static enum seg_rc sink_segment(void *ctx, const struct seg_segment_row *row, struct seg_error *err)
{
	char key[ID_MAX], id[ID_MAX];
	snprintf(key, sizeof(key), "s%" PRIu64, row->cluster);
	snprintf(id, sizeof(id), "s%" PRIu64 "/%" PRIu64 "/%" PRId64, row->cluster, row->model_version,
		 row->updated_at_ms);
	struct seg_txn_record record = {.topic = SEG_TOPIC_OUT_SEGMENTS, .partition = 0, .key = seg_str_from(key)};
	return send_output(ctx, SEG_CONFIG_SEGMENTS, SEG_OUTPUT_SEGMENT, row, &record, seg_str_from(id),
			   row->updated_at_ms, err);
}

static enum seg_rc sink_alert(void *ctx, const struct seg_alert *alert, struct seg_error *err)
{
	static const char *const states[] = {"raised", "escalated", "cleared"};
	char id[ID_MAX];
	snprintf(id, sizeof(id), "%s/%s", alert->alert_id, states[alert->state]);
	struct seg_txn_record record = {
		.topic = SEG_TOPIC_OUT_ALERTS, .partition = 0, .key = seg_str_from(alert->subject)};
	return send_output(ctx, SEG_CONFIG_DRIFT_ALERTS, SEG_OUTPUT_ALERT, alert, &record, seg_str_from(id),
			   alert->event_time_ms, err);
}

static enum seg_rc sink_dead_letter(void *ctx, const struct seg_dead_letter *letter, struct seg_error *err)
{
	struct seg_kafka_sink *s = ctx;
	struct seg_dlq_record dead;
	enum seg_rc rc = seg_dlq_record_init(&dead, letter, s->dead_letter_max, err);
	if (rc)
		return rc;
	int32_t partitions = seg_txn_partitions(s->txn, SEG_TOPIC_OUT_DEAD_LETTERS);
	struct seg_txn_record record = {
		.topic = SEG_TOPIC_OUT_DEAD_LETTERS,
		.partition = seg_dlq_partition(letter, partitions > 0 ? partitions : 1),
		.key = letter->key,
		.value = dead.value,
		.headers = dead.headers,
		.headers_len = dead.headers_len,
	};
	rc = produce(s, &record, NULL, err);
	seg_dlq_record_release(&dead);
	return rc;
}

static enum seg_rc sink_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
				 struct seg_str value, uint32_t *ret_ticket, struct seg_error *err)
{
	static const uint32_t topics[SEG_INTERNALS] = {
		[SEG_INTERNAL_CHANGELOG] = SEG_TOPIC_OUT_CHANGELOG,
		[SEG_INTERNAL_SUMS] = SEG_TOPIC_OUT_SUMS,
		[SEG_INTERNAL_MODEL] = SEG_TOPIC_OUT_MODEL,
	};
	struct seg_txn_record record = {.topic = topics[topic],
					.partition = partition,
					.key = key,
					.value = value,
					.want_offset = ret_ticket != NULL};
	return produce(ctx, &record, ret_ticket, err);
}

enum seg_rc seg_kafka_sink_new(const struct seg_config *config, struct seg_kafka_sink **ret, struct seg_error *err)
{
	struct seg_kafka_sink *s = calloc(1, sizeof(*s));
	if (!s)
		return seg_error_set(err, SEG_NO_MEMORY, "outputs: out of memory");
	s->config = config;
	s->dead_letter_max = DEAD_LETTER_MAX;
	seg_buf_init(&s->value, RECORD_MAX);
	s->interface = (struct seg_sink){sink_change, sink_dead_letter, sink_segment, sink_alert, sink_internal, s};
	for (int f = SEG_FORMAT_AVRO; f <= SEG_FORMAT_JSON; f++) {
		enum seg_rc rc = seg_encoder_new((enum seg_format)f, &s->encoders[f], err);
		if (rc) {
			seg_kafka_sink_free(s);
			return rc;
		}
	}
	*ret = s;
	return SEG_OK;
}

void seg_kafka_sink_free(struct seg_kafka_sink *s)
{
	if (!s)
		return;
	for (int f = SEG_FORMAT_AVRO; f <= SEG_FORMAT_JSON; f++)
		seg_encoder_free(s->encoders[f]);
	seg_buf_release(&s->value);
	free(s);
}

void seg_kafka_sink_use(struct seg_kafka_sink *s, struct seg_txn *txn)
{
	s->txn = txn;
}

const struct seg_sink *seg_kafka_sink_interface(struct seg_kafka_sink *s)
{
	return &s->interface;
}

bool seg_kafka_sink_cut_letters(struct seg_kafka_sink *s, size_t refused_bytes)
{
	size_t most = refused_bytes / 2;
	if (most < DEAD_LETTER_LEAST)
		return false;
	if (most < s->dead_letter_max)
		s->dead_letter_max = most;
	return true;
}

size_t seg_kafka_sink_bytes(struct seg_kafka_sink *s)
{
	size_t bytes = s->bytes;
	s->bytes = 0;
	return bytes;
}
