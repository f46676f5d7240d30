#include "tests/unit/config/load_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/tree.h"

static struct seg_node *parse(const char *text)
{
	struct seg_node *root = NULL;
	struct seg_error err;

	if (seg_tree_parse(text, strlen(text), "t.yaml", &root, &err) != SEG_OK)
		fail_msg("refused: %s", err.text);
	return root;
}

static void test_parse_keeps_order_lines_and_columns(void **state)
{
	struct seg_node *root = parse("# first\na: 1\nb:\n  - x\n  - {c: \"\\u00e9\", d: 'q'}\n");
	const struct seg_node *b = root->first->next, *map = b->first->next;

	(void)state;
	assert_int_equal(root->kind, SEG_NODE_MAP);
	assert_int_equal(root->len, 2);
	assert_string_equal(root->first->key, "a");
	assert_int_equal(root->first->key_line, 2);
	assert_int_equal(root->first->key_column, 1);
	assert_int_equal(root->first->column, 4);
	assert_true(root->first->plain);
	assert_int_equal(b->kind, SEG_NODE_LIST);
	assert_int_equal(b->len, 2);
	assert_string_equal(b->first->text, "x");
	assert_int_equal(map->first->key_line, 5);
	assert_int_equal(map->first->key_column, 6);
	assert_string_equal(map->first->text, "\xc3\xa9");
	assert_false(map->first->plain);
	assert_string_equal(map->last->text, "q");
	seg_tree_free(root);
}

static void test_parse_empty_files_have_no_tree(void **state)
{
	(void)state;
	assert_null(parse(""));
	assert_null(parse("# only a comment\n"));
	assert_null(parse("---\n"));
	assert_null(parse("--- # nothing\n...\n"));
}

static void test_node_is_null_without_quotes_only(void **state)
{
	struct seg_node *root = parse("a:\nb: ~\nc: null\nd: \"\"\ne: 'null'\nf: x\ng: []\n");
	size_t i = 0;

	(void)state;
	for (const struct seg_node *n = root->first; n; n = n->next, i++)
		assert_int_equal(seg_node_is_null(n), i < 3);
	seg_tree_free(root);
}

static void test_parse_refuses_what_a_configuration_does_not_need(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"a: &x 1\n", "t.yaml:1:4: anchors (&name) are not supported"},
		{"a: &x {b: 1}\n", "t.yaml:1:4: anchors"},
		{"a: &x [b]\n", "t.yaml:1:4: anchors"},
		{"a: 1\nb: *a\n", "t.yaml:2:4: aliases (*name) are not supported"},
		{"a: !!int 1\n", "t.yaml:1:4: tags (!name) are not supported"},
		{"a: !x {}\n", "t.yaml:1:4: tags"},
		{"<<: {a: 1}\n", "t.yaml:1:1: merge keys (<<) are not supported"},
		{"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: `a` is given twice; it is already in line 1"},
		{"k: {a: 1,\n    a: 2}\n", "t.yaml:2:5: `a` is given twice"},
		{"? [a]\n: 1\n", "t.yaml:1:3: a key must be text"},
		{"? {a: b}\n: 1\n", "t.yaml:1:3: a key must be text"},
		{"\"\": 1\n", "t.yaml:1:1: an empty key"},
		{"\"a\\n\": 1\n", "t.yaml:1:1: a control character in a key"},
		{"a: \"x\\0y\"\n", "t.yaml:1:4: a NUL character in a text"},
		{"- a\n", "t.yaml:1:1: the file must be a map"},
		{"just text\n", "t.yaml:1:1: the file must be a map"},
		{"\"\"\n", "t.yaml:1:1: the file must be a map"},
		{"a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document"},
		{"a: [1\nb: 2\n", "t.yaml:2:2: not YAML: did not find expected ',' or ']'"},
		{"a: 'open\n", "t.yaml:2:1: not YAML: found unexpected end of stream"},
		{"a: 1\n b: 2\n", "t.yaml:2:3: not YAML: mapping values are not allowed in this context"},
		{"\ta: 1\n", "t.yaml:1:1: not YAML: found character that cannot start any token"},
		{"a: b\nc: \xff\n", "t.yaml:2:4: a byte that is not UTF-8 text"},
		{"a: \x01\n", "t.yaml:1:4: a byte that is not UTF-8 text"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seg_node *root = NULL;
		struct seg_error err = {.text = ""};

		assert_int_equal(seg_tree_parse(cases[i].text, strlen(cases[i].text), "t.yaml", &root, &err),
				 SEG_INVALID);
		assert_null(root);
		if (strncmp(err.text, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s\n  gives    %s\n  expected %s", cases[i].text, err.text, cases[i].message);
	}
}

/* `count` times `part` between head and tail. */
static char *repeat(const char *head, const char *part, size_t count, const char *tail)
{
	size_t len = strlen(part);
	char *text = malloc(strlen(head) + count * len + strlen(tail) + 1);
	char *at;

	assert_non_null(text);
	at = stpcpy(text, head);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, part);
	strcpy(at, tail);
	return text;
}

