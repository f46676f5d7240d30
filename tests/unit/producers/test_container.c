#include "tests/support/test.h"

#include <avro.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/producers/samples.h"

enum { RECORDS = 3000 };

struct place {
	char dir[64], path[96];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	snprintf(p->dir, sizeof p->dir, "/tmp/seg-container-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof p->path, "%s/out.avro", p->dir);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;

	remove(p->path);
	rmdir(p->dir);
	free(p);
	return 0;
}

static size_t count_letters(const char *path, int64_t *ret_last_offset, size_t *ret_largest)
{
	avro_file_reader_t reader;
	avro_value_iface_t *iface;
	avro_value_t v, field, bytes;
	avro_schema_t schema;
	size_t n = 0, size;
	const void *data;

	assert_ok(avro_file_reader(path, &reader));
	schema = avro_file_reader_get_writer_schema(reader);
	iface = avro_generic_class_from_schema(schema);
	assert_ok(avro_generic_value_new(iface, &v));
	*ret_largest = 0;
	for (; !avro_file_reader_read_value(reader, &v); n++) {
		assert_ok(avro_value_get_by_name(&v, "offset", &field, NULL));
		assert_ok(avro_value_get_long(&field, ret_last_offset));
		assert_ok(avro_value_get_by_name(&v, "value", &field, NULL));
		assert_ok(avro_value_get_current_branch(&field, &bytes));
		assert_ok(avro_value_get_bytes(&bytes, &data, &size));
		*ret_largest = size > *ret_largest ? size : *ret_largest;
		avro_value_reset(&v);
	}
	avro_value_decref(&v);
	avro_value_iface_decref(iface);
	avro_schema_decref(schema);
	avro_file_reader_close(reader);
	return n;
}

/* Many small records, one of 3 MB and one too large: blocks of Avro-C hold them all but the last. */
static void test_container_holds_small_and_large_records(void **state)
{
	const struct place *p = *state;
	struct seg_dead_letter letter = *(const struct seg_dead_letter *)sample_of(SEG_OUTPUT_DEAD_LETTER, 0);
	struct seg_container *c;
	struct seg_error err;
	int64_t last = -1;
	size_t largest, large = 3u << 20, too_large = 17u << 20;
	char *bytes = calloc(1, too_large);

	assert_ok(seg_container_open(p->path, SEG_OUTPUT_DEAD_LETTER, &c, &err));
	for (int i = 0; i < RECORDS; i++) {
		letter.offset = i;
		letter.value = (struct seg_str){bytes, i == 1000 ? (uint32_t)large : 100};
		assert_ok(seg_container_append(c, &letter, &err));
	}
	letter.value.len = (uint32_t)too_large;
	assert_int_equal(seg_container_append(c, &letter, &err), SEG_LIMIT);
	assert_non_null(strstr(err.text, p->path));
	assert_ok(seg_container_close(c, &err));
	assert_int_equal(count_letters(p->path, &last, &largest), RECORDS);
	assert_int_equal(last, RECORDS - 1);
	assert_int_equal(largest, large);
	free(bytes);
}

static void test_container_open_refuses_a_path_that_exists(void **state)
{
	const struct place *p = *state;
	struct seg_container *c = NULL;
	struct seg_error err;

	assert_ok(seg_container_open(p->path, SEG_OUTPUT_CHANGE, &c, &err));
	assert_ok(seg_container_close(c, &err));
	c = NULL;
	assert_int_equal(seg_container_open(p->path, SEG_OUTPUT_CHANGE, &c, &err), SEG_IO);
	assert_non_null(strstr(err.text, "File exists"));
	assert_null(c);
	assert_ok(access(p->path, F_OK));
	assert_ok(seg_container_close(NULL, &err));
}

/* A file that may not grow stands in for a full disk: some append or at least close must say so. */
static void test_container_says_when_it_cannot_write(void **state)
{
	const struct place *p = *state;
	struct rlimit old, small;
	struct seg_container *c = NULL;
	struct seg_error err;
	enum seg_rc rc = SEG_OK;
	int i;

	assert_ok(getrlimit(RLIMIT_FSIZE, &old));
	small = (struct rlimit){200000, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_ok(setrlimit(RLIMIT_FSIZE, &small));
	assert_ok(seg_container_open(p->path, SEG_OUTPUT_CHANGE, &c, &err));
	for (i = 0; i < RECORDS && rc == SEG_OK; i++)
		rc = seg_container_append(c, sample_of(SEG_OUTPUT_CHANGE, 0), &err);
	assert_int_equal(rc, SEG_IO);
	assert_non_null(strstr(err.text, p->path));
	assert_int_equal(seg_container_close(c, &err), SEG_IO);

	assert_ok(setrlimit(RLIMIT_FSIZE, &old));
	assert_int_equal(seg_container_open("/proc/seg-no-such/out.avro", SEG_OUTPUT_CHANGE, &c, &err), SEG_IO);
	assert_non_null(strstr(err.text, "No such file"));
}

/* The same where only close writes: what was appended is still in memory. */
static void test_container_close_says_when_it_cannot_write(void **state)
{
	const struct place *p = *state;
	struct rlimit old, small;
	struct seg_container *c = NULL;
	struct seg_error err;

	assert_ok(getrlimit(RLIMIT_FSIZE, &old));
	signal(SIGXFSZ, SIG_IGN);
	assert_ok(seg_container_open(p->path, SEG_OUTPUT_CHANGE, &c, &err));
	for (int i = 0; i < 10; i++)
		assert_ok(seg_container_append(c, sample_of(SEG_OUTPUT_CHANGE, 0), &err));
	small = (struct rlimit){10, old.rlim_max};
	assert_ok(setrlimit(RLIMIT_FSIZE, &small));
	assert_int_equal(seg_container_close(c, &err), SEG_IO);
	assert_ok(setrlimit(RLIMIT_FSIZE, &old));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_container_holds_small_and_large_records, make_place, remove_place),
		cmocka_unit_test_setup_teardown(test_container_open_refuses_a_path_that_exists, make_place,
						remove_place),
		cmocka_unit_test_setup_teardown(test_container_says_when_it_cannot_write, make_place, remove_place),
		cmocka_unit_test_setup_teardown(test_container_close_says_when_it_cannot_write, make_place,
						remove_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
