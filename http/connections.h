/*
 * Who is connected, so that a request that trickles in forever is cut off: libmicrohttpd's own time limit starts anew
 * with every byte. All functions on any thread; the sweep shuts sockets down, libmicrohttpd closes them.
 */
#ifndef SEG_HTTP_CONNECTIONS_H
#define SEG_HTTP_CONNECTIONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { SEG_CONNECTIONS_MAX = 64 };

struct seg_connections {
	pthread_mutex_t lock;
	struct {
		int fd;		  /* -1: free */
		int64_t since_ms; /* monotonic: connected, or the last request done */
	} items[SEG_CONNECTIONS_MAX];
};

void seg_connections_init(struct seg_connections *c);
void seg_connections_release(struct seg_connections *c);

void seg_connections_add(struct seg_connections *c, int fd, int64_t now_ms);
/* A request of this connection is done: its time starts anew. */
void seg_connections_done(struct seg_connections *c, int fd, int64_t now_ms);
/* To be called before fd is closed. */
void seg_connections_remove(struct seg_connections *c, int fd);
/* Shuts down those without a finished request since limit_ms; returns how many. */
int seg_connections_sweep(struct seg_connections *c, int64_t now_ms, int64_t limit_ms);

#endif
