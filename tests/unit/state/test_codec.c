#include "tests/unit/state/golden.h"

#include <string.h>

#include "base/hash.h"
#include "state/aggregate.h"
#include "state/codec.h"

#define T0 INT64_C(1700000000000)

enum { CHECKSUM_BYTES = 4 };

static void *own_bytes(const void *bytes, size_t len)
{
	void *copy = malloc(len);
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	return copy;
}

static struct seg_profile *named(const char *id)
{
	struct seg_profile *p = seg_profile_new(seg_str_from(id), seg_hash_customer(seg_str_from(id)));
	assert_non_null(p);
	return p;
}

static void fill_attributes(struct seg_profile *p)
{
	const struct seg_value values[] = {{.type = SEG_VALUE_NULL},
					   {.type = SEG_VALUE_BOOL, .b = true},
					   {.type = SEG_VALUE_LONG, .i = INT64_MIN},
					   {.type = SEG_VALUE_DOUBLE, .d = -0.1},
					   {.type = SEG_VALUE_STRING, .s = {"Zürich", 7}},
					   {.type = SEG_VALUE_STRING, .s = {"", 0}}};
	static const char *const names[] = {"age", "vip", "score", "ratio", "city", ""};
	static struct seg_event e;
	enum seg_applied applied;
	seg_event_reset(&e, SEG_PROFILES);
	e.kind = SEG_UPDATE_UPDATE;
	e.time_ms = T0 - 12345;
	e.id_hash = UINT64_C(0xfedcba9876543210);
	e.attributes_len = 6;
	for (int i = 0; i < 6; i++)
		e.attributes[i] = (struct seg_event_attribute){seg_str_from(names[i]), values[i]};
	e.consents_len = 2;
	e.consents[0] = (struct seg_event_consent){seg_str_from("mail"), true};
	e.consents[1] = (struct seg_event_consent){seg_str_from("ads"), false};
	assert_ok(seg_aggregate_apply(p, &e, 0, NULL, &applied, NULL));
}

static void fill_web(struct seg_web *w)
{
	w->last_ms = T0 - 1;
	w->kinds[SEG_WEB_PAGE_VIEW] = (struct seg_decayed){T0 - 1, {1.25, 2.5, 3.75}};
	w->kinds[SEG_WEB_SIGNUP] = (struct seg_decayed){T0 - 100 * SEG_DAY_MS, {1, 1, 1}};
	w->session_anchor = (T0 - 1) / 1800000;
	w->session_bits[0] = 1 | 6 | UINT64_C(1) << 63;
	w->session_bits[1] = 1;
	w->session_bits[22] = UINT64_C(1) << 31;
	w->devices[SEG_DEVICE_APP] = (struct seg_decayed1){T0 - 5, 1};
	w->day_parts[0] = (struct seg_decayed1){T0 - 6, 0.5};
}

static void fill_email(struct seg_email *m)
{
	m->last_human_ms = T0 - 7;
	m->machine_opens = 300;
	m->kinds[SEG_EMAIL_OPEN] = (struct seg_decayed){T0 - 7, {1, 1, 1.5}};
	m->kinds[SEG_EMAIL_COMPLAINT] = (struct seg_decayed){T0 - 8, {1, 1, 1}};
	m->latency_weight = (struct seg_decayed1){T0 - 7, 1};
	m->latency_sum = (struct seg_decayed1){T0 - 7, 0.75};
}

