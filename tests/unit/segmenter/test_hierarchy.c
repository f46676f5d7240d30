/* Ward's linkage against its definition: each merge is the one that raises the sum of squares the least. */
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/hierarchy.h"

enum { K = 9, DIMS = 3 };

static struct seg_model *make(struct seg_rng *rng, uint32_t k)
{
	struct seg_model *m = seg_model_new();

	assert_non_null(m);
	m->k = k;
	m->d = m->dims = DIMS;
	m->vectors = calloc((size_t)k * DIMS, sizeof(double));
	m->segments = calloc(k, sizeof(*m->segments));
	assert_true(m->vectors && m->segments);
	m->segments_len = k;
	for (uint32_t i = 0; i < k * DIMS; i++)
		m->vectors[i] = seg_rng_normal(rng);
	for (uint32_t i = 0; i < k; i++)
		m->segments[i].customers = 1 + seg_rng_below(rng, 500);
	return m;
}

/* Sum of squares of the members' centroids, weighted, about their mean. */
static double spread(const struct seg_model *m, const uint32_t *label, uint32_t which)
{
	double size = 0, mean[DIMS] = {0}, sum = 0;

	for (uint32_t i = 0; i < m->k; i++) {
		if (label[i] != which)
			continue;
		size += (double)m->segments[i].customers;
		for (int d = 0; d < DIMS; d++)
			mean[d] += (double)m->segments[i].customers * m->vectors[i * DIMS + (uint32_t)d];
	}
	for (uint32_t i = 0; i < m->k; i++)
		for (int d = 0; label[i] == which && d < DIMS; d++)
			sum += (double)m->segments[i].customers *
			       pow(m->vectors[i * DIMS + (uint32_t)d] - mean[d] / size, 2);
	return sum;
}

static double raised_by(const struct seg_model *m, const uint32_t *label, uint32_t a, uint32_t b)
{
	uint32_t merged[K];

	for (uint32_t i = 0; i < m->k; i++)
		merged[i] = label[i] == b ? a : label[i];
	return spread(m, merged, a) - spread(m, label, a) - spread(m, label, b);
}

static void test_each_merge_is_the_cheapest(void **state)
{
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 1);
	for (int n = 0; n < 50; n++) {
		struct seg_model *m = make(&rng, K);
		struct seg_merge merges[K];
		uint32_t label[K];
		double total = 0, before = 0;
		for (uint32_t i = 0; i < K; i++) {
			label[i] = i;
			total += (double)m->segments[i].customers;
		}
		assert_int_equal(seg_hierarchy(m, merges), K - 1);
		for (uint32_t step = 0; step < K - 1; step++) {
			double least = INFINITY;
			for (uint32_t i = 0; i < K; i++)
				for (uint32_t j = 0; j < K; j++)
					if (label[i] != label[j])
						least = fmin(least, raised_by(m, label, label[i], label[j]));
			assert_near(merges[step].height * total, least, 1e-7 * (1 + least));
			assert_near(raised_by(m, label, merges[step].a, merges[step].b), least, 1e-7 * (1 + least));
			assert_true(merges[step].height >= before - 1e-12);
			before = merges[step].height;
			for (uint32_t i = 0; i < K; i++)
				if (label[i] == merges[step].a || label[i] == merges[step].b)
					label[i] = K + step;
		}
		seg_model_put(m);
	}
}

static void test_a_cut_has_as_many_groups(void **state)
{
	struct seg_rng rng;
	struct seg_merge merges[K];
	uint32_t group[K];

	(void)state;
	seg_rng_init(&rng, 2);
	struct seg_model *m = make(&rng, K);
	assert_int_equal(seg_hierarchy(m, merges), K - 1);
	for (uint32_t groups = 1; groups <= K + 2; groups++) {
		uint32_t most = 0;
		seg_hierarchy_cut(merges, K, groups, group);
		assert_int_equal(group[0], 1);
		for (uint32_t i = 0; i < K; i++) {
			assert_true(group[i] >= 1 && group[i] <= most + 1);
			most = group[i] > most ? group[i] : most;
		}
		assert_int_equal(most, groups < K ? groups : K);
	}
	/* The first merge's two are together in all but the finest. */
	seg_hierarchy_cut(merges, K, K - 1, group);
	assert_int_equal(group[merges[0].a], group[merges[0].b]);
	seg_model_put(m);
	m = make(&rng, 1);
	assert_int_equal(seg_hierarchy(m, merges), 0);
	seg_model_put(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_merge_is_the_cheapest),
		cmocka_unit_test(test_a_cut_has_as_many_groups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
