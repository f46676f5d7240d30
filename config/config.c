#include "config/config.h"

#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "config/options.h"
#include "config/tree.h"

static void free_list(struct seg_config_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i]);
	free(list->items);
}

static void free_map(struct seg_config_map *map)
{
	for (size_t i = 0; i < map->len; i++) {
		free(map->items[i].name);
		seg_text_free(map->items[i].value);
	}
	free(map->items);
}

static void free_rates(struct seg_config_rates *rates)
{
	for (size_t i = 0; i < rates->len; i++)
		free(rates->items[i].currency);
	free(rates->items);
}

static void free_mapping(struct seg_config_mapping *mapping)
{
	for (size_t i = 0; i < mapping->len; i++) {
		free(mapping->items[i].field);
		free(mapping->items[i].path);
		free(mapping->items[i].constant);
	}
	free(mapping->items);
}

static void free_features(struct seg_config_features *features)
{
	for (size_t i = 0; i < features->len; i++)
		free(features->items[i].name);
	free(features->items);
	free(features->preset);
}

static void free_rules(struct seg_config_rules *rules)
{
	for (size_t i = 0; i < rules->len; i++) {
		free(rules->items[i].name);
		free(rules->items[i].when);
	}
	free(rules->items);
}

static void free_option(const struct seg_option *o, struct seg_config *c)
{
	switch (o->type) {
	case SEG_OPTION_INT:
	case SEG_OPTION_DOUBLE:
	case SEG_OPTION_DURATION:
	case SEG_OPTION_BYTES:
	case SEG_OPTION_ENUM:
		return;
	case SEG_OPTION_STRING:
		seg_text_free(*(char **)seg_option_at(o, c));
		return;
	case SEG_OPTION_LIST:
		free_list(seg_option_at(o, c));
		return;
	case SEG_OPTION_MAP:
		free_map(seg_option_at(o, c));
		return;
	case SEG_OPTION_RATES:
		free_rates(seg_option_at(o, c));
		return;
	case SEG_OPTION_MAPPING:
		free_mapping(seg_option_at(o, c));
		return;
	case SEG_OPTION_FEATURES:
		free_features(seg_option_at(o, c));
		return;
	case SEG_OPTION_RULES:
		free_rules(seg_option_at(o, c));
		return;
	}
}

void seg_config_free(struct seg_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < seg_options_len; i++)
		free_option(&seg_options[i], c);
	free(c);
}

static void put_text(struct seg_buf *b, const char *text)
{
	/* With its NUL, so that absent, empty and joined texts differ. */
	seg_buf_u8(b, text != NULL);
	if (text)
		seg_buf_append(b, text, strlen(text) + 1);
}

static void put_mapping(struct seg_buf *b, const struct seg_config_mapping *mapping)
{
	for (size_t i = 0; i < mapping->len; i++) {
		put_text(b, mapping->items[i].field);
		put_text(b, mapping->items[i].path);
		put_text(b, mapping->items[i].constant);
	}
}

static void put_option(struct seg_buf *b, const struct seg_option *o, const struct seg_config *c)
{
	const void *at = seg_option_get(o, c);
	const struct seg_config_list *list = at;
	const struct seg_config_rates *rates = at;

	put_text(b, o->name);
	switch (o->type) {
	case SEG_OPTION_INT:
	case SEG_OPTION_DURATION:
	case SEG_OPTION_BYTES:
		seg_buf_u64le(b, (uint64_t) * (const int64_t *)at);
		return;
	case SEG_OPTION_DOUBLE:
		seg_buf_f64(b, *(const double *)at);
		return;
	case SEG_OPTION_ENUM:
		put_text(b, o->names[*(const unsigned *)at]);
		return;
	case SEG_OPTION_STRING:
		put_text(b, *(char *const *)at);
		return;
	case SEG_OPTION_LIST:
		for (size_t i = 0; i < list->len; i++)
			put_text(b, list->items[i]);
		return;
	case SEG_OPTION_RATES:
		for (size_t i = 0; i < rates->len; i++) {
			put_text(b, rates->items[i].currency);
			seg_buf_f64(b, rates->items[i].rate);
		}
		return;
	case SEG_OPTION_MAPPING:
		put_mapping(b, at);
		return;
	case SEG_OPTION_MAP:
	case SEG_OPTION_FEATURES:
	case SEG_OPTION_RULES:
		return; /* none of these shapes aggregates */
	}
}

/* The source that an option belongs to is read, or it belongs to none. */
static bool in_use(const struct seg_option *o, const struct seg_config *c)
{
	const size_t first = offsetof(struct seg_config, sources);

	if (o->offset < first || o->offset >= first + sizeof(c->sources))
		return true;
	return c->sources[(o->offset - first) / sizeof(c->sources[0])].read;
}

uint64_t seg_config_aggregate_fingerprint(const struct seg_config *c)
{
	struct seg_buf b;
	uint64_t ret = 0;

	/* A sum over options, so that their order in the table is no part of the stored format; bounded by the loader. */
	seg_buf_init(&b, 16 << 20);
	for (size_t i = 0; i < seg_options_len; i++) {
		if (!(seg_options[i].flags & SEG_OPTION_AGGREGATE) || !in_use(&seg_options[i], c))
			continue;
		seg_buf_clear(&b);
		put_option(&b, &seg_options[i], c);
		ret += b.failed ? 0 : seg_hash64(b.data, b.len);
	}
	seg_buf_release(&b);
	return ret;
}

bool seg_config_worker_id(const struct seg_config *c, unsigned worker, char *ret, size_t size)
{
	int len = snprintf(ret, size, "%s-%s-%u", c->app, c->instance, worker);

	return len >= 0 && (size_t)len < size;
}

bool seg_config_store_path(const struct seg_config *c, int32_t partition, char *ret, size_t size)
{
	int len = partition < 0 ? snprintf(ret, size, "%s/%s", c->data_dir, c->app)
				: snprintf(ret, size, "%s/%s/p%d", c->data_dir, c->app, partition);

	return len >= 0 && (size_t)len < size;
}

const char *seg_config_map_find(const struct seg_config_map *m, const char *name)
{
	for (size_t i = 0; i < m->len; i++)
		if (strcmp(m->items[i].name, name) == 0)
			return m->items[i].value;
	return NULL;
}

bool seg_config_pca(const char *text, uint32_t *ret_components, double *ret_share)
{
	enum { COMPONENTS_MAX = 128 };
	char *end;
	double number = strtod(text, &end);

	*ret_components = 0;
	*ret_share = 0;
	if (strcmp(text, "none") == 0)
		return true;
	if (end == text || !isfinite(number) || number <= 0)
		return false;
	if (strcmp(end, "%") == 0 || (*end == 0 && number < 1)) {
		*ret_share = *end ? number / 100 : number;
		return *ret_share <= 1;
	}
	*ret_components = number <= COMPONENTS_MAX ? (uint32_t)number : 0;
	return *end == 0 && *ret_components == number;
}
