// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/eval_rows_impl.h"

#include <math.h>

#include "base/alloc.h"
#include "promql/fn.h"

#define BLOCK_VALUES 524288 /* held at a time, about: 4 MB */
#define BLOCK_STEPS_MIN 4
#define BLOCK_STEPS_MAX 256

/* --- which rows there are --- */

struct rows *rows_new(struct eval *ev, size_t n)
{
	struct rows *r = arena_calloc(&ev->arena, 1, sizeof(*r));
	r->n = n;
	return r;
}

/* Does the name go, and nothing else, if the name goes? */
static bool has_one_name(const struct labels *l)
{
	size_t n = 0;
	for (uint32_t i = 0; i < l->n; i++)
		n += label_goes_with_name(l->l[i].name);
	return n == 1;
}

void rows_name(struct eval *ev, struct rows *r)
{
	if (!r->nameless)
		return;
	const struct labels **l = arena_alloc(&ev->arena, (r->n + 1) * sizeof(*l));
	pool_reserve(&ev->pool, r->n);
	for (size_t i = 0; i < r->n; i++)
		l[i] = ev_stripped(ev, r->l[i]);
	r->l = l;
	r->nameless = false;
}

bool rows_differ(struct eval *ev, const struct rows *r)
{
	struct ptrmap seen;
	bool is_new = true;
	ptrmap_init(&seen, ev->tmp, r->n);
	for (size_t i = 0; i < r->n && is_new; i++)
		*ptrmap_slot(&seen, r->l[i], &is_new) = 0;
	return is_new;
}

bool rows_drop_names(struct eval *ev, struct rows *r)
{
	if (r->nameless)
		return true;
	r->nameless = true;
	if (r->one_name)
		return true;
	rows_name(ev, r);
	return rows_differ(ev, r);
}

/* What was selected as N; NULL if there are histograms. ONE_NAME: by its name. */
static struct rows *rows_of_series(struct eval *ev, const struct node *n, bool one_name)
{
	if (ev->err)
		return NULL;
	struct rows *r = rows_new(ev, n->n);
	const struct labels **l = arena_alloc(&ev->arena, (n->n + 1) * sizeof(*l));
	r->one_name = one_name;
	for (size_t i = 0; i < n->n; i++) {
		if (n->series[i].histograms)
			return NULL;
		l[i] = n->series[i].l;
		r->one_name = r->one_name && has_one_name(l[i]);
	}
	r->l = l;
	return r;
}

/* As many as CHILD has, NULL if that has none. */
static struct rows *rows_above(struct eval *ev, const struct expr *child)
{
	child = expr_unwrap(child);
	if (!rows_can(ev, child))
		return NULL;
	const struct rows *c = rows_of(ev, child);
	struct rows *r = rows_new(ev, c->n);
	r->l = c->l;
	r->one_name = c->one_name;
	r->nameless = c->nameless;
	r->held = c->held;
	r->child = child;
	return r;
}

static struct rows *nameless(struct eval *ev, struct rows *r)
{
	return r && rows_drop_names(ev, r) ? r : NULL;
}

static bool names_the_name(const struct name_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (label_goes_with_name(l->v[i]))
			return true;
	return false;
}

static struct rows *rows_of_aggregate(struct eval *ev, const struct expr *e)
{
	switch (e->aggregate.op) {
	case TOKEN_SUM:
	case TOKEN_AVG:
	case TOKEN_MIN:
	case TOKEN_MAX:
	case TOKEN_COUNT:
	case TOKEN_GROUP:
	case TOKEN_STDDEV:
	case TOKEN_STDVAR:
		break;
	default:
		return NULL;
	}
	struct rows *r = rows_above(ev, e->aggregate.expr);
	if (!r)
		return NULL;
	bool all = !e->aggregate.without && !e->aggregate.by.n;
	size_t n_members = r->n, cap = 0;
	const struct labels **members, **keys = NULL;
	if (names_the_name(&e->aggregate.by))
		rows_name(ev, r);
	members = r->l;
	r->n = 0;
	r->one_name = r->nameless = false;
	r->group = arena_alloc(&ev->arena, (n_members + 1) * sizeof(*r->group));
	struct ptrmap groups;
	ptrmap_init(&groups, &ev->arena, 8);
	for (size_t i = 0; i < n_members; i++) {
		const struct labels *key = all ? ev->pool.empty : ev_projected(ev, members[i], &e->aggregate.by, !e->aggregate.without);
		bool is_new;
		uint32_t *slot = ptrmap_slot(&groups, key, &is_new);
		if (is_new) {
			*slot = (uint32_t)r->n;
			arena_grow(&ev->arena, keys, r->n, cap);
			keys[r->n++] = key;
		}
		r->group[i] = *slot;
	}
	r->l = keys;
	r->held += r->n * 3;
	return r;
}

