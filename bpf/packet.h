/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Where the TCP payload of a packet is, and which bytes of the stream it holds. */
#ifndef RT_PACKET_H
#define RT_PACKET_H

#include "connection.h"

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

struct packet {
	__u32 offset; /* of the payload in the skb */
	__u32 length; /* of the payload */
	__u32 seq;    /* of its first byte */
	__u32 flags;
	__u32 ip_end; /* length of the IP header with extensions; 0x80000000: IPv6 */
};

#define PACKET_V6 0x80000000u
/* Taken from the packet's first byte, 0x45 or 0x6., so that the verifier does not know it: 5.10 takes what it knows of one kind of packet for
 * both where they meet again, and leaves out what is done for the other. */
#define PACKET_VERSION(first) (((__u32)(first) & 0x20) * (PACKET_V6 / 0x20))
#define IP_TCP 6 /* IANA's protocol number */

/* Is 0 < *N <= MAX, a power of two? Linux 6.1 learns nothing of N from a comparison with zero or of N - 1, so the bounds are put into
 * the number itself. */
static __always_inline int size_fits(__u32 *n, __u32 max)
{
	__u64 v = *n;

	if (!v || v > max)
		return 0;
	v--;
	http1_opaque(v);
	v &= max - 1;
	*n = v + 1;
	return 1;
}

/* From any address: both machines that reqtally runs on can. */
static __always_inline __u32 be32(const __u8 *p)
{
	return bpf_ntohl(*(const __be32 *)p);
}

/* Offset of the TCP header behind IPv6 extension headers, 0 if it is no TCP or a fragment. Jumbo payloads (BIG TCP) have a
 * hop-by-hop header here. */
static __noinline __u32 packet_skip_extensions(struct __sk_buff *skb, __u32 next)
{
	__u32 off = 40;

	for (int i = 0; i < 4; i++) {
		__u8 h[2];
		if (next == 6)
			return off;
		if (next != 0 && next != 43 && next != 60)
			return 0;
		if (bpf_skb_load_bytes(skb, off, h, 2))
			return 0;
		next = h[0];
		off += ((__u32)h[1] + 1) * 8;
		if (off > 4096)
			return 0;
	}
	return next == 6 ? off : 0;
}

/* Finds the TCP header: behind options or extension headers, or not in one piece with the IP header. */
static __noinline int packet_search(struct __sk_buff *skb, struct packet *k)
{
	__u8 copy[20];
	__u32 ip;

	if (bpf_skb_load_bytes(skb, 0, copy, 20))
		return 0;
	k->ip_end = PACKET_VERSION(*(volatile __u8 *)copy);
	if (copy[0] >> 4 == 4) {
		if (copy[9] != IP_TCP)
			return 0;
		ip = (copy[0] & 15) * 4;
	} else if (copy[0] >> 4 == 6) {
		ip = packet_skip_extensions(skb, copy[6]);
		if (!ip)
			return 0;
	} else {
		return 0;
	}
	k->ip_end |= ip;
	if (ip < 20 || bpf_skb_load_bytes(skb, ip, copy, 20))
		return 0;
	k->flags = copy[13];
	k->offset = ip + (copy[12] >> 4) * 4;
	k->seq = be32(copy + 4);
	return 1;
}

/* The TCP header of SKB, if it has one. The kernel has pulled the headers of a packet that reached a TCP socket; egress packets start with
 * them. So this is a direct access in practice. */
static __always_inline int packet_find(struct __sk_buff *skb, struct packet *k)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end, *th;

	if (data + 40 <= end && data[0] == 0x45 && data[9] == IP_TCP) {
		th = data + 20;
		k->ip_end = 20 | PACKET_VERSION(*(volatile __u8 *)data);
	} else if (data + 60 <= end && data[0] >> 4 == 6 && data[6] == IP_TCP) {
		th = data + 40;
		k->ip_end = 40 | PACKET_VERSION(*(volatile __u8 *)data);
	} else {
		return packet_search(skb, k);
	}
	k->flags = th[13];
	k->offset = (k->ip_end & 63) + (th[12] >> 4) * 4;
	k->seq = be32(th + 4);
	return 1;
}

/* True if SKB is TCP and carries payload, FIN or RST: what the programs care for. */
static __always_inline int packet_parse(struct __sk_buff *skb, struct packet *k)
{
	if (!packet_find(skb, k))
		return 0;
	__s32 length = skb->len - k->offset;
	k->length = length > 0 ? length : 0;
	if (k->flags & TCP_SYN)
		k->seq++; /* the SYN takes a sequence number of its own */
	return k->length || (k->flags & (TCP_FIN | TCP_RST));
}

/* The ends of a packet that came in. */
static __always_inline int tuple_of_packet(struct tuple *t, struct __sk_buff *skb, struct packet *k)
{
	__u16 ports[2];
	__u32 ip = k->ip_end & ~PACKET_V6;

	if (k->ip_end & PACKET_V6) {
		if (bpf_skb_load_bytes(skb, 8, t->remote, 16) || bpf_skb_load_bytes(skb, 24, t->local, 16))
			return 0;
	} else {
		t->remote[2] = t->local[2] = bpf_htonl(0xffff);
		if (bpf_skb_load_bytes(skb, 12, &t->remote[3], 4) || bpf_skb_load_bytes(skb, 16, &t->local[3], 4))
			return 0;
	}
	if (bpf_skb_load_bytes(skb, ip, ports, 4))
		return 0;
	t->remote_port = ports[0];
	t->local_port = ports[1];
	return 1;
}

#endif
