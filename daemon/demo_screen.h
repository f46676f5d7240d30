/* Pieces of a terminal's screen: lines cut at its width, colours, bars. For the demo's view. One thread. */
#ifndef SEG_DAEMON_DEMO_SCREEN_H
#define SEG_DAEMON_DEMO_SCREEN_H

#include <stdbool.h>

#include "base/buf.h"

enum seg_style {
	SEG_STYLE_PLAIN,
	SEG_STYLE_BOLD,
	SEG_STYLE_DIM,
	SEG_STYLE_TITLE,
	SEG_STYLE_HEAD,
	SEG_STYLE_GOOD,
	SEG_STYLE_WARN,
	SEG_STYLE_LINK,
	SEG_STYLE_FIRST_OF_PALETTE
};

struct seg_screen {
	struct seg_buf *out;
	bool colour;
	unsigned width, height;
	unsigned row, column; /* where the next text goes */
};

/* Cut at the right edge; text is UTF-8 whose characters are one column wide. */
void seg_screen_put(struct seg_screen *s, enum seg_style style, const char *fmt, ...) SEG_PRINTF(3, 4);
/* Spaces up to a column. */
void seg_screen_tab(struct seg_screen *s, unsigned column);
/* Ends the line. Rows below the screen are not written: false then. */
bool seg_screen_line(struct seg_screen *s);
unsigned seg_screen_left(const struct seg_screen *s); /* rows */

/* A bar of `width` columns of which `part` (0 to 1) is filled, in eighths of a column. */
void seg_screen_bar(struct seg_screen *s, enum seg_style style, double part, unsigned width);

/* The n-th colour for telling things apart. */
enum seg_style seg_screen_palette(unsigned n);

/* Columns that a text takes. */
unsigned seg_screen_columns(const char *text);

#endif
