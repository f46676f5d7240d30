#include "segmenter/catalogue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/catalogue_table.h"

/* Inlined into the hot path: three groups need no table of offsets. */
static inline const struct seg_feature_entry *entry_at(size_t i)
{
	if (i < seg_features_rfm.len)
		return &seg_features_rfm.entries[i];
	i -= seg_features_rfm.len;
	if (i < seg_features_behaviour.len)
		return &seg_features_behaviour.entries[i];
	return &seg_features_email.entries[i - seg_features_behaviour.len];
}

size_t seg_catalogue_len(void)
{
	return seg_features_rfm.len + seg_features_behaviour.len + seg_features_email.len;
}

const struct seg_feature_def *seg_catalogue_at(size_t i)
{
	return &entry_at(i)->def;
}

int seg_catalogue_find(const char *name)
{
	for (size_t i = 0; i < seg_catalogue_len(); i++)
		if (strcmp(seg_catalogue_at(i)->name, name) == 0)
			return (int)i;
	return -1;
}

/* Levenshtein's distance, of the first SEG_FEATURE_NAME_MAX bytes. */
static unsigned edit_distance(const char *a, const char *b)
{
	size_t a_len = strnlen(a, SEG_FEATURE_NAME_MAX), b_len = strnlen(b, SEG_FEATURE_NAME_MAX);
	unsigned row[SEG_FEATURE_NAME_MAX + 1];

	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 0; i < a_len; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < b_len; j++) {
			unsigned best = diagonal + (a[i] != b[j]);
			diagonal = row[j + 1];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j + 1] = diagonal + 1 < best ? diagonal + 1 : best;
		}
	}
	return row[b_len];
}

const char *seg_catalogue_nearest(const char *name)
{
	const char *nearest = seg_catalogue_at(0)->name;
	unsigned least = edit_distance(name, nearest);

	for (size_t i = 1; i < seg_catalogue_len(); i++) {
		unsigned distance = edit_distance(name, seg_catalogue_at(i)->name);
		if (distance < least) {
			least = distance;
			nearest = seg_catalogue_at(i)->name;
		}
	}
	return nearest;
}

static double fitted_value(unsigned what, const struct seg_constants *constants, const struct seg_buyer *b)
{
	if (what == SEG_FITTED_LIFETIME_VALUE)
		return seg_lifetime_value(constants, b);
	return seg_score_of(constants, (enum seg_score)what, b);
}

bool seg_catalogue_is_fitted(size_t i)
{
	return !entry_at(i)->value;
}

double seg_catalogue_value(size_t i, const struct seg_profile *p, int64_t now_ms, const struct seg_constants *constants)
{
	const struct seg_feature_entry *e = entry_at(i);
	struct seg_buyer b;

	if (e->value)
		return e->value(p, now_ms, e->arg);
	seg_buyer_of(p, now_ms, &b);
	return fitted_value(e->arg, constants, &b);
}

double seg_catalogue_fitted(size_t i, const struct seg_buyer *b, const struct seg_constants *constants)
{
	const struct seg_feature_entry *e = entry_at(i);

	return e->value ? (double)NAN : fitted_value(e->arg, constants, b);
}

static double numeric(const struct seg_value *v)
{
	switch (v->type) {
	case SEG_VALUE_BOOL:
		return v->b;
	case SEG_VALUE_LONG:
		return (double)v->i;
	case SEG_VALUE_DOUBLE:
		return isfinite(v->d) ? v->d : (double)NAN;
	case SEG_VALUE_NULL:
	case SEG_VALUE_STRING:
		break;
	}
	return (double)NAN;
}

static const struct seg_value *attribute_of(const struct seg_profile *p, struct seg_str name)
{
	for (uint32_t i = 0; p->attributes && i < p->attributes->len; i++)
		if (seg_str_eq(p->attributes->items[i].name, name))
			return &p->attributes->items[i].value;
	return NULL;
}

double seg_attribute_value(const struct seg_profile *p, struct seg_str name)
{
	const struct seg_value *v = attribute_of(p, name);

	return v ? numeric(v) : (double)NAN;
}

bool seg_attribute_is_one_hot(const char *spec)
{
	return strchr(spec, '=') != NULL;
}

static bool is_number(const char *text, double x)
{
	char *end;
	double wanted = strtod(text, &end);

	return end != text && *end == 0 && wanted == x;
}

static double one_hot(const struct seg_value *v, const char *wanted)
{
	switch (v->type) {
	case SEG_VALUE_BOOL:
		return strcmp(wanted, v->b ? "true" : "false") == 0;
	case SEG_VALUE_LONG:
		return is_number(wanted, (double)v->i);
	case SEG_VALUE_DOUBLE:
		return is_number(wanted, v->d);
	case SEG_VALUE_STRING:
		return seg_str_eq(v->s, seg_str_from(wanted));
	case SEG_VALUE_NULL:
		break;
	}
	return (double)NAN;
}

double seg_attribute_feature(const struct seg_profile *p, const char *spec)
{
	const char *equals = strchr(spec, '=');
	const struct seg_value *v;

	if (!equals)
		return seg_attribute_value(p, seg_str_from(spec));
	v = attribute_of(p, (struct seg_str){spec, (uint32_t)(equals - spec)});
	return v ? one_hot(v, equals + 1) : (double)NAN;
}
