#include "http/connections.h"

#include <sys/socket.h>

void seg_connections_init(struct seg_connections *c)
{
	pthread_mutex_init(&c->lock, NULL);
	for (int i = 0; i < SEG_CONNECTIONS_MAX; i++)
		c->items[i].fd = -1;
}

void seg_connections_release(struct seg_connections *c)
{
	pthread_mutex_destroy(&c->lock);
}

/* The item of fd becomes `to` since now; no item of fd: nothing. Caller holds the lock. */
static void change(struct seg_connections *c, int fd, int to, int64_t now_ms)
{
	for (int i = 0; i < SEG_CONNECTIONS_MAX; i++) {
		if (c->items[i].fd != fd)
			continue;
		c->items[i].fd = to;
		c->items[i].since_ms = now_ms;
		return;
	}
}

void seg_connections_add(struct seg_connections *c, int fd, int64_t now_ms)
{
	pthread_mutex_lock(&c->lock);
	change(c, -1, fd, now_ms);
	pthread_mutex_unlock(&c->lock);
}

void seg_connections_done(struct seg_connections *c, int fd, int64_t now_ms)
{
	pthread_mutex_lock(&c->lock);
	change(c, fd, fd, now_ms);
	pthread_mutex_unlock(&c->lock);
}

void seg_connections_remove(struct seg_connections *c, int fd)
{
	pthread_mutex_lock(&c->lock);
	change(c, fd, -1, 0);
	pthread_mutex_unlock(&c->lock);
}

int seg_connections_sweep(struct seg_connections *c, int64_t now_ms, int64_t limit_ms)
{
	int cut = 0;

	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < SEG_CONNECTIONS_MAX; i++) {
		if (c->items[i].fd < 0 || now_ms - c->items[i].since_ms < limit_ms)
			continue;
		/* Under the lock, and remove() comes before the close: the number is still this connection's. */
		shutdown(c->items[i].fd, SHUT_RDWR);
		c->items[i].since_ms = now_ms;
		cut++;
	}
	pthread_mutex_unlock(&c->lock);
	return cut;
}
