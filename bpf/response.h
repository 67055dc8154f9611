/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Egress: the bytes of responses, and the end of requests. TCP sends new data in order, so the only surprise in the sequence
 * numbers are retransmissions. */
#ifndef RT_RESPONSE_H
#define RT_RESPONSE_H

#include "request.h"

static __noinline int starts_like_response(struct __sk_buff *skb, __u32 off, __u32 end)
{
	__u64 w = 0;

	return end - off >= 8 && !bpf_skb_load_bytes(skb, off, &w, 7) && w == 0x2e312f50545448ull; /* "HTTP/1." */
}

/* The request that was due has been counted: its place is ingress' again, to be written as soon as that sees tx_pos. X86 does not put a load
 * off behind a store. */
static __always_inline void request_passed_by(struct connection *c)
{
#ifdef __TARGET_ARCH_x86
	c->tx_pos++;
#else
	add_in_order(&c->tx_pos, 1);
#endif
}

/* Counts what a response kept for its verdict was about. */
static __noinline void response_settle(struct connection *c, struct request *rq, int client_took_it)
{
	struct outcome o = {.first_ns = c->kept_first_ns, .end_ns = c->kept_end_ns, .body_bytes = c->kept_body};

	o.code = client_took_it ? c->kept_code : RT_CODE_CLIENT_GONE;
	c->flags &= ~RESPONSE_KEPT;
	if (rq)
		request_record(c, rq, &o);
	request_passed_by(c);
}

/* Both record a request, which is much to follow: with bounded loops they are behind a global function. */
#ifdef RT_BOUNDED
#define RESPONSE_SETTLE(skb, c, l, took_it) bounded_settle(skb, took_it)
#define RESPONSE_END(skb, c, l, now, stream) bounded_response_end(skb, stream)
#else
#define RESPONSE_SETTLE(skb, c, l, took_it) response_settle(c, request_in(c, l, (c)->tx_pos), took_it)
#define RESPONSE_END(skb, c, l, now, stream) response_end(c, l, now, stream)
#endif

/* The first byte of a response: whose is it? */
static __always_inline void response_begin(struct scan *s, struct connection *c, struct pipeline *l, __u64 now)
{
	struct http1 *p = &c->tx;

	if (c->flags & RESPONSE_KEPT)
		RESPONSE_SETTLE(s->skb, c, l, 1);
	c->tx_first_ns = now;
	c->tx_body = 0;
	if (c->tx_pos != c->rx_pos) {
		struct request *rq = request_in(c, l, c->tx_pos);
		p->method = rq ? rq->method : (c->head_bits >> (c->tx_pos & 63)) & 1 ? RT_METHOD_HEAD : RT_METHOD_OTHER;
	} else {
		p->method = c->rx.method; /* answered before the request line is complete */
	}
	p->flags = HTTP1_RESPONSE | (p->method == RT_METHOD_HEAD ? HTTP1_NO_BODY : 0);
}

/* The response at hand is complete. */
static __noinline void response_end(struct connection *c, struct pipeline *l, __u64 now, __u32 stream)
{
	struct outcome o = {.first_ns = c->tx_first_ns, .end_ns = now, .body_bytes = c->tx_body, .stream = stream};

	o.code = c->tx.status;
	if (c->flags & EVENT_STREAM) {
		c->flags &= ~EVENT_STREAM;
		record_stream_end(c, now);
		return;
	}
	if (c->tx_pos != c->rx_pos) {
		struct request *rq = request_in(c, l, c->tx_pos);
		if (c->peer && !(c->flags & LOCAL_FIN) && !stream) {
			c->kept_code = o.code;
			c->kept_first_ns = o.first_ns;
			c->kept_end_ns = now;
			c->kept_body = o.body_bytes;
			c->flags |= RESPONSE_KEPT;
			return;
		}
		if (rq)
			request_record(c, rq, &o);
		/* While it is still coming, ingress adds to its body and then looks at tx_pos. Here it is the other way round, with a barrier
		 * between: one of both sees what the other did. */
		if (c->rx.state != HTTP1_Q_START)
			add_in_order(&c->tx_pos, 1);
		else
			request_passed_by(c);
		if (rq && rq->pos + 1 == c->tx_pos && rq->body_bytes)
			record_late_body(c, rq);
		return;
	}
	__u8 state = c->rx.state;
	int begun = state > HTTP1_Q_START && state <= HTTP1_Q_LF;
	if (c->holed && !begun) {
		/* Its request is in the hole, unless the server is tired of waiting for one. */
		if (o.code == 408 && !c->torn)
			count(RT_UNSOLICITED, 1);
		else
			request_holed(c);
		return;
	}
	if (state == HTTP1_DEAD) {
		if (c->rx_malformed && !(c->flags & MALFORMED_ANSWERED)) {
			c->flags |= MALFORMED_ANSWERED; /* it is counted */
			return;
		}
		/* The server goes on where the framing was lost for us, so there was another request. */
		count(RT_SEEN, 1);
		count(RT_LOST_MALFORMED, 1);
		return;
	}
	if (answered_early(c) || !begun || !looks_like_http(&c->rx)) {
		count(RT_UNSOLICITED, 1);
		return;
	}
	/* Nothing waits, so `first` is free for what is known of it. */
	struct request *rq = &c->first;
	rq->start_ns = c->rx_start_ns;
	rq->read_ns = c->rx_read_ns;
	rq->body_bytes = 0;
	rq->method = c->rx.method;
	o.incomplete = 1;
	count(RT_SEEN, 1);
	request_record(c, rq, &o);
	c->early++;
}

