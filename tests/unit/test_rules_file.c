// SPDX-License-Identifier: GPL-2.0-or-later
/* What is read from rule files, and every message for what is wrong in one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "rules/check.h"
#include "rules/rule_file.h"

static const struct {
	const char *yaml, *errors; /* one a line, "f: " in front of each first line taken off */
} broken[] = {
    {"groups:\n- name: g\n  foo: 1\n  bar: 2\n  rules:\n  - alert: A\n    expr: up\n    zz: 1\n",
     "yaml: unmarshal errors:\n  line 3: field foo not found in type rulefmt.RuleGroup\n"
     "  line 4: field bar not found in type rulefmt.RuleGroup\n  line 8: field zz not found in type "
     "rulefmt.Rule"},
    {"foo: 1\n", "yaml: unmarshal errors:\n  line 1: field foo not found in type rulefmt.RuleGroups"},
    {"3: x\ngroups: []\n", "yaml: unmarshal errors:\n  line 1: field 3 not found in type rulefmt.RuleGroups"},
    {"groups:\n- name: g\n  name: h\n",
     "yaml: unmarshal errors:\n  line 3: mapping key \"name\" already defined at line 2"},
    {"groups:\n- name: g\n  interval: 60\n  bad: 1\n", "not a valid duration string: \"60\""},
    {"groups:\n- name: g\n  interval: \"\"\n", "empty duration string"},
    {"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    for: -5m\n",
     "not a valid duration string: \"-5m\""},
    {"groups:\n- name: g\n  limit: 9223372036854775808\n", "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!int `9223372...` into int"},
    {"groups:\n- name: g\n  limit: 2026-01-01\n", "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!timestamp `2026-01-01` into int"},
    {"groups:\n- name: g\n  limit: !!int x\n", "yaml: cannot decode !!str `x` as a !!int"},
    {"groups:\n- name: g\n  limit: !foo 1\n", "yaml: unmarshal errors:\n  line 3: cannot unmarshal !foo `1` into int"},
    {"groups:\n- name: g\n  interval: !!binary MQ=\n", "yaml: !!binary value contains invalid base64 data"},
    {"groups:\n- name: g\n  interval: !!binary MQ==\n", "not a valid duration string: \"1\""},
    {"groups:\n- name: g\n  interval: 1000y\n", "duration out of range"},
    {"groups:\n- name: g\n  <<: x\n  foo: 1\n", "yaml: map merge requires map or sequence of maps as the value"},
    {"groups:\n- name: g\n  rules:\n  - record:\n    alert:\n    expr:\n",
     "4:12: 5:11: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set\n6:10: group \"g\", rule 1, \"\": field 'expr' must be set in rule"},
    {"groups: !!seq x\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into []rulefmt.RuleGroup\n"
     "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into []rulefmt.RuleGroupNode"},
    {"groups: {}\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!map into []rulefmt.RuleGroup\n"
     "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!map into []rulefmt.RuleGroupNode"},
    {"groups: []\ngroups: []\n", /* what is wrong with the outermost map is told twice, as promtool does */
     "yaml: unmarshal errors:\n  line 2: mapping key \"groups\" already defined at line 1\n"
     "yaml: unmarshal errors:\n  line 2: mapping key \"groups\" already defined at line 1"},
    {"groups:\n- name: g\n  rules: [\n", "yaml: line 3: did not find expected node content\n"
					 "yaml: line 3: did not find expected node content"},
    {"groups:\n- name: g\n rules: []\n", "yaml: line 2: did not find expected key\n"
					 "yaml: line 2: did not find expected key"},
    {"groups:\n- name: g\n  rules:\n  - alert: A\n    alert: B\n    expr: up\n  - record: c\n    for: [1]\n",
     "yaml: unmarshal errors:\n  line 5: mapping key \"alert\" already defined at line 4\n"
     "  line 8: cannot unmarshal !!seq into string"},
    {"groups:\n- name: [a]\n", "yaml: unmarshal errors:\n  line 2: cannot unmarshal !!seq into string"},
    {"groups:\n- name: g\n  limit: abc\n",
     "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `abc` into int"},
    {"groups:\n- name: g\n  limit: \"3\"\n",
     "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `3` into int"},
    {"groups:\n- name: g\n  limit: 99999999999999999999\n",
     "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!float `9999999...` into int"},
    {"groups:\n- name: g\n  rules: 3\n",
     "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!int `3` into []rulefmt.Rule"},
    {"groups:\n- name: g\n  rules:\n  - abc\n  - [1]\n",
     "yaml: unmarshal errors:\n  line 4: cannot unmarshal !!str `abc` into rulefmt.Rule\n"
     "  line 5: cannot unmarshal !!seq into rulefmt.Rule"},
    {"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    labels: [a]\n",
     "yaml: unmarshal errors:\n  line 6: cannot unmarshal !!seq into map[string]string"},
    {"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    labels: {a: [b], c: {d: e}, f: 3, g: "
     "true, h: null}\n",
     "yaml: unmarshal errors:\n  line 6: cannot unmarshal !!seq into string\n  line 6: cannot unmarshal "
     "!!map into string"},
    {"[]\n", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into rulefmt.RuleGroups\n"
     "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into rulefmt.ruleGroups"},
    {"groups:\n- rules: []\n- name: \"\"\n",
     "2:3: Groupname must not be empty\n3:3: Groupname must not be empty"},
    {"groups:\n- name: g\n- name: g\n", "3:3: groupname: \"g\" is repeated in the same file"},
    {"groups:\n- name: g\n  rules:\n  - alert: A\n    record: b\n    expr: up\n",
     "5:13: 4:12: group \"g\", rule 1, \"A\": only one of 'record' and 'alert' must be set"},
    {"groups:\n- name: g\n  rules:\n  - expr: up\n",
     "0:0: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"},
    {"groups:\n- name: g\n  rules:\n  - alert: A\n",
     "0:0: group \"g\", rule 1, \"A\": field 'expr' must be set in rule"},
    {"groups:\n- name: g\n  rules:\n  -\n  - alert: A\n    expr: \"\"\n",
     "6:11: group \"g\", rule 1, \"A\": field 'expr' must be set in rule"},
    {"groups:\n- name: g\n  rules:\n  - alert: A\n    expr: \"up{\"\n",
     "5:11: group \"g\", rule 1, \"A\": could not parse expression: 1:4: parse error: unexpected end of "
     "input inside braces"},
    {"groups:\n- name: g\n  rules:\n  - alert: ok\n    expr: up\n  - record: b\n    expr: \"up +\"\n    for: "
     "1m\n    keep_firing_for: 1m\n"
     "    annotations: {a: b}\n    labels: {__name__: x}\n",
     "7:11: group \"g\", rule 2, \"b\": could not parse expression: 1:5: parse error: unexpected end of "
     "input\n"
     "6:13: group \"g\", rule 2, \"b\": invalid field 'annotations' in recording rule\n"
     "6:13: group \"g\", rule 2, \"b\": invalid field 'for' in recording rule\n"
     "6:13: group \"g\", rule 2, \"b\": invalid field 'keep_firing_for' in recording rule\n"
     "group \"g\", rule 2, \"b\": invalid label name: __name__"},
    {"groups:\n- name: g\n  rules:\n  - record: a{b}\n    expr: up\n",
     "4:13: group \"g\", rule 1, \"a{b}\": braces present in the recording rule name; should it be in expr?: "
     "a{b}"},
    {"groups:\n- name: g\n  rules:\n  - record: r\n    expr: up\n    labels: {\"\": x}\n    annotations: "
     "{}\n",
     "group \"g\", rule 1, \"r\": invalid label name: "},
    {"groups:\n- name: g\n  labels: {__name__: x}\n  rules: []\n", "invalid label name: __name__"},
    {"groups:\n- name: g\n  rules:\n  - alert: C\n    expr: up\n    annotations: {\"\": c, d: \"{{ nofunc "
     "}}\"}\n    labels: {q: \"{{ \"}\n",
     "group \"g\", rule 1, \"C\": invalid annotation name: \n"
     "group \"g\", rule 1, \"C\": label \"q\": template: __alert_C:1: unclosed action\n"
     "group \"g\", rule 1, \"C\": annotation \"d\": template: __alert_C:1: function \"nofunc\" not defined"},
};

