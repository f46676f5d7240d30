/*
 * Stream time of a partition number: how far event time has come, monotonic. It is the least, over those of its topics
 * that are not at the end of their log, of the greatest event time seen (event times later than the wall clock do not
 * count); when all are at their ends it moves with the monotonic clock, never past the wall clock. Where the clock has run
 * more than an hour ahead (a long stop, a wall clock set right), it follows at an hour a second, so that a whole customer
 * base does not fall silent in one commit. Events are never spread: they are what happened. Pure.
 */
#ifndef SEG_DAEMON_STREAM_TIME_H
#define SEG_DAEMON_STREAM_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "daemon/sink.h"

struct seg_stream_time {
	int64_t now_ms;		     /* SEG_NO_TIME: no event yet */
	int64_t max_ms[SEG_SOURCES]; /* greatest event time seen; SEG_NO_TIME */
	bool read[SEG_SOURCES];	     /* sources that are configured */
	bool at_end[SEG_SOURCES];
	int64_t base_ms, base_mono_ms; /* stream time, and the monotonic clock when it was that */
	bool restored;		       /* the base is the cut's, until all topics are found at their ends */
	bool idle;		       /* all sources read are at their ends */
	bool spreads;		       /* the clock is more than an hour ahead, and is being followed */
	int64_t spread_mono_ms;	       /* followed up to here */
};

/* read: which sources there are. */
void seg_stream_time_init(struct seg_stream_time *t, const bool read[SEG_SOURCES]);

/* After a restart: as of the cut, moved on by the wall time since (when all topics turn out to be at their ends). */
void seg_stream_time_restore(struct seg_stream_time *t, int64_t now_ms, const int64_t max_ms[SEG_SOURCES],
			     int64_t cut_wall_ms, const struct seg_now *now);

/* An event of a source; time SEG_NO_TIME: a record without a usable time. It is not at its end until told so. */
void seg_stream_time_event(struct seg_stream_time *t, enum seg_source source, int64_t time_ms, int64_t wall_ms);
void seg_stream_time_end(struct seg_stream_time *t, enum seg_source source);
/* Nothing is known any more of where its topics end: they were read by others for a while. */
void seg_stream_time_forget_ends(struct seg_stream_time *t);

/* Moves now_ms; returns by how many milliseconds (0: not). *ret_jump_ms (may be NULL): how far ahead the clock has been
 * found, when a jump over an hour begins to be spread; else 0. */
int64_t seg_stream_time_move(struct seg_stream_time *t, const struct seg_now *now, int64_t *ret_jump_ms);

/* How far a source is ahead of the slowest one that is not at its end, in ms; 0: it is not. */
int64_t seg_stream_time_ahead(const struct seg_stream_time *t, enum seg_source source);

#endif
