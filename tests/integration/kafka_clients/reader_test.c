/* Readers without a group, and watermarks. */
#include <stdio.h>

#include "tests/integration/kafka_clients/common.h"

enum { STREAMS = 4 };

struct notes {
	struct seg_kafka_reader *reader;
	size_t records[STREAMS], eofs[STREAMS], gone[STREAMS];
	int64_t next[STREAMS], end[STREAMS];
	int fail_at;	   /* events until the callback fails; 0: never */
	int64_t remove_at; /* remove stream 0 at this offset; 0: never */
};

static enum seg_rc note(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *m,
			struct seg_error *err)
{
	struct notes *n = ctx;

	assert_true(m->topic < STREAMS);
	switch (event) {
	case SEG_STREAM_RECORD:
		if (n->records[m->topic]++)
			assert_int_equal(m->offset, n->next[m->topic]);
		n->next[m->topic] = m->offset + 1;
		break;
	case SEG_STREAM_EOF:
		n->eofs[m->topic]++;
		n->end[m->topic] = m->offset;
		break;
	case SEG_STREAM_GONE:
		n->gone[m->topic]++;
		break;
	}
	if (n->remove_at && m->topic == 0 && m->offset >= n->remove_at) {
		seg_kafka_reader_remove(n->reader, 0);
		n->remove_at = 0;
	}
	if (n->fail_at && --n->fail_at == 0)
		return seg_error_set(err, SEG_CORRUPT, "planned");
	return SEG_OK;
}

#define reader_until(n, condition)                                                                                     \
	do {                                                                                                           \
		int64_t until_ = seg_monotonic_ms() + 30000;                                                           \
		while (!(condition)) {                                                                                 \
			assert_true(seg_monotonic_ms() < until_);                                                      \
			assert_rc(SEG_OK, seg_kafka_reader_poll((n)->reader, 20, 0, note, (n), NULL, &last_error));    \
		}                                                                                                      \
	} while (0)

static struct seg_kafka_reader *reader_open(void)
{
	struct seg_kafka_client client = test_client();
	struct seg_kafka_reader *r;

	assert_rc(SEG_OK, seg_kafka_reader_open(&client, &r, &last_error));
	return r;
}

static void test_streams_are_read_side_by_side(void **state)
{
	struct notes n = {.reader = reader_open()};
	char a[64], b[64];
	uint32_t s[3], again;

	(void)state;
	make_topic("a", 2, 0, a);
	make_topic("b", 1, 0, b);
	put_records(a, 0, 0, 3000);
	put_records(a, 1, 0, 100);
	put_records(b, 0, 0, 50);
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 0, SEG_OFFSET_START, &s[0], &last_error));
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 1, 40, &s[1], &last_error));
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, b, 0, 50, &s[2], &last_error));
	assert_rc(SEG_INVALID, seg_kafka_reader_add(n.reader, b, 0, 0, &again, &last_error));
	assert_rc(SEG_INVALID, seg_kafka_reader_add(n.reader, b, 0, -1, &again, &last_error));
	assert_int_equal(seg_kafka_reader_position(n.reader, s[0]), SEG_OFFSET_START);
	reader_until(&n, n.eofs[0] && n.eofs[1] && n.eofs[2]);
	assert_int_equal(n.records[0], 3000);
	assert_int_equal(n.records[1], 60);
	assert_int_equal(n.records[2], 0);
	assert_int_equal(n.end[0], 3000);
	assert_int_equal(n.end[2], 50);
	/* Following: what is added later comes, and a new end. */
	put_records(b, 0, 50, 5);
	reader_until(&n, n.records[2] == 5 && n.eofs[2] == 2);
	assert_int_equal(seg_kafka_reader_position(n.reader, s[2]), 55);
	/* A number is used again. */
	seg_kafka_reader_remove(n.reader, s[1]);
	assert_int_equal(seg_kafka_reader_position(n.reader, s[1]), -1);
	n.records[1] = n.eofs[1] = 0;
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 1, 99, &again, &last_error));
	assert_int_equal(again, s[1]);
	reader_until(&n, n.eofs[1]);
	assert_int_equal(n.records[1], 1);
	assert_true(seg_kafka_reader_close(n.reader, 10000));
}

static void test_failing_callback_loses_nothing(void **state)
{
	struct notes n = {.reader = reader_open(), .fail_at = 7};
	size_t events = 0;
	enum seg_rc rc = SEG_OK;
	char a[64];
	uint32_t s;

	(void)state;
	make_topic("a", 1, 0, a);
	put_records(a, 0, 0, 500);
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 0, 0, &s, &last_error));
	for (int64_t until = seg_monotonic_ms() + 20000; !rc && seg_monotonic_ms() < until;)
		rc = seg_kafka_reader_poll(n.reader, 20, 0, note, &n, &events, &last_error);
	assert_int_equal(rc, SEG_CORRUPT);
	assert_int_equal(n.records[0], 7);
	assert_int_equal(seg_kafka_reader_position(n.reader, s), 7);
	assert_rc(SEG_OK, seg_kafka_reader_poll(n.reader, 20, 5, note, &n, &events, &last_error));
	assert_true(events <= 5);
	reader_until(&n, n.eofs[0]);
	assert_int_equal(n.records[0], 500);
	assert_true(seg_kafka_reader_close(n.reader, 10000));
}

