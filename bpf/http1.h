/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* HTTP/1.0 and 1.1 message framing (RFC 9112), resumable at any byte.
 *
 * Pure: no maps, no helpers, no memory but its arguments, so that the same file runs in the kernel, in unit tests, under the
 * sanitizers and under the fuzzer. The caller feeds the bytes of one direction of a connection in order, in blocks of at most
 * HTTP1_BLOCK bytes (http1_run); bytes of a body are never looked at, the caller asks http1_in_body() and skips them by their
 * count (http1_skip), so a 183 MB body costs nothing.
 *
 * The parser keeps what decides framing and labels: method, path without query, status, Content-Length, the last transfer
 * coding, and whether the response is an event stream. Everything else of a head is passed over line by line, eight bytes at a
 * time. It is as lenient as servers are where leniency cannot change framing (bare LF, blank lines before a request), and says
 * HTTP1_EV_BAD where a wrong guess would put a body's bytes into a label.
 *
 * For the verifier: all state is in memory behind a pointer, which it knows nothing about, so every path through one byte joins
 * again before the next one. */
#ifndef RT_HTTP1_H
#define RT_HTTP1_H

#include "reqtally.h"

#define HTTP1_BLOCK 128
#define HTTP1_STEP 8
#define HTTP1_METHOD_MAX 250 /* the longest registered one, UPDATEREDIRECTREF, has 17 letters, but servers answer any token */

#define http1_inline static inline __attribute__((always_inline))

/* State goes back to memory between two bytes. Without this the compiler keeps it in registers, where the verifier knows its every
 * value and follows each combination on its own (seen with clang 14: a million instructions for 192 bytes). */
#define http1_forget() __asm__ volatile("" : : : "memory")
/* The compiler knows no more of V than its type from here on, so that a bounds check stays with the register it was made for. */
#define http1_opaque(v) __asm__ volatile("" : "+r"(v))

enum http1_state {
	/* request line */
	HTTP1_Q_START, /* blank lines before a request are skipped (RFC 9112 2.2) */
	HTTP1_Q_METHOD,
	HTTP1_Q_TARGET,
	HTTP1_Q_PATH,
	HTTP1_Q_QUERY,
	HTTP1_Q_SCHEME,
	HTTP1_Q_SLASHES,
	HTTP1_Q_HOST,
	HTTP1_Q_AUTHORITY,
	HTTP1_Q_STAR,
	HTTP1_Q_VERSION,
	HTTP1_Q_PROXY2, /* the header of the PROXY protocol, version 2 */
	HTTP1_Q_LF,
	/* status line */
	HTTP1_S_START,
	HTTP1_S_VERSION,
	HTTP1_S_STATUS,
	/* header section */
	HTTP1_H_START,
	HTTP1_H_NAME,
	HTTP1_H_CL,
	HTTP1_H_TE,
	HTTP1_H_CT,
	HTTP1_H_LF, /* the LF of the blank line */
	/* chunked body */
	HTTP1_C_SIZE,
	HTTP1_C_DATA_END,
	HTTP1_T_START,
	HTTP1_T_LF,
	HTTP1_DEAD, /* after HTTP1_EV_BAD */
	/* Bodies, skipped by count: http1_in_body(). */
	HTTP1_BODY_FIRST,
	HTTP1_B_LENGTH = HTTP1_BODY_FIRST,
	HTTP1_B_CLOSE, /* until the connection ends */
	HTTP1_C_DATA,
	/* Everything up to LF is passed over. */
	HTTP1_SKIP_FIRST,
	HTTP1_Q_PROXY = HTTP1_SKIP_FIRST, /* the line of the PROXY protocol, version 1 */
	HTTP1_S_REASON,
	HTTP1_H_SKIP,
	HTTP1_C_EXT,
	HTTP1_T_SKIP,
};

enum http1_flags {
	HTTP1_RESPONSE = 1,
	HTTP1_HAS_CL = 2,
	HTTP1_HAS_TE = 4,
	HTTP1_CHUNKED = 8,	 /* the last transfer coding is chunked */
	HTTP1_EVENT_STREAM = 16, /* Content-Type: text/event-stream */
	HTTP1_NO_BODY = 32,	 /* of a response: to HEAD (set by the caller), or its length is none */
	HTTP1_PATH_CUT = 64,	 /* the path did not fit */
	HTTP1_LINE_DONE = 128,	 /* the request line is complete; the caller clears it */
};

