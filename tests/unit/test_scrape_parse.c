// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/histogram.h"
#include "model/sample.h"
#include "model/text.h"
#include "scrape/parse.h"

/* Everything a parser hands over as text, a line each. */
static void show_labels(const struct label *l, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s%.*s=", i ? "," : "", SV_ARG(l[i].name));
		text_go_quote(l[i].value, out);
	}
}

static int on_sample(void *arg, const struct parsed_sample *s, char **error)
{
	struct buf *out = arg, text = BUF_LIMIT(1 << 20);
	struct label l[32];
	assert_true(s->n_labels < 31 && s->key.n > 0);
	parsed_labels(s, &text, l);
	assert_false(text.failed);
	show_labels(l, s->n_labels + 1, out);
	buf_addc(out, ' ');
	if (s->h)
		histogram_print(s->h, out);
	else
		text_float(s->v, 'g', out);
	if (s->h && s->h->hint == HINT_GAUGE)
		buf_adds(out, " gauge");
	if (s->has_t)
		buf_addf(out, " @%lld", (long long)s->t);
	buf_addc(out, '\n');
	buf_free(&text);
	return 0;
}

static void on_type(void *arg, struct sv name, enum metric_type type)
{
	buf_addf(arg, "type %.*s %s\n", SV_ARG(name), metric_type_name(type));
}

static void on_help(void *arg, struct sv name, struct sv text)
{
	buf_addf(arg, "help %.*s ", SV_ARG(name));
	text_go_quote(text, arg);
	buf_addc(arg, '\n');
}

static void on_unit(void *arg, struct sv name, struct sv unit)
{
	buf_addf(arg, "unit %.*s %.*s\n", SV_ARG(name), SV_ARG(unit));
}

typedef int parser(struct sv body, const struct parse_sink *sink, char **error);

/* BODY, flush against a page that cannot be read. */
static int parse_at_edge(parser *fn, struct sv body, struct buf *out, char **error)
{
	struct parse_sink sink = {on_sample, on_type, on_help, on_unit, out};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (body.n + page - 1) / page + 1;
	char *map = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + (pages - 1) * page, page, PROT_NONE), 0);
	char *at = map + (pages - 1) * page - body.n;
	if (body.n)
		memcpy(at, body.p, body.n);
	int err = fn(sv_make(at, body.n), &sink, error);
	munmap(map, pages * page);
	return err;
}

static void good(parser *fn, const char *body, const char *want)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char *error = NULL;
	if (parse_at_edge(fn, sv_of(body), &out, &error))
		fail_msg("%s\nof: %s", error, body);
	assert_string_equal(buf_str(&out), want);
}

/* The message has WANT in it; what stood before the error was handed over. */
static void bad(parser *fn, struct sv body, const char *want)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char *error = NULL;
	if (parse_at_edge(fn, body, &out, &error) != -EBADMSG)
		fail_msg("accepted: %.*s", SV_ARG(body));
	if (!strstr(error, want))
		assert_string_equal(error, want);
	free(error);
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

/* --- protobuf, made here by hand --- */

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
	family_body.max = 1 << 20;
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
	family_end(&body);
	bad_proto(&body, "metric \"\": invalid metric name");
	family_begin("\xff", 0);
	family_end(&body);
	bad_proto(&body, "invalid metric name");
	family_begin("a", 6);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_good),	    cmocka_unit_test(test_text_nan),
		cmocka_unit_test(test_text_bad),	    cmocka_unit_test(test_openmetrics_good),
		cmocka_unit_test(test_openmetrics_bad),	    cmocka_unit_test(test_protobuf_good),
		cmocka_unit_test(test_native_histograms),   cmocka_unit_test(test_odd_native_histograms),
		cmocka_unit_test(test_protobuf_bad),	    cmocka_unit_test(test_sink_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
