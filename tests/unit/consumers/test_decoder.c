/* The decoder on the shipped schemas, on other writers' schemas with and without a mapping, and on JSON. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/avro_fingerprint.h"
#include "base/buf.h"
#include "base/schemas.h"
#include "consumers/decoder.h"

static void put_text(struct seg_buf *b, const char *s)
{
	seg_buf_zigzag(b, (int64_t)strlen(s));
	seg_buf_append(b, s, strlen(s));
}

static void put_header(struct seg_buf *b, uint64_t fingerprint)
{
	uint8_t header[SEG_SINGLE_OBJECT_HEADER];

	seg_single_object_header(fingerprint, header);
	seg_buf_append(b, header, sizeof(header));
}

static void put_shipped_header(struct seg_buf *b, const char *name)
{
	uint64_t fingerprint = 0;
	const char *text = seg_schema_text(name);

	assert_ok(seg_avro_fingerprint(text, strlen(text), &fingerprint, NULL));
	put_header(b, fingerprint);
}

static void put_order(struct seg_buf *b)
{
	put_shipped_header(b, "order");
	put_text(b, "e-1");
	put_text(b, "c-1");
	seg_buf_zigzag(b, 1700000000123);
	seg_buf_zigzag(b, 1); /* purchase */
	put_text(b, "o-1");
	seg_buf_f64(b, 12.5);
	seg_buf_zigzag(b, 1);
	put_text(b, "USD");
	seg_buf_zigzag(b, 1);
	seg_buf_zigzag(b, 3);
	seg_buf_zigzag(b, 1); /* lines: one */
	seg_buf_zigzag(b, 1);
	put_text(b, "p-1");
	seg_buf_zigzag(b, 0);
	seg_buf_zigzag(b, 3);
	seg_buf_zigzag(b, 1);
	seg_buf_f64(b, 4.0);
	seg_buf_zigzag(b, 0);
	seg_buf_zigzag(b, 1);
	put_text(b, "DE");
	seg_buf_zigzag(b, 0);
}

static struct seg_decoder *decoder(enum seg_source source, enum seg_format format, const struct seg_mapped *mapping,
				   size_t len)
{
	struct seg_decoder_options o = {.source = source, .format = format, .mapping = mapping, .mapping_len = len};
	struct seg_decoder *d = NULL;
	struct seg_error err = {SEG_OK, ""};

	if (seg_decoder_new(&o, &d, &err) != SEG_OK)
		fail_msg("%s", err.text);
	return d;
}

static struct seg_str message(const struct seg_buf *b)
{
	assert_false(b->failed);
	return (struct seg_str){(const char *)b->data, (uint32_t)b->len};
}

static void test_decode_reads_an_order(void **state)
{
	struct seg_decoder *d = decoder(SEG_ORDERS, SEG_FORMAT_AVRO, NULL, 0);
	struct seg_refused why;
	struct seg_event e;
	struct seg_buf b;

	(void)state;
	seg_buf_init(&b, 4096);
	put_order(&b);
	assert_int_equal(seg_decoder_decode(d, message(&b), &e, &why), SEG_REFUSED_NOT);
	assert_string_equal(why.schema_id, "55f4f9e88662682f");
	assert_int_equal(e.source, SEG_ORDERS);
	assert_true(seg_str_is(e.event_id, "e-1"));
	assert_true(seg_str_is(e.customer_id, "c-1"));
	assert_true(seg_str_is(e.order_id, "o-1"));
	assert_true(seg_str_is(e.currency, "USD"));
	assert_true(seg_str_is(e.country, "DE"));
	assert_null(e.campaign.ptr);
	assert_int_equal(e.time_ms, 1700000000123);
	assert_int_equal(e.kind, SEG_ORDER_PURCHASE);
	assert_true(e.has_amount && e.has_quantity);
	assert_near(e.amount, 12.5, 0);
	assert_int_equal(e.quantity, 3);
	seg_buf_release(&b);
	seg_decoder_free(d);
}

