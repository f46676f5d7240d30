/* Rules: what is accepted and refused, and what holds, against a naive evaluator that knows nothing of the compiler. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/rule.h"
#include "tests/support/test.h"

#define DAY SEG_DAY_MS
enum { NOW_DAYS = 20000 };
#define NOW (NOW_DAYS * DAY)

static struct seg_str copy(const char *text)
{
	return (struct seg_str){strdup(text), (uint32_t)strlen(text)};
}

static void set(struct seg_attribute *a, const char *name, struct seg_value value)
{
	*a = (struct seg_attribute){.name = copy(name), .time_ms = NOW, .value = value};
}

/* 3 purchases, 600 in all, the last 10 days ago; country DE, age 40, vip true, plan was taken away. */
static struct seg_profile *a_customer(void)
{
	struct seg_profile *p = seg_profile_new(seg_str_from("c"), 1);
	p->orders = seg_orders_new();
	p->orders->purchases = 3;
	p->orders->purchased_micro = INT64_C(600000000);
	p->orders->first_ms = NOW - 100 * DAY;
	p->orders->last_ms = NOW - 10 * DAY;
	p->attributes = calloc(1, sizeof(*p->attributes));
	p->attributes->items = calloc(4, sizeof(*p->attributes->items));
	p->attributes->len = 4;
	set(&p->attributes->items[0], "country", (struct seg_value){SEG_VALUE_STRING, {.s = copy("DE")}});
	set(&p->attributes->items[1], "age", (struct seg_value){SEG_VALUE_LONG, {.i = 40}});
	set(&p->attributes->items[2], "vip", (struct seg_value){SEG_VALUE_BOOL, {.b = true}});
	set(&p->attributes->items[3], "plan", (struct seg_value){SEG_VALUE_NULL, {.b = false}});
	return p;
}

static enum seg_truth evaluate(const struct seg_profile *p, const char *text)
{
	struct seg_rule *rule;
	struct seg_error err = {0};
	if (seg_rule_compile(text, &rule, &err))
		fail_msg("%s: %s", text, err.text);
	enum seg_truth t = seg_rule_evaluate(rule, p, NOW, NULL);
	seg_rule_free(rule);
	return t;
}

/* One table. NOLINTNEXTLINE(readability-function-size) */
static void test_what_holds(void **state)
{
	static const struct {
		const char *text;
		enum seg_truth holds;
	} cases[] = {
		{"recency_days < 30 and monetary > 500", SEG_TRUE},
		{"recency_days<30 and monetary>600", SEG_FALSE},
		{"recency_days == 10 and monetary >= 600 and monetary <= 600", SEG_TRUE},
		{"attr:country == \"DE\" or not (frequency >= 2)", SEG_TRUE},
		{"attr:country == 'AT' or not (frequency >= 2)", SEG_FALSE},
		{"not attr:country == \"AT\"", SEG_TRUE},
		{"attr:country != \"DE\"", SEG_FALSE},
		{"attr:country in (\"AT\", \"DE\")", SEG_TRUE},
		{"attr:country not in (\"AT\", \"CH\")", SEG_TRUE},
		{"attr:age in (39, 40, -1)", SEG_TRUE},
		{"attr:vip", SEG_TRUE},
		{"not attr:vip", SEG_FALSE},
		{"attr:vip == true and attr:vip != false", SEG_TRUE},
		{"monetary / frequency == 200", SEG_TRUE},
		{"avg_order_value * 2 - 1 + 1 == 400", SEG_TRUE},
		{"1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 8 - 4 - 2 == 2 and 8 / 4 / 2 == 1", SEG_TRUE},
		{"-attr:age < -30 and --attr:age == 40", SEG_TRUE},
		{"frequency > 1e0 and frequency < 3.5e0", SEG_TRUE},
		{"true or attr:nothing", SEG_TRUE},
		{"true or false and false", SEG_TRUE},
		{"not false and false", SEG_FALSE},
		/* missing values */
		{"attr:plan == \"pro\"", SEG_UNKNOWN},
		{"not attr:plan == \"pro\"", SEG_UNKNOWN},
		{"attr:plan != \"pro\"", SEG_UNKNOWN},
		{"attr:plan in (\"pro\")", SEG_UNKNOWN},
		{"attr:plan not in (\"pro\")", SEG_UNKNOWN},
		{"attr:plan == \"pro\" or frequency == 3", SEG_TRUE},
		{"attr:plan == \"pro\" and frequency == 2", SEG_FALSE},
		{"attr:plan == \"pro\" and frequency == 3", SEG_UNKNOWN},
		{"missing(attr:plan) and attr:plan is missing and not known(attr:plan)", SEG_TRUE},
		{"attr:plan is not known and attr:age is known and attr:age is not missing", SEG_TRUE},
		{"missing(attr:plan + 1)", SEG_TRUE},
		{"missing(attr:plan == 1)", SEG_TRUE},
		{"web_recency_days is missing", SEG_TRUE},
		{"web_recency_days < 3 or web_recency_days >= 3", SEG_UNKNOWN},
		{"lifetime_value is missing", SEG_TRUE}, /* without what a promotion has fitted */
		{"1 / 0 > 1", SEG_UNKNOWN},
		{"attr:age > 1e308 * 10", SEG_UNKNOWN},
		/* types that only the customer shows */
		{"attr:age == \"40\"", SEG_UNKNOWN},
		{"attr:country > 3", SEG_UNKNOWN},
		{"attr:country", SEG_UNKNOWN},
		{"attr:vip == 1", SEG_UNKNOWN},
		{"attr:age in (\"a\")", SEG_UNKNOWN},
		{"attr:age in (\"a\", 3)", SEG_FALSE},
		{"attr:\"age\" == 40 and attr:'vip'", SEG_TRUE},
	};
	struct seg_profile *p = a_customer();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (evaluate(p, cases[i].text) != cases[i].holds)
			fail_msg("%s: %d", cases[i].text, evaluate(p, cases[i].text));
	}
	seg_profile_free(p);
}

