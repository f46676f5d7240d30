/*
 * docs/reference.md is made from the code's own tables: commands, stages, metrics, reasons of dead letters, topics,
 * features. This test fails when the page is not what the tables say; SEG_UPDATE=1 writes it anew.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reasons.h"
#include "daemon/meters.h"
#include "daemon/stages.h"
#include "daemon/worker_states.h"
#include "producers/headers.h"
#include "producers/topic_admin.h"
#include "segmenter/catalogue_doc.h"

#define PAGE SEG_SOURCE_DIR "/docs/reference.md"

static void print_stages(FILE *out)
{
	fprintf(out, "\n## The way of an event\n\n| stage | where | what |\n|---|---|---|\n");
	for (size_t i = 0; i < seg_stages_len; i++)
		fprintf(out, "| %s | `%s` | %s |\n", seg_stages[i].name, seg_stages[i].where, seg_stages[i].what);
}

static void print_reasons(FILE *out)
{
	fprintf(out, "\n## Reasons of dead letters\n\nThe label of `segmentd_dead_letters_total` and the header "
		     "`segmentd.dlq.reason`.\n\n| reason | meaning |\n|---|---|\n");
	for (int r = 1; r < SEG_REFUSALS; r++)
		fprintf(out, "| `%s` | %s |\n", seg_refusal_code((enum seg_refusal)r),
			seg_refusal_text((enum seg_refusal)r));
}

static void print_headers(FILE *out)
{
	static const char *const texts[] = {
#define X(id, name, text) text,
		SEG_DLQ_HEADER_TABLE(X)
#undef X
	};
	fprintf(out, "\n## Headers of dead letters\n\nThe value is the refused record's, untouched, and its own "
		     "headers come "
		     "first.\n\n| header | value |\n|---|---|\n");
	for (int h = 0; h < SEG_DLQ_HEADERS; h++)
		fprintf(out, "| `%s` | %s |\n", seg_dlq_header_names[h], texts[h]);
}

static void print_topics(FILE *out)
{
	static const char *const compare[] = {"", "at least ", "at most "};
	fprintf(out, "\n## Topics\n\nWhat `segmentd topics create` sets, and `segmentd check` compares with.\n\n"
		     "| role | setting | value | a difference is | why |\n|---|---|---|---|---|\n");
	for (int role = 0; role < SEG_TOPIC_ROLES; role++) {
		size_t len;
		const struct seg_topic_setting *rows = seg_topic_settings((enum seg_topic_role)role, &len);
		for (size_t i = 0; i < len; i++)
			fprintf(out, "| %s | `%s` | %s%s | %s | %s |\n", seg_topic_role_names[role], rows[i].name,
				compare[rows[i].compare], rows[i].value, rows[i].must ? "an error" : "a warning",
				rows[i].why);
	}
}

static void print_page(FILE *out)
{
	fprintf(out, "# Reference\n\nMade from the program's own tables; the configuration is on a [page of its "
		     "own](configuration.md).\n");
	print_stages(out);
	fprintf(out, "\n## Metrics\n\n");
	seg_meters_print(out);
	fprintf(out, "\n## States of a worker and of its partitions\n\n");
	seg_worker_states_print(out);
	print_reasons(out);
	print_headers(out);
	print_topics(out);
	fprintf(out, "\n");
	seg_catalogue_print(out, true);
}

static void test_reference_page_is_current(void **state)
{
	char *want = NULL, *have;
	size_t want_len = 0;
	(void)state;
	FILE *memory = open_memstream(&want, &want_len);
	print_page(memory);
	fclose(memory);
	if (getenv("SEG_UPDATE")) {
		FILE *file = fopen(PAGE, "wb");
		assert_non_null(file);
		fwrite(want, 1, want_len, file);
		fclose(file);
	}
	FILE *file = fopen(PAGE, "rb");
	assert_non_null(file);
	have = calloc(1, want_len + 2);
	size_t have_len = fread(have, 1, want_len + 1, file);
	fclose(file);
	if (have_len != want_len || memcmp(have, want, want_len) != 0)
		fail_msg("docs/reference.md is not what the tables say: run this test with SEG_UPDATE=1 and commit it");
	free(have);
	free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference_page_is_current)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
