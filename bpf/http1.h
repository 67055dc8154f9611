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

#include "http1_chunk.h"
#include "http1_header.h"
#include "http1_start_line.h"
#include "http1_state.h"
#include "http1_word.h"

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
