/*
 * The load generator: writes the stream of load.h to Kafka, to a file of JSON lines, or to both, and a summary as one JSON
 * object to stdout. Integration tests and benchmarks use it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "bench/load.h"
#include "daemon/event_encode.h"

static const char usage[] =
	"usage: seg_generate (--brokers B --partitions P | --jsonl FILE)... [options]\n"
	"  --brokers B           bootstrap.servers; the topics must be there with P partitions\n"
	"  --partitions P        partitions of each topic; the key's murmur2 chooses, as Java does\n"
	"  --prefix TEXT         before the topics' names web-events, email-events, orders, profiles\n"
	"  --jsonl FILE          JSON lines, as replay reads them\n"
	"  --events N            events in all [100000]\n"
	"  --from I, --to J      write only the events I <= i < J of them [0, N]\n"
	"  --customers C         [10000]\n"
	"  --seed S              [1]\n"
	"  --start TIME          event time of the first, RFC 3339 [2025-01-01T00:00:00Z]\n"
	"  --days D              event time from first to last [30]\n"
	"  --rate R              events a second, 0 as fast as it goes [0]\n"
	"  --duplicate-share X   events that repeat an earlier one [0.01]\n"
	"  --bad-share X         events to be refused [0.002]\n"
	"  --late-share X        events up to 48 h late [0.01]\n"
	"  --erase-share X       events that erase their customer [0]\n";

static const char *const topic_names[SEG_SOURCES] = {"web-events", "email-events", "orders", "profiles"};

struct generator {
	struct seg_load_options load;
	uint64_t from, to, rate;
	int32_t partitions;
	const char *brokers, *prefix, *jsonl;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topics[SEG_SOURCES];
	uint64_t failed; /* records that Kafka did not take */
	FILE *file;
	struct seg_buf value;
	uint64_t sources[SEG_SOURCES], flaws[SEG_LOAD_FLAWS];
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "seg_generate: %s: %s\n", what, why);
	exit(1);
}

static uint64_t number(const char *option, const char *value, uint64_t least)
{
	char *end;
	uint64_t n = strtoull(value, &end, 10);

	if (!*value || *end || *value == '-' || n < least)
		die(option, "a whole number is wanted");
	return n;
}

static uint64_t ppm(const char *option, const char *value)
{
	char *end;
	double share = strtod(value, &end);

	if (!*value || *end || !(share >= 0 && share <= 1))
		die(option, "a share is from 0 to 1");
	return (uint64_t)(share * 1e6 + .5);
}

enum {
	BROKERS = 256,
	PARTITIONS,
	PREFIX,
	JSONL,
	EVENTS,
	FROM,
	TO,
	CUSTOMERS,
	SEED,
	START,
	DAYS,
	RATE,
	DUPLICATE,
	BAD,
	LATE,
	ERASE,
	HELP
};

static const struct option options[] = {{"brokers", 1, NULL, BROKERS},
					{"partitions", 1, NULL, PARTITIONS},
					{"prefix", 1, NULL, PREFIX},
					{"jsonl", 1, NULL, JSONL},
					{"events", 1, NULL, EVENTS},
					{"from", 1, NULL, FROM},
					{"to", 1, NULL, TO},
					{"customers", 1, NULL, CUSTOMERS},
					{"seed", 1, NULL, SEED},
					{"start", 1, NULL, START},
					{"days", 1, NULL, DAYS},
					{"rate", 1, NULL, RATE},
					{"duplicate-share", 1, NULL, DUPLICATE},
					{"bad-share", 1, NULL, BAD},
					{"late-share", 1, NULL, LATE},
					{"erase-share", 1, NULL, ERASE},
					{"help", 0, NULL, HELP},
					{0}};

static void take_share(struct generator *g, int option, const char *value)
{
	if (option == DUPLICATE)
		g->load.duplicate_ppm = ppm("--duplicate-share", value);
	else if (option == BAD)
		g->load.bad_ppm = ppm("--bad-share", value);
	else if (option == LATE)
		g->load.late_ppm = ppm("--late-share", value);
	else
		g->load.erase_ppm = ppm("--erase-share", value);
}

