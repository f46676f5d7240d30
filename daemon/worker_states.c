#include "daemon/worker_states.h"

#include <stdlib.h>

#include "base/log.h"

const char *const seg_lane_state_names[SEG_LANE_STATES] = {
#define X(id, name, may, text) name,
	SEG_LANE_TABLE(X)
#undef X
};

const char *const seg_worker_state_names[SEG_WORKER_STATES] = {
#define X(id, name, text) name,
	SEG_WORKER_TABLE(X)
#undef X
};

static const unsigned lane_may[SEG_LANE_STATES] = {
#define X(id, name, may, text) may,
	SEG_LANE_TABLE(X)
#undef X
};

static const char *const lane_ids[SEG_LANE_STATES] = {
#define X(id, name, may, text) #id,
	SEG_LANE_TABLE(X)
#undef X
};

static const char *const worker_ids[SEG_WORKER_STATES] = {
#define X(id, name, text) #id,
	SEG_WORKER_TABLE(X)
#undef X
};

static const bool lane_moves[SEG_LANE_STATES][SEG_LANE_STATES] = {
#define X(from, to, who, when) [SEG_LANE_##from][SEG_LANE_##to] = true,
	SEG_LANE_MOVES(X)
#undef X
};

static const bool worker_moves[SEG_WORKER_STATES][SEG_WORKER_STATES] = {
#define X(from, to, when) [SEG_WORKER_##from][SEG_WORKER_##to] = true,
	SEG_WORKER_MOVES(X)
#undef X
};

bool seg_lane_may_move(enum seg_lane_state from, enum seg_lane_state to)
{
	return from < SEG_LANE_STATES && to < SEG_LANE_STATES && lane_moves[from][to];
}

bool seg_worker_may_move(enum seg_worker_state from, enum seg_worker_state to)
{
	return from < SEG_WORKER_STATES && to < SEG_WORKER_STATES && worker_moves[from][to];
}

bool seg_lane_state_may(enum seg_lane_state state, unsigned what)
{
	return state < SEG_LANE_STATES && (lane_may[state] & what) == what;
}

void seg_lane_check_move(unsigned worker, int partition, enum seg_lane_state from, enum seg_lane_state to)
{
	if (seg_lane_may_move(from, to))
		return;
	seg_log(SEG_LOG_ERROR, "bug",
		"worker=%u partition=%d from=%s to=%s text=\"a partition cannot move so: this is a mistake in the "
		"program, please report it; nothing is lost, the next start recovers\"",
		worker, partition, lane_ids[from], lane_ids[to]);
	abort();
}

void seg_worker_check_move(unsigned worker, enum seg_worker_state from, enum seg_worker_state to)
{
	if (seg_worker_may_move(from, to))
		return;
	seg_log(SEG_LOG_ERROR, "bug",
		"worker=%u from=%s to=%s text=\"a worker cannot move so: this is a mistake in the program, please "
		"report it; nothing is lost, the next start recovers\"",
		worker, worker_ids[from], worker_ids[to]);
	abort();
}

static const char *yes(enum seg_lane_state state, unsigned what)
{
	return seg_lane_state_may(state, what) ? "yes" : "";
}

void seg_worker_states_print(FILE *out)
{
	fprintf(out, "Partition numbers in a worker's hands. The status (`/api/v1/status`) shows the name.\n\n"
		     "| state | name | has store and memory | reads in recovery | takes in and commits | what |\n"
		     "|---|---|---|---|---|---|\n");
#define X(id, name, may, text)                                                                                         \
	fprintf(out, "| %s | `%s` | %s | %s | %s | %s |\n", #id, name, yes(SEG_LANE_##id, SEG_MAY_HOLD),               \
		yes(SEG_LANE_##id, SEG_MAY_READ), yes(SEG_LANE_##id, SEG_MAY_COMMIT), text);
	SEG_LANE_TABLE(X)
#undef X
	fprintf(out, "\nNo other moves than these are possible; any other one ends the process.\n\n"
		     "| from | to | in | when |\n|---|---|---|---|\n");
#define X(from, to, who, when) fprintf(out, "| %s | %s | `%s` | %s |\n", #from, #to, who, when);
	SEG_LANE_MOVES(X)
#undef X
	fprintf(out, "\nWorkers:\n\n| state | name | what |\n|---|---|---|\n");
#define X(id, name, text) fprintf(out, "| %s | `%s` | %s |\n", #id, name, text);
	SEG_WORKER_TABLE(X)
#undef X
	fprintf(out, "\n| from | to | when |\n|---|---|---|\n");
#define X(from, to, when) fprintf(out, "| %s | %s | %s |\n", #from, #to, when);
	SEG_WORKER_MOVES(X)
#undef X
}
