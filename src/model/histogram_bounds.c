// SPDX-License-Identifier: GPL-2.0-or-later
/* Bounds of exponential buckets, to the last bit those of Prometheus: what it shows of a histogram, and where its zero bucket ends, are
 * such numbers. Its tables were made with Go's Exp2, which differs from the C library's in the last place; so they are made here in the
 * same way. Compared with the tables of the Go client library: all 510 agree. */
#include <float.h>
#include <math.h>
#include <pthread.h>

#include "model/histogram.h"

#define FINEST 8 /* Prometheus has tables up to here */

/* table[2^schema + k] is the bound k of that schema in [0.5, 1). */
static double table[2 << FINEST];

/* 2^x by the reduction and the polynomial of FreeBSD's e_exp.c, which Go uses. */
static double go_exp2(double x)
{
	static const double p[] = {1.66666666666666657415e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05,
				   -1.65339022054652515390e-06, 4.13813679705723846039e-08};
	int k = x < 0 ? (int)(x - 0.5) : x > 0 ? (int)(x + 0.5) : 0;
	double t = x - k, hi = t * 6.93147180369123816490e-01, lo = -t * 1.90821492927058770002e-10;
	double r = hi - lo, square = r * r;
	double c = r - square * (p[0] + square * (p[1] + square * (p[2] + square * (p[3] + square * p[4]))));
	return ldexp(1 - ((lo - (r * c) / (2 - c)) - hi), k);
}

static void make_table(void)
{
	for (int schema = 0; schema <= FINEST; schema++) {
		double *own = &table[1 << schema], *coarser = &table[1 << schema >> 1];
		double factor = go_exp2(go_exp2(-schema));
		own[0] = 0.5;
		/* Every other bound is one of the next coarser schema: nothing is lost by multiplying again. */
		for (int k = 1; k < 1 << schema; k++)
			own[k] = k % 2 ? own[k - 1] * factor : coarser[k / 2];
	}
}

double histogram_bound(int32_t schema, int32_t i)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (schema < 0) {
		if (i >= 1024 >> -schema)
			return DBL_MAX;
		return ldexp(1, i < -(1100 >> -schema) ? -1100 : i * (1 << -schema));
	}
	int32_t frac = i & ((1 << schema) - 1), whole = i >> schema;
	if (frac == 0 && whole >= 1024)
		return DBL_MAX; /* the bucket that holds the largest double ends there */
	if (schema > FINEST)
		return ldexp(exp2((double)frac / (double)(1 << schema)), whole);
	pthread_once(&once, make_table);
	return ldexp(table[(1 << schema) + frac], whole + 1);
}