static void test_texts_are_compared_byte_by_byte(void **state)
{
	struct seg_profile *p = a_customer();

	(void)state;
	free((char *)(uintptr_t)p->attributes->items[0].value.s.ptr);
	p->attributes->items[0].value.s = copy("a\"b\\c\xc3\xa9");
	assert_int_equal(evaluate(p, "attr:country == \"a\\\"b\\\\c\xc3\xa9\""), SEG_TRUE);
	assert_int_equal(evaluate(p, "attr:country == 'a\"b\\\\c\xc3\xa9'"), SEG_TRUE);
	assert_int_equal(evaluate(p, "attr:country == 'A\"b\\\\c\xc3\xa9'"), SEG_FALSE);
	assert_int_equal(evaluate(p, "attr:country == ''"), SEG_FALSE);
	seg_profile_free(p);
}

/* One table. NOLINTNEXTLINE(readability-function-size) */
static void test_what_is_refused_and_how(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "column 1: expected a condition, found the end"},
		{"   ", "column 4: expected a condition, found the end"},
		{"recency_day < 3", "column 1: unknown feature `recency_day`; did you mean `recency_days`?"},
		{"recency_days < ", "column 16: expected a feature, attr:NAME, a number, a text in quotes or `(`, "
				    "found the end"},
		{"recency_days", "column 1: expected a condition for the rule, found a number"},
		{"recency_days = 3", "column 14: `=`; to compare write `==`"},
		{"recency_days < 3 && monetary > 1", "column 18: `&`; write `and`"},
		{"recency_days < 3 || monetary > 1", "column 18: `|`; write `or`"},
		{"!attr:x", "column 1: `!`; write `not`, or `!=`"},
		{"recency_days < 'x'", "column 16: expected a number for `<`, found a text"},
		{"recency_days == 'x'", "column 17: expected a number for `==`, found a text"},
		{"'x' == true", "column 8: expected a text for `==`, found a condition"},
		{"'a' < 'b'", "column 1: expected a number for `<`, found a text"},
		{"recency_days and true", "column 1: expected a condition for `and`, found a number"},
		{"true and recency_days", "column 10: expected a condition for `and`, found a number"},
		{"true or 'x'", "column 9: expected a condition for `or`, found a text"},
		{"not recency_days", "column 5: expected a condition for `not`, found a number"},
		{"1 + true == 2", "column 5: expected a number for `+`, found a condition"},
		{"-'x' == 1", "column 2: expected a number for `-`, found a text"},
		{"1 < 2 < 3", "column 7: expected `and`, `or` or the end: comparisons do not chain, found `<`"},
		{"attr: == 1", "column 6: expected an attribute's name behind `attr:`"},
		{"attr:'' == 1", "column 1: expected an attribute's name"},
		{"foo:bar == 1", "column 4: a colon; only `attr:`"},
		{"attr:x in 3", "column 11: expected `(` and the values, found `3`"},
		{"attr:x in ()", "column 12: expected a number, a text in quotes, true or false, found `)`"},
		{"attr:x in (1", "column 13: expected `,` or `)`, found the end"},
		{"attr:x in (-'a')", "column 13: expected a number behind `-`, found `'a'`"},
		{"monetary in ('a')", "column 14: expected a number for the list, found a text"},
		{"attr:x not 3", "column 12: expected `in` behind `not`, found `3`"},
		{"attr:x is 3", "column 11: expected `known`, `missing` or `not`, found `3`"},
		{"attr:x is not 3", "column 15: expected `known` or `missing`, found `3`"},
		{"missing attr:x", "column 9: expected `(` behind `missing`, found `attr:x`"},
		{"known(attr:x", "column 13: expected `)`, found the end"},
		{"(true", "column 6: expected `)` or an operator, found the end"},
		{"true)", "column 5: expected an operator or the end, found `)`"},
		{"true true", "column 6: expected an operator or the end, found `true`"},
		{"and true", "column 1: expected a value, found `and`"},
		{"attr:x == 'a", "column 11: a text that begins here has no end"},
		{"attr:x == 'a\\n'", "column 13: a backslash is followed by itself or by the quote"},
		{"attr:x == 'a\nb'", "column 13: a control character in a text"},
		{"monetary > 1e999", "column 12: a number that is too large"},
		{"monetary > 3x", "column 12: expected a number like 30, 0.5 or 1e6"},
		{"monetary > 3 ; true", "column 14: a character that means nothing here"},
		{"attr:x == \xe2\x80\x9c"
		 "a",
		 "column 11: a curly quote; write \""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seg_rule *rule = NULL;
		struct seg_error err = {0};
		assert_int_equal(seg_rule_compile(cases[i].text, &rule, &err), SEG_INVALID);
		assert_null(rule);
		if (strncmp(err.text, cases[i].why, strlen(cases[i].why)) != 0)
			fail_msg("%s\n got: %s\nwant: %s", cases[i].text, err.text, cases[i].why);
	}
}

