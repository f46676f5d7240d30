/* `rules`: a list of {name, when}. What a condition means is the segmenter's: daemon/ hands in who checks it. */
#include "config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Position in seg_rule_keys. */
enum rule_key { KEY_NAME, KEY_WHEN };

static enum seg_rc take_part(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			     struct seg_config_rule *r)
{
	struct seg_node at = {.line = n->key_line, .column = n->key_column, .text = n->key, .kind = SEG_NODE_TEXT};
	char shown[SEG_CHECK_SHOWN_MAX];
	const char *nearest = NULL;
	int part = seg_check_choice(seg_rule_keys, n->key, &nearest);

	if (part < 0)
		return seg_check_refuse(c, &at, o->name, "%s is not a part of a rule; write {name: vip, when: \"…\"}",
					seg_check_shown(&at, false, shown));
	if (n->kind != SEG_NODE_TEXT || n->text[0] == '\0')
		return seg_check_refuse(c, n, o->name, "%s where the text of `%s` is expected",
					n->kind == SEG_NODE_TEXT ? "nothing" : seg_node_kind_text(n), n->key);
	char **text = part == KEY_NAME ? &r->name : &r->when;
	*text = strdup(n->text);
	return *text ? SEG_OK : seg_check_no_memory(c);
}

/* Where a part stands, for messages about it; the entry itself when it is not given. */
static const struct seg_node *part_of(const struct seg_node *n, const char *key)
{
	for (const struct seg_node *i = n->first; i; i = i->next) {
		if (strcmp(i->key, key) == 0)
			return i;
	}
	return n;
}

static enum seg_rc take_rule(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			     struct seg_config_rules *all)
{
	struct seg_config_rule *r = &all->items[all->len];
	enum seg_rc rc = SEG_OK;
	struct seg_error why = {0};

	if (n->kind != SEG_NODE_MAP)
		return seg_check_refuse(c, n, o->name, "%s where a rule is expected; write {name: vip, when: \"…\"}",
					seg_node_kind_text(n));
	all->len++; /* also half made: to be freed */
	for (const struct seg_node *i = n->first; i && rc == SEG_OK; i = i->next)
		rc = take_part(c, o, i, r);
	if (rc != SEG_OK)
		return rc;
	if (!r->name || !r->when)
		return seg_check_refuse(c, n, o->name, "a rule without %s; write {name: vip, when: \"…\"}",
					r->name ? "`when`" : "a name");
	if (!c->checks || !c->checks->check_rules)
		return SEG_OK;
	bool name_is_wrong = false;
	rc = c->checks->check_rules(all, &name_is_wrong, &why);
	if (rc == SEG_NO_MEMORY)
		return seg_check_no_memory(c);
	if (rc != SEG_OK)
		return seg_check_refuse(c, part_of(n, name_is_wrong ? "name" : "when"), o->name, "rule `%.60s`: %s",
					r->name, why.text);
	return SEG_OK;
}

enum seg_rc seg_check_rule_segments(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_config_rules *all = seg_option_at(o, c->config);
	enum seg_rc rc = SEG_OK;

	if (n->kind != SEG_NODE_LIST && !seg_node_is_null(n))
		return seg_check_refuse(c, n, o->name, "%s where a list is expected; write [{name: vip, when: \"…\"}]",
					seg_node_kind_text(n));
	if (n->len > SEG_CONFIG_RULES_MAX)
		return seg_check_refuse(c, n, o->name, "more than %d rules", SEG_CONFIG_RULES_MAX);
	all->items = calloc(n->len + 1, sizeof(*all->items));
	if (!all->items)
		return seg_check_no_memory(c);
	for (const struct seg_node *i = n->first; i && rc == SEG_OK; i = i->next)
		rc = take_rule(c, o, i, all);
	return rc;
}
