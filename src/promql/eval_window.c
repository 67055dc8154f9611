// SPDX-License-Identifier: GPL-2.0-or-later
/* What selectors and range functions make of the samples that were loaded: of one series for many steps (eval_rows.c), or of all series at one
 * step, where there are histograms or more than values is asked for. */
#include <errno.h>
#include <math.h>

#include "base/alloc.h"
#include "promql/eval_rows.h"
#include "promql/histogram_ops.h"

/* How many samples have t <= T. *HINT is what it was at the step before: steps go forward, a few samples at a time. */
static inline size_t count_until(const struct range_series *s, int64_t t, uint32_t *hint)
{
	size_t lo = 0, hi = s->n, at = *hint;
	if (at <= hi && (!at || s->s[at - 1].t <= t)) {
		for (size_t limit = at + 8 < hi ? at + 8 : hi; at < limit && s->s[at].t <= t;)
			at++;
		if (at == hi || s->s[at].t > t) {
			*hint = (uint32_t)at;
			return at;
		}
		lo = at;
	}
	if (hi && s->s[hi - 1].t <= t)
		lo = hi;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->s[mid].t <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	*hint = (uint32_t)lo;
	return lo;
}

static const struct timing *timing_of(const struct expr *e)
{
	return e->kind == EXPR_SUBQUERY ? &e->subquery.timing : &e->matrix.vector->vector.timing;
}

/* What all windows of S have in common. */
static struct window window_begin(const struct expr *e, const struct node *n, struct range_series *s)
{
	return (struct window){.l = s->l,
			       .arg = e,
			       .range = n->range,
			       .seconds = (double)n->range / 1000,
			       .series = s,
			       .extended = e->kind == EXPR_MATRIX ? e->matrix.vector->vector.extended : EXTENDED_NONE};
}

/* Moves W, begun for S, to the one that ends at TO; false if it is empty. */
static inline bool window_move(const struct eval *ev, struct range_series *s, int64_t to, struct window *w)
{
	w->now = ev->t;
	w->to = to;
	w->from = to - w->range;
	int64_t lo = w->from, hi = to;
	if (w->extended != EXTENDED_NONE)
		lo -= ev->opt.lookback_ms;
	if (w->extended == EXTENDED_SMOOTHED)
		hi += ev->opt.lookback_ms;
	size_t first = count_until(s, lo, &s->first), last = count_until(s, hi, &s->last);
	if (first >= last)
		return false;
	w->s = s->s + first;
	w->first = first;
	w->n = last - first;
	w->st = s->st ? s->st + first : NULL;
	w->n_histograms = 0;
	for (size_t i = 0; s->histograms && i < w->n; i++)
		w->n_histograms += w->s[i].h != NULL;
	return true;
}

bool ev_window(struct eval *ev, const struct expr *e, const struct node *n, struct range_series *s, struct window *w)
{
	*w = window_begin(e, n, s);
	return window_move(ev, s, ev_fixed_time(ev, timing_of(e), ev->t) - n->offset, w);
}

/* Are there floats and histograms among the samples [FIRST, LAST)? */
static bool is_mixed(const struct range_series *s, size_t first, size_t last)
{
	for (size_t i = first + 1; s->histograms && i < last; i++)
		if (!s->s[i].h != !s->s[first].h)
			return true;
	return false;
}

/* A smoothed instant selector: the straight line between the samples around T; after the last one, its value. */
static bool smoothed_at(struct eval *ev, const struct expr *e, struct range_series *s, int64_t t,
			struct vsample *out)
{
	size_t k = count_until(s, t, &s->last), first = k, end = k;
	while (first && s->s[first - 1].t > t - ev->opt.lookback_ms)
		first--;
	while (end < s->n && s->s[end].t <= t + ev->opt.lookback_ms)
		end++;
	struct window w = {.l = s->l, .arg = e};
	if (is_mixed(s, first, end)) {
		ev_warn(ev, e, "encountered a mix of histograms and floats for metric name %s",
			ev_quoted_name(ev, s->l));
		return false;
	}
	if (first == k)
		return false;
	const struct sample *a = &s->s[k - 1], *b = a + 1;
	out->v = a->v;
	out->h = a->h;
	out->t = a->t;
	if (a->t == t)
		return true;
	if (k == end) {
		if (a->h) { /* what is said of a reset was about that sample */
			struct histogram *carried = histogram_copy_arena(a->h, ev->tmp);
			carried->hint = HINT_UNKNOWN;
			out->h = carried;
		}
		return true;
	}
	if (a->h) {
		out->h = histogram_between(ev, &w, a, b, t, a->h->hint != HINT_GAUGE || b->h->hint != HINT_GAUGE);
		return out->h;
	}
	out->v = a->v + (b->v - a->v) * (double)(t - a->t) / (double)(b->t - a->t);
	return true;
}

