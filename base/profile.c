#include "base/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const double seg_half_life_ms[SEG_HALF_LIVES] = {1 * 86400000.0, 7 * 86400000.0, 30 * 86400000.0};

/* A view from long before the counter's time may not become infinite: features must stay finite. */
static double decay_factor(int64_t from_ms, int64_t to_ms, double half_life_ms)
{
	double exponent = ((double)from_ms - (double)to_ms) / half_life_ms;
	return exp2(exponent < 900 ? exponent : 900);
}

double seg_decayed_at(const struct seg_decayed *c, unsigned half_life, int64_t now_ms)
{
	if (c->time_ms == SEG_NO_TIME)
		return 0;
	return c->count[half_life] * decay_factor(c->time_ms, now_ms, seg_half_life_ms[half_life]);
}

double seg_decayed1_at(const struct seg_decayed1 *c, double half_life_ms, int64_t now_ms)
{
	if (c->time_ms == SEG_NO_TIME)
		return 0;
	return c->count * decay_factor(c->time_ms, now_ms, half_life_ms);
}

/* Moves a counter that is not empty to a later time; most events of a busy second need no exponential at all. */
static void decayed_advance(struct seg_decayed *c, int64_t time_ms)
{
	double past = (double)(time_ms - c->time_ms);
	for (unsigned i = 0; i < SEG_HALF_LIVES; i++)
		c->count[i] *= exp2(-past / seg_half_life_ms[i]);
	c->time_ms = time_ms;
}

void seg_decayed_merge(struct seg_decayed *c, const struct seg_decayed *from)
{
	if (from->time_ms == SEG_NO_TIME)
		return;
	if (c->time_ms == SEG_NO_TIME) {
		*c = *from;
		return;
	}
	struct seg_decayed add = *from;
	if (c->time_ms < add.time_ms)
		decayed_advance(c, add.time_ms);
	else if (add.time_ms < c->time_ms)
		decayed_advance(&add, c->time_ms);
	for (unsigned i = 0; i < SEG_HALF_LIVES; i++)
		c->count[i] += add.count[i];
}

void seg_decayed_add(struct seg_decayed *c, int64_t time_ms, double weight)
{
	struct seg_decayed one = {.time_ms = time_ms};
	for (unsigned i = 0; i < SEG_HALF_LIVES; i++)
		one.count[i] = weight;
	seg_decayed_merge(c, &one);
}

void seg_decayed1_merge(struct seg_decayed1 *c, double half_life_ms, const struct seg_decayed1 *from)
{
	if (from->time_ms != SEG_NO_TIME)
		seg_decayed1_add(c, half_life_ms, from->time_ms, from->count);
}

void seg_decayed1_add(struct seg_decayed1 *c, double half_life_ms, int64_t time_ms, double weight)
{
	if (c->time_ms == SEG_NO_TIME) {
		*c = (struct seg_decayed1){time_ms, weight};
	} else if (c->time_ms == time_ms) {
		c->count += weight;
	} else if (c->time_ms < time_ms) {
		c->count = c->count * exp2(-(double)(time_ms - c->time_ms) / half_life_ms) + weight;
		c->time_ms = time_ms;
	} else {
		c->count += weight * exp2(-(double)(c->time_ms - time_ms) / half_life_ms);
	}
}

struct seg_orders *seg_orders_new(void)
{
	struct seg_orders *o = malloc(sizeof(*o));
	if (o)
		*o = (struct seg_orders){
			.first_ms = SEG_NO_TIME, .last_ms = SEG_NO_TIME, .decayed_60d.time_ms = SEG_NO_TIME};
	return o;
}

struct seg_web *seg_web_new(void)
{
	struct seg_web *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->last_ms = SEG_NO_TIME;
	for (int i = 0; i < SEG_WEB_KINDS; i++)
		w->kinds[i].time_ms = SEG_NO_TIME;
	for (int i = 0; i < SEG_DEVICES; i++)
		w->devices[i].time_ms = SEG_NO_TIME;
	for (int i = 0; i < SEG_DAY_PARTS; i++)
		w->day_parts[i].time_ms = SEG_NO_TIME;
	return w;
}

struct seg_email *seg_email_new(void)
{
	struct seg_email *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->last_human_ms = m->last_click_ms = SEG_NO_TIME;
	m->latency_weight.time_ms = m->latency_sum.time_ms = SEG_NO_TIME;
	for (int i = 0; i < SEG_EMAIL_KINDS; i++)
		m->kinds[i].time_ms = SEG_NO_TIME;
	return m;
}

