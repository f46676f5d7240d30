/*
 * Erasure takes exactly what a customer put in. A month of a made-up shop goes through four partitions under one
 * fixed model version, and 1,000 customers chosen at random are erased, half of them on the way: the sums of every cluster
 * must be, bit for bit, the recount over the contributions that remain, and the sums over all partitions those of a run that
 * never saw these customers, evaluated at the same instants. --table prints what was compared.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "config/load.h"
#include "daemon/fold.h"
#include "daemon/shard.h"

enum { PARTITIONS = 4, CUSTOMERS = 3000, ERASED = 1000, DAYS = 30, STEPS = 4, FIRST_ERASURE = 10, SEED = 8 };
#define DAY INT64_C(86400000)
#define START (INT64_C(19000) * DAY)

#define NEED(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                             \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static struct seg_error err;
static void must(enum seg_rc rc)
{
	if (rc == SEG_OK)
		return;
	fprintf(stderr, "%s: %s\n", seg_rc_text(rc), err.text);
	exit(1);
}

struct run {
	struct seg_config *config;
	struct seg_store_env *env;
	struct seg_shard *shards[PARTITIONS];
	int64_t next[PARTITIONS][SEG_SOURCES], cuts[PARTITIONS];
	struct seg_fold *fold;	 /* of the run that fits the model; NULL: it is given */
	struct seg_model *model; /* borrowed or the fold's newest */
	struct seg_sink sink;
	int64_t now_ms;
	uint64_t by_reason[SEG_REASONS];
	const bool *never; /* [CUSTOMERS] whom this run does not see; NULL: it sees all */
	bool there[CUSTOMERS], gone[CUSTOMERS];
};

/* ---- the sink ---- */

static enum seg_rc on_change(void *ctx, int32_t partition, const struct seg_change *c, struct seg_error *e)
{
	(void)partition;
	(void)e;
	((struct run *)ctx)->by_reason[c->reason]++;
	return SEG_OK;
}

static enum seg_rc on_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
			       struct seg_str value, uint32_t *ret_ticket, struct seg_error *e)
{
	struct run *r = ctx;
	(void)partition;
	if (ret_ticket)
		*ret_ticket = 1;
	return topic == SEG_INTERNAL_SUMS && r->fold ? seg_fold_take(r->fold, key, value, e) : SEG_OK;
}

static enum seg_rc on_segment(void *ctx, const struct seg_segment_row *row, struct seg_error *e)
{
	(void)ctx;
	(void)row;
	(void)e;
	return SEG_OK;
}

static enum seg_rc on_alert(void *ctx, const struct seg_alert *a, struct seg_error *e)
{
	(void)ctx;
	(void)a;
	(void)e;
	return SEG_OK;
}

/* ---- a run ---- */

static void open_shard(struct run *r, int32_t p)
{
	char dir[16];
	int64_t from, re_from[SEG_SOURCES], re_to[SEG_SOURCES];
	bool warn;
	struct seg_recovery facts = {.group = {.next = {-1, -1, -1, -1}}};
	snprintf(dir, sizeof(dir), "/p%d", (int)p);
	struct seg_shard_options options = {
		.config = r->config,
		.partitions = PARTITIONS,
		.scan_budget = SIZE_MAX,
		.topics = {"web", "email", "orders", "profiles"},
		.part = {.env = r->env, .dir = dir, .partition = p, .memory_bytes = 256 << 20},
	};
	for (int s = 0; s < SEG_SOURCES; s++)
		options.part.aggregates.window[s] = (uint32_t)r->config->dedup.window;
	seg_cut_init(&options.part.identity);
	must(seg_shard_open(&options, &r->shards[p], &err));
	struct seg_part *part = seg_shard_part(r->shards[p]);
	must(seg_part_recover(part, &facts, &from, NULL, &err));
	must(seg_part_taken(part, re_from, re_to, &warn, &err));
	must(seg_part_recovered(part, &err));
	for (int s = 0; s < SEG_SOURCES; s++)
		seg_part_set_start(part, (enum seg_source)s, 0);
}

