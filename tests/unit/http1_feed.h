/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Feeds bpf/http1.h as bpf/request.h and response.h do (segment by segment, heads in blocks, bodies by their
 * count) and writes down what happened. Shared by the unit tests and the fuzzer. What is written down must
 * not depend on where segments end. */
#ifndef RT_TESTS_HTTP1_FEED_H
#define RT_TESTS_HTTP1_FEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head.h"

#define FEED_EVENTS 1024 /* the shortest request has 16 bytes and makes two */

enum feed_kind {
	FEED_LINE, /* a request line is complete */
	FEED_HEAD, /* a head is complete, a body follows */
	FEED_DONE,
	FEED_INTERIM,
	FEED_UPGRADE,
	FEED_BAD,
	FEED_IDLE,    /* the input ended between two messages, */
	FEED_PARTIAL, /* in a head or between two chunks, */
	FEED_OPEN,    /* in a body or chunk */
};

struct feed_event {
	uint8_t kind, method, flags, minor;
	uint16_t status, path_len;
	uint32_t at; /* bytes of the input before it; 0 for FEED_LINE, which is noticed at the end of a block
			only */
	uint64_t body; /* of this message so far */
	uint64_t left; /* FEED_HEAD, FEED_OPEN: of the body or chunk, as far as known */
	char path[RT_ENDPOINT_MAX];
};

struct feed {
	struct http1 p;
	uint8_t *guard;	     /* blocks are copied so that they end here */
	char *path;	     /* RT_ENDPOINT_MAX bytes */
	const char *methods; /* of the requests that responses are to: G(ET), H(EAD), C(ONNECT); the last one
				is for all others */
	int response, stopped;
	int by_bytes;	     /* never the short way of head.h */
	unsigned short_ways; /* heads that took it */
	uint32_t at;
	uint64_t body;
	unsigned n;
	struct feed_event events[FEED_EVENTS];
};

#define FEED_CHECK(what)                                                                                     \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                   \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

static inline void feed_begin(struct feed *f, int response, const char *methods)
{
	memset(&f->p, 0, sizeof(f->p));
	http1_begin(&f->p, response);
	f->response = response;
	f->methods = methods && *methods ? methods : "G";
	f->stopped = 0;
	f->at = 0;
	f->body = 0;
	f->n = 0;
	f->short_ways = 0;
}

static inline void feed_note(struct feed *f, enum feed_kind kind)
{
	const struct http1 *p = &f->p;
	struct feed_event *e = &f->events[f->n++];

	FEED_CHECK(p->method < RT_METHODS && p->path_len <= RT_ENDPOINT_MAX && p->status <= 999);
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->at = kind == FEED_LINE ? 0 : f->at;
	e->body = f->body;
	if (kind == FEED_LINE) {
		e->method = p->method;
		e->minor = p->minor;
		e->flags = p->flags & HTTP1_PATH_CUT;
		e->path_len = p->path_len;
		memcpy(e->path, f->path, p->path_len);
		for (unsigned i = p->path_len; i < RT_ENDPOINT_MAX; i++)
			FEED_CHECK(!f->path[i]);
	} else if (f->response && kind < FEED_BAD) {
		e->status = p->status;
		e->flags = p->flags & HTTP1_EVENT_STREAM;
		FEED_CHECK(p->status >= 100);
	}
	if (kind == FEED_HEAD || kind == FEED_OPEN)
		e->left = p->state == HTTP1_B_CLOSE ? UINT64_MAX : p->length;
	f->stopped = kind == FEED_UPGRADE || kind >= FEED_BAD || f->n + 2 > FEED_EVENTS;
}

/* The short way through a head, if it is one for it. */
static inline size_t feed_head(struct feed *f, const uint8_t *data, size_t n)
{
	struct http1 *p = &f->p;
	static struct http1_head head;
	static struct http1_path path;
	__u32 used, size = n < HTTP1_HEAD_MAX ? n : HTTP1_HEAD_MAX;
	__u8 flags = p->flags;

	if (!http1_idle(p) || p->pos || n < HTTP1_HEAD_LEAST)
		return 0;
	/* Behind the content stands what a head before has left: here, what is most likely to be taken for one. */
	memset(head.bytes, '\n', sizeof(head.bytes));
	memcpy(head.bytes, data, size);
	p->event = HTTP1_EV_NONE;
	used = f->response ? http1_head_response(p, &head, size) : http1_head_request(p, &path, &head, size);
	if (!used) {
		http1_head_undo(p, flags);
		return 0;
	}
	used = p->used;
	FEED_CHECK(used && used <= size);
	if (!f->response) {
		FEED_CHECK(p->path_len && p->path_len < RT_ENDPOINT_MAX);
		memcpy(f->path, path.text, (p->path_len + 7) & ~7);
	}
	return used;
}

