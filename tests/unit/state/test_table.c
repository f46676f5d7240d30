#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "state/table.h"

enum { IDS = 3000 };

/* Hashes that crowd the ends of the table, where runs wrap around, and collide wholly now and then. */
static uint64_t crowded(struct seg_rng *rng)
{
	switch (seg_rng_below(rng, 4)) {
	case 0:
		return UINT64_MAX - seg_rng_below(rng, 50);
	case 1:
		return seg_rng_below(rng, 50);
	case 2:
		return UINT64_MAX / 2 + seg_rng_below(rng, 50);
	}
	return seg_rng_next(rng);
}

struct model {
	uint64_t hash[IDS];
	struct seg_entry *entry[IDS];
};

static struct seg_str id_of(int i, char buf[16])
{
	snprintf(buf, 16, "id%d", i);
	return seg_str_from(buf);
}

static void assert_range(const struct seg_table *t, const struct model *m, uint64_t from, uint64_t to)
{
	struct seg_entry **range = NULL;
	size_t len = 0, cap = 0, expected = 0;

	assert_ok(seg_table_range(t, from, to, &range, &len, &cap));
	for (int i = 0; i < IDS; i++)
		expected += m->entry[i] && m->hash[i] >= from && m->hash[i] <= to;
	assert_int_equal(len, expected);
	for (size_t i = 0; i < len; i++) {
		assert_true(range[i]->hash >= from && range[i]->hash <= to);
		assert_true(i == 0 || seg_entry_compare(range[i - 1], range[i]) < 0);
	}
	free(range);
}

static void test_table_is_a_map_in_hash_order(void **state)
{
	struct seg_table t;
	struct seg_rng rng;
	struct model m = {{0}, {NULL}};
	char buf[16];
	size_t len = 0;

	(void)state;
	seg_rng_init(&rng, 3);
	assert_ok(seg_table_init(&t));
	for (int step = 0; step < 20000; step++) {
		int i = (int)seg_rng_below(&rng, IDS);
		struct seg_str id = id_of(i, buf);

		if (!m.entry[i]) {
			m.hash[i] = crowded(&rng);
			assert_null(seg_table_find(&t, id, m.hash[i]));
			m.entry[i] = seg_table_add(&t, id, m.hash[i]);
			len++;
		} else if (seg_rng_below(&rng, 2) == 0) {
			seg_table_remove(&t, m.entry[i]);
			m.entry[i] = NULL;
			len--;
		}
		assert_ptr_equal(seg_table_find(&t, id, m.hash[i]), m.entry[i]);
		assert_int_equal(t.len, len);
		if (step % 500 == 0) {
			uint64_t from = crowded(&rng), to = crowded(&rng);

			assert_range(&t, &m, from < to ? from : to, from < to ? to : from);
			assert_range(&t, &m, 0, UINT64_MAX);
			assert_range(&t, &m, UINT64_MAX - 20, UINT64_MAX);
		}
	}
	for (int i = 0; i < IDS; i++)
		assert_ptr_equal(seg_table_find(&t, id_of(i, buf), m.hash[i]), m.entry[i]);
	seg_table_clear(&t);
	assert_int_equal(t.len, 0);
	assert_null(seg_table_find(&t, id_of(0, buf), m.hash[0]));
	seg_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_a_map_in_hash_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
