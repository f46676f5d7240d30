/* The table of routes in docs/api.md is made from the tables and the description; SEG_UPDATE=1 writes it anew. */
#include "tests/support/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/api.h"
#include "http/assets.h"
#include "http/routes.h"

#define PAGE SEG_SOURCE_DIR "/docs/api.md"

static const char begins[] = "<!-- routes -->\n", ends[] = "<!-- end of routes -->\n";

static char *read_page(void)
{
	FILE *file = fopen(PAGE, "rb");
	char *text = calloc(1, 1 << 20);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	fclose(file);
	return text;
}

static void print_row(FILE *out, json_t *paths, const char *method, const char *path, bool token)
{
	char name[16] = "";
	json_t *operation;

	for (size_t i = 0; method[i]; i++)
		name[i] = (char)(method[i] | 0x20);
	operation = json_object_get(json_object_get(paths, path), name);
	assert_non_null(operation);
	fprintf(out, "| `%s %s` | %s | %s |\n", method, path, token ? "token" : "",
		json_string_value(json_object_get(operation, "summary")));
}

static char *make_table(void)
{
	json_t *api = json_loads(seg_asset_openapi, 0, NULL), *paths = json_object_get(api, "paths");
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const char *path;

	assert_non_null(out);
	fprintf(out, "| | needs | |\n|---|---|---|\n");
	for (int op = 0; op < SEG_API_OPS; op++)
		print_row(out, paths, seg_api_method(op), seg_api_path(op), seg_api_asks_for_token(op));
	for (size_t i = 0; (path = seg_routes_path(i)); i++)
		print_row(out, paths, "GET", path, false);
	fclose(out);
	json_decref(api);
	return text;
}

static void test_the_page_has_the_routes(void **state)
{
	char *page = read_page(), *table = make_table(), *wanted = NULL;
	const char *from = strstr(page, begins), *to = strstr(page, ends);

	(void)state;
	assert_non_null(from);
	assert_non_null(to);
	from += strlen(begins);
	assert_true(asprintf(&wanted, "%.*s%s%s", (int)(from - page), page, table, to) > 0);
	if (getenv("SEG_UPDATE")) {
		FILE *file = fopen(PAGE, "wb");

		assert_non_null(file);
		fputs(wanted, file);
		fclose(file);
	} else if (strcmp(page, wanted) != 0) {
		fail_msg("docs/api.md is not what the routes say: run this test with SEG_UPDATE=1 and commit it");
	}
	free(wanted);
	free(table);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_page_has_the_routes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
