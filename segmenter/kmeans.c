#include "segmenter/kmeans.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/*
 * The distance loop. Centroids are kept transposed, [d][kp], four to a block, and each lane adds up one centroid's
 * distance feature by feature: the order of additions is the same in whatever width the compiler chooses.
 */
typedef double vec2 __attribute__((vector_size(16), aligned(16)));

enum { BLOCK = 4, LLOYD_START = 60, LLOYD_FINAL = 300, SWAP_STEPS = 2 };
#define LLOYD_TOLERANCE 1e-7

struct work {
	const double *x;
	size_t n;
	uint32_t d, k_max, kp_max;
	double *transposed; /* [d * kp_max] */
	double *sums;	    /* [k_max * d] */
	uint64_t *counts;   /* [k_max] */
	double *distance2;  /* [n] */
	double *candidate2; /* [n], seeding: distances with the candidate */
	double *best2;	    /* [n], seeding: distances with the best candidate */
	struct seg_rng rng;
	const atomic_bool *cancelled;
};

struct solution {
	uint32_t k;
	double inertia;
	double *centroids; /* [k_max * d] */
	uint32_t *labels;  /* [n] */
};

static void transpose(const double *centroids, uint32_t k, uint32_t d, uint32_t kp, double *ret)
{
	for (uint32_t j = 0; j < d; j++)
		for (uint32_t c = 0; c < kp; c++)
			ret[(size_t)j * kp + c] = c < k ? centroids[(size_t)c * d + j] : 0;
}

static uint32_t padded(uint32_t k)
{
	return (k + BLOCK - 1) / BLOCK * BLOCK;
}

struct nearest {
	uint32_t label;
	double first, second;
};

static inline struct nearest nearest_of(const double *row, uint32_t d, const double *t, uint32_t k, uint32_t kp)
{
	struct nearest r = {0, INFINITY, INFINITY};

	for (uint32_t b = 0; b < k; b += BLOCK) {
		vec2 lo = {0, 0}, hi = {0, 0};
		const double *col = t + b;
		for (uint32_t j = 0; j < d; j++, col += kp) {
			vec2 v = {row[j], row[j]};
			vec2 a = v - *(const vec2 *)(const void *)col;
			vec2 c = v - *(const vec2 *)(const void *)(col + 2);
			lo += a * a;
			hi += c * c;
		}
		double dist[BLOCK] = {lo[0], lo[1], hi[0], hi[1]};
		for (uint32_t i = 0; i < BLOCK && b + i < k; i++) {
			if (dist[i] < r.first) {
				r.second = r.first;
				r.first = dist[i];
				r.label = b + i;
			} else if (dist[i] < r.second) {
				r.second = dist[i];
			}
		}
	}
	return r;
}

double seg_kmeans_assign(const double *x, size_t n, uint32_t d, const double *centroids, uint32_t k,
			 uint32_t *ret_labels, double *ret_distance2, double *ret_second_distance2)
{
	uint32_t kp = padded(k);
	double *t = aligned_alloc(32, (size_t)kp * d * sizeof(*t));
	double inertia = 0;

	if (!t)
		return NAN;
	transpose(centroids, k, d, kp, t);
	for (size_t i = 0; i < n; i++) {
		struct nearest r = nearest_of(x + i * d, d, t, k, kp);
		inertia += r.first;
		if (ret_labels)
			ret_labels[i] = r.label;
		if (ret_distance2)
			ret_distance2[i] = r.first;
		if (ret_second_distance2)
			ret_second_distance2[i] = r.second;
	}
	free(t);
	return inertia;
}

/* Assigns all rows; true if a label changed. */
static bool assign_all(struct work *w, struct solution *s)
{
	uint32_t kp = padded(s->k);
	bool changed = false;
	double inertia = 0;

	transpose(s->centroids, s->k, w->d, kp, w->transposed);
	for (size_t i = 0; i < w->n; i++) {
		struct nearest r = nearest_of(w->x + i * w->d, w->d, w->transposed, s->k, kp);
		changed |= s->labels[i] != r.label;
		s->labels[i] = r.label;
		w->distance2[i] = r.first;
		inertia += r.first;
	}
	s->inertia = inertia;
	return changed;
}

