// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/eval_rows_impl.h"
#include "promql/histogram_ops.h"

double scalar_operator(enum token_type op, double a, double b)
{
	switch (op) {
	case TOKEN_ADD:
		return a + b;
	case TOKEN_SUB:
		return a - b;
	case TOKEN_MUL:
		return a * b;
	case TOKEN_DIV:
		return a / b;
	case TOKEN_MOD:
		return fmod(a, b);
	case TOKEN_POW:
		return pow(a, b);
	case TOKEN_ATAN2:
		return atan2(a, b);
	case TOKEN_EQLC:
		return a == b;
	case TOKEN_NEQ:
		return a != b;
	case TOKEN_LTE:
		return a <= b;
	case TOKEN_LSS:
		return a < b;
	case TOKEN_GTE:
		return a >= b;
	case TOKEN_GTR:
		return a > b;
	default:
		return NAN;
	}
}

static bool drops_name(enum token_type op)
{
	return op >= TOKEN_ADD && op <= TOKEN_ATAN2;
}

/* One pair of values: false if the operator gives nothing for it (a filter, or types that do not go together,
 * which sets *SKIP: then `bool` gives nothing either). */
static bool apply(struct eval *ev, const struct expr *e, const struct vsample *a, const struct vsample *b,
		  struct vsample *out, bool *skip)
{
	enum token_type op = e->binary.op;
	*skip = false;
	out->h = NULL;
	out->v = 0;
	if (a->h || b->h)
		return histogram_operator(ev, e, a, b, out, skip);
	if (op == TOKEN_TRIM_LOWER || op == TOKEN_TRIM_UPPER) {
		ev_info(ev, e,
			"incompatible sample types encountered for binary operator \"%s\": float %s float",
			token_word(op), token_word(op));
		*skip = true;
		return false;
	}
	double v = scalar_operator(op, a->v, b->v);
	if (!TOKEN_IS_COMPARISON(op)) {
		out->v = v;
		return true;
	}
	out->v = a->v;
	return v != 0;
}

static struct vec vector_scalar(struct eval *ev, const struct expr *e, bool scalar_left)
{
	struct vec out = {0}, v = eval_vector(ev, scalar_left ? e->binary.rhs : e->binary.lhs);
	struct vsample k = {.v = eval_scalar(ev, scalar_left ? e->binary.lhs : e->binary.rhs)};
	ev->complaint = (struct complaint){0};
	ev->complaining = true;
	for (size_t i = 0; i < v.n; i++) {
		struct vsample r = {0};
		bool skip,
		    keep = apply(ev, e, scalar_left ? &k : &v.s[i], scalar_left ? &v.s[i] : &k, &r, &skip);
		if (skip || (!keep && !e->binary.is_bool))
			continue;
		/* A filter keeps the vector's value, whichever side it is on. */
		if (TOKEN_IS_COMPARISON(e->binary.op) && scalar_left) {
			r.v = v.s[i].v;
			r.h = v.s[i].h;
		}
		if (e->binary.is_bool) {
			r.v = keep;
			r.h = NULL;
		}
		r.l = v.s[i].l;
		r.drop = v.s[i].drop;
		r.t = ev->t;
		if (drops_name(e->binary.op) || e->binary.is_bool)
			r.l = ev_drop_name(ev, r.l, &r.drop);
		vec_add(ev, &out, r);
	}
	ev->complaining = false;
	ev_complain(ev, e, &ev->complaint);
	return out;
}

const struct labels *binary_key(struct eval *ev, const struct expr *e, const struct labels *l)
{
	const struct matching *m = &e->binary.matching;
	static const char all_but_the_name;
	/* Without on and ignoring all operators have the same keys, so that they are remembered once. */
	return ev_project(ev, m->on || m->labels.n ? (uintptr_t)m : (uintptr_t)&all_but_the_name, l, &m->labels, m->on);
}

