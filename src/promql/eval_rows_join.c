// SPDX-License-Identifier: GPL-2.0-or-later
/* Binary operators between vectors by rows: which row goes with which is found once. Where two of a side may get in each other's way, which is an
 * error at the steps that have both, it is for eval_binary.c, step by step. */
#include "promql/eval_rows_impl.h"

#define NO_ROW UINT32_MAX

struct row_join {
	const struct expr *many, *one; /* with a set operator: left and right */
	bool swapped;		       /* MANY is the right side */
	uint32_t *of_many, *of_one;    /* row N comes from these; of_one is a set's group of rows, or NO_ROW */
	/* The rows of ONE, if each is wanted more than once; for a set which steps of a group have any. */
	size_t n_one, room;
	double *held;
	bool *present;
	bool *paired_many, *paired_one;
	uint32_t *group; /* a set's: of each row of ONE, NO_ROW: nothing on the left is like it */
};

/* The number of each of R's keys in KEYS; false if two are the same and UNIQUE. */
static bool number_keys(struct eval *ev, const struct expr *e, const struct rows *r, struct ptrmap *keys, uint32_t *number, bool unique)
{
	for (size_t i = 0; i < r->n; i++) {
		bool is_new;
		uint32_t *slot = ptrmap_slot(keys, binary_key(ev, e, r->l[i]), &is_new);
		if (is_new)
			*slot = (uint32_t)keys->n - 1;
		else if (unique)
			return false;
		number[i] = *slot;
	}
	return true;
}

/* The match keys know no name but one that is asked for. */
static void see_names(struct eval *ev, const struct expr *e, struct rows *r)
{
	const struct name_list *l = &e->binary.matching.labels;
	for (size_t i = 0; i < l->n; i++)
		if (label_goes_with_name(l->v[i]))
			rows_name(ev, r);
	if (!r->one_name)
		rows_name(ev, r);
}

static struct rows *rows_of_set(struct eval *ev, const struct expr *e, struct rows *l, struct rows *right, struct row_join *j)
{
	struct ptrmap keys;
	uint32_t *of_left = arena_alloc(&ev->arena, (l->n + 1) * sizeof(*of_left));
	if (e->binary.op == TOKEN_LOR)
		return NULL; /* the same labels may come from both sides, at different steps */
	ptrmap_init(&keys, ev->tmp, l->n + right->n);
	number_keys(ev, e, l, &keys, of_left, false);
	j->n_one = keys.n;
	j->group = arena_alloc(&ev->arena, (right->n + 1) * sizeof(*j->group));
	for (size_t i = 0; i < right->n; i++) {
		const uint32_t *slot = ptrmap_find(&keys, binary_key(ev, e, right->l[i]));
		j->group[i] = slot ? *slot : NO_ROW;
	}
	struct rows *r = rows_new(ev, l->n);
	r->l = l->l;
	r->one_name = l->one_name;
	r->nameless = l->nameless;
	j->of_one = of_left;
	r->held = l->held + right->held + j->n_one;
	return r;
}

static bool drops_name(const struct expr *e)
{
	return !TOKEN_IS_COMPARISON(e->binary.op) || e->binary.is_bool;
}

static struct rows *rows_of_pairs(struct eval *ev, const struct expr *e, struct rows *many, struct rows *one, struct row_join *j)
{
	const struct matching *m = &e->binary.matching;
	bool one_to_one = m->card == CARD_ONE_TO_ONE, as_many = one_to_one && !m->on && !m->labels.n;
	struct ptrmap keys;
	uint32_t *of_one = arena_alloc(ev->tmp, (one->n + 1) * sizeof(*of_one));
	ptrmap_init(&keys, ev->tmp, one->n);
	if (!number_keys(ev, e, one, &keys, of_one, true))
		return NULL;
	struct rows *r = rows_new(ev, 0);
	const struct labels **l = arena_alloc(&ev->arena, (many->n + 1) * sizeof(*l));
	bool *taken = arena_calloc(&ev->arena, one->n + 1, sizeof(*taken));
	j->paired_one = taken;
	j->paired_many = arena_calloc(&ev->arena, many->n + 1, sizeof(*j->paired_many));
	if (!as_many) {
		rows_name(ev, many);
		rows_name(ev, one);
	}
	j->of_many = arena_alloc(&ev->arena, (many->n + 1) * sizeof(*j->of_many));
	j->of_one = arena_alloc(&ev->arena, (many->n + 1) * sizeof(*j->of_one));
	for (size_t i = 0; i < many->n; i++) {
		const uint32_t *k = ptrmap_find(&keys, binary_key(ev, e, many->l[i]));
		if (!k)
			continue;
		if (one_to_one && taken[*k])
			return NULL;
		taken[*k] = j->paired_many[i] = true;
		j->of_many[r->n] = (uint32_t)i;
		j->of_one[r->n] = *k;
		l[r->n++] = as_many ? many->l[i] : binary_labels(ev, e, many->l[i], one->l[*k]);
	}
	r->l = l;
	r->held = many->held + one->held;
	if (as_many) {
		r->one_name = many->one_name;
		r->nameless = many->nameless;
	} else if (!rows_differ(ev, r)) {
		return NULL;
	}
	if (drops_name(e) && !rows_drop_names(ev, r))
		return NULL;
	if (!one_to_one) {
		j->n_one = one->n;
		r->held += one->n;
	}
	return r;
}

