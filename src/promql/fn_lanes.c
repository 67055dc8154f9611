// SPDX-License-Identifier: GPL-2.0-or-later
/* Range functions of several windows of one series side by side. What they compute of a window is one long chain in which each step waits for the
 * one before it; the chains of other windows do not, so that the processor can work on them meanwhile, two in one instruction. In each lane the
 * operations are those of the function for one window, in the same order. What is not finite goes there (again). */
#include <math.h>

#include "promql/fn.h"

/* Two numbers, as every processor has them in one register; the windows of a batch are PAIRS of them. */
typedef double pair __attribute__((vector_size(2 * sizeof(double))));
typedef int64_t pair_mask __attribute__((vector_size(2 * sizeof(double))));
#define PAIRS (WINDOW_LANES / 2)
#define EACH_PAIR _Pragma("GCC unroll 8") for (size_t p = 0; p < PAIRS; p++)

/* kahan_add for numbers whose sum is finite: what the sum loses, without asking which is the greater (Knuth's TwoSum). Both find it exactly. */
static inline void add_lossless(pair x, pair *sum, pair *c)
{
	pair t = *sum + x, b = t - *sum;
	*c += (*sum - (t - b)) + (x - b);
	*sum = t;
}

/* The windows of a batch; those that are left over repeat the last. */
struct batch {
	const struct sample *s[WINDOW_LANES];
	size_t n[WINDOW_LANES], least;
};

static struct batch batch_of(const struct window *w, size_t n)
{
	struct batch b;
	b.least = w[0].n;
	for (size_t k = 0; k < WINDOW_LANES; k++) {
		const struct window *of = &w[k < n ? k : n - 1];
		b.s[k] = of->s;
		b.n[k] = of->n;
		b.least = of->n < b.least ? of->n : b.least;
	}
	return b;
}

static inline pair values_at(const struct batch *b, size_t p, size_t i)
{
	return (pair){b->s[2 * p][i].v, b->s[2 * p + 1][i].v};
}

static inline double lane(const pair *v, size_t k)
{
	return v[k / 2][k % 2];
}

/* The function for one window alone. */
static double alone(struct eval *ev, const struct expr *call, const struct window *w)
{
	struct vsample r = {0};
	ev->t = w->now;
	return call->call.fn->fn.range(ev, call, w, &r) ? r.v : sample_stale_marker();
}

/* The sums of the windows without their first FROM samples, from SUM on. */
static void sum_batch(const struct batch *b, size_t from, pair *sum_of, double *total, double *c_total)
{
	pair sum[PAIRS], c[PAIRS] = {0};
	EACH_PAIR sum[p] = sum_of[p];
	for (size_t i = from; i < b->least; i++)
		EACH_PAIR add_lossless(values_at(b, p, i), &sum[p], &c[p]);
	for (size_t k = 0; k < WINDOW_LANES; k++) {
		total[k] = lane(sum, k);
		c_total[k] = lane(c, k);
		for (size_t i = b->least; i < b->n[k]; i++)
			kahan_add(b->s[k][i].v, &total[k], &c_total[k]);
	}
}

LANES_FN(fn_sum_lanes)
{
	struct batch b = batch_of(w, n);
	pair from[PAIRS] = {0};
	double sum[WINDOW_LANES], c[WINDOW_LANES];
	sum_batch(&b, 0, from, sum, c);
	for (size_t k = 0; k < n; k++)
		out[k] = isfinite(sum[k]) && isfinite(c[k]) ? sum[k] + c[k] : alone(ev, call, &w[k]);
}

LANES_FN(fn_avg_lanes)
{
	struct batch b = batch_of(w, n);
	pair from[PAIRS];
	double sum[WINDOW_LANES], c[WINDOW_LANES];
	EACH_PAIR from[p] = values_at(&b, p, 0);
	sum_batch(&b, 1, from, sum, c);
	for (size_t k = 0; k < n; k++) {
		double count = (double)w[k].n;
		out[k] = isfinite(sum[k]) && isfinite(c[k]) ? sum[k] / count + c[k] / count : alone(ev, call, &w[k]);
	}
}

