// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/fn.h"
#include "promql/histogram_ops.h"

struct bucket {
	double bound, count;
};

/* One histogram of the input: its classic buckets, or a native sample. */
struct family_buckets {
	const struct labels *l; /* without le */
	bool drop;
	struct bucket *b;
	size_t n, cap;
	const struct histogram *native;
};

struct families {
	struct family_buckets *v;
	size_t n, cap;
	struct ptrmap map;
};

static struct family_buckets *family_of(struct eval *ev, struct families *fs, const struct labels *l)
{
	bool is_new;
	uint32_t *slot = ptrmap_slot(&fs->map, l, &is_new);
	if (is_new) {
		arena_grow(ev->tmp, fs->v, fs->n, fs->cap);
		*slot = (uint32_t)fs->n;
		fs->v[fs->n++] = (struct family_buckets){.l = l};
	}
	return &fs->v[*slot];
}

/* What the labels of a series of buckets say, the same at every step. */
struct bucket_series {
	const struct labels *family; /* without le; NULL: le is not a number */
	double bound;
};

/* Of a call, in ev->arena. */
struct bucket_memo {
	struct hints hints; /* labels to their number in V */
	struct ptrmap map;
	struct bucket_series *v;
	size_t n, cap;
};

static struct bucket_memo *memo_of(struct eval *ev, const struct expr *arg)
{
	struct node *n = &ev->nodes[arg->id];
	if (!n->buckets) {
		n->buckets = arena_calloc(&ev->arena, 1, sizeof(*n->buckets));
		ptrmap_init(&n->buckets->map, &ev->arena, 8);
	}
	hints_rewind(&n->buckets->hints);
	return n->buckets;
}

static struct bucket_series bucket_series_of(struct eval *ev, struct bucket_memo *memo, const struct labels *l)
{
	uint32_t id;
	if (hints_find(&memo->hints, l, &id))
		return memo->v[id];
	bool is_new;
	uint32_t *slot = ptrmap_slot(&memo->map, l, &is_new);
	if (is_new) {
		struct bucket_series s = {0};
		if (text_parse_float(labels_get(l, SV("le")), &s.bound)) {
			static struct sv le[] = {{"le", 2}};
			s.family = ev_without_labels(ev, l, &(struct name_list){.v = le, .n = 1});
		}
		arena_grow(&ev->arena, memo->v, memo->n, memo->cap);
		*slot = (uint32_t)memo->n;
		memo->v[memo->n++] = s;
	}
	id = *slot;
	hints_set(&memo->hints, &ev->arena, l, id);
	return memo->v[id];
}

static struct families collect(struct eval *ev, const struct expr *arg)
{
	struct vec v = eval_vector(ev, arg);
	struct families fs = {0};
	struct bucket_memo *memo = memo_of(ev, arg);
	ptrmap_init(&fs.map, ev->tmp, 8);
	for (size_t i = 0; i < v.n; i++) {
		const struct vsample *s = &v.s[i];
		if (s->h) {
			struct family_buckets *f = family_of(ev, &fs, s->l);
			f->native = s->h;
			f->drop = f->drop || s->drop;
			continue;
		}
		struct bucket_series of = bucket_series_of(ev, memo, s->l);
		if (!of.family) {
			struct sv le = labels_get(s->l, SV("le"));
			ev_warn(ev, arg, "bucket label \"le\" is missing or has a malformed value of \"%.*s\"%s", SV_ARG(le),
				ev_for_metric(ev, s->l));
			continue;
		}
		struct family_buckets *f = fs.n && fs.v[fs.n - 1].l == of.family ? &fs.v[fs.n - 1] : family_of(ev, &fs, of.family);
		f->drop = f->drop || s->drop;
		arena_grow(ev->tmp, f->b, f->n, f->cap);
		f->b[f->n++] = (struct bucket){of.bound, s->v};
	}
	size_t n = 0;
	for (size_t i = 0; i < fs.n; i++) {
		if (fs.v[i].native && fs.v[i].n) {
			ev_warn(ev, arg, "vector contains a mix of classic and native histograms%s", ev_for_metric(ev, fs.v[i].l));
			continue;
		}
		fs.v[n++] = fs.v[i];
	}
	fs.n = n;
	return fs;
}

