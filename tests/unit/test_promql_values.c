// SPDX-License-Identifier: GPL-2.0-or-later
/* Series descriptions of unit tests: what is read, and where and in which words a mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/histogram_ops.h"
#include "promql/test_storage.h"

/* The row as text: its labels, then a word for each value. NULL and *ERROR. */
static char *read_row(const char *line, struct arena *a, const char **error)
{
	struct test_row row;
	struct buf b = BUF_INIT;
	if (!test_row_parse(sv_of(line), a, &row, error))
		return NULL;
	labels_print(row.labels, &b);
	for (size_t i = 0; i < row.n; i++) {
		const struct test_value *v = &row.v[i];
		buf_addc(&b, ' ');
		if (v->omitted)
			buf_addc(&b, '_');
		else if (v->h)
			histogram_print(v->h, &b);
		else if (sample_is_stale(&v->v))
			buf_adds(&b, "stale");
		else
			text_float(v->v, 'f', &b);
	}
	labels_unref(row.labels);
	return buf_steal(&b);
}

static void values_are_read(void **state)
{
	static const struct {
		const char *line, *want;
	} t[] = {
	    {"m 1 -2 +3 .5 1e3", "m 1 -2 3 0.5 1000"},
	    {"m 1x3 1+2x2 1-2x2 -1-1x1", "m 1 1 1 1 1 3 5 1 -1 -3 -1 -2"},
	    {"m _ _x2 _x0 stale stale+1x1", "m _ _ _ stale stale NaN"},
	    {"m NaN inf -Inf 010 0x2 1_000", "m NaN +Inf -Inf 8 0 0 0 1000"},
	    {"m{a=\"b\"}", "m{a=\"b\"}"},
	    {"m{__name__=\"x\"} 1", "m 1"}, /* the name in front counts */
	    {"{\"m\",\"a.b\"='c'} 1", "m{\"a.b\"=\"c\"} 1"},
	    {"m {{}}", "m {count:0, sum:0}"},
	    {"m {{count:2 sum:-1.5 buckets:[1 1]}}x1", "m {count:2, sum:-1.5, (0.5,1]:1, (1,2]:1} {count:2, sum:-1.5, (0.5,1]:1, (1,2]:1}"},
	    {"m {{Count:1}}+{{count:1}}x2", "m {count:1, sum:0} {count:2, sum:0} {count:3, sum:0}"},
	    {"m {{count:3}}-{{count:1}}x1", "m {count:3, sum:0} {count:2, sum:0}"},
	    {"m {{buckets:[1-2 3]}}", "m {count:0, sum:0, (0.5,1]:1, (1,2]:3}"}, /* passed over, as Prometheus does */
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct arena a = {0};
		const char *error = NULL;
		char *got = read_row(t[i].line, &a, &error);
		if (!got)
			fail_msg("%s: %s", t[i].line, error);
		assert_string_equal(got, t[i].want);
		free(got);
		arena_free(&a);
	}
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *line, *want;
	} t[] = {
	    {"m 1 x", "1:5: parse error: unexpected \"x\""},
	    {"m 1x", "1:5: parse error: unexpected end of input in series values"},
	    {"m 1+1", "1:6: parse error: unexpected end of input in series values"},
	    {"m 1+1x2.5", "1:7: parse error: invalid repetition in series values: strconv.ParseUint: parsing \"2.5\": invalid syntax"},
	    {"m 1x99999999999999999999",
	     "1:5: parse error: invalid repetition in series values: strconv.ParseUint: parsing \"99999999999999999999\": value out of range"},
	    {"m 1x2x3", "1:6: parse error: unexpected \"x\""},
	    {"m 1--1x2", "1:5: parse error: unexpected <op:-> in series values"},
	    {"m _1", "1:4: parse error: unexpected number \"1\""},
	    {"m Stale", "1:3: parse error: unexpected identifier \"Stale\" in series values, expected number or \"stale\""},
	    {"m 1+nanx2", "1:5: parse error: unexpected identifier \"nanx2\" in series values"},
	    {"m by", "1:3: parse error: unexpected <by>"},
	    {"m 1,2", "1:4: parse error: unexpected character in series sequence: ','"},
	    {"m \\", "1:3: parse error: unexpected character in series sequence: '\\\\'"},
	    {"m 5m", "1:3: parse error: bad number syntax: \"5\""},
	    {"m 1.5.2", "1:3: parse error: bad number syntax: \"1.5.\""},
	    {"m 1e400", "1:3: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range"},
	    {"m 1 + 1", "1:6: parse error: unexpected \" \" in series values"},
	    {"m-n 1", "1:2: parse error: unexpected <op:-> in series values"},
	    {"m {a=\"b\"} 1", "1:3: parse error: unexpected character in series sequence: '{'"},
	    {"1x9", "1:1: parse error: unexpected number \"1\" in series values"},
	    {"m{a=\"b\",a=\"c\"} 1", "1:11: parse error: label name \"a\" is not unique"},
	    {"m {{", "1:5: parse error: histogram description incomplete unexpected: '\xef\xbf\xbd'"},
	    {"m {{foo:1}}", "1:5: parse error: bad histogram descriptor found: \"foo\""},
	    {"m {{sum}}", "1:5: parse error: missing `:` for histogram descriptor"},
	    {"m {{sum:}}", "1:9: parse error: unexpected \"}}\" in series values"},
	    {"m {{sum:1 count:}}",
	     "1:17: parse error: unexpected \"}}\" in histogram description, expected histogram description key, e.g. buckets:[5 10 7]"},
	    {"m {{sum:1 sum:2}}", "1:1: parse error: duplicate key \"sum\" in histogram"},
	    {"m {{schema:9}}", "1:12: parse error: a schema is -53 or between -4 and 8"},
	    {"m {{buckets:[1,2]}}", "1:15: parse error: invalid character in buckets description: ','"},
	    {"m {{buckets:[]}}", "1:14: parse error: unexpected \"]\" in series values"},
	    {"m {{schema:1}}+{{schema:0}}x2", "1:29: parse error: error combining histograms: cannot merge from schema 0 to 1"},
	    /* Was a crash. */
	    {"m {{schema:-53 custom_values:[1]}}+{{schema:0}}x2",
	     "1:49: parse error: cannot apply this operation on histograms with a mix of exponential and custom bucket schemas"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct arena a = {0};
		const char *error = NULL;
		if (read_row(t[i].line, &a, &error))
			fail_msg("%s: was read", t[i].line);
		assert_string_equal(error, t[i].want);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(values_are_read), cmocka_unit_test(mistakes_are_told)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
