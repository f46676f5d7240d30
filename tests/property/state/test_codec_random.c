/* Random profiles, decisions and cuts come back as they were; random and damaged bytes are refused. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include "state/cut.h"
#include "tests/support/random_profile.h"

enum { CHECKSUM_BYTES = 4 };

static struct seg_profile *a_profile(struct seg_rng *r)
{
	struct seg_aggregate_config cfg = {.window = {(uint32_t)seg_rng_below(r, 100), 0, 0, 0}};
	return random_profile(r, seg_rng_below(r, seg_rng_below(r, 4) ? 20 : 500), &cfg);
}

static void assert_same(const struct seg_profile *a, const struct seg_profile *b)
{
	assert_true(seg_str_eq(a->id, b->id));
	assert_int_equal(a->hash, b->hash);
	assert_memory_equal(a->applied, b->applied, sizeof(a->applied));
	assert_true(seg_aggregate_equal(a, b, 0));
	assert_true(seg_decision_equal(&a->decision, &b->decision));
	assert_true(seg_contribution_equal(&a->contribution, &b->contribution));
}

static void encode(const struct seg_profile *p, struct seg_buf *buf)
{
	struct seg_error err;
	seg_buf_clear(buf);
	if (seg_profile_encode(p, buf, &err))
		fail_msg("%s", err.text);
}

static void test_profile_round_trip(void **state)
{
	struct seg_buf first, second;
	struct seg_rng r;
	(void)state;
	seg_rng_init(&r, 10);
	seg_buf_init(&first, SEG_PROFILE_BYTES_MAX);
	seg_buf_init(&second, SEG_PROFILE_BYTES_MAX);
	for (int n = 0; n < 3000; n++) {
		struct seg_profile *p = a_profile(&r), *back = NULL, *clone = seg_profile_clone(p);
		encode(p, &first);
		assert_ok(seg_profile_decode(first.data, first.len, &back, NULL));
		assert_same(p, back);
		encode(back, &second);
		assert_int_equal(first.len, second.len);
		assert_memory_equal(first.data, second.data, first.len);
		encode(clone, &second);
		assert_int_equal(first.len, second.len);
		assert_memory_equal(first.data, second.data, first.len);
		seg_profile_free(p);
		seg_profile_free(back);
		seg_profile_free(clone);
	}
	seg_buf_release(&first);
	seg_buf_release(&second);
}

static void test_profile_damaged_bytes_are_refused(void **state)
{
	struct seg_buf buf;
	struct seg_rng r;
	(void)state;
	seg_rng_init(&r, 11);
	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	for (int n = 0; n < 300; n++) {
		struct seg_profile *p = a_profile(&r), *back = NULL;
		encode(p, &buf);
		for (size_t len = 0; len < buf.len; len += 1 + seg_rng_below(&r, 20)) {
			uint8_t *cut = malloc(len ? len : 1); /* so that a sanitizer sees reads beyond */
			assert_non_null(cut);
			memcpy(cut, buf.data, len);
			assert_int_equal(seg_profile_decode(cut, len, &back, NULL), SEG_CORRUPT);
			free(cut);
		}
		for (int i = 0; i < 100; i++) {
			size_t bit = seg_rng_below(&r, buf.len * 8);
			buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(seg_profile_decode(buf.data, buf.len, &back, NULL), SEG_CORRUPT);
			buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_null(back);
		seg_profile_free(p);
	}
	seg_buf_release(&buf);
}

/* Damage that the checksum does not see: refused, or a profile that can be stored and read again. */
static bool try_content(const uint8_t *content, size_t len)
{
	struct seg_profile *p, *back = NULL;
	struct seg_buf record, again;
	seg_buf_init(&record, len + CHECKSUM_BYTES);
	seg_buf_init(&again, SEG_PROFILE_BYTES_MAX);
	seg_buf_append(&record, content, len);
	seg_buf_u32be(&record, (uint32_t)seg_hash64(content, len));
	enum seg_rc rc = seg_profile_decode(record.data, record.len, &p, NULL);
	if (rc == SEG_OK) {
		assert_ok(seg_profile_encode(p, &again, NULL));
		assert_ok(seg_profile_decode(again.data, again.len, &back, NULL));
		assert_same(p, back);
		seg_profile_free(p);
		seg_profile_free(back);
	} else {
		assert_true(rc == SEG_CORRUPT || rc == SEG_INVALID);
	}
	seg_buf_release(&record);
	seg_buf_release(&again);
	return rc == SEG_OK;
}

static void test_profile_damage_under_a_right_checksum(void **state)
{
	struct seg_buf buf;
	struct seg_rng r;
	int accepted = 0, tried = 0;
	(void)state;
	seg_rng_init(&r, 12);
	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	for (int n = 0; n < 300; n++) {
		struct seg_profile *p = a_profile(&r);
		encode(p, &buf);
		size_t len = buf.len - CHECKSUM_BYTES;
		for (int i = 0; i < 60; i++) {
			size_t at = seg_rng_below(&r, len);
			uint8_t old = buf.data[at];
			buf.data[at] = (uint8_t)seg_rng_next(&r);
			accepted += try_content(buf.data, len);
			buf.data[at] = old;
			accepted += try_content(buf.data, seg_rng_below(&r, len));
			tried += 2;
		}
		seg_profile_free(p);
	}
	assert_true(accepted > tried / 100 && accepted < tried);
	seg_buf_release(&buf);
}

static void test_random_bytes_are_refused(void **state)
{
	uint8_t bytes[300];
	struct seg_profile *p = NULL;
	struct seg_decision d;
	struct seg_cut cut;
	struct seg_rng r;
	(void)state;
	seg_rng_init(&r, 13);
	for (int n = 0; n < 100000; n++) {
		size_t len = seg_rng_below(&r, sizeof(bytes));
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)seg_rng_next(&r);
		if (len > 0)
			bytes[0] = 1;
		assert_int_equal(seg_profile_decode(bytes, len, &p, NULL), SEG_CORRUPT);
		assert_int_equal(seg_decision_decode(bytes, len, &d, NULL), SEG_CORRUPT);
		assert_int_equal(seg_cut_decode(bytes, len, &cut, NULL), SEG_CORRUPT);
	}
}

static void test_decision_round_trip(void **state)
{
	struct seg_buf buf, again;
	struct seg_rng r;
	(void)state;
	seg_rng_init(&r, 14);
	seg_buf_init(&buf, 1024);
	seg_buf_init(&again, 1024);
	for (int n = 0; n < 5000; n++) {
		struct seg_profile *p = random_profile(&r, 0, NULL);
		struct seg_decision back;
		seg_buf_clear(&buf);
		seg_buf_clear(&again);
		assert_ok(seg_decision_encode(&p->decision, &buf, NULL));
		assert_ok(seg_decision_decode(buf.data, buf.len, &back, NULL));
		assert_true(seg_decision_equal(&p->decision, &back));
		assert_ok(seg_decision_encode(&back, &again, NULL));
		assert_int_equal(buf.len, again.len);
		assert_memory_equal(buf.data, again.data, buf.len);
		size_t bit = seg_rng_below(&r, buf.len * 8);
		buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(seg_decision_decode(buf.data, buf.len, &back, NULL), SEG_CORRUPT);
		seg_profile_free(p);
	}
	seg_buf_release(&buf);
	seg_buf_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile_round_trip),
		cmocka_unit_test(test_profile_damaged_bytes_are_refused),
		cmocka_unit_test(test_profile_damage_under_a_right_checksum),
		cmocka_unit_test(test_random_bytes_are_refused),
		cmocka_unit_test(test_decision_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
