// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/token.h"

#define MAX_CONNECTIONS 64	   /* kept open */
#define SMALL_SHARE 32		   /* this part of max_total is always there for a body */

struct transfer {
	struct transfer *next;
	struct http_fetcher *f;
	CURL *curl;
	struct net_request net;
	struct buf body;
	char *reason;
	void *arg;
	int err;     /* why we ended it ourselves */
	char *error; /* it could not be started, or what we ended it for */
	bool added;  /* to the multi handle */
	struct net_oauth2 *oauth2;
	bool waiting;  /* for a token */
	bool is_token; /* it is the request for one, which nobody is told of */
	struct token_request token;
	int64_t timeout_ms;
	uint64_t deadline; /* CLOCK_MONOTONIC ns */
};

struct http_fetcher {
	CURLM *multi;
	struct transfer *first;
	size_t n, max_total;
	size_t total; /* atomic: bodies that were taken are given back by other threads */
};

struct http_fetcher *http_fetcher_new(size_t max_total)
{
	net_global_init();
	struct http_fetcher *f = xcalloc(1, sizeof(*f));
	f->max_total = max_total;
	f->multi = curl_multi_init();
	if (!f->multi)
		abort();
	curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)MAX_CONNECTIONS);
	return f;
}

static void transfer_free(struct transfer *t)
{
	struct http_fetcher *f = t->f;
	struct transfer **p = &f->first;
	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	if (t->added)
		curl_multi_remove_handle(f->multi, t->curl);
	curl_easy_cleanup(t->curl);
	http_fetcher_release(f, t->body.cap);
	f->n--;
	buf_free(&t->body);
	net_request_free(&t->net);
	token_request_clear(&t->token);
	net_oauth2_unref(t->oauth2);
	free(t->reason);
	free(t->error);
	free(t);
}

void http_fetcher_free(struct http_fetcher *f)
{
	if (!f)
		return;
	while (f->first)
		transfer_free(f->first);
	curl_multi_cleanup(f->multi);
	free(f);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t before = t->body.cap, others = __atomic_load_n(&t->f->total, __ATOMIC_RELAXED) - before;
	size_t most = others < t->f->max_total ? t->f->max_total - others : 0; /* small bodies may have gone past it */
	if (t->body.n + n > t->body.max) {
		t->err = -EFBIG;
		return 0;
	}
	/* What all take together is bounded; small bodies always find room, or a few targets that send without end would take it from
	 * the rest. */
	if (t->body.n + n > most && t->body.n + n > t->f->max_total / SMALL_SHARE) {
		t->err = -ENOBUFS;
		return 0;
	}
	buf_add(&t->body, p, n);
	__atomic_add_fetch(&t->f->total, t->body.cap - before, __ATOMIC_RELAXED);
	return n;
}

/* "HTTP/1.1 404 Not Found": a redirect has a line for each answer, the last one counts. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	if (n < 5 || memcmp(p, "HTTP/", 5) != 0)
		return n;
	const char *end = p + n, *s = memchr(p, ' ', n);
	s = s ? memchr(s + 1, ' ', (size_t)(end - s - 1)) : NULL;
	free(t->reason);
	t->reason = NULL;
	if (s) {
		while (end > s + 1 && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
			end--;
		t->reason = xstrndup(s + 1, (size_t)(end - s - 1));
	}
	return n;
}

static struct transfer *transfer_new(struct http_fetcher *f, size_t max_body)
{
	struct transfer *t = xcalloc(1, sizeof(*t));
	t->f = f;
	t->body = BUF_LIMIT(max_body);
	t->curl = curl_easy_init();
	if (!t->curl)
		abort();
	t->next = f->first;
	f->first = t;
	f->n++;
	curl_easy_setopt(t->curl, CURLOPT_PRIVATE, t);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
	/* The name of a host that never resolves must not hold up the thread when its time is over. */
	curl_easy_setopt(t->curl, CURLOPT_QUICK_EXIT, 1L);
	return t;
}

static void begin(struct transfer *t)
{
	if (curl_multi_add_handle(t->f->multi, t->curl) != CURLM_OK)
		abort();
	t->added = true;
}

/* The token that requests wait for has come; or ERROR. */
static void end_waiting(struct http_fetcher *f, const struct net_oauth2 *o, const char *value, int err, const char *error)
{
	uint64_t now = clock_mono_ns();
	for (struct transfer *t = f->first; t; t = t->next) {
		if (!t->waiting || t->oauth2 != o)
			continue;
		t->waiting = false;
		if (!value) {
			t->err = err;
			t->error = xstrdup(error);
			continue;
		}
		t->err = net_request_authorize(&t->net, t->curl, value, &t->error);
		curl_easy_setopt(t->curl, CURLOPT_TIMEOUT_MS, t->deadline > now + 1000000 ? (long)((t->deadline - now) / 1000000) : 1L);
		if (!t->err)
			begin(t);
	}
}

static void start_token(struct http_fetcher *f, struct net_oauth2 *o, bool again, int64_t timeout_ms)
{
	struct transfer *t = transfer_new(f, NET_OAUTH2_REPLY_MAX);
	char *error = NULL;
	t->is_token = true;
	t->oauth2 = net_oauth2_ref(o);
	t->timeout_ms = timeout_ms;
	t->token.again = again;
	int err = token_request_prepare(&t->token, o, t->curl, timeout_ms, &error);
	if (!err) {
		begin(t);
		return;
	}
	end_waiting(f, o, NULL, err, error);
	free(error);
	transfer_free(t);
}

