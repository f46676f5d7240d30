#include "daemon/mismatch.h"

bool seg_mismatch_take(struct seg_mismatch *m, bool wrong)
{
	uint64_t *word = &m->bits[m->at / 64], bit = UINT64_C(1) << m->at % 64;
	m->wrong -= (*word & bit) != 0;
	m->wrong += wrong;
	*word = wrong ? *word | bit : *word & ~bit;
	m->at = (m->at + 1) % SEG_MISMATCH_WINDOW;
	if (m->stopped || m->wrong <= SEG_MISMATCH_MOST)
		return false;
	m->stopped = true;
	return true;
}
