/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Eight bytes at a time: looking for one of them without a loop. */
#ifndef RT_HTTP1_WORD_H
#define RT_HTTP1_WORD_H

#include "http1_state.h"

/* Eight bytes, the first one lowest. */
http1_inline __u64 http1_load(const __u8 *b)
{
#ifdef __bpf__
	/* The machines that reqtally runs on load from any address; the compiler would make eight loads of a memcpy. */
	return *(const __u64 *)b;
#else
	__u64 w;
	__builtin_memcpy(&w, b, 8);
	return w;
#endif
}

#define HTTP1_EACH(c) ((c) * 0x0101010101010101ull)
/* Not zero if a byte of W is less than N (N <= 128); its lowest bit set is in the lowest such byte. */
#define http1_less(w, n) (((w) - HTTP1_EACH(n)) & ~(w) & HTTP1_EACH(0x80ull))
#define http1_equal(w, c) http1_less((w) ^ HTTP1_EACH((__u64)(c)), 1)

/* The number of the byte that holds the lowest bit of M, a result of http1_less(): 0 to 7. */
http1_inline __u64 http1_first(__u64 m)
{
	return (((m & -m) >> 7) * 0x0001020304050607ull) >> 56 & 7;
}

#endif
