// SPDX-License-Identifier: GPL-2.0-or-later
/* `test rules` on the files in tests/rules; what it writes was compared with promtool (tests/rules/compare).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "rules/unit_test.h"

/* Both streams in one, the exit code behind. */
static char *run(const char *path, const struct strings *only)
{
	char *text = NULL, *files[] = {(char *)path};
	size_t n;
	FILE *f = open_memstream(&text, &n);
	struct unit_test_options opt = {.run = only};
	int rc = rule_unit_test_files(files, 1, &opt, f, f);
	fclose(f);
	char *all = xasprintf("%sexit %d", text, rc);
	free(text);
	return all;
}

static void test_good(void **state)
{
	_cleanup_free_ char *got = run("tests/rules/good.test.yml", NULL);
	assert_string_equal(got, "Unit Testing:  tests/rules/good.test.yml\n  SUCCESS\n\nexit 0");
	_cleanup_free_ char *v3 = run("tests/rules/v3.test.yml", NULL);
	assert_string_equal(v3, "Unit Testing:  tests/rules/v3.test.yml\n  SUCCESS\n\nexit 0");
}

static void test_bad(void **state)
{
	_cleanup_free_ char *got = run("tests/rules/bad.test.yml", NULL);
	const char *parts[] = {
	    "    name: first,\n    alertname: NoRequests, time: 5m, \n        exp:[\n            0:\n"
	    "              Labels:{alertname=\"NoRequests\", instance=\"h:1\", severity=\"page\"}\n"
	    "              Annotations:{summary=\"h idle\"}\n            ], \n        got:[\n            0:\n"
	    "              Labels:{alertname=\"NoRequests\", instance=\"h:1\", severity=\"page\"}\n"
	    "              Annotations:{summary=\"h idle, 1.235M\"},\n            1:\n"
	    "              Labels:{alertname=\"NoRequests\", instance=\"h:2\", severity=\"info\"}\n",
	    "    alertname: NoRequests, time: 6m, \n        exp:[], \n        got:[\n",
	    "    expr: \"http_requests_total + 1\", time: 1m,\n"
	    "        exp: {instance=\"h:1\"} 6E+00, {instance=\"h:2\"} 6.25E+00\n"
	    "        got: {instance=\"h:1\"} 6E+00, {instance=\"h:2\"} 6E+00\n",
	    "        exp: nil\n        got: {instance=\"h:1\"} 5E+10, {instance=\"h:2\"} 5E+10\n",
	    "    expr: \"nothing\", time: 1m30s,\n        exp: {} 1E+00\n        got: nil\n",
	    "    expr: \"sum(\", time: 1m, err: 1:5: parse error: ",
	    "    expr: \"http_requests_total[1m]\", time: 1m, err: rule result is not a vector or scalar\n",
	    "an item under alert_rule_test misses required attribute alertname at eval_time 5m\n",
	};
	const char *at = got;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *found = strstr(at, parts[i]);
		if (!found)
			fail_msg("not in the output:\n%s\nbut:\n%s", parts[i], at);
		at = found;
	}
	assert_string_equal(got + strlen(got) - 6, "exit 1");
}

static char *run_with(const char *path, struct unit_test_options opt)
{
	char *text = NULL, *files[] = {(char *)path};
	size_t n;
	FILE *f = open_memstream(&text, &n);
	int rc = rule_unit_test_files(files, 1, &opt, f, f);
	fclose(f);
	char *all = xasprintf("%sexit %d", text, rc);
	free(text);
	return all;
}

static void test_options(void **state)
{
	char path[] = "/tmp/reqtally-junit-XXXXXX", xml[65536];
	int fd = mkstemp(path);
	_cleanup_free_ char *diff = run_with("tests/rules/bad.test.yml", (struct unit_test_options){.diff = true, .junit = path});
	assert_non_null(strstr(diff, "-              Annotations:{summary=\"h idle\"}\n"
				     "+              Annotations:{summary=\"h idle, 1.235M\"},\n"));
	ssize_t n = read(fd, xml, sizeof(xml) - 1);
	assert_true(n > 0);
	xml[n] = 0;
	assert_non_null(strstr(xml, "<testsuite name=\"tests/rules/bad.test.yml\" tests=\"3\" failures=\"12\" errors=\"0\" skipped=\"0\" timestamp=\"20"));
	assert_non_null(strstr(xml, "<testcase name=\"first\"><failure>    name: first,&#xA;"));
	close(fd);
	unlink(path);
	_cleanup_free_ char *debug = run_with("tests/rules/v3.test.yml", (struct unit_test_options){.debug = true});
	assert_non_null(strstr(debug, "DEBUG:   ALERTS{alertname=\"A\", alertstate=\"firing\", team=\"x\"} 1@1767225660\n"));
}