static struct run *open_run(struct seg_model *model, const bool *never)
{
	static const char text[] =
		"features: full\nsegmenter: {k: 6, min_customers: 500, seed: 3, refit: {interval: off}, "
		"reevaluate: {min_move: 0}}\n";
	struct run *r = calloc(1, sizeof(*r));
	NEED(r);
	must(seg_config_load_text(text, sizeof(text) - 1, "erasure", NULL, &r->config, &err));
	must(seg_store_env_new(&(struct seg_store_options){.in_memory = true}, &r->env, &err));
	for (int32_t p = 0; p < PARTITIONS; p++)
		open_shard(r, p);
	r->sink = (struct seg_sink){
		.change = on_change, .segment = on_segment, .alert = on_alert, .internal = on_internal, .ctx = r};
	r->model = model;
	r->never = never;
	r->now_ms = START;
	if (!model) {
		must(seg_fold_new(
			&(struct seg_fold_options){.config = r->config, .partitions = PARTITIONS, .in_place = true},
			&r->fold, &err));
		must(seg_fold_begin(r->fold, NULL, &err));
	}
	return r;
}

static void close_run(struct run *r)
{
	seg_fold_free(r->fold);
	for (int p = 0; p < PARTITIONS; p++)
		seg_shard_close(r->shards[p]);
	seg_store_env_free(r->env);
	seg_config_free(r->config);
	free(r);
}

static void send(struct run *r, int customer, struct seg_event *e, const char *event_id)
{
	char id[32];
	int p = customer % PARTITIONS;
	snprintf(id, sizeof(id), "c%d", customer);
	e->customer_id = seg_str_from(id);
	e->event_id = seg_str_from(event_id);
	e->id_hash = seg_hash64(event_id, strlen(event_id));
	e->time_ms = r->now_ms;
	r->there[customer] = true;
	must(seg_shard_event(r->shards[p], e, r->next[p][e->source]++, r->now_ms, NULL, &err));
	e->customer_id = (struct seg_str){NULL, 0};
}

/* What a customer does in a step is their own: it does not depend on who else is there. */
static void behave(struct run *r, int customer, int step)
{
	struct seg_rng rng;
	struct seg_event e;
	char id[64];
	seg_rng_init(&rng, (uint64_t)customer * 1000 + (uint64_t)step);
	double lively = 1.0 / (1 + customer % 9);
	if (step < (customer / 7) % (STEPS * 12)) /* they come one after another */
		return;
	if (seg_rng_unit(&rng) < .25 * lively) {
		seg_event_reset(&e, SEG_WEB);
		e.kind = (uint8_t)(SEG_WEB_PAGE_VIEW + seg_rng_below(&rng, SEG_WEB_KINDS - 1));
		snprintf(id, sizeof(id), "w%d-%d", customer, step);
		send(r, customer, &e, id);
	}
	if (seg_rng_unit(&rng) < .1 * lively) {
		seg_event_reset(&e, SEG_ORDERS);
		e.kind = seg_rng_below(&rng, 12) ? SEG_ORDER_PURCHASE : SEG_ORDER_REFUND;
		e.has_amount = true;
		e.amount_micro = (int64_t)(1e6 * (5 + seg_rng_unit(&rng) * (1 + customer % 5) * 60));
		snprintf(id, sizeof(id), "o%d-%d", customer, step);
		send(r, customer, &e, id);
	}
	if (seg_rng_unit(&rng) < .05) {
		seg_event_reset(&e, SEG_EMAIL);
		e.kind = (uint8_t)(SEG_EMAIL_SENT + seg_rng_below(&rng, 4));
		snprintf(id, sizeof(id), "m%d-%d", customer, step);
		send(r, customer, &e, id);
	}
}

static void commit(struct run *r)
{
	struct seg_now now = {r->now_ms, r->now_ms};
	for (int p = 0; p < PARTITIONS; p++) {
		uint32_t cut;
		seg_shard_clock(r->shards[p], r->now_ms);
		must(seg_shard_prepare(r->shards[p], r->model, &now, &err));
		if (!seg_shard_has_work(r->shards[p], &now))
			continue;
		must(seg_shard_seal(r->shards[p], r->model, &now, &r->sink, &cut, &err));
		must(seg_shard_committed(r->shards[p], r->cuts[p]++, &err));
		must(seg_shard_maintain(r->shards[p], &err));
	}
	if (!r->fold)
		return;
	must(seg_fold_tick(r->fold, &now, &err));
	if (seg_fold_has_work(r->fold)) {
		must(seg_fold_seal(r->fold, &r->sink, &err));
		seg_fold_committed(r->fold);
	}
	r->model = seg_fold_model(r->fold);
}

static void erase(struct run *r, int customer)
{
	struct seg_event e;
	char id[32];
	seg_event_reset(&e, SEG_PROFILES);
	e.kind = SEG_UPDATE_ERASE;
	snprintf(id, sizeof(id), "x%d", customer);
	send(r, customer, &e, id);
	r->gone[customer] = true;
}

static bool add_contribution(void *ctx, const struct seg_profile *p)
{
	if (p->contribution.basis)
		must(seg_sums_change(ctx, NULL, &p->contribution, 1, &err));
	return false;
}

