/* Where somebody lies in the model, and why: distances, what speaks for the nearest segment, and what would move them. */
#include "daemon/api_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "segmenter/catalogue.h"

enum { STEPS = 48, HALVINGS = 24 };

void seg_api_centroid(const struct seg_model *m, uint32_t index, double *ret)
{
	for (uint32_t j = 0; j < m->d; j++) {
		double x = m->centroids[(size_t)index * m->d + j];
		if (isnan(x))
			x = m->scale[j].imputed;
		ret[j] = seg_basis_invert(&m->basis.features[j], x);
	}
}

static const char *unit_of(const char *feature)
{
	int i = seg_catalogue_find(feature);
	return i >= 0 ? seg_catalogue_at((size_t)i)->unit : "";
}

static uint32_t feature_index(const struct seg_model *m, const char *name)
{
	for (uint32_t j = 0; j < m->d; j++) {
		if (strcmp(m->basis.features[j].config.name, name) == 0)
			return j;
	}
	return m->d;
}

const char *seg_api_short_number(double x, char ret[32])
{
	double size = fabs(x);
	if (size >= 1000 && size < 1e15)
		snprintf(ret, 32, "%.0f", x);
	else if (size < 1e-4)
		snprintf(ret, 32, "%s", size > 0 && x > 0 ? "nearly 0" : "0");
	else
		snprintf(ret, 32, "%.4g", x);
	return ret;
}

/* ---- why ---- */

static json_t *sentence(const struct seg_api_place *p, const struct seg_driver *d, const struct seg_assignment *a)
{
	double here[SEG_MAX_FEATURES], there[SEG_MAX_FEATURES];
	const char *unit = unit_of(d->feature);
	uint32_t j = feature_index(p->m, d->feature);
	char value[64], number[32], typical_here[32], typical_there[32];
	if (j == p->m->d)
		return json_null();
	seg_api_centroid(p->m, a->nearest, here);
	seg_api_centroid(p->m, a->second, there);
	if (isfinite(d->value))
		snprintf(value, sizeof(value), "is %s%s%s", seg_api_short_number(d->value, number), unit[0] ? " " : "",
			 unit);
	else
		snprintf(value, sizeof(value), "is not known");
	return json_sprintf(
		"%s %s; typical of \"%s\" is %s, of \"%s\" %s.", d->feature, value,
		seg_model_segment_name(p->m, p->m->clusters[a->nearest]), seg_api_short_number(here[j], typical_here),
		seg_model_segment_name(p->m, p->m->clusters[a->second]), seg_api_short_number(there[j], typical_there));
}

static void add_drivers(const struct seg_api_place *p, const struct seg_assignment *a, json_t *o)
{
	struct seg_driver drivers[SEG_DRIVERS];
	uint64_t from = a->second == a->nearest ? 0 : p->m->clusters[a->second];
	uint32_t len =
		seg_model_drivers(p->m, p->profile, p->now_ms, p->values, from, p->m->clusters[a->nearest], drivers);
	json_t *list = json_array(), *why = json_array();
	for (uint32_t i = 0; i < len; i++) {
		uint32_t j = feature_index(p->m, drivers[i].feature);
		drivers[i].value = j < p->m->d ? p->own[j] : NAN;
		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:s, s:o, s:o}", "feature", drivers[i].feature, "value",
						seg_api_number(drivers[i].value), "unit", unit_of(drivers[i].feature),
						"zscore", seg_api_number(drivers[i].zscore), "contribution",
						seg_api_number(drivers[i].contribution)));
		json_array_append_new(why, sentence(p, &drivers[i], a));
	}
	json_object_set_new(o, "drivers", list);
	json_object_set_new(o, "why", why);
}

/* ---- what would move them ---- */

struct change {
	uint32_t feature;
	double to, size; /* transformed; in standard deviations */
	uint64_t cluster;
	bool found;
};

/* The segment that the customer would be told with this transformed value of a feature. */
static uint64_t told_with(const struct seg_api_place *p, uint32_t feature, double transformed)
{
	const struct seg_move_rules rules = {.hysteresis = p->hysteresis};
	int32_t values[SEG_MAX_FEATURES];
	double vector[SEG_MAX_FEATURES];
	struct seg_assignment a;
	bool suppressed;
	memcpy(values, p->values, p->m->d * sizeof(values[0]));
	values[feature] = seg_basis_fix(&p->m->basis.features[feature], transformed);
	seg_model_vector(p->m, values, vector);
	seg_model_assign(p->m, vector, &a);
	return seg_model_decide(p->m, vector, &a, p->held, 0, SEG_NO_TIME, p->now_ms, &rules, &suppressed);
}

