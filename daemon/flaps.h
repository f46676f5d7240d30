/*
 * Flapping: a customer who goes A -> B -> A within seven days of stream time. It counts for both segments. Beside it, how
 * much closer the new centroid was at each move, from which the relative margin (segmenter.hysteresis) follows that would
 * have prevented half of the flaps, and what it would have cost. Fixed size; plain counters of their owner's thread.
 */
#ifndef SEG_DAEMON_FLAPS_H
#define SEG_DAEMON_FLAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/profile.h"

enum { SEG_FLAP_DAYS = 7, SEG_ADVANTAGES = 101, SEG_FLAP_SEGMENTS = 256, SEG_ADVICE_FLAPS = 20 };

struct seg_segment_counts {
	uint64_t cluster;    /* 0: free */
	uint64_t flaps;	     /* that the segment was part of */
	uint64_t suppressed; /* moves out of it that hysteresis or dwell held back */
};

/* By advantage: bin i is i <= 100 (1 - d_new / d_held) < i + 1. */
struct seg_moves {
	uint64_t all[SEG_ADVANTAGES];	/* moves between two living segments */
	uint64_t legs[SEG_ADVANTAGES];	/* those that were part of a flap, each once */
	uint64_t flaps[SEG_ADVANTAGES]; /* by the lesser advantage of their two moves */
	struct seg_segment_counts
		segments[SEG_FLAP_SEGMENTS]; /* when all are taken, a newer segment takes the oldest's */
};

/*
 * A customer who held d->cluster moves to `to` at now_ms; distances NAN: none or retired. Counts it, and sets previous,
 * advantage and flapped of d; cluster and since_ms are still those from before.
 */
void seg_moves_note(struct seg_moves *m, struct seg_decision *d, uint64_t to, double distance_from, double distance_to,
		    int64_t now_ms);
/* A move out of `cluster` was held back. */
void seg_moves_suppressed(struct seg_moves *m, uint64_t cluster);
void seg_moves_add(struct seg_moves *to, const struct seg_moves *from);
/* NULL: nothing was counted of this segment. */
const struct seg_segment_counts *seg_moves_of(const struct seg_moves *m, uint64_t cluster);

/* The least margin, in hundredths, that would have held back a move of at least half of all flaps, and the share of the
 * moves outside of flaps that it would have held back too. Both NAN below SEG_ADVICE_FLAPS flaps. */
struct seg_margin_advice {
	double margin, others;
	uint64_t flaps, moves;
};
void seg_moves_advice(const struct seg_moves *m, struct seg_margin_advice *ret);

#endif