/* What was sent is no HTTP/1 response: nothing that waits can be told apart any more. The next segment that starts like a response
 * is one again: a server may have sent a body where there is none (HEAD, 204), and both ends agree to go on. */
static __noinline int response_lost(struct scan *s, __u32 reason)
{
	struct connection *c = s->c;

	c->tx.state = HTTP1_DEAD;
	if (!s->sk || c->tx_pos == c->rx_pos)
		return 0;
	/* A body behind an answer that has none: what waits will still be answered. */
	if (reason == RT_LOST_RESPONSE_MALFORMED && !c->tx.status &&
	    (c->last.method == RT_METHOD_HEAD || c->last.code == 204 || c->last.code == 304))
		return 0;
	__u32 waiting = REQUESTS_WAITING(s->skb, c, s->sk);
	if (waiting)
		count(reason, waiting);
	c->flags &= ~RESPONSE_KEPT;
	c->tx_pos = c->rx_pos;
	return 0;
}

static long response_run(__u32 i, struct parse *b)
{
	return response_parse(b->p, b->block, b->n) != 0;
}

/* What the bytes just read have brought about. */
#ifdef RT_BOUNDED
static __always_inline /* for the stack's sake */
#else
static __noinline
#endif
int response_event(struct scan *s, struct pipeline *l)
{
	struct connection *c = s->c;
	struct http1 *p = &c->tx;

	switch (p->event) {
	case HTTP1_EV_BAD:
		return 1;
	case HTTP1_EV_UPGRADE:
		RESPONSE_END(s->skb, c, l, s->now, 1);
		c->kind = CONNECTION_STREAM;
		break;
	case HTTP1_EV_HEAD: {
		struct request *rq = c->tx_pos != c->rx_pos ? request_in(c, l, c->tx_pos) : 0;
		if ((p->flags & HTTP1_EVENT_STREAM) || (rq && rq->stream && p->status < 300)) {
			RESPONSE_END(s->skb, c, l, s->now, 1);
			c->flags |= EVENT_STREAM;
		}
		break;
	}
	case HTTP1_EV_DONE:
		RESPONSE_END(s->skb, c, l, s->now, 0);
		http1_begin(p, 1);
		break;
	case HTTP1_EV_INTERIM:
		http1_begin(p, 1);
		break;
	}
	p->event = HTTP1_EV_NONE;
	return 0;
}

#ifndef RT_BOUNDED
/* The head is the one that is kept: what it said is set, as if it had been read. */
static __always_inline int response_head_same(struct connection *c, struct http1_head *h, __u32 n)
{
	struct http1 *p = &c->tx;
	__u32 kept = c->tx_head;

	if (!(kept & HEAD_KEPT))
		return 0;
	kept &= HEAD_LENGTH;
	if (kept > n || !http1_head_same(h, (struct http1_path *)c->block, kept)) {
		head_other(&c->tx_head);
		return 0;
	}
	c->tx_head |= HEAD_AGAIN;
	p->status = c->tx_head_status;
	p->length = c->tx_head_length;
	p->flags |= c->tx_head_flags & ~HEAD_WHOLE;
	p->used = kept;
	p->event = http1_head_end(p);
	return 1;
}

/* A head was read the short way: keeps it, if it may come again. */
static __always_inline void response_head_keep(struct connection *c, struct http1_head *h)
{
	struct http1 *p = &c->tx;
	__u32 used = p->used;

	if (p->length >> 16 || !head_keep(&c->tx_head, used))
		return;
	path_copy((struct http1_path *)c->block, (struct http1_path *)h->bytes, used);
	c->tx_head_status = p->status;
	c->tx_head_length = p->length;
	c->tx_head_flags = p->flags & (HTTP1_HAS_CL | HTTP1_HAS_TE | HTTP1_CHUNKED);
	if (c->tx_head_flags == HTTP1_HAS_CL && p->status >= 200 && p->status != 204 && p->status != 304)
		c->tx_head_flags |= HEAD_WHOLE;
}

