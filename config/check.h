/*
 * From the tree to the struct: every key against the option table, every value against its type and range. Inside of
 * config/ only.
 */
#ifndef SEG_CONFIG_CHECK_H
#define SEG_CONFIG_CHECK_H

#include "config/load.h"
#include "config/options.h"
#include "config/tree.h"

enum { SEG_CHECK_OPTIONS_MAX = 128, SEG_CHECK_SHOWN_MAX = 80 };

/* One load under way; borrows everything. */
struct seg_check {
	const char *name; /* of the file, for messages */
	const struct seg_config_checks *checks;
	struct seg_config *config;			     /* zeroed at the start */
	const struct seg_node *given[SEG_CHECK_OPTIONS_MAX]; /* by option: where the file gives it; NULL: it does not */
	struct seg_error *err;
};

/* Fills the config from the tree (root may be NULL), then defaults and derived names, then looks at what options have
 * to do with one another. */
enum seg_rc seg_check_run(struct seg_check *c, struct seg_node *root) SEG_MUST_CHECK;

/* "name:line:column: option: message" as SEG_INVALID. node NULL: without line and column. */
enum seg_rc seg_check_refuse(const struct seg_check *c, const struct seg_node *n, const char *option, const char *fmt,
			     ...) SEG_PRINTF(4, 5);
enum seg_rc seg_check_no_memory(const struct seg_check *c);

/* What a message may show of a text: in backquotes, cut, without control characters; "the value" if it is secret. */
const char *seg_check_shown(const struct seg_node *n, bool secret, char ret[SEG_CHECK_SHOWN_MAX]);

/* True: o's value or the one under this key must not be shown. */
bool seg_check_is_secret(const struct seg_option *o, const struct seg_node *n);

/* The position in a NULL-terminated list of names, -1: none; *ret_nearest is then a likely one or NULL. */
int seg_check_choice(const char *const *names, const char *text, const char **ret_nearest);

/* Sets one option from a node of its own (assign.c); lists, maps and features (collect.c, features.c). */
enum seg_rc seg_check_assign(struct seg_check *c, const struct seg_option *o, struct seg_node *n) SEG_MUST_CHECK;
enum seg_rc seg_check_collect(struct seg_check *c, const struct seg_option *o, struct seg_node *n) SEG_MUST_CHECK;
enum seg_rc seg_check_features(struct seg_check *c, const struct seg_option *o,
			       const struct seg_node *n) SEG_MUST_CHECK;

enum seg_rc seg_check_rule_segments(struct seg_check *c, const struct seg_option *o,
				    const struct seg_node *n) SEG_MUST_CHECK; /* rule_segments.c */

/* A finite number within bounds from a text of a map or list entry `what`; errors as for options. */
enum seg_rc seg_check_number(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			     const char *what, double hi, double *ret) SEG_MUST_CHECK;

/* Default of an option that was not given, or its derived value (app must be set already). */
enum seg_rc seg_check_default(struct seg_check *c, const struct seg_option *o) SEG_MUST_CHECK;

/* Between options (rules.c). */
enum seg_rc seg_check_rules(const struct seg_check *c) SEG_MUST_CHECK;

#endif
