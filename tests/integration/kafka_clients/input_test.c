/* The inputs: membership, positions, what is told when something is wrong. */
#include <stdio.h>

#include "tests/integration/kafka_clients/common.h"

static void expect_offsets(const struct member *m, size_t at, int64_t first, size_t n)
{
	assert_true(m->records >= at + n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(m->offsets[at + i], first + (int64_t)i);
}

/* The helpers poll until a number of records is there; then there must be no more. */
static void expect_quiet(struct member *m)
{
	size_t records = m->records;

	m->empty_polls = 0;
	member_until(m, m->empty_polls >= 10);
	assert_int_equal(m->records, records);
}

static void test_nothing_before_resume_then_exactly_from_there(void **state)
{
	char a[64];
	struct member *m;

	(void)state;
	make_topic("a", 2, 0, a);
	put_records(a, 0, 0, 100);
	put_records(a, 1, 0, 50);
	m = member_open("g-1", "i-1", a, NULL);
	assert_null(seg_kafka_input_group(m->in));
	assert_int_equal(seg_kafka_input_position(m->in, 0, 0), -1);
	member_until(m, m->assignments == 1);
	assert_int_equal(m->assigned_len, 2);
	assert_non_null(seg_kafka_input_group(m->in));
	assert_true(seg_kafka_input_paused(m->in, 0, 0));
	expect_quiet(m);
	assert_int_equal(m->records, 0);

	member_resume(m, 0, 0, 40);
	assert_false(seg_kafka_input_paused(m->in, 0, 0));
	assert_true(seg_kafka_input_paused(m->in, 0, 1));
	member_until(m, m->eofs == 1);
	assert_int_equal(m->records, 60);
	expect_offsets(m, 0, 40, 60);
	assert_int_equal(m->ends[0].offset, 100);
	assert_int_equal(seg_kafka_input_position(m->in, 0, 0), 100);
	expect_quiet(m);

	member_resume(m, 0, 1, 0);
	member_until(m, m->eofs == 2);
	expect_offsets(m, 60, 0, 50);
	member_close(m);
}

/* Rewind of a running partition of 5010 records, as after an abort; twice in a row; and forward. */
static void check_seek_while_running(struct member *m)
{
	struct seg_position p = {.topic = 0, .partition = 0, .offset = 4000};

	m->records = m->eofs = 0;
	assert_rc(SEG_OK, seg_kafka_input_seek(m->in, &p, 1, &last_error));
	p.offset = 10;
	assert_rc(SEG_OK, seg_kafka_input_seek(m->in, &p, 1, &last_error));
	assert_int_equal(seg_kafka_input_position(m->in, 0, 0), 10);
	member_until(m, m->eofs == 1);
	assert_int_equal(m->records, 5000);
	expect_offsets(m, 0, 10, 5000);
	m->records = m->eofs = 0;
	p.offset = 5009;
	assert_rc(SEG_OK, seg_kafka_input_seek(m->in, &p, 1, &last_error));
	member_until(m, m->eofs == 1);
	assert_int_equal(m->records, 1);
}

/* Seek while paused, then resume where that was. Resuming one that runs changes nothing but by its offset. */
static void check_seek_while_paused(struct member *m)
{
	struct seg_position p = {.topic = 0, .partition = 0, .offset = 5009};

	seg_kafka_input_release(m->in);
	assert_rc(SEG_OK, seg_kafka_input_pause(m->in, &p, 1, &last_error));
	p.offset = 5000;
	assert_rc(SEG_OK, seg_kafka_input_seek(m->in, &p, 1, &last_error));
	expect_quiet(m);
	member_resume(m, 0, 0, -1);
	member_until(m, m->eofs == 1);
	assert_int_equal(m->records, 10);
	member_resume(m, 0, 0, -1);
	expect_quiet(m);
}

static void test_pause_seek_and_resume_keep_positions(void **state)
{
	struct seg_position p = {.topic = 0, .partition = 0, .offset = 10};
	struct seg_kafka_batch batch;
	char a[64];
	struct member *m;

	(void)state;
	make_topic("a", 1, 0, a);
	put_records(a, 0, 0, 5000);
	m = member_open("g-2", "i-1", a, NULL);
	member_until(m, m->assignments == 1);
	member_resume(m, 0, 0, 0);

	/* Pause in the middle of prefetched records; going on is from the next one that was not handed out. */
	for (size_t got = 0; got < 700;) {
		assert_rc(SEG_OK, seg_kafka_input_poll(m->in, 100, 100, &batch, &last_error));
		got += batch.len;
		assert_true(batch.len <= 100);
	}
	assert_rc(SEG_INVALID, seg_kafka_input_pause(m->in, &p, 1, &last_error)); /* a batch is in hand */
	seg_kafka_input_release(m->in);
	int64_t next = seg_kafka_input_position(m->in, 0, 0);
	assert_true(next >= 700);
	assert_rc(SEG_OK, seg_kafka_input_pause(m->in, &p, 1, &last_error));
	assert_rc(SEG_OK, seg_kafka_input_pause(m->in, &p, 1, &last_error));
	expect_quiet(m);
	put_records(a, 0, 5000, 10);
	member_resume(m, 0, 0, -1);
	member_until(m, m->eofs == 1);
	expect_offsets(m, 0, next, 5010 - (size_t)next);
	assert_int_equal(m->records, 5010 - next);

	check_seek_while_running(m);
	m->records = m->eofs = 0;
	check_seek_while_paused(m);

	p.partition = 1;
	assert_rc(SEG_INVALID, seg_kafka_input_seek(m->in, &p, 1, &last_error));
	p = (struct seg_position){.topic = 7};
	assert_rc(SEG_INVALID, seg_kafka_input_resume(m->in, &p, 1, &last_error));
	member_close(m);
}

/* What was taken before an abort comes again, nothing twice, nothing missing, over many small batches. */
static void test_rewinds_in_full_flow_lose_and_repeat_nothing(void **state)
{
	struct seg_position p = {.topic = 0, .partition = 0};
	struct seg_kafka_batch batch;
	char a[64];
	struct member *m;
	int64_t expected = 0, committed = 0;
	int rewinds = 0;

	(void)state;
	make_topic("a", 1, 0, a);
	put_records(a, 0, 0, 10000);
	m = member_open("g-3", "i-1", a, NULL);
	member_until(m, m->assignments == 1);
	member_resume(m, 0, 0, 0);
	while (committed < 10000) {
		assert_rc(SEG_OK, seg_kafka_input_poll(m->in, 1000, 90, &batch, &last_error));
		for (size_t i = 0; i < batch.len; i++) {
			char value[16];

			if (batch.items[i].eof)
				continue;
			assert_int_equal(batch.items[i].offset, expected);
			snprintf(value, sizeof value, "%d", (int)expected++);
			assert_true(seg_str_is(batch.items[i].value, value));
			assert_true(seg_str_is(batch.items[i].key, "k"));
		}
		if (expected - committed < 500 && expected < 10000)
			continue;
		if (rewinds++ % 3 == 0) {
			committed = expected;
			continue;
		}
		p.offset = expected = committed;
		assert_rc(SEG_OK, seg_kafka_input_seek(m->in, &p, 1, &last_error));
	}
	assert_true(rewinds > 10);
	member_close(m);
}

/* Nothing that librdkafka still has under way from the assignment moves a partition that was resumed at once. */
static void test_resumed_at_once_and_read_slowly(void **state)
{
	struct seg_kafka_batch batch;
	char a[64], group[32];

	(void)state;
	make_topic("a", 1, 0, a);
	put_records(a, 0, 0, 8000);
	for (int round = 0; round < 3; round++) {
		int64_t expected = 0, until = seg_monotonic_ms() + 30000;
		struct member *m;

		snprintf(group, sizeof group, "g-slow-%d", round);
		m = member_open(group, "i-1", a, NULL);
		m->resume_at_once = true;
		while (expected < 8000 && seg_monotonic_ms() < until) {
			assert_rc(SEG_OK, seg_kafka_input_poll(m->in, 100, 50, &batch, &last_error));
			for (size_t i = 0; i < batch.len; i++) {
				if (!batch.items[i].eof)
					assert_int_equal(batch.items[i].offset, expected++);
			}
			seg_sleep_ms(8);
		}
		assert_int_equal(expected, 8000);
		member_close(m);
	}
}

static void delete_before(const char *topic, int64_t offset)
{
	struct seg_kafka_client client = test_client();
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_DeleteRecords_t *request;
	rd_kafka_queue_t *q;
	rd_kafka_event_t *event;
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	assert_rc(SEG_OK, seg_kafka_conf(&client, true, NULL, 0, &conf, &last_error));
	assert_rc(SEG_OK, seg_kafka_new(RD_KAFKA_PRODUCER, conf, &rk, &last_error));
	q = rd_kafka_queue_new(rk);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
	request = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(rk, &request, 1, NULL, q);
	event = rd_kafka_queue_poll(q, 15000);
	assert_non_null(event);
	assert_int_equal(rd_kafka_event_error(event), 0);
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteRecords_destroy(request);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_queue_destroy(q);
	assert_true(seg_kafka_destroy(rk, 10000));
}

static void test_log_that_does_not_begin_at_zero(void **state)
{
	char a[64];
	struct member *m;
	enum seg_rc rc = SEG_OK;

	(void)state;
	make_topic("a", 1, 0, a);
	put_records(a, 0, 0, 100);
	delete_before(a, 60);
	m = member_open("g-retention", "i-1", a, NULL);
	member_until(m, m->assignments == 1);
	expect_quiet(m); /* nothing is told about the offset that stood in for the unknown one */
	member_resume(m, 0, 0, 70);
	member_until(m, m->eofs == 1);
	expect_offsets(m, 0, 70, 30);
	assert_int_equal(m->records, 30);
	struct seg_position p = {.offset = 59};
	assert_rc(SEG_OK, seg_kafka_input_seek(m->in, &p, 1, &last_error));
	for (int64_t until = seg_monotonic_ms() + 20000; !rc && seg_monotonic_ms() < until;)
		rc = member_poll(m, 50);
	assert_rc(SEG_NOT_FOUND, rc);
	assert_non_null(strstr(last_error.text, "59"));
	member_resume(m, 0, 0, 60);
	m->eofs = 0;
	member_until(m, m->eofs == 1);
	assert_int_equal(m->records, 70);
	member_close(m);
}

static bool owns(const struct member *m, uint32_t topic, int32_t partition)
{
	for (size_t i = 0; i < m->assigned_len; i++) {
		if (m->assigned[i].topic == topic && m->assigned[i].partition == partition)
			return true;
	}
	return false;
}

static enum seg_rc commit_on_revoke(struct member *m, const struct seg_position *list, size_t len)
{
	struct seg_txn_offset offsets[MAX_ASSIGNED];

	for (size_t i = 0; i < len; i++)
		offsets[i] = (struct seg_txn_offset){.topic = m->topics[list[i].topic],
						     .partition = list[i].partition,
						     .offset = list[i].offset,
						     .seq = 42};
	return seg_txn_commit(m->ctx, offsets, len, seg_kafka_input_group(m->in), &last_error);
}

static void test_two_members_share_equal_partition_numbers(void **state)
{
	char a[64], b[64], out[64];
	struct member *first, *second;
	struct seg_txn *t;

	(void)state;
	make_topic("a", 4, 0, a);
	make_topic("b", 4, 0, b);
	make_topic("out", 1, 0, out);
	for (int32_t p = 0; p < 4; p++) {
		put_records(a, p, 0, 10);
		put_records(b, p, 0, 20);
	}
	t = txn_open("txn-share", out, 0);
	first = member_open("g-share", "i-1", a, b);
	first->on_revoked = commit_on_revoke;
	first->ctx = t;
	first->resume_at_once = true;
	member_until(first, first->eofs == 8);
	assert_int_equal(first->assigned_len, 8);
	assert_int_equal(first->records, 120);

	/* The second comes: the first commits inside `revoked`, and the second begins there. */
	second = member_open("g-share", "i-2", a, b);
	second->resume_at_once = true;
	while (first->assignments < 2 || second->assignments < 1 || second->eofs < 4) {
		assert_rc(SEG_OK, member_poll(first, 20));
		assert_rc(SEG_OK, member_poll(second, 20));
	}
	assert_int_equal(first->revocations, 1);
	assert_int_equal(first->losses, 0);
	assert_int_equal(first->assigned_len, 4);
	assert_int_equal(second->assigned_len, 4);
	assert_int_equal(second->records, 0);
	for (int32_t p = 0; p < 4; p++) {
		assert_int_equal(owns(first, 0, p), owns(first, 1, p));
		assert_int_equal(owns(first, 0, p), !owns(second, 0, p));
	}
	for (size_t i = 0; i < second->assigned_len; i++) {
		assert_int_equal(second->assigned[i].offset, second->assigned[i].topic == 0 ? 10 : 20);
		assert_int_equal(second->assigned[i].seq, 42);
	}
	/* The second goes without leaving (it is a static member): its partitions come back after the session. */
	int revoked = second->revocations;
	assert_int_equal(revoked, 0);
	member_close(second);
	member_until(first, first->assigned_len == 8);
	member_close(first);
	assert_true(seg_txn_close(t, 10000));
}

static void test_close_revokes_once(void **state)
{
	struct seg_position p = {.topic = 0, .partition = 0};
	char a[64], out[64];
	struct member *m;
	struct seg_txn *t;

	(void)state;
	make_topic("a", 1, 0, a);
	make_topic("out", 1, 0, out);
	put_records(a, 0, 0, 5);
	t = txn_open("txn-close", out, 0);
	m = member_open("g-close", "i-1", a, NULL);
	m->on_revoked = commit_on_revoke;
	m->ctx = t;
	m->resume_at_once = true;
	member_until(m, m->eofs == 1);
	assert_true(seg_kafka_input_close(m->in, 15000));
	assert_int_equal(m->revocations, 1);
	free(m);
	m = member_open("g-close", "i-1", a, NULL);
	member_until(m, m->assignments == 1);
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, &p, 1, 10000, &last_error));
	assert_int_equal(p.offset, 5);
	member_close(m);
	assert_true(seg_txn_close(t, 10000));
}

