// SPDX-License-Identifier: GPL-2.0-or-later
/* Protobuf, made here by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/sample.h"
#include "parse_text.h"

static void varint(uint64_t v, struct buf *out)
{
	for (; v >= 0x80; v >>= 7)
		buf_addc(out, (char)(v | 0x80));
	buf_addc(out, (char)v);
}

static void num(unsigned field, uint64_t v, struct buf *out)
{
	varint(field << 3, out);
	varint(v, out);
}

static void sint(unsigned field, int64_t v, struct buf *out)
{
	num(field, (uint64_t)v << 1 ^ (uint64_t)(v >> 63), out);
}

static void dbl(unsigned field, double v, struct buf *out)
{
	varint(field << 3 | 1, out);
	buf_add(out, &v, sizeof(v));
}

static void bytes(unsigned field, const void *p, size_t n, struct buf *out)
{
	varint(field << 3 | 2, out);
	varint(n, out);
	buf_add(out, p, n);
}

static void sub(unsigned field, struct buf *from, struct buf *out)
{
	bytes(field, buf_str(from), from->n, out);
	buf_reset(from);
}

static void label(const char *name, const char *value, struct buf *metric)
{
	struct buf b = BUF_INIT;
	bytes(1, name, strlen(name), &b);
	bytes(2, value, strlen(value), &b);
	sub(1, &b, metric);
	buf_free(&b);
}

static struct buf family_body;

static void family_begin(const char *name, uint64_t type)
{
	buf_reset(&family_body);
	family_body.max = 1 << 23;
	bytes(1, name, strlen(name), &family_body);
	num(3, type, &family_body);
}

static void family_end(struct buf *out)
{
	varint(family_body.n, out);
	buf_add(out, buf_str(&family_body), family_body.n);
}

static struct parse_options proto_options;
static int proto(struct sv body, const struct parse_sink *sink, char **error)
{
	return parse_protobuf(body, &proto_options, sink, error);
}

static void good_proto(struct buf *body, const char *want)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char *error = NULL;
	if (parse_at_edge(proto, sv_make(body->p, body->n), &out, &error))
		fail_msg("%s", error);
	assert_string_equal(buf_str(&out), want);
}

static void bad_proto(struct buf *body, const char *want)
{
	bad(proto, sv_make(buf_str(body), body->n), want);
	buf_reset(body);
}

static void test_protobuf_good(void **state)
{
	_cleanup_buf_ struct buf body = BUF_INIT, m = BUF_INIT, v = BUF_INIT, b = BUF_INIT;
	proto_options = (struct parse_options){0};
	good_proto(&body, "");
	/* Families without metrics are passed over, whatever else is wrong with them. */
	buf_addc(&body, 0);
	family_begin("\xff", 77);
	family_end(&body);
	good_proto(&body, "");
	buf_reset(&body);
	family_begin("c_total", 0);
	bytes(2, "Help \"me\"", 9, &family_body);
	bytes(5, "bytes", 5, &family_body);
	label("a", "x\ny", &m);
	label("b", "", &m);
	dbl(1, 5, &v);
	bytes(2, "\x11", 1, &v); /* an exemplar: whatever it is */
	sub(3, &v, &m);
	num(99, 5, &m);
	sub(4, &m, &family_body);
	family_end(&body);
	family_begin("g", 1);
	dbl(1, NAN, &v);
	sub(2, &v, &m);
	num(6, 1700000000123, &m);
	sub(4, &m, &family_body);
	sub(4, &m, &family_body); /* a metric without anything */
	family_end(&body);
	family_begin("u.v", 3);
	dbl(1, -1, &v);
	sub(5, &v, &m);
	sub(4, &m, &family_body);
	family_end(&body);
	good_proto(&body, "type c_total counter\nhelp c_total \"Help \\\"me\\\"\"\nunit c_total bytes\n__name__=\"c_total\",a=\"x\\ny\",b=\"\" 5\n"
			  "type g gauge\n__name__=\"g\" NaN @1700000000123\n__name__=\"g\" 0\ntype u.v unknown\n__name__=\"u.v\" -1\n");
	buf_reset(&body);
	family_begin("s", 2);
	num(1, 7, &v);
	dbl(2, 1.5, &v);
	dbl(1, 0.5, &b);
	dbl(2, 0.1, &b);
	sub(3, &b, &v);
	dbl(1, 1, &b);
	dbl(2, 2, &b);
	sub(3, &b, &v);
	sub(4, &v, &m);
	label("x", "y", &m);
	sub(4, &m, &family_body);
	family_end(&body);
	family_begin("h", 4);
	num(1, 9, &v);
	dbl(2, 4.5, &v);
	num(1, 3, &b);
	dbl(2, 1, &b);
	sub(3, &b, &v);
	num(1, 8, &b);
	dbl(2, 2.5, &b);
	dbl(4, 8.5, &b); /* a float wins */
	sub(3, &b, &v);
	sub(7, &v, &m);
	sub(4, &m, &family_body);
	family_end(&body);
	good_proto(&body, "type s summary\n__name__=\"s_count\",x=\"y\" 7\n__name__=\"s_sum\",x=\"y\" 1.5\n__name__=\"s\",x=\"y\",quantile=\"0.5\" 0.1\n"
			  "__name__=\"s\",x=\"y\",quantile=\"1.0\" 2\ntype h histogram\n__name__=\"h_count\" 9\n__name__=\"h_sum\" 4.5\n"
			  "__name__=\"h_bucket\",le=\"1.0\" 3\n__name__=\"h_bucket\",le=\"2.5\" 8.5\n__name__=\"h_bucket\",le=\"+Inf\" 9\n");
	buf_free(&family_body);
	family_body = (struct buf){0};
}