static void append(char *text, const char *more, int times)
{
	for (int i = 0; i < times; i++)
		strcat(text, more);
}

static void test_length_depth_and_size_are_bounded(void **state)
{
	char text[3000] = "";
	struct seg_rule *rule;

	(void)state;
	append(text, "(", 32);
	append(text, "true", 1);
	append(text, ")", 32);
	assert_ok(seg_rule_compile(text, &rule, NULL));
	seg_rule_free(rule);
	strcpy(text, "");
	append(text, "(", 33);
	assert_int_equal(seg_rule_compile(text, &rule, NULL), SEG_LIMIT);
	strcpy(text, "");
	append(text, "not ", 33);
	assert_int_equal(seg_rule_compile(text, &rule, NULL), SEG_LIMIT);
	strcpy(text, "1 == ");
	append(text, "-", 33);
	assert_int_equal(seg_rule_compile(text, &rule, NULL), SEG_LIMIT);
	strcpy(text, "");
	append(text, "1+(", 31);
	append(text, "1", 1);
	append(text, ")", 31);
	append(text, "==32", 1);
	assert_ok(seg_rule_compile(text, &rule, NULL));
	struct seg_profile *p = a_customer();
	assert_int_equal(seg_rule_evaluate(rule, p, NOW, NULL), SEG_TRUE);
	seg_rule_free(rule);
	seg_profile_free(p);
	strcpy(text, "true");
	append(text, " or true", 64);
	assert_int_equal(seg_rule_compile(text, &rule, NULL), SEG_LIMIT);
	strcpy(text, "attr:x in (1");
	append(text, ",1", 64);
	append(text, ")", 1);
	assert_int_equal(seg_rule_compile(text, &rule, NULL), SEG_LIMIT);
	strcpy(text, "true");
	append(text, " ", 1000);
	assert_int_equal(seg_rule_compile(text, &rule, NULL), SEG_LIMIT);
}

