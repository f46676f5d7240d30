#include "daemon/recent.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct seg_recent {
	pthread_mutex_t lock;
	char texts[SEG_RECENT_LEN][SEG_RECENT_TEXT];
	size_t len, next;
};

struct seg_recent *seg_recent_new(void)
{
	struct seg_recent *r = calloc(1, sizeof(*r));
	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void seg_recent_free(struct seg_recent *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void seg_recent_add(struct seg_recent *r, const char *text)
{
	pthread_mutex_lock(&r->lock);
	snprintf(r->texts[r->next], SEG_RECENT_TEXT, "%s", text);
	r->next = (r->next + 1) % SEG_RECENT_LEN;
	if (r->len < SEG_RECENT_LEN)
		r->len++;
	pthread_mutex_unlock(&r->lock);
}

size_t seg_recent_copy(struct seg_recent *r, char ret[SEG_RECENT_LEN][SEG_RECENT_TEXT])
{
	pthread_mutex_lock(&r->lock);
	size_t len = r->len;
	for (size_t i = 0; i < len; i++)
		snprintf(ret[i], SEG_RECENT_TEXT, "%s", r->texts[(r->next + SEG_RECENT_LEN - 1 - i) % SEG_RECENT_LEN]);
	pthread_mutex_unlock(&r->lock);
	return len;
}
