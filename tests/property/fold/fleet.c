#include "tests/property/fold/fleet_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "config/load.h"
#include "state/codec.h"
#include "tests/property/protocol/store_memory.h"

#define START_MS INT64_C(1300000000000)

static const char *const topics[SEG_SOURCES] = {"web", "email", "orders", "profiles"};
static const enum seg_source sources[] = {SEG_ORDERS, SEG_PROFILES};

void violation(struct fleet *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->why, sizeof f->why, fmt, args);
	va_end(args);
	longjmp(f->failed, 1);
}

void ok(struct fleet *f, enum seg_rc rc, const struct seg_error *err, const char *what)
{
	need(f, rc == SEG_OK, "%s: %s", what, err->text);
}

bool fleet_chance(struct fleet *f, double p)
{
	return seg_rng_unit(&f->rng) < p;
}

size_t fleet_below(struct fleet *f, size_t n)
{
	return n ? seg_rng_below(&f->rng, n) : 0;
}

struct seg_now now_of(const struct fleet *f)
{
	return (struct seg_now){.wall_ms = f->now_ms, .mono_ms = f->now_ms};
}

/* ---- topics ---- */

static struct seg_str copy(struct seg_str s)
{
	char *to = s.ptr ? malloc(s.len + 1) : NULL;

	if (s.ptr && !to)
		abort();
	if (to)
		memcpy(to, s.ptr, s.len);
	return (struct seg_str){to, s.len};
}

static void topic_add(struct topic *t, struct record r)
{
	if (t->len == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->items = realloc(t->items, t->cap * sizeof *t->items);
		if (!t->items)
			abort();
	}
	t->items[t->len++] = r;
}

static void topic_clear(struct topic *t)
{
	for (size_t i = 0; i < t->len; i++) {
		free((char *)t->items[i].key.ptr);
		free((char *)t->items[i].value.ptr);
	}
	t->len = 0;
}

/* All records of one go to the other. */
static void topic_move(struct topic *to, struct topic *from)
{
	for (size_t i = 0; i < from->len; i++)
		topic_add(to, from->items[i]);
	from->len = 0;
}

/* ---- the transaction ---- */

void txn_begin(struct fleet *f)
{
	for (int t = 0; t < SEG_INTERNALS; t++)
		topic_clear(&f->pending[t]);
	f->fail_after = fleet_chance(f, .05) ? (int64_t)fleet_below(f, 30) : -1;
}

static enum seg_rc on_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
			       struct seg_str value, uint32_t *ret_ticket, struct seg_error *err)
{
	struct fleet *f = ctx;

	(void)partition;
	if (f->fail_after >= 0 && f->fail_after-- == 0)
		return seg_error_set(err, SEG_ABORT, "the transaction takes no more");
	if (ret_ticket) {
		*ret_ticket = 0;
		f->pending_cut = f->pending[topic].len;
	}
	topic_add(&f->pending[topic], (struct record){copy(key), copy(value)});
	return SEG_OK;
}

static enum seg_rc on_change(void *ctx, int32_t partition, const struct seg_change *c, struct seg_error *err)
{
	(void)ctx, (void)partition, (void)c, (void)err;
	return SEG_OK;
}

static enum seg_rc on_segment(void *ctx, const struct seg_segment_row *row, struct seg_error *err)
{
	(void)ctx, (void)row, (void)err;
	return SEG_OK;
}

static enum seg_rc on_alert(void *ctx, const struct seg_alert *a, struct seg_error *err)
{
	(void)ctx, (void)a, (void)err;
	return SEG_OK;
}

struct seg_sink sink_of(struct fleet *f)
{
	return (struct seg_sink){
		.change = on_change, .segment = on_segment, .alert = on_alert, .internal = on_internal, .ctx = f};
}

/* ---- inputs ---- */

static void id_of(int customer, char ret[16])
{
	snprintf(ret, 16, "c%d", customer);
}

static struct lane *lane_of(struct fleet *f, int customer)
{
	char id[16];

	id_of(customer, id);
	return &f->lanes[seg_partition_for_key(id, (uint32_t)strlen(id), f->partitions)];
}