static inline void extreme_lanes(struct eval *ev, const struct expr *call, const struct window *w, size_t n, double *out, bool greatest)
{
	struct batch b = batch_of(w, n);
	pair best[PAIRS];
	EACH_PAIR best[p] = values_at(&b, p, 0);
	for (size_t i = 1; i < b.least; i++)
		EACH_PAIR
		{
			pair x = values_at(&b, p, i);
			pair_mask better = greatest ? x > best[p] : x < best[p];
			best[p] = (pair)(((pair_mask)x & better) | ((pair_mask)best[p] & ~better));
		}
	for (size_t k = 0; k < n; k++) {
		double v = lane(best, k);
		for (size_t i = b.least; i < w[k].n; i++)
			if (greatest ? w[k].s[i].v > v : w[k].s[i].v < v)
				v = w[k].s[i].v;
		out[k] = isnan(v) ? alone(ev, call, &w[k]) : v; /* it began with a NaN */
	}
}

LANES_FN(fn_max_lanes)
{
	extreme_lanes(ev, call, w, n, out, true);
}

LANES_FN(fn_min_lanes)
{
	extreme_lanes(ev, call, w, n, out, false);
}

static void variance_lanes(struct eval *ev, const struct expr *call, const struct window *w, size_t n, double *out, bool root)
{
	struct batch b = batch_of(w, n);
	pair mean[PAIRS] = {0}, c_mean[PAIRS] = {0}, aux[PAIRS] = {0}, c_aux[PAIRS] = {0};
	for (size_t i = 0; i < b.least; i++)
		EACH_PAIR
		{
			pair x = values_at(&b, p, i), delta = x - (mean[p] + c_mean[p]);
			add_lossless(delta / ((double)i + 1), &mean[p], &c_mean[p]);
			add_lossless(delta * (x - (mean[p] + c_mean[p])), &aux[p], &c_aux[p]);
		}
	for (size_t k = 0; k < n; k++) {
		double m = lane(mean, k), cm = lane(c_mean, k), a = lane(aux, k), ca = lane(c_aux, k);
		for (size_t i = b.least; i < w[k].n; i++) {
			double x = w[k].s[i].v, delta = x - (m + cm);
			kahan_add(delta / ((double)i + 1), &m, &cm);
			kahan_add(delta * (x - (m + cm)), &a, &ca);
		}
		double v = (a + ca) / (double)w[k].n;
		out[k] = !isfinite(m + cm) || !isfinite(a) || !isfinite(ca) ? alone(ev, call, &w[k]) : root ? sqrt(v) : v;
	}
}

LANES_FN(fn_stddev_lanes)
{
	variance_lanes(ev, call, w, n, out, true);
}

LANES_FN(fn_stdvar_lanes)
{
	variance_lanes(ev, call, w, n, out, false);
}

/* The x of a straight line through samples at even distances, and the sums of the first of them: the same for all windows that lie so. */
struct line {
	int64_t distance, offset; /* from one to the next; of the first from the time that is 0, ms */
	size_t n, cap;
	struct line_point {
		double x, sum, c, squares, c_squares; /* the sums include this one */
	} *points;
};

static struct line *line_of(struct eval *ev, const struct expr *call, int64_t distance, int64_t offset, size_t n)
{
	struct node *node = &ev->nodes[call->id];
	struct line *l = node->extra;
	if (!l)
		node->extra = l = arena_calloc(&ev->arena, 1, sizeof(*l));
	if (l->distance != distance || l->offset != offset) {
		l->distance = distance;
		l->offset = offset;
		l->n = 0;
	}
	while (l->n < n) {
		arena_grow(&ev->arena, l->points, l->n, l->cap);
		struct line_point p = l->n ? l->points[l->n - 1] : (struct line_point){0};
		p.x = (double)(offset + (int64_t)l->n * distance) / 1000;
		kahan_add(p.x, &p.sum, &p.c);
		kahan_add(p.x * p.x, &p.squares, &p.c_squares);
		l->points[l->n++] = p;
	}
	return l;
}

