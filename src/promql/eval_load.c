// SPDX-License-Identifier: GPL-2.0-or-later
/* What an evaluation reads: selectors and subqueries, each once for all steps, and the windows and samples of
 * one step. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "promql/eval_rows.h"
#include "promql/histogram_ops.h"

/* A series whose name was to go at its first step loses it at all of them, and one that was not keeps it. */
static struct output_series *output_find(struct output *o, const struct labels *l, bool drop)
{
	for (size_t i = o->at; i < o->n && i < o->at + 4; i++)
		if (o->v[i]->l == l) {
			o->at = i + 1;
			return o->v[i];
		}
	if (o->n * 2 >= o->table_cap) {
		o->table_cap = o->table_cap ? o->table_cap * 2 : 64;
		o->table = arena_calloc(o->a, o->table_cap, sizeof(*o->table));
		for (size_t i = 0; i < o->n; i++) {
			struct output_series **slot = &o->table[o->v[i]->l->hash & (o->table_cap - 1)];
			o->v[i]->next = *slot;
			*slot = o->v[i];
		}
	}
	struct output_series **slot = &o->table[l->hash & (o->table_cap - 1)];
	for (struct output_series *s = *slot; s; s = s->next)
		if (s->l == l) {
			o->at = s->index + 1;
			return s;
		}
	struct output_series *s = arena_calloc(o->a, 1, sizeof(*s));
	s->l = l;
	s->drop = drop;
	s->next = *slot;
	*slot = s;
	arena_grow(o->a, o->v, o->n, o->cap);
	s->index = o->n;
	o->v[o->n++] = s;
	o->at = o->n;
	return s;
}

/* Room for N more points, of which more follow until the run's end. */
static void output_grow(struct eval *ev, struct output *o, struct output_series *out, size_t n)
{
	if (out->n + n <= out->cap)
		return;
	uint64_t left = ev->step > 0 && ev->t <= ev->end ? (uint64_t)(ev->end - ev->t) / (uint64_t)ev->step + 1 : 1;
	/* Who is there at the first step mostly is at all. */
	uint64_t more = !out->cap && o->n < 8192 ? 64 : out->cap ? out->cap : 8;
	more = left < more ? left : more;
	more = more < n ? n : more;
	struct sample *s = arena_alloc(o->a, (out->n + more) * sizeof(*s));
	if (out->n)
		memcpy(s, out->s, out->n * sizeof(*s));
	out->s = s;
	out->cap = out->n + more;
}

/* Samples in place of the row. */
static void output_unrow(struct eval *ev, struct output *o, struct output_series *out)
{
	const double *row = out->row;
	size_t values = out->n;
	out->row = NULL;
	out->n = 0;
	output_grow(ev, o, out, values);
	for (size_t k = 0; k < out->row_length; k++)
		if (!sample_is_stale(&row[k]))
			out->s[out->n++] = (struct sample){.t = ev->start + (int64_t)(out->row_first + k) * ev->step, .v = row[k]};
}

void ev_output_add(struct eval *ev, struct output *o, const struct labels *l, bool drop, struct sample s)
{
	struct output_series *out = output_find(o, l, drop);
	if (out->row)
		output_unrow(ev, o, out);
	if (out->n && out->s[out->n - 1].t == s.t) {
		ev_fail(ev, -EINVAL, "vector cannot contain metrics with the same labelset");
		return;
	}
	if (!ev_charge(ev, s.h ? histogram_weight(s.h) : 1))
		return;
	if (s.h)
		s.h = histogram_copy_arena(s.h, o->a);
	output_grow(ev, o, out, 1);
	out->s[out->n++] = s;
}

/* Appends V at the steps from FIRST on to the row of OUT; false if that would be mostly empty, or if OUT has samples. */
static bool output_extend(struct output *o, struct output_series *out, size_t first, const double *v, size_t n, size_t values)
{
	if (!o->rows || out->s)
		return false;
	size_t gap = out->row ? first - (out->row_first + out->row_length) : 0, length = out->row_length + gap + n;
	if ((out->n + values) * 3 < length)
		return false;
	if (length > out->row_cap) {
		size_t cap = out->row && length < out->row_cap * 2 ? out->row_cap * 2 : length;
		double *row = arena_alloc(o->a, cap * sizeof(*row));
		if (out->row_length)
			memcpy(row, out->row, out->row_length * sizeof(*row));
		if (!out->row)
			out->row_first = first;
		out->row = row;
		out->row_cap = cap;
	}
	for (size_t k = 0; k < gap; k++)
		out->row[out->row_length++] = sample_stale_marker();
	memcpy(out->row + out->row_length, v, n * sizeof(*v));
	out->row_length += n;
	out->n += values;
	return true;
}

