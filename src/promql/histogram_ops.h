/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PromQL does with native histograms beyond their arithmetic (model/histogram.h): annotations, hints,
 * resets. */
#ifndef RT_PROMQL_HISTOGRAM_OPS_H
#define RT_PROMQL_HISTOGRAM_OPS_H

#include "model/histogram.h"
#include "promql/eval.h"

struct histogram_alloc histogram_arena(struct arena *a);
struct histogram *histogram_copy_arena(const struct histogram *h, struct arena *a);
struct histogram *histogram_scaled_arena(const struct histogram *h, double k, struct arena *a);
/* How many samples it counts as. */
int64_t histogram_weight(const struct histogram *h);
/* xxHash64 of Prometheus' in-memory form of L: limit_ratio picks by it. */
uint64_t labels_xxhash(const struct labels *l);

/* A binary operator where at least one operand is a histogram: as apply() in eval_binary.c. */
bool histogram_operator(struct eval *ev, const struct expr *e, const struct vsample *a,
			const struct vsample *b, struct vsample *out, bool *skip);

/* sum and avg, step by step; E is whom annotations are about, L the labels that H has. */
struct histogram_sum {
	size_t n;
	struct histogram *h, *c; /* the sum and its compensation */
	bool failed, seen_reset, seen_not_reset, incremental, reconciled;
};
void histogram_sum_add(struct eval *ev, const struct expr *e, struct histogram_sum *s,
		       const struct labels *l, const struct histogram *h, bool average);
/* NULL if the members did not go together. */
const struct histogram *histogram_sum_finish(struct eval *ev, const struct expr *e, struct histogram_sum *s,
					     bool average);

bool histogram_rate(struct eval *ev, const struct window *w, struct vsample *out, bool counter,
		    bool per_second);
bool histogram_instant(struct eval *ev, const struct window *w, const struct histogram *a,
		       const struct histogram *b, struct vsample *out, bool rate, double dt);
/* With annotations about NaN observations; L names the metric. */
double histogram_quantile_native(struct eval *ev, const struct expr *arg, double q, const struct histogram *h,
				 const struct labels *l);
double histogram_fraction_native(struct eval *ev, const struct expr *arg, double lower, double upper,
				 const struct histogram *h, const struct labels *l);
/* As a window of an extended selector: from sample FIRST to sample LAST. */
bool histogram_extended_rate(struct eval *ev, const struct window *w, struct vsample *out, bool counter,
			     bool per_second);
/* The histogram between two samples at T; see interpolate() in fn_rate.c. NULL and a warning about W if they do not go together. */
const struct histogram *histogram_between(struct eval *ev, const struct window *w, const struct sample *a, const struct sample *b,
					  int64_t t, bool counter);
/* Was the counter of sample I begun anew since sample I - 1, as its start time says? */
bool window_restarted(const struct window *w, size_t i);
void window_check_overlap(struct eval *ev, const struct window *w);
/* Did the counter begin with the first sample and within the window? */
bool window_starts_counter(const struct window *w);
/* The stretch of a window's increase to the whole window; fn_rate.c. */
double rate_factor(const struct window *w, double increase, double first, bool counter, bool per_second);

#endif
