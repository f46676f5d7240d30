#include "tests/support/test.h"

#include <avro.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/schemas.h"
#include "tests/unit/producers/samples.h"

static struct seg_encoder *new_encoder(enum seg_format format)
{
	struct seg_encoder *e = NULL;
	struct seg_error err;

	assert_ok(seg_encoder_new(format, &e, &err));
	return e;
}

static avro_schema_t schema_of(enum seg_output output)
{
	const char *text = seg_schema_text(seg_output_names[output]);
	avro_schema_t schema;

	assert_ok(avro_schema_from_json_length(text, strlen(text), &schema));
	return schema;
}

/* Avro-C reads the body to its end, and writes what it has read as the same bytes. */
static void assert_same_by_avro_c(enum seg_output output, const uint8_t *body, size_t len)
{
	avro_schema_t schema = schema_of(output);
	avro_value_iface_t *iface = avro_generic_class_from_schema(schema);
	avro_reader_t in = avro_reader_memory((const char *)body, (int64_t)len);
	char *again = malloc(len + 1);
	avro_writer_t out = avro_writer_memory(again, (int64_t)len + 1);
	avro_value_t value;
	char left;

	assert_ok(avro_generic_value_new(iface, &value));
	assert_ok(avro_value_read(in, &value));
	assert_int_not_equal(avro_read(in, &left, 1), 0);
	assert_ok(avro_value_write(out, &value));
	assert_int_equal(avro_writer_tell(out), len);
	assert_memory_equal(again, body, len);
	avro_value_decref(&value);
	avro_writer_free(out);
	avro_reader_free(in);
	free(again);
	avro_value_iface_decref(iface);
	avro_schema_decref(schema);
}

static void test_encode_is_what_avro_c_writes(void **state)
{
	struct seg_encoder *e = new_encoder(SEG_FORMAT_AVRO);
	struct seg_buf b;

	(void)state;
	seg_buf_init(&b, 1 << 16);
	for (int output = 0; output < SEG_OUTPUTS; output++) {
		for (size_t i = 0; i < SAMPLES; i++) {
			uint64_t fingerprint = seg_encoder_fingerprint(e, (enum seg_output)output);

			seg_buf_clear(&b);
			assert_ok(seg_encode(e, (enum seg_output)output, sample_of((enum seg_output)output, i), &b,
					     NULL));
			assert_memory_equal(b.data, "\xC3\x01", 2);
			assert_memory_equal(b.data + 2, &fingerprint, 8);
			assert_same_by_avro_c((enum seg_output)output, b.data + 10, b.len - 10);
		}
	}
	seg_buf_release(&b);
	seg_encoder_free(e);
}

static void test_encode_appends_json_objects(void **state)
{
	struct seg_encoder *e = new_encoder(SEG_FORMAT_JSON);
	struct seg_buf b;

	(void)state;
	seg_buf_init(&b, 1 << 16);
	for (int output = 0; output < SEG_OUTPUTS; output++) {
		json_error_t error;
		json_t *object;

		seg_buf_clear(&b);
		seg_buf_append(&b, "before", 6);
		assert_ok(seg_encode(e, (enum seg_output)output, sample_of((enum seg_output)output, 0), &b, NULL));
		assert_memory_equal(b.data, "before", 6);
		assert_null(memchr(b.data, '\n', b.len));
		object = json_loadb((const char *)b.data + 6, b.len - 6, 0, &error);
		assert_true(json_is_object(object));
		json_decref(object);
	}
	seg_buf_release(&b);
	seg_encoder_free(e);
}

static void test_encode_writes_non_finite_as_null_in_json(void **state)
{
	struct seg_encoder *e = new_encoder(SEG_FORMAT_JSON);
	struct seg_segment_row row = {.cluster = 1, .name = "n", .share = INFINITY};
	struct seg_buf b;

	(void)state;
	seg_buf_init(&b, 1 << 16);
	assert_ok(seg_encode(e, SEG_OUTPUT_SEGMENT, &row, &b, NULL));
	assert_non_null(memmem(b.data, b.len, "\"share\":null,", 13));
	seg_buf_release(&b);
	seg_encoder_free(e);
}

/* Refused with the field's name, and the buffer as it was. */
static void assert_refused(struct seg_encoder *e, enum seg_output output, const void *record, const char *field)
{
	struct seg_error err;
	struct seg_buf b;

	seg_buf_init(&b, 1 << 16);
	seg_buf_append(&b, "before", 6);
	assert_int_equal(seg_encode(e, output, record, &b, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, field));
	assert_int_equal(b.len, 6);
	assert_false(b.failed);
	seg_buf_release(&b);
}