/* All partitions together; each one's are compared with the recount over its customers. */
static struct seg_sums *total(struct run *r)
{
	struct seg_sums *sum = seg_sums_new();
	NEED(sum);
	for (int p = 0; p < PARTITIONS; p++) {
		struct seg_sums *recount = seg_sums_new();
		uint64_t next;
		bool done;
		NEED(recount);
		must(seg_part_scan(seg_shard_part(r->shards[p]), 0, UINT64_MAX, SIZE_MAX, add_contribution, recount,
				   &next, &done, &err));
		NEED(done && seg_sums_equal(recount, seg_shard_sums(r->shards[p])));
		must(seg_sums_add(sum, seg_shard_sums(r->shards[p]), &err));
		seg_sums_free(recount);
	}
	return sum;
}

static int64_t customers_of(const struct seg_sums *s)
{
	int64_t n = 0;
	for (size_t i = 0; i < seg_sums_len(s); i++)
		n += seg_sums_at(s, i)->count;
	return n;
}

/* order [ERASED]: who is erased: half of them one after another from day FIRST_ERASURE on, the others at the end at once. */
static void live(struct run *r, const int *order)
{
	int turn = 0;
	for (int step = 0; step < DAYS * STEPS; step++) {
		r->now_ms += DAY / STEPS;
		if (order && step >= FIRST_ERASURE * STEPS)
			for (int i = 0; i < 8 && turn < ERASED / 2; i++, turn++)
				if (r->there[order[turn]])
					erase(r, order[turn]);
		for (int c = 0; c < CUSTOMERS; c++)
			if (!r->gone[c] && !(r->never && r->never[c]))
				behave(r, c, step);
		commit(r);
	}
	for (int i = 0; order && i < ERASED; i++)
		if (!r->gone[order[i]])
			erase(r, order[i]);
	commit(r);
}

static void print_table(const struct seg_sums *all, const struct seg_sums *left, const struct run *r)
{
	printf("| | customers in the sums | clusters | features | sums compared |\n|---|---:|---:|---:|---:|\n");
	const struct seg_sums *sums[] = {all, left};
	static const char *const names[] = {"nobody erased", "after 1,000 erasures"};
	for (int i = 0; i < 2; i++) {
		size_t n = 0, features = 0;
		for (size_t b = 0; b < seg_sums_len(sums[i]); b++) {
			features = seg_sums_at(sums[i], b)->len;
			n += features * (3 + SEG_GRID_BINS) + 1;
		}
		printf("| %s | %" PRId64 " | %zu | %zu | %zu |\n", names[i], customers_of(sums[i]),
		       seg_sums_len(sums[i]), features, n);
	}
	printf("\nEqual bit for bit, each partition's to the recount over the contributions that remain, and all "
	       "together to "
	       "a run that never saw the erased; %" PRIu64 " changes of reason erasure.\n",
	       r->by_reason[SEG_REASON_ERASURE]);
}

int main(int argc, char **argv)
{
	static bool never[CUSTOMERS];
	static int order[CUSTOMERS];
	struct seg_rng rng;

	seg_rng_init(&rng, SEED);
	for (int i = 0; i < CUSTOMERS; i++)
		order[i] = i;
	for (int i = 0; i < ERASED; i++) {
		int j = i + (int)seg_rng_below(&rng, (uint64_t)(CUSTOMERS - i)), was = order[i];
		order[i] = order[j];
		order[j] = was;
		never[order[i]] = true;
	}
	struct run *fit = open_run(NULL, NULL);
	live(fit, NULL);
	NEED(fit->model && fit->model->promotion > 0 && fit->model->k == 6);
	struct seg_model *model = seg_model_get(fit->model);
	close_run(fit);

	struct run *without = open_run(model, never), *with = open_run(model, NULL), *whole = open_run(model, NULL);
	live(without, NULL);
	live(with, order);
	live(whole, NULL);
	struct seg_sums *a = total(with), *b = total(without), *c = total(whole);
	NEED(seg_sums_equal(a, b));
	NEED(customers_of(c) == CUSTOMERS && customers_of(a) == CUSTOMERS - ERASED);
	NEED(seg_sums_len(a) == 6);
	NEED(with->by_reason[SEG_REASON_ERASURE] == ERASED);
	if (argc > 1 && strcmp(argv[1], "--table") == 0)
		print_table(c, a, with);
	seg_sums_free(a);
	seg_sums_free(b);
	seg_sums_free(c);
	close_run(without);
	close_run(with);
	close_run(whole);
	seg_model_put(model);
	return 0;
}