enum http1_event {
	HTTP1_EV_NONE,
	HTTP1_EV_HEAD,	  /* the head is complete, a body follows */
	HTTP1_EV_DONE,	  /* the message is complete */
	HTTP1_EV_INTERIM, /* a 1xx head is complete; the response is still to come */
	HTTP1_EV_UPGRADE, /* 101, or 2xx to CONNECT: the connection is no HTTP any more */
	HTTP1_EV_BAD,
};

struct http1 {
	__u64 length; /* Content-Length; then what is left of the body or chunk */
	__u64 word;   /* the method's letters; later an earlier Content-Length */
	__u16 path_len;
	__u16 status;
	__u8 state;
	__u8 pos;	/* position in the token at hand */
	__u8 candidate; /* index into http1_names */
	__u8 method;	/* enum rt_method; for a response that of its request (set by the caller) */
	__u8 flags;
	__u8 has_digit; /* the path holds a digit, so it may hold an identifier */
	__u8 minor;	/* the 0 or 1 of HTTP/1.x */
	__u8 event; /* enum http1_event of the last http1_run() */
	__u8 pad[2];
	__u16 used; /* of the block at hand */
};
RT_ASSERT_SIZE(struct http1, 32);

/* libbpf places only global symbols of a data section; elsewhere they are the including file's own. */
#ifdef __bpf__
#define HTTP1_TABLE const
#else
#define HTTP1_TABLE static const
#endif

/* Header names that decide framing, lower case. content-length and content-type part at byte 8. */
enum { HTTP1_NAME_CL, HTTP1_NAME_CT, HTTP1_NAME_TE, HTTP1_NAMES = 4 };
HTTP1_TABLE char http1_names[HTTP1_NAMES][32] = {"content-length", "content-type", "transfer-encoding", ""};
HTTP1_TABLE char http1_chunked[8] = "chunked";
HTTP1_TABLE char http1_event_stream[32] = "text/event-stream";
HTTP1_TABLE char http1_version[8] = "HTTP/1.";
HTTP1_TABLE char http1_proxy2[8] = "\r\nQUIT\n";
#define HTTP1_PROXY 0x50524f5859ull /* "PROXY", as the method's letters are kept */

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

struct http1_path {
	char text[RT_ENDPOINT_MAX];
};

/* In the kernel these are global functions: the verifier looks at each of them once, whoever calls. */
#if defined(__bpf__) && !defined(RT_BOUNDED)
#define HTTP1_ONCE __attribute__((noinline))
#else
#define HTTP1_ONCE static inline
#endif

http1_inline void http1_begin(struct http1 *p, __u8 response)
{
	p->length = 0;
	p->word = 0;
	p->path_len = 0;
	p->status = 0;
	p->state = response ? HTTP1_S_START : HTTP1_Q_START;
	p->pos = 0;
	p->method = RT_METHOD_OTHER;
	p->flags = response ? HTTP1_RESPONSE : 0;
	p->has_digit = 0;
}

/* Nothing of the next message has been seen yet. */
http1_inline int http1_idle(const struct http1 *p)
{
	return p->state == HTTP1_Q_START || p->state == HTTP1_S_START;
}

http1_inline int http1_in_body(const struct http1 *p)
{
	return p->state >= HTTP1_BODY_FIRST && p->state < HTTP1_SKIP_FIRST;
}

/* Skips up to N body bytes; *TAKEN says how many. Only while http1_in_body(). */
http1_inline enum http1_event http1_skip(struct http1 *p, __u64 n, __u64 *taken)
{
	if (p->state == HTTP1_B_CLOSE) {
		*taken = n;
		return HTTP1_EV_NONE;
	}
	if (n < p->length) {
		p->length -= n;
		*taken = n;
		return HTTP1_EV_NONE;
	}
	*taken = p->length;
	p->length = 0;
	if (p->state == HTTP1_C_DATA) {
		p->state = HTTP1_C_DATA_END;
		return HTTP1_EV_NONE;
	}
	return HTTP1_EV_DONE;
}