void ev_output_row(struct eval *ev, struct output *o, const struct labels *l, const double *v, size_t n)
{
	size_t values = 0, before = 0;
	for (size_t i = 0; i < n; i++)
		values += !sample_is_stale(&v[i]);
	if (!values || !ev_charge(ev, (int64_t)values))
		return;
	while (sample_is_stale(&v[before]))
		before++;
	while (sample_is_stale(&v[n - 1]))
		n--;
	struct output_series *out = output_find(o, l, false);
	int64_t t = ev->t + (int64_t)before * ev->step;
	if (output_extend(o, out, ev->step > 0 ? (uint64_t)(t - ev->start) / (uint64_t)ev->step : 0, v + before, n - before, values))
		return;
	if (out->row)
		output_unrow(ev, o, out);
	output_grow(ev, o, out, values);
	for (size_t k = before; k < n; k++, t += ev->step)
		if (!sample_is_stale(&v[k]))
			out->s[out->n++] = (struct sample){.t = t, .v = v[k]};
}

void ev_run_steps(struct eval *ev, const struct expr *e, struct output *o, bool final)
{
	ev->run = e;
	for (ev->t = ev->start; ev->t <= ev->end && ev_alive(ev); ev->t += ev->step) {
		o->at = 0;
		if (e->type == PROMQL_SCALAR) {
			ev_output_add(ev, o, ev->pool.empty, false,
				      (struct sample){.t = ev->t, .v = eval_scalar(ev, e)});
		} else if (rows_can(ev, e)) {
			rows_run(ev, e, o); /* to the last step that it did */
		} else {
			struct vec v = eval_vector(ev, e);
			for (size_t i = 0; i < v.n && !ev->err; i++) {
				const struct vsample *s = &v.s[i];
				ev_output_add(ev, o, s->l, s->drop, (struct sample){.t = ev->t, .v = s->v, .h = s->h});
			}
		}
		arena_reset(ev->tmp);
		if (ev->step <= 0)
			break;
	}
}

int64_t ev_fixed_time(const struct eval *ev, const struct timing *t, int64_t now)
{
	switch (t->at) {
	case AT_TIME:
		return t->at_ms;
	case AT_START:
		return ev->query_start;
	case AT_END:
		return ev->query_end;
	case AT_NONE:
		break;
	}
	return now;
}

static bool resolve(struct eval *ev, const struct duration *d, int64_t *ms, bool positive)
{
	if (!duration_resolve(d, ev->query_step, ev->query_end - ev->query_start, ms)) {
		ev_fail(ev, -EINVAL, "duration out of range");
		return false;
	}
	if (positive && *ms <= 0) {
		ev_fail(ev, -EINVAL, "duration must be greater than 0");
		return false;
	}
	return true;
}

/* Says of every histogram that has no hint whether it was reset since the one before. */
static void find_resets(struct eval *ev, struct range_series *r)
{
	struct sample *s = arena_alloc(&ev->arena, r->n * sizeof(*s));
	const struct histogram *before = NULL;
	memcpy(s, r->s, r->n * sizeof(*s));
	for (size_t i = 0; i < r->n; i++) {
		if (s[i].h && before && s[i].h->hint == HINT_UNKNOWN) {
			struct histogram *h = histogram_copy_arena(s[i].h, &ev->arena);
			h->hint = histogram_was_reset(h, before) ? HINT_RESET : HINT_NOT_RESET;
			s[i].h = h;
		}
		before = s[i].h ? s[i].h : before;
	}
	r->s = s;
}

static bool same_matchers(const struct expr *a, const struct expr *b)
{
	if (a->vector.n != b->vector.n)
		return false;
	for (size_t i = 0; i < a->vector.n; i++) {
		const struct matcher *x = &a->vector.matchers[i], *y = &b->vector.matchers[i];
		if (x->type != y->type || !sv_eq(x->name, y->name) || !sv_eq(x->value, y->value))
			return false;
	}
	return true;
}

