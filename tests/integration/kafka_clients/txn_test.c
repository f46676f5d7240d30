/* Transactions: what a read_committed reader sees, offsets with metadata, fencing, what is too large. */
#include <stdio.h>

#include "tests/integration/kafka_clients/common.h"

struct seen {
	size_t records, gone;
	int64_t offsets[100], end;
	char values[100][16];
	char header[16];
};

static enum seg_rc note(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *m,
			struct seg_error *err)
{
	struct seen *s = ctx;
	struct seg_header h[4];

	(void)err;
	switch (event) {
	case SEG_STREAM_RECORD:
		assert_true(s->records < 100);
		s->offsets[s->records] = m->offset;
		snprintf(s->values[s->records++], 16, SEG_STR_FMT, SEG_STR_ARG(m->value));
		if (seg_kafka_message_headers(m, h, 4) == 2) {
			assert_string_equal(h[0].name, "a");
			assert_null(h[1].value);
			snprintf(s->header, sizeof s->header, "%.*s", (int)h[0].len, (const char *)h[0].value);
		}
		break;
	case SEG_STREAM_EOF:
		s->end = m->offset;
		break;
	case SEG_STREAM_GONE:
		s->gone++;
		break;
	}
	return SEG_OK;
}

static void read_all(const char *topic, int32_t partition, int64_t end, struct seen *s)
{
	struct seg_kafka_client client = test_client();
	int64_t until = seg_monotonic_ms() + 20000;
	struct seg_kafka_reader *r;
	uint32_t stream;

	memset(s, 0, sizeof *s);
	s->end = -1;
	assert_rc(SEG_OK, seg_kafka_reader_open(&client, &r, &last_error));
	assert_rc(SEG_OK, seg_kafka_reader_add(r, topic, partition, SEG_OFFSET_START, &stream, &last_error));
	while (s->end < end) {
		assert_true(seg_monotonic_ms() < until);
		assert_rc(SEG_OK, seg_kafka_reader_poll(r, 100, 1000, note, s, NULL, &last_error));
	}
	assert_int_equal(seg_kafka_reader_position(r, stream), s->end);
	assert_true(seg_kafka_reader_close(r, 10000));
}

static void test_commit_and_abort_as_a_reader_sees_them(void **state)
{
	struct seg_header headers[2] = {{"a", "xyz", 3}, {"none", NULL, 0}};
	char in[64], out[64];
	struct seen s;
	struct member *m;
	struct seg_txn *t;
	uint32_t ticket[2];

	(void)state;
	make_topic("in", 1, 0, in);
	make_topic("out", 2, 0, out);
	m = member_open("g-txn", "i-1", in, NULL);
	t = txn_open("txn-1", out, 0);
	assert_int_equal(seg_txn_partitions(t, 0), 2);
	member_until(m, m->assignments == 1);

	assert_false(seg_txn_is_open(t));
	assert_rc(SEG_OK, txn_put(t, 0, "a", NULL));
	assert_rc(SEG_OK, txn_put(t, 0, "b", &ticket[0]));
	struct seg_txn_record r = {.partition = 0,
				   .key = seg_str_from("key"),
				   .value = seg_str_from("c"),
				   .headers = headers,
				   .headers_len = 2,
				   .want_offset = true};
	assert_rc(SEG_OK, seg_txn_produce(t, &r, &ticket[1], &last_error));
	assert_true(seg_txn_is_open(t));
	assert_int_equal(seg_txn_offset(t, ticket[0]), -1);
	assert_rc(SEG_OK, txn_commit(t, m, 0, 7));
	assert_false(seg_txn_is_open(t));
	assert_int_equal(seg_txn_offset(t, ticket[0]), 1);
	assert_int_equal(seg_txn_offset(t, ticket[1]), 2);
	assert_int_equal(seg_txn_busy_since_ms(t), 0);

	assert_rc(SEG_OK, txn_put(t, 0, "never", NULL));
	assert_rc(SEG_OK, txn_put(t, 0, "never", NULL));
	assert_int_equal(seg_txn_offset(t, ticket[0]), -1);
	assert_rc(SEG_ABORT, seg_txn_abort(t, &last_error));
	assert_rc(SEG_OK, seg_txn_abort(t, &last_error)); /* nothing is open */
	assert_rc(SEG_OK, txn_put(t, 0, "d", &ticket[0]));
	assert_rc(SEG_OK, txn_commit(t, m, 0, 8));
	int64_t last = seg_txn_offset(t, ticket[0]);
	assert_true(last >= 4);

	read_all(out, 0, last + 2, &s); /* the marker behind it counts */
	assert_int_equal(s.records, 4);
	assert_string_equal(s.values[0], "a");
	assert_string_equal(s.values[3], "d");
	assert_int_equal(s.offsets[3], last);
	assert_int_equal(s.end, last + 2);
	assert_string_equal(s.header, "xyz");
	assert_true(seg_txn_close(t, 10000));
	member_close(m);
}

