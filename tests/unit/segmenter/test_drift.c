#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/drift.h"

#define WEEK (7 * SEG_DAY_MS)

static const struct seg_drift_rules rules = {.window_ms = WEEK, .psi_warning = 0.1, .psi_critical = 0.25};

static void test_psi_by_hand(void **state)
{
	const uint64_t a[] = {9, 19, 29}, b[] = {29, 19, 9};
	double n = 58.5, expected = 2 * (20.0 / n) * log(29.5 / 9.5);

	(void)state;
	assert_near(seg_psi(a, b, 3), expected, 1e-12);
	assert_near(seg_psi(a, a, 3), 0, 0);
}

static void test_deciles_merge_equal_edges(void **state)
{
	uint64_t even[100], most[100] = {0};
	uint16_t ends[SEG_DRIFT_DECILES];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		even[i] = 3;
	assert_int_equal(seg_deciles(even, 100, ends), 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(ends[i], 10 * (i + 1));
	/* Half of all in one bin: five edges are one. */
	most[0] = 50;
	for (unsigned i = 50; i < 100; i++)
		most[i] = 1;
	assert_int_equal(seg_deciles(most, 100, ends), 6);
	assert_int_equal(ends[0], 1);
	assert_int_equal(ends[1], 60);
	assert_int_equal(ends[5], 100);
	memset(most, 0, sizeof(most));
	assert_int_equal(seg_deciles(most, 100, ends), 0);
}

static void test_benjamini_hochberg(void **state)
{
	/* The example of Benjamini & Hochberg 1995: the four smallest are rejected at .05. */
	const double p[] = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
			    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};

	(void)state;
	assert_near(seg_benjamini_hochberg(p, 15, 0.05), 0.0095, 0);
	assert_near(seg_benjamini_hochberg(p + 9, 6, 0.05), -1, 0);
	assert_near(seg_benjamini_hochberg(p, 0, 0.05), -1, 0);
}

/* ---- a model with two clusters and sums of customers around them */

struct fixture {
	struct seg_model *model;
	struct seg_sums *total;
	struct seg_drift drift;
	struct seg_alert alerts[SEG_DRIFT_SUBJECTS];
	size_t of_segments;
	bool ended;
};

enum { RECENCY = 0, FREQUENCY = 1, MONETARY = 2 };

static void setup(struct fixture *f)
{
	struct seg_feature_config features[SEG_MAX_FEATURES];
	struct seg_model *m = seg_model_new();

	*f = (struct fixture){.model = m};
	assert_non_null(m);
	assert_ok(seg_basis_init(&m->basis, features, seg_preset("rfm", features, SEG_MAX_FEATURES), NULL, NULL));
	m->promotion = 1;
	m->d = m->basis.len;
	m->k = 2;
	m->next_cluster = 3;
	m->clusters = calloc(2, sizeof(*m->clusters));
	m->centroids = calloc(2 * m->d, sizeof(*m->centroids));
	assert_true(m->clusters && m->centroids);
	m->clusters[0] = 1;
	m->clusters[1] = 2;
}

static void teardown(struct fixture *f)
{
	seg_model_put(f->model);
	seg_sums_free(f->total);
}

/* n customers, standard normal features around 3 plus a shift of one feature; `second` of ten are in cluster 2. */
static void fill(struct fixture *f, size_t n, uint64_t seed, uint32_t shifted, double shift, uint64_t second)
{
	int32_t values[SEG_MAX_FEATURES];
	struct seg_rng rng;

	seg_rng_init(&rng, seed);
	seg_sums_free(f->total);
	f->total = seg_sums_new();
	assert_non_null(f->total);
	for (size_t i = 0; i < n; i++) {
		struct seg_contribution c = {.basis = f->model->basis.id, .promotion = 1, .len = f->model->d};
		c.values = values;
		c.cluster = i % 10 < second ? 2 : 1;
		for (uint32_t j = 0; j < f->model->d; j++)
			values[j] = seg_basis_fix(&f->model->basis.features[j],
						  3 + seg_rng_normal(&rng) + (j == shifted ? shift : 0));
		assert_ok(seg_sums_change(f->total, &f->model->basis, &c, 1, NULL));
	}
}

/* Alerts of all customers; those of segments are counted apart. */
static size_t tick(struct fixture *f, int64_t now_ms)
{
	size_t len = seg_drift_tick(&f->drift, f->model, f->total, NULL, &rules, now_ms, f->alerts, &f->ended),
	       kept = 0;

	f->of_segments = 0;
	for (size_t i = 0; i < len; i++) {
		if (f->alerts[i].cluster)
			f->of_segments++;
		else
			f->alerts[kept++] = f->alerts[i];
	}
	return kept;
}

static void test_nothing_is_said_when_nothing_changed(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	fill(&f, 5000, 1, 0, 0, 5);
	seg_drift_freeze(&f.drift, f.model, f.total, NULL, 0);
	for (int64_t week = 1; week <= 20; week++) {
		fill(&f, 5000, 1 + (uint64_t)week, 0, 0, 5);
		assert_int_equal(tick(&f, week * WEEK), 0);
		assert_int_equal(tick(&f, week * WEEK + 1), 0);
	}
	teardown(&f);
}

