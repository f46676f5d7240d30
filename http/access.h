/*
 * Who may change something: the bearer token (RFC 6750), compared in constant time, and how often anybody may try. Any
 * thread.
 */
#ifndef SEG_HTTP_ACCESS_H
#define SEG_HTTP_ACCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct seg_access {
	bool has_token;
	unsigned char key[32], digest[32]; /* of the token under a key of this process */
	double per_second;		   /* tries, and as many at once */
	pthread_mutex_t lock;		   /* of what follows */
	double left;
	int64_t since_ms;
};

/* token "" or NULL: nobody may. per_second 0: no limit. False: libsodium cannot be used. */
bool seg_access_init(struct seg_access *a, const char *token, double per_second, int64_t now_ms);
void seg_access_release(struct seg_access *a);

/* One more try. 0: it may go on; else seconds until the next one, at least 1. */
unsigned seg_access_try(struct seg_access *a, int64_t now_ms);

enum seg_access_verdict {
	SEG_ACCESS_GRANTED,
	SEG_ACCESS_OFF,	    /* no token is configured */
	SEG_ACCESS_MISSING, /* the request has none */
	SEG_ACCESS_WRONG
};
/* authorization: the header's value; NULL: not sent. */
enum seg_access_verdict seg_access_check(const struct seg_access *a, const char *authorization);

#endif
