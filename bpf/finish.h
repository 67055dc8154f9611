/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The end of a connection, and the application's reads. */
#ifndef RT_FINISH_H
#define RT_FINISH_H

#include "handover.h"
#include "response.h"

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6

struct finish {
	struct connection *c;
	struct pipeline *l;
	__u64 now;
	__u64 client_gone;
};

static long finish_step(__u32 i, struct finish *f)
{
	struct connection *c = f->c;
	struct outcome o = {.end_ns = f->now};
	struct request *rq = request_in(c, f->l, c->tx_pos);
	int begun = c->tx.state > HTTP1_S_STATUS && c->tx.state != HTTP1_DEAD;

	o.code = f->client_gone ? RT_CODE_CLIENT_GONE : begun ? c->tx.status : RT_CODE_NO_RESPONSE;
	o.first_ns = begun ? c->tx_first_ns : 0;
	o.body_bytes = begun ? c->tx_body : 0;
#ifdef RT_BOUNDED
	if (c->flags & RESPONSE_KEPT) { /* BY_RELEASE: everywhere else it is settled before */
		c->flags &= ~RESPONSE_KEPT;
		o.first_ns = c->kept_first_ns;
		o.end_ns = c->kept_end_ns;
		o.body_bytes = c->kept_body;
	}
#endif
	if (rq)
		request_record(c, rq, &o);
	c->tx_pos++;
	http1_begin(&c->tx, 1);
	return 0;
}

/* Which program ends the connection: CTX is its context, which bounded.h has to hand on. */
enum finish_by { BY_PACKET, BY_TRACING = BY_PACKET, BY_STATE, BY_RELEASE };

/* No more responses can come: ends everything that waits. 499 if the client went first (or VANISHED: the kernel gave up on it), else
 * the status of a response that was begun and cut off, else 000. */
static __always_inline void finish_all(void *ctx, enum finish_by by, struct connection *c, struct pipeline *l, __u64 now, int vanished)
{
	int client_gone = !(c->flags & LOCAL_FIN) && (c->peer || vanished);
	__u32 waiting = c->rx_pos - c->tx_pos;

	if (c->kind == CONNECTION_STREAM || (c->flags & EVENT_STREAM)) {
		record_stream_end(c, now);
		c->flags &= ~EVENT_STREAM;
		if (c->kind != CONNECTION_STREAM)
			http1_begin(&c->tx, 1);
	}
	if (waiting) {
		__u32 end = c->tx_pos + waiting;
#ifdef RT_BOUNDED
		c->finish_now = now;
		c->finish_client_gone = client_gone;
		if (by == BY_RELEASE) {
			/* No global function can be given this context (5.10), and more than one is too much to follow. */
			struct finish f = {.c = c, .l = l, .now = now, .client_gone = client_gone};
			if (waiting > 1)
				count(RT_LOST_GAP, waiting < RT_PIPELINE_DEPTH ? waiting - 1 : RT_PIPELINE_DEPTH - 1);
			finish_step(0, &f);
		} else {
			bounded(RT_PIPELINE_DEPTH, _i >= waiting || (by == BY_STATE ? bounded_finish_state(ctx) : bounded_finish_packet(ctx)));
		}
#else
		struct finish f = {.c = c, .l = l, .now = now, .client_gone = client_gone};
		bpf_loop(waiting < RT_PIPELINE_DEPTH ? waiting : RT_PIPELINE_DEPTH, finish_step, &f, 0);
#endif
		c->tx_pos = end; /* those beyond the depth were lost when they came */
	}
	__u8 state = c->rx.state;
	if (c->kind < CONNECTION_STREAM && !answered_early(c) && state > HTTP1_Q_START && state <= HTTP1_Q_LF &&
	    looks_like_http(&c->rx)) {
		count(RT_SEEN, 1);
		count(RT_LOST_INCOMPLETE, 1);
	}
	if (c->torn && c->kind < CONNECTION_STREAM)
		request_holed(c);
	c->kind = CONNECTION_DEAD;
}

static __noinline void connection_finish(void *ctx, struct connection *c, struct pipeline *l, __u64 now, int vanished)
{
	finish_all(ctx, BY_PACKET, c, l, now, vanished);
}

