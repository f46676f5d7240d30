/* One partition over RocksDB in memory, with a changelog that is an array. For tests of state/part.h. */
#ifndef SEG_TESTS_PART_FIXTURE_H
#define SEG_TESTS_PART_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "state/codec.h"
#include "state/part.h"
#include "tests/support/test.h"

struct logged {
	struct seg_str key, value; /* owned */
};

struct fixture {
	struct seg_store_env *env;
	struct seg_part_options options;
	struct seg_part *part;
	struct logged *log;
	size_t len, cap;
	size_t lost;		/* records at the log's end that are not there any more */
	struct seg_group group; /* as committed */
	int64_t cut_offset;
	int64_t wall_ms;
	int64_t sum;	   /* of contributions' first values, through the hook */
	int64_t input_end; /* of all sources' logs, told to a recovery that must stop; 0: not told */
};

static inline enum seg_rc fixture_follow(void *ctx, const struct seg_contribution *c, int sign, struct seg_error *err)
{
	(void)err;
	((struct fixture *)ctx)->sum += sign * c->values[0];
	return SEG_OK;
}

static inline void fixture_open(struct fixture *f)
{
	struct seg_error err = {0};

	if (seg_part_open(&f->options, &f->part, &err) != SEG_OK)
		fail_msg("%s", err.text);
}

static inline void fixture_init(struct fixture *f, size_t memory_bytes)
{
	struct seg_store_options options = {.in_memory = true};

	*f = (struct fixture){.cut_offset = -1, .wall_ms = 1000};
	assert_ok(seg_store_env_new(&options, &f->env, NULL));
	f->options = (struct seg_part_options){.env = f->env,
					       .dir = "/store/0",
					       .memory_bytes = memory_bytes,
					       .contribution = fixture_follow,
					       .ctx = f};
	seg_cut_init(&f->options.identity);
	f->options.identity.config_fingerprint = 7;
	for (int s = 0; s < SEG_SOURCES; s++)
		f->group.next[s] = -1;
	fixture_open(f);
}

static inline void fixture_release(struct fixture *f)
{
	seg_part_close(f->part);
	seg_store_env_free(f->env);
	for (size_t i = 0; i < f->len; i++) {
		free((char *)f->log[i].key.ptr);
		free((char *)f->log[i].value.ptr);
	}
	free(f->log);
}

static inline struct seg_str fixture_copy(struct seg_str s)
{
	char *copy = s.ptr ? malloc(s.len + 1) : NULL;

	if (copy)
		memcpy(copy, s.ptr, s.len);
	return (struct seg_str){copy, s.len};
}

static inline enum seg_rc fixture_emit(void *ctx, enum seg_emit what, struct seg_str key, struct seg_str value,
				       struct seg_error *err)
{
	struct fixture *f = ctx;

	(void)err;
	if (f->len == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 256;
		f->log = realloc(f->log, f->cap * sizeof *f->log);
		assert_non_null(f->log);
	}
	if (what == SEG_EMIT_CUT)
		f->cut_offset = (int64_t)f->len;
	f->log[f->len++] = (struct logged){fixture_copy(key), fixture_copy(value)};
	return SEG_OK;
}

/* Up to and with the changelog; *ret_from is where it was read from. */
static inline enum seg_rc fixture_take(struct fixture *f, int64_t *ret_from, char *why, int64_t from[SEG_SOURCES],
				       int64_t to[SEG_SOURCES], bool *warn, struct seg_error *err)
{
	struct seg_recovery facts = {
		.group = f->group, .wall_ms = f->wall_ms, .changelog_high = (int64_t)(f->len - f->lost)};

	assert_ok(seg_part_recover(f->part, &facts, ret_from, why, err));
	f->sum = 0;
	for (int64_t i = *ret_from < 0 ? 0 : *ret_from; i < (int64_t)(f->len - f->lost); i++)
		assert_ok(seg_part_take(f->part, f->log[i].key, f->log[i].value, i, err));
	return seg_part_taken(f->part, from, to, warn, err);
}

