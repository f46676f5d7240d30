/*
 * Control of bench/recovery: a bare librdkafka consumer, with the settings of segmentd's reader, that reads a changelog to
 * its end as it was when it began and writes each partition's records to a RocksDB of its own, in batches of 1,000 in key
 * order, without write-ahead log and automatic compaction; flushed at the end. As many threads as it is told, each with a
 * consumer for its share of the partitions.
 *
 *   control_rebuild BROKERS TOPIC PARTITIONS FOLDER THREADS
 */
#include <inttypes.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kafka_client.h"
#include "consumers/kafka_wake.h"

enum { BATCH = 1000, MAX_PARTITIONS = 256, ASK_MS = 20000, WAIT_MS = 100 };

static const char *brokers, *topic, *folder;
static int32_t partitions, threads;

struct place {
	rocksdb_t *db;
	rd_kafka_message_t *held[BATCH]; /* the batch that is being filled */
	size_t len;
	int64_t next, end;
};

struct reader {
	pthread_t thread;
	int32_t index;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct seg_kafka_wake *wake;
	rd_kafka_topic_t *rkt;
	rocksdb_writeoptions_t *write;
	rocksdb_writebatch_t *batch;
	struct place places[MAX_PARTITIONS];
	uint64_t records, bytes;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "control_rebuild: %s: %s\n", what, why);
	exit(1);
}

static rocksdb_t *open_db(int32_t partition)
{
	rocksdb_options_t *o = rocksdb_options_create();
	char path[4096], *message = NULL;

	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_disable_auto_compactions(o, 1);
	rocksdb_options_set_level0_slowdown_writes_trigger(o, 4096);
	rocksdb_options_set_level0_stop_writes_trigger(o, 4096);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	snprintf(path, sizeof path, "%s/control-%d", folder, (int)partition);
	rocksdb_t *db = rocksdb_open(o, path, &message);
	if (message)
		die(path, message);
	rocksdb_options_destroy(o);
	return db;
}

