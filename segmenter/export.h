/*
 * What replay writes beside the outputs: the model as `model.json` and one row a customer. Pure; the scratch belongs to
 * its caller and is used by one thread at a time.
 */
#ifndef SEG_SEGMENTER_EXPORT_H
#define SEG_SEGMENTER_EXPORT_H

#include "base/buf.h"
#include "base/outputs.h"
#include "segmenter/model.h"

/* model.json: {version, promotion, time_ms, first_fit_ms, features, pca, centroids}; means, imputed and transformed values
 * in transformed, unscaled units, 64-bit ids as strings, unknown times and numbers null. m may be NULL: before the first
 * model. Byte for byte the same for the same model. SEG_LIMIT, SEG_NO_MEMORY. */
enum seg_rc seg_model_export(const struct seg_model *m, struct seg_buf *out, struct seg_error *err) SEG_MUST_CHECK;

enum { SEG_CATALOGUE_MAX = 128 };

/* Memory for one row. */
struct seg_row_scratch {
	struct seg_named_value features[SEG_CATALOGUE_MAX + SEG_MAX_FEATURES];
	int32_t values[SEG_MAX_FEATURES];
	double transformed[SEG_MAX_FEATURES], vector[SEG_MAX_FEATURES];
};

/*
 * The customer as of now_ms: the whole catalogue and the configured attributes, the model's features as the model sees
 * them (fixed point), and where the current centroids put them. `configured` is the basis of the configuration; once m
 * has clusters, m's own counts. m may be NULL. The row points into p, m, configured and scratch.
 */
void seg_customer_row_fill(const struct seg_model *m, const struct seg_basis *configured, const struct seg_profile *p,
			   int64_t now_ms, struct seg_row_scratch *scratch, struct seg_customer_row *ret);

#endif
