/* Sums: refusals, buckets that go, basis changes, closing records. (Random histories: tests/property.) */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "segmenter/catalogue.h"
#include "segmenter/sums.h"

static struct seg_basis basis;

static struct seg_contribution contribution(uint64_t cluster, int32_t *values)
{
	return (struct seg_contribution){
		.basis = basis.id, .cluster = cluster, .promotion = 1, .len = basis.len, .values = values};
}

static int setup(void **state)
{
	struct seg_feature_config features[SEG_MAX_FEATURES];
	size_t len = seg_preset("rfm", features, 3);

	*state = seg_sums_new();
	return *state == NULL || seg_basis_init(&basis, features, len, NULL, NULL);
}

static int teardown(void **state)
{
	seg_sums_free(*state);
	return 0;
}

static void test_change_counts_exactly(void **state)
{
	struct seg_sums *s = *state;
	int32_t a[] = {5, -7, SEG_MISSING}, b[] = {INT32_MAX, -INT32_MAX, 3};
	struct seg_contribution ca = contribution(4, a), cb = contribution(4, b);
	const struct seg_sum_bucket *bucket;

	assert_ok(seg_sums_change(s, &basis, &ca, 1, NULL));
	assert_ok(seg_sums_change(s, &basis, &cb, 1, NULL));
	bucket = seg_sums_find(s, basis.id, 4);
	assert_non_null(bucket);
	assert_true(bucket->binned && bucket->changed && bucket->count == 2);
	assert_true(bucket->features[0].count == 2 && bucket->features[0].sum == INT64_C(5) + INT32_MAX);
	assert_true(bucket->features[1].sum == -INT64_C(7) - INT32_MAX);
	assert_true(bucket->features[1].square == 49 + (__int128)INT32_MAX * INT32_MAX);
	assert_true(bucket->features[2].count == 1 && bucket->features[2].sum == 3);
	assert_int_equal(bucket->features[0].bins[seg_basis_bin(&basis.features[0], 5)], 1);
	assert_int_equal(bucket->features[0].bins[SEG_GRID_BINS - 1], 1);
	assert_null(seg_sums_find(s, basis.id, 5));
	assert_null(seg_sums_find(s, basis.id + 1, 4));
}

static void test_change_refuses_what_is_not_in_it(void **state)
{
	struct seg_sums *s = *state;
	int32_t in[] = {5, -7, SEG_MISSING}, other[] = {6, -7, SEG_MISSING}, more[] = {5, -7, 1};
	struct seg_contribution c = contribution(4, in), o = contribution(4, other), m = contribution(4, more),
				elsewhere = contribution(9, in), nobody = contribution(0, in),
				lacking = contribution(8, more), short_one = c;
	struct seg_sums *before = seg_sums_new();
	struct seg_error err;

	assert_ok(seg_sums_change(s, &basis, &c, 1, &err));
	assert_ok(seg_sums_change(before, &basis, &c, 1, &err));
	assert_int_equal(seg_sums_change(s, &basis, &o, -1, &err), SEG_CORRUPT);
	assert_int_equal(seg_sums_change(s, &basis, &m, -1, &err), SEG_CORRUPT);
	assert_int_equal(seg_sums_change(s, &basis, &elsewhere, -1, &err), SEG_CORRUPT);
	assert_int_equal(seg_sums_change(s, &basis, &nobody, 1, &err), SEG_CORRUPT);
	/* The other way round: what has a third value is not taken out without it. */
	assert_ok(seg_sums_change(s, &basis, &lacking, 1, &err));
	lacking.values = in;
	assert_int_equal(seg_sums_change(s, &basis, &lacking, -1, &err), SEG_CORRUPT);
	lacking.values = more;
	assert_ok(seg_sums_change(s, &basis, &lacking, -1, &err));
	short_one.len = 2;
	assert_int_equal(seg_sums_change(s, &basis, &short_one, 1, &err), SEG_CORRUPT);
	assert_true(seg_sums_equal(s, before));
	c.basis = 0;
	assert_ok(seg_sums_change(s, &basis, &c, -1, &err));
	assert_true(seg_sums_equal(s, before));
	seg_sums_free(before);
}

