#include "tests/unit/config/load_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/demo_text.h"

/* Defaults as the documents promise them, written out here a second time. */
static void test_default_is_what_the_documents_say(void **state)
{
	struct seg_config *c = NULL;
	char host[256] = "";

	(void)state;
	assert_ok(seg_config_default(&c, NULL));
	gethostname(host, sizeof(host) - 1);
	assert_string_equal(c->app, "segmentd");
	assert_string_equal(c->group, "segmentd");
	assert_int_equal(strlen(c->instance), strlen(host));
	assert_string_equal(c->data_dir, "/var/lib/segmentd");
	assert_int_equal(c->workers, 2);
	assert_string_equal(c->kafka.brokers, "127.0.0.1:9092");
	assert_int_equal(c->kafka.client.len, 0);
	assert_int_equal(c->partitioner, SEG_PARTITIONER_MURMUR2_RANDOM);
	assert_string_equal(c->registry.url, "");
	assert_string_equal(c->schemas.dir, "");
	assert_string_equal(c->internals.changelog, "segmentd-changelog");
	assert_string_equal(c->internals.model_sums, "segmentd-model-sums");
	assert_string_equal(c->internals.model, "segmentd-model");
	assert_int_equal(c->commit.interval_ms, 50);
	assert_int_equal(c->commit.max_events, 20000);
	assert_int_equal(c->commit.max_bytes, 8 << 20);
	assert_int_equal(c->recovery.target_ms, 10000);
	assert_int_equal(c->checkpoint.max_interval_ms, 600000);
	assert_int_equal(c->sync.max_skew_ms, 3600000);
	assert_int_equal(c->max_future_ms, 3600000);
	assert_int_equal(c->lateness_ms, 86400000);
	assert_int_equal(c->dedup.window, 64);
	assert_int_equal(c->profile.expire_ms, 0);
	assert_true(c->lifetime_value.horizon_ms == INT64_C(365) * 86400000);
	assert_string_equal(c->features.preset, "rfm");
	assert_int_equal(c->memory.total_bytes, 256 << 20);
	assert_string_equal(c->http.listen, "127.0.0.1:8080");
	assert_string_equal(c->http.token, "");
	assert_int_equal(c->log.level, SEG_CONFIG_LOG_INFO);
	assert_int_equal(c->log.format, SEG_CONFIG_LOG_TEXT);
	seg_config_free(c);
}

static void test_default_of_segmenter_and_topics(void **state)
{
	static const char *const inputs[] = {"web-events", "email-events", "orders", "profiles"};
	static const char *const outputs[] = {"segment-changes", "segments", "drift-alerts", "campaign-triggers",
					      "dead-letters"};
	struct seg_config *c = NULL;

	(void)state;
	assert_ok(seg_config_default(&c, NULL));
	for (int i = 0; i < SEG_SOURCES; i++) {
		assert_true(c->sources[i].read);
		assert_string_equal(c->sources[i].topic, inputs[i]);
		assert_int_equal(c->sources[i].format, SEG_FORMAT_AVRO);
		assert_int_equal(c->sources[i].mapping.len, 0);
	}
	for (int i = 0; i < SEG_CONFIG_OUTPUTS; i++)
		assert_string_equal(c->outputs[i].topic, outputs[i]);
	assert_int_equal(c->segmenter.k, 0);
	assert_int_equal(c->segmenter.k_min, 4);
	assert_int_equal(c->segmenter.k_max, 12);
	assert_int_equal(c->segmenter.min_customers, 500);
	assert_int_equal(c->segmenter.seed, 1);
	assert_string_equal(c->segmenter.pca, "none");
	assert_near(c->segmenter.hysteresis, 0.1, 0);
	assert_int_equal(c->segmenter.dwell_ms, 86400000);
	assert_int_equal(c->segmenter.reevaluate.interval_ms, 86400000);
	assert_near(c->segmenter.reevaluate.min_move, 0.05, 0);
	assert_int_equal(c->segmenter.refit.interval_ms, 604800000);
	assert_int_equal(c->segmenter.refit.sample, 4096);
	assert_int_equal(c->segmenter.promotion, SEG_CONFIG_PROMOTION_AUTO);
	assert_int_equal(c->drift.window_ms, 604800000);
	assert_near(c->drift.psi_warning, 0.1, 0);
	assert_near(c->drift.psi_critical, 0.25, 0);
	seg_config_free(c);
}

