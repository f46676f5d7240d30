/*
 * The world of a history: input logs with gaps, the transactional compacted changelog, the group's offsets, what
 * committed transactions have put out. No code of the engine; a port of the protocol model's Kafka.
 */
#ifndef SEG_TESTS_WORLD_H
#define SEG_TESTS_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "base/profile.h"
#include "base/rng.h"
#include "state/aggregate.h"
#include "state/part.h"

enum { CUSTOMERS = 5, WINDOW = 2, INPUT_MAX = 256, TXN_MAX = 512, LOG_MAX = 4096 };

enum input_kind { IN_EVENT, IN_BAD, IN_ERASE, IN_IDENTIFY };

struct input {
	int64_t offset;
	enum input_kind kind;
	int customer;
	unsigned id;
};

enum { RULES = 3 };

struct output {
	int customer;
	int rule; /* 1 to RULES: of this rule segment, in (to 1) or out (to 0); 0: of the decided ones */
	enum seg_source birth_source;
	int64_t birth_offset;
	uint64_t n, from, to;
	bool has_cause;
	enum seg_source source;
	int64_t offset;
	int64_t lo[SEG_SOURCES], hi[SEG_SOURCES];
};

struct erased {
	int customer;
	int64_t stay_out[SEG_SOURCES];
};

struct dead_letter {
	enum seg_source source;
	int64_t offset;
};

struct outputs {
	struct output *items;
	size_t len, cap;
};

enum txn_state { TXN_OPEN, TXN_PREPARED, TXN_COMMITTED, TXN_ABORTED };

struct worker;

struct txn {
	const struct worker *by; /* NULL: a zombie */
	enum txn_state state;
	int64_t first; /* offset of its first changelog record; -1 */
	bool has_offsets;
	struct seg_group offsets;
	struct outputs outputs;
	struct erased erased[8];
	size_t erased_len;
	struct dead_letter dead[64];
	size_t dead_len;
};

struct record {
	int64_t offset, wall_ms;
	struct txn *txn;
	struct seg_str key, value; /* owned; value.ptr NULL: tombstone */
};

struct world {
	struct seg_rng rng;
	uint64_t seed;
	struct input inputs[SEG_SOURCES][INPUT_MAX];
	size_t inputs_len[SEG_SOURCES];
	int64_t end[SEG_SOURCES];
	struct record log[LOG_MAX];
	size_t log_len;
	int64_t log_end;
	struct txn *txns[TXN_MAX];
	size_t txns_len;
	struct seg_group group;
	struct outputs outputs;
	struct dead_letter dead[INPUT_MAX];
	size_t dead_len;
	struct erased erased[CUSTOMERS];
	int64_t wall_ms, retention_ms; /* how long tombstones are kept; varies from history to history */
	double hurry, storm,
		lively; /* how fast checkpoints go, how often it crashes, how much customers change; 0 to 1, for a
					 * while */
	uint64_t commits;

	struct seg_profile *truth[CUSTOMERS]; /* as of `truth_of` commits */
	uint64_t truth_of;
	struct seg_event event; /* scratch */

	bool (*refuses)(void); /* whether the transaction refuses this record; NULL: it never does */

	jmp_buf failed;
	char why[1024];
};

/* Above 0 while the engine has called back into the harness: what is tested are the engine's own calls. */
extern unsigned world_in_harness;

void world_init(struct world *w, uint64_t seed);
/* Another mood. */
void world_change(struct world *w);
void world_release(struct world *w);

_Noreturn void violation(struct world *w, const char *fmt, ...) SEG_PRINTF(2, 3);
#define need(w, ok, ...)                                                                                               \
	do {                                                                                                           \
		if (!(ok))                                                                                             \
			violation(w, __VA_ARGS__);                                                                     \
	} while (0)

/* Random: true with probability p; in [lo, hi]. */
bool chance(struct world *w, double p);
int64_t between(struct world *w, int64_t lo, int64_t hi);

extern const char *const customer_ids[CUSTOMERS];
extern const char *const rule_names[RULES]; /* ascending */
int customer_of(struct seg_str id);

void world_input(struct world *w);
/* Next record at or after pos; NULL: none. */
const struct input *world_next(const struct world *w, enum seg_source s, int64_t pos);
/* The event of an input record; valid until the next call. */
const struct seg_event *world_event(struct world *w, enum seg_source s, const struct input *in);
extern const struct seg_aggregate_config world_aggregates;

struct txn *world_begin(struct world *w, const struct worker *by);
int64_t world_append(struct world *w, struct txn *t, struct seg_str key, struct seg_str value);
void world_finish(struct world *w, struct txn *t, bool commit);
void world_resolve(struct world *w, struct txn *t); /* as the coordinator was told, or a time-out */
bool txn_is_open(const struct txn *t);
int64_t world_lso(const struct world *w);
void world_compact(struct world *w);
void outputs_add(struct outputs *l, const struct output *o);

/* checks.c */
void check_outputs(struct world *w);
/* What recovery, or a commit, has arrived at must be the truth of the group's offsets. */
void check_part(struct world *w, struct seg_part *part, const char *what);

#endif
