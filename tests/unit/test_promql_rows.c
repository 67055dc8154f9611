// SPDX-License-Identifier: GPL-2.0-or-later
/* A range query, by rows and several windows at a time, gives bit for bit what as many instant queries give that are evaluated step by step. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "promql/promql.h"
#include "promql/test_storage.h"

#define SAMPLES 90
#define STEP 15000

static const char *const expressions[] = {
	"g",
	"g offset 37s",
	"{__name__=~\"g|c_total\",a=\"1\"}",
	"rate(c_total[2m])",
	"irate(c_total[2m])",
	"increase(c_total[47s])",
	"delta(g[2m])",
	"idelta(g[2m])",
	"deriv(g[3m])",
	"deriv(w[3m10s] offset 20s)",
	"predict_linear(w[3m], 600)",
	"predict_linear(w[3m], time())",
	"changes(g[2m])",
	"resets(g[2m])",
	"sum_over_time(g[3m])",
	"avg_over_time(g[3m])",
	"min_over_time(g[3m])",
	"max_over_time(g[3m])",
	"count_over_time(g[3m])",
	"last_over_time(g[3m])",
	"present_over_time(g[3m])",
	"stddev_over_time(g[3m])",
	"stdvar_over_time(w[3m])",
	"quantile_over_time(0.3, g[3m])",
	"sum_over_time(huge[3m])",
	"avg_over_time(huge[3m])",
	"sum by (a) (g)",
	"avg by (a) (huge)",
	"min(g)",
	"max by (b) (g)",
	"count without (b) (g)",
	"group(g)",
	"stddev by (a) (w)",
	"stdvar(w)",
	"sum by (a) (rate(c_total[2m]))",
	"sum by (__name__, a) ({a=~\".+\"})",
	"topk(2, w)",
	"quantile by (a) (0.5, w)",
	"abs(w - 3) * 2",
	"-w",
	"w > 5",
	"5 < bool w",
	"round(w, 0.1)",
	"clamp(w, -3, 7)",
	"clamp(w, 7, -3)",
	"label_replace(w, \"c\", \"x$1\", \"a\", \"(.*)\")",
	"label_join(w, \"a\", \"-\", \"a\", \"b\")",
	"w / g",
	"w + on (a, b) g",
	"w > g",
	"w >= bool g",
	"w * on (a) group_left () sum by (a) (g)",
	"sum by (a) (w) + on (a) group_right () g",
	"w and g > 0",
	"w unless on (a) g > 3",
	"w or g",
	"max_over_time(rate(c_total[1m])[3m:20s])",
	"avg_over_time(sum by (a) (w)[2m:30s] offset 10s)",
	"sum_over_time((w > 2)[2m:13s])",
	"max_over_time(deriv(rate(c_total[1m])[2m:30s])[2m:30s])",
	"absent(g > 100)",
	"w / scalar(count(g))",
	"histogram_quantile(0.7, sum by (le) (rate(b_bucket[2m])))",
	"histogram_quantile(0.7, b_bucket)",
};

static uint64_t next_random(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return x >> 11;
}

static void value_of(const char *name, int i, int k, struct buf *b)
{
	static const char *const odd[] = {"NaN", "Inf", "-Inf", "0", "-0", "5e-324", "1e-300", "stale"};
	double r = (double)(next_random() % 20000) / 997 - 7;
	if (next_random() % 11 == 0)
		buf_adds(b, "_"); /* none */
	else if (*name == 'g' && k % 2 && next_random() % 6 == 0)
		buf_adds(b, odd[next_random() % ARRAY_SIZE(odd)]);
	else if (*name == 'h')
		buf_addf(b, "%.17g", r * 1e307);
	else if (*name == 'c' || *name == 'b')
		buf_addf(b, "%d", (i % (31 + k)) * (k + 1));
	else
		buf_addf(b, "%.17g", *name == 'w' && i % 40 < 20 ? (double)k : r);
}

