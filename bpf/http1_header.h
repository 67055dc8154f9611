/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The header section, byte by byte: the headers that decide framing, and what follows the blank line (RFC 9112 6). */
#ifndef RT_HTTP1_HEADER_H
#define RT_HTTP1_HEADER_H

#include "http1_state.h"

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

#endif