static void take_option(struct generator *g, int option, const char *value)
{
	switch (option) {
	case BROKERS:
		g->brokers = value;
		break;
	case PARTITIONS:
		g->partitions = (int32_t)(number("--partitions", value, 1) & INT32_MAX);
		break;
	case PREFIX:
		g->prefix = value;
		break;
	case JSONL:
		g->jsonl = value;
		break;
	case EVENTS:
		g->load.events = number("--events", value, 1);
		break;
	case FROM:
		g->from = number("--from", value, 0);
		break;
	case TO:
		g->to = number("--to", value, 0);
		break;
	case CUSTOMERS:
		g->load.customers = number("--customers", value, 1);
		break;
	case SEED:
		g->load.seed = number("--seed", value, 0);
		break;
	case START:
		if (!seg_time_parse(value, &g->load.start_ms))
			die("--start", "a time like 2025-01-01T00:00:00Z is wanted");
		break;
	case DAYS:
		g->load.days = number("--days", value, 1);
		break;
	case RATE:
		g->rate = number("--rate", value, 0);
		break;
	case DUPLICATE:
	case BAD:
	case LATE:
	case ERASE:
		take_share(g, option, value);
		break;
	default:
		fputs(usage, option == HELP ? stdout : stderr);
		exit(option == HELP ? 0 : 2);
	}
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct generator *g = opaque;

	(void)rk;
	if (m->err && !g->failed++)
		fprintf(stderr, "seg_generate: %s: %s\n", rd_kafka_topic_name(m->rkt), rd_kafka_err2str(m->err));
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[256];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
		die(name, text);
}

/* The topic is there and has the partitions that keys are spread over. */
static void check_topic(struct generator *g, rd_kafka_topic_t *topic)
{
	const struct rd_kafka_metadata *m;
	rd_kafka_resp_err_t rc = rd_kafka_metadata(g->rk, 0, topic, &m, 30000);

	if (rc || m->topic_cnt != 1 || m->topics[0].err)
		die(rd_kafka_topic_name(topic),
		    rd_kafka_err2str(rc			 ? rc
				     : m->topic_cnt == 1 ? m->topics[0].err
							 : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART));
	if (m->topics[0].partition_cnt != g->partitions)
		die(rd_kafka_topic_name(topic), "has not the number of partitions that --partitions says");
	rd_kafka_metadata_destroy(m);
}

static void open_kafka(struct generator *g)
{
	static const char *const settings[][2] = {{"client.id", "seg_generate"},
						  {"enable.idempotence", "true"},
						  {"partitioner", "murmur2_random"},
						  {"compression.codec", "lz4"},
						  {"linger.ms", "20"},
						  {"queue.buffering.max.messages", "200000"},
						  {"socket.nagle.disable", "true"}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];

	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		set(conf, settings[i][0], settings[i][1]);
	set(conf, "bootstrap.servers", g->brokers);
	rd_kafka_conf_set_opaque(conf, g);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	g->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (!g->rk)
		die(g->brokers, text);
	for (int source = 0; source < SEG_SOURCES; source++) {
		snprintf(text, sizeof text, "%s%s", g->prefix, topic_names[source]);
		g->topics[source] = rd_kafka_topic_new(g->rk, text, NULL);
		if (!g->topics[source])
			die(text, rd_kafka_err2str(rd_kafka_last_error()));
		check_topic(g, g->topics[source]);
	}
}

