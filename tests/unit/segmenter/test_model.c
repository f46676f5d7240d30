/* Model versions: JSON and back, hostile JSON, assignment against a plain search, the table of who moves, drivers. */
#include "tests/unit/segmenter/make_model.h"

#include <jansson.h>
#include <string.h>

static void test_codec_gives_the_same_model(void **state)
{
	struct seg_model *m = make_model("full", 7, 1), *got = NULL;
	struct seg_buf out, again;

	(void)state;
	seg_buf_init(&out, 1 << 20);
	seg_buf_init(&again, 1 << 20);
	snprintf(m->segments[2].alias, sizeof(m->segments[2].alias), "Stammkunden \xc3\xa4");
	m->centroids[3] = NAN;
	m->learning = json_pack("{s:[f,i]}", "anything", 1.5, 3);
	assert_ok(seg_model_finish(m, NULL));
	assert_ok(seg_model_encode(m, &out, NULL));
	assert_ok(seg_model_decode(out.data, out.len, &got, NULL));
	assert_true(seg_model_version(got) == (UINT64_C(5) << 32 | 17));
	assert_true(got->time_ms == m->time_ms && got->promoted_ms == m->promoted_ms &&
		    got->first_fit_ms == m->first_fit_ms);
	assert_memory_equal(&got->basis, &m->basis, sizeof(m->basis));
	assert_memory_equal(got->scale, m->scale, sizeof(m->scale));
	assert_memory_equal(got->clusters, m->clusters, m->k * sizeof(*m->clusters));
	assert_memory_equal(got->vectors, m->vectors, m->k * m->d * sizeof(double));
	assert_memory_equal(got->soa, m->soa, m->k_padded * m->d * sizeof(double));
	assert_true(isnan(got->centroids[3]));
	assert_near(got->vectors[3], (m->scale[3].imputed - m->scale[3].mean) / m->scale[3].scale * m->scale[3].weight,
		    0);
	assert_memory_equal(got->segments, m->segments, m->segments_len * sizeof(*m->segments));
	assert_true(got->next_cluster == m->next_cluster && got->sample_bound == m->sample_bound);
	assert_true(got->inertia_per_customer == m->inertia_per_customer);
	assert_true(json_equal(got->learning, m->learning));
	assert_ok(seg_model_encode(got, &again, NULL));
	assert_int_equal(again.len, out.len);
	assert_memory_equal(again.data, out.data, out.len);
	assert_string_equal(seg_model_segment_name(got, m->clusters[2]), "Stammkunden \xc3\xa4");
	assert_string_equal(seg_model_segment_name(got, 1), "gone");
	assert_string_equal(seg_model_segment_name(got, 0), "");
	assert_string_equal(seg_model_segment_name(got, 12345), "");
	seg_model_put(got);
	seg_model_put(m);
	seg_buf_release(&out);
	seg_buf_release(&again);
}

static void test_codec_before_the_first_fit(void **state)
{
	struct seg_model *m = make_model("rfm", 0, 1), *got = NULL;
	struct seg_assignment a;
	double vector[SEG_MAX_FEATURES] = {0};
	bool suppressed;
	struct seg_move_rules rules = {0.1, 1000, 0};
	struct seg_buf out;

	(void)state;
	seg_buf_init(&out, 1 << 20);
	m->promotion = m->revision = 0;
	m->time_ms = m->promoted_ms = m->first_fit_ms = SEG_NO_TIME;
	assert_ok(seg_model_encode(m, &out, NULL));
	assert_ok(seg_model_decode(out.data, out.len, &got, NULL));
	assert_true(got->first_fit_ms == SEG_NO_TIME && got->k == 0 && got->d == 6);
	seg_model_assign(got, vector, &a);
	assert_true(isnan(a.distance));
	assert_true(seg_model_decide(got, vector, &a, 0, 0, SEG_NO_TIME, 0, &rules, &suppressed) == 0);
	seg_model_put(got);
	seg_model_put(m);
	seg_buf_release(&out);
}

