/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Ingress: the bytes of requests, in the order of their sequence numbers. */
#ifndef RT_REQUEST_H
#define RT_REQUEST_H

#include "packet.h"
#include "record.h"
#include "budget.h"

/* What is being looked at. */
struct scan {
	struct __sk_buff *skb;
	struct bpf_sock *sk; /* null while the connection has no socket of its own: then `embryo` has its pipeline */
	struct pipeline *embryo;
	struct connection *c;
	__u64 now;
	__u32 off, end; /* in the packet */
	__u32 next;	/* sequence number at off */
	__u16 held_slot; /* where `held` is */
	__u16 n_held;    /* when the round began */
	struct held *held; /* the bytes are here and not in the packet */
	struct held_pieces *pieces; /* null: not looked for yet */
};

/* Was the head read the short way (head.h)? */
enum head {
	HEAD_NOT_READ,
	HEAD_READ,
	HEAD_SAME, /* as the one before, which is kept */
};

#ifdef RT_BOUNDED
static __always_inline void scan_keep(const struct scan *s, struct scan_kept *k)
{
	k->now = s->now;
	k->off = s->off;
	k->end = s->end;
	k->next = s->next;
	k->held = s->held ? s->held_slot + 1 : 0;
}

static __always_inline void scan_go_on(struct scan *s, const struct scan_kept *k)
{
	s->off = k->off;
	s->end = k->end;
	s->next = k->next;
}

/* Feeds the block to the parser: a copy of it, in ingress' scratch memory, where global functions get at it without a way round. */
static __always_inline void bounded_parse(struct connection *c, struct scratch *x, __u32 n)
{
	x->rx = c->rx;
	__builtin_memcpy(x->path, c->rx_path, RT_ENDPOINT_MAX);
	bounded(HTTP1_BLOCK, bounded_request_parse(n));
	c->rx = x->rx;
	__builtin_memcpy(c->rx_path, x->path, RT_ENDPOINT_MAX);
}
#endif

/* Is 0 < *N <= MAX, a power of two? Linux 6.1 learns nothing of N from a comparison with zero or of N - 1, so the bounds are put into
 * the number itself. */
static __always_inline int size_fits(__u32 *n, __u32 max)
{
	__u64 v = *n;

	if (!v || v > max)
		return 0;
	v--;
	http1_opaque(v);
	v &= max - 1;
	*n = v + 1;
	return 1;
}

/* A function of its own, so that the key is not on the stack of the caller, where it is short. */
static __noinline struct scratch *scratch_get(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&scratches, &zero);
}

#define METHOD_LETTERS 24

enum likeness {
	LIKE_NOTHING,
	LIKE_REQUEST, /* a method of RFC 9110 and a blank */
	LIKE_OTHER,   /* capital letters and hyphens, a blank and a path or "http" */
	LIKE_METHOD,  /* the beginning of a method of RFC 9110, up to the end */
};

/* The first letters of a method as they stand in memory. */
#define LETTERS(a, b, c, d, e, f, g)                                                                                                           \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | (__u64)(g) << 48)

/* Is W the beginning of a method of RFC 9110 (or PATCH)? N letters, with zeros behind. A global function: the verifier looks at it once. */
__noinline int begins_method(__u64 w, __u32 n)
{
	__u64 mask = (1ull << (n * 8 & 63)) - 1;

#define BEGINS(...) (((LETTERS(__VA_ARGS__) ^ w) & mask) == 0)
	return n && n < 8 &&
	       (BEGINS('G', 'E', 'T', 0, 0, 0, 0) || BEGINS('H', 'E', 'A', 'D', 0, 0, 0) || BEGINS('P', 'O', 'S', 'T', 0, 0, 0) ||
		BEGINS('P', 'U', 'T', 0, 0, 0, 0) || BEGINS('P', 'A', 'T', 'C', 'H', 0, 0) || BEGINS('D', 'E', 'L', 'E', 'T', 'E', 0) ||
		BEGINS('O', 'P', 'T', 'I', 'O', 'N', 'S') || BEGINS('C', 'O', 'N', 'N', 'E', 'C', 'T') || BEGINS('T', 'R', 'A', 'C', 'E', 0, 0));
}

