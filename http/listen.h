/* The listening socket: from HOST:PORT to a socket that accepts. No threads, no state. */
#ifndef SEG_HTTP_LISTEN_H
#define SEG_HTTP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * address: HOST:PORT or [IPV6]:PORT; port 0 takes any. search: if the port is taken, the next SEG_LISTEN_SEARCH ones.
 * SEG_INVALID: not an address, or a host that does not resolve. SEG_IO: cannot be bound. The caller closes *ret_fd.
 */
enum { SEG_LISTEN_SEARCH = 100 };
enum seg_rc seg_listen_open(const char *address, bool search, int *ret_fd, uint16_t *ret_port, bool *ret_ipv6,
			    struct seg_error *err) SEG_MUST_CHECK;

#endif
