/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The global functions of the flavour with bounded loops (bounded.h). */
#ifndef RT_BOUNDED_STEPS_H
#define RT_BOUNDED_STEPS_H

static __always_inline struct bpf_sock *full_socket(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	return sk ? bpf_sk_fullsock(sk) : 0;
}

static __noinline struct embryo *bounded_embryo(struct __sk_buff *skb)
{
	struct tuple t = {};
	__u32 zero = 0;

	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x)
		return 0;
	struct packet k = {.ip_end = x->ip_end};
	return tuple_of_packet(&t, skb, &k) ? bpf_map_lookup_elem(&carried, &t) : 0;
}

/* A function of its own for the stack's sake, as the one above. */
static __noinline struct held *bounded_held_bytes(__u64 connection, __u32 slot)
{
	struct held_key key = {.connection = connection, .slot = slot};
	return bpf_map_lookup_elem(&held_bytes, &key);
}

/* The connection that the packet is of, and where its scan stands. 0 if there is none. */
static __noinline int scan_of_ingress(struct scan *s, struct __sk_buff *skb, const int hold)
{
	s->skb = skb;
	s->sk = full_socket(skb);
	if (!s->sk)
		return 0;
	struct connection *c = bpf_sk_storage_get(&connections, s->sk, 0, 0);
	if (!c) {
		struct embryo *e = bounded_embryo(skb);
		if (!e)
			return 0;
		c = &e->connection;
		s->embryo = &e->pipeline;
		s->pieces = &e->pieces;
		s->sk = 0;
	} else if (hold) {
		s->pieces = bpf_sk_storage_get(&reorders, s->sk, 0, 0);
	}
	s->c = c;
	s->now = c->rx_kept.now;
	scan_go_on(s, &c->rx_kept);
	s->held = 0;
	if (c->rx_kept.held) {
		s->held_slot = c->rx_kept.held - 1;
		s->held = bounded_held_bytes(c->hold_id, s->held_slot);
		if (!s->held)
			return 0;
	}
	return 1;
}

static __always_inline int scan_of_egress(struct scan *s, struct __sk_buff *skb)
{
	s->skb = skb;
	s->sk = full_socket(skb);
	if (!s->sk)
		return 0;
	s->c = bpf_sk_storage_get(&connections, s->sk, 0, 0);
	if (!s->c)
		return 0;
	s->now = s->c->tx_kept.now;
	scan_go_on(s, &s->c->tx_kept);
	return 1;
}

__noinline int bounded_score_byte(__u32 i)
{
	__u32 zero = 0;

	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x)
		return 1;
	__u32 at = x->norm.start, n = x->norm.out - at;
	__u64 k = at + i;
	http1_opaque(k);
	if (i >= n || k >= RT_ENDPOINT_MAX)
		return 1;
	endpoint_score_byte(&x->norm, (struct endpoint_text *)x->text, k);
	return 0;
}

__noinline int bounded_is_id(void)
{
	__u32 zero = 0;

	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	return x ? endpoint_is_id(&x->norm, (struct endpoint_text *)x->text) : 0;
}

__noinline int bounded_normalise(void)
{
	__u32 zero = 0;

	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x)
		return 1;
	__u64 len = x->rx.path_len;
	__u32 from = x->normalise_at;
	x->normalise_at = from + NORMALISE_STRETCH;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < NORMALISE_STRETCH; i++) {
		http1_forget();
		__u64 at = from + i;
		http1_opaque(at);
		if (at >= len || at >= RT_ENDPOINT_MAX)
			return 1;
		endpoint_byte(&x->norm, x->text, x->path[at]);
	}
	return 0;
}

__noinline int bounded_route(void)
{
	__u32 zero = 0;

	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x)
		return 1;
	struct routing r = {.x = x, .path = x->path, .path_len = x->rx.path_len, .named = x->route_named, .stream = x->route_stream};
	__u32 i = x->route;
	if (i >= settings.n_routes)
		return 1;
	x->route = i + 1;
	int last = routes_step(i, &r);
	x->route_named = r.named;
	x->route_stream = r.stream;
	return last;
}

__noinline int bounded_request_parse(__u32 n)
{
	__u32 zero = 0;

	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	return x ? request_parse(&x->rx, (struct http1_path *)x->path, (struct block *)x->block, n) : 1;
}

__noinline int bounded_request(struct __sk_buff *skb)
{
	struct scan s = {};

	if (!scan_of_ingress(&s, skb, 0))
		return 1;
	int last = request_step(0, &s);
	scan_keep(&s, &s.c->rx_kept);
	return last;
}

__noinline int bounded_requests(struct __sk_buff *skb)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < BOUNDED_STEPS; i++)
		if (bounded_request(skb))
			return 1;
	return 0;
}