/* The sample that an instant selector takes of S at T, or NULL. */
static inline const struct sample *newest_at(const struct eval *ev, struct range_series *s, int64_t t)
{
	size_t k = count_until(s, t, &s->last);
	if (!k || s->s[k - 1].t <= t - ev->opt.lookback_ms || (!s->s[k - 1].h && sample_is_stale(&s->s[k - 1].v)))
		return NULL;
	return &s->s[k - 1];
}

/* --- instant selectors --- */

void selector_row(struct eval *ev, const struct expr *e, struct node *n, size_t i, const struct steps *b, double *row)
{
	struct range_series *s = &n->series[i];
	double nothing = sample_stale_marker();
	size_t values = 0;
	int64_t t = b->first;
	ev_open(ev, n, s, ev_fixed_time(ev, &e->vector.timing, t) - n->offset - ev->opt.lookback_ms,
		ev_fixed_time(ev, &e->vector.timing, t + (int64_t)(b->n - 1) * ev->step) - n->offset);
	for (size_t k = 0; k < b->n; k++, t += ev->step) {
		const struct sample *p = newest_at(ev, s, ev_fixed_time(ev, &e->vector.timing, t) - n->offset);
		values += p != NULL;
		row[k] = p ? p->v : nothing;
	}
	ev->total += values;
}

struct vec eval_selector(struct eval *ev, const struct expr *e)
{
	struct vec v = {0};
	/* Packed where each series is to be opened once. */
	struct node *n = ev->step > 0 ? ev_load(ev, e) : ev_load_packed(ev, e);
	int64_t t = ev_fixed_time(ev, &e->vector.timing, ev->t) - n->offset;
	vec_reserve(ev, &v, n->n);
	for (size_t i = 0; i < n->n && !ev->err; i++) {
		struct range_series *s = &n->series[i];
		struct vsample out = {.l = s->l};
		if (e->vector.extended == EXTENDED_SMOOTHED) {
			if (smoothed_at(ev, e, s, t, &out))
				vec_add(ev, &v, out);
			continue;
		}
		ev_open(ev, n, s, t - ev->opt.lookback_ms, t);
		const struct sample *p = newest_at(ev, s, t);
		if (!p)
			continue;
		out.v = p->v;
		out.h = p->h;
		out.t = p->t;
		out.st = s->st ? s->st[p - s->s] : 0;
		vec_add(ev, &v, out);
	}
	ev->total += v.n;
	if (ev_charge(ev, (int64_t)v.n))
		ev_charge(ev, -(int64_t)v.n);
	return v;
}

/* --- range functions --- */

void ev_window_bounds(const struct eval *ev, const struct expr *e, const struct node *n, int64_t first, int64_t last, int64_t *lo, int64_t *hi)
{
	*lo = ev_fixed_time(ev, timing_of(e), first) - n->offset - n->range;
	*hi = ev_fixed_time(ev, timing_of(e), last) - n->offset;
	if (e->kind != EXPR_MATRIX)
		return;
	const struct expr *sel = e->matrix.vector;
	if (sel->vector.extended != EXTENDED_NONE)
		*lo -= ev->opt.lookback_ms;
	if (sel->vector.extended == EXTENDED_SMOOTHED)
		*hi += ev->opt.lookback_ms;
}

/* What the function of call E may remember from window to window. */
static void window_remember(struct eval *ev, const struct expr *e, struct window *w)
{
	struct node *own = &ev->nodes[e->id];
	w->sorted = &own->sorted;
	w->counted = &own->counted;
	if (!own->edges)
		own->edges = arena_calloc(&ev->arena, RATE_EDGES, sizeof(*own->edges));
	w->edges = own->edges;
}

/* The function of call E over series S at the current step; false: no sample. */
static bool call_one(struct eval *ev, const struct expr *e, const struct expr *arg, struct node *n, struct range_series *s,
		     const double *scalars, struct vsample *out)
{
	struct window w;
	if (!ev_window(ev, arg, n, s, &w) || !ev_work(ev, w.n))
		return false;
	w.scalars = scalars;
	window_remember(ev, e, &w);
	return e->call.fn->fn.range(ev, e, &w, out);
}

static void eval_scalars(struct eval *ev, const struct expr *e, double *out)
{
	for (size_t i = 0; i < e->call.n; i++)
		if (e->call.args[i]->type == PROMQL_SCALAR)
			out[i] = eval_scalar(ev, e->call.args[i]);
}

