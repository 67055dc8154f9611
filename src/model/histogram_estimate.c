// SPDX-License-Identifier: GPL-2.0-or-later
/* What a native histogram tells of the observations in it. Inside a bucket they are taken to be spread evenly
 * on a logarithmic scale; in the zero bucket and in custom buckets on a linear one. */
#include <math.h>

#include "model/histogram.h"

/* The zero bucket of a histogram with only positive (negative) observations begins (ends) at zero, and so
 * does the first custom bucket if it ends above. */
static struct histogram_range narrowed(const struct histogram *h, size_t k)
{
	struct histogram_range r = histogram_range_at(h, k);
	if (r.zero) {
		if (!h->n_neg && h->n_pos)
			r.lower = 0;
		else if (!h->n_pos && h->n_neg)
			r.upper = 0;
	} else if (histogram_is_custom(h) && isinf(r.lower) && r.lower < 0 && r.upper > 0) {
		r.lower = 0;
	}
	return r;
}

static bool is_linear(const struct histogram *h, const struct histogram_range *r)
{
	return histogram_is_custom(h) || r->zero;
}

/* Fewer observations in the buckets than counted: the others were NaN. */
static bool has_nan_observations(const struct histogram *h)
{
	double n = 0;
	for (size_t k = 0; isnan(h->sum) && k < histogram_n_ranges(h); k++)
		n += histogram_range_at(h, k).n;
	return isnan(h->sum) && n < h->count;
}

double histogram_quantile(const struct histogram *h, double q, enum histogram_note *note)
{
	*note = NOTE_NONE;
	if (isnan(q) || h->count == 0)
		return q < 0 ? -INFINITY : q > 1 ? INFINITY : NAN;
	if (q < 0)
		return -INFINITY;
	if (q > 1)
		return INFINITY;
	/* From the nearer end, which loses less; NaN observations are in no bucket but count as the highest.
	 */
	size_t n = histogram_n_ranges(h);
	bool up = isnan(h->sum) || q < 0.5;
	double rank = up ? q * h->count : (1 - q) * h->count, count = 0;
	struct histogram_range r = {0};
	for (size_t i = 0; i < n; i++) {
		size_t k = up ? i : n - 1 - i;
		r = narrowed(h, k);
		count += r.n;
		if (count >= rank)
			break;
	}
	if (histogram_is_custom(h) && n) {
		if (isinf(r.lower) && r.lower < 0)
			return r.upper;
		if (isinf(r.upper) && h->n_custom)
			return r.lower;
	}
	if (count > h->count)
		count = h->count;
	if (count < rank) {
		*note = isnan(h->sum) ? NOTE_NAN_RESULT : NOTE_NONE;
		return isnan(h->sum) ? NAN : r.upper;
	}
	if (has_nan_observations(h))
		*note = NOTE_NAN_SKEW;
	rank = up ? rank - (count - r.n) : count - rank;
	double fraction = rank / r.n;
	if (is_linear(h, &r) || !n)
		return r.lower + (r.upper - r.lower) * fraction;
	double lo = log2(fabs(r.lower)), hi = log2(fabs(r.upper));
	if (r.lower > 0)
		return exp2(lo + (hi - lo) * fraction);
	return -exp2(hi + (lo - hi) * (1 - fraction));
}

/* How much of R lies below V, which is inside it. */
static double part_below(const struct histogram *h, const struct histogram_range *r, double v)
{
	if (is_linear(h, r)) {
		if (isinf(r->lower))
			return 1;
		return (v - r->lower) / (r->upper - r->lower);
	}
	double lo = log2(fabs(r->lower)), hi = log2(fabs(r->upper)), at = log2(fabs(v));
	return v > 0 ? (at - lo) / (hi - lo) : 1 - (at - hi) / (lo - hi);
}

/* How many are below V; ALL if all are. */
static double rank_of(const struct histogram *h, double v, double all)
{
	double rank = 0;
	for (size_t k = 0; k < histogram_n_ranges(h); k++) {
		struct histogram_range r = narrowed(h, k);
		/* As Prometheus has it: a custom bucket with zero in it begins there. */
		if (histogram_is_custom(h) && r.lower <= 0 && r.upper >= 0)
			r.lower = 0;
		if (r.lower >= v)
			return fmin(rank, all);
		if (r.upper > v)
			return fmin(rank + r.n * part_below(h, &r, v), all);
		rank += r.n;
	}
	return all; /* rounding may leave a little more or less */
}

