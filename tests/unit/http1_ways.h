/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages fed to bpf/http1.h whole and in parts. Every block lies flush against a page that cannot be touched, so that reading one byte
 * too many is a crash; so does the buffer of the path. */
#ifndef RT_TESTS_UNIT_HTTP1_WAYS_H
#define RT_TESTS_UNIT_HTTP1_WAYS_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http1_feed.h"

static struct feed *whole, *parts; /* too big for a stack */

/* The last byte of a page in front of one that is not there, plus one. */
static uint8_t *guarded_end(void)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *m = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED || mprotect(m + page, page, PROT_NONE))
		return NULL;
	return m + page;
}

static int setup(void **state)
{
	whole = calloc(1, sizeof(*whole));
	parts = calloc(1, sizeof(*parts));
	whole->guard = guarded_end();
	uint8_t *path = guarded_end();
	if (!whole->guard || !path)
		return -1;
	whole->path = (char *)path - RT_ENDPOINT_MAX;
	parts->guard = whole->guard;
	parts->path = whole->path;
	parts->by_bytes = 1;
	return 0;
}

static int teardown(void **state)
{
	free(whole);
	free(parts);
	return 0;
}

static void feed_parts(const uint8_t *m, size_t n, int response, const char *methods, size_t first,
		       size_t second)
{
	feed_begin(parts, response, methods);
	feed_segment(parts, m, first);
	feed_segment(parts, m + first, second - first);
	feed_segment(parts, m + second, n - second);
	feed_end(parts);
}

static void same_as_whole(const char *how, size_t first, size_t second)
{
	char a[4096], b[4096];

	if (feed_same(whole, parts))
		return;
	feed_text(whole, 0, a, sizeof(a));
	feed_text(parts, 0, b, sizeof(b));
	fail_msg("%s %zu %zu: whole: %s\nin parts: %s", how, first, second, a, b);
}

/* Whole, byte by byte, in two parts and (short ones) in three parts at all places: the same events, which
 * stay in WHOLE. */
static void feed_all_ways(const uint8_t *m, size_t n, int response, const char *methods)
{
	feed_begin(whole, response, methods);
	feed_segment(whole, m, n);
	feed_end(whole);

	feed_begin(parts, response, methods);
	for (size_t i = 0; i < n; i++)
		feed_segment(parts, m + i, 1);
	feed_end(parts);
	same_as_whole("byte by byte", 0, 0);

	size_t step = n < 2000 ? 1 : 61;
	for (size_t i = 0; i <= n; i += step) {
		feed_parts(m, n, response, methods, i, i);
		same_as_whole("at", i, i);
		for (size_t j = i; n <= 180 && j <= n; j++) {
			feed_parts(m, n, response, methods, i, j);
			same_as_whole("at", i, j);
		}
	}
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define H " HTTP/1.1\r\n"
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

#endif
