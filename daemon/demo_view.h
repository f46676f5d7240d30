/*
 * The demo's view of itself: the whole screen of a terminal, drawn anew a few times a second, or a line of plain text every
 * few seconds where standard output is no terminal. Colours unless NO_COLOR is set.
 *
 * open, draw again and again, close, free. One thread; close may be called by another one when the program must end at once.
 */
#ifndef SEG_DAEMON_DEMO_VIEW_H
#define SEG_DAEMON_DEMO_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reasons.h"
#include "daemon/demo_feed.h"
#include "daemon/demo_watch.h"
#include "segmenter/model.h"

struct seg_demo_view;

/* What is to be seen at one moment. Everything is borrowed. */
struct seg_demo_screen {
	struct seg_demo_progress feed;
	uint64_t events; /* read by the workers */
	double per_second;
	uint64_t customers, changes, dead_letters[SEG_REFUSALS];
	int64_t min_customers;	       /* from which on there are segments */
	bool ready;		       /* every partition runs */
	const struct seg_model *model; /* NULL: none yet */
	struct seg_demo_watch *watch;
	struct seg_recent *changes_in_words;
	uint16_t port;
	int64_t mono_ms;
};

/* NULL: no memory. */
struct seg_demo_view *seg_demo_view_open(void);
void seg_demo_view_draw(struct seg_demo_view *v, const struct seg_demo_screen *s);
/* The terminal is as it was before; nothing more is drawn. NULL is fine. */
void seg_demo_view_close(struct seg_demo_view *v);

/* NULL is fine. */
void seg_demo_view_free(struct seg_demo_view *v);

bool seg_demo_view_is_terminal(const struct seg_demo_view *v);

#endif
