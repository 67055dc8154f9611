// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "exposition/negotiate.h"
#include "exposition/number.h"
#include "exposition/scrape.h"
#include "exposition/writer.h"
#include "model/text.h"
#include <zlib.h>

static const double bounds[] = {0.005, 1, 2.5, 1e6};

static struct snapshot *small_snapshot(void)
{
	struct snapshot *s = snapshot_new(bounds, ARRAY_SIZE(bounds));
	struct family *f = snapshot_family(s, "http_requests_total", FAMILY_COUNTER, NULL, "Requests \\ that\nended \"well\".");
	family_add_value(f, labels_from("service", "nginx", "code", "200", NULL), 12345678);
	family_add_value(f, labels_from("service", "a\"b\\c\nd\xff\xc3\xa9", NULL), 1);
	f = snapshot_family(s, "http_requests_duration_seconds", FAMILY_HISTOGRAM, "seconds", "Duration.");
	family_add_histogram(f, labels_from("service", "nginx", NULL), (uint64_t[]){1, 2, 0, 3, 4}, 1.234567891);
	family_add_histogram(f, labels_empty(), (uint64_t[]){0, 0, 0, 0, 0}, 0);
	f = snapshot_family(s, "in_flight", FAMILY_GAUGE, "seconds", NULL);
	family_add_value(f, labels_empty(), -0.5);
	snapshot_family(s, "nothing", FAMILY_GAUGE, NULL, "No metric, so no lines.");
	return s;
}

static void expect_text(enum exposition_format format, const char *want)
{
	struct snapshot *s = small_snapshot();
	_cleanup_buf_ struct buf b = BUF_INIT;
	exposition_write(s, format, &b);
	assert_string_equal(buf_str(&b), want);
	/* Piece by piece it is the same text. */
	_cleanup_buf_ struct buf all = BUF_INIT, piece = BUF_INIT;
	struct writer *w = writer_new(s, format, ESCAPING_ALLOW_UTF8);
	bool more;
	do {
		more = writer_more(w, &piece, 1);
		buf_add(&all, piece.p, piece.n);
		buf_reset(&piece);
	} while (more);
	assert_string_equal(buf_str(&all), want);
	writer_free(w);
	snapshot_unref(s);
}

static void test_text(void **state)
{
	expect_text(EXPOSITION_TEXT_004,
		    "# HELP http_requests_total Requests \\\\ that\\nended \"well\".\n"
		    "# TYPE http_requests_total counter\n"
		    "http_requests_total{code=\"200\",service=\"nginx\"} 12345678\n"
		    "http_requests_total{service=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\"} 1\n"
		    "# HELP http_requests_duration_seconds Duration.\n"
		    "# TYPE http_requests_duration_seconds histogram\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"0.005\"} 1\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"1\"} 3\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"2.5\"} 3\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"1e+06\"} 6\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"+Inf\"} 10\n"
		    "http_requests_duration_seconds_sum{service=\"nginx\"} 1.234567891\n"
		    "http_requests_duration_seconds_count{service=\"nginx\"} 10\n"
		    "http_requests_duration_seconds_bucket{le=\"0.005\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"1\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"2.5\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"1e+06\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"+Inf\"} 0\n"
		    "http_requests_duration_seconds_sum 0\n"
		    "http_requests_duration_seconds_count 0\n"
		    "# TYPE in_flight gauge\n"
		    "in_flight -0.5\n");
}

static void test_openmetrics(void **state)
{
	expect_text(EXPOSITION_OPENMETRICS_100,
		    "# TYPE http_requests counter\n"
		    "# HELP http_requests Requests \\\\ that\\nended \\\"well\\\".\n"
		    "http_requests_total{code=\"200\",service=\"nginx\"} 12345678\n"
		    "http_requests_total{service=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\"} 1\n"
		    "# TYPE http_requests_duration_seconds histogram\n"
		    "# UNIT http_requests_duration_seconds seconds\n"
		    "# HELP http_requests_duration_seconds Duration.\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"0.005\"} 1\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"1.0\"} 3\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"2.5\"} 3\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"1e+06\"} 6\n"
		    "http_requests_duration_seconds_bucket{service=\"nginx\",le=\"+Inf\"} 10\n"
		    "http_requests_duration_seconds_count{service=\"nginx\"} 10\n"
		    "http_requests_duration_seconds_sum{service=\"nginx\"} 1.234567891\n"
		    "http_requests_duration_seconds_bucket{le=\"0.005\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"1.0\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"2.5\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"1e+06\"} 0\n"
		    "http_requests_duration_seconds_bucket{le=\"+Inf\"} 0\n"
		    "http_requests_duration_seconds_count 0\n"
		    "http_requests_duration_seconds_sum 0\n"
		    "# TYPE in_flight gauge\n" /* the unit is no suffix of the name: left out */
		    "in_flight -0.5\n"
		    "# EOF\n");
}

