/* Every kind of wrong configuration: where, what, and what is allowed. */
#include "tests/unit/config/load_text.h"

#include <stdio.h>

struct refusal {
	const char *text, *message; /* the message begins so */
};

static void assert_refusals(const struct refusal *cases, size_t len, const struct seg_config_checks *checks)
{
	for (size_t i = 0; i < len; i++) {
		struct seg_error err = {.text = ""};
		const char *got = refused(cases[i].text, strlen(cases[i].text), checks, &err);

		if (strncmp(got, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s\n  gives    %s\n  expected %s", cases[i].text, got, cases[i].message);
	}
}

#define ASSERT_REFUSALS(cases) assert_refusals(cases, sizeof(cases) / sizeof((cases)[0]), NULL)

static void test_unknown_keys_name_the_nearest(void **state)
{
	static const struct refusal cases[] = {
		{"app: a\nworkerz: 2\n", "t.yaml:2:1: unknown key `workerz`; did you mean `workers`?"},
		{"kafka:\n  broker: x\n", "t.yaml:2:3: unknown key `broker` in `kafka`; did you mean `brokers`?"},
		{"segmenter: {reevaluate: {intervall: 1d}}\n",
		 "t.yaml:1:26: unknown key `intervall` in `segmenter.reevaluate`; did you mean `interval`?"},
		{"sources: {webb: {}}\n", "t.yaml:1:11: unknown key `webb` in `sources`; did you mean `web`?"},
		{"brokers: x\n", "t.yaml:1:1: unknown key `brokers`; did you mean `kafka.brokers`?"},
		{"kafka.brokers: x\n", "t.yaml:1:1: unknown key `kafka.brokers`; write `kafka:` and below it"},
		{"kafka: {xyzxyzxyz: 1}\n", "t.yaml:1:9: unknown key `xyzxyzxyz` in `kafka`; the nearest known is "
					    "`brokers`, all are: brokers, client"},
		{"outputs: {dead_letters: {format: avro}}\n",
		 "t.yaml:1:26: unknown key `format` in `outputs.dead_letters`"},
		{"APP: x\n", "t.yaml:1:1: unknown key `APP`; did you mean `app`?"},
	};

	(void)state;
	ASSERT_REFUSALS(cases);
}

static void test_wrong_shapes_say_what_is_expected(void **state)
{
	static const struct refusal cases[] = {
		{"kafka: x\n", "t.yaml:1:8: kafka: text where a section with these keys is expected: brokers, client"},
		{"commit:\n  - 1\n",
		 "t.yaml:2:3: commit: a list where a section with these keys is expected: interval_ms"},
		{"workers: [2]\n", "t.yaml:1:10: workers: a list where one value (whole number) is expected"},
		{"app: {a: b}\n", "t.yaml:1:6: app: a map where one value (text) is expected"},
		{"workers:\n", "t.yaml:1:9: workers: has no value; leave the key out for the default"},
		{"app: null\n", "t.yaml:1:6: app: has no value"},
		{"cleaning: {bots: bot}\n", "t.yaml:1:18: cleaning.bots: text where a list is expected"},
		{"kafka: {client: [a]}\n", "t.yaml:1:17: kafka.client: a list where a map is expected"},
		{"currencies: {rates: 1}\n", "t.yaml:1:21: currencies.rates: text where a map is expected"},
		{"sources: {}\n", "t.yaml:1:10: sources: lists none; name at least one of web"},
		{"sources:\n", "t.yaml:1:9: sources: lists none"},
		{"sources: []\n", "t.yaml:1:10: sources: a list where a section"},
	};

	(void)state;
	ASSERT_REFUSALS(cases);
}

static void test_wrong_values_say_what_is_allowed(void **state)
{
	static const struct refusal cases[] = {
		{"workers: two\n", "t.yaml:1:10: workers: `two` is not a whole number; allowed: 1 to 256"},
		{"workers: 0\n", "t.yaml:1:10: workers: `0` is out of range; allowed: 1 to 256"},
		{"workers: 257\n", "t.yaml:1:10: workers: `257` is out of range; allowed: 1 to 256"},
		{"workers: 99999999999999999999\n", "t.yaml:1:10: workers: `99999999999999999999` is out of range"},
		{"workers: 2.5\n", "t.yaml:1:10: workers: `2.5` is not a whole number"},
		{"recovery: {target: 10}\n", "t.yaml:1:20: recovery.target: `10` is not a duration like 500ms, 10s, "
					     "5m, 2h or 7d; allowed: 1s to 1h"},
		{"recovery: {target: 2h}\n", "t.yaml:1:20: recovery.target: `2h` is out of range; allowed: 1s to 1h"},
		{"segmenter: {dwell: -1d}\n", "t.yaml:1:20: segmenter.dwell: `-1d` is not a duration"},
		{"segmenter: {refit: {interval: 0s}}\n",
		 "t.yaml:1:31: segmenter.refit.interval: `0s` is out of range; allowed: off, or 1h to 3650d"},
		{"memory: {total: 1MB}\n",
		 "t.yaml:1:17: memory.total: `1MB` is not a size like 65536, 64KiB, 8MiB or 1GiB; "
		 "allowed: 16MiB to 1024GiB"},
		{"segmenter: {hysteresis: nan}\n",
		 "t.yaml:1:25: segmenter.hysteresis: `nan` is not a number; allowed: 0 to 0.9"},
		{"segmenter: {hysteresis: 1}\n",
		 "t.yaml:1:25: segmenter.hysteresis: `1` is out of range; allowed: 0 to 0.9"},
		{"drift: {psi_warning: 0}\n",
		 "t.yaml:1:22: drift.psi_warning: `0` is out of range; allowed: above 0 to 100"},
		{"segmenter: {k: many}\n",
		 "t.yaml:1:16: segmenter.k: `many` is not a whole number; allowed: auto, or 1 to 256"},
		{"log: {level: warning}\n",
		 "t.yaml:1:14: log.level: `warning` is not known; allowed: error, warn, info or debug"},
		{"log: {level: inf}\n",
		 "t.yaml:1:14: log.level: `inf` is not known (did you mean `info`?); allowed: error"},
		{"sources: {web: {format: avr}}\n",
		 "t.yaml:1:25: sources.web.format: `avr` is not known (did you mean `avro`?); allowed: avro or json"},
		{"app: a b\n",
		 "t.yaml:1:6: app: `a b` is not allowed; allowed: 1 to 100 characters of A-Z a-z 0-9 . _ -"},
		{"app: \"\"\n", "t.yaml:1:6: app: `` is not allowed"},
		{"app: \"..\"\n", "t.yaml:1:6: app: `..` is not allowed"},
		{"outputs: {segments: {topic: a/b}}\n",
		 "t.yaml:1:29: outputs.segments.topic: `a/b` is not allowed; allowed: 1 to "
		 "249 characters"},
		{"kafka: {brokers: \" , \"}\n", "t.yaml:1:18: kafka.brokers: ` , ` is not allowed; allowed: not empty"},
		{"data_dir:\n", "t.yaml:1:10: data_dir: `` is not allowed; allowed: not empty"},
		{"data_dir: \"a\\nb\"\n", "t.yaml:1:11: data_dir: `a?b` has a control character"},
		{"currencies: {base: euro}\n",
		 "t.yaml:1:20: currencies.base: `euro` is not allowed; allowed: three capital letters"},
	};

	(void)state;
	ASSERT_REFUSALS(cases);
}

static void test_addresses_and_urls(void **state)
{
	static const struct refusal cases[] = {
		{"http: {listen: \"8080\"}\n", "t.yaml:1:16: http.listen: `8080` is not allowed; allowed: HOST:PORT"},
		{"http: {listen: \":8080\"}\n", "t.yaml:1:16: http.listen: `:8080` is not allowed"},
		{"http: {listen: \"h:\"}\n", "t.yaml:1:16: http.listen: `h:` is not allowed"},
		{"http: {listen: \"h:-1\"}\n", "t.yaml:1:16: http.listen: `h:-1` is not allowed"},
		{"http: {listen: \"h:65536\"}\n", "t.yaml:1:16: http.listen: `h:65536` is not allowed"},
		{"http: {listen: \"::1:80\"}\n", "t.yaml:1:16: http.listen: `::1:80` is not allowed"},
		{"http: {listen: \"[::1:80\"}\n", "t.yaml:1:16: http.listen: `[::1:80` is not allowed"},
		{"registry: {url: \"ftp://x\"}\n",
		 "t.yaml:1:17: registry.url: the value is not allowed; allowed: http://"},
		{"registry: {url: \"http:///x\"}\n", "t.yaml:1:17: registry.url: the value is not allowed"},
		{"registry: {url: \"http://a b\"}\n", "t.yaml:1:17: registry.url: the value is not allowed"},
	};

	(void)state;
	ASSERT_REFUSALS(cases);
}

static void test_lists_and_maps(void **state)
{
	static const struct refusal cases[] = {
		{"cleaning: {bots: [a, [b]]}\n", "t.yaml:1:22: cleaning.bots: a list in a list of texts"},
		{"cleaning: {bots: [a, \"\"]}\n",
		 "t.yaml:1:22: cleaning.bots: `` in the list is not a text of 1 to 200 bytes"},
		{"cleaning: {bots: [a, A]}\n", "t.yaml:1:22: cleaning.bots: `A` is in the list twice"},
		{"kafka: {client: {group.id: x}}\n",
		 "t.yaml:1:18: kafka.client: `group.id` is not set here; set group"},
		{"kafka: {client: {bootstrap.servers: x}}\n",
		 "t.yaml:1:18: kafka.client: `bootstrap.servers` is not set here; set kafka.brokers"},
		{"kafka: {client: {Isolation.Level: x}}\n",
		 "t.yaml:1:18: kafka.client: `Isolation.Level` cannot be set: segmentd needs its own value"},
		{"kafka: {client: {enable.auto.commit: x}}\n",
		 "t.yaml:1:18: kafka.client: `enable.auto.commit` cannot be set"},
		{"kafka: {client: {group.instance.id: x}}\n",
		 "t.yaml:1:18: kafka.client: `group.instance.id` cannot be set"},
		{"kafka: {client: {ssl: {ca: x}}}\n",
		 "t.yaml:1:23: kafka.client: a map where the value of `ssl` is expected; names are written with dots"},
		{"store: {rocksdb: {\"a b\": 1}}\n", "t.yaml:1:19: store.rocksdb: `a b` is not the name of a setting"},
		{"currencies: {rates: {usd: 1}}\n",
		 "t.yaml:1:22: currencies.rates: `usd` is not a currency; write three capital letters"},
		{"currencies: {rates: {USD: 0}}\n",
		 "t.yaml:1:27: currencies.rates: `0` of `USD` is not a number above 0"},
		{"currencies: {rates: {USD: x}}\n",
		 "t.yaml:1:27: currencies.rates: `x` of `USD` is not a number above 0"},
		{"currencies: {rates: {USD: []}}\n", "t.yaml:1:27: currencies.rates: a list of `USD` where a number"},
		{"currencies: {rates: {EUR: 1}}\n", "t.yaml:1:27: currencies.rates: `EUR` is the base currency"},
		{"sources: {web: {mapping: {time: [a]}}}\n",
		 "t.yaml:1:33: sources.web.mapping: `time` must be a path like user.id, or {const: value}"},
		{"sources: {web: {mapping: {time: {constant: a}}}}\n",
		 "t.yaml:1:33: sources.web.mapping: `time` must be a path"},
		{"sources: {web: {mapping: {time: a..b}}}\n",
		 "t.yaml:1:33: sources.web.mapping: `a..b` for `time` is not a path"},
		{"sources: {web: {mapping: {time: }}}\n",
		 "t.yaml:1:33: sources.web.mapping: `` for `time` is not a path"},
	};

	(void)state;
	ASSERT_REFUSALS(cases);
}

static void test_features(void **state)
{
	static const struct refusal cases[] = {
		{"features: rmf\n",
		 "t.yaml:1:11: features: `rmf` is not a preset; did you mean `rfm`?; allowed: rfm, behaviour"},
		{"features: {a: b}\n", "t.yaml:1:11: features: write a preset"},
		{"features: []\n", "t.yaml:1:11: features: write a preset"},
		{"features: [[a]]\n", "t.yaml:1:12: features: a list where a feature is expected"},
		{"features: [a, {transform: log1p}]\n", "t.yaml:1:15: features: a feature without a name"},
		{"features: [{nam: a}]\n",
		 "t.yaml:1:13: features: `nam` is not a part of a feature; did you mean `name`?"},
		{"features: [{name: a, transform: log}]\n",
		 "t.yaml:1:33: features: `log` is not a transform; did you mean `log1p`?"},
		{"features: [{name: a, scaler: []}]\n", "t.yaml:1:30: features: a list where a scaler is expected"},
		{"features: [{name: a, impute: man}]\n",
		 "t.yaml:1:30: features: `man` is not a way to impute; did you mean `mean`?"},
		{"features: [{name: a, weight: -1}]\n",
		 "t.yaml:1:30: features: `-1` of weight is not a number above 0 and up to 1000"},
		{"features: [{name: a, weight: 1e4}]\n", "t.yaml:1:30: features: `1e4` of weight is not a number"},
		{"features: [a, b, a]\n", "t.yaml:1:18: features: the feature `a` is in the list twice"},
		{"features: [\"attr:\"]\n", "t.yaml:1:12: features: `attr:` must be followed by"},
		{"features: [\"a b\"]\n", "t.yaml:1:12: features: `a b` has a blank"},
		{"features: [\"\"]\n", "t.yaml:1:12: features: a feature's name is a text of 1 to 79 bytes"},
	};

	(void)state;
	ASSERT_REFUSALS(cases);
}

static void test_options_that_do_not_go_together(void **state)
{
	static const struct refusal cases[] = {
		{"segmenter: {k_min: 13}\n", "t.yaml:1:20: segmenter.k_min: is larger than segmenter.k_max"},
		{"segmenter: {k_max: 3}\n", "t.yaml:1:20: segmenter.k_min: is larger than segmenter.k_max"},
		{"segmenter: {k: 9, min_customers: 8}\n",
		 "t.yaml:1:16: segmenter.k: is larger than segmenter.min_customers"},
		{"drift: {psi_warning: 0.3}\n", "t.yaml:1:22: drift.psi_warning: is larger than drift.psi_critical"},
		{"drift: {window: 8d}\n", "t.yaml:1:17: drift.window: is not a multiple of 7 days"},
		{"outputs: {segments: {topic: orders}}\n",
		 "t.yaml:1:29: outputs.segments.topic: the topic `orders` is already that of sources.orders.topic"},
		{"sources: {web: {topic: segments}}\n",
		 "t.yaml:1:24: sources.web.topic: the topic `segments` is already that of outputs.segments.topic"},
		{"app: a\noutputs: {segments: {topic: a-model}}\n",
		 "t.yaml:2:29: outputs.segments.topic: the topic `a-model` is already that of internals.model.topic"},
	};
	struct seg_config *c;

	(void)state;
	ASSERT_REFUSALS(cases);
	/* The name of a source that is not read is free. */
	c = load_text("sources: {orders: {}}\noutputs: {segments: {topic: web-events}}\n");
	seg_config_free(c);
}

static bool known_feature(const char *name, const char **ret_nearest)
{
	*ret_nearest = name[0] == 'r' ? "recency_days" : NULL;
	return strcmp(name, "recency_days") == 0;
}

static bool known_field(enum seg_source source, const char *field, const char **ret_nearest)
{
	*ret_nearest = "event_time";
	return source == SEG_EMAIL && strcmp(field, "event_time") == 0;
}

static void test_what_is_not_built_yet_is_refused(void **state)
{
	static const struct refusal cases[] = {
		{"app: a\nregistry:\n  url: http://127.0.0.1:8081\n",
		 "t.yaml:3:8: registry.url: a schema registry is not built yet; leave it empty"},
		{"features: [\"attr:plan=\"]\n", "t.yaml:1:12: features: `attr:plan=` is no one-hot feature"},
		{"segmenter: {pca: 1.5}\n", "t.yaml:1:18: segmenter.pca: is none of"},
		{"segmenter: {pca: 129}\n", "t.yaml:1:18: segmenter.pca: is none of"},
		{"segmenter: {pca: 150%}\n", "t.yaml:1:18: segmenter.pca: is none of"},
		{"segmenter: {pca: some}\n", "t.yaml:1:18: segmenter.pca: is none of"},
	};
	struct seg_config *c = NULL;
	const char *empty = "registry: {url: \"\"}\n";

	(void)state;
	ASSERT_REFUSALS(cases);
	assert_ok(seg_config_load_text(empty, strlen(empty), "t", NULL, &c, NULL));
	seg_config_free(c);
}

static void test_catalogue_and_fields_are_asked(void **state)
{
	static const struct seg_config_checks checks = {.known_feature = known_feature, .known_field = known_field};
	static const struct refusal cases[] = {
		{"features: [recency]\n",
		 "t.yaml:1:12: features: unknown feature `recency`; did you mean `recency_days`?; `segmentd"},
		{"features: [{name: x}]\n",
		 "t.yaml:1:19: features: unknown feature `x`; `segmentd features` lists all"},
		{"sources: {email: {mapping: {tim: a}}}\n",
		 "t.yaml:1:29: sources.email.mapping: `tim` is not a field of ours; did you mean `event_time`?"},
		{"sources: {web: {mapping: {event_time: a}}}\n",
		 "t.yaml:1:27: sources.web.mapping: `event_time` is not a field"},
	};
	const char *good = "features: [recency_days, \"attr:x\"]\nsources: {email: {mapping: {event_time: a.b}}}\n";
	struct seg_config *c = NULL;

	(void)state;
	assert_refusals(cases, sizeof(cases) / sizeof(cases[0]), &checks);
	assert_ok(seg_config_load_text(good, strlen(good), "t", &checks, &c, NULL));
	seg_config_free(c);
}

/* Long and foreign texts are cut at a character and shown without control characters. */
static void test_messages_stay_short_and_clean(void **state)
{
	char text[5000] = "workers: \"\\t\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9";
	struct seg_error err;
	const char *got;

	(void)state;
	for (int i = 0; i < 1000; i++)
		strcat(text, "\xc3\xa9");
	strcat(text, "\"\n");
	got = refused(text, strlen(text), NULL, &err);
	assert_true(strlen(got) < 200);
	assert_non_null(strstr(got, "`?\xc3\xa9\xc3\xa9"));
	assert_non_null(strstr(got, "\xc3\xa9...` is not a whole number"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_keys_name_the_nearest),
		cmocka_unit_test(test_wrong_shapes_say_what_is_expected),
		cmocka_unit_test(test_wrong_values_say_what_is_allowed),
		cmocka_unit_test(test_addresses_and_urls),
		cmocka_unit_test(test_lists_and_maps),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_options_that_do_not_go_together),
		cmocka_unit_test(test_what_is_not_built_yet_is_refused),
		cmocka_unit_test(test_catalogue_and_fields_are_asked),
		cmocka_unit_test(test_messages_stay_short_and_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