static void test_warning_needs_two_windows_and_clears(void **state)
{
	char id[SEG_EVENT_ID_LEN + 1];
	struct fixture f;

	(void)state;
	setup(&f);
	fill(&f, 5000, 1, 0, 0, 5);
	seg_drift_freeze(&f.drift, f.model, f.total, NULL, 0);
	fill(&f, 5000, 2, MONETARY, 0.4, 5);
	assert_int_equal(tick(&f, WEEK - 1), 0);
	assert_int_equal(tick(&f, WEEK), 0);
	assert_int_equal(tick(&f, 2 * WEEK), 1);
	assert_string_equal(f.alerts[0].subject, "feature:monetary");
	assert_int_equal(f.alerts[0].state, SEG_ALERT_RAISED);
	assert_int_equal(f.alerts[0].severity, SEG_SEVERITY_WARNING);
	assert_near(f.alerts[0].value, 0.16, 0.05);
	assert_near(f.alerts[0].threshold, 0.1, 0);
	assert_true(f.alerts[0].critical_value > 0.005 && f.alerts[0].critical_value < f.alerts[0].value);
	assert_int_equal(f.alerts[0].n_reference, 5000);
	assert_int_equal(f.alerts[0].window_start_ms, WEEK);
	assert_int_equal(f.alerts[0].window_end_ms, 2 * WEEK);
	memcpy(id, f.alerts[0].alert_id, sizeof(id));
	assert_int_equal(strlen(id), SEG_EVENT_ID_LEN);
	assert_int_equal(tick(&f, 3 * WEEK), 0);
	/* Worse: escalated under the same id, then back to normal: cleared. */
	fill(&f, 5000, 3, MONETARY, 1, 5);
	assert_int_equal(tick(&f, 4 * WEEK), 1);
	assert_int_equal(f.alerts[0].state, SEG_ALERT_ESCALATED);
	assert_int_equal(f.alerts[0].severity, SEG_SEVERITY_CRITICAL);
	assert_string_equal(f.alerts[0].alert_id, id);
	fill(&f, 5000, 4, 0, 0, 5);
	assert_int_equal(tick(&f, 5 * WEEK), 1);
	assert_int_equal(f.alerts[0].state, SEG_ALERT_CLEARED);
	assert_string_equal(f.alerts[0].alert_id, id);
	/* The next one is another alert. */
	fill(&f, 5000, 5, MONETARY, 1, 5);
	assert_int_equal(tick(&f, 6 * WEEK), 1);
	assert_int_equal(f.alerts[0].state, SEG_ALERT_RAISED);
	assert_int_equal(f.alerts[0].severity, SEG_SEVERITY_CRITICAL);
	assert_string_not_equal(f.alerts[0].alert_id, id);
	teardown(&f);
}

static void test_clock_features_have_values_and_no_alerts(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	fill(&f, 5000, 1, 0, 0, 5);
	seg_drift_freeze(&f.drift, f.model, f.total, NULL, 0);
	fill(&f, 5000, 2, RECENCY, 2, 5);
	for (int64_t week = 1; week < 5; week++)
		assert_int_equal(tick(&f, week * WEEK), 0);
	assert_true(f.drift.subjects[RECENCY].stock.psi > 1);
	teardown(&f);
}

static void test_shares_of_segments_drift(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	fill(&f, 5000, 1, 0, 0, 5);
	seg_drift_freeze(&f.drift, f.model, f.total, NULL, 0);
	fill(&f, 5000, 2, 0, 0, 9);
	assert_int_equal(tick(&f, WEEK), 1);
	assert_string_equal(f.alerts[0].subject, "shares");
	assert_int_equal(f.alerts[0].severity, SEG_SEVERITY_CRITICAL);
	teardown(&f);
}

static void test_few_customers_are_no_evidence(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	fill(&f, 60, 1, 0, 0, 5);
	seg_drift_freeze(&f.drift, f.model, f.total, NULL, 0);
	for (int64_t week = 1; week <= 20; week++) {
		fill(&f, 60, 1 + (uint64_t)week, 0, 0, 5);
		assert_int_equal(tick(&f, week * WEEK), 0);
		seg_drift_measure(&f.drift, f.model, f.total, NULL);
		assert_true(f.drift.subjects[FREQUENCY].stock.psi > 0.02);
	}
	teardown(&f);
}

static void test_refreeze_keeps_open_alerts_until_a_window_clears_them(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	fill(&f, 5000, 1, 0, 0, 5);
	seg_drift_freeze(&f.drift, f.model, f.total, NULL, 0);
	fill(&f, 5000, 2, MONETARY, 1, 5);
	assert_int_equal(tick(&f, WEEK), 1);
	seg_drift_forget(&f.drift);
	assert_int_equal(tick(&f, 2 * WEEK), 0);
	seg_drift_freeze(&f.drift, f.model, f.total, NULL, 2 * WEEK);
	assert_int_equal(tick(&f, 3 * WEEK - 1), 0);
	assert_int_equal(tick(&f, 3 * WEEK), 1);
	assert_int_equal(f.alerts[0].state, SEG_ALERT_CLEARED);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_psi_by_hand),
		cmocka_unit_test(test_deciles_merge_equal_edges),
		cmocka_unit_test(test_benjamini_hochberg),
		cmocka_unit_test(test_nothing_is_said_when_nothing_changed),
		cmocka_unit_test(test_warning_needs_two_windows_and_clears),
		cmocka_unit_test(test_clock_features_have_values_and_no_alerts),
		cmocka_unit_test(test_shares_of_segments_drift),
		cmocka_unit_test(test_few_customers_are_no_evidence),
		cmocka_unit_test(test_refreeze_keeps_open_alerts_until_a_window_clears_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
