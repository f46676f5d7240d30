/*
 * Questions of other threads to the thread that owns something, which answers them when it has the time: who asks waits,
 * who answers never does. Bounded.
 *
 * new, then ask from any thread and answer from the owner's; close, no asker left, free.
 */
#ifndef SEG_DAEMON_MAILBOX_H
#define SEG_DAEMON_MAILBOX_H

#include <stddef.h>

#include "base/error.h"

enum { SEG_MAILBOX_MAX = 64 }; /* questions that wait */

struct seg_mailbox;

/* Runs on the owner's thread. */
typedef void seg_mail_fn(void *owner, void *question);

struct seg_mailbox *seg_mailbox_new(void);    /* NULL when out of memory */
void seg_mailbox_free(struct seg_mailbox *m); /* NULL is fine */

/*
 * Has the owner run fn with this question, and waits for its end; the question is the caller's. SEG_RETRY: the owner has not
 * come to it within timeout_ms, or too many wait already: fn has not run and will not. SEG_NOT_FOUND: closed.
 */
enum seg_rc seg_mailbox_ask(struct seg_mailbox *m, seg_mail_fn *fn, void *question, int timeout_ms,
			    struct seg_error *err) SEG_MUST_CHECK;

/* The owner: answers what waits, until most_ms have passed. Returns how many. */
size_t seg_mailbox_answer(struct seg_mailbox *m, void *owner, int most_ms);

/* Nobody is answered any more: who waits is told so at once. Any thread. */
void seg_mailbox_close(struct seg_mailbox *m);

#endif
