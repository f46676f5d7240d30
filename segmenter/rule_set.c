/* The rules of a configuration. */
#include <stdlib.h>
#include <string.h>

#include "segmenter/rule.h"

struct seg_rule_set {
	size_t len, bytes; /* bytes: of all names with their NULs */
	struct {
		char name[SEG_RULE_NAME_MAX + 1];
		struct seg_rule *rule;
	} items[SEG_RULES_MAX];
};

struct seg_rule_set *seg_rule_set_new(void)
{
	return calloc(1, sizeof(struct seg_rule_set));
}

void seg_rule_set_free(struct seg_rule_set *set)
{
	for (size_t i = 0; set && i < set->len; i++)
		seg_rule_free(set->items[i].rule);
	free(set);
}

static enum seg_rc check_name(const struct seg_rule_set *set, const char *name, struct seg_error *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > SEG_RULE_NAME_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
		return seg_error_set(err, SEG_INVALID,
				     "a rule's name is 1 to %d of a-z, 0-9, `_` and `-`, for example new-customers",
				     SEG_RULE_NAME_MAX);
	if (seg_rule_set_find(set, name))
		return seg_error_set(err, SEG_INVALID, "there are two rules `%s`", name);
	if (set->len == SEG_RULES_MAX)
		return seg_error_set(err, SEG_LIMIT, "there are more than %d rules", SEG_RULES_MAX);
	if (set->bytes + len + 1 > SEG_RULE_NAMES_BYTES)
		return seg_error_set(err, SEG_LIMIT,
				     "the names of all rules together, with one byte more for each, are longer than %d "
				     "bytes; shorten some",
				     SEG_RULE_NAMES_BYTES);
	return SEG_OK;
}

enum seg_rc seg_rule_set_add(struct seg_rule_set *set, const char *name, const char *when, struct seg_error *err)
{
	struct seg_rule *rule;
	enum seg_rc rc = check_name(set, name, err);
	size_t at = set->len;

	if (rc == SEG_OK)
		rc = seg_rule_compile(when, &rule, err);
	if (rc != SEG_OK)
		return rc;
	while (at > 0 && strcmp(set->items[at - 1].name, name) > 0)
		at--;
	memmove(&set->items[at + 1], &set->items[at], (set->len - at) * sizeof(set->items[0]));
	strcpy(set->items[at].name, name);
	set->items[at].rule = rule;
	set->len++;
	set->bytes += strlen(name) + 1;
	return SEG_OK;
}

size_t seg_rule_set_len(const struct seg_rule_set *set)
{
	return set ? set->len : 0;
}

const char *seg_rule_set_name(const struct seg_rule_set *set, size_t i)
{
	return set->items[i].name;
}

const struct seg_rule *seg_rule_set_find(const struct seg_rule_set *set, const char *name)
{
	for (size_t i = 0; set && i < set->len; i++) {
		if (strcmp(set->items[i].name, name) == 0)
			return set->items[i].rule;
	}
	return NULL;
}

void seg_rule_set_hold(const struct seg_rule_set *set, const struct seg_profile *p, int64_t now_ms,
		       const struct seg_constants *constants, struct seg_held_rules *ret)
{
	ret->len = 0;
	for (size_t i = 0; set && i < set->len; i++) {
		if (seg_rule_evaluate(set->items[i].rule, p, now_ms, constants) != SEG_TRUE)
			continue;
		size_t len = strlen(set->items[i].name) + 1;
		memcpy(ret->names + ret->len, set->items[i].name, len);
		ret->len = (uint16_t)(ret->len + len);
	}
}

bool seg_held_rules_have(const struct seg_held_rules *held, const char *name)
{
	for (size_t at = 0; at < held->len; at += strlen(held->names + at) + 1) {
		if (strcmp(held->names + at, name) == 0)
			return true;
	}
	return false;
}
