/* The assignment problem: rows to columns at the least total cost. Pure. */
#ifndef SEG_SEGMENTER_HUNGARIAN_H
#define SEG_SEGMENTER_HUNGARIAN_H

#include <stdint.h>

#include "base/error.h"

/*
 * Kuhn-Munkres by shortest augmenting paths with potentials (Jonker & Volgenant 1987), O(min² · max). cost is row-major
 * [rows * cols], finite. ret_column[row] is its column, or -1 when there are more rows than columns and this one is left
 * over: min(rows, cols) pairs are made. SEG_NO_MEMORY.
 */
enum seg_rc seg_hungarian(const double *cost, uint32_t rows, uint32_t cols, int32_t *ret_column,
			  struct seg_error *err) SEG_MUST_CHECK;

#endif
