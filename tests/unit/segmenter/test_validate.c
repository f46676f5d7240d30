/* The segments against labels: counts, adjusted Rand index and purity of samples that are made up. */
#include <jansson.h>

#include "segmenter/learner.h"
#include "tests/unit/segmenter/make_model.h"

struct stage {
	struct seg_learner *l;
	struct seg_model *m;
	struct seg_buf out;
	json_t *answer;
};

static void set_up(struct stage *s)
{
	struct seg_learner_config c = {.k = 3,
				       .min_customers = 10,
				       .seed = 1,
				       .refit_sample = 400,
				       .drift_window_ms = 7 * SEG_DAY_MS,
				       .psi_warning = .1,
				       .psi_critical = .25,
				       .gate = SEG_GATE_DEFAULTS};
	memset(s, 0, sizeof(*s));
	c.features_len = (uint32_t)seg_preset("rfm", c.features, SEG_MAX_FEATURES);
	assert_ok(seg_learner_new(&c, &s->l, NULL));
	s->m = make_model("rfm", 3, 1); /* s3, s6, s9 */
	assert_ok(seg_learner_start(s->l, s->m, NULL));
	seg_buf_init(&s->out, 1 << 20);
}

static void tear_down(struct stage *s)
{
	json_decref(s->answer);
	seg_buf_release(&s->out);
	seg_learner_free(s->l);
	seg_model_put(s->m);
}

static struct seg_str copy(const char *text)
{
	return (struct seg_str){strdup(text), (uint32_t)strlen(text)};
}

/* label NULL: no attribute. rules: as in struct seg_held_rules. */
static void customer(struct stage *s, int n, uint64_t cluster, const char *label, const char *rules, uint16_t rules_len)
{
	char id[32];
	snprintf(id, sizeof(id), "c%d", n);
	struct seg_profile *p = seg_profile_new(seg_str_from(id), (uint64_t)n);
	p->decision.alive = true;
	p->decision.cluster = cluster;
	memcpy(p->decision.rules.names, rules, rules_len);
	p->decision.rules.len = rules_len;
	if (label) {
		p->attributes = calloc(1, sizeof(*p->attributes));
		p->attributes->items = calloc(1, sizeof(*p->attributes->items));
		p->attributes->len = 1;
		p->attributes->items[0] = (struct seg_attribute){.name = copy("plan"),
								 .value = {.type = SEG_VALUE_STRING, .s = copy(label)}};
	}
	assert_ok(seg_learner_take_sample(s->l, seg_str_from(id), p, NULL));
}

static const json_t *validate(struct stage *s, const char *labels)
{
	struct seg_error err = {0};
	seg_buf_clear(&s->out);
	json_decref(s->answer);
	if (seg_learner_validate(s->l, labels, &s->out, &err))
		fail_msg("%s", err.text);
	s->answer = json_loadb((const char *)s->out.data, s->out.len, 0, NULL);
	assert_non_null(s->answer);
	return s->answer;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static int64_t cell(const json_t *answer, const char *label, const char *segment)
{
	size_t i;
	const json_t *row;
	json_array_foreach(json_object_get(answer, "matrix"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "label")), label) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "segment_id")), segment) == 0)
			return json_integer_value(json_object_get(row, "customers"));
	}
	return 0;
}

static void test_labels_that_are_the_segments(void **state)
{
	struct stage s;
	(void)state;
	set_up(&s);
	for (int i = 0; i < 30; i++)
		customer(&s, i, 3 + 3 * (uint64_t)(i % 3), i % 3 == 0 ? "free" : i % 3 == 1 ? "pro" : "team", "", 0);
	customer(&s, 100, 3, NULL, "", 0);
	customer(&s, 101, 0, "pro", "", 0);
	customer(&s, 102, 1, "pro", "", 0); /* a retired one */
	const json_t *a = validate(&s, "attr:plan");
	assert_near(number(a, "adjusted_rand"), 1, 1e-12);
	assert_near(number(a, "purity"), 1, 1e-12);
	assert_int_equal(json_integer_value(json_object_get(a, "compared")), 30);
	assert_int_equal(json_integer_value(json_object_get(a, "missing")), 1);
	assert_int_equal(json_integer_value(json_object_get(a, "unassigned")), 2);
	assert_int_equal(cell(a, "free", "s3"), 10);
	assert_int_equal(cell(a, "free", "s6"), 0);
	assert_int_equal(json_array_size(json_object_get(a, "matrix")), 3);
	tear_down(&s);
}

