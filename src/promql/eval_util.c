// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "model/text.h"
#include "promql/eval.h"

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

static void annotation_add(struct annotations *a, char *text, uint32_t pos, const struct raised *raised)
{
	struct annotation *known = NULL;
	for (size_t i = 0; i < a->n && !known; i++)
		if (!strcmp(a->v[i].text, text))
			known = &a->v[i];
	if (!known && a->n < ANNOTATIONS_MAX) {
		array_grow(a->v, a->n, a->cap);
		a->v[a->n++] = (struct annotation){text, pos, raised ? *raised : (struct raised){0}};
		return;
	}
	free(text);
	if (!known || !raised)
		return;
	struct raised *r = &known->raised;
	r->from = raised->from < r->from ? raised->from : r->from;
	r->to = raised->to > r->to ? raised->to : r->to;
	r->lowest = fmin(r->lowest, raised->lowest);
	r->highest = fmax(r->highest, raised->highest);
	r->most = fmax(r->most, raised->most);
	r->n += raised->n;
}

static void annotate(struct eval *ev, bool warning, const struct expr *e, const struct raised *raised, const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT;
	buf_addf(&b, "PromQL %s: ", warning ? "warning" : "info");
	buf_vaddf(&b, fmt, ap);
	if (ev->complaining) {
		ev->complaint = (struct complaint){arena_strndup(ev->tmp, buf_str(&b), b.n), warning};
		buf_free(&b);
		return;
	}
	annotation_add(warning ? &ev->warnings : &ev->infos, buf_steal(&b), e->pos, raised);
}

void ev_warn(struct eval *ev, const struct expr *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	annotate(ev, true, e, NULL, fmt, ap);
	va_end(ap);
}

void ev_info(struct eval *ev, const struct expr *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	annotate(ev, false, e, NULL, fmt, ap);
	va_end(ap);
}

void ev_info_raised(struct eval *ev, const struct expr *e, const struct raised *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	annotate(ev, false, e, r, fmt, ap);
	va_end(ap);
}

void ev_complain(struct eval *ev, const struct expr *e, const struct complaint *c)
{
	if (c->text)
		annotation_add(c->warning ? &ev->warnings : &ev->infos, xstrdup(c->text), e->pos, NULL);
}

static void add_utc(int64_t ms, struct buf *b)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char text[40];
	if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf_adds(b, text);
}

char *ev_annotation_text(const struct eval *ev, const struct annotation *a)
{
	struct buf b = BUF_INIT;
	unsigned line, col;
	buf_adds(&b, a->text);
	if (a->raised.n) {
		buf_adds(&b, ", from buckets ");
		text_float(a->raised.lowest, 'g', &b);
		buf_adds(&b, " to ");
		text_float(a->raised.highest, 'g', &b);
		buf_addf(&b, ", with a max diff of %.2g, over %zu samples from ", a->raised.most, a->raised.n);
		add_utc(a->raised.from, &b);
		buf_adds(&b, " to ");
		add_utc(a->raised.to, &b);
	}
	promql_position(ev->p->text, a->pos, &line, &col);
	buf_addf(&b, " (%u:%u)", line, col);
	return buf_steal(&b);
}

struct sv ev_name(const struct labels *l)
{
	return labels_get(l, SV(LABEL_NAME));
}

const char *ev_quoted(struct eval *ev, struct sv s)
{
	struct buf b = BUF_INIT;
	text_go_quote(s, &b);
	const char *text = arena_strndup(ev->tmp, buf_str(&b), b.n);
	buf_free(&b);
	return text;
}

const char *ev_quoted_name(struct eval *ev, const struct labels *l)
{
	return ev_quoted(ev, ev_name(l));
}

const char *ev_for_metric(struct eval *ev, const struct labels *l)
{
	struct buf b = BUF_INIT;
	if (ev_name(l).n) {
		buf_adds(&b, " for metric name ");
		text_go_quote(ev_name(l), &b);
	}
	const char *text = arena_strndup(ev->tmp, buf_str(&b), b.n);
	buf_free(&b);
	return text;
}

bool ev_charge(struct eval *ev, int64_t n)
{
	ev->samples += (uint64_t)n;
	ev->peak = ev->samples > ev->peak && n > 0 ? ev->samples : ev->peak;
	if (n > 0 && ev->samples > ev->opt.max_samples) {
		ev_fail(ev, -E2BIG,
			"query processing would load too many samples into memory in query execution");
		return false;
	}
	return true;
}

#define GONE_EVERY_NS 50000000 /* asking may take a system call */

static bool in_time(struct eval *ev)
{
	uint64_t now = clock_mono_ns();
	if (!ev->err && now > ev->deadline_ns)
		ev_fail(ev, -ETIME, "query timed out in expression evaluation");
	if (!ev->err && ev->opt.is_gone && now - ev->asked_ns > GONE_EVERY_NS) {
		ev->asked_ns = now;
		if (ev->opt.is_gone(ev->opt.gone_arg))
			ev_fail(ev, -ECANCELED, "query was canceled in expression evaluation");
	}
	return !ev->err;
}

