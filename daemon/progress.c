#include "daemon/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { WIDTH = 30, DRAW_MS = 100 };

void seg_progress_start(struct seg_progress *p, bool wanted, uint64_t total)
{
	*p = (struct seg_progress){
		.shown = wanted && isatty(STDERR_FILENO),
		.total = total,
		.began_mono_ms = seg_monotonic_ms(),
	};
}

void seg_progress_show(struct seg_progress *p, uint64_t done, const char *note)
{
	int64_t mono = seg_monotonic_ms();
	if (!p->shown || mono - p->drawn_mono_ms < DRAW_MS)
		return;
	p->drawn_mono_ms = mono;
	double share = p->total > 0 ? (double)done / (double)p->total : 0;
	double seconds = (double)(mono - p->began_mono_ms) / 1000.0;
	int full = (int)(share * WIDTH);
	char bar[WIDTH + 1];
	for (int i = 0; i < WIDTH; i++)
		bar[i] = i < full ? '#' : '.';
	bar[WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %3.0f %%  %" PRIu64 " of %" PRIu64 " events  %s  %.0f/s\033[K", bar, share * 100, done,
		p->total, note, seconds > 0 ? (double)done / seconds : 0.0);
	fflush(stderr);
}

void seg_progress_end(struct seg_progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K");
}
