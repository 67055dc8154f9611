// SPDX-License-Identifier: GPL-2.0-or-later
/* What an evaluation reads: selectors and subqueries, each once for all steps, and the windows and samples of
 * one step. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "promql/eval.h"
#include "promql/histogram_ops.h"

static struct output_series *output_find(struct output *o, const struct labels *l, bool drop)
{
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
		if (s->l == l && s->drop == drop)
			return s;
	struct output_series *s = arena_calloc(o->a, 1, sizeof(*s));
	s->l = l;
	s->drop = drop;
	s->next = *slot;
	*slot = s;
	arena_grow(o->a, o->v, o->n, o->cap);
	o->v[o->n++] = s;
	return s;
}

void ev_output_add(struct eval *ev, struct output *o, const struct labels *l, bool drop, struct sample s)
{
	struct output_series *out = output_find(o, l, drop);
	if (out->n && out->s[out->n - 1].t == s.t) {
		ev_fail(ev, -EINVAL, "vector cannot contain metrics with the same labelset");
		return;
	}
	if (!ev_charge(ev, s.h ? histogram_weight(s.h) : 1))
		return;
	if (s.h)
		s.h = histogram_copy_arena(s.h, o->a);
	arena_grow(o->a, out->s, out->n, out->cap);
	out->s[out->n++] = s;
}

void ev_run_steps(struct eval *ev, const struct expr *e, struct output *o, bool final)
{
	for (ev->t = ev->start; ev->t <= ev->end && ev_alive(ev); ev->t += ev->step) {
		if (e->type == PROMQL_SCALAR) {
			ev_output_add(ev, o, ev->pool.empty, false,
				      (struct sample){.t = ev->t, .v = eval_scalar(ev, e)});
		} else {
			struct vec v = eval_vector(ev, e);
			for (size_t i = 0; i < v.n && !ev->err; i++) {
				const struct vsample *s = &v.s[i];
				const struct labels *l = final && s->drop ? ev_without_name(ev, s->l) : s->l;
				ev_output_add(ev, o, l, final ? false : s->drop,
					      (struct sample){.t = ev->t, .v = s->v, .h = s->h});
			}
		}
		arena_reset(ev->tmp);
		if (ev->step <= 0)
			break;
	}
}

static int64_t fixed_time(const struct eval *ev, const struct timing *t, int64_t now)
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

static void load_selector(struct eval *ev, const struct expr *sel, struct node *n, bool ranged)
{
	int64_t lo = fixed_time(ev, &sel->vector.timing, ev->start) - n->offset;
	int64_t hi = fixed_time(ev, &sel->vector.timing, ev->end) - n->offset;
	lo -= ranged ? n->range : ev->opt.lookback_ms;
	if (ranged && sel->vector.extended != EXTENDED_NONE)
		lo -= ev->opt.lookback_ms;
	if (sel->vector.extended == EXTENDED_SMOOTHED)
		hi += ev->opt.lookback_ms;
	/* Left-open: a sample exactly LO ago is outside. */
	int rc = ev->src->select(ev->src->self, sel->vector.matchers, sel->vector.n, lo + 1, hi, &n->set,
				 &ev->error);
	if (rc) {
		ev->err = rc;
		if (!ev->error)
			ev->error = xstrdup("reading samples failed");
		return;
	}
	n->has_set = true;
	n->series = arena_calloc(&ev->arena, n->set.n + 1, sizeof(*n->series));
	for (size_t i = 0; i < n->set.n; i++) {
		const struct series *s = &n->set.series[i];
		struct range_series *r = &n->series[n->n];
		size_t stale = 0;
		for (size_t k = 0; k < s->n; k++) {
			stale += !s->samples[k].h && sample_is_stale(&s->samples[k].v);
			r->histograms = r->histograms || s->samples[k].h;
		}
		r->l = ev_intern(ev, labels_ref(s->labels));
		r->s = s->samples;
		r->st = ev->opt.start_timestamps ? s->st : NULL;
		r->n = s->n;
		if (stale && (ranged || sel->vector.extended != EXTENDED_NONE)) {
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
		if (r->n)
			n->n++;
		else
			*r = (struct range_series){0};
	}
}

/* First multiple of STEP after T, with C's truncating division as in Prometheus. */
static int64_t first_step_after(int64_t t, int64_t step)
{
	int64_t s = step * (t / step);
	return s <= t ? s + step : s;
}