static enum seg_rc fail_revoked(struct member *m, const struct seg_position *list, size_t len)
{
	(void)m, (void)list, (void)len;
	return seg_error_set(&last_error, SEG_CORRUPT, "planned");
}

static void test_failures_of_callbacks_and_positions_are_told(void **state)
{
	char a[64];
	struct member *m, *second;
	enum seg_rc rc = SEG_OK;

	(void)state;
	make_topic("a", 2, 0, a);
	put_records(a, 0, 0, 5);
	m = member_open("g-fail", "i-1", a, NULL);
	m->on_revoked = fail_revoked;
	member_until(m, m->assignments == 1);
	member_resume(m, 0, 0, 77);
	for (int64_t until = seg_monotonic_ms() + 20000; !rc && seg_monotonic_ms() < until;)
		rc = member_poll(m, 50);
	assert_rc(SEG_NOT_FOUND, rc);
	assert_non_null(strstr(last_error.text, a));
	assert_non_null(strstr(last_error.text, "77"));
	/* Told once; a good position makes it work again. */
	expect_quiet(m);
	member_resume(m, 0, 0, 2);
	member_until(m, m->records == 3);

	second = member_open("g-fail", "i-2", a, NULL);
	rc = SEG_OK;
	for (int64_t until = seg_monotonic_ms() + 20000; !rc && seg_monotonic_ms() < until;) {
		rc = member_poll(m, 20);
		assert_rc(SEG_OK, member_poll(second, 20));
	}
	assert_int_equal(rc, SEG_CORRUPT);
	assert_int_equal(m->revocations, 1);
	assert_int_equal(seg_kafka_input_position(m->in, 0, 0), -1);
	member_close(second);
	m->on_revoked = NULL;
	member_close(m);
}