static void load(struct test_storage *storage)
{
	static const char *const names[] = {"g", "w", "huge", "c_total", "b_bucket"};
	static const char *const les[] = {"0.1", "1", "5", "+Inf"};
	struct test_row rows[ARRAY_SIZE(names) * 6];
	size_t n = 0;
	for (size_t m = 0; m < ARRAY_SIZE(names); m++)
		for (int k = 0; k < 6; k++) {
			_cleanup_buf_ struct buf line = BUF_INIT;
			const char *error = NULL;
			buf_addf(&line, "%s{a=\"%d\",b=\"%d\"%s%s%s}", names[m], k % 3, k, *names[m] == 'b' ? ",le=\"" : "",
				 *names[m] == 'b' ? les[k % 4] : "", *names[m] == 'b' ? "\"" : "");
			for (int i = 0; i < SAMPLES; i++) {
				buf_addc(&line, ' ');
				value_of(names[m], i, k, &line);
			}
			if (!test_row_parse(sv_make(line.p, line.n), &storage->arena, &rows[n++], &error))
				fail_msg("%s: %s", buf_str(&line), error);
		}
	test_storage_load(storage, rows, n, STEP, false);
	for (size_t i = 0; i < n; i++)
		labels_unref(rows[i].labels);
}

/* The value that the range query gave for L at T; false if it gave none. */
static bool value_at(const struct promql_value *v, const struct labels *l, int64_t t, double *out)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct promql_series *s = &v->series[i];
		if (!labels_equal(s->labels, l))
			continue;
		for (size_t k = 0; !s->row && k < s->n; k++)
			if (s->points[k].t == t) {
				*out = s->points[k].v;
				return true;
			}
		size_t at = (size_t)((t - v->start) / v->step);
		if (s->row && at >= s->first && at < s->first + s->length && !sample_is_stale(&s->row[at - s->first])) {
			*out = s->row[at - s->first];
			return true;
		}
	}
	return false;
}

/* One NaN is as good as another: which of two operands' it is depends on the processor. */
static bool same_value(double a, double b)
{
	return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

static size_t points_of(const struct promql_value *v)
{
	size_t n = 0;
	for (size_t i = 0; i < v->n; i++)
		n += v->series[i].n;
	return n;
}

static void compare(const struct sample_source *src, const char *text, int64_t start, int64_t end, int64_t step)
{
	struct promql_expr *e = NULL;
	struct promql_value range = {0};
	/* With names that go late nothing is done by rows. */
	struct promql_options by_rows = {.rows = true}, by_steps = {.delayed_name_removal = true};
	char *error = NULL;
	size_t points = 0;
	assert_int_equal(promql_parse(sv_of(text), &e, &error), 0);
	if (promql_eval_range(&by_rows, e, src, start, end, step, &range, &error))
		fail_msg("%s: %s", text, error);
	for (int64_t t = start; t <= end; t += step) {
		struct promql_value one = {0};
		if (promql_eval_instant(&by_steps, e, src, t, &one, &error))
			fail_msg("%s at %lld: %s", text, (long long)t, error);
		for (size_t i = 0; i < one.n; i++, points++) {
			double want = one.series[i].points[0].v, got = 0;
			if (!value_at(&range, one.series[i].labels, t, &got))
				fail_msg("%s at %lld: series %zu has no value", text, (long long)t, i);
			if (!same_value(got, want))
				fail_msg("%s at %lld: %a, not %a", text, (long long)t, got, want);
		}
		promql_value_free(&one);
	}
	if (points_of(&range) != points)
		fail_msg("%s: %zu points, not %zu", text, points_of(&range), points);
	promql_value_free(&range);
	promql_expr_free(e);
}

static void rows_are_what_steps_are(void **state)
{
	struct test_storage storage = {0};
	load(&storage);
	struct sample_source src = test_storage_source(&storage);
	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
		compare(&src, expressions[i], -30000, 1500000, 15000);
		compare(&src, expressions[i], 3, 1000003, 7919);
		compare(&src, expressions[i], 600000, 3600000, 400000);
	}
	test_storage_clear(&storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_what_steps_are)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