static struct vec set_operator(struct eval *ev, const struct expr *e)
{
	struct vec l = eval_vector(ev, e->binary.lhs), r = eval_vector(ev, e->binary.rhs), out = {0};
	const struct vec *keys = e->binary.op == TOKEN_LOR ? &l : &r;
	struct ptrmap map;
	bool is_new;
	ptrmap_init(&map, ev->tmp, keys->n + 1);
	for (size_t i = 0; i < keys->n; i++)
		*ptrmap_slot(&map, binary_key(ev, e, keys->s[i].l), &is_new) = 1;
	for (size_t i = 0; i < l.n; i++) {
		bool found = e->binary.op != TOKEN_LOR && ptrmap_find(&map, binary_key(ev, e, l.s[i].l));
		if (e->binary.op == TOKEN_LOR || found == (e->binary.op == TOKEN_LAND))
			vec_add(ev, &out, l.s[i]);
	}
	for (size_t i = 0; e->binary.op == TOKEN_LOR && i < r.n; i++)
		if (!ptrmap_find(&map, binary_key(ev, e, r.s[i].l)))
			vec_add(ev, &out, r.s[i]);
	return out;
}

/* labels.String(): every label in the braces, the name too. */
static void print_set(const struct labels *l, struct buf *b)
{
	buf_addc(b, '{');
	for (uint32_t i = 0; i < l->n; i++) {
		if (i)
			buf_adds(b, ", ");
		buf_addsv(b, l->l[i].name);
		buf_addc(b, '=');
		text_go_quote(l->l[i].value, b);
	}
	buf_addc(b, '}');
}

static void fail_duplicate(struct eval *ev, const struct labels *key, const char *side,
			   const struct labels *a, const struct labels *b)
{
	struct buf t = BUF_INIT;
	if (labels_cmp(a, b) > 0) { /* in the same order whichever came first */
		const struct labels *x = a;
		a = b;
		b = x;
	}
	buf_adds(&t, "found duplicate series for the match group ");
	print_set(key, &t);
	buf_addf(&t, " on the %s hand-side of the operation: [", side);
	print_set(a, &t);
	buf_adds(&t, ", ");
	print_set(b, &t);
	buf_adds(&t, "];many-to-many matching not allowed: matching labels must be unique on one side");
	ev_fail(ev, -EINVAL, "%s", buf_str(&t));
	buf_free(&t);
}

const struct labels *binary_labels(struct eval *ev, const struct expr *e, const struct labels *many, const struct labels *one)
{
	const struct matching *m = &e->binary.matching;
	const struct labels *r = pool_recall(&ev->pool, (uintptr_t)e, many, one);
	if (r)
		return r;
	struct labels_builder b;
	labels_builder_init(&b, many);
	if (drops_name(e->binary.op)) {
		labels_builder_del(&b, SV(LABEL_NAME));
		labels_builder_del(&b, SV("__type__"));
		labels_builder_del(&b, SV("__unit__"));
	}
	if (m->card == CARD_ONE_TO_ONE) {
		for (uint32_t i = 0; i < many->n; i++) {
			bool listed = false;
			for (size_t k = 0; k < m->labels.n && !listed; k++)
				listed = sv_eq(m->labels.v[k], many->l[i].name);
			if (listed != m->on)
				labels_builder_del(&b, many->l[i].name);
		}
	} else {
		for (size_t k = 0; k < m->include.n; k++)
			labels_builder_set(&b, m->include.v[k], labels_get(one, m->include.v[k]));
	}
	r = ev_intern(ev, labels_builder_build(&b));
	labels_builder_free(&b);
	pool_remember(&ev->pool, (uintptr_t)e, many, one, r);
	return r;
}

struct join {
	struct eval *ev;
	const struct expr *e;
	struct vec out;
	bool *matched;	       /* by one-side sample */
	struct ptrmap results; /* group_left/right: labels already given, with which one-side sample */
	bool swapped;	       /* the many side is the right one */
};

/* Labels and a one-side sample as a key; that two have the same is too improbable to think of. */
static const void *result_key(const struct labels *l, size_t one)
{
	return (const void *)(((uintptr_t)l * 0x9e3779b97f4a7c15u ^ (one + 1) * 0xc2b2ae3d27d4eb4fu) | 1);
}

