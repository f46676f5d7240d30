/* `rules` of a configuration, with the segmenter's own check: what is taken, and where a refusal points. */
#include <stdio.h>

#include "config/load.h"
#include "daemon/rule_segments.h"
#include "tests/support/test.h"

static const struct seg_config_checks checks = {.check_rules = seg_rules_check};

static void refused(const char *text, const char *why)
{
	struct seg_config *c = NULL;
	struct seg_error err = {0};
	assert_int_equal(seg_config_load_text(text, strlen(text), "t", &checks, &c, &err), SEG_INVALID);
	assert_null(c);
	if (strncmp(err.text, why, strlen(why)) != 0)
		fail_msg("%s\n got: %s\nwant: %s", text, err.text, why);
}

static void test_rules_are_read_in_any_order(void **state)
{
	const char *text = "rules:\n- {name: vip, when: 'monetary > 500'}\n- when: recency_days < 30\n  name: at-2_x\n";
	struct seg_config *c = NULL;
	struct seg_rule_set *set;
	(void)state;
	assert_ok(seg_config_load_text(text, strlen(text), "t", &checks, &c, NULL));
	assert_int_equal(c->rules.len, 2);
	assert_ok(seg_rules_from(&c->rules, &set, NULL));
	assert_int_equal(seg_rule_set_len(set), 2);
	assert_string_equal(seg_rule_set_name(set, 0), "at-2_x");
	seg_rule_set_free(set);
	seg_config_free(c);
	assert_ok(seg_config_load_text("rules:\n", 7, "t", &checks, &c, NULL));
	assert_int_equal(c->rules.len, 0);
	seg_config_free(c);
}

static void test_refusals_point_at_the_place(void **state)
{
	char text[8192] = "rules:\n", more[100];
	(void)state;
	refused("rules: vip\n", "t:1:8: rules: text where a list is expected; write [{name: vip, when: \"…\"}]");
	refused("rules: [vip]\n", "t:1:9: rules: text where a rule is expected");
	refused("rules: [{name: vip}]\n", "t:1:9: rules: a rule without `when`");
	refused("rules: [{when: 'true'}]\n", "t:1:9: rules: a rule without a name");
	refused("rules: [{name: vip, if: x}]\n", "t:1:21: rules: `if` is not a part of a rule");
	refused("rules: [{name: vip, when: [x]}]\n", "t:1:27: rules: a list where the text of `when` is expected");
	refused("rules: [{name: vip, when: ''}]\n", "t:1:27: rules: nothing where the text of `when` is expected");
	refused("rules: [{name: VIP, when: 'true'}]\n", "t:1:16: rules: rule `VIP`: a rule's name is 1 to 40 of a-z");
	refused("rules: [{name: a, when: 'true'}, {name: a, when: 'true'}]\n",
		"t:1:41: rules: rule `a`: there are two rules `a`");
	refused("rules: [{name: a, when: 'recency < 3'}]\n",
		"t:1:25: rules: rule `a`: column 1: unknown feature `recency`; did you mean `");
	for (int i = 0; i < 65; i++) {
		snprintf(more, sizeof(more), "- {name: r%d, when: 'true'}\n", i);
		strcat(text, more);
	}
	refused(text, "t:2:1: rules: more than 64 rules");
	strcpy(text, "rules:\n");
	for (int i = 0; i < 7; i++) {
		snprintf(more, sizeof(more), "- {name: a-name-of-just-forty-bytes-%013d, when: 'true'}\n", i);
		strcat(text, more);
	}
	refused(text,
		"t:8:10: rules: rule `a-name-of-just-forty-bytes-0000000000006`: the names of all rules together");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_are_read_in_any_order),
		cmocka_unit_test(test_refusals_point_at_the_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
