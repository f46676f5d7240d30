/* Every allocation of apply, merge, clone and decode fails once: the error is told, nothing has changed, nothing leaks. */
#include "tests/support/test.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/rng.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include "tests/support/random_profile.h"

/* Allocations until one fails; negative: none does. */
static int countdown = -1;

static bool fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

/* The linker puts these in the place of the C library's (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

static struct seg_profile *clone(const struct seg_profile *p)
{
	struct seg_profile *c = seg_profile_clone(p);
	assert_non_null(c);
	return c;
}

static void assert_unchanged(const struct seg_profile *p, const struct seg_profile *before)
{
	assert_true(seg_aggregate_equal(p, before, 0));
	assert_memory_equal(p->applied, before->applied, sizeof(p->applied));
}

/* Returns the number of failures. */
static int apply_failing(struct seg_profile *p, const struct seg_event *e, int64_t offset)
{
	struct seg_profile *before = clone(p);
	enum seg_applied applied;
	for (int n = 0;; n++) {
		countdown = n;
		enum seg_rc rc = seg_aggregate_apply(p, e, offset, NULL, &applied, NULL);
		bool failed = countdown < 0;
		countdown = -1;
		assert_int_equal(rc, failed ? SEG_NO_MEMORY : SEG_OK);
		if (!failed) {
			seg_profile_free(before);
			return n;
		}
		assert_unchanged(p, before);
	}
}

static void test_apply_without_memory(void **state)
{
	static struct seg_event e;
	struct seg_rng r;
	int failures = 0;
	(void)state;
	seg_rng_init(&r, 20);
	for (int n = 0; n < 50; n++) {
		struct random_style style;
		struct seg_profile *p = seg_profile_new(seg_str_from("c"), 1), *plain = clone(p);
		random_style(&r, &style);
		for (int64_t i = 0; i < 80; i++) {
			enum seg_applied applied;
			random_event(&r, &style, seg_rng_next(&r), &e);
			failures += apply_failing(p, &e, i);
			assert_ok(seg_aggregate_apply(plain, &e, i, NULL, &applied, NULL));
		}
		assert_unchanged(p, plain);
		seg_profile_free(p);
		seg_profile_free(plain);
	}
	assert_true(failures > 1000);
}

static void test_merge_without_memory(void **state)
{
	struct seg_rng r;
	(void)state;
	seg_rng_init(&r, 21);
	for (int n = 0; n < 50; n++) {
		struct seg_profile *into = random_profile(&r, seg_rng_below(&r, 60), NULL), *before = clone(into);
		struct seg_profile *from = random_profile(&r, 60, NULL);
		bool failed = true;
		for (int i = 0; failed; i++) {
			countdown = i;
			enum seg_rc rc = seg_aggregate_merge(into, from, NULL, NULL);
			failed = countdown < 0;
			countdown = -1;
			assert_int_equal(rc, failed ? SEG_NO_MEMORY : SEG_OK);
			if (failed)
				assert_unchanged(into, before);
		}
		seg_profile_free(into);
		seg_profile_free(before);
		seg_profile_free(from);
	}
}

static void test_clone_and_decode_without_memory(void **state)
{
	struct seg_rng r;
	struct seg_buf buf;
	(void)state;
	seg_rng_init(&r, 22);
	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	for (int n = 0; n < 50; n++) {
		struct seg_profile *p = random_profile(&r, 60, NULL), *copy = NULL, *back = NULL;
		seg_buf_clear(&buf);
		assert_ok(seg_profile_encode(p, &buf, NULL));
		for (int i = 0; !copy; i++) {
			countdown = i;
			copy = seg_profile_clone(p);
			assert_true((copy == NULL) == (countdown < 0));
			countdown = -1;
		}
		for (int i = 0; !back; i++) {
			countdown = i;
			enum seg_rc rc = seg_profile_decode(buf.data, buf.len, &back, NULL);
			assert_int_equal(rc, countdown < 0 ? SEG_NO_MEMORY : SEG_OK);
			countdown = -1;
		}
		assert_unchanged(copy, p);
		assert_unchanged(back, p);
		seg_profile_free(p);
		seg_profile_free(copy);
		seg_profile_free(back);
	}
	seg_buf_release(&buf);
}

static void test_encode_without_memory(void **state)
{
	struct seg_rng r;
	(void)state;
	seg_rng_init(&r, 23);
	struct seg_profile *p = random_profile(&r, 300, NULL);
	for (int i = 0;; i++) {
		struct seg_buf buf;
		seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
		countdown = i;
		enum seg_rc rc = seg_profile_encode(p, &buf, NULL);
		bool failed = countdown < 0;
		countdown = -1;
		assert_int_equal(rc, failed ? SEG_NO_MEMORY : SEG_OK);
		assert_true(failed ? buf.len == 0 : buf.len > 0);
		seg_buf_release(&buf);
		if (!failed)
			break;
		assert_true(i < 100);
	}
	seg_profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_without_memory),
		cmocka_unit_test(test_merge_without_memory),
		cmocka_unit_test(test_clone_and_decode_without_memory),
		cmocka_unit_test(test_encode_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
