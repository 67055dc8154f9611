// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "promql/promql.h"

static void check_print(const char *text, const char *want)
{
	struct promql_expr *e = NULL;
	char *error = NULL;
	struct buf b = BUF_INIT;
	if (promql_parse(sv_of(text), &e, &error))
		fail_msg("%s: %s", text, error);
	promql_print(e, &b);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
	promql_expr_free(e);
}

static void check_error(const char *text, const char *want)
{
	struct promql_expr *e = NULL;
	char *error = NULL;
	if (promql_parse(sv_of(text), &e, &error) != -EINVAL)
		fail_msg("%s: parsed", text);
	assert_string_equal(error, want);
	assert_null(e);
	free(error);
}

static char *repeat(const char *s, int n, const char *end)
{
	struct buf b = BUF_INIT;
	for (int i = 0; i < n; i++)
		buf_adds(&b, s);
	buf_adds(&b, end);
	return buf_steal(&b);
}

/* Deep in whatever way: an error, not the end of the stack. What people and their tools write is far from it. */
static void depth_is_bounded(void **state)
{
	static const struct {
		const char *unit, *end;
	} t[] = {{"1 + ", "1"}, {"a or ", "a"}, {"2 ^ ", "2"}, {"-", "a"}, {"(", "1"}, {"sum(", "a"}, {"abs(", "a"}, {"a[1h:1m", "]"}, {"a offset (", "1"},
		 {"rate(", "a[1h]"}};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct promql_expr *e = NULL;
		char *error = NULL, *text = repeat(t[i].unit, 100000, t[i].end);
		assert_int_equal(promql_parse(sv_of(text), &e, &error), -EINVAL);
		free(error);
		free(text);
	}
	static const char *const chains[] = {"a[1+", "a[5m:1+", "a offset (1+"}, *const ends[] = {"1]", "1]", "1)"};
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		char *middle = repeat("1+", 100000, ends[i]), *error = NULL;
		char *text = xasprintf("%s%s", chains[i], middle);
		struct promql_expr *e = NULL;
		assert_int_equal(promql_parse(sv_of(text), &e, &error), -EINVAL);
		assert_non_null(strstr(error, "nested too deeply"));
		free(error);
		free(text);
		free(middle);
	}
	char *subqueries = repeat("[1h:1m]", 100000, ""), *error = NULL, *text = xasprintf("a%s", subqueries);
	struct promql_expr *e = NULL;
	assert_int_equal(promql_parse(sv_of(text), &e, &error), -EINVAL);
	free(error);
	free(text);
	free(subqueries);
	text = repeat("a or ", 1900, "a");
	assert_int_equal(promql_parse(sv_of(text), &e, &error), 0);
	free(text);
	struct buf b = BUF_INIT;
	promql_print(e, &b);
	buf_free(&b);
	promql_expr_free(e);
}