struct rows *rows_of_join(struct eval *ev, const struct expr *e)
{
	const struct matching *m = &e->binary.matching;
	const struct expr *l = expr_unwrap(e->binary.lhs), *right = expr_unwrap(e->binary.rhs);
	if (l->type != PROMQL_VECTOR || right->type != PROMQL_VECTOR || m->has_fill_left || m->has_fill_right || !rows_can(ev, l) ||
	    !rows_can(ev, right))
		return NULL;
	struct row_join *j = arena_calloc(&ev->arena, 1, sizeof(*j));
	see_names(ev, e, rows_of(ev, l));
	see_names(ev, e, rows_of(ev, right));
	j->swapped = m->card == CARD_ONE_TO_MANY;
	j->many = j->swapped ? right : l;
	j->one = j->swapped ? l : right;
	struct rows *many = rows_of(ev, j->many), *one = rows_of(ev, j->one);
	struct rows *r = TOKEN_IS_SET_OPERATOR(e->binary.op) ? rows_of_set(ev, e, many, one, j) : rows_of_pairs(ev, e, many, one, j);
	if (r)
		r->join = j;
	return r;
}

/* Which steps of each group of the right side have a value. */
static void find_present(struct eval *ev, struct row_join *j, const struct steps *b)
{
	if (j->room < b->n || !j->present) {
		j->room = b->n;
		j->present = arena_alloc(&ev->arena, j->n_one * b->n + 1);
	}
	memset(j->present, 0, j->n_one * b->n);
	size_t n = rows_of(ev, j->one)->n;
	for (size_t i = 0; i < n && ev_alive(ev); i++) {
		const double *row = rows_get(ev, j->one, b, i);
		if (j->group[i] == NO_ROW)
			continue; /* read it was all the same, see read_others */
		bool *present = j->present + j->group[i] * b->n;
		for (size_t k = 0; k < b->n; k++)
			present[k] |= !sample_is_stale(&row[k]);
	}
}

/* Reads the rows of E that go with none: the statistics of a query count their samples, and they may have something to say. */
static void read_others(struct eval *ev, const struct expr *e, const bool *paired, const struct steps *b)
{
	size_t n = rows_of(ev, e)->n;
	for (size_t i = 0; i < n && ev_alive(ev); i++)
		if (!paired[i])
			rows_get(ev, e, b, i);
}

static void hold_ones(struct eval *ev, struct row_join *j, const struct steps *b)
{
	if (j->room < b->n || !j->held) {
		j->room = b->n;
		j->held = arena_alloc(&ev->arena, (j->n_one * b->n + 1) * sizeof(*j->held));
	}
	for (size_t i = 0; i < j->n_one && ev_alive(ev); i++)
		memcpy(j->held + i * b->n, rows_get(ev, j->one, b, i), b->n * sizeof(*j->held));
}

void join_prepare(struct eval *ev, const struct expr *e, struct rows *r, const struct steps *b)
{
	struct row_join *j = r->join;
	bool set = TOKEN_IS_SET_OPERATOR(e->binary.op);
	rows_prepare(ev, j->many, b);
	rows_prepare(ev, j->one, b);
	if (same_steps(&r->of, b))
		return;
	if (set)
		find_present(ev, j, b);
	else if (j->n_one)
		hold_ones(ev, j, b);
	if (!set)
		read_others(ev, j->many, j->paired_many, b);
	if (!set && !j->n_one)
		read_others(ev, j->one, j->paired_one, b);
	r->of = *b;
}

void join_row(struct eval *ev, const struct expr *e, struct rows *r, const struct steps *b, size_t i, double *row)
{
	struct row_join *j = r->join;
	enum token_type op = e->binary.op;
	double nothing = sample_stale_marker();
	bool set = TOKEN_IS_SET_OPERATOR(op), compares = TOKEN_IS_COMPARISON(op), is_bool = e->binary.is_bool;
	if (!same_steps(&r->of, b))
		join_prepare(ev, e, r, b);
	const double *many = rows_get(ev, j->many, b, set ? i : j->of_many[i]);
	if (set) {
		const bool *present = j->present + j->of_one[i] * b->n;
		for (size_t k = 0; k < b->n; k++)
			row[k] = present[k] == (op == TOKEN_LAND) ? many[k] : nothing;
		return;
	}
	const double *one = j->n_one ? j->held + j->of_one[i] * b->n : rows_get(ev, j->one, b, j->of_one[i]);
	const double *left = j->swapped ? one : many, *right = j->swapped ? many : one;
	for (size_t k = 0; k < b->n; k++) {
		double v = left[k], x = right[k];
		if (sample_is_stale(&v) || sample_is_stale(&x)) {
			row[k] = nothing;
			continue;
		}
		x = scalar_operator(op, v, x);
		row[k] = !compares || is_bool ? x : x != 0 ? v : nothing;
	}
}
