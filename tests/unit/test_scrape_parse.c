// SPDX-License-Identifier: GPL-2.0-or-later
/* The text formats. */
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

static void good(parser *fn, const char *body, const char *want)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char *error = NULL;
	if (parse_at_edge(fn, sv_of(body), &out, &error))
		fail_msg("%s\nof: %s", error, body);
	assert_string_equal(buf_str(&out), want);
}

static void test_text_good(void **state)
{
	good(parse_text, "", "");
	good(parse_text, "\n\n \n# nothing\n#HELP a b\n# HELPa b c\n#\n# \n", "");
	good(parse_text, "a 1", "__name__=\"a\" 1\n"); /* the last line end may be missing */
	good(parse_text, "a 1\n\nb\t2\n  c   3  \n", "__name__=\"a\" 1\n__name__=\"b\" 2\n__name__=\"c\" 3\n");
	good(parse_text, "# HELP a Some \\\\ text\\n more \\\" \xc3\xa4\n# TYPE a counter\na 1\n",
	     "help a \"Some \\\\ text\\n more \\\\\\\" \xc3\xa4\"\ntype a counter\n__name__=\"a\" 1\n");
	good(parse_text, "# HELP a\n#\tTYPE\ta\tuntyped\n", "help a \"\"\ntype a unknown\n");
	good(parse_text, "a:b_c{x=\"1\" , _y = \"\" ,} 1.5 1700000000123\n",
	     "__name__=\"a:b_c\",x=\"1\",_y=\"\" 1.5 @1700000000123\n");
	good(parse_text, "a {x=\"1\"}2\n", "__name__=\"a\",x=\"1\" 2\n");
	good(parse_text, "a{x=\"q\\\"u\\\\o\\nt\\xe\"} +Inf\n", "__name__=\"a\",x=\"q\\\"u\\\\o\\nt\\\\xe\" +Inf\n");
	good(parse_text, "a{x=\"two\nlines\"} 1\n", "__name__=\"a\",x=\"two\\nlines\" 1\n");
	good(parse_text, "a{x=\"}\"} -inf\nb NaN\nc nan\nd infinity\ne -0\nf .5\ng 5.\nh 1e3\n",
	     "__name__=\"a\",x=\"}\" -Inf\n__name__=\"b\" NaN\n__name__=\"c\" NaN\n__name__=\"d\" +Inf\n__name__=\"e\" -0\n"
	     "__name__=\"f\" 0.5\n__name__=\"g\" 5\n__name__=\"h\" 1000\n");
	/* UTF-8 names. */
	good(parse_text, "{\"my.metric\",\"a b\"=\"x\",c=\"y\"} 1\n{\"other\"} 2\n# TYPE \"my.metric\" gauge\n# HELP \"q\\\"\" h\n",
	     "__name__=\"my.metric\",a b=\"x\",c=\"y\" 1\n__name__=\"other\" 2\ntype my.metric gauge\nhelp q\" \"h\"\n");
	good(parse_text, "{a=\"b\",\"n\\\\ame\"} 1\n", "__name__=\"n\\\\ame\",a=\"b\" 1\n");
	/* Bounds in their canonical spelling, if the type says that they are bounds. */
	good(parse_text, "b{le=\"1\"} 1\n# TYPE b histogram\nb_bucket{le=\"1\"} 1\nb_bucket{le=\"+Inf\"} 2\nb_bucket{le=\"x\",quantile=\"1\"} 2\n",
	     "__name__=\"b\",le=\"1\" 1\ntype b histogram\n__name__=\"b_bucket\",le=\"1.0\" 1\n__name__=\"b_bucket\",le=\"+Inf\" 2\n"
	     "__name__=\"b_bucket\",le=\"x\",quantile=\"1\" 2\n");
	good(parse_text, "# TYPE s summary\ns{quantile=\"1\",le=\"1\"} 1\ns{quantile=\"0.50\"} 1\n",
	     "type s summary\n__name__=\"s\",quantile=\"1.0\",le=\"1\" 1\n__name__=\"s\",quantile=\"0.5\" 1\n");
}

static void test_text_nan(void **state)
{
	struct buf out = BUF_INIT;
	struct parse_sink sink = {.sample = on_sample, .arg = &out};
	char *error;
	assert_int_equal(parse_text(SV("a -NaN\n"), &sink, &error), -EBADMSG); /* Go knows no signed NaN */
	free(error);
	buf_free(&out);
}

