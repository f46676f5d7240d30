/* Stores in trouble: damaged ones are kept aside, those that could not be written are opened again. */
#include "tests/unit/state/part_fixture.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

struct disk {
	char dir[64], path[128];
	struct seg_store_env *env;
	struct seg_store *store;
};

static int setup_disk(void **state)
{
	struct disk *d = calloc(1, sizeof *d);
	struct seg_store_options options = {0};

	snprintf(d->dir, sizeof d->dir, "/tmp/seg-mend-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof d->path, "%s/p0", d->dir);
	assert_ok(seg_store_env_new(&options, &d->env, NULL));
	assert_ok(seg_store_open(d->env, d->path, &d->store, NULL));
	*state = d;
	return 0;
}

static int teardown_disk(void **state)
{
	struct disk *d = *state;
	char command[128];

	seg_store_close(d->store);
	seg_store_env_free(d->env);
	snprintf(command, sizeof command, "rm -rf %s", d->dir);
	assert_ok(system(command));
	free(d);
	return 0;
}

static enum seg_rc put(struct seg_store *s, const char *name, const char *value, size_t len)
{
	struct seg_batch *b = seg_batch_new();
	struct seg_error err;

	seg_batch_put_meta(b, name, value, len);
	enum seg_rc rc = seg_batch_write(s, b, &err);
	seg_batch_free(b);
	return rc;
}

static enum seg_rc get(struct seg_store *s, const char *name)
{
	struct seg_buf out;

	seg_buf_init(&out, 1 << 20);
	enum seg_rc rc = seg_store_get_meta(s, name, &out, NULL);
	seg_buf_release(&out);
	return rc;
}

/* How many stores are aside; the first one's path. */
static size_t aside(const struct disk *d, char first[256])
{
	char pattern[256];
	glob_t found;

	snprintf(pattern, sizeof pattern, "%s.damaged-*", d->path);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	snprintf(first, 256, "%s", found.gl_pathv[0]);
	size_t n = found.gl_pathc;
	globfree(&found);
	return n;
}

static void lose_current(struct disk *d)
{
	char path[256];

	seg_store_close(d->store);
	d->store = NULL;
	snprintf(path, sizeof path, "%s/CURRENT", d->path);
	assert_ok(unlink(path));
}

static void test_store_without_current_is_no_new_store(void **state)
{
	struct disk *d = *state;
	struct seg_error err;
	struct stat st;
	char kept[SEG_STORE_ASIDE_BYTES], first[256];

	assert_ok(put(d->store, "a", "1", 1));
	lose_current(d);
	assert_int_equal(seg_store_open(d->env, d->path, &d->store, &err), SEG_CORRUPT);
	assert_non_null(strstr(err.text, "no CURRENT"));
	assert_ok(seg_store_set_aside(d->env, d->path, kept, NULL));
	assert_int_equal(strncmp(kept, "p0.damaged-2", 12), 0);
	assert_int_equal(aside(d, first), 1);
	assert_int_not_equal(stat(d->path, &st), 0);
	assert_ok(seg_store_open(d->env, d->path, &d->store, NULL));
	assert_int_equal(get(d->store, "a"), SEG_NOT_FOUND);
}

static void test_replace_keeps_the_newest_only(void **state)
{
	struct disk *d = *state;
	struct seg_store *old = NULL;
	struct seg_error err;
	char kept[SEG_STORE_ASIDE_BYTES], first[256], command[512];

	snprintf(command, sizeof command,
		 "mkdir -p %s.damaged-20200101T000000Z/more && touch %s.damaged-20200101T000000Z/x", d->path, d->path);
	assert_ok(system(command));
	assert_ok(put(d->store, "a", "1", 1));
	seg_store_distrust(d->store, "a test says so");
	assert_int_equal(seg_store_trouble(d->store, &err), SEG_CORRUPT);
	assert_string_equal(err.text, "a test says so");
	assert_ok(seg_store_replace(d->store, kept, NULL));
	assert_ok(seg_store_trouble(d->store, NULL));
	assert_int_equal(get(d->store, "a"), SEG_NOT_FOUND);
	assert_int_equal(aside(d, first), 1);
	assert_non_null(strstr(first, kept));
	assert_ok(seg_store_open(d->env, first, &old, NULL)); /* whole, for who wants to look */
	assert_ok(get(old, "a"));
	seg_store_close(old);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_ok(getrlimit(RLIMIT_FSIZE, &limit));
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_ok(setrlimit(RLIMIT_FSIZE, &limit));
}

static void test_failed_write_needs_a_reopening(void **state)
{
	struct disk *d = *state;
	char *much = calloc(1, 64 << 10);
	struct seg_error err;

	assert_non_null(much);
	signal(SIGXFSZ, SIG_IGN);
	assert_ok(put(d->store, "a", "1", 1));
	set_file_limit(32 << 10);
	assert_int_equal(put(d->store, "b", much, 64 << 10), SEG_IO);
	set_file_limit(RLIM_INFINITY);
	assert_int_equal(seg_store_trouble(d->store, &err), SEG_IO);
	assert_int_equal(put(d->store, "c", "1", 1), SEG_IO); /* also now that there is room */
	assert_ok(seg_store_reopen(d->store, &err));
	assert_ok(seg_store_trouble(d->store, NULL));
	assert_ok(get(d->store, "a"));
	assert_int_equal(get(d->store, "b"), SEG_NOT_FOUND); /* nothing of a batch that failed */
	assert_ok(put(d->store, "c", "1", 1));
	free(much);
}

static void test_looking_makes_nothing_and_is_strict(void **state)
{
	struct disk *d = *state;
	struct seg_store_options options = {.existing = true};
	struct seg_store_env *env;
	struct seg_store *s = NULL;
	char path[256], command[512];
	struct stat st;

	assert_ok(seg_store_env_new(&options, &env, NULL));
	snprintf(path, sizeof path, "%s/p1", d->dir);
	assert_int_equal(seg_store_open(env, path, &s, NULL), SEG_IO);
	snprintf(path, sizeof path, "%s/p1/CURRENT", d->dir);
	assert_int_not_equal(stat(path, &st), 0);
	for (int i = 0; i < 100; i++)
		assert_ok(put(d->store, "a", "0123456789", 10));
	seg_store_close(d->store);
	d->store = NULL;
	snprintf(command, sizeof command,
		 "for l in %s/*.log; do printf '\\377' | dd of=$l bs=1 seek=500 conv=notrunc 2>/dev/null; done",
		 d->path);
	assert_ok(system(command));
	assert_int_equal(seg_store_open(env, d->path, &s, NULL), SEG_CORRUPT);
	seg_store_env_free(env);
	assert_ok(seg_store_open(d->env, d->path, &d->store, NULL)); /* as of before, which the changelog completes */
	assert_ok(get(d->store, "a"));
}

/* A length that points behind the file's end looks like a record that was cut short. */
static void test_damaged_length_in_the_manifest_is_noticed(void **state)
{
	struct disk *d = *state;
	char pattern[256], value[2000];
	uint8_t bytes[32768];
	glob_t found;
	size_t records = 0;

	memset(value, 'x', sizeof value);
	for (int i = 0; i < 5; i++) { /* each opening makes a table of what is in the log */
		assert_ok(put(d->store, "a", value, sizeof value));
		assert_ok(seg_store_reopen(d->store, NULL));
	}
	uint64_t none;
	assert_ok(seg_store_verify(d->store, &none, NULL));
	seg_store_close(d->store);
	d->store = NULL;
	snprintf(pattern, sizeof pattern, "%s/MANIFEST-*", d->path);
	assert_ok(glob(pattern, 0, NULL, &found));
	FILE *f = fopen(found.gl_pathv[0], "r+");
	assert_non_null(f);
	size_t len = fread(bytes, 1, sizeof bytes, f);
	for (size_t at = 0; at + 7 <= len; at += 7 + (size_t)bytes[at + 4] + ((size_t)bytes[at + 5] << 8), records++) {
		assert_ok(fseek(f, (long)at + 5, SEEK_SET));
		assert_int_not_equal(fputc(bytes[at + 5] ^ 0x80, f), EOF);
		assert_ok(fflush(f));
		assert_int_equal(seg_store_open(d->env, d->path, &d->store, NULL), SEG_CORRUPT);
		assert_ok(fseek(f, (long)at + 5, SEEK_SET));
		assert_int_not_equal(fputc(bytes[at + 5], f), EOF);
		assert_ok(fflush(f));
	}
	assert_true(records > 2);
	assert_ok(ftruncate(fileno(f), (off_t)len - 3)); /* cut short indeed: that is no damage */
	fclose(f);
	globfree(&found);
	assert_ok(seg_store_open(d->env, d->path, &d->store, NULL));
}

/* ---- partitions ---- */

static int setup_part(void **state)
{
	struct fixture *f = malloc(sizeof *f);

	fixture_init(f, 1 << 20);
	*state = f;
	return 0;
}

static int teardown_part(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

static void test_record_that_cannot_be_right_rebuilds(void **state)
{
	struct fixture *f = *state;
	struct seg_str id = seg_str_from("b");
	struct seg_batch *b = seg_batch_new();
	struct seg_profile *p = NULL;
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	char why[SEG_PART_WHY];
	bool warn;

	fixture_recover(f);
	fixture_apply(f, "a", 0);
	fixture_decide(f, 1);
	fixture_flush(f);
	seg_batch_put_profile(b, seg_hash_customer(id), id, "rubbish", 7);
	assert_ok(seg_batch_write(seg_part_store(f->part), b, NULL));
	seg_batch_free(b);
	assert_ok(seg_part_trouble(f->part, NULL));
	assert_int_equal(seg_part_find(f->part, id, &p, NULL), SEG_CORRUPT);
	assert_int_equal(seg_part_trouble(f->part, NULL), SEG_CORRUPT);
	assert_ok(seg_part_mend(f->part, NULL));
	assert_ok(seg_part_trouble(f->part, NULL));
	assert_ok(fixture_take(f, &at, why, from, to, &warn, NULL));
	assert_int_equal(at, SEG_PART_FROM_START);
	assert_non_null(strstr(why, "profile record of 7 bytes"));
	assert_ok(seg_part_recovered(f->part, NULL));
	assert_int_equal(fixture_purchases(f, "a"), 1);
	assert_int_equal(fixture_purchases(f, "b"), 0);
	assert_ok(seg_part_mend(f->part, NULL)); /* nothing ails it: nothing is done */
	assert_int_equal(fixture_purchases(f, "a"), 1);
}

static void test_store_with_a_cut_ahead_is_not_trusted(void **state)
{
	struct fixture *f = *state;
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	struct seg_error err;
	struct seg_group group;
	bool warn;

	fixture_recover(f);
	fixture_apply(f, "a", 0);
	fixture_flush(f);
	group = f->group;
	size_t kafka_has = f->len;
	fixture_apply(f, "a", 1);
	fixture_commit(f, 0);	     /* a cycle begins… */
	fixture_commit(f, SIZE_MAX); /* …and is logged */
	assert_ok(seg_part_write(f->part, SIZE_MAX, NULL));
	f->group = group; /* Kafka has lost all that came after the flush; the store's position is from before */
	f->lost = f->len - kafka_has;
	seg_part_close(f->part);
	fixture_open(f);
	assert_int_equal(fixture_take(f, &at, NULL, from, to, &warn, &err), SEG_CORRUPT);
	assert_non_null(strstr(err.text, "ahead of the changelog's newest"));
	seg_store_distrust(seg_part_store(f->part), err.text);
	assert_ok(seg_part_mend(f->part, NULL));
	assert_int_equal(fixture_recover(f), SEG_PART_FROM_START);
	assert_int_equal(fixture_purchases(f, "a"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_store_without_current_is_no_new_store, setup_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(test_replace_keeps_the_newest_only, setup_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(test_failed_write_needs_a_reopening, setup_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(test_looking_makes_nothing_and_is_strict, setup_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(test_damaged_length_in_the_manifest_is_noticed, setup_disk,
						teardown_disk),
		cmocka_unit_test_setup_teardown(test_record_that_cannot_be_right_rebuilds, setup_part, teardown_part),
		cmocka_unit_test_setup_teardown(test_store_with_a_cut_ahead_is_not_trusted, setup_part, teardown_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