/* Who reads, from a socket of this cgroup and port: the thread-group leader's name and the cgroup of the task. */
static __noinline __u64 service_identify(__u64 cgroup_id, __u32 port, __u32 tgid)
{
	struct rt_service s = {.tgid = tgid};
	struct task_struct *task = (void *)bpf_get_current_task();
	struct rt_port_key key = {.cgroup_id = cgroup_id, .port = port};

	BPF_CORE_READ_INTO(&s.comm, task, group_leader, comm);
	/* Bytes behind the terminator are whatever was there before. */
	__u32 ended = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < RT_COMM_MAX; i++) {
		if (!s.comm[i])
			ended = 1;
		if (ended)
			s.comm[i] = 0;
	}
	s.cgroup_id = bpf_get_current_cgroup_id();
	__u64 h = hash_word(settings.seed, s.cgroup_id);
	h = hash_word(h, ((__u64 *)s.comm)[0]);
	h = hash_word(h, ((__u64 *)s.comm)[1]);
	if (!bpf_map_lookup_elem(&services, &h))
		bpf_map_update_elem(&services, &h, &s, BPF_NOEXIST);
	__u64 *guess = bpf_map_lookup_elem(&guesses, &key);
	if (!guess || *guess != h)
		bpf_map_update_elem(&guesses, &key, &h, BPF_ANY);
	return h;
}

static __always_inline void connection_read(struct connection *c, struct sock *sk)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 copied, pos = c->read_pos, end = c->rx_pos;
	int coming = c->rx.state > HTTP1_Q_START && c->rx.state <= HTTP1_Q_LF && !c->rx_read_ns;

	if (c->tgid != tgid) {
		c->service = service_identify(c->sk_cgroup, c->port, tgid);
		c->tgid = tgid;
	}
	if (pos == end && !coming)
		return;
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	copied = tp->copied_seq;
	__u64 now = bpf_ktime_get_ns();
	if (coming && (__s32)(copied - c->rx_start_seq) > 0)
		c->rx_read_ns = now;
	if (end - pos == 1 && c->first.pos == pos) { /* as nearly always */
		if ((__s32)(copied - c->first.start_seq) > 0) {
			if (!c->first.read_ns)
				c->first.read_ns = now;
			c->read_pos = end;
		}
		return;
	}
	struct pipeline *l = bpf_sk_storage_get(&pipelines, sk, 0, 0);
	/* All that wait are within the depth from tx_pos; those behind were lost when they came. */
	__u32 from = c->tx_pos, n = end - from, i;
	for (i = 0; i < RT_PIPELINE_DEPTH; i++) {
		if (i >= n)
			break;
		struct request *rq = request_in(c, l, from + i);
		if (rq && (__s32)(copied - rq->start_seq) <= 0)
			break;
		if (rq && !rq->read_ns)
			rq->read_ns = now;
	}
	c->read_pos = from + i;
}

