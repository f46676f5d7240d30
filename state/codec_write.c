/*
 * Profiles to bytes. Layout of the sections, in the order of their tags (t(x): zigzag distance of x from the base, the
 * customer's last event; v: varint; z: zigzag varint; f: double; counters: see put_counter):
 *
 *   identity      flags (1: last, 2: first), z last, t(first), then the id
 *   applied       mask of sources, v offset each
 *   orders        v purchases, refunds, purchased, refunded; flags (from version 3 on 16: v purchased on the first day
 *                 comes after them, 32: that is unknown, else it is all); t(first), t(last), counter; v days, newest day
 *                 as distance from the base's, then the distances downwards, each less 1
 *   web           v present, v ones; t(last); counters by bit; z anchor from the last event's bucket; sessions
 *   email         v present, v ones, v machine opens; t(last human), t(last click); counters by bit
 *   attributes    v count; each: name, type (128: of the event of the one before), t(time) and id hash (8, little endian)
 *                 unless of that event, value. In version 1 each: name, t(time), id hash, type, value
 *   consents      v count; each: purpose, t(time), granted
 *   windows       mask of sources; each: v count, newest first: t(time) or v distance from the one before, hash (8)
 *   decision      see seg_decision_write()
 *   contribution  v basis, cluster, promotion; t(evaluated); v count; v 0: missing, else zigzag + 1
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include "state/codec_frame.h"
#include "state/sections.h"

struct writer {
	struct seg_frame frame;
	unsigned version;
	struct seg_buf *buf;
	int64_t base;
};

static void refuse(struct writer *w, const char *why)
{
	if (!w->frame.invalid)
		w->frame.invalid = why;
}

static void put_time(struct writer *w, int64_t time_ms)
{
	if (time_ms < SEG_TIME_MIN || time_ms > SEG_TIME_MAX)
		refuse(w, "a time outside the years 1 to 9999");
	seg_put_time(w->buf, w->base, time_ms);
}

static void put_known_time(struct writer *w, int64_t time_ms)
{
	if (time_ms != SEG_NO_TIME)
		put_time(w, time_ms);
}

static void put_name(struct writer *w, struct seg_str name)
{
	if (name.len > SEG_NAME_BYTES)
		refuse(w, "a name that is too long");
	seg_buf_bytes(w->buf, name.ptr, name.len);
}

static void put_count(struct writer *w, double count)
{
	if (!(count >= 0) || isinf(count))
		refuse(w, "a counter that is not a number");
	seg_put_f64(w->buf, count);
}

/* Counters of one section are numbered; most stand at a single event, and two bits and the time say all. */
struct counter_bits {
	uint32_t present, ones;
};

static bool is_one(const double *count, int len)
{
	for (int i = 0; i < len; i++)
		if (count[i] != 1)
			return false;
	return true;
}

static void note_counter(struct counter_bits *bits, unsigned at, int64_t time_ms, const double *count, int len)
{
	if (time_ms == SEG_NO_TIME)
		return;
	bits->present |= 1u << at;
	if (is_one(count, len))
		bits->ones |= 1u << at;
}

static void put_counter(struct writer *w, int64_t time_ms, const double *count, int len)
{
	if (time_ms == SEG_NO_TIME)
		return;
	put_time(w, time_ms);
	for (int i = 0; i < len && !is_one(count, len); i++)
		put_count(w, count[i]);
}

static void note1(struct counter_bits *bits, unsigned at, const struct seg_decayed1 *c)
{
	note_counter(bits, at, c->time_ms, &c->count, 1);
}

static void put1(struct writer *w, const struct seg_decayed1 *c)
{
	put_counter(w, c->time_ms, &c->count, 1);
}

static void put_counter_bits(struct writer *w, const struct counter_bits *bits)
{
	seg_put_varint(w->buf, bits->present);
	seg_put_varint(w->buf, bits->ones);
}

static void write_identity(struct writer *w, const struct seg_profile *p)
{
	if (p->id.len == 0 || p->id.len > SEG_CUSTOMER_ID_BYTES)
		refuse(w, "a customer id that is empty or too long");
	seg_section_begin(&w->frame, SEG_TAG_IDENTITY);
	seg_put_u8(w->buf, (uint8_t)((p->last_ms != SEG_NO_TIME) | (p->first_ms != SEG_NO_TIME) << 1));
	w->base = 0;
	put_known_time(w, p->last_ms);
	w->base = p->last_ms != SEG_NO_TIME ? p->last_ms : 0;
	put_known_time(w, p->first_ms);
	seg_buf_append(w->buf, p->id.ptr, p->id.len);
	seg_section_end(&w->frame);
}

