/* Of fits about as good as the best, the one that moves the fewest. */
#include "segmenter/near.h"

#include <string.h>

#include "base/rng.h"
#include "tests/support/test.h"

enum { ROWS = 800 };

struct square {
	double x[ROWS * 2];
	uint32_t by_x[ROWS], by_y[ROWS];
};

/* Four clouds at (+-1, +-height): two clusters may be left and right or above and below. */
static void make_square(struct square *s, double height)
{
	struct seg_rng rng;

	seg_rng_init(&rng, 1);
	for (size_t i = 0; i < ROWS; i++) {
		s->by_x[i] = i % 2;
		s->by_y[i] = i / 2 % 2;
		s->x[2 * i] = (s->by_x[i] ? 1 : -1) + .02 * seg_rng_unit(&rng);
		s->x[2 * i + 1] = (s->by_y[i] ? height : -height) + .02 * seg_rng_unit(&rng);
	}
}

static void fit(const struct square *s, struct seg_kmeans *ret)
{
	assert_ok(seg_kmeans_fit(s->x, ROWS, 2, &(struct seg_kmeans_options){.k = 2, .seed = 3}, ret, NULL));
}

static double share_of(const uint32_t *from, const uint32_t *to)
{
	double share = -1;

	assert_ok(seg_moved_share(from, to, ROWS, 2, &share, NULL));
	return share;
}

static double find(const struct square *s, const double *current, const uint32_t *labels, struct seg_kmeans *best)
{
	double moved = -1;

	assert_ok(seg_near_find(&(struct seg_near_search){s->x, ROWS, 2, 2, current, labels, 5, NULL}, best, &moved,
				NULL));
	return moved;
}

static void test_moved_share_matches_clusters_first(void **state)
{
	struct square s;
	uint32_t other[ROWS];
	(void)state;

	make_square(&s, 1);
	for (size_t i = 0; i < ROWS; i++)
		other[i] = 1 - s.by_x[i];
	assert_true(share_of(s.by_x, s.by_x) == 0);
	assert_true(share_of(s.by_x, other) == 0);
	for (size_t i = 0; i < ROWS / 10; i++)
		other[i] = 1 - other[i];
	assert_near(share_of(s.by_x, other), .1, 1e-12);
	assert_near(share_of(s.by_x, s.by_y), .5, 1e-12);
}

static void test_a_fit_hardly_better_moves_nobody(void **state)
{
	const double above_below[] = {0, -1, 0, 1};
	struct square s;
	struct seg_kmeans best;
	(void)state;

	make_square(&s, .998);
	fit(&s, &best);
	double inertia = best.inertia;
	assert_near(share_of(s.by_x, best.labels), 0, 1e-12);
	assert_near(find(&s, above_below, s.by_y, &best), 0, 1e-12);
	assert_near(share_of(s.by_y, best.labels), 0, 1e-12);
	assert_true(best.inertia > inertia && best.inertia < 1.0125 * inertia);
	seg_kmeans_release(&best);
}

static void test_a_fit_much_better_is_taken(void **state)
{
	const double above_below[] = {0, -1, 0, 1};
	struct square s;
	struct seg_kmeans best;
	(void)state;

	make_square(&s, .98);
	fit(&s, &best);
	double inertia = best.inertia;
	assert_near(find(&s, above_below, s.by_y, &best), .5, 1e-12);
	assert_near(share_of(s.by_x, best.labels), 0, 1e-12);
	assert_near(best.inertia, inertia, 1e-9 * inertia);
	seg_kmeans_release(&best);
}

static void test_the_same_seed_finds_the_same(void **state)
{
	struct square s;
	struct seg_kmeans a, b;
	double current[2 * 3];
	(void)state;

	make_square(&s, .9);
	memcpy(current, s.x, sizeof(current));
	struct seg_kmeans_options options = {.k = 3, .seed = 3};
	assert_ok(seg_kmeans_fit(s.x, ROWS, 2, &options, &a, NULL));
	assert_ok(seg_kmeans_fit(s.x, ROWS, 2, &options, &b, NULL));
	double moved[2];
	struct seg_near_search search = {s.x, ROWS, 2, 3, current, s.by_x, 5, NULL};
	assert_ok(seg_near_find(&search, &a, &moved[0], NULL));
	assert_ok(seg_near_find(&search, &b, &moved[1], NULL));
	assert_true(moved[0] == moved[1]);
	assert_memory_equal(a.centroids, b.centroids, 2 * 3 * sizeof(double));
	seg_kmeans_release(&a);
	seg_kmeans_release(&b);
}

static void test_a_cancelled_search_gives_up(void **state)
{
	atomic_bool cancelled = true;
	struct square s;
	struct seg_kmeans best;
	double moved;
	(void)state;

	make_square(&s, .9);
	fit(&s, &best);
	struct seg_near_search search = {s.x, ROWS, 2, 2, s.x, s.by_x, 5, &cancelled};
	assert_int_equal(seg_near_find(&search, &best, &moved, NULL), SEG_RETRY);
	seg_kmeans_release(&best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moved_share_matches_clusters_first),
		cmocka_unit_test(test_a_fit_hardly_better_moves_nobody),
		cmocka_unit_test(test_a_fit_much_better_is_taken),
		cmocka_unit_test(test_the_same_seed_finds_the_same),
		cmocka_unit_test(test_a_cancelled_search_gives_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
