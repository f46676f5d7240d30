#include "tests/support/fold_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "segmenter/basis.h"

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fold_world: %s failed\n", what);
	abort();
}

void world_init(struct world *w, int32_t partitions)
{
	*w = (struct world){.partitions = partitions, .now_ms = SEG_NO_TIME};
	for (int32_t p = 0; p < partitions; p++) {
		w->parts[p].sums = seg_sums_new();
		check(w->parts[p].sums, "seg_sums_new");
	}
}

static void record_release(struct world_record *r)
{
	free((char *)r->customer.ptr);
	if (r->kind == WORLD_SAMPLE)
		seg_profile_free(r->value);
	else
		free(r->value);
}

void world_release(struct world *w)
{
	for (int32_t p = 0; p < w->partitions; p++)
		seg_sums_free(w->parts[p].sums);
	for (size_t i = 0; i < w->len; i++)
		seg_profile_free(w->customers[i].profile);
	for (size_t i = 0; i < w->log_len; i++)
		record_release(&w->log[i]);
	free(w->customers);
	free(w->log);
	seg_model_put(w->model);
}

size_t world_customer(struct world *w, const char *id)
{
	struct seg_str name = seg_str_from(id);
	struct world_customer *c;

	if (w->len == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 1024;
		w->customers = realloc(w->customers, w->cap * sizeof(*w->customers));
		check(w->customers, "realloc");
	}
	c = &w->customers[w->len];
	*c = (struct world_customer){.sample_dirty = true};
	c->profile = seg_profile_new(name, seg_hash_customer(name));
	check(c->profile, "seg_profile_new");
	c->partition = seg_partition_for_key(name.ptr, name.len, w->partitions);
	w->parts[c->partition].customers++;
	return w->len++;
}

static void add_day(struct seg_orders *o, int32_t day)
{
	if (o->days_len && o->days[o->days_len - 1] == day)
		return;
	if (o->days_len == o->days_cap) {
		o->days_cap = o->days_cap ? o->days_cap * 2 : 4;
		o->days = realloc(o->days, o->days_cap * sizeof(*o->days));
		check(o->days, "realloc");
	}
	o->days[o->days_len++] = day;
}

/* Orders come in time order here. */
void world_purchase(struct world *w, size_t customer, int64_t time_ms, int64_t amount_micro)
{
	struct seg_profile *p = w->customers[customer].profile;
	struct seg_orders *o = p->orders;

	if (!o) {
		o = p->orders = calloc(1, sizeof(*o));
		check(o, "calloc");
		o->first_ms = o->last_ms = o->decayed_60d.time_ms = SEG_NO_TIME;
	}
	o->decayed_60d.count = seg_decayed1_at(&o->decayed_60d, 60.0 * 86400000.0, time_ms) + 1;
	o->decayed_60d.time_ms = time_ms;
	if (o->first_ms == SEG_NO_TIME)
		o->first_ms = time_ms;
	o->last_ms = time_ms;
	o->purchases++;
	o->purchased_micro += amount_micro;
	add_day(o, (int32_t)(time_ms / SEG_DAY_MS));
	w->customers[customer].sample_dirty = true;
}

void world_evaluate(struct world *w, size_t customer)
{
	struct seg_profile *p = w->customers[customer].profile;
	struct seg_sums *sums = w->parts[w->customers[customer].partition].sums;
	struct seg_contribution *old = &p->contribution, c = {0};
	const struct seg_model *m = w->model;
	int32_t values[SEG_MAX_FEATURES];
	double vector[SEG_MAX_FEATURES];
	struct seg_assignment a;

	if (!m || m->promotion == 0)
		return;
	seg_basis_values(&m->basis, p, w->now_ms, &m->constants, values);
	seg_model_vector(m, values, vector);
	seg_model_assign(m, vector, &a);
	c = (struct seg_contribution){.basis = m->basis.id,
				      .cluster = m->clusters[a.nearest],
				      .promotion = m->promotion,
				      .evaluated_at_ms = w->now_ms,
				      .len = m->d,
				      .values = values};
	if (old->basis)
		check(!seg_sums_change(sums, &m->basis, old, -1, NULL), "seg_sums_change");
	check(!seg_sums_change(sums, &m->basis, &c, 1, NULL), "seg_sums_change");
	check(seg_contribution_copy(old, &c), "seg_contribution_copy");
}