bool ev_alive(struct eval *ev)
{
	return !ev->err && (++ev->ticks % 256 || in_time(ev));
}

bool ev_worked(struct eval *ev, size_t n)
{
	if (ev->work > 1u << 20) {
		ev->work = 0;
		in_time(ev);
	}
	if (!ev->err && ev_charge(ev, (int64_t)n))
		ev_charge(ev, -(int64_t)n);
	return !ev->err;
}

void vec_add(struct eval *ev, struct vec *v, struct vsample s)
{
	arena_grow(ev->tmp, v->s, v->n, v->cap);
	v->s[v->n++] = s;
}

void vec_reserve(struct eval *ev, struct vec *v, size_t n)
{
	*v = (struct vec){.s = arena_alloc(ev->tmp, n * sizeof(*v->s)), .cap = n};
}

const struct labels *ev_intern(struct eval *ev, struct labels *l)
{
	return pool_intern(&ev->pool, l);
}

const struct labels *ev_stripped(struct eval *ev, const struct labels *l)
{
	struct label few[32], *v = l->n <= 32 ? few : arena_alloc(ev->tmp, l->n * sizeof(*v));
	size_t n = 0;
	for (uint32_t i = 0; i < l->n; i++)
		if (!label_goes_with_name(l->l[i].name))
			v[n++] = l->l[i];
	return n < l->n ? pool_intern_pairs(&ev->pool, v, n) : l;
}

const struct labels *ev_without_name(struct eval *ev, const struct labels *l)
{
	const uintptr_t op = 1;
	if (ev->step <= 0)
		return ev_stripped(ev, l);
	const struct labels *r = pool_recall(&ev->pool, op, l, NULL);
	if (!r) {
		r = ev_stripped(ev, l);
		pool_remember(&ev->pool, op, l, NULL, r);
	}
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

/* In the steps of a range the same labels mostly come again. */
static bool known_unique(struct node *n, const struct vec *v)
{
	if (n->n_unique < v->n)
		return false;
	for (size_t i = 0; i < v->n; i++)
		if (n->unique[i] != v->s[i].l)
			return false;
	return true;
}

void ev_check_unique(struct eval *ev, const struct expr *e, const struct vec *v)
{
	struct node *n = &ev->nodes[e->id];
	if (v->n < 2 || ev->err || known_unique(n, v))
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
	if (ev->step <= 0 || ev->start >= ev->end)
		return;
	if (n->cap_unique < v->n) {
		n->cap_unique = v->n;
		n->unique = arena_alloc(&ev->arena, v->n * sizeof(*n->unique));
	}
	n->n_unique = v->n;
	for (size_t i = 0; i < v->n; i++)
		n->unique[i] = v->s[i].l;
}

/* NAME: what becomes of the name if it is not in NAMES. */
static const struct labels *project(struct eval *ev, const struct labels *l, const struct name_list *names, bool keep, bool name)
{
	struct label few[32], *v = l->n <= 32 ? few : arena_alloc(ev->tmp, l->n * sizeof(*v));
	size_t n = 0;
	for (uint32_t i = 0; i < l->n; i++) {
		bool listed = false;
		for (size_t k = 0; k < names->n && !listed; k++)
			listed = sv_eq(names->v[k], l->l[i].name);
		if (keep ? listed : !listed && (name || !sv_eqs(l->l[i].name, LABEL_NAME)))
			v[n++] = l->l[i];
	}
	return pool_intern_pairs(&ev->pool, v, n);
}

const struct labels *ev_projected(struct eval *ev, const struct labels *l, const struct name_list *names, bool keep)
{
	return project(ev, l, names, keep, false);
}

const struct labels *ev_without_labels(struct eval *ev, const struct labels *l, const struct name_list *names)
{
	return project(ev, l, names, false, true);
}

const struct labels *ev_with_label(struct eval *ev, const struct labels *l, struct sv name, struct sv value)
{
	struct label few[32], *v = l->n < 32 ? few : arena_alloc(ev->tmp, (l->n + 1) * sizeof(*v));
	size_t n = 0;
	uint32_t i = 0;
	for (; i < l->n && sv_cmp(l->l[i].name, name) < 0; i++)
		v[n++] = l->l[i];
	if (value.n)
		v[n++] = (struct label){name, value};
	if (i < l->n && sv_eq(l->l[i].name, name))
		i++;
	for (; i < l->n; i++)
		v[n++] = l->l[i];
	return pool_intern_pairs(&ev->pool, v, n);
}

const struct labels *ev_project(struct eval *ev, uintptr_t op, const struct labels *l, const struct name_list *names, bool keep)
{
	if (ev->step <= 0) /* no step will ask again */
		return ev_projected(ev, l, names, keep);
	const struct labels *r = pool_recall(&ev->pool, op, l, NULL);
	if (!r) {
		r = ev_projected(ev, l, names, keep);
		pool_remember(&ev->pool, op, l, NULL, r);
	}
	return r;
}
