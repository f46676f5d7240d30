#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/metrics.h"
#include "http/metrics_text.h"

static const double bounds[] = {0.1, 1, 10};
static const struct seg_metric_spec counter = {"t_events_total",       "Events", SEG_METRIC_COUNTER,
					       {"topic", "partition"}, NULL,	 0};
static const struct seg_metric_spec gauge = {
	"t_size_bytes", "Size \\ of\nthings \"now\"", SEG_METRIC_GAUGE, {NULL, NULL}, NULL, 0};
static const struct seg_metric_spec times = {"t_wait_seconds", "Waits", SEG_METRIC_HISTOGRAM, {NULL, NULL}, bounds, 3};
static const struct seg_metric_spec by_way = {"t_way_seconds", "Ways", SEG_METRIC_HISTOGRAM, {"way", NULL}, bounds, 3};

/* Caller frees. */
static char *render(struct seg_metrics *m)
{
	struct seg_buf out;

	seg_buf_init(&out, 1 << 20);
	assert_ok(seg_metrics_render(m, &out, NULL));
	seg_buf_u8(&out, 0);
	assert_false(out.failed);
	return (char *)out.data;
}

static void assert_renders(struct seg_metrics *m, const char *wanted)
{
	char *text = render(m);

	assert_string_equal(text, wanted);
	free(text);
}

static void test_render_golden(void **state)
{
	struct seg_metrics *m = seg_metrics_new();
	struct seg_metric *wait;

	(void)state;
	assert_renders(m, "");
	seg_metric_inc(seg_metrics_series(m, &counter, "orders", "0"), 3);
	wait = seg_metrics_series(m, &times, NULL, NULL);
	seg_metric_set(seg_metrics_series(m, &gauge, NULL, NULL), -0.25);
	seg_metric_inc(seg_metrics_series(m, &counter, "a\"b\\c\nd", "1"), UINT64_MAX);
	seg_metric_observe(seg_metrics_series(m, &by_way, "x", NULL), 1);
	for (const double *v = (const double[]){0.05, 0.1, 0.5, 9, 100, NAN, -1}; *v != -1; v++)
		seg_metric_observe(wait, *v);
	assert_renders(m, "# HELP t_events_total Events\n"
			  "# TYPE t_events_total counter\n"
			  "t_events_total{topic=\"orders\",partition=\"0\"} 3\n"
			  "t_events_total{topic=\"a\\\"b\\\\c\\nd\",partition=\"1\"} 18446744073709551615\n"
			  "# HELP t_wait_seconds Waits\n"
			  "# TYPE t_wait_seconds histogram\n"
			  "t_wait_seconds_bucket{le=\"0.1\"} 2\n"
			  "t_wait_seconds_bucket{le=\"1\"} 3\n"
			  "t_wait_seconds_bucket{le=\"10\"} 4\n"
			  "t_wait_seconds_bucket{le=\"+Inf\"} 5\n"
			  "t_wait_seconds_sum 109.65\n"
			  "t_wait_seconds_count 5\n"
			  "# HELP t_size_bytes Size \\\\ of\\nthings \"now\"\n"
			  "# TYPE t_size_bytes gauge\n"
			  "t_size_bytes -0.25\n"
			  "# HELP t_way_seconds Ways\n"
			  "# TYPE t_way_seconds histogram\n"
			  "t_way_seconds_bucket{way=\"x\",le=\"0.1\"} 0\n"
			  "t_way_seconds_bucket{way=\"x\",le=\"1\"} 1\n"
			  "t_way_seconds_bucket{way=\"x\",le=\"10\"} 1\n"
			  "t_way_seconds_bucket{way=\"x\",le=\"+Inf\"} 1\n"
			  "t_way_seconds_sum{way=\"x\"} 1\n"
			  "t_way_seconds_count{way=\"x\"} 1\n");
	seg_metrics_free(m);
}

static void test_series_is_found_again(void **state)
{
	struct seg_metrics *m = seg_metrics_new();
	struct seg_metric *a = seg_metrics_series(m, &counter, "a", "b");

	(void)state;
	assert_non_null(a);
	assert_ptr_equal(a, seg_metrics_series(m, &counter, "a", "b"));
	assert_ptr_not_equal(a, seg_metrics_series(m, &counter, "b", "a"));
	assert_ptr_not_equal(a, seg_metrics_series(m, &counter, "ab", ""));
	assert_ptr_equal(seg_metrics_series(m, &counter, NULL, "b"), seg_metrics_series(m, &counter, "", "b"));
	seg_metrics_free(m);
}

static void test_null_does_nothing(void **state)
{
	(void)state;
	assert_null(seg_metrics_series(NULL, &counter, "a", "b"));
	seg_metric_inc(NULL, 1);
	seg_metric_count_to(NULL, 1);
	seg_metric_set(NULL, 1);
	seg_metric_observe(NULL, 1);
	seg_metric_hide(NULL);
	assert_near(seg_metric_value(NULL), 0, 0);
	assert_true(isnan(seg_metric_quantile(NULL, 0.5)));
	seg_metrics_free(NULL);
}

static void test_series_are_limited(void **state)
{
	struct seg_metrics *m = seg_metrics_new();
	char name[16];

	(void)state;
	for (int i = 0; i < SEG_METRIC_SERIES_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_non_null(seg_metrics_series(m, &counter, name, NULL));
	}
	assert_null(seg_metrics_series(m, &counter, "more", NULL));
	assert_null(seg_metrics_series(m, &gauge, NULL, NULL));
	assert_non_null(seg_metrics_series(m, &counter, "17", NULL));
	seg_metrics_free(m);
}