/* The skeleton that the documents print. */
static void test_load_skeleton(void **state)
{
	struct seg_config *c = load_text(
		"app: segmentd\ndata_dir: /var/lib/segmentd\nworkers: 2\n"
		"kafka:     {brokers: \"127.0.0.1:9092\", client: {}}\nregistry:  {url: \"\"}\n"
		"sources:   {web: {topic: web-events}, email: {topic: email-events}, orders: {topic: orders}, "
		"profiles: {topic: profiles}}\noutputs:   {segment_changes: {topic: segment-changes}}\n"
		"commit:    {interval_ms: 50, max_events: 20000}\nrecovery:  {target: 10s}\nfeatures:  rfm\n"
		"segmenter: {k: auto, k_min: 4, k_max: 12, min_customers: 500, seed: 1, pca: none, hysteresis: 0.1, "
		"dwell: 1d, reevaluate: {interval: 1d}, refit: {interval: 7d, sample: 4096}, promotion: auto}\n"
		"drift:     {window: 7d, psi_warning: 0.1, psi_critical: 0.25}\nhttp:      {listen: "
		"\"127.0.0.1:8080\"}\n");

	(void)state;
	assert_true(c->sources[SEG_PROFILES].read);
	assert_int_equal(c->segmenter.k, 0);
	seg_config_free(c);
}

static void test_load_reads_only_listed_sources(void **state)
{
	struct seg_config *c = load_text("sources:\n  orders: {topic: shop.orders, format: json}\n  web:\n");

	(void)state;
	assert_true(c->sources[SEG_WEB].read);
	assert_false(c->sources[SEG_EMAIL].read);
	assert_true(c->sources[SEG_ORDERS].read);
	assert_false(c->sources[SEG_PROFILES].read);
	assert_string_equal(c->sources[SEG_WEB].topic, "web-events");
	assert_string_equal(c->sources[SEG_ORDERS].topic, "shop.orders");
	assert_int_equal(c->sources[SEG_ORDERS].format, SEG_FORMAT_JSON);
	assert_string_equal(c->sources[SEG_EMAIL].topic, "email-events");
	seg_config_free(c);
}

static void test_load_derives_names_from_app_wherever_it_stands(void **state)
{
	struct seg_config *c = load_text("internals: {model: {topic: my-model}}\napp: crm\n");
	char text[64];

	(void)state;
	assert_string_equal(c->group, "crm");
	assert_string_equal(c->internals.changelog, "crm-changelog");
	assert_string_equal(c->internals.model, "my-model");
	seg_config_free(c);
	c = load_text("app: crm\ninstance: node-1\ngroup: g\ndata_dir: /d\n");
	assert_string_equal(c->group, "g");
	assert_true(seg_config_worker_id(c, 3, text, sizeof(text)));
	assert_string_equal(text, "crm-node-1-3");
	assert_false(seg_config_worker_id(c, 3, text, 12));
	assert_true(seg_config_worker_id(c, 3, text, 13));
	assert_true(seg_config_store_path(c, 7, text, sizeof(text)));
	assert_string_equal(text, "/d/crm/p7");
	assert_true(seg_config_store_path(c, -1, text, sizeof(text)));
	assert_string_equal(text, "/d/crm");
	assert_false(seg_config_store_path(c, 7, text, 9));
	seg_config_free(c);
}

static void test_load_features_as_list(void **state)
{
	struct seg_config *c = load_text("features:\n  - recency_days\n  - {name: monetary, transform: sqrt, scaler: "
					 "robust, impute: zero, weight: 2.5}\n"
					 "  - name: attr:age\n    transform: linear\n");
	const struct seg_config_feature *f = c->features.items;

	(void)state;
	assert_null(c->features.preset);
	assert_int_equal(c->features.len, 3);
	assert_string_equal(f[0].name, "recency_days");
	assert_int_equal(f[0].transform, SEG_CONFIG_TRANSFORM_AUTO);
	assert_int_equal(f[0].scaler, SEG_CONFIG_Z);
	assert_int_equal(f[0].impute, SEG_CONFIG_MEAN);
	assert_near(f[0].weight, 1, 0);
	assert_string_equal(f[1].name, "monetary");
	assert_int_equal(f[1].transform, SEG_CONFIG_SQRT);
	assert_int_equal(f[1].scaler, SEG_CONFIG_ROBUST);
	assert_int_equal(f[1].impute, SEG_CONFIG_ZERO);
	assert_near(f[1].weight, 2.5, 0);
	assert_string_equal(f[2].name, "attr:age");
	assert_int_equal(f[2].transform, SEG_CONFIG_LINEAR);
	seg_config_free(c);
	c = load_text("features: full\nsegmenter: {k: 7}\n");
	assert_string_equal(c->features.preset, "full");
	assert_int_equal(c->features.len, 0);
	assert_int_equal(c->segmenter.k, 7);
	seg_config_free(c);
}

