/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* How much state there is of connections, and taking it back.
 *
 * The states live with their sockets, so that nothing but the number of sockets would bound them. They are counted where they are made and
 * where they are deleted (at the latest when the socket is closed), one atomic addition for each and none for a packet. A state that
 * would be one too many is not made. Before that, at `reclaim_at`, user space is woken, and has the iterator `reclaim` take states
 * back: those between two messages first, which lose nothing, then those in a request line, then streams, then those in the midst
 * of a message; of each kind the oldest first (src/loader/reclaim.c chooses).
 *
 * The iterator does not hold the socket's lock. So it takes the lock of ingress (rx_lock) to look at a connection. What is in the midst
 * of a message belongs to the socket's side as well: it is only marked at first, which makes the programs leave it alone, and
 * deleted in a second pass, when no program can be at work on it any more. Who deletes it counts what it lost. */
#ifndef RT_BUDGET_H
#define RT_BUDGET_H

#include "record.h"
#ifdef RT_BOUNDED
#include "bounded.h"
#endif

static __always_inline __s64 usage_add(__u32 what, __s64 n)
{
	__s64 *v = bpf_map_lookup_elem(&usage, &what);

	if (!v)
		return 0;
#ifdef RT_BOUNDED
	/* No atomic of this kernel tells what was there: several may see the same sum, which here is only looked at. */
	__sync_fetch_and_add(v, n);
	return *(volatile __s64 *)v;
#else
	return __sync_fetch_and_add(v, n) + n;
#endif
}

/* Several CPUs may ask at once and each be told yes: the budget is exceeded by a few at most. */
static __always_inline int usage_has_room(__u32 what, __u32 budget)
{
	__s64 *v = bpf_map_lookup_elem(&usage, &what);

	return v && *v < (__s64)budget;
}

/* A state was made for a connection; two CPUs may have found none and made the same one. */
static __always_inline void connection_counted(struct connection *c)
{
	__u32 wake = 0;

#ifdef RT_BOUNDED
	if (!bounded_swap(&c->rx_guard, &c->counted))
		return;
#else
	if (__sync_val_compare_and_swap(&c->counted, 0, 1))
		return;
#endif
	if (usage_add(RT_USAGE_CONNECTIONS, 1) == settings.reclaim_at)
		bpf_ringbuf_output(&pressure, &wake, sizeof(wake), 0);
}

/* Deletes the state of SK. True if there was one: of several who try, one is told so. */
static __always_inline int connection_forget(void *sk)
{
	int was = !bpf_sk_storage_delete(&connections, sk);

	if (was)
		usage_add(RT_USAGE_CONNECTIONS, -1);
	bpf_sk_storage_delete(&reorders, sk);
	if (!bpf_sk_storage_delete(&pipelines, sk))
		usage_add(RT_USAGE_PIPELINES, -1);
	return was;
}

/* A request begins on a connection for which there is no room. */
static __always_inline void connection_refused(void)
{
	count(RT_SEEN, 1);
	count(RT_LOST_CONNECTION_BUDGET, 1);
}

/* A request begins on a connection whose state is being taken back at this moment. */
static __always_inline void request_reclaimed(void)
{
	count(RT_SEEN, 1);
	count(RT_LOST_RECLAIMED, 1);
}

/* The request whose line is coming in has its answer, and is recorded. */
static __always_inline int answered_early(const struct connection *c)
{
	return c->early != c->early_passed;
}

/* A request that began where bytes were missed. */
static __always_inline void request_holed(struct connection *c)
{
	c->torn = 0;
	count(RT_SEEN, 1);
	count(RT_LOST_GAP, 1);
}

/* Is nothing of this connection in flight, so that its next byte begins a request? */
static __always_inline int connection_idle(const struct connection *c)
{
	return (c->kind == CONNECTION_HTTP || c->kind == CONNECTION_NEW) && c->rx_pos == c->tx_pos && c->rx.state == HTTP1_Q_START &&
	       c->tx.state == HTTP1_S_START && !c->n_held && !(c->flags & (RESPONSE_KEPT | EVENT_STREAM)) && !answered_early(c);
}

