/* The way into model space: imputation against its definitions, quantiles, principal components, and data that have none. */
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/learner_internal.h"
#include "tests/support/fold_world.h"

static void basis_of(struct seg_basis *basis, const struct seg_feature_config *configs, size_t len)
{
	assert_ok(seg_basis_init(basis, configs, len, NULL, NULL));
}

/* ---- principal components */

static void test_pca_of_a_plane(void **state)
{
	enum { N = 400, D = 5 };
	static double x[N * D];
	double projected[D], back[D];
	struct seg_rng rng;
	struct seg_pca *pca, *share;

	(void)state;
	seg_rng_init(&rng, 5);
	for (size_t i = 0; i < N; i++) {
		double u = 4 * (seg_rng_unit(&rng) - 0.5), v = seg_rng_unit(&rng) - 0.5;
		for (unsigned f = 0; f < D; f++)
			x[i * D + f] = 3 + u * (f + 1) - v * (f % 2 ? 1 : -2);
	}
	assert_ok(seg_pca_fit(x, N, D, &(struct seg_pca_wish){.components = 4}, &pca, NULL));
	/* Two directions have all of the variance. */
	assert_int_equal(pca->n, 2);
	assert_true(pca->variance[0] > pca->variance[1] && pca->variance[1] > 0);
	assert_near(pca->variance[0] + pca->variance[1], pca->total, 1e-9);
	for (uint32_t i = 0; i < 2; i++) {
		double largest = 0;
		for (uint32_t j = 0; j <= i; j++) {
			double dot = 0;
			for (unsigned f = 0; f < D; f++)
				dot += pca->components[i * D + f] * pca->components[j * D + f];
			assert_near(dot, i == j, 1e-9);
		}
		for (unsigned f = 0; f < D; f++)
			if (fabs(pca->components[i * D + f]) > fabs(largest))
				largest = pca->components[i * D + f];
		assert_true(largest > 0);
	}
	for (size_t i = 0; i < N; i++) {
		seg_pca_apply(pca, x + i * D, projected);
		for (unsigned f = 0; f < D; f++) {
			back[f] = pca->mean[f] + projected[0] * pca->components[f] +
				  projected[1] * pca->components[D + f];
			assert_near(back[f], x[i * D + f], 1e-9);
		}
	}
	assert_ok(seg_pca_fit(x, N, D, &(struct seg_pca_wish){.share = 0.9}, &share, NULL));
	assert_int_equal(share->n, 1);
	assert_true(share->variance[0] >= 0.9 * share->total);
	seg_pca_free(pca);
	seg_pca_free(share);
}

static void test_pca_of_nothing(void **state)
{
	double same[3 * 2] = {1, 2, 1, 2, 1, 2};
	struct seg_pca *pca = NULL;
	double y;

	(void)state;
	assert_int_equal(seg_pca_fit(same, 0, 2, &(struct seg_pca_wish){.components = 2}, &pca, NULL), SEG_INVALID);
	assert_ok(seg_pca_fit(same, 3, 2, &(struct seg_pca_wish){.components = 2}, &pca, NULL));
	assert_int_equal(pca->n, 1);
	seg_pca_apply(pca, same, &y);
	assert_true(y == 0);
	seg_pca_free(pca);
}

/* ---- imputation */

static const struct seg_feature_config by_segment[] = {
	{.name = "attr:a", .transform = SEG_LINEAR, .weight = 1},
	{.name = "attr:b", .transform = SEG_LINEAR, .weight = 1},
	{.name = "attr:c", .transform = SEG_LINEAR, .impute = SEG_IMPUTE_SEGMENT, .weight = 2}};

static void test_segment_imputation_takes_the_nearest_centroid(void **state)
{
	/* Scaled centroids. */
	static const double centroids[] = {0, 0, 7, 10, 10, -3};
	static const struct seg_scale scale[] = {{1, 2, 1, 1}, {0, 1, 1, 0}, {5, 1, 2, 5}};
	struct seg_space space = {.scale = scale, .centroids = centroids, .k = 2};
	struct seg_basis basis;
	double ret[3];

	(void)state;
	basis_of(&basis, by_segment, 3);
	space.basis = &basis;
	seg_space_fill(&space, (const double[]){20, 9, NAN}, 1, ret);
	assert_near(ret[0], 9.5, 1e-12);
	assert_near(ret[1], 9, 1e-12);
	assert_near(ret[2], -3, 1e-12);
	/* a is missing, too, and imputed by its mean; only b says who is near. */
	seg_space_fill(&space, (const double[]){NAN, 1, NAN}, 1, ret);
	assert_near(ret[0], 0, 1e-12);
	assert_near(ret[2], 7, 1e-12);
	/* What is there stays. */
	seg_space_fill(&space, (const double[]){20, 9, 6}, 1, ret);
	assert_near(ret[2], 2, 1e-12);
	/* No centroids yet: as by mean. */
	space.k = 0;
	seg_space_fill(&space, (const double[]){20, 9, NAN}, 1, ret);
	assert_near(ret[2], 0, 1e-12);
}

