/* What people do with versions: candidates that wait, promotion, rollback, aliases, and what a diff tells. */
#include "tests/support/test.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/learner_internal.h"
#include "tests/support/fold_world.h"

#define T0 INT64_C(1300000000000)

struct stage {
	struct world w;
	struct seg_learner *l;
	struct seg_rng rng;
	struct seg_learner_news news;
};

static void set_up(struct stage *s, bool manual)
{
	struct seg_learner_config c = {.k = 4,
				       .k_min = 4,
				       .k_max = 7,
				       .min_customers = 200,
				       .seed = 1,
				       .refit_sample = 400,
				       .refit_interval_ms = 7 * SEG_DAY_MS,
				       .drift_window_ms = 7 * SEG_DAY_MS,
				       .psi_warning = 0.1,
				       .psi_critical = 0.25,
				       .promotion_manual = manual,
				       .gate = SEG_GATE_DEFAULTS};
	char id[32];

	memset(s, 0, sizeof(*s));
	c.features_len = (uint32_t)seg_preset("rfm", c.features, SEG_MAX_FEATURES);
	assert_ok(seg_learner_new(&c, &s->l, NULL));
	world_init(&s->w, 2);
	seg_rng_init(&s->rng, 7);
	s->w.now_ms = T0;
	for (int i = 0; i < 400; i++) {
		unsigned orders = i % 2 ? 1 : 8;
		snprintf(id, sizeof(id), "customer-%d", i);
		size_t at = world_customer(&s->w, id);
		for (unsigned o = 0; o < orders; o++)
			world_purchase(&s->w, at, T0 - (int64_t)(o * 9 + (unsigned)i % 5) * SEG_DAY_MS,
				       (int64_t)((i % 4 < 2 ? 10e6 : 200e6) * (0.8 + 0.4 * seg_rng_unit(&s->rng))));
	}
	(void)world_step(&s->w, s->l);
	(void)world_step(&s->w, s->l);
	assert_int_equal(s->w.model->promotion, 1);
}

static void tear_down(struct stage *s)
{
	seg_learner_free(s->l);
	world_release(&s->w);
}

static void tick(struct stage *s)
{
	assert_ok(seg_learner_tick(s->l, s->w.now_ms, s->w.partitions, &s->news, NULL));
	if (s->news.model)
		world_take_model(&s->w, s->news.model);
}

/* Everybody is swept and told. */
static void settle(struct stage *s)
{
	world_evaluate_all(&s->w);
	world_publish(&s->w);
	s->w.fed = world_feed(&s->w, s->l, s->w.fed);
	tick(s);
	tick(s);
}

/* Customers change: half of them spend ten times as much. */
static void change_customers(struct stage *s)
{
	for (size_t i = 0; i < s->w.len; i += 2)
		for (int o = 0; o < 12; o++)
			world_purchase(&s->w, i, s->w.now_ms + o * 1000,
				       (int64_t)(900e6 * (1 + seg_rng_unit(&s->rng))));
	s->w.now_ms += SEG_DAY_MS;
	settle(s);
}

static void refit_on_demand(struct stage *s)
{
	struct seg_refit *r;

	seg_learner_request_refit(s->l);
	tick(s);
	assert_true(s->news.refit_due);
	r = seg_learner_refit_begin(s->l, s->w.now_ms);
	assert_non_null(r);
	seg_refit_run(r);
	assert_ok(seg_learner_refit_end(s->l, r, NULL));
	tick(s);
}

static void test_a_candidate_waits_and_is_promoted_under_its_number(void **state)
{
	struct stage s;
	struct seg_refit_record record;
	struct seg_error err = {0};

	(void)state;
	set_up(&s, true);
	change_customers(&s);
	refit_on_demand(&s);
	assert_non_null(s.news.candidate);
	assert_int_equal(s.news.candidate->promotion, 2);
	assert_int_equal(s.news.candidate->state, SEG_MODEL_CANDIDATE);
	assert_int_equal(s.news.candidate->base, 1);
	assert_string_equal(s.news.candidate->reason, "demand");
	assert_non_null(s.news.candidate->fit);
	assert_int_equal(s.w.model->promotion, 1);
	assert_true(seg_learner_last_refit(s.l, &record) && record.held && !record.promoted);
	assert_int_equal(seg_learner_promote(s.l, 3, s.w.now_ms, &err), SEG_NOT_FOUND);
	/* The whole model version will do as well. */
	assert_ok(seg_learner_promote(s.l, UINT64_C(2) << 32, s.w.now_ms, NULL));
	assert_null(seg_learner_candidate(s.l));
	tick(&s);
	assert_true(s.news.promoted);
	assert_int_equal(s.w.model->promotion, 2);
	assert_int_equal(s.w.model->state, SEG_MODEL_PROMOTED);
	assert_int_equal(seg_learner_promote(s.l, 2, s.w.now_ms, &err), SEG_NOT_FOUND);
	tear_down(&s);
}