static void test_fenced_static_member_is_fatal(void **state)
{
	char a[64];
	struct member *m, *second;
	enum seg_rc rc = SEG_OK;

	(void)state;
	make_topic("a", 1, 0, a);
	m = member_open("g-static", "i-same", a, NULL);
	member_until(m, m->assignments == 1);
	second = member_open("g-static", "i-same", a, NULL);
	for (int64_t until = seg_monotonic_ms() + 20000; !rc && seg_monotonic_ms() < until;) {
		rc = member_poll(m, 20);
		assert_rc(SEG_OK, member_poll(second, 20));
	}
	assert_rc(SEG_FATAL, rc);
	assert_non_null(strstr(last_error.text, "another process has joined the group"));
	(void)seg_kafka_input_close(m->in, 5000);
	free(m);
	member_close(second);
}

static void test_missing_topic_is_fatal(void **state)
{
	struct member *m = member_open("g-missing", "i-1", "there-is-no-such-topic", NULL);
	enum seg_rc rc = SEG_OK;

	(void)state;
	for (int64_t until = seg_monotonic_ms() + 40000; !rc && seg_monotonic_ms() < until;)
		rc = member_poll(m, 50);
	assert_rc(SEG_FATAL, rc);
	assert_non_null(strstr(last_error.text, "there-is-no-such-topic"));
	member_close(m);
}

int run_input_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_before_resume_then_exactly_from_there),
		cmocka_unit_test(test_pause_seek_and_resume_keep_positions),
		cmocka_unit_test(test_rewinds_in_full_flow_lose_and_repeat_nothing),
		cmocka_unit_test(test_resumed_at_once_and_read_slowly),
		cmocka_unit_test(test_log_that_does_not_begin_at_zero),
		cmocka_unit_test(test_two_members_share_equal_partition_numbers),
		cmocka_unit_test(test_close_revokes_once),
		cmocka_unit_test(test_failures_of_callbacks_and_positions_are_told),
		cmocka_unit_test(test_fenced_static_member_is_fatal),
		cmocka_unit_test(test_missing_topic_is_fatal),
	};

	return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