static void accumulate(struct work *w, const struct solution *s)
{
	uint32_t d = w->d;

	memset(w->sums, 0, (size_t)s->k * d * sizeof(*w->sums));
	memset(w->counts, 0, s->k * sizeof(*w->counts));
	for (size_t i = 0; i < w->n; i++) {
		double *sum = w->sums + (size_t)s->labels[i] * d;
		const double *row = w->x + i * d;
		for (uint32_t j = 0; j < d; j++)
			sum[j] += row[j];
		w->counts[s->labels[i]]++;
	}
}

/* An empty cluster starts again at the row that is farthest from its centroid; each row serves once. When all rows lie
 * on centroids there is nothing to put there and the cluster goes. True if one was moved or dropped. */
static bool reseed_empty(struct work *w, struct solution *s)
{
	bool any = false;

	for (uint32_t c = 0; c < s->k;) {
		size_t far = 0;

		if (w->counts[c]) {
			c++;
			continue;
		}
		any = true;
		for (size_t i = 1; i < w->n; i++)
			if (w->distance2[i] > w->distance2[far])
				far = i;
		if (w->distance2[far] > 0) {
			memcpy(s->centroids + (size_t)c * w->d, w->x + far * w->d, w->d * sizeof(double));
			w->distance2[far] = 0;
			w->counts[c++] = 1;
			continue;
		}
		s->k--;
		memmove(s->centroids + (size_t)c * w->d, s->centroids + (size_t)(c + 1) * w->d,
			(size_t)(s->k - c) * w->d * sizeof(double));
		memmove(w->counts + c, w->counts + c + 1, (s->k - c) * sizeof(*w->counts));
	}
	return any;
}

/* Moves centroids to the means of their rows. True if an empty one had to be moved or dropped. */
static bool update(struct work *w, struct solution *s)
{
	accumulate(w, s);
	for (uint32_t c = 0; c < s->k; c++)
		for (uint32_t j = 0; j < w->d && w->counts[c]; j++)
			s->centroids[(size_t)c * w->d + j] = w->sums[(size_t)c * w->d + j] / (double)w->counts[c];
	return reseed_empty(w, s);
}

/* Lloyd until no label changes, the gain is below the tolerance (relative) or `steps` are done. Ends with an
 * assignment, so labels and inertia are those of the centroids. */
static void lloyd(struct work *w, struct solution *s, unsigned steps, double tolerance)
{
	double before;

	assign_all(w, s);
	for (unsigned i = 0; i < steps && !seg_is_cancelled(w->cancelled); i++) {
		before = s->inertia;
		bool moved = update(w, s);
		bool changed = assign_all(w, s);
		if (!moved && (!changed || before - s->inertia <= tolerance * before))
			break;
	}
}

/* Squared distances of all rows to the row `at`, bounded by `have`; returns their sum. */
static double with_candidate(const struct work *w, size_t at, const double *have, double *ret)
{
	const double *c = w->x + at * w->d;
	double total = 0;

	for (size_t i = 0; i < w->n; i++) {
		const double *row = w->x + i * w->d;
		double dist = 0;
		for (uint32_t j = 0; j < w->d; j++)
			dist += (row[j] - c[j]) * (row[j] - c[j]);
		ret[i] = dist < have[i] ? dist : have[i];
		total += ret[i];
	}
	return total;
}

static size_t draw(struct work *w, const double *weights, double total)
{
	double u = seg_rng_unit(&w->rng) * total;
	size_t last = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (weights[i] <= 0)
			continue;
		last = i;
		u -= weights[i];
		if (u < 0)
			break;
	}
	return last;
}

