/* Options that hold many values: lists, and maps with keys of the operator's own. */
#include "config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/resolve.h"

enum { ITEMS_MAX = 1000, ITEM_MAX = 200, MAP_KEY_MAX = 128, PATH_PARTS_MAX = 16 };

#define RATE_MAX 1e9
#define MAP_KEY_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static enum seg_rc take_item(struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			     struct seg_config_list *list)
{
	char shown[SEG_CHECK_SHOWN_MAX], *copy;

	if (n->kind != SEG_NODE_TEXT)
		return seg_check_refuse(c, n, o->name, "%s in a list of texts", seg_node_kind_text(n));
	seg_check_shown(n, false, shown);
	if (n->text[0] == '\0' || strlen(n->text) > ITEM_MAX)
		return seg_check_refuse(c, n, o->name, "%s in the list is not a text of 1 to 200 bytes", shown);
	for (size_t i = 0; i < list->len; i++)
		if (strcasecmp(list->items[i], n->text) == 0)
			return seg_check_refuse(c, n, o->name, "%s is in the list twice (case does not matter)", shown);
	copy = strdup(n->text);
	if (!copy)
		return seg_check_no_memory(c);
	list->items[list->len++] = copy;
	return SEG_OK;
}

static enum seg_rc collect_list(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_config_list *list = seg_option_at(o, c->config);
	enum seg_rc rc = SEG_OK;

	if (n->kind != SEG_NODE_LIST && !seg_node_is_null(n))
		return seg_check_refuse(c, n, o->name, "%s where a list is expected; write [one, two]",
					seg_node_kind_text(n));
	if (n->len > ITEMS_MAX)
		return seg_check_refuse(c, n, o->name, "more than 1000 entries");
	list->len = 0;
	list->items = calloc(n->len + 1, sizeof(*list->items));
	if (!list->items)
		return seg_check_no_memory(c);
	for (const struct seg_node *i = n->first; i && rc == SEG_OK; i = i->next)
		rc = take_item(c, o, i, list);
	return rc;
}

/* Names with a dot at their end stand for all that begin so. */
static bool is_reserved(const char *name, const char *key)
{
	size_t len = strlen(name);

	return name[len - 1] == '.' ? strncasecmp(name, key, len) == 0 : strcasecmp(name, key) == 0;
}

static enum seg_rc check_map_key(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_node at = {.line = n->key_line, .column = n->key_column, .text = n->key};
	char shown[SEG_CHECK_SHOWN_MAX];

	seg_check_shown(&at, false, shown);
	if (strlen(n->key) > MAP_KEY_MAX || n->key[strspn(n->key, MAP_KEY_CHARS)] != '\0')
		return seg_check_refuse(c, &at, o->name, "%s is not the name of a setting", shown);
	for (size_t i = 0; o->names && o->names[i]; i++) {
		if (!is_reserved(o->names[i], n->key))
			continue;
		if (strcmp(n->key, "bootstrap.servers") == 0 || strcmp(n->key, "metadata.broker.list") == 0)
			return seg_check_refuse(c, &at, o->name, "%s is not set here; set kafka.brokers", shown);
		if (strcmp(n->key, "group.id") == 0)
			return seg_check_refuse(c, &at, o->name, "%s is not set here; set group", shown);
		return seg_check_refuse(c, &at, o->name, "%s cannot be set: segmentd needs its own value", shown);
	}
	if (n->kind != SEG_NODE_TEXT)
		return seg_check_refuse(c, n, o->name,
					"%s where the value of %s is expected; names are written with dots",
					seg_node_kind_text(n), shown);
	return SEG_OK;
}

static enum seg_rc take_pair(struct seg_check *c, const struct seg_option *o, struct seg_node *n,
			     struct seg_config_map *map)
{
	struct seg_config_pair *pair = &map->items[map->len];
	bool found_elsewhere;
	enum seg_rc rc = check_map_key(c, o, n);

	if (rc == SEG_OK && (o->flags & SEG_OPTION_SECRET))
		rc = seg_resolve_file(n, c->name, c->err);
	if (rc != SEG_OK)
		return rc;
	found_elsewhere = n->written != NULL;
	*pair = (struct seg_config_pair){.name = strdup(n->key),
					 .value = strdup(seg_node_is_null(n) ? "" : n->text),
					 .secret = found_elsewhere || seg_option_key_is_secret(n->key)};
	map->len++; /* also half made: to be freed */
	return pair->name && pair->value ? SEG_OK : seg_check_no_memory(c);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct seg_config_pair *)a)->name, ((const struct seg_config_pair *)b)->name);
}

static enum seg_rc collect_map(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_config_map *map = seg_option_at(o, c->config);
	enum seg_rc rc = SEG_OK;

	map->items = calloc(n->len + 1, sizeof(*map->items));
	if (!map->items)
		return seg_check_no_memory(c);
	for (struct seg_node *i = n->first; i && rc == SEG_OK; i = i->next)
		rc = take_pair(c, o, i, map);
	if (rc == SEG_OK)
		qsort(map->items, map->len, sizeof(*map->items), by_name);
	return rc;
}

