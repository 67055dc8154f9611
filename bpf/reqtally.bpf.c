// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* The programs. Each is thin: find the connection, hand it to request.h, response.h or finish.h. The packet programs return 1,
 * "pass", on every path. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "kernel.h"
#include "finish.h"
#include "segments.h"
#include "straight.h"
#include "events.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PASS 1
#define TLS_HANDSHAKE 22 /* content type of the first record, RFC 8446, 5.1 */

/* A client's packet, to be let through without another look. A listener is none, whatever is known of its port. */
static __always_inline int is_client(struct bpf_sock *sk)
{
	return is_client_port(sk->src_port) && sk->state != BPF_TCP_LISTEN;
}

/* A socket that nothing is to be learned from any more. Asked first where it is likely: one look-up instead of three. */
static __always_inline int is_left_alone(struct bpf_sock *sk)
{
	if (!is_foreign_port(sk->src_port))
		return 0;
	__u32 *tries = bpf_sk_storage_get(&ignored, sk, 0, 0);
	return tries && !*tries;
}

static __always_inline void connection_init(struct connection *c, struct bpf_sock *sk, __u32 next, __u8 kind)
{
	http1_begin(&c->rx, 0);
	http1_begin(&c->tx, 1);
	c->rx_next = next;
	c->kind = kind;
	c->middle = kind == CONNECTION_MIDDLE;
	c->framing = kind == CONNECTION_MIDDLE ? FRAMING_FOUND : FRAMING_HELD;
	c->port = sk->src_port;
	c->sk_cgroup = bpf_sk_cgroup_id(sk);
	c->first.pos = -1;
	c->hold_id = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

/* May this be the first byte of a connection that speaks HTTP? Methods are letters in practice; a blank line before the first
 * request is allowed. */
static __always_inline int starts_new(__u8 first)
{
	return (__u8)((first | 0x20) - 'a') < 26 || first == '\r' || first == '\n';
}

/* So many segments of a connection met in its middle are looked at for the beginning of a request, or as many again after each that looks
 * like a response of ours. */
#define TRIES 65536

/* Payload for a socket that nothing is known of. Makes a connection of it, or returns null. */
static __noinline struct connection *ingress_unknown(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *k)
{
	__u32 *tries = bpf_sk_storage_get(&ignored, sk, 0, 0);
	__u8 kind = CONNECTION_MIDDLE, first = 0;
	struct bpf_tcp_sock *tp;

	/* For good: 0, or IGNORED_UNANSWERED. */
	if ((tries && *tries - 1 >= TRIES) || closing || elder_has(sk))
		return 0;
	/* Another CPU may have made the socket, and its state, a moment ago. */
	struct connection *c = bpf_sk_storage_get(&connections, sk, 0, 0);
	if (c)
		return c;
	if (ignores_port(sk->src_port)) {
		ignore(sk, RT_VERDICTS); /* for no fault of its own: not counted */
		return 0;
	}
	tp = bpf_tcp_sock(sk);
	if (!tp || bpf_skb_load_bytes(skb, k->offset, &first, 1) || packet_damaged(skb, k))
		return 0;
	__u32 next = k->seq;
	struct rt_baton baton;
	int resumed = baton_take(sk, tp, &baton);
	if (resumed) {
		kind = baton.http ? CONNECTION_HTTP : CONNECTION_NEW;
		next = baton.rx_next;
	} else if (!tp->bytes_received) {
		/* Nothing has come before, so this is what the connection starts with, unless it overtook its beginning. */
		kind = CONNECTION_NEW;
		next = tp->rcv_nxt;
		if (k->seq == next && !starts_new(first)) {
			ignore(sk, first == TLS_HANDSHAKE ? RT_VERDICT_TLS : RT_VERDICT_OTHER);
			return 0;
		}
	} else if (likeness(skb, 0, k->offset, k->length) == LIKE_NOTHING) {
		/* In the middle of something. Its next request may come, but not for ever. */
		if (!tries) {
			tries = bpf_sk_storage_get(&ignored, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
			if (tries)
				*tries = TRIES;
			listener_count(bpf_sk_cgroup_id(sk), sk->src_port, RT_VERDICT_MIDDLE, 0);
		} else if (!--*tries) {
			count(RT_NOT_HTTP, 1);
		}
		return 0;
	}
	if (!usage_has_room(RT_USAGE_CONNECTIONS, settings.connections)) {
		/* Not for good: there may be room for its next request. */
		if (kind == CONNECTION_HTTP || starts_like_request(skb, k))
			connection_refused();
		return 0;
	}
	struct scratch *x = scratch_get();
	if (!x)
		return 0;
	/* Another CPU may have the next packet of this connection at this moment: it must find either no state or a whole one. */
	struct connection *fresh = &x->fresh;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	connection_init(fresh, sk, next, kind);
	if (resumed) {
		/* Nothing is being answered, so what is sent next is the next response. */
		fresh->tx_started = 1;
		fresh->tx_next = tp->snd_nxt;
	}
	c = bpf_sk_storage_get(&connections, sk, fresh, BPF_SK_STORAGE_GET_F_CREATE);
	if (!c) /* or it has made one */
		c = bpf_sk_storage_get(&connections, sk, 0, 0);
	if (!c) {
		if (bpf_sk_storage_get(&ignored, sk, 0, 0)) /* and found it to be no HTTP */
			return 0;
		count(RT_SEEN, 1);
		count(RT_LOST_NO_MEMORY, 1);
		ignore(sk, RT_VERDICT_OTHER);
		return 0;
	}
	connection_counted(c);
	return c;
}

/* "PRI * HTTP/2.0" (RFC 9113, 3.4), as the parser of HTTP/1 has read it. */
static __always_inline int is_http2(const struct connection *c)
{
	return c->rx.method == RT_METHOD_OTHER && c->rx.path_len == 1 && c->rx_path[0] == '*';
}

#ifdef RT_BOUNDED
#define INGRESS_CARRIED static __always_inline
static __always_inline int ingress_lock(struct __sk_buff *skb, struct connection *c)
{
	if (bounded_try_lock(c))
		return 1;
	int had = 0;
	bounded(64, (had = bounded_lock(skb)));
	return had;
}
#else
#define INGRESS_CARRIED static __noinline
/* Two packets of one connection are in this program at the same time when the sender has moved to another CPU between them
 * (loopback) or a NIC spreads flows badly. The wait is that of one packet's scan, without sleeping: this is softirq. */
static __always_inline int ingress_lock(struct __sk_buff *skb, struct connection *c)
{
	return connection_lock(c);
}
#endif

/* The lock of what has no socket yet. (5.10 takes a spin lock only at the top of a value: two CPUs with two packets of one connection that
 * nobody has accepted, at the same time, are not told apart there.) */
static __always_inline int embryo_lock(struct connection *c)
{
#ifdef RT_BOUNDED
	return 1;
#else
	return connection_lock(c);
#endif
}

/* Payload for a listener: the socket that it is for does not exist yet. Whether these are the connection's first bytes, and so whether
 * it speaks HTTP, is known when it does: connection_take_over(). Or it is just being made, and has not taken over yet. Locked, unless it is
 * null. */
static __noinline struct embryo *embryo_get(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *k)
{
	struct tuple t = {};
	struct embryo *e;
	__u32 zero = 0;

	if (ignores_port(sk->src_port) || !tuple_of_packet(&t, skb, k))
		return 0;
	e = bpf_map_lookup_elem(&carried, &t);
	if (e && e->state == EMBRYO_BEGUN && !embryo_is_of(e, k->seq)) {
		bpf_map_delete_elem(&carried, &t);
		e = 0;
	}
	if (!e) {
		if (closing || sk->state != BPF_TCP_LISTEN || elder_state() == RT_OPEN)
			return 0;
		void *z = bpf_map_lookup_elem(&zeros, &zero);
		if (!z)
			return 0;
		bpf_map_update_elem(&carried, &t, z, BPF_NOEXIST); /* another CPU may be first */
		e = bpf_map_lookup_elem(&carried, &t);
	}
	if (!e || !embryo_lock(&e->connection))
		return 0;
	if (e->state == EMBRYO_TAKEN || bpf_map_lookup_elem(&carried, &t) != e) {
		e->connection.rx_lock = 0;
		return 0;
	}
	if (e->state == EMBRYO_EMPTY) {
		connection_init(&e->connection, sk, k->seq, CONNECTION_NEW);
		e->state = EMBRYO_BEGUN;
		e->seq = k->seq;
	} else if ((__s32)(k->seq - e->seq) < 0) { /* overtaken by what was seen first */
		embryo_restart(&e->connection, k->seq);
		e->seq = k->seq;
	}
	return e;
}

/* Apart from embryo_get(), and with the scan of the caller: their stack frames are not needed at the same time, and all those of a chain
 * of calls together may have 512 bytes. */
INGRESS_CARRIED int ingress_carried(struct scan *s, struct packet *k)
{
	__u32 start = s->c->rx_next;

	request_bytes(s, k);
	if (start == k->seq)
		request_hold(s, k); /* should it turn out to have overtaken the connection's first bytes */
	s->c->rx_lock = 0;
	return 0;
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	struct packet k;
	struct bpf_sock *any = skb->sk, *sk;

	if (!any || is_client(any) || is_left_alone(any) || !packet_parse(skb, &k))
		return PASS;
	struct connection *c = bpf_sk_storage_get(&connections, any, 0, 0);
	sk = bpf_sk_fullsock(any);
	if (!sk)
		return PASS;
	if (!c) {
		if (!k.length)
			return PASS;
		if (sk->state == BPF_TCP_LISTEN || sk->state == BPF_TCP_SYN_RECV) {
			struct embryo *e = packet_damaged(skb, &k) ? 0 : embryo_get(skb, sk, &k);
			if (e) {
				struct scan s = {.skb = skb, .c = &e->connection, .embryo = &e->pipeline, .pieces = &e->pieces,
						 .now = bpf_ktime_get_ns()};
				ingress_carried(&s, &k);
			}
			if (e || sk->state == BPF_TCP_LISTEN)
				return PASS;
		}
		c = ingress_unknown(skb, sk, &k);
		if (!c)
			return PASS;
	} else if (k.length && packet_damaged(skb, &k)) {
		return PASS;
	}
	if (k.length && c->kind < CONNECTION_STREAM && ingress_lock(skb, c)) {
		if (closing && connection_idle(c)) {
			connection_release(c, sk);
			return PASS;
		}
#ifndef RT_BOUNDED
		if (request_straight(skb, c, &k)) {
			c->rx_lock = 0;
			return PASS;
		}
#endif
		struct scan s = {.skb = skb, .sk = sk, .c = c, .now = bpf_ktime_get_ns()};
		__u8 kind = c->kind;
		request_bytes(&s, &k);
		if (c->kind == CONNECTION_DEAD) {
			if (c->reclaimed) { /* by the iterator, a moment ago */
				if (starts_like_request(skb, &k))
					request_reclaimed();
				c->rx_lock = 0;
				return PASS;
			}
			if (kind == CONNECTION_NEW && !c->holed)
				ignore(sk, is_http2(c) ? RT_VERDICT_HTTP2 : RT_VERDICT_OTHER);
			if (kind < CONNECTION_HTTP) {
				connection_forget(sk);
				return PASS;
			}
		}
		c->rx_lock = 0;
	} else if (k.length && c->reclaimed && starts_like_request(skb, &k)) {
		request_reclaimed();
	}
	if (k.flags & TCP_RST) {
		if (reset_holds(sk, c, &k))
			c->peer |= PEER_RESET;
	} else if ((k.flags & TCP_FIN) && !beyond_window(skb, k.seq)) {
		c->peer |= PEER_FIN;
	}
	return PASS;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	struct packet k;
	struct bpf_sock *any = skb->sk, *sk;

	if (!any || is_client(any) || is_left_alone(any) || !packet_parse(skb, &k))
		return PASS;
	struct connection *c = bpf_sk_storage_get(&connections, any, 0, 0);
#ifndef RT_BOUNDED
	if (c && response_straight(skb, c, &k))
		return PASS;
#endif
	sk = bpf_sk_fullsock(any);
	if (!sk)
		return PASS;
	if (!c) {
		/* Whoever speaks before it has heard anything is no HTTP server: a client, or a protocol with a greeting. */
		if (!k.length)
			return PASS;
		__u32 *tries = bpf_sk_storage_get(&ignored, sk, 0, 0);
		if (!tries) {
			struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);
			if (tp && !tp->bytes_received)
				ignore(sk, RT_VERDICT_SERVER_FIRST);
		} else if (*tries == IGNORED_UNANSWERED) {
			*tries = 0;
			if (starts_like_response(skb, k.offset, k.offset + k.length)) {
				/* The server took it for a request, and the next one may be better. */
				count(RT_SEEN, 1);
				count(RT_LOST_MALFORMED, 1);
				*tries = TRIES;
			}
		} else if (*tries && starts_like_response(skb, k.offset, k.offset + k.length)) {
			*tries = TRIES;
		}
		return PASS;
	}
	if (c->kind == CONNECTION_DEAD || (c->middle && !c->tx_started && k.length && !starts_like_response(skb, k.offset, k.offset + k.length)))
		return PASS;
	struct scan s = {.skb = skb, .sk = sk, .c = c, .now = bpf_ktime_get_ns()};
#ifdef RT_BOUNDED
	c->tx_kept.now = s.now;
#endif
	if (k.length) {
		if (c->kind == CONNECTION_STREAM)
			c->tx_body += k.length;
		else
			response_bytes(&s, &k);
	}
	if (k.flags & (TCP_FIN | TCP_RST)) {
		if (!c->peer)
			c->flags |= LOCAL_FIN;
		struct pipeline *l = bpf_sk_storage_get(&pipelines, sk, 0, 0);
		if (c->kind < CONNECTION_STREAM && c->tx.state == HTTP1_B_CLOSE && (k.flags & TCP_FIN)) {
			RESPONSE_END(skb, c, l, s.now, 0);
			http1_begin(&c->tx, 1);
		}
		if (!(c->flags & RESPONSE_KEPT))
			connection_finish(skb, c, l, s.now, 0);
		if (settings.events && !events_follow(sk)) { /* its end will not be seen */
			if (c->flags & RESPONSE_KEPT) {
				RESPONSE_SETTLE(skb, c, l, 1);
				connection_finish(skb, c, l, s.now, 0);
			}
			connection_forget(sk);
		}
	}
	return PASS;
}

#ifdef RT_BOUNDED
#include "bounded_steps.h"
#endif

/* The application has taken bytes out of the socket: queue time, and who serves. Runs under the socket lock. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(rcv_space_adjust, struct sock *sk)
{
	if (is_client_port(sk->__sk_common.skc_num))
		return 0;
	struct connection *c = bpf_sk_storage_get(&connections, sk, 0, 0);

	/* With fast open the application may read before the handshake is complete. */
	if (!c && sk->__sk_common.skc_state == BPF_TCP_SYN_RECV)
		c = connection_take_over(sk, sk);
	if (!c || c->kind >= CONNECTION_STREAM)
		return 0;
	connection_read(c, sk);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int oldstate, int newstate)
{
	if (newstate == BPF_TCP_ESTABLISHED && oldstate == BPF_TCP_SYN_RECV) {
		server_port(sk->__sk_common.skc_num); /* not always its listener's: transparent proxies */
		connection_take_over(sk, sk);
		return 0;
	}
	if (newstate == BPF_TCP_LISTEN) {
		server_port(sk->__sk_common.skc_num);
		return listener_count(bpf_get_current_cgroup_id(), sk->__sk_common.skc_num, RT_VERDICTS, 1);
	}
	if (newstate != BPF_TCP_CLOSE)
		return 0;
	connection_closed(0, BY_TRACING, sk, sk);
	return 0;
}

