/*
 * Random histories of customers over several partitions: they come, move between clusters, change basis and go. At
 * every step the sums equal the recount of all contributions; pieces carry them to a reader exactly; hostile pieces are
 * refused or, if they are sound, come out as they went in.
 */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/sums.h"

enum { PARTITIONS = 3, CUSTOMERS = 60, CLUSTERS = 5, STEPS = 4000, D = 6 };

struct customer {
	struct seg_contribution c; /* basis 0: not there */
	int32_t values[D];
};

struct world {
	struct seg_basis bases[2];
	struct seg_sums *sums[PARTITIONS], *reader[PARTITIONS];
	struct customer customers[CUSTOMERS];
	unsigned newest;
};

static struct world *world_new(void)
{
	struct seg_feature_config features[SEG_MAX_FEATURES];
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(seg_preset("rfm", features, D), D);
	assert_ok(seg_basis_init(&w->bases[0], features, D, NULL, NULL));
	features[0].transform = SEG_SQRT;
	assert_ok(seg_basis_init(&w->bases[1], features, D, NULL, NULL));
	for (int i = 0; i < PARTITIONS; i++) {
		w->sums[i] = seg_sums_new();
		w->reader[i] = seg_sums_new();
		assert_true(w->sums[i] && w->reader[i]);
	}
	return w;
}

static void world_free(struct world *w)
{
	for (int i = 0; i < PARTITIONS; i++) {
		seg_sums_free(w->sums[i]);
		seg_sums_free(w->reader[i]);
	}
	free(w);
}

static int32_t random_value(struct seg_rng *rng)
{
	switch (seg_rng_below(rng, 8)) {
	case 0:
		return SEG_MISSING;
	case 1:
		return seg_rng_below(rng, 2) ? INT32_MAX : -INT32_MAX;
	case 2:
		return 0;
	default:
		return (int32_t)(seg_rng_next(rng) >> 32) / 8;
	}
}

static void random_step(struct world *w, struct seg_rng *rng)
{
	size_t i = seg_rng_below(rng, CUSTOMERS);
	struct customer *c = &w->customers[i];
	struct seg_sums *s = w->sums[i % PARTITIONS];
	const struct seg_basis *newest = &w->bases[w->newest];

	c->c.values = c->values;
	assert_ok(seg_sums_change(s, newest, &c->c, -1, NULL));
	c->c.basis = 0;
	if (seg_rng_below(rng, 5) == 0)
		return;
	c->c = (struct seg_contribution){
		.basis = newest->id, .cluster = 1 + seg_rng_below(rng, CLUSTERS), .len = D, .values = c->values};
	for (int j = 0; j < D; j++)
		c->values[j] = random_value(rng);
	assert_ok(seg_sums_change(s, newest, &c->c, 1, NULL));
}

static struct seg_sums *recount(struct world *w, int partition)
{
	struct seg_sums *s = seg_sums_new();

	assert_non_null(s);
	for (size_t i = CUSTOMERS; i-- > 0;)
		if (partition < 0 || i % PARTITIONS == (size_t)partition)
			assert_ok(seg_sums_change(s, &w->bases[w->newest], &w->customers[i].c, 1, NULL));
	return s;
}

/* What a partition's owner sends, and what the fold makes of it. */
static void publish(const struct world *w, int partition, uint64_t sequence)
{
	struct seg_sums *from = w->sums[partition], *to = w->reader[partition];
	const uint64_t *gone;
	uint64_t got;
	struct seg_buf piece;

	seg_buf_init(&piece, 1 << 20);
	for (size_t i = 0; i < seg_sums_len(from); i++) {
		const struct seg_sum_bucket *b = seg_sums_at(from, i);
		if (!b->changed)
			continue;
		seg_buf_clear(&piece);
		assert_ok(seg_sums_encode(from, b->cluster, sequence, &piece, NULL));
		assert_ok(seg_sums_decode(to, b->cluster, piece.data, piece.len, &got, NULL));
		assert_int_equal(got, sequence);
	}
	for (size_t i = seg_sums_gone(from, &gone); i-- > 0;)
		seg_sums_drop(to, gone[i]);
	seg_sums_clear_changed(from);
	assert_false(seg_sums_any_changed(from));
	assert_true(seg_sums_equal(from, to));
	seg_buf_release(&piece);
}

