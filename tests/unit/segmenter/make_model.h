/* Small models for tests. */
#ifndef SEG_TESTS_MAKE_MODEL_H
#define SEG_TESTS_MAKE_MODEL_H

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/model.h"

/* k clusters with ids 3, 6, 9, …, at random places of the preset's space, with a retired one (id 1) and names. */
static inline struct seg_model *make_model(const char *preset, uint32_t k, uint64_t seed)
{
	struct seg_feature_config features[SEG_MAX_FEATURES];
	struct seg_model *m = seg_model_new();
	struct seg_rng rng;

	assert_non_null(m);
	seg_rng_init(&rng, seed);
	assert_ok(seg_basis_init(&m->basis, features, seg_preset(preset, features, SEG_MAX_FEATURES), NULL, NULL));
	m->promotion = 5;
	m->revision = 17;
	m->time_ms = 1323388800000;
	m->promoted_ms = m->time_ms - 1000;
	m->first_fit_ms = m->time_ms - 5000;
	m->d = m->basis.len;
	m->k = k;
	m->next_cluster = 3 * (uint64_t)k + 1;
	m->sample_bound = UINT64_MAX - 3;
	m->inertia_per_customer = 2.0 / 3;
	m->clusters = calloc(k + 1, sizeof(*m->clusters));
	m->centroids = calloc((size_t)k * m->d + 1, sizeof(*m->centroids));
	m->segments = calloc(k + 1, sizeof(*m->segments));
	assert_true(m->clusters && m->centroids && m->segments);
	for (uint32_t j = 0; j < m->d; j++)
		m->scale[j] = (struct seg_scale){seg_rng_unit(&rng) * 3, 0.1 + seg_rng_unit(&rng), 1 + j % 3,
						 seg_rng_unit(&rng)};
	for (size_t i = 0; i < (size_t)k * m->d; i++)
		m->centroids[i] = seg_rng_normal(&rng);
	for (uint32_t c = 0; c < k; c++) {
		m->clusters[c] = 3 * (uint64_t)(c + 1);
		m->segments[c] = (struct seg_segment){.cluster = m->clusters[c],
						      .origin = SEG_ORIGIN_SPLIT,
						      .parents = {1},
						      .parents_len = 1,
						      .customers = 100 + c,
						      .share = 1.0 / k,
						      .since_promotion = 4};
		snprintf(m->segments[c].name, sizeof(m->segments[c].name), "segment number %u", c);
	}
	m->segments[k] = (struct seg_segment){.cluster = 1, .name = "gone", .state = SEG_SEGMENT_RETIRED};
	m->segments_len = k + 1;
	assert_ok(seg_model_finish(m, NULL));
	return m;
}

#endif
