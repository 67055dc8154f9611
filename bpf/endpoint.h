/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* From a request's path to its endpoint: segments that identify one thing out of many become "{id}", so that the number of
 * endpoints is the number of a service's routes, not of its customers. Pure, as http1.h.
 *
 * A segment (or what stands before its extension: "42.json") is an identifier if it is
 *   - a number, also with dots, commas or a sign: 42, -7, +4915112345678, 1.2.3, 10.0.0.1, 48.85,2.35; or six figures and more with
 *     dashes: 114-3941689;
 *   - a date, whatever stands behind it: 2024-01-15, 2024-01-15T10:30:00Z, 2024-01-15-a-title;
 *   - an address: what holds an '@', or "%40", that is not its beginning, up to the next '/';
 *   - anything with six figures in a row: order-104711, img_20240115;
 *   - a UUID;
 *   - hexadecimal: 16 digits or more, or 8 or more that are no word with a year or a number behind it (cafe2024);
 *   - a random token of 10 or more (16 if it has no figure) of [A-Za-z0-9_=~-] (nanoid, ULID, base62, base64url, base36): its pairs of
 *     characters are those of tokens and not of words (token.h). The shorter it is, the surer that has to be; words are to stay words.
 * A ':' and parentheses end one as a '/' does: "sha256:{id}", "{id}:cancel", "Products({id})". So do the ';' and the '=' of a
 * path parameter, ";jsessionid={id}", of which shorter values than four characters stay. An extension has at most 12 characters (of a JWT
 * nothing is left).
 * A path that does not fit ends, at a segment's border, in "/{rest}". */
#ifndef RT_ENDPOINT_H
#define RT_ENDPOINT_H

#include "head.h"
#include "token.h"

/* Written a byte at a time, so it is kept small. What only long segments are asked for (score, turns) is found out when they end. */
struct endpoint {
	__u64 dashes, digits; /* bit i: character i of the segment is one */
	__u32 counts; /* of hexadecimal and decimal digits and of what no token has, a byte each: token_symbols */
	__s16 score;  /* sum of token_weights */
	__u16 out;    /* bytes written */
	__u16 start;  /* where the segment starts in the output */
	__u16 cut;    /* the last place where "/{rest}" would fit */
	__u8 turns;   /* changes between digit and letter */
	__u8 suffix;  /* behind "{id}.": 1 figures and dots so far, 2 something else, 3 nothing of it is kept (1.2.3-beta); 4: up to '/' */
	__u8 overflow;
	__u8 last;    /* symbol and case of the character before, while the score is summed up */
};
RT_ASSERT_SIZE(struct endpoint, 32);

struct endpoint_text {
	char text[RT_ENDPOINT_MAX];
};

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

/* The least scores of random tokens. docs/endpoints.md has the rates that they lead to. */
#define TOKEN_LONG 40
#define TOKEN_MIXED 24 /* 16 and more, with three changes between digit and letter */
#define TOKEN_SHORT 64