/* RFC 9110 9.3 and RFC 5789. Method names are case-sensitive. */
http1_inline __u8 http1_method(__u64 word, __u8 len)
{
#define HTTP1_W3(a, b, c) ((__u64)(a) << 16 | (b) << 8 | (c))
#define HTTP1_W4(a, b, c, d) ((__u64)(a) << 24 | HTTP1_W3(b, c, d))
	if (len > 7)
		return RT_METHOD_OTHER;
	if (word == HTTP1_W3('G', 'E', 'T'))
		return RT_METHOD_GET;
	if (word == HTTP1_W4('P', 'O', 'S', 'T'))
		return RT_METHOD_POST;
	if (word == HTTP1_W4('H', 'E', 'A', 'D'))
		return RT_METHOD_HEAD;
	if (word == HTTP1_W3('P', 'U', 'T'))
		return RT_METHOD_PUT;
	if (word == (HTTP1_W4('D', 'E', 'L', 'E') << 16 | 'T' << 8 | 'E'))
		return RT_METHOD_DELETE;
	if (word == (HTTP1_W4('P', 'A', 'T', 'C') << 8 | 'H'))
		return RT_METHOD_PATCH;
	if (word == (HTTP1_W4('O', 'P', 'T', 'I') << 24 | HTTP1_W3('O', 'N', 'S')))
		return RT_METHOD_OPTIONS;
	if (word == (HTTP1_W4('C', 'O', 'N', 'N') << 24 | HTTP1_W3('E', 'C', 'T')))
		return RT_METHOD_CONNECT;
	if (word == (HTTP1_W4('T', 'R', 'A', 'C') << 8 | 'E'))
		return RT_METHOD_TRACE;
	return RT_METHOD_OTHER;
}

/* The same with the methods that are rare. Of more than eight letters the first ones stand in WORD with the last ones, by exclusive or. */
#define HTTP1_PACK(a, b, c, d, e, f, g, h) \
	((__u64)(a) << 56 | (__u64)(b) << 48 | (__u64)(c) << 40 | (__u64)(d) << 32 | (__u64)(e) << 24 | (__u64)(f) << 16 | (__u64)(g) << 8 | (h))
http1_inline __u8 http1_method_any(__u64 word, __u8 len)
{
	__u8 method = http1_method(word, len);

	if (method != RT_METHOD_OTHER)
		return method;
	if (word == HTTP1_PACK('P', 'R', 'O', 'P', 'F', 'I', 'N', 'D') && len == 8)
		return RT_METHOD_PROPFIND;
	if (word == HTTP1_PACK('R', 'O', 'P', 'P', 'A', 'T', 'C', 'P' ^ 'H') && len == 9)
		return RT_METHOD_PROPPATCH;
	if (word == HTTP1_PACK(0, 0, 0, 'M', 'K', 'C', 'O', 'L') && len == 5)
		return RT_METHOD_MKCOL;
	if (word == HTTP1_PACK(0, 0, 0, 0, 'C', 'O', 'P', 'Y') && len == 4)
		return RT_METHOD_COPY;
	if (word == HTTP1_PACK(0, 0, 0, 0, 'M', 'O', 'V', 'E') && len == 4)
		return RT_METHOD_MOVE;
	if (word == HTTP1_PACK(0, 0, 0, 0, 'L', 'O', 'C', 'K') && len == 4)
		return RT_METHOD_LOCK;
	if (word == HTTP1_PACK(0, 0, 'U', 'N', 'L', 'O', 'C', 'K') && len == 6)
		return RT_METHOD_UNLOCK;
	if (word == HTTP1_PACK(0, 0, 'R', 'E', 'P', 'O', 'R', 'T') && len == 6)
		return RT_METHOD_REPORT;
	if (word == HTTP1_PACK(0, 0, 'S', 'E', 'A', 'R', 'C', 'H') && len == 6)
		return RT_METHOD_SEARCH;
	if (word == HTTP1_PACK(0, 0, 0, 0, 0, 'A', 'C', 'L') && len == 3)
		return RT_METHOD_ACL;
	if (word == HTTP1_PACK('C', 'A', 'L', 'E', 'N', 'D', 'M' ^ 'A', 'K' ^ 'R') && len == 10)
		return RT_METHOD_MKCALENDAR;
	if (word == HTTP1_PACK('A', 'C', 'T', 'I', 'V', 'I', 'M' ^ 'T', 'K' ^ 'Y') && len == 10)
		return RT_METHOD_MKACTIVITY;
	if (word == HTTP1_PACK('C', 'H', 'E', 'C', 'K', 'O', 'U', 'T') && len == 8)
		return RT_METHOD_CHECKOUT;
	if (word == HTTP1_PACK(0, 0, 0, 'M', 'E', 'R', 'G', 'E') && len == 5)
		return RT_METHOD_MERGE;
	if (word == HTTP1_PACK(0, 0, 0, 'Q', 'U', 'E', 'R', 'Y') && len == 5)
		return RT_METHOD_QUERY;
	return RT_METHOD_OTHER;
}

