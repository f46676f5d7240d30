/* A shard with rule segments: entered, left by time and erasure, changed and taken away. */
#include "daemon/shard_internal.h"
#include "tests/unit/daemon/shard_world.h"

static size_t members(const struct world *w, int rule)
{
	size_t n = 0;
	for (int i = 0; i < CUSTOMERS; i++)
		n += w->in_rule[rule][i];
	return n;
}

#define RULES "rules: [{name: rich, when: 'monetary > 500'}, {name: fresh, when: 'recency_days < 20'}]\n"

static void test_shard_rule_segments_are_entered_and_left(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	(void)state;
	open_world(w, RULES);
	seg_rng_init(&rng, 4);
	days(w, &rng, 30, CUSTOMERS);
	check(w);
	assert_true(members(w, 0) > 100 && members(w, 1) > 20);
	assert_true(w->rule_changes[SEG_REASON_FIRST] + w->rule_changes[SEG_REASON_BEHAVIOUR] > 120);
	/* Time alone takes everyone out of what is fresh, and nobody out of what is rich. */
	size_t rich = members(w, 1), fresh = members(w, 0), before = w->rule_changes[SEG_REASON_TIME];
	for (int d = 0; d < 25; d++) {
		w->now_ms += DAY;
		commit(w);
	}
	check(w);
	assert_int_equal(members(w, 0), 0);
	assert_int_equal(members(w, 1), rich);
	assert_int_equal(w->rule_changes[SEG_REASON_TIME], before + fresh);
	/* A record of theirs brings somebody back, and an erasure out of all. */
	int who = 0;
	while (!w->in_rule[1][who])
		who++;
	before = w->rule_changes[SEG_REASON_BEHAVIOUR];
	order(w, who, 1);
	commit(w);
	assert_true(w->in_rule[0][who] && w->in_rule[1][who]);
	assert_int_equal(w->rule_changes[SEG_REASON_BEHAVIOUR], before + 1);
	erase(w, who, 0);
	commit(w);
	assert_false(w->in_rule[0][who] || w->in_rule[1][who]);
	assert_int_equal(w->rule_changes[SEG_REASON_ERASURE], 2);
	check(w);
	check_ids_unique(w);
	close_world(w);
	free(w);
}

/* As after a restart with another configuration. */
static void test_shard_rules_that_change_move_everybody_at_the_next_scan(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	(void)state;
	open_world(w, RULES);
	seg_rng_init(&rng, 5);
	days(w, &rng, 30, CUSTOMERS);
	size_t rich = members(w, 1), fresh = members(w, 0);
	struct seg_rule_set *others = seg_rule_set_new();
	assert_ok(seg_rule_set_add(others, "fresh", "recency_days >= 0", NULL));
	seg_rule_set_free(w->shard->rule_set);
	w->shard->rule_set = others;
	size_t before = w->rule_changes[SEG_REASON_TIME];
	for (int step = 0; step < 24; step++) {
		w->now_ms += DAY / 24;
		commit(w);
	}
	check(w);
	struct seg_part_numbers n;
	seg_part_numbers(seg_shard_part(w->shard), &n);
	assert_int_equal(members(w, 0), n.customers);
	assert_int_equal(members(w, 1), 0);
	assert_int_equal(w->rule_changes[SEG_REASON_TIME] - before, n.customers - fresh);
	assert_int_equal(w->rule_changes[SEG_REASON_MODEL], rich); /* its rule is gone */
	check_ids_unique(w);
	close_world(w);
	free(w);
}

static void test_shard_expiry_leaves_rule_segments(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	(void)state;
	open_world(w, "profile: {expire: 10d}\n" RULES);
	seg_rng_init(&rng, 6);
	days(w, &rng, 30, CUSTOMERS);
	size_t before = w->rule_changes[SEG_REASON_EXPIRY];
	size_t in = members(w, 0) + members(w, 1);
	assert_true(in > 100);
	for (int d = 0; d < 12; d++) {
		w->now_ms += DAY;
		commit(w);
	}
	assert_int_equal(members(w, 0) + members(w, 1), 0);
	assert_int_equal(w->rule_changes[SEG_REASON_EXPIRY] - before, in);
	check(w);
	close_world(w);
	free(w);
}

/* An abort in the midst of the changes: nothing of them counts, and they come again under the same ids. */
static void test_shard_rule_changes_are_aborted_with_their_commit(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	char id[SEG_EVENT_ID_LEN + 1];
	(void)state;
	open_world(w, RULES);
	seg_rng_init(&rng, 7);
	days(w, &rng, 10, CUSTOMERS);
	w->now_ms += DAY / 24;
	int who = 0;
	while (w->held[who] == 0 || w->in_rule[1][who])
		who++;
	struct world *as_it_was = malloc(sizeof(*w));
	memcpy(as_it_was, w, sizeof(*w));
	order(w, who, 2000);
	w->refuse_cut = true;
	assert_false(commit_once(w));
	memcpy(id, w->ids[w->ids_len - 1], sizeof(id));
	as_it_was->next = w->next;
	memcpy(w, as_it_was, sizeof(*w));
	free(as_it_was);
	check(w);
	order(w, who, 2000);
	assert_true(commit_once(w));
	assert_true(w->in_rule[1][who]);
	assert_string_equal(w->ids[w->ids_len - 1], id);
	check(w);
	close_world(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shard_rule_segments_are_entered_and_left),
		cmocka_unit_test(test_shard_rules_that_change_move_everybody_at_the_next_scan),
		cmocka_unit_test(test_shard_expiry_leaves_rule_segments),
		cmocka_unit_test(test_shard_rule_changes_are_aborted_with_their_commit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
