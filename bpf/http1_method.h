/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The methods that have names of their own. */
#ifndef RT_HTTP1_METHOD_H
#define RT_HTTP1_METHOD_H

#include "http1_state.h"

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

#endif
