#include "http/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "http/metrics_text.h"

/*
 * DESIGN. Series are found through a hash table and listed by family; both only grow, under the lock. What moves are
 * the atomics in a series, and those are written without it. A histogram keeps plain counts per bucket; the renderer
 * adds them up, so that _count always equals the +Inf bucket. _sum is its own atomic and may be an observation ahead.
 */

enum { SLOTS = 1024 };

struct family;

struct seg_metric {
	const struct seg_metric_spec *spec;
	struct seg_metric *next;  /* in the family, in the order of first use */
	struct seg_metric *chain; /* in the hash slot */
	char *labels[SEG_METRIC_LABELS];
	atomic_bool hidden;
	_Atomic uint64_t count;	    /* counter; histogram: above the last bound */
	_Atomic double value;	    /* gauge; histogram: sum */
	_Atomic uint64_t buckets[]; /* histogram: one a bound, not cumulative */
};

struct family {
	const struct seg_metric_spec *spec;
	struct family *next;
	struct seg_metric *first, *last;
};

struct seg_metrics {
	pthread_mutex_t lock;
	struct family *first, *last;
	struct seg_metric *slots[SLOTS];
	size_t series;
};

struct seg_metrics *seg_metrics_new(void)
{
	struct seg_metrics *m = calloc(1, sizeof(*m));

