#include "tests/unit/state/part_fixture.h"

#include <stdio.h>

#include "base/hash.h"

static struct fixture fixture;

static int setup(void **state)
{
	fixture_init(&fixture, (size_t)64 << 20);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	return 0;
}

static struct seg_part_numbers numbers(const struct fixture *f)
{
	struct seg_part_numbers n;

	seg_part_numbers(f->part, &n);
	return n;
}

static void test_find_shows_what_is_committed(void **state)
{
	struct fixture *f = *state;
	struct seg_profile *p;

	assert_int_equal(seg_part_find(f->part, seg_str_from("a"), &p, NULL), SEG_RETRY);
	assert_int_equal(fixture_recover(f), SEG_PART_FROM_START);
	assert_false(seg_part_has_work(f->part));
	assert_int_equal(fixture_apply(f, "a", 0), SEG_APPLIED);
	assert_true(seg_part_has_work(f->part));
	assert_int_equal(fixture_purchases(f, "a"), 0);
	fixture_seal(f, 0);
	assert_int_equal(fixture_purchases(f, "a"), 0);
	assert_int_equal(fixture_apply(f, "a", 1), SEG_APPLIED); /* while the commit is under way */
	fixture_committed(f);
	assert_int_equal(fixture_purchases(f, "a"), 1);
	assert_true(seg_part_has_work(f->part));
	fixture_seal(f, 0);
	fixture_apply(f, "a", 2);
	assert_int_equal(fixture_purchases(f, "a"), 1);
	fixture_committed(f);
	assert_int_equal(fixture_purchases(f, "a"), 2);
	assert_int_equal(fixture_apply(f, "a", 2), SEG_APPLIED_SEEN);
}

static void test_abort_puts_everything_back(void **state)
{
	struct fixture *f = *state;
	struct seg_decision was;
	bool done;

	fixture_recover(f);
	assert_ok(seg_part_recount(f->part, 10, &done, NULL));
	assert_true(done);
	fixture_apply(f, "a", 0);
	fixture_decide(f, 1);
	fixture_commit(f, 0);
	assert_int_equal(f->sum, 10);
	fixture_apply(f, "a", 1);
	fixture_apply(f, "b", 2);
	fixture_decide(f, 2);
	fixture_seal(f, SIZE_MAX);
	fixture_apply(f, "c", 3);
	assert_ok(seg_part_erase(f->part, seg_str_from("a"), &was, NULL));
	assert_int_equal(was.cluster, 2);
	assert_int_equal(numbers(f).customers, 2);
	assert_int_equal(f->sum, 10);
	assert_ok(seg_part_aborted(f->part, NULL));
	assert_int_equal(numbers(f).customers, 1);
	assert_int_equal(f->sum, 10);
	assert_int_equal(seg_part_next(f->part, SEG_ORDERS), 1);
	assert_false(seg_part_has_work(f->part));
	assert_int_equal(fixture_purchases(f, "a"), 1);
	assert_int_equal(fixture_apply(f, "a", 1), SEG_APPLIED);
	assert_int_equal(fixture_apply(f, "b", 2), SEG_APPLIED);
	fixture_commit(f, 0);
	assert_int_equal(fixture_purchases(f, "a"), 2);
	assert_int_equal(numbers(f).customers, 2);
}

static void test_abort_forgets_customers_who_never_were(void **state)
{
	struct fixture *f = *state;

	fixture_recover(f);
	for (int i = 0; i < 100; i++) {
		char id[16];

		snprintf(id, sizeof id, "c%d", i);
		fixture_apply(f, id, i);
	}
	assert_ok(seg_part_aborted(f->part, NULL));
	assert_int_equal(numbers(f).cached, 0);
	assert_int_equal(numbers(f).memory_bytes, 0);
}