http1_inline __u32 endpoint_bits(__u64 v)
{
	v -= v >> 1 & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
	return ((v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full) * 0x0101010101010101ull >> 56;
}

/* In the kernel global functions: the verifier looks at them once, not again wherever a segment may end. */
#if defined(__bpf__) && !defined(RT_BOUNDED)
#define ENDPOINT_FUNCTION __attribute__((noinline))
#else
#define ENDPOINT_FUNCTION static inline
#endif

/* The first 64 characters say enough. */
#define TOKEN_LOOK 64

/* One character of the segment, number K of the text. What is summed up is kept in memory, so that the verifier's paths join again. */
http1_inline void endpoint_score_byte(struct endpoint *e, const struct endpoint_text *t, __u64 k)
{
	__u32 last = e->last, what = token_symbols[t->text[k] & 127], to = what & TOKEN_SYMBOL, from = last & TOKEN_SYMBOL;
	__u32 letters = (to < TOKEN_FIGURE) & (from < TOKEN_FIGURE), change = ((what ^ last) >> 6) & letters;

	e->turns += ((to == TOKEN_FIGURE) & (from < TOKEN_FIGURE)) | ((from == TOKEN_FIGURE) & (to < TOKEN_FIGURE));
	/* A capital behind a small letter begins a word: camelCase. */
	from |= (change & what >> 6) * TOKEN_SYMBOL;
	/* The compiler knows the sum to be below 1024 and would leave the mask out; 6.1 knows nothing of it then. */
	__u64 pair = from << 5 | to;
	http1_opaque(pair);
	e->score += token_weights[pair & 1023] + (__s32)change * TOKEN_CASE;
	e->last = what;
}

#ifdef RT_BOUNDED
int bounded_score_byte(__u32 k); /* of ingress' scratch memory, which is where E and T are; 1 behind the end */
#endif

/* Eight characters of the segment, from number AT on. 0: it goes on. A stretch, so that the verifier need not follow all of them. */
#define TOKEN_STRETCH 8
ENDPOINT_FUNCTION int endpoint_score_some(struct endpoint *e, struct endpoint_text *t, __u32 at)
{
	if (!e || !t)
		return 1;
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < TOKEN_STRETCH; i++) {
#ifdef RT_BOUNDED
		if (bounded_score_byte(at + i))
			return 1;
#else
		http1_forget();
		__u64 k = e->start + at + i, end = e->out;
		http1_opaque(k);
		if (k >= end || k >= RT_ENDPOINT_MAX)
			return 1;
		endpoint_score_byte(e, t, k);
#endif
	}
	return 0;
}

/* Score and turns of the segment at hand. */
http1_inline void endpoint_score(struct endpoint *e, struct endpoint_text *t)
{
	e->score = 0;
	e->turns = 0;
	e->last = TOKEN_START;
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < TOKEN_LOOK; i += TOKEN_STRETCH)
		if (endpoint_score_some(e, t, i))
			break;
}

ENDPOINT_FUNCTION int endpoint_is_id(struct endpoint *e, struct endpoint_text *t)
{
	if (!e || !t)
		return 0;
	__u32 n = e->out - e->start, hex = e->counts >> TOKEN_HEX_SHIFT & 255, d = e->counts >> TOKEN_DIGIT_SHIFT & 255;
	__u32 odd = e->counts >> TOKEN_ODD_SHIFT;
	__u64 run = e->digits & e->digits >> 1;
	/* Of a date at the beginning. */
	const __u64 figures = 0x36f, between = 1ull << 4 | 1ull << 7;
	const __u64 uuid = 1ull << 8 | 1ull << 13 | 1ull << 18 | 1ull << 23;

	/* What stands before. */
	__u64 k = e->start - 2ull;
	http1_opaque(k);
	if (k < RT_ENDPOINT_MAX - 1) {
		if (t->text[k + 1] == '=' && n < 4)
			return 0;
		if ((e->digits & 3) == 3 && t->text[k] == '}' && t->text[k + 1] == ':') /* the rest of a time */
			return 1;
	}
	if (hex == n && n >= 16)
		return 1;
	if (d) {
		if (d == n || (e->dashes == 1 && d + 1 == n))
			return 1;
		if (d >= 6 && n <= 64 && d + endpoint_bits(e->dashes) == n)
			return 1;
		if (n >= 10 && (e->digits & figures) == figures && (e->dashes & between) == between)
			return 1;
		if (!odd && n <= 64 && (run & run >> 2 & run >> 4)) /* six in a row */
			return 1;
		if (n == 36 && hex == 32 && e->dashes == uuid)
			return 1;
		if (hex == n && n >= 8 && ((e->digits & 1) || n - d <= 3))
			return 1;
	}
	if (odd || n < 8 || (n < 16 && !d)) /* without a figure: see endpoint_is_plain() */
		return 0;
	endpoint_score(e, t);
	__s16 score = e->score;
	if (hex == n && e->turns >= 2)
		return 1;
	if (n >= 16 && (score >= TOKEN_LONG || (e->turns >= 3 && score >= TOKEN_MIXED)))
		return 1;
	return n >= 10 && d && score >= TOKEN_SHORT;
}

#ifdef RT_BOUNDED
int bounded_is_id(void); /* of ingress' scratch memory, which is where E and OUT are */
#define ENDPOINT_IS_ID(e, out) bounded_is_id()
#else
#define ENDPOINT_IS_ID(e, out) endpoint_is_id(e, (struct endpoint_text *)(out))
#endif