/* One pass over the states of connections, to take some of them back. Orders and answers are in the map `reclaiming`. */
SEC("iter/bpf_sk_storage_map")
int reclaim(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct connection *c = ctx->value;
	struct sock *sk = ctx->sk;

	if (c && sk)
		reclaim_step(c, sk);
	return 0;
}

/* The server ports of the sockets that are there already, once after the programs were attached. */
SEC("iter/task_file")
int find_servers(struct bpf_iter__task_file *ctx)
{
	if (!ctx->task) { /* all have been seen */
		server_ports.known = 1;
		return 0;
	}
	struct file *file = ctx->file;
	struct socket *socket = file ? bpf_sock_from_file(file) : 0;
	struct sock *sk = socket ? socket->sk : 0;

	if (!sk || sk->sk_type != SOCK_STREAM || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	if (sk->__sk_common.skc_state != BPF_TCP_LISTEN && sk->sk_protocol == IPPROTO_TCP) {
		/* A port that connect() has chosen is a client's; one that bind() has, or accept() from its listener, may be a server's
		 * (net/ipv4/inet_hashtables.c, __inet_hash_connect()). */
		struct inet_bind_bucket *bucket = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_bind_hash);
		if (!bucket || BPF_CORE_READ(bucket, fastreuse) < 0)
			return 0;
	}
	server_port(sk->__sk_common.skc_num);
	return 0;
}

