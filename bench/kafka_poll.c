/*
 * What the inputs cost beside bare librdkafka: drains a topic by seg_kafka_input_poll() and by
 * rd_kafka_consume_batch_queue(), in turns, and says events per second of each.
 *
 *   kafka.py run -- bench_kafka_poll [RECORDS [ROUNDS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kafka_client.h"
#include "consumers/kafka_input.h"
#include "producers/topic_admin.h"

enum { PARTITIONS = 4, BATCH = 1000, VALUE_BYTES = 100 };

static struct seg_error err;

static void must(enum seg_rc rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "bench_kafka_poll: %s: %s\n", what, err.text);
	exit(1);
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Rate from the first record on; how long that took stands beside it. */
static void report(const char *what, long records, int64_t begun_us, int64_t first_us, double cpu)
{
	double seconds = (double)(seg_monotonic_us() - first_us) / 1e6;

	printf("%-24s %9.0f events/s, first after %5.1f ms, %.3f CPU-s a million\n", what, (double)records / seconds,
	       (double)(first_us - begun_us) / 1e3, (cpu_s() - cpu) * 1e6 / (double)records);
	fflush(stdout);
}

static void fill(const struct seg_kafka_client *client, const char *topic, long records)
{
	struct seg_topic_spec spec = {.name = topic, .role = SEG_TOPIC_INPUT, .partitions = PARTITIONS};
	char value[VALUE_BYTES];
	struct seg_findings f;
	struct seg_admin *a;
	rd_kafka_conf_t *conf;
	rd_kafka_topic_t *rkt;
	rd_kafka_t *rk;

	seg_findings_init(&f);
	must(seg_admin_open(client, 10000, &a, &err), "admin");
	must(seg_admin_create(a, &spec, 1, true, &f, &err), "topic");
	seg_findings_release(&f);
	seg_admin_close(a, 5000);
	must(seg_kafka_conf(client, true, NULL, 0, &conf, &err), "producer");
	must(seg_kafka_new(RD_KAFKA_PRODUCER, conf, &rk, &err), "producer");
	rkt = rd_kafka_topic_new(rk, topic, NULL);
	for (long i = 0; i < records; i++) {
		char key[24];
		int len = snprintf(key, sizeof key, "customer-%07ld", i % 100000);

		memset(value, 'a' + (int)(i % 26), sizeof value);
		while (rd_kafka_produce(rkt, (int32_t)(i % PARTITIONS), RD_KAFKA_MSG_F_COPY, value, sizeof value, key,
					(size_t)len, NULL) != 0)
			rd_kafka_poll(rk, 10);
		if (i % 1000 == 0)
			rd_kafka_poll(rk, 0);
	}
	rd_kafka_flush(rk, 60000);
	rd_kafka_topic_destroy(rkt);
	seg_kafka_destroy(rk, 5000);
}

struct bench {
	struct seg_kafka_input *in;
	bool assigned;
};

static enum seg_rc on_assigned(void *ctx, const struct seg_position *list, size_t len, struct seg_error *e)
{
	struct bench *b = ctx;

	b->assigned = true;
	return seg_kafka_input_assign(b->in, list, len, e);
}

static enum seg_rc on_revoked(void *ctx, const struct seg_position *list, size_t len, bool lost, struct seg_error *e)
{
	(void)ctx, (void)list, (void)len, (void)lost, (void)e;
	return SEG_OK;
}