/* ONE is number K. Whatever a comparison filters out has matched all the same. */
static void join_pair(struct join *j, const struct vsample *many, const struct vsample *one, size_t k)
{
	struct vsample r = {0};
	bool skip, keep = apply(j->ev, j->e, j->swapped ? one : many, j->swapped ? many : one, &r, &skip);
	bool one_to_one = j->e->binary.matching.card == CARD_ONE_TO_ONE;
	if (skip)
		return;
	if (one_to_one && j->matched[k]) {
		ev_fail(j->ev, -EINVAL,
			"multiple matches for labels: many-to-one matching must be explicit "
			"(group_left/group_right)");
		return;
	}
	j->matched[k] = true;
	if (one_to_one && !keep && !j->e->binary.is_bool)
		return;
	r.l = binary_labels(j->ev, j->e, many->l, one->l);
	r.t = j->ev->t;
	if (j->e->binary.is_bool) {
		r.v = keep;
		r.h = NULL;
		r.l = ev_drop_name(j->ev, r.l, &r.drop);
	}
	if (!one_to_one) {
		bool is_new;
		*ptrmap_slot(&j->results, result_key(r.l, k), &is_new) = 1;
		if (!is_new) {
			ev_fail(j->ev, -EINVAL,
				"multiple matches for labels: grouping labels must ensure unique matches");
			return;
		}
	}
	if (keep || j->e->binary.is_bool)
		vec_add(j->ev, &j->out, r);
}

static struct vec vector_vector(struct eval *ev, const struct expr *e)
{
	const struct matching *m = &e->binary.matching;
	struct join j = {.ev = ev, .e = e, .swapped = m->card == CARD_ONE_TO_MANY};
	struct vec l = eval_vector(ev, e->binary.lhs), r = eval_vector(ev, e->binary.rhs);
	struct vec *many = j.swapped ? &r : &l, *one = j.swapped ? &l : &r;
	/* fill_left is about the many side, on whichever side group_right put it: so it is in Prometheus. */
	bool fill_one = m->has_fill_right, fill_many = m->has_fill_left;
	double one_value = m->fill_right, many_value = m->fill_left;
	if (ev->err || (!l.n && !r.n) || ((!l.n || !r.n) && !fill_one && !fill_many))
		return j.out;
	struct ptrmap keys;
	bool is_new;
	ptrmap_init(&keys, ev->tmp, one->n + many->n + 1);
	ptrmap_init(&j.results, ev->tmp, one->n + many->n + 1);
	j.matched = arena_calloc(ev->tmp, one->n + many->n + 1, sizeof(*j.matched));
	const struct labels **one_key = arena_alloc(ev->tmp, (one->n + 1) * sizeof(*one_key));
	for (size_t i = 0; i < one->n; i++) {
		one_key[i] = binary_key(ev, e, one->s[i].l);
		uint32_t *slot = ptrmap_slot(&keys, one_key[i], &is_new);
		if (!is_new) {
			fail_duplicate(ev, one_key[i], j.swapped ? "left" : "right", one->s[*slot].l,
				       one->s[i].l);
			return j.out;
		}
		*slot = (uint32_t)i;
	}
	size_t n_one = one->n;
	ev->complaint = (struct complaint){0};
	ev->complaining = true;
	for (size_t i = 0; i < many->n && !ev->err; i++) {
		const struct labels *key = binary_key(ev, e, many->s[i].l);
		uint32_t *slot = ptrmap_find(&keys, key);
		if (!slot) {
			if (!fill_one)
				continue;
			/* A filled-in sample is one like the others: a second left one meets it again. */
			struct vsample filled = {.l = key, .v = one_value, .t = ev->t};
			slot = ptrmap_slot(&keys, key, &is_new);
			*slot = (uint32_t)one->n;
			vec_add(ev, one, filled);
		}
		join_pair(&j, &many->s[i], &one->s[*slot], *slot);
	}
	for (size_t k = 0; fill_many && k < n_one && !ev->err; k++)
		if (!j.matched[k]) {
			struct vsample filled = {.l = one_key[k], .v = many_value, .t = ev->t};
			join_pair(&j, &filled, &one->s[k], k);
		}
	ev->complaining = false;
	ev_complain(ev, e, &ev->complaint);
	return j.out;
}

struct vec eval_binary(struct eval *ev, const struct expr *e)
{
	if (e->binary.lhs->type == PROMQL_SCALAR)
		return vector_scalar(ev, e, true);
	if (e->binary.rhs->type == PROMQL_SCALAR)
		return vector_scalar(ev, e, false);
	return TOKEN_IS_SET_OPERATOR(e->binary.op) ? set_operator(ev, e) : vector_vector(ev, e);
}