struct in_flight {
	struct connection *c;
	struct pipeline *l;
	struct seq_file *seq;
	__u32 pos, n; /* of the requests that wait: the first one's position, their number */
};

static long in_flight_step(__u32 i, struct in_flight *r)
{
	struct connection *c = r->c;
	struct rt_in_flight f;

	if (i >= r->n)
		return 1;
	struct request *rq = request_in(c, r->l, r->pos + i);
	if (!rq && !settings.no_storage_in_tracing)
		return 0;
	__builtin_memset(&f, 0, sizeof(f));
	f.service = c->service ?: service_guess(c);
	if (!rq) {
		/* It is in the pipeline, which cannot be reached from here. */
		f.start_ns = bpf_ktime_get_ns();
		f.port = c->port;
		f.len = sizeof("{other}") - 1;
		__builtin_memcpy(f.text, "{other}", sizeof("{other}") - 1);
		bpf_seq_write(r->seq, &f, sizeof(f));
		return 0;
	}
	f.start_ns = rq->start_ns;
	f.port = c->port;
	f.method = rq->method;
	f.len = rq->endpoint.len;
	path_copy((struct http1_path *)f.text, (struct http1_path *)rq->endpoint.text, f.len);
	bpf_seq_write(r->seq, &f, sizeof(f));
	return 0;
}