/* The times SEL reads: samples with *LO < t <= *HI. False if they cannot be told. */
static bool selector_bounds(struct eval *ev, const struct expr *sel, const struct duration *range, int64_t *lo, int64_t *hi)
{
	int64_t query_range = ev->query_end - ev->query_start, offset, ms = ev->opt.lookback_ms;
	if (!duration_resolve(&sel->vector.timing.offset, ev->query_step, query_range, &offset) ||
	    (range && !duration_resolve(range, ev->query_step, query_range, &ms)))
		return false;
	*lo = ev_fixed_time(ev, &sel->vector.timing, ev->start) - offset - ms;
	*hi = ev_fixed_time(ev, &sel->vector.timing, ev->end) - offset;
	if (range && sel->vector.extended != EXTENDED_NONE)
		*lo -= ev->opt.lookback_ms;
	if (sel->vector.extended == EXTENDED_SMOOTHED)
		*hi += ev->opt.lookback_ms;
	return true;
}

/* Widens *LO and *HI by what equal selectors in E read, where that overlaps: one selection is then enough for all. Subqueries are
 * another run, with other times. */
static void widen(struct eval *ev, const struct expr *e, const struct duration *range, const struct expr *sel, int64_t *lo, int64_t *hi)
{
	int64_t a, b;
	if (e->kind == EXPR_VECTOR && e != sel && same_matchers(e, sel) && selector_bounds(ev, e, range, &a, &b) && a < *hi && b > *lo) {
		*lo = a < *lo ? a : *lo;
		*hi = b > *hi ? b : *hi;
	}
	for (size_t i = 0; e->kind != EXPR_SUBQUERY && expr_child(e, i); i++)
		widen(ev, expr_child(e, i), e->kind == EXPR_MATRIX ? &e->matrix.range : NULL, sel, lo, hi);
}

/* The series that SEL reads, selected here or already for an equal selector; NULL on failure. */
static const struct series_set *select_series(struct eval *ev, const struct expr *sel, struct node *n, int64_t lo, int64_t hi)
{
	for (size_t i = 0; i < ev->n_shared; i++) {
		const struct shared_set *s = &ev->shared[i];
		if (s->lo <= lo && s->hi >= hi && same_matchers(s->selector, sel))
			return s->set;
	}
	int64_t wide_lo = lo, wide_hi = hi;
	if (ev->run)
		widen(ev, ev->run, NULL, sel, &wide_lo, &wide_hi);
	/* Left-open: a sample exactly LO ago is outside. */
	int (*select)(void *, const struct matcher *, size_t, int64_t, int64_t, struct series_set *, char **) =
	    ev->src->select_packed ? ev->src->select_packed : ev->src->select;
	uint64_t begun = clock_mono_ns();
	int rc = select(ev->src->self, sel->vector.matchers, sel->vector.n, wide_lo + 1, wide_hi, &n->set, &ev->error);
	if (rc == -E2BIG && (wide_lo < lo || wide_hi > hi)) {
		free(ev->error);
		ev->error = NULL;
		wide_lo = lo;
		wide_hi = hi;
		rc = select(ev->src->self, sel->vector.matchers, sel->vector.n, lo + 1, hi, &n->set, &ev->error);
	}
	ev->select_ns += clock_mono_ns() - begun;
	if (rc) {
		ev->err = rc;
		if (!ev->error)
			ev->error = xstrdup("reading samples failed");
		return NULL;
	}
	n->has_set = true;
	arena_grow(&ev->arena, ev->shared, ev->n_shared, ev->cap_shared);
	ev->shared[ev->n_shared++] = (struct shared_set){sel, wide_lo, wide_hi, &n->set};
	return &n->set;
}

static void load_selector(struct eval *ev, const struct expr *sel, struct node *n, const struct duration *range)
{
	int64_t lo, hi;
	bool ranged = range;
	if (!selector_bounds(ev, sel, range, &lo, &hi))
		return; /* cannot be: resolved before */
	const struct series_set *set = select_series(ev, sel, n, lo, hi);
	if (!set)
		return;
	n->ranged = ranged || sel->vector.extended == EXTENDED_SMOOTHED;
	n->series = arena_calloc(&ev->arena, set->n + 1, sizeof(*n->series));
	pool_reserve(&ev->pool, set->n);
	for (size_t i = 0; i < set->n; i++) {
		const struct series *s = &set->series[i];
		struct range_series *r = &n->series[n->n];
		*r = (struct range_series){.l = ev_intern(ev, labels_ref(s->labels)), .s = s->samples, .n = s->n};
		if (s->packed) {
			r->packed = s;
			n->packed = true;
			n->n++;
			continue;
		}
		size_t stale = 0;
		for (size_t k = 0; k < s->n; k++) {
			stale += !s->samples[k].h && sample_is_stale(&s->samples[k].v);
			r->histograms = r->histograms || s->samples[k].h;
		}
		r->st = ev->opt.start_timestamps ? s->st : NULL;
		if (stale && n->ranged) {
			struct sample *kept = arena_alloc(&ev->arena, (s->n - stale + 1) * sizeof(*kept));
			int64_t *st = arena_alloc(&ev->arena, (s->n - stale + 1) * sizeof(*st));
			r->n = 0;
			for (size_t k = 0; k < s->n; k++)
				if (s->samples[k].h || !sample_is_stale(&s->samples[k].v)) {
					st[r->n] = r->st ? s->st[k] : 0;
					kept[r->n++] = s->samples[k];
				}
			r->s = kept;
			r->st = r->st ? st : NULL;
		}
		if (r->histograms && sel->vector.stats)
			find_resets(ev, r);
		n->n += r->n > 0;
	}
}

