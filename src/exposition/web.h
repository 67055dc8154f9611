/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Web server: a table of routes on libmicrohttpd (whose only includers are the web*.c files).
 *
 * One polling thread per listen address moves bytes and never runs a handler; a handler runs on one of a few worker threads while
 * its connection is suspended. So a slow client holds a connection slot and a slow handler holds a worker, but neither holds up
 * anybody else. Connections, requests, bodies and idle time are limited. */
#ifndef RT_EXPOSITION_WEB_H
#define RT_EXPOSITION_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "exposition/web_security.h"

struct web;

struct web_param {
	char *name, *value; /* decoded; also NUL-terminated */
	size_t value_len;
};

struct web_request {
	const char *method; /* as sent: "GET", "HEAD", "POST" */
	const char *path;   /* percent-decoded, without the query */
	struct web_param *params; /* form fields of a POST first, then those of the query */
	size_t n_params;
	struct buf body; /* of a POST that is no form */
	void *connection; /* private */
};

/* The first parameter NAME, or NULL. */
const char *web_request_param(const struct web_request *r, const char *name);
/* A header of the request, several lines of the same name joined by ", ", or NULL. Valid as long as the request; call it from
 * the handler only. */
const char *web_request_header(struct web_request *r, const char *name);

/* Has the client closed its side of the connection, so that nobody waits for an answer? Call it from the handler only. */
bool web_request_is_gone(const struct web_request *r);

struct web_response {
	int status;		  /* 200 unless set */
	const char *content_type; /* static; "text/plain; charset=utf-8" unless set */
	struct buf body;
	/* Instead of BODY: called on the polling thread for at most MAX bytes; > 0 bytes written, 0 end, < 0 break off. */
	ssize_t (*read)(void *arg, char *p, size_t max);
	void (*read_free)(void *arg); /* called exactly once, also if nothing was read */
	void *read_arg;
	struct web_header *headers; /* further ones: web_response_header */
	size_t n_headers, cap_headers;
};

/* Adds a header; both strings are copied. */
void web_response_header(struct web_response *r, const char *name, const char *value);
/* Plain text: status and message with a newline behind it. */
void web_response_text(struct web_response *r, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* GET routes answer HEAD too. PATH is exact, or with PREFIX everything that begins with it; of several the longest wins. */
struct web_route {
	const char *method; /* "GET", "POST" */
	const char *path;
	bool prefix;
	void (*handle)(void *ctx, struct web_request *req, struct web_response *res);
	void *ctx;
	bool heavy; /* may take long: at most half of the workers do such at a time, so that a scrape never waits for queries */
};

struct web_options {
	const char *const *addresses; /* ":9839", "127.0.0.1:9839", "[::1]:9839", "localhost:0" */
	size_t n_addresses;
	int first_socket; /* N_SOCKETS that are bound already, one after the other, besides the addresses; they are taken over */
	size_t n_sockets;
	const struct web_route *routes; /* copied; the strings must outlive the server */
	size_t n_routes;
	unsigned max_connections;	 /* of all addresses together; default 512, as Prometheus */
	unsigned max_connections_per_ip; /* default 256: Grafana and proxies keep a hundred */
	/* Default 30: a connection on which nothing moves is closed; one on which a request trickles in is after twice that. */
	unsigned idle_seconds;
	unsigned workers;		 /* default 4 */
	size_t max_body;		 /* of a request; default 1 MiB */
	/* Of an answer that is made before it is sent; default 32 MiB. All those that slow clients have not read yet: twice that. */
	size_t max_answer;
	const struct web_security *security; /* NULL: none */
};

struct web_stats {
	uint64_t requests, rejected_rate, rejected_auth;
	unsigned connections; /* open now */
};

/* Binds the addresses, so that a port in use is known before anything else is begun; nobody is served before web_start.
 * 0, or a negative errno and *ERROR, which names the address. */
int web_new(const struct web_options *opt, struct web **web, char **error);
int web_start(struct web *web, char **error);
/* The bound address I as host:port text (a port 0 resolved), NULL past the end. */
const char *web_address(const struct web *web, size_t i);
/* Replaces users, headers, rate limit and the TLS material (connections made with the old are closed). Whether TLS is on at all
 * cannot change. Thread-safe; the old state stays on failure: -EINVAL and *ERROR. */
int web_set_security(struct web *web, const struct web_security *security, char **error);
struct web_stats web_stats(struct web *web);
/* Ends the service: waits for handlers that run, then closes every connection. NULL is fine. */
void web_free(struct web *web);

#endif
