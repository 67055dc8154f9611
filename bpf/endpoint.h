/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From a request's path to its endpoint: segments that identify one thing out of many become "{id}", so that the number of
 * endpoints is the number of a service's routes, not of its customers. Pure, as http1.h.
 *
 * A segment (or what stands before its extension: "42.json") is an identifier if it is
 *   - a number, also with dots or a sign: 42, -7, 1.2.3, 10.0.0.1;
 *   - a UUID;
 *   - hexadecimal: 16 digits or more, or 8 or more in which figures and letters alternate (commit hashes);
 *   - a random token of 16 or more of [A-Za-z0-9_=-] in which digits and letters alternate three times or more (ULID, base64url,
 *     nanoid). A slug such as "release-notes-2023" does not.
 * A ':' ends one as a '/' does: "sha256:{id}", "{id}:cancel".
 * A path that does not fit ends, at a segment's border, in "/{rest}". */
#ifndef RT_ENDPOINT_H
#define RT_ENDPOINT_H

#include "head.h"

struct endpoint {
	__u64 dashes; /* bit i: character i of the segment is a '-' */
	__u16 out;    /* bytes written */
	__u16 start;  /* where the segment starts in the output */
	__u16 cut;    /* the last place where "/{rest}" would fit */
	__u8 n, digits, hex, turns; /* of the segment; turns: changes between digit and letter */
	__u8 last;		    /* 1 digit, 2 letter, 0 other */
	__u8 odd;		    /* a character that no token has */
	__u8 suffix;		    /* behind "{id}.": 1 all digits so far, 2 something else */
	__u8 overflow;
	__u8 pad[2];
};
RT_ASSERT_SIZE(struct endpoint, 24);

http1_inline void endpoint_put(struct endpoint *e, char *out, char c)
{
	__u32 n = e->out;
	http1_opaque(n);
	if (n < RT_ENDPOINT_MAX) {
		out[n] = c;
		e->out = n + 1;
	} else {
		e->overflow = 1;
	}
}

http1_inline int endpoint_is_id(const struct endpoint *e)
{
	__u8 n = e->n, d = e->digits;
	const __u64 uuid = 1ull << 8 | 1ull << 13 | 1ull << 18 | 1ull << 23;

	if (e->hex == n && n >= 16)
		return 1;
	if (!d)
		return 0;
	if (d == n || (e->dashes == 1 && d + 1 == n))
		return 1;
	if (e->hex == n && n >= 8 && e->turns >= 2)
		return 1;
	if (n == 36 && e->hex == 32 && e->dashes == uuid)
		return 1;
	return n >= 16 && !e->odd && e->turns >= 3;
}

/* Replaces the segment by "{id}" if it is one. */
http1_inline void endpoint_close(struct endpoint *e, char *out)
{
	if (!endpoint_is_id(e))
		return;
	e->out = e->start;
	endpoint_put(e, out, '{');
	endpoint_put(e, out, 'i');
	endpoint_put(e, out, 'd');
	endpoint_put(e, out, '}');
	e->suffix = 1;
	e->start = e->out;
}

http1_inline void endpoint_segment_end(struct endpoint *e, char *out)
{
	if (!e->suffix)
		endpoint_close(e, out);
	else if (e->suffix == 1)
		e->out = e->start; /* ".2.3" behind the id of "1.2.3" */
}

http1_inline void endpoint_byte(struct endpoint *e, char *out, __u8 c)
{
	if (c == '/' || c == ':') {
		endpoint_segment_end(e, out);
		if (c == '/' && e->out <= RT_ENDPOINT_MAX - 7)
			e->cut = e->out;
		endpoint_put(e, out, c);
		e->start = e->out;
		e->dashes = 0;
		e->n = e->digits = e->hex = e->turns = e->last = e->odd = e->suffix = 0;
		return;
	}
	if (e->suffix) {
		if (c != '.' && (__u8)(c - '0') >= 10)
			e->suffix = 2;
		endpoint_put(e, out, c);
		return;
	}
	if (c == '.')
		endpoint_close(e, out); /* sets suffix if what stands before is an identifier */
	endpoint_put(e, out, c);
	if (e->suffix)
		return;
	__u8 kind = 0, low = c | 0x20;
	if ((__u8)(c - '0') < 10) {
		kind = 1;
		e->digits++;
		e->hex++;
	} else if ((__u8)(low - 'a') < 26) {
		kind = 2;
		if (low <= 'f')
			e->hex++;
	} else if (c == '-') {
		if (e->n < 64)
			e->dashes |= 1ull << (e->n & 63);
	} else if (c != '_' && c != '=') {
		e->odd = 1;
	}
	if (kind && e->last && kind != e->last)
		e->turns++;
	e->last = kind;
	if (e->n < 255)
		e->n++;
}

http1_inline void endpoint_begin(struct endpoint *e)
{
	e->dashes = 0;
	e->out = e->start = e->cut = 0;
	e->n = e->digits = e->hex = e->turns = e->last = e->odd = e->suffix = e->overflow = 0;
}

/* Ends the last segment; CUT: the path was longer than what was fed. The text's length is e->out. */
http1_inline void endpoint_end(struct endpoint *e, char *out, int cut)
{
	if (!cut)
		endpoint_segment_end(e, out);
	if (!cut && !e->overflow)
		return;
	e->out = e->cut;
	endpoint_put(e, out, '/');
	endpoint_put(e, out, '{');
	endpoint_put(e, out, 'r');
	endpoint_put(e, out, 'e');
	endpoint_put(e, out, 's');
	endpoint_put(e, out, 't');
	endpoint_put(e, out, '}');
}

/* Can a path be left as it is? An identifier has a figure in it or is long. */
http1_inline int endpoint_is_plain(const struct http1 *p)
{
	return !p->has_digit && p->path_len <= 16;
}

#ifndef __bpf__
/* The whole of it, from IN to OUT (both RT_ENDPOINT_MAX); returns the length. The kernel's loop is in request.h. */
static inline __u16 endpoint_normalise(struct endpoint *e, const char *in, __u16 len, char *out, int cut)
{
	endpoint_begin(e);
	for (__u32 i = 0; i < len && i < RT_ENDPOINT_MAX; i++)
		endpoint_byte(e, out, in[i]);
	endpoint_end(e, out, cut);
	return e->out;
}
#endif

#endif