static void test_offsets_carry_the_sequence_number(void **state)
{
	struct seg_position p[2] = {{.topic = 0, .partition = 0}, {.topic = 0, .partition = 1}};
	char in[64], out[64];
	struct member *m;
	struct seg_txn *t;

	(void)state;
	make_topic("in", 2, 0, in);
	make_topic("out", 1, 0, out);
	m = member_open("g-seq", "i-1", in, NULL);
	t = txn_open("txn-seq", out, 0);
	member_until(m, m->assignments == 1);
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, p, 2, 10000, &last_error));
	assert_int_equal(p[0].offset, -1);
	assert_false(p[0].has_seq);
	/* Nothing produced is fine. */
	assert_rc(SEG_OK, txn_commit(t, m, 3, UINT64_C(18446744073709551615)));
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, p, 2, 10000, &last_error));
	assert_int_equal(p[0].offset, 3);
	assert_true(p[0].has_seq);
	assert_true(p[0].seq == UINT64_C(18446744073709551615));
	assert_int_equal(p[1].offset, -1);

	/* Stable: an open transaction with offsets is waited for, and an abort leaves what was. */
	assert_rc(SEG_OK, txn_put(t, 0, "x", NULL));
	assert_rc(SEG_ABORT, seg_txn_abort(t, &last_error));
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, p, 2, 10000, &last_error));
	assert_int_equal(p[0].offset, 3);

	assert_rc(SEG_INVALID, seg_txn_commit(t, NULL, 0, seg_kafka_input_group(m->in), &last_error));
	assert_rc(SEG_INVALID, txn_commit(t, m, -1, 1));
	struct seg_txn_offset o = {.topic = in, .partition = 0, .offset = 4, .seq = 9};
	assert_rc(SEG_INVALID, seg_txn_commit(t, &o, 1, NULL, &last_error));
	assert_true(seg_txn_close(t, 10000));
	member_close(m);
}

static void test_fenced_producer_must_be_recreated(void **state)
{
	char in[64], out[64];
	struct seg_txn *old, *new;
	struct member *m;
	struct seen s;

	(void)state;
	make_topic("in", 1, 0, in);
	make_topic("out", 1, 0, out);
	m = member_open("g-fence", "i-1", in, NULL);
	member_until(m, m->assignments == 1);
	old = txn_open("txn-fence", out, 0);
	assert_rc(SEG_OK, txn_put(old, 0, "old", NULL));
	seg_sleep_ms(200); /* the record is on its way: the new producer has a transaction to end */
	new = txn_open("txn-fence", out, 0);
	assert_rc(SEG_RECREATE, txn_commit(old, m, 1, 1));
	assert_rc(SEG_RECREATE, txn_put(old, 0, "old", NULL));
	assert_rc(SEG_RECREATE, seg_txn_abort(old, &last_error));
	assert_rc(SEG_OK, txn_put(new, 0, "new", NULL));
	assert_rc(SEG_OK, txn_commit(new, m, 2, 2));
	assert_true(seg_txn_close(old, 10000));
	read_all(out, 0, 2, &s);
	assert_int_equal(s.records, 1);
	assert_string_equal(s.values[0], "new");
	assert_true(seg_txn_close(new, 10000));
	member_close(m);
}

static rd_kafka_consumer_group_metadata_t *copy_of(const rd_kafka_consumer_group_metadata_t *group)
{
	rd_kafka_consumer_group_metadata_t *copy = NULL;
	void *bytes;
	size_t len;

	assert_null(rd_kafka_consumer_group_metadata_write(group, &bytes, &len));
	assert_null(rd_kafka_consumer_group_metadata_read(&copy, bytes, len));
	rd_kafka_mem_free(NULL, bytes);
	return copy;
}

static void test_stale_generation_is_refused(void **state)
{
	struct seg_position p = {.topic = 0, .partition = 0};
	rd_kafka_consumer_group_metadata_t *stale;
	char in[64], out[64];
	struct member *m, *second;
	struct seg_txn *t;

	(void)state;
	make_topic("in", 2, 0, in);
	make_topic("out", 1, 0, out);
	m = member_open("g-stale", "i-1", in, NULL);
	t = txn_open("txn-stale", out, 0);
	member_until(m, m->assignments == 1);
	assert_rc(SEG_OK, txn_commit(t, m, 5, 1));
	stale = copy_of(seg_kafka_input_group(m->in));
	second = member_open("g-stale", "i-2", in, NULL);
	while (m->assignments < 2 || second->assignments < 1) {
		assert_rc(SEG_OK, member_poll(m, 20));
		assert_rc(SEG_OK, member_poll(second, 20));
	}
	assert_rc(SEG_OK, txn_put(t, 0, "x", NULL));
	struct seg_txn_offset o = {.topic = in, .partition = 0, .offset = 9, .seq = 2};
	assert_rc(SEG_ABORT, seg_txn_commit(t, &o, 1, stale, &last_error));
	assert_false(seg_txn_is_open(t));
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, &p, 1, 10000, &last_error));
	assert_int_equal(p.offset, 5);
	/* The same producer goes on with the new metadata. */
	assert_rc(SEG_OK, txn_commit(t, m, 6, 3));
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, &p, 1, 10000, &last_error));
	assert_int_equal(p.offset, 6);
	assert_int_equal(p.seq, 3);
	rd_kafka_consumer_group_metadata_destroy(stale);
	assert_true(seg_txn_close(t, 10000));
	member_close(second);
	member_close(m);
}

