// SPDX-License-Identifier: GPL-2.0-or-later
/* PLACEHOLDER while native histograms are being written: no source gives one yet. */
#include "promql/histogram_ops.h"

#include <errno.h>
#include <math.h>

static void refuse(struct eval *ev)
{
	ev_fail(ev, -EINVAL, "native histograms are not supported yet");
}
struct histogram_alloc histogram_arena(struct arena *a) { return (struct histogram_alloc){0}; }
struct histogram *histogram_copy_arena(const struct histogram *h, struct arena *a) { return (struct histogram *)h; }
struct histogram *histogram_scaled_arena(const struct histogram *h, double k, struct arena *a) { return (struct histogram *)h; }
int64_t histogram_weight(const struct histogram *h) { return 1; }
uint64_t labels_xxhash(const struct labels *l) { return l->hash; }
bool histogram_operator(struct eval *ev, const struct expr *e, const struct vsample *a, const struct vsample *b, struct vsample *out,
			bool *skip) { refuse(ev); return false; }
void histogram_sum_add(struct eval *ev, const struct expr *e, struct histogram_sum *s, const struct histogram *h, bool average) { refuse(ev); }
const struct histogram *histogram_sum_finish(struct eval *ev, const struct expr *e, struct histogram_sum *s, bool average) { return NULL; }
bool histogram_rate(struct eval *ev, const struct window *w, struct vsample *out, bool counter, bool per_second) { refuse(ev); return false; }
bool histogram_instant(struct eval *ev, const struct window *w, const struct histogram *a, const struct histogram *b,
		       struct vsample *out, bool rate, double dt) { refuse(ev); return false; }
double histogram_quantile_native(struct eval *ev, const struct expr *arg, double q, const struct histogram *h, const struct labels *l) { refuse(ev); return NAN; }
double histogram_fraction_native(struct eval *ev, const struct expr *arg, double lower, double upper, const struct histogram *h,
				 const struct labels *l) { refuse(ev); return NAN; }
bool histogram_equal(const struct histogram *a, const struct histogram *b) { return a == b; }
bool histogram_was_reset(const struct histogram *h, const struct histogram *before) { return false; }
void histogram_print(const struct histogram *h, struct buf *out) {}
double histogram_variance(const struct histogram *h) { return NAN; }
