/* What becomes of a value that was read: a member of the event, or JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "consumers/program_internal.h"

/* A number as text, for ids: the text lives in the run. */
static enum seg_refusal number_text(struct machine *m, int64_t i, struct seg_str *ret)
{
	struct seg_run *run = m->run;
	char *at = run->scratch + run->scratch_len;
	size_t room = sizeof(run->scratch) - run->scratch_len;
	int len = snprintf(at, room, "%lld", (long long)i);

	if ((size_t)len >= room)
		return SEG_REFUSED_TOO_COMPLEX;
	*ret = (struct seg_str){at, (uint32_t)len};
	run->scratch_len += (uint32_t)len + 1;
	return SEG_REFUSED_NOT;
}

static enum seg_refusal store_text(struct machine *m, const struct scalar *v, struct seg_str *ret)
{
	switch (v->tag) {
	case SCALAR_NULL:
		*ret = (struct seg_str){NULL, 0};
		return SEG_REFUSED_NOT;
	case SCALAR_INT:
		return number_text(m, v->i, ret);
	case SCALAR_TEXT:
	case SCALAR_BYTES:
	case SCALAR_SYMBOL:
		if (!seg_utf8_valid(v->s.ptr, v->s.len))
			return SEG_REFUSED_BAD_UTF8;
		*ret = v->s;
		return SEG_REFUSED_NOT;
	case SCALAR_BOOL:
	case SCALAR_REAL:
		break;
	}
	return SEG_REFUSED_SCHEMA_MISMATCH;
}

static enum seg_refusal text_time(struct seg_str s, int64_t *ret)
{
	char text[64];

	if (s.len >= sizeof(text) || memchr(s.ptr, '\0', s.len))
		return SEG_REFUSED_BAD_TIME;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	return seg_time_parse(text, ret) ? SEG_REFUSED_NOT : SEG_REFUSED_BAD_TIME;
}

static enum seg_refusal store_time(const struct step *s, const struct scalar *v, int64_t *ret)
{
	if (v->tag == SCALAR_TEXT)
		return text_time(v->s, ret);
	if (v->tag != SCALAR_INT)
		return SEG_REFUSED_SCHEMA_MISMATCH;
	if (s->store == STORE_US)
		*ret = v->i / 1000 - (v->i % 1000 < 0);
	else if (s->store == STORE_DAYS)
		*ret = v->i * INT64_C(86400000);
	else
		*ret = v->i;
	/* The one value that means "absent" cannot be a time. */
	return *ret == SEG_NO_TIME ? SEG_REFUSED_BAD_TIME : SEG_REFUSED_NOT;
}

static enum seg_refusal store_kind(struct machine *m, const struct step *s, const struct scalar *v)
{
	const struct symbols *kinds = &m->program->symbols[s->slot];

	if (v->tag == SCALAR_SYMBOL) {
		m->event->kind = v->i < 0 ? 0 : (uint8_t)v->i;
		return SEG_REFUSED_NOT;
	}
	if (v->tag != SCALAR_TEXT)
		return SEG_REFUSED_SCHEMA_MISMATCH;
	m->event->kind = 0;
	for (uint32_t i = 0; i < kinds->reader_len; i++) {
		if (seg_str_eq(kinds->reader_names[i], v->s))
			m->event->kind = (uint8_t)i;
	}
	return SEG_REFUSED_NOT;
}

static enum seg_refusal store_quantity(struct seg_event *e, const struct scalar *v)
{
	int64_t i = v->i;

	if (v->tag == SCALAR_REAL) {
		if (!(fabs(v->d) <= INT32_MAX) || v->d != floor(v->d))
			return SEG_REFUSED_BAD_AMOUNT;
		i = (int64_t)v->d;
	}
	if (i != (int32_t)i)
		return SEG_REFUSED_BAD_AMOUNT;
	e->has_quantity = true;
	e->quantity = (int32_t)i;
	return SEG_REFUSED_NOT;
}

static enum seg_refusal store_name(struct machine *m, const struct scalar *v)
{
	struct seg_event *e = m->event;

	if (e->attributes_len == SEG_EVENT_ATTRIBUTES)
		return SEG_REFUSED_TOO_MANY_ITEMS;
	struct seg_event_attribute *a = &e->attributes[e->attributes_len++];

	a->value = (struct seg_value){.type = SEG_VALUE_NULL};
	return store_text(m, v, &a->name);
}

static enum seg_refusal store_value(struct machine *m, const struct scalar *v)
{
	struct seg_value *to = &m->event->attributes[m->event->attributes_len - 1].value;

	switch (v->tag) {
	case SCALAR_NULL:
		to->type = SEG_VALUE_NULL;
		return SEG_REFUSED_NOT;
	case SCALAR_BOOL:
		to->type = SEG_VALUE_BOOL;
		to->b = v->i != 0;
		return SEG_REFUSED_NOT;
	case SCALAR_INT:
		to->type = SEG_VALUE_LONG;
		to->i = v->i;
		return SEG_REFUSED_NOT;
	case SCALAR_REAL:
		to->type = SEG_VALUE_DOUBLE;
		to->d = v->d;
		return SEG_REFUSED_NOT;
	case SCALAR_TEXT:
	case SCALAR_BYTES:
	case SCALAR_SYMBOL:
		break;
	}
	to->type = SEG_VALUE_STRING;
	return store_text(m, v, &to->s);
}

static enum seg_refusal store_purpose(struct machine *m, const struct scalar *v)
{
	struct seg_event *e = m->event;

	if (e->consents_len == SEG_EVENT_CONSENTS)
		return SEG_REFUSED_TOO_MANY_ITEMS;
	struct seg_event_consent *c = &e->consents[e->consents_len++];

	c->granted = false;
	return store_text(m, v, &c->purpose);
}

static enum seg_refusal store_json(struct machine *m, const struct step *s, const struct scalar *v)
{
	if (s->slot == SEG_AVRO_STRING && !seg_utf8_valid(v->s.ptr, v->s.len))
		return SEG_REFUSED_BAD_UTF8;
	if (s->code == STEP_KEY)
		program_json_key(m->run->json, v->s);
	else
		program_json_scalar(m->run->json, v, (enum seg_avro_type)s->slot);
	return SEG_REFUSED_NOT;
}

enum seg_refusal program_store(struct machine *m, const struct step *s, const struct scalar *v)
{
	char *slot = (char *)m->event + s->slot;

	switch ((enum store)s->store) {
	case STORE_NONE:
		return SEG_REFUSED_NOT;
	case STORE_TEXT:
		return store_text(m, v, (struct seg_str *)(void *)slot);
	case STORE_MS:
	case STORE_US:
	case STORE_DAYS:
		return store_time(s, v, (int64_t *)(void *)slot);
	case STORE_AMOUNT:
		m->event->has_amount = true;
		m->event->amount = v->tag == SCALAR_INT ? (double)v->i : v->d;
		return SEG_REFUSED_NOT;
	case STORE_QUANTITY:
		return store_quantity(m->event, v);
	case STORE_BOOL:
		*(bool *)slot = v->i != 0;
		return SEG_REFUSED_NOT;
	case STORE_KIND:
		return store_kind(m, s, v);
	case STORE_NAME:
		return store_name(m, v);
	case STORE_VALUE:
		return store_value(m, v);
	case STORE_PURPOSE:
		return store_purpose(m, v);
	case STORE_GRANTED:
		m->event->consents[m->event->consents_len - 1].granted = v->i != 0;
		return SEG_REFUSED_NOT;
	case STORE_JSON:
		return store_json(m, s, v);
	}
	return SEG_REFUSED_SCHEMA_MISMATCH;
}