static void test_encode_tells_rule_segments_by_name(void **state)
{
	struct seg_encoder *json = new_encoder(SEG_FORMAT_JSON);
	struct seg_change change = *(const struct seg_change *)sample_of(SEG_OUTPUT_CHANGE, 1);
	struct seg_buf b;

	(void)state;
	seg_buf_init(&b, 4096);
	change.to_rule = "new-customers";
	assert_ok(seg_encode(json, SEG_OUTPUT_CHANGE, &change, &b, NULL));
	seg_buf_u8(&b, 0);
	assert_non_null(strstr((char *)b.data,
			       "\"from_segment\":null,\"from_name\":null,\"to_segment\":\"rule:new-customers\","
			       "\"to_name\":\"new-customers\""));
	change.from_rule = change.to_rule;
	change.to_rule = NULL;
	seg_buf_clear(&b);
	assert_ok(seg_encode(json, SEG_OUTPUT_CHANGE, &change, &b, NULL));
	seg_buf_u8(&b, 0);
	assert_non_null(strstr((char *)b.data,
			       "\"from_segment\":\"rule:new-customers\",\"from_name\":\"new-customers\","
			       "\"to_segment\":null,\"to_name\":null"));
	seg_buf_release(&b);
	seg_encoder_free(json);
}

static void test_encode_refuses_what_the_schema_has_not(void **state)
{
	struct seg_encoder *avro = new_encoder(SEG_FORMAT_AVRO), *json = new_encoder(SEG_FORMAT_JSON);
	struct seg_change change = *(const struct seg_change *)sample_of(SEG_OUTPUT_CHANGE, 0);
	struct seg_segment_row segment = *(const struct seg_segment_row *)sample_of(SEG_OUTPUT_SEGMENT, 0);
	struct seg_alert alert = *(const struct seg_alert *)sample_of(SEG_OUTPUT_ALERT, 0);

	(void)state;
	change.customer_id.ptr = NULL;
	assert_refused(avro, SEG_OUTPUT_CHANGE, &change, "customer_id");
	assert_refused(json, SEG_OUTPUT_CHANGE, &change, "customer_id");
	segment.cluster = 0;
	assert_refused(avro, SEG_OUTPUT_SEGMENT, &segment, "segment_id");
	alert.model_version = UINT64_MAX;
	assert_refused(avro, SEG_OUTPUT_ALERT, &alert, "model_version");
	alert.model_version = 1;
	alert.severity = (enum seg_severity)2;
	assert_refused(avro, SEG_OUTPUT_ALERT, &alert, "severity");
	assert_refused(json, SEG_OUTPUT_ALERT, &alert, "severity");
	seg_encoder_free(avro);
	seg_encoder_free(json);
}

static void test_encode_refuses_strings_that_are_not_utf8_in_json(void **state)
{
	static const char *const bad[] = {
		"\xFF", "a\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE0\x80\xAF", "\xF0\x8F\xBF\xBF"};
	struct seg_encoder *json = new_encoder(SEG_FORMAT_JSON);
	struct seg_change change = *(const struct seg_change *)sample_of(SEG_OUTPUT_CHANGE, 1);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		change.customer_id = seg_str_from(bad[i]);
		assert_refused(json, SEG_OUTPUT_CHANGE, &change, "customer_id is not UTF-8");
	}
	seg_encoder_free(json);
}

static void test_encode_keeps_the_buffers_maximum(void **state)
{
	const void *change = sample_of(SEG_OUTPUT_CHANGE, 0);
	struct seg_encoder *e = new_encoder(SEG_FORMAT_AVRO);
	struct seg_error err;
	struct seg_buf b;
	size_t whole;

	(void)state;
	seg_buf_init(&b, 1 << 16);
	assert_ok(seg_encode(e, SEG_OUTPUT_CHANGE, change, &b, NULL));
	whole = b.len;
	seg_buf_release(&b);
	for (size_t max = 0; max <= whole; max++) {
		seg_buf_init(&b, max);
		assert_int_equal(seg_encode(e, SEG_OUTPUT_CHANGE, change, &b, &err), max == whole ? SEG_OK : SEG_LIMIT);
		assert_int_equal(b.len, max == whole ? whole : 0);
		assert_false(b.failed);
		seg_buf_release(&b);
	}
	seg_encoder_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode_is_what_avro_c_writes),
		cmocka_unit_test(test_encode_appends_json_objects),
		cmocka_unit_test(test_encode_writes_non_finite_as_null_in_json),
		cmocka_unit_test(test_encode_tells_rule_segments_by_name),
		cmocka_unit_test(test_encode_refuses_what_the_schema_has_not),
		cmocka_unit_test(test_encode_refuses_strings_that_are_not_utf8_in_json),
		cmocka_unit_test(test_encode_keeps_the_buffers_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
