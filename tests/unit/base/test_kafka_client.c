/* Settings of Kafka handles: what is ours, what is passed through, what is refused. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kafka_client.h"
#include "tests/support/test.h"

static struct seg_error err;

static struct seg_kafka_client client_with(const struct seg_kafka_setting *settings, size_t len)
{
	return (struct seg_kafka_client){
		.brokers = "127.0.0.1:1", .client_id = "unit", .settings = settings, .settings_len = len};
}

static void expect(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char is[256] = "";
	size_t len = sizeof is;

	assert_int_equal(rd_kafka_conf_get(conf, name, is, &len), RD_KAFKA_CONF_OK);
	assert_string_equal(is, value);
}

static void test_conf_has_ours_and_what_is_passed_through(void **state)
{
	const struct seg_kafka_setting pass[] = {
		{"linger.ms", "17"}, {"fetch.wait.max.ms", "33"}, {"socket.timeout.ms", "5000"}};
	const struct seg_kafka_setting own[] = {{"enable.idempotence", "true"}};
	struct seg_kafka_client c = client_with(pass, 3);
	rd_kafka_conf_t *conf;

	(void)state;
	assert_ok(seg_kafka_conf(&c, true, own, 1, &conf, &err));
	expect(conf, "bootstrap.servers", "127.0.0.1:1");
	expect(conf, "client.id", "unit");
	expect(conf, "enable.idempotence", "true");
	expect(conf, "socket.nagle.disable", "true");
	expect(conf, "socket.timeout.ms", "5000");
	expect(conf, "linger.ms", "17");
	expect(conf, "retry.backoff.ms", "10");
	expect(conf, "compression.codec", "lz4");
	expect(conf, "fetch.wait.max.ms", "500"); /* a consumer's: left out */
	rd_kafka_conf_destroy(conf);

	assert_ok(seg_kafka_conf(&c, false, NULL, 0, &conf, &err));
	expect(conf, "fetch.wait.max.ms", "33");
	expect(conf, "queued.min.messages", "4000");
	expect(conf, "linger.ms", "5"); /* librdkafka's default, not 17 */
	expect(conf, "compression.codec", "none");
	rd_kafka_conf_destroy(conf);
	assert_ok(seg_kafka_client_check(&c, &err));
}

static void test_conf_refuses_what_is_reserved(void **state)
{
	static const char *const names[] = {
		"bootstrap.servers",
		"metadata.broker.list",
		"client.id",
		"group.id",
		"group.instance.id",
		"group.protocol",
		"enable.auto.commit",
		"enable.auto.offset.store",
		"auto.offset.reset",
		"isolation.level",
		"transactional.id",
		"transaction.timeout.ms",
		"enable.idempotence",
		"acks",
		"request.required.acks",
		"enable.partition.eof",
		"partition.assignment.strategy",
		"allow.auto.create.topics",
		"session.timeout.ms",
		"max.poll.interval.ms",
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct seg_kafka_setting s = {names[i], "1"};
		struct seg_kafka_client c = client_with(&s, 1);

		assert_int_equal(seg_kafka_client_check(&c, &err), SEG_INVALID);
		assert_non_null(strstr(err.text, names[i]));
	}
}

static void test_conf_refuses_own_unknown_and_bad_settings(void **state)
{
	const struct seg_kafka_setting own = {"linger.ms", "5"};
	struct seg_kafka_setting s = {"linger.ms", "6"};
	struct seg_kafka_client c = client_with(&s, 1);
	rd_kafka_conf_t *conf = NULL;

	(void)state;
	assert_int_equal(seg_kafka_conf(&c, true, &own, 1, &conf, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "linger.ms"));
	s = (struct seg_kafka_setting){"no.such.setting", "1"};
	assert_int_equal(seg_kafka_client_check(&c, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "no.such.setting"));
	s = (struct seg_kafka_setting){"linger.ms", "soon"};
	assert_int_equal(seg_kafka_client_check(&c, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "linger.ms"));
	/* A bad value is found although only the other kind of handle knows the setting. */
	s = (struct seg_kafka_setting){"fetch.wait.max.ms", "never"};
	assert_int_equal(seg_kafka_client_check(&c, &err), SEG_INVALID);
	s = (struct seg_kafka_setting){"linger.ms", NULL};
	assert_int_equal(seg_kafka_client_check(&c, &err), SEG_INVALID);
	c = (struct seg_kafka_client){.brokers = ""};
	assert_int_equal(seg_kafka_conf(&c, true, NULL, 0, &conf, &err), SEG_INVALID);
	assert_null(conf);
}

static void test_long_client_id_is_cut(void **state)
{
	char id[1000], is[1000];
	size_t len = sizeof is;
	struct seg_kafka_client c = {.brokers = "127.0.0.1:1", .client_id = id};
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	(void)state;
	memset(id, 'x', sizeof id - 1);
	id[sizeof id - 1] = 0;
	assert_ok(seg_kafka_conf(&c, true, NULL, 0, &conf, &err));
	assert_int_equal(rd_kafka_conf_get(conf, "client.id", is, &len), RD_KAFKA_CONF_OK);
	assert_int_equal(strlen(is), 200);
	assert_ok(seg_kafka_new(RD_KAFKA_PRODUCER, conf, &rk, &err));
	assert_true(seg_kafka_destroy(rk, 10000));
}

static void test_new_says_what_does_not_fit_together(void **state)
{
	const struct seg_kafka_setting own[] = {{"enable.idempotence", "true"}, {"max.in.flight", "10"}};
	struct seg_kafka_client c = client_with(NULL, 0);
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk = NULL;

	(void)state;
	assert_ok(seg_kafka_conf(&c, true, own, 2, &conf, &err));
	assert_int_equal(seg_kafka_new(RD_KAFKA_PRODUCER, conf, &rk, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "max.in.flight"));
	assert_null(rk);
	assert_true(seg_kafka_destroy(NULL, 1));
}

static void test_cluster_id_without_a_broker_is_null(void **state)
{
	struct seg_kafka_client c = client_with(NULL, 0);
	int64_t begun = seg_monotonic_ms();
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	(void)state;
	assert_ok(seg_kafka_conf(&c, false, NULL, 0, &conf, &err));
	assert_ok(seg_kafka_new(RD_KAFKA_CONSUMER, conf, &rk, &err));
	assert_null(seg_kafka_cluster_id(rk, 200));
	assert_true(seg_monotonic_ms() - begun < 5000);
	assert_true(seg_kafka_destroy(rk, 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_has_ours_and_what_is_passed_through),
		cmocka_unit_test(test_conf_refuses_what_is_reserved),
		cmocka_unit_test(test_conf_refuses_own_unknown_and_bad_settings),
		cmocka_unit_test(test_long_client_id_is_cut),
		cmocka_unit_test(test_new_says_what_does_not_fit_together),
		cmocka_unit_test(test_cluster_id_without_a_broker_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