/* Greedy k-means++ from s->k centroids that are there already (0: the first is a uniform row). */
static void seed(struct work *w, struct solution *s, uint32_t k)
{
	unsigned candidates = 2 + (unsigned)log((double)k);
	double total = 0;

	if (s->k == 0) {
		size_t at = seg_rng_below(&w->rng, w->n);
		for (size_t i = 0; i < w->n; i++)
			w->distance2[i] = INFINITY;
		total = with_candidate(w, at, w->distance2, w->distance2);
		memcpy(s->centroids, w->x + at * w->d, w->d * sizeof(double));
		s->k = 1;
	} else {
		assign_all(w, s);
		total = s->inertia;
	}
	while (s->k < k && total > 0 && !seg_is_cancelled(w->cancelled)) {
		double best_total = INFINITY;
		size_t best = 0;
		for (unsigned i = 0; i < candidates; i++) {
			/* best2 and candidate2 change places below, both are freed. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
			size_t at = draw(w, w->distance2, total);
			double t = with_candidate(w, at, w->distance2, w->candidate2);
			if (t < best_total) {
				double *swap = w->best2;
				w->best2 = w->candidate2;
				w->candidate2 = swap;
				best_total = t;
				best = at;
			}
		}
		memcpy(w->distance2, w->best2, w->n * sizeof(double));
		memcpy(s->centroids + (size_t)s->k * w->d, w->x + best * w->d, w->d * sizeof(double));
		s->k++;
		total = best_total;
	}
}

static void copy_solution(const struct work *w, struct solution *to, const struct solution *from)
{
	to->k = from->k;
	to->inertia = from->inertia;
	memcpy(to->centroids, from->centroids, (size_t)from->k * w->d * sizeof(double));
	memcpy(to->labels, from->labels, w->n * sizeof(uint32_t));
}

static void keep_better(const struct work *w, struct solution *best, const struct solution *s)
{
	/* More clusters come first: fewer means that some were dropped, which only an initial start can do. */
	if (best->k == 0 || s->k > best->k || (s->k == best->k && s->inertia < best->inertia))
		copy_solution(w, best, s);
}

static void swaps(struct work *w, struct solution *best, struct solution *s, uint32_t tries)
{
	for (uint32_t i = 0; i < tries && best->k > 1 && best->inertia > 0 && !seg_is_cancelled(w->cancelled); i++) {
		uint32_t c = (uint32_t)seg_rng_below(&w->rng, best->k);
		size_t at = seg_rng_below(&w->rng, w->n);

		copy_solution(w, s, best);
		memcpy(s->centroids + (size_t)c * w->d, w->x + at * w->d, w->d * sizeof(double));
		lloyd(w, s, SWAP_STEPS, 0);
		if (s->k == best->k && s->inertia < best->inertia)
			copy_solution(w, best, s);
	}
}

static void work_release(struct work *w)
{
	free(w->transposed);
	free(w->sums);
	free(w->counts);
	free(w->distance2);
	free(w->candidate2);
	free(w->best2);
}

static bool work_init(struct work *w, const double *x, size_t n, uint32_t d, uint32_t k, uint64_t seed_value)
{
	*w = (struct work){.x = x, .n = n, .d = d, .k_max = k, .kp_max = padded(k)};
	seg_rng_init(&w->rng, seed_value);
	w->transposed = aligned_alloc(32, (size_t)w->kp_max * d * sizeof(double));
	w->sums = calloc((size_t)k * d, sizeof(double));
	w->counts = calloc(k, sizeof(*w->counts));
	w->distance2 = calloc(n, sizeof(double));
	w->candidate2 = calloc(n, sizeof(double));
	w->best2 = calloc(n, sizeof(double));
	return w->transposed && w->sums && w->counts && w->distance2 && w->candidate2 && w->best2;
}

static bool solution_init(struct solution *s, size_t n, uint32_t d, uint32_t k)
{
	*s = (struct solution){.centroids = malloc((size_t)k * d * sizeof(double)),
			       .labels = calloc(n, sizeof(uint32_t))};
	return s->centroids && s->labels;
}

static void run(struct work *w, const struct seg_kmeans_options *o, struct solution *best, struct solution *s)
{
	uint32_t starts = o->starts ? o->starts : 5;

	for (uint32_t i = 0; i < starts && !seg_is_cancelled(w->cancelled); i++) {
		s->k = 0;
		seed(w, s, o->k);
		lloyd(w, s, LLOYD_START, LLOYD_TOLERANCE);
		keep_better(w, best, s);
	}
	if (o->initial && o->initial_k) {
		s->k = o->initial_k < o->k ? o->initial_k : o->k;
		memcpy(s->centroids, o->initial, (size_t)s->k * w->d * sizeof(double));
		seed(w, s, o->k);
		lloyd(w, s, LLOYD_START, LLOYD_TOLERANCE);
		keep_better(w, best, s);
	}
	swaps(w, best, s, o->swaps == (uint32_t)SEG_KMEANS_SWAPS ? 10 * best->k : o->swaps);
	lloyd(w, best, LLOYD_FINAL, 0);
}

enum seg_rc seg_kmeans_fit(const double *x, size_t n, uint32_t d, const struct seg_kmeans_options *options,
			   struct seg_kmeans *ret, struct seg_error *err)
{
	struct work w;
	struct solution best = {0}, s = {0};
	enum seg_rc rc = SEG_OK;

	if (n == 0 || d == 0 || options->k == 0)
		return seg_error_set(err, SEG_INVALID, "k-means needs rows, columns and k: %zu x %u, k %u", n, d,
				     options->k);
	if (!work_init(&w, x, n, d, options->k, options->seed) || !solution_init(&best, n, d, options->k) ||
	    !solution_init(&s, n, d, options->k)) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "k-means: out of memory (%zu x %u, k %u)", n, d, options->k);
		goto out;
	}
	w.cancelled = options->cancelled;
	run(&w, options, &best, &s);
	if (seg_is_cancelled(options->cancelled)) {
		rc = seg_error_set(err, SEG_RETRY, "k-means: cancelled");
		goto out;
	}
	*ret = (struct seg_kmeans){
		.k = best.k, .inertia = best.inertia, .centroids = best.centroids, .labels = best.labels};
	best = (struct solution){0};
out:
	work_release(&w);
	free(best.centroids);
	free(best.labels);
	free(s.centroids);
	free(s.labels);
	return rc;
}

