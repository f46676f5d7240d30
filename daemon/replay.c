/*
 * DESIGN. One shard of partition 0 over a store in memory, and a fold whose fits run in place. The sink writes outputs to
 * files, gives the sums straight to the fold, and takes the model that the fold publishes as the one for the next commit:
 * the way over Kafka without Kafka. Nothing can be aborted here, so what the sink gets counts at once.
 */
#include "daemon/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "consumers/clean.h"
#include "consumers/file_source.h"
#include "daemon/fold.h"
#include "daemon/intake.h"
#include "daemon/progress.h"
#include "daemon/replay_files.h"
#include "daemon/shard.h"
#include "daemon/summary.h"

#define HOUR_MS INT64_C(3600000)

enum { ROUNDS_MAX = 1000, HURRIED_MAX = 10000, SCAN_BUDGET = 10000 };

struct replay {
	const struct seg_replay_options *options;
	const struct seg_config *config;
	struct seg_intake *intake;
	struct seg_file_source *source;
	struct seg_replay_files *files;
	struct seg_store_env *env;
	struct seg_shard *shard;
	struct seg_fold *fold;
	struct seg_basis configured;
	struct seg_model *model; /* counted */
	struct seg_sink sink;
	struct seg_summary summary;
	int64_t now_ms; /* stream time; SEG_NO_TIME before the first event */
	int64_t next_checkpoint_ms;
	int64_t next[SEG_SOURCES]; /* running number of a source's records: their offsets */
	int64_t cuts;
	size_t in_commit;
	uint64_t refits_told; /* attempts in refits.jsonl */
};

/* ---- sink ---- */

static enum seg_rc sink_change(void *ctx, int32_t partition, const struct seg_change *c, struct seg_error *err)
{
	struct replay *r = ctx;
	(void)partition;
	return seg_replay_files_change(r->files, c, err);
}

static enum seg_rc sink_segment(void *ctx, const struct seg_segment_row *row, struct seg_error *err)
{
	struct replay *r = ctx;
	return seg_replay_files_segment(r->files, row, err);
}

static enum seg_rc sink_alert(void *ctx, const struct seg_alert *a, struct seg_error *err)
{
	struct replay *r = ctx;
	return seg_replay_files_alert(r->files, a, err);
}

static enum seg_rc sink_dead_letter(void *ctx, const struct seg_dead_letter *d, struct seg_error *err)
{
	struct replay *r = ctx;
	return seg_replay_files_dead_letter(r->files, d, err);
}

/* What a reader of the record would decode is what the fold has. */
static void take_model(struct replay *r)
{
	struct seg_model *model = seg_model_get(seg_fold_model(r->fold));
	seg_model_put(r->model);
	r->model = model;
}

static enum seg_rc sink_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
				 struct seg_str value, uint32_t *ret_ticket, struct seg_error *err)
{
	struct replay *r = ctx;
	(void)partition;
	if (ret_ticket)
		*ret_ticket = 0;
	switch (topic) {
	case SEG_INTERNAL_CHANGELOG:
		return SEG_OK;
	case SEG_INTERNAL_SUMS:
		return seg_fold_take(r->fold, key, value, err);
	case SEG_INTERNAL_MODEL:
		if (seg_str_is(key, "current"))
			take_model(r);
		return SEG_OK;
	case SEG_INTERNALS:
		break;
	}
	return SEG_OK;
}

/* ---- beginning ---- */

static enum seg_rc open_source(struct replay *r, struct seg_error *err)
{
	struct seg_file_source_options options = {
		.paths = r->options->inputs,
		.paths_len = r->options->inputs_len,
	};
	for (int s = 0; s < SEG_SOURCES; s++) {
		options.sources[s] = *seg_intake_decoding(r->intake, (enum seg_source)s);
		options.read[s] = r->config->sources[s].read;
	}
	return seg_file_source_open(&options, &r->source, err);
}