double histogram_fraction(const struct histogram *h, double lower, double upper, enum histogram_note *note)
{
	double all = h->count;
	*note = NOTE_NONE;
	if (h->count == 0 || isnan(lower) || isnan(upper))
		return NAN;
	if (lower >= upper)
		return 0;
	if (isnan(h->sum)) {
		all = 0;
		for (size_t k = 0; k < histogram_n_ranges(h); k++)
			all += histogram_range_at(h, k).n;
		if (all < h->count)
			*note = NOTE_NAN_SKEW;
	}
	return (rank_of(h, upper, all) - rank_of(h, lower, all)) / h->count;
}

double histogram_variance(const struct histogram *h)
{
	double mean = h->sum / h->count, v = 0, c = 0;
	for (size_t k = 0; k < histogram_n_ranges(h); k++) {
		struct histogram_range r = histogram_range_at(h, k);
		double at = 0;
		if (histogram_is_custom(h))
			at = (r.lower + r.upper) / 2;
		else if (!r.zero)
			at = (r.upper < 0 ? -1 : 1) * sqrt(r.lower * r.upper);
		double x = r.n * (at - mean) * (at - mean), t = v + x;
		c += fabs(v) >= fabs(x) ? (v - t) + x : (x - t) + v;
		v = t;
	}
	return (isinf(v) ? v : v + c) / h->count;
}

/* Where in a bucket the observations are taken to be on average. */
static double middle(const struct histogram *h, const struct histogram_range *r)
{
	if (is_linear(h, r))
		return (r->lower + r->upper) / 2;
	return (r->upper < 0 ? -1 : 1) * sqrt(r->lower * r->upper);
}

/* What of R is on the wanted side of BOUND: its count, and in *AT where it lies on average. Nothing can be
 * said of where in an infinite bucket observations are: cut from its finite side it is kept whole, at the
 * bound; from the other side it goes. */
static double kept_part(const struct histogram *h, size_t k, double bound, bool upper, double *at)
{
	struct histogram_range raw = histogram_range_at(h, k), r = narrowed(h, k);
	bool lowest = isinf(raw.lower), highest = isinf(raw.upper) && raw.upper > 0;
	if (isnan(bound) && !raw.zero)
		return 0;
	if (highest) {
		*at = upper ? r.lower : fmax(r.lower, bound);
		if (upper)
			return bound == INFINITY ? r.n : 0;
		if (lowest)
			return bound == -INFINITY ? r.n : 0;
		return bound == INFINITY ? 0 : r.n;
	}
	if (lowest && raw.upper <= 0) {
		*at = upper ? fmin(raw.upper, bound) : raw.upper;
		return (bound == -INFINITY) != upper ? r.n : 0;
	}
	if (lowest && !upper && bound < 0 && !isinf(bound))
		return 0;
	*at = middle(h, &r);
	if (upper ? r.upper <= bound : r.lower >= bound)
		return r.n;
	if (upper ? r.lower >= bound : r.upper <= bound)
		return 0;
	double below = part_below(h, &r, bound);
	if (upper)
		r.upper = bound;
	else
		r.lower = bound;
	*at = middle(h, &r);
	return r.n * (upper ? below : 1 - below);
}

struct histogram *histogram_trim(const struct histogram *h, double bound, bool upper,
				 const struct histogram_alloc *a)
{
	struct histogram *t = histogram_copy(h, a);
	bool changed = false;
	t->n_pos = t->n_neg = 0;
	t->zero_count = t->count = t->sum = 0;
	for (size_t k = 0; k < histogram_n_ranges(h); k++) {
		struct histogram_range r = histogram_range_at(h, k);
		double at = 0, n = kept_part(h, k, bound, upper, &at);
		changed = changed || n != r.n;
		if (n == 0)
			continue;
		t->count += n;
		t->sum += n * at;
		if (r.zero)
			t->zero_count = n;
		else if (k < h->n_neg)
			t->neg[t->n_neg++] = (struct histogram_bucket){h->neg[h->n_neg - 1 - k].i, n};
		else
			t->pos[t->n_pos++] =
			    (struct histogram_bucket){h->pos[k - h->n_neg - (h->zero_count != 0)].i, n};
	}
	if (!changed)
		return histogram_copy(h, a);
	/* The lowest range is the negative bucket with the greatest index. */
	for (size_t i = 0; i < t->n_neg / 2; i++) {
		struct histogram_bucket x = t->neg[i];
		t->neg[i] = t->neg[t->n_neg - 1 - i];
		t->neg[t->n_neg - 1 - i] = x;
	}
	return t;
}