static char *write_file(char *path, const char *text)
{
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	return path;
}

static void expect_file(const char *text, const struct strings *only, const char *want)
{
	char path[] = "/tmp/reqtally-unit-XXXXXX";
	_cleanup_free_ char *got = run(write_file(path, text), only);
	unlink(path);
	if (!strstr(got, want))
		fail_msg("%s\nwanted: %s", got, want);
}

static void test_errors(void **state)
{
	expect_file("", NULL, "  SUCCESS\n\nexit 0");
	expect_file("bad: 1\ntests: []\n", NULL,
		    "yaml: unmarshal errors:\n  line 1: field bad not found in type main.unitTestFile\n");
	expect_file("evaluation_interval: 1x\n", NULL,
		    "  FAILED:\nnot a valid duration string: \"1x\"\n\n\nexit 1");
	expect_file("tests: [{promql_expr_test: [{expr: x, exp_samples: [{value: NaN}]}]}]\n", NULL,
		    "  line 1: cannot unmarshal !!str `NaN` into float64\n");
	expect_file("rule_files: []\nrule_files: []\n", NULL, "  line 2: field rule_files already set in type main.unitTestFile\n");
	expect_file("tests:\n- external_labels: {a: b, c: d, a: e}\n", NULL, "  line 2: key \"a\" already set in map\n");
	expect_file("~: 1\n", NULL, "  line 1: field  not found in type main.unitTestFile\n");
	expect_file("fuzzy_compare: 'yes'\n", NULL, "cannot unmarshal !!str `yes` into bool\n");
	expect_file("fuzzy_compare: yes\n", NULL, "  SUCCESS\n");
	expect_file("tests: [{promql_expr_test: [{expr: x, exp_samples: [{value: !!float \"1\"}]}]}]\n", NULL, "exp: {} 1E+00\n");
	/* Nulls count as items, and come out turned around. */
	expect_file("tests: [{promql_expr_test: [{expr: x, exp_samples: [null, {value: 2}]}]}]\n", NULL, "exp: {} 2E+00, {} 0E+00\n");
	expect_file("tests: [{alert_rule_test: [~]}]\n", NULL, "misses required attribute alertname at eval_time 0s\n");
	expect_file("tests: [{promql_expr_test: [{expr: 0/0, exp_samples: [{value: .nan}]}]}]\n", NULL, "exp: {} NaN\n        got: {} NaN\n");
	/* What lies behind the last evaluation is not loaded. */
	expect_file("evaluation_interval: 5m\ntests: [{interval: 1m, input_series: [{series: a, values: 1+1x9}],\n"
		    "promql_expr_test: [{expr: a, eval_time: 4m, exp_samples: [{labels: a, value: 1}]}]}]\n", NULL, "  SUCCESS\n");
	static const char *const series[][2] = {
	    {"a{x!='y'}", "1:4: parse error: unexpected <op:!=> in label set, expected \"=\""},
	    {"a{x='y' z='1'}", "1:9: parse error: unexpected identifier \"z\" in label set, expected \",\" or \"}\""},
	    {"a{x=y}", "1:5: parse error: unexpected identifier \"y\" in label set, expected string"},
	    {"a{,}", "1:3: parse error: unexpected \",\" in label set, expected identifier or \"}\""},
	    {"a{", "1:3: parse error: unexpected end of input inside braces"},
	    {"a b", "1:3: parse error: unexpected identifier \"b\""},
	    {"1e3", "1:1: parse error: unexpected number \"1e3\""},
	    {"bool", "1:1: parse error: unexpected <bool>"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(series); i++) {
		_cleanup_free_ char *text =
		    xasprintf("tests: [{promql_expr_test: [{expr: 1, exp_samples: [{labels: \"%s\"}]}]}]\n", series[i][0]);
		_cleanup_free_ char *want = xasprintf("time: 0s, err: labels \"%s\": %s\n", series[i][0], series[i][1]);
		expect_file(text, NULL, want);
	}
	expect_file("tests: [{promql_expr_test: [{expr: 1, exp_samples: [{labels: ' sum {a=\"b\",} '}]}]}]\n", NULL,
		    "exp: {__name__=\"sum\", a=\"b\"} 0E+00\n");
	expect_file("tests: [{input_series: [{series: 'm{a=\"1', values: '1'}]}]\n", NULL,
		    "\n1:5: parse error: unterminated quoted string\n");
	expect_file("tests: [{input_series: [{series: '', values: '5'}]}]\n", NULL,
		    "\n1:1: parse error: unexpected number \"5\" in series values\n");
	expect_file("tests: [{start_timestamp: soon}]\n", NULL,
		    "cannot parse \"soon\" to a valid timestamp\n");
	expect_file("group_eval_order: [a, b, a]\n", NULL, "group name repeated in evaluation order: a\n");
	expect_file("rule_files: [/nonexistent/*.yml]\n", NULL,
		    "  WARNING: no file match pattern /nonexistent/*.yml\n  SUCCESS\n");
	expect_file("rule_files: ['[a-', nope.yml]\n", NULL, "  FAILED:\nsyntax error in pattern\n");
	expect_file("rule_files: ['./x//../nope-*.yml']\n", NULL, "  WARNING: no file match pattern /tmp/nope-*.yml\n");
	expect_file("rule_files: ['', ../proc]\ntests: [{}]\n", NULL, "  WARNING: no file match pattern \n  FAILED:\n/proc: read /proc: is a directory\n");
	expect_file("tests: [{input_series: [{series: 'y', values: 'a b'}]}]\n", NULL, "1:3: parse error: unexpected identifier \"a\" in series values, expected number or \"stale\"\n");
	expect_file("tests: [{promql_expr_test: [{expr: '1', eval_time: 200y}]}]\n", NULL,
		    "more than 1000000 evaluations in one test\n");
	struct strings only = {0};
	strings_add(&only, "^wan");
	expect_file(
	    "tests:\n- {name: wanted, promql_expr_test: [{expr: 1}]}\n- {name: other, promql_expr_test: "
	    "[{expr: 2}]}\n",
	    &only,
	    "  FAILED:\n    expr: \"1\", time: 0s,\n        exp: nil\n        got: {} 1E+00\n\n\nexit 1");
	strings_free(&only);
	char *gone[] = {"/nonexistent.yml"};
	struct unit_test_options opt = {0};
	FILE *null = fopen("/dev/null", "w");
	assert_int_equal(rule_unit_test_files(gone, 1, &opt, null, null), 1);
	fclose(null);
}

/* An error of a rule ends its test group, not the others. */
static void test_rule_error(void **state)
{
	char rules[] = "/tmp/reqtally-rules-XXXXXX";
	write_file(rules, "groups: [{name: g, rules: [{alert: E, expr: x > 1, labels: {a: b}}]}]\n");
	_cleanup_free_ char *text =
	    xasprintf("rule_files: [%s]\ntests:\n- input_series: [{series: 'x{a=\"1\"}', values: '1 2'}, "
		      "{series: 'x{a=\"2\"}', values: '1 2'}]\n"
		      "  promql_expr_test: [{expr: never, eval_time: 5m, exp_samples: [{value: 1}]}]\n- "
		      "promql_expr_test: [{expr: 7}]\n",
		      rules);
	expect_file(text, NULL,
		    "  FAILED:\n    rule: E, time: 1m0s, err: vector contains metrics with the same labelset "
		    "after applying alert labels\n\n"
		    "    expr: \"7\", time: 0s,\n        exp: nil\n        got: {} 7E+00\n\n\nexit 1");
	unlink(rules);
}

/* Experimental functions only if they are enabled, in rules and in expressions; unknown keys only if they are to be passed over. */
static void test_features(void **state)
{
	char rules[] = "/tmp/reqtally-rules-XXXXXX", path[] = "/tmp/reqtally-unit-XXXXXX";
	write_file(rules, "groups:\n- name: g\n  later: 1\n  rules:\n  - record: r\n    expr: max_of(1, 2)\n");
	_cleanup_free_ char *text = xasprintf("rule_files: [%s]\nnew: 1\ntests:\n- promql_expr_test:\n"
					      "  - {expr: 'sum(r) + min_of(3, 4)', eval_time: 0s, exp_samples: [{value: 5}]}\n",
					      rules);
	write_file(path, text);
	struct unit_test_options opt = {0};
	_cleanup_free_ char *unknown = run_with(path, opt);
	assert_non_null(strstr(unknown, "field new not found in type main.unitTestFile"));
	opt.ignore_unknown_fields = true;
	_cleanup_free_ char *disabled = run_with(path, opt);
	assert_non_null(strstr(disabled, "1:1: parse error: function \"max_of\" is not enabled"));
	opt.promql.experimental_functions = true;
	_cleanup_free_ char *enabled = run_with(path, opt);
	assert_non_null(strstr(enabled, "SUCCESS"));
	unlink(rules);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_options), cmocka_unit_test(test_features),
					   cmocka_unit_test(test_errors), cmocka_unit_test(test_rule_error)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