static void span(unsigned field, int64_t offset, uint64_t length, struct buf *out)
{
	struct buf b = BUF_INIT;
	sint(1, offset, &b);
	num(2, length, &b);
	sub(field, &b, out);
	buf_free(&b);
}

/* The example of the exposition's specification: indices -2:3 -1:5 2:1 4:3 5:2. */
static void native(struct buf *v, bool packed, uint64_t count)
{
	static const int64_t deltas[] = {3, 2, -4, 2, -1};
	struct buf b = BUF_INIT;
	num(1, count, v);
	dbl(2, 20, v);
	sint(5, 0, v);
	dbl(6, 0.001, v);
	num(7, 2, v);
	span(12, -2, 2, v);
	span(12, 2, 1, v);
	span(12, 1, 2, v);
	for (size_t i = 0; i < ARRAY_SIZE(deltas); i++) {
		if (packed)
			varint((uint64_t)deltas[i] << 1 ^ (uint64_t)(deltas[i] >> 63), &b);
		else
			sint(13, deltas[i], v);
	}
	if (packed)
		sub(13, &b, v);
	span(9, 1, 1, v);
	sint(10, 4, v);
	num(1, 11, &b);
	dbl(2, 1, &b);
	sub(3, &b, v); /* a classic bucket too */
	buf_free(&b);
}

static const char classic_text[] = "__name__=\"h_count\" 20\n__name__=\"h_sum\" 20\n__name__=\"h_bucket\",le=\"1.0\" 11\n"
				   "__name__=\"h_bucket\",le=\"+Inf\" 20\n";

static void native_family(uint64_t type, bool packed, uint64_t count, struct buf *body)
{
	struct buf v = BUF_INIT, m = BUF_INIT;
	buf_reset(body);
	family_begin("h", type);
	native(&v, packed, count);
	sub(7, &v, &m);
	sub(4, &m, &family_body);
	family_end(body);
	buf_free(&v);
	buf_free(&m);
}