static enum seg_rc open_shard(struct replay *r, struct seg_error *err)
{
	struct seg_store_options store = {.in_memory = true};
	enum seg_rc rc = seg_store_env_new(&store, &r->env, err);
	if (rc)
		return rc;
	struct seg_shard_options options = {
		.config = r->config,
		.scan_budget = SCAN_BUDGET,
		.part = {.env = r->env, .dir = "/replay", .memory_bytes = (size_t)r->config->memory.total_bytes},
	};
	seg_cut_init(&options.part.identity);
	for (int s = 0; s < SEG_SOURCES; s++) {
		options.topics[s] = seg_source_names[s];
		options.part.aggregates.window[s] = (uint32_t)r->config->dedup.window;
	}
	rc = seg_shard_open(&options, &r->shard, err);
	if (rc)
		return rc;
	/* An empty log: nothing to recover, and the part is ready. */
	struct seg_part *part = seg_shard_part(r->shard);
	struct seg_recovery facts = {.changelog_low = 0, .changelog_high = 0};
	int64_t from, re_from[SEG_SOURCES], re_to[SEG_SOURCES];
	bool warn;
	for (int s = 0; s < SEG_SOURCES; s++)
		facts.group.next[s] = -1;
	rc = seg_part_recover(part, &facts, &from, NULL, err);
	if (!rc)
		rc = seg_part_taken(part, re_from, re_to, &warn, err);
	if (!rc)
		rc = seg_part_recovered(part, err);
	for (int s = 0; !rc && s < SEG_SOURCES; s++) {
		if (r->config->sources[s].read)
			seg_part_set_start(part, (enum seg_source)s, 0);
	}
	return rc;
}

static enum seg_rc open_fold(struct replay *r, struct seg_error *err)
{
	struct seg_fold_options options = {.config = r->config, .partitions = 1, .in_place = true};
	struct seg_learner_config *learner = malloc(sizeof(*learner));
	if (!learner)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	enum seg_rc rc = seg_learner_config_from(r->config, learner, err);
	if (!rc)
		rc = seg_basis_init(&r->configured, learner->features, learner->features_len, NULL, err);
	free(learner);
	if (!rc)
		rc = seg_fold_new(&options, &r->fold, err);
	return rc ? rc : seg_fold_begin(r->fold, NULL, err);
}

static enum seg_rc begin(struct replay *r, struct seg_error *err)
{
	r->sink = (struct seg_sink){sink_change, sink_dead_letter, sink_segment, sink_alert, sink_internal, r};
	r->now_ms = r->next_checkpoint_ms = SEG_NO_TIME;
	enum seg_rc rc = seg_intake_new(r->config, 0, &r->intake, err);
	if (!rc)
		rc = open_source(r, err);
	if (!rc)
		rc = open_shard(r, err);
	if (!rc)
		rc = open_fold(r, err);
	return rc ? rc : seg_replay_files_open(r->options->output, &r->files, err);
}

static void end(struct replay *r)
{
	seg_replay_files_close(r->files, NULL);
	seg_fold_free(r->fold);
	seg_shard_close(r->shard);
	seg_store_env_free(r->env);
	seg_file_source_close(r->source);
	seg_intake_free(r->intake);
	seg_model_put(r->model);
}

/* ---- the walk ---- */

static enum seg_rc commit_once(struct replay *r, const struct seg_now *now, struct seg_error *err)
{
	uint32_t cut;
	enum seg_rc rc = seg_shard_prepare(r->shard, r->model, now, err);
	if (rc || !(seg_shard_has_work(r->shard, now) || seg_part_hurry(seg_shard_part(r->shard))))
		return rc;
	rc = seg_shard_seal(r->shard, r->model, now, &r->sink, &cut, err);
	if (!rc)
		rc = seg_shard_committed(r->shard, r->cuts++, err);
	return rc ? rc : seg_shard_maintain(r->shard, err);
}

/* Everyone who is due, all under the same model; a stretch a commit, so that memory stays bounded. */
static enum seg_rc commit_all(struct replay *r, const struct seg_now *now, struct seg_error *err)
{
	for (int hurried = 0; hurried < HURRIED_MAX;) {
		hurried = seg_part_hurry(seg_shard_part(r->shard)) ? hurried + 1 : 0;
		enum seg_rc rc = commit_once(r, now, err);
		if (rc || !seg_shard_scan_waits(r->shard))
			return rc;
	}
	return seg_error_set(err, SEG_LIMIT,
			     "memory.total is too small: %d commits in a row could not bring memory below it",
			     HURRIED_MAX);
}

