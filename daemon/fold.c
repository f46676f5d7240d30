#include "daemon/fold.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mutant.h"
#include "segmenter/catalogue.h"
#include "state/codec.h"

enum { MODEL_MAX = 4 * 1024 * 1024, KEY_MAX = 64 };

struct seg_fold {
	struct seg_fold_options options;
	struct seg_learner *learner;
	struct seg_learner_news news; /* waits for its commit; the learner's until the next tick */
	bool waiting, sealed;
	struct seg_model *model;     /* counted */
	struct seg_model *candidate; /* of the news that wait; counted */
	int64_t ticked_mono_ms;	     /* SEG_NO_TIME */
	uint64_t alerts;
	struct seg_buf value;

	struct seg_refit *refit; /* under way */
	pthread_t thread;
	atomic_bool refit_done;
	bool fitting;
};

/* ---- settings ---- */

static enum seg_rc feature_configs(const struct seg_config *config, struct seg_learner_config *ret,
				   struct seg_error *err)
{
	if (config->features.preset) {
		ret->features_len = (uint32_t)seg_preset(config->features.preset, ret->features, SEG_MAX_FEATURES);
		return ret->features_len > 0 ? SEG_OK
					     : seg_error_set(err, SEG_INVALID, "features: no preset is called %s",
							     config->features.preset);
	}
	if (config->features.len > SEG_MAX_FEATURES)
		return seg_error_set(err, SEG_LIMIT, "features: %zu are configured, at most %d can be used",
				     config->features.len, SEG_MAX_FEATURES);
	for (size_t i = 0; i < config->features.len; i++) {
		const struct seg_config_feature *from = &config->features.items[i];
		struct seg_feature_config *to = &ret->features[i];
		size_t len = strlen(from->name);
		if (len >= sizeof(to->name))
			return seg_error_set(err, SEG_LIMIT, "features: the name %.40s… is longer than %zu bytes",
					     from->name, sizeof(to->name) - 1);
		memcpy(to->name, from->name, len + 1);
		int at = seg_catalogue_find(from->name);
		if (from->transform == SEG_CONFIG_TRANSFORM_AUTO)
			to->transform = at >= 0				       ? seg_catalogue_at((size_t)at)->transform
					: seg_attribute_is_one_hot(from->name) ? SEG_LINEAR
									       : SEG_LOG1P;
		else
			to->transform = (enum seg_transform)from->transform;
		to->scaler = (enum seg_scaler_kind)from->scaler;
		to->impute = (enum seg_impute)from->impute;
		to->weight = from->weight;
	}
	ret->features_len = (uint32_t)config->features.len;
	return SEG_OK;
}

enum seg_rc seg_learner_config_from(const struct seg_config *config, struct seg_learner_config *ret,
				    struct seg_error *err)
{
	*ret = (struct seg_learner_config){
		.k_auto = config->segmenter.k == 0,
		.k = (uint32_t)config->segmenter.k,
		.k_min = (uint32_t)config->segmenter.k_min,
		.k_max = (uint32_t)config->segmenter.k_max,
		.min_customers = (uint64_t)config->segmenter.min_customers,
		.seed = (uint64_t)config->segmenter.seed,
		.refit_sample = (uint32_t)config->segmenter.refit.sample,
		.refit_interval_ms = config->segmenter.refit.interval_ms,
		.gate = {config->segmenter.gate.gain, config->segmenter.gate.silhouette,
			 config->segmenter.gate.stability, config->segmenter.gate.moved,
			 config->segmenter.gate.min_size},
		.refit_on_drift = config->drift.refit == SEG_CONFIG_DRIFT_REFIT_AUTO,
		.horizon_weeks = (double)config->lifetime_value.horizon_ms / (7.0 * (double)SEG_DAY_MS),
		.promotion_manual = config->segmenter.promotion == SEG_CONFIG_PROMOTION_MANUAL,
		.hysteresis = config->segmenter.hysteresis,
		.drift_window_ms = config->drift.window_ms,
		.psi_warning = config->drift.psi_warning,
		.psi_critical = config->drift.psi_critical,
	};
	for (int i = 0; i < SEG_SOURCES; i++)
		snprintf(ret->topics[i], sizeof(ret->topics[i]), "%s", config->sources[i].topic);
	if (!seg_config_pca(config->segmenter.pca, &ret->pca.components, &ret->pca.share))
		return seg_error_set(err, SEG_INVALID, "segmenter.pca: %s", config->segmenter.pca);
	return feature_configs(config, ret, err);
}