/* RFC 9110 5.6.2 tchar, as two bit masks over the characters 0 to 127. */
http1_inline int http1_is_token(__u8 c)
{
	if (c < 64)
		return (0x03ff6cfa00000000ull >> c) & 1;
	return c < 128 && ((0x57ffffffc7fffffeull >> (c - 64)) & 1);
}

http1_inline enum http1_event http1_bad(struct http1 *p)
{
	p->state = HTTP1_DEAD;
	return HTTP1_EV_BAD;
}

/* The blank line was read: RFC 9112 6.3 decides what follows. */
http1_inline enum http1_event http1_head_end(struct http1 *p)
{
	__u8 f = p->flags;

	if (f & HTTP1_RESPONSE) {
		__u16 s = p->status;
		if (s == 101 || (p->method == RT_METHOD_CONNECT && s >= 200 && s < 300)) {
			p->state = HTTP1_B_CLOSE;
			return HTTP1_EV_UPGRADE;
		}
		if (s < 200)
			return HTTP1_EV_INTERIM;
		if ((f & HTTP1_NO_BODY) || s == 204 || s == 304)
			return HTTP1_EV_DONE;
	}
	if (f & HTTP1_CHUNKED) {
		p->state = HTTP1_C_SIZE;
		p->pos = 0;
		p->length = 0;
		return HTTP1_EV_HEAD;
	}
	if (f & HTTP1_HAS_TE) {
		/* No chunked at the end: a request's length is then unknown, which servers answer with 400. */
		if (!(f & HTTP1_RESPONSE))
			return http1_bad(p);
	} else if (f & HTTP1_HAS_CL) {
		if (!p->length)
			return HTTP1_EV_DONE;
		p->state = HTTP1_B_LENGTH;
		return HTTP1_EV_HEAD;
	} else if (!(f & HTTP1_RESPONSE)) {
		return HTTP1_EV_DONE;
	}
	p->state = HTTP1_B_CLOSE;
	return HTTP1_EV_HEAD;
}

/* What an LF leads to in a state that skips to it. */
http1_inline void http1_line_skipped(struct http1 *p)
{
	__u8 s = p->state;
	if (s == HTTP1_Q_PROXY)
		p->state = HTTP1_Q_START;
	else if (s == HTTP1_C_EXT)
		p->state = p->length ? HTTP1_C_DATA : HTTP1_T_START;
	else if (s == HTTP1_T_SKIP)
		p->state = HTTP1_T_START;
	else
		p->state = HTTP1_H_START;
}

http1_inline void http1_path_byte(struct http1 *p, char *path, __u8 c)
{
	__u32 n = p->path_len;
	http1_opaque(n);
	if (n < RT_ENDPOINT_MAX) {
		path[n] = c;
		p->path_len = n + 1;
	} else {
		p->flags |= HTTP1_PATH_CUT;
	}
	if ((__u8)(c - '0') < 10)
		p->has_digit = 1;
}

