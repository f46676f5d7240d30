/* Fitting the scaler: from transformed values to model space. Pure. */
#ifndef SEG_SEGMENTER_SCALER_H
#define SEG_SEGMENTER_SCALER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "segmenter/model.h"

/*
 * Fits mean, scale and imputed value of every feature over rows of transformed values [n * d] (NAN: missing). z: mean
 * and standard deviation (ddof 0). robust: median and interquartile range / 1.349, which falls back to the standard
 * deviation when the quartiles coincide. A scale of 0 becomes 1. SEG_NO_MEMORY.
 */
enum seg_rc seg_scaler_fit(const struct seg_basis *basis, const double *rows, size_t n, struct seg_scale *ret,
			   struct seg_error *err) SEG_MUST_CHECK;

/* Rows [n * d] to model space; missing ones imputed. In place is fine. */
void seg_scaler_apply(const struct seg_scale *scale, uint32_t d, const double *rows, size_t n, double *ret);

/* And back. */
void seg_scaler_invert(const struct seg_scale *scale, uint32_t d, const double *vectors, size_t n, double *ret);

#endif