/* The vector among the sides of a binary operator, if the other is a scalar; else NULL. */
static const struct expr *vector_side(const struct expr *e)
{
	bool left = e->binary.lhs->type == PROMQL_SCALAR, right = e->binary.rhs->type == PROMQL_SCALAR;
	return left == right ? NULL : left ? e->binary.rhs : e->binary.lhs;
}

static struct rows *rows_of_binary(struct eval *ev, const struct expr *e)
{
	enum token_type op = e->binary.op;
	if (op == TOKEN_TRIM_LOWER || op == TOKEN_TRIM_UPPER)
		return NULL;
	if (!vector_side(e))
		return rows_of_join(ev, e);
	struct rows *r = rows_above(ev, vector_side(e));
	return !TOKEN_IS_COMPARISON(op) || e->binary.is_bool ? nameless(ev, r) : r;
}

/* The rows of the argument under other labels. */
static struct rows *rows_of_relabelled(struct eval *ev, const struct expr *e)
{
	struct rows *r = rows_above(ev, e->call.args[0]);
	if (!r)
		return NULL;
	rows_name(ev, r);
	const struct labels **l = arena_alloc(&ev->arena, (r->n + 1) * sizeof(*l));
	if (!fn_relabel(ev, e, r->l, r->n, l))
		return NULL;
	r->l = l;
	r->one_name = false;
	return rows_differ(ev, r) ? r : NULL;
}

static struct rows *find_rows(struct eval *ev, const struct expr *e)
{
	const struct expr *arg;
	struct rows *r;
	if (e->invariant && ev->step > 0 && ev->start < ev->end)
		return NULL; /* is evaluated once */
	switch (e->kind) {
	case EXPR_VECTOR:
		if (e->vector.timed || e->vector.extended == EXTENDED_SMOOTHED)
			return NULL;
		return rows_of_series(ev, ev_load_packed(ev, e), e->vector.name.n);
	case EXPR_CALL:
		if (e->call.fn->kind == FUNCTION_MATH)
			return nameless(ev, rows_above(ev, e->call.args[0]));
		if (fn_relabels(e))
			return rows_of_relabelled(ev, e);
		if (e->call.fn->kind == FUNCTION_VECTOR && e->call.fn->each)
			return nameless(ev, rows_above(ev, e->call.args[0]));
		if (e->call.fn->kind != FUNCTION_RANGE)
			return NULL;
		arg = matrix_argument(e);
		if (!call_takes_extended(e, arg))
			return NULL; /* which is told when it is evaluated */
		r = rows_of_series(ev, ev_load_packed(ev, arg), arg->kind == EXPR_MATRIX && arg->matrix.vector->vector.name.n);
		return e->call.fn->keeps_name ? r : nameless(ev, r);
	case EXPR_AGGREGATE:
		return rows_of_aggregate(ev, e);
	case EXPR_BINARY:
		return rows_of_binary(ev, e);
	case EXPR_UNARY:
		r = rows_above(ev, e->unary.expr);
		return e->unary.op == TOKEN_SUB ? nameless(ev, r) : r;
	default:
		return NULL;
	}
}

bool rows_can(struct eval *ev, const struct expr *e)
{
	e = expr_unwrap(e);
	struct node *n = &ev->nodes[e->id];
	if (!n->rows_known && !ev->err && !ev->opt.delayed_name_removal) {
		n->rows_known = true;
		n->rows = find_rows(ev, e);
	}
	return n->rows && !ev->err;
}

size_t rows_count(const struct eval *ev, const struct expr *e)
{
	return rows_of(ev, expr_unwrap(e))->n;
}

const struct labels *rows_labels(struct eval *ev, const struct expr *e, size_t i)
{
	struct rows *r = rows_of(ev, expr_unwrap(e));
	rows_name(ev, r);
	return r->l[i];
}

bool rows_fit(const struct eval *ev, const struct expr *e, size_t steps)
{
	return steps <= BLOCK_VALUES / (rows_of(ev, expr_unwrap(e))->held + 16);
}

/* --- their values --- */

/* N values for each of the steps B in r->scalars. */
static double *scalars_room(struct eval *ev, struct rows *r, const struct steps *b, size_t n)
{
	if (r->scalars_room < b->n * n || !r->scalars) {
		r->scalars_room = b->n * n;
		r->scalars = arena_calloc(&ev->arena, b->n * n + 1, sizeof(double));
	}
	return r->scalars;
}

