/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The short way through a head: most heads come whole, in one packet, and are plain. Such a head is read eight bytes at a time, a
 * tenth of the work of http1_run(), and leaves the parser as http1_run() would have left it behind the head's last byte. Whatever is
 * out of the ordinary, from a head in two packets to a second Content-Length, is not decided here: the answer is then 0, nothing has
 * happened, and http1_run() reads the same bytes. Unit tests and the fuzzer hold both against each other.
 *
 * Pure, as http1.h. The buffer may be read HTTP1_HEAD_ROOM bytes behind its end; what stands there is never taken for content. */
#ifndef RT_HEAD_H
#define RT_HEAD_H

#include "http1.h"

#define HTTP1_HEAD_MAX 1024
#define HTTP1_HEAD_ROOM 64
#define HTTP1_HEAD_LEAST 16 /* shorter ones are not worth a try, or no heads */

struct http1_head {
	__u8 bytes[HTTP1_HEAD_MAX + HTTP1_HEAD_ROOM];
};

/* As http1_load(), of what stands at a multiple of eight. A cast at the place of use would not do: the compiler sees through it that the
 * struct is made of characters, and goes byte by byte. */
http1_inline __u64 http1_word(const char *text, __u32 i)
{
	return http1_load((const __u8 *)text + i * 8);
}

http1_inline void http1_set_word(char *text, __u32 i, __u64 w)
{
#ifdef __bpf__
	*(__u64 *)(text + i * 8) = w;
#else
	__builtin_memcpy(text + i * 8, &w, 8);
#endif
}

#define HTTP1_W8(a, b, c, d, e, f, g, h) \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | \
	 (__u64)(g) << 48 | (__u64)(h) << 56)
#define HTTP1_LOW(n) ((1ull << (8 * (n))) - 1)
#define HTTP1_FOLD HTTP1_EACH(0x20ull)
#define HTTP1_SLASH1 HTTP1_W8('H', 'T', 'T', 'P', '/', '1', '.', 0)

/* The value of Content-Length at AT: one blank or none, digits, the line's end. Where the next line starts, or 0. */
HTTP1_ONCE int http1_head_length(struct http1 *p, struct http1_head *h, __u32 from)
{
	__u64 length = 0, at = from & (HTTP1_HEAD_MAX - 1), digits = 0;

	if (!p || !h || (p->flags & HTTP1_HAS_CL))
		return 0;
	if (h->bytes[at] == ' ')
		at++;
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < 16; i++) {
		__u8 d = h->bytes[at] - '0';
		if (d >= 10)
			break;
		length = length * 10 + d;
		digits++;
		at++;
	}
	if (!digits || digits > 15)
		return 0;
	p->length = length;
	p->flags |= HTTP1_HAS_CL;
	if (h->bytes[at] == '\r')
		at++;
	return h->bytes[at] == '\n' ? at + 1 : 0;
}

/* A header that starts with "content-" or "transfer" at AT. Where the next line starts; plus HTTP1_HEAD_MAX * 2: the line is not
 * over there, what is left of it is to be passed over; 0: not to be decided here. */