static void test_bucket_goes_with_its_last_customer(void **state)
{
	struct seg_sums *s = *state;
	int32_t in[] = {5, -7, SEG_MISSING};
	struct seg_contribution c = contribution(4, in), d = contribution(2, in);
	const uint64_t *gone;

	assert_false(seg_sums_any_changed(s));
	assert_ok(seg_sums_change(s, &basis, &c, 1, NULL));
	assert_ok(seg_sums_change(s, &basis, &d, 1, NULL));
	assert_int_equal(seg_sums_len(s), 2);
	assert_int_equal(seg_sums_at(s, 0)->cluster, 2);
	seg_sums_clear_changed(s);
	assert_false(seg_sums_any_changed(s));
	assert_ok(seg_sums_change(s, &basis, &c, -1, NULL));
	assert_ok(seg_sums_change(s, &basis, &d, -1, NULL));
	assert_int_equal(seg_sums_len(s), 0);
	assert_true(seg_sums_any_changed(s));
	assert_int_equal(seg_sums_gone(s, &gone), 2);
	assert_true(gone[0] == 2 && gone[1] == 4);
	/* One that comes back before it was told is not gone. */
	assert_ok(seg_sums_change(s, &basis, &c, 1, NULL));
	assert_int_equal(seg_sums_gone(s, &gone), 1);
	assert_true(gone[0] == 2);
	seg_sums_drop(s, 4);
	assert_int_equal(seg_sums_gone(s, &gone), 2);
	seg_sums_clear_changed(s);
	assert_int_equal(seg_sums_gone(s, &gone), 0);
}

static void test_old_basis_shrinks_without_its_grid(void **state)
{
	struct seg_sums *s = *state, *recount = seg_sums_new();
	int32_t a[] = {5, -7, 9}, b[] = {50000000, 1, 2}, other[] = {1, 2};
	struct seg_contribution ca = contribution(4, a), cb = contribution(4, b),
				newer = {.basis = basis.id + 1, .cluster = 4, .len = 2, .values = other};
	struct seg_buf piece;
	uint64_t sequence;

	seg_buf_init(&piece, 1 << 20);
	assert_ok(seg_sums_change(s, &basis, &ca, 1, NULL));
	assert_ok(seg_sums_change(s, &basis, &cb, 1, NULL));
	assert_ok(seg_sums_change(s, NULL, &newer, 1, NULL));
	/* The bucket keeps its own grid, a recount without the basis has none: they are equal all the same. */
	assert_ok(seg_sums_change(s, NULL, &ca, -1, NULL));
	assert_ok(seg_sums_change(recount, NULL, &cb, 1, NULL));
	assert_ok(seg_sums_change(recount, NULL, &newer, 1, NULL));
	assert_true(seg_sums_find(s, basis.id, 4)->binned);
	assert_false(seg_sums_find(recount, basis.id, 4)->binned);
	assert_true(seg_sums_equal(s, recount));
	/* A total of both has no histogram, and a piece of two bases comes back whole. */
	assert_ok(seg_sums_add(s, recount, NULL));
	assert_false(seg_sums_find(s, basis.id, 4)->binned);
	assert_int_equal(seg_sums_find(s, basis.id, 4)->count, 2);
	assert_ok(seg_sums_encode(s, 4, 77, &piece, NULL));
	seg_sums_reset(recount);
	assert_ok(seg_sums_decode(recount, 4, piece.data, piece.len, &sequence, NULL));
	assert_int_equal(sequence, 77);
	assert_true(seg_sums_equal(s, recount));
	/* When one basis goes the other's bucket must be told again. */
	seg_sums_clear_changed(s);
	assert_ok(seg_sums_change(s, NULL, &cb, -1, NULL));
	assert_ok(seg_sums_change(s, NULL, &cb, -1, NULL));
	assert_null(seg_sums_find(s, basis.id, 4));
	assert_true(seg_sums_find(s, basis.id + 1, 4)->changed);
	seg_sums_free(recount);
	seg_buf_release(&piece);
}

static void test_add_refuses_another_grid(void **state)
{
	struct seg_sums *s = *state, *part = seg_sums_new();
	static struct seg_basis other;
	int32_t a[] = {5, -7, 9};
	struct seg_contribution c = contribution(4, a);

	other = basis;
	other.features[0].grid_hi *= 2;
	assert_ok(seg_sums_change(s, &basis, &c, 1, NULL));
	assert_ok(seg_sums_change(part, &other, &c, 1, NULL));
	assert_false(seg_sums_equal(s, part));
	assert_int_equal(seg_sums_add(s, part, NULL), SEG_CORRUPT);
	seg_sums_free(part);
}

