#include "segmenter/naming.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "segmenter/catalogue.h"

/* How far a z-score (or the purchases) may stray from what its name was given for before the name is wrong. */
#define SLACK 0.25
#define TERM_LEAST 0.3
#define TERM_HOLDS 0.1

enum { CONDITIONS = 3 };

/* sign * z of the feature must be at least `least`; a negative least only rules out the opposite. */
struct condition {
	const char *feature;
	int sign;
	double least;
};

struct archetype {
	const char *name;
	struct condition conditions[CONDITIONS];
	double purchases_below; /* at the centroid; 0: any */
};

#define R "recency_days"
#define F "frequency"
#define M "monetary"
#define T "tenure_days"

/* The first that fits is taken, so the more specific come first. */
static const struct archetype archetypes[] = {
	{"prospects", {{F, -1, 0}}, 0.5},
	{"new", {{T, -1, 0.8}, {R, -1, 0.3}, {F, -1, -0.5}}, 0},
	{"loyal high-value", {{F, 1, 0.7}, {M, 1, 0.7}, {R, -1, 0}}, 0},
	{"lapsing high-value", {{M, 1, 0.5}, {R, 1, 0}}, 0},
	{"loyal frequent", {{F, 1, 0.5}, {R, -1, 0}}, 0},
	{"lapsing frequent", {{F, 1, 0.5}, {R, 1, 0}}, 0},
	{"active high-value", {{M, 1, 0.4}, {R, -1, 0}}, 0},
	{"lapsed low-value", {{R, 1, 0.2}, {M, -1, 0.3}}, 0},
	{"lapsed occasional", {{R, 1, 0.2}, {F, -1, 0.3}}, 0},
	{"lapsing", {{R, 1, 0.3}}, 0},
	{"recent low-value", {{R, -1, 0.2}, {M, -1, 0.3}}, 0},
	{"recent", {{R, -1, 0.3}}, 0},
	{"occasional low-value", {{F, -1, 0.2}, {M, -1, 0.2}}, 0},
	{"low-value", {{M, -1, 0.3}}, 0},
};
enum { ARCHETYPES = sizeof(archetypes) / sizeof(archetypes[0]) };

static int feature_find(const struct seg_basis *basis, const char *name)
{
	for (uint32_t f = 0; f < basis->len; f++)
		if (strcmp(basis->features[f].config.name, name) == 0)
			return (int)f;
	return -1;
}

static const double *row(const struct seg_naming *in, uint32_t i)
{
	return in->zscores + (size_t)i * in->basis->len;
}

static bool fits(const struct seg_naming *in, uint32_t i, const struct archetype *a, double slack)
{
	for (int c = 0; c < CONDITIONS && a->conditions[c].feature; c++) {
		int f = feature_find(in->basis, a->conditions[c].feature);
		if (f < 0 || a->conditions[c].sign * row(in, i)[f] < a->conditions[c].least - slack)
			return false;
	}
	return a->purchases_below == 0 || (in->frequencies && in->frequencies[i] < a->purchases_below + slack);
}

/* How far above its conditions: who of several bears the plain name. */
static double strength(const struct seg_naming *in, uint32_t i, const struct archetype *a)
{
	double sum = 0;

	for (int c = 0; c < CONDITIONS && a->conditions[c].feature; c++)
		sum += a->conditions[c].sign * row(in, i)[feature_find(in->basis, a->conditions[c].feature)];
	return sum;
}

static const struct archetype *archetype_find(const char *name)
{
	for (int a = 0; a < ARCHETYPES; a++)
		if (strcmp(archetypes[a].name, name) == 0)
			return &archetypes[a];
	return NULL;
}

/* Archetypes are of RFM features together; one of them alone says too little. */
static const struct archetype *archetype_of(const struct seg_naming *in, uint32_t i)
{
	if (feature_find(in->basis, R) < 0 || feature_find(in->basis, F) < 0 || feature_find(in->basis, M) < 0)
		return NULL;
	for (int a = 0; a < ARCHETYPES; a++)
		if (fits(in, i, &archetypes[a], 0))
			return &archetypes[a];
	return NULL;
}

