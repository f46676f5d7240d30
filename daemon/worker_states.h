/*
 * The states of a worker and of the partition numbers in its hands (lanes), and every move between them: drawn here and
 * nowhere else. worker_states.c refuses any other move as a mistake in the program, the docs are printed from here
 * (docs/reference.md), and what a lane may do is asked of this table, not of the state.
 */
#ifndef SEG_DAEMON_WORKER_STATES_H
#define SEG_DAEMON_WORKER_STATES_H

#include <stdbool.h>
#include <stdio.h>

/* What a lane may do in a state. */
enum {
	SEG_MAY_HOLD = 1, /* it has its store and memory: status, drop and park look at them */
	SEG_MAY_READ = 2, /* the reader of recovery gives it records */
	SEG_MAY_COMMIT =
		4, /* records of the group's consumer are applied; takes part in transactions and checkpoints */
};

/* id, name in the status, what it may do, what it is doing */
#define SEG_LANE_TABLE(X)                                                                                              \
	X(TAKING, "waiting", 0, "assigned; another worker of this process has not let go of its store yet")            \
	X(NEW, "new", SEG_MAY_HOLD, "the group's stable offsets and the ends of the logs are asked for")               \
	X(CHANGELOG, "recovering", SEG_MAY_HOLD | SEG_MAY_READ, "the changelog is read")                               \
	X(INPUTS, "recovering", SEG_MAY_HOLD | SEG_MAY_READ, "the inputs since replay_from are read again")            \
	X(MODEL, "waiting", SEG_MAY_HOLD, "state is right; waits for the model version that the last cut needs")       \
	X(RUNNING, "running", SEG_MAY_HOLD | SEG_MAY_COMMIT, "records are taken in and committed")                     \
	X(GONE, "gone", 0, "not this worker's any more: parked with the instance")

enum seg_lane_state {
#define X(id, name, may, text) SEG_LANE_##id,
	SEG_LANE_TABLE(X)
#undef X
		SEG_LANE_STATES
};

/* from, to, who moves it, when */
#define SEG_LANE_MOVES(X)                                                                                              \
	X(TAKING, NEW, "worker_lane.c", "the instance hands the store over, parked or newly opened")                   \
	X(TAKING, GONE, "worker_assign.c", "revoked, lost, or the end of the worker")                                  \
	X(NEW, CHANGELOG, "worker_lane.c",                                                                             \
	  "the group's offsets and, asked after them, the ends of the logs are known")                                 \
	X(NEW, MODEL, "worker_lane.c", "nobody else has committed since: what is in memory is still right")            \
	X(NEW, NEW, "worker_assign.c", "the producer is made anew")                                                    \
	X(NEW, GONE, "worker_assign.c", "revoked, lost, or the end of the worker")                                     \
	X(CHANGELOG, INPUTS, "worker_lane.c", "read to the end that was captured before")                              \
	X(CHANGELOG, NEW, "worker_lane.c, worker_assign.c", "the store cannot be right: emptied; producer made anew")  \
	X(CHANGELOG, GONE, "worker_assign.c", "revoked, lost, or the end of the worker: memory is dropped")            \
	X(INPUTS, MODEL, "worker_lane.c", "each input has been read again to the group's offset")                      \
	X(INPUTS, NEW, "worker_assign.c", "the producer is made anew: memory is dropped")                              \
	X(INPUTS, GONE, "worker_assign.c", "revoked, lost, or the end of the worker: memory is dropped")               \
	X(MODEL, RUNNING, "worker_lane.c", "the newest model is at least the one that the last cut needs")             \
	X(MODEL, NEW, "worker_assign.c", "the producer is made anew: memory is dropped")                               \
	X(MODEL, GONE, "worker_assign.c", "revoked, lost, or the end of the worker: memory is dropped")                \
	X(RUNNING, NEW, "worker_assign.c", "an outcome is unknown or the producer fenced: memory is dropped")          \
	X(RUNNING, GONE, "worker_assign.c", "revoked after a commit: memory stays; lost: memory is dropped")

#define SEG_WORKER_TABLE(X)                                                                                            \
	X(STARTING, "starting", "the producer is initialised, then the inputs are subscribed to")                      \
	X(RUNNING, "running", "polls, recovers, commits")                                                              \
	X(MENDING, "mending",                                                                                          \
	  "all memory is dropped and the producer made anew; waits for brokers as long as it takes")                   \
	X(STOPPING, "stopping", "commits, ends the checkpoint, leaves the group")                                      \
	X(STOPPED, "stopped", "ended as asked")                                                                        \
	X(FAILED, "failed", "ended by an error, which ends the process")

enum seg_worker_state {
#define X(id, name, text) SEG_WORKER_##id,
	SEG_WORKER_TABLE(X)
#undef X
		SEG_WORKER_STATES
};

/* from, to, when; all by the worker's own thread in worker.c, MENDING in worker_assign.c */
#define SEG_WORKER_MOVES(X)                                                                                            \
	X(STARTING, RUNNING, "fenced all predecessors, subscribed")                                                    \
	X(STARTING, STOPPING, "asked to stop while it waited for brokers, consumer open")                              \
	X(STARTING, STOPPED, "asked to stop while it waited for brokers")                                              \
	X(STARTING, FAILED, "the cluster cannot be used as configured")                                                \
	X(RUNNING, MENDING, "a commit's outcome is unknown, fenced, assignment lost, or brokers do not answer")        \
	X(RUNNING, STOPPING, "asked to stop")                                                                          \
	X(RUNNING, FAILED, "an error that waiting does not mend")                                                      \
	X(MENDING, MENDING, "brokers have not answered: once more")                                                    \
	X(MENDING, RUNNING, "the new producer is initialised: its lanes begin as if newly assigned")                   \
	X(MENDING, STOPPING, "asked to stop")                                                                          \
	X(MENDING, FAILED, "an error that waiting does not mend")                                                      \
	X(STOPPING, STOPPED, "everything is closed")                                                                   \
	X(STOPPING, FAILED, "the last commits failed")

extern const char *const seg_lane_state_names[SEG_LANE_STATES];
extern const char *const seg_worker_state_names[SEG_WORKER_STATES];

bool seg_lane_may_move(enum seg_lane_state from, enum seg_lane_state to);
bool seg_worker_may_move(enum seg_worker_state from, enum seg_worker_state to);
/* May it do all of `what`? */
bool seg_lane_state_may(enum seg_lane_state state, unsigned what);

/* End the process with a message if the move is not in the table; no state is saved on the way: the next start recovers. */
void seg_lane_check_move(unsigned worker, int partition, enum seg_lane_state from, enum seg_lane_state to);
void seg_worker_check_move(unsigned worker, enum seg_worker_state from, enum seg_worker_state to);

/* As Markdown, for the docs. */
void seg_worker_states_print(FILE *out);

#endif
