// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/eval.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "promql/histogram_ops.h"

void ev_fail(struct eval *ev, int err, const char *fmt, ...)
{
	if (ev->err)
		return;
	va_list ap;
	va_start(ap, fmt);
	ev->error = xvasprintf(fmt, ap);
	va_end(ap);
	ev->err = err;
}

#define ANNOTATIONS_MAX 100

static void annotate(struct eval *ev, struct annotations *a, const struct expr *e, const char *kind, const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT;
	unsigned line, col;
	buf_addf(&b, "PromQL %s: ", kind);
	buf_vaddf(&b, fmt, ap);
	promql_position(ev->p->text, e->pos, &line, &col);
	buf_addf(&b, " (%u:%u)", line, col);
	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->v[i], buf_str(&b))) {
			buf_free(&b);
			return;
		}
	if (a->n < ANNOTATIONS_MAX) {
		array_grow(a->v, a->n, a->cap);
		a->v[a->n++] = buf_steal(&b);
	}
	buf_free(&b);
}

void ev_warn(struct eval *ev, const struct expr *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	annotate(ev, &ev->warnings, e, "warning", fmt, ap);
	va_end(ap);
}

void ev_info(struct eval *ev, const struct expr *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	annotate(ev, &ev->infos, e, "info", fmt, ap);
	va_end(ap);
}

struct sv ev_name(const struct labels *l)
{
	return labels_get(l, SV(LABEL_NAME));
}

bool ev_charge(struct eval *ev, int64_t n)
{
	ev->samples += (uint64_t)n;
	if (n > 0 && ev->samples > ev->opt.max_samples) {
		ev_fail(ev, -E2BIG, "query processing would load too many samples into memory in query execution");
		return false;
	}
	return true;
}

bool ev_alive(struct eval *ev)
{
	if (!ev->err && ++ev->ticks % 256 == 0 && clock_mono_ns() > ev->deadline_ns)
		ev_fail(ev, -ETIME, "query timed out in expression evaluation");
	return !ev->err;
}

void vec_add(struct eval *ev, struct vec *v, struct vsample s)
{
	arena_grow(ev->tmp, v->s, v->n, v->cap);
	v->s[v->n++] = s;
}

const struct labels *ev_intern(struct eval *ev, struct labels *l)
{
	return pool_intern(&ev->pool, l);
}

const struct labels *ev_without_name(struct eval *ev, const struct labels *l)
{
	const uintptr_t op = 1;
	const struct labels *r = pool_recall(&ev->pool, op, l, NULL);
	if (r)
		return r;
	struct labels_builder b;
	labels_builder_init(&b, l);
	labels_builder_del(&b, SV(LABEL_NAME));
	labels_builder_del(&b, SV("__type__"));
	labels_builder_del(&b, SV("__unit__"));
	r = ev_intern(ev, labels_builder_build(&b));
	labels_builder_free(&b);
	pool_remember(&ev->pool, op, l, NULL, r);
	return r;
}

const struct labels *ev_drop_name(struct eval *ev, const struct labels *l, bool *drop)
{
	if (ev->opt.delayed_name_removal) {
		*drop = true;
		return l;
	}
	*drop = false;
	return ev_without_name(ev, l);
}

struct vsample ev_derived(struct eval *ev, const struct vsample *s, double v)
{
	struct vsample r = {.v = v, .t = ev->t};
	r.l = ev_drop_name(ev, s->l, &r.drop);
	return r;
}

void ev_check_unique(struct eval *ev, const struct vec *v)
{
	if (v->n < 2 || ev->err)
		return;
	struct ptrmap seen;
	bool is_new;
	ptrmap_init(&seen, ev->tmp, v->n);
	for (size_t i = 0; i < v->n; i++) {
		*ptrmap_slot(&seen, v->s[i].l, &is_new) = 0;
		if (!is_new) {
			ev_fail(ev, -EINVAL, "vector cannot contain metrics with the same labelset");
			return;
		}
	}
}

const struct labels *ev_project(struct eval *ev, uintptr_t op, const struct labels *l, const struct name_list *names, bool keep)
{
	const struct labels *r = pool_recall(&ev->pool, op, l, NULL);
	if (r)
		return r;
	struct label *v = arena_alloc(ev->tmp, (l->n + 1) * sizeof(*v));
	size_t n = 0;
	for (uint32_t i = 0; i < l->n; i++) {
		bool listed = false;
		for (size_t k = 0; k < names->n && !listed; k++)
			listed = sv_eq(names->v[k], l->l[i].name);
		if (keep ? listed : !listed && !sv_eqs(l->l[i].name, LABEL_NAME))
			v[n++] = l->l[i];
	}
	r = ev_intern(ev, labels_new(v, n));
	pool_remember(&ev->pool, op, l, NULL, r);
	return r;
}

