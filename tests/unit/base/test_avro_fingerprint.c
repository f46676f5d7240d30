/* Canonical forms and fingerprints, with values from Avro's own test data (share/test/data/schema-tests.txt). */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "base/buf.h"

static void expect(const char *schema, const char *canonical)
{
	struct seg_error err = {SEG_OK, ""};
	char *form = NULL;
	uint64_t fingerprint = 0;

	if (seg_avro_canonical(schema, strlen(schema), &form, &err) != SEG_OK)
		fail_msg("%s", err.text);
	assert_string_equal(form, canonical);
	assert_ok(seg_avro_fingerprint(schema, strlen(schema), &fingerprint, NULL));
	assert_true(fingerprint == seg_avro_crc64(form, strlen(form)));
	free(form);
}

static void test_canonical_keeps_what_matters(void **state)
{
	(void)state;
	expect("\"int\"", "\"int\"");
	expect("{\"type\" : \"int\", \"logicalType\": \"date\"}", "\"int\"");
	expect("{\"items\":{\"type\":\"string\"}, \"type\":\"array\"}", "{\"type\":\"array\",\"items\":\"string\"}");
	expect("{\"type\":\"fixed\",\"name\":\"foo\",\"namespace\":\"x.y\",\"size\":16,\"doc\":\"d\"}",
	       "{\"name\":\"x.y.foo\",\"type\":\"fixed\",\"size\":16}");
	expect("{\"namespace\":\"a\",\"fields\":[{\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"s\"],"
	       "\"default\":\"s\"},\"name\":\"f\",\"default\":\"s\"},{\"name\":\"g\",\"type\":[\"null\",\"E\",\"R\"],"
	       "\"aliases\":[\"h\"]}],\"name\":\"R\",\"type\":\"record\"}",
	       "{\"name\":\"a.R\",\"type\":\"record\",\"fields\":[{\"name\":\"f\",\"type\":{\"name\":\"a.E\",\"type\":"
	       "\"enum\",\"symbols\":[\"s\"]}},{\"name\":\"g\",\"type\":[\"null\",\"a.E\",\"a.R\"]}]}");
}

static void test_crc64_is_avros(void **state)
{
	(void)state;
	assert_true(seg_avro_crc64("\"null\"", 6) == UINT64_C(7195948357588979594));
	assert_true(seg_avro_crc64("\"int\"", 5) == UINT64_C(8247732601305521295));
	assert_true(seg_avro_crc64("", 0) == UINT64_C(0xc15d213aa4d7a795));
}

static void test_single_object_header_is_little_endian(void **state)
{
	uint8_t header[SEG_SINGLE_OBJECT_HEADER];

	(void)state;
	seg_single_object_header(UINT64_C(0x0102030405060708), header);
	assert_memory_equal(header, "\xC3\x01\x08\x07\x06\x05\x04\x03\x02\x01", sizeof(header));
}

static void test_canonical_refuses_what_is_no_schema(void **state)
{
	static const char *const bad[] = {"",
					  "{}",
					  "7",
					  "\"nothing\"",
					  "{\"type\":\"record\",\"name\":\"R\"}",
					  "{\"type\":\"array\"}",
					  "{\"type\":\"fixed\",\"name\":\"F\"}",
					  "{\"type\":\"enum\",\"name\":\"a\\\"b\",\"symbols\":[]}"};
	struct seg_error err;
	uint64_t fingerprint = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(seg_avro_fingerprint(bad[i], strlen(bad[i]), &fingerprint, &err), SEG_INVALID);
		assert_true(strlen(err.text) > 0);
	}
	assert_int_equal(fingerprint, 7);
}

static void test_canonical_limits_the_depth(void **state)
{
	struct seg_buf s;
	uint64_t fingerprint;

	(void)state;
	seg_buf_init(&s, 1 << 16);
	for (int i = 0; i < 100; i++)
		seg_buf_printf(&s, "{\"type\":\"array\",\"items\":");
	seg_buf_printf(&s, "\"int\"");
	for (int i = 0; i < 100; i++)
		seg_buf_u8(&s, '}');
	assert_int_equal(seg_avro_fingerprint((char *)s.data, s.len, &fingerprint, NULL), SEG_LIMIT);
	seg_buf_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_keeps_what_matters),
		cmocka_unit_test(test_crc64_is_avros),
		cmocka_unit_test(test_single_object_header_is_little_endian),
		cmocka_unit_test(test_canonical_refuses_what_is_no_schema),
		cmocka_unit_test(test_canonical_limits_the_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
