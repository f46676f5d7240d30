#include "state/spare.h"

#include <stdlib.h>
#include <string.h>

void seg_spares_give(struct seg_spares *s, struct seg_profile *p)
{
	if (p && s->len < s->limit)
		s->items[s->len++] = p;
	else
		seg_profile_free(p);
}

void seg_spares_release(struct seg_spares *s)
{
	while (s->len > 0)
		seg_profile_free(s->items[--s->len]);
}

/* Copies a section of fixed size over the one that is there, or into a new one. */
static bool copy_section(void **to, const void *from, size_t size)
{
	if (!from) {
		free(*to);
		*to = NULL;
		return true;
	}
	if (!*to && !(*to = malloc(size)))
		return false;
	memcpy(*to, from, size);
	return true;
}

/* Copies an array of len items over one that has room for *cap. */
static bool copy_array(void **to, uint32_t *cap, const void *from, uint32_t len, size_t size)
{
	if (len > *cap) {
		void *bigger = malloc(len * size);

		if (!bigger)
			return false;
		free(*to);
		*to = bigger;
		*cap = len;
	}
	if (len > 0)
		memcpy(*to, from, len * size);
	return true;
}

static bool copy_orders(struct seg_orders **to, const struct seg_orders *from)
{
	void *days = *to ? (*to)->days : NULL;
	uint32_t cap = *to ? (*to)->days_cap : 0;

	if (!from) {
		free(days);
		free(*to);
		*to = NULL;
		return true;
	}
	if (!*to && !(*to = calloc(1, sizeof **to)))
		return false;
	if (!copy_array(&days, &cap, from->days, from->days_len, sizeof *from->days))
		return false;
	**to = *from;
	(*to)->days = days;
	(*to)->days_cap = cap;
	return true;
}

static bool copy_windows(struct seg_profile *to, const struct seg_profile *from)
{
	for (int i = 0; i < SEG_SOURCES; i++) {
		void *items = to->seen[i].items;

		if (!copy_array(&items, &to->seen[i].cap, from->seen[i].items, from->seen[i].len,
				sizeof *from->seen[i].items))
			return false;
		to->seen[i].items = items;
		to->seen[i].len = from->seen[i].len;
	}
	return true;
}

/* Attributes have a shape of their own: what is there goes, what comes is cloned by the profile's own code. */
static bool copy_attributes(struct seg_profile *to, const struct seg_profile *from)
{
	struct seg_profile only = {.attributes = from->attributes}, *clone, *old;

	if (to->attributes) {
		old = calloc(1, sizeof *old);
		if (!old)
			return false;
		old->attributes = to->attributes;
		to->attributes = NULL;
		seg_profile_free(old);
	}
	if (!from->attributes)
		return true;
	clone = seg_profile_clone(&only);
	if (!clone)
		return false;
	to->attributes = clone->attributes;
	clone->attributes = NULL;
	seg_profile_free(clone);
	return true;
}

static bool copy_id(struct seg_str *to, struct seg_str from)
{
	char *id = to->len >= from.len ? (char *)to->ptr : realloc((char *)to->ptr, (size_t)from.len + 1);

	if (!id)
		return false;
	memcpy(id, from.ptr, from.len);
	id[from.len] = '\0';
	*to = (struct seg_str){id, from.len};
	return true;
}

static bool copy_into(struct seg_profile *to, const struct seg_profile *from)
{
	void *web = to->web, *email = to->email;
	bool ok = copy_section(&web, from->web, sizeof *from->web);

	to->web = web;
	ok = ok && copy_section(&email, from->email, sizeof *from->email);
	to->email = email;
	if (!ok || !copy_id(&to->id, from->id) || !copy_orders(&to->orders, from->orders) || !copy_windows(to, from) ||
	    !copy_attributes(to, from) || !seg_contribution_copy(&to->contribution, &from->contribution))
		return false;
	to->hash = from->hash;
	memcpy(to->applied, from->applied, sizeof to->applied);
	to->first_ms = from->first_ms;
	to->last_ms = from->last_ms;
	to->decision = from->decision;
	return true;
}

struct seg_profile *seg_spares_clone(struct seg_spares *s, const struct seg_profile *from)
{
	struct seg_profile *to;

	if (s->len == 0)
		return seg_profile_clone(from);
	to = s->items[--s->len];
	if (copy_into(to, from))
		return to;
	seg_profile_free(to);
	return NULL;
}
