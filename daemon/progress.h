/* A progress bar on standard error, or nothing when that is not a terminal. One thread. */
#ifndef SEG_DAEMON_PROGRESS_H
#define SEG_DAEMON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct seg_progress {
	bool shown;
	uint64_t total;
	int64_t began_mono_ms, drawn_mono_ms;
};

void seg_progress_start(struct seg_progress *p, bool wanted, uint64_t total);
/* Draws at most ten times a second; note says where it is ("2011-03-04"). */
void seg_progress_show(struct seg_progress *p, uint64_t done, const char *note);
/* Clears the line. */
void seg_progress_end(struct seg_progress *p);

#endif
