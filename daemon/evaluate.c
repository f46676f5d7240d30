#include "daemon/evaluate.h"

#include <math.h>
#include <string.h>

static bool has_clusters(const struct seg_model *model)
{
	return model && model->promotion > 0 && model->k > 0;
}

void seg_evaluate(const struct seg_model *model, const struct seg_profile *p, int64_t now_ms,
		  const struct seg_evaluate_rules *rules, struct seg_evaluation *ret)
{
	uint64_t held = p->decision.cluster;
	ret->cluster = 0;
	ret->to = held;
	ret->suppressed = false;
	ret->distance_from = ret->distance_to = ret->margin = NAN;
	memset(&ret->contribution, 0, sizeof(ret->contribution));
	if (!has_clusters(model))
		return;
	seg_basis_values(&model->basis, p, now_ms, &model->constants, ret->values);
	seg_model_vector(model, ret->values, ret->vector);
	struct seg_assignment a;
	seg_model_assign(model, ret->vector, &a);
	ret->cluster = model->clusters[a.nearest];
	ret->margin = a.margin;
	ret->to = seg_model_decide(model, ret->vector, &a, held, p->decision.previous, p->decision.since_ms, now_ms,
				   &rules->moves, &ret->suppressed);
	int from_index = held ? seg_model_index(model, held) : -1;
	if (from_index >= 0)
		ret->distance_from = seg_model_distance(model, ret->vector, (uint32_t)from_index);
	int to_index = seg_model_index(model, ret->to);
	if (to_index >= 0)
		ret->distance_to = seg_model_distance(model, ret->vector, (uint32_t)to_index);
	ret->contribution = (struct seg_contribution){
		.basis = model->basis.id,
		.cluster = ret->cluster,
		.promotion = model->promotion,
		.evaluated_at_ms = now_ms,
		.len = model->basis.len,
		.values = ret->values,
	};
}

bool seg_evaluation_is_unmoved(const struct seg_evaluation *e, const struct seg_model *model,
			       const struct seg_profile *p, const struct seg_evaluate_rules *rules)
{
	const struct seg_contribution *was = &p->contribution;
	const struct seg_contribution *is = &e->contribution;
	if (e->to != p->decision.cluster || was->basis != is->basis || was->cluster != is->cluster ||
	    was->len != is->len)
		return false;
	if (is->basis == 0)
		return true;
	for (uint32_t i = 0; i < is->len; i++) {
		if (was->values[i] == is->values[i])
			continue;
		if (was->values[i] == SEG_MISSING || is->values[i] == SEG_MISSING)
			return false;
		double moved = ((double)is->values[i] - (double)was->values[i]) * model->basis.features[i].quantum;
		if (fabs(moved) >= rules->min_move * model->scale[i].scale)
			return false;
	}
	return true;
}