static void load_subquery(struct eval *ev, const struct expr *e, struct node *n)
{
	int64_t lo = fixed_time(ev, &e->subquery.timing, ev->start) - n->offset - n->range;
	int64_t hi = fixed_time(ev, &e->subquery.timing, ev->end) - n->offset;
	struct eval saved = *ev;
	struct arena tmp = {0};
	struct output o = {.a = &ev->arena};
	uint64_t before = ev->samples;
	ev->start = first_step_after(lo, n->step);
	ev->end = hi;
	ev->step = n->step;
	ev->tmp = &tmp;
	ev->in_subquery = true;
	if ((hi - ev->start) / n->step > 50000000)
		ev_fail(ev, -E2BIG,
			"query processing would load too many samples into memory in query execution");
	ev_run_steps(ev, e->subquery.expr, &o, false);
	arena_free(&tmp);
	ev->start = saved.start;
	ev->end = saved.end;
	ev->step = saved.step;
	ev->t = saved.t;
	ev->tmp = saved.tmp;
	ev->in_subquery = saved.in_subquery;
	ev->samples = before;
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

struct node *ev_load(struct eval *ev, const struct expr *e)
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
	load_selector(ev, sel, n, e->kind == EXPR_MATRIX);
	return n;
}

/* How many samples have t <= T. *HINT is what it was at the step before: steps go forward, a few samples at a time. */
static size_t count_until(const struct range_series *s, int64_t t, uint32_t *hint)
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

bool ev_window(struct eval *ev, const struct expr *e, const struct node *n, struct range_series *s, struct window *w)
{
	const struct timing *t =
	    e->kind == EXPR_SUBQUERY ? &e->subquery.timing : &e->matrix.vector->vector.timing;
	*w = (struct window){.l = s->l, .arg = e, .range = n->range, .named = &s->named};
	w->to = fixed_time(ev, t, ev->t) - n->offset;
	w->from = w->to - n->range;
	int64_t lo = w->from, hi = w->to;
	if (e->kind == EXPR_MATRIX) {
		w->extended = e->matrix.vector->vector.extended;
		if (w->extended != EXTENDED_NONE)
			lo -= ev->opt.lookback_ms;
		if (w->extended == EXTENDED_SMOOTHED)
			hi += ev->opt.lookback_ms;
	}
	size_t first = count_until(s, lo, &s->first), last = count_until(s, hi, &s->last);
	if (first >= last)
		return false;
	w->s = s->s + first;
	w->n = last - first;
	w->st = s->st ? s->st + first : NULL;
	for (size_t i = 0; s->histograms && i < w->n; i++)
		w->n_histograms += w->s[i].h != NULL;
	return true;
}

/* A smoothed instant selector: the straight line between the samples around T; after the last one, its value.
 */
static bool smoothed_at(struct eval *ev, const struct expr *e, struct range_series *s, int64_t t,
			struct vsample *out)
{
	size_t k = count_until(s, t, &s->last);
	if (!k || s->s[k - 1].t <= t - ev->opt.lookback_ms)
		return false;
	const struct sample *a = &s->s[k - 1], *b = a + 1;
	out->v = a->v;
	out->h = a->h;
	out->t = a->t;
	if (a->t == t || k == s->n || b->t > t + ev->opt.lookback_ms)
		return true;
	if (!a->h != !b->h) {
		struct sv name = ev_name(s->l);
		ev_warn(ev, e, "encountered a mix of histograms and floats for metric name \"%.*s\"",
			SV_ARG(name));
		return false;
	}
	if (a->h) {
		out->h = histogram_between(ev, a, b, t, false, false);
		return out->h;
	}
	out->v = a->v + (b->v - a->v) * ((double)(t - a->t) / (double)(b->t - a->t));
	return true;
}

struct vec eval_selector(struct eval *ev, const struct expr *e)
{
	struct vec v = {0};
	const struct node *n = ev_load(ev, e);
	int64_t t = fixed_time(ev, &e->vector.timing, ev->t) - n->offset;
	for (size_t i = 0; i < n->n && !ev->err; i++) {
		struct range_series *s = &n->series[i];
		struct vsample out = {.l = s->l};
		if (e->vector.extended == EXTENDED_SMOOTHED) {
			if (smoothed_at(ev, e, s, t, &out))
				vec_add(ev, &v, out);
			continue;
		}
		size_t k = count_until(s, t, &s->last);
		if (!k || s->s[k - 1].t <= t - ev->opt.lookback_ms ||
		    (!s->s[k - 1].h && sample_is_stale(&s->s[k - 1].v)))
			continue;
		const struct sample *p = &s->s[k - 1];
		out.v = p->v;
		out.h = p->h;
		out.t = p->t;
		out.st = s->st ? s->st[k - 1] : 0;
		vec_add(ev, &v, out);
	}
	if (ev_charge(ev, (int64_t)v.n))
		ev_charge(ev, -(int64_t)v.n);
	return v;
}