static bool reason_holds(const struct seg_naming *in, uint32_t i)
{
	const struct seg_name_reason *r = &in->reasons[i];
	const struct archetype *a = archetype_find(r->archetype);
	bool any = false;

	if (r->archetype[0] && (!a || !fits(in, i, a, SLACK)))
		return false;
	for (uint32_t t = 0; t < r->terms_len; t++) {
		int f = feature_find(in->basis, r->terms[t].feature);
		if (f < 0 || r->terms[t].sign * row(in, i)[f] < TERM_HOLDS)
			return false;
	}
	if (r->archetype[0] || r->terms_len)
		return true;
	/* "average": until something stands out. */
	for (uint32_t f = 0; f < in->basis->len; f++)
		any = any || fabs(row(in, i)[f]) >= TERM_LEAST + SLACK;
	return !any;
}

/* "high age" for attributes; the catalogue's words for its features. */
static void word_of(const struct seg_basis *basis, uint32_t f, int sign, char *ret, size_t len)
{
	const struct seg_basis_feature *feature = &basis->features[f];

	if (feature->catalogue >= 0) {
		const struct seg_feature_def *def = seg_catalogue_at((size_t)feature->catalogue);
		snprintf(ret, len, "%s", sign > 0 ? def->more : def->less);
	} else {
		const char *name =
			strncmp(feature->config.name, "attr:", 5) ? feature->config.name : feature->config.name + 5;
		if (seg_attribute_is_one_hot(name))
			snprintf(ret, len, "%s%s", sign > 0 ? "" : "not ", name);
		else
			snprintf(ret, len, "%s %s", sign > 0 ? "high" : "low", name);
	}
}

/* Features of the cluster by |z|, strongest first; the archetype's own are left out. Returns how many. */
static uint32_t strongest(const struct seg_naming *in, uint32_t i, const struct archetype *a,
			  uint32_t ret[SEG_MAX_FEATURES])
{
	const double *z = row(in, i);
	uint32_t len = 0;

	for (uint32_t f = 0; f < in->basis->len; f++) {
		bool own = false;
		uint32_t at;
		for (int c = 0; a && c < CONDITIONS && a->conditions[c].feature; c++)
			own = own || strcmp(a->conditions[c].feature, in->basis->features[f].config.name) == 0;
		if (own || fabs(z[f]) < TERM_LEAST)
			continue;
		for (at = len++; at > 0 && fabs(z[ret[at - 1]]) < fabs(z[f]); at--)
			ret[at] = ret[at - 1];
		ret[at] = f;
	}
	return len;
}

static bool taken(const struct seg_naming *in, const bool *done, uint32_t own, const char *name)
{
	for (uint32_t j = 0; j < in->k; j++)
		if (j != own && done[j] && strcmp(in->names[j], name) == 0)
			return true;
	return false;
}

static void add_term(const struct seg_naming *in, uint32_t i, uint32_t f, struct seg_name_reason *r)
{
	struct seg_name_term *t = &r->terms[r->terms_len++];

	memcpy(t->feature, in->basis->features[f].config.name, sizeof(t->feature));
	t->sign = row(in, i)[f] > 0 ? 1 : -1;
}

/* The reason in words. */
static void spell(const struct seg_naming *in, const struct seg_name_reason *r, char ret[SEG_SEGMENT_NAME_MAX])
{
	size_t len = (size_t)snprintf(ret, SEG_SEGMENT_NAME_MAX, "%s", r->archetype);

	for (uint32_t t = 0; t < r->terms_len; t++) {
		char word[SEG_SEGMENT_NAME_MAX];
		word_of(in->basis, (uint32_t)feature_find(in->basis, r->terms[t].feature), r->terms[t].sign, word,
			sizeof(word));
		if (len < SEG_SEGMENT_NAME_MAX)
			len += (size_t)snprintf(ret + len, SEG_SEGMENT_NAME_MAX - len, "%s%s", len ? ", " : "", word);
	}
	if (len == 0)
		snprintf(ret, SEG_SEGMENT_NAME_MAX, "average");
}

static bool same_words(const struct seg_naming *in, uint32_t i, uint32_t f, uint32_t g)
{
	char a[SEG_SEGMENT_NAME_MAX], b[SEG_SEGMENT_NAME_MAX];

	word_of(in->basis, f, row(in, i)[f] > 0 ? 1 : -1, a, sizeof(a));
	word_of(in->basis, g, row(in, i)[g] > 0 ? 1 : -1, b, sizeof(b));
	return strcmp(a, b) == 0;
}

