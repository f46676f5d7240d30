#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "daemon/demo_events.h"
#include "daemon/demo_orders.h"

/* What a whole stream amounts to. */
struct sums {
	uint64_t hash, orders_hash;
	size_t len, orders, synthetic;
};

static uint64_t mix(uint64_t hash, const struct seg_demo_event *ev)
{
	const uint64_t parts[] = {hash, ev->source, (uint64_t)ev->time_ms, seg_hash64(ev->key.ptr, ev->key.len),
				  seg_hash64(ev->value.ptr, ev->value.len)};

	return seg_hash64(parts, sizeof parts);
}

static struct sums play(uint64_t seed)
{
	struct seg_demo_events *it = NULL;
	struct seg_demo_event ev;
	struct seg_error err;
	struct sums s = {0};
	int64_t last_ms = INT64_MIN;

	assert_ok(seg_demo_events_open(seed, NULL, &it, &err));
	for (; seg_demo_events_next(it, &ev) == SEG_OK; s.len++) {
		assert_true(ev.time_ms >= last_ms);
		last_ms = ev.time_ms;
		assert_non_null(ev.key.ptr);
		assert_int_equal(ev.synthetic, ev.source != SEG_ORDERS);
		s.hash = mix(s.hash, &ev);
		s.synthetic += ev.synthetic;
		if (ev.source == SEG_ORDERS) {
			s.orders_hash = mix(s.orders_hash, &ev);
			s.orders++;
		}
	}
	assert_int_equal(s.len, seg_demo_events_len(it));
	assert_int_equal(seg_demo_events_next(it, &ev), SEG_NOT_FOUND);
	seg_demo_events_close(it);
	return s;
}

static void test_demo_events_same_seed_same_bytes(void **state)
{
	struct sums a = play(1), b = play(1);

	(void)state;
	assert_memory_equal(&a, &b, sizeof a);
	assert_true(a.len >= 210000);
	assert_int_equal(a.orders, 25900);
}

static void test_demo_events_other_seed_other_world_same_orders(void **state)
{
	struct sums a = play(1), b = play(2);

	(void)state;
	assert_true(a.hash != b.hash);
	assert_true(a.orders_hash == b.orders_hash);
}

static void test_demo_events_live_side_by_side(void **state)
{
	struct seg_demo_events *a = NULL, *b = NULL;
	struct seg_demo_event x, y;
	char *kept;

	(void)state;
	assert_ok(seg_demo_events_open(7, NULL, &a, NULL));
	assert_ok(seg_demo_events_open(7, NULL, &b, NULL));
	for (int i = 0; i < 5000; i++) {
		assert_ok(seg_demo_events_next(a, &x));
		kept = malloc(x.value.len);
		memcpy(kept, x.value.ptr, x.value.len);
		assert_ok(seg_demo_events_next(b, &y));
		assert_int_equal(y.value.len, x.value.len);
		assert_memory_equal(y.value.ptr, kept, x.value.len);
		free(kept);
	}
	seg_demo_events_close(a);
	seg_demo_events_close(b);
	seg_demo_events_close(NULL);
}

static void test_demo_orders_read_is_the_file(void **state)
{
	struct seg_demo_orders compiled_in, from_file;
	size_t len, nobody = 0, cancelled = 0;

	(void)state;
	assert_non_null(seg_demo_orders_file(&len));
	assert_in_range(len, 100000, 1000000);
	assert_ok(seg_demo_orders_read(NULL, &compiled_in, NULL));
	assert_ok(seg_demo_orders_read(SEG_SOURCE_DIR "/config/demo/online_retail_orders.avro", &from_file, NULL));
	assert_int_equal(compiled_in.len, 25900);
	assert_int_equal(from_file.len, 25900);
	for (size_t i = 0; i < compiled_in.len; i++) {
		const struct seg_demo_order *a = &compiled_in.items[i], *b = &from_file.items[i];

		assert_true(seg_str_eq(a->order_id, b->order_id) && a->amount == b->amount && a->time_ms == b->time_ms);
		nobody += !a->customer_id.len;
		cancelled += a->kind == SEG_ORDER_REFUND;
	}
	assert_int_equal(nobody, 3710);
	assert_int_equal(cancelled, 3836);
	seg_demo_orders_release(&compiled_in);
	seg_demo_orders_release(&from_file);
}

static void test_demo_orders_read_refuses_what_is_not_orders(void **state)
{
	struct seg_demo_orders o = {.len = 99};
	struct seg_error err;

	(void)state;
	assert_int_equal(seg_demo_orders_read("/nowhere/orders.avro", &o, &err), SEG_IO);
	assert_non_null(strstr(err.text, "/nowhere/orders.avro"));
	assert_int_equal(seg_demo_orders_read(SEG_SOURCE_DIR "/config/demo/README.md", &o, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "README.md"));
	assert_int_equal(o.len, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_demo_events_same_seed_same_bytes),
		cmocka_unit_test(test_demo_events_other_seed_other_world_same_orders),
		cmocka_unit_test(test_demo_events_live_side_by_side),
		cmocka_unit_test(test_demo_orders_read_is_the_file),
		cmocka_unit_test(test_demo_orders_read_refuses_what_is_not_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
