// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>

#include "base/alloc.h"
#include "promql/fn.h"

#define S PROMQL_SCALAR
#define V PROMQL_VECTOR
#define M PROMQL_MATRIX
#define T PROMQL_STRING

#define MATH(n, f) {.name = n, .ret = V, .args = {V}, .n_args = 1, .kind = FUNCTION_MATH, .fn.math = f}
#define VECTOR(n, f, count, ...) {.name = n, .ret = V, .args = {__VA_ARGS__}, .n_args = count, .kind = FUNCTION_VECTOR, .fn.vector = f
#define SCALAR(n, f, count, ...) {.name = n, .ret = S, .args = {__VA_ARGS__}, .n_args = count, .kind = FUNCTION_SCALAR, .fn.scalar = f
#define RANGE(n, f, count, ...) {.name = n, .ret = V, .args = {__VA_ARGS__}, .n_args = count, .kind = FUNCTION_RANGE, .fn.range = f
#define OVER_TIME(n, f) RANGE(n, f, 1, M)}
#define OVER_TIME_X(n, f) RANGE(n, f, 1, M), .experimental = true}
#define CALENDAR(n, f) VECTOR(n, f, 1, V), .variadic = 1, .time = TIME_DEPENDENT}

/* Sorted by name. */
static const struct function functions[] = {
	MATH("abs", fabs),
	VECTOR("absent", fn_absent, 1, V)},
	VECTOR("absent_over_time", fn_absent_over_time, 1, M)},
	MATH("acos", acos),
	MATH("acosh", acosh),
	MATH("asin", asin),
	MATH("asinh", asinh),
	MATH("atan", atan),
	MATH("atanh", atanh),
	RANGE("avg_over_time", fn_avg_over_time, 1, M), .lanes = fn_avg_lanes},
	MATH("ceil", ceil),
	RANGE("changes", fn_changes, 1, M), .extended = ANCHORED_ONLY},
	VECTOR("clamp", fn_clamp, 3, V, S, S), .each = fn_clamp_each},
	VECTOR("clamp_max", fn_clamp_max, 2, V, S), .each = fn_clamp_max_each},
	VECTOR("clamp_min", fn_clamp_min, 2, V, S), .each = fn_clamp_min_each},
	MATH("cos", cos),
	MATH("cosh", cosh),
	OVER_TIME("count_over_time", fn_count_over_time),
	CALENDAR("day_of_month", fn_day_of_month),
	CALENDAR("day_of_week", fn_day_of_week),
	CALENDAR("day_of_year", fn_day_of_year),
	CALENDAR("days_in_month", fn_days_in_month),
	MATH("deg", fn_deg),
	RANGE("delta", fn_delta, 1, M), .extended = ANCHORED_AND_SMOOTHED},
	RANGE("deriv", fn_deriv, 1, M), .lanes = fn_deriv_lanes},
	RANGE("double_exponential_smoothing", fn_double_exponential_smoothing, 3, M, S, S), .experimental = true},
	SCALAR("end", fn_end, 0, 0), .experimental = true, .time = TIME_DEPENDENT},
	MATH("exp", exp),
	RANGE("first_over_time", fn_first_over_time, 1, M), .keeps_name = true},
	MATH("floor", floor),
	VECTOR("histogram_avg", fn_histogram_avg, 1, V)},
	VECTOR("histogram_count", fn_histogram_count, 1, V)},
	VECTOR("histogram_fraction", fn_histogram_fraction, 3, S, S, V)},
	VECTOR("histogram_quantile", fn_histogram_quantile, 2, S, V)},
	VECTOR("histogram_quantiles", fn_histogram_quantiles, 4, V, T, S, S), .variadic = 9, .experimental = true},
	VECTOR("histogram_stddev", fn_histogram_stddev, 1, V)},
	VECTOR("histogram_stdvar", fn_histogram_stdvar, 1, V)},
	VECTOR("histogram_sum", fn_histogram_sum, 1, V)},
	CALENDAR("hour", fn_hour),
	OVER_TIME("idelta", fn_idelta),
	RANGE("increase", fn_increase, 1, M), .extended = ANCHORED_AND_SMOOTHED},
	VECTOR("info", fn_info, 2, V, V), .variadic = 1, .experimental = true},
	OVER_TIME("irate", fn_irate),
	VECTOR("label_join", fn_label_join, 4, V, T, T, T), .variadic = -1},
	VECTOR("label_replace", fn_label_replace, 5, V, T, T, T, T)},
	RANGE("last_over_time", fn_last_over_time, 1, M), .keeps_name = true},
	MATH("ln", log),
	MATH("log10", log10),
	MATH("log2", log2),
	OVER_TIME_X("mad_over_time", fn_mad_over_time),
	SCALAR("max_of", fn_max_of, 2, S, S), .experimental = true},
	RANGE("max_over_time", fn_max_over_time, 1, M), .lanes = fn_max_lanes},
	SCALAR("min_of", fn_min_of, 2, S, S), .experimental = true},
	RANGE("min_over_time", fn_min_over_time, 1, M), .lanes = fn_min_lanes},
	CALENDAR("minute", fn_minute),
	CALENDAR("month", fn_month),
	SCALAR("pi", fn_pi, 0, 0)},
	RANGE("predict_linear", fn_predict_linear, 2, M, S), .lanes = fn_predict_lanes, .time = TIME_DEPENDENT},
	OVER_TIME("present_over_time", fn_present_over_time),
	RANGE("quantile_over_time", fn_quantile_over_time, 2, S, M)},
	MATH("rad", fn_rad),
	SCALAR("range", fn_range, 0, 0), .experimental = true, .time = TIME_DEPENDENT},
	RANGE("rate", fn_rate, 1, M), .extended = ANCHORED_AND_SMOOTHED},
	RANGE("resets", fn_resets, 1, M), .extended = ANCHORED_ONLY},
	VECTOR("round", fn_round, 2, V, S), .variadic = 1, .each = fn_round_each},
	SCALAR("scalar", fn_scalar, 1, V)},
	MATH("sgn", fn_sgn),
	MATH("sin", sin),
	MATH("sinh", sinh),
	VECTOR("sort", fn_sort, 1, V)},
	VECTOR("sort_by_label", fn_sort_by_label, 2, V, T), .variadic = -1, .experimental = true},
	VECTOR("sort_by_label_desc", fn_sort_by_label_desc, 2, V, T), .variadic = -1, .experimental = true},
	VECTOR("sort_desc", fn_sort_desc, 1, V)},
	MATH("sqrt", sqrt),
	SCALAR("start", fn_start, 0, 0), .experimental = true, .time = TIME_DEPENDENT},
	VECTOR("start_timestamp", fn_start_timestamp, 1, V), .experimental = true, .time = TIME_DEPENDENT},
	RANGE("stddev_over_time", fn_stddev_over_time, 1, M), .lanes = fn_stddev_lanes},
	RANGE("stdvar_over_time", fn_stdvar_over_time, 1, M), .lanes = fn_stdvar_lanes},
	SCALAR("step", fn_step, 0, 0), .experimental = true, .time = TIME_DEPENDENT},
	RANGE("sum_over_time", fn_sum_over_time, 1, M), .lanes = fn_sum_lanes},
	MATH("tan", tan),
	MATH("tanh", tanh),
	SCALAR("time", fn_time, 0, 0), .time = TIME_DEPENDENT},
	VECTOR("timestamp", fn_timestamp, 1, V), .time = TIME_DEPENDENT},
	OVER_TIME_X("ts_of_first_over_time", fn_ts_of_first_over_time),
	OVER_TIME_X("ts_of_last_over_time", fn_ts_of_last_over_time),
	OVER_TIME_X("ts_of_max_over_time", fn_ts_of_max_over_time),
	OVER_TIME_X("ts_of_min_over_time", fn_ts_of_min_over_time),
	VECTOR("vector", fn_vector, 1, S)},
	CALENDAR("year", fn_year),
};

const struct function *function_find(struct sv name)
{
	size_t lo = 0, hi = ARRAY_SIZE(functions);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = sv_cmp(name, sv_of(functions[mid].name));
		if (!c)
			return &functions[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

void promql_functions(void (*each)(void *arg, const char *name, bool experimental), void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		each(arg, functions[i].name, functions[i].experimental);
}

static struct vec call_math(struct eval *ev, const struct expr *e)
{
	struct vec v = eval_vector(ev, e->call.args[0]), out = {0};
	for (size_t i = 0; i < v.n; i++)
		if (!v.s[i].h)
			vec_add(ev, &out, ev_derived(ev, &v.s[i], e->call.fn->fn.math(v.s[i].v)));
	return out;
}

struct vec eval_call(struct eval *ev, const struct expr *e)
{
	switch (e->call.fn->kind) {
	case FUNCTION_MATH:
		return call_math(ev, e);
	case FUNCTION_RANGE:
		return eval_range_function(ev, e);
	case FUNCTION_VECTOR:
		return e->call.fn->fn.vector(ev, e);
	case FUNCTION_SCALAR:
		break;
	}
	return (struct vec){0};
}
