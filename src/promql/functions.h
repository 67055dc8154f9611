/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_PROMQL_FUNCTIONS_H
#define RT_PROMQL_FUNCTIONS_H

#include <stdbool.h>

#include "promql/promql.h"

struct eval;
struct expr;
struct vec;

/* How the evaluator runs a function. */
enum function_kind {
	FUNCTION_SCALAR, /* gives a scalar: fn.scalar */
	FUNCTION_VECTOR, /* gives a vector from whatever its arguments are: fn.vector */
	FUNCTION_MATH,	 /* v -> v, one float at a time: fn.math */
	FUNCTION_RANGE,	 /* one range vector argument, series by series: fn.range */
};

#define WINDOW_LANES 8

struct window;
struct vsample;

struct function {
	const char *name;
	enum promql_type ret;
	enum promql_type args[5];
	int n_args;
	int variadic; /* 0: exactly n_args; else at least n_args - 1, and at most n_args - 1 + variadic unless
			 that is -1 */
	bool experimental;
	enum function_kind kind;
	union {
		double (*scalar)(struct eval *ev, const struct expr *call);
		struct vec (*vector)(struct eval *ev, const struct expr *call);
		double (*math)(double v);
		/* False: no sample of this series at this step. */
		bool (*range)(struct eval *ev, const struct expr *call, const struct window *w,
			      struct vsample *out);
	} fn;
	/* FUNCTION_RANGE: of up to WINDOW_LANES windows of floats of one series at once, or NULL; the stale marker: no sample. It may move ev->t. */
	void (*lanes)(struct eval *ev, const struct expr *call, const struct window *w, size_t n, double *out);
	/* FUNCTION_VECTOR: what it makes of each float of its first argument, given the N arguments of which the first is not set; the stale marker:
	 * nothing. NULL: it is not of that kind. */
	double (*each)(double v, const double *args, size_t n);
	bool keeps_name;
	enum {
		TIME_SAFE,
		TIME_DEPENDENT
	} time; /* may the result change with the evaluation time when all selectors have @ */
	enum { NO_EXTENDED, ANCHORED_ONLY, ANCHORED_AND_SMOOTHED } extended;
};

/* NULL if there is no such function; names are case-sensitive. */
const struct function *function_find(struct sv name);

#endif