static void write_applied(struct writer *w, const struct seg_profile *p)
{
	unsigned mask = 0;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (p->applied[s] < -1)
			refuse(w, "a negative offset");
		mask |= (unsigned)(p->applied[s] >= 0) << s;
	}
	if (!mask)
		return;
	seg_section_begin(&w->frame, SEG_TAG_APPLIED);
	seg_put_u8(w->buf, (uint8_t)mask);
	for (int s = 0; s < SEG_SOURCES; s++)
		if (p->applied[s] >= 0)
			seg_put_varint(w->buf, (uint64_t)p->applied[s]);
	seg_section_end(&w->frame);
}

static void write_days(struct writer *w, const struct seg_orders *o)
{
	if (o->days_len > SEG_PURCHASE_DAYS)
		refuse(w, "too many purchase days");
	seg_put_varint(w->buf, o->days_len);
	for (uint32_t i = o->days_len; i-- > 0;) {
		if (i + 1 == o->days_len) {
			seg_put_zigzag(w->buf, seg_floor_div(w->base, SEG_DAY_MS) - o->days[i]);
			continue;
		}
		if (o->days[i] >= o->days[i + 1])
			refuse(w, "purchase days out of order");
		seg_put_varint(w->buf, (uint64_t)((int64_t)o->days[i + 1] - o->days[i] - 1));
	}
}

static void write_orders(struct writer *w, const struct seg_orders *o)
{
	if (!o || (o->purchases == 0 && o->refunds == 0))
		return;
	if (o->purchased_micro < 0 || o->refunded_micro < 0 || o->first_day_micro < SEG_UNKNOWN_MONEY)
		refuse(w, "a negative amount");
	struct counter_bits bits = {0};
	note1(&bits, 0, &o->decayed_60d);
	seg_section_begin(&w->frame, SEG_TAG_ORDERS);
	seg_put_varint(w->buf, o->purchases);
	seg_put_varint(w->buf, o->refunds);
	seg_put_varint(w->buf, (uint64_t)o->purchased_micro);
	seg_put_varint(w->buf, (uint64_t)o->refunded_micro);
	bool unknown = o->first_day_micro == SEG_UNKNOWN_MONEY && w->version > 2;
	bool told = !unknown && o->first_day_micro != o->purchased_micro && w->version > 2;
	seg_put_u8(w->buf, (uint8_t)((o->first_ms != SEG_NO_TIME) | (o->last_ms != SEG_NO_TIME) << 1 |
				     bits.present << 2 | bits.ones << 3 | told << 4 | unknown << 5));
	if (told)
		seg_put_varint(w->buf, (uint64_t)o->first_day_micro);
	put_known_time(w, o->first_ms);
	put_known_time(w, o->last_ms);
	put1(w, &o->decayed_60d);
	write_days(w, o);
	seg_section_end(&w->frame);
}

static unsigned session_bit(const struct seg_web *web, unsigned i)
{
	return web->session_bits[i / 64] >> i % 64 & 1;
}

/* Visits are few and short: runs of set bits, each as the gap before it and its length. */
static void write_sessions(struct writer *w, const struct seg_web *web)
{
	struct {
		unsigned gap, len;
	} runs[SEG_SESSION_RUNS];
	unsigned count = 0, end = 0;
	for (unsigned i = 0; i < SEG_SESSION_BUCKETS && count <= SEG_SESSION_RUNS;) {
		if (!session_bit(web, i)) {
			uint64_t rest = web->session_bits[i / 64] >> i % 64;
			i = rest ? i + (unsigned)__builtin_ctzll(rest) : (i / 64 + 1) * 64;
			continue;
		}
		unsigned from = i;
		while (i < SEG_SESSION_BUCKETS && session_bit(web, i))
			i++;
		if (count < SEG_SESSION_RUNS) {
			runs[count].gap = from - end;
			runs[count].len = i - from;
		}
		end = i;
		count++;
	}
	seg_put_varint(w->buf, count);
	if (count > SEG_SESSION_RUNS) {
		for (unsigned i = 0; i < SEG_SESSION_BYTES; i++)
			seg_put_u8(w->buf, (uint8_t)(web->session_bits[i / 8] >> i % 8 * 8));
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		seg_put_varint(w->buf, runs[i].gap);
		seg_put_varint(w->buf, runs[i].len - 1);
	}
}