/* Packed samples with LO < t <= HI, to OUT. */
static size_t unpack(const struct eval *ev, const struct node *n, const struct range_series *r, int64_t lo, int64_t hi, struct sample *out)
{
	size_t all = ev->src->unpack(r->packed, lo + 1, hi, out), kept = 0;
	if (!n->ranged)
		return all;
	while (kept < all && !sample_is_stale(&out[kept].v))
		kept++;
	for (size_t k = kept; k < all; k++)
		if (!sample_is_stale(&out[k].v))
			out[kept++] = out[k];
	return kept;
}

static void opened_room(struct eval *ev, struct node *n, size_t samples)
{
	if (n->cap_opened >= samples)
		return;
	n->cap_opened = samples + samples / 2;
	n->opened = arena_alloc(&ev->arena, n->cap_opened * sizeof(*n->opened));
}

/* The samples of row S of a subquery with LO < t <= HI, to n->opened. */
static void open_row(struct eval *ev, struct node *n, struct range_series *s, int64_t lo, int64_t hi)
{
	struct eval saved = *ev;
	int64_t start = n->rows_start, end = start + (int64_t)(n->rows_steps - 1) * n->step;
	struct steps b = {lo < start ? start : start + ((lo - start) / n->step + 1) * n->step, 0};
	s->s = n->opened;
	s->n = 0;
	if (hi < b.first || end < b.first)
		return;
	b.n = (size_t)(((hi < end ? hi : end) - b.first) / n->step) + 1;
	opened_room(ev, n, b.n);
	ev->start = ev->t = start;
	ev->end = end;
	ev->step = n->step;
	ev->in_subquery = true;
	ev->run = n->of_rows;
	const double *row = rows_get(ev, n->of_rows, &b, (size_t)(s - n->series));
	ev->start = saved.start;
	ev->end = saved.end;
	ev->step = saved.step;
	ev->t = saved.t;
	ev->in_subquery = saved.in_subquery;
	ev->run = saved.run;
	ev->total = saved.total; /* its points count where they are read */
	s->s = n->opened;
	for (size_t k = 0; k < b.n; k++)
		if (!sample_is_stale(&row[k]))
			n->opened[s->n++] = (struct sample){.t = b.first + (int64_t)k * n->step, .v = row[k]};
}

void ev_open(struct eval *ev, struct node *n, struct range_series *s, int64_t lo, int64_t hi)
{
	if (n->of_rows) {
		open_row(ev, n, s, lo, hi);
	} else if (s->packed) {
		opened_room(ev, n, s->packed->n);
		s->s = n->opened;
		s->n = unpack(ev, n, s, lo, hi, n->opened);
	} else {
		return;
	}
	s->first = s->last = s->rising_from = s->rising_to = s->even_from = s->even_to = 0;
}

/* Keeps the samples of all rows of a subquery. */
static void open_all_rows(struct eval *ev, struct node *n)
{
	uint64_t before = ev->samples;
	for (size_t i = 0; i < n->n && ev_alive(ev); i++) {
		struct range_series *r = &n->series[i];
		ev_open(ev, n, r, INT64_MIN, INT64_MAX);
		struct sample *s = arena_alloc(&ev->arena, r->n * sizeof(*s));
		if (r->n)
			memcpy(s, r->s, r->n * sizeof(*s));
		r->s = s;
		ev_charge(ev, (int64_t)r->n);
	}
	ev->samples = before;
	n->of_rows = NULL;
}

struct node *ev_load(struct eval *ev, const struct expr *e)
{
	struct node *n = ev_load_packed(ev, e);
	if (n->of_rows && !ev->err)
		open_all_rows(ev, n);
	if (!n->packed || ev->err)
		return n;
	n->packed = false;
	for (size_t i = 0; i < n->n; i++) {
		struct range_series *r = &n->series[i];
		if (!r->packed)
			continue;
		struct sample *s = arena_alloc(&ev->arena, r->packed->n * sizeof(*s));
		r->n = unpack(ev, n, r, INT64_MIN, INT64_MAX, s);
		r->s = s;
		r->packed = NULL;
		r->first = r->last = r->rising_from = r->rising_to = r->even_from = r->even_to = 0;
	}
	return n;
}