static void drain_input(const struct seg_kafka_client *client, const char *topic, long records)
{
	struct bench ctx = {.assigned = false};
	struct seg_kafka_input_options o = {.client = *client,
					    .group = topic,
					    .instance_id = "bench-1",
					    .topics = &topic,
					    .topics_len = 1,
					    .events = {on_assigned, on_revoked, &ctx}};
	struct seg_position start[PARTITIONS];
	struct seg_kafka_batch batch;
	long seen = 0;
	int64_t begun, first = 0;
	double cpu;

	must(seg_kafka_input_open(&o, &ctx.in, &err), "input");
	must(seg_kafka_input_subscribe(ctx.in, &err), "subscribe");
	while (!ctx.assigned)
		must(seg_kafka_input_poll(ctx.in, 50, BATCH, &batch, &err), "join");
	for (int32_t p = 0; p < PARTITIONS; p++)
		start[p] = (struct seg_position){.partition = p};
	begun = seg_monotonic_us();
	cpu = cpu_s();
	must(seg_kafka_input_resume(ctx.in, start, PARTITIONS, &err), "resume");
	while (seen < records) {
		must(seg_kafka_input_poll(ctx.in, 100, BATCH, &batch, &err), "poll");
		if (seen == 0 && batch.len > 0)
			first = seg_monotonic_us();
		for (size_t i = 0; i < batch.len; i++)
			seen += !batch.items[i].eof;
	}
	report("seg_kafka_input_poll", records, begun, first, cpu);
	seg_kafka_input_close(ctx.in, 10000);
}

/* queued: records a partition may have waiting; bare librdkafka with the same small queue, or with a large one. */
static void drain_bare(const struct seg_kafka_client *client, const char *topic, long records, const char *queued,
		       const char *what)
{
	const struct seg_kafka_setting own[] = {{"group.id", "bench-bare"},
						{"enable.auto.commit", "false"},
						{"enable.auto.offset.store", "false"},
						{"isolation.level", "read_committed"},
						{"queued.min.messages", queued},
						{"queued.max.messages.kbytes", "65536"}};
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
	static rd_kafka_message_t *batch[BATCH];
	rd_kafka_queue_t *q;
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	long seen = 0;
	int64_t begun, first = 0;
	double cpu;

	must(seg_kafka_conf(client, false, own, sizeof own / sizeof *own, &conf, &err), "consumer");
	must(seg_kafka_new(RD_KAFKA_CONSUMER, conf, &rk, &err), "consumer");
	rd_kafka_poll_set_consumer(rk);
	q = rd_kafka_queue_get_consumer(rk);
	for (int32_t p = 0; p < PARTITIONS; p++)
		rd_kafka_topic_partition_list_add(list, topic, p)->offset = 0;
	rd_kafka_consume_batch_queue(q, 1000, batch, 1); /* connect first, as the input has */
	begun = seg_monotonic_us();
	cpu = cpu_s();
	rd_kafka_assign(rk, list);
	while (seen < records) {
		ssize_t n = rd_kafka_consume_batch_queue(q, 100, batch, BATCH);

		if (seen == 0 && n > 0)
			first = seg_monotonic_us();
		for (ssize_t i = 0; i < n; i++) {
			seen += !batch[i]->err;
			rd_kafka_message_destroy(batch[i]);
		}
	}
	report(what, records, begun, first, cpu);
	rd_kafka_queue_destroy(q);
	rd_kafka_topic_partition_list_destroy(list);
	seg_kafka_destroy(rk, 5000);
}

int main(int argc, char **argv)
{
	struct seg_kafka_client client = {.brokers = getenv("SEG_BROKERS"), .client_id = "bench"};
	long records = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
	long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 3;
	char topic[64];

	if (!client.brokers || records < 1) {
		fprintf(stderr, "usage: tests/support/kafka/kafka.py run -- bench_kafka_poll [RECORDS [ROUNDS]]\n");
		return 2;
	}
	snprintf(topic, sizeof topic, "bench-%d", (int)getpid());
	fill(&client, topic, records);
	printf("%ld records of %d bytes in %d partitions\n", records, VALUE_BYTES, PARTITIONS);
	for (long i = 0; i < rounds; i++) {
		drain_bare(&client, topic, records, "200000", "bare, queue of 200,000");
		drain_bare(&client, topic, records, "20000", "bare, queue of 20,000");
		drain_input(&client, topic, records);
	}
	return 0;
}
