#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/hash.h"
#include "producers/headers.h"

static void assert_value(const struct seg_header *list, size_t len, const char *name, const char *value)
{
	const struct seg_header *found = NULL;

	for (size_t i = 0; i < len; i++) {
		if (!strcmp(list[i].name, name))
			found = &list[i];
	}
	if (!value) {
		assert_null(found);
		return;
	}
	if (!found) {
		fail_msg("no header %s", name);
		return; /* for analysers: it does not return */
	}
	assert_int_equal(found->len, strlen(value));
	assert_memory_equal(found->value, value, found->len);
}

static void test_ce_headers_set_makes_a_cloud_event(void **state)
{
	struct seg_ce_headers h;

	(void)state;
	seg_ce_headers_set(&h, SEG_OUTPUT_CHANGE, SEG_FORMAT_AVRO, "shop", seg_str_from("0123"), 1323435000123);
	assert_int_equal(h.len, SEG_CE_HEADERS);
	assert_value(h.list, h.len, "ce_specversion", "1.0");
	assert_value(h.list, h.len, "ce_id", "0123");
	assert_value(h.list, h.len, "ce_type", "segmentd.segment_change.v1");
	assert_value(h.list, h.len, "ce_source", "segmentd/shop");
	assert_value(h.list, h.len, "ce_time", "2011-12-09T12:50:00.123Z");
	assert_value(h.list, h.len, "content-type", "application/avro");
	seg_ce_headers_set(&h, SEG_OUTPUT_ALERT, SEG_FORMAT_JSON, "shop", seg_str_from("a"), 0);
	assert_value(h.list, h.len, "ce_type", "segmentd.drift_alert.v1");
	assert_value(h.list, h.len, "ce_time", "1970-01-01T00:00:00Z");
	assert_value(h.list, h.len, "content-type", "application/json");
}

static void test_ce_headers_set_cuts_a_long_app(void **state)
{
	struct seg_ce_headers h;
	char app[2000];

	(void)state;
	memset(app, 'a', sizeof app);
	app[sizeof app - 1] = 0;
	seg_ce_headers_set(&h, SEG_OUTPUT_SEGMENT, SEG_FORMAT_AVRO, app, seg_str_from("s1"), 0);
	assert_value(h.list, h.len, "ce_type", "segmentd.segment.v1");
	assert_int_equal(h.list[3].len, SEG_HEADER_TEXT - 1);
	assert_value(h.list, h.len, "ce_time", "1970-01-01T00:00:00Z");
}

static const struct seg_header originals[] = {{"traceparent", "00-abc-01", 9}, {"x", "\x00\x01", 2}};

static struct seg_dead_letter a_letter(void)
{
	return (struct seg_dead_letter){
		.key = seg_str_from("k"),
		.value = seg_str_from("abc"),
		.headers = originals,
		.headers_len = 2,
		.topic = "orders",
		.partition = 3,
		.offset = INT64_C(1) << 40,
		.timestamp_ms = 1323435000123,
		.reason = "bad_amount",
		.text = "amount is negative: send refunds as kind refund",
		.schema_id = seg_str_from("55f4f9e88662682f"),
	};
}

static void test_dlq_record_keeps_the_original_and_says_whence(void **state)
{
	struct seg_dead_letter letter = a_letter();
	struct seg_dlq_record r;

	(void)state;
	assert_ok(seg_dlq_record_init(&r, &letter, 1 << 20, NULL));
	assert_int_equal(r.headers_len, 2 + 7);
	assert_memory_equal(r.headers, originals, sizeof originals);
	assert_ptr_equal(r.value.ptr, letter.value.ptr);
	assert_value(r.headers, r.headers_len, "segmentd.dlq.topic", "orders");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.partition", "3");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.offset", "1099511627776");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.timestamp", "1323435000123");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.reason", "bad_amount");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.text", letter.text);
	assert_value(r.headers, r.headers_len, "segmentd.dlq.schema_id", "55f4f9e88662682f");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.truncated", NULL);
	assert_value(r.headers, r.headers_len, "truncated", NULL);
	seg_dlq_record_release(&r);
}

static void test_dlq_record_leaves_out_what_is_absent(void **state)
{
	struct seg_dead_letter letter = a_letter();
	struct seg_dlq_record r;

	(void)state;
	letter.headers_len = 0;
	letter.value = letter.schema_id = (struct seg_str){0};
	letter.timestamp_ms = SEG_NO_TIME;
	assert_ok(seg_dlq_record_init(&r, &letter, 1 << 20, NULL));
	assert_int_equal(r.headers_len, 5);
	assert_null(r.value.ptr);
	assert_value(r.headers, r.headers_len, "segmentd.dlq.timestamp", NULL);
	assert_value(r.headers, r.headers_len, "segmentd.dlq.schema_id", NULL);
	seg_dlq_record_release(&r);
}

