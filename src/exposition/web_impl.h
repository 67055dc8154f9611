/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two halves of the web server: web.c has the server's life, web_exchange.c that of a request. */
#ifndef RT_EXPOSITION_WEB_IMPL_H
#define RT_EXPOSITION_WEB_IMPL_H

#include <microhttpd.h>
#include <pthread.h>

#include "exposition/web.h"

#define CONNECTION_MEMORY ((size_t)64 << 10) /* head of a request, and the pieces of a streamed body */

struct exchange;

/* A running daemon. New TLS material means a new one on the same socket, while the old one ends its connections. */
struct service {
	struct web *web;
	struct MHD_Daemon *daemon;
	struct web_tls *tls; /* NULL: plain */
	unsigned suspended;  /* its connections that wait for a worker */
	bool ending;	     /* suspend no more */
};

struct listener {
	int fd; /* libmicrohttpd's while a service runs */
	char *address;
	struct service *service;
};

/* An open connection. Under web.lock, from its beginning until just before its socket is closed. */
struct peer_connection {
	struct peer_connection *next, **at;
	int fd;
	uint64_t since_ns; /* since when a whole request is waited for; 0: one is being answered */
	bool cut;	   /* it took too long; its end is on the way */
};

struct web {
	struct listener *listeners;
	size_t n_listeners;
	struct web_route *routes;
	size_t n_routes;
	struct web_options opt;
	struct web_tls *tls; /* what services are begun with; NULL: plain */
	struct guard *guard;
	pthread_mutex_t lock; /* queue, stopping, stats, services' state */
	pthread_cond_t work, idle; /* there is something to do; a service has nothing suspended any more */
	pthread_mutex_t setting; /* one web_set_security at a time */
	struct exchange *head, **tail;
	size_t held; /* bytes of finished bodies */
	unsigned heavy; /* exchanges of heavy routes being worked on */
	bool stopping;
	pthread_t *threads;
	unsigned n_threads;
	struct web_stats stats;
	struct peer_connection *connections;
	uint64_t swept_ns, answered_ns; /* answered_ns: when the last answer was ready; 0: what it took has been given back */
	bool watched, tidying; /* a worker will look at the connections in time; at answered_ns */
};

/* A worker: takes exchanges off the queue until the server stops. ARG is the web server. */
void *web_worker(void *arg);
/* libmicrohttpd's callbacks; CLS is the service. */
enum MHD_Result web_on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
			       const char *upload, size_t *upload_n, void **req_cls);
void web_on_completed(void *cls, struct MHD_Connection *c, void **req_cls, enum MHD_RequestTerminationCode why);
void web_on_connection(void *cls, struct MHD_Connection *c, void **socket_cls, enum MHD_ConnectionNotificationCode what);

#endif
