/* Inside of a shard, for daemon/shard*.c only. */
#ifndef SEG_DAEMON_SHARD_INTERNAL_H
#define SEG_DAEMON_SHARD_INTERNAL_H

#include "base/buf.h"
#include "base/mutant.h"
#include "daemon/sample.h"
#include "daemon/shard.h"
#include "segmenter/rule.h"

/* A customer who was taken out (erasure, expiry) and whose change to null goes with the next commit. */
struct seg_leaver {
	char *id; /* owned */
	uint32_t id_len;
	enum seg_reason reason;
	struct seg_decision was;
	bool has_cause;
	enum seg_source source;
	int64_t offset;
};

struct seg_leavers {
	struct seg_leaver *items;
	size_t len, cap;
	size_t sealed; /* the first ones that the commit under way carries */
};

/* The rolling scan: customers whose slot lies in stream time up to `done_ms` have been looked at. */
struct seg_scan_state {
	int64_t done_ms; /* SEG_NO_TIME: not begun */
	bool within;	 /* the budget ended within the slots of done_ms: it goes on at hash `next` */
	uint64_t next;
	uint64_t sweep_promotion; /* whole sweeps have been done up to this promotion */
	uint64_t sweep_target;	  /* running sweep's promotion; 0: none runs */
	uint64_t sweep_next;	  /* hash it goes on from */
	bool waits;		  /* the budget ended before the work did */
};

struct seg_sums_state {
	int64_t sent_mono_ms;	     /* of the last publication; SEG_NO_TIME */
	bool resend;		     /* all pieces, not only what changed: first time, or after an abort */
	bool sealed;		     /* the commit under way carries sums */
	struct seg_sums_close close; /* the one published last; clusters owned */
	struct seg_sums_close sealed_close;
};

struct seg_shard {
	struct seg_shard_options options;
	const struct seg_config *config;
	struct seg_part *part;
	struct seg_stream_time time;
	struct seg_evaluate_rules rules;
	struct seg_pace pace;
	seg_evaluate_fn evaluate;
	struct seg_rule_set *rule_set; /* of the configuration */
	size_t rule_set_len;

	struct seg_sums *sums;
	struct seg_basis basis; /* of the newest model used; id 0: none */
	struct seg_sums_state publication;
	struct seg_sample sample;
	struct seg_scan_state scan;
	struct seg_leavers leavers;

	const struct seg_model *model;	 /* while prepare or seal runs */
	struct seg_model *used, *before; /* counted: the newest one used, and that of the promotion before it */
	uint64_t sweep_at_prepare; /* sweep_next before this prepare: whose hash is not below it moves by the model */
	bool sweeping_at_prepare;
	uint64_t model_version; /* of the last seal */
	int64_t cycle_mono_ms;	/* when the running cycle began */
	bool flush;
	/* Committed; in the commit under way; since then. */
	struct seg_shard_counts counts, sealed_counts, open_counts;
	struct seg_buf key, value;
	struct seg_evaluation evaluation;
};

/* shard_cycle.c: how far the running cycle should be by now, 0 to 1. */
double seg_shard_cycle_progress(const struct seg_shard *shard, const struct seg_part_numbers *n,
				const struct seg_now *now);

/* shard_scan.c */
enum seg_rc seg_shard_scan(struct seg_shard *shard, struct seg_error *err) SEG_MUST_CHECK;

/* shard_rules.c */
/* As of stream time other rules hold than the customer is told to be in. */
bool seg_shard_rules_moved(const struct seg_shard *shard, const struct seg_profile *p);
/* Sends the customer's changes of rule segments as of stream_ms, and puts them into the decision (number and rules). */
enum seg_rc seg_shard_rules_decide(struct seg_shard *shard, const struct seg_entry *entry, int64_t stream_ms,
				   const struct seg_now *now, const struct seg_sink *sink,
				   struct seg_decision *decision, struct seg_error *err) SEG_MUST_CHECK;

/* shard_leave.c */
enum seg_rc seg_shard_leave(struct seg_shard *shard, struct seg_str id, enum seg_reason reason,
			    const struct seg_event *cause, int64_t offset, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_shard_leavers_send(struct seg_shard *shard, const struct seg_now *now, const struct seg_sink *sink,
				   struct seg_error *err) SEG_MUST_CHECK;
void seg_leavers_drop(struct seg_leavers *l, size_t first);
void seg_leavers_clear(struct seg_leavers *l);

/* The grid of the histograms comes with the model: no recount before there is one, if there ever was. */
static inline bool seg_shard_can_recount(const struct seg_shard *shard)
{
	return shard->basis.id != 0 || shard->model_version == 0;
}

/* shard_sums.c */
/* Something that readers of the sums do not know yet. */
bool seg_shard_sums_untold(const struct seg_shard *shard);
bool seg_shard_sums_due(const struct seg_shard *shard, const struct seg_now *now, bool with_commit);
enum seg_rc seg_shard_sums_send(struct seg_shard *shard, const struct seg_now *now, const struct seg_sink *sink,
				struct seg_error *err) SEG_MUST_CHECK;
void seg_shard_sums_committed(struct seg_shard *shard);
void seg_shard_sums_aborted(struct seg_shard *shard);

#endif