/* ---- lifecycle ---- */

static enum seg_rc new_learner(const struct seg_config *from, struct seg_learner **ret, struct seg_error *err)
{
	struct seg_learner_config *config = malloc(sizeof(*config));
	if (!config)
		return seg_error_set(err, SEG_NO_MEMORY, "fold: out of memory");
	enum seg_rc rc = seg_learner_config_from(from, config, err);
	if (!rc)
		rc = seg_learner_new(config, ret, err);
	free(config);
	return rc;
}

enum seg_rc seg_fold_new(const struct seg_fold_options *options, struct seg_fold **ret, struct seg_error *err)
{
	struct seg_fold *fold = calloc(1, sizeof(*fold));
	if (!fold)
		return seg_error_set(err, SEG_NO_MEMORY, "fold: out of memory");
	fold->options = *options;
	fold->ticked_mono_ms = SEG_NO_TIME;
	seg_buf_init(&fold->value, MODEL_MAX);
	enum seg_rc rc = new_learner(options->config, &fold->learner, err);
	if (rc) {
		seg_fold_free(fold);
		return rc;
	}
	*ret = fold;
	return SEG_OK;
}

static void *run_refit(void *arg)
{
	struct seg_fold *fold = arg;
	seg_refit_run(fold->refit);
	atomic_store(&fold->refit_done, true);
	return NULL;
}

/* Nobody waits for the result of a fit that is under way: a revocation or a stop must not. */
static void abandon_refit(struct seg_fold *fold)
{
	seg_refit_cancel(fold->refit);
	if (fold->fitting)
		pthread_join(fold->thread, NULL);
	fold->fitting = false;
	seg_refit_free(fold->refit);
	fold->refit = NULL;
}

void seg_fold_free(struct seg_fold *fold)
{
	if (!fold)
		return;
	abandon_refit(fold);
	seg_learner_free(fold->learner);
	seg_model_put(fold->model);
	seg_model_put(fold->candidate);
	seg_buf_release(&fold->value);
	free(fold);
}

enum seg_rc seg_fold_begin(struct seg_fold *fold, struct seg_model *current, struct seg_error *err)
{
	struct seg_learner *learner = NULL;
	abandon_refit(fold);
	/* A new one: what the old one made may never have been published. */
	enum seg_rc rc = new_learner(fold->options.config, &learner, err);
	if (rc)
		return rc;
	seg_learner_free(fold->learner);
	fold->learner = learner;
	memset(&fold->news, 0, sizeof(fold->news));
	fold->waiting = fold->sealed = false;
	fold->ticked_mono_ms = SEG_NO_TIME;
	seg_model_put(fold->model);
	fold->model = current ? seg_model_get(current) : NULL;
	return seg_learner_start(fold->learner, SEG_MUTANT(FOLD_FORGETS) ? NULL : current, err);
}

void seg_fold_take_candidate(struct seg_fold *fold, struct seg_model *candidate)
{
	seg_learner_take_candidate(fold->learner, candidate);
}

/* ---- records ---- */