enum seg_rc seg_kmeans_refine(const double *x, size_t n, uint32_t d, const double *centroids, uint32_t k,
			      unsigned steps, struct seg_kmeans *ret, struct seg_error *err)
{
	struct work w;
	struct solution s = {0};

	if (n == 0 || d == 0 || k == 0)
		return seg_error_set(err, SEG_INVALID, "k-means needs rows, columns and k: %zu x %u, k %u", n, d, k);
	if (!work_init(&w, x, n, d, k, 0) || !solution_init(&s, n, d, k)) {
		work_release(&w);
		free(s.centroids);
		free(s.labels);
		return seg_error_set(err, SEG_NO_MEMORY, "k-means: out of memory (%zu x %u, k %u)", n, d, k);
	}
	s.k = k;
	memcpy(s.centroids, centroids, (size_t)k * d * sizeof(double));
	lloyd(&w, &s, steps, LLOYD_TOLERANCE);
	work_release(&w);
	*ret = (struct seg_kmeans){.k = s.k, .inertia = s.inertia, .centroids = s.centroids, .labels = s.labels};
	return SEG_OK;
}

void seg_kmeans_release(struct seg_kmeans *km)
{
	if (!km)
		return;
	free(km->centroids);
	free(km->labels);
	*km = (struct seg_kmeans){0};
}