/* One byte of a request line. */
http1_inline enum http1_event http1_request_byte(struct http1 *p, char *path, __u8 c)
{
	switch (p->state) {
	case HTTP1_Q_PATH:
		if (c > ' ' && c != '?' && c != '#' && c != 0x7f) {
			http1_path_byte(p, path, c);
			return HTTP1_EV_NONE;
		}
		p->pos = 0;
		if (c == ' ')
			p->state = HTTP1_Q_VERSION;
		else if (c == '?' || c == '#')
			p->state = HTTP1_Q_QUERY;
		else
			return http1_bad(p);
		return HTTP1_EV_NONE;
	case HTTP1_Q_START:
		if (c == '\r' || c == '\n')
			return HTTP1_EV_NONE;
		if (!c) {
			p->state = HTTP1_Q_PROXY2;
			p->pos = 0;
			p->length = 0;
			return HTTP1_EV_NONE;
		}
		p->state = HTTP1_Q_METHOD;
		p->pos = 0;
		p->word = 0;
		/* fall through */
	case HTTP1_Q_METHOD:
		if (c == ' ' && p->pos) {
			p->method = http1_method_any(p->word, p->pos);
			p->state = HTTP1_Q_TARGET;
			return HTTP1_EV_NONE;
		}
		if (!http1_is_token(c) || p->pos >= HTTP1_METHOD_MAX)
			return http1_bad(p);
		p->word = (p->word << 8 | p->word >> 56) ^ c;
		p->pos++;
		return HTTP1_EV_NONE;
	case HTTP1_Q_TARGET:
		if (c == '/') {
			p->state = HTTP1_Q_PATH;
			http1_path_byte(p, path, c);
		} else if (c == ' ') {
			return HTTP1_EV_NONE; /* servers take several blanks here */
		} else if ((c == 'T' || c == 'U') && p->word == HTTP1_PROXY) {
			p->state = HTTP1_Q_PROXY; /* "PROXY TCP4 ..." or "PROXY UNKNOWN" by who hands on another's connection */
		} else if (p->method == RT_METHOD_CONNECT) {
			if (c <= ' ' || c == 0x7f)
				return http1_bad(p);
			p->state = HTTP1_Q_AUTHORITY;
		} else if (c == '*') {
			http1_path_byte(p, path, c);
			p->state = HTTP1_Q_STAR;
		} else if ((__u8)((c | 0x20) - 'a') < 26) {
			p->state = HTTP1_Q_SCHEME;
		} else {
			return http1_bad(p);
		}
		return HTTP1_EV_NONE;
	case HTTP1_Q_QUERY:
	case HTTP1_Q_AUTHORITY:
		if (c == ' ') {
			p->pos = 0;
			p->state = HTTP1_Q_VERSION;
		} else if (c < ' ' || c == 0x7f) {
			return http1_bad(p);
		}
		return HTTP1_EV_NONE;
	case HTTP1_Q_STAR:
		if (c != ' ')
			return http1_bad(p);
		p->pos = 0;
		p->state = HTTP1_Q_VERSION;
		return HTTP1_EV_NONE;
	case HTTP1_Q_PROXY2:
		/* Behind CR LF CR LF NUL: CR LF "QUIT" LF, version and command, family, length (2 bytes), and so many bytes. */
		if (p->pos < 7 && c != (__u8)http1_proxy2[p->pos & 7])
			return http1_bad(p);
		if (p->pos >= 9)
			p->length = p->length << 8 | c;
		if (++p->pos < 11)
			return HTTP1_EV_NONE;
		p->state = p->length ? HTTP1_B_LENGTH : HTTP1_Q_START;
		return HTTP1_EV_NONE;
	case HTTP1_Q_SCHEME: /* RFC 3986 3.1 */
		if (c == ':') {
			p->state = HTTP1_Q_SLASHES;
			p->pos = 0;
		} else if ((__u8)((c | 0x20) - 'a') >= 26 && (__u8)(c - '0') >= 10 && c != '+' && c != '-' && c != '.') {
			return http1_bad(p);
		}
		return HTTP1_EV_NONE;
	case HTTP1_Q_SLASHES:
		if (c != '/')
			return http1_bad(p);
		if (++p->pos == 2)
			p->state = HTTP1_Q_HOST;
		return HTTP1_EV_NONE;
	case HTTP1_Q_HOST:
		if (c != '/' && c != '?' && c != '#' && c != ' ')
			return c < ' ' || c == 0x7f ? http1_bad(p) : HTTP1_EV_NONE;
		http1_path_byte(p, path, '/'); /* an empty path means "/" (RFC 9112 3.2.2) */
		p->pos = 0;
		p->state = c == '/' ? HTTP1_Q_PATH : c == ' ' ? HTTP1_Q_VERSION : HTTP1_Q_QUERY;
		return HTTP1_EV_NONE;
	case HTTP1_Q_VERSION:
		/* Any version of HTTP: servers answer what they do not know, with 505 or as if it were theirs. pos: 5 behind the slash,
		 * 6 in the first number, 7 behind the dot, 8 in the second number, 9 behind them. */
		if (p->pos < 5) {
			if (c == ' ' && !p->pos)
				return HTTP1_EV_NONE;
			if (c != (__u8)http1_version[p->pos & 7]) {
				if (!p->pos && (__u8)(c - 'A') < 26)
					p->path_len = 0; /* RTSP/1.0, ICAP/1.0, SIP/2.0: this does not look like HTTP */
				return http1_bad(p);
			}
			p->pos++;
			return HTTP1_EV_NONE;
		}
		if ((__u8)(c - '0') < 10 && p->pos < 9) {
			if (p->pos == 5 && c == '2' && p->method == RT_METHOD_OTHER && p->path_len == 1 && path[0] == '*')
				return http1_bad(p); /* "PRI * HTTP/2.0" */
			p->minor = c - '0';
			if (p->pos & 1)
				p->pos++;
			return HTTP1_EV_NONE;
		}
		if (c == '.' && p->pos == 6) {
			p->pos = 7;
			return HTTP1_EV_NONE;
		}
		if (p->pos == 5 || p->pos == 7)
			return http1_bad(p);
		if (c == '\r') {
			p->state = HTTP1_Q_LF;
		} else if (c == '\n') {
			p->state = HTTP1_H_START;
			p->flags |= HTTP1_LINE_DONE;
		} else if (c == ' ') {
			p->pos = 9;
		} else {
			return http1_bad(p);
		}
		return HTTP1_EV_NONE;
	case HTTP1_Q_LF:
		if (c != '\n')
			return http1_bad(p);
		p->state = HTTP1_H_START;
		p->flags |= HTTP1_LINE_DONE;
		return HTTP1_EV_NONE;
	}
	return http1_bad(p);
}