static void produce(struct generator *g, const struct seg_load_event *l)
{
	const struct seg_event *e = &l->event;
	int32_t partition = seg_partition_for_key(e->customer_id.ptr, e->customer_id.len, g->partitions);
	rd_kafka_resp_err_t rc;

	seg_buf_clear(&g->value);
	seg_event_encode(e, &g->value);
	while ((rc = rd_kafka_producev(g->rk, RD_KAFKA_V_RKT(g->topics[e->source]), RD_KAFKA_V_PARTITION(partition),
				       RD_KAFKA_V_KEY(e->customer_id.ptr, e->customer_id.len),
				       RD_KAFKA_V_VALUE(g->value.data, g->value.len),
				       RD_KAFKA_V_TIMESTAMP(l->timestamp_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				       RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		rd_kafka_poll(g->rk, 100);
	if (rc)
		die(topic_names[e->source], rd_kafka_err2str(rc));
}

static void write_line(struct generator *g, const struct seg_load_event *l)
{
	seg_buf_clear(&g->value);
	seg_load_json(&l->event, &g->value);
	if (fwrite(g->value.data, 1, g->value.len, g->file) != g->value.len)
		die(g->jsonl, "cannot be written");
}

/* Sleeps until event number `done` is due. */
static void keep_pace(const struct generator *g, uint64_t done, int64_t began_ms)
{
	int64_t due_ms = began_ms + (int64_t)(done * 1000 / g->rate), now_ms = seg_monotonic_ms();

	if (due_ms > now_ms)
		seg_sleep_ms(due_ms - now_ms);
}

static void run(struct generator *g)
{
	int64_t began_ms = seg_monotonic_ms();

	for (uint64_t i = g->from; i < g->to; i++) {
		struct seg_load_event l;

		seg_load_event(&g->load, i, &l);
		g->sources[l.event.source]++;
		g->flaws[l.flaw]++;
		if (g->rk)
			produce(g, &l);
		if (g->file)
			write_line(g, &l);
		if (g->rk && i % 256 == 0)
			rd_kafka_poll(g->rk, 0);
		if (g->rate)
			keep_pace(g, i - g->from + 1, began_ms);
	}
}

static void finish(struct generator *g)
{
	if (g->rk) {
		if (rd_kafka_flush(g->rk, 120000))
			die(g->brokers, "did not take all records within two minutes");
		for (int source = 0; source < SEG_SOURCES; source++)
			rd_kafka_topic_destroy(g->topics[source]);
		rd_kafka_destroy(g->rk);
	}
	if (g->file && fclose(g->file))
		die(g->jsonl, "cannot be written");
	seg_buf_release(&g->value);
	if (g->failed)
		die(g->brokers, "did not take all records");
}

int main(int argc, char **argv)
{
	struct generator g = {.load = {.seed = 1,
				       .events = 100000,
				       .customers = 10000,
				       .start_ms = INT64_C(1735689600000),
				       .days = 30,
				       .duplicate_ppm = 10000,
				       .bad_ppm = 2000,
				       .late_ppm = 10000},
			      .to = UINT64_MAX,
			      .prefix = ""};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(&g, option, optarg);
	if (optind != argc || (!g.brokers && !g.jsonl) || (g.brokers && !g.partitions)) {
		fputs(usage, stderr);
		return 2;
	}
	g.to = g.to < g.load.events ? g.to : g.load.events;
	seg_buf_init(&g.value, 1 << 16);
	if (g.jsonl && !(g.file = fopen(g.jsonl, "w")))
		die(g.jsonl, "cannot be opened");
	if (g.brokers)
		open_kafka(&g);
	int64_t began_ms = seg_monotonic_ms();

	run(&g);
	finish(&g);
	printf("{\"events\": %" PRIu64 ", \"web\": %" PRIu64 ", \"email\": %" PRIu64 ", \"orders\": %" PRIu64
	       ", \"profiles\": %" PRIu64 ", \"repeats\": %" PRIu64 ", \"bad\": %" PRIu64 ", \"late\": %" PRIu64
	       ", \"erasures\": %" PRIu64 ", \"seconds\": %.3f}\n",
	       g.to > g.from ? g.to - g.from : 0, g.sources[SEG_WEB], g.sources[SEG_EMAIL], g.sources[SEG_ORDERS],
	       g.sources[SEG_PROFILES], g.flaws[SEG_LOAD_REPEAT], g.flaws[SEG_LOAD_BAD], g.flaws[SEG_LOAD_LATE],
	       g.flaws[SEG_LOAD_ERASE], (double)(seg_monotonic_ms() - began_ms) / 1000);
	return 0;
}