static void write_web(struct writer *w, const struct seg_web *web)
{
	struct counter_bits bits = {0};
	unsigned at = 0;
	if (!web || web->last_ms == SEG_NO_TIME)
		return;
	if (web->session_bits[SEG_SESSION_WORDS - 1] >> SEG_SESSION_BUCKETS % 64)
		refuse(w, "sessions beyond 30 days");
	for (int i = 1; i < SEG_WEB_KINDS; i++)
		note_counter(&bits, at++, web->kinds[i].time_ms, web->kinds[i].count, SEG_HALF_LIVES);
	for (int i = 0; i < SEG_DEVICES; i++)
		note1(&bits, at++, &web->devices[i]);
	for (int i = 0; i < SEG_DAY_PARTS; i++)
		note1(&bits, at++, &web->day_parts[i]);
	seg_section_begin(&w->frame, SEG_TAG_WEB);
	put_counter_bits(w, &bits);
	put_time(w, web->last_ms);
	for (int i = 1; i < SEG_WEB_KINDS; i++)
		put_counter(w, web->kinds[i].time_ms, web->kinds[i].count, SEG_HALF_LIVES);
	for (int i = 0; i < SEG_DEVICES; i++)
		put1(w, &web->devices[i]);
	for (int i = 0; i < SEG_DAY_PARTS; i++)
		put1(w, &web->day_parts[i]);
	seg_put_time(w->buf, seg_session_bucket(web->last_ms), web->session_anchor);
	write_sessions(w, web);
	seg_section_end(&w->frame);
}

static void write_email(struct writer *w, const struct seg_email *m)
{
	struct counter_bits bits = {0};
	unsigned at = 0;
	if (!m)
		return;
	for (int i = 1; i < SEG_EMAIL_KINDS; i++)
		note_counter(&bits, at++, m->kinds[i].time_ms, m->kinds[i].count, SEG_HALF_LIVES);
	note1(&bits, at++, &m->latency_weight);
	note1(&bits, at++, &m->latency_sum);
	bits.present |= (uint32_t)(m->last_human_ms != SEG_NO_TIME) << at++;
	bits.present |= (uint32_t)(m->last_click_ms != SEG_NO_TIME) << at++;
	if (!bits.present && m->machine_opens == 0)
		return;
	seg_section_begin(&w->frame, SEG_TAG_EMAIL);
	put_counter_bits(w, &bits);
	seg_put_varint(w->buf, m->machine_opens);
	put_known_time(w, m->last_human_ms);
	put_known_time(w, m->last_click_ms);
	for (int i = 1; i < SEG_EMAIL_KINDS; i++)
		put_counter(w, m->kinds[i].time_ms, m->kinds[i].count, SEG_HALF_LIVES);
	put1(w, &m->latency_weight);
	put1(w, &m->latency_sum);
	seg_section_end(&w->frame);
}

static void put_value(struct writer *w, const struct seg_value *v)
{
	switch (v->type) {
	case SEG_VALUE_NULL:
		return;
	case SEG_VALUE_BOOL:
		seg_put_u8(w->buf, v->b);
		return;
	case SEG_VALUE_LONG:
		seg_put_zigzag(w->buf, v->i);
		return;
	case SEG_VALUE_DOUBLE:
		seg_put_f64(w->buf, v->d);
		return;
	case SEG_VALUE_STRING:
		if (v->s.len > SEG_VALUE_BYTES)
			refuse(w, "an attribute's value that is too long");
		seg_buf_bytes(w->buf, v->s.ptr, v->s.len);
		return;
	}
	refuse(w, "an attribute of unknown type");
}

static bool in_order(struct seg_str a, struct seg_str b)
{
	return seg_name_compare(seg_hash64(a.ptr, a.len), a, seg_hash64(b.ptr, b.len), b) < 0;
}

/* An update mostly sets several attributes: of the second and further ones a bit says where they come from. */
static void put_origin(struct writer *w, const struct seg_attribute *a, const struct seg_attribute *before)
{
	bool again = before && before->time_ms == a->time_ms && before->id_hash == a->id_hash && w->version > 1;

	if (w->version > 1)
		seg_put_u8(w->buf, (uint8_t)((unsigned)a->value.type | (again ? SEG_ATTRIBUTE_AGAIN : 0)));
	if (!again) {
		put_time(w, a->time_ms);
		seg_put_u64(w->buf, a->id_hash);
	}
	if (w->version == 1)
		seg_put_u8(w->buf, (uint8_t)a->value.type);
}

static void write_attributes(struct writer *w, const struct seg_attributes *a)
{
	if (!a || a->len == 0)
		return;
	if (a->len > SEG_ATTRIBUTES_MAX)
		refuse(w, "too many attributes");
	seg_section_begin(&w->frame, SEG_TAG_ATTRIBUTES);
	seg_put_varint(w->buf, a->len);
	for (uint32_t i = 0; i < a->len; i++) {
		if (i > 0 && !in_order(a->items[i - 1].name, a->items[i].name))
			refuse(w, "attributes out of order");
		put_name(w, a->items[i].name);
		put_origin(w, &a->items[i], i > 0 ? &a->items[i - 1] : NULL);
		put_value(w, &a->items[i].value);
	}
	seg_section_end(&w->frame);
}

