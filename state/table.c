#include "state/table.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 10 };

enum seg_rc seg_table_init(struct seg_table *t)
{
	*t = (struct seg_table){.bits = FIRST_BITS};
	t->slots = calloc(seg_table_slots(t), sizeof *t->slots);
	return t->slots ? SEG_OK : SEG_NO_MEMORY;
}

static void entry_free(struct seg_entry *e)
{
	if (e) {
		seg_profile_free(e->now);
		seg_image_free(e->sealed);
		seg_image_free(e->before);
		free(e);
	}
}

void seg_table_clear(struct seg_table *t)
{
	for (size_t i = 0; t->slots && i < seg_table_slots(t); i++) {
		entry_free(t->slots[i].entry);
		t->slots[i] = (struct seg_slot){0, NULL};
	}
	t->len = 0;
}

void seg_table_release(struct seg_table *t)
{
	seg_table_clear(t);
	free(t->slots);
	t->slots = NULL;
}

static inline size_t home(const struct seg_table *t, uint64_t hash)
{
	return (size_t)(hash >> (64 - t->bits));
}

static inline size_t next(const struct seg_table *t, size_t i)
{
	return (i + 1) & (seg_table_slots(t) - 1);
}

struct seg_entry *seg_table_find(const struct seg_table *t, struct seg_str id, uint64_t hash)
{
	for (size_t i = home(t, hash); t->slots[i].entry; i = next(t, i)) {
		struct seg_entry *e = t->slots[i].entry;

		if (t->slots[i].hash == hash && e->id_len == id.len && memcmp(e->id, id.ptr, id.len) == 0)
			return e;
	}
	return NULL;
}

struct seg_entry *seg_table_find_hash(const struct seg_table *t, uint64_t hash)
{
	for (size_t i = home(t, hash); t->slots[i].entry; i = next(t, i))
		if (t->slots[i].hash == hash)
			return t->slots[i].entry;
	return NULL;
}

void seg_table_prefetch(const struct seg_table *t, uint64_t hash)
{
	__builtin_prefetch(&t->slots[home(t, hash)]);
}

static void place(struct seg_table *t, struct seg_entry *e)
{
	size_t i = home(t, e->hash);

	while (t->slots[i].entry)
		i = next(t, i);
	t->slots[i] = (struct seg_slot){e->hash, e};
}

static bool grow(struct seg_table *t)
{
	struct seg_table bigger = {.bits = t->bits + 1, .len = t->len};

	bigger.slots = calloc(seg_table_slots(&bigger), sizeof *bigger.slots);
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < seg_table_slots(t); i++)
		if (t->slots[i].entry)
			place(&bigger, t->slots[i].entry);
	free(t->slots);
	*t = bigger;
	return true;
}

struct seg_entry *seg_table_add(struct seg_table *t, struct seg_str id, uint64_t hash)
{
	struct seg_entry *e;

	if (t->len * 3 >= seg_table_slots(t) * 2 && !grow(t))
		return NULL;
	e = calloc(1, sizeof *e + id.len);
	if (!e)
		return NULL;
	e->hash = hash;
	e->id_len = id.len;
	memcpy(e->id, id.ptr, id.len);
	place(t, e);
	t->len++;
	return e;
}

void seg_table_remove(struct seg_table *t, struct seg_entry *e)
{
	size_t hole = home(t, e->hash), mask = seg_table_slots(t) - 1;

	while (t->slots[hole].entry != e)
		hole = next(t, hole);
	/* Backward shift: what probed past the hole moves into it, unless its home lies behind the hole. */
	for (size_t i = next(t, hole); t->slots[i].entry; i = next(t, i)) {
		if (((i - home(t, t->slots[i].hash)) & mask) >= ((i - hole) & mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = (struct seg_slot){0, NULL};
	t->len--;
	entry_free(e);
}

int seg_entry_compare(const struct seg_entry *a, const struct seg_entry *b)
{
	uint32_t n = a->id_len < b->id_len ? a->id_len : b->id_len;
	int c;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	c = memcmp(a->id, b->id, n);
	return c ? c : (a->id_len > b->id_len) - (a->id_len < b->id_len);
}

static int compare_pointers(const void *a, const void *b)
{
	return seg_entry_compare(*(struct seg_entry *const *)a, *(struct seg_entry *const *)b);
}

enum seg_rc seg_table_range(const struct seg_table *t, uint64_t from, uint64_t to, struct seg_entry ***ret,
			    size_t *ret_len, size_t *ret_cap)
{
	size_t i = home(t, from), last = home(t, to), steps = 0;

	*ret_len = 0;
	/* Past the last home slot the run of displaced entries goes on to the first empty slot, round the end. */
	for (;; i = next(t, i), steps++) {
		struct seg_entry *e = t->slots[i].entry;

		if (steps >= seg_table_slots(t) || (!e && steps >= last - home(t, from)))
			break;
		if (!e || e->hash < from || e->hash > to)
			continue;
		if (*ret_len == *ret_cap) {
			size_t cap = *ret_cap ? *ret_cap * 2 : 64;
			struct seg_entry **bigger = realloc(*ret, cap * sizeof(struct seg_entry *));

			if (!bigger)
				return SEG_NO_MEMORY;
			*ret = bigger;
			*ret_cap = cap;
		}
		(*ret)[(*ret_len)++] = e;
	}
	if (*ret_len)
		qsort(*ret, *ret_len, sizeof(struct seg_entry *), compare_pointers);
	return SEG_OK;
}