/* One byte of a status line. */
http1_inline enum http1_event http1_status_byte(struct http1 *p, __u8 c)
{
	__u8 i = p->pos;

	if (p->state == HTTP1_S_START && (c == '\r' || c == '\n'))
		return HTTP1_EV_NONE; /* a line end too much behind the body before; clients take it */
	if (p->state != HTTP1_S_STATUS) { /* HTTP/1.x, then a blank. Some servers repeat any version that they were sent. */
		p->state = HTTP1_S_VERSION;
		if (i < 5 ? c == (__u8)http1_version[i & 7] : (__u8)(c - '0') < 10) {
			if (i < 6 || i == 7) /* in the numbers it stays where it is */
				p->pos++;
		} else if (i == 6 && c == '.') {
			p->pos = 7;
		} else if (c == ' ' && (i == 6 || i == 8)) {
			p->state = HTTP1_S_STATUS;
			p->pos = 0;
		} else {
			return http1_bad(p);
		}
		return HTTP1_EV_NONE;
	}
	if (i < 3) {
		if ((__u8)(c - '0') >= 10)
			return http1_bad(p);
		p->status = p->status * 10 + (c - '0');
		p->pos++;
		return HTTP1_EV_NONE;
	}
	if (p->status < 100)
		return http1_bad(p);
	if (c == '\n')
		p->state = HTTP1_H_START;
	else if (c == ' ' || c == '\r')
		p->state = HTTP1_S_REASON;
	else
		return http1_bad(p);
	return HTTP1_EV_NONE;
}

/* A length that is none. What a request then holds nobody knows. A response is an answer all the same, and who reads it cannot know where
 * it ends either: it ends with its head, and what is no response behind it is passed over. */
http1_inline enum http1_event http1_bad_length(struct http1 *p, __u8 c)
{
	if (!(p->flags & HTTP1_RESPONSE))
		return http1_bad(p);
	p->flags |= HTTP1_NO_BODY;
	p->state = c == '\n' ? HTTP1_H_START : HTTP1_H_SKIP;
	return HTTP1_EV_NONE;
}