static void test_broken(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct strings errors = {0};
		struct rule_set *set = rule_set_new();
		_cleanup_buf_ struct buf got = BUF_INIT;
		assert_int_equal(rule_file_parse("f", broken[i].yaml, strlen(broken[i].yaml), set, &errors),
				 -22);
		for (size_t k = 0; k < errors.n; k++) {
			assert_true(strncmp(errors.v[k], "f: ", 3) == 0);
			buf_addf(&got, "%s%s", k ? "\n" : "", errors.v[k] + 3);
		}
		assert_string_equal(buf_str(&got), broken[i].errors);
		assert_int_equal(set->n, 0);
		strings_free(&errors);
		rule_set_free(set);
	}
}

static struct rule_set *parse(const char *yaml)
{
	struct strings errors = {0};
	struct rule_set *set = rule_set_new();
	if (rule_file_parse("f", yaml, strlen(yaml), set, &errors) < 0)
		fail_msg("%s", errors.v[0]);
	return set;
}

static void test_good(void **state)
{
	struct rule_set *set = parse("");
	assert_int_equal(rule_set_count(set), 0);
	rule_set_free(set);
	set = parse("groups:\n");
	assert_int_equal(set->n, 0);
	rule_set_free(set);
	set = parse(
	    "groups:\n- name: g\n  interval: 1h30m\n  query_offset: 1w\n  limit: -3\n  labels: {a: group, b: "
	    "\"2\"}\n  rules:\n"
	    "  - &x {alert: A, expr: \"sum(rate( x[5m] )) by (b,a)>0.5\", for: 1d, keep_firing_for: 5ms,\n"
	    "     labels: {a: rule, n: 3, t: true, z: null}, annotations: {s: \"{{ $value }}\", p: plain}}\n"
	    "  - <<: *x\n    alert: B\n"
	    "  - {record: \"b:c\", expr: 1}\n- name: h\n");
	assert_int_equal(set->n, 2);
	struct rule_group_def *g = &set->groups[0];
	assert_int_equal(g->interval_ms, 5400000);
	assert_int_equal(g->query_offset_ms, 604800000);
	assert_int_equal(g->limit, -3);
	assert_int_equal(g->n_rules, 3);
	struct rule_def *r = &g->rules[0];
	assert_string_equal(r->query, "sum by (b, a) (rate(x[5m])) > 0.5");
	assert_int_equal(r->for_ms, 86400000);
	assert_int_equal(r->keep_firing_ms, 5);
	_cleanup_buf_ struct buf b = BUF_INIT;
	for (size_t i = 0; i < r->n_labels; i++)
		buf_addf(&b, "%s=%s,", r->labels[i].name.p, r->labels[i].value.p);
	assert_string_equal(buf_str(&b), "a=rule,b=2,n=3,t=true,z=,");
	assert_int_equal(r->n_annotations, 2);
	assert_false(r->annotations[0].is_template);
	assert_true(r->annotations[1].is_template);
	assert_string_equal(g->rules[1].name, "B");
	assert_true(rule_texts_equal(r->labels, r->n_labels, g->rules[1].labels, g->rules[1].n_labels));
	assert_true(!g->rules[2].is_alert && g->rules[2].n_labels == 2);
	assert_int_equal(set->groups[1].query_offset_ms, -1);
	rule_set_free(set);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/reqtally-rules-XXXXXX";
	assert_non_null(mkdtemp(dir));
	_cleanup_free_ char *a = xasprintf("%s/a.yml", dir), *b = xasprintf("%s/b.yml", dir),
			    *glob = xasprintf("%s/*.yml", dir);
	FILE *f = fopen(a, "w");
	fprintf(f, "groups: [{name: g, rules: [{record: a, expr: up}]}]\n");
	fclose(f);
	struct strings patterns = {0}, errors = {0};
	struct rule_set *set = NULL;
	strings_add(&patterns, glob);
	strings_add(&patterns, a); /* again: read once */
	strings_add(&patterns, "/nonexistent/x.yml");
	assert_int_equal(rule_files_load(&patterns, &set, &errors), 0);
	assert_int_equal(set->n, 1);
	assert_string_equal(set->groups[0].file, a);
	rule_set_free(set);
	f = fopen(b, "w");
	fprintf(f, "groups: [{name: g, rules: [{record: a}]}]\n");
	fclose(f);
	set = NULL;
	assert_int_equal(rule_files_load(&patterns, &set, &errors), -22);
	assert_null(set);
	assert_int_equal(errors.n, 1);
	unlink(a);
	unlink(b);
	rmdir(dir);
	strings_free(&patterns);
	strings_free(&errors);
}

