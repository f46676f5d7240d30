#include "tests/support/random_profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

enum { NAMES = 120 };

static char names[NAMES][160];

static void make_names(void)
{
	/* Some are longer than what is kept, with characters of two bytes where they are cut. */
	for (int i = 0; i < NAMES && !names[0][0]; i++)
		snprintf(names[NAMES - 1 - i], sizeof(names[0]), "n%d%s", NAMES - 1 - i,
			 i % 7 ? "" : "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé");
}

void random_style(struct seg_rng *r, struct random_style *ret)
{
	static const int64_t spans[] = {1000, 3600000, 40 * SEG_DAY_MS, 900 * SEG_DAY_MS, 9000 * SEG_DAY_MS};
	static const int64_t grains[] = {1, 1, 60000, SEG_DAY_MS};
	ret->span_ms = spans[seg_rng_below(r, 5)];
	ret->grain_ms = grains[seg_rng_below(r, 4)];
	ret->from_ms = seg_rng_below(r, 8) ? INT64_C(1290000000000) : INT64_C(-40000000000);
	for (int s = 0; s < SEG_SOURCES; s++)
		ret->weights[s] = (unsigned)seg_rng_below(r, 4);
	ret->weights[seg_rng_below(r, SEG_SOURCES)]++;
	ret->names = 1 + (unsigned)seg_rng_below(r, NAMES);
	make_names();
}

static void random_update(struct seg_rng *r, const struct random_style *style, struct seg_event *e)
{
	e->kind = seg_rng_below(r, 3) ? SEG_UPDATE_UPDATE : SEG_UPDATE_CONSENT;
	e->attributes_len = (uint32_t)seg_rng_below(r, 6);
	e->consents_len = (uint32_t)seg_rng_below(r, 4);
	for (uint32_t i = 0; i < e->attributes_len; i++) {
		struct seg_event_attribute *a = &e->attributes[i];
		a->name = seg_str_from(names[seg_rng_below(r, style->names)]);
		a->value = (struct seg_value){.type = (enum seg_value_type)seg_rng_below(r, 5)};
		switch (a->value.type) {
		case SEG_VALUE_NULL:
			break;
		case SEG_VALUE_BOOL:
			a->value.b = seg_rng_below(r, 2);
			break;
		case SEG_VALUE_LONG:
			a->value.i = (int64_t)seg_rng_next(r) >> seg_rng_below(r, 64);
			break;
		case SEG_VALUE_DOUBLE:
			a->value.d = seg_rng_normal(r);
			break;
		case SEG_VALUE_STRING:
			a->value.s = seg_str_from(names[seg_rng_below(r, NAMES)]);
			break;
		}
	}
	for (uint32_t i = 0; i < e->consents_len; i++) {
		e->consents[i].purpose = seg_str_from(names[seg_rng_below(r, style->names)]);
		e->consents[i].granted = seg_rng_below(r, 2);
	}
}

static void random_web(struct seg_rng *r, struct seg_event *e)
{
	static const char *const devices[] = {NULL, "desktop", "Mobile", "tablet", "app", "tv", ""};
	e->kind = (uint8_t)(1 + seg_rng_below(r, SEG_WEB_KINDS - 1));
	e->device = seg_str_from(devices[seg_rng_below(r, 7)]);
}

static void random_email(struct seg_rng *r, struct seg_event *e)
{
	e->kind = (uint8_t)(1 + seg_rng_below(r, SEG_EMAIL_KINDS - 1));
	e->machine_open = seg_rng_below(r, 4) == 0;
	if (seg_rng_below(r, 2))
		e->sent_time_ms = e->time_ms - (int64_t)seg_rng_below(r, 3 * SEG_DAY_MS) + 1000;
}

void random_event(struct seg_rng *r, const struct random_style *style, uint64_t id_hash, struct seg_event *ret)
{
	unsigned total = 0, source = 0;
	for (int s = 0; s < SEG_SOURCES; s++)
		total += style->weights[s];
	for (uint64_t at = seg_rng_below(r, total); at >= style->weights[source]; source++)
		at -= style->weights[source];
	seg_event_reset(ret, (enum seg_source)source);
	ret->id_hash = id_hash;
	ret->time_ms = style->from_ms + (int64_t)seg_rng_below(r, (uint64_t)style->span_ms);
	ret->time_ms -= ret->time_ms % style->grain_ms;
	switch (ret->source) {
	case SEG_WEB:
		random_web(r, ret);
		break;
	case SEG_EMAIL:
		random_email(r, ret);
		break;
	case SEG_ORDERS:
		ret->kind = seg_rng_below(r, 4) ? SEG_ORDER_PURCHASE : SEG_ORDER_REFUND;
		ret->has_amount = true;
		ret->amount_micro = (int64_t)(seg_rng_next(r) >> (1 + seg_rng_below(r, 63)));
		break;
	case SEG_PROFILES:
		random_update(r, style, ret);
		break;
	case SEG_SOURCES:
		abort();
	}
}