static void add_input(struct fleet *f, enum seg_source s, int customer, double amount)
{
	struct inputs *in = &lane_of(f, customer)->inputs[s];

	if (in->len == in->cap) {
		in->cap = in->cap ? in->cap * 2 : 64;
		in->items = realloc(in->items, in->cap * sizeof *in->items);
		if (!in->items)
			abort();
	}
	in->items[in->len++] = (struct input){customer, f->now_ms, amount};
}

void fleet_order(struct fleet *f, int customer, double amount)
{
	add_input(f, SEG_ORDERS, customer, amount);
}

void fleet_erase(struct fleet *f, int customer)
{
	add_input(f, SEG_PROFILES, customer, 0);
	f->counts.erasures++;
}

/* id and event_id are the caller's scratch. */
static void make_event(const struct lane *l, enum seg_source s, int64_t offset, char id[16], char event_id[32],
		       struct seg_event *ret)
{
	const struct input *in = &l->inputs[s].items[offset];

	id_of(in->customer, id);
	snprintf(event_id, 32, "%d-%d-%lld", (int)s, (int)l->partition, (long long)offset);
	seg_event_reset(ret, s);
	ret->kind = s == SEG_ORDERS ? (int)SEG_ORDER_PURCHASE : (int)SEG_UPDATE_ERASE;
	ret->time_ms = in->time_ms;
	ret->customer_id = seg_str_from(id);
	ret->event_id = seg_str_from(event_id);
	ret->id_hash = seg_hash64(event_id, strlen(event_id));
	ret->has_amount = s == SEG_ORDERS;
	ret->amount = in->amount;
	ret->amount_micro = (int64_t)(in->amount * 1e6);
}

/* ---- lanes ---- */

static void folder_of(const struct lane *l, char ret[64])
{
	snprintf(ret, 64, "/p%d", (int)l->partition);
}

static void lane_open(struct fleet *f, struct lane *l)
{
	struct seg_error err = {0};
	char dir[64];

	folder_of(l, dir);
	struct seg_shard_options options = {
		.config = f->configs[0],
		.partitions = f->partitions,
		.scan_budget = 1 + fleet_below(f, 30),
		.sums_interval_ms = 1,
		.part = {.env = f->env, .dir = dir, .partition = l->partition, .memory_bytes = 64 << 20},
	};
	memcpy(options.topics, topics, sizeof topics);
	for (int s = 0; s < SEG_SOURCES; s++)
		options.part.aggregates.window[s] = (uint32_t)f->configs[0]->dedup.window;
	seg_cut_init(&options.part.identity);
	ok(f, seg_shard_open(&options, &l->shard, &err), &err, "open");
}

static void reread(struct fleet *f, struct lane *l, const int64_t from[SEG_SOURCES], const int64_t to[SEG_SOURCES])
{
	struct seg_error err = {0};
	struct seg_event e;
	char id[16], event_id[32];

	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		for (int64_t o = from[sources[i]]; o >= 0 && o < to[sources[i]]; o++) {
			make_event(l, sources[i], o, id, event_id, &e);
			ok(f, seg_part_reread(seg_shard_part(l->shard), &e, o, &err), &err, "re-reading");
		}
	}
}

static void recover(struct fleet *f, struct lane *l)
{
	struct seg_part *part = seg_shard_part(l->shard);
	struct seg_now now = now_of(f);
	struct seg_error err = {0};
	int64_t at, from[SEG_SOURCES], to[SEG_SOURCES];
	bool warn;
	struct seg_recovery facts = {.group = l->group,
				     .wall_ms = f->now_ms,
				     .changelog_high = (int64_t)l->changelog.len,
				     .input_low = {-1, -1, 0, 0}};

	seg_shard_drop(l->shard);
	ok(f, seg_part_recover(part, &facts, &at, NULL, &err), &err, "recovery");
	for (int64_t i = at < 0 ? 0 : at; i < (int64_t)l->changelog.len; i++) {
		const struct record *r = &l->changelog.items[i];
		ok(f, seg_part_take(part, r->key, r->value, i, &err), &err, "changelog");
	}
	ok(f, seg_part_taken(part, from, to, &warn, &err), &err, "changelog");
	reread(f, l, from, to);
	need(f, seg_part_reread_done(part), "the re-reading does not end");
	ok(f, seg_part_recovered(part, &err), &err, "recovery");
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		seg_part_set_start(part, sources[i], 0);
	seg_shard_started(l->shard, &now);
	lane_take_model(f, l); /* at least what the cut needs */
}

