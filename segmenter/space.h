/*
 * Model space: the way from transformed values to the vectors that distances are taken of. Scale, then what is missing is
 * filled in, then principal components if wanted. Pure; plain memory.
 */
#ifndef SEG_SEGMENTER_SPACE_H
#define SEG_SEGMENTER_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "segmenter/basis.h"

struct seg_scale;

/* Principal components of scaled rows (Jolliffe 2002): y = components (v - mean). Rows of components are orthonormal,
 * strongest first, each with its largest loading positive. */
struct seg_pca {
	uint32_t n, d;
	double *mean;	    /* [d] */
	double *components; /* [n * d] */
	double *variance;   /* [n], of each component */
	double total;	    /* variance of all d */
};

/* How many components: a number, or as many as this share of variance needs; both 0: no PCA. */
struct seg_pca_wish {
	uint32_t components;
	double share; /* 0 to 1 */
};

/* By LAPACK's dsyevd on the covariance (n in the denominator) of x [rows * d]. Components without variance are left out (at
 * least one stays). SEG_INVALID: no rows; SEG_NO_MEMORY. Free with seg_pca_free(). */
enum seg_rc seg_pca_fit(const double *x, size_t rows, uint32_t d, const struct seg_pca_wish *wish, struct seg_pca **ret,
			struct seg_error *err) SEG_MUST_CHECK;
struct seg_pca *seg_pca_new(uint32_t n, uint32_t d); /* all 0; NULL: no memory */
struct seg_pca *seg_pca_copy(const struct seg_pca *pca);
void seg_pca_free(struct seg_pca *pca);
/* v [d] to ret [n]. */
void seg_pca_apply(const struct seg_pca *pca, const double *v, double *ret);

/* Rows of the sample that lend their values where a feature is imputed by kNN. */
enum { SEG_DONORS_MAX = 256, SEG_NEIGHBOURS = 5 };
struct seg_donors {
	uint32_t n, d;
	double *rows; /* [n * d] scaled; NAN: missing */
};
struct seg_donors *seg_donors_new(uint32_t n, uint32_t d); /* rows all 0; NULL: no memory */
struct seg_donors *seg_donors_copy(const struct seg_donors *donors);
void seg_donors_free(struct seg_donors *donors);

struct seg_space {
	const struct seg_basis *basis;
	const struct seg_scale *scale; /* [basis->len] */
	const double *centroids; /* [k * d] scaled, for imputation by segment; NULL: not yet, imputed as by mean */
	uint32_t k;
	const struct seg_donors *donors; /* for imputation by kNN; NULL: as by mean */
	const struct seg_pca *pca;	 /* NULL: none */
};

static inline uint32_t seg_space_dims(const struct seg_space *s)
{
	return s->pca ? s->pca->n : s->basis->len;
}

/* Some feature is imputed by segment or kNN: what is missing depends on the rest of the row. */
bool seg_basis_imputes_by_row(const struct seg_basis *basis);

/* Rows [n * d] of transformed values (NAN: missing) to scaled ones, nothing missing. Imputation: mean, mode and zero by the
 * scale's figure; segment: the value of the centroid that is nearest on the observed features; kNN: the mean of the
 * SEG_NEIGHBOURS donors that have the feature and are nearest on the features that both have (Troyanskaya et al. 2001). Where
 * nothing is observed, or no donor has it, the scale's figure. */
void seg_space_fill(const struct seg_space *s, const double *rows, size_t n, double *ret);
/* And into model space [n * dims]. ret may not be rows. */
void seg_space_apply(const struct seg_space *s, const double *rows, size_t n, double *ret);

#endif
