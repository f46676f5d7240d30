/*
 * Pre-images: a deep copy of a profile in one block of memory, to be read and given back. The blocks that a commit lets go
 * are kept, a bounded number of them, and the next images are made in them. One owner.
 */
#ifndef SEG_STATE_SPARE_H
#define SEG_STATE_SPARE_H

#include "base/profile.h"

enum { SEG_SPARES = 16384 };

struct seg_image {
	size_t bytes;		    /* of memory, all of it */
	struct seg_profile profile; /* never changed, never freed by itself: it points into what follows */
};

struct seg_spares {
	size_t len, limit; /* limit: at most SEG_SPARES */
	struct seg_image *items[SEG_SPARES];
};

/* NULL: no memory. */
struct seg_image *seg_spares_image(struct seg_spares *s, const struct seg_profile *from);
/* Takes an image (NULL is fine), or frees it when there are enough. */
void seg_spares_give(struct seg_spares *s, struct seg_image *image);
void seg_image_free(struct seg_image *image);
void seg_spares_release(struct seg_spares *s);

#endif
