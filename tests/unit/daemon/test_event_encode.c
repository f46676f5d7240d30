#include "tests/support/test.h"

#include <avro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "base/schemas.h"
#include "daemon/event_encode.h"

static const char *const schema_names[SEG_SOURCES] = {"web_event", "email_event", "order", "profile_update"};

static void test_event_fingerprints_are_the_schemas(void **state)
{
	(void)state;
	for (int source = 0; source < SEG_SOURCES; source++) {
		const char *text = seg_schema_text(schema_names[source]);
		uint64_t fingerprint;

		assert_ok(seg_avro_fingerprint(text, strlen(text), &fingerprint, NULL));
		assert_true(fingerprint == seg_event_fingerprints[source]);
	}
}

/* The event as Avro-C reads it with the shipped schema, as JSON. Caller frees. */
static char *read_back(const struct seg_event *e)
{
	const char *text = seg_schema_text(schema_names[e->source]);
	avro_schema_t schema;
	avro_value_iface_t *iface;
	avro_value_t value;
	avro_reader_t in;
	struct seg_buf b;
	char *json, left;

	seg_buf_init(&b, 1 << 16);
	seg_event_encode(e, &b);
	assert_false(b.failed);
	assert_memory_equal(b.data, "\xC3\x01", 2);
	assert_memory_equal(b.data + 2, &seg_event_fingerprints[e->source], 8);
	assert_ok(avro_schema_from_json_length(text, strlen(text), &schema));
	iface = avro_generic_class_from_schema(schema);
	assert_ok(avro_generic_value_new(iface, &value));
	in = avro_reader_memory((const char *)b.data + 10, (int64_t)b.len - 10);
	assert_ok(avro_value_read(in, &value));
	assert_int_not_equal(avro_read(in, &left, 1), 0);
	assert_ok(avro_value_to_json(&value, 1, &json));
	avro_reader_free(in);
	avro_value_decref(&value);
	avro_value_iface_decref(iface);
	avro_schema_decref(schema);
	seg_buf_release(&b);
	return json;
}

/* wanted: with ' for ", behind the fields that all records have. */
static void assert_reads(const struct seg_event *e, const char *kind, const char *wanted)
{
	char *json = read_back(e), whole[1024];

	snprintf(whole, sizeof whole,
		 "{'event_id': 'e1', 'customer_id': 'c1', 'event_time': 1323435000000, 'kind': '%s', %s}", kind,
		 wanted);
	for (char *at = whole; (at = strchr(at, '\''));)
		*at = '"';
	assert_string_equal(json, whole);
	free(json);
}

static struct seg_event an_event(enum seg_source source, uint8_t kind)
{
	struct seg_event e;

	seg_event_reset(&e, source);
	e.kind = kind;
	e.event_id = seg_str_from("e1");
	e.customer_id = seg_str_from("c1");
	e.time_ms = 1323435000000;
	return e;
}

static void test_event_encode_web(void **state)
{
	struct seg_event e = an_event(SEG_WEB, SEG_WEB_CART_ADD);

	(void)state;
	e.anonymous_id = seg_str_from("a");
	e.session_id = seg_str_from("s");
	e.url = seg_str_from("/u");
	e.category = seg_str_from("bags");
	e.product_id = seg_str_from("p");
	e.has_quantity = true;
	e.quantity = -2;
	e.has_amount = true;
	e.amount = 2.5;
	e.currency = seg_str_from("EUR");
	e.device = seg_str_from("app");
	e.user_agent = seg_str_from("ua");
	e.country = seg_str_from("DE");
	e.campaign = seg_str_from("x");
	assert_reads(&e, "cart_add",
		     "'anonymous_id': {'string': 'a'}, 'session_id': {'string': 's'}, 'url': {'string': '/u'}, "
		     "'referrer': null, 'category': {'string': 'bags'}, 'product_id': {'string': 'p'}, "
		     "'quantity': {'int': -2}, 'amount': {'double': 2.5}, 'currency': {'string': 'EUR'}, "
		     "'device': {'string': 'app'}, 'user_agent': {'string': 'ua'}, 'ip': null, "
		     "'country': {'string': 'DE'}, 'utm_source': null, 'utm_medium': null, "
		     "'utm_campaign': {'string': 'x'}");
}

static void test_event_encode_email(void **state)
{
	struct seg_event e = an_event(SEG_EMAIL, SEG_EMAIL_OPEN);

	(void)state;
	e.message_id = seg_str_from("m");
	e.sent_time_ms = 5;
	e.campaign = seg_str_from("n");
	e.variant = seg_str_from("B");
	e.url = seg_str_from("/l");
	e.machine_open = true;
	assert_reads(&e, "open",
		     "'message_id': {'string': 'm'}, 'sent_time': {'long': 5}, 'campaign': {'string': 'n'}, "
		     "'variant': {'string': 'B'}, 'link': {'string': '/l'}, 'bounce_type': null, 'user_agent': null, "
		     "'machine_open': true");
	e.sent_time_ms = SEG_NO_TIME;
	e.message_id = e.campaign = e.variant = e.url = (struct seg_str){0};
	assert_reads(&e, "open",
		     "'message_id': null, 'sent_time': null, 'campaign': null, 'variant': null, 'link': null, "
		     "'bounce_type': null, 'user_agent': null, 'machine_open': true");
}

static void test_event_encode_order(void **state)
{
	struct seg_event e = an_event(SEG_ORDERS, SEG_ORDER_REFUND);

	(void)state;
	e.order_id = seg_str_from("o");
	e.has_amount = true;
	e.amount = -1.5;
	assert_reads(&e, "refund",
		     "'order_id': 'o', 'amount': -1.5, 'currency': null, 'quantity': null, 'lines': [], "
		     "'country': null, 'campaign': null");
}

static void test_event_encode_profile(void **state)
{
	struct seg_event e = an_event(SEG_PROFILES, SEG_UPDATE_UPDATE);
	const struct seg_event_attribute attributes[] = {
		{seg_str_from("n"), {.type = SEG_VALUE_NULL}},
		{seg_str_from("b"), {.type = SEG_VALUE_BOOL, .b = true}},
		{seg_str_from("l"), {.type = SEG_VALUE_LONG, .i = -7}},
		{seg_str_from("d"), {.type = SEG_VALUE_DOUBLE, .d = .5}},
		{seg_str_from("s"), {.type = SEG_VALUE_STRING, .s = seg_str_from("v")}},
	};

	(void)state;
	assert_reads(&e, "update", "'source': null, 'attributes': {}, 'consent': {}, 'anonymous_id': null");
	e.update_source = seg_str_from("crm");
	memcpy(e.attributes, attributes, sizeof attributes);
	e.attributes_len = 5;
	e.consents[e.consents_len++] = (struct seg_event_consent){seg_str_from("marketing_email"), true};
	e.consents[e.consents_len++] = (struct seg_event_consent){seg_str_from("phone"), false};
	assert_reads(
		&e, "update",
		"'source': {'string': 'crm'}, 'attributes': {'n': null, 'b': {'boolean': true}, 'l': {'long': -7}, "
		"'d': {'double': 0.5}, 's': {'string': 'v'}}, "
		"'consent': {'marketing_email': true, 'phone': false}, 'anonymous_id': null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_fingerprints_are_the_schemas),
		cmocka_unit_test(test_event_encode_web),
		cmocka_unit_test(test_event_encode_email),
		cmocka_unit_test(test_event_encode_order),
		cmocka_unit_test(test_event_encode_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
