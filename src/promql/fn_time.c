// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <time.h>

#include "promql/fn.h"

VECTOR_FN(fn_timestamp)
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	bool selector = expr_unwrap(call->call.args[0])->kind == EXPR_VECTOR;
	for (size_t i = 0; i < v.n; i++)
		vec_add(ev, &out, ev_derived(ev, &v.s[i], (double)(selector ? v.s[i].t : ev->t) / 1000));
	return out;
}

/* When the counters behind a selector began, 0 where that is not known. Nothing if start times are not looked at, or of an expression. */
VECTOR_FN(fn_start_timestamp)
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	bool selector = expr_unwrap(call->call.args[0])->kind == EXPR_VECTOR;
	for (size_t i = 0; selector && ev->opt.start_timestamps && i < v.n; i++)
		vec_add(ev, &out, ev_derived(ev, &v.s[i], (double)v.s[i].st / 1000));
	return out;
}

static bool is_leap(long year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static double minute_of(const struct tm *t)
{
	return t->tm_min;
}

static double hour_of(const struct tm *t)
{
	return t->tm_hour;
}

static double day_of_week_of(const struct tm *t)
{
	return t->tm_wday;
}

static double day_of_month_of(const struct tm *t)
{
	return t->tm_mday;
}

static double day_of_year_of(const struct tm *t)
{
	return t->tm_yday + 1;
}

static double days_in_month_of(const struct tm *t)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return t->tm_mon == 1 && is_leap(t->tm_year + 1900l) ? 29 : days[t->tm_mon];
}

static double month_of(const struct tm *t)
{
	return t->tm_mon + 1;
}

static double year_of(const struct tm *t)
{
	return t->tm_year + 1900.0;
}

static double field_of(double v, double (*field)(const struct tm *))
{
	/* What Go makes of NaN and of values beyond its years is not defined; they have no date here. */
	if (!(fabs(v) < 6.7e16))
		return NAN;
	time_t t = (time_t)v;
	struct tm tm;
	return gmtime_r(&t, &tm) ? field(&tm) : NAN;
}

static struct vec calendar(struct eval *ev, const struct expr *call, double (*field)(const struct tm *))
{
	struct vec out = {0};
	if (!call->call.n) {
		vec_add(ev, &out,
			(struct vsample){
			    .l = ev->pool.empty, .v = field_of((double)ev->t / 1000, field), .t = ev->t});
		return out;
	}
	struct vec v = eval_vector(ev, call->call.args[0]);
	for (size_t i = 0; i < v.n; i++)
		if (!v.s[i].h)
			vec_add(ev, &out, ev_derived(ev, &v.s[i], field_of(v.s[i].v, field)));
	return out;
}

VECTOR_FN(fn_minute)
{
	return calendar(ev, call, minute_of);
}

VECTOR_FN(fn_hour)
{
	return calendar(ev, call, hour_of);
}

VECTOR_FN(fn_day_of_week)
{
	return calendar(ev, call, day_of_week_of);
}

VECTOR_FN(fn_day_of_month)
{
	return calendar(ev, call, day_of_month_of);
}

VECTOR_FN(fn_day_of_year)
{
	return calendar(ev, call, day_of_year_of);
}

VECTOR_FN(fn_days_in_month)
{
	return calendar(ev, call, days_in_month_of);
}

VECTOR_FN(fn_month)
{
	return calendar(ev, call, month_of);
}

VECTOR_FN(fn_year)
{
	return calendar(ev, call, year_of);
}
