/*
 * mock_broker TOPIC:PARTITIONS...
 *
 * librdkafka's mock cluster (one broker) as a program of its own, which clients reach by TCP. Prints "brokers ADDRESS" and
 * then obeys lines on its standard input until that ends, each answered by one line:
 *
 *   fail API CODE...   the next requests of that key are answered with these error codes, one after the other; "ok"
 *   count API          "count N": requests of that key so far, those answered with an error among them
 *
 * Code -195 (transport) closes the connection instead of answering.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODES_MOST = 64, LINE_BYTES = 1024 };

static const struct {
	int16_t key;
	const char *name;
} apis[] = {{0, "Produce"},
	    {1, "Fetch"},
	    {2, "ListOffsets"},
	    {3, "Metadata"},
	    {9, "OffsetFetch"},
	    {10, "FindCoordinator"},
	    {11, "JoinGroup"},
	    {12, "Heartbeat"},
	    {13, "LeaveGroup"},
	    {14, "SyncGroup"},
	    {18, "ApiVersion"},
	    {22, "InitProducerId"},
	    {24, "AddPartitionsToTxn"},
	    {25, "AddOffsetsToTxn"},
	    {26, "EndTxn"},
	    {28, "TxnOffsetCommit"}};
enum { APIS = sizeof apis / sizeof apis[0] };
static atomic_long counts[APIS];

/* The mock tells each request to who reads its debug log, and in no other way. */
static void count_request(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const char *at = strstr(text, ": Received ");
	const char *end = at ? strstr(at, "RequestV") : NULL;

	(void)rk;
	(void)level;
	(void)facility;
	if (!end)
		return;
	at += strlen(": Received ");
	for (size_t i = 0; i < APIS; i++)
		if (strlen(apis[i].name) == (size_t)(end - at) && strncmp(at, apis[i].name, (size_t)(end - at)) == 0)
			atomic_fetch_add(&counts[i], 1);
}

static int find(long key)
{
	for (size_t i = 0; i < APIS; i++)
		if (apis[i].key == key)
			return (int)i;
	return -1;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "mock_broker: %s: %s\n", what, why);
	exit(1);
}

static void make_topic(rd_kafka_mock_cluster_t *cluster, char *what)
{
	char *colon = strrchr(what, ':');
	int partitions = colon ? atoi(colon + 1) : 0;

	if (partitions < 1)
		die(what, "wanted is TOPIC:PARTITIONS");
	*colon = '\0';
	rd_kafka_resp_err_t e = rd_kafka_mock_topic_create(cluster, what, partitions, 1);
	if (e)
		die(what, rd_kafka_err2str(e));
}

static void fail(rd_kafka_mock_cluster_t *cluster, long key, char *codes)
{
	rd_kafka_resp_err_t list[CODES_MOST];
	size_t len = 0;
	char *end = codes;

	while (len < CODES_MOST) {
		long code = strtol(codes, &end, 10);

		if (end == codes)
			break;
		list[len++] = (rd_kafka_resp_err_t)code;
		codes = end;
	}
	rd_kafka_mock_push_request_errors_array(cluster, (int16_t)key, len, list);
	printf("ok\n");
}

static void obey(rd_kafka_mock_cluster_t *cluster, char *line)
{
	char word[16];
	long key;
	int used;

	if (sscanf(line, "%15s %ld%n", word, &key, &used) != 2 || find(key) < 0)
		printf("unknown\n");
	else if (strcmp(word, "fail") == 0)
		fail(cluster, key, line + used);
	else if (strcmp(word, "count") == 0)
		printf("count %ld\n", atomic_load(&counts[find(key)]));
	else
		printf("unknown\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char text[256], line[LINE_BYTES];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	if (rd_kafka_conf_set(conf, "debug", "mock", text, sizeof text) != RD_KAFKA_CONF_OK)
		die("debug", text);
	rd_kafka_conf_set_log_cb(conf, count_request);
	rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (!host)
		die("client", text);
	rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, 1);
	if (!cluster)
		die("cluster", "librdkafka could not start it");
	for (int i = 1; i < argc; i++)
		make_topic(cluster, argv[i]);
	printf("brokers %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);
	while (fgets(line, sizeof line, stdin))
		obey(cluster, line);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(host);
	return 0;
}
