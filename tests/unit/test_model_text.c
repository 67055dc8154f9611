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

#include "model/labels.h"
#include "model/text.h"

static void expect_float(double v, char fmt, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	text_float(v, fmt, &b);
	assert_string_equal(buf_str(&b), want);
}

static void test_float_text(void **state)
{
	expect_float(0, 'g', "0");
	expect_float(-0.0, 'g', "-0");
	expect_float(100000, 'g', "100000");
	expect_float(1000000, 'g', "1e+06");
	expect_float(1234567, 'g', "1.234567e+06");
	expect_float(0.0001, 'g', "0.0001");
	expect_float(0.00001, 'g', "1e-05");
	expect_float(8.162e-06, 'g', "8.162e-06"); /* times 1e9 it is no whole number */
	expect_float(5.01e-07, 'g', "5.01e-07");
	expect_float(6.2317e-05, 'f', "0.000062317");
	expect_float(0.1 + 0.2, 'g', "0.30000000000000004");
	expect_float(0.25, 'g', "0.25");
	expect_float(2.5e-7, 'g', "2.5e-07");
	expect_float(INFINITY, 'g', "+Inf");
	expect_float(-INFINITY, 'f', "-Inf");
	expect_float(NAN, 'g', "NaN");
	expect_float(1e21, 'f', "1000000000000000000000");
	expect_float(123456789.125, 'f', "123456789.125");
	expect_float(3, 'e', "3e+00");
	expect_float(5e-324, 'g', "5e-324");
	expect_float(1.7976931348623157e308, 'g', "1.7976931348623157e+308");
	/* Powers of two, where the double below is nearer than the one above. */
	expect_float(0x1p122, 'g', "5.316911983139664e+36");
	expect_float(0x1p-44, 'g', "5.684341886080802e-14");
	expect_float(0x1p-1022, 'g', "2.2250738585072014e-308");
	expect_float(9007199254740993.0, 'g', "9.007199254740992e+15");
}

/* Against the C library: no decimal with fewer digits reads back, and none with as many is nearer. */
static void test_shortest_digits(void **state)
{
	uint64_t x = 88172645463325252u;
	for (int i = 0; i < 200000; i++) {
		double v;
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		uint64_t bits = x & ~(1ull << 63);
		if (i & 1)
			v = (double)(x % 1000000000) / (double)(1 + (x >> 40));
		else
			memcpy(&v, &bits, sizeof(v));
		memcpy(&bits, &v, sizeof(bits));
		if (!isfinite(v) || v == 0 || !(bits << 12)) /* a power of two may have a shorter one that is not the nearest */
			continue;
		char want[40], got[40];
		_cleanup_buf_ struct buf b = BUF_INIT;
		int digits = 1;
		do
			snprintf(want, sizeof(want), "%.*e", digits - 1, v);
		while (strtod(want, NULL) != v && digits++ < 17);
		text_float(v, 'e', &b);
		snprintf(got, sizeof(got), "%s", buf_str(&b));
		if (strcmp(got, want) != 0)
			fail_msg("%a: %s, not %s", v, got, want);
	}
}