/* The ends of a socket, as a packet to it names them: IPv4 as the mapped IPv6 address. */
static __always_inline void tuple_of_sock(struct tuple *t, struct sock *sk)
{
	t->remote_port = sk->__sk_common.skc_dport;
	t->local_port = bpf_htons(sk->__sk_common.skc_num);
	if (sk->__sk_common.skc_family == AF_INET) {
		t->remote[2] = t->local[2] = bpf_htonl(0xffff);
		t->remote[3] = sk->__sk_common.skc_daddr;
		t->local[3] = sk->__sk_common.skc_rcv_saddr;
	} else {
		BPF_CORE_READ_INTO(&t->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32);
		BPF_CORE_READ_INTO(&t->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
	}
}

#ifndef RT_BOUNDED
struct spin {
	struct connection *c;
	__u64 held;
};

static long spin_step(__u32 i, struct spin *s)
{
	s->held = __sync_val_compare_and_swap(&s->c->rx_lock, 0, 1) == 0;
	return s->held;
}

static __always_inline int connection_lock(struct connection *c)
{
	struct spin s = {.c = c};

	if (__sync_val_compare_and_swap(&c->rx_lock, 0, 1) == 0)
		return 1;
	bpf_loop(1 << 16, spin_step, &s, 0);
	return s.held;
}
#endif

/* What came first has overtaken the connection's beginning, which is at START: it is parsed anew from the kept pieces when its turn comes. */
static __always_inline void embryo_restart(struct connection *c, __u32 start)
{
	http1_begin(&c->rx, 0);
	c->rx_pos = 0;
	c->rx_next = start;
	c->rx_head = 0;
	c->kind = CONNECTION_NEW;
	c->framing = FRAMING_HELD;
	c->first.pos = -1;
	c->rx_malformed = c->holed = c->torn = 0;
}

static __always_inline void embryo_end(struct embryo *e, struct tuple *t)
{
	e->state = EMBRYO_TAKEN;
	e->connection.rx_lock = 0;
	bpf_map_delete_elem(&carried, t);
}

/* A new socket takes over what came before it existed. Null if nothing did. OWNER: the same socket, as the helpers for its storage want
 * it. */
static __noinline struct connection *connection_take_over(void *owner, struct sock *sk)
{
	struct tuple t = {};
	struct embryo *e;

	tuple_of_sock(&t, sk);
	e = bpf_map_lookup_elem(&carried, &t);
	if (!e)
		return 0;
	if (settings.has_elder && elder_has(owner)) { /* which saw the first of it, while it still took what is new */
		bpf_map_delete_elem(&carried, &t);
		return 0;
	}
	struct connection *c = &e->connection;
	/* The socket knows what the connection starts with. */
	__u32 start = BPF_CORE_READ((struct tcp_sock *)sk, rcv_nxt);
	if (!embryo_is_of(e, start)) {
		bpf_map_delete_elem(&carried, &t);
		return 0;
	}
#ifndef RT_BOUNDED
	if (!connection_lock(c)) /* another CPU has the next packet, and has not found the socket yet */
		return 0;
#endif
	if ((__s32)(e->seq - start) > 0)
		embryo_restart(c, start);
	if (c->kind == CONNECTION_DEAD) { /* these are its first bytes, and they are no HTTP */
		__u32 *tries = bpf_sk_storage_get(&ignored, owner, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (tries)
			*tries = IGNORED_UNANSWERED;
		count(RT_NOT_HTTP, 1);
		embryo_end(e, &t);
		return 0;
	}
	__u32 seen = c->rx_pos;
	if (seen) {
		count(RT_CONNECTIONS, 1);
		listener_count(c->sk_cgroup, c->port, RT_VERDICT_HTTP, 1);
	}
	int room = usage_has_room(RT_USAGE_CONNECTIONS, settings.connections);
	count(RT_SEEN, seen + c->rx_malformed);
	if (c->rx_malformed)
		count(RT_LOST_MALFORMED, 1);
	if (!room) {
		count(RT_LOST_CONNECTION_BUDGET, seen);
		embryo_end(e, &t);
		return 0;
	}
	if (seen > RT_PIPELINE_DEPTH)
		count(RT_LOST_PIPELINE_DEPTH, seen - RT_PIPELINE_DEPTH);
	/* The pipeline first: ingress may run on the new socket as soon as it has a connection. */
	if (seen > 1) {
		if (bpf_sk_storage_get(&pipelines, owner, &e->pipeline, BPF_SK_STORAGE_GET_F_CREATE))
			usage_add(RT_USAGE_PIPELINES, 1);
		else
			c = 0;
	}
	if (c && c->n_held && !bpf_sk_storage_get(&reorders, owner, &e->pieces, BPF_SK_STORAGE_GET_F_CREATE))
		c = 0;
	if (c)
		c = bpf_sk_storage_get(&connections, owner, 0, 0) ? 0 : bpf_sk_storage_get(&connections, owner, c, BPF_SK_STORAGE_GET_F_CREATE);
	if (c) {
		c->rx_lock = 0;
		connection_counted(c);
	} else {
		count(RT_LOST_NO_MEMORY, seen < RT_PIPELINE_DEPTH ? seen : RT_PIPELINE_DEPTH);
	}
	embryo_end(e, &t);
	return c;
}

/* The socket is closed, in whatever way. */
static __always_inline void connection_closed(void *ctx, enum finish_by by, void *owner, struct sock *sk)
{
	struct connection *c = bpf_sk_storage_get(&connections, owner, 0, 0);

	if (!c)
		return;
#ifndef RT_BOUNDED
	if (c->reclaimed == RECLAIM_MARKED) {
		reclaim_finish(c, sk);
		return;
	}
#endif
	/* A request that came while the connection was ended (by a FIN of ours) has no response either. */
	if (c->kind == CONNECTION_DEAD && c->tx_pos == c->rx_pos) {
		connection_forget(owner);
		return;
	}
	struct pipeline *l = bpf_sk_storage_get(&pipelines, owner, 0, 0);
	__u64 now = bpf_ktime_get_ns();
	if (c->flags & RESPONSE_KEPT) {
		__u32 acked = BPF_CORE_READ((struct tcp_sock *)sk, snd_una);
		response_settle(c, request_in(c, l, c->tx_pos), (__s32)(acked - c->tx_next) >= 0);
	}
	if (by == BY_STATE)
		finish_all(ctx, by, c, l, now, sk->sk_err != 0);
	else
		connection_finish(ctx, c, l, now, sk->sk_err != 0);
	connection_forget(owner);
}

#endif
