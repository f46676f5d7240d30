#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "daemon/demo_screen.h"
#include "daemon/demo_words.h"
#include "daemon/output_read.h"
#include "producers/encode.h"

static struct seg_str encode(enum seg_output output, const void *record, struct seg_buf *to)
{
	struct seg_encoder *e;
	assert_ok(seg_encoder_new(SEG_FORMAT_AVRO, &e, NULL));
	seg_buf_clear(to);
	assert_ok(seg_encode(e, output, record, to, NULL));
	seg_encoder_free(e);
	return (struct seg_str){(const char *)to->data, (uint32_t)to->len};
}

static const struct seg_change moved = {
	.event_id = "00112233445566778899aabbccddeeff",
	.customer_id = {"12838", 5},
	.from_cluster = 2,
	.to_cluster = 3,
	.from_name = "new",
	.to_name = "loyal",
	.reason = SEG_REASON_BEHAVIOUR,
	.model_version = (UINT64_C(1) << 32) + 7,
	.distance_from = 2.5,
	.distance_to = 1.25,
	.margin = 0.5,
	.drivers = {{"frequency", 5, 1.5, 0.7}, {"recency_days", 3, -1, 0.2}, {"avg_order_value", NAN, 0.5, 0.1}},
	.drivers_len = 3,
	.event_time_ms = 1300000000000,
	.decided_at_ms = 1300000000001,
	.cause = {"orders", 3, 42},
};

static void test_changes_are_read_as_written(void **state)
{
	struct seg_buf b;
	struct seg_read_change c;
	(void)state;
	seg_buf_init(&b, 65536);
	assert_true(seg_read_change(encode(SEG_OUTPUT_CHANGE, &moved, &b), &c));
	assert_true(seg_str_is(c.customer_id, "12838"));
	assert_true(seg_str_is(c.from_segment, "s2") && seg_str_is(c.from_name, "new"));
	assert_true(seg_str_is(c.to_segment, "s3") && seg_str_is(c.to_name, "loyal"));
	assert_int_equal(c.reason, SEG_REASON_BEHAVIOUR);
	assert_int_equal(c.drivers_len, 3);
	assert_true(seg_str_is(c.drivers[0].feature, "frequency"));
	assert_near(c.drivers[0].value, 5, 0);
	assert_near(c.drivers[1].zscore, -1, 0);
	assert_true(isnan(c.drivers[2].value));
	assert_int_equal(c.event_time_ms, 1300000000000);
	struct seg_change first = moved;
	first.from_cluster = 0;
	first.from_name = NULL;
	first.distance_from = NAN;
	first.drivers_len = 0;
	assert_true(seg_read_change(encode(SEG_OUTPUT_CHANGE, &first, &b), &c));
	assert_null(c.from_segment.ptr);
	assert_null(c.from_name.ptr);
	assert_int_equal(c.drivers_len, 0);
	assert_int_equal(c.event_time_ms, 1300000000000);
	seg_buf_release(&b);
}

