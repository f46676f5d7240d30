/* Topics: made by the table, and deviations found. */
#include <stdio.h>
#include <unistd.h>

#include "tests/integration/kafka_clients/common.h"

enum { SPECS = 5 };

struct fixture {
	struct seg_admin *a;
	struct seg_findings f;
	char names[SPECS][64];
	struct seg_topic_spec specs[SPECS];
};

static void fixture_init(struct fixture *x, const char *tag)
{
	static const enum seg_topic_role roles[SPECS] = {SEG_TOPIC_INPUT, SEG_TOPIC_INPUT, SEG_TOPIC_CHANGELOG,
							 SEG_TOPIC_MODEL, SEG_TOPIC_DEAD_LETTERS};
	struct seg_kafka_client client = test_client();

	memset(x, 0, sizeof *x);
	seg_findings_init(&x->f);
	assert_rc(SEG_OK, seg_admin_open(&client, 10000, &x->a, &last_error));
	for (size_t i = 0; i < SPECS; i++) {
		snprintf(x->names[i], sizeof x->names[i], "%s-%zu-%d", tag, i, (int)getpid());
		x->specs[i] = (struct seg_topic_spec){.name = x->names[i], .role = roles[i]};
	}
}

static void fixture_release(struct fixture *x)
{
	seg_findings_release(&x->f);
	assert_true(seg_admin_close(x->a, 10000));
}

static void clear(struct fixture *x)
{
	seg_findings_release(&x->f);
	seg_findings_init(&x->f);
}

/* The verdict of the finding about a topic whose text has `part`. */
static enum seg_verdict verdict_of(const struct fixture *x, const char *subject, const char *part)
{
	for (size_t i = 0; i < x->f.len; i++) {
		if (strcmp(x->f.items[i].subject, subject) == 0 && strstr(x->f.items[i].text, part))
			return x->f.items[i].verdict;
	}
	for (size_t i = 0; i < x->f.len; i++)
		print_message("%s: %s\n", x->f.items[i].subject, x->f.items[i].text);
	fail_msg("no finding about %s with \"%s\"", subject, part);
	return SEG_VERDICT_OK;
}

static void test_create_makes_what_check_and_describe_expect(void **state)
{
	struct seg_topic_info info;
	struct fixture x;

	(void)state;
	fixture_init(&x, "made");
	/* Missing inputs: nothing is created. */
	assert_rc(SEG_NOT_FOUND, seg_admin_create(x.a, x.specs, SPECS, false, &x.f, &last_error));
	assert_non_null(strstr(last_error.text, x.names[0]));
	assert_non_null(strstr(last_error.text, x.names[1]));
	assert_rc(SEG_OK, seg_admin_topic(x.a, x.names[2], &info, &last_error));
	assert_false(info.exists);
	assert_rc(SEG_INVALID, seg_admin_create(x.a, x.specs, SPECS, true, &x.f, &last_error));
	assert_rc(SEG_OK, seg_admin_check(x.a, x.specs, SPECS, &x.f, &last_error));
	assert_int_equal(verdict_of(&x, x.names[2], "missing"), SEG_VERDICT_FAIL);
	clear(&x);

	x.specs[0].partitions = x.specs[1].partitions = 3;
	assert_rc(SEG_OK, seg_admin_create(x.a, x.specs, SPECS, true, &x.f, &last_error));
	assert_int_equal(x.f.len, SPECS);
	assert_int_equal(seg_findings_worst(&x.f), SEG_VERDICT_WARN); /* one broker */
	assert_int_equal(verdict_of(&x, x.names[2], "partitions=3"), SEG_VERDICT_WARN);
	assert_int_equal(verdict_of(&x, x.names[3], "partitions=1"), SEG_VERDICT_WARN);
	clear(&x);

	assert_rc(SEG_OK, seg_admin_check(x.a, x.specs, SPECS, &x.f, &last_error));
	assert_int_equal(seg_findings_worst(&x.f), SEG_VERDICT_WARN);
	for (size_t i = 0; i < x.f.len; i++)
		assert_non_null(strstr(x.f.items[i].text, "replication is 1"));
	assert_int_equal(x.f.len, SPECS);
	clear(&x);

	assert_rc(SEG_OK, seg_admin_describe(x.a, x.specs, SPECS, &x.f, &last_error));
	assert_int_equal(x.f.len, SPECS);
	verdict_of(&x, x.names[2], "cleanup.policy=compact");
	verdict_of(&x, x.names[2], "max.compaction.lag.ms=86400000");
	verdict_of(&x, x.names[2], "segment.bytes=134217728");
	verdict_of(&x, x.names[2], "max.message.bytes=4194304");
	verdict_of(&x, x.names[2], "min.insync.replicas=1");
	verdict_of(&x, x.names[2], "unclean.leader.election.enable=false");
	verdict_of(&x, x.names[2], "delete.retention.ms=604800000");
	clear(&x);

	/* A second time: nothing is made, everything is checked. */
	assert_rc(SEG_OK, seg_admin_create(x.a, x.specs, SPECS, false, &x.f, &last_error));
	assert_int_equal(verdict_of(&x, x.names[2], "replication is 1"), SEG_VERDICT_WARN);
	assert_rc(SEG_OK, seg_admin_topic(x.a, x.names[0], &info, &last_error));
	int64_t input_bytes = info.max_message_bytes;
	assert_rc(SEG_OK, seg_admin_topic(x.a, x.names[4], &info, &last_error));
	assert_true(info.max_message_bytes >= input_bytes + 65536);
	assert_int_equal(info.partitions, 3);
	assert_int_equal(info.replication, 1);
	fixture_release(&x);
}