static int by_currency(const void *a, const void *b)
{
	return strcmp(((const struct seg_config_rate *)a)->currency, ((const struct seg_config_rate *)b)->currency);
}

static enum seg_rc collect_rates(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_config_rates *rates = seg_option_at(o, c->config);

	rates->items = calloc(n->len + 1, sizeof(*rates->items));
	if (!rates->items)
		return seg_check_no_memory(c);
	for (const struct seg_node *i = n->first; i; i = i->next) {
		struct seg_node at = {.line = i->key_line, .column = i->key_column, .text = i->key};
		struct seg_config_rate *rate = &rates->items[rates->len];
		char shown[SEG_CHECK_SHOWN_MAX];
		enum seg_rc rc;

		seg_check_shown(&at, false, shown);
		if (strspn(i->key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3 || i->key[3] != '\0')
			return seg_check_refuse(c, &at, o->name, "%s is not a currency; write three capital letters",
						shown);
		rc = seg_check_number(c, o, i, shown, RATE_MAX, &rate->rate);
		if (rc != SEG_OK)
			return rc;
		rate->currency = strdup(i->key);
		if (!rate->currency)
			return seg_check_no_memory(c);
		rates->len++;
	}
	qsort(rates->items, rates->len, sizeof(*rates->items), by_currency);
	return SEG_OK;
}

/* The source whose mapping this option is. */
static enum seg_source source_of(const struct seg_option *o)
{
	return (enum seg_source)((o->offset - offsetof(struct seg_config, sources)) / sizeof(struct seg_config_source));
}

static bool is_path(const char *text)
{
	size_t parts = 1;

	if (text[0] == '\0' || text[0] == '.' || strlen(text) > ITEM_MAX || text[strlen(text) - 1] == '.')
		return false;
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || (p[0] == '.' && p[1] == '.'))
			return false;
		parts += *p == '.';
	}
	return parts <= PATH_PARTS_MAX;
}

static enum seg_rc check_field(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_node at = {.line = n->key_line, .column = n->key_column, .text = n->key};
	char shown[SEG_CHECK_SHOWN_MAX];
	const char *nearest = NULL;

	if (!c->checks || !c->checks->known_field || c->checks->known_field(source_of(o), n->key, &nearest))
		return SEG_OK;
	return seg_check_refuse(c, &at, o->name, "%s is not a field of ours%s%s%s", seg_check_shown(&at, false, shown),
				nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
}

static enum seg_rc take_mapped(struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			       struct seg_config_mapped *ret)
{
	const struct seg_node *value = n;
	bool constant = n->kind == SEG_NODE_MAP && n->len == 1 && strcmp(n->first->key, "const") == 0;
	enum seg_rc rc = check_field(c, o, n);
	char shown[SEG_CHECK_SHOWN_MAX];

	if (rc != SEG_OK)
		return rc;
	if (constant)
		value = n->first;
	if (value->kind != SEG_NODE_TEXT || (constant && seg_node_is_null(value)))
		return seg_check_refuse(c, value, o->name, "`%s` must be a path like user.id, or {const: value}",
					n->key);
	if (constant ? strlen(value->text) > ITEM_MAX : !is_path(value->text))
		return seg_check_refuse(c, value, o->name, "%s for `%s` is not a path of names with dots between them",
					seg_check_shown(value, false, shown), n->key);
	ret->field = strdup(n->key);
	*(constant ? &ret->constant : &ret->path) = strdup(value->text);
	return ret->field && (ret->constant || ret->path) ? SEG_OK : seg_check_no_memory(c);
}

static int by_field(const void *a, const void *b)
{
	return strcmp(((const struct seg_config_mapped *)a)->field, ((const struct seg_config_mapped *)b)->field);
}

static enum seg_rc collect_mapping(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	struct seg_config_mapping *mapping = seg_option_at(o, c->config);
	enum seg_rc rc = SEG_OK;

	mapping->items = calloc(n->len + 1, sizeof(*mapping->items));
	if (!mapping->items)
		return seg_check_no_memory(c);
	for (const struct seg_node *i = n->first; i && rc == SEG_OK; i = i->next)
		rc = take_mapped(c, o, i, &mapping->items[mapping->len++]);
	if (rc == SEG_OK)
		qsort(mapping->items, mapping->len, sizeof(*mapping->items), by_field);
	return rc;
}

enum seg_rc seg_check_collect(struct seg_check *c, const struct seg_option *o, struct seg_node *n)
{
	if (o->type == SEG_OPTION_LIST)
		return collect_list(c, o, n);
	if (n->kind != SEG_NODE_MAP && !seg_node_is_null(n))
		return seg_check_refuse(c, n, o->name, "%s where a map is expected; write {name: value}",
					seg_node_kind_text(n));
	if (n->len > ITEMS_MAX)
		return seg_check_refuse(c, n, o->name, "more than 1000 entries");
	if (o->type == SEG_OPTION_RATES)
		return collect_rates(c, o, n);
	return o->type == SEG_OPTION_MAPPING ? collect_mapping(c, o, n) : collect_map(c, o, n);
}