/* A newer candidate takes the place of the older, whose record goes, and whose number is not given again. */
static void test_a_newer_candidate_supersedes(void **state)
{
	struct stage s;

	(void)state;
	set_up(&s, true);
	change_customers(&s);
	refit_on_demand(&s);
	assert_int_equal(seg_learner_candidate(s.l)->promotion, 2);
	refit_on_demand(&s);
	assert_int_equal(seg_learner_candidate(s.l)->promotion, 3);
	assert_true(seg_learner_candidate(s.l)->next_cluster >= s.w.model->next_cluster);
	assert_int_equal(s.news.unkept_len, 1);
	assert_int_equal(s.news.unkept[0], 2);
	tear_down(&s);
}

static struct seg_model *through_json(const struct seg_model *m)
{
	struct seg_model *back;
	struct seg_buf text;

	seg_buf_init(&text, 1 << 22);
	assert_ok(seg_model_encode(m, &text, NULL));
	assert_ok(seg_model_decode(text.data, text.len, &back, NULL));
	seg_buf_release(&text);
	return back;
}

/* A new owner of the fold has the candidate from its record, and the ids it was shown with stay taken. */
static void test_a_candidate_survives_its_fold(void **state)
{
	struct seg_model *stored, *current;
	struct stage s;

	(void)state;
	set_up(&s, true);
	change_customers(&s);
	refit_on_demand(&s);
	stored = through_json(s.news.candidate);
	current = through_json(s.w.model);
	assert_string_equal(stored->reason, "demand");
	assert_true(json_equal(stored->fit, s.news.candidate->fit));
	seg_learner_free(s.l);
	struct seg_learner_config c = {.k = 4,
				       .min_customers = 200,
				       .seed = 1,
				       .refit_sample = 400,
				       .promotion_manual = true,
				       .gate = SEG_GATE_DEFAULTS};
	c.features_len = (uint32_t)seg_preset("rfm", c.features, SEG_MAX_FEATURES);
	assert_ok(seg_learner_new(&c, &s.l, NULL));
	assert_ok(seg_learner_start(s.l, current, NULL));
	seg_learner_take_candidate(s.l, stored);
	s.w.fed = world_feed(&s.w, s.l, 0);
	tick(&s);
	assert_ok(seg_learner_promote(s.l, 2, s.w.now_ms, NULL));
	tick(&s);
	assert_int_equal(s.w.model->promotion, 2);
	assert_int_equal(seg_next_promotion(s.l), 3);
	assert_int_equal(s.w.model->k, stored->k);
	for (uint32_t j = 0; j < stored->k; j++)
		assert_int_equal(s.w.model->clusters[j], stored->clusters[j]);
	seg_model_put(stored);
	seg_model_put(current);
	tear_down(&s);
}

