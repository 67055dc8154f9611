// SPDX-License-Identifier: GPL-2.0-or-later
/* The layout of maps as a text, and values of another version's layout in this one's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "loader/layout.h"
#include "reqtally.h"
#include "reqtally.skel.h"

static struct bpf_object *object;
static struct layout *own;
static const uint64_t bounds[] = {10, 20, 50, 100};

static int setup(void **state)
{
	size_t n;
	const void *elf = reqtally__elf_bytes(&n);
	object = bpf_object__open_mem(elf, n, NULL);
	own = object ? layout_of(object, bounds, 4) : NULL;
	return own ? 0 : -1;
}

static int teardown(void **state)
{
	layout_free(own);
	bpf_object__close(object);
	return 0;
}

static void test_text_is_read_back(void **state)
{
	struct layout *again = layout_parse(own->text);
	assert_non_null(again);
	assert_true(layout_equal(own, again));
	assert_int_equal(again->handover, RT_HANDOVER);
	assert_int_equal(again->n_bounds, 4);
	assert_int_equal(again->n_ledger, RT_LEDGER_SIZE);
	assert_int_equal(layout_size(again, "rt_series"), sizeof(struct rt_series));
	assert_int_equal(layout_size(again, "rt_nothing"), 0);
	assert_non_null(strstr(own->text, "\nmap connections "));
	assert_null(strstr(own->text, "\nmap routes "));
	assert_null(strstr(own->text, "\nmap elder_"));
	layout_free(again);
}

static void test_difference_is_seen(void **state)
{
	const uint64_t other[] = {10, 20, 50, 101};
	struct layout *l = layout_of(object, other, 4);
	assert_false(layout_equal(own, l));
	layout_free(l);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "series"), 77);
	l = layout_of(object, bounds, 4);
	assert_false(layout_equal(own, l));
	assert_true(layout_same_map(own, l, "series"));
	assert_true(layout_same_map(own, l, "guesses"));
	assert_false(layout_same_map(own, l, "no such map"));
	layout_free(l);
}

static void test_nonsense_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"handover 1\n",
		"handover x\nledger a\ntype rt_series 8\ntype rt_series_key 8\n",
		"handover 1\nledger a\ntype rt_series 0\ntype rt_series_key 8\n",
		"handover 1\nledger a\ntype rt_series 8\nfield streams 8 8 1\ntype rt_series_key 8\n",
		"handover 1\nledger a\ntype rt_series 8\nfield streams 0 3 1\ntype rt_series_key 8\n",
		"handover 1\nledger a\ntype rt_series 8\nfield streams 4294967288 8 2\ntype rt_series_key 8\n",
		"handover 1\nledger a\nfield streams 0 8 1\ntype rt_series 8\ntype rt_series_key 8\n",
		"handover 1\nbounds 1 2 x\nledger a\ntype rt_series 8\ntype rt_series_key 8\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (layout_parse(texts[i]))
			fail_msg("accepted: %s", texts[i]);
	/* As it is, and without any one of its lines: no crash, and conversion still works. */
	for (const char *p = own->text; *p; p = strchr(p, '\n') + 1) {
		char *copy = strdup(own->text), *at = copy + (p - own->text), *end = strchr(at, '\n') + 1;
		memmove(at, end, strlen(end) + 1);
		struct layout *l = layout_parse(copy);
		if (l) {
			static const char src[65536];
			struct rt_series s;
			layout_convert(l, own, "rt_series", src, &s);
		}
		layout_free(l);
		free(copy);
	}
	struct layout *l = layout_parse("handover 9\nfuture words\nledger a\ntype rt_series 8\ntype rt_series_key 8\n");
	assert_non_null(l); /* lines of later versions are theirs */
	layout_free(l);
}

/* Another order, other widths, fewer and other buckets. */
static const char other_text[] = "handover 1\nabi 7\nbounds 10 15 100 1000\nledger recorded gap seen unheard_of\n"
				 "type rt_series 68\n"
				 "field duration.buckets 0 4 5\n"
				 "field request_bytes 24 4 1\n"
				 "field duration.sum_ns 28 8 1\n"
				 "field invented 36 8 1\n"
				 "type rt_series_key 14\n"
				 "field code 0 2 1\nfield port 2 2 1\nfield endpoint 4 8 1\nfield method 12 1 1\n"
				 "type rt_endpoint 12\nfield len 0 1 1\nfield text 2 1 10\n";

static void test_conversion(void **state)
{
	struct layout *other = layout_parse(other_text);
	assert_non_null(other);

	/* Buckets up to 10, 15, 100, 1000 and above, into those up to 10, 20, 50, 100 and above. */
	unsigned char v[68] = {0};
	const uint32_t buckets[] = {1, 2, 3, 4, 5}, bytes = 4000000000u;
	const uint64_t sum = 123456789012345;
	memcpy(v, buckets, sizeof(buckets));
	memcpy(v + 24, &bytes, 4);
	memcpy(v + 28, &sum, 8);
	struct rt_series s;
	memset(&s, 0xff, sizeof(s));
	layout_convert(other, own, "rt_series", v, &s);
	const uint64_t expected[] = {1, 2, 0, 3, 9, 0};
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(s.duration.buckets[i], expected[i]);
	assert_int_equal(s.duration.sum_ns, sum);
	assert_int_equal(s.request_bytes, bytes);
	assert_int_equal(s.streams, 0);
	assert_int_equal(s.ttfb.buckets[0], 0);

	const uint16_t code = 404, port = 65535;
	const uint64_t endpoint = 0x123456789abcdef0;
	memcpy(v, &code, 2);
	memcpy(v + 2, &port, 2);
	memcpy(v + 4, &endpoint, 8);
	v[12] = RT_METHOD_PUT;
	struct rt_series_key k, want = {.endpoint = endpoint, .port = port, .code = code, .method = RT_METHOD_PUT};
	memset(&k, 0xff, sizeof(k));
	layout_convert(other, own, "rt_series_key", v, &k);
	assert_memory_equal(&k, &want, sizeof(k)); /* the padding, too: it is hashed */

	struct rt_endpoint e;
	memcpy(v, "\x05x/abcd\0\0\0\0\0", 12);
	layout_convert(other, own, "rt_endpoint", v, &e);
	assert_int_equal(e.len, 5);
	assert_string_equal(e.text, "/abcd");

	assert_int_equal(layout_ledger_index(other, own, 0), RT_RECORDED);
	assert_int_equal(layout_ledger_index(other, own, 1), RT_LOST_GAP);
	assert_int_equal(layout_ledger_index(other, own, 2), RT_SEEN);
	assert_int_equal(layout_ledger_index(other, own, 3), -1);
	layout_free(other);
}

static void test_same_layout_changes_nothing(void **state)
{
	struct rt_series a, b;
	for (size_t i = 0; i < sizeof(a) / 8; i++)
		((uint64_t *)&a)[i] = i * 0x9e3779b97f4a7c15u;
	/* Behind the bucket above all nothing is ever counted. */
	for (size_t i = 5; i < RT_BUCKETS; i++)
		a.duration.buckets[i] = a.ttfb.buckets[i] = a.queue.buckets[i] = 0;
	layout_convert(own, own, "rt_series", &a, &b);
	assert_memory_equal(&a, &b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_read_back),     cmocka_unit_test(test_nonsense_is_refused), cmocka_unit_test(test_conversion),
		cmocka_unit_test(test_same_layout_changes_nothing), cmocka_unit_test(test_difference_is_seen),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
