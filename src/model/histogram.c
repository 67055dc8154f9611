// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/text.h"

static void *take(const struct histogram_alloc *a, size_t n)
{
	return a->alloc(a->arg, n ? n : 1);
}

static void *dup(const struct histogram_alloc *a, const void *p, size_t n)
{
	void *r = take(a, n);
	return n ? memcpy(r, p, n) : r;
}

struct histogram *histogram_copy(const struct histogram *h, const struct histogram_alloc *a)
{
	struct histogram *r = dup(a, h, sizeof(*h));
	r->pos = dup(a, h->pos, h->n_pos * sizeof(*h->pos));
	r->neg = dup(a, h->neg, h->n_neg * sizeof(*h->neg));
	r->custom = dup(a, h->custom, h->n_custom * sizeof(*h->custom));
	return r;
}

static void scale_buckets(struct histogram_bucket *b, size_t *n, double k, bool divide)
{
	size_t kept = 0;
	for (size_t i = 0; i < *n; i++) {
		b[kept] = (struct histogram_bucket){b[i].i, divide ? b[i].n / k : b[i].n * k};
		kept += b[kept].n != 0;
	}
	*n = kept;
}

static struct histogram *scaled(const struct histogram *h, double k, bool divide,
				const struct histogram_alloc *a)
{
	struct histogram *r = histogram_copy(h, a);
	r->count = divide ? h->count / k : h->count * k;
	r->sum = divide ? h->sum / k : h->sum * k;
	r->zero_count = divide ? h->zero_count / k : h->zero_count * k;
	scale_buckets(r->pos, &r->n_pos, k, divide);
	scale_buckets(r->neg, &r->n_neg, k, divide);
	if (k < 0)
		r->hint = HINT_GAUGE;
	return r;
}

struct histogram *histogram_scale(const struct histogram *h, double k, const struct histogram_alloc *a)
{
	return scaled(h, k, false, a);
}

struct histogram *histogram_divide(const struct histogram *h, double k, const struct histogram_alloc *a)
{
	struct histogram *r = scaled(h, k, true, a);
	if (k == 0)
		r->n_pos = r->n_neg = 0;
	return r;
}

/* The bucket of a schema finer by SHIFT that bucket I of falls into. */
static int32_t coarser(int32_t i, int shift)
{
	return ((i - 1) >> shift) + 1;
}

static double zero_with(const struct histogram *h, double *threshold)
{
	double count;
	bool grown;
	do {
		grown = false;
		count = h->zero_count;
		for (int side = 0; side < 2 && !grown; side++) {
			const struct histogram_bucket *b = side ? h->neg : h->pos;
			size_t n = side ? h->n_neg : h->n_pos;
			for (size_t i = 0; i < n && histogram_bound(h->schema, b[i].i - 1) < *threshold; i++) {
				count += b[i].n;
				if (histogram_bound(h->schema, b[i].i) > *threshold) {
					/* Half a bucket cannot be taken: the zero bucket grows to its end. */
					*threshold = histogram_bound(h->schema, b[i].i);
					grown = true;
					break;
				}
			}
		}
	} while (grown);
	return count;
}

static size_t merge_down(const struct histogram_bucket *b, size_t n, int32_t schema, int shift,
			 double threshold, struct histogram_bucket *out)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (threshold > 0 && histogram_bound(schema, b[i].i) <= threshold)
			continue; /* counted in the zero bucket */
		int32_t at = coarser(b[i].i, shift);
		if (k && out[k - 1].i == at)
			out[k - 1].n += b[i].n;
		else
			out[k++] = (struct histogram_bucket){at, b[i].n};
	}
	return k;
}

/* H at a coarser schema and with a zero bucket at least as wide. */
static struct histogram *reduced(const struct histogram *h, int32_t schema, double threshold,
				 const struct histogram_alloc *a)
{
	struct histogram *r = histogram_copy(h, a);
	if (threshold > h->zero_threshold) {
		r->zero_threshold = threshold;
		r->zero_count = zero_with(h, &r->zero_threshold);
	}
	double cut = r->zero_threshold > h->zero_threshold ? r->zero_threshold : 0;
	r->n_pos = merge_down(h->pos, h->n_pos, h->schema, h->schema - schema, cut, r->pos);
	r->n_neg = merge_down(h->neg, h->n_neg, h->schema, h->schema - schema, cut, r->neg);
	r->schema = schema;
	return r;
}