static int by_bound(const void *a, const void *b)
{
	double x = ((const struct bucket *)a)->bound, y = ((const struct bucket *)b)->bound;
	return x < y ? -1 : x > y;
}

/* Sorts and adds up equal bounds. False if the last bucket is not +Inf. */
static bool sort_buckets(struct family_buckets *f)
{
	if (!f->n)
		return false;
	bool sorted = true;
	for (size_t i = 1; i < f->n && sorted; i++)
		sorted = f->b[i - 1].bound <= f->b[i].bound;
	if (!sorted)
		qsort(f->b, f->n, sizeof(*f->b), by_bound);
	if (!(f->b[f->n - 1].bound == INFINITY))
		return false;
	size_t n = 1;
	for (size_t i = 1; i < f->n; i++)
		if (f->b[i].bound == f->b[n - 1].bound)
			f->b[n - 1].count += f->b[i].count;
		else
			f->b[n++] = f->b[i];
	f->n = n;
	return true;
}

/* Makes the counts rise. Those that really fell, and not just by what floating point loses, go into *R. */
static void make_rising(struct family_buckets *f, struct raised *r)
{
	const double tolerance = 1e-12;
	for (size_t i = 1; i < f->n; i++) {
		double prev = f->b[i - 1].count, cur = f->b[i].count, diff = fabs(prev - cur),
		       both = fabs(prev) + fabs(cur);
		if (prev == cur || !(diff < tolerance * both || cur < prev))
			continue;
		if (!(diff < tolerance * both)) {
			r->lowest = r->n ? r->lowest : f->b[i].bound;
			r->highest = f->b[i].bound;
			r->most = fmax(r->most, diff);
			r->n = 1;
		}
		f->b[i].count = prev;
	}
}

/* Linear inside a bucket, as Prometheus. */
static double classic_quantile(double q, struct family_buckets *f, struct raised *raised)
{
	if (isnan(q))
		return NAN;
	if (q < 0)
		return -INFINITY;
	if (q > 1)
		return INFINITY;
	if (!sort_buckets(f))
		return NAN;
	make_rising(f, raised);
	double total = f->b[f->n - 1].count;
	if (f->n < 2 || total == 0)
		return NAN;
	double rank = q * total, start = 0, below = 0;
	size_t k = 0;
	while (k < f->n - 1 && !(f->b[k].count >= rank))
		k++;
	if (k == f->n - 1)
		return f->b[f->n - 2].bound;
	if (k == 0 && f->b[0].bound <= 0)
		return f->b[0].bound;
	if (k > 0) {
		start = f->b[k - 1].bound;
		below = f->b[k - 1].count;
	}
	return start + (f->b[k].bound - start) * ((rank - below) / (f->b[k].count - below));
}

/* How many observations are <= V. */
static double classic_rank(double v, const struct family_buckets *f)
{
	double below = 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct bucket *b = &f->b[i];
		double lower = i ? f->b[i - 1].bound : b->bound > 0 ? 0 : -INFINITY;
		if (v <= lower)
			return below;
		if (v <= b->bound) {
			if (isinf(lower) || v == b->bound)
				return b->count;
			return isinf(b->bound)
				   ? below
				   : below + (b->count - below) * (v - lower) / (b->bound - lower);
		}
		below = b->count;
	}
	return below;
}