static void test_segments_and_alerts_are_read_as_written(void **state)
{
	static const struct seg_centroid_feature centroid[] = {{"frequency", 12.5, 1.75}, {"recency_days", 8, -0.5}};
	static const uint64_t parents[] = {1, 2};
	struct seg_segment_row row = {.cluster = 3,
				      .name = "loyal",
				      .state = SEG_SEGMENT_RETIRED,
				      .parents = parents,
				      .parents_len = 2,
				      .customers = 10,
				      .share = 0.25,
				      .centroid = centroid,
				      .centroid_len = 2,
				      .model_version = 1,
				      .updated_at_ms = 2};
	struct seg_alert alert = {.alert_id = "a",
				  .subject = "feature:orders_60d",
				  .action = "none",
				  .metric = SEG_DRIFT_PSI,
				  .value = 0.31,
				  .threshold = 0.1,
				  .critical_value = NAN,
				  .n_reference = 3,
				  .n_current = 4,
				  .window_start_ms = 5,
				  .window_end_ms = 6,
				  .severity = SEG_SEVERITY_CRITICAL,
				  .state = SEG_ALERT_ESCALATED,
				  .model_version = 7,
				  .event_time_ms = 1300000000000};
	struct seg_buf b;
	struct seg_read_segment s;
	struct seg_read_alert a;
	char text[128];
	(void)state;
	seg_buf_init(&b, 65536);
	assert_true(seg_read_segment(encode(SEG_OUTPUT_SEGMENT, &row, &b), &s));
	assert_true(seg_str_is(s.segment_id, "s3") && seg_str_is(s.name, "loyal"));
	assert_false(s.active);
	assert_int_equal(s.centroid_len, 2);
	assert_true(seg_str_is(s.centroid[1].feature, "recency_days"));
	assert_near(s.centroid[0].value, 12.5, 0);
	assert_near(s.centroid[1].zscore, -0.5, 0);
	row.alias = "our best";
	row.state = SEG_SEGMENT_ACTIVE;
	assert_true(seg_read_segment(encode(SEG_OUTPUT_SEGMENT, &row, &b), &s));
	assert_true(s.active && seg_str_is(s.name, "our best"));
	assert_true(seg_read_alert(encode(SEG_OUTPUT_ALERT, &alert, &b), &a));
	assert_true(seg_str_is(a.subject, "feature:orders_60d") && seg_str_is(a.action, "none"));
	assert_null(a.segment_id.ptr);
	assert_near(a.value, 0.31, 0);
	assert_int_equal(a.event_time_ms, 1300000000000);
	seg_words_alert(&a, text, sizeof(text));
	assert_string_equal(text, "2011-03-13 orders lately: critical, escalated, PSI 0.31");
	seg_buf_release(&b);
}

/* Cut anywhere, or with any byte changed, a record is refused or read, and nothing beyond it is looked at (asan). */
static void test_broken_records_do_no_harm(void **state)
{
	struct seg_buf b;
	struct seg_read_change c;
	(void)state;
	seg_buf_init(&b, 65536);
	struct seg_str whole = encode(SEG_OUTPUT_CHANGE, &moved, &b);
	for (uint32_t len = 0; len < whole.len; len++) {
		char *cut = malloc(len ? len : 1);
		memcpy(cut, whole.ptr, len);
		bool read = seg_read_change((struct seg_str){cut, len}, &c);
		assert_true(!read || len + 20 > whole.len); /* what is not looked at, at the end, may be missing */
		for (uint32_t i = 0; i < len; i++) {
			cut[i] ^= 0x55;
			(void)seg_read_change((struct seg_str){cut, len}, &c);
			cut[i] ^= 0x55;
		}
		free(cut);
	}
	assert_false(seg_read_change((struct seg_str){NULL, 0}, &c));
	seg_buf_release(&b);
}

static double typical(void *ctx, struct seg_str segment_id, struct seg_str feature)
{
	(void)ctx;
	if (!seg_str_is(segment_id, "s2"))
		return (double)NAN;
	return seg_str_is(feature, "frequency") ? 3.1 : seg_str_is(feature, "recency_days") ? 41.4 : (double)NAN;
}

static const char *words(struct seg_change change)
{
	static char text[256];
	struct seg_buf b;
	struct seg_read_change c;
	seg_buf_init(&b, 65536);
	assert_true(seg_read_change(encode(SEG_OUTPUT_CHANGE, &change, &b), &c));
	seg_words_change(&c, typical, NULL, "GBP", text, sizeof(text));
	seg_buf_release(&b);
	return text;
}

static void test_changes_in_words(void **state)
{
	(void)state;
	struct seg_change c = moved;
	assert_string_equal(words(c), "customer 12838: new → loyal, because frequency 5 (others in new 3.1), "
				      "last order 3 days (others 41)");
	c.drivers_len = 1;
	assert_string_equal(words(c), "customer 12838: new → loyal, because frequency 5 (others in new 3.1)");
	c.drivers[0] = c.drivers[1] = moved.drivers[1];
	c.drivers[0].value = 0.5;
	assert_string_equal(words(c), "customer 12838: new → loyal, because last order today (others in new 41 days)");
	c.drivers[0] = moved.drivers[0];
	c.reason = SEG_REASON_TIME;
	assert_string_equal(words(c), "customer 12838: new → loyal, as time went by: frequency 5 (others in new 3.1)");
	c.drivers[0].value = 3.11; /* the same in words: no reason */
	assert_string_equal(words(c), "customer 12838: new → loyal");
	c = moved;
	c.from_cluster = 0;
	c.from_name = NULL;
	assert_string_equal(words(c), "customer 12838: unassigned → loyal, because frequency 5, last order 3 days");
	c = moved;
	c.to_cluster = 0;
	c.to_name = NULL;
	c.drivers_len = 0;
	c.reason = SEG_REASON_ERASURE;
	assert_string_equal(words(c), "customer 12838: new → out (erasure)");
}