void world_evaluate_all(struct world *w)
{
	for (size_t i = 0; i < w->len; i++)
		world_evaluate(w, i);
	for (int32_t p = 0; p < w->partitions; p++)
		w->parts[p].swept = w->model ? w->model->promotion : 0;
}

static void append(struct world *w, struct world_record r)
{
	if (w->log_len == w->log_cap) {
		w->log_cap = w->log_cap ? w->log_cap * 2 : 1024;
		w->log = realloc(w->log, w->log_cap * sizeof(*w->log));
		check(w->log, "realloc");
	}
	w->log[w->log_len++] = r;
}

static void append_buf(struct world *w, struct world_record r, struct seg_buf *b)
{
	check(!b->failed, "encode");
	r.value = malloc(b->len ? b->len : 1);
	check(r.value, "malloc");
	memcpy(r.value, b->data, b->len);
	r.len = b->len;
	append(w, r);
	seg_buf_release(b);
}

/* Cluster ids that have a bucket (any basis), ascending; changed: only those that changed. */
static uint32_t clusters_of(const struct seg_sums *s, bool changed, uint64_t *ret)
{
	uint32_t len = 0;

	for (size_t i = 0; i < seg_sums_len(s); i++) {
		const struct seg_sum_bucket *b = seg_sums_at(s, i);
		uint32_t at = 0;
		if (changed && !b->changed)
			continue;
		while (at < len && ret[at] < b->cluster)
			at++;
		if (at < len && ret[at] == b->cluster)
			continue;
		memmove(ret + at + 1, ret + at, (len - at) * sizeof(*ret));
		ret[at] = b->cluster;
		len++;
	}
	return len;
}

static void publish_part(struct world *w, int32_t p)
{
	struct world_part *part = &w->parts[p];
	uint64_t clusters[1024], sequence = ++part->sequence;
	const uint64_t *gone;
	size_t gone_len = seg_sums_gone(part->sums, &gone);
	uint32_t len = clusters_of(part->sums, true, clusters);
	struct seg_buf b;

	for (uint32_t i = 0; i < len; i++) {
		seg_buf_init(&b, 1 << 24);
		check(!seg_sums_encode(part->sums, clusters[i], sequence, &b, NULL), "seg_sums_encode");
		append_buf(w, (struct world_record){.kind = WORLD_PIECE, .partition = p, .cluster = clusters[i]}, &b);
	}
	for (size_t i = 0; i < gone_len; i++)
		append(w, (struct world_record){.kind = WORLD_PIECE, .partition = p, .cluster = gone[i]});
	struct seg_sums_close close = {.sequence = sequence,
				       .pieces = len + (uint32_t)gone_len,
				       .customers = part->customers,
				       .swept_promotion = part->swept,
				       .stream_time_ms = w->now_ms,
				       .clusters = clusters};
	close.clusters_len = clusters_of(part->sums, false, clusters);
	seg_buf_init(&b, 1 << 20);
	seg_sums_close_encode(&close, &b);
	append_buf(w, (struct world_record){.kind = WORLD_CLOSE, .partition = p}, &b);
	seg_sums_clear_changed(part->sums);
}

static void publish_sample(struct world *w, struct world_customer *c)
{
	bool wanted = seg_hash_sample(c->profile->id) < (w->model ? w->model->sample_bound : 0);
	struct world_record r = {.kind = WORLD_SAMPLE};

	if (wanted == c->sampled && !(wanted && c->sample_dirty))
		return;
	r.customer = (struct seg_str){strndup(c->profile->id.ptr, c->profile->id.len), c->profile->id.len};
	check(r.customer.ptr, "strndup");
	if (wanted) {
		r.value = seg_profile_clone(c->profile);
		check(r.value, "seg_profile_clone");
	}
	append(w, r);
	c->sampled = wanted;
	c->sample_dirty = false;
}

