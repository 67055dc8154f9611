/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Request line and status line (RFC 9112 3 and 4), byte by byte. */
#ifndef RT_HTTP1_START_LINE_H
#define RT_HTTP1_START_LINE_H

#include "http1_method.h"
#include "http1_state.h"

/* RFC 9110 5.6.2 tchar, as two bit masks over the characters 0 to 127. */
http1_inline int http1_is_token(__u8 c)
{
	if (c < 64)
		return (0x03ff6cfa00000000ull >> c) & 1;
	return c < 128 && ((0x57ffffffc7fffffeull >> (c - 64)) & 1);
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

#endif
