/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Hand-over between two sets of programs whose maps differ in layout: for a while both are attached, the elder set before its successor,
 * so that each packet passes the elder first. One switch, `closing` of the elder, decides who takes what is new; both look at the same
 * word. Until it is set the successor takes nothing. Once it is set
 *
 *   - a connection of which something is in flight stays the elder's, whatever comes on it;
 *   - one of which nothing is in flight is let go at its next packet: the elder leaves a baton at the socket, deletes its own state and
 *     does not look at the packet, which the successor then finds with no elder's state and takes, from this byte on;
 *   - a connection that the elder does not know is the successor's.
 *
 * So each request belongs to the set that saw its first byte. The elder's connections only get fewer. Its idle ones, which may stay
 * silent for days, need not be waited for: the iterator `release` leaves batons at them, and counts what is in flight. At zero the elder can
 * be detached. */
#ifndef RT_HANDOVER_H
#define RT_HANDOVER_H

#include "request.h"

/* Will anything be counted for it? */
static __always_inline int connection_live(const struct connection *c)
{
	if (c->kind == CONNECTION_DEAD)
		return 0;
	if (c->kind == CONNECTION_STREAM || c->rx_pos != c->tx_pos || (c->flags & (RESPONSE_KEPT | EVENT_STREAM)))
		return 1;
	return c->rx.state != HTTP1_Q_START && c->rx.state != HTTP1_DEAD && !answered_early(c);
}

/* Under the connection's rx_lock. A packet that waits for the lock on another CPU finds the connection dead. */
static __always_inline void connection_release(struct connection *c, struct bpf_sock *sk)
{
	baton_leave(c, sk);
	c->kind = CONNECTION_DEAD;
	c->rx_lock = 0;
	connection_forget(sk);
}

static __always_inline __u32 elder_state(void)
{
	__u32 zero = 0;

	if (!settings.has_elder)
		return RT_GONE;
	__u32 *v = bpf_map_lookup_elem(&elder_closing, &zero);
	return v ? *(volatile __u32 *)v : RT_GONE;
}

/* Is this socket, of which we know nothing, the elder's business? */
#define elder_has(sk)                                                                                                                          \
	({                                                                                                                                     \
		__u32 _state = elder_state();                                                                                                  \
		_state == RT_OPEN || (_state == RT_CLOSING && bpf_sk_storage_get(&elder_connections, sk, 0, 0));                               \
	})

/* Takes the baton, if there is one that still holds: the elder's, or our own of a connection whose state was taken back (budget.h). */
static __always_inline int baton_take(struct bpf_sock *sk, struct bpf_tcp_sock *tp, struct rt_baton *out)
{
	struct rt_baton *b = settings.has_elder ? bpf_sk_storage_get(&elder_batons, sk, 0, 0) : 0;

	if (b) {
		*out = *b;
		bpf_sk_storage_delete(&elder_batons, sk);
	} else {
		b = tp->bytes_received ? bpf_sk_storage_get(&batons, sk, 0, 0) : 0;
		if (!b)
			return 0;
		*out = *b;
		bpf_sk_storage_delete(&batons, sk);
	}
	/* The socket has taken what came before; one left by `release` may be late. */
	return out->rx_next == tp->rcv_nxt;
}

#endif