/* Every cut of a message is refused, with the time kept once it has been read. */
static void test_decode_refuses_every_truncation(void **state)
{
	struct seg_decoder *d = decoder(SEG_ORDERS, SEG_FORMAT_AVRO, NULL, 0);
	struct seg_refused why;
	struct seg_event e;
	struct seg_buf b;

	(void)state;
	seg_buf_init(&b, 4096);
	put_order(&b);
	for (size_t len = 0; len < b.len; len++) {
		/* A copy of its own length, so that a sanitizer sees a read past it. */
		char *cut = malloc(len ? len : 1);

		memcpy(cut, b.data, len);
		enum seg_refusal r = seg_decoder_decode(d, (struct seg_str){cut, (uint32_t)len}, &e, &why);

		assert_true(r == SEG_REFUSED_TRUNCATED || r == SEG_REFUSED_BAD_LENGTH ||
			    (len < 2 && r == SEG_REFUSED_NOT_SINGLE_OBJECT));
		assert_true(strlen(why.text) > 0);
		assert_int_equal(e.time_ms, len >= 24 ? 1700000000123 : SEG_NO_TIME);
		free(cut);
	}
	seg_buf_u8(&b, 0);
	assert_int_equal(seg_decoder_decode(d, message(&b), &e, &why), SEG_REFUSED_TRAILING_BYTES);
	seg_buf_release(&b);
	seg_decoder_free(d);
}

static void test_decode_refuses_a_message_as_a_whole(void **state)
{
	struct seg_decoder *d = decoder(SEG_WEB, SEG_FORMAT_AVRO, NULL, 0);
	struct seg_refused why;
	struct seg_event e;
	char *large = calloc(1, SEG_DECODE_MAX_BYTES + 1);

	(void)state;
	assert_int_equal(seg_decoder_decode(d, (struct seg_str){NULL, 0}, &e, &why), SEG_REFUSED_NULL_VALUE);
	assert_int_equal(seg_decoder_decode(d, (struct seg_str){large, SEG_DECODE_MAX_BYTES + 1}, &e, &why),
			 SEG_REFUSED_TOO_LARGE);
	assert_int_equal(seg_decoder_decode(d, (struct seg_str){large, 100}, &e, &why), SEG_REFUSED_NOT_SINGLE_OBJECT);
	assert_int_equal(
		seg_decoder_decode(d, (struct seg_str){"\xC3\x01\x01\x02\x03\x04\x05\x06\x07\x08", 10}, &e, &why),
		SEG_REFUSED_UNKNOWN_SCHEMA);
	assert_string_equal(why.schema_id, "0807060504030201");
	free(large);
	seg_decoder_free(d);
}

#define FOREIGN                                                                                                        \
	"{\"type\":\"record\",\"name\":\"Hit\",\"fields\":["                                                           \
	"{\"name\":\"id\",\"type\":\"long\"},"                                                                         \
	"{\"name\":\"user\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"User\",\"fields\":["                    \
	"  "                                                                                                           \
	"{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}]}]" \
	"},"                                                                                                           \
	"{\"name\":\"ts\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}},"                         \
	"{\"name\":\"props\",\"type\":{\"type\":\"map\",\"values\":[\"null\",\"string\",\"double\"]}}]}"

static const struct seg_mapped foreign_mapping[] = {
	{"event_id", "id", NULL}, {"session_id", "id", NULL},  {"customer_id", "user.id", NULL},
	{"time", "ts", NULL},	  {"kind", NULL, "page_view"}, {"url", "props.page", NULL},
	{"country", NULL, "FR"},
};

static void put_hit(struct seg_buf *b, uint64_t fingerprint, bool user)
{
	put_header(b, fingerprint);
	seg_buf_zigzag(b, -77);
	seg_buf_zigzag(b, user);
	if (user) {
		seg_buf_zigzag(b, 4711);
		seg_buf_zigzag(b, -2); /* two tags in a block with its size */
		seg_buf_zigzag(b, 4);
		put_text(b, "a");
		put_text(b, "b");
		seg_buf_zigzag(b, 0);
	}
	seg_buf_zigzag(b, 1700000000123999);
	seg_buf_zigzag(b, 2);
	put_text(b, "weight");
	seg_buf_zigzag(b, 2);
	seg_buf_f64(b, 1);
	put_text(b, "page");
	seg_buf_zigzag(b, 1);
	put_text(b, "/home");
	seg_buf_zigzag(b, 0);
}