/* Does a block begin as a request does? Behind its bytes there are zeros. */
static __noinline int block_likeness(const struct scratch *x)
{
	__u64 w = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < METHOD_LETTERS; i++) {
		__u8 c = x->block[i], next = x->block[i + 1];
		if (c == ' ') {
			if (i && i < 8 && http1_method(w, i) != RT_METHOD_OTHER)
				return LIKE_REQUEST;
			return i && (next == '/' || next == 'h') ? LIKE_OTHER : LIKE_NOTHING;
		}
		if ((__u8)(c - 'A') >= 26 && c != '-')
			return !c && begins_method(http1_load(x->block), i) ? LIKE_METHOD : LIKE_NOTHING;
		w = w << 8 | c;
	}
	return LIKE_NOTHING;
}

/* N bytes of payload are at OFF. */
static __noinline int likeness(struct __sk_buff *skb, __u32 off, __u32 n)
{
	struct scratch *x = scratch_get();

	if (n > METHOD_LETTERS + 8)
		n = METHOD_LETTERS + 8;
	if (!x || !size_fits(&n, METHOD_LETTERS + 8))
		return LIKE_NOTHING;
	__builtin_memset(x->block, 0, METHOD_LETTERS + 8);
	return bpf_skb_load_bytes(skb, off, x->block, n) ? LIKE_NOTHING : block_likeness(x);
}

static __always_inline int starts_like_request(struct __sk_buff *skb, struct packet *k)
{
	__u32 like = likeness(skb, k->offset, k->length);
	return like == LIKE_REQUEST || like == LIKE_OTHER;
}