/* Tries the archetype with `terms` words more; false: all such names are taken. */
static bool try_terms(const struct seg_naming *in, const bool *done, uint32_t i, const struct archetype *a,
		      uint32_t terms)
{
	uint32_t order[SEG_MAX_FEATURES], len = strongest(in, i, a, order);

	for (uint32_t first = 0; first < (terms ? len : 1); first++) {
		for (uint32_t second = first + 1; second < (terms > 1 ? len : first + 2); second++) {
			struct seg_name_reason r = {0};
			char name[SEG_SEGMENT_NAME_MAX];
			if (terms > 1 && same_words(in, i, order[first], order[second]))
				continue;
			snprintf(r.archetype, sizeof(r.archetype), "%s", a ? a->name : "");
			if (terms > 0)
				add_term(in, i, order[first], &r);
			if (terms > 1)
				add_term(in, i, order[second], &r);
			spell(in, &r, name);
			if (taken(in, done, i, name))
				continue;
			in->reasons[i] = r;
			memcpy(in->names[i], name, sizeof(name));
			return true;
		}
	}
	return false;
}

/* No words tell it from the others: a number does. */
static void number(const struct seg_naming *in, const bool *done, uint32_t i, const struct archetype *a)
{
	struct seg_name_reason r = {0};
	char base[SEG_SEGMENT_NAME_MAX], name[SEG_SEGMENT_NAME_MAX];

	snprintf(r.archetype, sizeof(r.archetype), "%s", a ? a->name : "");
	spell(in, &r, base);
	for (unsigned n = 2;; n++) {
		snprintf(name, sizeof(name), "%.80s %u", base, n);
		if (!taken(in, done, i, name))
			break;
	}
	in->reasons[i] = r;
	memcpy(in->names[i], name, sizeof(name));
}

/* A plain archetype that fits and that nobody has. */
static bool try_archetypes(const struct seg_naming *in, const bool *done, uint32_t i)
{
	for (int a = 0; a < ARCHETYPES; a++)
		if (fits(in, i, &archetypes[a], 0) && try_terms(in, done, i, &archetypes[a], 0))
			return true;
	return false;
}

static void name_cluster(const struct seg_naming *in, bool *done, uint32_t i)
{
	const struct archetype *a = archetype_of(in, i);
	bool named = false;

	/* Without an archetype two words say more than one. */
	if (a)
		named = try_archetypes(in, done, i) || try_terms(in, done, i, a, 1) || try_terms(in, done, i, a, 2);
	else
		named = try_terms(in, done, i, NULL, 2) || try_terms(in, done, i, NULL, 1) ||
			try_terms(in, done, i, NULL, 0);
	if (!named)
		number(in, done, i, a);
	done[i] = true;
}

/* Who of those without a name is named next: the strongest of the first archetype that fits anyone. */
static uint32_t next_unnamed(const struct seg_naming *in, const bool *done)
{
	const struct archetype *best = NULL;
	uint32_t next = in->k;

	for (uint32_t i = 0; i < in->k; i++) {
		const struct archetype *a = done[i] ? NULL : archetype_of(in, i);
		if (done[i])
			continue;
		if (next == in->k || (a && (!best || a < best)) ||
		    (a && a == best && strength(in, i, a) > strength(in, next, a))) {
			next = i;
			best = a;
		}
	}
	return next;
}

bool seg_names_choose(const struct seg_naming *in)
{
	bool done[SEG_MAX_CLUSTERS] = {false}, changed = false;
	uint32_t next;

	for (uint32_t i = 0; i < in->k; i++)
		done[i] = in->named[i] && in->names[i][0] && reason_holds(in, i) && !taken(in, done, i, in->names[i]);
	while ((next = next_unnamed(in, done)) < in->k) {
		name_cluster(in, done, next);
		changed = true;
	}
	return changed;
}

void seg_model_zscores(const struct seg_model *m, const double *shares, double *ret)
{
	for (uint32_t f = 0; f < m->d; f++) {
		double sum = 0, weight = 0;
		for (uint32_t j = 0; j < m->k; j++) {
			sum += shares[j] * m->centroids[(size_t)j * m->d + f];
			weight += shares[j];
		}
		sum = weight > 0 ? sum / weight : m->scale[f].mean;
		for (uint32_t j = 0; j < m->k; j++)
			ret[(size_t)j * m->d + f] = (m->centroids[(size_t)j * m->d + f] - sum) / m->scale[f].scale;
	}
}
