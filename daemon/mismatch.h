/*
 * How many of the last SEG_MISMATCH_WINDOW records of a source had a key or a partition that does not fit. More than
 * SEG_MISMATCH_MOST of them mean that customers would be split in two. Zeroed memory is an empty window. Pure.
 */
#ifndef SEG_DAEMON_MISMATCH_H
#define SEG_DAEMON_MISMATCH_H

#include <stdbool.h>
#include <stdint.h>

enum { SEG_MISMATCH_WINDOW = 1000, SEG_MISMATCH_MOST = 10 };

struct seg_mismatch {
	uint64_t bits[(SEG_MISMATCH_WINDOW + 63) / 64]; /* a ring, one bit a record */
	uint32_t at;					/* of the next record: that of the oldest one, too */
	uint32_t wrong;					/* bits that are set */
	bool stopped;					/* once too many, for good */
};

/* Takes in a record. True: this one was too many (told once). */
bool seg_mismatch_take(struct seg_mismatch *m, bool wrong);

#endif