/* Leaves at the socket of an idle connection from where it is to be parsed on: by another set of programs (handover.h), or by us. */
static __always_inline void baton_leave(const struct connection *c, void *sk)
{
	struct rt_baton *b = bpf_sk_storage_get(&batons, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (b) {
		b->rx_next = c->rx_next;
		b->http = c->kind == CONNECTION_HTTP;
	}
}

/* The line at hand can be nothing but HTTP: a method of RFC 9110 and the beginning of a target. */
static __always_inline int looks_like_http(const struct http1 *p)
{
	return p->method != RT_METHOD_OTHER && p->path_len;
}

static __always_inline int in_request_line(const struct connection *c)
{
	return c->rx.state > HTTP1_Q_START && c->rx.state <= HTTP1_Q_LF;
}

/* Nothing will be counted of it any more. */
static __always_inline int connection_is_over(const struct connection *c)
{
	return c->rx_pos == c->tx_pos && (c->kind == CONNECTION_DEAD || (c->rx.state == HTTP1_DEAD && c->framing == FRAMING_HELD));
}

static __always_inline __u32 reclaim_class(const struct connection *c)
{
	if (connection_is_over(c))
		return RT_RECLAIM_IDLE;
	if (c->kind == CONNECTION_STREAM || (c->flags & EVENT_STREAM))
		return RT_RECLAIM_STREAM;
	if (connection_idle(c))
		return RT_RECLAIM_IDLE;
	if (c->rx_pos != c->tx_pos || c->tx.state != HTTP1_S_START || c->n_held || (c->flags & RESPONSE_KEPT))
		return RT_RECLAIM_MESSAGE;
	if (c->framing == FRAMING_LOST)
		return RT_RECLAIM_IDLE;
	return in_request_line(c) ? RT_RECLAIM_LINE : RT_RECLAIM_MESSAGE;
}

/* Ages on a scale of a quarter of an octave, in units of 2^20 ns (about 1 ms). */
static __always_inline __u32 age_bucket(__u64 ns)
{
	__u64 v = ns >> 20, w;
	__u32 log = 0;

	if (v < 4)
		return v;
	if (v >> 32)
		return RT_AGES - 1;
	w = v;
#pragma clang loop unroll(full)
	for (__u32 step = 16; step; step >>= 1)
		if (w >> step) {
			w >>= step;
			log += step;
		}
	return (log - 1) * 4 + ((v >> ((log - 2) & 63)) & 3);
}

#ifndef RT_BOUNDED
/* Takes the state of SK back for good. What is left at the socket goes first: a packet that finds no state must find that. */
static __always_inline void reclaim_now(struct connection *c, struct sock *sk, __u32 class)
{
	int over = connection_is_over(c);

	if (class == RT_RECLAIM_LINE && looks_like_http(&c->rx) && !answered_early(c))
		request_reclaimed();
	if (over || class == RT_RECLAIM_STREAM) {
		__u32 *tries = bpf_sk_storage_get(&ignored, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (tries)
			*tries = 0;
	} else if (class == RT_RECLAIM_IDLE && c->framing == FRAMING_HELD) {
		baton_leave(c, sk);
	}
	c->kind = CONNECTION_DEAD;
	c->reclaimed = RECLAIM_DONE;
	connection_forget(sk);
}

/* What is in the midst of a message, marked in an earlier pass: counts what waits. */
static __always_inline void reclaim_finish(struct connection *c, struct sock *sk)
{
	__u32 waiting = c->rx_pos != c->tx_pos ? requests_waiting(c, bpf_sk_storage_get(&pipelines, sk, 0, 0)) : 0;

	if (connection_forget(sk) && waiting)
		count(RT_LOST_RECLAIMED, waiting);
}

static __always_inline void reclaim_take(struct connection *c, struct sock *sk, struct rt_reclaim *r, __u32 class, __u32 age)
{
	if (class >= RT_RECLAIM_CLASSES || age < r->youngest[class] || (age == r->youngest[class] && !r->quota[class]))
		return;
	/* Held: a packet of it is being looked at, so it is not idle. */
	if (__sync_val_compare_and_swap(&c->rx_lock, 0, 1))
		return;
	if (reclaim_class(c) == class && !c->reclaimed) {
		if (age == r->youngest[class])
			r->quota[class]--;
		r->taken[class]++;
		count(RT_RECLAIMED_FIRST + class, 1);
		if (class == RT_RECLAIM_MESSAGE) {
			c->kind = CONNECTION_DEAD;
			c->reclaimed = RECLAIM_MARKED;
		} else {
			reclaim_now(c, sk, class);
		}
	}
	c->rx_lock = 0;
}

#endif

/* The flavour with bounded loops only counts: an iterator there can neither take rx_lock nor, before 5.11, delete a state. */
static __always_inline void reclaim_step(struct connection *c, struct sock *sk)
{
	__u32 zero = 0;
	struct rt_reclaim *r = bpf_map_lookup_elem(&reclaiming, &zero);

	if (!r)
		return;
	if (r->correction) {
		usage_add(RT_USAGE_CONNECTIONS, r->correction);
		r->correction = 0;
	}
#ifndef RT_BOUNDED
	if (c->reclaimed == RECLAIM_MARKED) {
		if (r->pass == RT_PASS_FINISH)
			reclaim_finish(c, sk);
		return;
	}
#endif
	__u64 now = bpf_ktime_get_ns(), at = c->rx_start_ns > c->tx_first_ns ? c->rx_start_ns : c->tx_first_ns;
	__u32 age = age_bucket(now > at ? now - at : 0) & (RT_AGES - 1), class = reclaim_class(c) & (RT_RECLAIM_CLASSES - 1);
	if (r->pass == RT_PASS_COUNT)
		r->ages[class][age]++;
#ifndef RT_BOUNDED
	else if (r->pass == RT_PASS_TAKE)
		reclaim_take(c, sk, r, class, age);
#endif
}

#endif