static void test_decode_maps_a_foreign_schema(void **state)
{
	struct seg_decoder *d = decoder(SEG_WEB, SEG_FORMAT_AVRO, foreign_mapping, 7);
	uint64_t fingerprint = 0;
	struct seg_event e;
	struct seg_buf b;

	(void)state;
	assert_ok(seg_decoder_add_schema(d, FOREIGN, strlen(FOREIGN), &fingerprint, NULL));
	seg_buf_init(&b, 4096);
	put_hit(&b, fingerprint, true);
	assert_int_equal(seg_decoder_decode(d, message(&b), &e, NULL), SEG_REFUSED_NOT);
	assert_true(seg_str_is(e.event_id, "-77"));
	assert_true(seg_str_is(e.session_id, "-77"));
	assert_true(seg_str_is(e.customer_id, "4711"));
	assert_true(seg_str_is(e.url, "/home"));
	assert_true(seg_str_is(e.country, "FR"));
	assert_int_equal(e.kind, SEG_WEB_PAGE_VIEW);
	assert_int_equal(e.time_ms, 1700000000123);
	seg_buf_clear(&b);
	put_hit(&b, fingerprint, false);
	assert_int_equal(seg_decoder_decode(d, message(&b), &e, NULL), SEG_REFUSED_NOT);
	assert_null(e.customer_id.ptr);
	seg_buf_release(&b);
	seg_decoder_free(d);
}

static void test_decode_refuses_a_foreign_schema_without_mapping(void **state)
{
	struct seg_decoder *d = decoder(SEG_WEB, SEG_FORMAT_AVRO, NULL, 0);
	uint64_t fingerprint = 0;
	struct seg_refused why;
	struct seg_event e;
	struct seg_buf b;

	(void)state;
	assert_ok(seg_decoder_add_schema(d, FOREIGN, strlen(FOREIGN), &fingerprint, NULL));
	seg_buf_init(&b, 4096);
	put_hit(&b, fingerprint, true);
	assert_int_equal(seg_decoder_decode(d, message(&b), &e, &why), SEG_REFUSED_SCHEMA_MISMATCH);
	assert_non_null(strstr(why.text, "event_id"));
	assert_non_null(strstr(why.text, "Hit"));
	assert_int_equal(strlen(why.schema_id), 16);
	seg_buf_release(&b);
	seg_decoder_free(d);
}

static void test_new_refuses_a_bad_mapping(void **state)
{
	const struct seg_mapped unknown = {"shoe_size", "a", NULL}, both = {"url", "a", "b"};
	struct seg_decoder_options o = {.source = SEG_WEB, .mapping = &unknown, .mapping_len = 1};
	struct seg_decoder *d = NULL;
	struct seg_error err;

	(void)state;
	assert_int_equal(seg_decoder_new(&o, &d, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "shoe_size"));
	o.mapping = &both;
	assert_int_equal(seg_decoder_new(&o, &d, &err), SEG_INVALID);
	o = (struct seg_decoder_options){.source = SEG_WEB, .schemas_dir = "/no/such/folder"};
	assert_int_equal(seg_decoder_new(&o, &d, &err), SEG_IO);
	assert_non_null(strstr(err.text, "/no/such/folder"));
}

