#include "segmenter/matching.h"

#include <math.h>
#include <stdlib.h>

#include "segmenter/hungarian.h"

/* The same segment: a fifth of all their members is in both, or most of the smaller one's. */
#define JACCARD_LEAST 0.2
#define INSIDE_LEAST 0.5
#define SPLIT_SHARE (1.0 / 3)
#define MERGE_SHARE 0.5

struct table {
	size_t *both, *in_old, *in_new; /* members: [new_k * old_k], [old_k], [new_k] */
	double *cost;
	int32_t *column;
	bool *taken; /* old clusters that live on */
};

static void table_release(struct table *t)
{
	free(t->both);
	free(t->in_old);
	free(t->in_new);
	free(t->cost);
	free(t->column);
	free(t->taken);
}

static enum seg_rc table_init(struct table *t, const struct seg_match_input *in, struct seg_error *err)
{
	size_t cells = (size_t)in->new_k * in->old_k + 1;

	*t = (struct table){
		.both = calloc(cells, sizeof(*t->both)),
		.in_old = calloc((size_t)in->old_k + 1, sizeof(*t->in_old)),
		.in_new = calloc((size_t)in->new_k + 1, sizeof(*t->in_new)),
		.cost = calloc(cells, sizeof(*t->cost)),
		.column = calloc((size_t)in->new_k + 1, sizeof(*t->column)),
		.taken = calloc((size_t)in->old_k + 1, sizeof(*t->taken)),
	};
	if (!t->both || !t->in_old || !t->in_new || !t->cost || !t->column || !t->taken)
		return seg_error_set(err, SEG_NO_MEMORY, "matching: out of memory (%u x %u)", in->new_k, in->old_k);
	for (size_t i = 0; i < in->n; i++) {
		t->in_new[in->new_labels[i]]++;
		if (in->old_k == 0)
			continue;
		t->both[(size_t)in->new_labels[i] * in->old_k + in->old_labels[i]]++;
		t->in_old[in->old_labels[i]]++;
	}
	return SEG_OK;
}

static double jaccard(const struct table *t, const struct seg_match_input *in, uint32_t i, uint32_t j)
{
	size_t both = t->both[(size_t)i * in->old_k + j], any = t->in_new[i] + t->in_old[j] - both;

	return any ? (double)both / (double)any : 0;
}

static bool same_segment(const struct table *t, const struct seg_match_input *in, uint32_t i, uint32_t j)
{
	size_t both = t->both[(size_t)i * in->old_k + j];
	size_t smaller = t->in_new[i] < t->in_old[j] ? t->in_new[i] : t->in_old[j];

	if (in->old_gone && in->old_gone[j])
		return false;
	return jaccard(t, in, i, j) >= JACCARD_LEAST || (smaller && (double)both >= INSIDE_LEAST * (double)smaller);
}

static void fill_cost(struct table *t, const struct seg_match_input *in)
{
	for (uint32_t i = 0; i < in->new_k; i++)
		for (uint32_t j = 0; j < in->old_k; j++) {
			size_t at = (size_t)i * in->old_k + j;
			double apart = in->distances ? in->distances[at] : 0;
			t->cost[at] = 1 - jaccard(t, in, i, j) + 0.5 * apart / (apart + in->spread);
			/* A pair that would be refused must not take the place of one that would hold. */
			if (!same_segment(t, in, i, j))
				t->cost[at] += 4;
		}
}

static void add_parent(struct seg_match *m, uint64_t cluster)
{
	if (m->parents_len < SEG_MAX_PARENTS)
		m->parents[m->parents_len++] = cluster;
}

/* A new cluster: split off the old one that gave most, if that lives on and gave a good share. */
static void tell_new(const struct table *t, const struct seg_match_input *in, uint32_t i, struct seg_match *m)
{
	uint32_t from = 0;

	m->origin = SEG_ORIGIN_CREATED;
	for (uint32_t j = 1; j < in->old_k; j++)
		if (t->both[(size_t)i * in->old_k + j] > t->both[(size_t)i * in->old_k + from])
			from = j;
	if (in->old_k == 0 || !t->taken[from] || t->in_old[from] == 0)
		return;
	if ((double)t->both[(size_t)i * in->old_k + from] < SPLIT_SHARE * (double)t->in_old[from])
		return;
	m->origin = SEG_ORIGIN_SPLIT;
	add_parent(m, in->old_clusters[from]);
}

static void tell_kept(const struct table *t, const struct seg_match_input *in, uint32_t i, struct seg_match *m)
{
	m->origin = SEG_ORIGIN_KEPT;
	for (uint32_t j = 0; j < in->old_k; j++) {
		if (t->taken[j] || t->in_old[j] == 0)
			continue;
		if ((double)t->both[(size_t)i * in->old_k + j] < MERGE_SHARE * (double)t->in_old[j])
			continue;
		if (m->origin == SEG_ORIGIN_KEPT)
			add_parent(m, in->old_clusters[m->old]);
		m->origin = SEG_ORIGIN_MERGED;
		add_parent(m, in->old_clusters[j]);
	}
}

enum seg_rc seg_match_clusters(const struct seg_match_input *in, struct seg_match *ret, struct seg_error *err)
{
	struct table t;
	enum seg_rc rc = table_init(&t, in, err);

	if (rc)
		goto out;
	for (uint32_t i = 0; i < in->new_k; i++)
		t.column[i] = -1;
	if (in->old_k && in->new_k) {
		fill_cost(&t, in);
		rc = seg_hungarian(t.cost, in->new_k, in->old_k, t.column, err);
		if (rc)
			goto out;
	}
	for (uint32_t i = 0; i < in->new_k; i++) {
		ret[i] = (struct seg_match){.old = -1};
		if (t.column[i] < 0 || !same_segment(&t, in, i, (uint32_t)t.column[i]))
			continue;
		ret[i].old = t.column[i];
		t.taken[t.column[i]] = true;
	}
	for (uint32_t i = 0; i < in->new_k; i++) {
		if (ret[i].old < 0)
			tell_new(&t, in, i, &ret[i]);
		else
			tell_kept(&t, in, i, &ret[i]);
	}
out:
	table_release(&t);
	return rc;
}