static void check_total(struct world *w)
{
	struct seg_sums *total = seg_sums_new(), *all = recount(w, -1);

	for (int i = 0; i < PARTITIONS; i++)
		assert_ok(seg_sums_add(total, w->reader[i], NULL));
	assert_true(seg_sums_equal(total, all));
	for (size_t i = 0; i < seg_sums_len(total); i++) {
		const struct seg_sum_bucket *b = seg_sums_at(total, i);
		for (uint32_t j = 0; j < b->len; j++) {
			int64_t binned = 0;
			for (int n = 0; n < SEG_GRID_BINS; n++)
				binned += b->features[j].bins[n];
			assert_true(binned == (b->binned ? b->features[j].count : 0));
		}
	}
	seg_sums_free(total);
	seg_sums_free(all);
}

static void test_sums_equal_the_recount(void **state)
{
	struct seg_rng rng;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct world *w = world_new();
		seg_rng_init(&rng, seed);
		for (int step = 1; step <= STEPS; step++) {
			int partition = step % PARTITIONS;
			random_step(w, &rng);
			if (seg_rng_below(&rng, 300) == 0)
				w->newest = !w->newest;
			if (step % 20 == 0) {
				struct seg_sums *counted = recount(w, partition);
				assert_true(seg_sums_equal(w->sums[partition], counted));
				seg_sums_free(counted);
			}
			if (step % 100 == 0) {
				for (int i = 0; i < PARTITIONS; i++)
					publish(w, i, (uint64_t)step);
				check_total(w);
			}
		}
		/* All go: nothing is left. */
		for (size_t i = 0; i < CUSTOMERS; i++)
			assert_ok(seg_sums_change(w->sums[i % PARTITIONS], NULL, &w->customers[i].c, -1, NULL));
		for (int i = 0; i < PARTITIONS; i++) {
			assert_int_equal(seg_sums_len(w->sums[i]), 0);
			publish(w, i, 1);
		}
		world_free(w);
	}
}

/* A piece that is damaged in a few bytes or cut short: refused with the sums as they were, or a sound one. */
static void check_damaged(const struct seg_buf *piece, struct seg_rng *rng, struct seg_sums *target, unsigned *refused)
{
	size_t len = seg_rng_below(rng, 3) ? piece->len : seg_rng_below(rng, piece->len);
	/* Exactly as long as it says, so that a read past the end is seen. */
	uint8_t *bytes = malloc(len ? len : 1);
	struct seg_sums *before = seg_sums_new();
	struct seg_buf again;
	uint64_t sequence = 0, sequence_again;

	assert_true(bytes && before);
	memcpy(bytes, piece->data, len);
	for (uint64_t n = len ? seg_rng_below(rng, 4) : 0; n-- > 0;)
		bytes[seg_rng_below(rng, len)] = seg_rng_below(rng, 2) ? 0xff : (uint8_t)seg_rng_next(rng);
	assert_ok(seg_sums_add(before, target, NULL));
	seg_buf_init(&again, 1 << 20);
	if (seg_sums_decode(target, 3, bytes, len, &sequence, NULL)) {
		assert_true(seg_sums_equal(before, target));
		++*refused;
	} else {
		assert_ok(seg_sums_encode(target, 3, sequence, &again, NULL));
		assert_ok(seg_sums_decode(before, 3, again.data, again.len, &sequence_again, NULL));
		assert_true(sequence == sequence_again && seg_sums_equal(before, target));
	}
	seg_buf_release(&again);
	seg_sums_free(before);
	free(bytes);
}

static void test_damaged_pieces_do_no_harm(void **state)
{
	struct world *w = world_new();
	struct seg_sums *target = seg_sums_new();
	struct seg_buf piece;
	struct seg_rng rng;
	unsigned refused = 0;

	(void)state;
	seg_rng_init(&rng, 77);
	seg_buf_init(&piece, 1 << 20);
	for (int step = 0; step < 200; step++)
		random_step(w, &rng);
	assert_ok(seg_sums_encode(w->sums[0], 3, 12, &piece, NULL));
	for (int n = 0; n < 20000; n++)
		check_damaged(&piece, &rng, target, &refused);
	assert_true(refused > 5000 && refused < 20000);
	seg_buf_release(&piece);
	seg_sums_free(target);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_equal_the_recount),
		cmocka_unit_test(test_damaged_pieces_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