/* Every field has a value, none of them computed by what rounds. */
static struct seg_profile *full_profile(void)
{
	static const int32_t days[] = {-3, 0, 19000, 19675};
	static const int32_t values[] = {0, -1, INT32_MAX, INT32_MIN + 1, SEG_MISSING, 65536};
	static const struct seg_seen seen[] = {{SEG_TIME_MIN, 9}, {T0 - 9, 1}, {T0 - 9, UINT64_MAX}, {T0, 5}};
	struct seg_profile *p = named("customer-12838");
	fill_attributes(p);
	p->applied[SEG_WEB] = 0;
	p->applied[SEG_ORDERS] = INT64_MAX;
	p->applied[SEG_PROFILES] = 300;
	p->first_ms = SEG_TIME_MIN;
	p->last_ms = T0;
	assert_non_null(p->orders = seg_orders_new());
	assert_non_null(p->web = seg_web_new());
	assert_non_null(p->email = seg_email_new());
	*p->orders = (struct seg_orders){.purchases = 5,
					 .refunds = UINT64_MAX,
					 .purchased_micro = INT64_MAX,
					 .refunded_micro = 12340000,
					 .first_day_micro = 777,
					 .first_ms = -3 * SEG_DAY_MS,
					 .last_ms = T0,
					 .decayed_60d = {T0, 2.125},
					 .days_len = 4,
					 .days_cap = 4,
					 .days = own_bytes(days, sizeof(days))};
	fill_web(p->web);
	fill_email(p->email);
	p->seen[SEG_ORDERS] = (struct seg_window){4, 4, own_bytes(seen, sizeof(seen))};
	p->decision = (struct seg_decision){.alive = true,
					    .has_stay_out = true,
					    .birth_source = SEG_PROFILES,
					    .birth_offset = 123,
					    .change_number = 7,
					    .cluster = UINT64_C(1) << 40,
					    .since_ms = T0 + 5,
					    .stay_out = {-1, 5, 6, INT64_MAX}};
	p->contribution = (struct seg_contribution){2, 3, 4, T0 + 6, 6, own_bytes(values, sizeof(values))};
	return p;
}

static struct seg_profile *small_profile(void)
{
	struct seg_profile *p = named("c");
	p->applied[SEG_ORDERS] = 1000;
	p->first_ms = p->last_ms = T0;
	assert_non_null(p->orders = seg_orders_new());
	p->orders->purchases = 1;
	p->orders->purchased_micro = p->orders->first_day_micro = 9990000;
	p->orders->first_ms = p->orders->last_ms = T0;
	p->orders->decayed_60d = (struct seg_decayed1){T0, 1};
	p->orders->days_len = p->orders->days_cap = 1;
	p->orders->days = own_bytes(&(int32_t){(int32_t)(T0 / SEG_DAY_MS)}, sizeof(int32_t));
	p->seen[SEG_ORDERS] = (struct seg_window){1, 1, own_bytes(&(struct seg_seen){T0, 77}, sizeof(struct seg_seen))};
	return p;
}

/* Attributes of two events, four of the one and two of the other. */
static struct seg_profile *updated_profile(void)
{
	static const char *const names[] = {"age", "country", "gender", "lead_source", "city", "score"};
	struct seg_profile *p = small_profile();
	static struct seg_event e;
	enum seg_applied applied;
	for (int update = 0; update < 2; update++) {
		seg_event_reset(&e, SEG_PROFILES);
		e.kind = SEG_UPDATE_UPDATE;
		e.time_ms = T0 + update;
		e.id_hash = 1000 + (uint64_t)update;
		e.attributes_len = update ? 2 : 4;
		for (uint32_t i = 0; i < e.attributes_len; i++)
			e.attributes[i] = (struct seg_event_attribute){seg_str_from(names[update ? 4 + i : i]),
								       {.type = SEG_VALUE_LONG, .i = i}};
		assert_ok(seg_aggregate_apply(p, &e, update, NULL, &applied, NULL));
	}
	return p;
}

static void assert_same(const struct seg_profile *a, const struct seg_profile *b)
{
	assert_true(seg_str_eq(a->id, b->id));
	assert_int_equal(a->hash, b->hash);
	assert_memory_equal(a->applied, b->applied, sizeof(a->applied));
	assert_true(seg_aggregate_equal(a, b, 0));
	assert_true(seg_decision_equal(&a->decision, &b->decision));
	assert_true(seg_contribution_equal(&a->contribution, &b->contribution));
}

/* What a version did not keep is unknown. */
static void forget(struct seg_profile *p, unsigned version)
{
	if (version < 3 && p->orders)
		p->orders->first_day_micro = p->orders->days_len > 1 ? SEG_UNKNOWN_MONEY : p->orders->purchased_micro;
}

