// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/web_gzip.h"

#include <zlib.h>

#include "exposition/negotiate.h"

#define SMALL 1024 /* less gains nothing that a packet does not hold anyway */
#define PIECE ((size_t)16 << 10)

static bool compress_into(struct sv body, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)body.p, .avail_in = (uInt)body.n};
	/* 15 bits of window, and 16 for a gzip header instead of zlib's; the fastest level, as labels repeat.
	 */
	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	int r = Z_OK;
	while (r == Z_OK && buf_reserve(out, PIECE)) {
		z.next_out = (Bytef *)out->p + out->n;
		z.avail_out = (uInt)PIECE;
		r = deflate(&z, Z_FINISH);
		out->n += PIECE - z.avail_out;
	}
	deflateEnd(&z);
	return r == Z_STREAM_END;
}

void web_gzip(struct web_request *req, struct web_response *res)
{
	if (res->read || res->body.failed || res->body.n < SMALL)
		return;
	web_response_header(res, "Vary", "Accept-Encoding");
	if (!negotiate_gzip(web_request_header(req, "Accept-Encoding")))
		return;
	struct buf packed = BUF_LIMIT(res->body.n + PIECE); /* what would grow is sent as it is */
	if (compress_into(sv_make(res->body.p, res->body.n), &packed)) {
		buf_free(&res->body);
		res->body = packed;
		web_response_header(res, "Content-Encoding", "gzip");
	} else {
		buf_free(&packed);
	}
}
