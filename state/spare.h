/*
 * Pre-images without malloc: the profiles that a commit lets go are kept, a bounded number of them, and the next copies
 * are made into their memory. One owner.
 */
#ifndef SEG_STATE_SPARE_H
#define SEG_STATE_SPARE_H

#include "base/profile.h"

enum { SEG_SPARES = 16384 };

struct seg_spares {
	size_t len, limit; /* limit: at most SEG_SPARES */
	struct seg_profile *items[SEG_SPARES];
};

/* A deep copy, into a spare one if there is any; freed with seg_profile_free() or given back. NULL: no memory. */
struct seg_profile *seg_spares_clone(struct seg_spares *s, const struct seg_profile *from);
/* Takes p (NULL is fine), or frees it when there are enough. */
void seg_spares_give(struct seg_spares *s, struct seg_profile *p);
void seg_spares_release(struct seg_spares *s);

#endif