static void test_encode_of_nobody_and_of_too_much(void **state)
{
	struct seg_sums *s = *state;
	int32_t a[] = {5, -7, 9};
	struct seg_contribution c = contribution(4, a);
	struct seg_buf out;

	seg_buf_init(&out, 10);
	assert_int_equal(seg_sums_encode(s, 4, 1, &out, NULL), SEG_NOT_FOUND);
	assert_ok(seg_sums_change(s, &basis, &c, 1, NULL));
	assert_int_equal(seg_sums_encode(s, 4, 1, &out, NULL), SEG_LIMIT);
	seg_buf_release(&out);
}

/* A piece of one bucket with one feature on the grid -10 .. 10, by hand. */
struct made {
	uint64_t customers, count;
	int64_t sum, lo, hi;
	uint64_t square, bin, in_bin;
	bool trailing;
};

static enum seg_rc decode_made(const struct made *m)
{
	struct seg_sums *s = seg_sums_new();
	struct seg_buf out;
	uint64_t sequence;
	enum seg_rc rc;

	seg_buf_init(&out, 1000);
	seg_buf_u8(&out, 1);
	seg_buf_varint(&out, 5);
	seg_buf_varint(&out, 1);
	seg_buf_u64le(&out, 77);
	seg_buf_varint(&out, m->customers);
	seg_buf_u8(&out, 1);
	seg_buf_varint(&out, 1);
	seg_buf_varint(&out, m->count);
	seg_buf_zigzag(&out, m->lo);
	seg_buf_zigzag(&out, m->hi);
	seg_buf_zigzag(&out, m->sum);
	seg_buf_varint(&out, m->square);
	seg_buf_varint(&out, 0);
	seg_buf_varint(&out, 1);
	seg_buf_varint(&out, m->bin);
	seg_buf_varint(&out, m->in_bin);
	if (m->trailing)
		seg_buf_u8(&out, 0);
	rc = seg_sums_decode(s, 4, out.data, out.len, &sequence, NULL);
	assert_int_equal(seg_sums_len(s), rc ? 0 : 1);
	seg_sums_free(s);
	seg_buf_release(&out);
	return rc;
}

static void test_decode_refuses_what_no_customers_have(void **state)
{
	/* Two of three customers have 3 and 4. */
	const struct made sound = {
		.customers = 3, .count = 2, .sum = 7, .lo = -10, .hi = 10, .square = 25, .bin = 170, .in_bin = 2};
	struct made m = sound;

	(void)state;
	assert_ok(decode_made(&m));
#define REFUSED(field, what)                                                                                           \
	m = sound;                                                                                                     \
	m.field = (what);                                                                                              \
	assert_int_equal(decode_made(&m), SEG_CORRUPT)
	REFUSED(customers, 1);
	REFUSED(customers, 0);
	REFUSED(sum, 8);
	REFUSED(sum, INT64_C(1) << 40);
	REFUSED(sum, -8);
	REFUSED(square, 24);
	REFUSED(square, UINT64_MAX);
	REFUSED(in_bin, 1);
	REFUSED(in_bin, 3);
	REFUSED(in_bin, 0);
	REFUSED(bin, SEG_GRID_BINS);
	REFUSED(bin, UINT64_MAX);
	REFUSED(lo, 10);
	REFUSED(hi, INT64_C(1) << 31);
	REFUSED(trailing, true);
}

static void test_close_refuses_clusters_out_of_order(void **state)
{
	uint64_t same[] = {5, 5}, none[] = {0}, down[] = {5, 4};
	struct seg_sums_close got, c = {.sequence = 1, .clusters_len = 2, .clusters = same};
	struct seg_buf out;

	(void)state;
	seg_buf_init(&out, 1000);
	seg_sums_close_encode(&c, &out);
	assert_int_equal(seg_sums_close_decode(&got, out.data, out.len, NULL), SEG_CORRUPT);
	seg_buf_clear(&out);
	c.clusters = down;
	seg_sums_close_encode(&c, &out);
	assert_int_equal(seg_sums_close_decode(&got, out.data, out.len, NULL), SEG_CORRUPT);
	seg_buf_clear(&out);
	c.clusters = none;
	c.clusters_len = 1;
	seg_sums_close_encode(&c, &out);
	assert_int_equal(seg_sums_close_decode(&got, out.data, out.len, NULL), SEG_CORRUPT);
	seg_buf_release(&out);
}