static void test_knn_imputation_against_its_definition(void **state)
{
	enum { D = 3, N = 40, NEAR = SEG_NEIGHBOURS };
	struct seg_feature_config configs[D];
	static const struct seg_scale scale[] = {{0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}};
	struct seg_donors *donors = seg_donors_new(N, D);
	struct seg_space space = {.scale = scale, .donors = donors};
	struct seg_basis basis;
	struct seg_rng rng;

	(void)state;
	memcpy(configs, by_segment, sizeof(configs));
	configs[2].impute = configs[1].impute = SEG_IMPUTE_KNN;
	configs[2].weight = 1;
	basis_of(&basis, configs, D);
	space.basis = &basis;
	seg_rng_init(&rng, 9);
	for (size_t i = 0; i < N * D; i++)
		donors->rows[i] = seg_rng_below(&rng, 5) == 0 ? (double)NAN : seg_rng_unit(&rng);
	for (int n = 0; n < 50; n++) {
		double row[D] = {seg_rng_unit(&rng), n % 2 ? (double)NAN : seg_rng_unit(&rng), NAN}, ret[D], sum = 0;
		bool taken[N] = {false};
		seg_space_fill(&space, row, 1, ret);
		for (int near = 0; near < NEAR; near++) {
			int best = -1;
			double least = INFINITY;
			for (int i = 0; i < N; i++) {
				const double *d = donors->rows + (size_t)i * D;
				double away = 0;
				int both = 0;
				for (int f = 0; f < 2; f++)
					if (!isnan(row[f]) && !isnan(d[f])) {
						away += (row[f] - d[f]) * (row[f] - d[f]);
						both++;
					}
				if (!both || isnan(d[2]) || taken[i] || !(away / both < least))
					continue;
				least = away / both;
				best = i;
			}
			taken[best] = true;
			sum += donors->rows[(size_t)best * D + 2];
		}
		assert_near(ret[2], sum / NEAR, 1e-12);
		assert_true(isfinite(ret[1]));
	}
	/* Nothing is known: the scale's figure. */
	double none[D] = {NAN, NAN, NAN}, ret[D];
	seg_space_fill(&space, none, 1, ret);
	assert_true(ret[0] == 0 && ret[1] == 0 && ret[2] == 0);
	seg_donors_free(donors);
}

/* ---- quantiles */

static void test_quantile_is_the_place_among_the_knots(void **state)
{
	const struct seg_feature_config config = {.name = "monetary", .transform = SEG_QUANTILE, .weight = 1};
	struct seg_basis basis;
	const struct seg_basis_feature *f = &basis.features[0];
	double values[1001], before = -1;
	uint64_t id;

	(void)state;
	basis_of(&basis, &config, 1);
	assert_true(isnan(seg_basis_transform(f, 5)));
	id = basis.id;
	for (size_t i = 0; i < 1001; i++)
		values[i] = i < 500 ? 0 : (double)(i - 500);
	seg_basis_set_knots(&basis, 0, values, 1001);
	assert_true(basis.id != id && basis.id == seg_basis_id(&basis));
	/* Half of all have 0: their middle rank. */
	assert_near(seg_basis_transform(f, 0), 0.25, 0.02);
	assert_near(seg_basis_transform(f, 250), 0.75, 0.01);
	assert_true(seg_basis_transform(f, -1) == 0 && seg_basis_transform(f, 1e9) == 1);
	assert_true(isnan(seg_basis_transform(f, NAN)));
	for (int i = 0; i < 1650; i++) {
		double x = -10 + 0.37 * i, y = seg_basis_transform(f, x);
		assert_true(y >= before && y >= 0 && y <= 1);
		if (x > 20 && x < 500)
			assert_near(seg_basis_invert(f, y), x, 1e-6);
		before = y;
	}
}

/* ---- data that have nothing to tell apart */

struct stage {
	struct world w;
	struct seg_learner *l;
};

static void set_up(struct stage *s, struct seg_learner_config *c, size_t customers)
{
	char id[32];

	*c = (struct seg_learner_config){.k = 6,
					 .k_min = 2,
					 .k_max = 8,
					 .min_customers = 20,
					 .seed = 1,
					 .refit_sample = 400,
					 .refit_interval_ms = 7 * SEG_DAY_MS,
					 .drift_window_ms = 7 * SEG_DAY_MS,
					 .psi_warning = 0.1,
					 .psi_critical = 0.25,
					 .gate = SEG_GATE_DEFAULTS,
					 .features_len = 3};
	memcpy(c->features, by_segment, sizeof(by_segment));
	world_init(&s->w, 2);
	s->w.now_ms = INT64_C(1300000000000);
	for (size_t i = 0; i < customers; i++) {
		snprintf(id, sizeof(id), "customer-%zu", i);
		(void)world_customer(&s->w, id);
	}
}

