#include "tests/support/test.h"

#include <string.h>

#include "segmenter/matching.h"

enum { N = 120 };

static uint32_t old_labels[N], new_labels[N];
static const uint64_t ids[] = {7, 9, 12, 20};

static struct seg_match_input input(uint32_t old_k, uint32_t new_k)
{
	return (struct seg_match_input){.old_k = old_k,
					.new_k = new_k,
					.old_clusters = ids,
					.n = N,
					.old_labels = old_labels,
					.new_labels = new_labels,
					.spread = 1};
}

static void test_match_follows_members(void **state)
{
	struct seg_match_input in = input(3, 3);
	struct seg_match m[3];

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		old_labels[i] = i % 3;
		new_labels[i] = i < 6 ? 0 : (i + 1) % 3;
	}
	assert_ok(seg_match_clusters(&in, m, NULL));
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(m[i].old, (i + 2) % 3);
		assert_int_equal(m[i].origin, SEG_ORIGIN_KEPT);
		assert_int_equal(m[i].parents_len, 0);
	}
}

static void test_match_split(void **state)
{
	struct seg_match_input in = input(2, 3);
	struct seg_match m[3];

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		old_labels[i] = i % 2;
		new_labels[i] = i % 2 ? 2 : (i % 10 < 6 ? 0 : 1);
	}
	assert_ok(seg_match_clusters(&in, m, NULL));
	assert_int_equal(m[2].old, 1);
	assert_int_equal(m[0].old, 0);
	assert_int_equal(m[1].old, -1);
	assert_int_equal(m[1].origin, SEG_ORIGIN_SPLIT);
	assert_int_equal(m[1].parents_len, 1);
	assert_int_equal(m[1].parents[0], 7);
}

static void test_match_merge(void **state)
{
	struct seg_match_input in = input(3, 2);
	struct seg_match m[2];

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		old_labels[i] = i % 4 < 2 ? 0 : i % 4 - 1;
		new_labels[i] = old_labels[i] == 2;
		new_labels[i] = old_labels[i] == 1 ? 0 : new_labels[i];
	}
	assert_ok(seg_match_clusters(&in, m, NULL));
	assert_int_equal(m[0].old, 0);
	assert_int_equal(m[0].origin, SEG_ORIGIN_MERGED);
	assert_int_equal(m[0].parents_len, 2);
	assert_int_equal(m[0].parents[0], 7);
	assert_int_equal(m[0].parents[1], 9);
	assert_int_equal(m[1].old, 2);
	assert_int_equal(m[1].origin, SEG_ORIGIN_KEPT);
}

static void test_match_gone_clusters_are_not_continued(void **state)
{
	struct seg_match_input in = input(2, 2);
	const bool gone[] = {true, false};
	struct seg_match m[2];

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		old_labels[i] = new_labels[i] = i % 2;
	in.old_gone = gone;
	assert_ok(seg_match_clusters(&in, m, NULL));
	assert_int_equal(m[0].old, -1);
	assert_int_equal(m[0].origin, SEG_ORIGIN_CREATED);
	assert_int_equal(m[1].old, 1);
}

static void test_match_of_nothing_old(void **state)
{
	struct seg_match_input in = input(0, 2);
	struct seg_match m[2];

	(void)state;
	memset(old_labels, 0, sizeof(old_labels));
	for (uint32_t i = 0; i < N; i++)
		new_labels[i] = i % 2;
	/* Labels mean nothing without old clusters; the counting must not touch them. */
	in.old_labels = NULL;
	assert_ok(seg_match_clusters(&in, m, NULL));
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(m[i].old, -1);
		assert_int_equal(m[i].origin, SEG_ORIGIN_CREATED);
	}
}

static void test_match_distance_decides_between_equal_overlaps(void **state)
{
	struct seg_match_input in = input(2, 2);
	const double distances[] = {5, 0.1, 0.1, 5};
	struct seg_match m[2];

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		old_labels[i] = i % 2;
		new_labels[i] = i / 2 % 2;
	}
	in.distances = distances;
	assert_ok(seg_match_clusters(&in, m, NULL));
	assert_int_equal(m[0].old, 1);
	assert_int_equal(m[1].old, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match_follows_members),
		cmocka_unit_test(test_match_split),
		cmocka_unit_test(test_match_merge),
		cmocka_unit_test(test_match_gone_clusters_are_not_continued),
		cmocka_unit_test(test_match_of_nothing_old),
		cmocka_unit_test(test_match_distance_decides_between_equal_overlaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
