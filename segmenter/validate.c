/* The learned segments against labels that somebody brings, on the sample: an attribute, or the rule segments held. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "segmenter/learner_internal.h"
#include "segmenter/silhouette.h"

enum { LABELS_MAX = 256, LABEL_BYTES = 64 };
static const char *const OTHER = "(other)", *const NONE = "(none)", *const NO_TEXT = "(not text)";

struct labels { /* the last one may be OTHER */
	char texts[LABELS_MAX + 1][LABEL_BYTES];
	uint32_t len;
	json_t *index;
};

struct validation {
	const struct seg_model *m;
	struct labels labels, rules;  /* labels: what the Rand index is of; rules: rows, when they are rules */
	uint32_t *label, *segment;    /* [n] */
	uint64_t *cells, *rule_cells; /* [LABELS_MAX + 1][k] */
	size_t n, missing, unassigned;
};

/* Cuts at LABEL_BYTES - 1, not within a character. */
static void text_of(const char *text, size_t len, char ret[LABEL_BYTES])
{
	if (len >= LABEL_BYTES) {
		len = LABEL_BYTES - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	json_t *good = memchr(text, '\0', len) ? NULL : json_stringn(text, len);
	snprintf(ret, LABEL_BYTES, "%.*s", good ? (int)len : (int)strlen(NO_TEXT), good ? text : NO_TEXT);
	json_decref(good);
}

static bool label_of(struct labels *all, const char *text, uint32_t *ret)
{
	const json_t *known = json_object_get(all->index, text);

	if (known) {
		*ret = (uint32_t)json_integer_value(known);
		return true;
	}
	if (all->len >= LABELS_MAX) {
		snprintf(all->texts[LABELS_MAX], LABEL_BYTES, "%s", OTHER);
		all->len = LABELS_MAX + 1;
		*ret = LABELS_MAX;
		return true;
	}
	snprintf(all->texts[all->len], LABEL_BYTES, "%s", text);
	*ret = all->len++;
	return json_object_set_new(all->index, text, json_integer(*ret)) == 0;
}

/* False: the customer has no such attribute, or it was taken away. */
static bool attribute_text(const struct seg_profile *p, const char *name, char ret[LABEL_BYTES])
{
	const struct seg_value *v = NULL;

	for (uint32_t i = 0; p->attributes && i < p->attributes->len; i++) {
		if (seg_str_is(p->attributes->items[i].name, name))
			v = &p->attributes->items[i].value;
	}
	if (!v)
		return false;
	switch (v->type) {
	case SEG_VALUE_NULL:
		return false;
	case SEG_VALUE_BOOL:
		snprintf(ret, LABEL_BYTES, "%s", v->b ? "true" : "false");
		return true;
	case SEG_VALUE_LONG:
		snprintf(ret, LABEL_BYTES, "%lld", (long long)v->i);
		return true;
	case SEG_VALUE_DOUBLE:
		snprintf(ret, LABEL_BYTES, "%.15g", v->d);
		return true;
	case SEG_VALUE_STRING:
		text_of(v->s.ptr ? v->s.ptr : "", v->s.len, ret);
		return true;
	}
	return false;
}

/* All rules held as one label, and a cell for each of them. */
static bool take_rules(struct validation *v, const struct seg_held_rules *held, uint32_t segment, char ret[LABEL_BYTES])
{
	char all[sizeof(held->names) + 1];
	size_t len = 0;

	for (uint16_t at = 0; at < held->len; at = (uint16_t)(at + strlen(held->names + at) + 1)) {
		uint32_t row;
		if (!label_of(&v->rules, held->names + at, &row))
			return false;
		v->rule_cells[(size_t)row * v->m->k + segment]++;
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len ? "+" : "", held->names + at);
	}
	if (len == 0)
		snprintf(ret, LABEL_BYTES, "%s", NONE);
	else if (len < LABEL_BYTES)
		snprintf(ret, LABEL_BYTES, "%s", all);
	else /* too long to be told apart by its beginning */
		snprintf(ret, LABEL_BYTES, "%.40s+…%016llx", all, (unsigned long long)seg_hash64(all, len));
	return true;
}

static bool look(struct validation *v, const struct seg_profile *p, const char *attribute)
{
	int segment = p->decision.cluster ? seg_model_index(v->m, p->decision.cluster) : -1;
	char text[LABEL_BYTES];
	uint32_t label;

	if (segment < 0) {
		v->unassigned++;
		return true;
	}
	if (attribute && !attribute_text(p, attribute, text)) {
		v->missing++;
		return true;
	}
	if (!attribute && !take_rules(v, &p->decision.rules, (uint32_t)segment, text))
		return false;
	if (!label_of(&v->labels, text, &label))
		return false;
	v->label[v->n] = label;
	v->segment[v->n++] = (uint32_t)segment;
	v->cells[(size_t)label * v->m->k + (uint32_t)segment]++;
	return true;
}

static uint64_t row_sum(const uint64_t *cells, uint32_t k, uint32_t row)
{
	uint64_t sum = 0;

	for (uint32_t j = 0; j < k; j++)
		sum += cells[(size_t)row * k + j];
	return sum;
}