static int64_t random_time(struct seg_rng *r)
{
	return seg_rng_below(r, 8) ? INT64_C(1300000000000) + (int64_t)seg_rng_below(r, 1000000000000) : SEG_NO_TIME;
}

/* Names ascend by their first letter. */
static void random_rules(struct seg_rng *r, struct seg_held_rules *rules)
{
	size_t most = seg_rng_below(r, 4) ? 0 : 1 + seg_rng_below(r, 6);
	for (size_t i = 0; i < most; i++) {
		char *name = rules->names + rules->len;
		size_t len = 1 + seg_rng_below(r, SEG_RULE_NAME_MAX);
		for (size_t k = 0; k < len; k++)
			name[k] = "0123456789abcdefghijklmnopqrstuvwxyz_-"[seg_rng_below(r, 38)];
		name[0] = (char)('a' + i);
		name[len] = '\0';
		rules->len = (uint16_t)(rules->len + len + 1);
	}
}

static void random_decision(struct seg_rng *r, struct seg_decision *d)
{
	d->alive = seg_rng_below(r, 4) != 0;
	if (d->alive) {
		d->birth_source = (enum seg_source)seg_rng_below(r, SEG_SOURCES);
		d->birth_offset = (int64_t)(seg_rng_next(r) >> 1 >> seg_rng_below(r, 63));
		d->change_number = seg_rng_next(r) >> seg_rng_below(r, 64);
		d->cluster = seg_rng_next(r) >> seg_rng_below(r, 64);
		d->since_ms = random_time(r);
		d->previous = seg_rng_below(r, 2) ? seg_rng_next(r) >> seg_rng_below(r, 64) : 0;
		d->advantage = (uint8_t)seg_rng_below(r, 102);
		d->flapped = d->advantage && seg_rng_below(r, 4) == 0;
		random_rules(r, &d->rules);
	}
	d->has_stay_out = seg_rng_below(r, 4) == 0;
	for (int s = 0; s < SEG_SOURCES; s++)
		d->stay_out[s] = d->has_stay_out ? (int64_t)seg_rng_below(r, 1000) - 1 : -1;
}

static void random_contribution(struct seg_rng *r, struct seg_contribution *c)
{
	if (seg_rng_below(r, 3) == 0)
		return;
	c->basis = 1 + seg_rng_below(r, 100);
	c->cluster = seg_rng_next(r) >> seg_rng_below(r, 64);
	c->promotion = seg_rng_below(r, 100);
	c->evaluated_at_ms = random_time(r);
	c->len = (uint32_t)seg_rng_below(r, 40);
	if (c->len && !(c->values = malloc(c->len * sizeof(*c->values))))
		abort();
	for (uint32_t i = 0; i < c->len; i++)
		c->values[i] =
			seg_rng_below(r, 5) ? (int32_t)(seg_rng_next(r) >> (32 + seg_rng_below(r, 32))) : SEG_MISSING;
}

struct seg_profile *random_profile(struct seg_rng *r, size_t events, const struct seg_aggregate_config *cfg)
{
	static struct seg_event e;
	struct random_style style;
	enum seg_applied applied;
	char id[32];
	random_style(r, &style);
	snprintf(id, sizeof(id), "c%llu", (unsigned long long)(seg_rng_next(r) >> seg_rng_below(r, 64)));
	struct seg_profile *p = seg_profile_new(seg_str_from(id), seg_hash_customer(seg_str_from(id)));
	for (size_t i = 0; p && i < events; i++) {
		random_event(r, &style, seg_rng_next(r), &e);
		if (seg_aggregate_apply(p, &e, (int64_t)i, cfg, &applied, NULL))
			abort();
	}
	if (!p)
		abort();
	random_decision(r, &p->decision);
	random_contribution(r, &p->contribution);
	return p;
}