static void wait_for_token(struct transfer *t)
{
	struct net_oauth2 *o = t->oauth2;
	t->waiting = true;
	t->deadline = clock_mono_ns() + (uint64_t)t->timeout_ms * 1000000u;
	for (const struct transfer *other = t->f->first; other; other = other->next)
		if (other->is_token && other->oauth2 == o)
			return; /* somebody has asked already */
	start_token(t->f, o, false, t->timeout_ms);
}

static void token_ended(struct transfer *t, CURLcode code)
{
	struct http_fetcher *f = t->f;
	char *value = NULL, *error = NULL;
	int err = token_request_finish(&t->token, t->oauth2, t->curl, code, sv_make(buf_str(&t->body), t->body.n), &value, &error);
	struct net_oauth2 *o = net_oauth2_ref(t->oauth2);
	int64_t timeout_ms = t->timeout_ms;
	transfer_free(t);
	if (err == -EAGAIN)
		start_token(f, o, true, timeout_ms);
	else
		end_waiting(f, o, value, err, error);
	net_oauth2_unref(o);
	free(value);
	free(error);
}

void http_fetcher_start(struct http_fetcher *f, const struct http_fetch *fetch)
{
	struct transfer *t = transfer_new(f, fetch->max_body);
	t->arg = fetch->arg;
	t->timeout_ms = fetch->timeout_ms;
	t->oauth2 = fetch->options->oauth2 ? net_oauth2_ref(fetch->options->oauth2) : NULL;
	for (size_t i = 0; i < fetch->n_headers && !t->err; i++)
		t->err = net_add_header(&t->net.headers, fetch->headers[2 * i], ": ", fetch->headers[2 * i + 1], &t->error);
	if (!t->err)
		t->err = net_request_prepare(&t->net, t->curl, fetch->options, fetch->url, &t->error);
	if (t->err)
		return;
	curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->curl, CURLOPT_TIMEOUT_MS, (long)fetch->timeout_ms);
	/* curl unpacks as the body comes in, so that a bomb meets max_body. */
	curl_easy_setopt(t->curl, CURLOPT_ACCEPT_ENCODING, fetch->gzip ? "gzip" : "identity");
	if (t->net.needs_token)
		wait_for_token(t);
	else
		begin(t);
}

void http_fetcher_cancel(struct http_fetcher *f, void *arg)
{
	for (struct transfer *t = f->first, *next; t; t = next) {
		next = t->next;
		if (t->arg == arg && !t->is_token)
			transfer_free(t);
	}
}

size_t http_fetcher_running(const struct http_fetcher *f)
{
	return f->n;
}

static void report(struct transfer *t, CURLcode code, void (*done)(void *ctx, const struct http_fetched *r), void *ctx)
{
	struct http_fetched r = {.arg = t->arg, .reason = t->reason ? t->reason : "", .body = &t->body};
	if (t->err == -EFBIG || t->err == -ENOBUFS) {
		r.err = t->err;
		r.error = t->err == -EFBIG ? "body size limit exceeded" : "no memory for its body: too many large ones at once";
	} else if (t->err) {
		r.err = t->err;
		r.error = t->error;
	} else if (code != CURLE_OK) {
		r.err = code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;
		r.error = t->net.error[0] ? t->net.error : curl_easy_strerror(code);
	} else {
		long status = 0;
		char *type = NULL;
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &type);
		r.status = (int)status;
		if (status == 401 && t->net.token)
			net_oauth2_refused(t->oauth2, t->net.token);
		r.content_type = type;
	}
	done(ctx, &r);
	transfer_free(t);
}

void http_fetcher_run(struct http_fetcher *f, int timeout_ms, void (*done)(void *ctx, const struct http_fetched *r), void *ctx)
{
	int running, left;
	uint64_t now = clock_mono_ns();
	for (struct transfer *t = f->first, *next; t; t = next) {
		next = t->next;
		if (t->waiting && t->deadline > now) {
			int64_t left = (int64_t)((t->deadline - now) / 1000000) + 1;
			timeout_ms = left < timeout_ms ? (int)left : timeout_ms;
		} else if (!t->added) {
			if (t->waiting) {
				t->err = -ETIMEDOUT;
				t->error = xasprintf("no token from %s in time", t->oauth2->token_url);
			}
			report(t, CURLE_OK, done, ctx);
			timeout_ms = 0;
			break; /* the list may be another now */
		}
	}
	curl_multi_perform(f->multi, &running);
	/* One that has just ended is told now, not when something happens to another or the time is over. */
	if ((size_t)running < f->n)
		timeout_ms = 0;
	curl_multi_poll(f->multi, NULL, 0, timeout_ms, NULL);
	curl_multi_perform(f->multi, &running);
	for (CURLMsg *m; (m = curl_multi_info_read(f->multi, &left));) {
		struct transfer *t = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		if (t->is_token)
			token_ended(t, code);
		else
			report(t, code, done, ctx);
	}
}

void http_fetcher_release(struct http_fetcher *f, size_t bytes)
{
	__atomic_sub_fetch(&f->total, bytes, __ATOMIC_RELAXED);
}

void http_fetcher_wake(struct http_fetcher *f)
{
	curl_multi_wakeup(f->multi);
}
