// SPDX-License-Identifier: GPL-2.0-or-later
/* The two ways in, and how what was evaluated becomes a result. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "promql/eval.h"
#include "promql/histogram_ops.h"

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
	ev->begun_ns = ev->asked_ns = clock_mono_ns();
	ev->deadline_ns = ev->begun_ns + (uint64_t)ev->opt.timeout_ms * 1000000;
	ev->nodes = xcalloc(expr->n_nodes, sizeof(*ev->nodes));
	pool_init(&ev->pool);
	const char *flagged = ev->opt.experimental_functions ? NULL : promql_experimental(expr);
	if (flagged)
		ev_fail(ev, -EINVAL, "function \"%s\" is not enabled", flagged);
	char *wrong = promql_durations_wrong(expr->root, step, end - start);
	if (wrong)
		ev_fail(ev, -EDOM, "%s", wrong);
	free(wrong);
}

static void texts_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static void annotations_free(struct annotations *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i].text);
	free(a->v);
}

static char **annotation_texts(const struct eval *ev, const struct annotations *a)
{
	char **v = xcalloc(a->n + 1, sizeof(*v));
	for (size_t i = 0; i < a->n; i++)
		v[i] = ev_annotation_text(ev, &a->v[i]);
	return v;
}

static void eval_free(struct eval *ev)
{
	for (uint32_t i = 0; i < ev->p->n_nodes; i++) {
		struct node *n = &ev->nodes[i];
		if (n->has_set && n->set.release)
			n->set.release(&n->set);
		if (n->free_extra)
			n->free_extra(n->extra);
	}
	free(ev->nodes);
	pool_free(&ev->pool);
	arena_free(&ev->arena);
	annotations_free(&ev->warnings);
	annotations_free(&ev->infos);
	free(ev->error);
}

static int by_labels(const void *a, const void *b)
{
	return labels_cmp(((const struct promql_series *)a)->labels,
			  ((const struct promql_series *)b)->labels);
}

static struct promql_series *value_series(struct promql_value *v, size_t n)
{
	v->series = xcalloc(n + 1, sizeof(*v->series));
	v->n = n;
	return v->series;
}

static void sort_series(struct eval *ev, struct promql_value *v)
{
	uint64_t begun = clock_mono_ns();
	qsort(v->series, v->n, sizeof(*v->series), by_labels);
	ev->sort_ns = clock_mono_ns() - begun;
}

/* Appends the points of B to those of A, which has the same labels now that the names have gone. */
static void merge_points(struct eval *ev, struct promql_value *v, struct promql_series *a, const struct promql_series *b)
{
	struct sample *s = arena_alloc(v->arena, (a->n + b->n) * sizeof(*s));
	size_t i = 0, k = 0, n = 0;
	while (i < a->n || k < b->n) {
		if (i < a->n && k < b->n && a->points[i].t == b->points[k].t) {
			ev_fail(ev, -EINVAL, "vector cannot contain metrics with the same labelset");
			return;
		}
		s[n++] = k >= b->n || (i < a->n && a->points[i].t < b->points[k].t) ? a->points[i++] : b->points[k++];
	}
	a->points = s;
	a->n = n;
}

/* O lives in the value's arena. */
static void value_from_output(struct eval *ev, struct promql_value *v, const struct output *o)
{
	struct promql_series *out = value_series(v, o->n);
	bool dropped = false;
	size_t n = 0;
	v->type = PROMQL_MATRIX;
	for (size_t i = 0; i < o->n; i++) {
		const struct output_series *s = o->v[i];
		const struct labels *l = s->drop ? ev_without_name(ev, s->l) : s->l;
		dropped = dropped || s->drop;
		out[i] = (struct promql_series){labels_ref(l), s->s, s->n, s->row, s->row_first, s->row_length};
	}
	sort_series(ev, v);
	for (size_t i = 0; dropped && i < o->n; i++) {
		if (n && labels_equal(out[n - 1].labels, out[i].labels)) {
			merge_points(ev, v, &out[n - 1], &out[i]);
			labels_unref(out[i].labels);
			continue;
		}
		out[n++] = out[i];
	}
	v->n = dropped ? n : o->n;
}