/* Every truncation and thousands of single damaged bytes: an error or a model that is sound, never a crash. */
static void test_decode_survives_damage(void **state)
{
	struct seg_model *m = make_model("rfm", 4, 2), *got;
	struct seg_buf out;
	struct seg_rng rng;
	struct seg_assignment a;
	unsigned refused = 0;

	(void)state;
	seg_rng_init(&rng, 9);
	seg_buf_init(&out, 1 << 20);
	assert_ok(seg_model_encode(m, &out, NULL));
	for (size_t len = 0; len < out.len; len += 1 + len / 50)
		assert_int_equal(seg_model_decode(out.data, len, &got, NULL), SEG_CORRUPT);
	for (int i = 0; i < 3000; i++) {
		size_t at = seg_rng_below(&rng, out.len);
		uint8_t was = out.data[at];
		double vector[SEG_MAX_FEATURES] = {0};

		out.data[at] = i % 3 ? (uint8_t)('0' + seg_rng_below(&rng, 10)) : (uint8_t)seg_rng_next(&rng);
		got = NULL;
		if (seg_model_decode(out.data, out.len, &got, NULL) == SEG_OK) {
			seg_model_assign(got, vector, &a);
			assert_true(got->k && a.nearest < got->k);
			seg_model_put(got);
		} else {
			refused++;
		}
		out.data[at] = was;
	}
	assert_true(refused > 500);
	seg_model_put(m);
	seg_buf_release(&out);
}

/* Replaces `from` by `to` in the JSON and expects a refusal. */
static void refuse_with(const struct seg_buf *json, const char *from, const char *to)
{
	char *text = strndup((const char *)json->data, json->len), *at = strstr(text, from);
	struct seg_model *got = NULL;
	struct seg_buf changed;

	assert_non_null(at);
	seg_buf_init(&changed, 1 << 20);
	seg_buf_append(&changed, text, (size_t)(at - text));
	seg_buf_append(&changed, to, strlen(to));
	seg_buf_append(&changed, at + strlen(from), strlen(at + strlen(from)));
	assert_int_equal(seg_model_decode(changed.data, changed.len, &got, NULL), SEG_CORRUPT);
	seg_buf_release(&changed);
	free(text);
}

static void test_decode_refuses_what_cannot_be_right(void **state)
{
	struct seg_model *m = make_model("rfm", 4, 2);
	struct seg_buf out;

	(void)state;
	seg_buf_init(&out, 1 << 20);
	assert_ok(seg_model_encode(m, &out, NULL));
	refuse_with(&out, "\"format\":1", "\"format\":2");
	refuse_with(&out, "\"promotion\":\"5\"", "\"promotion\":\"4294967296\"");
	refuse_with(&out, "\"promotion\":\"5\"", "\"promotion\":5");
	refuse_with(&out, "\"promotion\":\"5\"", "\"promotion\":\"-5\"");
	refuse_with(&out, "\"name\":\"monetary\"", "\"name\":\"money\"");
	refuse_with(&out, "\"name\":\"monetary\"", "\"name\":\"frequency\"");
	refuse_with(&out, "\"transform\":\"log1p\"", "\"transform\":\"sqrt\"");
	refuse_with(&out, "\"clusters\":[\"3\",\"6\"", "\"clusters\":[\"6\",\"3\"");
	refuse_with(&out, "\"clusters\":[\"3\",", "\"clusters\":[\"0\",");
	refuse_with(&out, "\"clusters\":[\"3\",", "\"clusters\":[");
	refuse_with(&out, "\"next_cluster\":\"13\"", "\"next_cluster\":\"12\"");
	refuse_with(&out, "\"state\":\"active\"", "\"state\":\"retired\"");
	refuse_with(&out, "\"parents\":[\"1\"]", "\"parents\":[1]");
	refuse_with(&out, "\"weight\":1", "\"weight\":-1");
	seg_model_put(m);
	seg_buf_release(&out);
}

static void test_finish_refuses_what_cannot_be_right(void **state)
{
	struct seg_model *m = make_model("rfm", 4, 2);

	(void)state;
	m->scale[1].scale = 0;
	assert_int_equal(seg_model_finish(m, NULL), SEG_INVALID);
	m->scale[1].scale = 1;
	m->centroids[2] = INFINITY;
	assert_int_equal(seg_model_finish(m, NULL), SEG_INVALID);
	m->centroids[2] = 1;
	m->clusters[1] = m->clusters[0];
	assert_int_equal(seg_model_finish(m, NULL), SEG_INVALID);
	m->clusters[1] = 6;
	assert_ok(seg_model_finish(m, NULL));
	m->clusters[3] = m->next_cluster;
	assert_int_equal(seg_model_finish(m, NULL), SEG_INVALID);
	seg_model_put(m);
}