#define HTTP1_HEAD_REST (HTTP1_HEAD_MAX * 2)
HTTP1_ONCE int http1_head_field(struct http1 *p, struct http1_head *h, __u32 from)
{
	if (!p || !h)
		return 0;
	__u64 at = from & (HTTP1_HEAD_MAX - 1);
	__u64 name = http1_load(h->bytes + at), more = http1_load(h->bytes + at + 8), low = more | HTTP1_FOLD;

	if ((__u8)name == 'c' || (__u8)name == 'C') {
		if (name >> 56 != '-')
			return 0;
		if ((low & HTTP1_LOW(6)) == HTTP1_W8('l', 'e', 'n', 'g', 't', 'h', 0, 0))
			return (__u8)(more >> 48) == ':' ? http1_head_length(p, h, at + 15) : 0;
		if ((low & HTTP1_LOW(4)) == HTTP1_W8('t', 'y', 'p', 'e', 0, 0, 0, 0)) {
			__u64 blank = (__u8)(more >> 40) == ' ';
			__u64 value = http1_load(h->bytes + at + 13 + blank) | HTTP1_FOLD;
			/* It may be an event stream. Folded, a tab is a ')'. */
			if ((__u8)(more >> 32) != ':' || (value & HTTP1_LOW(6)) == HTTP1_W8('t', 'e', 'x', 't', '/', 'e', 0, 0) ||
			    (__u8)value == ' ' || (__u8)value == ')')
				return 0;
		}
		return (at + 8) | HTTP1_HEAD_REST;
	}
	if (low != HTTP1_W8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n'))
		return (at + 8) | HTTP1_HEAD_REST;
	/* "g: chunked" and the line's end; a blank may be missing. */
	if ((__u8)more != '-' || (p->flags & HTTP1_HAS_TE) || (h->bytes[at + 16] | 0x20) != 'g' || h->bytes[at + 17] != ':')
		return 0;
	at += 18;
	if (h->bytes[at] == ' ')
		at++;
	name = http1_load(h->bytes + at);
	if (((name | HTTP1_FOLD) & HTTP1_LOW(7)) != HTTP1_W8('c', 'h', 'u', 'n', 'k', 'e', 'd', 0))
		return 0;
	p->flags |= HTTP1_HAS_TE | HTTP1_CHUNKED;
	if (name >> 56 == '\n')
		return at + 8;
	return name >> 56 == '\r' && h->bytes[at + 8] == '\n' ? at + 9 : 0;
}

/* Sixteen steps through the header lines from FROM on, each of sixteen bytes or of what is left of a line. FROM | HTTP1_HEAD_REST: what
 * is left of a line comes first. The answer is where to go on, in the same form; or, behind the blank line, where the message goes on,
 * plus HTTP1_HEAD_END; or 0. So the verifier follows sixteen steps and seven calls of them, and not 112 steps. */
#define HTTP1_HEAD_END (HTTP1_HEAD_MAX * 4)
#define HTTP1_HEAD_STEPS 16
HTTP1_ONCE int http1_head_stretch(struct http1 *p, struct http1_head *h, __u32 n, __u32 from)
{
	__u64 at = from & (HTTP1_HEAD_REST - 1), start = !(from & HTTP1_HEAD_REST);

	if (!p || !h || n > HTTP1_HEAD_MAX)
		return 0;
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < HTTP1_HEAD_STEPS; i++) {
		if (at >= n)
			return 0;
		at &= HTTP1_HEAD_MAX - 1;
		__u64 w = http1_load(h->bytes + at), more = http1_load(h->bytes + at + 8);
		if (start) {
			__u8 first = w, low = first | 0x20;
			if (low == 'c' || low == 't') {
				__u64 name = w | HTTP1_FOLD;
				if (name == HTTP1_W8('c', 'o', 'n', 't', 'e', 'n', 't', '-') ||
				    name == HTTP1_W8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')) {
					at = http1_head_field(p, h, at);
					if (!at)
						return 0;
					start = !(at & HTTP1_HEAD_REST);
					at &= HTTP1_HEAD_REST - 1;
					continue;
				}
			} else if (first <= '\r') {
				if ((__u16)w == ('\r' | '\n' << 8))
					return at + 2 <= n ? (at + 2) | HTTP1_HEAD_END : 0;
				if (first == '\r' || first == '\n')
					return 0;
			}
		}
		w ^= HTTP1_EACH(0x0aull);
		more ^= HTTP1_EACH(0x0aull);
		__u64 m = (w - HTTP1_EACH(1)) & ~w, m2 = (more - HTTP1_EACH(1)) & ~more;
		start = ((m | m2) & HTTP1_EACH(0x80ull)) != 0;
		if (!start) {
			at += 16;
			continue;
		}
		m &= HTTP1_EACH(0x80ull);
		if (!m) {
			at += 8;
			m = m2 & HTTP1_EACH(0x80ull);
		}
		at += http1_first(m) + 1;
	}
	return start ? at : at | HTTP1_HEAD_REST;
}