static void make_wrong(struct seg_admin *unused, const char *name, int partitions, const char *setting,
		       const char *value)
{
	struct seg_kafka_client client = test_client();
	rd_kafka_NewTopic_t *t;
	rd_kafka_event_t *event;
	rd_kafka_queue_t *q;
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	char text[256];

	(void)unused;
	assert_rc(SEG_OK, seg_kafka_conf(&client, true, NULL, 0, &conf, &last_error));
	assert_rc(SEG_OK, seg_kafka_new(RD_KAFKA_PRODUCER, conf, &rk, &last_error));
	q = rd_kafka_queue_new(rk);
	t = rd_kafka_NewTopic_new(name, partitions, 1, text, sizeof text);
	assert_non_null(t);
	assert_int_equal(rd_kafka_NewTopic_set_config(t, setting, value), 0);
	rd_kafka_CreateTopics(rk, &t, 1, NULL, q);
	event = rd_kafka_queue_poll(q, 15000);
	assert_non_null(event);
	assert_int_equal(rd_kafka_event_error(event), 0);
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(t);
	rd_kafka_queue_destroy(q);
	seg_sleep_ms(300);
	assert_true(seg_kafka_destroy(rk, 10000));
}

static void test_check_finds_deviations(void **state)
{
	struct fixture x;

	(void)state;
	fixture_init(&x, "wrong");
	make_wrong(x.a, x.names[0], 4, "retention.ms", "1000");
	make_wrong(x.a, x.names[1], 3, "retention.ms", "-1");
	make_wrong(x.a, x.names[2], 2, "cleanup.policy", "delete");
	make_wrong(x.a, x.names[3], 1, "delete.retention.ms", "1000");
	make_wrong(x.a, x.names[4], 1, "unclean.leader.election.enable", "true");
	assert_rc(SEG_OK, seg_admin_check(x.a, x.specs, SPECS, &x.f, &last_error));
	assert_int_equal(seg_findings_worst(&x.f), SEG_VERDICT_FAIL);
	assert_int_equal(verdict_of(&x, x.names[0], "retention.ms is 1000"), SEG_VERDICT_WARN);
	assert_int_equal(verdict_of(&x, x.names[1], "has 3 partitions"), SEG_VERDICT_FAIL);
	assert_int_equal(verdict_of(&x, x.names[2], "has 2 partitions, should have 4"), SEG_VERDICT_FAIL);
	assert_int_equal(verdict_of(&x, x.names[2], "cleanup.policy is delete, should be compact"), SEG_VERDICT_FAIL);
	assert_int_equal(verdict_of(&x, x.names[2], "max.message.bytes"), SEG_VERDICT_FAIL);
	assert_int_equal(verdict_of(&x, x.names[3], "delete.retention.ms is 1000"), SEG_VERDICT_FAIL);
	assert_int_equal(verdict_of(&x, x.names[4], "unclean.leader.election.enable is true"), SEG_VERDICT_FAIL);
	for (size_t i = 0; i < x.f.len; i++) /* -1 is no limit at all */
		assert_false(strcmp(x.f.items[i].subject, x.names[1]) == 0 &&
			     strstr(x.f.items[i].text, "retention.ms"));
	fixture_release(&x);
}

static void test_cluster_and_transactions(void **state)
{
	struct seg_kafka_client client = test_client();
	struct seg_cluster_info info;
	struct fixture x;

	(void)state;
	fixture_init(&x, "cluster");
	assert_rc(SEG_OK, seg_admin_cluster(x.a, &info, &last_error));
	assert_int_equal(info.brokers, 1);
	assert_true(strlen(info.cluster_id) > 10);
	assert_true(info.knows_auto_create);
	assert_false(info.auto_create);
	assert_true(strncmp(info.version, "3.", 2) == 0);
	fixture_release(&x);
	assert_rc(SEG_OK, seg_admin_try_transactions(&client, "kafka-clients-check", 15000, &last_error));

	client.brokers = "127.0.0.1:1"; /* nobody listens there */
	struct seg_admin *a;
	assert_rc(SEG_OK, seg_admin_open(&client, 1500, &a, &last_error));
	assert_rc(SEG_RETRY, seg_admin_cluster(a, &info, &last_error));
	assert_true(seg_admin_close(a, 10000));
	assert_rc(SEG_RETRY, seg_admin_try_transactions(&client, "kafka-clients-check", 1500, &last_error));
}

int run_admin_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_makes_what_check_and_describe_expect),
		cmocka_unit_test(test_check_finds_deviations),
		cmocka_unit_test(test_cluster_and_transactions),
	};

	return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