static void test_protobuf(void **state)
{
	struct snapshot *s = snapshot_new((double[]){0.5}, 1);
	struct family *f = snapshot_family(s, "a_total", FAMILY_COUNTER, "b", "h");
	family_add_value(f, labels_from("l", "v\xff", NULL), 1);
	f = snapshot_family(s, "d", FAMILY_HISTOGRAM, NULL, NULL);
	family_add_histogram(f, labels_empty(), (uint64_t[]){200, 100}, 2);
	static const char want[] = "\x29"			  /* 41 bytes */
				   "\x0a\x07""a_total"		  /* name */
				   "\x12\x01""h"		  /* help */
				   "\x18\x00"			  /* type: counter */
				   "\x2a\x01""b"		  /* unit */
				   "\x22\x16"			  /* metric */
				   "\x0a\x09\x0a\x01l\x12\x04v\xef\xbf\xbd" /* label */
				   "\x1a\x09\x09\0\0\0\0\0\0\xf0\x3f"	  /* counter: 1.0 */
				   "\x23"			  /* 35 bytes */
				   "\x0a\x01""d"
				   "\x18\x04" /* histogram */
				   "\x22\x1c\x3a\x1a"
				   "\x08\xac\x02"			  /* count 300 */
				   "\x11\0\0\0\0\0\0\0\x40"	  /* sum 2.0 */
				   "\x1a\x0c\x08\xc8\x01\x11\0\0\0\0\0\0\xe0\x3f"; /* bucket: 200 <= 0.5 */
	for (size_t piece = 1; piece < 1000; piece *= 7) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct writer *w = writer_new(s, EXPOSITION_PROTOBUF, ESCAPING_UNDERSCORES);
		size_t want_n = piece;
		while (writer_more(w, &b, want_n))
			want_n += piece;
		writer_free(w);
		assert_int_equal(b.n, sizeof(want) - 1);
		assert_memory_equal(b.p, want, b.n);
	}
	snapshot_unref(s);
}

static void test_counter_without_total(void **state)
{
	struct snapshot *s = snapshot_new(NULL, 0);
	family_add_value(snapshot_family(s, "oops", FAMILY_COUNTER, NULL, NULL), labels_empty(), 2);
	_cleanup_buf_ struct buf b = BUF_INIT;
	exposition_write(s, EXPOSITION_OPENMETRICS_100, &b);
	assert_string_equal(buf_str(&b), "# TYPE oops unknown\noops 2\n# EOF\n");
	snapshot_unref(s);
}

static void expect_names(enum escaping e, const char *want)
{
	struct snapshot *s = snapshot_new((double[]){1}, 1);
	struct family *f = snapshot_family(s, "my.up_x", FAMILY_HISTOGRAM, NULL, "h");
	family_add_histogram(f, labels_from("a.b", "v", "c_d", "w", NULL), (uint64_t[]){1, 0}, 0.5);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct writer *w = writer_new(s, EXPOSITION_TEXT_100, e);
	while (writer_more(w, &b, SIZE_MAX))
		;
	writer_free(w);
	snapshot_unref(s);
	char *line = strstr(buf_str(&b), "# TYPE");
	assert_non_null(line);
	char *end = strchr(strchr(line, '\n') + 1, '\n');
	*end = 0;
	assert_string_equal(line, want);
}

static void test_name_escaping(void **state)
{
	expect_names(ESCAPING_UNDERSCORES, "# TYPE my_up_x histogram\nmy_up_x_bucket{a_b=\"v\",c_d=\"w\",le=\"1\"} 1");
	expect_names(ESCAPING_ALLOW_UTF8,
		     "# TYPE \"my.up_x\" histogram\n{\"my.up_x_bucket\",\"a.b\"=\"v\",c_d=\"w\",le=\"1\"} 1");
	expect_names(ESCAPING_DOTS, "# TYPE my_dot_up__x histogram\nmy_dot_up__x_bucket{a_dot_b=\"v\",c__d=\"w\",le=\"1\"} 1");
	expect_names(ESCAPING_VALUES,
		     "# TYPE U__my_2e_up__x histogram\nU__my_2e_up__x_bucket{U__a_2e_b=\"v\",c_d=\"w\",le=\"1\"} 1");
}