static void test_native_histograms(void **state)
{
	static const char text[] = "__name__=\"h\" {count:20, sum:20, [-2,-1):4, [-0.001,0.001]:2, (0.125,0.25]:3, (0.25,0.5]:5, (2,4]:1, (8,16]:3, "
				   "(16,32]:2}";
	_cleanup_buf_ struct buf body = BUF_INIT;
	for (int packed = 0; packed < 2; packed++) {
		native_family(4, packed, 20, &body);
		proto_options = (struct parse_options){.native = true};
		char *want = xasprintf("type h histogram\n%s\n", text);
		good_proto(&body, want);
		free(want);
		proto_options.classic = true;
		want = xasprintf("type h histogram\n%s\n%s", text, classic_text);
		good_proto(&body, want);
		free(want);
		proto_options = (struct parse_options){.native = false};
		want = xasprintf("type h histogram\n%s", classic_text);
		good_proto(&body, want);
		free(want);
	}
	proto_options = (struct parse_options){.native = true};
	native_family(5, true, 20, &body);
	char *want = xasprintf("type h gaugehistogram\n%s gauge\n", text);
	good_proto(&body, want);
	free(want);
	/* Two resolutions down: six buckets become at most three on both sides together. */
	proto_options.max_buckets = 4;
	native_family(4, true, 20, &body);
	good_proto(&body, "type h histogram\n__name__=\"h\" {count:20, sum:20, [-16,-1):4, [-0.001,0.001]:2, (0.0625,1]:8, (1,16]:4, (16,256]:2}\n");
	proto_options.max_buckets = 1;
	native_family(4, true, 20, &body);
	bad_proto(&body, "metric \"h\": histogram bucket limit exceeded");
	proto_options = (struct parse_options){.native = true, .min_factor = 4};
	native_family(4, true, 20, &body);
	good_proto(&body, "type h histogram\n__name__=\"h\" {count:20, sum:20, [-4,-1):4, [-0.001,0.001]:2, (0.0625,0.25]:3, (0.25,1]:5, (1,4]:1, "
			  "(4,16]:3, (16,64]:2}\n");
	proto_options = (struct parse_options){.native = true};
	native_family(4, true, 19, &body);
	bad_proto(&body, "20 observations found in buckets, but the Count field is 19");
	native_family(4, true, 21, &body);
	bad_proto(&body, "20 observations found in buckets, but the Count field is 21");
	buf_free(&family_body);
	family_body = (struct buf){0};
}

/* One histogram of the field numbers that FN writes. */
static void odd_histogram(struct buf *body, void (*fn)(struct buf *v))
{
	struct buf v = BUF_INIT, m = BUF_INIT;
	buf_reset(body);
	family_begin("h", 4);
	fn(&v);
	sub(7, &v, &m);
	sub(4, &m, &family_body);
	family_end(body);
	buf_free(&v);
	buf_free(&m);
}

static void floats(struct buf *v)
{
	dbl(4, 2.5, v);
	dbl(2, 1, v);
	dbl(8, 0.5, v);
	span(12, 0, 2, v);
	dbl(14, 1.5, v);
	dbl(14, 0.5, v);
}
static void empty_native(struct buf *v)
{
	span(12, 0, 0, v);
}
static void nan_sum(struct buf *v)
{
	num(1, 9, v);
	dbl(2, NAN, v);
	span(12, 0, 1, v);
	sint(13, 3, v);
}
static void few_buckets(struct buf *v)
{
	span(12, 0, 3, v);
	sint(13, 3, v);
}
static void huge_span(struct buf *v)
{
	span(12, 0, 4000000000u, v);
	span(12, 0, 4000000000u, v);
}
static void below_zero(struct buf *v)
{
	span(9, 0, 2, v);
	sint(10, 3, v);
	sint(10, -4, v);
}
static void back(struct buf *v)
{
	span(12, 0, 1, v);
	span(12, -1, 1, v);
	sint(13, 1, v);
	sint(13, 0, v);
	num(1, 2, v);
}
static void schema(struct buf *v)
{
	sint(5, 9, v);
	span(12, 0, 0, v);
}

static void test_odd_native_histograms(void **state)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	proto_options = (struct parse_options){.native = true};
	odd_histogram(&body, floats);
	good_proto(&body, "type h histogram\n__name__=\"h\" {count:2.5, sum:1, [-0,0]:0.5, (0.5,1]:1.5, (1,2]:0.5}\n");
	odd_histogram(&body, empty_native);
	good_proto(&body, "type h histogram\n__name__=\"h\" {count:0, sum:0}\n");
	odd_histogram(&body, nan_sum);
	good_proto(&body, "type h histogram\n__name__=\"h\" {count:9, sum:NaN, (0.5,1]:3}\n");
	static const struct {
		void (*fn)(struct buf *v);
		const char *want;
	} cases[] = {
		{few_buckets, "positive side: spans require 3 buckets, have 1"},
		{huge_span, "positive side: spans require 8000000000 buckets, have 0"},
		{below_zero, "negative side: bucket number 2 has observation count of -1"},
		{back, "positive side: span number 2 with offset -1"},
		{schema, "histogram schema 9 is not supported"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		odd_histogram(&body, cases[i].fn);
		bad_proto(&body, cases[i].want);
	}
	buf_free(&family_body);
	family_body = (struct buf){0};
}

