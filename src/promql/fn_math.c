// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "promql/fn.h"

double fn_sgn(double v)
{
	return v > 0 ? 1 : v < 0 ? -1 : v;
}

double fn_deg(double v)
{
	return v * 180 / M_PI;
}

double fn_rad(double v)
{
	return v * M_PI / 180;
}

/* Go's math.Max and math.Min: NaN wins, unlike C's. */
static double go_max(double a, double b)
{
	if (isinf(a) && a > 0)
		return a;
	if (isinf(b) && b > 0)
		return b;
	return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static double go_min(double a, double b)
{
	if (isinf(a) && a < 0)
		return a;
	if (isinf(b) && b < 0)
		return b;
	return isnan(a) || isnan(b) ? NAN : fmin(a, b);
}

EACH_FN(fn_round_each)
{
	/* By multiplication with the inverse, as 0.1 has none that is exact while 10 is. */
	double inverse = 1 / (n > 1 ? args[1] : 1);
	return floor(v * inverse + 0.5) / inverse;
}

EACH_FN(fn_clamp_each)
{
	return args[2] < args[1] ? sample_stale_marker() : go_max(args[1], go_min(args[2], v));
}

EACH_FN(fn_clamp_min_each)
{
	return go_max(args[1], go_min(INFINITY, v));
}

EACH_FN(fn_clamp_max_each)
{
	return go_max(-INFINITY, go_min(args[1], v));
}

/* A call of such a function. */
static struct vec map_each(struct eval *ev, const struct expr *call)
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	double args[ARRAY_SIZE(call->call.fn->args)] = {0};
	for (size_t a = 1; a < call->call.n; a++)
		args[a] = eval_scalar(ev, call->call.args[a]);
	for (size_t i = 0; i < v.n; i++) {
		double x = v.s[i].h ? sample_stale_marker() : call->call.fn->each(v.s[i].v, args, call->call.n);
		if (!sample_is_stale(&x))
			vec_add(ev, &out, ev_derived(ev, &v.s[i], x));
	}
	return out;
}

VECTOR_FN(fn_round)
{
	return map_each(ev, call);
}

VECTOR_FN(fn_clamp)
{
	return map_each(ev, call);
}

VECTOR_FN(fn_clamp_min)
{
	return map_each(ev, call);
}

VECTOR_FN(fn_clamp_max)
{
	return map_each(ev, call);
}

VECTOR_FN(fn_vector)
{
	struct vec out = {0};
	vec_add(ev, &out,
		(struct vsample){.l = ev->pool.empty, .v = eval_scalar(ev, call->call.args[0]), .t = ev->t});
	return out;
}

/* Labels for the 1 of absent(): those of equality matchers, if no later matcher names the label again. */
static const struct labels *absent_labels(struct eval *ev, const struct expr *arg)
{
	const struct expr *e = expr_unwrap(arg);
	struct labels_builder b;
	if (e->kind == EXPR_MATRIX)
		e = e->matrix.vector;
	if (e->kind != EXPR_VECTOR)
		return ev->pool.empty;
	labels_builder_init(&b, NULL);
	for (size_t i = 0; i < e->vector.n; i++) {
		const struct matcher *m = &e->vector.matchers[i];
		bool again = false; /* after an equality matcher */
		if (sv_eqs(m->name, LABEL_NAME))
			continue;
		for (size_t k = 0; k < i && !again; k++)
			again = e->vector.matchers[k].type == MATCH_EQUAL && sv_eq(e->vector.matchers[k].name, m->name);
		if (m->type == MATCH_EQUAL && !again)
			labels_builder_set(&b, m->name, m->value);
		else
			labels_builder_del(&b, m->name);
	}
	const struct labels *l = ev_intern(ev, labels_builder_build(&b));
	labels_builder_free(&b);
	return l;
}

static struct vec absent(struct eval *ev, const struct expr *arg, bool found)
{
	struct vec out = {0};
	if (!found)
		vec_add(ev, &out, (struct vsample){.l = absent_labels(ev, arg), .v = 1, .t = ev->t});
	return out;
}

VECTOR_FN(fn_absent)
{
	return absent(ev, call->call.args[0], eval_vector(ev, call->call.args[0]).n > 0);
}

VECTOR_FN(fn_absent_over_time)
{
	const struct expr *arg = expr_unwrap(call->call.args[0]);
	if (!ev_takes_extended(ev, call, arg))
		return (struct vec){0};
	const struct node *n = ev_load(ev, arg);
	bool found = false;
	struct window w;
	for (size_t i = 0; i < n->n && !ev->err; i++)
		found = (ev_window(ev, arg, n, &n->series[i], &w) && ev_work(ev, w.n)) || found;
	return absent(ev, arg, found);
}

static void warn_range_sort(struct eval *ev, const struct expr *call)
{
	if (!ev->instant || ev->in_subquery)
		ev_warn(ev, call,
			"sort is ineffective for range queries since results are always ordered by labels");
}