/* Looks from where the customer is towards one end of the feature's grid: the first place where they would move. */
static void look(const struct seg_api_place *p, uint32_t feature, double end, struct change *best)
{
	const struct seg_basis_feature *f = &p->m->basis.features[feature];
	double at = seg_basis_unfix(f, p->values[feature]), scale = p->m->scale[feature].scale;
	double stays, moves = NAN;
	if (isnan(at))
		return;
	stays = at;
	for (int i = 1; i <= STEPS && isnan(moves); i++) {
		double t = at + (end - at) * i / STEPS;
		if (best->found && fabs(t - at) / scale > best->size + fabs(end - at) / STEPS / scale)
			return;
		if (told_with(p, feature, t) != p->held)
			moves = t;
		else
			stays = t;
	}
	for (int i = 0; i < HALVINGS && !isnan(moves); i++) {
		double middle = (stays + moves) / 2;
		if (told_with(p, feature, middle) != p->held)
			moves = middle;
		else
			stays = middle;
	}
	if (isnan(moves) || (best->found && fabs(moves - at) / scale >= best->size))
		return;
	*best = (struct change){feature, moves, fabs(moves - at) / scale, told_with(p, feature, moves), true};
}

/* The least change of a single feature, in standard deviations, after which they would be told another segment. */
static json_t *would_move(const struct seg_api_place *p)
{
	struct change best = {0};
	if (!p->held || seg_model_index(p->m, p->held) < 0)
		return json_null();
	for (uint32_t j = 0; j < p->m->d; j++) {
		look(p, j, p->m->basis.features[j].grid_lo, &best);
		look(p, j, p->m->basis.features[j].grid_hi, &best);
	}
	if (!best.found)
		return json_null();
	const struct seg_basis_feature *f = &p->m->basis.features[best.feature];
	double to = seg_basis_invert(f, best.to), from = p->own[best.feature];
	char here[32], there[32];
	const char *unit = unit_of(f->config.name), *name = seg_model_segment_name(p->m, best.cluster);
	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:s, s:o, s:o}", "segment_id", seg_api_segment_id(best.cluster),
			 "name", name, "feature", f->config.name, "from", seg_api_number(from), "to",
			 seg_api_number(to), "unit", unit, "standard_deviations", seg_api_number(best.size), "text",
			 json_sprintf("With %s at %s%s%s instead of %s, all else as it is, the segment would be "
				      "\"%s\".",
				      f->config.name, seg_api_short_number(to, there), unit[0] ? " " : "", unit,
				      seg_api_short_number(from, here), name));
}

/* ---- all of it ---- */

static json_t *distances_json(const struct seg_model *m, const double *vector)
{
	json_t *list = json_array();
	for (uint32_t c = 0; c < m->k; c++)
		json_array_append_new(list,
				      json_pack("{s:o, s:s, s:o}", "segment_id", seg_api_segment_id(m->clusters[c]),
						"name", seg_model_segment_name(m, m->clusters[c]), "distance",
						seg_api_number(seg_model_distance(m, vector, c))));
	return list;
}

void seg_api_place_json(const struct seg_api_place *p, json_t *o)
{
	double vector[SEG_MAX_FEATURES];
	struct seg_assignment a;
	seg_model_vector(p->m, p->values, vector);
	seg_model_assign(p->m, vector, &a);
	uint64_t nearest = p->m->clusters[a.nearest];
	json_object_set_new(o, "nearest",
			    json_pack("{s:o, s:s, s:o}", "segment_id", seg_api_segment_id(nearest), "name",
				      seg_model_segment_name(p->m, nearest), "distance", seg_api_number(a.distance)));
	json_object_set_new(o, "second",
			    p->m->k < 2 ? json_null()
					: json_pack("{s:o, s:s, s:o}", "segment_id",
						    seg_api_segment_id(p->m->clusters[a.second]), "name",
						    seg_model_segment_name(p->m, p->m->clusters[a.second]), "distance",
						    seg_api_number(a.second_distance)));
	json_object_set_new(o, "margin", seg_api_number(a.margin));
	json_object_set_new(o, "distances", distances_json(p->m, vector));
	add_drivers(p, &a, o);
	json_object_set_new(o, "would_move", would_move(p));
}
