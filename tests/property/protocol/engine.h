/*
 * What drives a partition: evaluation, outputs, the order of a commit. engine_plain.c does it over state/part.h alone,
 * with arbitrary decisions; whatever takes its place must keep the same promises.
 */
#ifndef SEG_TESTS_ENGINE_H
#define SEG_TESTS_ENGINE_H

#include "state/store.h"
#include "tests/property/protocol/world.h"

struct engine;

struct engine *engine_open(struct world *w, struct seg_store_env *env, const char *dir, size_t memory_bytes);
/* The same where opening may fail; of engine_shard.c only, as engine_try_expire(). */
enum seg_rc engine_try_open(struct world *w, struct seg_store_env *env, const char *dir, size_t memory_bytes,
			    struct engine **ret, struct seg_error *err);
void engine_close(struct engine *e);
struct seg_part *engine_part(struct engine *e);
/* Memory is about to be dropped by a recovery. */
void engine_drop(struct engine *e);
/* Recovered, or found to be current: work goes on. */
void engine_started(struct engine *e);
void engine_refused(struct engine *e, enum seg_source source, int64_t offset);
/* The end of a source's log, past markers. */
void engine_end(struct engine *e, enum seg_source source, int64_t next);

/* *ret_erased: somebody was taken out. */
enum seg_rc engine_event(struct engine *e, const struct seg_event *event, int64_t offset, bool *ret_erased);
/* Takes out a living customer whom no record named; false: there is nobody. */
bool engine_expire(struct engine *e, int customer);
enum seg_rc engine_try_expire(struct engine *e, int customer, bool *ret_erased, struct seg_error *err);
/* Asks for evaluations without a record, of each customer with probability p. */
enum seg_rc engine_reevaluate(struct engine *e, double p);
bool engine_has_work(const struct engine *e);

struct engine_commit {
	struct txn *txn;
	int64_t cut_offset;
	double crash; /* probability after each record; the seal fails with SEG_FATAL */
	size_t max_profiles;
	bool begin_cycle;
};

/* Evaluates, appends all changelog records to the transaction, puts outputs into it. */
enum seg_rc engine_seal(struct engine *e, struct engine_commit *c);
enum seg_rc engine_committed(struct engine *e, int64_t cut_offset);
enum seg_rc engine_aborted(struct engine *e);
enum seg_rc engine_recount(struct engine *e);
/* The sums must be those of all contributions, once recounted. */
void engine_check_sums(struct engine *e);
/* Everybody's contribution is that of the profile as it is now. */
void engine_check_evaluated(struct engine *e);

#endif
