#include "segmenter/hungarian.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Rows and columns are numbered from 1 inside, 0 is the artificial column that a search starts from; n <= m. */
struct problem {
	const double *cost;
	bool transposed;
	uint32_t n, m;
	double *u, *v;	  /* potentials of rows and columns */
	double *slack;	  /* least reduced cost of each column in this search */
	uint32_t *row_of; /* row that holds the column */
	uint32_t *way;	  /* column before it on the path */
	bool *done;
};

static double cost_at(const struct problem *p, uint32_t row, uint32_t col)
{
	return p->transposed ? p->cost[(size_t)(col - 1) * p->n + (row - 1)]
			     : p->cost[(size_t)(row - 1) * p->m + (col - 1)];
}

/* One step of Dijkstra: relaxes the columns from that of `col`, and returns the nearest that is not done. */
static uint32_t advance(struct problem *p, uint32_t col)
{
	uint32_t row = p->row_of[col], next = 0;
	double delta = INFINITY;

	p->done[col] = true;
	for (uint32_t j = 1; j <= p->m; j++) {
		if (p->done[j])
			continue;
		double reduced = cost_at(p, row, j) - p->u[row] - p->v[j];
		if (reduced < p->slack[j]) {
			p->slack[j] = reduced;
			p->way[j] = col;
		}
		if (p->slack[j] < delta) {
			delta = p->slack[j];
			next = j;
		}
	}
	for (uint32_t j = 0; j <= p->m; j++) {
		if (p->done[j]) {
			p->u[p->row_of[j]] += delta;
			p->v[j] -= delta;
		} else {
			p->slack[j] -= delta;
		}
	}
	return next;
}

static void augment(struct problem *p, uint32_t row)
{
	uint32_t col = 0;

	p->row_of[0] = row;
	for (uint32_t j = 0; j <= p->m; j++) {
		p->slack[j] = INFINITY;
		p->done[j] = false;
	}
	do
		col = advance(p, col);
	while (p->row_of[col]);
	for (; col; col = p->way[col])
		p->row_of[col] = p->row_of[p->way[col]];
}

enum seg_rc seg_hungarian(const double *cost, uint32_t rows, uint32_t cols, int32_t *ret_column, struct seg_error *err)
{
	struct problem p = {.cost = cost, .transposed = rows > cols};
	enum seg_rc rc = SEG_OK;

	p.n = p.transposed ? cols : rows;
	p.m = p.transposed ? rows : cols;
	p.u = calloc(p.n + 1, sizeof(*p.u));
	p.v = calloc(p.m + 1, sizeof(*p.v));
	p.slack = calloc(p.m + 1, sizeof(*p.slack));
	p.row_of = calloc(p.m + 1, sizeof(*p.row_of));
	p.way = calloc(p.m + 1, sizeof(*p.way));
	p.done = calloc(p.m + 1, sizeof(*p.done));
	if (!p.u || !p.v || !p.slack || !p.row_of || !p.way || !p.done) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "assignment: out of memory (%u x %u)", rows, cols);
		goto out;
	}
	for (uint32_t i = 1; i <= p.n; i++)
		augment(&p, i);
	for (uint32_t i = 0; i < rows; i++)
		ret_column[i] = -1;
	for (uint32_t j = 1; j <= p.m; j++) {
		if (!p.row_of[j])
			continue;
		if (p.transposed)
			ret_column[j - 1] = (int32_t)p.row_of[j] - 1;
		else
			ret_column[p.row_of[j] - 1] = (int32_t)j - 1;
	}
out:
	free(p.u);
	free(p.v);
	free(p.slack);
	free(p.row_of);
	free(p.way);
	free(p.done);
	return rc;
}