/* Share of customers who have the label that is the most frequent one of their segment. */
static double purity(const struct validation *v, uint64_t *ret_sizes)
{
	uint64_t right = 0;

	for (uint32_t j = 0; j < v->m->k; j++) {
		uint64_t most = 0;
		ret_sizes[j] = 0;
		for (uint32_t i = 0; i < v->labels.len; i++) {
			uint64_t count = v->cells[(size_t)i * v->m->k + j];
			most = count > most ? count : most;
			ret_sizes[j] += count;
		}
		right += most;
	}
	return v->n ? (double)right / (double)v->n : NAN;
}

static json_t *matrix_json(const struct validation *v, const struct labels *rows, const uint64_t *cells,
			   const uint64_t *sizes)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < rows->len; i++) {
		uint64_t of = row_sum(cells, v->m->k, i);
		for (uint32_t j = 0; j < v->m->k; j++) {
			uint64_t count = cells[(size_t)i * v->m->k + j];
			const struct seg_segment *s = seg_model_segment(v->m, v->m->clusters[j]);
			if (!count)
				continue;
			json_array_append_new(
				list, json_pack("{s:s,s:o,s:s,s:I,s:f,s:f}", "label", rows->texts[i], "segment_id",
						json_sprintf("s%llu", (unsigned long long)v->m->clusters[j]), "name",
						!s	      ? ""
						: s->alias[0] ? s->alias
							      : s->name,
						"customers", (json_int_t)count, "of_label", (double)count / (double)of,
						"of_segment", (double)count / (double)sizes[j]));
		}
	}
	return list;
}

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static int append(const char *text, size_t len, void *out)
{
	seg_buf_append(out, text, len);
	return ((struct seg_buf *)out)->failed ? -1 : 0;
}

static enum seg_rc write_json(const struct validation *v, const char *labels, bool rules, struct seg_buf *out,
			      struct seg_error *err)
{
	uint64_t sizes[SEG_MAX_CLUSTERS];
	double pure = purity(v, sizes);
	double rand = seg_adjusted_rand(v->label, v->labels.len, v->segment, v->m->k, v->n);
	json_t *root = json_pack(
		"{s:s,s:o,s:I,s:I,s:I,s:o,s:o,s:o}", "labels", labels, "model_version",
		json_sprintf("%llu", (unsigned long long)seg_model_version(v->m)), "compared", (json_int_t)v->n,
		"missing", (json_int_t)v->missing, "unassigned", (json_int_t)v->unassigned, "adjusted_rand",
		number(rand), "purity", number(pure), "matrix",
		rules ? matrix_json(v, &v->rules, v->rule_cells, sizes) : matrix_json(v, &v->labels, v->cells, sizes));
	enum seg_rc rc = SEG_OK;

	if (!root)
		rc = seg_error_set(err, SEG_NO_MEMORY, "validate: out of memory");
	else if (json_dump_callback(root, append, out, JSON_COMPACT | JSON_REAL_PRECISION(17)))
		rc = seg_error_set(err, SEG_LIMIT, "validate: its JSON does not fit %zu bytes", out->max);
	json_decref(root);
	return rc;
}

static bool make_room(struct validation *v, size_t sample)
{
	size_t cells = (size_t)(LABELS_MAX + 1) * v->m->k;

	v->label = calloc(sample, sizeof(*v->label));
	v->segment = calloc(sample, sizeof(*v->segment));
	v->cells = calloc(cells, sizeof(*v->cells));
	v->rule_cells = calloc(cells, sizeof(*v->rule_cells));
	v->labels.index = json_object();
	v->rules.index = json_object();
	return v->label && v->segment && v->cells && v->rule_cells && v->labels.index && v->rules.index;
}

enum seg_rc seg_learner_validate(const struct seg_learner *l, const char *labels, struct seg_buf *out,
				 struct seg_error *err)
{
	bool rules = strcmp(labels, "rules") == 0;
	const char *attribute = rules ? NULL : labels + 5;
	enum seg_rc rc;

	if (!rules && (strncmp(labels, "attr:", 5) != 0 || !labels[5]))
		return seg_error_set(err, SEG_INVALID, "labels are `rules`, or attr: and the name of an attribute");
	if (!l->model || l->model->k == 0 || l->sample_len == 0)
		return seg_error_set(err, SEG_NOT_FOUND, "there are no segments, or no sample of customers, yet");
	struct validation *v = calloc(1, sizeof(*v));
	if (!v)
		return seg_error_set(err, SEG_NO_MEMORY, "validate: out of memory");
	v->m = l->model;
	bool ok = make_room(v, l->sample_len);
	for (size_t i = 0; ok && i < l->sample_len; i++)
		ok = look(v, l->sample[i].profile, attribute);
	if (!ok)
		rc = seg_error_set(err, SEG_NO_MEMORY, "validate: out of memory");
	else if (v->n == 0)
		rc = seg_error_set(err, SEG_NOT_FOUND, "nobody of the sample who has a segment has %s", labels);
	else
		rc = write_json(v, labels, rules, out, err);
	free(v->label);
	free(v->segment);
	free(v->cells);
	free(v->rule_cells);
	json_decref(v->labels.index);
	json_decref(v->rules.index);
	free(v);
	return rc;
}