static void prints_as_prometheus_does(void **state)
{
	static const char *const t[][2] = {
	    {"rate(http_requests_duration_seconds_sum[5m]) / rate(http_requests_duration_seconds_count[5m]) "
	     "> 0.5",
	     "rate(http_requests_duration_seconds_sum[5m]) / rate(http_requests_duration_seconds_count[5m]) "
	     "> 0.5"},
	    {"up{b=\"c\",a=~\"d\"}", "up{a=~\"d\",b=\"c\"}"},
	    {"foo[90s] offset 1h30m @ 100", "foo[1m30s] @ 100.000 offset 1h30m"},
	    {"sum(foo) by (a,b)", "sum by (a, b) (foo)"},
	    {"sum without () (foo)", "sum without () (foo)"},
	    {"sum by () (foo)", "sum(foo)"},
	    {"a / ignoring(x) group_left(y) b", "a / ignoring (x) group_left (y) b"},
	    {"a / ignoring() b", "a / b"},
	    {"a and on() b", "a and on () b"},
	    {"a == bool 1", "a == bool 1"},
	    {"topk by (x) (3, foo)", "topk by (x) (3, foo)"},
	    {"- - - 1", "-1"},
	    {"-2^2", "-2 ^ 2"},
	    {"1e6", "1000000"},
	    {"0x1F + 010 + 1_000", "31 + 8 + 1000"},
	    {"foo > 5m", "foo > 5m"},
	    {"foo[300]", "foo[5m]"},
	    {"max_over_time(rate(foo[5m])[1h:1m] @ end() offset -5m)",
	     "max_over_time(rate(foo[5m])[1h:1m] @ end() offset -5m)"},
	    {"sum_over_time((a+b)[10m:])", "sum_over_time((a + b)[10m:])"},
	    {"{\"my.metric\", \"label.x\"=\"v\"}", "{\"label.x\"=\"v\",__name__=\"my.metric\"}"},
	    {"{'up', a=\"b\"}[5m]", "{__name__=\"up\",a=\"b\"}[5m]"},
	    {"foo smoothed @ 5 offset 1m", "foo @ 5.000 smoothed offset 1m"},
	    {"foo[5m] smoothed @ end() offset 1m", "foo[5m] smoothed @ end() offset 1m"},
	    {"foo anchored", "foo anchored"},
	    {"foo offset 0s offset 5m", "foo offset 5m"},
	    {"foo @ start() [5m]", "foo[5m] @ start()"},
	    {"info(foo, {\"bar\"})", "info(foo, {__name__=\"bar\"})"},
	    {"sum by (\"a.b\", by) (foo)", "sum by (\"a.b\", by) (foo)"},
	    {"'a\"b'", "\"a\\\"b\""},
	    {"foo offset 100 + 2", "foo offset 1m40s + 2"},
	    {"foo[5m+step()*2]", "foo[5m + step() * 2]"},
	    {"foo offset -(step()+1s)", "foo offset -(step() + 1s)"},
	    {"foo[(5m)+((3m*step()))]", "foo[5m + (3m * step())]"},
	    {"foo[+(1m+2m)] offset (5m)", "foo[(1m + 2m)] offset 5m"},
	    {"foo offset +(1m+step())", "foo offset (1m + step())"},
	    {"foo offset +step()", "foo offset +step()"},
	    {"foo[5m - 5m]", "foo[5m - 5m]"}, /* what is wrong with it is told when it is run */
	    {"a + fill(0) b", "a + fill (0) b"},
	    {"rate(foo[5m] anchored)", "rate(foo[5m] anchored)"},
	    {"by + sum + offset offset 5m", "by + sum + offset offset 5m"},
	    {"foo # comment\n + bar", "foo + bar"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (t[i][1])
			check_print(t[i][0], t[i][1]);
}

static void errors_have_place_and_wording(void **state)
{
	static const char *const t[][2] = {
	    {"", "1:1: parse error: no expression found in input"},
	    {"sum(up", "1:7: parse error: unclosed left parenthesis"},
	    {"foo)", "1:5: parse error: unexpected right parenthesis ')'"},
	    {"1 +", "1:4: parse error: unexpected end of input"},
	    {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
	    {"up{a=}", "1:6: parse error: unexpected \"}\" in label matching, expected string"},
	    {"up{a=\"b\"", "1:9: parse error: unexpected end of input inside braces"},
	    {"rate(up)",
	     "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
	    {"rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"},
	    {"nope(up)", "1:1: parse error: unknown function with name \"nope\""},
	    {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
	    {"foo + bool bar", "1:5: parse error: bool modifier can only be used on comparison operators"},
	    {"foo and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
	    {"foo + on(a) group_left(a) bar",
	     "1:5: parse error: label \"a\" must not occur in ON and GROUP clause at once"},
	    {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
	    {"(foo)[5m]", "1:6: parse error: ranges only allowed for vector selectors"},
	    {"foo offset 5m [5m]", "1:15: parse error: no offset modifiers allowed before range"},
	    {"foo offset 5m offset 5m", "1:1: parse error: offset may not be set multiple times"},
	    {"foo[0s]", "1:5: parse error: duration must be greater than 0"},
	    {"foo[(-5m)]", "1:6: parse error: duration must be greater than 0"},
	    {"foo[5m:0]", "1:8: parse error: duration must be greater than 0"},
	    {"foo[5m/0s]", "1:7: parse error: division by zero"},
	    {"foo[5m%-(0)]", "1:7: parse error: modulo by zero"},
	    {"foo[1m+300y]", "1:8: parse error: duration out of range"},
	    {"foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing ): `(`"},
	    {"foo{__name__=\"bar\"}",
	     "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
	    {"'a\\q'", "1:1: parse error: unknown escape sequence U+0071 'q'"},
	    {"foo\n+\n  !", "3:3: parse error: unexpected character after '!': '\xef\xbf\xbd'"},
	    {"foo[5m] anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"},
	    {"foo[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"},
	    {"sum(foo) smoothed", "1:1: parse error: smoothed modifier not implemented"},
	    {"info(foo, bar)", "1:11: parse error: expected label selectors only, got vector selector instead"},
	    {"info(foo, ({a=\"b\"}))", "1:11: parse error: expected label selectors only"},
	    {"info(foo, 1)", "1:1: parse error: expected type instant vector in call to function \"info\", got scalar"},
	    /* which of several errors is the first: the one that Prometheus' grammar comes to first */
	    {"sum(foo,)", "1:8: parse error: trailing commas not allowed in function call args"},
	    {"nofunc(1, )", "1:9: parse error: trailing commas not allowed in function call args"},
	    {"nofunc(foo{)", "1:12: parse error: unexpected character inside braces: ')'"},
	    {"nofunc(bad(1))", "1:8: parse error: unknown function with name \"bad\""},
	    {"avg(foo ^ ) - 52", "1:11: parse error: unexpected \")\" in aggregation"},
	    {"sum(topk(1, foo1d) =52", "1:20: parse error: unexpected \"=\" in aggregation"},
	    {"sum(foo{a=})", "1:11: parse error: unexpected \"}\" in label matching, expected string"},
	    {"sum(foo, bar))", "1:15: parse error: unexpected right parenthesis ')'"},
	    {"sum () by (x{)", "1:13: parse error: unexpected \"{\" in grouping opts, expected \",\" or \")\""},
	    {"a * on(b) group_left", "1:21: parse error: unexpected end of input in grouping opts, expected \"(\""},
	    {"@ 5", "1:1: parse error: unexpected <op:@>"},
	    {"foo =~ 3", "1:5: parse error: unexpected character after '=': '~'"},
	    {"foo{a==~\"b\"}", "1:7: parse error: unexpected <op:=~> in label matching, expected string"},
	    {"foo[5m offset]", "1:8: parse error: unexpected character: 'o', expected ':'"},
	    {"foo[by]", "1:5: parse error: unexpected character in duration expression: 'b'"},
	    {"foo[", "1:5: parse error: unexpected end of input in duration expression"},
	    {"foo[:5m]", "1:6: parse error: unexpected colon before duration in duration expression"},
	    {"foo[(5m]", "1:8: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()"},
	    {"foo[5m:)", "1:9: parse error: unexpected right parenthesis ')'"},
	    {"(foo[5m:)", "1:9: parse error: unexpected \")\" in subquery selector, expected number, duration, step(), range(), or \"]\""},
	    {"foo + 0.5m", "1:7: parse error: not a valid duration string: \"0.5m\""},
	    {"foo + 5mm", "1:7: parse error: bad number or duration syntax: \"5mm\""},
	    {"foo + 1e999", "1:7: parse error: error parsing number: strconv.ParseFloat: parsing \"1e999\": value out of range"},
	    {"foo{a=\"\\q\"}", "1:7: parse error: unknown escape sequence U+0071 'q'"},
	    {"foo{a=\"\\\xc3\xa9\"}", "1:7: parse error: unknown escape sequence U+00E9 '\xc3\xa9'"},
	    {"foo{a=\"\\x4\"}", "1:7: parse error: illegal character U+0022 '\"' in escape sequence"},
	    {"foo{a=\"\\", "1:7: parse error: escape sequence not terminated"},
	    {"foo{__name__=~\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
	    {"foo{\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
	    {"{__name__=\"a\",__name__=\"b\"}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\""},
	    {"sum(a) @ 1e99", "1:1: parse error: timestamp out of bounds for @ modifier: "
			      "999999999999999967336168804116691273849533185806555472917961779471295845921727862608739868455469056.000000"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		check_error(t[i][0], t[i][1]);
}

static void deep_and_long_input_is_refused(void **state)
{
	size_t n = 100000;
	char *text = xmalloc(n + 1);
	struct promql_expr *e = NULL;
	char *error = NULL;
	memset(text, '(', n);
	assert_int_equal(promql_parse(sv_make(text, n), &e, &error), -EINVAL);
	free(error);
	memset(text, '-', n);
	text[n - 1] = 'a';
	assert_int_equal(promql_parse(sv_make(text, n), &e, &error), -EINVAL);
	free(error);
	free(text);
}

static void types_and_flags(void **state)
{
	static const struct {
		const char *text;
		enum promql_type type;
		const char *experimental;
	} t[] = {
	    {"1", PROMQL_SCALAR, NULL},
	    {"'a'", PROMQL_STRING, NULL},
	    {"foo", PROMQL_VECTOR, NULL},
	    {"foo[5m]", PROMQL_MATRIX, NULL},
	    {"foo[5m:]", PROMQL_MATRIX, NULL},
	    {"scalar(foo)", PROMQL_SCALAR, NULL},
	    {"1 + scalar(foo)", PROMQL_SCALAR, NULL},
	    {"1 + foo", PROMQL_VECTOR, NULL},
	    {"sum(mad_over_time(foo[5m]))", PROMQL_VECTOR, "mad_over_time"},
	    {"limitk(1, foo)", PROMQL_VECTOR, "limitk"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct promql_expr *e = NULL;
		char *error = NULL;
		assert_int_equal(promql_parse(sv_of(t[i].text), &e, &error), 0);
		assert_int_equal(promql_expr_type(e), t[i].type);
		const char *x = promql_experimental(e);
		if (t[i].experimental)
			assert_string_equal(x, t[i].experimental);
		else
			assert_null(x);
		promql_expr_free(e);
	}
}

struct seen {
	size_t n;
	int64_t range[8];
};

static void note_selector(void *arg, const struct matcher *m, size_t n, int64_t range_ms)
{
	struct seen *s = arg;
	assert_true(n >= 1 && s->n < 8);
	s->range[s->n++] = range_ms;
}

static void selectors_say_how_far_back_they_look(void **state)
{
	struct promql_expr *e = NULL;
	char *error = NULL;
	struct seen s = {0};
	assert_int_equal(promql_parse(SV("rate(a[10m] offset 1m) + b + max_over_time(c[1h:1m])"), &e, &error),
			 0);
	promql_selectors(e, note_selector, &s);
	assert_int_equal(s.n, 3);
	assert_true(s.range[0] >= 11 * 60000);
	assert_true(s.range[1] >= 5 * 60000);
	assert_true(s.range[2] >= 65 * 60000);
	promql_expr_free(e);
}

static void expect_pretty(const char *text, const char *want)
{
	struct promql_expr *e;
	char *error = NULL;
	struct buf b = BUF_INIT;
	if (promql_parse(sv_of(text), &e, &error))
		fail_msg("%s", error);
	promql_prettify(e, &b);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
	promql_expr_free(e);
}

#define LONG "a_rather_long_metric_name_seconds_bucket{job=\"some longer value\"}"
static void long_expressions_are_broken_up(void **state)
{
	expect_pretty("sum(rate(foo[5m]))by(a)>1", "sum by (a) (rate(foo[5m])) > 1");
	expect_pretty("foo * on () 1", "foo * 1");
	expect_pretty(LONG " + on (a) group_left(b) " LONG, "  " LONG "\n+ on (a) group_left (b)\n  " LONG);
	expect_pretty("-(sum by (a) (rate(" LONG "[5m])) / count(" LONG "))",
		      "-(\n    sum by (a) (rate(" LONG "[5m]))\n  /\n    count(" LONG ")\n)");
	expect_pretty("topk(5, label_replace(" LONG ", \"a\", \"$1\", \"b\", \"(.*)some more text to make it long\"))",
		      "topk(\n  5,\n  label_replace(\n    " LONG ",\n    \"a\",\n    \"$1\",\n    \"b\",\n    \"(.*)some more text to make it long\"\n  )\n)");
	expect_pretty("max_over_time((" LONG " > bool " LONG ")[1h:5m] offset 1m)",
		      "max_over_time(\n  (\n      " LONG "\n    > bool\n      " LONG "\n  )[1h:5m] offset 1m\n)");
	/* Nested without end: the depths of it stay on a line. */
	_cleanup_buf_ struct buf deep = BUF_INIT, out = BUF_INIT;
	for (int i = 0; i < 400; i++)
		buf_addc(&deep, '(');
	buf_addc(&deep, '1');
	for (int i = 0; i < 400; i++)
		buf_addc(&deep, ')');
	struct promql_expr *e;
	char *error = NULL;
	assert_int_equal(promql_parse(sv_make(deep.p, deep.n), &e, &error), 0);
	promql_prettify(e, &out);
	assert_true(out.n > deep.n && out.n < 100000);
	promql_expr_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(long_expressions_are_broken_up),
	    cmocka_unit_test(depth_is_bounded),
	    cmocka_unit_test(prints_as_prometheus_does),
	    cmocka_unit_test(errors_have_place_and_wording),
	    cmocka_unit_test(deep_and_long_input_is_refused),
	    cmocka_unit_test(types_and_flags),
	    cmocka_unit_test(selectors_say_how_far_back_they_look),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