static void test_removed_in_the_callback_is_silent(void **state)
{
	struct notes n = {.reader = reader_open(), .remove_at = 200};
	char a[64];
	uint32_t s[2];

	(void)state;
	make_topic("a", 2, 0, a);
	put_records(a, 0, 0, 2000);
	put_records(a, 1, 0, 2000);
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 0, 0, &s[0], &last_error));
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 1, 0, &s[1], &last_error));
	reader_until(&n, n.eofs[1] && n.remove_at == 0);
	for (int i = 0; i < 10; i++)
		assert_rc(SEG_OK, seg_kafka_reader_poll(n.reader, 20, 0, note, &n, NULL, &last_error));
	assert_int_equal(n.records[0], 201);
	assert_int_equal(n.eofs[0], 0);
	assert_int_equal(n.records[1], 2000);
	assert_true(seg_kafka_reader_close(n.reader, 10000));
}

static void test_what_is_not_there_is_gone(void **state)
{
	struct notes n = {.reader = reader_open()};
	char a[64];
	uint32_t s[4];

	(void)state;
	make_topic("a", 1, 0, a);
	put_records(a, 0, 0, 5);
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 0, 6, &s[0], &last_error));
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, "no-such-topic", 0, 0, &s[1], &last_error));
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 3, 0, &s[2], &last_error));
	reader_until(&n, n.gone[0] && n.gone[1] && n.gone[2]);
	for (int i = 0; i < 10; i++)
		assert_rc(SEG_OK, seg_kafka_reader_poll(n.reader, 20, 0, note, &n, NULL, &last_error));
	assert_int_equal(n.gone[0] + n.gone[1] + n.gone[2], 3);
	assert_int_equal(n.records[0], 0);
	assert_true(seg_kafka_reader_close(n.reader, 10000));
}

static void test_watermarks_count_what_is_not_committed(void **state)
{
	struct seg_kafka_client client = test_client();
	struct notes n = {.reader = reader_open()};
	struct seg_kafka_watermarks *w;
	int64_t low = -5, high = -5;
	char a[64];
	struct seg_txn *t;
	uint32_t s;

	(void)state;
	make_topic("a", 1, 0, a);
	put_records(a, 0, 0, 5);
	assert_rc(SEG_OK, seg_kafka_watermarks_open(&client, &w, &last_error));
	assert_rc(SEG_OK, seg_kafka_watermarks_query(w, a, 0, 10000, &low, &high, &last_error));
	assert_int_equal(low, 0);
	assert_int_equal(high, 5);
	t = txn_open("txn-watermarks", a, 0);
	assert_rc(SEG_OK, txn_put(t, 0, "open", NULL));
	for (int64_t until = seg_monotonic_ms() + 10000; high == 5 && seg_monotonic_ms() < until;)
		assert_rc(SEG_OK, seg_kafka_watermarks_query(w, a, 0, 10000, &low, &high, &last_error));
	assert_int_equal(high, 6);
	/* A reader's end is the last stable offset. */
	assert_rc(SEG_OK, seg_kafka_reader_add(n.reader, a, 0, 0, &s, &last_error));
	reader_until(&n, n.eofs[0]);
	assert_int_equal(n.end[0], 5);
	assert_rc(SEG_ABORT, seg_txn_abort(t, &last_error));
	reader_until(&n, n.end[0] == 7);
	assert_int_equal(n.records[0], 5);
	low = high = -5;
	assert_rc(SEG_NOT_FOUND, seg_kafka_watermarks_query(w, "no-such-topic", 0, 10000, &low, &high, &last_error));
	assert_rc(SEG_NOT_FOUND, seg_kafka_watermarks_query(w, a, 9, 10000, &low, &high, &last_error));
	assert_int_equal(low, -5);
	assert_true(seg_txn_close(t, 10000));
	assert_true(seg_kafka_reader_close(n.reader, 10000));
	assert_true(seg_kafka_watermarks_close(w, 10000));
}

int run_reader_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams_are_read_side_by_side),
		cmocka_unit_test(test_failing_callback_loses_nothing),
		cmocka_unit_test(test_removed_in_the_callback_is_silent),
		cmocka_unit_test(test_what_is_not_there_is_gone),
		cmocka_unit_test(test_watermarks_count_what_is_not_committed),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
