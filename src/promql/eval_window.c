// SPDX-License-Identifier: GPL-2.0-or-later
/* What selectors and range functions make of the samples that were loaded. In a range query they work in blocks: a series is gone through
 * for many steps at once, and each step then takes its column (struct block). */
#include <errno.h>
#include <math.h>

#include "base/alloc.h"
#include "promql/eval.h"
#include "promql/histogram_ops.h"

#define BLOCK_VALUES 1048576 /* of a block, about: 8 MB */
#define BLOCK_STEPS_MIN 4
#define BLOCK_STEPS_MAX 256

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

/* --- blocks --- */

static bool is_nothing(const double *v)
{
	return sample_is_stale(v);
}

/* Does the block of N hold the current step? If not it is to be filled anew: *FILL. False: this evaluation has no blocks. */
static bool find_block(struct eval *ev, const struct expr *e, struct node *n, size_t n_series, bool *fill)
{
	struct block *b = &n->block;
	*fill = false;
	if (e->invariant || ev->step <= 0 || ev->end - ev->start < ev->step || !n_series)
		return false;
	if (b->steps && ev->t >= b->first && (uint64_t)(ev->t - b->first) / (uint64_t)ev->step < b->steps)
		return true;
	uint64_t left = (uint64_t)(ev->end - ev->t) / (uint64_t)ev->step + 1, most = BLOCK_VALUES / n_series;
	most = most < BLOCK_STEPS_MIN ? BLOCK_STEPS_MIN : most > BLOCK_STEPS_MAX ? BLOCK_STEPS_MAX : most;
	b->steps = left < most ? (size_t)left : (size_t)most;
	b->first = ev->t;
	if (b->room < b->steps * n_series) {
		b->room = b->steps * n_series;
		b->v = arena_alloc(&ev->arena, b->room * sizeof(*b->v));
	}
	*fill = true;
	return true;
}

