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

static void test_images_are_whole(void **state)
{
	static struct seg_spares spares = {.limit = 50};
	struct seg_image *kept[20] = {NULL};
	struct seg_profile *of[20] = {NULL};
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 5);
	for (int i = 0; i < 3000; i++) {
		size_t at = seg_rng_below(&rng, 20);

		if (kept[at]) {
			assert_same(of[at], &kept[at]->profile);
			seg_profile_free(of[at]);
		}
		seg_spares_give(&spares, kept[at]);
		assert_true(spares.len <= 50);
		of[at] = random_profile(&rng, seg_rng_below(&rng, 60), NULL);
		kept[at] = seg_spares_image(&spares, of[at]);
		assert_non_null(kept[at]);
	}
	for (int i = 0; i < 20; i++) {
		seg_profile_free(of[i]);
		seg_image_free(kept[i]);
	}
	seg_spares_give(&spares, NULL);
	seg_spares_release(&spares);
	assert_int_equal(spares.len, 0);
}

/* What is in the image is its own: the profile goes on, or away, and the image stays as it was. */
static void test_an_image_points_into_itself(void **state)
{
	static struct seg_spares spares = {.limit = 4};
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 6);
	for (int i = 0; i < 300; i++) {
		struct seg_profile *p = random_profile(&rng, seg_rng_below(&rng, 60), NULL),
				   *same = seg_profile_clone(p);
		struct seg_image *image = seg_spares_image(&spares, p);

		assert_non_null(same);
		assert_non_null(image);
		seg_profile_free(p);
		assert_same(same, &image->profile);
		seg_profile_free(same);
		seg_spares_give(&spares, image);
	}
	assert_true(spares.len >= 1 && spares.len <= 4);
	seg_spares_release(&spares);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_images_are_whole),
		cmocka_unit_test(test_an_image_points_into_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