static void test_a_set_is_ordered_and_bounded(void **state)
{
	struct seg_rule_set *s = seg_rule_set_new();
	struct seg_profile *p = a_customer();
	struct seg_held_rules held;
	struct seg_error err = {0};
	char name[60];

	(void)state;
	assert_ok(seg_rule_set_add(s, "vip", "monetary > 500", NULL));
	assert_ok(seg_rule_set_add(s, "at", "attr:country == 'AT'", NULL));
	assert_ok(seg_rule_set_add(s, "de_2", "attr:country == 'DE'", NULL));
	assert_int_equal(seg_rule_set_add(s, "vip", "true", &err), SEG_INVALID);
	assert_int_equal(seg_rule_set_add(s, "Vip", "true", &err), SEG_INVALID);
	assert_int_equal(seg_rule_set_add(s, "", "true", &err), SEG_INVALID);
	assert_int_equal(seg_rule_set_add(s, "x", "nonsense", &err), SEG_INVALID);
	assert_int_equal(seg_rule_set_len(s), 3);
	assert_string_equal(seg_rule_set_name(s, 0), "at");
	seg_rule_set_hold(s, p, NOW, NULL, &held);
	assert_int_equal(held.len, 9);
	assert_memory_equal(held.names, "de_2\0vip", 9);
	assert_true(seg_held_rules_have(&held, "vip") && !seg_held_rules_have(&held, "at"));
	/* 12 bytes so far. */
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "a-name-of-just-forty-bytes-%013d", i);
		assert_int_equal(seg_rule_set_add(s, name, "true", &err), i < 5 ? SEG_OK : SEG_LIMIT);
	}
	seg_rule_set_hold(s, p, NOW, NULL, &held);
	assert_int_equal(held.len, 9 + 5 * 41);
	seg_rule_set_free(s);
	seg_rule_set_hold(NULL, p, NOW, NULL, &held);
	assert_int_equal(held.len, 0);
	seg_profile_free(p);
}

static void test_what_a_promotion_fits_is_known(void **state)
{
	struct seg_rule *rule;

	(void)state;
	assert_ok(seg_rule_compile("m_score >= 4 or frequency > 1", &rule, NULL));
	assert_true(seg_rule_is_fitted(rule));
	seg_rule_free(rule);
	assert_ok(seg_rule_compile("frequency > 1", &rule, NULL));
	assert_false(seg_rule_is_fitted(rule));
	seg_rule_free(rule);
}

/* ---- against a naive evaluator: random trees, written as text with all brackets or as few as needed ---- */

enum kind {
	K_NUMBER,
	K_TEXT,
	K_BOOL,
	K_FREQUENCY,
	K_AGE,
	K_COUNTRY,
	K_VIP,
	K_PLAN,
	K_LEAVES,
	K_ADD = K_LEAVES,
	K_SUB,
	K_MUL,
	K_DIV,
	K_NEG,
	K_LT,
	K_GE,
	K_EQ,
	K_NE,
	K_MISSING,
	K_IN,
	K_AND,
	K_OR,
	K_NOT
};

struct tree {
	enum kind kind;
	double number;
	struct tree *a, *b;
};

struct naive {
	char type; /* n, t, b, or 0: missing */
	double n;
	const char *t;
};

static struct tree *leaf(struct seg_rng *rng, const enum kind *kinds, size_t len)
{
	struct tree *t = calloc(1, sizeof(*t));
	t->kind = kinds[seg_rng_below(rng, len)];
	t->number = (double)seg_rng_below(rng, 5);
	return t;
}

