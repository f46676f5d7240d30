/* The sample's records: written once, tombstoned when the bound falls, also over a restart. */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "daemon/sample.h"

enum { MANY = 400, INTERVAL = 1000 };

struct topic {
	bool there[MANY]; /* a record */
	size_t records, tombstones;
};

static enum seg_rc on_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
			       struct seg_str value, uint32_t *ret_ticket, struct seg_error *err)
{
	struct topic *t = ctx;
	int n = 0;
	(void)partition;
	(void)ret_ticket;
	(void)err;
	assert_int_equal(topic, SEG_INTERNAL_SUMS);
	for (uint32_t i = sizeof("sample/c") - 1; i < key.len; i++)
		n = n * 10 + (key.ptr[i] - '0');
	t->there[n] = value.ptr != NULL;
	t->records += value.ptr != NULL;
	t->tombstones += value.ptr == NULL;
	return SEG_OK;
}

struct fixture {
	struct topic topic;
	struct seg_sink sink;
	struct seg_sample sample;
	struct seg_buf key, value;
	struct seg_profile *profiles[MANY];
};

static void init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->sink = (struct seg_sink){.internal = on_internal, .ctx = &f->topic};
	seg_sample_init(&f->sample);
	seg_buf_init(&f->key, 4096);
	seg_buf_init(&f->value, 1 << 20);
	for (int i = 0; i < MANY; i++) {
		char id[16];
		snprintf(id, sizeof(id), "c%d", i);
		f->profiles[i] = seg_profile_new(seg_str_from(id), seg_hash_customer(seg_str_from(id)));
		assert_non_null(f->profiles[i]);
	}
}

static void release(struct fixture *f)
{
	for (int i = 0; i < MANY; i++)
		seg_profile_free(f->profiles[i]);
	seg_sample_release(&f->sample);
	seg_buf_release(&f->key);
	seg_buf_release(&f->value);
}

/* The scan comes to everybody, and what is due goes with one commit. */
static void scan(struct fixture *f, bool commits)
{
	for (int i = 0; i < MANY; i++) {
		const struct seg_profile *p = f->profiles[i];
		if (seg_sample_due(&f->sample, p->id, p->hash))
			assert_ok(seg_sample_send(&f->sample, p, &f->sink, &f->key, &f->value, NULL));
	}
	if (commits)
		seg_sample_committed(&f->sample);
	else
		seg_sample_aborted(&f->sample);
}

static void assert_below(const struct fixture *f, uint64_t bound)
{
	for (int i = 0; i < MANY; i++)
		assert_int_equal(f->topic.there[i], seg_hash_sample(f->profiles[i]->id) < bound);
}

/* What the cut keeps is all that a restart knows. */
static void restart(struct fixture *f)
{
	uint64_t reach = f->sample.reach, bound = f->sample.bound;
	int64_t since_ms = f->sample.since_ms;
	seg_sample_release(&f->sample);
	seg_sample_init(&f->sample);
	seg_sample_restore(&f->sample, reach, since_ms);
	seg_sample_set_bound(&f->sample, bound);
}

static void test_sample_follows_the_bound(void **state)
{
	struct fixture f;
	(void)state;
	init(&f);
	for (int step = 0; step < 6; step++) {
		uint64_t bound = step % 2 ? UINT64_MAX / 8 * (unsigned)(step + 1) : UINT64_MAX / 16;
		seg_sample_set_bound(&f.sample, bound);
		scan(&f, step == 3); /* aborted ones are sent again */
		scan(&f, true);
		assert_below(&f, bound);
		size_t records = f.topic.records, tombstones = f.topic.tombstones;
		scan(&f, true);
		assert_int_equal(f.topic.records, records); /* nothing has changed: nothing is written again */
		assert_int_equal(f.topic.tombstones, tombstones);
	}
	release(&f);
}

static void test_sample_above_a_fallen_bound_goes_after_a_restart_too(void **state)
{
	struct fixture f;
	(void)state;
	init(&f);
	seg_sample_set_bound(&f.sample, UINT64_MAX / 2);
	scan(&f, true);
	assert_below(&f, UINT64_MAX / 2);
	seg_sample_set_bound(&f.sample, UINT64_MAX / 4);
	restart(&f); /* before the scan has come to anybody */
	scan(&f, true);
	assert_below(&f, UINT64_MAX / 4);
	size_t tombstones = f.topic.tombstones;
	assert_true(tombstones > MANY / 8 && tombstones < MANY / 2 - MANY / 8); /* those between, nobody else */
	scan(&f, true);
	assert_int_equal(f.topic.tombstones, tombstones); /* each once */
	release(&f);
}

static void test_sample_forgets_the_reach_when_the_scan_has_been_round(void **state)
{
	struct fixture f;
	(void)state;
	init(&f);
	seg_sample_set_bound(&f.sample, UINT64_MAX / 2);
	scan(&f, true);
	seg_sample_set_bound(&f.sample, UINT64_MAX / 4);
	seg_sample_scanned(&f.sample, 5000, INTERVAL);
	seg_sample_scanned(&f.sample, 5000 + INTERVAL - 1, INTERVAL);
	assert_true(f.sample.reach == UINT64_MAX / 2);
	seg_sample_shift(&f.sample, 10 * INTERVAL); /* rounds that were left out have looked at nobody */
	seg_sample_scanned(&f.sample, 5000 + 11 * INTERVAL - 1, INTERVAL);
	assert_true(f.sample.reach == UINT64_MAX / 2);
	seg_sample_scanned(&f.sample, 5000 + 11 * INTERVAL, INTERVAL);
	assert_true(f.sample.reach == UINT64_MAX / 4);
	/* A customer who is erased gets a tombstone in any case. */
	size_t tombstones = f.topic.tombstones;
	for (int i = 0; i < MANY; i++)
		assert_ok(seg_sample_remove(&f.sample, f.profiles[i]->id, &f.sink, &f.key, NULL));
	assert_int_equal(f.topic.tombstones, tombstones + MANY);
	release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample_follows_the_bound),
		cmocka_unit_test(test_sample_above_a_fallen_bound_goes_after_a_restart_too),
		cmocka_unit_test(test_sample_forgets_the_reach_when_the_scan_has_been_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
