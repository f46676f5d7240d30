#include "daemon/rule_segments.h"

enum seg_rc seg_rules_from(const struct seg_config_rules *rules, struct seg_rule_set **ret, struct seg_error *err)
{
	struct seg_rule_set *set = seg_rule_set_new();
	enum seg_rc rc = SEG_OK;

	if (!set)
		return seg_error_set(err, SEG_NO_MEMORY, "rules: out of memory");
	for (size_t i = 0; i < rules->len && rc == SEG_OK; i++)
		rc = seg_rule_set_add(set, rules->items[i].name, rules->items[i].when, err);
	if (rc != SEG_OK) {
		seg_rule_set_free(set);
		return rc;
	}
	*ret = set;
	return SEG_OK;
}

enum seg_rc seg_rules_check(const struct seg_config_rules *rules, bool *ret_name, struct seg_error *err)
{
	struct seg_rule_set *set = NULL;
	struct seg_rule *rule;
	enum seg_rc rc = seg_rule_compile(rules->items[rules->len - 1].when, &rule, err);

	*ret_name = false;
	if (rc != SEG_OK)
		return rc;
	seg_rule_free(rule);
	*ret_name = true;
	rc = seg_rules_from(rules, &set, err);
	if (rc == SEG_OK)
		seg_rule_set_free(set);
	return rc;
}
