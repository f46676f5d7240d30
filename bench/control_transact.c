/*
 * Control of bench/run: a bare transactional loop with the settings of consumers/kafka_input.c and producers/kafka_txn.c.
 * It reads the four input topics and writes, as Kafka Streams does to its changelog, one record of 250 bytes per distinct
 * customer and commit, which is every 50 ms; offsets go with the transaction. No store, no decoding.
 *
 *   control_transact BROKERS PARTITIONS GROUP CHANGELOG
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/kafka_client.h"
#include "consumers/kafka_wake.h"

enum {
	TOPICS = 4,
	BATCH = 1000,
	MAX_PARTITIONS = 64,
	ASK_MS = 20000,
	WAIT_MS = 10,
	COMMIT_MS = 50,
	VALUE_BYTES = 250,
	SETTINGS = 4
};
enum { TABLE = 1 << 20 }; /* far more than customers of a commit */

static const char *const topics[TOPICS] = {"web-events", "email-events", "orders", "profiles"};

struct control {
	rd_kafka_t *consumer, *producer;
	rd_kafka_queue_t *queue;
	rd_kafka_topic_t *changelog;
	struct seg_kafka_wake *wake;
	int32_t partitions;
	int64_t ends[TOPICS][MAX_PARTITIONS], next[TOPICS][MAX_PARTITIONS];
	uint64_t events, records, commits, seen[TABLE]; /* seen: the last commit of customers, by hash */
};

static void die(const char *why)
{
	fprintf(stderr, "control_transact: %s\n", why);
	exit(1);
}

static void must(rd_kafka_error_t *e)
{
	if (e)
		die(rd_kafka_error_string(e));
}

static rd_kafka_t *open_handle(const char *brokers, bool producer, const char *group)
{
	const struct seg_kafka_client client = {.brokers = brokers};
	const struct seg_kafka_setting consumes[] = {{"group.id", group},
						     {"enable.auto.commit", "false"},
						     {"isolation.level", "read_committed"},
						     {"enable.partition.eof", "true"}};
	const struct seg_kafka_setting produces[] = {{"transactional.id", group},
						     {"transaction.timeout.ms", "10000"},
						     {"enable.idempotence", "true"},
						     {"queue.buffering.max.messages", "100000"}};
	struct seg_error err;
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	if (seg_kafka_conf(&client, producer, producer ? produces : consumes, SETTINGS, &conf, &err) ||
	    seg_kafka_new(producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, &rk, &err))
		die(err.text);
	return rk;
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
			if (rd_kafka_query_watermark_offsets(c->consumer, topics[t], p, &c->next[t][p], &c->ends[t][p],
							     ASK_MS))
				die("the ends of the topics are not told");
			rd_kafka_topic_partition_list_add(list, topics[t], p)->offset = c->next[t][p];
			targets[len++] = (struct seg_wake_target){topics[t], p};
		}
	}
	seg_kafka_wake_targets(c->wake, targets, len);
	rd_kafka_assign(c->consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Whether the customer is new in this commit. Two that share a slot are written more than once: far below 1 %. */
static bool note(struct control *c, const rd_kafka_message_t *m)
{
	uint64_t hash = seg_hash64(m->key, m->key_len), now = hash + (c->commits + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t *slot = &c->seen[hash % TABLE], before = *slot;

	*slot = now;
	return before != now;
}

/* Half of the bytes do not compress, as in a profile. */
static void write_record(struct control *c, const rd_kafka_message_t *m)
{
	static char value[VALUE_BYTES];

	for (size_t i = 0; i + 8 <= VALUE_BYTES / 2; i += 8) {
		uint64_t x = (c->records + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
		memcpy(value + i, &x, sizeof x);
	}
	if (rd_kafka_produce(c->changelog, m->partition, RD_KAFKA_MSG_F_COPY, value, VALUE_BYTES, m->key, m->key_len,
			     NULL))
		die(rd_kafka_err2str(rd_kafka_last_error())); /* the queue has room for more than a commit's records */
	c->records++;
}

static void take(struct control *c, const rd_kafka_message_t *m)
{
	if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		die(rd_kafka_message_errstr(m));
	for (int t = 0; t < TOPICS; t++)
		if (strcmp(topics[t], rd_kafka_topic_name(m->rkt)) == 0)
			c->next[t][m->partition] = m->err ? m->offset : m->offset + 1;
	c->events += !m->err;
	if (!m->err && note(c, m))
		write_record(c, m);
}

/* True when all is committed. */
static bool commit(struct control *c)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(TOPICS);
	rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(c->consumer);
	bool done = true;

	for (int t = 0; t < TOPICS; t++)
		for (int32_t p = 0; p < c->partitions; done = done && c->next[t][p] >= c->ends[t][p], p++)
			rd_kafka_topic_partition_list_add(list, topics[t], p)->offset = c->next[t][p];
	must(rd_kafka_send_offsets_to_transaction(c->producer, list, group, -1));
	must(rd_kafka_commit_transaction(c->producer, -1));
	rd_kafka_consumer_group_metadata_destroy(group);
	rd_kafka_topic_partition_list_destroy(list);
	c->commits++;
	return done;
}

static void work(struct control *c)
{
	rd_kafka_message_t *batch[BATCH];
	int64_t committed_ms = seg_monotonic_ms();

	must(rd_kafka_begin_transaction(c->producer));
	for (bool done = false; !done;) {
		ssize_t n = rd_kafka_consume_batch_queue(c->queue, 0, batch, BATCH);
		if (n <= 0)
			n = (batch[0] = rd_kafka_consume_queue(c->queue, WAIT_MS)) ? 1 : 0;
		for (ssize_t i = 0; i < n; i++) {
			take(c, batch[i]);
			rd_kafka_message_destroy(batch[i]);
		}
		if (n == BATCH)
			seg_kafka_wake_now(c->wake);
		if (seg_monotonic_ms() - committed_ms < COMMIT_MS)
			continue;
		done = commit(c);
		committed_ms = seg_monotonic_ms();
		must(rd_kafka_begin_transaction(c->producer));
	}
}

int main(int argc, char **argv)
{
	static struct control c;
	int64_t began_ms = seg_monotonic_ms();
	struct seg_error err;

	if (argc != 5 || (c.partitions = (int32_t)atoi(argv[2])) < 1 || c.partitions > MAX_PARTITIONS)
		die("usage: control_transact BROKERS PARTITIONS(1 to 64) GROUP CHANGELOG");
	c.producer = open_handle(argv[1], true, argv[3]);
	must(rd_kafka_init_transactions(c.producer, ASK_MS));
	c.changelog = rd_kafka_topic_new(c.producer, argv[4], NULL);
	c.consumer = open_handle(argv[1], false, argv[3]);
	if (seg_kafka_wake_start(c.consumer, &c.wake, &err))
		die(err.text);
	rd_kafka_poll_set_consumer(c.consumer);
	c.queue = rd_kafka_queue_get_consumer(c.consumer);
	assign(&c);
	work(&c);
	printf("{\"events\": %" PRIu64 ", \"seconds\": %.3f, \"records\": %" PRIu64 ", \"commits\": %" PRIu64 "}\n",
	       c.events, (double)(seg_monotonic_ms() - began_ms) / 1000, c.records, c.commits);
	fflush(stdout);
	_Exit(0); /* leaving the group is not measured */
}
