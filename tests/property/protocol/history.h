/* One random history: two owners, crashes, zombies, aborts, moves, and recoveries at every moment. */
#ifndef SEG_TESTS_HISTORY_H
#define SEG_TESTS_HISTORY_H

#include <stddef.h>
#include <stdint.h>

struct history_counts {
	uint64_t commits, aborts, recoveries, virtual_recoveries, moves, crashes, rebuilds, outputs, erasures, cycles,
		events;
};

/* Of the moments at which every store must lead to the truth, the share at which that is tried: 1, or less where opening
 * a store is slow. Set before the histories. */
extern double history_probe_share;

/* False: a rule does not hold; why (1024 bytes) says which. */
_Bool history_run(uint64_t seed, int steps, struct history_counts *counts, char *why);

#endif
