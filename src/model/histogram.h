/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Native histograms: buckets of schema n (-4..8) are (2^((i-1)/2^n), 2^(i/2^n)] for positive and mirrored for
 * negative values, plus one bucket around zero; schema -53 has bounds of its own. Counts are doubles, as in
 * Prometheus' FloatHistogram. Immutable once built; results are made where the caller says and never given
 * back one by one. */
#ifndef RT_MODEL_HISTOGRAM_H
#define RT_MODEL_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define HISTOGRAM_CUSTOM (-53)

enum histogram_hint { HINT_UNKNOWN, HINT_RESET, HINT_NOT_RESET, HINT_GAUGE };

struct histogram_bucket {
	int32_t i;
	double n;
};

struct histogram {
	int32_t schema;
	enum histogram_hint hint;
	double zero_threshold, zero_count, count, sum;
	/* Ascending index, no empty ones. Custom buckets: index k is (custom[k - 1], custom[k]]; the last
	 * reaches to +Inf. */
	struct histogram_bucket *pos, *neg;
	size_t n_pos, n_neg;
	double *custom; /* ascending upper bounds without +Inf */
	size_t n_custom;
};

/* Where results are made: alloc(arg, n) never gives NULL and nothing is ever given back. */
struct histogram_alloc {
	void *(*alloc)(void *arg, size_t n);
	void *arg;
};

static inline bool histogram_is_custom(const struct histogram *h)
{
	return h->schema == HISTOGRAM_CUSTOM;
}

struct histogram *histogram_copy(const struct histogram *h, const struct histogram_alloc *a);
/* Every count and the sum times K. A negative K makes a gauge. */
struct histogram *histogram_scale(const struct histogram *h, double k, const struct histogram_alloc *a);
/* Every count and the sum by K. Zero takes the buckets away. */
struct histogram *histogram_divide(const struct histogram *h, double k, const struct histogram_alloc *a);
/* A + SIGN * B at the coarser of the two resolutions; the hint is A's. NULL if one has custom buckets and the
 * other does not. *RECONCILED (may be NULL): custom bounds differed and only those in both were kept. */
struct histogram *histogram_add(const struct histogram *a, const struct histogram *b, double sign,
				const struct histogram_alloc *al, bool *reconciled);
/* Adds X to the pair (*SUM, *C), a compensated sum; both are replaced. False as histogram_add's NULL. */
bool histogram_kahan_add(struct histogram **sum, struct histogram **c, const struct histogram *x,
			 const struct histogram_alloc *al, bool *reconciled);
/* Is any of its figures infinite? */
bool histogram_has_overflow(const struct histogram *h);
bool histogram_equal(const struct histogram *a, const struct histogram *b);
/* Was there a counter reset between BEFORE and H? The hint decides if it says so, then counts that fell. */
bool histogram_was_reset(const struct histogram *h, const struct histogram *before);
/* `{count:4, sum:5, [-2,-1):1, ...}` as Prometheus prints it. */
void histogram_print(const struct histogram *h, struct buf *out);

/* Upper bound of the exponential bucket I. */
double histogram_bound(int32_t schema, int32_t i);
/* The buckets from the lowest to the highest, the zero bucket among them; empty ones do not occur. */
struct histogram_range {
	double lower, upper, n;
	bool zero;
};
size_t histogram_n_ranges(const struct histogram *h);
struct histogram_range histogram_range_at(const struct histogram *h, size_t k);

/* What is to be said of an estimate: observations of NaN, which are in no bucket, make it NaN, or too high. */
enum histogram_note { NOTE_NONE, NOTE_NAN_RESULT, NOTE_NAN_SKEW };
/* Estimates from the buckets. quantile: NaN if the rank is beyond all buckets, which happens with NaN
 * observations. fraction: of all observations, NaN ones are in none. */
double histogram_quantile(const struct histogram *h, double q, enum histogram_note *note);
double histogram_fraction(const struct histogram *h, double lower, double upper, enum histogram_note *note);
double histogram_variance(const struct histogram *h);
/* Only the observations below (UPPER) or above BOUND: buckets cut, count and sum estimated anew. */
struct histogram *histogram_trim(const struct histogram *h, double bound, bool upper,
				 const struct histogram_alloc *a);

#endif
