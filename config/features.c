/* `features`: a preset by name, or a list of names and of {name, transform, scaler, weight, impute}. */
#include "config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

/* As many, and names as long, as a model can have. */
enum { FEATURES_MAX = 128, FEATURE_NAME_MAX = 79 };

#define WEIGHT_MAX 1000.0

/* Position in seg_feature_keys. */
enum feature_key { KEY_NAME, KEY_TRANSFORM, KEY_SCALER, KEY_WEIGHT, KEY_IMPUTE };

static enum seg_rc refuse_choice(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
				 const char *what, const char *const *names, const char *nearest)
{
	char shown[SEG_CHECK_SHOWN_MAX], all[200] = "";
	size_t len = 0;

	for (size_t i = 0; names[i] && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? ", " : "", names[i]);
	return seg_check_refuse(c, n, o->name, "%s is not a %s%s%s%s; allowed: %s", seg_check_shown(n, false, shown),
				what, nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "",
				all);
}

static enum seg_rc take_choice(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			       const char *what, const char *const *names, unsigned *ret)
{
	const char *nearest = NULL;
	int i;

	if (n->kind != SEG_NODE_TEXT)
		return seg_check_refuse(c, n, o->name, "%s where a %s is expected", seg_node_kind_text(n), what);
	i = seg_check_choice(names, n->text, &nearest);
	if (i < 0)
		return refuse_choice(c, o, n, what, names, nearest);
	*ret = (unsigned)i;
	return SEG_OK;
}

static enum seg_rc take_transform(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
				  struct seg_config_feature *f)
{
	unsigned choice = 0;
	enum seg_rc rc = take_choice(c, o, n, "transform", seg_transform_names, &choice);

	if (rc != SEG_OK)
		return rc;
	f->transform = (enum seg_config_transform)choice;
	return SEG_OK;
}

static enum seg_rc take_impute(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			       struct seg_config_feature *f)
{
	unsigned choice = 0;
	enum seg_rc rc = take_choice(c, o, n, "way to impute", seg_impute_names, &choice);

	if (rc != SEG_OK)
		return rc;
	f->impute = (enum seg_config_impute)choice;
	return SEG_OK;
}

static enum seg_rc take_name(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			     const struct seg_config_features *all, struct seg_config_feature *f)
{
	char shown[SEG_CHECK_SHOWN_MAX];
	const char *nearest = NULL, *name = n->text;
	bool attribute;

	if (n->kind != SEG_NODE_TEXT || *name == '\0' || strlen(name) > FEATURE_NAME_MAX)
		return seg_check_refuse(c, n, o->name, "a feature's name is a text of 1 to 79 bytes");
	attribute = strncmp(name, "attr:", 5) == 0;
	seg_check_shown(n, false, shown);
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return seg_check_refuse(c, n, o->name, "%s has a blank or control character in it", shown);
	if (attribute && name[5] == '\0')
		return seg_check_refuse(c, n, o->name, "`attr:` must be followed by the attribute's name");
	if (attribute && strchr(name, '=') && (name[5] == '=' || strchr(name, '=')[1] == '\0'))
		return seg_check_refuse(c, n, o->name, "%s is no one-hot feature: those are `attr:NAME=VALUE`", shown);
	for (size_t i = 0; i < all->len; i++)
		if (all->items[i].name && strcmp(all->items[i].name, name) == 0)
			return seg_check_refuse(c, n, o->name, "the feature %s is in the list twice", shown);
	if (!attribute && c->checks && c->checks->known_feature && !c->checks->known_feature(name, &nearest))
		return seg_check_refuse(c, n, o->name, "unknown feature %s%s%s%s; `segmentd features` lists all", shown,
					nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
	f->name = strdup(name);
	return f->name ? SEG_OK : seg_check_no_memory(c);
}

static enum seg_rc take_part(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			     const struct seg_config_features *all, struct seg_config_feature *f)
{
	struct seg_node at = {.line = n->key_line, .column = n->key_column, .text = n->key, .kind = SEG_NODE_TEXT};
	unsigned choice = 0;
	enum seg_rc rc = take_choice(c, o, &at, "part of a feature", seg_feature_keys, &choice);

	if (rc != SEG_OK)
		return rc;
	switch ((enum feature_key)choice) {
	case KEY_NAME:
		return take_name(c, o, n, all, f);
	case KEY_TRANSFORM:
		return take_transform(c, o, n, f);
	case KEY_SCALER:
		rc = take_choice(c, o, n, "scaler", seg_scaler_names, &choice);
		f->scaler = rc == SEG_OK ? (enum seg_config_scaler)choice : f->scaler;
		return rc;
	case KEY_WEIGHT:
		return seg_check_number(c, o, n, "weight", WEIGHT_MAX, &f->weight);
	case KEY_IMPUTE:
		return take_impute(c, o, n, f);
	}
	return rc;
}

static enum seg_rc take_feature(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
				struct seg_config_features *all)
{
	struct seg_config_feature *f = &all->items[all->len];
	enum seg_rc rc = SEG_OK;

	*f = (struct seg_config_feature){.transform = SEG_CONFIG_TRANSFORM_AUTO, .weight = 1};
	if (n->kind == SEG_NODE_TEXT)
		rc = take_name(c, o, n, all, f);
	else if (n->kind != SEG_NODE_MAP)
		return seg_check_refuse(c, n, o->name, "%s where a feature is expected; write {name: recency_days}",
					seg_node_kind_text(n));
	for (const struct seg_node *i = n->first; i && rc == SEG_OK; i = i->next)
		rc = take_part(c, o, i, all, f);
	all->len++; /* also half made: to be freed */
	if (rc == SEG_OK && !f->name)
		return seg_check_refuse(c, n, o->name, "a feature without a name");
	return rc;
}

enum seg_rc seg_check_features(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_config_features *all = seg_option_at(o, c->config);
	enum seg_rc rc = SEG_OK;
	unsigned preset = 0;

	if (n->kind == SEG_NODE_TEXT) {
		rc = take_choice(c, o, n, "preset", seg_preset_names, &preset);
		if (rc != SEG_OK)
			return rc;
		all->preset = strdup(seg_preset_names[preset]);
		return all->preset ? SEG_OK : seg_check_no_memory(c);
	}
	if (n->kind != SEG_NODE_LIST || n->len == 0 || n->len > FEATURES_MAX)
		return seg_check_refuse(c, n, o->name,
					"write a preset (rfm, behaviour, email, full) or a list of 1 to 128 "
					"features");
	all->items = calloc(n->len, sizeof(*all->items));
	if (!all->items)
		return seg_check_no_memory(c);
	for (const struct seg_node *i = n->first; i && rc == SEG_OK; i = i->next)
		rc = take_feature(c, o, i, all);
	return rc;
}