/* All header lines, up to and with the blank line: where the message goes on, or 0. */
http1_inline __u32 http1_head_lines(struct http1 *p, struct http1_head *h, __u32 n, __u32 from)
{
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < 7; i++) {
		from = http1_head_stretch(p, h, n, from);
		if (!from)
			return 0;
		if (from & HTTP1_HEAD_END)
			return from & (HTTP1_HEAD_REST - 1);
	}
	return 0;
}

/* From the '?' at AT to the blank behind the target: where that is, or 0. */
HTTP1_ONCE int http1_head_query(struct http1_head *h, __u32 n, __u32 from)
{
	__u64 at = from;

	if (!h)
		return 0;
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < HTTP1_HEAD_MAX / 8; i++) {
		if (at >= n || at >= HTTP1_HEAD_MAX)
			return 0;
		__u64 k = at;
		http1_opaque(k);
		k &= HTTP1_HEAD_MAX - 1;
		__u64 w = http1_load(h->bytes + k);
		__u64 m = http1_less(w, 0x21ull) | http1_equal(w, 0x7f);
		if (m) {
			k += http1_first(m);
			return h->bytes[k] == ' ' ? k : 0;
		}
		at = k + 8;
	}
	return 0;
}

/* The path from AT on into PATH, zero up to the next multiple of eight. The length of the path, or 0: not to be decided here. */
HTTP1_ONCE int http1_head_path(struct http1 *p, struct http1_path *path, struct http1_head *h, __u32 from)
{
	__u64 digits = 0;

	if (!p || !path || !h)
		return 0;
	__u64 at = from & 15;
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < RT_ENDPOINT_MAX / 8; i++) {
		__u64 w = http1_load(h->bytes + at + i * 8);
		__u64 m = http1_less(w, 0x21ull) | http1_equal(w, '?') | http1_equal(w, '#') | http1_equal(w, 0x7f);
		if (m)
			w &= ((m & -m) >> 7) - 1; /* the bytes before it */
		__u64 figures = w ^ HTTP1_EACH(0x30ull);
		digits |= http1_less(figures, 10ull);
		http1_set_word(path->text, i, w);
		if (m) {
			p->has_digit = digits != 0;
			return i * 8 + http1_first(m);
		}
	}
	return 0;
}

/* Reads a request's head from H->bytes[0..N), N <= HTTP1_HEAD_MAX, with the parser P at the start of a message. Not zero: it was read, to
 * p->used, with p->event set and HTTP1_LINE_DONE in its flags; or 0: nothing has happened. */
http1_inline int http1_head_request(struct http1 *p, struct http1_path *path, struct http1_head *h, __u32 n)
{
	__u64 w = http1_load(h->bytes), at;
	__u32 used;
	__u8 method;

	if ((w & HTTP1_LOW(5)) == HTTP1_W8('G', 'E', 'T', ' ', '/', 0, 0, 0))
		method = RT_METHOD_GET, at = 4;
	else if ((w & HTTP1_LOW(6)) == HTTP1_W8('P', 'O', 'S', 'T', ' ', '/', 0, 0))
		method = RT_METHOD_POST, at = 5;
	else if ((w & HTTP1_LOW(5)) == HTTP1_W8('P', 'U', 'T', ' ', '/', 0, 0, 0))
		method = RT_METHOD_PUT, at = 4;
	else if ((w & HTTP1_LOW(6)) == HTTP1_W8('H', 'E', 'A', 'D', ' ', '/', 0, 0))
		method = RT_METHOD_HEAD, at = 5;
	else if (w == HTTP1_W8('D', 'E', 'L', 'E', 'T', 'E', ' ', '/'))
		method = RT_METHOD_DELETE, at = 7;
	else if ((w & HTTP1_LOW(7)) == HTTP1_W8('P', 'A', 'T', 'C', 'H', ' ', '/', 0))
		method = RT_METHOD_PATCH, at = 6;
	else
		return 0;
	used = http1_head_path(p, path, h, at);
	if (!used || used >= RT_ENDPOINT_MAX)
		return 0;
	p->path_len = used;
	at += used;
	http1_opaque(at);
	at &= 255;
	if (h->bytes[at] != ' ') {
		if (h->bytes[at] != '?' && h->bytes[at] != '#')
			return 0;
		at = http1_head_query(h, n, at);
		http1_opaque(at);
		at &= HTTP1_HEAD_MAX - 1;
		if (!at)
			return 0;
	}
	w = http1_load(h->bytes + at + 1);
	if ((w & HTTP1_LOW(7)) != HTTP1_SLASH1 || (w >> 56) - '0' >= 10 || h->bytes[at + 9] != '\r' || h->bytes[at + 10] != '\n')
		return 0;
	used = http1_head_lines(p, h, n, at + 11);
	if (!used)
		return 0;
	p->method = method;
	p->minor = (w >> 56) - '0';
	p->flags |= HTTP1_LINE_DONE;
	p->used = used;
	p->event = http1_head_end(p);
	return 1;
}

