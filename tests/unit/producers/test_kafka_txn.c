/* What transactional errors ask for. The real thing is in tests/integration/kafka_clients. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#include "base/clock.h"
#include "producers/kafka_txn.h"
#include "tests/support/test.h"

static struct seg_error err;

static rd_kafka_t *producer(const char *brokers, bool mock)
{
	const struct seg_kafka_setting own[] = {{"transactional.id", "unit"}, {"test.mock.num.brokers", "1"}};
	struct seg_kafka_client c = {.brokers = brokers, .client_id = "unit"};
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	assert_ok(seg_kafka_conf(&c, true, own, mock ? 2 : 1, &conf, &err));
	assert_ok(seg_kafka_new(RD_KAFKA_PRODUCER, conf, &rk, &err));
	return rk;
}

static void test_classify_plain_errors(void **state)
{
	rd_kafka_error_t *e = rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "not now");

	(void)state;
	assert_int_equal(seg_txn_classify(NULL), SEG_OK);
	/* Neither retriable nor abortable: what happened is not known. */
	assert_int_equal(seg_txn_classify(e), SEG_RECREATE);
	rd_kafka_error_destroy(e);
}

static void test_classify_retriable_and_fatal(void **state)
{
	rd_kafka_t *rk = producer("127.0.0.1:1", false);
	rd_kafka_error_t *e = rd_kafka_init_transactions(rk, 100);

	(void)state;
	assert_non_null(e);
	assert_int_equal(seg_txn_classify(e), SEG_RETRY);
	rd_kafka_error_destroy(e);
	assert_true(seg_kafka_destroy(rk, 10000));

	rk = producer("127.0.0.1:1", false);
	assert_int_equal(rd_kafka_test_fatal_error(rk, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, "planned"), 0);
	e = rd_kafka_begin_transaction(rk);
	assert_non_null(e);
	assert_int_equal(seg_txn_classify(e), SEG_RECREATE);
	rd_kafka_error_destroy(e);
	assert_true(seg_kafka_destroy(rk, 10000));
}

static void test_classify_abortable(void **state)
{
	enum { TXN_OFFSET_COMMIT = 28 };
	rd_kafka_t *rk = producer("mock", true);
	rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new("g");
	rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
	rd_kafka_error_t *e;

	(void)state;
	rd_kafka_topic_partition_list_add(offsets, "in", 0)->offset = 1;
	assert_null(rd_kafka_init_transactions(rk, 20000));
	assert_null(rd_kafka_begin_transaction(rk));
	rd_kafka_mock_push_request_errors(rd_kafka_handle_mock_cluster(rk), TXN_OFFSET_COMMIT, 1,
					  RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
	e = rd_kafka_send_offsets_to_transaction(rk, offsets, group, 20000);
	assert_non_null(e);
	assert_int_equal(seg_txn_classify(e), SEG_ABORT);
	rd_kafka_error_destroy(e);
	rd_kafka_topic_partition_list_destroy(offsets);
	rd_kafka_consumer_group_metadata_destroy(group);
	assert_true(seg_kafka_destroy(rk, 10000));
}

static bool never(void *ctx)
{
	++*(int *)ctx;
	return false;
}

static void test_init_without_a_broker_asks_whether_to_wait(void **state)
{
	int asked = 0;
	struct seg_txn_options o = {
		.client = {.brokers = "127.0.0.1:1"}, .transactional_id = "unit", .keep_waiting = never, .ctx = &asked};
	struct seg_txn *t;

	(void)state;
	assert_ok(seg_txn_open(&o, &t, &err));
	assert_int_equal(seg_txn_init(t, &err), SEG_RETRY);
	assert_true(asked >= 1);
	assert_int_equal(seg_txn_init(t, &err), SEG_RETRY);
	struct seg_txn_record r = {.key = seg_str_from("k")};
	assert_int_equal(seg_txn_produce(t, &r, NULL, &err), SEG_INVALID);
	assert_int_equal(seg_txn_busy_since_ms(t), 0);
	assert_true(seg_txn_close(t, 10000));
	assert_true(seg_txn_close(NULL, 1));
}

static void test_open_refuses_bad_options(void **state)
{
	const struct seg_kafka_setting s = {"transactional.id", "mine"};
	struct seg_txn_options o = {.client = {.brokers = "127.0.0.1:1"}};
	struct seg_txn *t = NULL;

	(void)state;
	assert_int_equal(seg_txn_open(&o, &t, &err), SEG_INVALID);
	o.transactional_id = "unit";
	o.client.settings = &s;
	o.client.settings_len = 1;
	assert_int_equal(seg_txn_open(&o, &t, &err), SEG_INVALID);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classify_plain_errors),
		cmocka_unit_test(test_classify_retriable_and_fatal),
		cmocka_unit_test(test_classify_abortable),
		cmocka_unit_test(test_init_without_a_broker_asks_whether_to_wait),
		cmocka_unit_test(test_open_refuses_bad_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