/* One byte of the value of a header that decides framing. */
http1_inline enum http1_event http1_value_byte(struct http1 *p, __u8 c)
{
	__u8 i = p->pos;

	if (p->state == HTTP1_H_CL) { /* pos: 0 before, 1 in, 2 behind the digits */
		__u8 d = c - '0';
		if (d < 10 && i < 2) {
			if (p->length > 900000000000000000ull)
				return http1_bad_length(p, c);
			p->length = p->length * 10 + d;
			p->pos = 1;
		} else if (c == ' ' || c == '\t' || c == '\r') {
			p->pos = i ? 2 : 0;
		} else if (c == '\n' && i) {
			/* The same length twice is one length, two lengths are an attack (RFC 9112 6.3). */
			if ((p->flags & HTTP1_HAS_CL) && p->word != p->length)
				return http1_bad_length(p, c);
			p->flags |= HTTP1_HAS_CL;
			p->state = HTTP1_H_START;
		} else {
			return http1_bad_length(p, c);
		}
		return HTTP1_EV_NONE;
	}
	if (c == '\n') {
		if (p->state == HTTP1_H_CT && i == 17)
			p->flags |= HTTP1_EVENT_STREAM;
		p->state = HTTP1_H_START;
		return HTTP1_EV_NONE;
	}
	if (p->state == HTTP1_H_TE) { /* a list; only its last member decides */
		if (c == ',') {
			p->pos = 0;
			p->flags &= ~HTTP1_CHUNKED;
		} else if (c == ' ' || c == '\t' || c == '\r') {
			if (i && i < 7)
				p->pos = 0xff;
		} else if (i < 7 && (c | 0x20) == http1_chunked[i & 7]) {
			p->pos = i + 1;
			if (i == 6)
				p->flags |= HTTP1_CHUNKED;
		} else {
			p->pos = 0xff;
			p->flags &= ~HTTP1_CHUNKED;
		}
		return HTTP1_EV_NONE;
	}
	/* HTTP1_H_CT */
	if (i < 17 && (c | 0x20) == http1_event_stream[i & 31])
		p->pos = i + 1;
	else if (i == 17 && (c == ';' || c == ' ' || c == '\t' || c == '\r'))
		p->flags |= HTTP1_EVENT_STREAM, p->state = HTTP1_H_SKIP;
	else if (i || (c != ' ' && c != '\t'))
		p->state = HTTP1_H_SKIP;
	return HTTP1_EV_NONE;
}

/* One byte at the start of a header line or in a header's name. */
http1_inline enum http1_event http1_header_byte(struct http1 *p, __u8 c)
{
	__u8 i = p->pos, low = c | 0x20;

	if (p->state == HTTP1_H_START) {
		if (c == '\r') {
			p->state = HTTP1_H_LF;
		} else if (c == '\n') {
			return http1_head_end(p);
		} else if (low == 'c' || low == 't') {
			p->state = HTTP1_H_NAME;
			p->candidate = low == 'c' ? HTTP1_NAME_CL : HTTP1_NAME_TE;
			p->pos = 1;
		} else {
			p->state = HTTP1_H_SKIP;
		}
		return HTTP1_EV_NONE;
	}
	if (p->state == HTTP1_H_LF)
		return c == '\n' ? http1_head_end(p) : http1_bad(p);
	/* HTTP1_H_NAME */
	if (c == '\n') {
		p->state = HTTP1_H_START;
		return HTTP1_EV_NONE;
	}
	if (i == 8 && low == 't' && p->candidate == HTTP1_NAME_CL)
		p->candidate = HTTP1_NAME_CT;
	char want = http1_names[p->candidate & (HTTP1_NAMES - 1)][i & 31];
	if (want && c >= ' ' && low == want) {
		p->pos = i + 1;
		return HTTP1_EV_NONE;
	}
	/* A blank before the colon is wrong (RFC 9112 5.1): strict servers answer 400 and close, the others mean the field. */
	if (!want && (c == ' ' || c == '\t'))
		return HTTP1_EV_NONE;
	p->state = HTTP1_H_SKIP;
	if (want || c != ':')
		return HTTP1_EV_NONE;
	p->pos = 0;
	if (p->candidate == HTTP1_NAME_TE) {
		p->flags = (p->flags | HTTP1_HAS_TE) & ~HTTP1_CHUNKED;
		p->state = HTTP1_H_TE;
	} else if (p->candidate == HTTP1_NAME_CL) {
		p->word = p->length;
		p->length = 0;
		p->state = HTTP1_H_CL;
	} else if (p->flags & HTTP1_RESPONSE) {
		p->state = HTTP1_H_CT;
	}
	return HTTP1_EV_NONE;
}