static void write_consents(struct writer *w, const struct seg_attributes *a)
{
	if (!a || a->consents_len == 0)
		return;
	if (a->consents_len > SEG_CONSENTS_MAX)
		refuse(w, "too many consents");
	seg_section_begin(&w->frame, SEG_TAG_CONSENTS);
	seg_put_varint(w->buf, a->consents_len);
	for (uint32_t i = 0; i < a->consents_len; i++) {
		if (i > 0 && !in_order(a->consents[i - 1].purpose, a->consents[i].purpose))
			refuse(w, "consents out of order");
		put_name(w, a->consents[i].purpose);
		put_time(w, a->consents[i].time_ms);
		seg_put_u8(w->buf, a->consents[i].granted);
	}
	seg_section_end(&w->frame);
}

static void write_window(struct writer *w, const struct seg_window *window)
{
	if (window->len > SEG_WINDOW_MAX)
		refuse(w, "a window that is too long");
	seg_put_varint(w->buf, window->len);
	for (uint32_t i = window->len; i-- > 0;) {
		const struct seg_seen *item = &window->items[i], *newer = item + 1;
		if (i + 1 == window->len) {
			put_time(w, item->time_ms);
		} else {
			if (item->time_ms < SEG_TIME_MIN || item->time_ms > newer->time_ms ||
			    (item->time_ms == newer->time_ms && item->hash >= newer->hash))
				refuse(w, "a window out of order");
			seg_put_varint(w->buf, (uint64_t)newer->time_ms - (uint64_t)item->time_ms);
		}
		seg_put_u64(w->buf, item->hash);
	}
}

static void write_windows(struct writer *w, const struct seg_profile *p)
{
	unsigned mask = 0;
	for (int s = 0; s < SEG_SOURCES; s++)
		mask |= (unsigned)(p->seen[s].len > 0) << s;
	if (!mask)
		return;
	seg_section_begin(&w->frame, SEG_TAG_WINDOWS);
	seg_put_u8(w->buf, (uint8_t)mask);
	for (int s = 0; s < SEG_SOURCES; s++)
		if (p->seen[s].len > 0)
			write_window(w, &p->seen[s]);
	seg_section_end(&w->frame);
}

static void write_decision(struct writer *w, const struct seg_decision *d)
{
	if (!d->alive && !d->has_stay_out)
		return;
	if (d->alive && (unsigned)d->birth_source >= SEG_SOURCES)
		refuse(w, "unknown source of the birth");
	seg_section_begin(&w->frame, SEG_TAG_DECISION);
	seg_decision_write(w->buf, d, w->base, w->version > 2);
	seg_section_end(&w->frame);
}

static void write_contribution(struct writer *w, const struct seg_contribution *c)
{
	if (c->basis == 0)
		return;
	if (c->len > SEG_CONTRIBUTION_MAX)
		refuse(w, "a contribution of too many values");
	seg_section_begin(&w->frame, SEG_TAG_CONTRIBUTION);
	seg_put_varint(w->buf, c->basis);
	seg_put_varint(w->buf, c->cluster);
	seg_put_varint(w->buf, c->promotion);
	seg_put_time(w->buf, w->base, c->evaluated_at_ms);
	seg_put_varint(w->buf, c->len);
	for (uint32_t i = 0; i < c->len; i++) {
		uint32_t zigzag = (uint32_t)c->values[i] << 1 ^ (c->values[i] < 0 ? UINT32_MAX : 0);
		seg_put_varint(w->buf, c->values[i] == SEG_MISSING ? 0 : (uint64_t)zigzag + 1);
	}
	seg_section_end(&w->frame);
}

enum seg_rc seg_profile_encode_as(unsigned version, const struct seg_profile *p, struct seg_buf *buf,
				  struct seg_error *err)
{
	struct writer w = {.buf = buf, .version = version};
	seg_frame_begin(&w.frame, buf, "profile", (uint8_t)version);
	write_identity(&w, p);
	write_applied(&w, p);
	write_orders(&w, p->orders);
	write_web(&w, p->web);
	write_email(&w, p->email);
	write_attributes(&w, p->attributes);
	write_consents(&w, p->attributes);
	write_windows(&w, p);
	write_decision(&w, &p->decision);
	write_contribution(&w, &p->contribution);
	return seg_frame_end(&w.frame, SEG_PROFILE_BYTES_MAX, err);
}

/* What an instance that has not been upgraded yet writes, so that tests can have one. */
static unsigned version_to_write(void)
{
#ifdef SEG_FAULTS
	const char *text = getenv("SEGMENTD_PROFILE_VERSION");

	if (text && text[0] >= '1' && text[0] <= '0' + SEG_PROFILE_VERSION)
		return (unsigned)(text[0] - '0');
#endif
	return SEG_PROFILE_VERSION;
}

enum seg_rc seg_profile_encode(const struct seg_profile *p, struct seg_buf *buf, struct seg_error *err)
{
	return seg_profile_encode_as(version_to_write(), p, buf, err);
}