static const double *block_column(const struct eval *ev, const struct block *b, size_t n_series)
{
	return b->v + (uint64_t)(ev->t - b->first) / (uint64_t)ev->step * n_series;
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

/* What the block's series are called; not for histograms. F: the function, NULL: what was selected as it is. */
static void name_block(struct eval *ev, const struct function *f, const struct node *n, struct block *b)
{
	if (b->l)
		return;
	for (size_t i = 0; i < n->n; i++)
		if (n->series[i].histograms)
			return;
	b->l = arena_alloc(&ev->arena, n->n * sizeof(*b->l));
	b->drop = arena_alloc(&ev->arena, n->n * sizeof(*b->drop));
	b->distinct = true;
	for (size_t i = 0; i < n->n; i++) {
		struct range_series *s = &n->series[i];
		if (f && !s->result)
			find_result(ev, f, s);
		b->l[i] = f ? s->result : s->l;
		b->drop[i] = f ? s->result_drop : s->drop;
		b->distinct = b->distinct && (!f || f->keeps_name || b->drop[i] || s->l->n == b->l[i]->n + 1);
	}
}

/* The samples of the current step. */
static void take_column(const struct eval *ev, const struct block *b, const double *column, size_t n_series, struct vec *out)
{
	struct vsample *to = out->s;
	for (size_t i = 0; i < n_series; i++)
		if (!is_nothing(&column[i]))
			*to++ = (struct vsample){.l = b->l[i], .v = column[i], .t = ev->t, .drop = b->drop[i]};
	out->n = (size_t)(to - out->s);
}

/* --- instant selectors --- */

static void fill_selector(struct eval *ev, const struct expr *e, struct node *n)
{
	struct block *b = &n->block;
	double nothing = sample_stale_marker();
	int64_t hi = b->first + (int64_t)(b->steps - 1) * ev->step - n->offset, lo = b->first - n->offset - ev->opt.lookback_ms;
	for (size_t i = 0; i < n->n && ev_alive(ev); i++) {
		struct range_series *s = &n->series[i];
		ev_open(ev, n, s, lo, hi);
		for (size_t k = 0; k < b->steps; k++) {
			const struct sample *p = s->histograms ? NULL : newest_at(ev, s, b->first + (int64_t)k * ev->step - n->offset);
			memcpy(&b->v[k * n->n + i], p ? &p->v : &nothing, sizeof(double));
		}
	}
}

struct vec eval_selector(struct eval *ev, const struct expr *e)
{
	struct vec v = {0};
	bool stepping = ev->step > 0 && !e->invariant, plain = e->vector.extended != EXTENDED_SMOOTHED;
	/* Packed where each series is to be opened once. */
	struct node *n = plain && !(stepping && e->vector.timed) ? ev_load_packed(ev, e) : ev_load(ev, e);
	int64_t t = ev_fixed_time(ev, &e->vector.timing, ev->t) - n->offset;
	const double *column = NULL;
	bool fill;
	if (!ev->err && plain && !e->vector.timed && find_block(ev, e, n, n->n, &fill)) {
		if (fill)
			fill_selector(ev, e, n);
		column = block_column(ev, &n->block, n->n);
		name_block(ev, NULL, n, &n->block);
	}
	vec_reserve(ev, &v, n->n);
	if (column && n->block.l && !ev->err) {
		take_column(ev, &n->block, column, n->n, &v);
		ev->total += v.n;
		if (ev_charge(ev, (int64_t)v.n))
			ev_charge(ev, -(int64_t)v.n);
		return v;
	}
	for (size_t i = 0; i < n->n && !ev->err; i++) {
		struct range_series *s = &n->series[i];
		if (column && !s->histograms) {
			if (!is_nothing(&column[i]))
				v.s[v.n++] = (struct vsample){.l = s->l, .v = column[i]};
			continue;
		}
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

/* What the windows of N = E at the steps from FIRST to LAST reach. */
static void window_bounds(const struct eval *ev, const struct expr *e, const struct node *n, int64_t first, int64_t last, int64_t *lo, int64_t *hi)
{
	if (e->kind != EXPR_MATRIX) { /* never packed */
		*lo = INT64_MIN;
		*hi = INT64_MAX;
		return;
	}
	const struct expr *sel = e->matrix.vector;
	*lo = ev_fixed_time(ev, &sel->vector.timing, first) - n->offset - n->range;
	*hi = ev_fixed_time(ev, &sel->vector.timing, last) - n->offset;
	if (sel->vector.extended != EXTENDED_NONE)
		*lo -= ev->opt.lookback_ms;
	if (sel->vector.extended == EXTENDED_SMOOTHED)
		*hi += ev->opt.lookback_ms;
}

/* The function of call E over series S at the current step; false: no sample. */
static bool call_one(struct eval *ev, const struct expr *e, const struct expr *arg, struct node *n, struct range_series *s,
		     const double *scalars, struct vsample *out)
{
	struct window w;
	if (!ev_window(ev, arg, n, s, &w) || !ev_work(ev, w.n))
		return false;
	w.scalars = scalars;
	w.sorted = &ev->nodes[e->id].sorted;
	return e->call.fn->fn.range(ev, e, &w, out);
}

static void eval_scalars(struct eval *ev, const struct expr *e, double *out)
{
	for (size_t i = 0; i < e->call.n; i++)
		if (e->call.args[i]->type == PROMQL_SCALAR)
			out[i] = eval_scalar(ev, e->call.args[i]);
}

static void fill_range_function(struct eval *ev, const struct expr *e, const struct expr *arg, struct node *n)
{
	struct block *b = &ev->nodes[e->id].block;
	const struct timing *timing = timing_of(arg);
	int64_t now = ev->t;
	double nothing = sample_stale_marker();
	double *scalars = arena_calloc(ev->tmp, b->steps * e->call.n, sizeof(*scalars));
	int64_t lo, hi;
	window_bounds(ev, arg, n, b->first, b->first + (int64_t)(b->steps - 1) * ev->step, &lo, &hi);
	for (size_t k = 0; k < b->steps; k++) {
		ev->t = b->first + (int64_t)k * ev->step;
		eval_scalars(ev, e, scalars + k * e->call.n);
	}
	for (size_t i = 0; i < n->n && ev_alive(ev); i++) {
		struct range_series *s = &n->series[i];
		struct window w = window_begin(arg, n, s);
		if (s->histograms)
			continue;
		ev_open(ev, n, s, lo, hi);
		w.sorted = &ev->nodes[e->id].sorted;
		w.sorted->series = NULL;
		w.scalars = scalars;
		ev->t = b->first;
		for (size_t k = 0; k < b->steps; k++, ev->t += ev->step, w.scalars += e->call.n) {
			struct vsample r = {0};
			if (!window_move(ev, s, ev_fixed_time(ev, timing, ev->t) - n->offset, &w) || !ev_work(ev, w.n) ||
			    !e->call.fn->fn.range(ev, e, &w, &r))
				memcpy(&r.v, &nothing, sizeof(r.v));
			memcpy(&b->v[k * n->n + i], &r.v, sizeof(double));
		}
	}
	ev->t = now;
}

static const struct expr *matrix_argument(const struct expr *call)
{
	for (size_t i = 0; i < call->call.n; i++)
		if (call->call.args[i]->type == PROMQL_MATRIX)
			return expr_unwrap(call->call.args[i]);
	return NULL;
}

static bool takes_extended(const struct expr *call, const struct expr *arg)
{
	enum extended x = arg->kind == EXPR_MATRIX ? arg->matrix.vector->vector.extended : EXTENDED_NONE;
	return x == EXTENDED_NONE || call->call.fn->extended == ANCHORED_AND_SMOOTHED ||
	       (x == EXTENDED_ANCHORED && call->call.fn->extended == ANCHORED_ONLY);
}

bool ev_takes_extended(struct eval *ev, const struct expr *call, const struct expr *arg)
{
	if (takes_extended(call, arg))
		return true;
	bool smoothed = arg->matrix.vector->vector.extended == EXTENDED_SMOOTHED;
	ev_fail(ev, -EINVAL, "%s modifier can only be used with: %s - not with %s", smoothed ? "smoothed" : "anchored",
		smoothed ? "delta, increase, rate" : "changes, delta, increase, rate, resets", call->call.fn->name);
	return false;
}

struct vec eval_range_function(struct eval *ev, const struct expr *e)
{
	const struct function *f = e->call.fn;
	const struct expr *arg = matrix_argument(e);
	struct vec out = {0};
	if (!ev_takes_extended(ev, e, arg))
		return out;
	struct node *n = ev_load_packed(ev, arg), *own = &ev->nodes[e->id];
	const double *column = NULL;
	double scalars[ARRAY_SIZE(f->args)];
	bool fill, scalars_known = false;
	int64_t lo, hi;
	if (ev->err)
		return out;
	window_bounds(ev, arg, n, ev->t, ev->t, &lo, &hi);
	if (find_block(ev, e, own, n->n, &fill)) {
		if (fill)
			fill_range_function(ev, e, arg, n);
		column = block_column(ev, &own->block, n->n);
		name_block(ev, f, n, &own->block);
	}
	if (!column) {
		eval_scalars(ev, e, scalars);
		scalars_known = true;
	}
	/* Series of one name stay different without it. */
	bool distinct = arg->kind == EXPR_MATRIX && arg->matrix.vector->vector.name.n;
	vec_reserve(ev, &out, n->n);
	if (column && own->block.l && !ev->err) {
		take_column(ev, &own->block, column, n->n, &out);
		out.distinct = distinct && own->block.distinct;
		return out;
	}
	for (size_t i = 0; i < n->n && ev_alive(ev); i++) {
		struct range_series *s = &n->series[i];
		struct vsample r = {.t = ev->t};
		if (column && !s->histograms) {
			if (is_nothing(&column[i]))
				continue;
			r.v = column[i];
		} else {
			if (!scalars_known)
				eval_scalars(ev, e, scalars);
			scalars_known = true;
			ev_open(ev, n, s, lo, hi);
			own->sorted.series = NULL;
			if (!call_one(ev, e, arg, n, s, scalars, &r))
				continue;
		}
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

static bool is_range_function(const struct expr *e)
{
	return e->kind == EXPR_CALL && e->call.fn->kind == FUNCTION_RANGE;
}

bool ev_run_block(struct eval *ev, const struct expr *e, struct output *o, bool final)
{
	e = expr_unwrap(e);
	bool call = is_range_function(e), fill;
	if (!call && (e->kind != EXPR_VECTOR || e->vector.timed || e->vector.extended == EXTENDED_SMOOTHED))
		return false;
	const struct expr *arg = call ? matrix_argument(e) : e;
	if (e->invariant || ev->step <= 0 || (call && (arg->kind != EXPR_MATRIX || !arg->matrix.vector->vector.name.n)))
		return false;
	if (call && !takes_extended(e, arg))
		return false; /* which is told when it is evaluated */
	struct node *n = ev_load_packed(ev, arg), *own = &ev->nodes[e->id];
	if (ev->err)
		return true;
	for (size_t i = 0; i < n->n; i++) {
		struct range_series *s = &n->series[i];
		if (s->histograms)
			return false;
		if (!call || s->result)
			continue;
		/* Series of one name stay different without it, unless more goes with it. */
		find_result(ev, e->call.fn, s);
		if (s->result_drop && final) {
			s->result = ev_without_name(ev, s->result);
			s->result_drop = false;
		}
		if (!e->call.fn->keeps_name && !s->result_drop && s->result->n + 1 != s->l->n)
			own->block.twins = true;
	}
	if (own->block.twins || !find_block(ev, e, own, n->n, &fill))
		return false;
	struct block *b = &own->block;
	if (call)
		fill_range_function(ev, e, arg, n);
	else
		fill_selector(ev, e, n);
	uint64_t values = ev->samples;
	for (size_t i = 0; i < n->n && ev_alive(ev); i++)
		ev_output_row(ev, o, call ? n->series[i].result : n->series[i].l, call && n->series[i].result_drop, b->v + i, n->n, b->steps);
	if (!call)
		ev->total += ev->samples - values;
	ev->t += (int64_t)(b->steps - 1) * ev->step;
	b->steps = 0;
	return true;
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