/* Runs check on FILES; the texts of both streams in one, the exit code behind. */
static char *check(char *const *files, size_t n, struct rule_check_options opt)
{
	char *out = NULL, *err = NULL;
	size_t n_out, n_err;
	FILE *fo = open_memstream(&out, &n_out), *fe = open_memstream(&err, &n_err);
	int rc = rule_check_files(files, n, &opt, fo, fe);
	fclose(fo);
	fclose(fe);
	char *all = xasprintf("%s--\n%s--\n%d", out, err, rc);
	free(out);
	free(err);
	return all;
}

static void test_check(void **state)
{
	char dup[] = "/tmp/reqtally-dup-XXXXXX", bad[] = "/tmp/reqtally-bad-XXXXXX";
	FILE *f = fdopen(mkstemp(dup), "w");
	fprintf(f, "groups:\n- name: g\n  labels: {team: x}\n  rules:\n  - {record: a, expr: up, labels: {z: "
		   "\"1\", b: c}}\n"
		   "  - {record: a, expr: up, labels: {b: c, z: \"1\"}}\n  - {record: a, expr: up, labels: "
		   "{b: c, z: \"1\"}}\n"
		   "  - {record: q, expr: up}\n");
	fclose(f);
	f = fdopen(mkstemp(bad), "w");
	fprintf(f, "groups:\n- name: g\n  interval: 60\n");
	fclose(f);
	char *files[] = {dup, bad};
	_cleanup_free_ char *got = check(files, 1, (struct rule_check_options){0});
	_cleanup_free_ char *want = xasprintf(
	    "Checking %s\n\n--\n  FAILED:\nlint error 1 duplicate rule(s) found.\nMetric: a\nLabel(s):\n"
	    "\tb: c\n\tteam: x\n\tz: 1\nMight cause inconsistency while recording expressions\n--\n0",
	    dup);
	assert_string_equal(got, want);
	_cleanup_free_ char *fatal = check(files, 1, (struct rule_check_options){.lint_fatal = true});
	assert_string_equal(fatal + strlen(fatal) - 2, "\n3");
	_cleanup_free_ char *none =
	    check(files, 1, (struct rule_check_options){.no_lint = true, .lint_fatal = true});
	_cleanup_free_ char *want_none = xasprintf("Checking %s\n  SUCCESS: 4 rules found\n\n--\n--\n0", dup);
	assert_string_equal(none, want_none);
	_cleanup_free_ char *both = check(files, 2, (struct rule_check_options){.lint_fatal = true});
	_cleanup_free_ char *tail =
	    xasprintf("  FAILED:\n%s: not a valid duration string: \"60\"\n--\n1", bad);
	assert_string_equal(both + strlen(both) - strlen(tail), tail);
	char *gone[] = {"/nonexistent.yml"};
	_cleanup_free_ char *missing = check(gone, 1, (struct rule_check_options){0});
	assert_string_equal(missing, "--\nreqtally: error: path '/nonexistent.yml' does not exist\n--\n1");
	unlink(dup);
	unlink(bad);
}