/* How many of the windows, from the first on, have samples at the same even distances, and as far from the times that are 0. */
static size_t lie_alike(const struct window *w, size_t n, const int64_t *zero, int64_t *distance, size_t *longest)
{
	size_t k = 0;
	for (*longest = 0; k < n; k++) {
		int64_t d;
		if (w[k].n < 2 || !ev_is_even(&w[k], &d) || w[k].s[0].t - zero[k] != w[0].s[0].t - zero[0] || (k && d != *distance))
			break;
		*distance = d;
		*longest = w[k].n > *longest ? w[k].n : *longest;
	}
	return k;
}

/* Slope and value at ZERO[k] of the line through the first windows, as many as lie alike: how many that are, or 0. Where SURE is false it has to be
 * done alone. */
static size_t lines(struct eval *ev, const struct expr *call, const struct window *w, size_t n, const int64_t *zero, double *slope, double *intercept,
		    bool *sure)
{
	int64_t distance = 0;
	size_t longest;
	n = lie_alike(w, n, zero, &distance, &longest);
	if (n < 2)
		return 0;
	const struct line_point *points = line_of(ev, call, distance, w[0].s[0].t - zero[0], longest)->points;
	struct batch b = batch_of(w, n);
	pair sy[PAIRS] = {0}, cy[PAIRS] = {0}, sxy[PAIRS] = {0}, cxy[PAIRS] = {0}, first[PAIRS];
	pair_mask constant[PAIRS];
	EACH_PAIR
	{
		first[p] = values_at(&b, p, 0);
		constant[p] = first[p] == first[p];
	}
	for (size_t i = 0; i < b.least; i++)
		EACH_PAIR
		{
			pair y = values_at(&b, p, i);
			constant[p] &= y == first[p];
			add_lossless(y, &sy[p], &cy[p]);
			add_lossless(points[i].x * y, &sxy[p], &cxy[p]);
		}
	for (size_t k = 0; k < n; k++) {
		double y = lane(sy, k), c = lane(cy, k), xy = lane(sxy, k), c_xy = lane(cxy, k), count = (double)w[k].n;
		bool same = constant[k / 2][k % 2];
		for (size_t i = b.least; i < w[k].n; i++) {
			same = same && w[k].s[i].v == w[k].s[0].v;
			kahan_add(w[k].s[i].v, &y, &c);
			kahan_add(points[i].x * w[k].s[i].v, &xy, &c_xy);
		}
		const struct line_point *last = &points[w[k].n - 1];
		double x = last->sum + last->c, xx = last->squares + last->c_squares;
		sure[k] = isfinite(y) && isfinite(c) && isfinite(xy) && isfinite(c_xy);
		y += c;
		xy += c_xy;
		slope[k] = same ? 0 : (xy - x * y / count) / (xx - x * x / count);
		intercept[k] = same ? w[k].s[0].v : y / count - slope[k] * x / count;
	}
	return n;
}

static void line_lanes(struct eval *ev, const struct expr *call, const struct window *w, size_t n, double *out, bool predict)
{
	double slope[WINDOW_LANES], intercept[WINDOW_LANES];
	int64_t zero[WINDOW_LANES] = {0};
	bool sure[WINDOW_LANES];
	for (size_t k = 0; k < n; k++)
		zero[k] = predict ? w[k].now : w[k].s[0].t;
	for (size_t from = 0, done; from < n; from += done) {
		done = lines(ev, call, w + from, n - from, zero + from, slope + from, intercept + from, sure + from);
		if (!done)
			sure[from] = false;
		done = done ? done : 1;
		for (size_t k = from; k < from + done; k++)
			out[k] = !sure[k] ? alone(ev, call, &w[k]) : predict ? slope[k] * w[k].scalars[1] + intercept[k] : slope[k];
	}
}

LANES_FN(fn_deriv_lanes)
{
	line_lanes(ev, call, w, n, out, false);
}

LANES_FN(fn_predict_lanes)
{
	line_lanes(ev, call, w, n, out, true);
}