static void open_consumer(struct reader *r)
{
	const struct seg_kafka_client client = {brokers, "control", NULL, 0};
	const struct seg_kafka_setting own[] = {
		{"enable.auto.commit", "false"},  {"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},	  {"isolation.level", "read_committed"},
		{"enable.partition.eof", "true"},
	};
	struct seg_error err;
	rd_kafka_conf_t *conf;

	if (seg_kafka_conf(&client, false, own, sizeof own / sizeof *own, &conf, &err))
		die("settings", err.text);
	if (seg_kafka_new(RD_KAFKA_CONSUMER, conf, &r->rk, &err) || seg_kafka_wake_start(r->rk, &r->wake, &err))
		die(brokers, err.text);
	r->queue = rd_kafka_queue_new(r->rk);
	r->rkt = rd_kafka_topic_new(r->rk, topic, NULL);
}

/* This thread's partitions, from the start of their logs. */
static void start(struct reader *r)
{
	struct seg_wake_target targets[MAX_PARTITIONS];
	size_t len = 0;

	open_consumer(r);
	for (int32_t p = r->index; p < partitions; p += threads) {
		struct place *place = &r->places[p];
		rd_kafka_resp_err_t e =
			rd_kafka_query_watermark_offsets(r->rk, topic, p, &place->next, &place->end, ASK_MS);

		if (e)
			die(topic, rd_kafka_err2str(e));
		place->db = open_db(p);
		targets[len++] = (struct seg_wake_target){topic, p};
		if (place->next < place->end && rd_kafka_consume_start_queue(r->rkt, p, place->next, r->queue) == -1)
			die(topic, rd_kafka_err2str(rd_kafka_last_error()));
	}
	seg_kafka_wake_targets(r->wake, targets, len);
	r->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_disable_WAL(r->write, 1);
	r->batch = rocksdb_writebatch_create();
}

/* By key; of one key the later one last. */
static int compare(const void *a, const void *b)
{
	const rd_kafka_message_t *x = *(rd_kafka_message_t *const *)a, *y = *(rd_kafka_message_t *const *)b;
	size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
	int c = memcmp(x->key, y->key, len);

	if (c)
		return c;
	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void write_held(struct reader *r, struct place *place)
{
	char *message = NULL;

	qsort(place->held, place->len, sizeof(rd_kafka_message_t *), compare);
	rocksdb_writebatch_clear(r->batch);
	for (size_t i = 0; i < place->len; i++) {
		rd_kafka_message_t *m = place->held[i];

		if (m->payload)
			rocksdb_writebatch_put(r->batch, m->key, m->key_len, m->payload, m->len);
		else
			rocksdb_writebatch_delete(r->batch, m->key, m->key_len);
		rd_kafka_message_destroy(m);
	}
	rocksdb_write(place->db, r->write, r->batch, &message);
	if (message)
		die("write", message);
	place->len = 0;
}

static void take(struct reader *r, rd_kafka_message_t *m)
{
	struct place *place = &r->places[m->partition];

	if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		die("consume", rd_kafka_message_errstr(m));
	place->next = m->err ? m->offset : m->offset + 1;
	if (m->err || m->key_len == 0) {
		rd_kafka_message_destroy(m);
		return;
	}
	r->records++;
	r->bytes += m->key_len + m->len;
	place->held[place->len++] = m;
	if (place->len == BATCH)
		write_held(r, place);
}

static bool is_done(const struct reader *r)
{
	for (int32_t p = r->index; p < partitions; p += threads) {
		if (r->places[p].next < r->places[p].end)
			return false;
	}
	return true;
}

static void flush(struct reader *r)
{
	rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();

	for (int32_t p = r->index; p < partitions; p += threads) {
		char *message = NULL;

		write_held(r, &r->places[p]);
		rocksdb_flush(r->places[p].db, o, &message);
		if (message)
			die("flush", message);
	}
	rocksdb_flushoptions_destroy(o);
}

static void *run(void *arg)
{
	struct reader *r = arg;
	rd_kafka_message_t *batch[BATCH];

	start(r);
	while (!is_done(r)) {
		ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, batch, BATCH);

		if (n <= 0) {
			batch[0] = rd_kafka_consume_queue(r->queue, WAIT_MS);
			n = batch[0] ? 1 : 0;
		}
		for (ssize_t i = 0; i < n; i++)
			take(r, batch[i]);
		if (n == BATCH)
			seg_kafka_wake_now(r->wake);
	}
	flush(r);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t records = 0, bytes = 0;
	int64_t began_ms = seg_monotonic_ms();

	if (argc != 6) {
		fputs("usage: control_rebuild BROKERS TOPIC PARTITIONS FOLDER THREADS\n", stderr);
		return 2;
	}
	brokers = argv[1];
	topic = argv[2];
	partitions = (int32_t)strtol(argv[3], NULL, 10);
	folder = argv[4];
	threads = (int32_t)strtol(argv[5], NULL, 10);
	if (partitions < 1 || partitions > MAX_PARTITIONS || threads < 1 || threads > partitions)
		die(argv[3], "partitions: 1 to 256; threads: no more than that");
	struct reader *readers = calloc((size_t)threads, sizeof *readers);
	if (!readers)
		die("readers", "out of memory");
	for (int32_t i = 0; i < threads; i++) {
		readers[i].index = i;
		if (pthread_create(&readers[i].thread, NULL, run, &readers[i]))
			die("thread", "cannot be started");
	}
	for (int32_t i = 0; i < threads; i++) {
		pthread_join(readers[i].thread, NULL);
		records += readers[i].records;
		bytes += readers[i].bytes;
	}
	printf("{\"records\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"seconds\": %.3f}\n", records, bytes,
	       (double)(seg_monotonic_ms() - began_ms) / 1000);
	fflush(stdout);
	_Exit(0); /* all is flushed; leaving is not measured */
}