/* The same for a response; p->method and p->flags say what was asked. */
http1_inline int http1_head_response(struct http1 *p, struct http1_head *h, __u32 n)
{
	__u64 w = http1_load(h->bytes), code = http1_load(h->bytes + 8);
	__u64 a = (code >> 8 & 0xff) - '0', b = (code >> 16 & 0xff) - '0', c = (code >> 24 & 0xff) - '0';
	__u32 used;

	if ((w & HTTP1_LOW(7)) != HTTP1_SLASH1 || (w >> 56) - '0' >= 10 || (code & 0xff) != ' ')
		return 0;
	if (!a || a >= 10 || b >= 10 || c >= 10 || ((code >> 32 & 0xff) != ' ' && (code >> 32 & 0xff) != '\r'))
		return 0;
	used = http1_head_lines(p, h, n, 12 | HTTP1_HEAD_REST);
	if (!used)
		return 0;
	p->status = a * 100 + b * 10 + c;
	p->used = used;
	p->event = http1_head_end(p);
	return 1;
}

#ifdef __bpf__
#define HTTP1_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HTTP1_UNROLL
#endif

/* W words at A and B: what differs. */
#define HTTP1_DIFFER(w) \
	do { \
		HTTP1_UNROLL for (int i = 0; i < (w); i++) differ |= http1_load(a + at + i * 8) ^ http1_load(b + at + i * 8); \
		at += (w) * 8; \
	} while (0)

/* Are the first N bytes of A and B the same, HTTP1_HEAD_LEAST <= N <= RT_ENDPOINT_MAX? In pieces of 128 to 16 bytes, and the last 16. */
http1_inline int http1_same(const __u8 *a, const __u8 *b, __u64 n)
{
	__u64 at = 0, differ = 0;

	if (n & 128)
		HTTP1_DIFFER(16);
	if (n & 64)
		HTTP1_DIFFER(8);
	http1_opaque(at);
	if (at <= RT_ENDPOINT_MAX - 64) {
		if (n & 32)
			HTTP1_DIFFER(4);
		if (n & 16)
			HTTP1_DIFFER(2);
	}
	at = n - 16;
	http1_opaque(at);
	if (at > RT_ENDPOINT_MAX - 16)
		return 0;
	HTTP1_DIFFER(2);
	return !differ;
}

/* Do the first N bytes, HTTP1_HEAD_LEAST <= N <= RT_ENDPOINT_MAX, equal those kept? */
HTTP1_ONCE int http1_head_same(struct http1_head *h, struct http1_path *kept, __u32 n)
{
	return h && kept && n >= HTTP1_HEAD_LEAST && n <= RT_ENDPOINT_MAX && http1_same(h->bytes, (const __u8 *)kept->text, n);
}

/* Undoes what a head that was given up has left. */
http1_inline void http1_head_undo(struct http1 *p, __u8 flags)
{
	p->length = 0;
	p->path_len = 0;
	p->has_digit = 0;
	p->flags = flags;
}

#endif
