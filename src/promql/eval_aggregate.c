// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/eval.h"
#include "promql/histogram_ops.h"

int compare_values(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	if (isnan(x) || isnan(y))
		return isnan(y) - isnan(x);
	return x < y ? -1 : x > y;
}

/* Windows are short, and those of counters in order: insertion wins. */
void sort_values(double *v, size_t n)
{
	if (n > 128) {
		qsort(v, n, sizeof(*v), compare_values);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		double x = v[i];
		size_t k = i;
		for (; k && compare_values(&v[k - 1], &x) > 0; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

double quantile_of_sorted(double q, const double *v, size_t n)
{
	if (!n || isnan(q))
		return NAN;
	if (q < 0)
		return -INFINITY;
	if (q > 1)
		return INFINITY;
	double rank = q * ((double)n - 1);
	double lower = fmax(0, floor(rank)), upper = fmin((double)n - 1, lower + 1);
	double weight = rank - floor(rank);
	return v[(size_t)lower] * (1 - weight) + v[(size_t)upper] * weight;
}

double quantile_of(double q, double *v, size_t n)
{
	if (q >= 0 && q <= 1)
		sort_values(v, n);
	return quantile_of_sorted(q, v, n);
}

struct group {
	const struct labels *l;
	bool drop, incremental, has_float;
	double v, c, mean, n; /* the sum or extreme, its compensation, mean, members */
	struct histogram_sum hist;
	size_t *members; /* indices into the input */
	size_t n_members, cap;
};

static bool is_float_only(enum token_type op)
{
	return op == TOKEN_MIN || op == TOKEN_MAX || op == TOKEN_STDDEV || op == TOKEN_STDVAR ||
	       op == TOKEN_QUANTILE || op == TOKEN_TOPK || op == TOKEN_BOTTOMK;
}

static void add_average(struct group *g, double x)
{
	if (!g->incremental) {
		double sum = g->v, c = g->c;
		kahan_add(x, &sum, &c);
		if (!isinf(sum)) {
			g->v = sum;
			g->c = c;
			return;
		}
		/* The sum is beyond a double, the mean need not be. */
		g->incremental = true;
		g->mean = g->v / (g->n - 1);
		g->c /= g->n - 1;
	}
	double q = (g->n - 1) / g->n;
	g->mean *= q;
	g->c *= q;
	kahan_add(x / g->n, &g->mean, &g->c);
}

static void add_float(struct group *g, enum token_type op, double x)
{
	bool first = !g->has_float;
	g->has_float = true;
	g->n++;
	switch (op) {
	case TOKEN_SUM:
		if (first)
			g->v = x;
		else
			kahan_add(x, &g->v, &g->c);
		break;
	case TOKEN_AVG:
		if (first)
			g->v = x;
		else
			add_average(g, x);
		break;
	case TOKEN_MIN:
		if (first || g->v > x || isnan(g->v))
			g->v = x;
		break;
	case TOKEN_MAX:
		if (first || g->v < x || isnan(g->v))
			g->v = x;
		break;
	case TOKEN_STDDEV:
	case TOKEN_STDVAR: {
		double delta = x - g->mean;
		if (isnan(x) || isinf(x)) {
			g->v = NAN;
			break;
		}
		g->mean += delta / g->n;
		g->v += delta * (x - g->mean);
		break;
	}
	default:
		break;
	}
}

static double finish_float(struct group *g, enum token_type op, double q, const struct vec *in,
			   double *scratch)
{
	switch (op) {
	case TOKEN_SUM:
		return g->v + g->c;
	case TOKEN_AVG:
		return g->incremental ? g->mean + g->c : g->v / g->n + g->c / g->n;
	case TOKEN_STDDEV:
		return sqrt(g->v / g->n);
	case TOKEN_STDVAR:
		return g->v / g->n;
	case TOKEN_QUANTILE: {
		size_t n = 0;
		for (size_t i = 0; i < g->n_members; i++)
			scratch[n++] = in->s[g->members[i]].v;
		return quantile_of(q, scratch, n);
	}
	case TOKEN_COUNT:
		return g->n;
	case TOKEN_GROUP:
		return 1;
	default:
		return g->v;
	}
}

struct groups {
	struct group *v;
	size_t n, cap;
	struct ptrmap map;
};

static struct group *group_of(struct eval *ev, struct groups *gs, const struct labels *key)
{
	bool is_new;
	uint32_t *slot = ptrmap_slot(&gs->map, key, &is_new);
	if (is_new) {
		arena_grow(ev->tmp, gs->v, gs->n, gs->cap);
		*slot = (uint32_t)gs->n;
		gs->v[gs->n++] = (struct group){.l = key};
	}
	return &gs->v[*slot];
}

static const struct labels *group_key(struct eval *ev, const struct expr *e, const struct labels *l)
{
	if (!e->aggregate.without && !e->aggregate.by.n)
		return ev->pool.empty;
	return ev_project(ev, (uintptr_t)&e->aggregate, l, &e->aggregate.by, !e->aggregate.without);
}

/* The number of L's group, the same at every step. */
static uint32_t group_number(struct eval *ev, const struct expr *e, const struct labels *l)
{
	struct node *n = &ev->nodes[e->id];
	uint32_t id;
	if (hints_find(&n->groups, l, &id))
		return id;
	bool is_new;
	const struct labels *key = group_key(ev, e, l);
	if (!n->group_map.cap)
		ptrmap_init(&n->group_map, &ev->arena, 8);
	uint32_t *slot = ptrmap_slot(&n->group_map, key, &is_new);
	if (is_new) {
		arena_grow(&ev->arena, n->group_labels, n->n_groups, n->cap_groups);
		*slot = (uint32_t)n->n_groups;
		n->group_labels[n->n_groups++] = key;
	}
	id = *slot;
	hints_set(&n->groups, &ev->arena, l, id);
	return id;
}

static void add_member(struct eval *ev, struct group *g, size_t i)
{
	arena_grow(ev->tmp, g->members, g->n_members, g->cap);
	g->members[g->n_members++] = i;
}

/* The group of L in a list of those of this step, which are in the order of their numbers: GS->v has room for all that are known. */
static struct group *group_now(struct eval *ev, const struct expr *e, struct groups *gs, const struct labels *l)
{
	const struct node *n = &ev->nodes[e->id];
	uint32_t id = group_number(ev, e, l);
	if (id >= gs->cap) {
		struct group *v = gs->v;
		gs->cap = n->cap_groups;
		gs->v = arena_alloc(ev->tmp, gs->cap * sizeof(*gs->v));
		if (gs->n)
			memcpy(gs->v, v, gs->n * sizeof(*v));
	}
	for (; gs->n <= id; gs->n++)
		gs->v[gs->n] = (struct group){0};
	struct group *g = &gs->v[id];
	g->l = n->group_labels[id]; /* NULL until now: no member at this step */
	return g;
}

static struct vec plain_aggregate(struct eval *ev, const struct expr *e, double q)
{
	enum token_type op = e->aggregate.op;
	struct vec in = eval_vector(ev, e->aggregate.expr), out = {0};
	struct groups gs = {0};
	hints_rewind(&ev->nodes[e->id].groups);
	for (size_t i = 0; i < in.n && !ev->err; i++) {
		const struct vsample *s = &in.s[i];
		if (s->h && is_float_only(op)) {
			ev_info(ev, e->aggregate.expr, "ignored histogram in %s aggregation", token_word(op));
			continue;
		}
		struct group *g = group_now(ev, e, &gs, s->l);
		g->drop = g->drop || s->drop;
		if (op == TOKEN_COUNT || op == TOKEN_GROUP)
			g->n++;
		else if (s->h && g->has_float && !g->hist.h)
			g->hist.n++; /* they do not go together, whatever follows */
		else if (s->h)
			histogram_sum_add(ev, e->aggregate.expr, &g->hist, s->l, s->h, op == TOKEN_AVG);
		else if (!g->hist.failed)
			add_float(g, op, s->v);
		if (op == TOKEN_QUANTILE)
			add_member(ev, g, i);
	}
	vec_reserve(ev, &out, gs.n);
	double *scratch = arena_alloc(ev->tmp, (in.n + 1) * sizeof(*scratch));
	for (size_t i = 0; i < gs.n; i++) {
		struct group *g = &gs.v[i];
		struct vsample r = {.l = g->l, .drop = g->drop, .t = ev->t};
		if (!g->l)
			continue;
		if (g->hist.n && g->has_float) {
			ev_warn(ev, e->aggregate.expr,
				"encountered a mix of histograms and floats for aggregation");
			continue;
		}
		if (g->hist.n) {
			r.h = histogram_sum_finish(ev, e->aggregate.expr, &g->hist, op == TOKEN_AVG);
			if (!r.h)
				continue;
		} else {
			r.v = finish_float(g, op, q, &in, scratch);
		}
		vec_add(ev, &out, r);
	}
	out.distinct = true;
	return out;
}

struct ranked {
	double v;
	size_t i;
};

/* NaN ranks last, equal values as they came. */
static int by_rank(const void *a, const void *b, void *descending)
{
	const struct ranked *x = a, *y = b;
	if (isnan(x->v) || isnan(y->v)) {
		if (isnan(x->v) != isnan(y->v))
			return isnan(x->v) ? 1 : -1;
	} else if (x->v != y->v) {
		return (x->v < y->v) != *(bool *)descending ? -1 : 1;
	}
	return x->i < y->i ? -1 : 1;
}

/* Brings the best K of N to the front, in order. */
static void best_first(struct ranked *r, size_t n, size_t k, bool *descending)
{
	if (k > 32 || k * 4 > n) {
		qsort_r(r, n, sizeof(*r), by_rank, descending);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct ranked x = r[i];
		size_t at = i < k ? i : k;
		if (i >= k && by_rank(&r[k - 1], &x, descending) < 0)
			continue;
		if (i >= k)
			at = k - 1;
		for (; at && by_rank(&r[at - 1], &x, descending) > 0; at--)
			r[at] = r[at - 1];
		r[at] = x;
	}
}

static struct vec top_aggregate(struct eval *ev, const struct expr *e, double param)
{
	enum token_type op = e->aggregate.op;
	struct vec out = {0}, in;
	if (isnan(param)) {
		ev_fail(ev, -EINVAL, "Parameter value is NaN");
		return out;
	}
	if (param >= 9223372036854775807.0 || param <= -9223372036854775808.0) {
		struct buf b = BUF_INIT;
		text_float(param, 'e', &b);
		ev_fail(ev, -EINVAL, "Scalar value %s %s int64", buf_str(&b), param > 0 ? "overflows" : "underflows");
		buf_free(&b);
		return out;
	}
	in = eval_vector(ev, e->aggregate.expr);
	int64_t k = (int64_t)param;
	if (k < 1)
		return out;
	struct groups gs = {0};
	bool descending = op == TOKEN_TOPK;
	hints_rewind(&ev->nodes[e->id].groups);
	for (size_t i = 0; i < in.n; i++) {
		if (in.s[i].h && op != TOKEN_LIMITK) {
			ev_info(ev, e->aggregate.expr, "ignored histogram in %s aggregation", token_word(op));
			continue;
		}
		add_member(ev, group_now(ev, e, &gs, in.s[i].l), i);
	}
	for (size_t i = 0; i < gs.n; i++) {
		struct group *g = &gs.v[i];
		size_t n = (uint64_t)k < g->n_members ? (size_t)k : g->n_members;
		struct ranked *r = arena_alloc(ev->tmp, g->n_members * sizeof(*r));
		for (size_t m = 0; m < g->n_members; m++)
			r[m] = (struct ranked){in.s[g->members[m]].v, g->members[m]};
		if (op != TOKEN_LIMITK)
			best_first(r, g->n_members, n, &descending);
		for (size_t m = 0; m < n; m++)
			vec_add(ev, &out, in.s[r[m].i]);
	}
	return out;
}

static struct vec count_values(struct eval *ev, const struct expr *e)
{
	struct vec in = eval_vector(ev, e->aggregate.expr), out = {0};
	struct sv name = eval_string(e->aggregate.param);
	struct groups gs = {0};
	if (!name.n || !text_is_utf8(name)) {
		ev_fail(ev, -EINVAL, "invalid label name \"%.*s\"", SV_ARG(name));
		return out;
	}
	bool goes = e->aggregate.without && sv_eqs(name, LABEL_NAME);
	for (size_t i = 0; e->aggregate.without && i < e->aggregate.by.n; i++)
		goes = goes || sv_eq(name, e->aggregate.by.v[i]);
	ptrmap_init(&gs.map, ev->tmp, in.n + 1);
	for (size_t i = 0; i < in.n; i++) {
		struct buf text = BUF_INIT;
		struct labels_builder b;
		if (in.s[i].h)
			histogram_print(in.s[i].h, &text);
		else
			text_float(in.s[i].v, 'f', &text);
		/* The new label takes part in the grouping: it stands even if `by` does not name it, but not if `without` does. */
		const struct labels *base = group_key(ev, e, in.s[i].l);
		labels_builder_init(&b, base);
		if (!goes)
			labels_builder_set(&b, name, sv_make(buf_str(&text), text.n));
		struct group *g = group_of(ev, &gs, ev_intern(ev, labels_builder_build(&b)));
		g->n++;
		g->drop = g->drop || in.s[i].drop;
		labels_builder_free(&b);
		buf_free(&text);
	}
	for (size_t i = 0; i < gs.n; i++)
		vec_add(ev, &out,
			(struct vsample){.l = gs.v[i].l, .v = gs.v[i].n, .drop = gs.v[i].drop, .t = ev->t});
	return out;
}

static struct vec limit_ratio(struct eval *ev, const struct expr *e, double ratio)
{
	struct vec in, out = {0};
	if (isnan(ratio)) {
		ev_fail(ev, -EINVAL, "Ratio value is NaN");
		return out;
	}
	ratio = ratio > 1 ? 1 : ratio < -1 ? -1 : ratio;
	in = eval_vector(ev, e->aggregate.expr);
	for (size_t i = 0; i < in.n; i++) {
		double at = (double)labels_xxhash(in.s[i].l) / 18446744073709551616.0;
		if (ratio >= 0 ? at < ratio : at >= 1 + ratio)
			vec_add(ev, &out, in.s[i]);
	}
	return out;
}

static void remember_parameter(struct node *n, double v)
{
	n->least = n->has_param ? fmin(n->least, v) : v;
	n->most = n->has_param ? fmax(n->most, v) : v;
	n->not_a_number = n->not_a_number || isnan(v);
	n->has_param = true;
}

static void tell_parameter(struct eval *ev, const struct expr *e, double v)
{
	bool ratio = e->aggregate.op == TOKEN_LIMIT_RATIO;
	struct buf t = BUF_INIT;
	text_float(v, 'g', &t);
	ev_warn(ev, e->aggregate.param, "%s, got %s%s", ratio ? "ratio value should be between -1 and 1" : "quantile value should be between 0 and 1",
		buf_str(&t), !ratio ? "" : v > 0 ? ", capping to 1" : ", capping to -1");
	buf_free(&t);
}

void ev_tell_parameters(struct eval *ev, const struct expr *e)
{
	const struct node *n = &ev->nodes[e->id];
	if (e->kind == EXPR_AGGREGATE && n->has_param && (e->aggregate.op == TOKEN_QUANTILE || e->aggregate.op == TOKEN_LIMIT_RATIO)) {
		if (n->not_a_number) {
			tell_parameter(ev, e, NAN);
		} else {
			if (n->most > 1)
				tell_parameter(ev, e, n->most);
			if (n->least < (e->aggregate.op == TOKEN_QUANTILE ? 0 : -1))
				tell_parameter(ev, e, n->least);
		}
	}
	for (size_t i = 0; expr_child(e, i); i++)
		ev_tell_parameters(ev, expr_child(e, i));
}

struct vec eval_aggregate(struct eval *ev, const struct expr *e)
{
	enum token_type op = e->aggregate.op;
	double param = 0;
	if (e->aggregate.param && op != TOKEN_COUNT_VALUES) {
		param = eval_scalar(ev, e->aggregate.param);
		remember_parameter(&ev->nodes[e->id], param);
	}
	switch (op) {
	case TOKEN_COUNT_VALUES:
		return count_values(ev, e);
	case TOKEN_TOPK:
	case TOKEN_BOTTOMK:
	case TOKEN_LIMITK:
		return top_aggregate(ev, e, param);
	case TOKEN_LIMIT_RATIO:
		return limit_ratio(ev, e, param);
	case TOKEN_QUANTILE:
		return plain_aggregate(ev, e, param);
	default:
		return plain_aggregate(ev, e, 0);
	}
}