static void test_references_are_counted(void **state)
{
	struct seg_model *m = make_model("rfm", 2, 2);

	(void)state;
	assert_ptr_equal(seg_model_get(m), m);
	seg_model_put(m);
	assert_int_equal(m->k, 2);
	seg_model_put(m);
	seg_model_put(NULL);
	assert_null(seg_model_get(NULL));
	assert_true(seg_model_version(NULL) == 0);
}

static void random_values(struct seg_rng *rng, const struct seg_model *m, int32_t *values)
{
	for (uint32_t j = 0; j < m->d; j++)
		values[j] = seg_rng_below(rng, 10) ? seg_basis_fix(&m->basis.features[j], seg_rng_normal(rng))
						   : SEG_MISSING;
}

static void check_assignment(const struct seg_model *m, const int32_t *values)
{
	double vector[SEG_MAX_FEATURES], least = INFINITY, second = INFINITY;
	struct seg_assignment a;
	uint32_t nearest = 0;

	seg_model_vector(m, values, vector);
	seg_model_assign(m, vector, &a);
	for (uint32_t c = 0; c < m->k; c++) {
		long double sum = 0;
		for (uint32_t j = 0; j < m->d; j++) {
			const struct seg_scale *s = &m->scale[j];
			double x = seg_basis_unfix(&m->basis.features[j], values[j]);
			long double diff =
				((isnan(x) ? s->imputed : x) - m->centroids[c * m->d + j]) / s->scale * s->weight;
			sum += diff * diff;
		}
		double dist = (double)sqrtl(sum);
		assert_near(seg_model_distance(m, vector, c), dist, 1e-9 * (1 + dist));
		if (dist < least) {
			second = least;
			least = dist;
			nearest = c;
		} else if (dist < second) {
			second = dist;
		}
	}
	assert_int_equal(a.nearest, nearest);
	assert_true(a.distance == seg_model_distance(m, vector, a.nearest));
	assert_true(a.second_distance == seg_model_distance(m, vector, a.second));
	if (m->k > 1) {
		assert_true(a.second != a.nearest);
		assert_near(a.second_distance, second, 1e-9 * (1 + second));
		assert_near(a.margin, (second - least) / second, 1e-9);
	} else {
		assert_true(a.second == 0 && a.margin == 0);
	}
}

static void test_assign_agrees_with_a_plain_search(void **state)
{
	static const uint32_t ks[] = {1, 2, 3, 7, 8, 9, 16, 31, 256};
	int32_t values[SEG_MAX_FEATURES];
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 4);
	for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
		struct seg_model *m = make_model(i % 2 ? "full" : "rfm", ks[i], i);
		for (int n = 0; n < 200; n++) {
			random_values(&rng, m, values);
			check_assignment(m, values);
		}
		seg_model_put(m);
	}
}

static void test_assign_takes_the_first_of_equal_ones(void **state)
{
	struct seg_model *m = make_model("rfm", 9, 2);
	double vector[SEG_MAX_FEATURES];
	struct seg_assignment a;

	(void)state;
	memcpy(m->centroids + 8 * m->d, m->centroids + 4 * m->d, m->d * sizeof(double));
	assert_ok(seg_model_finish(m, NULL));
	memcpy(vector, m->vectors + 8 * m->d, m->d * sizeof(double));
	seg_model_assign(m, vector, &a);
	assert_true(a.nearest == 4 && a.second == 8 && a.distance == 0 && a.margin == 0);
	seg_model_put(m);
}

/* A line of two clusters at 0 and 10 in the first feature. */
static struct seg_model *two_on_a_line(void)
{
	struct seg_model *m = make_model("rfm", 2, 1);

	for (uint32_t j = 0; j < m->d; j++) {
		m->scale[j] = (struct seg_scale){0, 1, 1, 0};
		m->centroids[j] = 0;
		m->centroids[m->d + j] = j ? 0 : 10;
	}
	assert_ok(seg_model_finish(m, NULL));
	return m;
}