static bool parse_number(const char **at, const char *end, uint64_t *ret)
{
	uint64_t n = 0;
	const char *from = *at;
	while (*at < end && **at >= '0' && **at <= '9') {
		if (n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(**at - '0');
		(*at)++;
	}
	*ret = n;
	return *at > from;
}

static enum seg_rc take_sums(struct seg_fold *fold, const char *at, const char *end, struct seg_str value,
			     struct seg_error *err)
{
	uint64_t partition, cluster;
	if (!parse_number(&at, end, &partition) || partition > INT32_MAX)
		return SEG_SKIP;
	if (at == end)
		return value.ptr ? seg_learner_take_close(fold->learner, (int32_t)partition, value.ptr, value.len, err)
				 : SEG_SKIP;
	if (*at++ != '/' || !parse_number(&at, end, &cluster) || at != end)
		return SEG_SKIP;
	return seg_learner_take_piece(fold->learner, (int32_t)partition, cluster, value.ptr, value.len, err);
}

static enum seg_rc take_sample(struct seg_fold *fold, struct seg_str id, struct seg_str value, struct seg_error *err)
{
	struct seg_profile *profile = NULL;
	if (value.ptr) {
		enum seg_rc rc = seg_profile_decode(value.ptr, value.len, &profile, err);
		if (rc)
			return rc;
	}
	return seg_learner_take_sample(fold->learner, id, profile, err);
}

enum seg_rc seg_fold_take(struct seg_fold *fold, struct seg_str key, struct seg_str value, struct seg_error *err)
{
	static const char SUMS[] = "sums/", SAMPLE[] = "sample/";
	if (key.len >= sizeof(SUMS) - 1 && memcmp(key.ptr, SUMS, sizeof(SUMS) - 1) == 0)
		return take_sums(fold, key.ptr + sizeof(SUMS) - 1, key.ptr + key.len, value, err);
	size_t prefix = sizeof(SAMPLE) - 1;
	if (key.len > prefix && memcmp(key.ptr, SAMPLE, prefix) == 0)
		return take_sample(fold, (struct seg_str){key.ptr + prefix, key.len - (uint32_t)prefix}, value, err);
	return SEG_SKIP;
}

/* ---- learning ---- */

static enum seg_rc begin_refit(struct seg_fold *fold, struct seg_error *err)
{
	fold->refit = seg_learner_refit_begin(fold->learner, seg_learner_now(fold->learner));
	if (!fold->refit)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	atomic_store(&fold->refit_done, false);
	if (fold->options.in_place) {
		seg_refit_run(fold->refit);
		atomic_store(&fold->refit_done, true);
		return SEG_OK;
	}
	int failed = pthread_create(&fold->thread, NULL, run_refit, fold);
	if (failed) {
		seg_refit_free(fold->refit);
		fold->refit = NULL;
		return seg_error_set(err, SEG_RETRY, "refit: no thread: %s", strerror(failed));
	}
	fold->fitting = true;
	return SEG_OK;
}

/* Takes in a fit that is done. */
static enum seg_rc end_refit(struct seg_fold *fold, struct seg_error *err)
{
	if (!fold->refit || !atomic_load(&fold->refit_done))
		return SEG_OK;
	if (fold->fitting)
		pthread_join(fold->thread, NULL);
	fold->fitting = false;
	struct seg_refit *done = fold->refit;
	fold->refit = NULL;
	return seg_learner_refit_end(fold->learner, done, err);
}

static enum seg_rc learn(struct seg_fold *fold, struct seg_error *err)
{
	enum seg_rc rc = seg_learner_tick(fold->learner, seg_learner_now(fold->learner), fold->options.partitions,
					  &fold->news, err);
	if (rc)
		return rc;
	seg_model_put(fold->candidate);
	fold->candidate = fold->news.candidate ? seg_model_get(fold->news.candidate) : NULL;
	fold->waiting = fold->news.model || fold->news.segments_len > 0 || fold->news.alerts_len > 0 ||
			fold->news.unkept_len > 0;
	if (fold->news.model) {
		seg_model_put(fold->model);
		fold->model = seg_model_get(fold->news.model);
	}
	return SEG_OK;
}

enum seg_rc seg_fold_tick(struct seg_fold *fold, const struct seg_now *now, struct seg_error *err)
{
	if (fold->waiting || seg_learner_now(fold->learner) == SEG_NO_TIME)
		return SEG_OK;
	if (fold->ticked_mono_ms != SEG_NO_TIME && now->mono_ms - fold->ticked_mono_ms < fold->options.tick_interval_ms)
		return SEG_OK;
	fold->ticked_mono_ms = now->mono_ms;
	enum seg_rc rc = end_refit(fold, err);
	if (!rc)
		rc = learn(fold, err);
	if (rc || !fold->news.refit_due || fold->refit)
		return rc;
	rc = begin_refit(fold, err);
	/* In place the result is there at once: publish it in the same commit, unless other news must go first. */
	if (rc || !fold->options.in_place)
		return rc;
	rc = end_refit(fold, err);
	if (!rc && !fold->waiting)
		rc = learn(fold, err);
	return rc;
}

bool seg_fold_has_work(const struct seg_fold *fold)
{
	return fold->waiting;
}

/* ---- publishing ---- */

static enum seg_rc send_version(struct seg_fold *fold, const struct seg_model *model, const struct seg_sink *sink,
				struct seg_error *err)
{
	char key[KEY_MAX];
	seg_buf_clear(&fold->value);
	enum seg_rc rc = seg_model_encode(model, &fold->value, err);
	if (rc)
		return rc;
	struct seg_str value = {(const char *)fold->value.data, (uint32_t)fold->value.len};
	snprintf(key, sizeof(key), "v/%" PRIu64, model->promotion);
	return sink->internal(sink->ctx, SEG_INTERNAL_MODEL, 0, seg_str_from(key), value, NULL, err);
}

static enum seg_rc send_model(struct seg_fold *fold, const struct seg_sink *sink, struct seg_error *err)
{
	struct seg_model *model = fold->news.model;
	if (!model)
		return SEG_OK;
	enum seg_rc rc = fold->news.promoted ? send_version(fold, model, sink, err) : SEG_OK;
	if (rc)
		return rc;
	seg_buf_clear(&fold->value);
	rc = seg_model_encode(model, &fold->value, err);
	if (rc)
		return rc;
	struct seg_str value = {(const char *)fold->value.data, (uint32_t)fold->value.len};
	return sink->internal(sink->ctx, SEG_INTERNAL_MODEL, 0, seg_str_from("current"), value, NULL, err);
}

enum seg_rc seg_fold_seal(struct seg_fold *fold, const struct seg_sink *sink, struct seg_error *err)
{
	if (!fold->waiting)
		return SEG_OK;
	const struct seg_learner_news *news = &fold->news;
	enum seg_rc rc = send_model(fold, sink, err);
	if (!rc && fold->candidate)
		rc = send_version(fold, fold->candidate, sink, err);
	for (uint32_t i = 0; !rc && i < news->unkept_len; i++) {
		char key[KEY_MAX];
		snprintf(key, sizeof(key), "v/%" PRIu64, news->unkept[i]);
		rc = sink->internal(sink->ctx, SEG_INTERNAL_MODEL, 0, seg_str_from(key), (struct seg_str){NULL, 0},
				    NULL, err);
	}
	for (uint32_t i = 0; !rc && i < news->segments_len; i++)
		rc = sink->segment(sink->ctx, &news->segments[i], err);
	for (uint32_t i = 0; !rc && i < news->alerts_len; i++)
		rc = sink->alert(sink->ctx, &news->alerts[i], err);
	if (!rc)
		fold->sealed = true;
	return rc;
}

void seg_fold_committed(struct seg_fold *fold)
{
	if (!fold->sealed)
		return;
	fold->alerts += fold->news.alerts_len;
	fold->waiting = fold->sealed = false;
}

void seg_fold_aborted(struct seg_fold *fold)
{
	fold->sealed = false;
}

struct seg_model *seg_fold_model(const struct seg_fold *fold)
{
	return fold->model;
}

struct seg_learner *seg_fold_learner(struct seg_fold *fold)
{
	return fold->learner;
}

void seg_fold_request_refit(struct seg_fold *fold)
{
	seg_learner_request_refit(fold->learner);
}

/* What waits for its commit must go out as it was made. */
static enum seg_rc may_command(const struct seg_fold *fold, struct seg_error *err)
{
	if (fold->waiting || seg_learner_now(fold->learner) == SEG_NO_TIME)
		return seg_error_set(err, SEG_RETRY, "the model is being published: try again in a second");
	return SEG_OK;
}

enum seg_rc seg_fold_promote(struct seg_fold *fold, uint64_t version, struct seg_error *err)
{
	enum seg_rc rc = may_command(fold, err);
	return rc ? rc : seg_learner_promote(fold->learner, version, seg_learner_now(fold->learner), err);
}

enum seg_rc seg_fold_rollback(struct seg_fold *fold, const struct seg_model *to, struct seg_error *err)
{
	enum seg_rc rc = may_command(fold, err);
	return rc ? rc : seg_learner_rollback(fold->learner, to, seg_learner_now(fold->learner), err);
}

enum seg_rc seg_fold_alias(struct seg_fold *fold, uint64_t cluster, const char *alias, struct seg_error *err)
{
	return seg_learner_alias(fold->learner, cluster, alias, err);
}

bool seg_fold_is_fitting(const struct seg_fold *fold)
{
	return fold->fitting;
}

uint64_t seg_fold_alerts(const struct seg_fold *fold)
{
	return fold->alerts;
}
