/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many GETs at a time from one thread, bounded in number, size and time (libcurl's multi interface). Connections are kept. All functions
 * but http_fetcher_wake and http_fetcher_release belong to one thread. */
#ifndef RT_NET_FETCH_H
#define RT_NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/options.h"

struct http_fetcher;

struct http_fetch {
	const char *url;
	const struct net_options *options; /* only looked at by http_fetcher_start */
	const char *const *headers;	   /* N_HEADERS pairs of name and value */
	size_t n_headers;
	int64_t timeout_ms; /* of the whole request */
	size_t max_body;    /* decompressed; past it the request fails */
	bool gzip;	    /* offer it */
	void *arg;
};

/* ERR is 0 whatever the status, or -ETIMEDOUT, -EFBIG (past max_body), -ENOBUFS (past what all bodies together may take), -EACCES
 * (credentials or certificate that cannot be read), -EIO, with ERROR. Borrowed for the call, but for the body: who wants to keep it takes
 * *BODY, leaves an empty one, and says with http_fetcher_release when it is gone. */
struct http_fetched {
	int err;
	const char *error;
	int status;
	const char *reason;	  /* what stands behind the status, "" if nothing does */
	const char *content_type; /* NULL: there was none */
	struct buf *body;
	void *arg;
};

/* MAX_TOTAL: bytes that all bodies in memory may take together. */
struct http_fetcher *http_fetcher_new(size_t max_total);
/* Ends what is under way without reporting it. */
void http_fetcher_free(struct http_fetcher *f);
/* Starts one. Its end is reported by a later http_fetcher_run, even if it could not be started. */
void http_fetcher_start(struct http_fetcher *f, const struct http_fetch *fetch);
/* Ends the one with ARG without reporting it, if there is one. */
void http_fetcher_cancel(struct http_fetcher *f, void *arg);
/* Requests under way. */
size_t http_fetcher_running(const struct http_fetcher *f);
/* Does what there is to do and waits at most TIMEOUT_MS for more; calls DONE for each request that has ended. */
void http_fetcher_run(struct http_fetcher *f, int timeout_ms, void (*done)(void *ctx, const struct http_fetched *r), void *ctx);
/* BYTES, the room of a body that was taken, are free again. From any thread. */
void http_fetcher_release(struct http_fetcher *f, size_t bytes);
/* Ends the waiting of http_fetcher_run. From any thread. */
void http_fetcher_wake(struct http_fetcher *f);

#endif