/* H with only the custom bounds given, which are some of its own. */
static struct histogram *rebucketed(const struct histogram *h, const double *custom, size_t n,
				    const struct histogram_alloc *a)
{
	struct histogram *r = histogram_copy(h, a);
	size_t at = 0, k = 0;
	for (size_t i = 0; i < h->n_pos; i++) {
		double upper = (size_t)h->pos[i].i < h->n_custom ? h->custom[h->pos[i].i] : INFINITY;
		while (at < n && custom[at] < upper)
			at++;
		if (k && r->pos[k - 1].i == (int32_t)at)
			r->pos[k - 1].n += h->pos[i].n;
		else
			r->pos[k++] = (struct histogram_bucket){(int32_t)at, h->pos[i].n};
	}
	r->n_pos = k;
	r->custom = dup(a, custom, n * sizeof(*custom));
	r->n_custom = n;
	return r;
}

static bool same_custom(const struct histogram *a, const struct histogram *b)
{
	if (a->n_custom != b->n_custom)
		return false;
	for (size_t i = 0; i < a->n_custom; i++)
		if (a->custom[i] != b->custom[i])
			return false;
	return true;
}

/* Brings A and B to one layout. False if there is none. */
static bool align(const struct histogram **a, const struct histogram **b, const struct histogram_alloc *al,
		  bool *reconciled)
{
	if (histogram_is_custom(*a) != histogram_is_custom(*b))
		return false;
	if (histogram_is_custom(*a)) {
		if (same_custom(*a, *b))
			return true;
		double *both = take(al, (*a)->n_custom * sizeof(*both));
		size_t n = 0;
		for (size_t i = 0, k = 0; i < (*a)->n_custom; i++) {
			while (k < (*b)->n_custom && (*b)->custom[k] < (*a)->custom[i])
				k++;
			if (k < (*b)->n_custom && (*b)->custom[k] == (*a)->custom[i])
				both[n++] = (*a)->custom[i];
		}
		*a = rebucketed(*a, both, n, al);
		*b = rebucketed(*b, both, n, al);
		if (reconciled)
			*reconciled = true;
		return true;
	}
	int32_t schema = (*a)->schema < (*b)->schema ? (*a)->schema : (*b)->schema;
	/* Widening one zero bucket may take it past the other's, so until both agree. */
	while ((*a)->schema != schema || (*b)->schema != schema ||
	       (*a)->zero_threshold != (*b)->zero_threshold) {
		double t = fmax((*a)->zero_threshold, (*b)->zero_threshold);
		*a = reduced(*a, schema, t, al);
		*b = reduced(*b, schema, fmax(t, (*a)->zero_threshold), al);
	}
	return true;
}

static struct histogram_bucket *sum_buckets(const struct histogram_bucket *a, size_t n_a,
					    const struct histogram_bucket *b, size_t n_b, double sign,
					    const struct histogram_alloc *al, size_t *n)
{
	struct histogram_bucket *r = take(al, (n_a + n_b) * sizeof(*r));
	size_t i = 0, k = 0;
	*n = 0;
	while (i < n_a || k < n_b) {
		struct histogram_bucket x;
		if (k >= n_b || (i < n_a && a[i].i < b[k].i))
			x = a[i++];
		else if (i >= n_a || b[k].i < a[i].i)
			x = (struct histogram_bucket){b[k].i, sign * b[k].n}, k++;
		else
			x = (struct histogram_bucket){a[i].i, a[i].n + sign * b[k].n}, i++, k++;
		if (x.n != 0)
			r[(*n)++] = x;
	}
	return r;
}

struct histogram *histogram_add(const struct histogram *a, const struct histogram *b, double sign,
				const struct histogram_alloc *al, bool *reconciled)
{
	if (!align(&a, &b, al, reconciled))
		return NULL;
	struct histogram *r = histogram_copy(a, al);
	r->count += sign * b->count;
	r->sum += sign * b->sum;
	r->zero_count += sign * b->zero_count;
	r->pos = sum_buckets(a->pos, a->n_pos, b->pos, b->n_pos, sign, al, &r->n_pos);
	r->neg = sum_buckets(a->neg, a->n_neg, b->neg, b->n_neg, sign, al, &r->n_neg);
	return r;
}