/* What the record costs at least: its bytes. */
static size_t bytes_of(const struct seg_dlq_record *r, const struct seg_dead_letter *letter)
{
	size_t bytes = letter->key.len + r->value.len;

	for (size_t i = 0; i < r->headers_len; i++)
		bytes += strlen(r->headers[i].name) + r->headers[i].len;
	return bytes;
}

static void test_dlq_record_replaces_a_large_value_by_its_digest(void **state)
{
	struct seg_dead_letter letter = a_letter();
	struct seg_dlq_record r;
	char *value = malloc(1000000);

	(void)state;
	memset(value, 'a', 1000000); /* FIPS 180-2, appendix B.3 */
	letter.value = (struct seg_str){value, 1000000};
	assert_ok(seg_dlq_record_init(&r, &letter, 1000000, NULL));
	assert_null(r.value.ptr);
	assert_memory_equal(r.headers, originals, sizeof originals);
	assert_int_equal(r.headers_len, 2 + 7 + 4);
	assert_value(r.headers, r.headers_len, "segmentd.dlq.truncated", "true");
	assert_value(r.headers, r.headers_len, "truncated", "true");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.sha256",
		     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.bytes", "1000000");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.text", letter.text);
	seg_dlq_record_release(&r);
	free(value);
}

static void test_dlq_record_leaves_out_headers_that_are_too_large(void **state)
{
	struct seg_dead_letter letter = a_letter();
	struct seg_dlq_record r;
	struct seg_error err;
	char *big = calloc(1, 100000);
	const struct seg_header large[] = {{"traceparent", "00-abc-01", 9}, {"big", big, 100000}};

	(void)state;
	letter.headers = large;
	assert_ok(seg_dlq_record_init(&r, &letter, 5000, &err));
	assert_null(r.value.ptr);
	assert_int_equal(r.headers_len, 7 + 4);
	assert_value(r.headers, r.headers_len, "traceparent", NULL);
	assert_value(r.headers, r.headers_len, "segmentd.dlq.topic", "orders");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.sha256",
		     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_value(r.headers, r.headers_len, "segmentd.dlq.bytes", "3");
	seg_dlq_record_release(&r);
	free(big);
}

/* Whatever the maximum: the record fits, or it is said that it cannot. */
static void test_dlq_record_never_exceeds_its_maximum(void **state)
{
	struct seg_dead_letter letter = a_letter();
	struct seg_error err;
	char value[3000] = {0};
	size_t kinds[4] = {0};

	(void)state;
	letter.value = (struct seg_str){value, sizeof value};
	for (size_t max = 0; max < 5000; max++) {
		struct seg_dlq_record r;
		enum seg_rc rc = seg_dlq_record_init(&r, &letter, max, &err);

		if (rc != SEG_OK) {
			assert_int_equal(rc, SEG_LIMIT);
			assert_null(r.headers);
			kinds[0]++;
			continue;
		}
		assert_true(bytes_of(&r, &letter) + 100 <= max);
		kinds[r.value.ptr ? 3 : r.headers_len == 2 + 7 + 4 ? 2 : 1]++;
		seg_dlq_record_release(&r);
	}
	for (size_t i = 0; i < 4; i++)
		assert_true(kinds[i] > 0);
}

static void test_dlq_partition_follows_key_or_source(void **state)
{
	struct seg_dead_letter letter = a_letter();

	(void)state;
	letter.key = seg_str_from("12838");
	assert_int_equal(seg_dlq_partition(&letter, 7), seg_partition_for_key("12838", 5, 7));
	letter.key = (struct seg_str){0};
	letter.partition = 9;
	assert_int_equal(seg_dlq_partition(&letter, 4), 1);
	letter.partition = -1;
	assert_int_equal(seg_dlq_partition(&letter, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ce_headers_set_makes_a_cloud_event),
		cmocka_unit_test(test_ce_headers_set_cuts_a_long_app),
		cmocka_unit_test(test_dlq_record_keeps_the_original_and_says_whence),
		cmocka_unit_test(test_dlq_record_leaves_out_what_is_absent),
		cmocka_unit_test(test_dlq_record_replaces_a_large_value_by_its_digest),
		cmocka_unit_test(test_dlq_record_leaves_out_headers_that_are_too_large),
		cmocka_unit_test(test_dlq_record_never_exceeds_its_maximum),
		cmocka_unit_test(test_dlq_partition_follows_key_or_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
