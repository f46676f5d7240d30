/*
 * Attributes and consents: max-registers under the smallest (name hash, name), so that neither the order of events nor
 * the bound on their number decides what is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/aggregate.h"
#include "state/sections.h"

struct place {
	uint32_t at;
	bool found;
};

/* Position of name among `len` names that are `stride` bytes apart. */
static struct place find(const void *names, size_t stride, uint32_t len, struct seg_str name)
{
	uint64_t hash = seg_hash64(name.ptr, name.len);
	uint32_t low = 0, high = len;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		struct seg_str other;
		memcpy(&other, (const char *)names + mid * stride, sizeof(other));
		uint64_t other_hash = seg_hash64(other.ptr, other.len);
		int order = seg_name_compare(hash, name, other_hash, other);
		if (order == 0)
			return (struct place){mid, true};
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return (struct place){low, false};
}

int seg_name_compare(uint64_t hash_a, struct seg_str a, uint64_t hash_b, struct seg_str b)
{
	if (hash_a != hash_b)
		return hash_a < hash_b ? -1 : 1;
	uint32_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static struct place find_item(const struct seg_attributes *a, struct seg_str name)
{
	return find(a->items, sizeof(*a->items), a->len, name);
}

static struct place find_consent(const struct seg_attributes *a, struct seg_str purpose)
{
	return find(a->consents, sizeof(*a->consents), a->consents_len, purpose);
}

static bool older(const struct seg_attribute *a, const struct seg_attribute *b)
{
	return a->time_ms < b->time_ms || (a->time_ms == b->time_ms && a->id_hash < b->id_hash);
}

static bool copy_str(struct seg_str *s)
{
	char *copy = malloc((size_t)s->len + 1);
	if (!copy)
		return false;
	if (s->len)
		memcpy(copy, s->ptr, s->len);
	copy[s->len] = '\0';
	s->ptr = copy;
	return true;
}

static void value_release(struct seg_value *v)
{
	if (v->type == SEG_VALUE_STRING)
		free((char *)v->s.ptr);
	*v = (struct seg_value){.type = SEG_VALUE_NULL};
}

/* Copies of what is going in, made before anything changes. */
struct staged {
	uint32_t len, consents_len, fresh, fresh_consents;
	struct seg_attribute items[SEG_ATTRIBUTES_MAX];
	struct seg_consent consents[SEG_CONSENTS_MAX];
};

static void staged_release(struct staged *s)
{
	for (uint32_t i = 0; i < s->len; i++) {
		free((char *)s->items[i].name.ptr);
		value_release(&s->items[i].value);
	}
	for (uint32_t i = 0; i < s->consents_len; i++)
		free((char *)s->consents[i].purpose.ptr);
}

static bool stage_item(struct staged *s, const struct seg_attributes *a, const struct seg_attribute *from)
{
	struct place place = find_item(a, from->name);
	if (place.found && a->items && older(from, &a->items[place.at]))
		return true;
	if (!place.found && place.at == SEG_ATTRIBUTES_MAX)
		return true;
	struct seg_attribute item = *from;
	if (!copy_str(&item.name))
		return false;
	if (item.value.type == SEG_VALUE_STRING && !copy_str(&item.value.s)) {
		free((char *)item.name.ptr);
		return false;
	}
	s->items[s->len++] = item;
	s->fresh += !place.found;
	return true;
}

static bool stage_consent(struct staged *s, const struct seg_attributes *a, const struct seg_consent *from)
{
	struct place place = find_consent(a, from->purpose);
	if (!place.found && place.at == SEG_CONSENTS_MAX)
		return true;
	struct seg_consent consent = *from;
	if (!copy_str(&consent.purpose))
		return false;
	s->consents[s->consents_len++] = consent;
	s->fresh_consents += !place.found;
	return true;
}

static uint32_t at_most(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool reserve(struct seg_attributes *a, const struct staged *s)
{
	if (s->fresh && a->len < SEG_ATTRIBUTES_MAX) {
		size_t room = at_most(a->len + s->fresh, SEG_ATTRIBUTES_MAX);
		struct seg_attribute *items = realloc(a->items, room * sizeof(*items));
		if (!items)
			return false;
		a->items = items;
	}
	if (s->fresh_consents && a->consents_len < SEG_CONSENTS_MAX) {
		size_t room = at_most(a->consents_len + s->fresh_consents, SEG_CONSENTS_MAX);
		struct seg_consent *consents = realloc(a->consents, room * sizeof(*consents));
		if (!consents)
			return false;
		a->consents = consents;
	}
	return true;
}

/* Takes what it uses out of *item; the rest is released with the stage. */
static void commit_item(struct seg_attributes *a, struct seg_attribute *item)
{
	struct place place = find_item(a, item->name);
	struct seg_attribute *there = a->items + place.at;
	if (place.found) {
		if (older(item, there))
			return;
		value_release(&there->value);
		there->time_ms = item->time_ms;
		there->id_hash = item->id_hash;
		there->value = item->value;
		item->value.type = SEG_VALUE_NULL;
		return;
	}
	if (place.at == SEG_ATTRIBUTES_MAX)
		return;
	if (a->len == SEG_ATTRIBUTES_MAX) {
		a->len--;
		free((char *)a->items[a->len].name.ptr);
		value_release(&a->items[a->len].value);
	}
	memmove(there + 1, there, (a->len - place.at) * sizeof(*there));
	*there = *item;
	a->len++;
	item->name.ptr = NULL;
	item->value.type = SEG_VALUE_NULL;
}

static void commit_consent(struct seg_attributes *a, struct seg_consent *consent)
{
	struct place place = find_consent(a, consent->purpose);
	struct seg_consent *there = a->consents + place.at;
	if (place.found) {
		if (there->time_ms == consent->time_ms)
			there->granted = there->granted && consent->granted;
		else if (there->time_ms < consent->time_ms) {
			there->time_ms = consent->time_ms;
			there->granted = consent->granted;
		}
		return;
	}
	if (place.at == SEG_CONSENTS_MAX)
		return;
	if (a->consents_len == SEG_CONSENTS_MAX) {
		a->consents_len--;
		free((char *)a->consents[a->consents_len].purpose.ptr);
	}
	memmove(there + 1, there, (a->consents_len - place.at) * sizeof(*there));
	*there = *consent;
	a->consents_len++;
	consent->purpose.ptr = NULL;
}

bool seg_attributes_take(struct seg_attributes **a, const struct seg_attribute *items, uint32_t len,
			 const struct seg_consent *consents, uint32_t consents_len)
{
	struct seg_attributes empty = {0}, *to = *a ? *a : &empty;
	struct staged staged;
	bool ok = true;
	staged.len = staged.consents_len = staged.fresh = staged.fresh_consents = 0;
	for (uint32_t i = 0; ok && i < len; i++)
		ok = stage_item(&staged, to, &items[i]);
	for (uint32_t i = 0; ok && i < consents_len; i++)
		ok = stage_consent(&staged, to, &consents[i]);
	if (!ok || (staged.len == 0 && staged.consents_len == 0))
		goto out;
	if (!*a && !(to = calloc(1, sizeof(*to)))) {
		ok = false;
		goto out;
	}
	if (!reserve(to, &staged)) {
		if (!*a) {
			free(to->items);
			free(to);
		}
		ok = false;
		goto out;
	}
	*a = to;
	for (uint32_t i = 0; i < staged.len; i++)
		commit_item(to, &staged.items[i]);
	for (uint32_t i = 0; i < staged.consents_len; i++)
		commit_consent(to, &staged.consents[i]);
out:
	staged_release(&staged);
	return ok;
}

/* At most max bytes, not in the middle of a UTF-8 character. */
static struct seg_str cut(struct seg_str s, uint32_t max)
{
	enum { LONGEST_TAIL = 3 };
	if (!s.ptr)
		return (struct seg_str){"", 0};
	if (s.len <= max)
		return s;
	for (uint32_t len = max; len > max - LONGEST_TAIL; len--)
		if (((unsigned char)s.ptr[len] & 0xc0) != 0x80)
			return (struct seg_str){s.ptr, len};
	/* Three continuation bytes in a row end a character of four, or it is not UTF-8 and any place is as good. */
	return (struct seg_str){s.ptr, max - LONGEST_TAIL};
}

bool seg_attributes_apply(struct seg_attributes **a, const struct seg_event *e)
{
	struct seg_attribute items[SEG_ATTRIBUTES_MAX];
	struct seg_consent consents[SEG_CONSENTS_MAX];
	_Static_assert((int)SEG_EVENT_ATTRIBUTES <= (int)SEG_ATTRIBUTES_MAX, "an event's attributes fit the stage");
	_Static_assert((int)SEG_EVENT_CONSENTS <= (int)SEG_CONSENTS_MAX, "an event's consents fit the stage");
	for (uint32_t i = 0; i < e->attributes_len; i++) {
		const struct seg_event_attribute *from = &e->attributes[i];
		items[i] = (struct seg_attribute){cut(from->name, SEG_NAME_BYTES), e->time_ms, e->id_hash, from->value};
		if (from->value.type == SEG_VALUE_STRING)
			items[i].value.s = cut(from->value.s, SEG_VALUE_BYTES);
	}
	for (uint32_t i = 0; i < e->consents_len; i++)
		consents[i] = (struct seg_consent){cut(e->consents[i].purpose, SEG_NAME_BYTES), e->time_ms,
						   e->consents[i].granted};
	return seg_attributes_take(a, items, e->attributes_len, consents, e->consents_len);
}
