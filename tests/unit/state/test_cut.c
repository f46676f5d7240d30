#include "tests/unit/state/golden.h"

#include <string.h>

#include "base/hash.h"
#include "state/cut.h"

static struct seg_cut full_cut(void)
{
	struct seg_cut cut;
	memset(&cut, 0, sizeof(cut));
	seg_cut_init(&cut);
	cut.seq = 123456;
	for (int s = 0; s < SEG_SOURCES; s++) {
		cut.next[s] = s == 1 ? -1 : 1000 * s;
		cut.replay_from[s] = s == 2 ? INT64_MAX : -1;
		cut.source_max_time_ms[s] = s == 3 ? SEG_NO_TIME : INT64_C(1700000000000) - s;
	}
	cut.changelog_position = 5555;
	cut.stream_time_ms = INT64_C(1699999999999);
	cut.scan_cursor = UINT64_MAX;
	cut.sweep_promotion = 3;
	cut.wall_ms = INT64_C(1700000001000);
	cut.model_version = UINT64_C(3) << 32 | 9;
	cut.config_fingerprint = UINT64_C(0x0123456789abcdef);
	cut.customers = 25900;
	cut.topic_ids_len = SEG_CUT_TOPICS;
	for (unsigned i = 0; i < sizeof(cut.topic_ids); i++)
		cut.topic_ids[i / 16][i % 16] = (uint8_t)i;
	strcpy(cut.transactional_id, "segmentd-host-0");
	strcpy(cut.cluster_id, "MkU3OEVBNTcwNTJENDM2Qg");
	memset(cut.instance, 'i', sizeof(cut.instance) - 1);
	return cut;
}

static void assert_same(const struct seg_cut *a, const struct seg_cut *b)
{
	assert_int_equal(a->format_version, b->format_version);
	assert_int_equal(a->seq, b->seq);
	assert_memory_equal(a->next, b->next, sizeof(a->next));
	assert_memory_equal(a->replay_from, b->replay_from, sizeof(a->replay_from));
	assert_memory_equal(a->source_max_time_ms, b->source_max_time_ms, sizeof(a->source_max_time_ms));
	assert_int_equal(a->changelog_position, b->changelog_position);
	assert_int_equal(a->stream_time_ms, b->stream_time_ms);
	assert_int_equal(a->scan_cursor, b->scan_cursor);
	assert_int_equal(a->sweep_promotion, b->sweep_promotion);
	assert_int_equal(a->wall_ms, b->wall_ms);
	assert_int_equal(a->model_version, b->model_version);
	assert_int_equal(a->config_fingerprint, b->config_fingerprint);
	assert_int_equal(a->customers, b->customers);
	assert_int_equal(a->sample_reach, b->sample_reach);
	assert_int_equal(a->sample_reach_ms, b->sample_reach_ms);
	assert_int_equal(a->topic_ids_len, b->topic_ids_len);
	assert_memory_equal(a->topic_ids, b->topic_ids, sizeof(a->topic_ids));
	assert_string_equal(a->transactional_id, b->transactional_id);
	assert_string_equal(a->cluster_id, b->cluster_id);
	assert_string_equal(a->instance, b->instance);
}

static void check_golden(const char *name, const struct seg_cut *cut)
{
	struct seg_buf now, golden;
	struct seg_cut back;
	struct seg_error err;
	seg_buf_init(&now, 8192);
	seg_buf_init(&golden, 8192);
	assert_ok(seg_cut_encode(cut, &now, NULL));
	golden_read(name, &now, &golden);
	if (seg_cut_decode(golden.data, golden.len, &back, &err))
		fail_msg("%s: %s", name, err.text);
	assert_same(cut, &back);
	assert_int_equal(now.len, golden.len);
	assert_memory_equal(now.data, golden.data, now.len);
	seg_buf_release(&now);
	seg_buf_release(&golden);
}

static void test_cut_golden(void **state)
{
	struct seg_cut full = full_cut(), empty;
	(void)state;
	seg_cut_init(&empty);
	check_golden("cut_v1_full", &full);
	check_golden("cut_v1_empty", &empty);
}