static void test_rollback_is_exact_and_keeps_names(void **state)
{
	struct seg_error err = {0};
	struct seg_model *first;
	struct stage s;

	(void)state;
	set_up(&s, false);
	settle(&s);
	assert_ok(seg_learner_alias(s.l, s.w.model->clusters[0], "our best", NULL));
	tick(&s);
	assert_string_equal(s.w.model->segments[0].alias, "our best");
	first = seg_model_get(s.w.model);
	assert_int_equal(seg_learner_rollback(s.l, first, s.w.now_ms, &err), SEG_INVALID);
	change_customers(&s);
	refit_on_demand(&s);
	if (seg_learner_candidate(s.l))
		assert_ok(seg_learner_promote(s.l, seg_learner_candidate(s.l)->promotion, s.w.now_ms, NULL));
	tick(&s);
	assert_true(s.w.model->promotion > 1);
	settle(&s);
	uint64_t next_cluster = s.w.model->next_cluster, promotion = s.w.model->promotion;
	assert_ok(seg_learner_rollback(s.l, first, s.w.now_ms, NULL));
	tick(&s);
	assert_true(s.news.promoted);
	assert_int_equal(s.w.model->promotion, promotion + 1);
	assert_int_equal(s.w.model->restored_from, 1);
	assert_int_equal(s.w.model->k, first->k);
	assert_true(s.w.model->next_cluster >= next_cluster);
	assert_memory_equal(s.w.model->clusters, first->clusters, first->k * sizeof(*first->clusters));
	assert_memory_equal(s.w.model->centroids, first->centroids, first->k * first->d * sizeof(*first->centroids));
	assert_memory_equal(s.w.model->scale, first->scale, first->d * sizeof(*first->scale));
	assert_string_equal(s.w.model->segments[0].alias, "our best");
	for (uint32_t i = 0; i < s.w.model->segments_len; i++)
		assert_int_equal(s.w.model->segments[i].state,
				 i < s.w.model->k ? SEG_SEGMENT_ACTIVE : SEG_SEGMENT_RETIRED);
	seg_model_put(first);
	tear_down(&s);
}

static void test_aliases_are_checked(void **state)
{
	char longest[SEG_SEGMENT_NAME_MAX + 1];
	struct seg_error err = {0};
	struct stage s;

	(void)state;
	set_up(&s, false);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(seg_learner_alias(s.l, 999, "x", &err), SEG_NOT_FOUND);
	assert_int_equal(seg_learner_alias(s.l, 1, longest, &err), SEG_INVALID);
	assert_int_equal(seg_learner_alias(s.l, 1, "a\nb", &err), SEG_INVALID);
	assert_int_equal(seg_learner_alias(s.l, 1, "\xff", &err), SEG_INVALID);
	assert_int_equal(seg_learner_alias(s.l, 1, s.w.model->segments[1].name, &err), SEG_INVALID);
	assert_ok(seg_learner_alias(s.l, 1, "friends", NULL));
	tick(&s);
	assert_string_equal(seg_model_segment_name(s.w.model, 1), "friends");
	assert_true(s.news.segments_len > 0);
	assert_int_equal(seg_learner_alias(s.l, 2, "friends", &err), SEG_INVALID);
	assert_ok(seg_learner_alias(s.l, 1, "", NULL));
	tick(&s);
	assert_string_equal(seg_model_segment_name(s.w.model, 1), s.w.model->segments[0].name);
	tear_down(&s);
}

static void test_diff_counts_the_sample(void **state)
{
	struct seg_buf text;
	struct stage s;
	json_t *diff, *cell;
	json_int_t total = 0, moved = 0;
	size_t i;

	(void)state;
	set_up(&s, true);
	change_customers(&s);
	refit_on_demand(&s);
	assert_non_null(seg_learner_candidate(s.l));
	seg_buf_init(&text, 1 << 20);
	assert_ok(seg_learner_diff(s.l, s.w.model, seg_learner_candidate(s.l), s.w.now_ms, &text, NULL));
	diff = json_loadb((const char *)text.data, text.len, 0, NULL);
	assert_non_null(diff);
	json_array_foreach(json_object_get(diff, "matrix"), i, cell)
	{
		json_int_t n = json_integer_value(json_object_get(cell, "customers"));
		total += n;
		if (!json_equal(json_object_get(cell, "from"), json_object_get(cell, "to")))
			moved += n;
	}
	assert_int_equal(total, json_integer_value(json_object_get(diff, "sample")));
	assert_near((double)moved / (double)total, json_real_value(json_object_get(diff, "moved")), 1e-12);
	assert_int_equal(json_array_size(json_object_get(diff, "segments")), seg_learner_candidate(s.l)->k);
	assert_true(json_array_size(json_object_get(diff, "customers")) <= 20);
	json_decref(diff);
	seg_buf_release(&text);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_candidate_waits_and_is_promoted_under_its_number),
		cmocka_unit_test(test_a_newer_candidate_supersedes),
		cmocka_unit_test(test_a_candidate_survives_its_fold),
		cmocka_unit_test(test_rollback_is_exact_and_keeps_names),
		cmocka_unit_test(test_aliases_are_checked),
		cmocka_unit_test(test_diff_counts_the_sample),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
