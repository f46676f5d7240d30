/* A plain HTTP client for the tests: raw bytes out, all bytes until the server closes back. Loopback only. */
#ifndef SEG_TESTS_HTTP_CLIENT_H
#define SEG_TESTS_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct answer {
	int status;	   /* 0: closed without an answer, or no answer within 15 s */
	char *head, *body; /* both end with NUL */
	size_t body_len;
	char *bytes; /* owns the two */
};

int client_connect(uint16_t port);
/* Sends, reads to the end, closes fd. The request should say Connection: close. */
struct answer client_exchange(int fd, const char *request, size_t len);
struct answer client_request(uint16_t port, const char *method, const char *path, const char *extra_headers);
void client_release(struct answer *a);

/* The value of a header in head, or NULL; caller frees. */
char *client_header(const struct answer *a, const char *name);

#endif