static void expect_escaped(struct sv in, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	escape_label_value(in, &b);
	assert_string_equal(buf_str(&b), want);
	assert_true(text_is_utf8(sv_make(b.p, b.n)));
}

#define FFFD "\xef\xbf\xbd"
static void test_label_values(void **state)
{
	expect_escaped(SV(""), "");
	expect_escaped(SV("/a b"), "/a b");
	expect_escaped(SV("\"\\\n"), "\\\"\\\\\\n");
	expect_escaped(SV("a\0b"), "a" FFFD "b");
	expect_escaped(SV("\r\t\x01\x7f"), "\r\t\x01\x7f");
	expect_escaped(SV("\xff\xfe"), FFFD FFFD);
	expect_escaped(SV("\xc3"), FFFD);			       /* cut off */
	expect_escaped(SV("\xc3\""), FFFD "\\\"");	       /* the quote is not swallowed */
	expect_escaped(SV("\xe2\x82\\"), FFFD FFFD "\\\\");
	expect_escaped(SV("\xc0\xaf"), FFFD FFFD);	       /* overlong */
	expect_escaped(SV("\xed\xa0\x80"), FFFD FFFD FFFD);      /* surrogate */
	expect_escaped(SV("\xf4\x90\x80\x80"), FFFD FFFD FFFD FFFD); /* above U+10FFFF */
	expect_escaped(SV("\xf0\x9f\x98\x80\xe2\x82\xac"), "\xf0\x9f\x98\x80\xe2\x82\xac");
	/* Whatever the bytes: valid UTF-8 comes out, and it reads back as one line. */
	uint64_t x = 88172645463325252u;
	for (int round = 0; round < 20000; round++) {
		char raw[16];
		for (size_t i = 0; i < sizeof(raw); i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			raw[i] = (char)(round % 2 ? x : (x & 1 ? 0x80 | (x >> 8) : (uint64_t)"\"\\\nab"[x % 5]));
		}
		char *exact = xmemdup(raw, sizeof(raw)); /* ASan: reads not past its end */
		_cleanup_buf_ struct buf b = BUF_INIT;
		escape_label_value(sv_make(exact, sizeof(raw)), &b);
		assert_true(text_is_utf8(sv_make(b.p, b.n)));
		assert_null(memchr(b.p, '\n', b.n));
		assert_null(memchr(b.p, 0, b.n));
		free(exact);
	}
}

static void test_numbers(void **state)
{
	static const double exact[] = {0, 1, -1, 0.1, 0.000000001, 123456.789012345, 9007199.254740991, 1e15, 1e21, 1e-7, 5e-324,
				       9007199254740991.0, 9007199254740992.0, -12345.678, 1.7976931348623157e308, 4.35, 0.3};
	for (size_t i = 0; i < ARRAY_SIZE(exact); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		number_double(exact[i], &b);
		assert_true(strtod(buf_str(&b), NULL) == exact[i]);
	}
	uint64_t x = 88172645463325252u;
	for (int i = 0; i < 200000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		double v = i % 3 == 0 ? (double)(x >> (x & 31)) / 1e9 : i % 3 == 1 ? (double)(x >> 40) / 1000 : (double)x / 12345.678;
		_cleanup_buf_ struct buf b = BUF_INIT;
		number_double(v, &b);
		if (strtod(buf_str(&b), NULL) != v)
			fail_msg("%.17g is written as %s", v, buf_str(&b));
	}
	_cleanup_buf_ struct buf b = BUF_INIT;
	number_double(NAN, &b);
	number_double(INFINITY, &b);
	number_double(-INFINITY, &b);
	number_double(10.5, &b);
	number_double(0.000000025, &b);
	assert_string_equal(buf_str(&b), "NaN+Inf-Inf10.50.000000025");
	char digits[NUMBER_U64_MAX];
	assert_ptr_equal(number_u64(digits, UINT64_MAX), digits + 20);
	assert_memory_equal(digits, "18446744073709551615", 20);
}

