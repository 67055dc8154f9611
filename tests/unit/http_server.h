/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small HTTP server on a free loopback port for tests: a thread that takes one connection at a time, records requests and
 * answers as told. */
#ifndef RT_TESTS_HTTP_SERVER_H
#define RT_TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

struct recorded {
	char *head; /* request line and headers */
	char *body;
};

struct http_server {
	int fd, wake[2];
	int port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct recorded *requests;
	size_t n, cap;
	/* What to answer; change it under the lock. */
	int status;
	const char *extra; /* header lines, each with CRLF */
	const char *reply;
	bool hold; /* no answer as long as this is set */
	void (*decide)(struct http_server *s, const struct recorded *r); /* may change the above for this request; NULL: as it is */
	bool stop;
};

static inline bool server_wait_readable(struct http_server *s, int fd)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = s->wake[0], .events = POLLIN}};
	poll(p, 2, -1);
	return !(p[1].revents) && p[0].revents;
}

static inline void server_record(struct http_server *s, const char *head, size_t head_len, const char *body, size_t body_len)
{
	pthread_mutex_lock(&s->lock);
	array_grow(s->requests, s->n, s->cap);
	s->requests[s->n++] = (struct recorded){xstrndup(head, head_len), xstrndup(body, body_len)};
	pthread_cond_broadcast(&s->changed);
	while (s->hold && !s->stop)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

/* Serves one connection until it ends. */
static inline void server_connection(struct http_server *s, int fd)
{
	struct buf in = BUF_LIMIT((size_t)64 << 20);
	char chunk[65536];
	for (;;) {
		char *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
		size_t need = 0, head = 0;
		if (end) {
			head = (size_t)(end - in.p) + 4;
			char *cl = strcasestr(in.p, "\r\nContent-Length:");
			need = head + (cl && cl < end ? (size_t)atol(cl + 17) : 0);
		}
		if (!end || in.n < need) {
			if (!server_wait_readable(s, fd))
				break;
			ssize_t n = read(fd, chunk, sizeof(chunk));
			if (n <= 0)
				break;
			buf_add(&in, chunk, (size_t)n);
			continue;
		}
		server_record(s, in.p, head, in.p + head, need - head);
		pthread_mutex_lock(&s->lock);
		if (s->decide)
			s->decide(s, &s->requests[s->n - 1]);
		bool last = strcasestr(s->extra, "connection: close") != NULL;
		char *reply = xasprintf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", s->status, strlen(s->reply), s->extra, s->reply);
		pthread_mutex_unlock(&s->lock);
		bool sent = send(fd, reply, strlen(reply), MSG_NOSIGNAL) >= 0;
		free(reply);
		if (!sent || last)
			break;
		memmove(in.p, in.p + need, in.n - need);
		in.n -= need;
		in.p[in.n] = 0;
	}
	buf_free(&in);
	close(fd);
}

static inline void *server_run(void *arg)
{
	struct http_server *s = arg;
	while (server_wait_readable(s, s->fd)) {
		int fd = accept(s->fd, NULL, NULL);
		if (fd >= 0)
			server_connection(s, fd);
	}
	return NULL;
}

static inline int listen_loopback(int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		abort();
	*port = ntohs(a.sin_port);
	return fd;
}

/* A port of loopback that nobody listens on just now. */
static inline int free_port(void)
{
	int port, fd = listen_loopback(&port);
	close(fd);
	return port;
}

static inline struct http_server *server_start(void)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	s->status = 200;
	s->extra = s->reply = "";
	s->fd = listen_loopback(&s->port);
	if (pipe(s->wake) < 0)
		abort();
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	pthread_create(&s->thread, NULL, server_run, s);
	return s;
}

static inline void server_set(struct http_server *s, int status, const char *extra, const char *reply, bool hold)
{
	pthread_mutex_lock(&s->lock);
	s->status = status;
	s->extra = extra;
	s->reply = reply;
	s->hold = hold;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Waits until there are at least N requests; false after 20 s. */
static inline bool server_wait(struct http_server *s, size_t n)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 20;
	pthread_mutex_lock(&s->lock);
	int r = 0;
	while (s->n < n && r == 0)
		r = pthread_cond_timedwait(&s->changed, &s->lock, &ts);
	bool ok = s->n >= n;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static inline void server_stop(struct http_server *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (write(s->wake[1], "x", 1) != 1)
		abort();
	pthread_join(s->thread, NULL);
	close(s->fd);
	close(s->wake[0]);
	close(s->wake[1]);
	for (size_t i = 0; i < s->n; i++) {
		free(s->requests[i].head);
		free(s->requests[i].body);
	}
	free(s->requests);
	free(s);
}

#endif
