/* The folder that replay writes: one container file an output, and the state at an instant. One owner. */
#ifndef SEG_DAEMON_REPLAY_FILES_H
#define SEG_DAEMON_REPLAY_FILES_H

#include "daemon/shard.h"
#include "daemon/sink.h"
#include "segmenter/basis.h"
#include "segmenter/learner.h"
#include "segmenter/model.h"

struct seg_replay_files;

/* Makes the folder if it is not there. SEG_INVALID: it is not empty. */
enum seg_rc seg_replay_files_open(const char *folder, struct seg_replay_files **ret,
				  struct seg_error *err) SEG_MUST_CHECK;
/* Closes all files; frees in any case. */
enum seg_rc seg_replay_files_close(struct seg_replay_files *f, struct seg_error *err);

enum seg_rc seg_replay_files_change(struct seg_replay_files *f, const struct seg_change *c,
				    struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_replay_files_segment(struct seg_replay_files *f, const struct seg_segment_row *r,
				     struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_replay_files_alert(struct seg_replay_files *f, const struct seg_alert *a,
				   struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_replay_files_dead_letter(struct seg_replay_files *f, const struct seg_dead_letter *d,
					 struct seg_error *err) SEG_MUST_CHECK;

/* A line of refits.jsonl: {number, time_ms, reason, k, customers, gain, promoted, error, before, model}. `before` is the model
 * that was current when the promotion came and `model` the one promoted, both in the form of model.json; before is null at
 * the first fit, both are null if the attempt was held or failed (`after` NULL). */
enum seg_rc seg_replay_files_refit(struct seg_replay_files *f, const struct seg_refit_record *record,
				   const struct seg_model *before, const struct seg_model *after,
				   struct seg_error *err) SEG_MUST_CHECK;

/* The state at an instant. */
struct seg_replay_moment {
	struct seg_shard *shard;
	const struct seg_model *model; /* NULL: none yet */
	const struct seg_basis *configured;
	int64_t now_ms;
};

/* customers.avro and model.json of the moment: into the folder, or into checkpoints/YYYY-MM-DD below it. */
enum seg_rc seg_replay_files_moment(struct seg_replay_files *f, const struct seg_replay_moment *moment, bool checkpoint,
				    struct seg_error *err) SEG_MUST_CHECK;

#endif
