/*
 * Replay: container or JSON-lines files through the same shard and fold as `run`, without a broker, into container files.
 * One partition; stream time walks hour by hour, also through silence, with a commit at each hour and each
 * commit.max_events; the wall clock is stream time. Deterministic: same files, configuration and seed, same records in the
 * same order.
 */
#ifndef SEG_DAEMON_REPLAY_H
#define SEG_DAEMON_REPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"

struct seg_replay_options {
	const struct seg_config *config; /* borrowed until return */
	const char *const *inputs;
	size_t inputs_len;
	const char *output;	 /* folder: empty, or made */
	int64_t checkpoint_days; /* 0: none */
	int64_t until_ms;	 /* exclusive; SEG_NO_TIME: the hour after the last event */
	bool progress;		 /* a bar on standard error */
};

/* Prints the summary to out as its last line. */
enum seg_rc seg_replay(const struct seg_replay_options *options, FILE *out, struct seg_error *err) SEG_MUST_CHECK;

#endif
