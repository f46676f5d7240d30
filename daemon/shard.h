/*
 * A shard: one partition number in the hands of one owner, without Kafka. It joins the state (state/part.h) to the
 * segmenter: stream time, evaluation at the commit, the rolling scan and the sweep after a promotion, the partition's sums
 * and sample, and the outputs. `run`, `demo`, `replay` and the protocol's property test all drive this code.
 *
 *   open, recover through seg_shard_part(), started, then again and again:
 *   event | refused | end …, prepare, has_work? seal, then committed or aborted, maintain
 *
 * One seal is one commit of this partition number; several shards may share a transaction. Not thread-safe; one owner.
 */
#ifndef SEG_DAEMON_SHARD_H
#define SEG_DAEMON_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/evaluate.h"
#include "daemon/flaps.h"
#include "daemon/pace.h"
#include "daemon/sink.h"
#include "daemon/stream_time.h"
#include "segmenter/model.h"
#include "segmenter/sums.h"
#include "state/part.h"

struct seg_shard;

typedef void (*seg_evaluate_fn)(const struct seg_model *model, const struct seg_profile *p, int64_t now_ms,
				const struct seg_evaluate_rules *rules, struct seg_evaluation *ret);

/* What a shard has done, for metrics and summaries. Plain counters of the owner's thread; counted when committed. */
struct seg_shard_counts {
	uint64_t changes[SEG_REASONS];
	uint64_t suppressed; /* moves that hysteresis or dwell held back */
	uint64_t accepted, duplicates, identified, erased;
	uint64_t late;	       /* accepted, more than `lateness` behind stream time */
	uint64_t below_window; /* accepted, older than all of a full dedup window: a repeat counts again */
	uint64_t evaluated;    /* customers, at commits */
	uint64_t scanned;      /* customers looked at by the rolling scan and sweeps */
	struct seg_moves moves;
};

/* to += from, every counter. */
void seg_shard_counts_add(struct seg_shard_counts *to, const struct seg_shard_counts *from);

struct seg_shard_options {
	const struct seg_config *config; /* borrowed until close */
	struct seg_part_options part;	 /* hook and ctx are the shard's and ignored here */
	const char *topics[SEG_SOURCES]; /* of causes and births; borrowed until close */
	int32_t partitions;		 /* of the inputs, for a first guess at the sample's bound; 0: 1 */
	size_t scan_budget;		 /* customers looked at by one prepare; 0: 5,000 */
	int64_t sums_interval_ms;	 /* least monotonic time between two publications of sums */
	double reread_per_second;	 /* until it is measured; 0: a guess */
	seg_evaluate_fn evaluate;	 /* NULL: seg_evaluate */
};

enum seg_rc seg_shard_open(const struct seg_shard_options *options, struct seg_shard **ret,
			   struct seg_error *err) SEG_MUST_CHECK;
void seg_shard_close(struct seg_shard *shard); /* NULL is fine */

struct seg_part *seg_shard_part(struct seg_shard *shard);
int32_t seg_shard_partition(const struct seg_shard *shard);

/* After seg_part_recovered() (or when the part turned out to be current): stream time, scan and sweep go on from the cut. */
void seg_shard_started(struct seg_shard *shard, const struct seg_now *now);
/* Memory of the part was dropped: sums, queues and marks too. seg_part_recover() and seg_shard_started() come next. */
void seg_shard_drop(struct seg_shard *shard);
/* A recovery was measured (seg_pace_measured); the rate paces the checkpoint cycles. */
void seg_shard_reread(struct seg_shard *shard, uint64_t events, int64_t took_ms);
double seg_shard_reread_rate(const struct seg_shard *shard); /* events a second */

/* An accepted record. Erase records take the customer out. *ret (may be NULL): what became of it. */
enum seg_rc seg_shard_event(struct seg_shard *shard, const struct seg_event *e, int64_t offset, int64_t wall_ms,
			    enum seg_applied *ret, struct seg_error *err) SEG_MUST_CHECK;
/* A record that was refused (its dead letter is the caller's business); time_ms may be SEG_NO_TIME. */
void seg_shard_refused(struct seg_shard *shard, enum seg_source source, int64_t offset, int64_t time_ms,
		       int64_t wall_ms);
/* The end of a source's log; `next` is the position there, transaction markers included. */
void seg_shard_end(struct seg_shard *shard, enum seg_source source, int64_t next);

/* Replay's clock: stream time is at least this, whatever the events say. */
void seg_shard_clock(struct seg_shard *shard, int64_t stream_ms);

/* Moves stream time, scans who is due, takes out who has expired. model may be NULL. */
enum seg_rc seg_shard_prepare(struct seg_shard *shard, const struct seg_model *model, const struct seg_now *now,
			      struct seg_error *err) SEG_MUST_CHECK;
/* Something is to be committed: events, evaluations, sums that are due, a checkpoint that must go on. */
bool seg_shard_has_work(const struct seg_shard *shard, const struct seg_now *now);
/* More customers are due than the last prepare looked at. */
bool seg_shard_scan_waits(const struct seg_shard *shard);

/* Evaluates, and puts all records of this partition's commit into the sink; the cut is the last. *ret_cut: its ticket. */
enum seg_rc seg_shard_seal(struct seg_shard *shard, const struct seg_model *model, const struct seg_now *now,
			   const struct seg_sink *sink, uint32_t *ret_cut, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_shard_committed(struct seg_shard *shard, int64_t cut_offset, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_shard_aborted(struct seg_shard *shard, struct seg_error *err) SEG_MUST_CHECK;

/* Between commits: RocksDB batches of what the cycle has logged, a stretch of the recount, eviction. */
enum seg_rc seg_shard_maintain(struct seg_shard *shard, struct seg_error *err) SEG_MUST_CHECK;

/* Clean stop: from now on cycles go as fast as they can. True once everything committed is in changelog and RocksDB and
 * replay_from is the newest position: commits and maintains until then. */
void seg_shard_flush(struct seg_shard *shard);
bool seg_shard_is_flushed(const struct seg_shard *shard);

const struct seg_stream_time *seg_shard_time(const struct seg_shard *shard);
/* It has been parked, and is current: its inputs may have grown meanwhile. */
void seg_shard_back(struct seg_shard *shard);
const struct seg_sums *seg_shard_sums(const struct seg_shard *shard); /* complete when seg_part_recounted() */
void seg_shard_counts(const struct seg_shard *shard, struct seg_shard_counts *ret);
/* From 0 again, the part's figures of its cache, too: its owner has added them up, and the next one counts its own. */
void seg_shard_counts_forget(struct seg_shard *shard);
/* The promotion for which every customer of this partition has been evaluated. */
uint64_t seg_shard_swept(const struct seg_shard *shard);

#endif
