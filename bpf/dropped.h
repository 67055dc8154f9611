/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Ingress sees a packet before TCP does. What TCP drops behind us never reaches the application, and may say anything: damaged on the way
 * (found by the checksum), or outside of the window. What comes later in its place is what counts. */
#ifndef RT_DROPPED_H
#define RT_DROPPED_H

#include "request.h"

#define SUM_BLOCK 512
#define SUM_BLOCKS 18 /* 9 KB: larger ones are made by the kernel, of packets whose checksums it has verified */

/* Global functions, so that the verifier looks at the loops once: of packets, which 5.10 lets them have. */

/* Adds up N bytes at OFF of the packet, but one block at most, for the Internet checksum (RFC 1071), which is the same in any order of bytes. */
__noinline __u64 sum_of(struct __sk_buff *skb, __u32 off, __u32 n)
{
	struct scratch *x = scratch_get();
	__u64 sum = 0;

	if (n > SUM_BLOCK)
		n = SUM_BLOCK;
	if (!x || !size_fits(&n, SUM_BLOCK))
		return 0;
	__builtin_memset(x->held.bytes, 0, SUM_BLOCK);
	if (bpf_skb_load_bytes(skb, off, x->held.bytes, n))
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < SUM_BLOCK; i += 8) {
		__u64 w = http1_load(x->held.bytes + i);
		sum += (w & 0xffffffff) + (w >> 32);
	}
	return sum;
}

__noinline int checksum_wrong(struct __sk_buff *skb, __u32 ip_end)
{
	if (BPF_CORE_READ_BITFIELD_PROBED((struct sk_buff *)skb, csum_valid))
		return 0;
	__u32 ip = ip_end & ~PACKET_V6, v6 = ip_end & PACKET_V6, n = skb->len - ip;
	__u64 sum = sum_of(skb, v6 ? 8 : 12, v6 ? 32 : 8) + bpf_htons(IP_TCP) + bpf_htons(n);

	if (n > SUM_BLOCK * SUM_BLOCKS)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 at = 0; at < SUM_BLOCK * SUM_BLOCKS; at += SUM_BLOCK) {
		if (at >= n)
			break;
		sum += sum_of(skb, ip + at, n - at);
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum != 0xffff;
}

/* Is it damaged? Packets made by TCP on this machine, and those that were put together on their arrival, have segments counted in them, and
 * need no look. Of the others most have been verified by the network card or, up to 76 bytes, by now. */
static __always_inline int packet_damaged(struct __sk_buff *skb, const struct packet *k)
{
	return !skb->gso_segs && checksum_wrong(skb, k->ip_end);
}

/* Is SEQ behind the window that was offered? */
__noinline int beyond_window(struct __sk_buff *skb, __u32 seq)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;

	return tp && (__s32)(seq - (tp->rcv_wup + tp->rcv_wnd)) > 0;
}

/* Does TCP take this reset? If it comes at any other place than where the next byte is due, it is answered and forgotten (RFC 5961, 3.2). The
 * FIN of before takes a place. */
static __always_inline int reset_holds(struct bpf_sock *sk, const struct connection *c, const struct packet *k)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);

	return k->seq - c->rx_next == (c->peer & PEER_FIN) || (tp && k->seq == tp->rcv_nxt);
}

#endif