/* One byte of a chunk's size line, of the line end behind its data, or of the trailer section (RFC 9112 7.1). */
http1_inline enum http1_event http1_chunk_byte(struct http1 *p, __u8 c)
{
	switch (p->state) {
	case HTTP1_C_SIZE: {
		__u8 d = c - '0', h = (c | 0x20) - 'a';
		if (d < 10 || h < 6) {
			if (p->length >> 58)
				return http1_bad(p);
			p->length = p->length << 4 | (d < 10 ? d : (__u8)(h + 10));
			p->pos = 1;
			return HTTP1_EV_NONE;
		}
		if (!p->pos)
			return http1_bad(p);
		p->state = HTTP1_C_EXT;
		if (c == '\n')
			http1_line_skipped(p);
		else if (c != '\r' && c != ';' && c != ' ' && c != '\t')
			return http1_bad(p);
		return HTTP1_EV_NONE;
	}
	case HTTP1_C_DATA_END:
		if (c == '\n') {
			p->state = HTTP1_C_SIZE;
			p->pos = 0;
			p->length = 0;
		} else if (c != '\r') {
			return http1_bad(p);
		}
		return HTTP1_EV_NONE;
	case HTTP1_T_START:
		if (c == '\n')
			return HTTP1_EV_DONE;
		p->state = c == '\r' ? HTTP1_T_LF : HTTP1_T_SKIP;
		return HTTP1_EV_NONE;
	case HTTP1_T_LF:
		return c == '\n' ? HTTP1_EV_DONE : http1_bad(p);
	}
	return http1_bad(p);
}

http1_inline enum http1_event http1_byte(struct http1 *p, char *path, __u8 c, const int response)
{
	__u8 s = p->state;

	if (s >= HTTP1_SKIP_FIRST) {
		if (c == '\n')
			http1_line_skipped(p);
		return HTTP1_EV_NONE;
	}
	if (!response && s <= HTTP1_Q_LF)
		return http1_request_byte(p, path, c);
	if (response && s <= HTTP1_S_STATUS)
		return http1_status_byte(p, c);
	if (s == HTTP1_H_CL || s == HTTP1_H_TE || s == HTTP1_H_CT)
		return http1_value_byte(p, c);
	if (s <= HTTP1_H_LF)
		return http1_header_byte(p, c);
	return http1_chunk_byte(p, c);
}

HTTP1_ONCE int http1_byte_of_request(struct http1 *p, struct http1_path *path, __u32 c)
{
	return p && path ? http1_byte(p, path->text, c, 0) : 0;
}

HTTP1_ONCE int http1_byte_of_response(struct http1 *p, __u32 c)
{
	return p ? http1_byte(p, 0, c, 1) : 0;
}

/* Starts a block: http1_run continues where it stopped, behind the byte that caused an event. */
http1_inline void http1_block(struct http1 *p)
{
	p->used = 0;
	p->event = HTTP1_EV_NONE;
}

/* The block is done with: its bytes are used up, or something happened that p->event or the state tells. */
http1_inline int http1_block_done(const struct http1 *p, __u32 n)
{
	return p->used >= n || p->event != HTTP1_EV_NONE || http1_in_body(p);
}

/* Feeds what is left of BLOCK[0..n), n <= HTTP1_BLOCK, from p->used on, but at most HTTP1_STEP times a byte or up to eight of a line
 * that is passed over. Stops behind the byte that caused an event, and before the first byte of a body. PATH has RT_ENDPOINT_MAX bytes,
 * zero at the start of a request; unused for a RESPONSE, which is a constant so that the compiler leaves out the other half.
 *
 * The place in the block and the event are kept in memory, not in a register: the verifier then knows nothing of them, and the
 * paths join again behind every byte. */
http1_inline void http1_run(struct http1 *p, char *path, const __u8 *block, __u32 n, const int response)
{
#ifdef __bpf__
#pragma clang loop unroll(disable)
#endif
	for (__u32 i = 0; i < HTTP1_STEP; i++) {
		http1_forget();
		/* 64 bits wide: a 32-bit index is copied to widen it, and Linux 6.1 does not carry a check over to the copy. */
		__u64 k = p->used;
		http1_opaque(k);
		if (k >= n || k >= HTTP1_BLOCK)
			break;
		__u64 j = k;
		http1_opaque(j);
		if (p->state >= HTTP1_SKIP_FIRST && j <= HTTP1_BLOCK - 8 && j + 8 <= n) {
			__u64 lf = http1_equal(http1_load(block + j), '\n');
			p->used = j + (lf ? http1_first(lf) + 1 : 8);
			if (!lf)
				continue;
			http1_line_skipped(p);
			if (http1_in_body(p))
				break;
			continue;
		}
		p->used = k + 1;
		p->event = response ? http1_byte_of_response(p, block[k]) : http1_byte_of_request(p, (struct http1_path *)path, block[k]);
		if (p->event != HTTP1_EV_NONE || http1_in_body(p))
			break;
	}
}

#endif