/* A socket to be left alone for good, and why. */
static __noinline int ignore(struct bpf_sock *sk, __u32 verdict)
{
	__u32 *tries = bpf_sk_storage_get(&ignored, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (tries) /* what it was sent may be answered */
		*tries = verdict == RT_VERDICT_SERVER_FIRST || verdict == RT_VERDICTS ? 0 : IGNORED_UNANSWERED;
	count(RT_NOT_HTTP, 1);
	return listener_count(bpf_sk_cgroup_id(sk), sk->src_port, verdict, verdict == RT_VERDICT_TLS || verdict == RT_VERDICT_HTTP2);
}

/* The first byte of a request. */
static __always_inline void request_begin(struct connection *c, struct scan *s)
{
	c->rx_start_ns = s->now;
	c->rx_start_seq = s->next;
	c->rx_read_ns = 0;
}

/* The place in the ring for the request at position POS, or null beyond the depth. */
static __always_inline struct request *request_place(struct connection *c, struct bpf_sock *sk, struct pipeline *embryo, __u32 pos)
{
	__u32 waiting = pos - c->tx_pos;

	if (!waiting)
		return &c->first;
	if (waiting >= RT_PIPELINE_DEPTH)
		return 0;
	struct pipeline *l = sk ? bpf_sk_storage_get(&pipelines, sk, 0, 0) : embryo;
	if (!l && sk && usage_has_room(RT_USAGE_PIPELINES, settings.pipelines)) {
		l = bpf_sk_storage_get(&pipelines, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (l)
			usage_add(RT_USAGE_PIPELINES, 1);
	}
	if (!l)
		return 0;
	http1_opaque(l); /* else clang computes the address before the check, which the verifier does not allow */
	return &l->slots[pos & (RT_PIPELINE_DEPTH - 1)];
}

#ifndef RT_BOUNDED
struct normalise {
	struct scratch *x;
	struct connection *c;
	__u64 len;
};

/* As a plain loop this costs the verifier four thousand instructions a byte, too many for 192 bytes (6.18, clang 14). */
static long normalise_step(__u32 i, struct normalise *n)
{
	if (i >= n->len || i >= RT_ENDPOINT_MAX)
		return 1;
	endpoint_byte(&n->x->norm, n->x->text, n->c->rx_path[i]);
	return 0;
}

#endif

/* A global function: the verifier looks at it once. */
GLOBAL int request_normalise(struct connection *c, struct scratch *x)
{
	if (!c || !x)
		return 0;
	__builtin_memset(x->text, 0, RT_ENDPOINT_MAX);
	endpoint_begin(&x->norm);
#ifdef RT_BOUNDED
	x->normalise_at = 0;
	bounded(RT_ENDPOINT_MAX / NORMALISE_STRETCH, bounded_normalise());
#else
	struct normalise n = {.x = x, .c = c, .len = c->rx.path_len};
	bpf_loop(RT_ENDPOINT_MAX, normalise_step, &n, 0);
#endif
	endpoint_end(&x->norm, x->text, c->rx.flags & HTTP1_PATH_CUT);
	/* What was written and taken back (the identifiers themselves) must not stay behind the text: it is hashed by words, and no
	 * raw path may leave the kernel. */
	__s32 left = x->norm.out;
#pragma clang loop unroll(full)
	for (int i = 0; i < RT_ENDPOINT_MAX / 8; i++, left -= 8) {
		__u64 w = http1_word(x->text, i);
		if (left <= 0)
			w = 0;
		else if (left < 8)
			w &= (1ull << (left * 8)) - 1;
		http1_set_word(c->rx_path, i, w);
	}
	c->rx.path_len = x->norm.out;
	return 0;
}

struct routing {
	struct scratch *x;
	const char *path;
	struct rt_route *route;
	__u16 path_len;
	__u16 named, stream;
	__u16 pad; /* 32 bytes: more would be 32 more of stack */
};

/* One byte of the path against the route at hand. */
static long route_step(__u32 i, struct routing *r)
{
	struct scratch *x = r->x;
	__u32 at = x->route_at, pat = x->route_pattern_at;
	char c = 0, want = 0;

	if (at < RT_ENDPOINT_MAX && at < r->path_len)
		c = r->path[at];
	if (pat < RT_ENDPOINT_MAX)
		want = r->route->pattern[pat];
	if (want == RT_ROUTE_SEGMENT) {
		if (c && c != '/') {
			x->route_at++;
			x->route_segment++;
			return 0;
		}
		x->route_state = x->route_segment ? 0 : 2;
		x->route_segment = 0;
		x->route_pattern_at++;
		return x->route_state != 0;
	}
	if (want == RT_ROUTE_REST || (!want && !c)) {
		x->route_state = 1;
		return 1;
	}
	if (want != c) {
		x->route_state = 2;
		return 1;
	}
	x->route_at++;
	x->route_pattern_at++;
	return 0;
}

/* The first route that names the endpoint does; any that says so makes it a stream. */
static long routes_step(__u32 i, struct routing *r)
{
	struct scratch *x = r->x;

	struct rt_route *route = bpf_map_lookup_elem(&routes, &i);
	if (!route)
		return 1;
	r->route = route;
	x->route_at = x->route_pattern_at = x->route_segment = x->route_state = 0;
	/* Every step takes a byte of the path or of the pattern. */
#ifdef RT_BOUNDED
	bounded(2 * RT_ENDPOINT_MAX, route_step(_i, r));
#else
	bpf_loop(2 * RT_ENDPOINT_MAX, route_step, r, 0);
#endif
	if (x->route_state != 1)
		return 0;
	if (route->stream)
		r->stream = 1;
	if (route->len && !r->named) {
		r->named = 1;
		__builtin_memcpy(x->text, route->text, RT_ENDPOINT_MAX);
		x->norm.out = route->len;
	}
	return 0;
}

/* 1 if a configured route names the endpoint. */
static __noinline int request_route(struct connection *c, struct scratch *x)
{
#ifdef RT_BOUNDED
	struct routing r = {};
	x->route = x->route_named = x->route_stream = 0;
	bounded(RT_ROUTES_MAX, bounded_route());
	r.named = x->route_named;
	r.stream = x->route_stream;
#else
	struct routing r = {.x = x, .path = c->rx_path, .path_len = c->rx.path_len};
	bpf_loop(settings.n_routes, routes_step, &r, 0);
#endif
	if (r.stream)
		c->rx_stream = 1;
	if (!r.named)
		return 0;
	__builtin_memcpy(c->rx_path, x->text, RT_ENDPOINT_MAX);
	c->rx.path_len = x->norm.out;
	return 1;
}

/* Makes an endpoint of the path. */
static __always_inline void request_name(struct connection *c, struct scratch *x)
{
	struct http1 *p = &c->rx;

	c->rx_stream = 0;
	if (!p->path_len) { /* CONNECT host:port */
		__builtin_memcpy(c->rx_path, "{authority}", 11);
		p->path_len = 11;
	} else if (settings.n_routes && request_route(c, x)) {
		/* named by its route */
	} else if ((p->flags & HTTP1_PATH_CUT) || !endpoint_is_plain(p)) {
		request_normalise(c, x);
	}
}

/* The request line is complete: the request is seen, and waits for its response from now on. 1 if it does so in `first`. */
static __noinline int request_push(struct scan *s, enum head head)
{
	struct connection *c = s->c;
	struct bpf_sock *sk = s->sk;
	struct http1 *p = &c->rx;
	__u32 pos = c->rx_pos;

	p->flags &= ~HTTP1_LINE_DONE;
	c->framing = FRAMING_HELD;
	if (answered_early(c)) {
		c->early_passed = c->early;
		return 0;
	}
	if (c->kind != CONNECTION_HTTP) {
		c->kind = CONNECTION_HTTP;
		if (sk)
			count(RT_CONNECTIONS, 1);
		if (sk)
			listener_count(c->sk_cgroup, c->port, RT_VERDICT_HTTP, 1);
	}
	if (sk)
		count(RT_SEEN, 1);
	struct request *rq = request_place(c, sk, s->embryo, pos);
	if (!rq) {
		if (sk)
			count(RT_LOST_PIPELINE_DEPTH, 1);
		__u64 bit = 1ull << (pos & 63);
		c->head_bits = p->method == RT_METHOD_HEAD ? c->head_bits | bit : c->head_bits & ~bit;
		c->rx_pos = pos + 1;
		return 0;
	}
	rq->start_ns = c->rx_start_ns;
	rq->start_seq = c->rx_start_seq;
	rq->read_ns = c->rx_read_ns;
	rq->body_bytes = 0;
	rq->method = p->method;
	rq->stream = c->rx_stream;
	/* Often the same as the last time: its number is known then. */
	if (head != HEAD_SAME || rq != &c->first) {
		const char *path = head == HEAD_SAME ? c->first.endpoint.text : c->rx_path;
		if (path_copy((struct http1_path *)rq->endpoint.text, (struct http1_path *)path, p->path_len) || rq->endpoint.len != p->path_len)
			rq->number = 0;
		rq->endpoint.len = p->path_len;
	}
	rq->pos = pos;
	/* Behind the entry's content: x86 stores in order; the atomic is a barrier elsewhere. */
	__sync_fetch_and_add(&c->rx_pos, 1);
	return rq == &c->first;
}

/* The bytes are no request; BEFORE is the state in which that was found. */
static __always_inline void request_bad(struct connection *c, struct bpf_sock *sk, __u8 before)
{
	if (before > HTTP1_Q_LF)
		return; /* its line was fine: it is in the ring, and the server will say 400 */
	if (c->framing != FRAMING_HELD && c->kind == CONNECTION_HTTP) { /* it only looked like one */
		c->framing = FRAMING_LOST;
		return;
	}
	if (answered_early(c))
		return;
	if (c->tx_pos != c->rx_pos && c->first.pos == c->rx_pos - 1 && c->first.method == RT_METHOD_CONNECT)
		return; /* bytes for the tunnel, sent before the answer has come */
	if (c->kind == CONNECTION_HTTP || (c->kind == CONNECTION_NEW && looks_like_http(&c->rx))) {
		if (sk) {
			count(RT_SEEN, 1);
			count(RT_LOST_MALFORMED, 1);
		}
		c->rx_malformed = 1;
		c->kind = CONNECTION_HTTP;
	} else {
		c->kind = CONNECTION_DEAD; /* ingress() forgets it */
	}
}

struct block {
	__u8 bytes[HTTP1_BLOCK];
};

/* Global functions, so that the verifier looks at the parser once and not again for every state of its callers. */
GLOBAL int request_parse(struct http1 *p, struct http1_path *path, struct block *b, __u32 n)
{
	if (!p || !path || !b)
		return 0;
	http1_run(p, path->text, b->bytes, n, 0);
	return http1_block_done(p, n);
}

GLOBAL int response_parse(struct http1 *p, struct block *b, __u32 n)
{
	if (!p || !b)
		return 0;
	http1_run(p, 0, b->bytes, n, 1);
	return http1_block_done(p, n);
}

struct parse {
	struct http1 *p;
	struct block *block;
	struct http1_path *path; /* null: a response */
	__u32 n;
	__u32 pad;
};

static __always_inline int block_load(struct scan *s, struct parse *b, __u32 left)
{
	__u32 n = left < HTTP1_BLOCK ? left : HTTP1_BLOCK;

	if (!size_fits(&n, HTTP1_BLOCK))
		return 0;
	b->n = n;
	if (s->held) {
		if (bpf_probe_read_kernel(b->block->bytes, n, &s->held->bytes[s->off & (HELD_BYTES - 1)]))
			return 0;
	} else if (bpf_skb_load_bytes(s->skb, s->off, b->block->bytes, n)) {
		return 0;
	}
	http1_block(b->p);
	return 1;
}

static long request_run(__u32 i, struct parse *b)
{
	return request_parse(b->p, b->path, b->block, b->n) != 0;
}

/* The short way, if the packet holds a whole and plain head: it was read, to p->used. */
static __always_inline enum head request_head(struct scan *s, struct scratch *x, __u32 left)
{
#ifdef RT_BOUNDED
	return HEAD_NOT_READ; /* global functions cannot be given the head */
#endif
	struct connection *c = s->c;
	struct http1 *p = &c->rx;
	__u32 n = left < HTTP1_HEAD_MAX ? left : HTTP1_HEAD_MAX, kept = c->rx_head;

	if (left < HTTP1_HEAD_LEAST || s->held || !size_fits(&n, HTTP1_HEAD_MAX) || bpf_skb_load_bytes(s->skb, s->off, x->head.bytes, n))
		return HEAD_NOT_READ;
	if (kept & HEAD_KEPT) {
		kept &= HEAD_LENGTH;
		if (kept <= n && http1_head_same(&x->head, (struct http1_path *)c->rx_path, kept)) {
			p->method = c->rx_head_method;
			p->path_len = c->first.endpoint.len;
			p->flags |= HTTP1_LINE_DONE;
			p->used = kept;
			p->event = HTTP1_EV_DONE;
			return HEAD_SAME;
		}
		c->rx_head = HEAD_WAITS;
	}
	if (http1_head_request(p, (struct http1_path *)c->rx_path, &x->head, n))
		return HEAD_READ;
	http1_head_undo(p, 0);
	return HEAD_NOT_READ;
}

/* A head of USED bytes was read the short way. Is it to be kept? */
static __always_inline int head_keep(__u16 *last, __u32 used)
{
	__u32 waits = *last & HEAD_WAITS;

	if ((*last & HEAD_LENGTH) == used && used <= HEAD_KEPT_MAX && !waits) {
		*last = used | HEAD_KEPT;
		return 1;
	}
	*last = used | (waits ? waits - HEAD_WAIT : 0);
	return 0;
}

/* The same of one whose request stands in `first`. */
static __always_inline void request_head_keep(struct connection *c, struct scratch *x, __u32 used)
{
	if (c->rx.event != HTTP1_EV_DONE || !head_keep(&c->rx_head, used))
		return;
	c->rx_head_method = c->rx.method;
	path_copy((struct http1_path *)c->rx_path, (struct http1_path *)x->head.bytes, used);
}

/* A stretch of body: counted, not looked at. */
static __noinline __u32 request_skip(struct connection *c, struct bpf_sock *sk, struct pipeline *embryo, __u32 left)
{
	__u32 pos = c->rx_pos - 1;
	__u64 taken = left < c->rx.length ? left : c->rx.length;

	struct pipeline *l = c->first.pos == pos ? 0 : sk ? bpf_sk_storage_get(&pipelines, sk, 0, 0) : embryo;
	struct request *rq = request_in(c, l, pos);
	if (rq) {
		__sync_fetch_and_add(&rq->body_bytes, taken);
		/* Answered before its body is complete: recorded already. An answer that is being recorded meanwhile looks again. */
		if (c->tx_pos - pos == 1)
			record_late_body(c, rq);
	}
	/* Behind it: whoever sees the body's end sees its bytes. */
	c->rx.event = http1_skip(&c->rx, left, &taken);
	return taken;
}

/* One block of head, byte by byte: it was read, to p->used. In a frame of its own: the stack is short here. */
static __noinline int request_block(struct scan *s, struct scratch *x, __u32 left)
{
	struct connection *c = s->c;
	struct parse b = {.p = &c->rx, .block = (struct block *)x->block, .path = (struct http1_path *)c->rx_path};

	if (!block_load(s, &b, left))
		return 0;
#ifdef RT_BOUNDED
	bounded_parse(c, x, b.n);
#else
	bpf_loop(HTTP1_BLOCK, request_run, &b, 0);
#endif
	return 1;
}

/* One block of head, or one stretch of body. 0 to go on, 1 at the end of the packet. */
static long request_step(__u32 i, struct scan *s)
{
	struct connection *c = s->c;
	struct http1 *p = &c->rx;
	__u32 left, used;

	if (s->off >= s->end || p->state == HTTP1_DEAD || c->kind >= CONNECTION_STREAM)
		return 1;
	left = s->end - s->off;
	struct scratch *x = scratch_get();
	if (!x)
		return 1;
	if (http1_in_body(p)) {
		used = request_skip(c, s->sk, s->embryo, left);
	} else {
		__u8 before = p->state;
		enum head head = HEAD_NOT_READ;
		if (before == HTTP1_Q_START) {
			request_begin(c, s);
			head = request_head(s, x, left);
		}
		if (head == HEAD_NOT_READ) {
			c->rx_head &= HEAD_WAITS;
			if (!request_block(s, x, left))
				return 1;
		}
		used = p->used;
		if (p->flags & HTTP1_LINE_DONE) {
			if (head != HEAD_SAME)
				request_name(c, x);
			if (request_push(s, head) && head == HEAD_READ)
				request_head_keep(c, x, used);
			before = HTTP1_H_START;
		}
		if (p->event == HTTP1_EV_BAD)
			request_bad(c, s->sk, before);
	}
	s->off += used;
	s->next += used;
	if (p->event == HTTP1_EV_DONE)
		http1_begin(p, 0);
	return s->off >= s->end;
}

/* Bytes were missed. What waits was complete before them, and its responses come first: nothing of that is lost. Requests that began in the
 * hole are: each is counted when its response comes (response_end()). */
static __noinline int request_gap(struct scan *s)
{
	struct connection *c = s->c;

	if (c->kind == CONNECTION_NEW) { /* nothing is known of it */
		c->kind = CONNECTION_DEAD;
	} else if (in_request_line(c) && looks_like_http(&c->rx) && !answered_early(c)) {
		c->torn = 1;
	}
	c->early_passed = c->early;
	c->rx.state = HTTP1_DEAD;
	c->framing = FRAMING_LOST;
	c->holed = 1;
	return 0;
}

/* Framing is lost, or found on trial: does it go on with this segment? WHOLE: nothing of it was passed. */
static __noinline int request_find(struct scan *s, __u32 whole)
{
	struct connection *c = s->c;
	struct scratch *x = scratch_get();
	__u32 n = s->end - s->off;
	int like;

	if (!x || !whole)
		return 0;
	if (c->framing == FRAMING_LOST) {
		/* While a response is due this may be the rest of a body, whatever it looks like. */
		if (c->tx_pos != c->rx_pos || (c->tx.state != HTTP1_S_START && c->tx.state != HTTP1_DEAD))
			return 0;
	} else if (c->rx.state != HTTP1_Q_METHOD) {
		return 0;
	}
	if (s->held) {
		if (n > METHOD_LETTERS + 8)
			n = METHOD_LETTERS + 8;
		__builtin_memset(x->block, 0, METHOD_LETTERS + 8);
		if (!size_fits(&n, METHOD_LETTERS + 8) || bpf_probe_read_kernel(x->block, n, &s->held->bytes[s->off & (HELD_BYTES - 1)]))
			return 0;
		like = block_likeness(x);
	} else {
		like = likeness(s->skb, s->off, n);
	}
	/* A few letters that were taken for a method may have been the end of a body. */
	if (like == LIKE_NOTHING || (c->framing == FRAMING_FOUND && like != LIKE_REQUEST))
		return 0;
	http1_begin(&c->rx, 0);
	c->framing = FRAMING_FOUND;
	return 0;
}

/* What is due next was passed: the kernel has it, and will not get it again. Goes on behind what the kernel has. */
static __noinline int request_passed(struct scan *s)
{
	struct connection *c = s->c;
	struct bpf_tcp_sock *tp = s->sk ? bpf_tcp_sock(s->sk) : 0;

	if (!tp)
		return 0;
	__u32 have = tp->rcv_nxt;
	if ((__s32)(have - c->rx_next) <= 0)
		return 0;
	request_gap(s);
	c->rx_next = have;
	return 1;
}

/* A packet of 64 KB in chunks of one byte takes 22,000 steps. */
#define SCAN_STEPS 65536

static __always_inline void requests_run(struct scan *s)
{
#ifdef RT_BOUNDED
	scan_keep(s, &s->c->rx_kept);
	bounded(SCAN_STEPS / BOUNDED_STEPS, bounded_requests(s->skb));
	scan_go_on(s, &s->c->rx_kept);
#else
	bpf_loop(SCAN_STEPS, request_step, s, 0);
#endif
}

struct hold {
	struct scan *s;
	struct packet *k;
	struct scratch *x;
	struct held_pieces *pieces;
	__u32 off; /* in the payload */
	__u32 ok;
};

#ifdef RT_BOUNDED
static __always_inline void hold_keep(const struct hold *h)
{
	struct scratch *x = h->x;

	scan_keep(h->s, &h->s->c->rx_kept);
	x->hold_offset = h->k->offset;
	x->hold_length = h->k->length;
	x->hold_seq = h->k->seq;
	x->hold_off = x->hold_ok = 0;
}
#endif

/* Keeps one piece of a packet. */
static long hold_step(__u32 i, struct hold *h)
{
	struct connection *c = h->s->c;
	__u32 left = h->k->length - h->off;
	__u32 n = left < HELD_BYTES ? left : HELD_BYTES;
	struct held_key key = {.connection = c->hold_id, .slot = i & (HELD_PIECES - 1)};

	if (h->off >= h->k->length)
		return 1;
	struct held_piece *p = &h->pieces->v[i & (HELD_PIECES - 1)];
	__u32 seq = h->k->seq + h->off;
	if (p->length && p->seq + p->length == seq && p->length <= HELD_BYTES / 2 && left <= HELD_BYTES / 2) {
		struct held *bytes = bpf_map_lookup_elem(&held_bytes, &key);
		__u64 at = p->length;
		http1_opaque(at);
		at &= HELD_BYTES / 2 * 2 - 1;
		if (at > HELD_BYTES / 2 || !bytes || !size_fits(&n, HELD_BYTES / 2) ||
		    bpf_skb_load_bytes(h->s->skb, h->k->offset + h->off, &bytes->bytes[at], n))
			return 0;
		p->length += n;
		h->off += n;
		h->ok = 1;
		return 1;
	}
	if (p->length) {
		/* Taken: the next one, unless it holds just these bytes. */
		if (p->seq == seq && p->length == n) {
			h->off += n;
			h->ok = h->off >= h->k->length;
		}
		return 0;
	}
	if (!size_fits(&n, HELD_BYTES) || bpf_skb_load_bytes(h->s->skb, h->k->offset + h->off, h->x->held.bytes, n) ||
	    bpf_map_update_elem(&held_bytes, &key, &h->x->held, BPF_ANY))
		return 1;
	p->seq = seq;
	p->length = n;
	c->n_held++;
	h->off += n;
	h->ok = h->off >= h->k->length;
	return 0;
}

/* Keeps a packet that came too early. 0 if there is no room. */
static __noinline int request_hold(struct scan *s, struct packet *k)
{
	__u32 zero = 0;
	struct hold h = {.s = s, .k = k, .x = bpf_map_lookup_elem(&scratches, &zero)};

	if (!s->pieces && s->sk)
		s->pieces = bpf_sk_storage_get(&reorders, s->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	h.pieces = s->pieces;
	if (!h.x || !h.pieces)
		return 0;
#ifdef RT_BOUNDED
	hold_keep(&h);
	bounded(HELD_PIECES, bounded_hold(s->skb, _i));
	return h.x->hold_ok;
#else
	bpf_loop(HELD_PIECES, hold_step, &h, 0);
	return h.ok;
#endif
}

#define HELD_LAST 1   /* nothing is kept any more */
#define HELD_PASSED 2 /* nothing new in it */
#define HELD_DUE 3    /* *S is where to scan */

/* Looks at a kept piece: one of these, or 0: it is not its turn. Pieces may overlap what has come since. */
static __always_inline int held_begin(__u32 i, struct scan *s)
{
	struct connection *c = s->c;
	struct held_pieces *pieces = s->pieces;

	if (!pieces)
		return HELD_LAST;
	struct held_piece *p = &pieces->v[i & (HELD_PIECES - 1)];
	struct held_key key = {.connection = c->hold_id, .slot = i & (HELD_PIECES - 1)};
	__s32 at = (__s32)(c->rx_next - p->seq);

	if (!c->n_held)
		return HELD_LAST;
	if (!p->length || at < 0)
		return 0;
	if ((__u32)at >= p->length)
		return HELD_PASSED;
	s->held = bpf_map_lookup_elem(&held_bytes, &key);
	s->held_slot = key.slot;
	s->off = at;
	s->end = p->length;
	s->next = c->rx_next;
	c->rx_next = p->seq + p->length;
	if (s->held) {
		if (c->framing != FRAMING_HELD)
			request_find(s, !at);
		return HELD_DUE;
	}
	request_gap(s);
	return HELD_PASSED;
}

static __noinline int held_end(__u32 i, struct scan *s)
{
	struct connection *c = s->c;
	struct held_pieces *pieces = s->pieces;

	if (!pieces)
		return 0;
	struct held_piece *p = &pieces->v[i & (HELD_PIECES - 1)];
	struct held_key key = {.connection = c->hold_id, .slot = i & (HELD_PIECES - 1)};

	bpf_map_delete_elem(&held_bytes, &key);
	p->length = 0;
	c->n_held--;
	return 0;
}

static long held_step(__u32 i, struct scan *s)
{
	if (!(i & (HELD_PIECES - 1))) { /* a round, as long as they take something */
		if (i && s->n_held == s->c->n_held)
			return 1;
		s->n_held = s->c->n_held;
	}
	int what = held_begin(i, s);

	if (what == HELD_DUE)
		requests_run(s);
	if (what > HELD_LAST)
		held_end(i, s);
	return what == HELD_LAST;
}

/* Pieces stand in any order, so it goes round until none is due. */
static __always_inline void held_take(struct scan *s)
{
	if (!s->pieces && s->sk)
		s->pieces = bpf_sk_storage_get(&reorders, s->sk, 0, 0);
#ifdef RT_BOUNDED
	scan_keep(s, &s->c->rx_kept);
	bounded(HELD_PIECES, bounded_held(s->skb));
	scan_go_on(s, &s->c->rx_kept);
#else
	bpf_loop(HELD_PIECES * HELD_PIECES, held_step, s, 0);
#endif
	s->held = 0;
}

/* A hole of N bytes in a body or chunk of known length hides nothing. */
static __always_inline int request_hole(struct connection *c, __u32 n)
{
	struct http1 *p = &c->rx;
	__u32 pos = c->rx_pos - 1;

	if ((p->state != HTTP1_B_LENGTH && p->state != HTTP1_C_DATA) || n > p->length)
		return 0;
	p->length -= n;
	if (c->first.pos == pos)
		c->first.body_bytes += n;
	if (!p->length && p->state == HTTP1_C_DATA)
		p->state = HTTP1_C_DATA_END;
	else if (!p->length)
		http1_begin(p, 0);
	return 1;
}

/* A packet's payload. Segments may come twice, overlap, or come out of order. */
static __always_inline void request_bytes(struct scan *s, struct packet *k)
{
	struct connection *c = s->c;
#ifdef RT_BOUNDED
	__u32 zero = 0;
	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x)
		return;
	x->ip_end = k->ip_end;
#endif
	__s32 ahead = (__s32)(k->seq - c->rx_next);

	if (ahead > 0 && !request_hole(c, ahead)) {
		if (request_passed(s))
			ahead = (__s32)(k->seq - c->rx_next);
		if (ahead > 0) {
			/* If there is no room it is passed, which shows when the kernel has what is due. */
			if (request_hold(s, k))
				count(RT_REORDERED, 1);
			goto take;
		}
	}
	s->off = k->offset;
	s->end = k->offset + k->length;
	s->next = k->seq;
	if (ahead < 0) {
		if ((__u32)-ahead >= k->length)
			return; /* seen already */
		s->off += -ahead;
		s->next = c->rx_next;
	}
	if (c->framing != FRAMING_HELD)
		request_find(s, ahead >= 0);
	requests_run(s);
	c->rx_next = k->seq + k->length;
	if (s->off < s->end && c->kind < CONNECTION_STREAM && c->rx.state != HTTP1_DEAD) {
		request_gap(s); /* the rest was not looked at */
		return;
	}
take:
	if (c->n_held)
		held_take(s);
}

#endif
