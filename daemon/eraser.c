#include "daemon/eraser.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "daemon/erase_record.h"
#include "daemon/intake.h"

enum { WAIT_MS = 8000, CLOSE_MS = 2000, RECORD_MAX = 16 * 1024 };

struct seg_eraser {
	const struct seg_config *config;
	struct seg_instance *inst;
	pthread_mutex_t lock; /* of what follows */
	rd_kafka_t *rk;
	struct seg_intake *intake;   /* reads what is to be sent */
	uint64_t sent;		     /* and the number of the record under way */
	rd_kafka_resp_err_t outcome; /* of that record; IN_PROGRESS: not told yet */
};

struct seg_eraser *seg_eraser_new(const struct seg_config *config, struct seg_instance *inst)
{
	struct seg_eraser *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->config = config;
	e->inst = inst;
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

void seg_eraser_free(struct seg_eraser *e)
{
	if (!e)
		return;
	if (e->rk)
		rd_kafka_purge(e->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	seg_kafka_destroy(e->rk, CLOSE_MS);
	seg_intake_free(e->intake);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* ---- sending ---- */

/* Within rd_kafka_poll() only, under the lock. Reports of records that nobody waits for any more may come late. */
static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct seg_eraser *e = opaque;
	(void)rk;
	if ((uintptr_t)m->_private == (uintptr_t)e->sent)
		e->outcome = m->err;
}

static enum seg_rc open_producer(struct seg_eraser *e, struct seg_error *err)
{
	static const struct seg_kafka_setting own[] = {
		{"enable.idempotence", "true"}, {"acks", "all"}, {"message.timeout.ms", "5000"}, {"linger.ms", "5"}};
	rd_kafka_conf_t *conf;
	enum seg_rc rc = SEG_OK;
	if (!e->intake)
		rc = seg_intake_new(e->config, e->inst->partitions, &e->intake, err);
	if (rc || e->rk)
		return rc;
	rc = seg_kafka_conf(&e->inst->client, true, own, sizeof(own) / sizeof(own[0]), &conf, err);
	if (rc)
		return rc;
	rd_kafka_conf_set_opaque(conf, e);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	return seg_kafka_new(RD_KAFKA_PRODUCER, conf, &e->rk, err);
}

static enum seg_rc send_record(struct seg_eraser *e, const struct seg_event *event, int32_t partition,
			       const struct seg_buf *value, struct seg_error *err)
{
	const char *topic = e->config->sources[SEG_PROFILES].topic;
	e->outcome = RD_KAFKA_RESP_ERR__IN_PROGRESS;
	rd_kafka_resp_err_t rc =
		rd_kafka_producev(e->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
				  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				  RD_KAFKA_V_KEY((void *)(uintptr_t)event->customer_id.ptr, event->customer_id.len),
				  RD_KAFKA_V_VALUE(value->data, value->len), RD_KAFKA_V_TIMESTAMP(event->time_ms),
				  RD_KAFKA_V_OPAQUE((void *)(uintptr_t)e->sent), RD_KAFKA_V_END);
	if (rc)
		return seg_error_set(err, SEG_RETRY, "%s: %s", topic, rd_kafka_err2str(rc));
	int64_t until_ms = seg_monotonic_ms() + WAIT_MS;
	while (e->outcome == RD_KAFKA_RESP_ERR__IN_PROGRESS && seg_monotonic_ms() < until_ms)
		rd_kafka_poll(e->rk, 50);
	if (e->outcome == RD_KAFKA_RESP_ERR__IN_PROGRESS)
		return seg_error_set(err, SEG_RETRY, "%s: no broker has answered; the record may still come", topic);
	return e->outcome ? seg_error_set(err, SEG_RETRY, "%s: %s", topic, rd_kafka_err2str(e->outcome)) : SEG_OK;
}

enum seg_rc seg_eraser_erase(struct seg_eraser *e, struct seg_str customer_id, struct seg_error *err)
{
	char text[1024], event_id[33];
	struct seg_buf value;
	if (!e->config->sources[SEG_PROFILES].read)
		return seg_error_set(err, SEG_INVALID,
				     "sources.profiles is not read here: without it nobody can be erased.");
	seg_buf_init(&value, RECORD_MAX);
	pthread_mutex_lock(&e->lock);
	int len = snprintf(text, sizeof(text), "%s %" PRId64 " %" PRIu64 " ", e->config->instance, seg_wall_ms(),
			   e->sent++);
	snprintf(text + len, sizeof(text) - (size_t)len, SEG_STR_FMT, SEG_STR_ARG(customer_id));
	seg_hash128_hex(text, strlen(text), event_id);
	struct seg_event event;
	seg_event_reset(&event, SEG_PROFILES);
	event.kind = SEG_UPDATE_ERASE;
	event.event_id = seg_str_from(event_id);
	event.customer_id = customer_id;
	event.time_ms = seg_wall_ms();
	event.update_source = seg_str_from("segmentd");
	int32_t partition = seg_partition_for_key(customer_id.ptr, customer_id.len, e->inst->partitions);
	enum seg_rc rc = open_producer(e, err);
	if (!rc)
		rc = seg_erase_record(e->config, e->intake, &event, partition, &value, err);
	if (!rc)
		rc = send_record(e, &event, partition, &value, err);
	pthread_mutex_unlock(&e->lock);
	seg_buf_release(&value);
	return rc;
}
