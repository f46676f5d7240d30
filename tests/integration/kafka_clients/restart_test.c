/* The broker goes away and comes back: what calls do meanwhile, and that work goes on. */
#include <pthread.h>
#include <stdio.h>

#include "tests/integration/kafka_clients/common.h"

static void commit_until_it_works(struct seg_txn **t, const char *id, const char *out, const struct member *m,
				  int64_t offset)
{
	for (int i = 0;; i++) {
		enum seg_rc rc = txn_put(*t, 0, "after", NULL);

		if (!rc)
			rc = txn_commit(*t, m, offset, 99);
		if (!rc)
			return;
		assert_true(i < 5);
		assert_true(rc == SEG_ABORT || rc == SEG_RECREATE);
		if (rc == SEG_RECREATE) {
			assert_true(seg_txn_close(*t, 20000));
			*t = txn_open(id, out, 20000);
		}
	}
}

static void test_short_outage(void **state)
{
	struct seg_position p = {.topic = 0, .partition = 0};
	char in[64], out[64];
	struct member *m;
	struct seg_txn *t;

	(void)state;
	make_topic("in", 1, 0, in);
	make_topic("out", 1, 0, out);
	put_records(in, 0, 0, 10);
	m = member_open("g-restart", "i-1", in, NULL);
	m->resume_at_once = true;
	t = txn_open("txn-restart", out, 20000);
	member_until(m, m->eofs == 1);
	assert_rc(SEG_OK, txn_put(t, 0, "before", NULL));
	assert_rc(SEG_OK, txn_commit(t, m, 5, 1));
	broker_control("stop");
	for (int i = 0; i < 20; i++)
		assert_rc(SEG_OK, member_poll(m, 100));
	assert_rc(SEG_RETRY, seg_kafka_input_committed(m->in, &p, 1, 500, &last_error));
	broker_control("start");
	put_records(in, 0, 10, 10);
	/* The member may have lost its place meanwhile; then it is assigned anew and begins at the group's offset. */
	member_until(m, m->records > 10 && m->offsets[m->records - 1] == 19);
	for (size_t i = 1; i < m->records; i++)
		assert_true(m->offsets[i] == m->offsets[i - 1] + 1 || m->offsets[i] == 5);
	commit_until_it_works(&t, "txn-restart", out, m, 20);
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, &p, 1, 10000, &last_error));
	assert_int_equal(p.offset, 20);
	assert_int_equal(p.seq, 99);
	assert_true(seg_txn_close(t, 10000));
	member_close(m);
}

/* Being fenced may be for an answer of the coordinator that an outage lost: the member joins anew, once. */
static void test_fenced_after_an_outage_joins_anew(void **state)
{
	struct member *m, *second;
	enum seg_rc rc = SEG_OK;
	char in[64];

	(void)state;
	make_topic("in", 1, 0, in);
	m = member_open("g-fenced", "i-same", in, NULL);
	member_until(m, m->assignments == 1);
	broker_control("kill");
	member_until(m, seg_kafka_input_is_down(m->in));
	broker_control("start");
	member_until(m, !seg_kafka_input_is_down(m->in));
	second = member_open("g-fenced", "i-same", in, NULL);
	for (int64_t until = seg_monotonic_ms() + 60000; !rc && seg_monotonic_ms() < until;) {
		assert_rc(SEG_OK, member_poll(m, 20));
		rc = member_poll(second, 20);
	}
	/* The one that has seen no outage knows that there are two of them. */
	assert_rc(SEG_FATAL, rc);
	if (!strstr(last_error.text, "same `instance`"))
		fail_msg("not told that there are two: %s", last_error.text);
	(void)seg_kafka_input_close(second->in, 5000);
	free(second);
	member_until(m, m->losses == 1 && m->assignments >= 2);
	member_close(m);
}

struct pings {
	int n, stop_after;
};

static bool ping(void *ctx)
{
	struct pings *p = ctx;

	return ++p->n < p->stop_after;
}

static struct seg_txn *pinged_open(const char *id, const char *out, int give_up_ms, struct pings *p)
{
	struct seg_txn_options options = {.client = test_client(),
					  .transactional_id = id,
					  .topics = &out,
					  .topics_len = 1,
					  .give_up_ms = give_up_ms,
					  .keep_waiting = ping,
					  .ctx = p};
	struct seg_txn *t;

	assert_rc(SEG_OK, seg_txn_open(&options, &t, &last_error));
	return t;
}

