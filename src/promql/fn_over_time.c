// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>

#include "model/text.h"
#include "promql/fn.h"
#include "promql/histogram_ops.h"

const struct sample *window_floats(struct eval *ev, const struct window *w, size_t *n)
{
	*n = w->n;
	if (!w->n_histograms)
		return w->s;
	*n = 0;
	struct sample *s = arena_alloc(ev->tmp, (w->n + 1) * sizeof(*s));
	for (size_t i = 0; i < w->n; i++)
		if (!w->s[i].h)
			s[(*n)++] = w->s[i];
	if (*n) {
		ev_info(ev, w->arg,
			"ignored histograms in a range containing both floats and histograms for metric name %s",
			ev_quoted_name(ev, w->l));
	}
	return s;
}

bool window_is_mixed(struct eval *ev, const struct window *w)
{
	if (!w->n_histograms || w->n_histograms == w->n)
		return false;
	ev_warn(ev, w->arg, "encountered a mix of histograms and floats for metric name %s",
		ev_quoted_name(ev, w->l));
	return true;
}

static bool histogram_over_time(struct eval *ev, const struct window *w, struct vsample *out, bool average)
{
	struct histogram_sum sum = {0};
	for (size_t i = 0; i < w->n; i++)
		histogram_sum_add(ev, w->arg, &sum, w->l, w->s[i].h, average);
	out->h = histogram_sum_finish(ev, w->arg, &sum, average);
	return out->h != NULL;
}

RANGE_FN(fn_avg_over_time)
{
	if (window_is_mixed(ev, w))
		return false;
	if (w->n_histograms)
		return histogram_over_time(ev, w, out, true);
	double sum = w->s[0].v, mean = 0, c = 0;
	bool incremental = false;
	for (size_t i = 1; i < w->n; i++) {
		double n = (double)i + 1, x = w->s[i].v;
		if (!incremental) {
			double sum2 = sum, c2 = c;
			kahan_add(x, &sum2, &c2);
			if (!isinf(sum2)) {
				sum = sum2;
				c = c2;
				continue;
			}
			incremental = true;
			mean = sum / (n - 1);
			c /= n - 1;
		}
		double q = (n - 1) / n;
		mean *= q;
		c *= q;
		kahan_add(x / n, &mean, &c);
	}
	out->v = incremental ? mean + c : sum / (double)w->n + c / (double)w->n;
	return true;
}

RANGE_FN(fn_sum_over_time)
{
	if (window_is_mixed(ev, w))
		return false;
	if (w->n_histograms)
		return histogram_over_time(ev, w, out, false);
	double sum = 0, c = 0;
	for (size_t i = 0; i < w->n; i++)
		kahan_add(w->s[i].v, &sum, &c);
	out->v = isinf(sum) ? sum : sum + c;
	return true;
}

/* The last (LATEST) or first smallest or greatest float, or NULL. NaN only if there is nothing else. */
static const struct sample *extreme(struct eval *ev, const struct window *w, bool greatest, bool latest)
{
	size_t n;
	const struct sample *s = window_floats(ev, w, &n), *best = n ? s : NULL;
	for (size_t i = 1; i < n; i++)
		if (isnan(best->v) || (greatest ? s[i].v > best->v : s[i].v < best->v) ||
		    (latest && s[i].v == best->v))
			best = &s[i];
	return best;
}

RANGE_FN(fn_min_over_time)
{
	const struct sample *s = extreme(ev, w, false, false);
	out->v = s ? s->v : 0;
	return s;
}

RANGE_FN(fn_max_over_time)
{
	const struct sample *s = extreme(ev, w, true, false);
	out->v = s ? s->v : 0;
	return s;
}

RANGE_FN(fn_ts_of_min_over_time)
{
	const struct sample *s = extreme(ev, w, false, true);
	out->v = s ? (double)s->t / 1000 : 0;
	return s;
}

RANGE_FN(fn_ts_of_max_over_time)
{
	const struct sample *s = extreme(ev, w, true, true);
	out->v = s ? (double)s->t / 1000 : 0;
	return s;
}

RANGE_FN(fn_ts_of_last_over_time)
{
	out->v = (double)w->s[w->n - 1].t / 1000;
	return true;
}

RANGE_FN(fn_ts_of_first_over_time)
{
	out->v = (double)w->s[0].t / 1000;
	return true;
}

RANGE_FN(fn_count_over_time)
{
	out->v = (double)w->n;
	return true;
}

RANGE_FN(fn_last_over_time)
{
	out->v = w->s[w->n - 1].v;
	out->h = w->s[w->n - 1].h;
	return true;
}

RANGE_FN(fn_first_over_time)
{
	out->v = w->s[0].v;
	out->h = w->s[0].h;
	return true;
}

RANGE_FN(fn_present_over_time)
{
	out->v = 1;
	return true;
}

static bool variance(struct eval *ev, const struct window *w, double *v)
{
	size_t n;
	const struct sample *s = window_floats(ev, w, &n);
	double mean = 0, c_mean = 0, aux = 0, c_aux = 0;
	for (size_t i = 0; i < n; i++) {
		double delta = s[i].v - (mean + c_mean);
		kahan_add(delta / ((double)i + 1), &mean, &c_mean);
		kahan_add(delta * (s[i].v - (mean + c_mean)), &aux, &c_aux);
	}
	*v = (aux + c_aux) / (double)n;
	return n > 0;
}

RANGE_FN(fn_stddev_over_time)
{
	if (!variance(ev, w, &out->v))
		return false;
	out->v = sqrt(out->v);
	return true;
}

RANGE_FN(fn_stdvar_over_time)
{
	return variance(ev, w, &out->v);
}

static double *copy_values(struct eval *ev, const struct window *w, size_t *n)
{
	const struct sample *s = window_floats(ev, w, n);
	double *v = arena_alloc(ev->tmp, (*n + 1) * sizeof(*v));
	for (size_t i = 0; i < *n; i++)
		v[i] = s[i].v;
	return v;
}

RANGE_FN(fn_quantile_over_time)
{
	size_t n;
	struct window told = *w; /* Prometheus tells of the histograms where the quantile is written */
	told.arg = call->call.args[0];
	double q = w->scalars[0], *v = w->n_histograms ? copy_values(ev, &told, &n) : NULL;
	if (v && !n)
		return false;
	if (isnan(q) || q < 0 || q > 1) {
		struct buf t = BUF_INIT;
		text_float(q, 'g', &t);
		ev_warn(ev, call->call.args[0], "quantile value should be between 0 and 1, got %s",
			buf_str(&t));
		buf_free(&t);
	}
	out->v = v ? quantile_of(q, v, n) : quantile_of_sorted(q, window_sorted(ev, w), w->n);
	return true;
}

RANGE_FN(fn_mad_over_time)
{
	size_t n;
	double *v = copy_values(ev, w, &n);
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (isnan(v[i])) {
			out->v = NAN; /* there is no median */
			return true;
		}
	double median = quantile_of(0.5, v, n);
	for (size_t i = 0; i < n; i++)
		v[i] = fabs(v[i] - median);
	out->v = quantile_of(0.5, v, n);
	return true;
}
