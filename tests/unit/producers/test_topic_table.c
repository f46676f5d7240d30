/* The table of topic settings against what the design promises. */
#include <string.h>

#include "producers/topic_admin.h"
#include "tests/support/test.h"

static const struct seg_topic_setting *row(enum seg_topic_role role, const char *name)
{
	size_t len;
	const struct seg_topic_setting *rows = seg_topic_settings(role, &len);

	for (size_t i = 0; i < len; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

static void expect(enum seg_topic_role role, const char *name, const char *value)
{
	const struct seg_topic_setting *r = row(role, name);

	if (!r)
		fail_msg("%s has no %s", seg_topic_role_names[role], name);
	assert_string_equal(r->value, value);
}

static void test_every_role_has_a_name_and_rows_without_repeats(void **state)
{
	(void)state;
	for (int role = 0; role < SEG_TOPIC_ROLES; role++) {
		size_t len;
		const struct seg_topic_setting *rows = seg_topic_settings((enum seg_topic_role)role, &len);

		assert_non_null(seg_topic_role_names[role]);
		assert_true(len >= 4);
		for (size_t i = 0; i < len; i++) {
			assert_true(strlen(rows[i].why) > 10);
			assert_ptr_equal(row((enum seg_topic_role)role, rows[i].name), &rows[i]);
		}
		expect((enum seg_topic_role)role, "min.insync.replicas", "2");
		expect((enum seg_topic_role)role, "unclean.leader.election.enable", "false");
		expect((enum seg_topic_role)role, "message.timestamp.type", "CreateTime");
	}
}

static void test_changelog_and_model(void **state)
{
	(void)state;
	expect(SEG_TOPIC_CHANGELOG, "cleanup.policy", "compact");
	expect(SEG_TOPIC_CHANGELOG, "segment.bytes", "134217728");
	expect(SEG_TOPIC_CHANGELOG, "segment.ms", "3600000");
	expect(SEG_TOPIC_CHANGELOG, "min.cleanable.dirty.ratio", "0.3");
	expect(SEG_TOPIC_CHANGELOG, "max.compaction.lag.ms", "86400000");
	expect(SEG_TOPIC_CHANGELOG, "delete.retention.ms", "604800000");
	expect(SEG_TOPIC_CHANGELOG, "max.message.bytes", "4194304");
	expect(SEG_TOPIC_MODEL, "max.message.bytes", "4194304");
	expect(SEG_TOPIC_MODEL, "cleanup.policy", "compact");
	expect(SEG_TOPIC_MODEL_SUMS, "cleanup.policy", "compact");
	expect(SEG_TOPIC_SEGMENTS, "cleanup.policy", "compact");
	expect(SEG_TOPIC_CONTACTS, "cleanup.policy", "compact");
	expect(SEG_TOPIC_CHANGES, "cleanup.policy", "delete");
	expect(SEG_TOPIC_DEAD_LETTERS, "cleanup.policy", "delete");
}

static void test_one_partition_topics(void **state)
{
	(void)state;
	for (int role = 0; role < SEG_TOPIC_ROLES; role++) {
		bool one = role == SEG_TOPIC_SEGMENTS || role == SEG_TOPIC_ALERTS || role == SEG_TOPIC_MODEL ||
			   role == SEG_TOPIC_MODEL_SUMS;

		assert_int_equal(seg_topic_has_one_partition((enum seg_topic_role)role), one);
	}
}

static void test_findings_worst(void **state)
{
	struct seg_finding items[] = {
		{.verdict = SEG_VERDICT_OK}, {.verdict = SEG_VERDICT_FAIL}, {.verdict = SEG_VERDICT_WARN}};
	struct seg_findings f;

	(void)state;
	seg_findings_init(&f);
	assert_int_equal(seg_findings_worst(&f), SEG_VERDICT_OK);
	f = (struct seg_findings){.items = items, .len = 1};
	assert_int_equal(seg_findings_worst(&f), SEG_VERDICT_OK);
	f.len = 3;
	assert_int_equal(seg_findings_worst(&f), SEG_VERDICT_FAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_role_has_a_name_and_rows_without_repeats),
		cmocka_unit_test(test_changelog_and_model),
		cmocka_unit_test(test_one_partition_topics),
		cmocka_unit_test(test_findings_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