static void test_repeats_and_identify_make_nobody(void **state)
{
	struct fixture *f = *state;
	struct seg_event e;
	enum seg_applied applied;
	struct seg_entry *entry = NULL;

	fixture_recover(f);
	seg_event_reset(&e, SEG_PROFILES);
	e.kind = SEG_UPDATE_IDENTIFY;
	e.customer_id = seg_str_from("a");
	assert_ok(seg_part_apply(f->part, &e, 0, &applied, &entry, NULL));
	assert_int_equal(applied, SEG_APPLIED_IGNORED);
	assert_null(entry);
	assert_int_equal(seg_part_next(f->part, SEG_PROFILES), 1);
	fixture_apply(f, "a", 0);
	fixture_commit(f, 0);
	fixture_event(&e, "a", 0);
	assert_ok(seg_part_apply(f->part, &e, 5, &applied, &entry, NULL)); /* same id, later offset */
	assert_int_equal(applied, SEG_APPLIED_DUPLICATE);
	assert_true(seg_part_has_work(f->part)); /* the position */
	size_t len;
	struct seg_entry **entries;
	assert_ok(seg_part_pending(f->part, &entries, &len, NULL));
	assert_int_equal(len, 0);
}

/* A window of 4: what is older than all of it goes in, is counted, and so is its repeat. */
static void test_events_below_a_full_window_are_counted(void **state)
{
	struct fixture *f = *state;
	struct seg_event e;
	enum seg_applied applied;

	seg_part_close(f->part);
	for (int s = 0; s < SEG_SOURCES; s++)
		f->options.aggregates.window[s] = 4;
	fixture_open(f);
	fixture_recover(f);
	for (int64_t offset = 10; offset < 20; offset++)
		fixture_apply(f, "a", offset);
	assert_int_equal(numbers(f).below_window, 0);
	fixture_event(&e, "a", 3);
	assert_ok(seg_part_apply(f->part, &e, 20, &applied, NULL, NULL));
	assert_int_equal(applied, SEG_APPLIED);
	assert_int_equal(numbers(f).below_window, 0); /* nor has it been committed yet */
	fixture_commit(f, 0);
	assert_int_equal(numbers(f).below_window, 1);
	for (int twice = 0; twice < 2; twice++) { /* its repeat; aborted, it comes again */
		assert_ok(seg_part_apply(f->part, &e, 21, &applied, NULL, NULL));
		assert_int_equal(applied, SEG_APPLIED);
		fixture_seal(f, 0);
		if (twice)
			fixture_committed(f);
		else
			assert_ok(seg_part_aborted(f->part, NULL));
	}
	assert_int_equal(numbers(f).below_window, 2);
	fixture_event(&e, "a", 19); /* a repeat that is remembered */
	assert_ok(seg_part_apply(f->part, &e, 22, &applied, NULL, NULL));
	assert_int_equal(applied, SEG_APPLIED_DUPLICATE);
	fixture_event(&e, "b", 1); /* old, but the window has room */
	assert_ok(seg_part_apply(f->part, &e, 23, &applied, NULL, NULL));
	fixture_commit(f, 0);
	assert_int_equal(numbers(f).below_window, 2);
}

static void test_clean_stop_leaves_nothing_to_do(void **state)
{
	struct fixture *f = *state;
	struct seg_buf buf;
	struct seg_cut cut;

	fixture_recover(f);
	for (int i = 0; i < 50; i++) {
		char id[16];

		snprintf(id, sizeof id, "c%d", i % 20);
		fixture_apply(f, id, i);
	}
	fixture_decide(f, 3);
	fixture_flush(f);
	assert_int_equal(numbers(f).cycles, 1 + (numbers(f).cycles > 1));
	seg_buf_init(&buf, 10000);
	assert_ok(seg_store_get_meta(seg_part_store(f->part), "cut", &buf, NULL));
	assert_ok(seg_cut_decode(buf.data, buf.len, &cut, NULL));
	assert_true(cut.seq == f->group.seq);
	assert_int_equal(cut.customers, 20);
	seg_buf_release(&buf);
	seg_part_close(f->part);

	f->options.identity.config_fingerprint = 8; /* may change over a clean stop */
	fixture_open(f);
	int64_t from = fixture_recover(f);
	assert_true(from > 0);
	assert_int_equal(numbers(f).customers, 20);
	assert_int_equal(fixture_purchases(f, "c3"), 3);
	struct seg_group group = f->group;
	assert_true(seg_part_is_current(f->part, &group));
	group.seq++;
	assert_false(seg_part_is_current(f->part, &group));
}

/* An unclean stop: what is committed but not checkpointed is read again. */
static void leave_uncleanly(struct fixture *f)
{
	fixture_recover(f);
	for (int i = 0; i < 10; i++)
		fixture_apply(f, "a", i);
	fixture_decide(f, 1);
	fixture_commit(f, 0);
	seg_part_close(f->part);
	fixture_open(f);
}