/* An attempt that was held or failed is told at once, one that was promoted when its model is out. */
static enum seg_rc tell_refit(struct replay *r, const struct seg_model *before, struct seg_error *err)
{
	struct seg_refit_record record;
	bool promoted = r->model && r->model->promotion != (before ? before->promotion : 0);
	if (!seg_learner_last_refit(seg_fold_learner(r->fold), &record) ||
	    (!promoted && (record.promoted || record.number == r->refits_told)))
		return SEG_OK;
	r->refits_told = record.number;
	return seg_replay_files_refit(r->files, &record, before, promoted ? r->model : NULL, err);
}

/* What the fold makes of the commit. *ret_promoted: everyone is to be looked at again. */
static enum seg_rc fold_once(struct replay *r, const struct seg_now *now, bool *ret_promoted, struct seg_error *err)
{
	struct seg_model *before = seg_model_get(r->model);
	enum seg_rc rc = seg_fold_tick(r->fold, now, err);
	*ret_promoted = false;
	if (!rc && seg_fold_has_work(r->fold)) {
		rc = seg_fold_seal(r->fold, &r->sink, err);
		if (!rc) {
			seg_fold_committed(r->fold);
			*ret_promoted = r->model && r->model->promotion != (before ? before->promotion : 0);
		}
	}
	if (!rc)
		rc = tell_refit(r, before, err);
	seg_model_put(before);
	return rc;
}

/* A commit now, and what the model makes of it: what a fit or a promotion leads to belongs to the same instant; a revision
 * alone waits for the next commit. */
static enum seg_rc commit(struct replay *r, struct seg_error *err)
{
	/* No time passes for checkpoint cycles: nothing is recovered from a replay, so only events and memory drive them. */
	struct seg_now now = {.wall_ms = r->now_ms, .mono_ms = 0};
	bool promoted = true;
	r->in_commit = 0;
	for (int round = 0; promoted && round < ROUNDS_MAX; round++) {
		enum seg_rc rc = commit_all(r, &now, err);
		if (!rc)
			rc = fold_once(r, &now, &promoted, err);
		if (rc)
			return rc;
	}
	return SEG_OK;
}

static enum seg_rc write_moment(struct replay *r, bool checkpoint, struct seg_error *err)
{
	struct seg_replay_moment moment = {r->shard, r->model, &r->configured, r->now_ms};
	return seg_replay_files_moment(r->files, &moment, checkpoint, err);
}

static int64_t floor_to(int64_t ms, int64_t step)
{
	int64_t within = ms % step;
	return ms - (within < 0 ? within + step : within);
}

static void set_clock(struct replay *r, int64_t ms)
{
	r->now_ms = ms;
	seg_shard_clock(r->shard, ms);
}

/* Walks on to an instant, hour by hour, through silence too. */
static enum seg_rc walk_to(struct replay *r, int64_t to_ms, struct seg_error *err)
{
	while (r->now_ms < to_ms) {
		int64_t hour = floor_to(r->now_ms, HOUR_MS) + HOUR_MS;
		set_clock(r, hour < to_ms ? hour : to_ms);
		enum seg_rc rc = commit(r, err);
		if (rc)
			return rc;
		if (r->next_checkpoint_ms != SEG_NO_TIME && r->now_ms >= r->next_checkpoint_ms) {
			rc = write_moment(r, true, err);
			if (rc)
				return rc;
			r->next_checkpoint_ms += r->options->checkpoint_days * SEG_DAY_MS;
		}
	}
	return SEG_OK;
}

static void begin_clock(struct replay *r, int64_t first_ms)
{
	set_clock(r, floor_to(first_ms, HOUR_MS));
	if (r->options->checkpoint_days > 0)
		r->next_checkpoint_ms = floor_to(first_ms, SEG_DAY_MS) + r->options->checkpoint_days * SEG_DAY_MS;
}

static enum seg_rc refuse(struct replay *r, const struct seg_file_record *record, enum seg_refusal refusal,
			  const char *text, const char *schema, int64_t offset, struct seg_error *err)
{
	struct seg_dead_letter letter = {
		.value = record->raw,
		.topic = seg_source_names[record->source],
		.offset = offset,
		.timestamp_ms = record->time_ms,
		.reason = seg_refusal_code(refusal),
		.text = text,
		.schema_id = schema[0] ? seg_str_from(schema) : (struct seg_str){NULL, 0},
	};
	r->summary.dead_letters[refusal]++;
	enum seg_rc rc = sink_dead_letter(r, &letter, err);
	if (!rc)
		seg_shard_refused(r->shard, record->source, offset, SEG_NO_TIME, r->now_ms);
	return rc;
}

