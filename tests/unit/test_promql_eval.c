// SPDX-License-Identifier: GPL-2.0-or-later
/* What the test language cannot say: the API's own promises, limits, the default mode. Series are loaded with
 * its storage. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/promql.h"
#include "promql/test_storage.h"

struct world {
	struct test_storage storage;
	struct sample_source src;
	struct promql_options opt;
};

static void load(struct world *w, int64_t interval, const char *const *lines)
{
	struct test_row rows[16];
	size_t n = 0;
	for (; lines[n]; n++) {
		const char *error = NULL;
		if (!test_row_parse(sv_of(lines[n]), &w->storage.arena, &rows[n], &error))
			fail_msg("%s: %s", lines[n], error);
	}
	test_storage_load(&w->storage, rows, n, interval, false);
	for (size_t i = 0; i < n; i++)
		labels_unref(rows[i].labels);
	w->src = test_storage_source(&w->storage);
}
#define LOAD(w, interval, ...) load(w, interval, (const char *const[]){__VA_ARGS__, NULL})

static int eval(struct world *w, const char *text, int64_t t, struct promql_value *v, char **error)
{
	struct promql_expr *e = NULL;
	if (promql_parse(sv_of(text), &e, error))
		fail_msg("%s: %s", text, *error);
	int rc = promql_eval_instant(&w->opt, e, &w->src, t, v, error);
	promql_expr_free(e);
	return rc;
}

/* The result as text: `{a="b"} 1; {a="c"} 2`, or the error. */
static void check(struct world *w, const char *text, int64_t t, const char *want)
{
	struct promql_value v = {0};
	struct buf b = BUF_INIT;
	char *error = NULL;
	if (eval(w, text, t, &v, &error)) {
		buf_adds(&b, error);
		free(error);
	}
	if (v.type == PROMQL_SCALAR)
		text_float(v.scalar, 'g', &b);
	for (size_t i = 0; i < v.n; i++) {
		if (i)
			buf_adds(&b, "; ");
		labels_print(v.series[i].labels, &b);
		buf_addc(&b, ' ');
		text_float(v.series[i].points[0].v, 'g', &b);
	}
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
	promql_value_free(&v);
}

static void average_latency_rule(void **state)
{
	struct world w = {0};
	LOAD(&w, 15000, "http_requests_duration_seconds_sum{service=\"slow\"} 0+16x40",
	     "http_requests_duration_seconds_count{service=\"slow\"} 0+16x40",
	     "http_requests_duration_seconds_sum{service=\"fast\"} 0+1x40",
	     "http_requests_duration_seconds_count{service=\"fast\"} 0+15x40",
	     "http_requests_duration_seconds_sum{service=\"idle\"} 5x40",
	     "http_requests_duration_seconds_count{service=\"idle\"} 7x40");
	check(&w,
	      "rate(http_requests_duration_seconds_sum[5m]) / rate(http_requests_duration_seconds_count[5m]) "
	      "> 0.5",
	      600000, "{service=\"slow\"} 1");
	/* Nothing yet: one sample is no rate. */
	check(&w,
	      "rate(http_requests_duration_seconds_sum[5m]) / rate(http_requests_duration_seconds_count[5m]) "
	      "> 0.5",
	      0, "");
	test_storage_clear(&w.storage);
}

static void default_mode_drops_names_at_once(void **state)
{
	struct world w = {0};
	LOAD(&w, 60000, "a_total{x=\"1\"} 0+60x10", "b_total{x=\"1\"} 0+60x10");
	check(&w, "rate({x=\"1\"}[5m])", 600000, "vector cannot contain metrics with the same labelset");
	check(&w, "label_replace(rate(a_total[5m]), \"n\", \"$1\", \"__name__\", \"(.+)\")", 600000,
	      "{x=\"1\"} 1");
	check(&w, "sum by (__name__) (rate(a_total[5m]))", 600000, "{} 1");
	w.opt.delayed_name_removal = true;
	check(&w, "label_replace(rate(a_total[5m]), \"n\", \"$1\", \"__name__\", \"(.+)\")", 600000,
	      "{n=\"a_total\", x=\"1\"} 1");
	test_storage_clear(&w.storage);
}

static void experimental_functions_need_the_flag(void **state)
{
	struct world w = {0};
	LOAD(&w, 60000, "a 1 2 3");
	check(&w, "mad_over_time(a[10m])", 120000, "function \"mad_over_time\" is not enabled");
	w.opt.experimental_functions = true;
	check(&w, "mad_over_time(a[10m])", 120000, "{} 1");
	test_storage_clear(&w.storage);
}

static bool is_gone(void *arg)
{
	return true;
}

