// SPDX-License-Identifier: GPL-2.0-or-later
/* A stream of messages fed whole and in pieces gives the same events, and its paths the same endpoints. The
 * first byte says which side it is and what was asked, the second where the pieces end (a pseudo-random
 * sequence); the rest is the stream. Heads come in blocks that end where their allocation does, so that ASan
 * sees every byte read too far. */
#include "endpoint.h"

#include "../unit/http1_feed.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static struct feed whole, parts;

static void feed_prepare(struct feed *f)
{
	uint8_t *block = malloc(HTTP1_BLOCK);

	f->path = malloc(RT_ENDPOINT_MAX);
	FEED_CHECK(block && f->path);
	f->guard = block + HTTP1_BLOCK;
}

static void feed_release(struct feed *f)
{
	free(f->guard - HTTP1_BLOCK);
	free(f->path);
}

/* An endpoint fits, and an endpoint's endpoint is itself. */
static void check_endpoint(const struct feed_event *e)
{
	char *once = calloc(1, RT_ENDPOINT_MAX), *twice = calloc(1, RT_ENDPOINT_MAX);
	struct endpoint state;

	FEED_CHECK(once && twice);
	__u16 n = endpoint_normalise(&state, e->path, e->path_len, once, e->flags & HTTP1_PATH_CUT);
	FEED_CHECK(n <= RT_ENDPOINT_MAX);
	__u16 m = endpoint_normalise(&state, once, n, twice, 0);
	FEED_CHECK(m == n && !memcmp(once, twice, n));
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	static const char *const methods[] = {"G", "H", "C", "HG", "GHGHG", "GGC"};

	if (n < 2)
		return 0;
	int response = data[0] & 1;
	const char *asked = methods[(data[0] >> 1) % (sizeof(methods) / sizeof(methods[0]))];
	uint32_t cut = data[1] | 0x100;
	data += 2;
	n -= 2;
	feed_prepare(&whole);
	feed_prepare(&parts);
	feed_begin(&whole, response, asked);
	feed_segment(&whole, data, n);
	feed_end(&whole);
	feed_begin(&parts, response, asked);
	parts.by_bytes = data[-1] & 1;
	for (size_t off = 0, k; off < n; off += k) {
		cut = cut * 1664525 + 1013904223;
		k = 1 + (cut >> 16) % (cut & 0x8000 ? 4 : 300);
		k = k < n - off ? k : n - off;
		feed_segment(&parts, data + off, k);
	}
	feed_end(&parts);
	FEED_CHECK(feed_same(&whole, &parts));
	for (unsigned i = 0; i < whole.n; i++)
		if (whole.events[i].kind == FEED_LINE)
			check_endpoint(&whole.events[i]);
	feed_release(&whole);
	feed_release(&parts);
	return 0;
}