void lane_crash(struct fleet *f, struct lane *l)
{
	f->counts.crashes++;
	recover(f, l);
}

void lane_move(struct fleet *f, struct lane *l)
{
	char dir[64];

	f->counts.moves++;
	seg_shard_close(l->shard);
	l->shard = NULL;
	folder_of(l, dir);
	if (fleet_chance(f, .5))
		disk_lost(f->env, dir);
	lane_open(f, l);
	recover(f, l);
}

void lane_take_model(struct fleet *f, struct lane *l)
{
	seg_model_put(l->model);
	l->model = f->model ? seg_model_get(f->model) : NULL;
}

static void read_source(struct fleet *f, struct lane *l, enum seg_source s, size_t max)
{
	struct seg_error err = {0};
	struct seg_event e;
	char id[16], event_id[32];
	int64_t next = seg_part_next(seg_shard_part(l->shard), s), end = (int64_t)l->inputs[s].len;

	for (; next < end && max > 0; next++, max--) {
		make_event(l, s, next, id, event_id, &e);
		ok(f, seg_shard_event(l->shard, &e, next, f->now_ms, NULL, &err), &err, "event");
	}
	if (next == end)
		seg_shard_end(l->shard, s, end);
}

void lane_read(struct fleet *f, struct lane *l, size_t max)
{
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		read_source(f, l, sources[i], max);
}

struct counting {
	struct fleet *f;
	struct seg_sums *sums;
};

static bool count(void *ctx, const struct seg_profile *p)
{
	struct counting *c = ctx;

	if (seg_sums_change(c->sums, NULL, &p->contribution, 1, NULL) != SEG_OK)
		violation(c->f, "the recount failed");
	return false;
}

/* The transaction carries sums: keeps the recount of what it commits. */
static void keep_told(struct fleet *f, struct lane *l, uint64_t sequence)
{
	struct counting c = {f, seg_sums_new()};
	uint64_t next;
	bool done;

	if (l->told_len == l->told_cap) {
		l->told_cap = l->told_cap ? l->told_cap * 2 : 64;
		l->told = realloc(l->told, l->told_cap * sizeof *l->told);
	}
	if (!l->told || !c.sums)
		abort();
	if (seg_part_scan(seg_shard_part(l->shard), 0, UINT64_MAX, SIZE_MAX, count, &c, &next, &done, NULL))
		violation(f, "the scan failed");
	l->told[l->told_len++] = (struct told){sequence, c.sums};
}

static bool carries_sums(const struct fleet *f)
{
	const struct topic *t = &f->pending[SEG_INTERNAL_SUMS];

	for (size_t i = 0; i < t->len; i++)
		if (t->items[i].key.len == 6 && memcmp(t->items[i].key.ptr, "sums/", 5) == 0)
			return true;
	return false;
}

static void txn_commit(struct fleet *f, struct lane *l)
{
	if (carries_sums(f))
		keep_told(f, l, seg_part_sealed_seq(seg_shard_part(l->shard)));
	const struct seg_part *part = seg_shard_part(l->shard);
	l->group.known = true;
	l->group.seq = seg_part_sealed_seq(part);
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		l->group.next[sources[i]] = seg_part_sealed_next(part, sources[i]);
	topic_move(&l->changelog, &f->pending[SEG_INTERNAL_CHANGELOG]);
	topic_move(&f->sums, &f->pending[SEG_INTERNAL_SUMS]);
}

