/*
 * A small world around the learner, for tests: customers with orders in some partitions, their contributions and sums as
 * workers keep them, and the records that would go to <app>-model-sums. Everything is exact and deterministic; one
 * owner. Calls end the test (cmocka) or the program by assert-like checks when memory or an encoder fails.
 */
#ifndef SEG_TESTS_FOLD_WORLD_H
#define SEG_TESTS_FOLD_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/profile.h"
#include "segmenter/learner.h"
#include "segmenter/sums.h"

enum { WORLD_PARTITIONS_MAX = 8 };

/* A record of the log, as the fold reads it. */
enum world_kind { WORLD_PIECE, WORLD_CLOSE, WORLD_SAMPLE };
struct world_record {
	enum world_kind kind;
	int32_t partition;
	uint64_t cluster;
	struct seg_str customer; /* owned */
	void *value;		 /* owned, NULL: tombstone; of samples: struct seg_profile * */
	size_t len;
};

struct world_customer {
	struct seg_profile *profile;
	int32_t partition;
	bool sampled, sample_dirty;
};

struct world_part {
	struct seg_sums *sums;
	uint64_t sequence, customers, swept;
};

struct world {
	int32_t partitions;
	struct world_part parts[WORLD_PARTITIONS_MAX];
	struct world_customer *customers;
	size_t len, cap;
	struct seg_model *model; /* reference */
	struct world_record *log;
	size_t log_len, log_cap;
	size_t fed; /* records given to the learner so far */
	int64_t now_ms;
};

void world_init(struct world *w, int32_t partitions);
void world_release(struct world *w);

/* A new customer; index. */
size_t world_customer(struct world *w, const char *id);
/* Somebody else takes the place of one who left: out of the sums and the sample. */
void world_replace(struct world *w, size_t customer, const char *id);
void world_purchase(struct world *w, size_t customer, int64_t time_ms, int64_t amount_micro);

/* Evaluates one customer, or all, at w->now_ms under the current model. */
void world_evaluate(struct world *w, size_t customer);
void world_evaluate_all(struct world *w);

/* Writes what changed to the log: pieces and closing records of all partitions, samples by the model's bound. */
void world_publish(struct world *w);

/* Gives the learner what it has not had yet; from 0 on for a new one. Returns the next position. */
size_t world_feed(struct world *w, struct seg_learner *l, size_t from);

/* Takes the learner's new model (NULL: none); a new promotion sweeps everybody. */
void world_take_model(struct world *w, struct seg_model *m);

/* publish, feed, tick, and a refit with its tick, sweep, publish and tick when one is due. Returns what was told last. */
struct world_step {
	uint32_t promotions, attempts, alerts;
	bool raised; /* an alert was raised or escalated */
};
struct world_step world_step(struct world *w, struct seg_learner *l);

#endif
