/* Events by hand for the tests of aggregates. */
#ifndef SEG_TESTS_UNIT_STATE_AGGREGATE_EVENTS_H
#define SEG_TESTS_UNIT_STATE_AGGREGATE_EVENTS_H

#include "tests/support/test.h"

#include "base/event.h"
#include "base/profile.h"
#include "state/aggregate.h"

#define T0 INT64_C(1700000000000) /* 2023-11-14 22:13:20 UTC */

/* Ids are distinct from call to call unless set. */
static inline struct seg_event *event_at(enum seg_source source, unsigned kind, int64_t time_ms)
{
	static struct seg_event e;
	static uint64_t ids;
	seg_event_reset(&e, source);
	e.kind = (uint8_t)kind;
	e.time_ms = time_ms;
	e.id_hash = ++ids * UINT64_C(0x9e3779b97f4a7c15);
	return &e;
}

static inline struct seg_event *order_at(unsigned kind, int64_t time_ms, int64_t amount_micro)
{
	struct seg_event *e = event_at(SEG_ORDERS, kind, time_ms);
	e->has_amount = true;
	e->amount_micro = amount_micro;
	return e;
}

static inline struct seg_profile *new_profile(void)
{
	struct seg_profile *p = seg_profile_new(seg_str_from("c1"), 7);
	assert_non_null(p);
	return p;
}

/* At the next offset of the event's source. */
static inline enum seg_applied apply_with(struct seg_profile *p, const struct seg_event *e,
					  const struct seg_aggregate_config *cfg)
{
	enum seg_applied applied = SEG_APPLIED;
	assert_ok(seg_aggregate_apply(p, e, p->applied[e->source] + 1, cfg, &applied, NULL));
	return applied;
}

static inline void apply(struct seg_profile *p, const struct seg_event *e)
{
	assert_int_equal(apply_with(p, e, NULL), SEG_APPLIED);
}

#endif