static struct tree *grow(struct seg_rng *rng, char type, int depth)
{
	static const enum kind numbers[] = {K_NUMBER, K_FREQUENCY, K_AGE, K_PLAN};
	static const enum kind any[] = {K_NUMBER, K_FREQUENCY, K_AGE, K_PLAN, K_VIP, K_COUNTRY};
	static const enum kind bools[] = {K_BOOL, K_VIP, K_PLAN};
	struct tree *t;
	if (depth == 0)
		return type == 'n' ? leaf(rng, numbers, 4) : leaf(rng, bools, 3);
	t = calloc(1, sizeof(*t));
	if (type == 'n') {
		t->kind = K_ADD + (enum kind)seg_rng_below(rng, 5);
		t->a = grow(rng, 'n', depth - 1 - (int)seg_rng_below(rng, (uint64_t)depth));
		t->b = t->kind == K_NEG ? NULL : grow(rng, 'n', depth - 1 - (int)seg_rng_below(rng, (uint64_t)depth));
		return t;
	}
	t->kind = K_LT + (enum kind)seg_rng_below(rng, 9);
	if (t->kind >= K_AND) {
		t->a = grow(rng, 'b', depth - 1);
		t->b = t->kind == K_NOT ? NULL : grow(rng, 'b', depth - 1 - (int)seg_rng_below(rng, (uint64_t)depth));
	} else if (t->kind == K_IN) {
		t->a = leaf(rng, any + 2, 4);
	} else if (t->kind == K_MISSING) {
		t->a = grow(rng, seg_rng_below(rng, 2) ? 'n' : 'b', depth - 1);
	} else {
		t->a = grow(rng, 'n', depth - 1);
		t->b = grow(rng, 'n', depth - 1 - (int)seg_rng_below(rng, (uint64_t)depth));
	}
	return t;
}

static void chop(struct tree *t)
{
	if (!t)
		return;
	chop(t->a);
	chop(t->b);
	free(t);
}

static int strength(enum kind k)
{
	switch (k) {
	case K_OR:
		return 1;
	case K_AND:
		return 2;
	case K_NOT:
		return 3;
	case K_LT:
	case K_GE:
	case K_EQ:
	case K_NE:
	case K_IN:
		return 4;
	case K_ADD:
	case K_SUB:
		return 5;
	case K_MUL:
	case K_DIV:
		return 6;
	case K_NEG:
		return 7;
	case K_NUMBER:
	case K_TEXT:
	case K_BOOL:
	case K_FREQUENCY:
	case K_AGE:
	case K_COUNTRY:
	case K_VIP:
	case K_PLAN:
	case K_MISSING:
		break;
	}
	return 8;
}

static void write_tree(const struct tree *t, int least, bool all, FILE *f)
{
	static const char *const leaves[] = {"",	 "'x'",		 "",	     "frequency",
					     "attr:age", "attr:country", "attr:vip", "attr:plan"};
	static const char *const signs[] = {
		" + ", " - ", "*", "/ ", "-", " < ", ">=", " == ", " != ", "", "", " and ", " or ", "not "};
	int own = strength(t->kind);
	bool brackets = own < least || (all && t->kind >= K_LEAVES);
	fputs(brackets ? "(" : "", f);
	if (t->kind == K_NUMBER)
		fprintf(f, "%g", t->number);
	else if (t->kind == K_BOOL)
		fputs(t->number > 2 ? "true" : "false", f);
	else if (t->kind < K_LEAVES)
		fputs(leaves[t->kind], f);
	else if (t->kind == K_MISSING) {
		fputs("missing(", f);
		write_tree(t->a, 0, all, f);
		fputs(")", f);
	} else if (t->kind == K_IN) {
		write_tree(t->a, 5, all, f);
		fprintf(f, " in (40, \"DE\", %g)", t->number);
	} else if (!t->b) {
		fputs(signs[t->kind - K_LEAVES], f);
		write_tree(t->a, own, all, f);
	} else {
		bool compare = own == 4;
		write_tree(t->a, compare ? 5 : own, all, f);
		fputs(signs[t->kind - K_LEAVES], f);
		write_tree(t->b, own + 1, all, f);
	}
	fputs(brackets ? ")" : "", f);
}

static struct naive num(double n)
{
	struct naive unknown = {0}, known = {.type = 'n', .n = n};
	return isfinite(n) ? known : unknown;
}

static struct naive boo(int b)
{
	struct naive unknown = {0}, known = {.type = 'b', .n = b};
	return b < 0 ? unknown : known;
}

