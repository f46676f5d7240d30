#include "tests/unit/state/aggregate_events.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

static struct seg_event *set_at(int64_t time_ms, uint64_t id_hash, const char *name, const char *value)
{
	struct seg_event *e = event_at(SEG_PROFILES, SEG_UPDATE_UPDATE, time_ms);
	e->id_hash = id_hash;
	e->attributes_len = 1;
	e->attributes[0].name = seg_str_from(name);
	e->attributes[0].value = (struct seg_value){.type = value ? SEG_VALUE_STRING : SEG_VALUE_NULL};
	if (value)
		e->attributes[0].value.s = seg_str_from(value);
	return e;
}

static struct seg_event *consent_at(int64_t time_ms, const char *purpose, bool granted)
{
	struct seg_event *e = event_at(SEG_PROFILES, SEG_UPDATE_CONSENT, time_ms);
	e->consents_len = 1;
	e->consents[0] = (struct seg_event_consent){seg_str_from(purpose), granted};
	return e;
}

static const struct seg_attribute *attribute(const struct seg_profile *p, const char *name)
{
	for (uint32_t i = 0; i < p->attributes->len; i++)
		if (seg_str_is(p->attributes->items[i].name, name))
			return &p->attributes->items[i];
	return NULL;
}

static void test_apply_latest_time_wins_then_larger_hash(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, set_at(T0, 5, "city", "Oslo"));
	apply(p, set_at(T0 - 1, 9, "city", "Rome"));
	assert_true(seg_str_is(attribute(p, "city")->value.s, "Oslo"));
	apply(p, set_at(T0, 4, "city", "Bern"));
	assert_true(seg_str_is(attribute(p, "city")->value.s, "Oslo"));
	apply(p, set_at(T0, 6, "city", "Wien"));
	assert_true(seg_str_is(attribute(p, "city")->value.s, "Wien"));
	/* What was removed stays removed for older values. */
	apply(p, set_at(T0 + 9, 1, "city", NULL));
	apply(p, set_at(T0 + 8, 2, "city", "Bonn"));
	assert_int_equal(attribute(p, "city")->value.type, SEG_VALUE_NULL);
	assert_int_equal(p->attributes->len, 1);
	apply(p, set_at(T0 + 10, 3, "city", ""));
	assert_int_equal(attribute(p, "city")->value.type, SEG_VALUE_STRING);
	assert_int_equal(attribute(p, "city")->value.s.len, 0);
	seg_profile_free(p);
}

static void test_apply_last_of_one_event_wins(void **state)
{
	struct seg_profile *p = new_profile();
	struct seg_event *e = set_at(T0, 5, "a", "first");
	(void)state;
	e->attributes_len = 2;
	e->attributes[1] = (struct seg_event_attribute){{"a", 1}, {.type = SEG_VALUE_BOOL, .b = true}};
	apply(p, e);
	assert_int_equal(p->attributes->len, 1);
	assert_int_equal(attribute(p, "a")->value.type, SEG_VALUE_BOOL);
	seg_profile_free(p);
}

static void test_apply_keeps_the_smallest_names(void **state)
{
	enum { NAMES = 200 };
	struct seg_profile *p = new_profile();
	static char name[NAMES][8];
	(void)state;
	for (int i = 0; i < NAMES; i++) {
		snprintf(name[i], sizeof(name[i]), "n%d", i);
		apply(p, set_at(T0 + i, (uint64_t)i + 1, name[i], "v"));
		apply(p, consent_at(T0 + i, name[i], true));
	}
	assert_int_equal(p->attributes->len, SEG_ATTRIBUTES_MAX);
	assert_int_equal(p->attributes->consents_len, SEG_CONSENTS_MAX);
	for (int i = 0; i < NAMES; i++) {
		unsigned smaller = 0;
		uint64_t hash = seg_hash64(name[i], strlen(name[i]));
		for (int j = 0; j < NAMES; j++)
			smaller += seg_hash64(name[j], strlen(name[j])) < hash;
		if ((smaller < SEG_ATTRIBUTES_MAX) != (attribute(p, name[i]) != NULL))
			fail_msg("%s is smaller than all but %u", name[i], smaller);
	}
	for (uint32_t i = 1; i < p->attributes->len; i++) {
		struct seg_str a = p->attributes->items[i - 1].name, b = p->attributes->items[i].name;
		assert_true(seg_hash64(a.ptr, a.len) < seg_hash64(b.ptr, b.len));
	}
	seg_profile_free(p);
}

