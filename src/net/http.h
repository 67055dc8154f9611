/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP client on libcurl (the only place that includes it). One client is used by one thread at a time and keeps its
 * connections; only http_client_abort_at may be called from another. */
#ifndef RT_NET_HTTP_H
#define RT_NET_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "net/options.h"

struct http_client;

/* What the server said. `body` is NUL-terminated and holds at most the asked number of bytes; the rest was discarded. */
struct http_reply {
	int status;
	char *body;
	size_t n;
};

/* OPTIONS must outlive the client. Cannot fail: what is wrong with the options shows at the first request. */
struct http_client *http_client_new(const struct net_options *options);
void http_client_free(struct http_client *c);
/* Sends a POST. 0 and *REPLY (http_reply_free it) whatever its status, or a negative errno and *ERROR: -ETIMEDOUT, -ECANCELED
 * (http_client_abort_at), -EACCES (credentials or certificate that cannot be read), -EIO for all else. TIMEOUT_MS bounds
 * the whole request. */
int http_client_post(struct http_client *c, const char *url, const char *content_type, const void *body, size_t n,
		     int64_t timeout_ms, size_t max_reply, struct http_reply *reply, char **error);
/* From the time MONO_NS (clock_mono_ns) on every running and future request of C ends with -ECANCELED. */
void http_client_abort_at(struct http_client *c, uint64_t mono_ns);
void http_reply_free(struct http_reply *r);

#endif