/* The scalar arguments of a call at the steps B; one after the other, with room for the others. */
static const double *argument_scalars(struct eval *ev, const struct expr *e, struct rows *r, const struct steps *b)
{
	if (same_steps(&r->of, b))
		return r->scalars;
	int64_t now = ev->t;
	double *to = scalars_room(ev, r, b, e->call.n);
	for (size_t a = 0; a < e->call.n; a++) {
		if (e->call.args[a]->type != PROMQL_SCALAR)
			continue;
		for (size_t k = 0; k < b->n; k++) {
			ev->t = b->first + (int64_t)k * ev->step;
			to[k * e->call.n + a] = eval_scalar(ev, e->call.args[a]);
		}
	}
	ev->t = now;
	r->of = *b;
	return to;
}

static const double *operand_scalars(struct eval *ev, const struct expr *scalar, struct rows *r, const struct steps *b)
{
	if (same_steps(&r->of, b))
		return r->scalars;
	int64_t now = ev->t;
	double *to = scalars_room(ev, r, b, 1);
	for (size_t k = 0; k < b->n; k++) {
		ev->t = b->first + (int64_t)k * ev->step;
		to[k] = eval_scalar(ev, scalar);
	}
	ev->t = now;
	r->of = *b;
	return to;
}

static void negate(const double *from, double *to, size_t n)
{
	double nothing = sample_stale_marker();
	for (size_t k = 0; k < n; k++)
		to[k] = sample_is_stale(&from[k]) ? nothing : -from[k];
}

static void map(double (*fn)(double), const double *from, double *to, size_t n)
{
	double nothing = sample_stale_marker();
	for (size_t k = 0; k < n; k++)
		to[k] = sample_is_stale(&from[k]) ? nothing : fn(from[k]);
}

static void map_each(const struct expr *call, const double *from, const double *args, double *to, size_t n)
{
	double nothing = sample_stale_marker();
	for (size_t k = 0; k < n; k++, args += call->call.n)
		to[k] = sample_is_stale(&from[k]) ? nothing : call->call.fn->each(from[k], args, call->call.n);
}

static void operate(const struct expr *e, bool scalar_left, const double *from, const double *scalars, double *to, size_t n)
{
	enum token_type op = e->binary.op;
	double nothing = sample_stale_marker();
	bool compares = TOKEN_IS_COMPARISON(op), is_bool = e->binary.is_bool;
	for (size_t k = 0; k < n; k++) {
		double v = from[k];
		if (sample_is_stale(&v)) {
			to[k] = nothing;
			continue;
		}
		double x = scalar_left ? scalar_operator(op, scalars[k], v) : scalar_operator(op, v, scalars[k]);
		/* A filter keeps the vector's value, whichever side it is on. */
		to[k] = !compares || is_bool ? x : x != 0 ? v : nothing;
	}
}

static void fill_groups(struct eval *ev, const struct expr *e, struct rows *r, const struct steps *b)
{
	if (same_steps(&r->of, b))
		return;
	if (!r->groups || r->groups_room < b->n) {
		r->groups = row_groups_new(&ev->arena, e->aggregate.op, r->n, b->n);
		r->groups_room = b->n;
	}
	row_groups_reset(r->groups, b->n);
	size_t n = rows_of(ev, r->child)->n;
	for (size_t i = 0; i < n && ev_alive(ev); i++)
		row_groups_add(r->groups, r->group[i], rows_get(ev, r->child, b, i));
	r->of = *b;
}