static void test_cut_init_has_no_offsets_and_no_times(void **state)
{
	struct seg_cut cut;
	(void)state;
	memset(&cut, 0xaa, sizeof(cut));
	seg_cut_init(&cut);
	for (int s = 0; s < SEG_SOURCES; s++) {
		assert_int_equal(cut.next[s], -1);
		assert_int_equal(cut.replay_from[s], -1);
		assert_int_equal(cut.source_max_time_ms[s], SEG_NO_TIME);
	}
	assert_int_equal(cut.changelog_position, -1);
	assert_int_equal(cut.stream_time_ms, SEG_NO_TIME);
	assert_int_equal(cut.seq + cut.wall_ms + cut.customers + cut.topic_ids_len, 0);
	assert_string_equal(cut.instance, "");
}

static void test_cut_damage_is_refused_and_ret_stays(void **state)
{
	struct seg_cut cut = full_cut(), back = full_cut();
	struct seg_buf buf;
	(void)state;
	seg_buf_init(&buf, 8192);
	cut.seq++;
	assert_ok(seg_cut_encode(&cut, &buf, NULL));
	for (size_t len = 0; len < buf.len; len++)
		assert_int_equal(seg_cut_decode(buf.data, len, &back, NULL), SEG_CORRUPT);
	for (size_t bit = 0; bit < buf.len * 8; bit++) {
		buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(seg_cut_decode(buf.data, buf.len, &back, NULL), SEG_CORRUPT);
		buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(back.seq, 123456);
	seg_buf_release(&buf);
}

static void test_cut_newer_version_is_told(void **state)
{
	struct seg_cut cut = full_cut();
	struct seg_buf buf, newer;
	struct seg_error err;
	(void)state;
	seg_buf_init(&buf, 8192);
	seg_buf_init(&newer, 8192);
	assert_ok(seg_cut_encode(&cut, &buf, NULL));
	seg_buf_u8(&newer, SEG_CUT_VERSION + 1);
	seg_buf_append(&newer, buf.data + 1, buf.len - 5);
	seg_buf_u32be(&newer, (uint32_t)seg_hash64(newer.data, newer.len));
	assert_int_equal(seg_cut_decode(newer.data, newer.len, &cut, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "upgrade"));
	seg_buf_release(&buf);
	seg_buf_release(&newer);
}

static void test_cut_what_cannot_be_is_not_written(void **state)
{
	struct seg_cut cut = full_cut();
	struct seg_buf buf;
	(void)state;
	seg_buf_init(&buf, 8192);
	cut.topic_ids_len = SEG_CUT_TOPICS + 1;
	assert_int_equal(seg_cut_encode(&cut, &buf, NULL), SEG_INVALID);
	cut = full_cut();
	memset(cut.cluster_id, 'x', sizeof(cut.cluster_id));
	assert_int_equal(seg_cut_encode(&cut, &buf, NULL), SEG_INVALID);
	cut = full_cut();
	cut.next[0] = -2;
	assert_int_equal(seg_cut_encode(&cut, &buf, NULL), SEG_INVALID);
	assert_int_equal(buf.len, 0);
	seg_buf_release(&buf);
	seg_buf_init(&buf, 50);
	cut = full_cut();
	assert_int_equal(seg_cut_encode(&cut, &buf, NULL), SEG_LIMIT);
	assert_int_equal(buf.len, 0);
	seg_buf_release(&buf);
}

/* A section of its own that older readers pass over: what was written without it reads as before. */
static void test_cut_keeps_how_far_the_sample_reaches(void **state)
{
	struct seg_cut cut = full_cut(), back;
	struct seg_buf buf;
	(void)state;
	for (int timed = 0; timed < 2; timed++) {
		cut.sample_reach = UINT64_MAX - 7;
		cut.sample_reach_ms = timed ? INT64_C(1699999000000) : SEG_NO_TIME;
		seg_buf_init(&buf, 8192);
		assert_ok(seg_cut_encode(&cut, &buf, NULL));
		assert_ok(seg_cut_decode(buf.data, buf.len, &back, NULL));
		assert_same(&cut, &back);
		for (size_t len = 0; len < buf.len; len++)
			assert_int_equal(seg_cut_decode(buf.data, len, &back, NULL), SEG_CORRUPT);
		seg_buf_release(&buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_keeps_how_far_the_sample_reaches),
		cmocka_unit_test(test_cut_golden),
		cmocka_unit_test(test_cut_init_has_no_offsets_and_no_times),
		cmocka_unit_test(test_cut_damage_is_refused_and_ret_stays),
		cmocka_unit_test(test_cut_newer_version_is_told),
		cmocka_unit_test(test_cut_what_cannot_be_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