static void test_text_bad(void **state)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{"a\n", "line 1: expected value after metric, got \"\\n\" while parsing: \"a\\n\""},
		{"a", "expected value after metric, got the end of the body"},
		{"x 1\na{\n", "line 2: expected label name, got \"\\n\""},
		{"a{b}\n", "expected equal"},
		{"a{b=\n", "expected label value"},
		{"a{b=\"c} 1\n", "expected label value"},
		{"a{b=c} 1\n", "expected label value"},
		{"a{b=\"\\", "expected label value"},
		{"a{b=\"c\"", "expected label name, got the end of the body"},
		{"a{1=\"c\"} 1\n", "expected label name"},
		{"a{b:c=\"c\"} 1\n", "expected equal"},
		{"a{,} 1\n", "expected label name"},
		{"{a=\"b\"} 1\n", "metric name not set"},
		{"{} 1\n", "metric name not set"},
		{"{a} 1\n", "expected equal"},
		{"{\"a\",\"b\"} 1\n", "metric name already set"},
		{"a{\"b\"} 1\n", "metric name already set"},
		{"a{b=\"\xff\"} 1\n", "invalid UTF-8 label value"},
		{"a 1x\n", "strconv.ParseFloat: parsing \"1x\": invalid syntax while parsing: \"a 1x\""},
		{"a 1\r\n", "strconv.ParseFloat: parsing \"1\r\": invalid syntax"},
		{"a 1_0\n", "unsupported character in float"},
		{"a 0x1p3\n", "unsupported character in float"},
		{"a 0x1F\n", "invalid syntax"},
		{"a 1e999\n", "value out of range"},
		{"a -1e999\n", "value out of range"},
		{"a +nan\n", "invalid syntax"},
		{"a 1 -5\n", "expected timestamp or new record, got \"-5\""},
		{"a 1 5.5\n", "expected next entry after timestamp"},
		{"a 1 99999999999999999999\n", "timestamp: value out of range"},
		{"a 1 5 6\n", "expected next entry after timestamp, got \"6\""},
		{"a 1 # {} 1\n", "expected timestamp or new record"},
		{"1 1\n", "expected a valid start token, got \"1\""},
		{"<html>\n", "expected a valid start token, got \"<html>\""},
		{"# TYPE a foo\n", "invalid metric type \"foo\""},
		{"# TYPE a counter \n", "invalid metric type \"counter \""},
		{"# TYPE a gaugehistogram\n", "invalid metric type"},
		{"# TYPE a\n", "invalid metric type \"\""},
		{"# TYPE 1 gauge\n", "expected metric name after TYPE"},
		{"# HELP \n", "expected metric name after HELP"},
		{"# HELP a \xff\n", "help text is not a valid utf8 string"},
		{"\x01", "expected a valid start token"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		bad(parse_text, sv_of(cases[i].body), cases[i].want);
	bad(parse_text, SV("a 1\n\0b 2\n"), "line 2: expected a valid start token, got \"\\x00b\"");
	char *error = NULL;
	struct buf out = BUF_INIT, body = BUF_INIT;
	struct parse_sink sink = {.sample = on_sample, .arg = &out};
	for (int i = 0; i < 100000; i++)
		buf_adds(&body, "x");
	assert_int_equal(parse_text(sv_make(body.p, body.n), &sink, &error), -EBADMSG);
	assert_true(strlen(error) < 500); /* a long line is not repeated as a whole */
	free(error);
	buf_free(&body);
	buf_free(&out);
}

static void test_openmetrics_good(void **state)
{
	good(parse_openmetrics, "# EOF\n", "");
	good(parse_openmetrics, "# EOF", "");
	good(parse_openmetrics,
	     "# TYPE ex_requests counter\n# HELP ex_requests Requests \\\"seen\\\".\\n\\\\\n"
	     "ex_requests_total{code=\"200\"} 5 # {trace_id=\"ab\"} 1.0 1700000000.123\nex_requests_created{code=\"200\"} 1700000000.0\n"
	     "# TYPE ex_latency_seconds histogram\n# UNIT ex_latency_seconds seconds\nex_latency_seconds_bucket{le=\"0.005\"} 0\n"
	     "ex_latency_seconds_bucket{le=\"1\"} 3 # {} 0.5\nex_latency_seconds_bucket{le=\"+Inf\"} 3\nex_latency_seconds_count 3\n"
	     "ex_latency_seconds_sum 0.5\n# EOF\n",
	     "type ex_requests counter\nhelp ex_requests \"Requests \\\"seen\\\".\\n\\\\\"\n__name__=\"ex_requests_total\",code=\"200\" 5\n"
	     "__name__=\"ex_requests_created\",code=\"200\" 1.7e+09\ntype ex_latency_seconds histogram\nunit ex_latency_seconds seconds\n"
	     "__name__=\"ex_latency_seconds_bucket\",le=\"0.005\" 0\n__name__=\"ex_latency_seconds_bucket\",le=\"1.0\" 3\n"
	     "__name__=\"ex_latency_seconds_bucket\",le=\"+Inf\" 3\n__name__=\"ex_latency_seconds_count\" 3\n"
	     "__name__=\"ex_latency_seconds_sum\" 0.5\n");
	good(parse_openmetrics, "a 1 1700000000.123\nb{c=\"d\",} -1.5 2\n# TYPE i info\ni_info{x=\"y\"} 1 -3 # {a=\"b\"} 2\n# UNIT i \n# EOF\n",
	     "__name__=\"a\" 1 @1700000000123\n__name__=\"b\",c=\"d\" -1.5 @2000\ntype i info\n__name__=\"i_info\",x=\"y\" 1 @-3000\nunit i \n");
	good(parse_openmetrics, "{\"a.b\",\"c d\"=\"e\"} 1\n# TYPE \"a.b\" stateset\n# TYPE c gaugehistogram\n# TYPE d unknown\n# EOF\n",
	     "__name__=\"a.b\",c d=\"e\" 1\ntype a.b stateset\ntype c gaugehistogram\ntype d unknown\n");
}

