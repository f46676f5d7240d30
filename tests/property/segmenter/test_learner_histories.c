/*
 * Random histories of the fold: customers come, buy and are evaluated in part; partitions publish; records are read
 * again; the fold changes hands, with the whole log or with what compaction left of it. After every reading the
 * learner's totals are the recount of all contributions, its sample is who lies below the bound, and two folds that read
 * in different ways have made the same models.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/learner_internal.h"
#include "tests/support/fold_world.h"

#define T0 INT64_C(1300000000000)

enum { HISTORIES = 30, DAYS = 25 };

static struct seg_learner_config config_of(struct seg_rng *rng)
{
	struct seg_learner_config c = {.k = 2 + (uint32_t)seg_rng_below(rng, 5),
				       .k_auto = seg_rng_below(rng, 3) == 0,
				       .k_min = 2,
				       .k_max = 4,
				       .min_customers = 50 + seg_rng_below(rng, 100),
				       .seed = seg_rng_next(rng),
				       .refit_sample = 100,
				       .refit_interval_ms = (int64_t)(1 + seg_rng_below(rng, 9)) * SEG_DAY_MS,
				       .drift_window_ms = 7 * SEG_DAY_MS,
				       .psi_warning = 0.1,
				       .psi_critical = 0.25,
				       .gate = SEG_GATE_DEFAULTS};

	c.features_len = (uint32_t)seg_preset("rfm", c.features, SEG_MAX_FEATURES);
	return c;
}

static struct seg_learner *learner(const struct seg_learner_config *c)
{
	struct seg_learner *l;

	assert_ok(seg_learner_new(c, &l, NULL));
	return l;
}

static void live(struct world *w, struct seg_rng *rng)
{
	char id[32];

	w->now_ms += 1 + (int64_t)seg_rng_below(rng, 2 * SEG_DAY_MS);
	for (uint64_t n = seg_rng_below(rng, 60); n > 0; n--) {
		snprintf(id, sizeof(id), "%zu", w->len);
		(void)world_customer(w, id);
	}
	for (uint64_t n = seg_rng_below(rng, 150); n > 0 && w->len; n--)
		world_purchase(w, seg_rng_below(rng, w->len), w->now_ms, (int64_t)seg_rng_below(rng, 100000000) + 1);
	for (uint64_t n = seg_rng_below(rng, 400); n > 0 && w->len; n--)
		world_evaluate(w, seg_rng_below(rng, w->len));
}

/* Sums may be read again at any time; samples are registers, their order is the log's. */
static void read_again(struct world *w, struct seg_learner *l, size_t fed, struct seg_rng *rng)
{
	size_t from = seg_rng_below(rng, fed + 1), to = from + seg_rng_below(rng, fed - from + 1);

	for (size_t i = from; i < to; i++) {
		const struct world_record *r = &w->log[i];
		if (r->kind == WORLD_PIECE && r->value)
			assert_ok(seg_learner_take_piece(l, r->partition, r->cluster, r->value, r->len, NULL));
		else if (r->kind == WORLD_CLOSE)
			assert_ok(seg_learner_take_close(l, r->partition, r->value, r->len, NULL));
	}
}

/* Up to anywhere, also between a piece and its closing record. */
static size_t feed_some(struct world *w, struct seg_learner *l, size_t fed, struct seg_rng *rng)
{
	size_t len = w->log_len;

	w->log_len = fed + seg_rng_below(rng, len - fed + 1);
	fed = world_feed(w, l, fed);
	w->log_len = len;
	return fed;
}

static bool same_key(const struct world_record *a, const struct world_record *b)
{
	return a->kind == b->kind && a->partition == b->partition && a->cluster == b->cluster &&
	       (a->kind != WORLD_SAMPLE || seg_str_eq(a->customer, b->customer));
}

/* A new owner reads the log, compacted up to a random place. */
static struct seg_learner *successor(struct world *w, const struct seg_learner_config *c, struct seg_rng *rng)
{
	size_t compacted = seg_rng_below(rng, w->log_len + 1);
	struct seg_learner *l = learner(c);
	struct world kept = *w;