/* Copies len bytes; *ret_failed is set when there is no memory, and never for an empty or absent original. */
static void *copy_bytes(const void *from, size_t len, bool *ret_failed)
{
	if (!from || len == 0)
		return NULL;
	void *copy = malloc(len);
	if (!copy)
		*ret_failed = true;
	else
		memcpy(copy, from, len);
	return copy;
}

static struct seg_str copy_str(struct seg_str s, bool *ret_failed)
{
	if (!s.ptr)
		return (struct seg_str){NULL, 0};
	/* One byte more, so that present and empty stays different from absent. */
	char *copy = malloc((size_t)s.len + 1);
	if (!copy) {
		*ret_failed = true;
		return (struct seg_str){NULL, 0};
	}
	memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return (struct seg_str){copy, s.len};
}

static void decision_init(struct seg_decision *d)
{
	*d = (struct seg_decision){.birth_offset = -1, .since_ms = SEG_NO_TIME};
	for (int s = 0; s < SEG_SOURCES; s++)
		d->stay_out[s] = -1;
}

struct seg_profile *seg_profile_new(struct seg_str id, uint64_t hash)
{
	bool failed = false;
	struct seg_profile *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->id = copy_str(id, &failed);
	if (failed) {
		free(p);
		return NULL;
	}
	p->hash = hash;
	seg_profile_clear(p);
	return p;
}

static void attributes_free(struct seg_attributes *a)
{
	if (!a)
		return;
	for (uint32_t i = 0; a->items && i < a->len; i++) {
		free((char *)a->items[i].name.ptr);
		if (a->items[i].value.type == SEG_VALUE_STRING)
			free((char *)a->items[i].value.s.ptr);
	}
	for (uint32_t i = 0; a->consents && i < a->consents_len; i++)
		free((char *)a->consents[i].purpose.ptr);
	free(a->items);
	free(a->consents);
	free(a);
}

static void aggregates_free(struct seg_profile *p)
{
	if (p->orders)
		free(p->orders->days);
	free(p->orders);
	free(p->web);
	free(p->email);
	attributes_free(p->attributes);
	for (int s = 0; s < SEG_SOURCES; s++)
		free(p->seen[s].items);
}

void seg_profile_clear_aggregates(struct seg_profile *p)
{
	aggregates_free(p);
	p->first_ms = p->last_ms = SEG_NO_TIME;
	p->orders = NULL;
	p->web = NULL;
	p->email = NULL;
	p->attributes = NULL;
	memset(p->seen, 0, sizeof(p->seen));
}

void seg_profile_free(struct seg_profile *p)
{
	if (!p)
		return;
	aggregates_free(p);
	free(p->contribution.values);
	free((char *)p->id.ptr);
	free(p);
}

void seg_profile_clear(struct seg_profile *p)
{
	aggregates_free(p);
	free(p->contribution.values);
	*p = (struct seg_profile){.id = p->id, .hash = p->hash, .first_ms = SEG_NO_TIME, .last_ms = SEG_NO_TIME};
	for (int s = 0; s < SEG_SOURCES; s++)
		p->applied[s] = -1;
	decision_init(&p->decision);
}

static struct seg_orders *orders_clone(const struct seg_orders *from, bool *ret_failed)
{
	struct seg_orders *to = copy_bytes(from, sizeof(*from), ret_failed);
	if (!to)
		return NULL;
	to->days = copy_bytes(from->days, from->days_len * sizeof(*from->days), ret_failed);
	to->days_cap = to->days ? from->days_len : 0;
	return to;
}

static struct seg_attributes *attributes_clone(const struct seg_attributes *from, bool *ret_failed)
{
	struct seg_attributes *to = copy_bytes(from, sizeof(*from), ret_failed);
	if (!to)
		return NULL;
	to->items = copy_bytes(from->items, from->len * sizeof(*from->items), ret_failed);
	to->consents = copy_bytes(from->consents, from->consents_len * sizeof(*from->consents), ret_failed);
	/* Every pointer is replaced, by NULL after a failure, so that nothing is shared when the clone is freed. */
	for (uint32_t i = 0; to->items && i < to->len; i++) {
		to->items[i].name = copy_str(from->items[i].name, ret_failed);
		if (from->items[i].value.type == SEG_VALUE_STRING)
			to->items[i].value.s = copy_str(from->items[i].value.s, ret_failed);
	}
	for (uint32_t i = 0; to->consents && i < to->consents_len; i++)
		to->consents[i].purpose = copy_str(from->consents[i].purpose, ret_failed);
	return to;
}