static void give(struct stage *s, size_t customer, unsigned attribute, double x)
{
	static const char *const names[] = {"a", "b", "c"};
	struct seg_profile *p = s->w.customers[customer].profile;
	struct seg_attributes *all = p->attributes;

	if (!all) {
		all = p->attributes = calloc(1, sizeof(*all));
		assert_non_null(all);
		all->items = calloc(3, sizeof(*all->items));
		assert_non_null(all->items);
	}
	struct seg_attribute *a = &all->items[all->len++];
	a->name.ptr = strdup(names[attribute]);
	a->name.len = 1;
	a->value = (struct seg_value){.type = SEG_VALUE_DOUBLE, .d = x};
	s->w.customers[customer].sample_dirty = true;
}

static void run(struct stage *s, const struct seg_learner_config *c)
{
	assert_ok(seg_learner_new(c, &s->l, NULL));
	for (int i = 0; i < 4; i++) {
		(void)world_step(&s->w, s->l);
		s->w.now_ms += SEG_DAY_MS;
	}
	assert_int_equal(s->w.model->promotion > 0, true);
	assert_true(s->w.model->k >= 1 && s->w.model->k <= 6);
	for (uint32_t j = 0; j < s->w.model->k * s->w.model->dims; j++)
		assert_true(isfinite(s->w.model->vectors[j]));
	for (size_t i = 0; i < s->w.len; i++)
		assert_true(seg_model_index(s->w.model, s->w.customers[i].profile->contribution.cluster) >= 0);
	seg_learner_free(s->l);
	world_release(&s->w);
}

static const struct seg_pca_wish wishes[] = {{0, 0}, {2, 0}, {0, 0.5}};
static const enum seg_transform transforms[] = {SEG_LINEAR, SEG_QUANTILE, SEG_LOG1P};
static const enum seg_impute imputes[] = {SEG_IMPUTE_MEAN, SEG_IMPUTE_SEGMENT, SEG_IMPUTE_KNN};

/* Each case under each way into model space. */
static void in_all_spaces(void (*fill)(struct stage *s))
{
	for (unsigned n = 0; n < 3; n++) {
		struct seg_learner_config c;
		struct stage s;
		set_up(&s, &c, 60);
		c.pca = wishes[n];
		for (unsigned f = 0; f < 3; f++) {
			c.features[f].transform = transforms[n];
			c.features[f].impute = imputes[n];
		}
		fill(&s);
		run(&s, &c);
	}
}

static void all_equal(struct stage *s)
{
	for (size_t i = 0; i < s->w.len; i++)
		for (unsigned f = 0; f < 3; f++)
			give(s, i, f, 42);
}

static void nobody_has_anything(struct stage *s)
{
	(void)s;
}

static void a_constant_and_one_missing_for_all(struct stage *s)
{
	for (size_t i = 0; i < s->w.len; i++) {
		give(s, i, 0, 1);
		give(s, i, 1, (double)(i % 7));
	}
}

static void absurd_values(struct stage *s)
{
	static const double values[] = {1e308, -1e308, 0, 5e-324, 1};

	for (size_t i = 0; i < s->w.len; i++)
		for (unsigned f = 0; f < 3; f++)
			give(s, i, f, values[(i + f) % 5]);
}

static void one_giant(struct stage *s)
{
	for (size_t i = 0; i < s->w.len; i++)
		for (unsigned f = 0; f < 3; f++)
			give(s, i, f, i == 7 ? 1e9 : 1 + (double)((i * 31 + f) % 10) / 10);
}

static void three_kinds(struct stage *s)
{
	for (size_t i = 0; i < s->w.len; i++)
		for (unsigned f = 0; f < 3; f++)
			give(s, i, f, (double)(i % 3));
}

static void holes_everywhere(struct stage *s)
{
	for (size_t i = 0; i < s->w.len; i++)
		for (unsigned f = 0; f < 3; f++)
			if ((i + f) % 3)
				give(s, i, f, (double)(i % 11) + f);
}

static void test_degenerate_data_stay_safe(void **state)
{
	(void)state;
	in_all_spaces(all_equal);
	in_all_spaces(nobody_has_anything);
	in_all_spaces(a_constant_and_one_missing_for_all);
	in_all_spaces(absurd_values);
	in_all_spaces(one_giant);
	in_all_spaces(three_kinds);
	in_all_spaces(holes_everywhere);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pca_of_a_plane),
		cmocka_unit_test(test_pca_of_nothing),
		cmocka_unit_test(test_segment_imputation_takes_the_nearest_centroid),
		cmocka_unit_test(test_knn_imputation_against_its_definition),
		cmocka_unit_test(test_quantile_is_the_place_among_the_knots),
		cmocka_unit_test(test_degenerate_data_stay_safe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