static void test_openmetrics_bad(void **state)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{"", "data does not end with # EOF"},
		{"a 1\n", "line 2: data does not end with # EOF"},
		{"a 1", "data does not end with # EOF"},
		{"a 1 # EOF\n", "expected the end of the line"},
		{"a 1\n# EOF\nb 1\n", "unexpected data after # EOF"},
		{"# EOF\n\n", "unexpected data after # EOF"},
		{"\n# EOF\n", "expected a valid start token"},
		{" a 1\n# EOF\n", "expected a valid start token"},
		{"# a comment\n# EOF\n", "expected a valid start token"},
		{"a  1\n# EOF\n", "expected value after metric"},
		{"a\t1\n# EOF\n", "expected value after metric"},
		{"a {b=\"c\"} 1\n# EOF\n", "strconv.ParseFloat: parsing \"{b=\"c\"}\": invalid syntax"},
		{"a{b = \"c\"} 1\n# EOF\n", "expected equal"},
		{"a{ b=\"c\"} 1\n# EOF\n", "expected label name"},
		{"a{b=\"c\nd\"} 1\n# EOF\n", "expected label value"},
		{"a 1 \n# EOF\n", "expected the end of the line"},
		{"a 1\r\n# EOF\n", "invalid syntax"},
		{"a 1 NaN\n# EOF\n", "invalid timestamp NaN"},
		{"a 1 1e300\n# EOF\n", "out of range"},
		{"a 1 x\n# EOF\n", "invalid syntax"},
		{"a 1 2 3\n# EOF\n", "expected the end of the line"},
		{"a 1 # {b=\"c\"}\n# EOF\n", "expected value after exemplar labels"},
		{"a 1 # {b} 1\n# EOF\n", "expected equal"},
		{"a 1 # {\"b\"} 1\n# EOF\n", "expected equal"},
		{"a 1 # {b=\"c\"} x\n# EOF\n", "invalid syntax"},
		{"a 1 # {b=\"c\"} 1 NaN\n# EOF\n", "invalid timestamp"},
		{"# TYPE a foo\n# EOF\n", "invalid metric type \"foo\""},
		{"# TYPE a untyped\n# EOF\n", "invalid metric type"},
		{"# TYPE a\n# EOF\n", "expected text in TYPE"},
		{"# HELP a x", "expected text in HELP"},
		{"# TYPE  a gauge\n# EOF\n", "expected metric name after TYPE"},
		{"# UNIT a_x seconds\n# EOF\n", "unit \"seconds\" not a suffix of metric \"a_x\""},
		{"# UNIT seconds seconds\n# EOF\n", "not a suffix"},
		{"# HELP a \xff\n# EOF\n", "not a valid utf8"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		bad(parse_openmetrics, sv_of(cases[i].body), cases[i].want);
}

static int stop(void *arg, const struct parsed_sample *s, char **error)
{
	*error = xstrdup("enough");
	return -E2BIG;
}

static void test_sink_stops(void **state)
{
	struct parse_sink sink = {.sample = stop};
	char *error = NULL;
	assert_int_equal(parse_text(SV("a 1\nb 2\n"), &sink, &error), -E2BIG);
	assert_string_equal(error, "enough");
	free(error);
	assert_int_equal(parse_openmetrics(SV("a 1\nb 2\n"), &sink, &error), -E2BIG);
	free(error);
}

static int count_labels(void *arg, const struct parsed_sample *s, char **error)
{
	*(size_t *)arg = s->n_labels;
	return 0;
}

/* More labels than anything has are refused before they take ten times the memory of the body. */
static void test_many_labels(void **state)
{
	size_t n = 0;
	const struct parse_sink sink = {.sample = count_labels, .arg = &n};
	for (size_t want = PARSED_LABELS_MAX - 1; want <= PARSED_LABELS_MAX + 1; want++)
		for (int openmetrics = 0; openmetrics < 2; openmetrics++) {
			_cleanup_buf_ struct buf body = BUF_LIMIT(1 << 20);
			_cleanup_free_ char *error = NULL;
			buf_adds(&body, "m{");
			for (size_t i = 0; i < want; i++)
				buf_addf(&body, "l%zu=\"\",", i);
			buf_adds(&body, openmetrics ? "} 1\n# EOF\n" : "} 1\n");
			int err = (openmetrics ? parse_openmetrics : parse_text)(sv_make(body.p, body.n), &sink, &error);
			assert_int_equal(err, want <= PARSED_LABELS_MAX ? 0 : -EBADMSG);
			if (err)
				assert_non_null(strstr(error, "more than 1000 labels"));
			else
				assert_int_equal(n, want);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_good),
		cmocka_unit_test(test_text_nan),
		cmocka_unit_test(test_text_bad),
		cmocka_unit_test(test_openmetrics_good),
		cmocka_unit_test(test_openmetrics_bad),
		cmocka_unit_test(test_many_labels),
		cmocka_unit_test(test_sink_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
