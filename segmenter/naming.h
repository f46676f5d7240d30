/*
 * Readable names of segments, from what distinguishes them: an RFM archetype where recency, frequency and monetary
 * value are features ("lapsing high-value"), else the words of the strongest z-scores. Pure.
 *
 * A name comes with its reason, and stays as long as the reason holds (with some slack); names are unique.
 */
#ifndef SEG_SEGMENTER_NAMING_H
#define SEG_SEGMENTER_NAMING_H

#include <stdbool.h>
#include <stdint.h>

#include "segmenter/basis.h"
#include "segmenter/model.h"

enum { SEG_NAME_TERMS = 2, SEG_ARCHETYPE_MAX = 32 };

struct seg_name_term {
	char feature[SEG_FEATURE_NAME_MAX];
	int sign; /* 1: more than others, -1: less */
};

struct seg_name_reason {
	char archetype[SEG_ARCHETYPE_MAX]; /* "": none */
	struct seg_name_term terms[SEG_NAME_TERMS];
	uint32_t terms_len;
};

struct seg_naming {
	const struct seg_basis *basis;
	uint32_t k;
	const double *zscores;		     /* [k * basis->len] of the centroids against all customers */
	const double *frequencies;	     /* [k] purchases at the centroid; NULL: frequency is no feature */
	const bool *named;		     /* [k] names[i] and reasons[i] hold an earlier name */
	char (*names)[SEG_SEGMENT_NAME_MAX]; /* [k] in and out */
	struct seg_name_reason *reasons;     /* [k] in and out */
};

/* Keeps the names whose reasons hold and gives the others new ones. True: a name changed. */
bool seg_names_choose(const struct seg_naming *in);

/* z-scores [k * d] of the model's centroids against the mean of all customers; shares [k] weigh the clusters. */
void seg_model_zscores(const struct seg_model *m, const double *shares, double *ret);

#endif