bool lane_commit(struct fleet *f, struct lane *l, enum outcome outcome)
{
	struct seg_sink sink = sink_of(f);
	struct seg_now now = now_of(f);
	struct seg_error err = {0};
	uint32_t ticket;

	ok(f, seg_shard_prepare(l->shard, l->model, &now, &err), &err, "prepare");
	if (!seg_shard_has_work(l->shard, &now)) {
		ok(f, seg_shard_maintain(l->shard, &err), &err, "maintain");
		return false;
	}
	txn_begin(f);
	enum seg_rc rc = seg_shard_seal(l->shard, l->model, &now, &sink, &ticket, &err);
	if (rc == SEG_ABORT && outcome == OUTCOME_COMMITTED)
		outcome = OUTCOME_ABORTED;
	else if (rc == SEG_ABORT)
		outcome = OUTCOME_LOST;
	else
		ok(f, rc, &err, "seal");
	int64_t cut = (int64_t)(l->changelog.len + f->pending_cut);
	switch (outcome) {
	case OUTCOME_COMMITTED:
		txn_commit(f, l);
		ok(f, seg_shard_committed(l->shard, cut, &err), &err, "committed");
		ok(f, seg_shard_maintain(l->shard, &err), &err, "maintain");
		f->counts.commits++;
		break;
	case OUTCOME_ABORTED:
		ok(f, seg_shard_aborted(l->shard, &err), &err, "aborted");
		f->counts.aborts++;
		break;
	case OUTCOME_UNKNOWN:
		txn_commit(f, l);
		lane_crash(f, l);
		break;
	case OUTCOME_LOST:
		lane_crash(f, l);
		break;
	}
	return true;
}

/* ---- beginning and end ---- */

static struct seg_config *load(struct fleet *f, const char *features)
{
	char text[1024];
	struct seg_config *config;
	struct seg_error err = {0};

	snprintf(text, sizeof text,
		 "app: test\n"
		 "sources: {orders: {topic: orders}, profiles: {topic: profiles}}\n"
		 "features: %s\n"
		 "segmenter: {k: %d, min_customers: 30, seed: 3, dwell: 1h, refit: {interval: 2d},\n"
		 "            reevaluate: {interval: 6h, min_move: %s}}\n",
		 features, 2 + (int)fleet_below(f, 3), fleet_chance(f, .5) ? "0" : "0.05");
	ok(f, seg_config_load_text(text, strlen(text), "test", NULL, &config, &err), &err, "configuration");
	return config;
}

void fleet_open(struct fleet *f, uint64_t seed)
{
	struct seg_store_options store = {.in_memory = true};
	struct seg_error err = {0};

	seg_rng_init(&f->rng, seed);
	f->now_ms = START_MS;
	f->configs[0] = load(f, "rfm");
	f->configs[1] = load(f, "[{name: frequency}, {name: tenure_days}, {name: monetary, transform: linear}]");
	f->partitions = 1 + (int32_t)fleet_below(f, PARTITIONS_MAX);
	f->customers = 40 + (int)fleet_below(f, CUSTOMERS_MAX - 40);
	ok(f, seg_store_env_new(&store, &f->env, &err), &err, "stores");
	for (int32_t p = 0; p < f->partitions; p++) {
		struct lane *l = &f->lanes[p];
		l->partition = p;
		for (int s = 0; s < SEG_SOURCES; s++)
			l->group.next[s] = -1;
		lane_open(f, l);
		recover(f, l);
	}
	fold_open(f, &f->folding);
}

void fleet_close(struct fleet *f)
{
	seg_fold_free(f->folding.fold);
	seg_fold_free(f->zombie.fold);
	for (int32_t p = 0; p < f->partitions; p++) {
		struct lane *l = &f->lanes[p];
		seg_shard_close(l->shard);
		seg_model_put(l->model);
		for (size_t i = 0; i < l->told_len; i++)
			seg_sums_free(l->told[i].sums);
		free(l->told);
		topic_clear(&l->changelog);
		free(l->changelog.items);
		for (int s = 0; s < SEG_SOURCES; s++)
			free(l->inputs[s].items);
	}
	seg_model_put(f->model);
	topic_clear(&f->sums);
	free(f->sums.items);
	for (int t = 0; t < SEG_INTERNALS; t++) {
		topic_clear(&f->pending[t]);
		free(f->pending[t].items);
	}
	seg_store_env_free(f->env);
	for (int c = 0; c < CONFIGS; c++)
		seg_config_free(f->configs[c]);
}