static void test_count_to_never_falls(void **state)
{
	struct seg_metrics *m = seg_metrics_new();
	struct seg_metric *c = seg_metrics_series(m, &counter, "a", "b");

	(void)state;
	seg_metric_count_to(c, 7);
	seg_metric_count_to(c, 5);
	assert_near(seg_metric_value(c), 7, 0);
	seg_metric_count_to(c, 8);
	assert_near(seg_metric_value(c), 8, 0);
	seg_metrics_free(m);
}

static void test_hidden_until_updated(void **state)
{
	static const char shown[] = "# HELP t_size_bytes Size \\\\ of\\nthings \"now\"\n"
				    "# TYPE t_size_bytes gauge\nt_size_bytes 2\n";
	struct seg_metrics *m = seg_metrics_new();
	struct seg_metric *g = seg_metrics_series(m, &gauge, NULL, NULL);

	(void)state;
	seg_metric_set(g, 2);
	assert_renders(m, shown);
	seg_metric_hide(g);
	assert_renders(m, "");
	seg_metric_set(g, 2);
	assert_renders(m, shown);
	seg_metrics_free(m);
}

static void test_quantile_interpolates(void **state)
{
	struct seg_metrics *m = seg_metrics_new();
	struct seg_metric *h = seg_metrics_series(m, &times, NULL, NULL);

	(void)state;
	assert_true(isnan(seg_metric_quantile(h, 0.5)));
	for (int i = 0; i < 10; i++)
		seg_metric_observe(h, 0.05);
	assert_near(seg_metric_quantile(h, 0.5), 0.05, 1e-12);
	for (int i = 0; i < 10; i++)
		seg_metric_observe(h, 5);
	assert_near(seg_metric_quantile(h, 0.5), 0.1, 1e-12);
	assert_near(seg_metric_quantile(h, 0.75), 5.5, 1e-12);
	for (int i = 0; i < 1000; i++)
		seg_metric_observe(h, 50);
	assert_near(seg_metric_quantile(h, 0.9), 10, 0);
	assert_true(isnan(seg_metric_quantile(h, 0)));
	assert_true(isnan(seg_metric_quantile(h, 1)));
	assert_near(seg_metric_value(h), 1020, 0);
	seg_metrics_free(m);
}

static void test_numbers_read_back(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{0, "0"},
		     {1, "1"},
		     {0.1, "0.1"},
		     {1e300, "1e+300"},
		     {INFINITY, "+Inf"},
		     {-INFINITY, "-Inf"},
		     {0.1 + 0.2, "0.30000000000000004"},
		     {1e15, "1e+15"}};
	char text[SEG_METRICS_NUMBER];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		seg_metrics_text_double(cases[i].value, text);
		assert_string_equal(text, cases[i].text);
	}
	seg_metrics_text_double(NAN, text);
	assert_string_equal(text, "NaN");
	seg_metrics_text_double(-1.7976931348623157e308, text);
	assert_near(strtod(text, NULL), -1.7976931348623157e308, 0);
}

static void test_too_large_is_an_error(void **state)
{
	struct seg_metrics *m = seg_metrics_new();
	struct seg_error err = {0};
	struct seg_buf out;

	(void)state;
	seg_metric_set(seg_metrics_series(m, &gauge, NULL, NULL), 1);
	seg_buf_init(&out, 20);
	assert_int_equal(seg_metrics_render(m, &out, &err), SEG_LIMIT);
	assert_non_null(strstr(err.text, "20 bytes"));
	seg_buf_release(&out);
	seg_metrics_free(m);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *update(void *ctx)
{
	for (int i = 0; i < ROUNDS; i++) {
		seg_metric_inc(seg_metrics_series(ctx, &counter, "a", i % 2 ? "1" : "0"), 1);
		seg_metric_observe(seg_metrics_series(ctx, &times, NULL, NULL), i % 3 ? 0.5 : 50);
	}
	return NULL;
}

static void test_no_update_is_lost(void **state)
{
	struct seg_metrics *m = seg_metrics_new();
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, update, m), 0);
	for (int i = 0; i < 50; i++) {
		char *text = render(m), *inf = strstr(text, "le=\"+Inf\"} "), *count = strstr(text, "_count ");

		if (inf && count)
			assert_true(strtoull(inf + 11, NULL, 10) == strtoull(count + 7, NULL, 10));
		free(text);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_near(seg_metric_value(seg_metrics_series(m, &counter, "a", "0")), THREADS * ROUNDS / 2.0, 0);
	assert_near(seg_metric_value(seg_metrics_series(m, &counter, "a", "1")), THREADS * ROUNDS / 2.0, 0);
	assert_near(seg_metric_value(seg_metrics_series(m, &times, NULL, NULL)), THREADS * ROUNDS, 0);
	seg_metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render_golden),	      cmocka_unit_test(test_series_is_found_again),
		cmocka_unit_test(test_null_does_nothing),     cmocka_unit_test(test_series_are_limited),
		cmocka_unit_test(test_count_to_never_falls),  cmocka_unit_test(test_hidden_until_updated),
		cmocka_unit_test(test_quantile_interpolates), cmocka_unit_test(test_numbers_read_back),
		cmocka_unit_test(test_too_large_is_an_error), cmocka_unit_test(test_no_update_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
