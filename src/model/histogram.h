/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Native histograms: buckets of schema n (-4..8) are (2^((i-1)/2^n), 2^(i/2^n)] for positive and mirrored for negative values,
 * plus one bucket around zero; schema -53 has bounds of its own. Counts are doubles, as in Prometheus' FloatHistogram. Immutable
 * once built. */
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
	/* Ascending index, no empty ones. Custom buckets: index k is (custom[k - 1], custom[k]]; the last reaches to +Inf. */
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

struct histogram *histogram_copy(const struct histogram *h, const struct histogram_alloc *a);
/* Every count and the sum times K. A negative K makes a gauge. */
struct histogram *histogram_scale(const struct histogram *h, double k, const struct histogram_alloc *a);
bool histogram_equal(const struct histogram *a, const struct histogram *b);
/* Was there a counter reset between BEFORE and H? */
bool histogram_was_reset(const struct histogram *h, const struct histogram *before);
/* `{count:4, sum:5, [-2,-1):1, ...}` as Prometheus prints it. */
void histogram_print(const struct histogram *h, struct buf *out);
/* Of the observations, estimated from the buckets. */
double histogram_variance(const struct histogram *h);

#endif
