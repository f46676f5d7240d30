#include "tests/support/random_profile.h"
#include "tests/support/test.h"

#include "state/codec.h"
#include "state/spare.h"

/* The same bytes: whatever a record holds is in the copy. */
static void assert_same(const struct seg_profile *a, const struct seg_profile *b)
{
	struct seg_buf x, y;

	seg_buf_init(&x, SEG_PROFILE_BYTES_MAX);
	seg_buf_init(&y, SEG_PROFILE_BYTES_MAX);
	assert_ok(seg_profile_encode(a, &x, NULL));
	assert_ok(seg_profile_encode(b, &y, NULL));
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.data, y.data, x.len);
	assert_true(a->hash == b->hash);
	seg_buf_release(&x);
	seg_buf_release(&y);
}

static void test_copies_into_spares_are_whole(void **state)
{
	static struct seg_spares spares = {.limit = 50};
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 5);
	for (int i = 0; i < 3000; i++) {
		struct seg_profile *p = random_profile(&rng, seg_rng_below(&rng, 60), NULL);
		struct seg_profile *copy = seg_spares_clone(&spares, p);

		assert_non_null(copy);
		assert_same(p, copy);
		seg_spares_give(&spares, i % 3 ? copy : p);
		if (i % 3)
			seg_profile_free(p);
		else
			seg_profile_free(copy);
		assert_true(spares.len <= 50);
	}
	seg_spares_give(&spares, NULL);
	seg_spares_release(&spares);
	assert_int_equal(spares.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_into_spares_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
