#include "consumers/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, CHUNK = 16 * 1024 };

struct seg_arena_chunk {
	struct seg_arena_chunk *next;
	size_t used, size;
	_Alignas(ALIGNMENT) unsigned char data[];
};

void seg_arena_init(struct seg_arena *a, size_t max)
{
	*a = (struct seg_arena){.max = max};
}

void seg_arena_release(struct seg_arena *a)
{
	while (a->head) {
		struct seg_arena_chunk *next = a->head->next;
		free(a->head);
		a->head = next;
	}
	a->used = 0;
}

void seg_arena_reset(struct seg_arena *a)
{
	struct seg_arena_chunk *keep = a->head;
	if (!keep)
		return;
	a->head = keep->next;
	seg_arena_release(a);
	keep->next = NULL;
	keep->used = 0;
	a->head = keep;
}

static struct seg_arena_chunk *grow(struct seg_arena *a, size_t size)
{
	size_t want = size > CHUNK ? size : CHUNK;
	struct seg_arena_chunk *c = malloc(sizeof(*c) + want);
	if (!c) {
		a->no_memory = true;
		return NULL;
	}
	c->next = a->head;
	c->used = 0;
	c->size = want;
	a->head = c;
	return c;
}

void *seg_arena_alloc(struct seg_arena *a, size_t size)
{
	if (size > a->max || a->max - a->used < size)
		return NULL;
	size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	struct seg_arena_chunk *c = a->head;
	if (!c || c->size - c->used < rounded)
		c = grow(a, rounded);
	if (!c)
		return NULL;
	void *p = c->data + c->used;
	c->used += rounded;
	a->used += size;
	return memset(p, 0, size);
}

char *seg_arena_copy(struct seg_arena *a, const void *data, size_t len)
{
	char *p = len < SIZE_MAX ? seg_arena_alloc(a, len + 1) : NULL;
	if (p && len)
		memcpy(p, data, len);
	return p;
}