static void test_unclean_stop_rereads(void **state)
{
	struct fixture *f = *state;
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	struct seg_entry **entries;
	enum seg_source source;
	struct seg_event e;
	size_t len;
	bool warn;

	leave_uncleanly(f);
	assert_ok(fixture_take(f, &at, NULL, from, to, &warn, NULL));
	assert_false(warn);
	assert_int_equal(from[SEG_ORDERS], 0);
	assert_int_equal(to[SEG_ORDERS], 10);
	for (int i = 0; i < 10; i++) {
		assert_false(seg_part_reread_done(f->part));
		fixture_event(&e, i == 4 ? "stranger" : "a", i);
		assert_ok(seg_part_reread(f->part, &e, i, NULL));
	}
	assert_true(seg_part_reread_done(f->part));
	assert_ok(seg_part_recovered(f->part, NULL));
	assert_int_equal(fixture_purchases(f, "a"), 9);
	assert_int_equal(fixture_purchases(f, "stranger"), 0);
	assert_int_equal(numbers(f).faults, 1);
	assert_ok(seg_part_pending(f->part, &entries, &len, NULL));
	assert_int_equal(len, 1);
	assert_false(seg_entry_cause(entries[0], &source, &at));
	assert_true(seg_entry_profile(entries[0])->decision.cluster == 1);
	assert_int_equal(fixture_apply(f, "a", 10), SEG_APPLIED);
	assert_true(seg_entry_cause(entries[0], &source, &at));
	assert_int_equal(at, 10);
}

static void assert_stops(struct fixture *f, const int64_t low[SEG_SOURCES], const char *because)
{
	struct seg_recovery facts = {
		.group = f->group, .wall_ms = f->wall_ms, .changelog_high = (int64_t)(f->len - f->lost)};
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	struct seg_error err = {0};
	bool warn;

	memcpy(facts.input_low, low, sizeof facts.input_low);
	facts.knows_input_high = f->input_end > 0;
	for (int s = 0; s < SEG_SOURCES; s++)
		facts.input_high[s] = f->input_end;
	assert_ok(seg_part_recover(f->part, &facts, &at, NULL, &err));
	for (size_t i = 0; i < f->len - f->lost; i++)
		assert_ok(seg_part_take(f->part, f->log[i].key, f->log[i].value, (int64_t)i, &err));
	assert_int_equal(seg_part_taken(f->part, from, to, &warn, &err), SEG_INVALID);
	if (!strstr(err.text, because))
		fail_msg("%s", err.text);
}

static void test_recovery_stops_when_something_is_wrong(void **state)
{
	struct fixture *f = *state;
	int64_t low[SEG_SOURCES] = {0, 0, 0, 0};
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	bool warn = false;

	leave_uncleanly(f);
	f->input_end = 1; /* the topic was made anew, and is shorter than what was read of it */
	assert_stops(f, low, "its log ends at 1");
	f->input_end = 0;
	f->group.seq++;
	assert_stops(f, low, "are not those of the newest cut");
	assert_false(seg_part_is_outrun(f->part));
	f->group.seq -= 2; /* someone has committed since the group was asked */
	assert_stops(f, low, "are not those of the newest cut");
	assert_true(seg_part_is_outrun(f->part));
	f->group.seq++;
	struct seg_group group = f->group; /* brokers forget the offsets of a topic with the topic */
	f->group.next[SEG_ORDERS] = -1;
	assert_stops(f, low, "has its topic been made anew");
	f->group = group;
	low[SEG_ORDERS] = 3;
	assert_stops(f, low, "its log begins at 3");
	low[SEG_ORDERS] = -1;
	assert_stops(f, low, "not read any more");
	low[SEG_ORDERS] = 0;
	f->options.identity.config_fingerprint = 8;
	seg_part_close(f->part);
	fixture_open(f);
	assert_stops(f, low, "--accept-config-change");
	f->options.accept_config_change = true;
	seg_part_close(f->part);
	fixture_open(f);
	f->group.known = false; /* the group's offsets have expired */
	assert_ok(fixture_take(f, &at, NULL, from, to, &warn, NULL));
	assert_true(warn);
	f->group.known = true;
	f->lost = f->len; /* the changelog was deleted */
	assert_stops(f, low, "was the changelog deleted");
}

