#include "base/rng.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void seg_rng_init(struct seg_rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix(&seed);
}

static inline uint64_t rotate_left(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

uint64_t seg_rng_next(struct seg_rng *r)
{
	uint64_t *s = r->s, result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double seg_rng_unit(struct seg_rng *r)
{
	return (double)(seg_rng_next(r) >> 11) * 0x1p-53;
}

/* Lemire's multiplication (2019); its bias below 2^-64 * n does not matter here. */
uint64_t seg_rng_below(struct seg_rng *r, uint64_t n)
{
	return (uint64_t)((unsigned __int128)seg_rng_next(r) * n >> 64);
}

/* Box and Muller 1958. */
double seg_rng_normal(struct seg_rng *r)
{
	double u = 1 - seg_rng_unit(r), v = seg_rng_unit(r);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}