static int truth_of(struct naive v)
{
	return v.type == 'b' ? (int)v.n : -1;
}

static struct naive naive(const struct tree *t)
{
	struct naive a = t->a ? naive(t->a) : (struct naive){0}, b = t->b ? naive(t->b) : (struct naive){0};
	bool numbers = a.type == 'n' && b.type == 'n';
	int x = truth_of(a), y = truth_of(b);
	switch (t->kind) {
	case K_NUMBER:
		return num(t->number);
	case K_BOOL:
		return boo(t->number > 2);
	case K_FREQUENCY:
		return num(3);
	case K_AGE:
		return num(40);
	case K_VIP:
		return boo(1);
	case K_TEXT:
	case K_COUNTRY:
		return (struct naive){.type = 't', .t = "DE"};
	case K_PLAN:
		return (struct naive){0};
	case K_ADD:
		return numbers ? num(a.n + b.n) : (struct naive){0};
	case K_SUB:
		return numbers ? num(a.n - b.n) : (struct naive){0};
	case K_MUL:
		return numbers ? num(a.n * b.n) : (struct naive){0};
	case K_DIV:
		return numbers ? num(a.n / b.n) : (struct naive){0};
	case K_NEG:
		return a.type == 'n' ? num(-a.n) : (struct naive){0};
	case K_LT:
		return boo(numbers ? a.n < b.n : -1);
	case K_GE:
		return boo(numbers ? a.n >= b.n : -1);
	case K_EQ:
		return boo(a.type && a.type == b.type ? a.n == b.n : -1);
	case K_NE:
		return boo(a.type && a.type == b.type ? a.n != b.n : -1);
	case K_MISSING:
		return boo(a.type == 0);
	case K_IN:
		return boo(a.type == 'n' ? a.n == 40 || a.n == t->number : a.type == 't' ? 1 : -1);
	case K_AND:
		return boo(x == 0 || y == 0 ? 0 : x < 0 || y < 0 ? -1 : 1);
	case K_OR:
		return boo(x == 1 || y == 1 ? 1 : x < 0 || y < 0 ? -1 : 0);
	case K_NOT:
		return boo(x < 0 ? -1 : !x);
	}
	return (struct naive){0};
}

static void test_random_rules_mean_what_a_naive_evaluator_says(void **state)
{
	struct seg_profile *p = a_customer();
	struct seg_rng rng;
	size_t compiled = 0, seen[3] = {0};

	(void)state;
	seg_rng_init(&rng, 11);
	for (int i = 0; i < 20000; i++) {
		struct tree *t = grow(&rng, 'b', 1 + (int)seg_rng_below(&rng, 5));
		int want = truth_of(naive(t));
		for (int all = 0; all < 2; all++) {
			char *text = NULL;
			size_t len;
			struct seg_rule *rule;
			struct seg_error err = {0};
			FILE *f = open_memstream(&text, &len);
			write_tree(t, 0, all, f);
			fclose(f);
			enum seg_rc rc = seg_rule_compile(text, &rule, &err);
			if (rc == SEG_OK) {
				enum seg_truth got = seg_rule_evaluate(rule, p, NOW, NULL);
				if ((got == SEG_UNKNOWN ? -1 : (int)got) != want)
					fail_msg("%s: got %d, want %d", text, (int)got, want);
				seg_rule_free(rule);
				compiled++;
				seen[want + 1]++;
			} else if (rc != SEG_LIMIT) {
				fail_msg("%s: %s", text, err.text);
			}
			free(text);
		}
		chop(t);
	}
	assert_true(compiled > 30000 && seen[0] > 1000 && seen[1] > 1000 && seen[2] > 1000);
	seg_profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_holds),
		cmocka_unit_test(test_texts_are_compared_byte_by_byte),
		cmocka_unit_test(test_what_is_refused_and_how),
		cmocka_unit_test(test_length_depth_and_size_are_bounded),
		cmocka_unit_test(test_a_set_is_ordered_and_bounded),
		cmocka_unit_test(test_what_a_promotion_fits_is_known),
		cmocka_unit_test(test_random_rules_mean_what_a_naive_evaluator_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
