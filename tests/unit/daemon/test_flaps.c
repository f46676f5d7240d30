/* Flaps, and the margin that follows from them, of streams whose moves are made up. */
#include <math.h>

#include "daemon/flaps.h"
#include "tests/support/test.h"

#define DAY SEG_DAY_MS

struct mover {
	struct seg_decision d;
	struct seg_moves *m;
};

/* The new centroid is closer by `advantage`; NAN: nothing to compare with. */
static void move(struct mover *c, uint64_t to, double advantage, int64_t day)
{
	seg_moves_note(c->m, &c->d, to, isnan(advantage) ? (double)NAN : 2, 2 * (1 - advantage), day * DAY);
	c->d.cluster = to;
	c->d.since_ms = day * DAY;
}

static struct mover fresh(struct seg_moves *m)
{
	return (struct mover){.d = {.since_ms = SEG_NO_TIME}, .m = m};
}

static uint64_t flaps_of(const struct seg_moves *m, uint64_t cluster)
{
	const struct seg_segment_counts *c = seg_moves_of(m, cluster);

	return c ? c->flaps : 0;
}

static void test_there_and_back_within_seven_days_is_a_flap_of_both(void **state)
{
	static struct seg_moves m;
	struct mover c = fresh(&m);

	(void)state;
	move(&c, 1, NAN, 0);
	move(&c, 2, .3, 10);
	move(&c, 1, .2, 17);
	assert_int_equal(flaps_of(&m, 1), 1);
	assert_int_equal(flaps_of(&m, 2), 1);
	assert_true(c.d.flapped && c.d.previous == 2);
	move(&c, 2, .2, 25); /* eight days */
	move(&c, 3, .2, 26);
	move(&c, 1, .2, 27); /* by another way */
	assert_int_equal(flaps_of(&m, 1), 1);
	assert_int_equal(flaps_of(&m, 2), 1);
	assert_int_equal(flaps_of(&m, 3), 0);
	assert_false(c.d.flapped);
}

static void test_leaving_for_good_and_first_assignments_are_none(void **state)
{
	static struct seg_moves m;
	struct mover c = fresh(&m);

	(void)state;
	move(&c, 1, NAN, 0);
	move(&c, 0, NAN, 1);
	move(&c, 1, NAN, 2);
	assert_int_equal(flaps_of(&m, 1), 0);
	for (size_t i = 0; i < SEG_ADVANTAGES; i++)
		assert_int_equal(m.all[i] + m.legs[i] + m.flaps[i], 0);
}

static void test_a_move_is_the_leg_of_a_flap_once(void **state)
{
	static struct seg_moves m;
	struct mover c = fresh(&m);
	uint64_t legs = 0, all = 0, flaps = 0;

	(void)state;
	move(&c, 1, NAN, 0);
	for (int i = 0; i < 4; i++)
		move(&c, i % 2 ? 1 : 2, .155, i + 1);
	for (size_t i = 0; i < SEG_ADVANTAGES; i++) {
		legs += m.legs[i];
		all += m.all[i];
		flaps += m.flaps[i];
	}
	assert_int_equal(all, 4);
	assert_int_equal(flaps, 3);
	assert_int_equal(legs, 4);
	assert_int_equal(m.flaps[15], 3);
}

/* 20 flaps that were closer by .10 to .29 on the way there and by .6 on the way back, beside 100 moves by .12 and 300 by .5
 * that were none: ten of the flaps lie below .20, and a quarter of the others. */
static void test_advice_is_the_least_margin_that_halves_the_flaps(void **state)
{
	static struct seg_moves m;
	struct seg_margin_advice a;

	(void)state;
	for (int i = 0; i < 400; i++) {
		struct mover c = fresh(&m);
		move(&c, 1, NAN, 0);
		move(&c, 2, i < 100 ? .125 : .5, 5);
	}
	for (int i = 0; i < 20; i++) {
		struct mover c = fresh(&m);
		seg_moves_advice(&m, &a);
		assert_true(isnan(a.margin) && isnan(a.others)); /* fewer than 20 flaps */
		move(&c, 1, NAN, 0);
		move(&c, 2, .105 + .01 * i, 5);
		move(&c, 1, .6, 6);
	}
	seg_moves_advice(&m, &a);
	assert_near(a.margin, .20, 1e-12);
	assert_near(a.others, .25, 1e-12);
	assert_int_equal(a.flaps, 20);
	assert_int_equal(a.moves, 440);
}

static void test_sums_of_workers_are_those_of_one(void **state)
{
	static struct seg_moves one, parts[2], sum;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct seg_moves *at[] = {&one, &parts[i % 2]};
		for (int j = 0; j < 2; j++) {
			struct mover c = fresh(at[j]);
			move(&c, 1 + (uint64_t)i % 5, NAN, 0);
			move(&c, 7 + (uint64_t)i % 3, .01 * (i % 90), 1);
			move(&c, 1 + (uint64_t)i % 5, .01 * (i % 70), 1 + i % 12);
			seg_moves_suppressed(at[j], 1 + (uint64_t)i % 5);
		}
	}
	seg_moves_add(&sum, &parts[0]);
	seg_moves_add(&sum, &parts[1]);
	assert_memory_equal(sum.all, one.all, sizeof(one.all));
	assert_memory_equal(sum.legs, one.legs, sizeof(one.legs));
	assert_memory_equal(sum.flaps, one.flaps, sizeof(one.flaps));
	for (uint64_t c = 1; c < 12; c++) {
		assert_int_equal(flaps_of(&sum, c), flaps_of(&one, c));
		assert_int_equal(seg_moves_of(&sum, c) ? seg_moves_of(&sum, c)->suppressed : 0,
				 seg_moves_of(&one, c) ? seg_moves_of(&one, c)->suppressed : 0);
	}
	assert_true(flaps_of(&one, 1) > 50 && seg_moves_of(&one, 1)->suppressed == 200);
}

static void test_segments_are_bounded_and_the_oldest_goes(void **state)
{
	static struct seg_moves m;

	(void)state;
	for (uint64_t c = 1; c <= SEG_FLAP_SEGMENTS + 5; c++)
		seg_moves_suppressed(&m, c);
	assert_null(seg_moves_of(&m, 5));
	assert_non_null(seg_moves_of(&m, 6));
	assert_int_equal(seg_moves_of(&m, SEG_FLAP_SEGMENTS + 5)->suppressed, 1);
	seg_moves_suppressed(&m, 3); /* retired long ago */
	assert_null(seg_moves_of(&m, 3));
	assert_non_null(seg_moves_of(&m, 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back_within_seven_days_is_a_flap_of_both),
		cmocka_unit_test(test_leaving_for_good_and_first_assignments_are_none),
		cmocka_unit_test(test_a_move_is_the_leg_of_a_flap_once),
		cmocka_unit_test(test_advice_is_the_least_margin_that_halves_the_flaps),
		cmocka_unit_test(test_sums_of_workers_are_those_of_one),
		cmocka_unit_test(test_segments_are_bounded_and_the_oldest_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
