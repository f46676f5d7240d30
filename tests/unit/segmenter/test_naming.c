#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "segmenter/catalogue.h"
#include "segmenter/naming.h"

enum { D = 6, K = 5 };

/* recency, frequency, monetary, average order, tenure, orders of 60 days */
static const double typical[K][D] = {
	{-0.8, 1.5, 1.6, 0.4, 0.6, 1.8},    /* loyal high-value */
	{0.7, 0.6, 0.9, 0.5, 0.5, -0.4},    /* lapsing high-value */
	{-1.0, -0.4, -0.2, 0.1, -1.4, 0.3}, /* new */
	{0.9, -0.6, -0.7, -0.5, 0.6, -0.6}, /* lapsed low-value */
	{0.9, -0.6, -0.6, 1.2, 0.6, -0.6},  /* the same, with bigger baskets */
};

struct fixture {
	struct seg_basis basis;
	double zscores[K * D];
	const double *frequencies;
	bool named[K];
	char names[K][SEG_SEGMENT_NAME_MAX];
	struct seg_name_reason reasons[K];
};

static struct fixture make(const char *preset)
{
	struct seg_feature_config features[SEG_MAX_FEATURES];
	struct fixture f = {0};

	assert_ok(seg_basis_init(&f.basis, features, seg_preset(preset, features, SEG_MAX_FEATURES), NULL, NULL));
	return f;
}

static bool choose(struct fixture *f, uint32_t k)
{
	struct seg_naming in = {.basis = &f->basis,
				.k = k,
				.zscores = f->zscores,
				.frequencies = f->frequencies,
				.named = f->named,
				.names = f->names,
				.reasons = f->reasons};
	bool changed = seg_names_choose(&in);

	for (uint32_t i = 0; i < k; i++) {
		assert_true(f->names[i][0]);
		f->named[i] = true;
		for (uint32_t j = 0; j < i; j++)
			assert_string_not_equal(f->names[i], f->names[j]);
	}
	return changed;
}

static void test_names_are_archetypes(void **state)
{
	struct fixture f = make("rfm");

	(void)state;
	memcpy(f.zscores, typical, sizeof(typical));
	assert_true(choose(&f, K));
	assert_string_equal(f.names[0], "loyal high-value");
	assert_string_equal(f.names[1], "lapsing high-value");
	assert_string_equal(f.names[2], "new");
	/* Two that are alike: one bears the plain name, the other says what sets it apart. */
	assert_string_equal(f.names[3], "lapsed low-value");
	assert_string_equal(f.names[4], "lapsed occasional");
}

static void test_names_swap_with_the_centroids(void **state)
{
	struct fixture f = make("rfm");
	char first[SEG_SEGMENT_NAME_MAX], second[SEG_SEGMENT_NAME_MAX];

	(void)state;
	memcpy(f.zscores, typical, sizeof(typical));
	for (uint32_t i = 0; i < 3; i++) {
		for (uint32_t j = 0; j < i; j++) {
			memset(f.named, 0, sizeof(f.named));
			memcpy(f.zscores, typical, sizeof(typical));
			(void)choose(&f, K);
			memcpy(first, f.names[i], sizeof(first));
			memcpy(second, f.names[j], sizeof(second));
			memcpy(f.zscores + i * D, typical[j], sizeof(typical[j]));
			memcpy(f.zscores + j * D, typical[i], sizeof(typical[i]));
			assert_true(choose(&f, K));
			assert_string_equal(f.names[i], second);
			assert_string_equal(f.names[j], first);
		}
	}
}

static void test_names_stay_while_their_reason_holds(void **state)
{
	struct fixture f = make("rfm");
	char before[K][SEG_SEGMENT_NAME_MAX];

	(void)state;
	memcpy(f.zscores, typical, sizeof(typical));
	(void)choose(&f, K);
	memcpy(before, f.names, sizeof(before));
	assert_false(choose(&f, K));
	for (uint32_t i = 0; i < K * D; i++)
		f.zscores[i] += i % 2 ? 0.05 : -0.05;
	assert_false(choose(&f, K));
	assert_memory_equal(before, f.names, sizeof(before));
	/* The new ones have been there for a while: only their name goes. */
	f.zscores[2 * D + 4] = 0.5;
	assert_true(choose(&f, K));
	for (uint32_t i = 0; i < K; i++) {
		if (i == 2)
			assert_string_not_equal(before[i], f.names[i]);
		else
			assert_string_equal(before[i], f.names[i]);
	}
}

static void test_names_without_rfm_are_words_of_the_catalogue(void **state)
{
	struct fixture f = make("email");
	int rate = seg_catalogue_find("open_rate");

	(void)state;
	/* emails_delivered_30d, open_rate, click_rate, click_to_open_rate, ... */
	f.zscores[0] = -0.9;
	f.zscores[1] = 1.5;
	assert_true(choose(&f, 2));
	assert_non_null(strstr(f.names[0], seg_catalogue_at((size_t)rate)->more));
	assert_non_null(strstr(f.names[0], "rarely mailed"));
	assert_string_equal(f.names[1], "average");
}

static void test_names_of_equal_clusters_are_numbered(void **state)
{
	struct fixture f = make("rfm");

	(void)state;
	for (uint32_t i = 0; i < K; i++)
		memcpy(f.zscores + i * D, typical[0], sizeof(typical[0]));
	assert_true(choose(&f, K));
	assert_false(choose(&f, K));
}

static void test_names_of_those_who_never_bought(void **state)
{
	double frequencies[K] = {7, 4, 1.2, 1.1, 0.02};
	struct fixture f = make("rfm");

	(void)state;
	memcpy(f.zscores, typical, sizeof(typical));
	f.frequencies = frequencies;
	(void)choose(&f, K);
	assert_string_equal(f.names[3], "lapsed low-value");
	assert_string_equal(f.names[4], "prospects");
	/* Some begin to buy: still prospects, until most have. */
	frequencies[4] = 0.7;
	assert_false(choose(&f, K));
	frequencies[4] = 0.8;
	assert_true(choose(&f, K));
	assert_string_not_equal(f.names[4], "prospects");
}

static void test_names_of_attributes(void **state)
{
	struct seg_feature_config config = {.name = "attr:age", .weight = 1};
	struct fixture f = {0};

	(void)state;
	assert_ok(seg_basis_init(&f.basis, &config, 1, NULL, NULL));
	f.zscores[0] = 1;
	f.zscores[1] = -1;
	(void)choose(&f, 2);
	assert_string_equal(f.names[0], "high age");
	assert_string_equal(f.names[1], "low age");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_archetypes),
		cmocka_unit_test(test_names_swap_with_the_centroids),
		cmocka_unit_test(test_names_stay_while_their_reason_holds),
		cmocka_unit_test(test_names_without_rfm_are_words_of_the_catalogue),
		cmocka_unit_test(test_names_of_equal_clusters_are_numbered),
		cmocka_unit_test(test_names_of_those_who_never_bought),
		cmocka_unit_test(test_names_of_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
