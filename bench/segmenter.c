/*
 * What the segmenter costs a customer, in nanoseconds: values, vector, assignment and sums, for each preset and k = 8.
 * Rounds over 512 customers, so that their profiles are in the cache as they are in the engine's hot path; the least of
 * several rounds counts.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/model.h"
#include "segmenter/sums.h"

enum { CUSTOMERS = 512, ROUNDS = 300, K = 8 };
#define NOW_MS (SEG_DAY_MS * 15000)

static struct seg_decayed random_decayed(struct seg_rng *r)
{
	struct seg_decayed d = {.time_ms = NOW_MS - (int64_t)seg_rng_below(r, 20 * SEG_DAY_MS)};

	for (unsigned i = 0; i < SEG_HALF_LIVES; i++)
		d.count[i] = seg_rng_unit(r) * 30;
	return d;
}

static struct seg_decayed1 random_decayed1(struct seg_rng *r)
{
	return (struct seg_decayed1){NOW_MS - (int64_t)seg_rng_below(r, 20 * SEG_DAY_MS), seg_rng_unit(r) * 30};
}

static bool fill_web(struct seg_profile *p, struct seg_rng *r)
{
	p->web = calloc(1, sizeof(*p->web));
	if (!p->web)
		return false;
	p->web->last_ms = NOW_MS - (int64_t)seg_rng_below(r, SEG_DAY_MS);
	p->web->session_anchor = p->web->last_ms / (SEG_SESSION_MINUTES * INT64_C(60000));
	for (unsigned i = 0; i < SEG_WEB_KINDS; i++)
		p->web->kinds[i] = random_decayed(r);
	for (unsigned i = 0; i < 40; i++)
		p->web->session_bits[seg_rng_below(r, SEG_SESSION_WORDS)] |= UINT64_C(3) << seg_rng_below(r, 63);
	return true;
}

static struct seg_profile *random_profile(struct seg_rng *r)
{
	struct seg_profile *p = seg_profile_new(seg_str_from("customer"), seg_rng_next(r));

	if (!p || !fill_web(p, r))
		return NULL;
	p->orders = calloc(1, sizeof(*p->orders));
	p->email = calloc(1, sizeof(*p->email));
	if (!p->orders || !p->email)
		return NULL;
	p->orders->purchases = 1 + seg_rng_below(r, 50);
	p->orders->purchased_micro = (int64_t)seg_rng_below(r, 1000000000);
	p->orders->first_ms = NOW_MS - (int64_t)seg_rng_below(r, 400 * SEG_DAY_MS);
	p->orders->last_ms = p->orders->first_ms + (NOW_MS - p->orders->first_ms) / 2;
	p->orders->decayed_60d = random_decayed1(r);
	p->email->last_human_ms = p->email->last_click_ms = NOW_MS - (int64_t)seg_rng_below(r, 100 * SEG_DAY_MS);
	for (unsigned i = 0; i < SEG_EMAIL_KINDS; i++)
		p->email->kinds[i] = random_decayed(r);
	p->email->latency_weight = p->email->latency_sum = random_decayed1(r);
	return p;
}

static struct seg_model *make_model(const struct seg_feature_config *features, size_t len, struct seg_rng *r)
{
	struct seg_model *m = seg_model_new();

	if (!m || seg_basis_init(&m->basis, features, len, NULL, NULL))
		return NULL;
	m->promotion = 1;
	m->d = m->basis.len;
	m->k = K;
	m->next_cluster = K + 1;
	m->clusters = calloc(K, sizeof(*m->clusters));
	m->centroids = calloc((size_t)K * m->d, sizeof(*m->centroids));
	if (!m->clusters || !m->centroids)
		return NULL;
	for (uint32_t j = 0; j < m->d; j++)
		m->scale[j] = (struct seg_scale){1, 1.5, 1, 1};
	for (uint32_t c = 0; c < K; c++)
		m->clusters[c] = c + 1;
	for (size_t i = 0; i < (size_t)K * m->d; i++)
		m->centroids[i] = seg_rng_unit(r) * 4;
	return seg_model_finish(m, NULL) ? NULL : m;
}

struct costs {
	double values, vector, assign, sums;
};

static int64_t sink;

static double per_customer(int64_t start_us)
{
	return (double)(seg_monotonic_us() - start_us) * 1000 / CUSTOMERS / 16;
}

static void keep_least(double *least, double x)
{
	*least = x < *least ? x : *least;
}

static int measure(const struct seg_model *m, struct seg_profile **p, struct seg_sums *s, struct costs *c)
{
	static int32_t values[CUSTOMERS][SEG_MAX_FEATURES];
	static double vectors[CUSTOMERS][SEG_MAX_FEATURES];
	struct seg_assignment a;
	int64_t start = seg_monotonic_us();

	for (int n = 0; n < 16; n++)
		for (int i = 0; i < CUSTOMERS; i++)
			seg_basis_values(&m->basis, p[i], NOW_MS + n, NULL, values[i]);
	keep_least(&c->values, per_customer(start));
	start = seg_monotonic_us();
	for (int n = 0; n < 16; n++)
		for (int i = 0; i < CUSTOMERS; i++)
			seg_model_vector(m, values[i], vectors[i]);
	keep_least(&c->vector, per_customer(start));
	start = seg_monotonic_us();
	for (int n = 0; n < 16; n++)
		for (int i = 0; i < CUSTOMERS; i++) {
			seg_model_assign(m, vectors[i], &a);
			sink += a.nearest;
		}
	keep_least(&c->assign, per_customer(start));
	start = seg_monotonic_us();
	for (int n = 0; n < 16; n++)
		for (int i = 0; i < CUSTOMERS; i++) {
			struct seg_contribution in = {
				.basis = m->basis.id, .cluster = 1 + i % K, .len = m->d, .values = values[i]};
			if (seg_sums_change(s, &m->basis, &in, n % 2 ? -1 : 1, NULL))
				return 1;
		}
	keep_least(&c->sums, per_customer(start));
	return 0;
}

int main(void)
{
	static const char *const presets[] = {"rfm", "behaviour", "email", "full"};
	struct seg_profile *profiles[CUSTOMERS];
	struct seg_rng rng;

	seg_rng_init(&rng, 1);
	for (int i = 0; i < CUSTOMERS; i++) {
		profiles[i] = random_profile(&rng);
		if (!profiles[i])
			return 1;
	}
	printf("%-10s %8s %8s %8s %8s %8s %10s   ns a customer, k = %d\n", "preset", "features", "values", "vector",
	       "assign", "together", "sums(+/-)", K);
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		struct seg_feature_config features[SEG_MAX_FEATURES];
		struct seg_model *m = make_model(features, seg_preset(presets[i], features, SEG_MAX_FEATURES), &rng);
		struct seg_sums *s = seg_sums_new();
		struct costs c = {INFINITY, INFINITY, INFINITY, INFINITY};

		if (!m || !s)
			return 1;
		for (int n = 0; n < ROUNDS; n++)
			if (measure(m, profiles, s, &c))
				return 1;
		printf("%-10s %8u %8.0f %8.0f %8.0f %8.0f %10.0f\n", presets[i], m->d, c.values, c.vector, c.assign,
		       c.values + c.vector + c.assign, c.sums);
		seg_sums_free(s);
		seg_model_put(m);
	}
	for (int i = 0; i < CUSTOMERS; i++)
		seg_profile_free(profiles[i]);
	return sink < 0;
}
