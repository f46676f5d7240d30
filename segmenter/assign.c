/*
 * Nearest centroids, and who moves. Each lane of the distance loop adds up one centroid's distance feature by feature:
 * the order of additions, and so every bit, is the same in whatever width the compiler chooses.
 */
#include <math.h>

#include "segmenter/model.h"

typedef double lanes __attribute__((vector_size(16), aligned(16)));
enum { BLOCK = 8, WIDTH = 2, VECTORS = BLOCK / WIDTH };

struct two {
	uint32_t first, second;
	double d_first, d_second;
};

static inline void take(struct two *t, uint32_t index, double d)
{
	if (d < t->d_first) {
		t->second = t->first;
		t->d_second = t->d_first;
		t->first = index;
		t->d_first = d;
	} else if (d < t->d_second) {
		t->second = index;
		t->d_second = d;
	}
}

void seg_model_assign(const struct seg_model *m, const double *vector, struct seg_assignment *ret)
{
	struct two t = {0, 0, INFINITY, INFINITY};

	*ret = (struct seg_assignment){.distance = NAN, .second_distance = NAN};
	for (uint32_t b = 0; b < m->k; b += BLOCK) {
		lanes sum[VECTORS] = {{0, 0}, {0, 0}, {0, 0}, {0, 0}};
		const double *row = m->soa + b;
		double d[BLOCK];

		for (uint32_t j = 0; j < m->dims; j++, row += m->k_padded) {
			lanes v = {vector[j], vector[j]};
			for (unsigned i = 0; i < VECTORS; i++) {
				lanes diff = v - ((const lanes *)(const void *)row)[i];
				sum[i] += diff * diff;
			}
		}
		for (unsigned i = 0; i < BLOCK; i++)
			d[i] = sum[i / WIDTH][i % WIDTH];
		for (unsigned i = 0; i < BLOCK && b + i < m->k; i++)
			take(&t, b + i, d[i]);
	}
	if (m->k == 0)
		return;
	ret->nearest = t.first;
	ret->distance = sqrt(t.d_first);
	if (m->k == 1) {
		ret->second_distance = ret->distance;
		return;
	}
	ret->second = t.second;
	ret->second_distance = sqrt(t.d_second);
	if (ret->second_distance > 0)
		ret->margin = (ret->second_distance - ret->distance) / ret->second_distance;
}

/* The same additions in the same order as above, so that equal distances are equal bits. */
double seg_model_distance(const struct seg_model *m, const double *vector, uint32_t cluster_index)
{
	const double *centroid = m->vectors + (size_t)cluster_index * m->dims;
	double sum = 0;

	for (uint32_t j = 0; j < m->dims; j++)
		sum += (vector[j] - centroid[j]) * (vector[j] - centroid[j]);
	return sqrt(sum);
}

/* Whether dwell and hysteresis let the customer go to the nearest. Who has just come from there waits longer. */
static bool may_move(const struct seg_model *m, const double *vector, const struct seg_assignment *a, uint32_t held,
		     uint64_t previous, int64_t since_ms, int64_t now_ms, const struct seg_move_rules *rules)
{
	int64_t stayed, dwell_ms = rules->dwell_ms;

	if (m->clusters[a->nearest] == previous && rules->return_ms > dwell_ms)
		dwell_ms = rules->return_ms;

	if (since_ms != SEG_NO_TIME && !__builtin_sub_overflow(now_ms, since_ms, &stayed) && stayed < dwell_ms)
		return false;
	return a->distance < (1 - rules->hysteresis) * seg_model_distance(m, vector, held);
}

uint64_t seg_model_decide(const struct seg_model *m, const double *vector, const struct seg_assignment *a,
			  uint64_t held, uint64_t previous, int64_t since_ms, int64_t now_ms,
			  const struct seg_move_rules *rules, bool *ret_suppressed)
{
	int index;

	*ret_suppressed = false;
	if (m->k == 0)
		return held;
	index = held ? seg_model_index(m, held) : -1;
	if (index < 0 || (uint32_t)index == a->nearest)
		return m->clusters[a->nearest];
	if (may_move(m, vector, a, (uint32_t)index, previous, since_ms, now_ms, rules))
		return m->clusters[a->nearest];
	*ret_suppressed = true;
	return held;
}
