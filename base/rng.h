/* Seeded random numbers (xoshiro256**, Blackman & Vigna 2018, seeded by splitmix64). Same seed, same numbers. */
#ifndef SEG_BASE_RNG_H
#define SEG_BASE_RNG_H

#include <stdint.h>

struct seg_rng {
	uint64_t s[4];
};

void seg_rng_init(struct seg_rng *r, uint64_t seed);
uint64_t seg_rng_next(struct seg_rng *r);

/* Uniform in [0, 1). */
double seg_rng_unit(struct seg_rng *r);

/* Uniform in [0, n), n > 0. */
uint64_t seg_rng_below(struct seg_rng *r, uint64_t n);

/* Standard normal. */
double seg_rng_normal(struct seg_rng *r);

#endif
