/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Ingress: the bytes of requests, in the order of their sequence numbers. */
#ifndef RT_REQUEST_H
#define RT_REQUEST_H

#include "packet.h"
#include "record.h"
#include "budget.h"
#include "route.h"

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

/* A socket to be left alone for good, and why. */
static __noinline int ignore(struct bpf_sock *sk, __u32 verdict)
{
	__u32 *tries = bpf_sk_storage_get(&ignored, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (tries) /* what it was sent may be answered */
		*tries = verdict == RT_VERDICT_SERVER_FIRST || verdict == RT_VERDICTS ? 0 : IGNORED_UNANSWERED;
	count(RT_NOT_HTTP, 1);
	foreign_port(sk->src_port, 1);
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
		foreign_port(c->port, 0);
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
		rq->named_by = settings.named_by;
	}
	rq->pos = pos;
	add_in_order(&c->rx_pos, 1); /* behind the entry's content */
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

/* The head that is kept is followed by another. */
static __always_inline void head_other(__u16 *last)
{
	*last = *last & HEAD_AGAIN ? 0 : HEAD_WAITS;
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
	if ((kept & HEAD_KEPT) && c->first.named_by != settings.named_by) {
		c->rx_head = 0;
	} else if (kept & HEAD_KEPT) {
		kept &= HEAD_LENGTH;
		if (kept <= n && http1_head_same(&x->head, (struct http1_path *)c->rx_path, kept)) {
			p->method = c->rx_head_method;
			p->path_len = c->first.endpoint.len;
			p->flags |= HTTP1_LINE_DONE;
			p->used = kept;
			p->event = HTTP1_EV_DONE;
			c->rx_head |= HEAD_AGAIN;
			return HEAD_SAME;
		}
		head_other(&c->rx_head);
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
		add_in_order(&rq->body_bytes, taken);
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

#endif
