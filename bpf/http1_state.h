/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* What the parser of http1.h keeps between two bytes, and what its parts share. */
#ifndef RT_HTTP1_STATE_H
#define RT_HTTP1_STATE_H

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

struct http1_path {
	char text[RT_ENDPOINT_MAX];
};

/* In the kernel these are global functions: the verifier looks at each of them once, whoever calls. */
#if defined(__bpf__) && !defined(RT_BOUNDED)
#define HTTP1_ONCE __attribute__((noinline))
#else
#define HTTP1_ONCE static inline
#endif

http1_inline enum http1_event http1_bad(struct http1 *p)
{
	p->state = HTTP1_DEAD;
	return HTTP1_EV_BAD;
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

#endif
