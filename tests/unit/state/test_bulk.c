/* Rebuilding a store from its changelog in sorted runs: right whatever the order of records, and whenever it is cut short. */
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "state/store_internal.h"
#include "tests/unit/state/part_fixture.h"

enum { CUSTOMERS = 400, ROUNDS = 3 };

static const char *customer(int i)
{
	static char id[16];

	snprintf(id, sizeof id, "c%d", i);
	return id;
}

/* Births, decisions before and after profiles, erasures with and without a life after them, everybody clean in the end. */
static void make_history(struct fixture *f)
{
	struct seg_decision was;
	int64_t offset = 0;

	fixture_recover(f);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CUSTOMERS; i++) {
			if (round > 0 && i % 3 == 0)
				continue;
			fixture_apply(f, customer(i), offset++);
			if (i % 50 == 49) {
				fixture_decide(f, (uint64_t)round + 1);
				fixture_commit(f, SIZE_MAX);
				assert_ok(seg_part_write(f->part, SIZE_MAX, NULL));
			}
		}
		for (int i = round; i < CUSTOMERS; i += 40) {
			seg_part_advance(f->part, SEG_PROFILES, offset);
			(void)!seg_part_erase(f->part, seg_str_from(customer(i)), &was, NULL);
		}
		fixture_commit(f, 0);
	}
	fixture_flush(f);
}

struct known {
	bool there;
	struct seg_buf bytes;
};

static void look(struct fixture *f, struct known *known)
{
	for (int i = 0; i < CUSTOMERS; i++) {
		struct seg_profile *p = NULL;
		enum seg_rc rc = seg_part_find(f->part, seg_str_from(customer(i)), &p, NULL);

		assert_true(rc == SEG_OK || rc == SEG_NOT_FOUND);
		known[i].there = rc == SEG_OK;
		seg_buf_init(&known[i].bytes, SEG_PROFILE_BYTES_MAX);
		if (rc == SEG_OK)
			assert_ok(seg_profile_encode(p, &known[i].bytes, NULL));
		seg_profile_free(p);
	}
}

static void compare(struct fixture *f, const struct known *known)
{
	struct known now[CUSTOMERS];
	int there = 0;

	look(f, now);
	for (int i = 0; i < CUSTOMERS; i++) {
		assert_int_equal(now[i].there, known[i].there);
		assert_int_equal(now[i].bytes.len, known[i].bytes.len);
		if (now[i].there)
			assert_memory_equal(now[i].bytes.data, known[i].bytes.data, now[i].bytes.len);
		there += now[i].there;
		seg_buf_release(&now[i].bytes);
	}
	assert_in_range(there, CUSTOMERS / 2, CUSTOMERS - 1); /* some are erased */
}

static void release_known(struct known *known)
{
	for (int i = 0; i < CUSTOMERS; i++)
		seg_buf_release(&known[i].bytes);
}

static uint64_t stored(struct fixture *f)
{
	uint64_t n = 0;

	assert_ok(seg_store_verify(seg_part_store(f->part), &n, NULL));
	return n;
}

/* In chunks of some records, of many, and of all. */
static void test_rebuild_is_what_was(void **state)
{
	static const size_t memory[] = {4 << 10, 64 << 10, 64 << 20};

	(void)state;
	for (size_t m = 0; m < sizeof memory / sizeof *memory; m++) {
		struct known known[CUSTOMERS];
		struct fixture f;

		fixture_init(&f, memory[m]);
		make_history(&f);
		look(&f, known);
		uint64_t before = stored(&f);

		assert_ok(seg_part_rebuild(f.part, NULL));
		assert_int_equal(fixture_recover(&f), SEG_PART_FROM_START);
		compare(&f, known);
		assert_int_equal(stored(&f), before);
		assert_false(seg_part_store(f.part)->bulk);

		/* What is rebuilt is trusted. */
		seg_part_close(f.part);
		fixture_open(&f);
		assert_true(fixture_recover(&f) >= 0);
		compare(&f, known);
		release_known(known);
		fixture_release(&f);
	}
}

/* Cut short after each tenth of the changelog: what is in the store then is never kept. */
static void test_rebuild_cut_short_begins_anew(void **state)
{
	struct known known[CUSTOMERS];
	struct fixture f;
	int64_t at;
	char why[256];

	(void)state;
	fixture_init(&f, 4 << 10);
	make_history(&f);
	look(&f, known);
	assert_ok(seg_part_rebuild(f.part, NULL));
	bool any = false;
	for (size_t tenth = 1; tenth <= 10; tenth++) {
		struct seg_recovery facts = {.group = f.group, .wall_ms = f.wall_ms, .changelog_high = (int64_t)f.len};

		assert_ok(seg_part_recover(f.part, &facts, &at, why, NULL));
		assert_int_equal(at, SEG_PART_FROM_START);
		assert_int_equal(stored(&f), 0);
		assert_int_equal(why[0] != '\0', any);
		for (size_t i = 0; i < f.len * tenth / 10; i++)
			assert_ok(seg_part_take(f.part, f.log[i].key, f.log[i].value, (int64_t)i, NULL));
		any = stored(&f) > 0;
		assert_true(seg_part_store(f.part)->bulk);
		seg_part_close(f.part);
		fixture_open(&f);
		assert_false(seg_part_store(f.part)->bulk);
	}
	assert_true(any);
	assert_int_equal(fixture_recover(&f), SEG_PART_FROM_START);
	compare(&f, known);
	release_known(known);
	fixture_release(&f);
}

