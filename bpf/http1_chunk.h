/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* The chunked coding (RFC 9112 7.1), but for the data of the chunks. */
#ifndef RT_HTTP1_CHUNK_H
#define RT_HTTP1_CHUNK_H

#include "http1_state.h"

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

#endif
