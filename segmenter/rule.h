/*
 * Rules: segments defined by a condition over features and attributes, in a small typed language (docs/rules.md):
 *
 *   recency_days < 30 and (monetary > 500 or attr:plan in ("pro", "team")) and attr:country is known
 *
 * A text is compiled once, with names checked against the catalogue, into a compact program that is evaluated without
 * allocation. Values are numbers, texts, booleans, or missing; logic is three-valued (Kleene 1952): a comparison with
 * something missing is unknown, and an unknown condition does not hold.
 *
 * Pure. Compiled rules are immutable: any thread may evaluate them.
 */
#ifndef SEG_SEGMENTER_RULE_H
#define SEG_SEGMENTER_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/profile.h"
#include "segmenter/constants.h"

enum {
	SEG_RULE_TEXT_MAX = 1000, /* bytes */
	SEG_RULE_OPS_MAX = 128,	  /* names, values and operators */
	SEG_RULE_DEPTH_MAX = 32,  /* of brackets, and of values that wait for an operator */
	SEG_RULE_LIST_MAX = 64	  /* values behind `in` */
};

enum seg_truth { SEG_FALSE, SEG_TRUE, SEG_UNKNOWN };

struct seg_rule;

/* SEG_INVALID: err says at which column (bytes, from 1) what was expected, and the nearest known name. SEG_LIMIT: too long,
 * deep or large; SEG_NO_MEMORY. *ret is to be freed with seg_rule_free(). */
enum seg_rc seg_rule_compile(const char *text, struct seg_rule **ret, struct seg_error *err) SEG_MUST_CHECK;
void seg_rule_free(struct seg_rule *rule); /* NULL is fine */

/* As of now_ms. constants: of the model version, NULL: what depends on it is missing. */
enum seg_truth seg_rule_evaluate(const struct seg_rule *rule, const struct seg_profile *p, int64_t now_ms,
				 const struct seg_constants *constants);

/* It has a feature in it that a promotion fits: a new model alone can change it. */
bool seg_rule_is_fitted(const struct seg_rule *rule);

/* The rules of a configuration, ascending by name; at most SEG_RULES_MAX. */
struct seg_rule_set;

struct seg_rule_set *seg_rule_set_new(void); /* NULL: out of memory */
void seg_rule_set_free(struct seg_rule_set *set);

/* SEG_INVALID: a name that is none ([a-z0-9_-], 1 to SEG_RULE_NAME_MAX) or is there already, or see seg_rule_compile();
 * SEG_LIMIT: too many rules, or their names do not fit SEG_RULE_NAMES_BYTES together. */
enum seg_rc seg_rule_set_add(struct seg_rule_set *set, const char *name, const char *when,
			     struct seg_error *err) SEG_MUST_CHECK;

size_t seg_rule_set_len(const struct seg_rule_set *set); /* NULL: 0 */
const char *seg_rule_set_name(const struct seg_rule_set *set, size_t i);
const struct seg_rule *seg_rule_set_find(const struct seg_rule_set *set, const char *name); /* NULL: none */

/* The rules that hold. set may be NULL. */
void seg_rule_set_hold(const struct seg_rule_set *set, const struct seg_profile *p, int64_t now_ms,
		       const struct seg_constants *constants, struct seg_held_rules *ret);

/* Customers in each rule segment are told by names: is `name` among those held? */
bool seg_held_rules_have(const struct seg_held_rules *held, const char *name);

#endif