static void test_rebuild_refuses_what_is_not_a_profile_of_the_key(void **state)
{
	struct seg_error err = {0};
	struct fixture f;
	int64_t at;
	size_t profile = 0;

	(void)state;
	fixture_init(&f, 1 << 20);
	make_history(&f);
	while (f.log[profile].key.ptr[0] != 'p' || !f.log[profile].value.ptr)
		profile++;
	struct seg_str value = fixture_copy(f.log[profile].value);
	assert_non_null(value.ptr);
	struct seg_recovery facts = {.group = f.group, .wall_ms = f.wall_ms, .changelog_high = (int64_t)f.len};

	assert_ok(seg_part_rebuild(f.part, NULL));
	assert_ok(seg_part_recover(f.part, &facts, &at, NULL, NULL));
	assert_ok(seg_part_take(f.part, f.log[profile].key, value, 0, NULL));
	assert_int_equal(seg_part_take(f.part, seg_str_from("pother"), value, 1, &err), SEG_CORRUPT);
	assert_non_null(strstr(err.text, "offset 1"));
	((char *)value.ptr)[value.len / 2] ^= 1;
	assert_int_equal(seg_part_take(f.part, f.log[profile].key, value, 2, &err), SEG_CORRUPT);
	free((char *)value.ptr);
	fixture_release(&f);
}

static void put_run(struct seg_store *s, int from, int to, char content)
{
	char value[64];
	struct seg_run *run;

	memset(value, content, sizeof value);
	assert_ok(seg_run_open(s, &run, NULL));
	for (int i = from; i < to; i++)
		assert_ok(seg_run_put(run, (uint64_t)i, seg_str_from("x"), content ? value : NULL, sizeof value, NULL));
	assert_ok(seg_run_close(run, NULL));
}

static void test_runs_lie_over_each_other_and_options_come_back(void **state)
{
	enum { RUNS = 12 };
	struct seg_store_options options = {.in_memory = true};
	struct seg_store_env *env;
	struct seg_store *s;
	struct seg_buf out;
	struct seg_run *run;

	(void)state;
	assert_ok(seg_store_env_new(&options, &env, NULL));
	assert_ok(seg_store_open(env, "/store", &s, NULL));
	assert_ok(seg_store_bulk_begin(s, NULL));
	for (int i = 0; i < RUNS; i++)
		put_run(s, 0, 100, (char)('a' + i));
	put_run(s, 10, 20, '\0');
	assert_ok(seg_run_open(s, &run, NULL)); /* an empty one is nothing */
	assert_ok(seg_run_close(run, NULL));
	assert_ok(seg_run_open(s, &run, NULL)); /* nor is a dropped one */
	assert_ok(seg_run_put(run, 1, seg_str_from("x"), "dropped", 7, NULL));
	seg_run_drop(run);
	assert_in_range(seg_store_files_at_level_0(s), RUNS - 1, RUNS + 1); /* the default merges at 4 */
	seg_buf_init(&out, 1024);
	assert_ok(seg_store_get(s, 1, seg_str_from("x"), &out, NULL));
	assert_int_equal(out.data[0], 'a' + RUNS - 1);
	assert_int_equal(seg_store_get(s, 10, seg_str_from("x"), &out, NULL), SEG_NOT_FOUND);

	assert_ok(seg_store_bulk_end(s, NULL));
	for (int i = 0; i < 3000 && seg_store_files_at_level_0(s) >= 4; i++)
		usleep(10000);
	assert_in_range(seg_store_files_at_level_0(s), 0, 3);
	assert_ok(seg_store_get(s, 1, seg_str_from("x"), &out, NULL));
	assert_int_equal(out.data[0], 'a' + RUNS - 1);
	seg_buf_release(&out);
	seg_store_close(s);
	seg_store_env_free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rebuild_is_what_was),
		cmocka_unit_test(test_rebuild_cut_short_begins_anew),
		cmocka_unit_test(test_rebuild_refuses_what_is_not_a_profile_of_the_key),
		cmocka_unit_test(test_runs_lie_over_each_other_and_options_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
