/*
 * The printed default file and the docs page. config/segmentd.yaml and docs/configuration.md are kept in the tree; after
 * a change of the option table run this test with SEG_UPDATE=1 in the environment to write them anew.
 */
#include "tests/unit/config/load_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/document.h"
#include "config/options.h"

static char *printed(void (*print)(FILE *f))
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f);
	assert_int_equal(ferror(f), 0);
	fclose(f);
	assert_int_equal(strlen(text), len);
	return text;
}

static void assert_same_map(const struct seg_config_map *a, const struct seg_config_map *b)
{
	assert_int_equal(a->len, 0);
	assert_int_equal(b->len, 0);
}

static void assert_same_list(const struct seg_config_list *a, const struct seg_config_list *b)
{
	assert_int_equal(a->len, b->len);
	for (size_t i = 0; i < a->len; i++)
		assert_string_equal(a->items[i], b->items[i]);
}

static void assert_same(const struct seg_option *o, const struct seg_config *a, const struct seg_config *b)
{
	const void *x = seg_option_get(o, a), *y = seg_option_get(o, b);

	switch (o->type) {
	case SEG_OPTION_INT:
	case SEG_OPTION_DURATION:
	case SEG_OPTION_BYTES:
		assert_true(*(const int64_t *)x == *(const int64_t *)y);
		return;
	case SEG_OPTION_DOUBLE:
		assert_true(*(const double *)x == *(const double *)y);
		return;
	case SEG_OPTION_ENUM:
		assert_int_equal(*(const unsigned *)x, *(const unsigned *)y);
		return;
	case SEG_OPTION_STRING:
		assert_string_equal(*(char *const *)x, *(char *const *)y);
		return;
	case SEG_OPTION_LIST:
		assert_same_list(x, y);
		return;
	case SEG_OPTION_MAP:
		assert_same_map(x, y);
		return;
	case SEG_OPTION_RATES:
		assert_int_equal(((const struct seg_config_rates *)x)->len + ((const struct seg_config_rates *)y)->len,
				 0);
		return;
	case SEG_OPTION_MAPPING:
		assert_int_equal(
			((const struct seg_config_mapping *)x)->len + ((const struct seg_config_mapping *)y)->len, 0);
		return;
	case SEG_OPTION_RULES:
		assert_int_equal(((const struct seg_config_rules *)x)->len + ((const struct seg_config_rules *)y)->len,
				 0);
		return;
	case SEG_OPTION_FEATURES:
		assert_string_equal(((const struct seg_config_features *)x)->preset,
				    ((const struct seg_config_features *)y)->preset);
		return;
	}
}

static void test_printed_file_gives_exactly_the_defaults(void **state)
{
	char *text = printed(seg_config_print_yaml);
	struct seg_config *a = load_text(text), *b = NULL;

	(void)state;
	assert_ok(seg_config_default(&b, NULL));
	for (size_t i = 0; i < seg_options_len; i++)
		assert_same(&seg_options[i], a, b);
	for (int i = 0; i < SEG_SOURCES; i++)
		assert_int_equal(a->sources[i].read, b->sources[i].read);
	assert_true(seg_config_aggregate_fingerprint(a) == seg_config_aggregate_fingerprint(b));
	seg_config_free(a);
	seg_config_free(b);
	free(text);
}

/* Every key stands there under its section, with its help right above; lines are not too long. */
static void test_printed_file_explains_every_key(void **state)
{
	char *text = printed(seg_config_print_yaml), *page = printed(seg_config_print_markdown);
	const char *at = text;

	(void)state;
	for (size_t i = 0; i < seg_options_len; i++) {
		const struct seg_option *o = &seg_options[i];
		const char *dot = strrchr(o->name, '.');
		char line[128], cell[128];

		snprintf(line, sizeof(line), "%s%s: ", o->def ? "" : "# ", dot ? dot + 1 : o->name);
		at = strstr(at, line);
		if (!at) {
			fail_msg("%s is not printed in its place", o->name);
			return;
		}
		snprintf(line, sizeof(line), "%.20s", o->help);
		assert_non_null(strstr(text, line));
		snprintf(cell, sizeof(cell), "\n| `%s` |", o->name);
		assert_non_null(strstr(page, cell));
		assert_true(o->help[strlen(o->help) - 1] == '.');
	}
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 110);
	free(text);
	free(page);
}

static void assert_up_to_date(const char *path, void (*print)(FILE *f))
{
	char *text = printed(print), *stored;
	size_t len = strlen(text), got;
	FILE *f;

	if (getenv("SEG_UPDATE")) {
		f = fopen(path, "wb");
		assert_non_null(f);
		fputs(text, f);
		assert_int_equal(fclose(f), 0);
	}
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s cannot be read", path);
	stored = calloc(1, len + 2);
	assert_non_null(stored);
	got = fread(stored, 1, len + 1, f);
	fclose(f);
	if (got != len || memcmp(stored, text, len) != 0)
		fail_msg("%s is not what the option table says: run this test with SEG_UPDATE=1", path);
	free(stored);
	free(text);
}

static void test_sample_and_docs_page_are_up_to_date(void **state)
{
	(void)state;
	assert_up_to_date(SEG_SOURCE_DIR "/config/segmentd.yaml", seg_config_print_yaml);
	assert_up_to_date(SEG_SOURCE_DIR "/docs/configuration.md", seg_config_print_markdown);
}

/* What the table must keep to for the rest to hold. */
static void test_table_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < seg_options_len; i++) {
		const struct seg_option *o = &seg_options[i];
		char allowed[200];

		assert_true((o->def != NULL) != (o->derived != NULL));
		assert_ptr_equal(seg_option_find(o->name), o);
		assert_false(seg_option_is_section(o->name));
		assert_true(((o->flags & SEG_OPTION_WORD) != 0) == (o->word != NULL));
		assert_true(o->type != SEG_OPTION_ENUM || o->names);
		seg_option_allowed(o, allowed, sizeof(allowed));
		assert_true(strlen(allowed) > 0 && strlen(allowed) < sizeof(allowed) - 1);
		assert_true(strlen(seg_option_type_text(o)) > 0);
	}
	for (size_t i = 0; i < seg_option_sections_len; i++)
		assert_true(seg_option_is_section(seg_option_sections[i].name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printed_file_gives_exactly_the_defaults),
		cmocka_unit_test(test_printed_file_explains_every_key),
		cmocka_unit_test(test_sample_and_docs_page_are_up_to_date),
		cmocka_unit_test(test_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
