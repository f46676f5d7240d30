/*
 * Several partition numbers with real shards and one fold, over topics in memory: commits that succeed, abort, are lost or
 * of unknown outcome, crashes with recovery, partitions and folds that move, models that arrive late. For the fold's
 * property test (histories.c). A rule that does not hold ends the history: violation().
 */
#ifndef SEG_TESTS_FLEET_H
#define SEG_TESTS_FLEET_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/rng.h"
#include "config/config.h"
#include "daemon/fold.h"
#include "daemon/shard.h"

enum { PARTITIONS_MAX = 3, CUSTOMERS_MAX = 160, CONFIGS = 2 };

struct record {
	struct seg_str key, value; /* owned; value.ptr NULL: tombstone */
};

struct topic {
	struct record *items;
	size_t len, cap;
};

struct input {
	int customer;
	int64_t time_ms;
	double amount; /* of orders */
};

struct inputs {
	struct input *items;
	size_t len, cap;
};

/* What a partition's sums must be when a sequence of them is closed: the recount at that commit. */
struct told {
	uint64_t sequence;
	struct seg_sums *sums;
};

/* A partition number and whoever has it. */
struct lane {
	int32_t partition;
	struct seg_shard *shard;
	struct inputs inputs[SEG_SOURCES];
	struct topic changelog;
	struct seg_group group;
	struct seg_model *model; /* as its worker has it: may be old */
	struct told *told;
	size_t told_len, told_cap;
};

struct folding {
	struct seg_fold *fold;
	size_t read[PARTITIONS_MAX + 1]; /* of the sums' topic, by partition; samples last */
	size_t ready_at;		 /* records there were when it was assigned */
	size_t compacted;		 /* it sees the topic as compaction has left it up to here */
	bool ready;
	uint64_t sequences[PARTITIONS_MAX]; /* seen by the last check */
};

enum outcome { OUTCOME_COMMITTED, OUTCOME_ABORTED, OUTCOME_LOST, OUTCOME_UNKNOWN };

struct fleet_counts {
	uint64_t commits, aborts, crashes, moves, models, promotions, folds, bases, erasures, repeats;
};

struct fleet {
	struct seg_rng rng;
	struct seg_config *configs[CONFIGS]; /* the second has another basis */
	int config;
	struct seg_store_env *env;
	int32_t partitions;
	int customers;
	struct lane lanes[PARTITIONS_MAX];
	struct topic sums;
	struct folding folding, zombie;	     /* the zombie's fold: NULL, there is none */
	struct seg_model *model;	     /* newest committed; NULL */
	uint64_t highest_number;	     /* of a promotion or candidate that was published */
	struct topic pending[SEG_INTERNALS]; /* of the open transaction */
	size_t pending_cut;
	int64_t fail_after; /* records until the transaction takes no more; -1: never */
	int64_t now_ms;
	struct fleet_counts counts;
	jmp_buf failed;
	char why[1024];
};

_Noreturn void violation(struct fleet *f, const char *fmt, ...) SEG_PRINTF(2, 3);
#define need(f, ok, ...)                                                                                               \
	do {                                                                                                           \
		if (!(ok))                                                                                             \
			violation(f, __VA_ARGS__);                                                                     \
	} while (0)

/* After setjmp(f->failed). */
void fleet_open(struct fleet *f, uint64_t seed);
void fleet_close(struct fleet *f);

bool fleet_chance(struct fleet *f, double p);
size_t fleet_below(struct fleet *f, size_t n);

void fleet_order(struct fleet *f, int customer, double amount);
void fleet_erase(struct fleet *f, int customer);

/* The lane's worker reads on, at most `max` records of each source. */
void lane_read(struct fleet *f, struct lane *l, size_t max);
/* One commit, if there is something to commit; what follows from the outcome, too. */
bool lane_commit(struct fleet *f, struct lane *l, enum outcome outcome);
void lane_take_model(struct fleet *f, struct lane *l);
void lane_crash(struct fleet *f, struct lane *l);
/* Another owner, without or with the store. */
void lane_move(struct fleet *f, struct lane *l);

/* Another owner; the old one may live on as a zombie. */
void fold_move(struct fleet *f, bool zombie);
/* Reads at most max records of one partition, or of the sample. */
void fold_read(struct fleet *f, struct folding *g, size_t max);
void fold_read_all(struct fleet *f, struct folding *g);
/* What it has of each partition must be what that told when the sequence was closed. */
void fold_check(struct fleet *f, struct folding *g);
/* Some of what it has read comes once more. */
void fold_repeat(struct fleet *f, struct folding *g);
/* Learns and publishes; true if it had something. */
bool fold_publish(struct fleet *f, enum outcome outcome);
/* What nobody may see: its group has another member now. */
void zombie_step(struct fleet *f);

#endif