static void test_decide_by_hysteresis_and_dwell(void **state)
{
	static const struct {
		double x;
		uint64_t held;
		int64_t since, now;
		double hysteresis;
		uint64_t told;
		bool suppressed;
		uint64_t previous;
	} rows[] = {
		{1, 0, SEG_NO_TIME, 0, 0.1, 3, false, 0}, /* the first assignment */
		{9, 0, 100, 100, 0.9, 6, false, 0},	  /* ... whatever the rules */
		{1, 3, 0, 5000, 0.1, 3, false, 0},	  /* stays at the nearest */
		{6, 3, 0, 5000, 0.1, 6, false, 0},	  /* 4 < 0.9 * 6 */
		{5.2, 3, 0, 5000, 0.1, 3, true, 0},	  /* 4.8 > 0.9 * 5.2 */
		{5.2, 3, 0, 5000, 0, 6, false, 0},	  /* no hysteresis */
		{9, 3, 0, 999, 0.1, 3, true, 0},	  /* dwell not over */
		{9, 3, 0, 1000, 0.1, 6, false, 0},	  /* dwell over */
		{9, 3, SEG_NO_TIME, 0, 0.1, 6, false, 0}, /* never moved */
		{9, 3, 5000, 0, 0.1, 3, true, 0},	  /* a clock that went back */
		{1, 1, 0, 1, 0.9, 3, false, 0},		  /* held is retired */
		{9, 777, 0, 1, 0.9, 6, false, 0},	  /* held is unknown */
		{5, 6, 0, 5000, 0, 6, true, 0},		  /* equally far: stays */
		{9, 3, 0, 6999, 0.1, 3, true, 6},	  /* going back takes longer */
		{9, 3, 0, 7000, 0.1, 6, false, 6},	  /* ... and is over */
		{9, 3, 0, 1000, 0.1, 6, false, 5},	  /* not the one it came from */
		{9, 777, 0, 1, 0.9, 6, false, 6},	  /* held is gone: back at once */
	};
	struct seg_model *m = two_on_a_line();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seg_move_rules rules = {rows[i].hysteresis, 1000, 7000};
		double vector[SEG_MAX_FEATURES] = {rows[i].x};
		struct seg_assignment a;
		bool suppressed = !rows[i].suppressed;

		seg_model_assign(m, vector, &a);
		assert_int_equal(seg_model_decide(m, vector, &a, rows[i].held, rows[i].previous, rows[i].since,
						  rows[i].now, &rules, &suppressed),
				 rows[i].told);
		assert_int_equal(suppressed, rows[i].suppressed);
	}
	seg_model_put(m);
}

static void test_index_finds_active_clusters_only(void **state)
{
	struct seg_model *m = make_model("rfm", 5, 1);

	(void)state;
	for (uint32_t c = 0; c < m->k; c++)
		assert_int_equal(seg_model_index(m, m->clusters[c]), (int)c);
	assert_int_equal(seg_model_index(m, 1), -1);
	assert_int_equal(seg_model_index(m, 0), -1);
	assert_int_equal(seg_model_index(m, UINT64_MAX), -1);
	assert_non_null(seg_model_segment(m, 1));
	assert_null(seg_model_segment(m, 2));
	seg_model_put(m);
}

