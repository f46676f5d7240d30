/*
 * The man page and the completion for bash are made from the table of commands. This test fails when they are not what
 * the table says; SEG_UPDATE=1 writes them anew.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/daemon/packaged_print.h"

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void check(const char *path, void (*print)(FILE *out))
{
	char *want = NULL, *have;
	size_t want_len = 0;
	FILE *memory = open_memstream(&want, &want_len);
	assert_non_null(memory);
	print(memory);
	fclose(memory);
	if (getenv("SEG_UPDATE"))
		write_file(path, want, want_len);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	have = calloc(1, want_len + 2);
	assert_non_null(have);
	size_t have_len = fread(have, 1, want_len + 1, file);
	fclose(file);
	if (have_len != want_len || memcmp(have, want, want_len) != 0)
		fail_msg("%s is not what the commands' table says: run this test with SEG_UPDATE=1 and commit it",
			 path);
	free(have);
	free(want);
}

static void test_man_page_is_current(void **state)
{
	(void)state;
	check(SEG_SOURCE_DIR "/packaging/segmentd.1", print_man_page);
}

static void test_completion_is_current(void **state)
{
	(void)state;
	check(SEG_SOURCE_DIR "/packaging/segmentd.bash", print_completion);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_man_page_is_current),
		cmocka_unit_test(test_completion_is_current),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