static void test_new_reads_the_schema_folder(void **state)
{
	char dir[] = "/tmp/seg_test_decoder.XXXXXX", path[128];
	struct seg_decoder_options o = {.source = SEG_WEB, .mapping = foreign_mapping, .mapping_len = 7};
	struct seg_decoder *d = NULL;
	uint64_t fingerprint = 0;
	struct seg_event e;
	struct seg_buf b;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/hit.avsc", dir);
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	fputs(FOREIGN, f);
	fclose(f);
	o.schemas_dir = dir;
	assert_ok(seg_decoder_new(&o, &d, NULL));
	assert_ok(seg_avro_fingerprint(FOREIGN, strlen(FOREIGN), &fingerprint, NULL));
	seg_buf_init(&b, 4096);
	put_hit(&b, fingerprint, true);
	assert_int_equal(seg_decoder_decode(d, message(&b), &e, NULL), SEG_REFUSED_NOT);
	seg_buf_release(&b);
	seg_decoder_free(d);
	unlink(path);
	rmdir(dir);
}

static enum seg_refusal decode_text(struct seg_decoder *d, const char *text, struct seg_event *e)
{
	return seg_decoder_decode(d, seg_str_from(text), e, NULL);
}

static void test_decode_reads_json(void **state)
{
	struct seg_decoder *d = decoder(SEG_PROFILES, SEG_FORMAT_JSON, NULL, 0);
	struct seg_event e;

	(void)state;
	assert_int_equal(
		decode_text(d,
			    "{\"event_id\":\"e\",\"customer_id\":7,\"event_time\":\"2023-11-14T22:13:20Z\","
			    "\"kind\":\"update\",\"source\":\"crm\",\"attributes\":{\"age\":41,\"vip\":true,"
			    "\"gone\":null,\"score\":0.5,\"city\":\"K\\u00f6ln\"},\"consent\":{\"email\":true}}",
			    &e),
		SEG_REFUSED_NOT);
	assert_true(seg_str_is(e.customer_id, "7"));
	assert_int_equal(e.time_ms, 1700000000000);
	assert_int_equal(e.kind, SEG_UPDATE_UPDATE);
	assert_true(seg_str_is(e.update_source, "crm"));
	assert_int_equal(e.attributes_len, 5);
	assert_int_equal(e.consents_len, 1);
	assert_true(e.consents[0].granted);
	for (uint32_t i = 0; i < e.attributes_len; i++) {
		if (seg_str_is(e.attributes[i].name, "city"))
			assert_true(seg_str_is(e.attributes[i].value.s, "K\xc3\xb6ln"));
	}
	assert_int_equal(decode_text(d, "[1]", &e), SEG_REFUSED_BAD_JSON);
	assert_int_equal(decode_text(d, "{\"event_id\":", &e), SEG_REFUSED_BAD_JSON);
	assert_int_equal(decode_text(d, "{\"event_id\":{}}", &e), SEG_REFUSED_BAD_JSON);
	assert_int_equal(decode_text(d, "{\"event_time\":\"yesterday\"}", &e), SEG_REFUSED_BAD_TIME);
	seg_decoder_free(d);
}

static void test_decode_maps_json(void **state)
{
	struct seg_decoder *d = decoder(SEG_WEB, SEG_FORMAT_JSON, foreign_mapping, 7);
	struct seg_event e;

	(void)state;
	assert_int_equal(
		decode_text(d, "{\"id\":9,\"user\":{\"id\":\"u\"},\"ts\":1700000000000,\"props\":{\"page\":\"/\"}}",
			    &e),
		SEG_REFUSED_NOT);
	assert_true(seg_str_is(e.event_id, "9"));
	assert_true(seg_str_is(e.customer_id, "u"));
	assert_true(seg_str_is(e.url, "/"));
	assert_true(seg_str_is(e.country, "FR"));
	assert_int_equal(e.kind, SEG_WEB_PAGE_VIEW);
	seg_decoder_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_reads_an_order),
		cmocka_unit_test(test_decode_refuses_every_truncation),
		cmocka_unit_test(test_decode_refuses_a_message_as_a_whole),
		cmocka_unit_test(test_decode_maps_a_foreign_schema),
		cmocka_unit_test(test_decode_refuses_a_foreign_schema_without_mapping),
		cmocka_unit_test(test_new_refuses_a_bad_mapping),
		cmocka_unit_test(test_new_reads_the_schema_folder),
		cmocka_unit_test(test_decode_reads_json),
		cmocka_unit_test(test_decode_maps_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
