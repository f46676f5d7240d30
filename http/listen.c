#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64, HOST_MAX = 256, PORT_MAX = 65535 };

/* False: not HOST:PORT. */
static bool split(const char *address, char host[HOST_MAX], unsigned *ret_port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;
	unsigned port = 0;

	if (!colon || len == 0 || len >= HOST_MAX || strlen(colon + 1) < 1 || strlen(colon + 1) > 5)
		return false;
	for (const char *at = colon + 1; *at; at++) {
		if (*at < '0' || *at > '9')
			return false;
		port = port * 10 + (unsigned)(*at - '0');
	}
	if (address[0] == '[') {
		if (len < 3 || address[len - 1] != ']')
			return false;
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return false; /* an IPv6 address without brackets: where does the port begin? */
	}
	memcpy(host, address, len);
	host[len] = '\0';
	*ret_port = port;
	return port <= PORT_MAX;
}

static void set_port(struct sockaddr_storage *a, unsigned port)
{
	if (a->ss_family == AF_INET6)
		((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
}

static uint16_t get_port(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port
					      : ((const struct sockaddr_in *)a)->sin_port);
}

/* The socket, or -1 with errno. */
static int try_port(const struct sockaddr_storage *address, socklen_t len)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int yes = 1, saved;

	if (fd < 0)
		return -1;
	/* A restart must not wait for connections of the last run to be forgotten; no second listener gets in by this. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)address, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static enum seg_rc resolve(const char *address, struct sockaddr_storage *ret, socklen_t *ret_len, unsigned *ret_port,
			   struct seg_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
	char host[HOST_MAX];
	int rc;

	if (!split(address, host, ret_port))
		return seg_error_set(err, SEG_INVALID, "http.listen: \"%s\" is not HOST:PORT, e.g. 127.0.0.1:8080",
				     address);
	rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc || !found)
		return seg_error_set(err, SEG_INVALID, "http.listen: the host of \"%s\" is not known: %s", address,
				     gai_strerror(rc));
	*ret_len = found->ai_addrlen;
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return SEG_OK;
}

static enum seg_rc cannot_bind(const char *address, unsigned first, unsigned last, struct seg_error *err)
{
	int why = errno;
	char ports[32] = "";

	if (last > first)
		snprintf(ports, sizeof(ports), " (nor up to port %u)", last);
	return seg_error_set(err, SEG_IO, "http.listen: cannot listen on %s%s: %s; %s", address, ports, strerror(why),
			     why == EADDRINUSE	    ? "end the program that holds the port, or set another one"
			     : why == EACCES	    ? "take a port from 1024 on"
			     : why == EADDRNOTAVAIL ? "this machine has no such address"
						    : "set another address");
}

enum seg_rc seg_listen_open(const char *address, bool search, int *ret_fd, uint16_t *ret_port, bool *ret_ipv6,
			    struct seg_error *err)
{
	struct sockaddr_storage at = {0};
	socklen_t len = 0;
	unsigned first = 0, port, last;
	enum seg_rc rc = resolve(address, &at, &len, &first, err);
	int fd;

	if (rc)
		return rc;
	last = search && first > 0 ? first + SEG_LISTEN_SEARCH : first;
	if (last > PORT_MAX)
		last = PORT_MAX;
	for (port = first, fd = -1; fd < 0 && port <= last; port++) {
		set_port(&at, port);
		fd = try_port(&at, len);
		if (fd < 0 && errno != EADDRINUSE)
			break;
	}
	if (fd < 0)
		return cannot_bind(address, first, last, err);
	len = sizeof(at);
	if (getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		rc = cannot_bind(address, first, first, err);
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	*ret_port = get_port(&at);
	*ret_ipv6 = at.ss_family == AF_INET6;
	return SEG_OK;
}