/* First multiple of STEP after T, with C's truncating division as in Prometheus. */
static int64_t first_step_after(int64_t t, int64_t step)
{
	int64_t s = step * (t / step);
	return s <= t ? s + step : s;
}

static void load_subquery(struct eval *ev, const struct expr *e, struct node *n)
{
	int64_t lo = ev_fixed_time(ev, &e->subquery.timing, ev->start) - n->offset - n->range;
	int64_t hi = ev_fixed_time(ev, &e->subquery.timing, ev->end) - n->offset;
	struct eval saved = *ev;
	struct arena tmp = {0};
	struct output o = {.a = &ev->arena};
	uint64_t before = ev->samples, total = ev->total;
	ev->start = first_step_after(lo, n->step);
	ev->end = hi;
	ev->step = n->step;
	ev->tmp = &tmp;
	ev->in_subquery = true;
	if ((hi - ev->start) / n->step > 50000000)
		ev_fail(ev, -E2BIG,
			"query processing would load too many samples into memory in query execution");
	ev->run = e->subquery.expr;
	ev->t = ev->start;
	/* By rows, each is worked out when its windows are. */
	bool lazy = ev->end >= ev->start && rows_can(ev, e->subquery.expr) &&
		    rows_fit(ev, e->subquery.expr, (size_t)((ev->end - ev->start) / n->step) + 1);
	if (lazy) {
		n->of_rows = e->subquery.expr;
		n->rows_start = ev->start;
		n->rows_steps = (size_t)((ev->end - ev->start) / n->step) + 1;
	} else {
		ev_run_steps(ev, e->subquery.expr, &o, false);
	}
	arena_free(&tmp);
	ev->start = saved.start;
	ev->end = saved.end;
	ev->step = saved.step;
	ev->t = saved.t;
	ev->tmp = saved.tmp;
	ev->in_subquery = saved.in_subquery;
	ev->run = saved.run;
	ev->samples = before;
	ev->total = total; /* its points count where they are read */
	if (lazy) {
		n->n = ev->err ? 0 : rows_count(ev, n->of_rows);
		n->series = arena_calloc(&ev->arena, n->n + 1, sizeof(*n->series));
		for (size_t i = 0; i < n->n; i++)
			n->series[i].l = rows_labels(ev, n->of_rows, i);
		return;
	}
	n->series = arena_calloc(&ev->arena, o.n + 1, sizeof(*n->series));
	for (size_t i = 0; i < o.n && !ev->err; i++) {
		struct range_series *r = &n->series[n->n++];
		/* What was known of a reset since the sample before says nothing of one since the step
		 * before. */
		for (size_t k = 0; k < o.v[i]->n; k++) {
			struct histogram *h =
			    (struct histogram *)o.v[i]->s[k].h; /* a copy of the output's own */
			if (h && h->hint != HINT_GAUGE)
				h->hint = HINT_UNKNOWN;
		}
		*r = (struct range_series){
		    .l = o.v[i]->l, .s = o.v[i]->s, .n = o.v[i]->n, .drop = o.v[i]->drop};
		for (size_t k = 0; k < r->n && !r->histograms; k++)
			r->histograms = r->s[k].h;
	}
}

struct node *ev_load_packed(struct eval *ev, const struct expr *e)
{
	struct node *n = &ev->nodes[e->id];
	if (n->loaded || ev->err)
		return n;
	n->loaded = true;
	if (e->kind == EXPR_SUBQUERY) {
		n->step = ev->opt.subquery_step_ms;
		if (!resolve(ev, &e->subquery.timing.offset, &n->offset, false) ||
		    !resolve(ev, &e->subquery.range, &n->range, true) ||
		    (e->subquery.has_step && !resolve(ev, &e->subquery.step, &n->step, true)))
			return n;
		load_subquery(ev, e, n);
		return n;
	}
	const struct expr *sel = e->kind == EXPR_MATRIX ? e->matrix.vector : e;
	if (!resolve(ev, &sel->vector.timing.offset, &n->offset, false) ||
	    (e->kind == EXPR_MATRIX && !resolve(ev, &e->matrix.range, &n->range, true)))
		return n;
	load_selector(ev, sel, n, e->kind == EXPR_MATRIX ? &e->matrix.range : NULL);
	return n;
}
