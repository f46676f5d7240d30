/* Erase records are such that their own source reads them as what they are; else they are refused with why. */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "config/load.h"
#include "daemon/erase_record.h"

enum { PARTITIONS = 4 };

static enum seg_rc make(const char *sources, const char *customer, struct seg_buf *out, struct seg_error *err)
{
	char text[1024];
	struct seg_config *config;
	struct seg_intake *intake;
	struct seg_event event;

	snprintf(text, sizeof(text), "kafka: {brokers: \"127.0.0.1:9092\"}\nsources: {%s}\n", sources);
	if (seg_config_load_text(text, strlen(text), "test", NULL, &config, err))
		fail_msg("%s", err->text);
	if (seg_intake_new(config, PARTITIONS, &intake, err))
		fail_msg("%s", err->text);
	seg_event_reset(&event, SEG_PROFILES);
	event.kind = SEG_UPDATE_ERASE;
	event.event_id = seg_str_from("0123456789abcdef");
	event.customer_id = seg_str_from(customer);
	event.time_ms = 1740000000000;
	event.update_source = seg_str_from("segmentd");
	seg_buf_init(out, 4096);
	enum seg_rc rc = seg_erase_record(config, intake, &event,
					  seg_partition_for_key(customer, strlen(customer), PARTITIONS), out, err);
	seg_intake_free(intake);
	seg_config_free(config);
	return rc;
}

static void test_avro_by_our_schema(void **state)
{
	struct seg_buf out;
	struct seg_error err = {0};

	(void)state;
	assert_int_equal(make("profiles: {topic: p}", "17850", &out, &err), SEG_OK);
	assert_int_equal(out.data[0], 0xc3);
	assert_int_equal(out.data[1], 0x01);
	seg_buf_release(&out);
}

static void assert_json(const char *sources, const char *wanted)
{
	struct seg_buf out;
	struct seg_error err = {0};

	if (make(sources, "Zo\xc3\xab \"1\"", &out, &err))
		fail_msg("%s", err.text);
	seg_buf_u8(&out, 0);
	assert_string_equal((const char *)out.data, wanted);
	seg_buf_release(&out);
}

static void test_json_by_the_mapping(void **state)
{
	(void)state;
	assert_json("profiles: {topic: p, format: json}", "{\"event_id\":\"0123456789abcdef\",\"customer_id\":"
							  "\"Zo\xc3\xab \\\"1\\\"\",\"event_time\":1740000000000,"
							  "\"kind\":\"erase\",\"source\":\"segmentd\"}");
	assert_json("profiles: {topic: p, format: json, mapping: {customer_id: user.id, event_id: user.meta.id, "
		    "time: ts}}",
		    "{\"user\":{\"meta\":{\"id\":\"0123456789abcdef\"},\"id\":\"Zo\xc3\xab "
		    "\\\"1\\\"\"},\"ts\":1740000000000,"
		    "\"kind\":\"erase\",\"source\":\"segmentd\"}");
}

static void assert_refused(const char *sources, const char *customer, const char *why)
{
	struct seg_buf out;
	struct seg_error err = {0};

	assert_int_equal(make(sources, customer, &out, &err), SEG_INVALID);
	if (!strstr(err.text, why))
		fail_msg("%s is not in: %s", why, err.text);
	seg_buf_release(&out);
}

static void test_what_its_source_would_refuse_is_not_made(void **state)
{
	(void)state;
	assert_refused("profiles: {topic: p, format: json, mapping: {kind: {const: update}}}", "17850", "mapping");
	assert_refused("profiles: {topic: p, mapping: {customer_id: user.id}}", "17850", "one of your own");
	assert_refused("profiles: {topic: p}", "anonymous", "placeholder_id");
	assert_refused("profiles: {topic: p, format: json}", "0", "placeholder_id");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_avro_by_our_schema),
		cmocka_unit_test(test_json_by_the_mapping),
		cmocka_unit_test(test_what_its_source_would_refuse_is_not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