/* Hubert & Arabie's index by hand. */
static void test_labels_that_cut_across(void **state)
{
	struct stage s;
	(void)state;
	set_up(&s);
	/*	s3  s6
	 *  a	5   1
	 *  b	2   4	n = 12, rows 6 6, columns 7 5 */
	static const int cells[2][2] = {{5, 1}, {2, 4}};
	int n = 0;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			for (int k = 0; k < cells[i][j]; k++)
				customer(&s, n++, j ? 6 : 3, i ? "b" : "a", "", 0);
	const json_t *a = validate(&s, "attr:plan");
	/* Pairs within cells 10 + 0 + 1 + 6 = 17, rows 15 + 15 = 30, columns 21 + 10 = 31, all 66. */
	double expected = 30. * 31 / 66;
	assert_near(number(a, "adjusted_rand"), (17 - expected) / ((30 + 31) / 2. - expected), 1e-12);
	assert_near(number(a, "purity"), (5. + 4) / 12, 1e-12);
	assert_int_equal(cell(a, "b", "s6"), 4);
	const json_t *row = json_array_get(json_object_get(a, "matrix"), 0);
	assert_near(number(row, "of_label"), 5. / 6, 1e-12);
	assert_near(number(row, "of_segment"), 5. / 7, 1e-12);
	tear_down(&s);
}

static void test_rules_overlap(void **state)
{
	struct stage s;
	(void)state;
	set_up(&s);
	for (int i = 0; i < 4; i++)
		customer(&s, i, 3, NULL, "new\0vip", 8);
	for (int i = 4; i < 10; i++)
		customer(&s, i, 6, NULL, "vip", 4);
	for (int i = 10; i < 15; i++)
		customer(&s, i, 9, NULL, "", 0);
	const json_t *a = validate(&s, "rules");
	assert_int_equal(cell(a, "vip", "s3"), 4);
	assert_int_equal(cell(a, "new", "s3"), 4);
	assert_int_equal(cell(a, "vip", "s6"), 6);
	assert_int_equal(json_array_size(json_object_get(a, "matrix")), 3);
	assert_near(number(a, "adjusted_rand"), 1, 1e-12); /* sets of rules are the segments */
	tear_down(&s);
}

static void test_many_labels_are_put_together(void **state)
{
	struct stage s;
	char label[80];
	(void)state;
	set_up(&s);
	for (int i = 0; i < 400; i++) {
		snprintf(label, sizeof(label), "a label that is rather long, in fact longer than what is kept of it %d",
			 i);
		customer(&s, i, 3, i < 300 ? label + 66 : label, "", 0);
	}
	const json_t *a = validate(&s, "attr:plan");
	assert_int_equal(json_array_size(json_object_get(a, "matrix")), 257);
	assert_true(cell(a, "(other)", "s3") > 40);
	tear_down(&s);
}

static void test_what_cannot_be_compared_is_refused(void **state)
{
	struct stage s;
	(void)state;
	set_up(&s);
	assert_int_equal(seg_learner_validate(s.l, "rules", &s.out, NULL), SEG_NOT_FOUND);
	customer(&s, 1, 3, NULL, "", 0);
	assert_int_equal(seg_learner_validate(s.l, "attr:plan", &s.out, NULL), SEG_NOT_FOUND);
	assert_int_equal(seg_learner_validate(s.l, "attr:", &s.out, NULL), SEG_INVALID);
	assert_int_equal(seg_learner_validate(s.l, "plan", &s.out, NULL), SEG_INVALID);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_that_are_the_segments),
		cmocka_unit_test(test_labels_that_cut_across),
		cmocka_unit_test(test_rules_overlap),
		cmocka_unit_test(test_many_labels_are_put_together),
		cmocka_unit_test(test_what_cannot_be_compared_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
