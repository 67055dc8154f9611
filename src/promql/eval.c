// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/eval.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "promql/eval_rows.h"
#include "promql/histogram_ops.h"

static struct vec eval_vector_unary(struct eval *ev, const struct expr *e)
{
	struct vec v = eval_vector(ev, e->unary.expr), out = {0};
	if (e->unary.op != TOKEN_SUB)
		return v;
	for (size_t i = 0; i < v.n; i++) {
		struct vsample s = ev_derived(ev, &v.s[i], -v.s[i].v);
		if (v.s[i].h)
			s.h = histogram_scaled_arena(v.s[i].h, -1, ev->tmp);
		vec_add(ev, &out, s);
	}
	return out;
}

static struct vec eval_vector_node(struct eval *ev, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_VECTOR:
		return eval_selector(ev, e);
	case EXPR_PAREN:
		return eval_vector(ev, e->paren);
	case EXPR_UNARY:
		return eval_vector_unary(ev, e);
	case EXPR_BINARY:
		return eval_binary(ev, e);
	case EXPR_AGGREGATE:
		return eval_aggregate(ev, e);
	case EXPR_CALL:
		return eval_call(ev, e);
	default:
		ev_fail(ev, -EINVAL, "unhandled expression of type %s", promql_type_name(e->type));
		return (struct vec){0};
	}
}

struct vec eval_vector(struct eval *ev, const struct expr *e)
{
	struct node *n = &ev->nodes[e->id];
	if (!ev_alive(ev))
		return (struct vec){0};
	if (n->has_cached) {
		ev->total += n->cached_total;
		struct vec copy = {.n = n->cached.n, .cap = n->cached.n};
		copy.s = arena_alloc(ev->tmp, copy.n * sizeof(*copy.s));
		if (copy.n)
			memcpy(copy.s, n->cached.s, copy.n * sizeof(*copy.s));
		return copy;
	}
	if (rows_can(ev, e))
		return rows_vector(ev, e);
	uint64_t total = ev->total;
	struct vec v = eval_vector_node(ev, e);
	/* Default mode: a name that went may leave twins behind; with delayed removal the check is the
	 * output's. */
	if (!v.distinct && !ev->opt.delayed_name_removal && e->kind != EXPR_VECTOR && e->kind != EXPR_PAREN)
		ev_check_unique(ev, e, &v);
	if (e->invariant && !ev->err && ev->step > 0 && ev->start < ev->end && e->kind != EXPR_PAREN) {
		n->cached = (struct vec){.n = v.n, .cap = v.n};
		n->cached.s = arena_alloc(&ev->arena, v.n * sizeof(*v.s));
		for (size_t i = 0; i < v.n; i++) {
			n->cached.s[i] = v.s[i];
			if (v.s[i].h)
				n->cached.s[i].h = histogram_copy_arena(v.s[i].h, &ev->arena);
		}
		n->cached_total = ev->total - total;
		n->has_cached = true;
	}
	return v;
}

double eval_scalar(struct eval *ev, const struct expr *e)
{
	double v;
	if (!ev_alive(ev))
		return NAN;
	switch (e->kind) {
	case EXPR_NUMBER:
		return e->number.value;
	case EXPR_PAREN:
		return eval_scalar(ev, e->paren);
	case EXPR_UNARY:
		v = eval_scalar(ev, e->unary.expr);
		return e->unary.op == TOKEN_SUB ? -v : v;
	case EXPR_BINARY:
		v = eval_scalar(ev, e->binary.lhs);
		return scalar_operator(e->binary.op, v, eval_scalar(ev, e->binary.rhs));
	case EXPR_CALL:
		return e->call.fn->fn.scalar(ev, e);
	default:
		ev_fail(ev, -EINVAL, "unhandled scalar expression");
		return NAN;
	}
}

struct sv eval_string(const struct expr *e)
{
	return expr_unwrap(e)->string;
}