/* Real rule files. Those of kube-prometheus are wrapped: the file is what stands, indented, under `spec:`. */
static char *read_rules(const char *path, bool wrapped)
{
	_cleanup_fclose_ FILE *f = fopen(path, "r");
	struct buf b = BUF_INIT;
	char *line = NULL;
	size_t cap = 0;
	bool inside = !wrapped;
	assert_non_null(f);
	while (getline(&line, &cap, f) > 0) {
		if (inside)
			buf_adds(&b, wrapped && !strncmp(line, "  ", 2) ? line + 2 : line);
		else
			inside = !strcmp(line, "spec:\n");
	}
	free(line);
	return buf_steal(&b);
}

static size_t load_corpus(const char *shared, const char *folder, bool wrapped, size_t *n_rules)
{
	_cleanup_free_ char *dir = xasprintf("%s/rules-corpus/%s", shared, folder);
	DIR *d = opendir(dir);
	size_t files = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!strstr(e->d_name, ".y"))
			continue;
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, e->d_name),
				    *text = read_rules(path, wrapped);
		struct strings errors = {0};
		struct rule_set *set = rule_set_new();
		if (rule_file_parse(e->d_name, text, strlen(text), set, &errors) < 0)
			fail_msg("%s", errors.v[0]);
		*n_rules += rule_set_count(set);
		files++;
		rule_set_free(set);
	}
	if (d)
		closedir(d);
	return files;
}

static void test_corpus(void **state)
{
	const char *shared = getenv("RT_SHARED") ? getenv("RT_SHARED") : "../shared";
	size_t n_rules = 0;
	size_t n = load_corpus(shared, "awesome", false, &n_rules) +
		   load_corpus(shared, "kube-prometheus", true, &n_rules);
	if (!n) {
		printf("SKIP no rule files in %s/rules-corpus\n", shared);
		skip();
	}
	assert_true(n > 20 && n_rules > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_broken), cmocka_unit_test(test_good),
					   cmocka_unit_test(test_load), cmocka_unit_test(test_check),
					   cmocka_unit_test(test_corpus)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
