/*
 * Memory that is freed all at once, with a maximum. One owner, one thread. Allocations are zeroed and aligned to 16
 * bytes, valid until seg_arena_reset() or seg_arena_release().
 */
#ifndef SEG_CONSUMERS_ARENA_H
#define SEG_CONSUMERS_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct seg_arena_chunk;

struct seg_arena {
	struct seg_arena_chunk *head;
	size_t used, max; /* bytes handed out, and how many may be */
	bool no_memory;	  /* an allocation has failed for want of memory, not for the maximum */
};

void seg_arena_init(struct seg_arena *a, size_t max);
void seg_arena_release(struct seg_arena *a);

/* Forgets all allocations and keeps one chunk of memory for the next ones. */
void seg_arena_reset(struct seg_arena *a);

/* NULL: out of memory or over the maximum. */
void *seg_arena_alloc(struct seg_arena *a, size_t size);

/* A copy with a NUL behind it. */
char *seg_arena_copy(struct seg_arena *a, const void *data, size_t len);

#endif