static void test_drivers_explain_the_difference(void **state)
{
	const int64_t now = INT64_C(15000) * SEG_DAY_MS;
	struct seg_orders orders = {.purchases = 7,
				    .purchased_micro = 70010000,
				    .first_ms = now - 2000 * SEG_DAY_MS,
				    .last_ms = now - 1234 * SEG_DAY_MS - SEG_DAY_MS / 2 - 1};
	struct seg_profile p = {.orders = &orders}, nobody = {0};
	struct seg_model *m = two_on_a_line();
	int32_t values[SEG_MAX_FEATURES] = {0};
	struct seg_driver drivers[SEG_DRIVERS];

	(void)state;
	m->centroids[m->d + 1] = 2;
	m->scale[1] = (struct seg_scale){1, 0.5, 0.5, 0};
	assert_ok(seg_model_finish(m, NULL));
	for (uint32_t j = 0; j < m->d; j++)
		values[j] = SEG_MISSING;
	values[0] = seg_basis_fix(&m->basis.features[0], 8);
	values[1] = seg_basis_fix(&m->basis.features[1], 2);
	/* Differences of squares: 64 - 4 of recency and 4 - 0 of frequency; the others are alike. */
	assert_int_equal(seg_model_drivers(m, &p, now, values, 3, 6, drivers), 2);
	assert_string_equal(drivers[0].feature, "recency_days");
	/* The feature itself, to the millisecond: fixed point knows no more than some quanta of the logarithm. */
	assert_near(drivers[0].value, 1234.5 + 1.0 / (double)SEG_DAY_MS, 1e-12);
	assert_near(drivers[0].zscore, 8, 1e-6);
	assert_near(drivers[0].contribution, 60.0 / 64, 1e-6);
	assert_string_equal(drivers[1].feature, "frequency");
	assert_near(drivers[1].value, 7, 0);
	assert_near(drivers[1].zscore, 2, 1e-6);
	assert_near(drivers[1].contribution, 4.0 / 64, 1e-6);
	/* From nowhere: than the mean of all, the origin: 64 - 4 and 1 - 0. */
	assert_int_equal(seg_model_drivers(m, &p, now, values, 0, 6, drivers), 2);
	assert_near(drivers[0].contribution, 60.0 / 61, 1e-6);
	assert_int_equal(seg_model_drivers(m, &p, now, values, 1, 6, drivers), 2);
	/* To the farther one nothing speaks; to one that is not there neither. */
	assert_int_equal(seg_model_drivers(m, &p, now, values, 6, 3, drivers), 0);
	assert_int_equal(seg_model_drivers(m, &p, now, values, 3, 1, drivers), 0);
	/* Of nobody's orders: nothing is spent, and there is no last one. A missing value's z-score is the imputed one's. */
	m->centroids[m->d + 2] = 5;
	m->scale[2].imputed = 5;
	assert_ok(seg_model_finish(m, NULL));
	assert_int_equal(seg_model_drivers(m, &nobody, now, values, 3, 6, drivers), 3);
	assert_string_equal(drivers[1].feature, "monetary");
	assert_near(drivers[1].value, 0, 0);
	assert_near(drivers[1].zscore, 5, 0);
	assert_true(isnan(drivers[0].value));
	seg_model_put(m);
}

static void test_drivers_of_random_vectors_are_the_strongest(void **state)
{
	struct seg_profile nobody = {0};
	struct seg_model *m = make_model("full", 6, 3);
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 5);
	for (int n = 0; n < 300; n++) {
		struct seg_driver drivers[SEG_DRIVERS];
		int32_t values[SEG_MAX_FEATURES];
		double vector[SEG_MAX_FEATURES], total = 0, sum = 0, diff[SEG_MAX_FEATURES];
		struct seg_assignment a;
		unsigned better = 0;

		random_values(&rng, m, values);
		seg_model_vector(m, values, vector);
		seg_model_assign(m, vector, &a);
		for (uint32_t j = 0; j < m->d; j++) {
			double f = vector[j] - m->vectors[a.second * m->d + j],
			       t = vector[j] - m->vectors[a.nearest * m->d + j];
			diff[j] = f * f - t * t;
			total += diff[j];
		}
		uint32_t len = seg_model_drivers(m, &nobody, 0, values, m->clusters[a.second], m->clusters[a.nearest],
						 drivers);
		assert_true(len > 0 && len <= SEG_DRIVERS);
		for (uint32_t i = 0; i < len; i++) {
			assert_true(drivers[i].contribution > 0);
			if (i)
				assert_true(drivers[i].contribution <= drivers[i - 1].contribution);
			sum += drivers[i].contribution;
		}
		for (uint32_t j = 0; j < m->d; j++)
			better += diff[j] / total > drivers[len - 1].contribution;
		assert_true(better < len);
		assert_true(len == SEG_DRIVERS || sum >= 1 - 1e-9);
	}
	seg_model_put(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codec_gives_the_same_model),
		cmocka_unit_test(test_codec_before_the_first_fit),
		cmocka_unit_test(test_decode_survives_damage),
		cmocka_unit_test(test_decode_refuses_what_cannot_be_right),
		cmocka_unit_test(test_finish_refuses_what_cannot_be_right),
		cmocka_unit_test(test_references_are_counted),
		cmocka_unit_test(test_assign_agrees_with_a_plain_search),
		cmocka_unit_test(test_assign_takes_the_first_of_equal_ones),
		cmocka_unit_test(test_decide_by_hysteresis_and_dwell),
		cmocka_unit_test(test_index_finds_active_clusters_only),
		cmocka_unit_test(test_drivers_explain_the_difference),
		cmocka_unit_test(test_drivers_of_random_vectors_are_the_strongest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