static void test_damaged_changelog_record_is_corrupt(void **state)
{
	struct fixture *f = *state;
	struct seg_recovery facts = {.changelog_high = 10};
	struct seg_error err = {0};
	int64_t at;

	assert_ok(seg_part_recover(f->part, &facts, &at, NULL, &err));
	assert_int_equal(seg_part_take(f->part, seg_str_from("dann"), seg_str_from("rubbish"), 4, &err), SEG_CORRUPT);
	assert_non_null(strstr(err.text, "changelog offset 4"));
	assert_int_equal(seg_part_take(f->part, seg_str_from("pann"), seg_str_from("rubbish"), 4, &err), SEG_CORRUPT);
	assert_int_equal(seg_part_take(f->part, seg_str_from("?ann"), seg_str_from("rubbish"), 4, &err), SEG_CORRUPT);
}

static void assert_emptied(struct fixture *f, const char *because)
{
	struct seg_recovery facts = {
		.group = f->group, .wall_ms = f->wall_ms, .changelog_high = (int64_t)(f->len - f->lost)};
	char why[256];
	int64_t at;

	assert_ok(seg_part_recover(f->part, &facts, &at, why, NULL));
	assert_int_equal(at, SEG_PART_FROM_START);
	if (!strstr(why, because))
		fail_msg("%s", why);
	assert_true(seg_part_is_rebuilding(f->part));
}

static void make_clean_store(struct fixture *f)
{
	fixture_recover(f);
	fixture_apply(f, "a", 0);
	fixture_decide(f, 1);
	fixture_flush(f);
	seg_part_close(f->part);
}

static void test_store_of_another_cluster_is_emptied(void **state)
{
	struct fixture *f = *state;

	seg_part_close(f->part);
	strcpy(f->options.identity.cluster_id, "one");
	fixture_open(f);
	make_clean_store(f);
	strcpy(f->options.identity.cluster_id, "other");
	fixture_open(f);
	assert_emptied(f, "belongs to the Kafka cluster one");
}

static void test_store_beyond_the_log_is_emptied(void **state)
{
	struct fixture *f = *state;

	make_clean_store(f);
	fixture_open(f);
	f->lost = f->len;
	assert_emptied(f, "beyond the changelog's end");
}

static void test_store_older_than_tombstones_is_emptied(void **state)
{
	struct fixture *f = *state;

	make_clean_store(f);
	f->options.tombstone_retention_ms = 1000;
	fixture_open(f);
	f->wall_ms += 1000;
	assert_true(fixture_recover(f) >= 0);
	f->wall_ms += 1;
	assert_emptied(f, "older than the tombstones");
	int64_t at = fixture_recover(f);
	assert_int_equal(at, SEG_PART_FROM_START);
	assert_int_equal(fixture_purchases(f, "a"), 1);
}

static void test_damaged_store_is_made_anew_and_said(void **state)
{
	struct fixture *f = *state;
	struct seg_store_options options = {0};
	char dir[] = "/tmp/seg-part-XXXXXX", command[128], why[256];
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	bool warn;

	seg_part_close(f->part);
	seg_store_env_free(f->env);
	assert_non_null(mkdtemp(dir));
	assert_ok(seg_store_env_new(&options, &f->env, NULL));
	f->options.env = f->env;
	f->options.dir = dir;
	fixture_open(f);
	make_clean_store(f);
	snprintf(command, sizeof command, "rm %s/CURRENT", dir);
	assert_ok(system(command));
	fixture_open(f);
	assert_ok(fixture_take(f, &at, why, from, to, &warn, NULL));
	assert_int_equal(at, SEG_PART_FROM_START);
	assert_non_null(strstr(why, "could not be opened"));
	assert_ok(seg_part_recovered(f->part, NULL));
	assert_int_equal(fixture_purchases(f, "a"), 1);
	snprintf(command, sizeof command, "rm -r %s", dir);
	assert_ok(system(command));
}

enum { MANY = 20000 };

static void many_id(char *id, size_t size, int i)
{
	snprintf(id, size, "customer-%d", i);
}

