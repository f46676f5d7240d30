#include "tests/support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "state/codec.h"
#include "state/store.h"

struct fixture {
	char dir[64];
	char path[128];
	struct seg_store_env *env;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct seg_store_options options = {0};

	snprintf(f->dir, sizeof f->dir, "/tmp/seg-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/deep/er/0", f->dir);
	assert_ok(seg_store_env_new(&options, &f->env, NULL));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	seg_store_env_free(f->env);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	assert_ok(system(command));
	free(f);
	return 0;
}

static struct seg_store *open_store(struct fixture *f)
{
	struct seg_store *s = NULL;
	struct seg_error err = {0};

	if (seg_store_open(f->env, f->path, &s, &err) != SEG_OK)
		fail_msg("%s", err.text);
	return s;
}

static void put(struct seg_store *s, uint64_t hash, const char *id, const char *value)
{
	struct seg_batch *b = seg_batch_new();

	seg_batch_put_profile(b, hash, seg_str_from(id), value, strlen(value));
	assert_ok(seg_batch_write(s, b, NULL));
	seg_batch_free(b);
}

static void assert_value(struct seg_store *s, uint64_t hash, const char *id, const char *value)
{
	struct seg_buf buf;
	enum seg_rc rc;

	seg_buf_init(&buf, 1000);
	rc = seg_store_get(s, hash, seg_str_from(id), &buf, NULL);
	if (value) {
		assert_ok(rc);
		assert_int_equal(buf.len, strlen(value));
		assert_memory_equal(buf.data, value, buf.len);
	} else {
		assert_int_equal(rc, SEG_NOT_FOUND);
	}
	seg_buf_release(&buf);
}

static void test_write_is_found_again_after_reopening(void **state)
{
	struct seg_store *s = open_store(*state);
	struct seg_batch *b = seg_batch_new();
	struct seg_buf buf;

	seg_batch_put_profile(b, 7, seg_str_from("a"), "one", 3);
	seg_batch_put_profile(b, 7, seg_str_from("b"), "two", 3);
	seg_batch_put_meta(b, "position", "xyz", 3);
	assert_int_equal(seg_batch_len(b), 3);
	assert_ok(seg_batch_write(s, b, NULL));
	seg_batch_clear(b);
	seg_batch_delete_profile(b, 7, seg_str_from("b"));
	assert_ok(seg_batch_write(s, b, NULL));
	seg_batch_free(b);
	seg_store_close(s);

	s = open_store(*state);
	assert_value(s, 7, "a", "one");
	assert_value(s, 7, "b", NULL);
	assert_value(s, 8, "a", NULL);
	seg_buf_init(&buf, 2);
	assert_int_equal(seg_store_get_meta(s, "position", &buf, NULL), SEG_LIMIT);
	seg_buf_release(&buf);
	seg_buf_init(&buf, 3);
	assert_ok(seg_store_get_meta(s, "position", &buf, NULL));
	assert_memory_equal(buf.data, "xyz", 3);
	assert_int_equal(seg_store_get_meta(s, "other", &buf, NULL), SEG_NOT_FOUND);
	seg_buf_release(&buf);
	seg_store_close(s);
}

static void test_scan_goes_in_hash_order_and_keeps_its_moment(void **state)
{
	struct seg_store *s = open_store(*state);
	struct seg_scan *scan;
	struct seg_scan_item item;
	uint64_t hashes[] = {3, 1, UINT64_MAX, 256, 2};
	uint64_t expected[] = {2, 3, 256, UINT64_MAX};

	for (size_t i = 0; i < 5; i++)
		put(s, hashes[i], "id", "v");
	assert_ok(seg_scan_open(s, 2, &scan, NULL));
	put(s, 4, "late", "v");
	for (size_t i = 0; i < 4; i++) {
		assert_ok(seg_scan_next(scan, &item, NULL));
		assert_true(item.hash == expected[i]);
		assert_true(seg_str_is(item.id, "id"));
		assert_int_equal(item.len, 1);
	}
	assert_int_equal(seg_scan_next(scan, &item, NULL), SEG_NOT_FOUND);
	assert_int_equal(seg_scan_next(scan, &item, NULL), SEG_NOT_FOUND);
	seg_scan_close(scan);
	seg_store_close(s);
}