/* Windows that wait for others to be worked out with. */
struct lanes {
	const struct expr *e;
	double *row;
	struct window w[WINDOW_LANES];
	size_t step[WINDOW_LANES], n;
};

static void lanes_flush(struct eval *ev, struct lanes *l)
{
	double out[WINDOW_LANES];
	if (!l->n)
		return;
	l->e->call.fn->lanes(ev, l->e, l->w, l->n, out);
	for (size_t i = 0; i < l->n; i++)
		l->row[l->step[i]] = out[i];
	l->n = 0;
}

static void lanes_add(struct eval *ev, struct lanes *l, const struct window *w, size_t step)
{
	l->w[l->n] = *w;
	l->step[l->n++] = step;
	if (l->n == WINDOW_LANES)
		lanes_flush(ev, l);
}

void range_function_row(struct eval *ev, const struct expr *e, const struct expr *arg, struct node *n, size_t i, const struct steps *b,
			const double *scalars, double *row)
{
	struct range_series *s = &n->series[i];
	const struct timing *timing = timing_of(arg);
	struct window w = window_begin(arg, n, s);
	int64_t now = ev->t, lo, hi;
	double nothing = sample_stale_marker();
	ev_window_bounds(ev, arg, n, b->first, b->first + (int64_t)(b->n - 1) * ev->step, &lo, &hi);
	ev_open(ev, n, s, lo, hi);
	window_remember(ev, e, &w);
	w.sorted->series = w.counted->series = NULL;
	w.scalars = scalars;
	struct lanes batch = {.e = e, .row = row};
	bool lanes = e->call.fn->lanes && b->n > 1 && w.extended == EXTENDED_NONE;
	for (size_t k = 0; k < b->n; k++, w.scalars += e->call.n) {
		struct vsample r = {0};
		ev->t = b->first + (int64_t)k * ev->step;
		bool found = window_move(ev, s, ev_fixed_time(ev, timing, ev->t) - n->offset, &w) && ev_work(ev, w.n);
		if (found && lanes) {
			lanes_add(ev, &batch, &w, k);
			continue;
		}
		row[k] = found && e->call.fn->fn.range(ev, e, &w, &r) ? r.v : nothing;
	}
	lanes_flush(ev, &batch);
	ev->t = now;
}

const struct expr *matrix_argument(const struct expr *call)
{
	for (size_t i = 0; i < call->call.n; i++)
		if (call->call.args[i]->type == PROMQL_MATRIX)
			return expr_unwrap(call->call.args[i]);
	return NULL;
}

bool call_takes_extended(const struct expr *call, const struct expr *arg)
{
	enum extended x = arg->kind == EXPR_MATRIX ? arg->matrix.vector->vector.extended : EXTENDED_NONE;
	return x == EXTENDED_NONE || call->call.fn->extended == ANCHORED_AND_SMOOTHED ||
	       (x == EXTENDED_ANCHORED && call->call.fn->extended == ANCHORED_ONLY);
}

bool ev_takes_extended(struct eval *ev, const struct expr *call, const struct expr *arg)
{
	if (call_takes_extended(call, arg))
		return true;
	bool smoothed = arg->matrix.vector->vector.extended == EXTENDED_SMOOTHED;
	ev_fail(ev, -EINVAL, "%s modifier can only be used with: %s - not with %s", smoothed ? "smoothed" : "anchored",
		smoothed ? "delta, increase, rate" : "changes, delta, increase, rate, resets", call->call.fn->name);
	return false;
}

/* The labels of what the function makes of S. */
static void find_result(struct eval *ev, const struct function *f, struct range_series *s)
{
	s->result_drop = s->drop;
	s->result = s->l;
	if (!f->keeps_name) {
		bool drop;
		s->result = ev_drop_name(ev, s->l, &drop);
		s->result_drop = s->drop || drop;
	}
}

struct vec eval_range_function(struct eval *ev, const struct expr *e)
{
	const struct function *f = e->call.fn;
	const struct expr *arg = matrix_argument(e);
	struct vec out = {0};
	if (!ev_takes_extended(ev, e, arg))
		return out;
	struct node *n = ev->step > 0 ? ev_load(ev, arg) : ev_load_packed(ev, arg), *own = &ev->nodes[e->id];
	double scalars[ARRAY_SIZE(f->args)];
	int64_t lo, hi;
	if (ev->err)
		return out;
	ev_window_bounds(ev, arg, n, ev->t, ev->t, &lo, &hi);
	eval_scalars(ev, e, scalars);
	vec_reserve(ev, &out, n->n);
	/* Series of one name stay different without it. */
	bool distinct = arg->kind == EXPR_MATRIX && arg->matrix.vector->vector.name.n;
	for (size_t i = 0; i < n->n && ev_alive(ev); i++) {
		struct range_series *s = &n->series[i];
		struct vsample r = {.t = ev->t};
		ev_open(ev, n, s, lo, hi);
		own->sorted.series = own->counted.series = NULL;
		if (!call_one(ev, e, arg, n, s, scalars, &r))
			continue;
		if (!s->result)
			find_result(ev, f, s);
		r.l = s->result;
		r.drop = s->result_drop;
		distinct = distinct && (f->keeps_name || r.drop || s->l->n == r.l->n + 1);
		vec_add(ev, &out, r);
	}
	out.distinct = distinct;
	return out;
}