static void kahan(double x, double *sum, double *c)
{
	double t = *sum + x;
	if (isinf(t))
		*c = 0;
	else if (fabs(*sum) >= fabs(x))
		*c += (*sum - t) + x;
	else
		*c += (x - t) + *sum;
	*sum = t;
}

/* Both results keep every index, so that they stay side by side. */
static void kahan_buckets(const struct histogram_bucket *s, size_t n_s, const struct histogram_bucket *c,
			  size_t n_c, const struct histogram_bucket *x, size_t n_x,
			  const struct histogram_alloc *al, struct histogram_bucket **out_s,
			  struct histogram_bucket **out_c, size_t *n)
{
	size_t i = 0, j = 0, k = 0;
	*out_s = take(al, (n_s + n_c + n_x) * sizeof(**out_s));
	*out_c = take(al, (n_s + n_c + n_x) * sizeof(**out_c));
	*n = 0;
	while (i < n_s || j < n_c || k < n_x) {
		int32_t at = INT32_MAX;
		if (i < n_s)
			at = s[i].i;
		if (j < n_c && c[j].i < at)
			at = c[j].i;
		if (k < n_x && x[k].i < at)
			at = x[k].i;
		double sum = i < n_s && s[i].i == at ? s[i++].n : 0,
		       err = j < n_c && c[j].i == at ? c[j++].n : 0;
		if (k < n_x && x[k].i == at)
			kahan(x[k++].n, &sum, &err);
		(*out_s)[*n] = (struct histogram_bucket){at, sum};
		(*out_c)[(*n)++] = (struct histogram_bucket){at, err};
	}
}

bool histogram_kahan_add(struct histogram **sum, struct histogram **comp, const struct histogram *x,
			 const struct histogram_alloc *al, bool *reconciled)
{
	const struct histogram *s = *sum, *c = *comp, *x2 = x;
	if (!align(&s, &x, al, reconciled) || !align(&c, &x, al, NULL) || !align(&s, &c, al, NULL))
		return false;
	(void)x2;
	struct histogram *rs = histogram_copy(s, al), *rc = histogram_copy(c, al);
	kahan(x->count, &rs->count, &rc->count);
	kahan(x->sum, &rs->sum, &rc->sum);
	kahan(x->zero_count, &rs->zero_count, &rc->zero_count);
	kahan_buckets(s->pos, s->n_pos, c->pos, c->n_pos, x->pos, x->n_pos, al, &rs->pos, &rc->pos,
		      &rs->n_pos);
	kahan_buckets(s->neg, s->n_neg, c->neg, c->n_neg, x->neg, x->n_neg, al, &rs->neg, &rc->neg,
		      &rs->n_neg);
	rc->n_pos = rs->n_pos;
	rc->n_neg = rs->n_neg;
	*sum = rs;
	*comp = rc;
	return true;
}

