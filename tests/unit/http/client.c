#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int client_connect(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval limit = {.tv_sec = 15};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void parse(struct answer *a, size_t len)
{
	char *end = strstr(a->bytes, "\r\n\r\n");

	a->head = a->bytes;
	a->body = a->bytes + len;
	if (!end || sscanf(a->bytes, "HTTP/1.%*c %d", &a->status) != 1) {
		a->status = 0;
		return;
	}
	end[2] = '\0';
	a->body = end + 4;
	a->body_len = len - (size_t)(a->body - a->bytes);
}

struct answer client_exchange(int fd, const char *request, size_t len)
{
	struct answer a = {0};
	size_t got = 0, room = 1 << 20;
	ssize_t n;

	a.bytes = malloc(room + 1);
	if (!a.bytes)
		abort();
	for (size_t sent = 0; sent < len; sent += (size_t)n) {
		n = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0) /* refused half way: the answer may be there all the same */
			break;
	}
	while (got < room && (n = recv(fd, a.bytes + got, room - got, 0)) > 0)
		got += (size_t)n;
	close(fd);
	a.bytes[got] = '\0';
	parse(&a, got);
	return a;
}

struct answer client_request(uint16_t port, const char *method, const char *path, const char *extra_headers)
{
	char *text = NULL;
	int len = asprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", method, path,
			   extra_headers);
	struct answer a;
	int fd = client_connect(port);

	if (len < 0 || fd < 0)
		abort();
	a = client_exchange(fd, text, (size_t)len);
	free(text);
	return a;
}

void client_release(struct answer *a)
{
	free(a->bytes);
	*a = (struct answer){0};
}

char *client_header(const struct answer *a, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(a->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
			const char *value = line + 3 + len + strspn(line + 3 + len, " ");
			return strndup(value, strcspn(value, "\r"));
		}
	}
	return NULL;
}
