/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Does a segment begin as a request does? Asked where the framing is not known: in the middle of a connection. */
#ifndef RT_LIKENESS_H
#define RT_LIKENESS_H

#include "packet.h"
#include "maps.h"

#define METHOD_LETTERS 24

enum likeness {
	LIKE_NOTHING,
	LIKE_REQUEST, /* a method of RFC 9110 and a blank */
	LIKE_OTHER,   /* capital letters and hyphens, a blank and a path or "http" */
	LIKE_METHOD,  /* the beginning of a method of RFC 9110, up to the end */
};

/* The first letters of a method as they stand in memory. */
#define LETTERS(a, b, c, d, e, f, g)                                                                                                           \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | (__u64)(g) << 48)

/* Is W the beginning of a method of RFC 9110 (or PATCH)? N letters, with zeros behind. A global function: the verifier looks at it once. */
__noinline int begins_method(__u64 w, __u32 n)
{
	__u64 mask = (1ull << (n * 8 & 63)) - 1;

#define BEGINS(...) (((LETTERS(__VA_ARGS__) ^ w) & mask) == 0)
	return n && n < 8 &&
	       (BEGINS('G', 'E', 'T', 0, 0, 0, 0) || BEGINS('H', 'E', 'A', 'D', 0, 0, 0) || BEGINS('P', 'O', 'S', 'T', 0, 0, 0) ||
		BEGINS('P', 'U', 'T', 0, 0, 0, 0) || BEGINS('P', 'A', 'T', 'C', 'H', 0, 0) || BEGINS('D', 'E', 'L', 'E', 'T', 'E', 0) ||
		BEGINS('O', 'P', 'T', 'I', 'O', 'N', 'S') || BEGINS('C', 'O', 'N', 'N', 'E', 'C', 'T') || BEGINS('T', 'R', 'A', 'C', 'E', 0, 0));
}

/* Does a block begin as a request does? Behind its bytes there are zeros. */
static __noinline int block_likeness(const struct scratch *x)
{
	__u64 w = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < METHOD_LETTERS; i++) {
		__u8 c = x->block[i], next = x->block[i + 1];
		if (c == ' ') {
			if (i && i < 8 && http1_method(w, i) != RT_METHOD_OTHER)
				return LIKE_REQUEST;
			return i && (next == '/' || next == 'h') ? LIKE_OTHER : LIKE_NOTHING;
		}
		if ((__u8)(c - 'A') >= 26 && c != '-')
			return !c && begins_method(http1_load(x->block), i) ? LIKE_METHOD : LIKE_NOTHING;
		w = w << 8 | c;
	}
	return LIKE_NOTHING;
}

/* N bytes of payload are at OFF, of the packet or of a kept piece. */
static __noinline int likeness(struct __sk_buff *skb, struct held *held, __u32 off, __u32 n)
{
	struct scratch *x = scratch_get();

	if (n > METHOD_LETTERS + 8)
		n = METHOD_LETTERS + 8;
	if (!x || !size_fits(&n, METHOD_LETTERS + 8))
		return LIKE_NOTHING;
	__builtin_memset(x->block, 0, METHOD_LETTERS + 8);
	long err = held ? bpf_probe_read_kernel(x->block, n, &held->bytes[off & (HELD_BYTES - 1)]) : bpf_skb_load_bytes(skb, off, x->block, n);
	return err ? LIKE_NOTHING : block_likeness(x);
}

static __always_inline int starts_like_request(struct __sk_buff *skb, struct packet *k)
{
	__u32 like = likeness(skb, 0, k->offset, k->length);
	return like == LIKE_REQUEST || like == LIKE_OTHER;
}

#endif
