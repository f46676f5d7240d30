/* The latest segment changes in words, for the dashboard and the terminal. Any thread. */
#ifndef SEG_DAEMON_RECENT_H
#define SEG_DAEMON_RECENT_H

#include <stddef.h>
#include <stdint.h>

enum { SEG_RECENT_LEN = 16, SEG_RECENT_TEXT = 256 };

struct seg_recent;

struct seg_recent *seg_recent_new(void); /* NULL: no memory */
void seg_recent_free(struct seg_recent *r);

/* Cut at SEG_RECENT_TEXT - 1 bytes. */
void seg_recent_add(struct seg_recent *r, const char *text);

/* Newest first; returns how many. */
size_t seg_recent_copy(struct seg_recent *r, char ret[SEG_RECENT_LEN][SEG_RECENT_TEXT]);

#endif
