#include "daemon/mailbox.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"

enum letter_state { WAITS, RUNS, DONE };

struct letter { /* on its asker's stack: in the list only while it waits */
	seg_mail_fn *fn;
	void *question;
	enum letter_state state;
	struct letter *next;
};

struct seg_mailbox {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct letter *first, *last;
	size_t len;
	bool closed;
};

struct seg_mailbox *seg_mailbox_new(void)
{
	struct seg_mailbox *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	return m;
}

void seg_mailbox_free(struct seg_mailbox *m)
{
	if (!m)
		return;
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static void put(struct seg_mailbox *m, struct letter *letter)
{
	if (m->last)
		m->last->next = letter;
	else
		m->first = letter;
	m->last = letter;
	m->len++;
}

static struct letter *take(struct seg_mailbox *m)
{
	struct letter *letter = m->first;
	if (!letter)
		return NULL;
	m->first = letter->next;
	if (!m->first)
		m->last = NULL;
	m->len--;
	return letter;
}

static void take_back(struct seg_mailbox *m, struct letter *letter)
{
	struct letter **at = &m->first, *before = NULL;
	while (*at != letter) {
		before = *at;
		at = &before->next;
	}
	*at = letter->next;
	if (m->last == letter)
		m->last = before;
	m->len--;
}

/* Caller holds the lock. */
static enum seg_rc await(struct seg_mailbox *m, struct letter *letter, int timeout_ms, struct seg_error *err)
{
	struct timespec until = seg_deadline(timeout_ms);
	bool late = false;
	while (letter->state == RUNS || (letter->state == WAITS && !late && !m->closed)) {
		if (letter->state == RUNS)
			pthread_cond_wait(&m->changed, &m->lock);
		else
			late = pthread_cond_clockwait(&m->changed, &m->lock, CLOCK_MONOTONIC, &until) != 0;
	}
	if (letter->state == DONE)
		return SEG_OK;
	take_back(m, letter);
	return m->closed ? seg_error_set(err, SEG_NOT_FOUND, "this instance is stopping")
			 : seg_error_set(err, SEG_RETRY, "the worker is busy, or waits for brokers");
}

enum seg_rc seg_mailbox_ask(struct seg_mailbox *m, seg_mail_fn *fn, void *question, int timeout_ms,
			    struct seg_error *err)
{
	struct letter letter = {fn, question, WAITS, NULL};
	enum seg_rc rc;
	pthread_mutex_lock(&m->lock);
	if (m->closed) {
		rc = seg_error_set(err, SEG_NOT_FOUND, "this instance is stopping");
	} else if (m->len == SEG_MAILBOX_MAX) {
		rc = seg_error_set(err, SEG_RETRY, "%d questions wait for this worker already", SEG_MAILBOX_MAX);
	} else {
		put(m, &letter);
		rc = await(m, &letter, timeout_ms, err);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

size_t seg_mailbox_answer(struct seg_mailbox *m, void *owner, int most_ms)
{
	int64_t until_mono_ms = seg_monotonic_ms() + most_ms;
	size_t answered = 0;
	pthread_mutex_lock(&m->lock);
	for (struct letter *letter; !m->closed && (letter = take(m)) != NULL;) {
		letter->state = RUNS;
		pthread_mutex_unlock(&m->lock);
		letter->fn(owner, letter->question);
		pthread_mutex_lock(&m->lock);
		letter->state = DONE;
		answered++;
		pthread_cond_broadcast(&m->changed);
		if (seg_monotonic_ms() >= until_mono_ms)
			break;
	}
	pthread_mutex_unlock(&m->lock);
	return answered;
}

void seg_mailbox_close(struct seg_mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	m->closed = true;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}