/* Requests in flight, at scrape. */
SEC("iter/bpf_sk_storage_map")
int in_flight(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct connection *c = ctx->value;
	struct sock *sk = ctx->sk;

	if (!c || !sk || c->tx_pos == c->rx_pos)
		return 0;
	struct in_flight r = {.c = c, .seq = ctx->meta->seq, .pos = c->tx_pos};
	r.n = c->rx_pos - r.pos;
	if (r.n > 1 && !settings.no_storage_in_tracing)
		r.l = bpf_sk_storage_get(&pipelines, sk, 0, 0);
#ifdef RT_BOUNDED
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < RT_PIPELINE_DEPTH; i++)
		if (in_flight_step(i, &r))
			break;
#else
	bpf_loop(RT_PIPELINE_DEPTH, in_flight_step, &r, 0);
#endif
	return 0;
}

/* At a hand-over: leaves batons at idle connections, and writes a byte for each of which something is in flight. */
SEC("iter/bpf_sk_storage_map")
int release(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct connection *c = ctx->value;
	struct sock *sk = ctx->sk;
	__u8 one = 1;

	if (!c || !sk)
		return 0;
	if (connection_idle(c)) {
		if (!settings.no_storage_in_tracing) /* else the successor meets it in its middle */
			baton_leave(c, sk);
	} else if (connection_live(c)) {
		bpf_seq_write(ctx->meta->seq, &one, 1);
	}
	return 0;
}
