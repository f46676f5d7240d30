#include "daemon/flaps.h"

#include <math.h>
#include <stddef.h>

static struct seg_segment_counts *counts_of(struct seg_moves *m, uint64_t cluster)
{
	struct seg_segment_counts *oldest = &m->segments[0];

	for (size_t i = 0; i < SEG_FLAP_SEGMENTS; i++) {
		struct seg_segment_counts *s = &m->segments[i];
		if (s->cluster == cluster)
			return s;
		oldest = s->cluster < oldest->cluster ? s : oldest;
	}
	if (oldest->cluster > cluster) /* ids only grow: it has long been retired */
		return NULL;
	*oldest = (struct seg_segment_counts){.cluster = cluster};
	return oldest;
}

static void count_flap(struct seg_moves *m, uint64_t cluster)
{
	struct seg_segment_counts *s = counts_of(m, cluster);

	if (s)
		s->flaps++;
}

/* 1 + hundredths, as decisions keep it; 0: unknown. */
static uint8_t advantage_of(double distance_from, double distance_to)
{
	if (!isfinite(distance_from) || !isfinite(distance_to) || distance_from <= 0)
		return 0;
	double hundredths = floor(100 * (1 - distance_to / distance_from));
	if (hundredths < 0)
		hundredths = 0;
	return (uint8_t)(1 + (hundredths < SEG_ADVANTAGES ? hundredths : SEG_ADVANTAGES - 1));
}

void seg_moves_note(struct seg_moves *m, struct seg_decision *d, uint64_t to, double distance_from, double distance_to,
		    int64_t now_ms)
{
	uint8_t advantage = advantage_of(distance_from, distance_to), before = d->advantage;
	bool flap = d->cluster != 0 && to != 0 && d->previous == to && d->since_ms != SEG_NO_TIME &&
		    now_ms - d->since_ms <= SEG_FLAP_DAYS * SEG_DAY_MS;

	if (advantage)
		m->all[advantage - 1]++;
	if (flap) {
		count_flap(m, d->cluster);
		count_flap(m, to);
	}
	if (flap && advantage && before) {
		m->flaps[(advantage < before ? advantage : before) - 1]++;
		m->legs[advantage - 1]++;
		if (!d->flapped)
			m->legs[before - 1]++;
	}
	d->flapped = flap && advantage && before;
	d->advantage = advantage;
	d->previous = d->cluster;
}

void seg_moves_suppressed(struct seg_moves *m, uint64_t cluster)
{
	struct seg_segment_counts *s = cluster ? counts_of(m, cluster) : NULL;

	if (s)
		s->suppressed++;
}

void seg_moves_add(struct seg_moves *to, const struct seg_moves *from)
{
	for (size_t i = 0; i < SEG_ADVANTAGES; i++) {
		to->all[i] += from->all[i];
		to->legs[i] += from->legs[i];
		to->flaps[i] += from->flaps[i];
	}
	for (size_t i = 0; i < SEG_FLAP_SEGMENTS; i++) {
		const struct seg_segment_counts *f = &from->segments[i];
		struct seg_segment_counts *t = f->cluster ? counts_of(to, f->cluster) : NULL;
		if (!t)
			continue;
		t->flaps += f->flaps;
		t->suppressed += f->suppressed;
	}
}

const struct seg_segment_counts *seg_moves_of(const struct seg_moves *m, uint64_t cluster)
{
	for (size_t i = 0; cluster && i < SEG_FLAP_SEGMENTS; i++) {
		if (m->segments[i].cluster == cluster)
			return &m->segments[i];
	}
	return NULL;
}

void seg_moves_advice(const struct seg_moves *m, struct seg_margin_advice *ret)
{
	uint64_t others = 0, below = 0, prevented = 0;

	*ret = (struct seg_margin_advice){.margin = NAN, .others = NAN};
	for (size_t i = 0; i < SEG_ADVANTAGES; i++) {
		ret->flaps += m->flaps[i];
		ret->moves += m->all[i];
		/* A leg may have been counted before its owner's counters began anew. */
		others += m->all[i] > m->legs[i] ? m->all[i] - m->legs[i] : 0;
	}
	if (ret->flaps < SEG_ADVICE_FLAPS)
		return;
	for (size_t i = 0; i < SEG_ADVANTAGES; i++) {
		prevented += m->flaps[i];
		below += m->all[i] > m->legs[i] ? m->all[i] - m->legs[i] : 0;
		if (2 * prevented < ret->flaps)
			continue;
		ret->margin = (double)(i + 1) / 100;
		ret->others = others ? (double)below / (double)others : 0;
		return;
	}
}
