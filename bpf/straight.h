/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The straight way: a packet that is one message and nothing else, with the head that is kept (connection.h), on a connection where
 * nothing else is under way. So it is with most requests of a keep-alive connection, and all that request.h and response.h would find out
 * step by step is known: what is left to do is to compare the head and to count. A quarter of the instructions.
 *
 * Each answers 1 if it has done so, and 0 if nothing has happened. */
#ifndef RT_STRAIGHT_H
#define RT_STRAIGHT_H

#include "response.h"

#ifndef RT_BOUNDED
/* A request without a body. Under rx_lock. */
static __always_inline int request_straight(struct __sk_buff *skb, struct connection *c, const struct packet *k)
{
	__u32 n = k->length, pos = c->rx_pos, zero = 0;

	if ((c->rx_head & (HEAD_KEPT | HEAD_LENGTH)) != (n | HEAD_KEPT) || k->seq != c->rx_next || (k->flags & (TCP_FIN | TCP_RST)))
		return 0;
	/* One that nothing waits before stands in `first`, where its endpoint is. */
	if (pos != c->tx_pos || c->rx.state != HTTP1_Q_START || c->kind != CONNECTION_HTTP || c->framing != FRAMING_HELD || c->n_held ||
	    answered_early(c) || c->first.named_by != settings.named_by)
		return 0;
	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x || !size_fits(&n, 256) || bpf_skb_load_bytes(skb, k->offset, x->head.bytes, n) ||
	    !http1_same(x->head.bytes, (const __u8 *)c->rx_path, n))
		return 0;
	__u64 now = bpf_ktime_get_ns();
	c->rx_start_ns = now; /* its age, should its state be taken back */
	c->rx_next = k->seq + n;
	c->rx_head |= HEAD_AGAIN;
	count(RT_SEEN, 1);
	struct request *rq = &c->first;
	rq->start_ns = now;
	rq->start_seq = k->seq;
	rq->read_ns = 0;
	rq->body_bytes = 0;
	rq->method = c->rx_head_method;
	rq->stream = c->rx_stream;
	rq->pos = pos;
	add_in_order(&c->rx_pos, 1); /* as in request_push() */
	return 1;
}

/* The response to the only request that waits, whole. */
static __always_inline int response_straight(struct __sk_buff *skb, struct connection *c, const struct packet *k)
{
	struct request *rq = &c->first;
	__u32 n = c->tx_head & HEAD_LENGTH, pos = c->tx_pos;

	if (!(c->tx_head & HEAD_KEPT) || k->length != n + c->tx_head_length || k->seq != c->tx_next || (k->flags & (TCP_FIN | TCP_RST)))
		return 0;
	if (c->tx_head_flags != (HEAD_WHOLE | HTTP1_HAS_CL) || c->tx.state != HTTP1_S_START || c->kind != CONNECTION_HTTP || c->peer ||
	    (c->flags & (RESPONSE_KEPT | EVENT_STREAM)) || !c->tx_started)
		return 0;
	/* One that is still coming in may have a body: response_end(). */
	if (c->rx_pos - pos != 1 || rq->pos != pos || rq->method == RT_METHOD_HEAD || rq->method == RT_METHOD_CONNECT || rq->stream ||
	    rq->number <= RT_ENDPOINT_INCOMPLETE || !c->service || rq->endpoint.service != c->service || c->rx.state != HTTP1_Q_START)
		return 0;
	struct response_head *r = response_head_take();
	if (!r)
		return 0;
	int same = size_fits(&n, 256) && !bpf_skb_load_bytes(skb, k->offset, r->head.bytes, n) &&
		   http1_same(r->head.bytes, c->block, n);
	r->taken = 0;
	if (!same)
		return 0;
	struct outcome o = {.body_bytes = c->tx_head_length, .code = c->tx_head_status};
	o.first_ns = o.end_ns = bpf_ktime_get_ns();
	c->tx_first_ns = o.end_ns;
	c->tx_next = k->seq + k->length;
	c->tx_head |= HEAD_AGAIN;
	struct rt_series *s = 0;
	if (c->last.endpoint == rq->number && c->last.service == c->service && c->last.code == o.code && c->last.method == rq->method &&
	    !rq->body_bytes)
		s = bpf_map_lookup_elem(&series, &c->last);
	if (s) {
		observe_response(s, rq, &o);
		count(RT_RECORDED, 1);
	} else {
		record(c, rq, &o);
	}
	request_passed_by(c);
	return 1;
}
#endif

#endif
