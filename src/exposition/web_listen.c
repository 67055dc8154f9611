// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/web_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define BACKLOG 128

/* Splits at the last colon; brackets around the host are taken off. False if there is no port or the host holds a colon of its
 * own without brackets. */
static bool split_address(const char *address, char **host, char **port)
{
	const char *colon = strrchr(address, ':'), *from = address, *to = colon;
	if (!colon || !colon[1])
		return false;
	if (*address == '[') {
		if (colon == address || colon[-1] != ']')
			return false;
		from++;
		to--;
	} else if (memchr(address, ':', (size_t)(colon - address))) {
		return false;
	}
	*host = xstrndup(from, (size_t)(to - from));
	*port = xstrdup(colon + 1);
	return true;
}

static bool is_port(const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && v <= 65535;
}

static int listen_on(const struct addrinfo *ai, bool dual)
{
	_cleanup_close_ int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	int on = 1, off = 0;
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (ai->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? &off : &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	int r = fd;
	fd = -1;
	return r;
}

static char *bound_text(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char host[NI_MAXHOST], port[NI_MAXSERV];
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return xstrdup("?");
	return xasprintf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int web_listen(const char *address, int *fd, char **bound, char **error)
{
	_cleanup_free_ char *host = NULL;
	_cleanup_free_ char *port = NULL;
	if (!split_address(address, &host, &port) || !is_port(port)) {
		*error = xasprintf("listen address \"%s\": want host:port, :port or [ipv6]:port with a port of 0 to 65535", address);
		return -EINVAL;
	}
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	int r = getaddrinfo(*host ? host : NULL, port, &hints, &list);
	if (r) {
		*error = xasprintf("listen address \"%s\": %s", address, r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
		return -EADDRNOTAVAIL;
	}
	/* The empty host: one v6 socket for both families. Where IPv6 is switched off, the v4 one. */
	r = -EADDRNOTAVAIL;
	for (int pass = 0; pass < 2 && r < 0 && r != -EADDRINUSE; pass++)
		for (const struct addrinfo *ai = list; ai && r < 0 && r != -EADDRINUSE; ai = ai->ai_next)
			if (*host ? pass == 0 : ai->ai_family == (pass ? AF_INET : AF_INET6))
				r = listen_on(ai, !*host);
	freeaddrinfo(list);
	if (r < 0) {
		*error = xasprintf("cannot listen on \"%s\": %s", address, strerror(-r));
		return r;
	}
	*fd = r;
	*bound = bound_text(r);
	return 0;
}

int web_listen_inherited(int socket, int *fd, char **bound, char **error)
{
	int listens = 0;
	socklen_t len = sizeof(listens);
	if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens) {
		*error = xasprintf("file descriptor %d is no listening socket", socket);
		return -EINVAL;
	}
	if (fcntl(socket, F_SETFD, FD_CLOEXEC) < 0 || fcntl(socket, F_SETFL, O_NONBLOCK) < 0) {
		int err = errno;
		*error = xasprintf("file descriptor %d: %s", socket, strerror(err));
		return -err;
	}
	*fd = socket;
	*bound = bound_text(socket);
	return 0;
}