static void test_empty_leaves_nothing(void **state)
{
	struct seg_store *s = open_store(*state);
	struct seg_batch *b = seg_batch_new();
	struct seg_buf buf;

	put(s, 1, "a", "one");
	seg_batch_put_meta(b, "position", "xyz", 3);
	assert_ok(seg_batch_write(s, b, NULL));
	seg_batch_free(b);
	assert_ok(seg_store_empty(s, NULL));
	assert_value(s, 1, "a", NULL);
	seg_buf_init(&buf, 100);
	assert_int_equal(seg_store_get_meta(s, "position", &buf, NULL), SEG_NOT_FOUND);
	seg_buf_release(&buf);
	put(s, 1, "a", "two");
	seg_store_close(s);
	s = open_store(*state);
	assert_value(s, 1, "a", "two");
	seg_store_close(s);
}

/* A child holds the store and says so through a pipe. */
static void test_open_names_the_process_that_holds_it(void **state)
{
	struct fixture *f = *state;
	struct seg_store *s = NULL;
	struct seg_error err = {0};
	char expected[32];
	int ready[2];
	char c;

	seg_store_close(open_store(f));
	assert_ok(pipe(ready));
	pid_t pid = fork();
	if (pid == 0) {
		/* No RocksDB in the child: it takes the same kind of lock. */
		char path[256];
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

		snprintf(path, sizeof path, "%s/LOCK", f->path);
		int fd = open(path, O_RDWR | O_CREAT, 0644);
		if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	snprintf(expected, sizeof expected, "process %d;", (int)pid);
	assert_int_equal(seg_store_open(f->env, f->path, &s, &err), SEG_IO);
	if (!strstr(err.text, expected))
		fail_msg("%s", err.text);
	assert_int_equal(seg_store_destroy(f->env, f->path, &err), SEG_IO);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	s = open_store(f);
	seg_store_close(s);
}

static void test_open_twice_in_one_process_is_refused(void **state)
{
	struct fixture *f = *state;
	struct seg_store *s = open_store(f), *other = NULL;
	struct seg_error err = {0};

	assert_int_equal(seg_store_open(f->env, f->path, &other, &err), SEG_IO);
	assert_non_null(strstr(err.text, "in use by process"));
	put(s, 1, "a", "still there");
	assert_value(s, 1, "a", "still there");
	seg_store_close(s);
}

static void put_customer(struct seg_store *s, const char *id, const char *as)
{
	uint64_t hash = seg_hash_customer(seg_str_from(id));
	struct seg_profile *p = seg_profile_new(seg_str_from(id), hash);
	struct seg_batch *b = seg_batch_new();
	struct seg_buf buf;

	seg_buf_init(&buf, SEG_PROFILE_BYTES_MAX);
	assert_ok(seg_profile_encode(p, &buf, NULL));
	seg_batch_put_profile(b, hash, seg_str_from(as), buf.data, buf.len);
	assert_ok(seg_batch_write(s, b, NULL));
	seg_buf_release(&buf);
	seg_batch_free(b);
	seg_profile_free(p);
}

static void test_verify_finds_what_cannot_be_right(void **state)
{
	struct seg_store *s = open_store(*state);
	struct seg_error err = {0};
	uint64_t n = 0;

	for (int i = 0; i < 100; i++) {
		char id[16];

		snprintf(id, sizeof id, "c%d", i);
		put_customer(s, id, id);
	}
	assert_ok(seg_store_verify(s, &n, NULL));
	assert_int_equal(n, 100);
	put_customer(s, "c1", "somebody else");
	assert_int_equal(seg_store_verify(s, &n, &err), SEG_CORRUPT);
	assert_non_null(strstr(err.text, "another customer"));
	assert_ok(seg_store_empty(s, NULL));
	put(s, 1, "a", "not a profile");
	assert_int_equal(seg_store_verify(s, &n, &err), SEG_CORRUPT);
	seg_store_close(s);
}

/* Bytes turned over in a table file are told as corruption, and the store can be made anew. */
static void test_damaged_file_is_corrupt_and_can_be_destroyed(void **state)
{
	struct fixture *f = *state;
	struct seg_store *s = open_store(f);
	struct seg_error err = {0};
	char command[512];
	uint64_t n;

	for (int i = 0; i < 100; i++) {
		char id[16];

		snprintf(id, sizeof id, "c%d", i);
		put_customer(s, id, id);
	}
	assert_ok(seg_store_verify(s, &n, NULL)); /* flushes to a file */
	seg_store_close(s);
	snprintf(command, sizeof command,
		 "for t in %s/*.sst; do printf '\\377\\377\\377\\377' | dd of=$t bs=1 seek=100 conv=notrunc "
		 "2>/dev/null; done",
		 f->path);
	assert_ok(system(command));
	s = open_store(f);
	assert_int_equal(seg_store_verify(s, &n, &err), SEG_CORRUPT);
	seg_store_close(s);
	snprintf(command, sizeof command, "rm %s/*.sst", f->path);
	assert_ok(system(command));
	s = NULL;
	assert_int_equal(seg_store_open(f->env, f->path, &s, &err), SEG_CORRUPT);
	assert_ok(seg_store_destroy(f->env, f->path, &err));
	s = open_store(f);
	assert_ok(seg_store_verify(s, &n, NULL));
	assert_int_equal(n, 0);
	seg_store_close(s);
}

static void test_checkpoint_is_a_copy(void **state)
{
	struct fixture *f = *state;
	struct seg_store *s = open_store(f), *copy = NULL;
	char path[256];

	put(s, 1, "a", "then");
	snprintf(path, sizeof path, "%s/copy", f->dir);
	assert_ok(seg_store_checkpoint(s, path, NULL));
	put(s, 1, "a", "now");
	assert_ok(seg_store_sync(s, NULL));
	assert_ok(seg_store_open(f->env, path, &copy, NULL));
	assert_value(copy, 1, "a", "then");
	assert_value(s, 1, "a", "now");
	assert_true(seg_store_memory(s) > 0);
	assert_true(seg_store_estimate(s) >= 1);
	assert_true(seg_store_bytes(s) > 0);
	seg_store_close(copy);
	seg_store_close(s);
}

static void test_long_ids_are_refused(void **state)
{
	struct seg_store *s = open_store(*state);
	struct seg_batch *b = seg_batch_new();
	char id[SEG_CUSTOMER_ID_BYTES + 2];
	struct seg_buf buf;

	memset(id, 'x', sizeof id);
	id[sizeof id - 1] = '\0';
	seg_buf_init(&buf, 100);
	seg_batch_put_profile(b, 1, seg_str_from(id), "v", 1);
	assert_int_equal(seg_batch_write(s, b, NULL), SEG_LIMIT);
	assert_int_equal(seg_store_get(s, 1, seg_str_from(id), &buf, NULL), SEG_NOT_FOUND);
	seg_batch_clear(b);
	id[SEG_CUSTOMER_ID_BYTES] = '\0';
	seg_batch_put_profile(b, 1, seg_str_from(id), "v", 1);
	assert_ok(seg_batch_write(s, b, NULL));
	assert_ok(seg_store_get(s, 1, seg_str_from(id), &buf, NULL));
	seg_buf_release(&buf);
	seg_batch_free(b);
	seg_store_close(s);
}

static void test_options_are_passed_through_and_checked(void **state)
{
	struct seg_store_options options = {.in_memory = true, .rocksdb = "max_subcompactions=2"};
	struct seg_store_env *env = NULL;
	struct seg_store *s = NULL;
	struct seg_error err = {0};

	(void)state;
	assert_ok(seg_store_env_new(&options, &env, &err));
	assert_ok(seg_store_open(env, "/anywhere/0", &s, &err));
	put(s, 1, "a", "one");
	assert_value(s, 1, "a", "one");
	seg_store_close(s);
	assert_ok(seg_store_open(env, "/anywhere/0", &s, &err));
	assert_value(s, 1, "a", "one");
	assert_ok(seg_store_empty(s, &err));
	assert_value(s, 1, "a", NULL);
	seg_store_close(s);
	seg_store_env_free(env);
	env = NULL;
	options.rocksdb = "no_such_option=2";
	assert_int_equal(seg_store_env_new(&options, &env, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "no_such_option"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_write_is_found_again_after_reopening, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scan_goes_in_hash_order_and_keeps_its_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_names_the_process_that_holds_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_twice_in_one_process_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verify_finds_what_cannot_be_right, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_file_is_corrupt_and_can_be_destroyed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checkpoint_is_a_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_ids_are_refused, setup, teardown),
		cmocka_unit_test(test_options_are_passed_through_and_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
