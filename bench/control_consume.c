/*
 * Control of bench/run: a bare librdkafka consumer, with the settings of consumers/kafka_input.c, that counts the records of
 * the four input topics until it has all that was there when it began.
 *
 *   control_consume BROKERS PARTITIONS GROUP
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kafka_client.h"
#include "consumers/kafka_wake.h"

enum { TOPICS = 4, BATCH = 1000, MAX_PARTITIONS = 256, ASK_MS = 20000, WAIT_MS = 100 };

static const char *const topics[TOPICS] = {"web-events", "email-events", "orders", "profiles"};

struct control {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct seg_kafka_wake *wake;
	int32_t partitions;
	int64_t ends[TOPICS][MAX_PARTITIONS], next[TOPICS][MAX_PARTITIONS];
	uint64_t events;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "control_consume: %s: %s\n", what, why);
	exit(1);
}

static void open_consumer(struct control *c, const char *brokers, const char *group)
{
	const struct seg_kafka_client client = {brokers, "control", NULL, 0};
	const struct seg_kafka_setting own[] = {
		{"group.id", group},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},
		{"isolation.level", "read_committed"},
		{"enable.partition.eof", "true"},
	};
	struct seg_error err;
	rd_kafka_conf_t *conf;

	if (seg_kafka_conf(&client, false, own, sizeof own / sizeof *own, &conf, &err))
		die("settings", err.text);
	if (seg_kafka_new(RD_KAFKA_CONSUMER, conf, &c->rk, &err) || seg_kafka_wake_start(c->rk, &c->wake, &err))
		die(brokers, err.text);
	rd_kafka_poll_set_consumer(c->rk);
	c->queue = rd_kafka_queue_get_consumer(c->rk);
}

/* All partitions from the start of their logs, without a group's protocol; known to the thread that keeps librdkafka
 * fetching. */
static void assign(struct control *c)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(TOPICS);
	struct seg_wake_target targets[TOPICS * MAX_PARTITIONS];
	size_t len = 0;

	for (int t = 0; t < TOPICS; t++) {
		for (int32_t p = 0; p < c->partitions; p++) {
			rd_kafka_resp_err_t e = rd_kafka_query_watermark_offsets(c->rk, topics[t], p, &c->next[t][p],
										 &c->ends[t][p], ASK_MS);
			if (e)
				die(topics[t], rd_kafka_err2str(e));
			rd_kafka_topic_partition_list_add(list, topics[t], p)->offset = c->next[t][p];
			targets[len++] = (struct seg_wake_target){topics[t], p};
		}
	}
	seg_kafka_wake_targets(c->wake, targets, len);
	rd_kafka_assign(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
}

static bool is_done(const struct control *c)
{
	for (int t = 0; t < TOPICS; t++) {
		for (int32_t p = 0; p < c->partitions; p++) {
			if (c->next[t][p] < c->ends[t][p])
				return false;
		}
	}
	return true;
}

static int topic_index(const rd_kafka_message_t *m)
{
	const char *name = m->rkt ? rd_kafka_topic_name(m->rkt) : "";

	for (int t = 0; t < TOPICS; t++) {
		if (strcmp(topics[t], name) == 0)
			return t;
	}
	return -1;
}

static void take(struct control *c, const rd_kafka_message_t *m)
{
	int t = topic_index(m);

	if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		die("consume", rd_kafka_message_errstr(m));
	if (t < 0)
		return;
	c->events += !m->err;
	c->next[t][m->partition] = m->err ? m->offset : m->offset + 1;
}

static void consume(struct control *c)
{
	rd_kafka_message_t *batch[BATCH];

	while (!is_done(c)) {
		ssize_t n = rd_kafka_consume_batch_queue(c->queue, 0, batch, BATCH);

		if (n <= 0) {
			batch[0] = rd_kafka_consume_queue(c->queue, WAIT_MS);
			n = batch[0] ? 1 : 0;
		}
		for (ssize_t i = 0; i < n; i++) {
			take(c, batch[i]);
			rd_kafka_message_destroy(batch[i]);
		}
		if (n == BATCH)
			seg_kafka_wake_now(c->wake);
	}
}

int main(int argc, char **argv)
{
	static struct control c;
	int64_t began_ms = seg_monotonic_ms();

	if (argc != 4) {
		fputs("usage: control_consume BROKERS PARTITIONS GROUP\n", stderr);
		return 2;
	}
	c.partitions = (int32_t)atoi(argv[2]);
	if (c.partitions < 1 || c.partitions > MAX_PARTITIONS)
		die(argv[2], "partitions: 1 to 256");
	open_consumer(&c, argv[1], argv[3]);
	assign(&c);
	consume(&c);
	printf("{\"events\": %" PRIu64 ", \"seconds\": %.3f}\n", c.events,
	       (double)(seg_monotonic_ms() - began_ms) / 1000);
	fflush(stdout);
	seg_kafka_wake_stop(c.wake, WAIT_MS);
	_Exit(0); /* nothing of the consumer needs saving, and leaving the group is not measured */
}