__noinline int bounded_hold(struct __sk_buff *skb, __u32 i)
{
	struct scan s = {};
	__u32 zero = 0;

	struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
	if (!x || !scan_of_ingress(&s, skb, 1))
		return 1;
	struct packet k = {.offset = x->hold_offset, .length = x->hold_length, .seq = x->hold_seq};
	struct hold h = {.s = &s, .pieces = s.pieces, .k = &k, .x = x, .off = x->hold_off, .ok = x->hold_ok};
	if (!h.pieces)
		return 1;
	int last = hold_step(i, &h);
	x->hold_off = h.off;
	x->hold_ok = h.ok;
	return last;
}

__noinline int bounded_held_begin(struct __sk_buff *skb, __u32 i)
{
	struct scan s = {};

	if (!scan_of_ingress(&s, skb, 1))
		return HELD_LAST;
	s.held = 0;
	int what = held_begin(i, &s);
	scan_keep(&s, &s.c->rx_kept);
	return what;
}

__noinline int bounded_held_end(struct __sk_buff *skb, __u32 i)
{
	struct scan s = {};

	if (!scan_of_ingress(&s, skb, 1))
		return 0;
	held_end(i, &s);
	s.c->rx_kept.held = 0;
	return 1;
}

/* Once round the kept pieces. A piece of 4 KB has no more steps than bytes. */
__noinline int bounded_held(struct __sk_buff *skb)
{
	int taken = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < HELD_PIECES; i++) {
		int what = bounded_held_begin(skb, i);
		if (what == HELD_LAST)
			return 1;
		if (what == HELD_DUE)
			bounded(HELD_BYTES / BOUNDED_STEPS, bounded_requests(skb));
		if (what > HELD_LAST)
			taken = bounded_held_end(skb, i);
	}
	return !taken;
}

/* 1 if the lock was had. */
__noinline int bounded_lock(struct __sk_buff *skb)
{
	struct bpf_sock *sk = full_socket(skb);
	struct connection *c = sk ? bpf_sk_storage_get(&connections, sk, 0, 0) : 0;

	if (!c)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 1024; i++)
		if (bounded_try_lock(c))
			return 1;
	return 0;
}

__noinline int bounded_response_parse(struct __sk_buff *skb)
{
	struct scan s = {};

	if (!scan_of_egress(&s, skb))
		return 1;
	return response_parse(&s.c->tx, (struct block *)s.c->block, s.c->tx_kept.n);
}

__noinline int bounded_settle(struct __sk_buff *skb, __u32 took_it)
{
	struct bpf_sock *sk = full_socket(skb);
	struct connection *c = sk ? bpf_sk_storage_get(&connections, sk, 0, 0) : 0;

	if (c)
		response_settle(c, request_in(c, bpf_sk_storage_get(&pipelines, sk, 0, 0), c->tx_pos), took_it);
	return 0;
}

__noinline int bounded_response_end(struct __sk_buff *skb, __u32 stream)
{
	struct bpf_sock *sk = full_socket(skb);
	struct connection *c = sk ? bpf_sk_storage_get(&connections, sk, 0, 0) : 0;

	if (c)
		response_end(c, bpf_sk_storage_get(&pipelines, sk, 0, 0), c->tx_kept.now, stream);
	return 0;
}

__noinline int bounded_response(struct __sk_buff *skb)
{
	struct scan s = {};

	if (!scan_of_egress(&s, skb))
		return 1;
	int last = response_step(0, &s);
	scan_keep(&s, &s.c->tx_kept);
	return last;
}

__noinline int bounded_waiting(struct __sk_buff *skb)
{
	struct bpf_sock *sk = full_socket(skb);
	struct connection *c = sk ? bpf_sk_storage_get(&connections, sk, 0, 0) : 0;
	return c ? requests_waiting(c, bpf_sk_storage_get(&pipelines, sk, 0, 0)) : 0;
}

static __always_inline int bounded_finish(void *owner)
{
	struct connection *c = bpf_sk_storage_get(&connections, owner, 0, 0);

	if (!c)
		return 1;
	struct finish f = {.c = c, .l = bpf_sk_storage_get(&pipelines, owner, 0, 0), .now = c->finish_now, .client_gone = c->finish_client_gone};
	return finish_step(0, &f);
}

__noinline int bounded_finish_packet(struct __sk_buff *skb)
{
	struct bpf_sock *sk = full_socket(skb);
	return sk ? bounded_finish(sk) : 1;
}

__noinline int bounded_finish_state(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	return sk ? bounded_finish(sk) : 1;
}

__noinline int bounded_responses(struct __sk_buff *skb)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < BOUNDED_STEPS; i++)
		if (bounded_response(skb))
			return 1;
	return 0;
}

#endif