static void test_protobuf_bad(void **state)
{
	_cleanup_buf_ struct buf body = BUF_INIT, m = BUF_INIT, v = BUF_INIT;
	proto_options = (struct parse_options){.native = true};
	buf_adds(&body, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
	bad_proto(&body, "byte 0: not a delimited protobuf message");
	buf_adds(&body, "hello, this is no protobuf\n");
	bad_proto(&body, "byte 0: not a delimited protobuf message");
	buf_add(&body, "\x01\x0b", 2); /* a group */
	bad_proto(&body, "a broken message");
	buf_add(&body, "\x02\x0a\x05", 3); /* longer than its message */
	bad_proto(&body, "a broken message");
	family_begin("", 0);
	sub(4, &m, &family_body);
	family_end(&body);
	bad_proto(&body, "metric \"\": invalid metric name");
	family_begin("\xff", 0);
	sub(4, &m, &family_body);
	family_end(&body);
	bad_proto(&body, "invalid metric name");
	family_begin("a", 6);
	sub(4, &m, &family_body);
	family_end(&body);
	bad_proto(&body, "metric \"a\": unknown metric type");
	family_begin("a", 1);
	label("x", "\xff", &m);
	sub(4, &m, &family_body);
	family_end(&body);
	bad_proto(&body, "metric \"a\": invalid UTF-8 label value");
	family_begin("a", 1);
	buf_addc(&v, 0x09); /* a double without its bytes */
	sub(2, &v, &m);
	sub(4, &m, &family_body);
	family_end(&body);
	bad_proto(&body, "metric \"a\": a broken value");
	/* Cut anywhere: an error or less, never more than there is. */
	native_family(4, true, 20, &body);
	for (size_t n = 1; n < body.n; n++)
		bad(proto, sv_make(body.p, n), "byte 0: not a delimited protobuf message");
	buf_free(&family_body);
	family_body = (struct buf){0};
}

static int ignore(void *arg, const struct parsed_sample *s, char **error)
{
	return 0;
}

static void refused(struct buf *body, const char *want)
{
	const struct parse_sink sink = {.sample = ignore};
	_cleanup_free_ char *error = NULL;
	assert_int_equal(proto(sv_make(body->p, body->n), &sink, &error), -EBADMSG);
	assert_non_null(strstr(error, want));
	buf_free(body);
}

/* Two bytes of a body that would be forty here, or sixteen: past what anything has they are refused. */
static void test_many(void **state)
{
	struct buf body = BUF_LIMIT(1 << 26);
	_cleanup_buf_ struct buf m = BUF_LIMIT(1 << 24);
	_cleanup_buf_ struct buf v = BUF_LIMIT(1 << 24);
	family_begin("m", 0);
	for (int i = 0; i < PARSED_LABELS_MAX + 1; i++) {
		_cleanup_free_ char *name = xasprintf("l%d", i);
		label(name, "x", &m);
	}
	sub(4, &m, &family_body);
	family_end(&body);
	refused(&body, "more than 1000 labels");

	body = BUF_LIMIT(1 << 26);
	family_begin("h", 4);
	for (size_t i = 0; i < ((size_t)1 << 20) + 1; i++)
		bytes(12, "", 0, &v);
	sub(7, &v, &m);
	sub(4, &m, &family_body);
	proto_options.native = true;
	family_end(&body);
	refused(&body, "more than 1048576 spans");
	buf_free(&m);
	buf_free(&v);
	proto_options = (struct parse_options){0};
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protobuf_good),
		cmocka_unit_test(test_native_histograms),
		cmocka_unit_test(test_odd_native_histograms),
		cmocka_unit_test(test_protobuf_bad),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
