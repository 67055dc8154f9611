/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The flavour for kernels before 5.17: without bpf_loop(), and made for 5.10, which also lacks pointers to memory as arguments of global
 * functions (5.12) and atomics that tell the value before (5.12).
 *
 * The verifier follows every round of a loop, so a body must be cheap to follow: here it is the call of a global function, which is
 * verified once, on its own, and taken for granted at each call. Loops within such functions multiply, so that 256 rounds of a function of
 * 256 rounds make the 65,536 steps of SCAN_STEPS at the price of 512. All a global function can be given is the packet. So each finds the
 * socket and the connection again, and goes on where `scan_kept` in the connection says: ingress' own one and egress' own one, under
 * the same locks as everything else there. What only ingress needs is in its scratch memory.
 *
 * The functions are in bounded_steps.h, behind the steps that they call. */
#ifndef RT_BOUNDED_H
#define RT_BOUNDED_H

#include "connection.h"

struct scan;

#define BOUNDED_STEPS 256
#define NORMALISE_STRETCH 16

/* Up to N times CALL, until it is not zero. _i: the round. The condition stands at the end, where it is the jump back: 5.10 takes no loop
 * that is closed by falling into its head ("back-edge"). */
#define bounded(n, call)                                                                                                                       \
	do {                                                                                                                                   \
		__u32 _i = 0;                                                                                                                  \
		_Pragma("clang loop unroll(disable)") do                                                                                       \
		{                                                                                                                              \
			http1_forget();                                                                                                        \
			if (call)                                                                                                              \
				break;                                                                                                         \
			http1_opaque(_i);                                                                                                      \
		}                                                                                                                              \
		while (++_i < (n));                                                                                                            \
	} while (0)

int bounded_normalise(void);
int bounded_route(void);
int bounded_request_parse(__u32 n);
int bounded_requests(struct __sk_buff *skb);
int bounded_hold(struct __sk_buff *skb, __u32 i);
int bounded_held_begin(struct __sk_buff *skb, __u32 i);
int bounded_held_end(struct __sk_buff *skb, __u32 i);
int bounded_held(struct __sk_buff *skb);
int bounded_lock(struct __sk_buff *skb);
int bounded_finish_packet(struct __sk_buff *skb);
int bounded_finish_state(struct bpf_sock_ops *ops);
int bounded_waiting(struct __sk_buff *skb);
int bounded_response_parse(struct __sk_buff *skb);
int bounded_settle(struct __sk_buff *skb, __u32 took_it);
int bounded_response_end(struct __sk_buff *skb, __u32 stream);
int bounded_responses(struct __sk_buff *skb);

/* Compare-and-swap of 0 and 1, with a lock of the kernel's around it: under that no function may be called. */
static __always_inline int bounded_swap(struct bpf_spin_lock *guard, __u32 *word)
{
	bpf_spin_lock(guard);
	__u32 was = *word;
	*word = 1;
	bpf_spin_unlock(guard);
	return !was;
}

static __always_inline int bounded_try_lock(struct connection *c)
{
	return bounded_swap(&c->rx_guard, &c->rx_lock);
}

#endif
