/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The short way from a path to its endpoint, eight bytes at a time: most segments are words or numbers, and of those endpoint.h decides
 * nothing that cannot be told from what kinds of characters they have. Whatever may be more is not decided here. Unit tests and the
 * fuzzer hold both against each other. Pure, as http1.h. */
#ifndef RT_WORDS_H
#define RT_WORDS_H

#include "endpoint.h"

struct endpoint_words {
	__u32 at;    /* in the path */
	__u32 out;   /* bytes written */
	__u32 start; /* where the segment starts in the output */
	/* of the segment so far: characters, figures among them, and whether there are others than letters and figures */
	__u16 n;
	__u16 figures;
	__u32 odd;
	__u32 pad;
};

enum words { WORDS_MORE, WORDS_DONE, WORDS_GIVEN_UP };

/* The high bit of each byte of W that is zero, and no other bit. */
http1_inline __u64 words_zero(__u64 w)
{
	return ~(((w & HTTP1_EACH(0x7full)) + HTTP1_EACH(0x7full)) | w) & HTTP1_EACH(0x80ull);
}

/* The same of each that is between FIRST and LAST, ASCII. */
#define words_between(w, first, last) \
	((((w) & HTTP1_EACH(0x7full)) + HTTP1_EACH(0x80ull - (first))) & ~(((w) & HTTP1_EACH(0x7full)) + HTTP1_EACH(0x7full - (last))) & \
	 ~(w) & HTTP1_EACH(0x80ull))

/* Behind those a segment may begin or end, or an address be: ( ) : ; @ */
http1_inline __u64 words_special(__u64 w)
{
	__u64 pairs = w & HTTP1_EACH(0xfeull);
	return words_zero(pairs ^ HTTP1_EACH((__u64)'(')) | words_zero(pairs ^ HTTP1_EACH((__u64)':')) | words_zero(w ^ HTTP1_EACH((__u64)'@'));
}

http1_inline void words_store(char *to, __u64 w)
{
#ifdef __bpf__
	*(__u64 *)to = w;
#else
	__builtin_memcpy(to, &w, 8);
#endif
}

/* One word of the path, or what of it belongs to one segment. IN may be read 8 bytes behind LEN, and OUT has RT_ENDPOINT_MAX bytes. */
http1_inline enum words endpoint_words_step(struct endpoint_words *e, const char *in, __u32 len, char *out)
{
	__u64 at = e->at, to = e->out, left = len - at, below = ~0ull, n = 8;

	http1_opaque(at);
	http1_opaque(to);
	if (at > RT_ENDPOINT_MAX - 8 || to > RT_ENDPOINT_MAX - 16)
		return WORDS_GIVEN_UP;
	__u64 w = http1_load((const __u8 *)in + at);
	if (left < 8)
		w &= (1ull << (left * 8)) - 1;
	__u64 end = words_zero(w ^ HTTP1_EACH((__u64)'/')) | words_zero(w);
	if (end) {
		below = (end & -end) - 1;
		n = http1_first(end);
	}
	if (words_special(w) & below)
		return WORDS_GIVEN_UP;
	__u64 figures = words_between(w, '0', '9') & below, letters = words_between(w | HTTP1_FOLD, 'a', 'z') & below;
	e->odd |= (figures | letters) != (below & HTTP1_EACH(0x80ull));
	e->n += n;
	e->figures += (figures >> 7) * HTTP1_EACH(1ull) >> 56;
	words_store(out + to, w);
	to += n;
	if (!end) {
		e->out = to;
		e->at = at + 8;
		return WORDS_MORE;
	}
	if (!e->figures) {
		if (e->n >= 16) /* may be hexadecimal, or a token */
			return WORDS_GIVEN_UP;
	} else if (e->figures == e->n) {
		to = e->start;
		http1_opaque(to);
		if (to > RT_ENDPOINT_MAX - 16)
			return WORDS_GIVEN_UP;
		words_store(out + to, HTTP1_W8('{', 'i', 'd', '}', 0, 0, 0, 0));
		to += 4;
	} else if (e->odd || e->n >= 8 || e->figures >= 6) {
		return WORDS_GIVEN_UP;
	}
	e->out = to;
	if (n >= left)
		return WORDS_DONE;
	out[to] = '/';
	e->start = e->out = to + 1;
	e->at = at + n + 1;
	e->n = e->figures = e->odd = 0;
	return e->at >= len ? WORDS_DONE : WORDS_MORE;
}

#ifndef __bpf__
/* The whole of it, from IN (RT_ENDPOINT_MAX bytes) to OUT (as many). The endpoint's length, or 0: endpoint_normalise() is to be asked. */
static inline __u16 endpoint_words(const char *in, __u16 len, char *out)
{
	struct endpoint_words e = {0};
	enum words what;

	while ((what = endpoint_words_step(&e, in, len, out)) == WORDS_MORE)
		;
	return what == WORDS_DONE ? e.out : 0;
}
#endif

#endif