static void assert_bounded(char *text, size_t len, const char *expected)
{
	struct seg_node *root = NULL;
	struct seg_error err = {.text = ""};

	assert_int_equal(seg_tree_parse(text, len, "t.yaml", &root, &err), SEG_INVALID);
	if (!strstr(err.text, expected))
		fail_msg("%s instead of %s", err.text, expected);
	free(text);
}

static void assert_bounded_text(char *text, const char *expected)
{
	assert_bounded(text, strlen(text), expected);
}

static char *many_keys(size_t count)
{
	char *text = malloc(count * 16 + 1), *at = text;

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		at += sprintf(at, "key%zu: 1\n", i);
	return text;
}

static void test_parse_is_bounded(void **state)
{
	char *big = calloc(1, SEG_TREE_BYTES_MAX + 1);

	(void)state;
	assert_non_null(big);
	memset(big, ' ', SEG_TREE_BYTES_MAX + 1);
	assert_bounded(big, SEG_TREE_BYTES_MAX + 1, "larger than 1 MiB");
	assert_bounded_text(repeat("a: ", "[", 500000, ""), "nested too deeply");
	assert_bounded_text(repeat("a: ", "{a: ", 200000, ""), "nested too deeply");
	assert_bounded_text(repeat("a: ", "- ", 400000, "x"), "not YAML");
	assert_bounded_text(repeat("a:\n ", "- ", 400000, "x"), "nested too deeply");
	assert_bounded_text(repeat("a: [", "x,", 400000, "]"), "too many values");
	assert_bounded_text(repeat("a: \"", "xxxxxxxxxxxxxxxx", 5000, "\""), "longer than 64 KiB");
	assert_bounded_text(many_keys(1001), "t.yaml:1001:1: more than 1000 keys in one map");
	assert_bounded_text(repeat("", "k", 201, ": 1"), "a key longer than 200 bytes");
}

static void test_parse_at_the_bounds_is_accepted(void **state)
{
	char *text = repeat("a: ", "[", SEG_TREE_DEPTH_MAX - 1, "");
	char *closed = repeat(text, "]", SEG_TREE_DEPTH_MAX - 1, "\n");
	char *items = repeat("a: [", "x,", SEG_TREE_NODES_MAX - 2, "]");
	char *keys = many_keys(SEG_TREE_KEYS_MAX);

	(void)state;
	seg_tree_free(parse(closed));
	seg_tree_free(parse(items));
	seg_tree_free(parse(keys));
	free(keys);
	free(text);
	free(closed);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_keeps_order_lines_and_columns),
		cmocka_unit_test(test_parse_empty_files_have_no_tree),
		cmocka_unit_test(test_node_is_null_without_quotes_only),
		cmocka_unit_test(test_parse_refuses_what_a_configuration_does_not_need),
		cmocka_unit_test(test_parse_is_bounded),
		cmocka_unit_test(test_parse_at_the_bounds_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