/* Each version is read as it was written, and the newest written so. What a version 1 wrote we can still write, too. */
static void check_golden_profile(const char *name, unsigned version, struct seg_profile *p)
{
	struct seg_buf now, golden;
	struct seg_profile *back;
	struct seg_error err;
	seg_buf_init(&now, SEG_PROFILE_BYTES_MAX);
	seg_buf_init(&golden, SEG_PROFILE_BYTES_MAX);
	if (seg_profile_encode_as(version, p, &now, &err))
		fail_msg("%s", err.text);
	forget(p, version);
	golden_read(name, &now, &golden);
	assert_int_equal(golden.data[0], version);
	if (seg_profile_decode(golden.data, golden.len, &back, &err))
		fail_msg("%s: %s", name, err.text);
	assert_same(p, back);
	assert_int_equal(now.len, golden.len);
	assert_memory_equal(now.data, golden.data, now.len);
	seg_profile_free(p);
	seg_profile_free(back);
	seg_buf_release(&now);
	seg_buf_release(&golden);
}

static void test_profile_golden(void **state)
{
	(void)state;
	check_golden_profile("profile_v1_full", 1, full_profile());
	check_golden_profile("profile_v1_small", 1, small_profile());
	check_golden_profile("profile_v1_empty", 1, named("empty"));
	check_golden_profile("profile_v2_full", 2, full_profile());
	check_golden_profile("profile_v2_small", 2, small_profile());
	check_golden_profile("profile_v2_updated", 2, updated_profile());
	check_golden_profile("profile_v3_full", 3, full_profile());
	check_golden_profile("profile_v3_small", 3, small_profile());
}

/* An old record that is read and written again is a new one, with the same content, and not larger. */
static void test_profile_upgrades(void **state)
{
	struct seg_profile *p = updated_profile(), *old, *back;
	struct seg_buf one, two;
	(void)state;
	seg_buf_init(&one, SEG_PROFILE_BYTES_MAX);
	seg_buf_init(&two, SEG_PROFILE_BYTES_MAX);
	assert_ok(seg_profile_encode_as(1, p, &one, NULL));
	forget(p, 1);
	assert_ok(seg_profile_decode(one.data, one.len, &old, NULL));
	assert_ok(seg_profile_encode(old, &two, NULL));
	assert_int_equal(two.data[0], SEG_PROFILE_VERSION);
	assert_ok(seg_profile_decode(two.data, two.len, &back, NULL));
	assert_same(p, back);
	assert_true(two.len < one.len);
	seg_profile_free(p);
	seg_profile_free(old);
	seg_profile_free(back);
	seg_buf_release(&one);
	seg_buf_release(&two);
}

static void test_profile_one_order_is_small(void **state)
{
	struct seg_profile *p = small_profile();
	struct seg_buf buf;
	(void)state;
	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	assert_ok(seg_profile_encode(p, &buf, NULL));
	assert_true(buf.len < 60);
	seg_profile_free(p);
	seg_buf_release(&buf);
}

static void check_golden_decision(const char *name, const struct seg_decision *d)
{
	struct seg_buf now, golden;
	struct seg_decision back;
	seg_buf_init(&now, 1024);
	seg_buf_init(&golden, 1024);
	assert_ok(seg_decision_encode(d, &now, NULL));
	golden_read(name, &now, &golden);
	assert_ok(seg_decision_decode(golden.data, golden.len, &back, NULL));
	assert_true(seg_decision_equal(d, &back));
	assert_int_equal(now.len, golden.len);
	assert_memory_equal(now.data, golden.data, now.len);
	seg_buf_release(&now);
	seg_buf_release(&golden);
}

static void test_decision_golden(void **state)
{
	(void)state;
	check_golden_decision("decision_v1_alive", &(struct seg_decision){.alive = true,
									  .birth_source = SEG_EMAIL,
									  .birth_offset = 99,
									  .change_number = 3,
									  .cluster = 12,
									  .since_ms = T0});
	check_golden_decision("decision_v1_erased",
			      &(struct seg_decision){.has_stay_out = true, .stay_out = {-1, 0, 500, INT64_MAX}});
	check_golden_decision("decision_v2_rules", &(struct seg_decision){.alive = true,
									  .birth_source = SEG_PROFILES,
									  .change_number = 9,
									  .cluster = 12,
									  .since_ms = T0,
									  .previous = 11,
									  .advantage = 16,
									  .flapped = true,
									  .rules = {8, "new\0vip"}});
}