static void limits(void **state)
{
	struct world w = {.opt = {.max_samples = 10}};
	struct promql_value v = {0};
	char *error = NULL;
	LOAD(&w, 1000, "a{x=\"1\"} 0+1x100", "a{x=\"2\"} 0+1x100");
	assert_int_equal(eval(&w, "sum_over_time(a[1m])", 100000, &v, &error), -E2BIG);
	assert_string_equal(error,
			    "query processing would load too many samples into memory in query execution");
	free(error);
	assert_int_equal(eval(&w, "a", 100000, &v, &error), 0);
	promql_value_free(&v);
	/* A millisecond for a million inner steps. */
	w.opt.max_samples = 0;
	w.opt.timeout_ms = 1;
	assert_int_equal(eval(&w, "sum_over_time((a * 2)[1000000s:1s])", 1000000000, &v, &error), -ETIME);
	free(error);
	/* Nobody waits for the answer any more; forty times as many, so that it takes as long as it takes until somebody asks. */
	w.opt.timeout_ms = 0;
	w.opt.is_gone = is_gone;
	assert_int_equal(eval(&w, "sum_over_time((a * 2)[40000000s:1s])", 1000000000, &v, &error), -ECANCELED);
	assert_string_equal(error, "query was canceled in expression evaluation");
	free(error);
	test_storage_clear(&w.storage);
}

static void range_results_are_sorted_and_complete(void **state)
{
	struct world w = {0};
	struct promql_expr *e = NULL;
	struct promql_value v = {0};
	char *error = NULL;
	LOAD(&w, 60000, "a{x=\"2\"} 0+1x10", "a{x=\"10\"} 0+1x5", "a 7");
	assert_int_equal(promql_parse(SV("a * 2"), &e, &error), 0);
	assert_int_equal(promql_eval_range(&w.opt, e, &w.src, 0, 630000, 60000, &v, &error), 0);
	assert_int_equal(v.type, PROMQL_MATRIX);
	assert_int_equal(v.n, 3);
	assert_int_equal(v.series[0].labels->n, 0);
	assert_string_equal(v.series[1].labels->l[0].value.p, "10");
	assert_string_equal(v.series[2].labels->l[0].value.p, "2");
	assert_int_equal(v.series[0].n, 5);  /* within the lookback */
	assert_int_equal(v.series[1].n, 10); /* last sample at 5m, visible until just before 10m */
	assert_int_equal(v.series[2].n, 11);
	assert_int_equal(v.series[2].points[10].t, 600000);
	assert_true(v.series[2].points[10].v == 20);
	promql_value_free(&v);
	promql_expr_free(e);

	assert_int_equal(promql_parse(SV("a[5m]"), &e, &error), 0);
	assert_int_equal(promql_eval_range(&w.opt, e, &w.src, 0, 60000, 60000, &v, &error), -EINVAL);
	assert_string_equal(
	    error,
	    "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector");
	free(error);
	promql_expr_free(e);
	test_storage_clear(&w.storage);
}

static void stale_markers_end_a_series(void **state)
{
	struct world w = {0};
	LOAD(&w, 10000, "a 1 2 stale", "b 1 NaN");
	check(&w, "a", 10000, "a 2");
	check(&w, "a", 20000, "");
	check(&w, "count_over_time(a[1m])", 30000, "{} 2");
	check(&w, "b", 30000, "b NaN");
	check(&w, "absent(a)", 20000, "{} 1");
	test_storage_clear(&w.storage);
}

static void annotations_name_the_place(void **state)
{
	struct world w = {0};
	struct promql_value v = {0};
	char *error = NULL;
	LOAD(&w, 60000, "a 1 2 3", "h_bucket{le=\"x\"} 1 1 1");
	assert_int_equal(eval(&w, "sum(rate(a[5m]))", 120000, &v, &error), 0);
	assert_int_equal(v.n_infos, 1);
	assert_string_equal(v.infos[0], "PromQL info: metric might not be a counter, name does not end in "
					"_total/_sum/_count/_bucket: \"a\" (1:10)");
	promql_value_free(&v);
	assert_int_equal(eval(&w, "histogram_quantile(0.5, h_bucket)", 120000, &v, &error), 0);
	assert_int_equal(v.n_warnings, 1);
	promql_value_free(&v);
	test_storage_clear(&w.storage);
}

static int failing_select(void *self, const struct matcher *m, size_t n, int64_t mint, int64_t maxt,
			  struct series_set *out, char **error)
{
	*error = xstrdup("the store is closed");
	return -ESHUTDOWN;
}

static void a_failing_source_fails_the_query(void **state)
{
	struct world w = {.src = {failing_select, NULL}};
	struct promql_value v = {0};
	char *error = NULL;
	assert_int_equal(eval(&w, "sum(a) + sum(b)", 0, &v, &error), -ESHUTDOWN);
	assert_string_equal(error, "the store is closed");
	free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(average_latency_rule),
	    cmocka_unit_test(default_mode_drops_names_at_once),
	    cmocka_unit_test(experimental_functions_need_the_flag),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(range_results_are_sorted_and_complete),
	    cmocka_unit_test(stale_markers_end_a_series),
	    cmocka_unit_test(annotations_name_the_place),
	    cmocka_unit_test(a_failing_source_fails_the_query),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