const double *rows_get(struct eval *ev, const struct expr *e, const struct steps *b, size_t i)
{
	e = expr_unwrap(e);
	struct rows *r = rows_of(ev, e);
	if (r->room < b->n) {
		r->room = b->n;
		r->row = arena_alloc(&ev->arena, b->n * sizeof(*r->row));
	}
	const struct expr *arg;
	switch (e->kind) {
	case EXPR_VECTOR:
		selector_row(ev, e, &ev->nodes[e->id], i, b, r->row);
		break;
	case EXPR_AGGREGATE:
		fill_groups(ev, e, r, b);
		return row_groups_finish(r->groups, i);
	case EXPR_BINARY:
		if (r->join) {
			join_row(ev, e, r, b, i, r->row);
			break;
		}
		arg = r->child == expr_unwrap(e->binary.lhs) ? e->binary.rhs : e->binary.lhs;
		operate(e, arg == e->binary.lhs, rows_get(ev, r->child, b, i), operand_scalars(ev, arg, r, b), r->row, b->n);
		break;
	case EXPR_UNARY:
		if (e->unary.op != TOKEN_SUB)
			return rows_get(ev, r->child, b, i);
		negate(rows_get(ev, r->child, b, i), r->row, b->n);
		break;
	default:
		if (fn_relabels(e))
			return rows_get(ev, r->child, b, i);
		if (e->call.fn->kind == FUNCTION_VECTOR) {
			map_each(e, rows_get(ev, r->child, b, i), argument_scalars(ev, e, r, b), r->row, b->n);
			break;
		}
		if (e->call.fn->kind == FUNCTION_MATH) {
			map(e->call.fn->fn.math, rows_get(ev, r->child, b, i), r->row, b->n);
			break;
		}
		arg = matrix_argument(e);
		range_function_row(ev, e, arg, &ev->nodes[arg->id], i, b, argument_scalars(ev, e, r, b), r->row);
	}
	return r->row;
}

void rows_prepare(struct eval *ev, const struct expr *e, const struct steps *b)
{
	e = expr_unwrap(e);
	struct rows *r = rows_of(ev, e);
	if (r->join) {
		join_prepare(ev, e, r, b);
		return;
	}
	if (r->child)
		rows_prepare(ev, r->child, b);
	if (e->kind == EXPR_BINARY)
		operand_scalars(ev, r->child == expr_unwrap(e->binary.lhs) ? e->binary.rhs : e->binary.lhs, r, b);
	else if (e->kind == EXPR_CALL && (e->call.fn->kind == FUNCTION_RANGE || e->call.fn->each))
		argument_scalars(ev, e, r, b);
}

/* --- who reads them --- */

/* The steps from ev->t on, so that no more than about BLOCK_VALUES lie around. */
static struct steps next_steps(const struct eval *ev, size_t held)
{
	uint64_t left = ev->step > 0 ? (uint64_t)(ev->end - ev->t) / (uint64_t)ev->step + 1 : 1, most = BLOCK_VALUES / (held + 1);
	most = most < BLOCK_STEPS_MIN ? BLOCK_STEPS_MIN : most > BLOCK_STEPS_MAX ? BLOCK_STEPS_MAX : most;
	return (struct steps){ev->t, left < most ? (size_t)left : (size_t)most};
}

struct vec rows_vector(struct eval *ev, const struct expr *e)
{
	e = expr_unwrap(e);
	struct node *node = &ev->nodes[e->id];
	struct rows *r = node->rows;
	struct block *b = &node->block;
	struct vec out = {.distinct = true};
	rows_name(ev, r);
	if (!b->steps || ev->t < b->first || (ev->t > b->first && (uint64_t)(ev->t - b->first) / (uint64_t)ev->step >= b->steps)) {
		struct steps s = next_steps(ev, r->held + r->n);
		b->first = s.first;
		b->steps = s.n;
		if (b->room < s.n * r->n) {
			b->room = s.n * r->n;
			b->v = arena_alloc(&ev->arena, b->room * sizeof(*b->v));
		}
		rows_prepare(ev, e, &s);
		for (size_t i = 0; i < r->n && ev_alive(ev); i++)
			memcpy(b->v + i * s.n, rows_get(ev, e, &s, i), s.n * sizeof(*b->v));
	}
	if (ev->err || !r->n)
		return out;
	const double *column = b->v + (ev->t > b->first ? (uint64_t)(ev->t - b->first) / (uint64_t)ev->step : 0);
	vec_reserve(ev, &out, r->n);
	for (size_t i = 0; i < r->n; i++, column += b->steps)
		if (!sample_is_stale(column))
			out.s[out.n++] = (struct vsample){.l = r->l[i], .v = *column, .t = ev->t};
	out.distinct = true;
	if (ev_charge(ev, (int64_t)out.n))
		ev_charge(ev, -(int64_t)out.n);
	return out;
}

void rows_run(struct eval *ev, const struct expr *e, struct output *o)
{
	e = expr_unwrap(e);
	struct rows *r = rows_of(ev, e);
	struct steps s = next_steps(ev, r->held);
	rows_name(ev, r);
	rows_prepare(ev, e, &s);
	for (size_t i = 0; i < r->n && ev_alive(ev); i++)
		ev_output_row(ev, o, r->l[i], rows_get(ev, e, &s, i), s.n);
	ev->t += (int64_t)(s.n - 1) * ev->step;
}