/* All customers get one purchase; cycles go as fast as they can when memory is short. */
static void feed_many(struct fixture *f, size_t *ret_most)
{
	char id[32];

	for (int i = 0; i < MANY; i++) {
		many_id(id, sizeof id, i);
		fixture_apply(f, id, i);
		if (i % 500 != 499)
			continue;
		fixture_decide(f, 1);
		fixture_commit(f, seg_part_hurry(f->part) ? SIZE_MAX : 0);
		assert_ok(seg_part_write(f->part, 4096, NULL));
		seg_part_evict(f->part);
		if (numbers(f).memory_bytes > *ret_most)
			*ret_most = numbers(f).memory_bytes;
	}
	fixture_flush(f);
	seg_part_evict(f->part);
}

static void assert_many(struct fixture *f)
{
	char id[32];

	assert_int_equal(numbers(f).customers, MANY);
	for (int i = 0; i < MANY; i += 7) {
		many_id(id, sizeof id, i);
		assert_int_equal(fixture_purchases(f, id), 1);
	}
}

static void test_memory_is_bounded(void **state)
{
	struct fixture *f = *state;
	size_t most = 0;

	seg_part_close(f->part);
	f->options.memory_bytes = (size_t)2 << 20;
	fixture_open(f);
	fixture_recover(f);
	feed_many(f, &most);
	assert_true(most < (size_t)4 << 20);
	assert_true(numbers(f).memory_bytes <= (size_t)2 << 20);
	assert_true(numbers(f).cached < MANY / 2);
	assert_many(f);
}

static void test_rebuild_of_more_than_fits_memory(void **state)
{
	struct fixture *f = *state;
	size_t most = 0;
	bool done = false;

	seg_part_close(f->part);
	f->options.memory_bytes = (size_t)2 << 20;
	fixture_open(f);
	fixture_recover(f);
	feed_many(f, &most);
	assert_ok(seg_part_rebuild(f->part, NULL));
	assert_int_equal(fixture_recover(f), SEG_PART_FROM_START);
	assert_true(numbers(f).memory_bytes <= (size_t)2 << 20);
	assert_many(f);
	for (int i = 0; i < 100 && !done; i++)
		assert_ok(seg_part_recount(f->part, 1000, &done, NULL));
	assert_true(done);
	assert_int_equal(f->sum, 10 * MANY);
	/* All intake is written: the next recovery need not begin at the start. */
	seg_part_close(f->part);
	fixture_open(f);
	assert_true(fixture_recover(f) > 0);
	assert_many(f);
}

struct seen {
	uint64_t last;
	size_t n, pick;
};

static bool see(void *ctx, const struct seg_profile *p)
{
	struct seen *s = ctx;

	assert_true(s->n == 0 || p->hash > s->last);
	s->last = p->hash;
	return s->n++ % s->pick == 0;
}

static void test_scan_sees_everybody_once_in_order(void **state)
{
	struct fixture *f = *state;
	struct seg_entry **entries;
	size_t most = 0, len;

	seg_part_close(f->part);
	f->options.memory_bytes = (size_t)2 << 20;
	fixture_open(f);
	fixture_recover(f);
	feed_many(f, &most);
	for (int i = 0; i < 500; i++) { /* some are in memory only, some in both */
		char id[32];

		many_id(id, sizeof id, MANY - 250 + i);
		fixture_apply(f, id, MANY + i);
	}
	struct seen s = {.pick = 1000};
	uint64_t next = 0;
	bool done = false;
	while (!done)
		assert_ok(seg_part_scan(f->part, next, UINT64_MAX, 777, see, &s, &next, &done, NULL));
	assert_int_equal(s.n, MANY + 250);
	assert_ok(seg_part_pending(f->part, &entries, &len, NULL));
	assert_true(len >= 500 + 15 && len <= 500 + 21);
	s = (struct seen){.pick = SIZE_MAX};
	assert_ok(seg_part_scan(f->part, UINT64_MAX / 4, UINT64_MAX / 2, SIZE_MAX, see, &s, &next, &done, NULL));
	assert_true(done);
	assert_true(s.n > MANY / 5 && s.n < MANY / 3 && s.last <= UINT64_MAX / 2);
}