bool ev_is_rising(const struct window *w)
{
	struct range_series *s = w->series;
	uint32_t first = (uint32_t)w->first, last = (uint32_t)(w->first + w->n);
	if (first < s->rising_from || first >= s->rising_to) {
		s->rising_from = first;
		s->rising_to = first + 1;
	}
	while (s->rising_to < last && !(s->s[s->rising_to].v < s->s[s->rising_to - 1].v))
		s->rising_to++;
	return s->rising_to >= last;
}

bool ev_is_even(const struct window *w, int64_t *distance)
{
	struct range_series *s = w->series;
	uint32_t first = (uint32_t)w->first, last = (uint32_t)(w->first + w->n);
	if (first < s->even_from || first + 1 >= s->even_to) {
		s->even_from = first;
		s->even_to = first + 2;
		s->even = s->s[first + 1].t - s->s[first].t;
	}
	while (s->even_to < last && s->s[s->even_to].t - s->s[s->even_to - 1].t == s->even)
		s->even_to++;
	*distance = s->even;
	return s->even_to >= last;
}

/* How many of [FIRST, LAST) differ from the one before. */
static size_t count_differing(const struct range_series *s, size_t first, size_t last, bool (*differ)(double before, double v))
{
	size_t n = 0;
	for (size_t i = first; i < last; i++)
		n += differ(s->s[i - 1].v, s->s[i].v);
	return n;
}

size_t window_count(const struct window *w, bool (*differ)(double before, double v))
{
	struct counted_window *c = w->counted;
	size_t last = w->first + w->n;
	if (c->series == w->series && c->first <= w->first && c->last <= last && c->last > w->first) {
		c->n -= count_differing(c->series, c->first + 1, w->first + 1, differ);
		c->n += count_differing(c->series, c->last, last, differ);
	} else {
		c->n = count_differing(w->series, w->first + 1, last, differ);
	}
	c->series = w->series;
	c->first = w->first;
	c->last = last;
	return c->n;
}

/* Where X belongs in V: behind its equals if AFTER, else before them. */
static size_t place_of(const double *v, size_t n, double x, bool after)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = compare_values(&v[mid], &x);
		if (c < 0 || (after && !c))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void sorted_add(struct sorted_window *w, double x)
{
	size_t i = w->n && compare_values(&w->v[w->n - 1], &x) > 0 ? place_of(w->v, w->n, x, true) : w->n;
	memmove(w->v + i + 1, w->v + i, (w->n - i) * sizeof(*w->v));
	w->v[i] = x;
	w->n++;
}

static void sorted_remove(struct sorted_window *w, double x)
{
	size_t i = place_of(w->v, w->n, x, false);
	while (memcmp(&w->v[i], &x, sizeof(x)) != 0) /* it is there: zeros of both signs and all NaN are equal */
		i++;
	w->n--;
	memmove(w->v + i, w->v + i + 1, (w->n - i) * sizeof(*w->v));
}

const double *window_sorted(struct eval *ev, const struct window *w)
{
	struct sorted_window *o = w->sorted;
	size_t last = w->first + w->n;
	if (o->cap < w->n + 1) {
		size_t cap = w->n + w->n / 2 + 16;
		double *v = arena_alloc(&ev->arena, cap * sizeof(*v));
		if (o->n)
			memcpy(v, o->v, o->n * sizeof(*v));
		o->v = v;
		o->cap = cap;
	}
	/* What stayed in the window is in order already. */
	bool overlaps = o->series == w->series && o->first <= w->first && o->last <= last && o->last > w->first &&
			w->first - o->first + last - o->last < w->n / 2;
	if (overlaps) {
		for (size_t i = o->first; i < w->first; i++)
			sorted_remove(o, w->series->s[i].v);
		for (size_t i = o->last; i < last; i++)
			sorted_add(o, w->series->s[i].v);
	} else {
		o->n = w->n;
		for (size_t i = 0; i < w->n; i++)
			o->v[i] = w->s[i].v;
		sort_values(o->v, o->n);
	}
	o->series = w->series;
	o->first = w->first;
	o->last = last;
	return o->v;
}