	kept.log = calloc(w->log_len + 1, sizeof(*kept.log));
	kept.log_len = 0;
	assert_non_null(kept.log);
	for (size_t i = 0; i < w->log_len; i++) {
		bool last = true;
		for (size_t j = i + 1; last && j < compacted; j++)
			last = !same_key(&w->log[i], &w->log[j]);
		if (i >= compacted || (last && w->log[i].value))
			kept.log[kept.log_len++] = w->log[i];
	}
	assert_ok(seg_learner_start(l, w->model, NULL));
	(void)world_feed(&kept, l, 0);
	free(kept.log);
	return l;
}

static void assert_totals(const struct world *w, const struct seg_learner *l)
{
	struct seg_sums *expected = seg_sums_new();
	size_t below = 0;

	assert_non_null(expected);
	for (int32_t p = 0; p < w->partitions; p++)
		assert_ok(seg_sums_add(expected, w->parts[p].sums, NULL));
	assert_true(seg_sums_equal(l->total, expected));
	seg_sums_free(expected);
	assert_int_equal(l->customers, w->len);
	for (size_t i = 0; i < w->len; i++)
		below += w->customers[i].sampled && seg_hash_sample(w->customers[i].profile->id) < l->bound;
	assert_int_equal(l->sample_len, below);
}

static void assert_same(const struct seg_model *a, const struct seg_model *b)
{
	struct seg_buf x, y;

	assert_int_equal(a != NULL, b != NULL);
	if (!a)
		return;
	seg_buf_init(&x, 1 << 24);
	seg_buf_init(&y, 1 << 24);
	assert_ok(seg_model_encode(a, &x, NULL));
	assert_ok(seg_model_encode(b, &y, NULL));
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	seg_buf_release(&x);
	seg_buf_release(&y);
}

static void refit(struct seg_learner *l, int64_t now_ms)
{
	struct seg_refit *r = seg_learner_refit_begin(l, now_ms);

	assert_non_null(r);
	seg_refit_run(r);
	assert_ok(seg_learner_refit_end(l, r, NULL));
}

/* Ticks until no refit is due. */
static void learn(struct world *w, struct seg_learner *a, struct seg_learner *b)
{
	struct seg_learner_news x, y;
	bool swept = false;

	do {
		assert_ok(seg_learner_tick(a, w->now_ms, w->partitions, &x, NULL));
		assert_ok(seg_learner_tick(b, w->now_ms, w->partitions, &y, NULL));
		assert_same(x.model, y.model);
		assert_int_equal(x.refit_due, y.refit_due);
		assert_int_equal(x.alerts_len, y.alerts_len);
		/* A promotion sweeps everybody at once; that is published with the next day. */
		if (!swept) {
			assert_totals(w, a);
			assert_totals(w, b);
		}
		swept = swept || x.promoted;
		world_take_model(w, x.model);
		if (x.refit_due) {
			refit(a, w->now_ms);
			refit(b, w->now_ms);
		}
	} while (x.refit_due);
}

static uint64_t play(uint64_t seed)
{
	struct seg_learner_config c;
	struct seg_learner *a, *b;
	struct seg_rng rng;
	struct world w;
	size_t fed_b = 0;
	uint64_t promotions;

	seg_rng_init(&rng, seed);
	c = config_of(&rng);
	a = learner(&c);
	b = learner(&c);
	world_init(&w, 1 + (int32_t)seg_rng_below(&rng, 4));
	w.now_ms = T0;
	for (int day = 0; day < DAYS; day++) {
		live(&w, &rng);
		world_publish(&w);
		w.fed = world_feed(&w, a, w.fed);
		fed_b = feed_some(&w, b, fed_b, &rng);
		read_again(&w, b, fed_b, &rng);
		fed_b = world_feed(&w, b, fed_b);
		read_again(&w, b, fed_b, &rng);
		learn(&w, a, b);
		if (w.model && seg_rng_below(&rng, 4) == 0) {
			seg_learner_free(b);
			b = successor(&w, &c, &rng);
			fed_b = w.log_len;
		}
	}
	promotions = w.model->promotion;
	seg_learner_free(a);
	seg_learner_free(b);
	world_release(&w);
	return promotions;
}

static void test_histories(void **state)
{
	uint64_t promotions = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= HISTORIES; seed++)
		promotions += play(seed);
	assert_true(promotions > HISTORIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