/*
 * The clock goes to a record's hour before it is taken, whether it is refused or not. A record without any time, or with an
 * absurd one (it is refused for that), has no hour of its own.
 */
static enum seg_rc place_record(struct replay *r, const struct seg_file_record *record, struct seg_error *err)
{
	if (!seg_time_plausible(record->time_ms))
		return SEG_OK;
	if (r->now_ms == SEG_NO_TIME)
		begin_clock(r, record->time_ms);
	return walk_to(r, floor_to(record->time_ms, HOUR_MS), err);
}

static enum seg_rc take_record(struct replay *r, const struct seg_file_record *record, struct seg_error *err)
{
	int64_t offset = r->next[record->source]++;
	r->summary.events++;
	r->in_commit++;
	if (record->refusal)
		return refuse(r, record, record->refusal, record->why->text, record->why->schema_id, offset, err);
	enum seg_refusal refusal = seg_intake_clean(r->intake, record->event);
	if (refusal)
		return refuse(r, record, refusal, seg_intake_text(r->intake), seg_intake_schema(r->intake), offset,
			      err);
	return seg_shard_event(r->shard, record->event, offset, r->now_ms, NULL, err);
}

static enum seg_rc walk(struct replay *r, struct seg_error *err)
{
	struct seg_progress progress;
	struct seg_file_record record;
	uint64_t total = seg_file_source_records(r->source), done = 0;
	enum seg_rc rc;
	seg_progress_start(&progress, r->options->progress, total);
	while (!(rc = seg_file_source_next(r->source, &record, err))) {
		if (r->options->until_ms != SEG_NO_TIME && record.time_ms != SEG_NO_TIME &&
		    record.time_ms >= r->options->until_ms)
			break;
		rc = place_record(r, &record, err);
		if (!rc)
			rc = take_record(r, &record, err);
		if (!rc && r->in_commit >= (size_t)r->config->commit.max_events && r->now_ms != SEG_NO_TIME)
			rc = commit(r, err);
		if (rc)
			break;
		char day[16] = "";
		if (r->now_ms != SEG_NO_TIME)
			seg_date_format(r->now_ms, day);
		seg_progress_show(&progress, ++done, day);
	}
	seg_progress_end(&progress);
	if (rc && rc != SEG_NOT_FOUND)
		return rc;
	if (r->now_ms == SEG_NO_TIME)
		return SEG_OK;
	return walk_to(r, r->options->until_ms != SEG_NO_TIME ? r->options->until_ms : r->now_ms + HOUR_MS, err);
}

static enum seg_rc summarise(struct replay *r, FILE *out, int64_t began_ms, struct seg_error *err)
{
	struct seg_shard_counts counts;
	struct seg_part_numbers n;
	seg_shard_counts(r->shard, &counts);
	seg_part_numbers(seg_shard_part(r->shard), &n);
	r->summary.accepted = counts.accepted;
	r->summary.duplicates = counts.duplicates;
	memcpy(r->summary.changes, counts.changes, sizeof(counts.changes));
	r->summary.customers = n.customers;
	r->summary.alerts = seg_fold_alerts(r->fold);
	r->summary.model = r->model;
	seg_learner_quality(seg_fold_learner(r->fold), r->now_ms, &r->summary.quality);
	r->summary.seconds = (double)(seg_monotonic_ms() - began_ms) / 1000.0;
	return seg_summary_print(&r->summary, out, err);
}

enum seg_rc seg_replay(const struct seg_replay_options *options, FILE *out, struct seg_error *err)
{
	int64_t began_ms = seg_monotonic_ms();
	struct replay *r = calloc(1, sizeof(*r));
	if (!r)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	r->options = options;
	r->config = options->config;
	enum seg_rc rc = begin(r, err);
	if (!rc)
		rc = walk(r, err);
	if (!rc)
		rc = write_moment(r, false, err);
	if (!rc) {
		rc = seg_replay_files_close(r->files, err);
		r->files = NULL;
	}
	if (!rc)
		rc = summarise(r, out, began_ms, err);
	end(r);
	free(r);
	return rc;
}
