#include "state/spare.h"

#include <stdlib.h>
#include <string.h>

/* Blocks are made in steps, so that the next image fits in more often. */
enum { ALIGN = 8, STEP = 256 };

void seg_image_free(struct seg_image *image)
{
	free(image);
}

void seg_spares_give(struct seg_spares *s, struct seg_image *image)
{
	if (image && s->len < s->limit)
		s->items[s->len++] = image;
	else
		seg_image_free(image);
}

void seg_spares_release(struct seg_spares *s)
{
	while (s->len > 0)
		seg_image_free(s->items[--s->len]);
}

/* What is laid one after the other; without a base it is only measured. */
struct block {
	char *base;
	size_t len;
};

static void *put(struct block *b, const void *from, size_t len)
{
	void *at = b->base ? b->base + b->len : NULL;

	if (!from || len == 0)
		return NULL;
	if (at)
		memcpy(at, from, len);
	b->len += (len + ALIGN - 1) / ALIGN * ALIGN;
	return at;
}

/* One byte more, as in every profile: present and empty is not absent. */
static void put_str(struct block *b, struct seg_str from, struct seg_str *ret)
{
	char *at = b->base ? b->base + b->len : NULL;

	if (!from.ptr)
		return;
	if (at) {
		memcpy(at, from.ptr, from.len);
		at[from.len] = '\0';
		ret->ptr = at;
	}
	b->len += ((size_t)from.len + ALIGN) / ALIGN * ALIGN;
}

static struct seg_orders *put_orders(struct block *b, const struct seg_orders *from)
{
	struct seg_orders *to = put(b, from, sizeof *from);
	int32_t *days = from ? put(b, from->days, from->days_len * sizeof *from->days) : NULL;

	if (to)
		to->days = days;
	return to;
}

static struct seg_attributes *put_attributes(struct block *b, const struct seg_attributes *from)
{
	struct seg_attributes *to = put(b, from, sizeof *from);
	struct seg_attribute *items;
	struct seg_consent *consents;
	struct seg_str measured;

	if (!from)
		return NULL;
	items = put(b, from->items, from->len * sizeof *from->items);
	consents = put(b, from->consents, from->consents_len * sizeof *from->consents);
	for (uint32_t i = 0; i < from->len; i++) {
		put_str(b, from->items[i].name, items ? &items[i].name : &measured);
		if (from->items[i].value.type == SEG_VALUE_STRING)
			put_str(b, from->items[i].value.s, items ? &items[i].value.s : &measured);
	}
	for (uint32_t i = 0; i < from->consents_len; i++)
		put_str(b, from->consents[i].purpose, consents ? &consents[i].purpose : &measured);
	if (to) {
		to->items = items;
		to->consents = consents;
	}
	return to;
}

/* All that `from` points to; the pointers go into *to. */
static void put_sections(struct block *b, const struct seg_profile *from, struct seg_profile *to)
{
	put_str(b, from->id, &to->id);
	to->orders = put_orders(b, from->orders);
	to->web = put(b, from->web, sizeof *from->web);
	to->email = put(b, from->email, sizeof *from->email);
	to->attributes = put_attributes(b, from->attributes);
	for (int i = 0; i < SEG_SOURCES; i++)
		to->seen[i].items = put(b, from->seen[i].items, from->seen[i].len * sizeof *from->seen[i].items);
	to->contribution.values =
		put(b, from->contribution.values, from->contribution.len * sizeof *from->contribution.values);
}

static struct seg_image *take_block(struct seg_spares *s, size_t bytes)
{
	struct seg_image *image = s->len > 0 ? s->items[--s->len] : NULL;

	if (image && image->bytes >= bytes)
		return image;
	seg_image_free(image);
	bytes = (bytes + STEP - 1) / STEP * STEP;
	image = malloc(bytes);
	if (image)
		image->bytes = bytes;
	return image;
}

struct seg_image *seg_spares_image(struct seg_spares *s, const struct seg_profile *from)
{
	struct block b = {NULL, 0};
	struct seg_profile measured;
	struct seg_image *image;

	put_sections(&b, from, &measured);
	image = take_block(s, sizeof *image + b.len);
	if (!image)
		return NULL;
	b = (struct block){(char *)(image + 1), 0};
	image->profile = *from;
	put_sections(&b, from, &image->profile);
	return image;
}