/* A decision's record with this body behind version, tag and length. */
static enum seg_rc decode_decision(uint8_t version, const void *body, size_t len)
{
	struct seg_decision d;
	struct seg_buf b;
	seg_buf_init(&b, 1024);
	seg_buf_u8(&b, version);
	seg_buf_u8(&b, 1);
	seg_buf_varint(&b, len);
	seg_buf_append(&b, body, len);
	seg_buf_u32be(&b, (uint32_t)seg_hash64(b.data, b.len));
	enum seg_rc rc = seg_decision_decode(b.data, b.len, &d, NULL);
	seg_buf_release(&b);
	return rc;
}

/* Flags 64 | 1: birth, number, cluster, bytes of names, names. */
static void test_decision_rules_that_cannot_be_are_refused(void **state)
{
	char most[8 + SEG_RULE_NAME_MAX] = "\x41\x00\x00\x00";
	(void)state;
	assert_ok(decode_decision(2,
				  "\x41\x00\x00\x00\x04"
				  "a\0b\0",
				  9));
	assert_int_equal(decode_decision(1,
					 "\x41\x00\x00\x00\x04"
					 "a\0b\0",
					 9),
			 SEG_CORRUPT);
	assert_int_equal(decode_decision(2,
					 "\x41\x00\x00\x00\x04"
					 "b\0a\0",
					 9),
			 SEG_CORRUPT); /* not ascending */
	assert_int_equal(decode_decision(2,
					 "\x41\x00\x00\x00\x04"
					 "a\0a\0",
					 9),
			 SEG_CORRUPT); /* twice */
	assert_int_equal(decode_decision(2,
					 "\x41\x00\x00\x00\x03"
					 "a\0b",
					 8),
			 SEG_CORRUPT); /* no end */
	assert_int_equal(decode_decision(2,
					 "\x41\x00\x00\x00\x02"
					 "A\0",
					 7),
			 SEG_CORRUPT); /* no such name */
	assert_int_equal(decode_decision(2,
					 "\x41\x00\x00\x00\x02"
					 "\0\0",
					 7),
			 SEG_CORRUPT);						      /* no name */
	assert_int_equal(decode_decision(2, "\x41\x00\x00\x00\x00", 5), SEG_CORRUPT); /* none at all */
	assert_int_equal(decode_decision(2,
					 "\x41\x00\x00\x00\x05"
					 "a\0b\0",
					 9),
			 SEG_CORRUPT); /* cut short */
	assert_int_equal(decode_decision(2,
					 "\x41\x00\x00\x00\xff\x01"
					 "a\0b\0",
					 10),
			 SEG_CORRUPT);
	for (size_t len = SEG_RULE_NAME_MAX; len <= SEG_RULE_NAME_MAX + 1; len++) {
		most[4] = (char)(len + 1);
		memset(most + 5, 'x', len);
		most[5 + len] = '\0';
		assert_int_equal(decode_decision(2, most, 6 + len), len > SEG_RULE_NAME_MAX ? SEG_CORRUPT : SEG_OK);
	}
	/* Flags 32 | 1: the segment before and the advantage. */
	assert_ok(decode_decision(2, "\x21\x00\x00\x00\x05\x65", 6));
	assert_ok(decode_decision(2, "\x21\x00\x00\x00\x05\xe5", 6));
	assert_int_equal(decode_decision(2, "\x21\x00\x00\x00\x05\x66", 6), SEG_CORRUPT);
	assert_int_equal(decode_decision(2, "\x21\x00\x00\x00\x05\x80", 6), SEG_CORRUPT);
	assert_int_equal(decode_decision(2, "\x21\x00\x00\x00\x00\x00", 6), SEG_CORRUPT);
}

/* Content with a right checksum. */
static enum seg_rc decode_content(const void *content, size_t len, struct seg_error *err)
{
	struct seg_profile *p = NULL;
	struct seg_buf b;
	seg_buf_init(&b, SEG_PROFILE_BYTES_MAX + 100);
	seg_buf_append(&b, content, len);
	seg_buf_u32be(&b, (uint32_t)seg_hash64(content, len));
	enum seg_rc rc = seg_profile_decode(b.data, b.len, &p, err);
	assert_true((rc == SEG_OK) == (p != NULL));
	seg_profile_free(p);
	seg_buf_release(&b);
	return rc;
}