static void test_apply_cuts_at_a_character(void **state)
{
	struct seg_profile *p = new_profile();
	static char name[400], value[400];
	(void)state;
	/* 127 + a character of two bytes, 253 + one of four. */
	memset(name, 'n', sizeof(name));
	memcpy(name + 127, "\xc3\xa9", 2);
	name[200] = '\0';
	memset(value, 'v', sizeof(value));
	memcpy(value + 253, "\xf0\x9f\x98\x80", 4);
	value[300] = '\0';
	apply(p, set_at(T0, 1, name, value));
	assert_int_equal(p->attributes->items[0].name.len, 127);
	assert_int_equal(p->attributes->items[0].value.s.len, 253);
	memset(value, 'v', sizeof(value));
	memcpy(value + 254, "\xc3\xa9", 2);
	value[300] = '\0';
	apply(p, set_at(T0 + 1, 2, name, value));
	assert_int_equal(p->attributes->items[0].value.s.len, 256);
	memset(value, 0x80, 300); /* not UTF-8 */
	apply(p, set_at(T0 + 2, 3, name, value));
	assert_true(p->attributes->items[0].value.s.len <= SEG_VALUE_BYTES);
	assert_int_equal(p->attributes->len, 1);
	seg_profile_free(p);
}

static void test_apply_consent_latest_wins_and_a_tie_is_no(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, consent_at(T0, "mail", true));
	const struct seg_consent *c = p->attributes->consents;
	assert_true(c->granted);
	apply(p, consent_at(T0, "mail", false));
	assert_false(c->granted);
	apply(p, consent_at(T0, "mail", true));
	assert_false(c->granted);
	apply(p, consent_at(T0 - 1, "mail", true));
	assert_false(c->granted);
	apply(p, consent_at(T0 + 1, "mail", true));
	assert_true(c->granted);
	assert_int_equal(c->time_ms, T0 + 1);
	assert_int_equal(p->attributes->consents_len, 1);
	seg_profile_free(p);
}

static void test_apply_update_takes_consents_and_nothing_makes_no_section(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, event_at(SEG_PROFILES, SEG_UPDATE_UPDATE, T0));
	assert_null(p->attributes);
	struct seg_event *e = consent_at(T0, "ads", true);
	e->kind = SEG_UPDATE_UPDATE;
	apply(p, e);
	assert_int_equal(p->attributes->consents_len, 1);
	seg_profile_free(p);
}

static void test_merge_attributes_and_decision_of_into(void **state)
{
	struct seg_profile *a = new_profile(), *b = new_profile();
	(void)state;
	apply(a, set_at(T0, 5, "city", "Oslo"));
	apply(a, consent_at(T0, "mail", true));
	apply(b, set_at(T0 + 1, 6, "city", "Bern"));
	apply(b, set_at(T0 - 5, 7, "age", "40"));
	apply(b, consent_at(T0, "mail", false));
	a->decision.cluster = 1;
	b->decision.cluster = 2;
	b->applied[SEG_PROFILES] = 77;
	assert_ok(seg_aggregate_merge(a, b, NULL, NULL));
	assert_int_equal(a->attributes->len, 2);
	assert_true(seg_str_is(attribute(a, "city")->value.s, "Bern"));
	assert_false(a->attributes->consents[0].granted);
	assert_int_equal(a->seen[SEG_PROFILES].len, 5);
	assert_int_equal(a->first_ms, T0 - 5);
	assert_int_equal(a->applied[SEG_PROFILES], 77);
	assert_int_equal(a->decision.cluster, 1);
	seg_profile_free(a);
	seg_profile_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_latest_time_wins_then_larger_hash),
		cmocka_unit_test(test_apply_last_of_one_event_wins),
		cmocka_unit_test(test_apply_keeps_the_smallest_names),
		cmocka_unit_test(test_apply_cuts_at_a_character),
		cmocka_unit_test(test_apply_consent_latest_wins_and_a_tie_is_no),
		cmocka_unit_test(test_apply_update_takes_consents_and_nothing_makes_no_section),
		cmocka_unit_test(test_merge_attributes_and_decision_of_into),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
