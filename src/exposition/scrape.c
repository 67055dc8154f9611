// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/scrape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"

/* Text is made in pieces of about this size; one metric with all its buckets may be longer. */
#define PIECE ((size_t)64 << 10)
#define PIECE_MAX ((size_t)16 << 20)
/* Bucket lines differ in a few digits: the fastest level already packs them to a twentieth. */
#define GZIP_LEVEL 1

struct scrape {
	struct writer *writer;
	struct buf text;
	size_t taken; /* of text */
	bool written; /* the writer is through */
	bool gzip, ended;
	z_stream z;
};

struct scrape *scrape_new(struct snapshot *snapshot, struct negotiated n, bool gzip)
{
	struct scrape *s = xcalloc(1, sizeof(*s));
	s->text = BUF_LIMIT(PIECE_MAX);
	/* 15 bits of window, and 16 for a gzip header instead of zlib's. */
	if (gzip && deflateInit2(&s->z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK)
		s->gzip = true;
	s->writer = writer_new(snapshot, n.format, n.escaping);
	return s;
}

void scrape_free(void *arg)
{
	struct scrape *s = arg;
	if (!s)
		return;
	if (s->gzip)
		deflateEnd(&s->z);
	writer_free(s->writer);
	buf_free(&s->text);
	free(s);
}

/* Fetches the next piece if the last one is used up. */
static int fill(struct scrape *s)
{
	if (s->taken < s->text.n || s->written)
		return 0;
	buf_reset(&s->text);
	s->taken = 0;
	s->written = !writer_more(s->writer, &s->text, PIECE);
	return s->text.failed ? -EFBIG : 0;
}

static ssize_t read_plain(struct scrape *s, char *p, size_t max)
{
	size_t done = 0;
	while (done < max) {
		int r = fill(s);
		if (r)
			return r;
		size_t n = s->text.n - s->taken;
		if (!n)
			break;
		n = n < max - done ? n : max - done;
		memcpy(p + done, s->text.p + s->taken, n);
		s->taken += n;
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t read_gzip(struct scrape *s, char *p, size_t max)
{
	s->z.next_out = (Bytef *)p;
	s->z.avail_out = (uInt)max;
	while (s->z.avail_out && !s->ended) {
		int r = fill(s);
		if (r)
			return r;
		s->z.next_in = (Bytef *)s->text.p + s->taken;
		s->z.avail_in = (uInt)(s->text.n - s->taken);
		r = deflate(&s->z, s->written ? Z_FINISH : Z_NO_FLUSH);
		s->taken = s->text.n - s->z.avail_in;
		if (r == Z_STREAM_END)
			s->ended = true;
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return -EIO;
	}
	return (ssize_t)(max - s->z.avail_out);
}

ssize_t scrape_read(void *arg, char *p, size_t max)
{
	struct scrape *s = arg;
	if (max > (size_t)1 << 30)
		max = (size_t)1 << 30;
	return s->gzip ? read_gzip(s, p, max) : read_plain(s, p, max);
}

void scrape_respond(struct web_request *req, struct web_response *res, struct snapshot *snapshot)
{
	struct negotiated n = negotiate_accept(web_request_header(req, "Accept"));
	bool gzip = negotiate_gzip(web_request_header(req, "Accept-Encoding"));
	struct scrape *s = scrape_new(snapshot, n, gzip);
	res->status = 200;
	res->content_type = negotiated_content_type(n);
	web_response_header(res, "Vary", "Accept, Accept-Encoding");
	if (s->gzip)
		web_response_header(res, "Content-Encoding", "gzip");
	res->read = scrape_read;
	res->read_free = scrape_free;
	res->read_arg = s;
}