/* A range vector at the top of an instant query: the windows as they are. */
static void value_from_windows(struct eval *ev, const struct expr *e, struct promql_value *v)
{
	if (ev->opt.delayed_name_removal) { /* names go now, and some may be the same without */
		const struct node *n = ev_load(ev, e);
		struct output o = {.a = v->arena};
		for (size_t i = 0; i < n->n && !ev->err; i++) {
			struct window w;
			if (!ev_window(ev, e, n, &n->series[i], &w) || !ev_work(ev, w.n))
				continue;
			const struct labels *l = n->series[i].drop ? ev_without_name(ev, w.l) : w.l;
			const struct sample *s = w.s;
			if (w.extended != EXTENDED_NONE)
				s = window_extended(ev, &w, &w.n);
			for (size_t k = 0; k < w.n; k++)
				ev_output_add(ev, &o, l, false, s[k]);
		}
		value_from_output(ev, v, &o);
		return;
	}
	struct node *n = ev_load_packed(ev, e);
	int64_t lo, hi;
	v->type = PROMQL_MATRIX;
	value_series(v, n->n);
	v->n = 0;
	ev_window_bounds(ev, e, n, ev->t, ev->t, &lo, &hi);
	for (size_t i = 0; i < n->n && !ev->err; i++) {
		struct window w;
		int64_t weight = 0;
		ev_open(ev, n, &n->series[i], lo, hi);
		if (!ev_window(ev, e, n, &n->series[i], &w) || !ev_work(ev, w.n))
			continue;
		const struct sample *s = w.s;
		if (w.extended != EXTENDED_NONE)
			s = window_extended(ev, &w, &w.n);
		if (!w.n)
			continue;
		struct sample *points = arena_alloc(v->arena, w.n * sizeof(*points));
		memcpy(points, s, w.n * sizeof(*points));
		for (size_t k = 0; k < w.n; k++) {
			weight += points[k].h ? histogram_weight(points[k].h) : 1;
			if (points[k].h)
				points[k].h = histogram_copy_arena(points[k].h, v->arena);
		}
		if (ev_charge(ev, weight))
			v->series[v->n++] = (struct promql_series){.labels = labels_ref(w.l), .points = points, .n = w.n};
	}
	sort_series(ev, v);
}

static void value_from_vector(struct eval *ev, const struct expr *e, struct promql_value *v)
{
	struct vec r = eval_vector(ev, e);
	v->type = PROMQL_VECTOR;
	for (size_t i = 0; i < r.n; i++)
		if (r.s[i].drop) {
			r.s[i].l = ev_without_name(ev, r.s[i].l);
			r.distinct = false;
		}
	ev->nodes[e->id].n_unique = 0; /* without the names that were to go they may not be */
	if (!r.distinct)
		ev_check_unique(ev, e, &r);
	if (ev->err)
		return;
	struct promql_series *out = value_series(v, r.n);
	struct sample *points = arena_alloc(v->arena, r.n * sizeof(*points));
	for (size_t i = 0; i < r.n; i++) {
		const struct histogram *h = r.s[i].h ? histogram_copy_arena(r.s[i].h, v->arena) : NULL;
		points[i] = (struct sample){.t = ev->t, .v = r.s[i].v, .h = h};
		out[i] = (struct promql_series){.labels = labels_ref(r.s[i].l), .points = &points[i], .n = 1};
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
		ev_tell_parameters(ev, ev->p->root);
		v->warnings = annotation_texts(ev, &ev->warnings);
		v->n_warnings = ev->warnings.n;
		v->infos = annotation_texts(ev, &ev->infos);
		v->n_infos = ev->infos.n;
		v->stats.samples = ev->total;
		v->stats.peak_samples = ev->peak;
		v->stats.prepare_seconds = (double)ev->select_ns / 1e9;
		v->stats.sort_seconds = (double)ev->sort_ns / 1e9;
		v->stats.eval_seconds = (double)(clock_mono_ns() - ev->begun_ns) / 1e9;
		*out = *v;
	}
	eval_free(ev);
	return err;
}

int promql_eval_instant(const struct promql_options *opt, const struct promql_expr *expr,
			const struct sample_source *src, int64_t t, struct promql_value *out, char **error)
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

int promql_eval_range(const struct promql_options *opt, const struct promql_expr *expr,
		      const struct sample_source *src, int64_t start, int64_t end, int64_t step,
		      struct promql_value *out, char **error)
{
	struct eval ev;
	struct arena tmp = {0};
	struct promql_value v = {.t = end, .start = start, .step = step, .arena = xcalloc(1, sizeof(struct arena))};
	const struct expr *e = expr_unwrap(expr->root);
	struct output o = {.rows = opt && opt->rows};
	eval_init(&ev, opt, expr, src, start, end, step);
	ev.tmp = &tmp;
	o.a = v.arena;
	if (e->type != PROMQL_SCALAR && e->type != PROMQL_VECTOR)
		ev_fail(&ev, -EINVAL,
			"invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
			promql_type_name(e->type));
	else if (step <= 0 || end < start)
		ev_fail(&ev, -EINVAL,
			"invalid range: the step must be positive and the end not before the start");
	if (!ev.err)
		ev_run_steps(&ev, e, &o, true);
	if (!ev.err)
		value_from_output(&ev, &v, &o);
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
	texts_free(v->warnings, v->n_warnings);
	texts_free(v->infos, v->n_infos);
	free(v->string);
	if (v->arena)
		arena_free(v->arena);
	free(v->arena);
	*v = (struct promql_value){0};
}