static void test_values_in_their_units(void **state)
{
	static const struct {
		const char *feature;
		double value;
		const char *words;
	} cases[] = {
		{"recency_days", 1, "1 day"},
		{"recency_days", 0.4, "today"},
		{"interpurchase_days", 0.5, "0.5 days"},
		{"monetary", 1239.6, "£1,240"},
		{"monetary", -8.4, "-£8.4"},
		{"open_rate", 0.345, "34 %"},
		{"frequency", 9.96, "10"},
		{"frequency", 0.034, "0.03"},
		{"frequency", 3.04, "3"},
		{"frequency", -0.001, "0"},
		{"session_minutes", 30, "30 min"},
		{"open_latency_hours", 1.5, "1.5 h"},
		{"attr:points", 1234567, "1,234,567"},
	};
	char text[64];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		seg_words_value(seg_str_from(cases[i].feature), cases[i].value, "GBP", text, sizeof(text));
		assert_string_equal(text, cases[i].words);
	}
	seg_words_value(seg_str_from("monetary"), 12, "EUR", text, sizeof(text));
	assert_string_equal(text, "12 EUR");
	seg_words_feature(seg_str_from("page_views_30d"), text, sizeof(text));
	assert_string_equal(text, "page views");
	seg_words_feature(seg_str_from("monetary"), text, sizeof(text));
	assert_string_equal(text, "spending");
}

static const char *drawn(struct seg_buf *b)
{
	seg_buf_u8(b, 0);
	return (const char *)b->data;
}

static void test_lines_are_cut_at_the_edge(void **state)
{
	struct seg_buf b;
	(void)state;
	seg_buf_init(&b, 4096);
	struct seg_screen s = {.out = &b, .width = 10, .height = 2};
	seg_screen_put(&s, SEG_STYLE_BOLD, "ab");
	seg_screen_tab(&s, 4);
	seg_screen_put(&s, SEG_STYLE_PLAIN, "→→→→→→→");
	seg_screen_put(&s, SEG_STYLE_PLAIN, "no room");
	assert_true(seg_screen_line(&s));
	seg_screen_put(&s, SEG_STYLE_PLAIN, "£123456789"); /* fits exactly */
	assert_false(seg_screen_line(&s));
	seg_screen_put(&s, SEG_STYLE_PLAIN, "below the screen");
	assert_string_equal(drawn(&b), "ab  →→→→→…\r\n£123456789");
	seg_buf_release(&b);
}

static void test_bars_are_as_long_as_their_part(void **state)
{
	struct seg_buf b;
	(void)state;
	seg_buf_init(&b, 4096);
	struct seg_screen s = {.out = &b, .width = 80, .height = 1};
	seg_screen_bar(&s, SEG_STYLE_PLAIN, 0, 4);
	seg_screen_put(&s, SEG_STYLE_PLAIN, "|");
	seg_screen_bar(&s, SEG_STYLE_PLAIN, 0.5625, 4);
	seg_screen_put(&s, SEG_STYLE_PLAIN, "|");
	seg_screen_bar(&s, SEG_STYLE_PLAIN, 7, 4);
	assert_int_equal(s.column, 14);
	assert_string_equal(drawn(&b), "····|██▎·|████");
	seg_buf_clear(&b);
	s.colour = true;
	seg_screen_put(&s, SEG_STYLE_BOLD, "x");
	assert_string_equal(drawn(&b), "\033[1mx\033[0m");
	seg_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_are_read_as_written),
		cmocka_unit_test(test_segments_and_alerts_are_read_as_written),
		cmocka_unit_test(test_broken_records_do_no_harm),
		cmocka_unit_test(test_changes_in_words),
		cmocka_unit_test(test_values_in_their_units),
		cmocka_unit_test(test_lines_are_cut_at_the_edge),
		cmocka_unit_test(test_bars_are_as_long_as_their_part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