static int by_value(const void *a, const void *b)
{
	double x = ((const struct vsample *)a)->v, y = ((const struct vsample *)b)->v;
	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return x < y ? -1 : x > y;
}

static int by_value_desc(const void *a, const void *b)
{
	double x = ((const struct vsample *)a)->v, y = ((const struct vsample *)b)->v;
	return isnan(x) || isnan(y) ? isnan(x) - isnan(y) : by_value(b, a);
}

static struct vec sort_floats(struct eval *ev, const struct expr *call,
			      int (*cmp)(const void *, const void *))
{
	struct vec v = eval_vector(ev, call->call.args[0]);
	size_t n = 0;
	warn_range_sort(ev, call);
	for (size_t i = 0; i < v.n; i++)
		if (!v.s[i].h)
			v.s[n++] = v.s[i];
	v.n = n;
	if (n)
		qsort(v.s, n, sizeof(*v.s), cmp);
	return v;
}

VECTOR_FN(fn_sort)
{
	return sort_floats(ev, call, by_value);
}

VECTOR_FN(fn_sort_desc)
{
	return sort_floats(ev, call, by_value_desc);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Natural order: runs of digits compare as numbers, so that node2 stands before node10. */
static int natural_cmp(struct sv a, struct sv b)
{
	size_t i = 0, k = 0;
	while (i < a.n && k < b.n) {
		if (!is_digit(a.p[i]) || !is_digit(b.p[k])) {
			/* Runs of other characters compare as wholes: the one that ends here is a prefix, and
			 * so less. */
			if (is_digit(a.p[i]) != is_digit(b.p[k]) && i && k && !is_digit(a.p[i - 1]))
				return is_digit(a.p[i]) ? -1 : 1;
			if (a.p[i] != b.p[k])
				return (unsigned char)a.p[i] < (unsigned char)b.p[k] ? -1 : 1;
			i++;
			k++;
			continue;
		}
		size_t za = i, zb = k;
		while (i < a.n && a.p[i] == '0')
			i++;
		while (k < b.n && b.p[k] == '0')
			k++;
		size_t na = i, nb = k;
		while (na < a.n && is_digit(a.p[na]))
			na++;
		while (nb < b.n && is_digit(b.p[nb]))
			nb++;
		if (na - i != nb - k)
			return na - i < nb - k ? -1 : 1;
		int c = memcmp(a.p + i, b.p + k, na - i);
		if (c)
			return c;
		if (i - za != k - zb)
			return i - za < k - zb ? -1 : 1;
		i = na;
		k = nb;
	}
	return (i < a.n) - (k < b.n);
}

static int by_label(const void *a, const void *b, void *arg)
{
	const struct expr *call = arg;
	const struct labels *x = ((const struct vsample *)a)->l, *y = ((const struct vsample *)b)->l;
	for (size_t i = 1; i < call->call.n; i++) {
		struct sv name = eval_string(call->call.args[i]);
		int c = natural_cmp(labels_get(x, name), labels_get(y, name));
		if (c)
			return c;
	}
	return labels_cmp(x, y);
}

static int by_label_desc(const void *a, const void *b, void *arg)
{
	return by_label(b, a, arg);
}

static struct vec sort_labels(struct eval *ev, const struct expr *call,
			      int (*cmp)(const void *, const void *, void *))
{
	struct vec v = eval_vector(ev, call->call.args[0]);
	warn_range_sort(ev, call);
	if (v.n)
		qsort_r(v.s, v.n, sizeof(*v.s), cmp, (void *)call);
	return v;
}

VECTOR_FN(fn_sort_by_label)
{
	return sort_labels(ev, call, by_label);
}

VECTOR_FN(fn_sort_by_label_desc)
{
	return sort_labels(ev, call, by_label_desc);
}

SCALAR_FN(fn_scalar)
{
	struct vec v = eval_vector(ev, call->call.args[0]);
	const struct vsample *found = NULL;
	for (size_t i = 0; i < v.n; i++) {
		if (v.s[i].h)
			continue;
		if (found)
			return NAN;
		found = &v.s[i];
	}
	return found ? found->v : NAN;
}

SCALAR_FN(fn_time)
{
	return (double)ev->t / 1000;
}

SCALAR_FN(fn_pi)
{
	return M_PI;
}

SCALAR_FN(fn_start)
{
	return (double)ev->query_start / 1000;
}

SCALAR_FN(fn_end)
{
	return (double)ev->query_end / 1000;
}

SCALAR_FN(fn_step)
{
	return ev->query_start == ev->query_end ? 0 : (double)ev->query_step / 1000;
}

SCALAR_FN(fn_range)
{
	return (double)(ev->query_end - ev->query_start) / 1000;
}

SCALAR_FN(fn_min_of)
{
	double a = eval_scalar(ev, call->call.args[0]);
	return go_min(a, eval_scalar(ev, call->call.args[1]));
}

SCALAR_FN(fn_max_of)
{
	double a = eval_scalar(ev, call->call.args[0]);
	return go_max(a, eval_scalar(ev, call->call.args[1]));
}