static void test_profile_newer_versions_are_told(void **state)
{
	struct seg_error err;
	(void)state;
	/* version, identity: no times, id "c"; then a section 127 of one byte, or 255. */
	assert_ok(decode_content("\x01\x01\x02\x00"
				 "c",
				 5, &err));
	assert_int_equal(decode_content("\x04\x01\x02\x00"
					"c",
					5, &err),
			 SEG_INVALID);
	assert_non_null(strstr(err.text, "upgrade"));
	assert_int_equal(decode_content("\x01\x01\x02\x00"
					"c\x7f\x01x",
					8, &err),
			 SEG_INVALID);
	assert_non_null(strstr(err.text, "127"));
	assert_ok(decode_content("\x01\x01\x02\x00"
				 "c\xff\x01x",
				 8, &err));
}

static void test_profile_wrong_content_is_corrupt(void **state)
{
	static const struct {
		const char *why, *bytes;
		size_t len;
	} bad[] = {
		{"version 0", "\0\x01\x02\0c", 5},
		{"nothing but a version", "\x01", 1},
		{"no id", "\x01\x01\x01\0", 4},
		{"unknown flags",
		 "\x01\x01\x02\x04"
		 "c",
		 5},
		{"section too long", "\x01\x01\x03\0c", 5},
		{"identity twice", "\x01\x01\x02\0c\x01\x02\0d", 9},
		{"applied before identity", "\x01\x02\x02\x01\x05", 5},
		{"applied of a fifth source", "\x01\x01\x02\0c\x02\x02\x10\x05", 9},
		{"applied cut short", "\x01\x01\x02\0c\x02\x02\x03\x05", 9},
		{"applied too long", "\x01\x01\x02\0c\x02\x03\x01\x05\x06", 10},
		{"attributes that are not there", "\x01\x01\x02\0c\x06\x02\x05\x01", 9},
		{"tag 0", "\x01\x01\x02\0c\0\x01x", 8},
	};
	struct seg_error err;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (decode_content(bad[i].bytes, bad[i].len, &err) != SEG_CORRUPT)
			fail_msg("accepted: %s", bad[i].why);
	assert_int_equal(seg_profile_decode(NULL, 0, &(struct seg_profile *){NULL}, NULL), SEG_CORRUPT);
}

/* Refused, and the buffer is as before. Frees p. */
static void check_refused(struct seg_profile *p, const char *change)
{
	struct seg_buf buf;
	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	seg_buf_append(&buf, "before", 6);
	if (seg_profile_encode(p, &buf, NULL) != SEG_INVALID)
		fail_msg("written: %s", change);
	assert_int_equal(buf.len, 6);
	assert_false(buf.failed);
	seg_buf_release(&buf);
	seg_profile_free(p);
}

#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		struct seg_profile *p = full_profile();                                                                \
		change;                                                                                                \
		check_refused(p, #change);                                                                             \
	} while (0)

static void test_profile_what_cannot_be_is_not_written(void **state)
{
	(void)state;
	REFUSED(p->first_ms = SEG_TIME_MIN - 1);
	REFUSED(p->id.len = 0);
	REFUSED(p->applied[1] = -2);
	REFUSED(p->orders->purchased_micro = -1);
	REFUSED(p->orders->days[1] = -3);
	REFUSED(p->orders->decayed_60d.count = NAN);
	REFUSED(p->web->kinds[1].count[1] = INFINITY);
	REFUSED(p->web->session_bits[22] |= UINT64_C(1) << 32);
	REFUSED(p->email->last_human_ms = SEG_TIME_MAX + 1);
	REFUSED(p->seen[SEG_ORDERS].items[1].hash = UINT64_MAX);
	REFUSED(p->seen[SEG_ORDERS].items[0].time_ms = SEG_TIME_MIN - 1);
	REFUSED(p->attributes->items[1].time_ms = SEG_NO_TIME);
	REFUSED(p->decision.birth_source = SEG_SOURCES);
}