/* Replaces the segment by "{id}". */
http1_inline void endpoint_put_id(struct endpoint *e, char *out)
{
	e->out = e->start;
	endpoint_put(e, out, '{');
	endpoint_put(e, out, 'i');
	endpoint_put(e, out, 'd');
	endpoint_put(e, out, '}');
	e->suffix = 1;
	e->start = e->out;
}

/* The same if it is one. */
http1_inline void endpoint_close(struct endpoint *e, char *out)
{
	if (ENDPOINT_IS_ID(e, out))
		endpoint_put_id(e, out);
}

http1_inline void endpoint_segment_end(struct endpoint *e, char *out)
{
	if (!e->suffix)
		endpoint_close(e, out);
	else if (e->suffix == 1)
		e->out = e->start; /* ".2.3" behind the id of "1.2.3" */
}

http1_inline void endpoint_segment_begin(struct endpoint *e)
{
	e->start = e->out;
	e->dashes = e->digits = 0;
	e->counts = 0;
	e->suffix = 0;
}

#define EXTENSION_MAX 12

/* A byte behind "{id}.": figures and dots belong to the identifier; what follows them to the next dot does, too, and what is long. */
http1_inline void endpoint_suffix_byte(struct endpoint *e, char *out, __u8 c)
{
	__u8 s = e->suffix, digit = (__u8)(c - '0') < 10;

	if ((c == '.' || c == ',') && s != 2) {
		e->out = e->start;
		s = 1;
	} else if (s == 2 && e->out - e->start > EXTENSION_MAX) {
		e->out = e->start;
		s = 3;
	} else if (s == 1 && !digit) {
		s = e->out > e->start + 1 ? 3 : 2;
		if (s == 3)
			e->out = e->start;
	}
	e->suffix = s;
	if (s != 3)
		endpoint_put(e, out, c);
}

/* Is this the name of a path parameter? */
http1_inline int endpoint_in_parameter(const struct endpoint *e, const char *out)
{
	__u64 k = e->start - 1ull;
	http1_opaque(k);
	return k < RT_ENDPOINT_MAX && out[k] == ';';
}

/* Do the last two characters of the segment, which are not its first ones, and C make an encoded '@'? */
http1_inline int endpoint_at_sign(const struct endpoint *e, const char *out, __u8 c)
{
	__u64 k = e->out - 2ull;

	http1_opaque(k);
	return c == '0' && e->out > e->start + 2 && k < RT_ENDPOINT_MAX - 1 && out[k] == '%' && out[k + 1] == '4';
}

http1_inline void endpoint_byte(struct endpoint *e, char *out, __u8 c)
{
	if (e->suffix == 4 && c != '/')
		return;
	if (c == '/' || c == ':' || c == ';' || c == '(' || c == ')' || (c == '=' && endpoint_in_parameter(e, out))) {
		endpoint_segment_end(e, out);
		if (c == '/' && e->out <= RT_ENDPOINT_MAX - 7)
			e->cut = e->out;
		endpoint_put(e, out, c);
		endpoint_segment_begin(e);
		return;
	}
	if ((c == '@' && (e->suffix || e->out > e->start)) || endpoint_at_sign(e, out, c)) {
		if (e->suffix)
			e->out = e->start;
		else
			endpoint_put_id(e, out);
		e->suffix = 4;
		return;
	}
	if (e->suffix) {
		endpoint_suffix_byte(e, out, c);
		return;
	}
	if (c == '.' || c == ',')
		endpoint_close(e, out); /* sets suffix if what stands before is an identifier */
	__u32 i = e->out - e->start;
	endpoint_put(e, out, c);
	if (e->suffix)
		return;
	if (c == '+' && !i)
		c = '-'; /* a sign */
	__u32 what = c < 128 ? token_symbols[c & 127] : TOKEN_ODD;
	e->counts += what & TOKEN_COUNTS;
	if ((what & TOKEN_SYMBOL) == TOKEN_FIGURE)
		e->digits |= 1ull << (i & 63);
	else if (what & TOKEN_DASH)
		e->dashes |= 1ull << (i & 63);
}

http1_inline void endpoint_begin(struct endpoint *e)
{
	e->out = e->cut = 0;
	e->overflow = 0;
	endpoint_segment_begin(e);
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
