// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/http.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "net/token.h"

struct http_client {
	const struct net_options *o;
	CURL *curl;
	_Atomic uint64_t abort_at; /* CLOCK_MONOTONIC ns; 0: never */
};

/* One request's own things, released together. */
struct request {
	struct net_request net;
	struct buf reply;
	size_t max_reply;
};

struct http_client *http_client_new(const struct net_options *options)
{
	net_global_init();
	struct http_client *c = xcalloc(1, sizeof(*c));
	c->o = options;
	c->curl = curl_easy_init();
	if (!c->curl)
		abort();
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	free(c);
}

void http_client_abort_at(struct http_client *c, uint64_t mono_ns)
{
	atomic_store(&c->abort_at, mono_ns);
}

void http_reply_free(struct http_reply *r)
{
	free(r->body);
	*r = (struct http_reply){0};
}

static bool aborted(struct http_client *c)
{
	uint64_t at = atomic_load(&c->abort_at);
	return at && clock_mono_ns() >= at;
}

static int on_progress(void *p, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total, curl_off_t ul)
{
	return aborted(p);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct request *r = arg;
	size_t room = r->max_reply - r->reply.n;
	buf_add(&r->reply, p, n < room ? n : room);
	return n;
}

static int prepare(struct http_client *c, struct request *r, const char *url, const char *content_type, char **error)
{
	CURL *curl = c->curl;
	curl_easy_reset(curl); /* keeps the connections */
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
	int err;
	if ((err = net_add_header(&r->net.headers, "Content-Type", ": ", content_type, error)) ||
	    /* No waiting for "100 Continue". */
	    (err = net_add_header(&r->net.headers, "Expect", ":", " ", error)))
		return err;
	return net_request_prepare(&r->net, curl, c->o, url, error);
}

static int perform(struct http_client *c, struct request *r, struct http_reply *reply, char **error)
{
	CURLcode code = curl_easy_perform(c->curl);
	long status = 0;
	if (code != CURLE_OK) {
		bool cancelled = code == CURLE_ABORTED_BY_CALLBACK;
		*error = xstrdup(cancelled ? "cancelled" : r->net.error[0] ? r->net.error : curl_easy_strerror(code));
		return cancelled ? -ECANCELED : code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 401 && r->net.token)
		net_oauth2_refused(c->o->oauth2, r->net.token);
	reply->status = (int)status;
	reply->n = r->reply.n;
	reply->body = buf_steal(&r->reply);
	return 0;
}

/* Gets the token that R lacks; *TIMEOUT_MS is what is left then. */
static int authorize(struct http_client *c, struct request *r, int64_t *timeout_ms, char **error)
{
	_cleanup_free_ char *value = NULL;
	uint64_t begin = clock_mono_ns();
	int err = token_fetch(c->o->oauth2, *timeout_ms, on_progress, c, &value, error);
	if (err)
		return err;
	*timeout_ms -= (int64_t)((clock_mono_ns() - begin) / 1000000);
	*timeout_ms = *timeout_ms > 0 ? *timeout_ms : 1;
	return net_request_authorize(&r->net, c->curl, value, error);
}

int http_client_post(struct http_client *c, const char *url, const char *content_type, const void *body, size_t n,
		     int64_t timeout_ms, size_t max_reply, struct http_reply *reply, char **error)
{
	struct request r = {.max_reply = max_reply};
	r.reply = BUF_LIMIT(max_reply);
	int err = -ECANCELED;
	if (aborted(c))
		*error = xstrdup("cancelled");
	else
		err = prepare(c, &r, url, content_type, error);
	if (!err && r.net.needs_token)
		err = authorize(c, &r, &timeout_ms, error);
	if (!err) {
		curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
		err = perform(c, &r, reply, error);
		curl_easy_reset(c->curl); /* nothing in it points at R any more */
	}
	net_request_free(&r.net);
	buf_free(&r.reply);
	return err;
}