static void test_bounds(void **state)
{
	static const struct {
		double v;
		const char *text, *canonical;
	} cases[] = {{1, "1", "1.0"},	      {0.005, "0.005", "0.005"}, {10, "10", "10.0"},
		     {100000, "100000", "100000.0"}, {1e6, "1e+06", "1e+06"},   {1e-5, "1e-05", "1e-05"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT, c = BUF_INIT;
		text_float(cases[i].v, 'g', &b);
		text_canonical_bound(cases[i].v, &c);
		assert_string_equal(buf_str(&b), cases[i].text);
		assert_string_equal(buf_str(&c), cases[i].canonical);
	}
}

static void test_ceiling(void **state)
{
	struct snapshot *s = small_snapshot();
	struct buf b = BUF_LIMIT(100);
	exposition_write(s, EXPOSITION_TEXT_004, &b);
	assert_true(b.failed);
	buf_free(&b);
	snapshot_unref(s);
}

static void read_all(struct scrape *s, size_t at_once, struct buf *out)
{
	char p[4096];
	ssize_t n;
	while ((n = scrape_read(s, p, at_once)) > 0)
		buf_add(out, p, (size_t)n);
	assert_int_equal(n, 0);
	assert_int_equal(scrape_read(s, p, at_once), 0);
}

static void test_stream(void **state)
{
	struct snapshot *s = snapshot_new(bounds, ARRAY_SIZE(bounds));
	struct family *f = snapshot_family(s, "http_requests_duration_seconds", FAMILY_HISTOGRAM, "seconds", "Duration.");
	for (int i = 0; i < 2000; i++) {
		char endpoint[32];
		snprintf(endpoint, sizeof(endpoint), "/e/%d", i);
		family_add_histogram(f, labels_from("endpoint", endpoint, NULL), (uint64_t[]){1, 2, 0, 3, (uint64_t)i}, i / 7.0);
	}
	_cleanup_buf_ struct buf want = BUF_INIT;
	exposition_write(s, EXPOSITION_OPENMETRICS_100, &want);
	static const size_t sizes[] = {1, 100, 4096};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (int gzip = 0; gzip < 2; gzip++) {
			_cleanup_buf_ struct buf got = BUF_INIT;
			struct scrape *sc = scrape_new(s, (struct negotiated){EXPOSITION_OPENMETRICS_100, ESCAPING_ALLOW_UTF8}, gzip);
			read_all(sc, sizes[i], &got);
			scrape_free(sc);
			if (gzip) {
				_cleanup_buf_ struct buf plain = BUF_INIT;
				assert_true(got.n < want.n / 10);
				assert_true(buf_reserve(&plain, want.n + 1));
				z_stream z = {.next_in = (Bytef *)got.p, .avail_in = (uInt)got.n, .next_out = (Bytef *)plain.p,
					      .avail_out = (uInt)want.n + 1};
				assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
				assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
				assert_int_equal(z.total_out, want.n);
				assert_memory_equal(plain.p, want.p, want.n);
				inflateEnd(&z);
			} else {
				assert_int_equal(got.n, want.n);
				assert_memory_equal(got.p, want.p, want.n);
			}
		}
	}
	snapshot_unref(s);
}

static void test_promtool(void **state)
{
	if (access("/usr/bin/promtool", X_OK)) {
		print_message("SKIP promtool is not installed (Debian package prometheus)\n");
		skip();
	}
	struct snapshot *s = snapshot_new(bounds, ARRAY_SIZE(bounds));
	struct family *f = snapshot_family(s, "http_requests_total", FAMILY_COUNTER, NULL, "Requests \\ that\nended \"well\".");
	family_add_value(f, labels_from("service", "a\"b\\c\nd\xff", NULL), 1);
	f = snapshot_family(s, "http_requests_duration_seconds", FAMILY_HISTOGRAM, "seconds", "Duration.");
	family_add_histogram(f, labels_from("service", "nginx", NULL), (uint64_t[]){1, 2, 0, 3, 4}, 1.5);
	_cleanup_buf_ struct buf b = BUF_INIT;
	exposition_write(s, EXPOSITION_TEXT_004, &b);
	snapshot_unref(s);
	FILE *p = popen("promtool check metrics", "w");
	assert_non_null(p);
	fwrite(b.p, 1, b.n, p);
	assert_int_equal(pclose(p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	     cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_protobuf),     cmocka_unit_test(test_counter_without_total), cmocka_unit_test(test_name_escaping),
		cmocka_unit_test(test_label_values), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bounds),	     cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_stream),	     cmocka_unit_test(test_promtool),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