static void test_load_maps_lists_and_mappings(void **state)
{
	struct seg_config *c = load_text(
		"kafka: {client: {socket.timeout.ms: 1000, debug: \"\", client.rack: ~}}\n"
		"store: {rocksdb: {max_background_jobs: 4}}\ncurrencies: {base: GBP, rates: {USD: 0.8, EUR: 0.9}}\n"
		"cleaning: {bots: [], placeholder_ids: [null, \"0\"]}\n"
		"sources: {web: {mapping: {time: ts_ms, customer_id: user.id, kind: {const: page_view}}}}\n");
	const struct seg_config_mapping *m = &c->sources[SEG_WEB].mapping;

	(void)state;
	assert_int_equal(c->kafka.client.len, 3);
	assert_string_equal(seg_config_map_find(&c->kafka.client, "socket.timeout.ms"), "1000");
	assert_string_equal(seg_config_map_find(&c->kafka.client, "client.rack"), "");
	assert_null(seg_config_map_find(&c->kafka.client, "nothing"));
	assert_string_equal(c->kafka.client.items[0].name, "client.rack");
	assert_string_equal(seg_config_map_find(&c->store.rocksdb, "max_background_jobs"), "4");
	assert_string_equal(c->currencies.rates.items[0].currency, "EUR");
	assert_near(c->currencies.rates.items[1].rate, 0.8, 0);
	assert_int_equal(c->cleaning.bots.len, 0);
	assert_int_equal(c->cleaning.placeholder_ids.len, 2);
	assert_string_equal(c->cleaning.placeholder_ids.items[0], "null");
	assert_int_equal(m->len, 3);
	assert_string_equal(m->items[0].field, "customer_id");
	assert_string_equal(m->items[0].path, "user.id");
	assert_null(m->items[0].constant);
	assert_string_equal(m->items[1].constant, "page_view");
	assert_null(m->items[1].path);
	assert_string_equal(m->items[2].path, "ts_ms");
	seg_config_free(c);
}

static void test_load_words_units_and_limits(void **state)
{
	struct seg_config *c =
		load_text("segmenter: {reevaluate: {interval: off}, refit: {interval: off}, k: 64, k_max: 64}\n"
			  "profile: {expire: 30d}\ncommit: {interval_ms: 10000, max_bytes: 64KiB}\n"
			  "http: {listen: \"[::1]:0\"}\n");

	(void)state;
	assert_int_equal(c->segmenter.reevaluate.interval_ms, 0);
	assert_int_equal(c->segmenter.refit.interval_ms, 0);
	assert_int_equal(c->segmenter.k, 64);
	assert_true(c->profile.expire_ms == INT64_C(30) * 86400000);
	assert_int_equal(c->commit.max_bytes, 65536);
	assert_string_equal(c->http.listen, "[::1]:0");
	seg_config_free(c);
}

static void test_load_file(void **state)
{
	char path[] = "/tmp/segmentd-config-XXXXXX";
	int fd = mkstemp(path);
	struct seg_config *c = NULL;
	struct seg_error err;
	char expected[128];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "workers: 3\n", 11), 11);
	assert_ok(seg_config_load(path, NULL, &c, &err));
	assert_int_equal(c->workers, 3);
	seg_config_free(c);
	assert_int_equal(write(fd, "worker: 3\n", 10), 10);
	assert_int_equal(seg_config_load(path, NULL, &c, &err), SEG_INVALID);
	snprintf(expected, sizeof(expected), "%s:2:1: unknown key `worker`; did you mean `workers`?", path);
	assert_string_equal(err.text, expected);
	close(fd);
	unlink(path);
	assert_int_equal(seg_config_load(path, NULL, &c, &err), SEG_IO);
	assert_non_null(strstr(err.text, "No such file"));
	assert_int_equal(seg_config_load("/", NULL, &c, &err), SEG_IO);
}

static void test_demo_is_valid(void **state)
{
	struct seg_config *c = load_text(seg_config_demo_text);

	(void)state;
	assert_int_equal(c->workers, 2);
	assert_string_equal(c->features.preset, "full");
	assert_int_equal(c->segmenter.k, 0);
	assert_string_equal(c->currencies.base, "GBP");
	for (int i = 0; i < SEG_SOURCES; i++)
		assert_true(c->sources[i].read);
	seg_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_is_what_the_documents_say),
		cmocka_unit_test(test_default_of_segmenter_and_topics),
		cmocka_unit_test(test_load_skeleton),
		cmocka_unit_test(test_load_reads_only_listed_sources),
		cmocka_unit_test(test_load_derives_names_from_app_wherever_it_stands),
		cmocka_unit_test(test_load_features_as_list),
		cmocka_unit_test(test_load_maps_lists_and_mappings),
		cmocka_unit_test(test_load_words_units_and_limits),
		cmocka_unit_test(test_load_file),
		cmocka_unit_test(test_demo_is_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
