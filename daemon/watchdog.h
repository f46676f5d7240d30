/*
 * Our own watchdog: librdkafka's max.poll.interval.ms is reset by any queue that is polled, its close can hang, and RocksDB
 * can hang with its disk. A thread looks at beats that other threads give: who has not moved for long is told in the log
 * and in segmentd_worker_stuck_seconds; who never moves again, or a stop that does not come to its end, ends the process
 * with a message, as the last resort. Nothing is lost by that: the next start recovers.
 *
 * Who waits for brokers gives beats all the while and is not stuck, however long that takes.
 *
 * start, add, (beat …), remove, stop. Functions from any thread.
 */
#ifndef SEG_DAEMON_WATCHDOG_H
#define SEG_DAEMON_WATCHDOG_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "daemon/meters.h"

/* id, name in log and status */
#define SEG_DOING_TABLE(X)                                                                                             \
	X(START, "start")                                                                                              \
	X(RECOVER, "recover")                                                                                          \
	X(POLL, "poll")                                                                                                \
	X(FOLD, "fold")                                                                                                \
	X(COMMIT, "commit")                                                                                            \
	X(STORE, "store")                                                                                              \
	X(PRODUCER, "producer")                                                                                        \
	X(CLOSE, "close")

enum seg_doing {
#define X(id, name) SEG_DOING_##id,
	SEG_DOING_TABLE(X)
#undef X
		SEG_DOINGS
};
extern const char *const seg_doing_names[SEG_DOINGS];

/* Given by one thread. */
struct seg_beat {
	atomic_ullong count;
	atomic_llong mono_ms; /* of the last one */
	atomic_int doing;
};
void seg_beat(struct seg_beat *beat, enum seg_doing doing);
/* Still at the same. */
void seg_beat_again(struct seg_beat *beat);

struct seg_watchdog;

struct seg_watchdog_options {	   /* 0: the default */
	int look_ms;		   /* 1 s */
	int warn_ms;		   /* 30 s: told, and then every so often again */
	int give_up_ms;		   /* 5 min, when the group has given a member's partitions to others, too */
	struct seg_meters *meters; /* borrowed, may be NULL */
	void (*give_up)(void *ctx, const char *message); /* NULL: message on stderr, exit 1 at once */
	void *ctx;
};

enum seg_rc seg_watchdog_start(const struct seg_watchdog_options *options, struct seg_watchdog **ret,
			       struct seg_error *err) SEG_MUST_CHECK;
void seg_watchdog_stop(struct seg_watchdog *w); /* NULL is fine */

/* beat is borrowed until remove. */
enum seg_rc seg_watchdog_add(struct seg_watchdog *w, unsigned worker, struct seg_beat *beat,
			     struct seg_error *err) SEG_MUST_CHECK;
void seg_watchdog_remove(struct seg_watchdog *w, const struct seg_beat *beat);

/* The process stops, and is to have ended by then. The first call counts. */
void seg_watchdog_stop_by(struct seg_watchdog *w, int64_t mono_ms);

#endif
