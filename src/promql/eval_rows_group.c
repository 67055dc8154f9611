// SPDX-License-Identifier: GPL-2.0-or-later
/* Groups of rows: for each group and step what eval_aggregate.c has for a group, with the same operations in the same order. */
#include <math.h>

#include "promql/eval_rows.h"

struct row_groups {
	enum token_type op;
	size_t steps;
	uint32_t *n;		  /* members */
	double *v, *c, *mean;	  /* the sum or extreme, its compensation, the mean: where the operator has them */
	bool *incremental, *done; /* by step, by group */
	size_t n_groups;
};

struct row_groups *row_groups_new(struct arena *a, enum token_type op, size_t n, size_t steps)
{
	struct row_groups *g = arena_calloc(a, 1, sizeof(*g));
	size_t all = n * steps + 1;
	g->op = op;
	g->n_groups = n;
	g->n = arena_alloc(a, all * sizeof(*g->n));
	g->v = arena_alloc(a, all * sizeof(*g->v));
	g->done = arena_alloc(a, n + 1);
	if (op == TOKEN_SUM || op == TOKEN_AVG)
		g->c = arena_alloc(a, all * sizeof(*g->c));
	if (op == TOKEN_AVG || op == TOKEN_STDDEV || op == TOKEN_STDVAR)
		g->mean = arena_alloc(a, all * sizeof(*g->mean));
	if (op == TOKEN_AVG)
		g->incremental = arena_alloc(a, all * sizeof(*g->incremental));
	return g;
}

void row_groups_reset(struct row_groups *g, size_t steps)
{
	size_t all = g->n_groups * steps;
	g->steps = steps;
	memset(g->n, 0, all * sizeof(*g->n));
	memset(g->done, 0, g->n_groups);
	/* -0 + x is x for every x, -0 too: the first member needs no case of its own in a sum. */
	for (size_t i = 0; i < all; i++)
		g->v[i] = g->op == TOKEN_SUM ? -0.0 : 0;
	if (g->c)
		memset(g->c, 0, all * sizeof(*g->c));
	if (g->mean)
		memset(g->mean, 0, all * sizeof(*g->mean));
	if (g->incremental)
		memset(g->incremental, 0, all * sizeof(*g->incremental));
}

static void add_average(struct row_groups *g, size_t at, double x)
{
	double n = (double)++g->n[at];
	if (n == 1) {
		g->v[at] = x;
		return;
	}
	if (!g->incremental[at]) {
		double sum = g->v[at], c = g->c[at];
		kahan_add(x, &sum, &c);
		if (!isinf(sum)) {
			g->v[at] = sum;
			g->c[at] = c;
			return;
		}
		/* The sum is beyond a double, the mean need not be. */
		g->incremental[at] = true;
		g->mean[at] = g->v[at] / (n - 1);
		g->c[at] /= n - 1;
	}
	double q = (n - 1) / n;
	g->mean[at] *= q;
	g->c[at] *= q;
	kahan_add(x / n, &g->mean[at], &g->c[at]);
}

static void add_variance(struct row_groups *g, size_t at, double x)
{
	double n = (double)++g->n[at], delta = x - g->mean[at];
	if (isnan(x) || isinf(x)) {
		g->v[at] = NAN;
		return;
	}
	g->mean[at] += delta / n;
	g->v[at] += delta * (x - g->mean[at]);
}

void row_groups_add(struct row_groups *g, size_t group, const double *row)
{
	size_t at = group * g->steps;
	for (size_t k = 0; k < g->steps; k++, at++) {
		double x = row[k];
		if (sample_is_stale(&x))
			continue;
		switch (g->op) {
		case TOKEN_SUM:
			g->n[at]++;
			kahan_add(x, &g->v[at], &g->c[at]);
			break;
		case TOKEN_AVG:
			add_average(g, at, x);
			break;
		case TOKEN_MIN:
			if (!g->n[at]++ || g->v[at] > x || isnan(g->v[at]))
				g->v[at] = x;
			break;
		case TOKEN_MAX:
			if (!g->n[at]++ || g->v[at] < x || isnan(g->v[at]))
				g->v[at] = x;
			break;
		case TOKEN_STDDEV:
		case TOKEN_STDVAR:
			add_variance(g, at, x);
			break;
		default:
			g->n[at]++;
		}
	}
}

static double value_of(const struct row_groups *g, size_t at)
{
	double n = (double)g->n[at];
	switch (g->op) {
	case TOKEN_SUM:
		return g->v[at] + g->c[at];
	case TOKEN_AVG:
		return g->incremental[at] ? g->mean[at] + g->c[at] : g->v[at] / n + g->c[at] / n;
	case TOKEN_STDDEV:
		return sqrt(g->v[at] / n);
	case TOKEN_STDVAR:
		return g->v[at] / n;
	case TOKEN_COUNT:
		return n;
	case TOKEN_GROUP:
		return 1;
	default:
		return g->v[at];
	}
}

const double *row_groups_finish(struct row_groups *g, size_t group)
{
	double nothing = sample_stale_marker();
	size_t from = group * g->steps;
	for (size_t at = from; !g->done[group] && at < from + g->steps; at++)
		g->v[at] = g->n[at] ? value_of(g, at) : nothing;
	g->done[group] = true;
	return g->v + from;
}