bool histogram_has_overflow(const struct histogram *h)
{
	bool inf = isinf(h->count) || isinf(h->sum) || isinf(h->zero_count);
	for (size_t i = 0; i < h->n_pos && !inf; i++)
		inf = isinf(h->pos[i].n);
	for (size_t i = 0; i < h->n_neg && !inf; i++)
		inf = isinf(h->neg[i].n);
	return inf;
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool same_buckets(const struct histogram_bucket *a, size_t n_a, const struct histogram_bucket *b,
			 size_t n_b)
{
	for (size_t i = 0; n_a == n_b && i < n_a; i++)
		if (a[i].i != b[i].i || !same(a[i].n, b[i].n))
			return false;
	return n_a == n_b;
}

bool histogram_equal(const struct histogram *a, const struct histogram *b)
{
	return a->schema == b->schema && same(a->count, b->count) && same(a->sum, b->sum) &&
	       same(a->zero_count, b->zero_count) && a->zero_threshold == b->zero_threshold &&
	       same_custom(a, b) && same_buckets(a->pos, a->n_pos, b->pos, b->n_pos) &&
	       same_buckets(a->neg, a->n_neg, b->neg, b->n_neg);
}

/* Did any bucket fall from B to A? */
static bool fell(const struct histogram_bucket *a, size_t n_a, const struct histogram_bucket *b, size_t n_b)
{
	size_t i = 0;
	for (size_t k = 0; k < n_b; k++) {
		while (i < n_a && a[i].i < b[k].i)
			i++;
		double now = i < n_a && a[i].i == b[k].i ? a[i].n : 0;
		if (now < b[k].n)
			return true;
	}
	return false;
}

/* Scratch memory for one comparison: freed in one go. */
struct scratch {
	void *v[64];
	size_t n;
};

static void *scratch_alloc(void *arg, size_t n)
{
	struct scratch *s = arg;
	void *p = xmalloc(n);
	if (s->n >= ARRAY_SIZE(s->v))
		abort();
	return s->v[s->n++] = p;
}

static void scratch_free(struct scratch *s)
{
	while (s->n)
		free(s->v[--s->n]);
}

bool histogram_was_reset(const struct histogram *h, const struct histogram *before)
{
	if (h->hint == HINT_RESET || h->hint == HINT_NOT_RESET)
		return h->hint == HINT_RESET;
	if (histogram_is_custom(h) != histogram_is_custom(before) || h->count < before->count)
		return true;
	struct scratch s = {.n = 0};
	struct histogram_alloc al = {scratch_alloc, &s};
	bool reset = true;
	if (histogram_is_custom(h)) {
		align(&h, &before, &al, NULL);
		reset = fell(h->pos, h->n_pos, before->pos, before->n_pos);
	} else if (h->schema <= before->schema && h->zero_threshold >= before->zero_threshold) {
		before = reduced(before, h->schema, h->zero_threshold, &al);
		reset = before->zero_threshold != h->zero_threshold || h->zero_count < before->zero_count ||
			fell(h->pos, h->n_pos, before->pos, before->n_pos) ||
			fell(h->neg, h->n_neg, before->neg, before->n_neg);
	}
	scratch_free(&s);
	return reset;
}

size_t histogram_n_ranges(const struct histogram *h)
{
	return h->n_neg + (h->zero_count != 0) + h->n_pos;
}

/* A bucket as its schema has it, whatever the zero bucket covers. */
static struct histogram_range whole_range(const struct histogram *h, size_t k)
{
	struct histogram_range r = {0};
	if (k < h->n_neg) {
		const struct histogram_bucket *b = &h->neg[h->n_neg - 1 - k];
		r = (struct histogram_range){-histogram_bound(h->schema, b->i), -histogram_bound(h->schema, b->i - 1), b->n,
					     false};
		return r;
	}
	k -= h->n_neg;
	if (h->zero_count != 0) {
		if (k == 0)
			return (struct histogram_range){-h->zero_threshold, h->zero_threshold, h->zero_count,
							true};
		k--;
	}
	const struct histogram_bucket *b = &h->pos[k];
	r.n = b->n;
	if (histogram_is_custom(h)) {
		size_t i = (size_t)b->i;
		r.lower = i == 0 ? -INFINITY : i <= h->n_custom ? h->custom[i - 1] : INFINITY;
		r.upper = i < h->n_custom ? h->custom[i] : INFINITY;
	} else {
		r.lower = histogram_bound(h->schema, b->i - 1);
		r.upper = histogram_bound(h->schema, b->i);
	}
	return r;
}

struct histogram_range histogram_range_at(const struct histogram *h, size_t k)
{
	struct histogram_range r = whole_range(h, k);
	/* What the zero bucket covers is not told twice. */
	if (!r.zero && r.upper < 0 && r.upper > -h->zero_threshold)
		r.upper = -h->zero_threshold;
	else if (!r.zero && r.lower > 0 && r.lower < h->zero_threshold)
		r.lower = h->zero_threshold;
	return r;
}

void histogram_print(const struct histogram *h, struct buf *out)
{
	buf_adds(out, "{count:");
	text_float(h->count, 'g', out);
	buf_adds(out, ", sum:");
	text_float(h->sum, 'g', out);
	for (size_t k = 0; k < histogram_n_ranges(h); k++) {
		struct histogram_range r = whole_range(h, k);
		buf_adds(out, ", ");
		buf_addc(out, r.zero || k < h->n_neg ? '[' : '(');
		text_float(r.lower, 'g', out);
		buf_addc(out, ',');
		text_float(r.upper, 'g', out);
		buf_addc(out, k < h->n_neg ? ')' : ']');
		buf_addc(out, ':');
		text_float(r.n, 'g', out);
	}
	buf_addc(out, '}');
}
