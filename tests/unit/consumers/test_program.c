/* Hostile bytes: each kind of lie has its code, and costs little. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/schemas.h"
#include "consumers/program.h"

#define FIELD(type) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f\",\"type\":" type "}]}"
#define INT FIELD("\"int\"")
#define LONG FIELD("\"long\"")
#define STRING FIELD("\"string\"")
#define LONGS FIELD("{\"type\":\"array\",\"items\":\"long\"}")
#define NULLS FIELD("{\"type\":\"array\",\"items\":\"null\"}")
#define MAP FIELD("{\"type\":\"map\",\"values\":\"boolean\"}")
#define UNION FIELD("[\"null\",\"long\",\"string\"]")
#define OPTIONAL FIELD("[\"null\",\"string\"]")
#define ENUM FIELD("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"b\"]}")
#define FIXED FIELD("{\"type\":\"fixed\",\"name\":\"X\",\"size\":4}")
#define NODE "{\"type\":\"record\",\"name\":\"N\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"N\"]}]}"

struct lie {
	const char *schema, *bytes;
	size_t len;
	enum seg_refusal refusal;
};

#define LIE(schema, bytes, refusal)                                                                                    \
	{                                                                                                              \
		schema, bytes, sizeof(bytes) - 1, SEG_REFUSED_##refusal                                                \
	}

static const struct lie lies[] = {
	LIE(INT, "", TRUNCATED),
	LIE(INT, "\x80", TRUNCATED),
	LIE(INT, "\xff\xff\xff\xff\x1f", BAD_VARINT), /* beyond 32 bits */
	LIE(INT, "\x02\x00", TRAILING_BYTES),
	LIE(LONG, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", NOT),
	LIE(LONG, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", BAD_VARINT),
	LIE(LONG, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", BAD_VARINT),
	LIE(STRING,
	    "\x08"
	    "abc",
	    BAD_LENGTH),
	LIE(STRING, "\x01", BAD_LENGTH),
	LIE(STRING, "\xfe\xff\xff\xff\x0f", BAD_LENGTH), /* 2 GiB */
	LIE(STRING, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", BAD_LENGTH),
	LIE(STRING, "\x02\xff", BAD_UTF8),
	LIE(STRING, "\x04\xc0\x80", BAD_UTF8),
	LIE(STRING, "\x06\xed\xa0\x80", BAD_UTF8),
	LIE(LONGS, "\x02\x00", TRUNCATED),
	LIE(LONGS, "\x04\x00\x00\x00", NOT),
	LIE(LONGS, "\x03\x04\x00\x00\x00", NOT),       /* two in a block of two bytes */
	LIE(LONGS, "\x03\x02\x00\x00\x00", BAD_BLOCK), /* … that says one byte */
	LIE(LONGS, "\x03\x01\x00\x00\x00", BAD_BLOCK), /* … minus one */
	LIE(LONGS, "\x03\xfe\xff\xff\xff\x0f\x00", BAD_BLOCK),
	LIE(LONGS, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", BAD_BLOCK), /* INT64_MIN of them */
	LIE(NULLS, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", TOO_MANY_ITEMS),
	LIE(NULLS, "\xa0\x9c\x01\x00", NOT),		/* 10,000 */
	LIE(NULLS, "\xa2\x9c\x01\x00", TOO_MANY_ITEMS), /* 10,001 */
	LIE(NULLS, "\xa0\x9c\x01\x02\x00", TOO_MANY_ITEMS),
	LIE(MAP,
	    "\x02\x02"
	    "k\x02\x00",
	    BAD_BOOLEAN),
	LIE(MAP,
	    "\x02\x02"
	    "k\x01\x00",
	    NOT),
	LIE(MAP,
	    "\x02\x10"
	    "k\x01\x00",
	    BAD_LENGTH),
	LIE(UNION, "\x06", BAD_UNION_INDEX),
	LIE(UNION, "\x01", BAD_UNION_INDEX),
	LIE(UNION, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", BAD_UNION_INDEX),
	LIE(OPTIONAL, "\x04", BAD_UNION_INDEX),
	LIE(OPTIONAL, "\x01", BAD_UNION_INDEX),
	LIE(OPTIONAL,
	    "\x82\x00\x02"
	    "a",
	    NOT), /* branch 1 in two bytes */
	LIE(ENUM, "\x04", BAD_ENUM_INDEX),
	LIE(ENUM, "\x01", BAD_ENUM_INDEX),
	LIE(FIXED, "abc", TRUNCATED),
	LIE(FIXED, "abcde", TRAILING_BYTES),
};

static struct seg_schema *parse(const char *text)
{
	struct seg_schema *s = NULL;
	struct seg_error err = {SEG_OK, ""};

	if (seg_schema_parse(text, strlen(text), &s, &err) != SEG_OK)
		fail_msg("%s: %s", text, err.text);
	return s;
}

static enum seg_refusal run(const char *schema, const void *bytes, size_t len, enum seg_entry entry)
{
	struct seg_schema *s = parse(schema);
	struct seg_program *p = NULL;
	struct seg_buf json;
	void *copy = malloc(len ? len : 1); /* so that a sanitizer sees a read past it */
	struct seg_run r = {.data = copy, .len = len, .json = &json};

	memcpy(copy, bytes, len);
	seg_buf_init(&json, 1 << 20);
	assert_ok(seg_program_generic(s, s, &p, NULL));
	enum seg_refusal refusal = seg_program_run(p, entry, &r);

	assert_true(r.used <= len);
	seg_buf_release(&json);
	seg_program_free(p);
	seg_schema_free(s);
	free(copy);
	return refusal;
}

static void test_run_refuses_each_lie(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		const struct lie *l = &lies[i];
		enum seg_refusal r = run(l->schema, l->bytes, l->len, SEG_ENTRY_FULL);

		if (r != l->refusal)
			fail_msg("lie %d: %s instead of %s", (int)i, seg_refusal_code(r), seg_refusal_code(l->refusal));
		/* What is skipped is checked too, but for the text of strings. */
		r = run(l->schema, l->bytes, l->len, SEG_ENTRY_SKIP);
		if (r != l->refusal && l->refusal != SEG_REFUSED_BAD_UTF8)
			fail_msg("lie %d skipped: %s instead of %s", (int)i, seg_refusal_code(r),
				 seg_refusal_code(l->refusal));
	}
}

static void test_run_limits_the_depth(void **state)
{
	uint8_t deep[SEG_PROGRAM_DEPTH + 2];

	(void)state;
	memset(deep, 2, sizeof(deep));
	deep[SEG_PROGRAM_DEPTH - 1] = 0;
	assert_int_equal(run(NODE, deep, SEG_PROGRAM_DEPTH, SEG_ENTRY_FULL), SEG_REFUSED_NOT);
	deep[SEG_PROGRAM_DEPTH - 1] = 2;
	deep[SEG_PROGRAM_DEPTH] = 0;
	assert_int_equal(run(NODE, deep, SEG_PROGRAM_DEPTH + 1, SEG_ENTRY_FULL), SEG_REFUSED_TOO_DEEP);
}

/* Eight levels of records that each hold eight of the next: 16 million values in no bytes at all. */
static void test_run_limits_the_steps(void **state)
{
	struct seg_buf s;

	(void)state;
	seg_buf_init(&s, 1 << 16);
	for (int level = 8; level > 0; level--)
		seg_buf_printf(&s,
			       "{\"type\":\"record\",\"name\":\"A%d\",\"fields\":[{\"name\":\"f0\",\"type\":", level);
	seg_buf_printf(&s, "{\"type\":\"record\",\"name\":\"A0\",\"fields\":[{\"name\":\"n\",\"type\":\"null\"}]}");
	for (int level = 1; level <= 8; level++) {
		seg_buf_u8(&s, '}');
		for (int i = 1; i < 8; i++)
			seg_buf_printf(&s, ",{\"name\":\"f%d\",\"type\":\"A%d\"}", i, level - 1);
		seg_buf_printf(&s, "]}");
	}
	seg_buf_u8(&s, 0);
	assert_int_equal(run((char *)s.data, "", 0, SEG_ENTRY_SKIP), SEG_REFUSED_TOO_COMPLEX);
	seg_buf_release(&s);
}

static void test_utf8_valid_follows_the_standard(void **state)
{
	static const char *const good[] = {"",
					   "abc",
					   "\xc2\x80",
					   "\xdf\xbf",
					   "\xe0\xa0\x80",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xf0\x90\x80\x80",
					   "\xf4\x8f\xbf\xbf",
					   "12345678\xc3\xa4",
					   "1234567\xc3\xa4"};
	static const char *const bad[] = {"\x80",
					  "\xc1\xbf",
					  "\xc3",
					  "\xe0\x9f\xbf",
					  "\xed\xa0\x80",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xe2\x82",
					  "1234567\xc3",
					  "\xe2\x28\xa1"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(seg_utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(seg_utf8_valid(bad[i], strlen(bad[i])));
}

static void test_schema_parse_refuses_what_cannot_be(void **state)
{
	/* NOLINTBEGIN(bugprone-suspicious-missing-comma): FIELD makes one text of three */
	static const char *const bad[] = {"{}",
					  "[",
					  "\"nothing\"",
					  "[]",
					  "[\"null\",\"null\"]",
					  "[\"null\",[\"int\"]]",
					  "{\"type\":\"fixed\",\"name\":\"F\",\"size\":-2}",
					  "{\"type\":\"fixed\",\"name\":\"F\",\"size\":0}",
					  "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]}",
					  "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"a\"]}",
					  "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\"],\"default\":\"b\"}",
					  "{\"type\":\"record\",\"name\":\"R\"}",
					  "{\"type\":\"record\",\"name\":\"1R\",\"fields\":[]}",
					  "{\"type\":\"array\"}",
					  FIELD("\"unknown\"")};
	/* NOLINTEND(bugprone-suspicious-missing-comma) */

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct seg_schema *s = NULL;
		struct seg_error err = {SEG_OK, ""};

		assert_int_equal(seg_schema_parse(bad[i], strlen(bad[i]), &s, &err), SEG_INVALID);
		assert_true(strlen(err.text) > 0);
	}
}

/* The decoder relies on it: what a writer leaves out is what an event begins with. */
static void test_shipped_defaults_are_those_of_an_empty_event(void **state)
{
	static const char *const names[] = {"web_event", "email_event", "order", "profile_update"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct seg_schema *s = parse(seg_schema_text(names[i]));

		for (uint32_t f = 0; f < s->root->len; f++) {
			const json_t *v = s->root->fields[f].value;

			assert_true(!v || json_is_null(v) || json_is_false(v) ||
				    json_array_size(v) + json_object_size(v) == 0);
			assert_false(json_is_number(v) || json_is_string(v) || json_is_true(v));
		}
		seg_schema_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_refuses_each_lie),
		cmocka_unit_test(test_run_limits_the_depth),
		cmocka_unit_test(test_run_limits_the_steps),
		cmocka_unit_test(test_utf8_valid_follows_the_standard),
		cmocka_unit_test(test_schema_parse_refuses_what_cannot_be),
		cmocka_unit_test(test_shipped_defaults_are_those_of_an_empty_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