static void test_too_large_is_a_limit(void **state)
{
	const size_t big = 6 << 20, middle = 300 << 10;
	char in[64], out[64], *bytes = malloc(big);
	struct member *m;
	struct seg_txn *t;
	struct seen s;
	uint32_t x = 1, ticket, topic = 99;
	enum seg_rc rc;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < big; i++) { /* nothing that compresses */
		x = x * 1664525 + 1013904223;
		bytes[i] = (char)(x >> 24);
	}
	make_topic("in", 1, 0, in);
	make_topic("small", 1, 100 << 10, out);
	m = member_open("g-large", "i-1", in, NULL);
	t = txn_open("txn-large", out, 0);
	member_until(m, m->assignments == 1);
	struct seg_txn_record r = {.key = seg_str_from("who"), .value = {bytes, (uint32_t)big}};
	/* Larger than the client sends: not taken, the transaction goes on without it. */
	assert_rc(SEG_LIMIT, seg_txn_produce(t, &r, NULL, &last_error));
	assert_non_null(strstr(last_error.text, out));
	assert_non_null(strstr(last_error.text, "who"));
	assert_rc(SEG_OK, txn_put(t, 0, "one", NULL));
	assert_rc(SEG_OK, txn_commit(t, m, 1, 1));
	assert_int_equal(seg_txn_refused(t, &topic), 0);
	/* Larger than the topic takes: the transaction is aborted. */
	r.value.len = (uint32_t)middle;
	assert_rc(SEG_OK, txn_put(t, 0, "lost", NULL));
	assert_rc(SEG_OK, seg_txn_produce(t, &r, NULL, &last_error));
	assert_rc(SEG_LIMIT, txn_commit(t, m, 2, 2));
	assert_non_null(strstr(last_error.text, "max.message.bytes"));
	assert_non_null(strstr(last_error.text, "who"));
	assert_int_equal(seg_txn_refused(t, &topic), middle + 3);
	assert_int_equal(topic, 0);
	/* The library skipped the refused records' numbers: the next transaction may be aborted, then all is well. */
	assert_rc(SEG_OK, txn_put(t, 0, "two", &ticket));
	rc = txn_commit(t, m, 3, 3);
	if (rc == SEG_ABORT) {
		assert_rc(SEG_OK, txn_put(t, 0, "two", &ticket));
		rc = txn_commit(t, m, 3, 3);
	}
	assert_rc(SEG_OK, rc);
	assert_int_equal(seg_txn_refused(t, &topic), 0);
	read_all(out, 0, seg_txn_offset(t, ticket) + 2, &s);
	assert_int_equal(s.records, 2);
	assert_string_equal(s.values[1], "two");
	free(bytes);
	assert_true(seg_txn_close(t, 10000));
	member_close(m);
}

static void test_bad_records_are_refused(void **state)
{
	char in[64], out[64];
	struct seg_txn *t;

	(void)state;
	make_topic("in", 1, 0, in);
	make_topic("out", 3, 0, out);
	t = txn_open("txn-bad", out, 0);
	struct seg_txn_record r = {.topic = 1};
	assert_rc(SEG_INVALID, seg_txn_produce(t, &r, NULL, &last_error));
	r = (struct seg_txn_record){.partition = 3};
	assert_rc(SEG_INVALID, seg_txn_produce(t, &r, NULL, &last_error));
	r = (struct seg_txn_record){.partition = -1};
	assert_rc(SEG_INVALID, seg_txn_produce(t, &r, NULL, &last_error));
	assert_false(seg_txn_is_open(t));
	assert_true(seg_txn_close(t, 10000));

	const char *missing = "no-such-topic";
	struct seg_txn_options options = {
		.client = test_client(), .transactional_id = "txn-bad", .topics = &missing, .topics_len = 1};
	assert_rc(SEG_OK, seg_txn_open(&options, &t, &last_error));
	assert_rc(SEG_INVALID, txn_put(t, 0, "before init", NULL));
	assert_rc(SEG_FATAL, seg_txn_init(t, &last_error));
	assert_non_null(strstr(last_error.text, missing));
	assert_true(seg_txn_close(t, 10000));
}

int run_txn_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commit_and_abort_as_a_reader_sees_them),
		cmocka_unit_test(test_offsets_carry_the_sequence_number),
		cmocka_unit_test(test_fenced_producer_must_be_recreated),
		cmocka_unit_test(test_stale_generation_is_refused),
		cmocka_unit_test(test_too_large_is_a_limit),
		cmocka_unit_test(test_bad_records_are_refused),
	};

	return cmocka_run_group_tests_name("txn", tests, NULL, NULL);
}
