// SPDX-License-Identifier: GPL-2.0-or-later
/* bpf/http1.h on the host: long, random, dead and real messages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "http1_corpus.h"
#include "http1_ways.h"

/* Heads of many blocks, with framing headers at every place relative to a block's border. */
static void test_long_heads(void **state)
{
	static char m[40000];
	char expected[128], got[128];

	for (int fill = 0; fill <= HTTP1_BLOCK + 8; fill++) {
		int n = snprintf(m, sizeof(m), "POST /x" H "X: %.*s\r\nContent-Length: 12\r\nY: %.*s\r\n\r\n",
				 fill, X50 X50 X50, 40, X50);
		snprintf(expected, sizeof(expected), "POST /x @%d +12 done@%d", n, n + 12);
		n += snprintf(m + n, sizeof(m) - n, "hello, world");
		feed_all_ways((uint8_t *)m, n, 0, NULL);
		feed_text(whole, 0, got, sizeof(got));
		assert_string_equal(got, expected);
	}
	int n = snprintf(m, sizeof(m), "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 200; i++)
		n += snprintf(m + n, sizeof(m) - n, "X-Header-%d: %.*s\r\n", i, i % 150, X50 X50 X50);
	n += snprintf(m + n, sizeof(m) - n, "Transfer-Encoding: chunked\r\n\r\n");
	int head = n;
	for (int i = 1; i < 140; i++)
		n += snprintf(m + n, sizeof(m) - n, "%x;ext\r\n%.*s\r\n", i, i, X50 X50 X50);
	n += snprintf(m + n, sizeof(m) - n, "0\r\nTrailer: %s\r\n\r\n", X50 X50 X50);
	snprintf(expected, sizeof(expected), "200 @%d +%d done@%d", head, 139 * 140 / 2, n);
	feed_all_ways((uint8_t *)m, n, 1, NULL);
	feed_text(whole, 0, got, sizeof(got));
	assert_string_equal(got, expected);
}

/* A body costs one call a packet, however long it is. */
static void test_huge_bodies(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 8000000000000000000\r\n\r\n";
	static const char chunk[] =
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3fffffffffffffff\r\n";
	__u64 taken;

	feed_begin(whole, 1, NULL);
	feed_segment(whole, (const uint8_t *)head, strlen(head));
	assert_true(http1_in_body(&whole->p));
	assert_int_equal(http1_skip(&whole->p, 7999999999999999999ull, &taken), HTTP1_EV_NONE);
	assert_true(taken == 7999999999999999999ull && whole->p.length == 1);
	assert_int_equal(http1_skip(&whole->p, 5, &taken), HTTP1_EV_DONE);
	assert_int_equal(taken, 1);

	feed_begin(whole, 1, NULL);
	feed_segment(whole, (const uint8_t *)chunk, strlen(chunk));
	assert_true(http1_in_body(&whole->p));
	assert_int_equal(http1_skip(&whole->p, ~0ull, &taken), HTTP1_EV_NONE);
	assert_true(taken == 0x3fffffffffffffffull);
	assert_false(http1_in_body(&whole->p));
}

/* Nothing leads out of a message that was bad. */
static void test_dead_stays_dead(void **state)
{
	struct http1 p = {0};
	char path[RT_ENDPOINT_MAX] = "";

	for (int response = 0; response < 2; response++) {
		http1_begin(&p, response);
		http1_block(&p);
		http1_run(&p, path, (const __u8 *)"\x01", 1, response);
		assert_int_equal(p.event, HTTP1_EV_BAD);
		for (int c = 0; c < 256; c++) {
			__u8 b = c;
			http1_block(&p);
			http1_run(&p, path, &b, 1, response);
			assert_int_equal(p.event, HTTP1_EV_BAD);
			assert_int_equal(p.state, HTTP1_DEAD);
		}
	}
}

static unsigned rnd(unsigned k)
{
	static uint64_t seed = 88172645463325252ull;
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (seed >> 11) % k;
}

/* Messages made of pieces that matter, cut at places of a fixed pseudo-random sequence. */
static void test_random_messages(void **state)
{
	static const char *const pieces[] = {
	    "GET /",
	    "POST /a/1",
	    " HTTP/1.1\r\n",
	    " HTTP/1.0\n",
	    "HTTP/1.1 200 OK\r\n",
	    "HTTP/1.1 304 N\r\n",
	    "HTTP/1.1 100 C\r\n",
	    "Content-Length: 7\r\n",
	    "Content-Length: 0\r\n",
	    "Transfer-Encoding: chunked\r\n",
	    "Transfer-Encoding: gzip\r\n",
	    "Content-Type: text/event-stream\r\n",
	    "Connection: close\r\n",
	    "\r\n",
	    "\r\n\r\n",
	    "\n",
	    "\r",
	    " ",
	    "?",
	    "0\r\n\r\n",
	    "3\r\nabc\r\n",
	    "5;x\r\n",
	    "1234567",
	    "c",
	    "T",
	    "X: " X50 "\r\n",
	    "\xff",
	    "http://h",
	    ":",
	    "\t",
	};
	char m[4096];

	for (int round = 0; round < 20000; round++) {
		size_t n = 0, off = 0;
		int response;
		response = rnd(2);
		n += sprintf(m + n, "%s", response ? "HTTP/1.1 200 OK\r\n" : "POST /x HTTP/1.1\r\n");
		for (int k = rnd(20); k > 0; k--)
			n += sprintf(m + n, "%s", pieces[rnd(COUNT(pieces))]);
		feed_begin(whole, response, "GHG");
		feed_segment(whole, (uint8_t *)m, n);
		feed_end(whole);
		feed_begin(parts, response, "GHG");
		while (off < n) {
			size_t k = 1 + rnd(rnd(2) ? 3 : 60);
			k = k < n - off ? k : n - off;
			feed_segment(parts, (uint8_t *)m + off, k);
			off += k;
		}
		feed_end(parts);
		same_as_whole("round", round, 0);
	}
}

static int run_corpus_case(const uint8_t *m, size_t n, int response, const char *methods, char *got,
			   size_t size)
{
	feed_all_ways(m, n, response, methods);
	feed_text(whole, 1, got, size);
	return 0;
}

static void test_corpus(void **state)
{
	struct corpus_counts counts = {0};
	int r = corpus_run(run_corpus_case, &counts);

	if (r == -ENOENT) {
		printf("SKIP there is no corpus of HTTP messages (RT_SHARED)\n");
		skip();
	}
	assert_int_equal(r, 0);
	printf("corpus: %d messages, %d as expected, %d different by design, %d known defects, %d wrong, %d "
	       "entries of the table unused\n",
	       counts.messages, counts.same, counts.by_design, counts.defects, counts.wrong, counts.unused);
	assert_int_equal(counts.wrong, 0);
	assert_int_equal(counts.unused, 0);
	assert_true(counts.same > counts.by_design);
}

/* What the short way is for, and what it leaves to the bytes. */
static void test_short_way(void **state)
{
	static const struct {
		const char *text;
		int response;
		unsigned heads, short_ways;
	} m[] = {
	    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 1, 1},
	    {"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 2, 2},
	    {"POST /a/b?c=d HTTP/1.1\r\nContent-Type: text/plain\r\ncontent-LENGTH: 0\r\n\r\n", 0, 1, 1},
	    {"PATCH /a HTTP/1.1\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n", 0, 1, 1},
	    {"DELETE /a HTTP/1.0\r\nContent-Language: en\r\n\r\n", 0, 1, 1},
	    {"HEAD /" X50 X50 X50 " HTTP/1.1\r\n\r\n", 0, 1, 1},
	    {"HEAD /" X50 X50 X50 X50 " HTTP/1.1\r\n\r\n", 0, 1, 0},
	    {"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 1, 0},
	    {"GET / HTTP/1.1\nHost: a\n\n", 0, 1, 0},
	    {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n", 1, 1, 1},
	    {"HTTP/1.1 404 \r\nX: y\r\nContent-Length: 0\r\n\r\n", 1, 1, 1},
	    {"HTTP/1.1 204\r\n\r\n", 1, 1, 1},
	    {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n", 1, 1, 0},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 1, 1, 0},
	};

	for (size_t i = 0; i < COUNT(m); i++) {
		feed_begin(whole, m[i].response, NULL);
		feed_segment(whole, (const uint8_t *)m[i].text, strlen(m[i].text));
		feed_end(whole);
		unsigned done = 0;
		for (unsigned k = 0; k < whole->n; k++)
			done += whole->events[k].kind == FEED_DONE;
		if (done != m[i].heads || whole->short_ways != m[i].short_ways)
			fail_msg("%s: %u heads, %u by the short way", m[i].text, done, whole->short_ways);
	}
}
/* Each byte of it decides, and no other does. */
static void test_same_head(void **state)
{
	static struct http1_head h;
	static struct http1_path kept;

	for (__u32 n = HTTP1_HEAD_LEAST; n <= RT_ENDPOINT_MAX; n++) {
		for (size_t i = 0; i < sizeof(h.bytes); i++)
			h.bytes[i] = (__u8)(i * 7 + n);
		memset(&kept, 0, sizeof(kept));
		memcpy(kept.text, h.bytes, n);
		assert_true(http1_head_same(&h, &kept, n));
		for (__u32 i = 0; i < n + 8; i++) {
			h.bytes[i] ^= 0x80;
			assert_int_equal(http1_head_same(&h, &kept, n), i >= n);
			h.bytes[i] ^= 0x80;
		}
	}
	assert_false(http1_head_same(&h, &kept, HTTP1_HEAD_LEAST - 1));
	assert_false(http1_head_same(&h, &kept, RT_ENDPOINT_MAX + 1));
	assert_false(http1_head_same(&h, &kept, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_heads),
		cmocka_unit_test(test_huge_bodies),
		cmocka_unit_test(test_dead_stays_dead),
		cmocka_unit_test(test_random_messages),
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_short_way),
		cmocka_unit_test(test_same_head),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