/* The erased stay in memory until replay_from has passed them: when they are what fills it, the cycle must hurry. */
static void test_erased_customers_hurry_the_cycle(void **state)
{
	enum { CROWD = 4000 };
	struct fixture *f = *state;
	struct seg_part_numbers n;
	struct seg_decision was;
	char id[32];

	seg_part_close(f->part);
	f->options.memory_bytes = 512 << 10;
	fixture_open(f);
	fixture_recover(f);
	for (int i = 0; i < CROWD; i++) {
		snprintf(id, sizeof id, "c%d", i);
		fixture_apply(f, id, i);
		if (i % 500 == 499) {
			fixture_flush(f);
			seg_part_evict(f->part);
		}
	}
	assert_false(seg_part_hurry(f->part));
	for (int i = 0; i < CROWD; i++) {
		snprintf(id, sizeof id, "c%d", i);
		assert_ok(seg_part_erase(f->part, seg_str_from(id), &was, NULL));
	}
	fixture_commit(f, 0);
	seg_part_numbers(f->part, &n);
	assert_int_equal(n.erased, CROWD);
	fixture_commit(f, SIZE_MAX); /* a cycle takes what is dirty ... */
	assert_ok(seg_part_write(f->part, SIZE_MAX, NULL));
	assert_true(seg_part_hurry(f->part)); /* ... and who is left is only erased */
	fixture_apply(f, "d", CROWD);
	fixture_flush(f);
	seg_part_evict(f->part);
	seg_part_numbers(f->part, &n);
	assert_int_equal(n.erased, 0);
	assert_true(n.memory_bytes < f->options.memory_bytes);
	assert_false(seg_part_hurry(f->part));
}

/* Hashes of the profile records from `from` on must ascend; returns how many there are. */
static size_t assert_ascending(const struct fixture *f, size_t from, uint64_t *last)
{
	size_t n = 0;

	for (size_t i = from; i < f->len; i++) {
		enum seg_changelog_kind kind;
		struct seg_str id;

		assert_ok(seg_changelog_key_parse(f->log[i].key.ptr, f->log[i].key.len, &kind, &id, NULL));
		if (kind != SEG_CHANGELOG_PROFILE)
			continue;
		assert_true(seg_hash_customer(id) >= *last);
		*last = seg_hash_customer(id);
		n++;
	}
	return n;
}

/* A set that is sorted slice by slice while the cycle goes: every one of it once, in key order over all its commits; who
 * becomes dirty on the way belongs to the next. */
static void test_cycle_goes_in_key_order(void **state)
{
	enum { SET = 3000, EACH = 700 };
	struct fixture *f = *state;
	struct seg_part_numbers n;
	uint64_t last = 0;
	int64_t offset = 0;
	size_t logged = 0;
	char id[32];

	fixture_recover(f);
	for (int i = 0; i < SET; i++) {
		snprintf(id, sizeof id, "c%d", i);
		fixture_apply(f, id, offset++);
	}
	fixture_commit(f, 0); /* the cycle begins with all of them */
	while (logged < SET) {
		size_t from = f->len;

		snprintf(id, sizeof id, "c%zu", logged);
		fixture_apply(f, id, offset++);
		fixture_commit(f, EACH);
		logged += assert_ascending(f, from, &last);
		assert_ok(seg_part_write(f->part, SIZE_MAX, NULL));
	}
	assert_int_equal(logged, SET);
	fixture_commit(f, 0);
	seg_part_numbers(f->part, &n);
	assert_int_equal(n.cycles, 1);
	fixture_flush(f);
	fixture_recover(f);
	assert_int_equal(fixture_purchases(f, "c0"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_find_shows_what_is_committed),
		T(test_abort_puts_everything_back),
		T(test_abort_forgets_customers_who_never_were),
		T(test_repeats_and_identify_make_nobody),
		T(test_events_below_a_full_window_are_counted),
		T(test_clean_stop_leaves_nothing_to_do),
		T(test_unclean_stop_rereads),
		T(test_recovery_stops_when_something_is_wrong),
		T(test_damaged_changelog_record_is_corrupt),
		T(test_store_of_another_cluster_is_emptied),
		T(test_store_beyond_the_log_is_emptied),
		T(test_store_older_than_tombstones_is_emptied),
		T(test_damaged_store_is_made_anew_and_said),
		T(test_cycle_goes_in_key_order),
		T(test_erased_customers_hurry_the_cycle),
		T(test_memory_is_bounded),
		T(test_rebuild_of_more_than_fits_memory),
		T(test_scan_sees_everybody_once_in_order),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