	if (m)
		pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void series_free(struct seg_metric *s)
{
	if (!s)
		return;
	for (int i = 0; i < SEG_METRIC_LABELS; i++)
		free(s->labels[i]);
	free(s);
}

void seg_metrics_free(struct seg_metrics *m)
{
	if (!m)
		return;
	for (struct family *f = m->first, *next; f; f = next) {
		for (struct seg_metric *s = f->first, *after; s; s = after) {
			after = s->next;
			series_free(s);
		}
		next = f->next;
		free(f);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static size_t buckets_of(const struct seg_metric_spec *spec)
{
	if (spec->type != SEG_METRIC_HISTOGRAM)
		return 0;
	return spec->buckets_len < SEG_METRIC_BUCKETS ? spec->buckets_len : SEG_METRIC_BUCKETS;
}

static size_t slot_of(const struct seg_metric_spec *spec, const char *const values[SEG_METRIC_LABELS])
{
	uint64_t h = (uint64_t)(uintptr_t)spec;

	for (int i = 0; i < SEG_METRIC_LABELS; i++) {
		if (spec->labels[i])
			h = h * 0x9e3779b97f4a7c15u + seg_hash64(values[i], strlen(values[i]));
	}
	return (size_t)((h ^ h >> 29) % SLOTS);
}

static bool is_series(const struct seg_metric *s, const struct seg_metric_spec *spec,
		      const char *const values[SEG_METRIC_LABELS])
{
	if (s->spec != spec)
		return false;
	for (int i = 0; i < SEG_METRIC_LABELS; i++) {
		if (spec->labels[i] && strcmp(s->labels[i], values[i]) != 0)
			return false;
	}
	return true;
}

static struct seg_metric *series_new(const struct seg_metric_spec *spec, const char *const values[SEG_METRIC_LABELS])
{
	struct seg_metric *s = calloc(1, sizeof(*s) + buckets_of(spec) * sizeof(s->buckets[0]));

	if (!s)
		return NULL;
	s->spec = spec;
	for (int i = 0; i < SEG_METRIC_LABELS; i++) {
		if (!spec->labels[i])
			continue;
		s->labels[i] = strdup(values[i]);
		if (!s->labels[i]) {
			series_free(s);
			return NULL;
		}
	}
	return s;
}

/* Caller holds the lock. */
static struct family *family_of(struct seg_metrics *m, const struct seg_metric_spec *spec)
{
	struct family *f = m->first;

	while (f && f->spec != spec)
		f = f->next;
	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->spec = spec;
	if (m->last)
		m->last->next = f;
	else
		m->first = f;
	m->last = f;
	return f;
}

/* Caller holds the lock. */
static struct seg_metric *series_add(struct seg_metrics *m, const struct seg_metric_spec *spec,
				     const char *const values[SEG_METRIC_LABELS], size_t slot)
{
	struct family *f = m->series < SEG_METRIC_SERIES_MAX ? family_of(m, spec) : NULL;
	struct seg_metric *s = f ? series_new(spec, values) : NULL;

	if (!s)
		return NULL;
	s->chain = m->slots[slot];
	m->slots[slot] = s;
	if (f->last)
		f->last->next = s;
	else
		f->first = s;
	f->last = s;
	m->series++;
	return s;
}

struct seg_metric *seg_metrics_series(struct seg_metrics *m, const struct seg_metric_spec *spec, const char *first,
				      const char *second)
{
	const char *values[SEG_METRIC_LABELS] = {first ? first : "", second ? second : ""};
	struct seg_metric *s;
	size_t slot;

	if (!m)
		return NULL;
	slot = slot_of(spec, values);
	pthread_mutex_lock(&m->lock);
	for (s = m->slots[slot]; s && !is_series(s, spec, values);)
		s = s->chain;
	if (!s)
		s = series_add(m, spec, values, slot);
	pthread_mutex_unlock(&m->lock);
	return s;
}

void seg_metric_hide(struct seg_metric *s)
{
	if (s)
		atomic_store_explicit(&s->hidden, true, memory_order_relaxed);
}

/* A load first: many threads update one series, and a store would take the cache line from the others. */
static void show(struct seg_metric *s)
{
	if (atomic_load_explicit(&s->hidden, memory_order_relaxed))
		atomic_store_explicit(&s->hidden, false, memory_order_relaxed);
}

void seg_metric_inc(struct seg_metric *s, uint64_t n)
{
	if (!s)
		return;
	atomic_fetch_add_explicit(&s->count, n, memory_order_relaxed);
	show(s);
}

void seg_metric_count_to(struct seg_metric *s, uint64_t total)
{
	uint64_t old;

	if (!s)
		return;
	old = atomic_load_explicit(&s->count, memory_order_relaxed);
	while (total > old && !atomic_compare_exchange_weak_explicit(&s->count, &old, total, memory_order_relaxed,
								     memory_order_relaxed))
		;
	show(s);
}

void seg_metric_set(struct seg_metric *s, double value)
{
	if (!s)
		return;
	atomic_store_explicit(&s->value, value, memory_order_relaxed);
	show(s);
}

void seg_metric_observe(struct seg_metric *s, double value)
{
	double old;
	size_t i = 0, n;

	if (!s || isnan(value))
		return;
	n = buckets_of(s->spec);
	while (i < n && value > s->spec->buckets[i])
		i++;
	atomic_fetch_add_explicit(i < n ? &s->buckets[i] : &s->count, 1, memory_order_relaxed);
	old = atomic_load_explicit(&s->value, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&s->value, &old, old + value, memory_order_relaxed,
						      memory_order_relaxed))
		;
	show(s);
}

/* Copies the buckets, +Inf last, cumulative; returns how many there are. */
static size_t cumulate(const struct seg_metric *s, uint64_t ret[SEG_METRIC_BUCKETS + 1])
{
	size_t n = buckets_of(s->spec);
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		ret[i] = sum += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
	ret[n] = sum + atomic_load_explicit(&s->count, memory_order_relaxed);
	return n + 1;
}

double seg_metric_value(const struct seg_metric *s)
{
	uint64_t counts[SEG_METRIC_BUCKETS + 1];

	if (!s)
		return 0;
	switch (s->spec->type) {
	case SEG_METRIC_COUNTER:
		return (double)atomic_load_explicit(&s->count, memory_order_relaxed);
	case SEG_METRIC_GAUGE:
		return atomic_load_explicit(&s->value, memory_order_relaxed);
	case SEG_METRIC_HISTOGRAM:
		return (double)counts[cumulate(s, counts) - 1];
	}
	return 0;
}

double seg_metric_quantile(const struct seg_metric *s, double q)
{
	uint64_t counts[SEG_METRIC_BUCKETS + 1], before;
	const double *bounds;
	size_t n, i = 0;
	double rank, low;

	if (!s || s->spec->type != SEG_METRIC_HISTOGRAM || !(q > 0 && q < 1))
		return NAN;
	n = cumulate(s, counts) - 1;
	bounds = s->spec->buckets;
	rank = q * (double)counts[n];
	if (counts[n] == 0 || n == 0)
		return NAN;
	while (i < n && (double)counts[i] < rank)
		i++;
	if (i == n) /* above the last bound nothing is known but that */
		return bounds[n - 1];
	before = i ? counts[i - 1] : 0;
	low = i ? bounds[i - 1] : bounds[0] < 0 ? bounds[0] : 0;
	return low + (bounds[i] - low) * (rank - (double)before) / (double)(counts[i] - before);
}

static void render_histogram(struct seg_buf *out, const struct seg_metric *s)
{
	const char *const *labels = (const char *const *)s->labels;
	const struct seg_metric_spec *spec = s->spec;
	uint64_t counts[SEG_METRIC_BUCKETS + 1];
	size_t n = cumulate(s, counts);
	char bound[SEG_METRICS_NUMBER];

	for (size_t i = 0; i < n; i++) {
		seg_metrics_text_double(i + 1 < n ? spec->buckets[i] : INFINITY, bound);
		seg_metrics_text_series(out, spec, "_bucket", labels, bound);
		seg_metrics_text_uint(out, counts[i]);
	}
	seg_metrics_text_series(out, spec, "_sum", labels, NULL);
	seg_metrics_text_value(out, atomic_load_explicit(&s->value, memory_order_relaxed));
	seg_metrics_text_series(out, spec, "_count", labels, NULL);
	seg_metrics_text_uint(out, counts[n - 1]);
}

static void render_series(struct seg_buf *out, const struct seg_metric *s)
{
	const char *const *labels = (const char *const *)s->labels;

	switch (s->spec->type) {
	case SEG_METRIC_COUNTER:
		seg_metrics_text_series(out, s->spec, "", labels, NULL);
		seg_metrics_text_uint(out, atomic_load_explicit(&s->count, memory_order_relaxed));
		break;
	case SEG_METRIC_GAUGE:
		seg_metrics_text_series(out, s->spec, "", labels, NULL);
		seg_metrics_text_value(out, atomic_load_explicit(&s->value, memory_order_relaxed));
		break;
	case SEG_METRIC_HISTOGRAM:
		render_histogram(out, s);
		break;
	}
}

static void render_family(struct seg_buf *out, const struct family *f)
{
	bool header = false;

	for (const struct seg_metric *s = f->first; s; s = s->next) {
		if (atomic_load_explicit(&s->hidden, memory_order_relaxed))
			continue;
		if (!header)
			seg_metrics_text_header(out, f->spec);
		header = true;
		render_series(out, s);
	}
}

enum seg_rc seg_metrics_render(struct seg_metrics *m, struct seg_buf *out, struct seg_error *err)
{
	pthread_mutex_lock(&m->lock);
	for (const struct family *f = m->first; f; f = f->next)
		render_family(out, f);
	pthread_mutex_unlock(&m->lock);
	if (out->failed)
		return seg_error_set(err, SEG_LIMIT, "the metrics need more than %zu bytes, or memory is short",
				     out->max);
	return SEG_OK;
}