static void test_profile_over_the_buffers_maximum(void **state)
{
	struct seg_profile *p = full_profile();
	struct seg_buf buf;
	(void)state;
	for (size_t max = 0; max < 1000; max++) {
		seg_buf_init(&buf, max);
		enum seg_rc rc = seg_profile_encode(p, &buf, NULL);
		if (rc == SEG_OK)
			break;
		assert_int_equal(rc, SEG_LIMIT);
		assert_int_equal(buf.len, 0);
		assert_false(buf.failed);
		seg_buf_release(&buf);
	}
	assert_true(buf.len > 0 && buf.len == buf.max);
	seg_buf_release(&buf);
	seg_profile_free(p);
}

/* The sessions' bitmap itself, when there are too many runs for a list. */
static void test_profile_many_sessions(void **state)
{
	struct seg_buf buf;
	(void)state;
	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	for (unsigned every = 2; every < 100; every++) {
		struct seg_profile *p = full_profile(), *back;
		memset(p->web->session_bits, 0, sizeof(p->web->session_bits));
		for (unsigned i = 0; i < SEG_SESSION_BUCKETS; i += every)
			p->web->session_bits[i / 64] |= UINT64_C(1) << i % 64;
		seg_buf_clear(&buf);
		assert_ok(seg_profile_encode(p, &buf, NULL));
		assert_ok(seg_profile_decode(buf.data, buf.len, &back, NULL));
		assert_same(p, back);
		seg_profile_free(p);
		seg_profile_free(back);
	}
	seg_buf_release(&buf);
}

static void test_changelog_keys(void **state)
{
	struct seg_buf buf;
	enum seg_changelog_kind kind;
	struct seg_str id;
	char longest[SEG_CUSTOMER_ID_BYTES + 2];
	(void)state;
	seg_buf_init(&buf, 4096);
	seg_changelog_key(&buf, SEG_CHANGELOG_DECISION, seg_str_from("c1"));
	assert_int_equal(buf.len, 3);
	assert_memory_equal(buf.data, "dc1", 3);
	assert_ok(seg_changelog_key_parse(buf.data, buf.len, &kind, &id, NULL));
	assert_int_equal(kind, SEG_CHANGELOG_DECISION);
	assert_true(seg_str_is(id, "c1"));
	seg_buf_clear(&buf);
	seg_changelog_key(&buf, SEG_CHANGELOG_CUT, (struct seg_str){NULL, 0});
	assert_ok(seg_changelog_key_parse(buf.data, buf.len, &kind, &id, NULL));
	assert_int_equal(kind, SEG_CHANGELOG_CUT);
	assert_int_equal(id.len, 0);
	memset(longest, 'p', sizeof(longest));
	assert_ok(seg_changelog_key_parse(longest, sizeof(longest) - 1, &kind, &id, NULL));
	assert_int_equal(seg_changelog_key_parse(longest, sizeof(longest), &kind, &id, NULL), SEG_CORRUPT);
	assert_int_equal(seg_changelog_key_parse("p", 1, &kind, &id, NULL), SEG_CORRUPT);
	assert_int_equal(seg_changelog_key_parse("d", 1, &kind, &id, NULL), SEG_CORRUPT);
	assert_int_equal(seg_changelog_key_parse("cx", 2, &kind, &id, NULL), SEG_CORRUPT);
	assert_int_equal(seg_changelog_key_parse("xx", 2, &kind, &id, NULL), SEG_CORRUPT);
	assert_int_equal(seg_changelog_key_parse(NULL, 0, &kind, &id, NULL), SEG_CORRUPT);
	seg_buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile_golden),
		cmocka_unit_test(test_profile_upgrades),
		cmocka_unit_test(test_profile_one_order_is_small),
		cmocka_unit_test(test_decision_golden),
		cmocka_unit_test(test_decision_rules_that_cannot_be_are_refused),
		cmocka_unit_test(test_profile_newer_versions_are_told),
		cmocka_unit_test(test_profile_wrong_content_is_corrupt),
		cmocka_unit_test(test_profile_what_cannot_be_is_not_written),
		cmocka_unit_test(test_profile_over_the_buffers_maximum),
		cmocka_unit_test(test_profile_many_sessions),
		cmocka_unit_test(test_changelog_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