void world_publish(struct world *w)
{
	for (size_t i = 0; i < w->len; i++)
		publish_sample(w, &w->customers[i]);
	for (int32_t p = 0; p < w->partitions; p++)
		publish_part(w, p);
}

size_t world_feed(struct world *w, struct seg_learner *l, size_t from)
{
	for (; from < w->log_len; from++) {
		const struct world_record *r = &w->log[from];
		struct seg_profile *clone;
		enum seg_rc rc = SEG_OK;
		switch (r->kind) {
		case WORLD_PIECE:
			rc = seg_learner_take_piece(l, r->partition, r->cluster, r->value, r->len, NULL);
			break;
		case WORLD_CLOSE:
			rc = seg_learner_take_close(l, r->partition, r->value, r->len, NULL);
			break;
		case WORLD_SAMPLE:
			clone = r->value ? seg_profile_clone(r->value) : NULL;
			rc = seg_learner_take_sample(l, r->customer, clone, NULL);
			break;
		}
		check(!rc, "seg_learner_take");
	}
	return from;
}

void world_take_model(struct world *w, struct seg_model *m)
{
	uint64_t before = w->model ? w->model->promotion : 0;

	if (!m)
		return;
	seg_model_put(w->model);
	w->model = seg_model_get(m);
	if (m->promotion != before)
		world_evaluate_all(w);
}

void world_replace(struct world *w, size_t customer, const char *id)
{
	struct world_customer *c = &w->customers[customer];
	struct seg_contribution *old = &c->profile->contribution;
	struct seg_str name = {id, (uint32_t)strlen(id)};

	if (old->basis)
		check(!seg_sums_change(w->parts[c->partition].sums, &w->model->basis, old, -1, NULL),
		      "seg_sums_change");
	if (c->sampled) {
		struct world_record r = {.kind = WORLD_SAMPLE};
		r.customer = (struct seg_str){strndup(c->profile->id.ptr, c->profile->id.len), c->profile->id.len};
		check(r.customer.ptr, "strndup");
		append(w, r);
	}
	w->parts[c->partition].customers--;
	seg_profile_free(c->profile);
	*c = (struct world_customer){.sample_dirty = true};
	c->profile = seg_profile_new(name, seg_hash_customer(name));
	check(c->profile, "seg_profile_new");
	c->partition = seg_partition_for_key(name.ptr, name.len, w->partitions);
	w->parts[c->partition].customers++;
}

struct world_step world_step(struct world *w, struct seg_learner *l)
{
	struct world_step step = {0};
	struct seg_learner_news news;

	for (int round = 0; round < 3; round++) {
		bool first = w->model == NULL;
		struct seg_refit *refit;
		world_publish(w);
		w->fed = world_feed(w, l, w->fed);
		check(!seg_learner_tick(l, w->now_ms, w->partitions, &news, NULL), "seg_learner_tick");
		step.alerts += news.alerts_len;
		for (uint32_t i = 0; i < news.alerts_len; i++)
			step.raised = step.raised || news.alerts[i].state != SEG_ALERT_CLEARED;
		step.promotions += news.promoted;
		world_take_model(w, news.model);
		/* The first model asks for the sample. */
		if (first && w->model)
			continue;
		if (!news.refit_due)
			break;
		refit = seg_learner_refit_begin(l, w->now_ms);
		check(refit, "seg_learner_refit_begin");
		seg_refit_run(refit);
		check(!seg_learner_refit_end(l, refit, NULL), "seg_learner_refit_end");
		step.attempts++;
		check(!seg_learner_tick(l, w->now_ms, w->partitions, &news, NULL), "seg_learner_tick");
		step.promotions += news.promoted;
		world_take_model(w, news.model);
	}
	return step;
}