static double classic_fraction(double lower, double upper, struct family_buckets *f)
{
	if (!sort_buckets(f))
		return NAN;
	double total = f->b[f->n - 1].count;
	if (total == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	return (fmin(classic_rank(upper, f), total) - fmin(classic_rank(lower, f), total)) / total;
}

static void warn_quantile(struct eval *ev, const struct expr *arg, double q)
{
	if (q >= 0 && q <= 1)
		return;
	struct buf t = BUF_INIT;
	text_float(q, 'g', &t);
	ev_warn(ev, arg, "quantile value should be between 0 and 1, got %s", buf_str(&t));
	buf_free(&t);
}

static void quantile_of_families(struct eval *ev, const struct expr *arg, struct families *fs, double q,
				 struct sv label, struct vec *out)
{
	for (size_t i = 0; i < fs->n; i++) {
		struct family_buckets *f = &fs->v[i];
		struct vsample r = {.l = f->l, .drop = f->drop, .t = ev->t};
		struct raised raised = {.from = ev->t, .to = ev->t};
		bool drop = false;
		r.v = f->native ? histogram_quantile_native(ev, arg, q, f->native, f->l)
				: classic_quantile(q, f, &raised);
		if (raised.n) {
			ev_info_raised(ev, arg, &raised,
				"input to histogram_quantile needed to be fixed for monotonicity (see "
				"https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)%s",
				ev->opt.delayed_name_removal ? ev_for_metric(ev, f->l) : "");
		}
		if (label.n) {
			struct labels_builder b;
			struct buf t = BUF_INIT;
			/* As OpenMetrics writes a quantile: 1.0, not 1. */
			text_float(q, 'g', &t);
			if (!isnan(q) && !isinf(q) && !strpbrk(buf_str(&t), ".e"))
				buf_adds(&t, ".0");
			labels_builder_init(&b, r.l);
			labels_builder_set(&b, label, sv_make(buf_str(&t), t.n));
			r.l = ev_intern(ev, labels_builder_build(&b));
			labels_builder_free(&b);
			buf_free(&t);
		}
		r.l = ev_drop_name(ev, r.l, &drop);
		r.drop = r.drop || drop;
		vec_add(ev, out, r);
	}
}

VECTOR_FN(fn_histogram_quantile)
{
	double q = eval_scalar(ev, call->call.args[0]);
	struct families fs = collect(ev, call->call.args[1]);
	struct vec out = {0};
	warn_quantile(ev, call->call.args[0], q);
	quantile_of_families(ev, call->call.args[1], &fs, q, SV(""), &out);
	return out;
}

VECTOR_FN(fn_histogram_quantiles)
{
	struct families fs = collect(ev, call->call.args[0]);
	struct sv label = eval_string(call->call.args[1]);
	struct vec out = {0};
	if (!label.n || !text_is_utf8(label)) {
		ev_fail(ev, -EINVAL, "invalid label name \"%.*s\"", SV_ARG(label));
		return out;
	}
	for (size_t k = 2; k < call->call.n; k++) {
		double q = eval_scalar(ev, call->call.args[k]);
		warn_quantile(ev, call->call.args[k], q);
		quantile_of_families(ev, call->call.args[0], &fs, q, label, &out);
	}
	return out;
}

VECTOR_FN(fn_histogram_fraction)
{
	double lower = eval_scalar(ev, call->call.args[0]), upper = eval_scalar(ev, call->call.args[1]);
	const struct expr *arg = call->call.args[2];
	struct families fs = collect(ev, arg);
	struct vec out = {0};
	for (size_t i = 0; i < fs.n; i++) {
		struct family_buckets *f = &fs.v[i];
		struct vsample s = {.l = f->l, .drop = f->drop};
		double v = f->native ? histogram_fraction_native(ev, arg, lower, upper, f->native, f->l)
				     : classic_fraction(lower, upper, f);
		struct vsample r = ev_derived(ev, &s, v);
		r.drop = r.drop || f->drop;
		vec_add(ev, &out, r);
	}
	return out;
}

static struct vec of_native(struct eval *ev, const struct expr *call, double (*fn)(const struct histogram *h))
{
	struct vec v = eval_vector(ev, call->call.args[0]), out = {0};
	for (size_t i = 0; i < v.n; i++)
		if (v.s[i].h)
			vec_add(ev, &out, ev_derived(ev, &v.s[i], fn(v.s[i].h)));
	return out;
}

static double count_of(const struct histogram *h)
{
	return h->count;
}

static double sum_of(const struct histogram *h)
{
	return h->sum;
}

static double avg_of(const struct histogram *h)
{
	return h->sum / h->count;
}

static double stddev_of(const struct histogram *h)
{
	return sqrt(histogram_variance(h));
}

VECTOR_FN(fn_histogram_count)
{
	return of_native(ev, call, count_of);
}

VECTOR_FN(fn_histogram_sum)
{
	return of_native(ev, call, sum_of);
}

VECTOR_FN(fn_histogram_avg)
{
	return of_native(ev, call, avg_of);
}

VECTOR_FN(fn_histogram_stddev)
{
	return of_native(ev, call, stddev_of);
}

VECTOR_FN(fn_histogram_stdvar)
{
	return of_native(ev, call, histogram_variance);
}