static void test_close_round_trip(void **state)
{
	uint64_t clusters[] = {1, 2, 900, UINT64_MAX};
	struct seg_sums_close c = {.sequence = 1234567890123,
				   .pieces = 3,
				   .customers = 99,
				   .swept_promotion = 7,
				   .stream_time_ms = SEG_NO_TIME,
				   .idle = true,
				   .clusters_len = 4,
				   .clusters = clusters},
			      got;
	struct seg_buf out;

	(void)state;
	seg_buf_init(&out, 1000);
	seg_sums_close_encode(&c, &out);
	assert_ok(seg_sums_close_decode(&got, out.data, out.len, NULL));
	assert_true(got.sequence == c.sequence && got.pieces == 3 && got.customers == 99 && got.swept_promotion == 7);
	assert_true(got.stream_time_ms == SEG_NO_TIME && got.idle && got.clusters_len == 4);
	assert_memory_equal(got.clusters, clusters, sizeof(clusters));
	free(got.clusters);
	for (size_t len = 0; len < out.len; len++) {
		/* A copy of its own, so that a read past the end is seen. */
		uint8_t *cut = malloc(len ? len : 1);
		assert_non_null(cut);
		memcpy(cut, out.data, len);
		assert_int_equal(seg_sums_close_decode(&got, cut, len, NULL), SEG_CORRUPT);
		free(cut);
	}
	seg_buf_u8(&out, 0);
	assert_int_equal(seg_sums_close_decode(&got, out.data, out.len, NULL), SEG_CORRUPT);
	seg_buf_release(&out);
}

/* The first bucket, by basis and cluster, that differs or that one side lacks. */
static void test_difference_is_the_first_bucket(void **state)
{
	struct seg_sums *a = seg_sums_new(), *b = seg_sums_new();
	const int32_t one[] = {7, 8}, other[] = {9, 8};
	struct seg_contribution c2 = {.basis = 1, .cluster = 2, .len = 2, .values = (int32_t *)one};
	struct seg_contribution c3 = {.basis = 1, .cluster = 3, .len = 2, .values = (int32_t *)one};
	struct seg_contribution d3 = {.basis = 1, .cluster = 3, .len = 2, .values = (int32_t *)other};
	(void)state;

	assert_null(seg_sums_difference(a, b));
	assert_ok(seg_sums_change(a, NULL, &c3, 1, NULL));
	assert_int_equal(seg_sums_difference(a, b)->cluster, 3);
	assert_int_equal(seg_sums_difference(b, a)->cluster, 3);
	assert_ok(seg_sums_change(b, NULL, &d3, 1, NULL));
	assert_int_equal(seg_sums_difference(a, b)->cluster, 3);
	assert_ok(seg_sums_change(b, NULL, &c2, 1, NULL));
	assert_int_equal(seg_sums_difference(a, b)->cluster, 2);
	assert_int_equal(seg_sums_difference(b, a)->cluster, 2);
	assert_ok(seg_sums_change(a, NULL, &c2, 1, NULL));
	assert_ok(seg_sums_change(b, NULL, &d3, -1, NULL));
	assert_int_equal(seg_sums_difference(a, b)->cluster, 3);
	assert_ok(seg_sums_change(b, NULL, &c3, 1, NULL));
	assert_null(seg_sums_difference(a, b));
	seg_sums_free(a);
	seg_sums_free(b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_change_counts_exactly),
		cmocka_unit_test(test_difference_is_the_first_bucket),
		TEST(test_change_refuses_what_is_not_in_it),
		TEST(test_bucket_goes_with_its_last_customer),
		TEST(test_old_basis_shrinks_without_its_grid),
		TEST(test_add_refuses_another_grid),
		TEST(test_encode_of_nobody_and_of_too_much),
		TEST(test_decode_refuses_what_no_customers_have),
		TEST(test_close_refuses_clusters_out_of_order),
		TEST(test_close_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
