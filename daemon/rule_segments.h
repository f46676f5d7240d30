/* The rules of a configuration, compiled by the segmenter: config/ holds their texts and does not know what they mean. */
#ifndef SEG_DAEMON_RULE_SEGMENTS_H
#define SEG_DAEMON_RULE_SEGMENTS_H

#include "config/config.h"
#include "segmenter/rule.h"

/* *ret: to be freed with seg_rule_set_free(); empty when there are no rules. */
enum seg_rc seg_rules_from(const struct seg_config_rules *rules, struct seg_rule_set **ret,
			   struct seg_error *err) SEG_MUST_CHECK;

/* For struct seg_config_checks. */
enum seg_rc seg_rules_check(const struct seg_config_rules *rules, bool *ret_name, struct seg_error *err) SEG_MUST_CHECK;

#endif