/* As the API writes them: 'f' is 'e' with its point elsewhere, and nothing is written beyond the room. */
static void test_json_floats(void **state)
{
	uint64_t x = 88172645463325252u;
	for (int i = 0; i < 200000; i++) {
		char want[400], got[TEXT_JSON_FLOAT + 1];
		int digits = 1, exponent;
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		double v = (i & 2 ? 1 : -1) * (i & 1 ? (double)(x % 1000000000) / (double)(1 + (x >> 40)) : (double)(x >> 11) * pow(10, (double)(x % 28) - 24));
		if (v == 0 || fabs(v) < 1e-6 || fabs(v) >= 1e21)
			continue;
		do
			snprintf(want, sizeof(want), "%.*e", digits - 1, v);
		while (strtod(want, NULL) != v && digits++ < 17);
		exponent = atoi(strchr(want, 'e') + 1);
		if (digits - 1 < exponent) { /* zeros before the point that are no digits of V */
			int n = snprintf(want, sizeof(want), "%.*e", digits - 1, v);
			char *e = memchr(want, 'e', (size_t)n), *dot = memchr(want, '.', (size_t)n);
			memset(e, '0', sizeof(want) - (size_t)(e - want));
			if (dot)
				memmove(dot, dot + 1, sizeof(want) - (size_t)(dot + 1 - want));
			want[exponent + 1 + (v < 0)] = 0;
		} else {
			snprintf(want, sizeof(want), "%.*f", digits - 1 - exponent, v);
		}
		memset(got, '#', sizeof(got));
		char *end = text_write_json_float(v, got);
		assert_true(end <= got + 32); /* what api/query.c counts on */
		assert_int_equal(got[TEXT_JSON_FLOAT], '#');
		*end = 0;
		if (strcmp(got, want) != 0)
			fail_msg("%a: %s, not %s", v, got, want);
	}
}

static void test_parse_float(void **state)
{
	double v;
	assert_true(text_parse_float(SV("1e3"), &v) && v == 1000);
	assert_true(text_parse_float(SV("+Inf"), &v) && isinf(v));
	assert_true(text_parse_float(SV("nan"), &v) && isnan(v));
	assert_true(text_parse_float(SV(".5"), &v) && v == 0.5);
	assert_false(text_parse_float(SV(""), &v));
	assert_false(text_parse_float(SV(" 1"), &v));
	assert_false(text_parse_float(SV("1 "), &v));
	assert_false(text_parse_float(SV("0x10"), &v));
	assert_false(text_parse_float(SV("nan(1)"), &v));
}

static void test_durations(void **state)
{
	static const struct {
		const char *in, *out;
		int64_t ms;
	} t[] = {{"90s", "1m30s", 90000}, {"1h30m", "1h30m", 5400000}, {"1w", "1w", 604800000},
		 {"8d", "8d", 691200000}, {"0", "0s", 0},	       {"1s500ms", "1s500ms", 1500}};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int64_t ms = -1;
		_cleanup_buf_ struct buf b = BUF_INIT;
		assert_true(text_parse_duration(sv_of(t[i].in), &ms));
		assert_int_equal(ms, t[i].ms);
		text_duration(ms, &b);
		assert_string_equal(buf_str(&b), t[i].out);
	}
	int64_t ms;
	const char *bad[] = {"", "60", "-1s", "1.5h", "1m1h", "1s1s", "s", "1x", "400y", "99999999999999999999s"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_parse_duration(sv_of(bad[i]), &ms));
}

static void test_labels(void **state)
{
	_cleanup_labels_ struct labels *a = labels_from("b", "2", "a", "1", "__name__", "up", "z", "", NULL);
	_cleanup_labels_ struct labels *b = labels_from("__name__", "up", "a", "1", "b", "2", NULL);
	assert_int_equal(a->n, 3);
	assert_true(labels_equal(a, b));
	_cleanup_buf_ struct buf out = BUF_INIT;
	labels_print(a, &out);
	assert_string_equal(buf_str(&out), "up{a=\"1\", b=\"2\"}");
	struct labels_builder lb;
	labels_builder_init(&lb, a);
	labels_builder_set(&lb, SV("c"), SV("x\n"));
	labels_builder_del(&lb, SV("a"));
	labels_builder_set(&lb, SV("__name__"), SV("my.metric"));
	_cleanup_labels_ struct labels *c = labels_builder_build(&lb);
	labels_builder_free(&lb);
	buf_reset(&out);
	labels_print(c, &out);
	assert_string_equal(buf_str(&out), "{\"my.metric\", b=\"2\", c=\"x\\n\"}");
	assert_true(labels_cmp(a, b) == 0 && labels_cmp(a, c) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_float_text), cmocka_unit_test(test_shortest_digits), cmocka_unit_test(test_json_floats),
					   cmocka_unit_test(test_parse_float),
					   cmocka_unit_test(test_durations), cmocka_unit_test(test_labels)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