/* Room for a head, to be given back by clearing `taken`; or null. */
static __always_inline struct response_head *response_head_take(void)
{
	__u32 zero = 0, one = 1;
	struct response_head *r = bpf_map_lookup_elem(&response_heads, &zero);

	if (!r || !__sync_lock_test_and_set(&r->taken, 1))
		return r;
	r = bpf_map_lookup_elem(&response_heads, &one);
	return r && !__sync_lock_test_and_set(&r->taken, 1) ? r : 0;
}
#endif

/* The short way, if the packet holds a whole and plain head: it was read, to p->used. */
static __noinline int response_head(struct scan *s, __u32 left)
{
#ifdef RT_BOUNDED
	return 0; /* global functions cannot be given the head */
#else
	struct connection *c = s->c;
	struct http1 *p = &c->tx;
	__u32 n = left < HTTP1_HEAD_MAX ? left : HTTP1_HEAD_MAX;
	__u8 flags = p->flags;
	int read = 0;

	struct response_head *r = response_head_take();
	if (!r)
		return 0;
	if (size_fits(&n, HTTP1_HEAD_MAX) && !bpf_skb_load_bytes(s->skb, s->off, r->head.bytes, n)) {
		p->event = HTTP1_EV_NONE;
		read = response_head_same(c, &r->head, n);
		if (!read) {
			read = http1_head_response(p, &r->head, n);
			if (read)
				response_head_keep(c, &r->head);
			else
				http1_head_undo(p, flags);
		}
	}
	r->taken = 0;
	return read;
#endif
}

/* A stretch of body: counted, not looked at. */
static __always_inline __u32 response_skip(struct connection *c, __u32 left)
{
	__u64 taken = 0;

	c->tx.event = http1_skip(&c->tx, left, &taken);
	c->tx_body += taken;
	return taken;
}

static long response_step(__u32 i, struct scan *s)
{
	struct connection *c = s->c;
	struct http1 *p = &c->tx;
	__u32 left, used;

	if (s->off >= s->end || c->kind >= CONNECTION_STREAM || p->state == HTTP1_DEAD)
		return 1;
	left = s->end - s->off;
	struct pipeline *l = c->first.pos == c->tx_pos ? 0 : bpf_sk_storage_get(&pipelines, s->sk, 0, 0);
	if (http1_in_body(p)) {
		used = response_skip(c, left);
	} else {
		struct parse b = {.p = p, .block = (struct block *)c->block};
		int read = 0;
		if (p->state == HTTP1_S_START) {
			response_begin(s, c, l, s->now);
			if (left >= HTTP1_HEAD_LEAST)
				read = response_head(s, left);
		}
		if (!read) {
			c->tx_head &= HEAD_WAITS;
			if (!block_load(s, &b, left))
				return 1;
#ifdef RT_BOUNDED
			c->tx_kept.n = b.n;
			bounded(HTTP1_BLOCK, bounded_response_parse(s->skb));
#else
			bpf_loop(HTTP1_BLOCK, response_run, &b, 0);
#endif
		}
		used = p->used;
	}
	s->off += used;
	s->next += used;
	/* A head and its body in one packet are one step. */
	if (p->event == HTTP1_EV_HEAD && p->state == HTTP1_B_LENGTH && s->off < s->end) {
		response_event(s, l);
		used = response_skip(c, s->end - s->off);
		s->off += used;
		s->next += used;
	}
	if (p->event != HTTP1_EV_NONE && response_event(s, l))
		response_lost(s, RT_LOST_RESPONSE_MALFORMED);
	return s->off >= s->end;
}

static __always_inline void response_bytes(struct scan *s, struct packet *k)
{
	struct connection *c = s->c;

	s->off = k->offset;
	s->end = k->offset + k->length;
	s->next = k->seq;
	if (!c->tx_started) {
		c->tx_started = 1;
		c->tx_next = k->seq;
	}
	__s32 ahead = (__s32)(k->seq - c->tx_next);
	if (ahead < 0) {
		if ((__u32)-ahead >= k->length)
			return; /* a retransmission */
		s->off += -ahead;
		s->next = c->tx_next;
	} else if (ahead > 0) {
		response_lost(s, RT_LOST_GAP);
	}
	if (c->tx.state == HTTP1_DEAD) {
		if (!starts_like_response(s->skb, s->off, s->end)) {
			response_lost(s, RT_LOST_RESPONSE_MALFORMED);
			goto out;
		}
		http1_begin(&c->tx, 1);
	}
#ifdef RT_BOUNDED
	scan_keep(s, &c->tx_kept);
	bounded(SCAN_STEPS / BOUNDED_STEPS, bounded_responses(s->skb));
	scan_go_on(s, &c->tx_kept);
#else
	bpf_loop(SCAN_STEPS, response_step, s, 0);
#endif
	if (s->off < s->end && c->kind < CONNECTION_STREAM && c->tx.state != HTTP1_DEAD)
		response_lost(s, RT_LOST_RESPONSE_MALFORMED); /* the rest was not looked at */
out:
	c->tx_next = k->seq + k->length;
}

#endif