static void test_commit_without_a_broker_gives_up(void **state)
{
	struct pings p = {.stop_after = 1000}, q = {.stop_after = 3};
	char in[64], out[64];
	struct seg_txn *t, *none;
	struct member *m;
	int64_t begun;

	(void)state;
	make_topic("in", 1, 0, in);
	make_topic("out", 1, 0, out);
	put_records(in, 0, 0, 10);
	m = member_open("g-give-up", "i-1", in, NULL);
	m->resume_at_once = true;
	t = pinged_open("txn-give-up", out, 3000, &p);
	assert_rc(SEG_OK, seg_txn_init(t, &last_error));
	member_until(m, m->eofs == 1);
	assert_rc(SEG_OK, txn_put(t, 0, "lost or not", NULL));
	p.n = 0;
	broker_control("kill");
	begun = seg_monotonic_ms();
	assert_rc(SEG_RECREATE, txn_commit(t, m, 10, 1));
	assert_true(seg_monotonic_ms() - begun >= 2500);
	assert_true(seg_monotonic_ms() - begun < 8000);
	assert_true(p.n >= 2);
	assert_rc(SEG_RECREATE, txn_put(t, 0, "dead", NULL));
	/* The call may hang in the library until a broker is back: close does not wait for it. */
	begun = seg_monotonic_ms();
	(void)seg_txn_close(t, 500);
	assert_true(seg_monotonic_ms() - begun < 5000);

	/* Init waits as long as it is told to. */
	none = pinged_open("txn-give-up", out, 60000, &q);
	assert_rc(SEG_RETRY, seg_txn_init(none, &last_error));
	assert_in_range(q.n, 3, 5);
	q = (struct pings){.stop_after = 100};
	broker_control("start");
	assert_rc(SEG_OK, seg_txn_init(none, &last_error));
	/* The member is in the group again, or still. */
	for (int i = 0; i < 100; i++)
		assert_rc(SEG_OK, member_poll(m, 50));
	member_until(m, seg_kafka_input_group(m->in) != NULL);
	commit_until_it_works(&none, "txn-give-up", out, m, 10);
	assert_true(seg_txn_close(none, 10000));
	member_close(m);
}

struct later {
	int delay_ms;
	const char *word;
};

static void *control_later(void *ctx)
{
	const struct later *l = ctx;

	seg_sleep_ms(l->delay_ms);
	broker_control(l->word);
	return NULL;
}

static void test_commit_survives_an_outage(void **state)
{
	struct later l = {.delay_ms = 1500, .word = "start"};
	struct seg_position p = {.topic = 0, .partition = 0};
	char in[64], out[64];
	struct seg_txn *t;
	struct member *m;
	pthread_t thread;
	enum seg_rc rc;

	(void)state;
	make_topic("in", 1, 0, in);
	make_topic("out", 1, 0, out);
	m = member_open("g-survive", "i-1", in, NULL);
	t = txn_open("txn-survive", out, 40000);
	member_until(m, m->assignments == 1);
	assert_rc(SEG_OK, txn_put(t, 0, "over the outage", NULL));
	broker_control("kill");
	assert_int_equal(pthread_create(&thread, NULL, control_later, &l), 0);
	rc = txn_commit(t, m, 0, 5);
	pthread_join(thread, NULL);
	assert_true(rc == SEG_OK || rc == SEG_ABORT || rc == SEG_RECREATE);
	for (int i = 0; i < 60; i++)
		assert_rc(SEG_OK, member_poll(m, 50));
	member_until(m, seg_kafka_input_group(m->in) != NULL);
	assert_rc(SEG_OK, seg_kafka_input_committed(m->in, &p, 1, 20000, &last_error));
	if (rc == SEG_OK)
		assert_int_equal(p.seq, 5);
	if (rc == SEG_ABORT)
		assert_int_equal(p.offset, -1);
	if (rc == SEG_RECREATE) {
		assert_true(seg_txn_close(t, 20000));
		t = txn_open("txn-survive", out, 20000);
	}
	commit_until_it_works(&t, "txn-survive", out, m, 0);
	assert_true(seg_txn_close(t, 10000));
	member_close(m);
}

int run_restart_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_outage),
		cmocka_unit_test(test_fenced_after_an_outage_joins_anew),
		cmocka_unit_test(test_commit_without_a_broker_gives_up),
		cmocka_unit_test(test_commit_survives_an_outage),
	};

	return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