/* The value of a result series' points as they come. */
struct output_series {
	const struct labels *l;
	bool drop;
	struct sample *s;
	size_t n, cap;
	struct output_series *next; /* same labels, other mark */
};

struct output {
	struct arena *a;
	struct output_series **v;
	size_t n, cap;
	struct output_series **table;
	size_t table_cap;
};

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

static void output_add(struct eval *ev, struct output *o, const struct labels *l, bool drop, struct sample s)
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

/* Evaluates E at every step of ev->start..end into O. FINAL: names marked for removal are removed. */
static void run_steps(struct eval *ev, const struct expr *e, struct output *o, bool final)
{
	for (ev->t = ev->start; ev->t <= ev->end && ev_alive(ev); ev->t += ev->step) {
		if (e->type == PROMQL_SCALAR) {
			output_add(ev, o, ev->pool.empty, false, (struct sample){.t = ev->t, .v = eval_scalar(ev, e)});
		} else {
			struct vec v = eval_vector(ev, e);
			for (size_t i = 0; i < v.n && !ev->err; i++) {
				const struct vsample *s = &v.s[i];
				const struct labels *l = final && s->drop ? ev_without_name(ev, s->l) : s->l;
				output_add(ev, o, l, final ? false : s->drop, (struct sample){.t = ev->t, .v = s->v, .h = s->h});
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
	int rc = ev->src->select(ev->src->self, sel->vector.matchers, sel->vector.n, lo + 1, hi, &n->set, &ev->error);
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
		ev_fail(ev, -E2BIG, "query processing would load too many samples into memory in query execution");
	run_steps(ev, e->subquery.expr, &o, false);
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
		/* What was known of a reset since the sample before says nothing of one since the step before. */
		for (size_t k = 0; k < o.v[i]->n; k++) {
			struct histogram *h = (struct histogram *)o.v[i]->s[k].h; /* a copy of the output's own */
			if (h && h->hint != HINT_GAUGE)
				h->hint = HINT_UNKNOWN;
		}
		*r = (struct range_series){.l = o.v[i]->l, .s = o.v[i]->s, .n = o.v[i]->n, .drop = o.v[i]->drop};
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
		if (!resolve(ev, &e->subquery.timing.offset, &n->offset, false) || !resolve(ev, &e->subquery.range, &n->range, true) ||
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

/* How many samples have t <= T. */
static size_t count_until(const struct range_series *s, int64_t t)
{
	size_t lo = 0, hi = s->n;
	/* Steps mostly move to the right end of what was selected, so look there first. */
	if (hi && s->s[hi - 1].t <= t)
		return hi;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->s[mid].t <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool ev_window(struct eval *ev, const struct expr *e, const struct node *n, const struct range_series *s, struct window *w)
{
	const struct timing *t = e->kind == EXPR_SUBQUERY ? &e->subquery.timing : &e->matrix.vector->vector.timing;
	*w = (struct window){.l = s->l, .arg = e, .range = n->range};
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
	size_t first = count_until(s, lo), last = count_until(s, hi);
	if (first >= last)
		return false;
	w->s = s->s + first;
	w->n = last - first;
	w->st = s->st ? s->st + first : NULL;
	for (size_t i = 0; s->histograms && i < w->n; i++)
		w->n_histograms += w->s[i].h != NULL;
	return true;
}

/* A smoothed instant selector: the straight line between the samples around T; after the last one, its value. */
static bool smoothed_at(struct eval *ev, const struct expr *e, const struct range_series *s, int64_t t, struct vsample *out)
{
	size_t k = count_until(s, t);
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
		ev_warn(ev, e, "encountered a mix of histograms and floats for metric name \"%.*s\"", SV_ARG(name));
		return false;
	}
	if (a->h) {
		out->h = histogram_between(ev, a, b, t, false, false);
		return out->h;
	}
	out->v = a->v + (b->v - a->v) * ((double)(t - a->t) / (double)(b->t - a->t));
	return true;
}

static struct vec eval_selector(struct eval *ev, const struct expr *e)
{
	struct vec v = {0};
	const struct node *n = ev_load(ev, e);
	int64_t t = fixed_time(ev, &e->vector.timing, ev->t) - n->offset;
	for (size_t i = 0; i < n->n && !ev->err; i++) {
		const struct range_series *s = &n->series[i];
		struct vsample out = {.l = s->l};
		if (e->vector.extended == EXTENDED_SMOOTHED) {
			if (smoothed_at(ev, e, s, t, &out))
				vec_add(ev, &v, out);
			continue;
		}
		size_t k = count_until(s, t);
		if (!k || s->s[k - 1].t <= t - ev->opt.lookback_ms || (!s->s[k - 1].h && sample_is_stale(&s->s[k - 1].v)))
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
		struct vec copy = {.n = n->cached.n, .cap = n->cached.n};
		copy.s = arena_alloc(ev->tmp, copy.n * sizeof(*copy.s));
		if (copy.n)
			memcpy(copy.s, n->cached.s, copy.n * sizeof(*copy.s));
		return copy;
	}
	struct vec v = eval_vector_node(ev, e);
	/* Default mode: a name that went may leave twins behind; with delayed removal the check is the output's. */
	if (!ev->opt.delayed_name_removal && e->kind != EXPR_VECTOR && e->kind != EXPR_PAREN)
		ev_check_unique(ev, &v);
	if (e->invariant && !ev->err && ev->step > 0 && ev->start < ev->end && e->kind != EXPR_PAREN) {
		n->cached = (struct vec){.n = v.n, .cap = v.n};
		n->cached.s = arena_alloc(&ev->arena, v.n * sizeof(*v.s));
		for (size_t i = 0; i < v.n; i++) {
			n->cached.s[i] = v.s[i];
			if (v.s[i].h)
				n->cached.s[i].h = histogram_copy_arena(v.s[i].h, &ev->arena);
		}
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

static void eval_init(struct eval *ev, const struct promql_options *opt, const struct promql_expr *expr,
		      const struct sample_source *src, int64_t start, int64_t end, int64_t step)
{
	*ev = (struct eval){.p = expr, .src = src, .start = start, .end = end, .step = step};
	if (opt)
		ev->opt = *opt;
	if (ev->opt.lookback_ms <= 0)
		ev->opt.lookback_ms = 300000;
	if (ev->opt.subquery_step_ms <= 0)
		ev->opt.subquery_step_ms = 60000;
	if (ev->opt.timeout_ms <= 0)
		ev->opt.timeout_ms = 120000;
	if (!ev->opt.max_samples)
		ev->opt.max_samples = 50000000;
	ev->query_start = start;
	ev->query_end = end;
	ev->query_step = step;
	ev->deadline_ns = clock_mono_ns() + (uint64_t)ev->opt.timeout_ms * 1000000;
	ev->nodes = xcalloc(expr->n_nodes, sizeof(*ev->nodes));
	pool_init(&ev->pool);
	const char *flagged = ev->opt.experimental_functions ? NULL : promql_experimental(expr);
	if (flagged)
		ev_fail(ev, -EINVAL, "function \"%s\" is not enabled", flagged);
}

static void annotations_free(struct annotations *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
}

static void eval_free(struct eval *ev)
{
	for (uint32_t i = 0; i < ev->p->n_nodes; i++)
		if (ev->nodes[i].has_set && ev->nodes[i].set.release)
			ev->nodes[i].set.release(&ev->nodes[i].set);
	free(ev->nodes);
	pool_free(&ev->pool);
	arena_free(&ev->arena);
	annotations_free(&ev->warnings);
	annotations_free(&ev->infos);
	free(ev->error);
}

static int by_labels(const void *a, const void *b)
{
	return labels_cmp(((const struct promql_series *)a)->labels, ((const struct promql_series *)b)->labels);
}

static struct promql_series *value_series(struct promql_value *v, size_t n)
{
	v->series = xcalloc(n + 1, sizeof(*v->series));
	v->n = n;
	return v->series;
}

static struct promql_point *value_points(struct promql_value *v, const struct sample *s, size_t n)
{
	struct promql_point *p = arena_alloc(v->arena, n * sizeof(*p));
	for (size_t i = 0; i < n; i++)
		p[i] = (struct promql_point){.t = s[i].t, .v = s[i].v, .h = s[i].h ? histogram_copy_arena(s[i].h, v->arena) : NULL};
	return p;
}

static void value_from_output(struct promql_value *v, const struct output *o)
{
	struct promql_series *out = value_series(v, o->n);
	v->type = PROMQL_MATRIX;
	for (size_t i = 0; i < o->n; i++)
		out[i] = (struct promql_series){labels_ref(o->v[i]->l), value_points(v, o->v[i]->s, o->v[i]->n), o->v[i]->n};
	qsort(out, o->n, sizeof(*out), by_labels);
}

/* A range vector at the top of an instant query: the windows as they are. */
static void value_from_windows(struct eval *ev, const struct expr *e, struct promql_value *v)
{
	const struct node *n = ev_load(ev, e);
	struct output o = {.a = &ev->arena};
	for (size_t i = 0; i < n->n && !ev->err; i++) {
		struct window w;
		if (!ev_window(ev, e, n, &n->series[i], &w))
			continue;
		const struct labels *l = n->series[i].drop ? ev_without_name(ev, w.l) : w.l;
		for (size_t k = 0; k < w.n; k++)
			output_add(ev, &o, l, false, w.s[k]);
	}
	value_from_output(v, &o);
}

static void value_from_vector(struct eval *ev, const struct expr *e, struct promql_value *v)
{
	struct vec r = eval_vector(ev, e);
	v->type = PROMQL_VECTOR;
	for (size_t i = 0; i < r.n; i++)
		if (r.s[i].drop)
			r.s[i].l = ev_without_name(ev, r.s[i].l);
	ev_check_unique(ev, &r);
	if (ev->err)
		return;
	struct promql_series *out = value_series(v, r.n);
	for (size_t i = 0; i < r.n; i++) {
		struct sample s = {.t = ev->t, .v = r.s[i].v, .h = r.s[i].h};
		out[i] = (struct promql_series){labels_ref(r.s[i].l), value_points(v, &s, 1), 1};
	}
}

static int finish(struct eval *ev, struct promql_value *v, struct promql_value *out, char **error)
{
	int err = ev->err;
	if (err) {
		*error = ev->error;
		ev->error = NULL;
		promql_value_free(v);
	} else {
		v->warnings = ev->warnings.v;
		v->n_warnings = ev->warnings.n;
		v->infos = ev->infos.v;
		v->n_infos = ev->infos.n;
		ev->warnings = ev->infos = (struct annotations){0};
		*out = *v;
	}
	eval_free(ev);
	return err;
}

int promql_eval_instant(const struct promql_options *opt, const struct promql_expr *expr, const struct sample_source *src, int64_t t,
			struct promql_value *out, char **error)
{
	struct eval ev;
	struct arena tmp = {0};
	struct promql_value v = {.t = t, .arena = xcalloc(1, sizeof(struct arena))};
	const struct expr *e = expr_unwrap(expr->root);
	eval_init(&ev, opt, expr, src, t, t, 0);
	ev.instant = true;
	ev.tmp = &tmp;
	ev.t = t;
	if (!ev.err) {
		switch (e->type) {
		case PROMQL_SCALAR:
			v.type = PROMQL_SCALAR;
			v.scalar = eval_scalar(&ev, e);
			break;
		case PROMQL_STRING:
			v.type = PROMQL_STRING;
			v.string = xmemdup(e->string.p, e->string.n);
			v.string_len = e->string.n;
			break;
		case PROMQL_MATRIX:
			value_from_windows(&ev, e, &v);
			break;
		default:
			value_from_vector(&ev, e, &v);
		}
	}
	int err = finish(&ev, &v, out, error);
	arena_free(&tmp);
	return err;
}

int promql_eval_range(const struct promql_options *opt, const struct promql_expr *expr, const struct sample_source *src, int64_t start,
		      int64_t end, int64_t step, struct promql_value *out, char **error)
{
	struct eval ev;
	struct arena tmp = {0};
	struct promql_value v = {.t = end, .arena = xcalloc(1, sizeof(struct arena))};
	const struct expr *e = expr_unwrap(expr->root);
	struct output o = {0};
	eval_init(&ev, opt, expr, src, start, end, step);
	ev.tmp = &tmp;
	o.a = &ev.arena;
	if (e->type != PROMQL_SCALAR && e->type != PROMQL_VECTOR)
		ev_fail(&ev, -EINVAL, "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
			promql_type_name(e->type));
	else if (step <= 0 || end < start)
		ev_fail(&ev, -EINVAL, "invalid range: the step must be positive and the end not before the start");
	if (!ev.err)
		run_steps(&ev, e, &o, true);
	if (!ev.err)
		value_from_output(&v, &o);
	int err = finish(&ev, &v, out, error);
	arena_free(&tmp);
	return err;
}

void promql_value_free(struct promql_value *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++)
		labels_unref(v->series[i].labels);
	free(v->series);
	annotations_free(&(struct annotations){v->warnings, v->n_warnings, 0});
	annotations_free(&(struct annotations){v->infos, v->n_infos, 0});
	free(v->string);
	if (v->arena)
		arena_free(v->arena);
	free(v->arena);
	*v = (struct promql_value){0};
}