struct seg_profile *seg_profile_clone(const struct seg_profile *p)
{
	bool failed = false;
	struct seg_profile *c = copy_bytes(p, sizeof(*p), &failed);
	if (!c)
		return NULL;
	c->id = copy_str(p->id, &failed);
	c->orders = orders_clone(p->orders, &failed);
	c->web = copy_bytes(p->web, sizeof(*p->web), &failed);
	c->email = copy_bytes(p->email, sizeof(*p->email), &failed);
	c->attributes = attributes_clone(p->attributes, &failed);
	for (int s = 0; s < SEG_SOURCES; s++) {
		c->seen[s].items = copy_bytes(p->seen[s].items, p->seen[s].len * sizeof(struct seg_seen), &failed);
		c->seen[s].cap = c->seen[s].items ? p->seen[s].len : 0;
	}
	c->contribution.values = copy_bytes(p->contribution.values, p->contribution.len * sizeof(int32_t), &failed);
	if (failed) {
		seg_profile_free(c);
		return NULL;
	}
	return c;
}

static size_t attributes_size(const struct seg_attributes *a)
{
	size_t size = sizeof(*a) + a->len * sizeof(*a->items) + a->consents_len * sizeof(*a->consents);
	for (uint32_t i = 0; i < a->len; i++) {
		size += a->items[i].name.len + 1;
		if (a->items[i].value.type == SEG_VALUE_STRING)
			size += a->items[i].value.s.len + 1;
	}
	for (uint32_t i = 0; i < a->consents_len; i++)
		size += a->consents[i].purpose.len + 1;
	return size;
}

size_t seg_profile_size(const struct seg_profile *p)
{
	enum { MALLOC_OVERHEAD = 16 };
	size_t size = sizeof(*p) + p->id.len + 1 + 2 * MALLOC_OVERHEAD;
	if (p->orders)
		size += sizeof(*p->orders) + p->orders->days_cap * sizeof(*p->orders->days) + 2 * MALLOC_OVERHEAD;
	if (p->web)
		size += sizeof(*p->web) + MALLOC_OVERHEAD;
	if (p->email)
		size += sizeof(*p->email) + MALLOC_OVERHEAD;
	if (p->attributes)
		size += attributes_size(p->attributes) +
			(3 + 2 * (size_t)p->attributes->len + p->attributes->consents_len) * MALLOC_OVERHEAD;
	for (int s = 0; s < SEG_SOURCES; s++)
		if (p->seen[s].items)
			size += p->seen[s].cap * sizeof(struct seg_seen) + MALLOC_OVERHEAD;
	if (p->contribution.values)
		size += p->contribution.len * sizeof(int32_t) + MALLOC_OVERHEAD;
	return size;
}

static bool stay_out_equal(const struct seg_decision *a, const struct seg_decision *b)
{
	if (a->has_stay_out != b->has_stay_out)
		return false;
	return !a->has_stay_out || memcmp(a->stay_out, b->stay_out, sizeof(a->stay_out)) == 0;
}

bool seg_decision_equal(const struct seg_decision *a, const struct seg_decision *b)
{
	if (a->alive != b->alive || !stay_out_equal(a, b))
		return false;
	if (!a->alive)
		return true;
	return a->birth_source == b->birth_source && a->birth_offset == b->birth_offset &&
	       a->change_number == b->change_number && a->cluster == b->cluster && a->since_ms == b->since_ms &&
	       a->previous == b->previous && a->advantage == b->advantage && a->flapped == b->flapped &&
	       seg_held_rules_equal(&a->rules, &b->rules);
}

bool seg_held_rules_equal(const struct seg_held_rules *a, const struct seg_held_rules *b)
{
	return a->len == b->len && memcmp(a->names, b->names, a->len) == 0;
}

bool seg_contribution_equal(const struct seg_contribution *a, const struct seg_contribution *b)
{
	if (a->basis != b->basis)
		return false;
	if (a->basis == 0)
		return true;
	return a->cluster == b->cluster && a->promotion == b->promotion && a->evaluated_at_ms == b->evaluated_at_ms &&
	       a->len == b->len && (a->len == 0 || memcmp(a->values, b->values, a->len * sizeof(*a->values)) == 0);
}

bool seg_contribution_copy(struct seg_contribution *to, const struct seg_contribution *from)
{
	bool failed = false;
	if (to == from)
		return true;
	/* Contributions of one basis have one length: the memory is used again. */
	if (to->values && to->len == from->len && from->len > 0) {
		int32_t *values = to->values;
		memcpy(values, from->values, from->len * sizeof(*values));
		*to = *from;
		to->values = values;
		return true;
	}
	int32_t *values = copy_bytes(from->values, from->len * sizeof(*from->values), &failed);
	if (failed)
		return false;
	free(to->values);
	*to = *from;
	to->values = values;
	return true;
}