/* Feeds the bytes of one packet. */
static inline void feed_segment(struct feed *f, const uint8_t *data, size_t n)
{
	struct http1 *p = &f->p;

	for (size_t off = 0, used; off < n && !f->stopped; off += used) {
		enum http1_event event;
		if (http1_in_body(p)) {
			__u64 taken = 0;
			event = http1_skip(p, n - off, &taken);
			f->body += taken;
			used = taken;
			FEED_CHECK(used && used <= n - off);
			f->at += used;
		} else {
			__u32 size = n - off < HTTP1_BLOCK ? n - off : HTTP1_BLOCK;
			uint8_t *block = f->guard - size;
			if (http1_idle(p)) {
				f->body = 0;
				if (f->response) {
					const char *m = f->methods;
					p->method = *m == 'H'	? RT_METHOD_HEAD
						    : *m == 'C' ? RT_METHOD_CONNECT
								: RT_METHOD_GET;
					p->flags = HTTP1_RESPONSE | (*m == 'H' ? HTTP1_NO_BODY : 0);
				} else {
					memset(f->path, 0, RT_ENDPOINT_MAX);
				}
			}
			used = f->by_bytes ? 0 : feed_head(f, data + off, n - off);
			if (used) {
				f->short_ways++;
				goto read;
			}
			memcpy(block, data + off, size);
			http1_block(p);
			for (int i = 0; i < HTTP1_BLOCK && !http1_block_done(p, size); i++)
				http1_run(p, f->path, block, size, f->response);
			FEED_CHECK(http1_block_done(p, size));
			used = p->used;
			FEED_CHECK(used && used <= size);
		read:
			f->at += used;
			event = p->event;
			if (p->flags & HTTP1_LINE_DONE) {
				p->flags &= ~HTTP1_LINE_DONE;
				feed_note(f, FEED_LINE);
			}
		}
		switch (event) {
		case HTTP1_EV_NONE:
			break;
		case HTTP1_EV_HEAD:
			feed_note(f, FEED_HEAD);
			break;
		case HTTP1_EV_DONE:
		case HTTP1_EV_INTERIM:
			feed_note(f, event == HTTP1_EV_DONE ? FEED_DONE : FEED_INTERIM);
			http1_begin(p, f->response);
			if (event == HTTP1_EV_DONE && f->methods[1])
				f->methods++;
			break;
		case HTTP1_EV_UPGRADE:
			feed_note(f, FEED_UPGRADE);
			break;
		case HTTP1_EV_BAD:
			FEED_CHECK(p->state == HTTP1_DEAD);
			feed_note(f, FEED_BAD);
			break;
		}
	}
}

static inline void feed_end(struct feed *f)
{
	if (!f->stopped)
		feed_note(f, http1_idle(&f->p) ? FEED_IDLE : http1_in_body(&f->p) ? FEED_OPEN : FEED_PARTIAL);
}

static inline int feed_same(const struct feed *a, const struct feed *b)
{
	return a->n == b->n && !memcmp(a->events, b->events, a->n * sizeof(a->events[0]));
}

/* As text, one message after another, "; " between them:
 *	GET /a done@18			no body
 *	POST /a @30 +5 done@35		head complete at 30, body of 5 bytes, complete at 35
 *	200 @38 sse +7 open		an event stream of which 7 bytes have come
 *	100 interim@25; 101 upgrade@90; bad@7; partial
 * A path that was cut ends in "~". BRIEF leaves out where a message turned bad and the request line of one
 *without a whole head, and makes no difference between chunks and what is between them. */
static inline void feed_text(const struct feed *f, int brief, char *out, size_t size)
{
	static const char *const methods[] = {"_OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND",
		"PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "ACL", "MKCALENDAR", "MKACTIVITY", "CHECKOUT", "MERGE",
		"QUERY"};
	int head = 0;  /* of the message at hand is complete */
	int fresh = 1; /* nothing of the message at hand has been said yet */
	size_t n = 0;

	_Static_assert(sizeof(methods) / sizeof(methods[0]) == RT_METHODS, "a method has no name");
	out[0] = 0;
#define FEED_SAY(...) (n += n < size ? (size_t)snprintf(out + n, size - n, __VA_ARGS__) : 0)
	for (unsigned i = 0; i < f->n; i++) {
		const struct feed_event *e = &f->events[i];
		if (e->kind == FEED_IDLE)
			break;
		if (brief && e->kind == FEED_LINE && i + 1 < f->n && f->events[i + 1].kind >= FEED_BAD)
			continue;
		if (fresh && n)
			FEED_SAY("; ");
		if (e->kind == FEED_LINE) {
			FEED_SAY("%s %.*s%s", methods[e->method], e->path_len, e->path, e->flags ? "~" : "");
			fresh = 0;
			continue;
		}
		if (fresh && e->status)
			FEED_SAY("%u ", e->status);
		else if (!fresh)
			FEED_SAY(" ");
		fresh = e->kind != FEED_HEAD;
		if (e->kind == FEED_HEAD)
			FEED_SAY("@%u%s", e->at, e->flags ? " sse" : "");
		if (e->body)
			FEED_SAY("+%llu ", (unsigned long long)e->body);
		if (e->kind == FEED_DONE)
			FEED_SAY("done@%u", e->at);
		else if (e->kind == FEED_INTERIM)
			FEED_SAY("interim@%u", e->at);
		else if (e->kind == FEED_UPGRADE)
			FEED_SAY("upgrade@%u", e->at);
		else if (e->kind == FEED_BAD && brief)
			FEED_SAY("bad");
		else if (e->kind == FEED_BAD)
			FEED_SAY("bad@%u", e->at);
		else if (e->kind == FEED_PARTIAL)
			FEED_SAY(brief && head ? "open" : "partial");
		else if (e->kind == FEED_OPEN)
			FEED_SAY("open");
		head = e->kind == FEED_HEAD;
	}
#undef FEED_SAY
}

#endif