/* For when there is nothing to be read again. */
static inline int64_t fixture_recover(struct fixture *f)
{
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	struct seg_error err = {0};
	bool warn;

	if (fixture_take(f, &at, NULL, from, to, &warn, &err) != SEG_OK)
		fail_msg("%s", err.text);
	assert_true(seg_part_reread_done(f->part));
	assert_ok(seg_part_recovered(f->part, NULL));
	for (int s = 0; s < SEG_SOURCES; s++)
		seg_part_set_start(f->part, (enum seg_source)s, 0);
	return at;
}

static inline void fixture_event(struct seg_event *e, const char *id, int64_t offset)
{
	seg_event_reset(e, SEG_ORDERS);
	e->kind = SEG_ORDER_PURCHASE;
	e->customer_id = seg_str_from(id);
	e->id_hash = (uint64_t)offset + 1;
	e->time_ms = 1700000000000 + offset;
	e->has_amount = true;
	e->amount_micro = 1000000;
}

static inline enum seg_applied fixture_apply(struct fixture *f, const char *id, int64_t offset)
{
	struct seg_event e;
	enum seg_applied applied;

	fixture_event(&e, id, offset);
	assert_ok(seg_part_apply(f->part, &e, offset, &applied, NULL, NULL));
	return applied;
}

/* Everybody pending gets `cluster`, and a contribution of 10. */
static inline void fixture_decide(struct fixture *f, uint64_t cluster)
{
	struct seg_entry **entries;
	int32_t value = 10;
	size_t len;

	assert_ok(seg_part_pending(f->part, &entries, &len, NULL));
	for (size_t i = 0; i < len; i++) {
		const struct seg_profile *p = seg_entry_profile(entries[i]);

		if (!p || !p->decision.alive)
			continue;
		struct seg_decision d = p->decision;
		struct seg_contribution c = {.basis = 1, .cluster = cluster, .len = 1, .values = &value};

		d.change_number += d.cluster != cluster;
		d.cluster = cluster;
		assert_ok(seg_part_decide(f->part, entries[i], &d, &c, NULL));
	}
}

static inline void fixture_seal(struct fixture *f, size_t max_profiles)
{
	struct seg_seal seal = {.wall_ms = f->wall_ms, .max_profiles = max_profiles, .begin_cycle = true};
	struct seg_error err = {0};

	if (seg_part_seal(f->part, &seal, fixture_emit, f, &err) != SEG_OK)
		fail_msg("%s", err.text);
}

static inline void fixture_committed(struct fixture *f)
{
	f->group.known = true;
	f->group.seq = seg_part_sealed_seq(f->part);
	for (int s = 0; s < SEG_SOURCES; s++)
		f->group.next[s] = seg_part_sealed_next(f->part, (enum seg_source)s);
	assert_ok(seg_part_committed(f->part, f->cut_offset, NULL));
}

static inline void fixture_commit(struct fixture *f, size_t max_profiles)
{
	fixture_seal(f, max_profiles);
	fixture_committed(f);
}

/* A clean stop: commits and writes until everything is in changelog and store. */
static inline void fixture_flush(struct fixture *f)
{
	struct seg_part_numbers n;

	for (int i = 0; i < 12; i++) {
		fixture_commit(f, SIZE_MAX);
		assert_ok(seg_part_write(f->part, SIZE_MAX, NULL));
		seg_part_numbers(f->part, &n);
		if (n.dirty == 0 && n.replay_from[SEG_ORDERS] == seg_part_next(f->part, SEG_ORDERS))
			return;
	}
	fail_msg("never clean");
}

static inline uint64_t fixture_purchases(struct fixture *f, const char *id)
{
	struct seg_profile *p = NULL;
	enum seg_rc rc = seg_part_find(f->part, seg_str_from(id), &p, NULL);
	uint64_t n = rc == SEG_OK && p->orders ? p->orders->purchases : 0;

	assert_true(rc == SEG_OK || rc == SEG_NOT_FOUND);
	seg_profile_free(p);
	return n;
}

#endif
