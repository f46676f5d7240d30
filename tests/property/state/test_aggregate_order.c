/* Aggregates are functions of the set of a customer's events: any order, any split, any interleaving of the sources. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "state/aggregate.h"
#include "tests/support/random_profile.h"

enum { HISTORIES = 4000, EVENTS_MAX = 2000 };
#define REL_EPS 1e-9

struct history {
	struct seg_event *events;
	size_t len;
	struct seg_aggregate_config cfg;
};

static void make_history(struct seg_rng *r, struct history *h)
{
	struct random_style style;
	random_style(r, &style);
	h->len = 1 + seg_rng_below(r, seg_rng_below(r, 4) ? 30 : 400);
	if (seg_rng_below(r, 200) == 0) {
		/* More purchase days than are kept. */
		style = (struct random_style){.from_ms = -SEG_DAY_MS,
					      .span_ms = 9000 * SEG_DAY_MS,
					      .grain_ms = 1,
					      .weights = {1, 0, 30, 0},
					      .names = 1};
		h->len = EVENTS_MAX;
	}
	for (int s = 0; s < SEG_SOURCES; s++)
		h->cfg.window[s] = (uint32_t)seg_rng_below(r, 80);
	for (size_t i = 0; i < h->len; i++)
		random_event(r, &style, seg_rng_next(r), &h->events[i]);
}

static struct seg_profile *empty(void)
{
	struct seg_profile *p = seg_profile_new(seg_str_from("c"), 1);
	assert_non_null(p);
	return p;
}

static void shuffle(struct seg_rng *r, size_t *order, size_t len)
{
	for (size_t i = len; i > 1; i--) {
		size_t j = seg_rng_below(r, i), old = order[i - 1];
		order[i - 1] = order[j];
		order[j] = old;
	}
}

static void apply(struct seg_profile *p, const struct history *h, size_t event, int64_t offset)
{
	enum seg_applied applied;
	assert_ok(seg_aggregate_apply(p, &h->events[event], offset, &h->cfg, &applied, NULL));
	assert_int_equal(applied, SEG_APPLIED);
}

static struct seg_profile *apply_all(const struct history *h, const size_t *order)
{
	struct seg_profile *p = empty();
	for (size_t i = 0; i < h->len; i++)
		apply(p, h, order[i], (int64_t)i);
	return p;
}

static void setup_history(struct history *h, size_t *order)
{
	h->events = malloc(EVENTS_MAX * sizeof(*h->events));
	assert_non_null(h->events);
	for (size_t i = 0; i < EVENTS_MAX; i++)
		order[i] = i;
}

static void test_apply_any_order_gives_the_same(void **state)
{
	struct history h = {0};
	struct seg_rng r;
	size_t order[EVENTS_MAX];
	(void)state;
	seg_rng_init(&r, 1);
	for (int n = 0; n < HISTORIES; n++) {
		setup_history(&h, order);
		make_history(&r, &h);
		struct seg_profile *a = apply_all(&h, order);
		shuffle(&r, order, h.len);
		struct seg_profile *b = apply_all(&h, order);
		if (!seg_aggregate_equal(a, b, REL_EPS))
			fail_msg("history %d of %zu events depends on the order", n, h.len);
		seg_profile_free(a);
		seg_profile_free(b);
		free(h.events);
	}
}

static void test_merge_any_split_gives_the_same(void **state)
{
	enum { PARTS = 4 };
	struct history h = {0};
	struct seg_rng r;
	size_t order[EVENTS_MAX];
	(void)state;
	seg_rng_init(&r, 2);
	for (int n = 0; n < HISTORIES; n++) {
		struct seg_profile *parts[PARTS];
		setup_history(&h, order);
		make_history(&r, &h);
		struct seg_profile *whole = apply_all(&h, order);
		for (int i = 0; i < PARTS; i++)
			parts[i] = empty();
		for (size_t i = 0; i < h.len; i++)
			apply(parts[seg_rng_below(&r, PARTS)], &h, order[i], (int64_t)i);
		/* ((0 + 1) + (2 + 3)) or ((3 + 2) + 1) + 0 */
		bool pairs = seg_rng_below(&r, 2);
		struct seg_profile *into = parts[pairs ? 0 : 3];
		if (pairs) {
			assert_ok(seg_aggregate_merge(parts[0], parts[1], &h.cfg, NULL));
			assert_ok(seg_aggregate_merge(parts[2], parts[3], &h.cfg, NULL));
			assert_ok(seg_aggregate_merge(parts[0], parts[2], &h.cfg, NULL));
		} else {
			for (int i = PARTS - 2; i >= 0; i--)
				assert_ok(seg_aggregate_merge(into, parts[i], &h.cfg, NULL));
		}
		if (!seg_aggregate_equal(whole, into, REL_EPS))
			fail_msg("history %d of %zu events: the merge is not the whole", n, h.len);
		assert_memory_equal(whole->applied, into->applied, sizeof(whole->applied));
		for (int i = 0; i < PARTS; i++)
			seg_profile_free(parts[i]);
		seg_profile_free(whole);
		free(h.events);
	}
}

/* Sources in turn at random, each in its own order. offset: position in the source. */
static struct seg_profile *interleave(struct seg_rng *r, const struct history *h, uint64_t *ret_taken)
{
	size_t at[SEG_SOURCES] = {0};
	int64_t offset[SEG_SOURCES] = {0};
	struct seg_profile *p = empty();
	*ret_taken = 0;
	for (size_t left = h->len; left > 0;) {
		unsigned s = (unsigned)seg_rng_below(r, SEG_SOURCES);
		while (at[s] < h->len && h->events[at[s]].source != s)
			at[s]++;
		if (at[s] == h->len)
			continue;
		enum seg_applied applied;
		assert_ok(seg_aggregate_apply(p, &h->events[at[s]++], offset[s]++, &h->cfg, &applied, NULL));
		*ret_taken += applied == SEG_APPLIED;
		left--;
	}
	return p;
}

static void test_apply_repeats_any_interleaving_gives_the_same(void **state)
{
	struct history h = {0};
	struct seg_rng r;
	size_t order[EVENTS_MAX];
	uint64_t repeats = 0;
	(void)state;
	seg_rng_init(&r, 3);
	for (int n = 0; n < HISTORIES; n++) {
		uint64_t taken_a, taken_b;
		setup_history(&h, order);
		make_history(&r, &h);
		/* Ids of few: also the same id in several sources, and repeats that are stamped anew. */
		for (size_t i = 0; i < h.len; i++)
			h.events[i].id_hash = seg_rng_below(&r, h.len) * UINT64_C(0x9e3779b97f4a7c15);
		struct seg_profile *a = interleave(&r, &h, &taken_a), *b = interleave(&r, &h, &taken_b);
		assert_int_equal(taken_a, taken_b);
		assert_true(seg_aggregate_equal(a, b, REL_EPS));
		assert_memory_equal(a->applied, b->applied, sizeof(a->applied));
		repeats += h.len - taken_a;
		seg_profile_free(a);
		seg_profile_free(b);
		free(h.events);
	}
	assert_true(repeats > HISTORIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_any_order_gives_the_same),
		cmocka_unit_test(test_merge_any_split_gives_the_same),
		cmocka_unit_test(test_apply_repeats_any_interleaving_gives_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
