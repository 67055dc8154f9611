// SPDX-License-Identifier: GPL-2.0-or-later
/* How fast things change: rate and its kin, changes and resets, the straight line through a window. */
#include <errno.h>
#include <math.h>

#include "promql/fn.h"
#include "promql/histogram_ops.h"

static bool ends_with(struct sv s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.n >= n && !memcmp(s.p + s.n - n, suffix, n);
}

/* For a window that gave a float. */
static void check_counter_name(struct eval *ev, const struct window *w)
{
	if (w->series->named)
		return;
	w->series->named = true;
	struct sv name = ev_name(w->l);
	if (!name.n || ends_with(name, "_total") || ends_with(name, "_sum") ||
	    ends_with(name, "_count") || ends_with(name, "_bucket"))
		return;
	ev_info(ev, w->arg,
		"metric might not be a counter, name does not end in _total/_sum/_count/_bucket: %s",
		ev_quoted_name(ev, w->l));
}

/* The value between two samples at T. A counter that was reset in between began at zero. */
static double interpolate(const struct sample *a, const struct sample *b, int64_t t, bool counter)
{
	double x = counter && b->v < a->v ? 0 : a->v;
	return x + (b->v - x) * (double)(t - a->t) / (double)(b->t - a->t);
}

/* Cuts the window of an extended selector down to the samples that matter: from the last one at or before its
 * start to the last one (anchored), or the first one at or after its end (smoothed). False if none is behind
 * its start. */
static bool cut_extended(struct window *w)
{
	size_t first = 0, last = w->n - 1;
	while (first < w->n - 1 && w->s[first + 1].t <= w->from)
		first++;
	if (w->extended == EXTENDED_SMOOTHED)
		for (last = 0; last < w->n - 1 && w->s[last].t < w->to;)
			last++;
	if (w->s[last].t <= w->from || w->s[first].t > w->to)
		return false;
	w->n_histograms = 0;
	for (size_t i = first; i <= last; i++)
		w->n_histograms += w->s[i].h != NULL;
	w->s += first;
	w->st = NULL;
	w->n = last - first + 1;
	return true;
}

/* anchored and smoothed: the values at the window's edges are samples or between samples, and nothing is
 * extrapolated. */
static bool extended_rate(const struct window *w, struct vsample *out, bool counter, bool per_second)
{
	const struct sample *s = w->s, *last = &w->s[w->n - 1];
	bool smoothed = w->extended == EXTENDED_SMOOTHED;
	double left = s[0].v, right = last->v;
	if (smoothed && s[0].t < w->from)
		left = interpolate(&s[0], &s[1], w->from, counter);
	if (smoothed && w->n > 1 && last->t > w->to)
		right = interpolate(last - 1, last, w->to, counter);
	double r = right - left;
	if (counter) {
		double prev = left;
		for (size_t i = 0; i < w->n; i++) {
			if (s[i].t <= w->from || s[i].t >= w->to)
				continue;
			if (s[i].v < prev)
				r += prev;
			prev = s[i].v;
		}
		if (right < prev)
			r += prev;
	}
	out->v = per_second ? r / w->seconds : r;
	return true;
}

/* The value of W, cut, at its start or end: a sample's, or one between two. */
static struct sample edge(struct eval *ev, const struct window *w, bool start)
{
	const struct sample *near = start ? w->s : &w->s[w->n - 1], *a = start ? near : near - 1;
	struct sample r = {.t = start ? w->from : w->to, .v = near->v, .h = near->h};
	if (w->extended != EXTENDED_SMOOTHED || w->n < 2 || (start ? near->t >= r.t : near->t <= r.t))
		return r;
	if (near->h)
		r.h = histogram_between(ev, w, a, a + 1, r.t, false);
	else
		r.v = interpolate(a, a + 1, r.t, false);
	return r;
}

const struct sample *window_extended(struct eval *ev, const struct window *w, size_t *n)
{
	struct window cut = *w;
	*n = 0;
	if (window_is_mixed(ev, w) || !cut_extended(&cut))
		return NULL;
	struct sample *s = arena_alloc(ev->tmp, (cut.n + 2) * sizeof(*s));
	s[(*n)++] = edge(ev, &cut, true);
	for (size_t i = 0; i < cut.n; i++)
		if (cut.s[i].t > cut.from && cut.s[i].t < cut.to)
			s[(*n)++] = cut.s[i];
	s[(*n)++] = edge(ev, &cut, false);
	if (cut.n_histograms && (!s[0].h || !s[*n - 1].h)) /* they did not go together, which has been told */
		*n = 0;
	return s;
}

/* A start time says that a counter began anew if it lies between both samples. At the time of the sample before it does if that one's start
 * time is known: so it is with deltas, while a counter whose start is not known has the time of its first sample there. */
bool window_restarted(const struct window *w, size_t i)
{
	if (!w->st)
		return false;
	int64_t st = w->st[i], st_before = w->st[i - 1], before = w->s[i - 1].t;
	if (!st || st >= w->s[i].t || st < before)
		return false;
	return st > before || (st_before && st_before < before);
}

/* A start time before the sample before, which has another: they cannot both be right. */
void window_check_overlap(struct eval *ev, const struct window *w)
{
	for (size_t i = 1; w->st && i < w->n; i++) {
		if (!w->st[i] || w->st[i] >= w->s[i - 1].t || w->st[i] == w->st[i - 1])
			continue;
		ev_warn(ev, w->arg,
			"sample has start time that overlaps with previous sample timestamp for metric %s",
			ev_quoted_name(ev, w->l));
		return;
	}
}

bool window_starts_counter(const struct window *w)
{
	return w->st && w->st[0] && w->st[0] > w->from && w->st[0] < w->s[0].t;
}

/* By how much the increase between the first and the last sample is to be stretched to the whole window. A
 * counter that is known to have begun within the window was zero then: on that side nothing is extrapolated. */
double rate_factor(const struct window *w, double increase, double first, bool counter, bool per_second)
{
	bool begins = counter && window_starts_counter(w);
	int64_t t0 = w->s[0].t, tn = w->s[w->n - 1].t;
	struct rate_edges fresh = {.known = false}, *e = begins ? &fresh : &w->edges[(uint64_t)w->to * 0x9e3779b97f4a7c15u >> 56];
	if (!e->known || e->before != t0 - w->from || e->span != tn - t0 || e->after != w->to - tn || e->n != w->n) {
		*e = (struct rate_edges){.before = t0 - w->from, .span = tn - t0, .after = w->to - tn, .n = w->n, .known = true};
		e->to_start = (double)e->before / 1000;
		e->to_end = (double)e->after / 1000;
		e->seconds = (double)e->span / 1000;
		double avg = w->n > 1 ? e->seconds / (double)(w->n - 1) : 0, limit = avg * 1.1;
		if (begins) {
			e->to_start = 0;
			e->seconds = (double)(tn - w->st[0]) / 1000;
		} else if (e->to_start >= limit) {
			e->to_start = avg / 2;
		}
		if (e->to_end >= limit)
			e->to_end = avg / 2;
		e->factor = e->seconds != 0 ? (e->seconds + e->to_start + e->to_end) / e->seconds : 1;
		if (per_second)
			e->factor /= w->seconds;
	}
	/* A counter starts at zero: it cannot have been below before. One that is at least as high as it rose was there before the window began. */
	if (begins || !counter || !(increase > 0) || !(first >= 0) || (first >= increase && e->to_start <= e->seconds))
		return e->factor;
	double to_zero = e->seconds * (first / increase);
	if (!(to_zero < e->to_start))
		return e->factor;
	double factor = e->seconds != 0 ? (e->seconds + to_zero + e->to_end) / e->seconds : 1;
	return per_second ? factor / w->seconds : factor;
}

static bool rate_of_window(struct eval *ev, const struct window *w, struct vsample *out, bool counter, bool per_second)
{
	struct window cut;
	if (window_is_mixed(ev, w)) /* also in what an extended selector looks at and does not need */
		return false;
	if (w->extended != EXTENDED_NONE) {
		cut = *w;
		if (!cut_extended(&cut))
			return false;
		w = &cut;
		return w->n_histograms ? histogram_extended_rate(ev, w, out, counter, per_second)
				       : extended_rate(w, out, counter, per_second);
	}
	if (w->n_histograms)
		return histogram_rate(ev, w, out, counter, per_second);
	bool begins = counter && window_starts_counter(w);
	if (w->n < 2 && !begins)
		return false;
	const struct sample *s = w->s;
	double r = s[w->n - 1].v - s->v + (begins ? s->v : 0);
	if (counter && w->st) {
		window_check_overlap(ev, w);
		for (size_t i = 1; i < w->n; i++)
			if (s[i].v < s[i - 1].v || window_restarted(w, i))
				r += s[i - 1].v;
	} else if (counter && !ev_is_rising(w)) {
		for (size_t i = 1; i < w->n; i++)
			if (s[i].v < s[i - 1].v)
				r += s[i - 1].v;
	}
	out->v = r * rate_factor(w, r, s->v, counter, per_second);
	return true;
}

static bool extrapolated(struct eval *ev, const struct window *w, struct vsample *out, bool counter, bool per_second)
{
	if (!rate_of_window(ev, w, out, counter, per_second))
		return false;
	if (counter && !out->h)
		check_counter_name(ev, w);
	return true;
}

RANGE_FN(fn_rate)
{
	return extrapolated(ev, w, out, true, true);
}

RANGE_FN(fn_increase)
{
	return extrapolated(ev, w, out, true, false);
}

RANGE_FN(fn_delta)
{
	return extrapolated(ev, w, out, false, false);
}

static bool instant_value(struct eval *ev, const struct window *w, struct vsample *out, bool rate)
{
	if (w->n < 2)
		return false;
	const struct sample *a = &w->s[w->n - 2], *b = a + 1;
	if (!a->h != !b->h) {
		ev_warn(ev, w->arg, "encountered a mix of histograms and floats for metric name %s",
			ev_quoted_name(ev, w->l));
		return false;
	}
	double dt = (double)(b->t - a->t) / 1000;
	if (dt == 0)
		return false;
	if (a->h)
		return histogram_instant(ev, w, a->h, b->h, out, rate, dt);
	out->v = rate && (b->v < a->v || window_restarted(w, w->n - 1)) ? b->v : b->v - a->v;
	if (rate)
		out->v /= dt;
	return true;
}

RANGE_FN(fn_irate)
{
	return instant_value(ev, w, out, true);
}

RANGE_FN(fn_idelta)
{
	return instant_value(ev, w, out, false);
}

/* The samples that changes and resets look at: with `anchored` also the last one at or before the window's
 * start. */
static bool counted_samples(const struct window *w, size_t *first)
{
	*first = 0;
	if (w->extended == EXTENDED_NONE)
		return true;
	while (*first < w->n - 1 && w->s[*first + 1].t <= w->from)
		++*first;
	return w->s[w->n - 1].t > w->from;
}

static bool changed(double before, double v)
{
	return before != v && !(isnan(before) && isnan(v));
}

static bool fell(double before, double v)
{
	return v < before;
}

/* May the window's samples be counted by window_count? */
static bool is_plain(const struct window *w)
{
	return w->extended == EXTENDED_NONE && !w->n_histograms && !w->st;
}

RANGE_FN(fn_changes)
{
	size_t first;
	if (is_plain(w)) {
		out->v = (double)window_count(w, changed);
		return true;
	}
	if (!counted_samples(w, &first))
		return false;
	out->v = 0;
	for (size_t i = first + 1; i < w->n; i++) {
		const struct sample *a = &w->s[i - 1], *b = &w->s[i];
		if (a->h && b->h)
			out->v += !histogram_equal(a->h, b->h);
		else if (a->h || b->h)
			out->v++;
		else
			out->v += changed(a->v, b->v);
	}
	return true;
}

RANGE_FN(fn_resets)
{
	size_t first;
	if (is_plain(w)) {
		out->v = (double)window_count(w, fell);
		return true;
	}
	if (!counted_samples(w, &first))
		return false;
	out->v = 0;
	for (size_t i = first + 1; i < w->n; i++) {
		const struct sample *a = &w->s[i - 1], *b = &w->s[i];
		if (a->h && b->h)
			out->v += histogram_was_reset(b->h, a->h) || window_restarted(w, i);
		else if (a->h || b->h)
			out->v++;
		else
			out->v += b->v < a->v || window_restarted(w, i);
	}
	return true;
}

/* Least squares over N samples; *INTERCEPT is the line's value at time AT. */
static void linear_regression(const struct sample *s, size_t n, int64_t at, double *slope, double *intercept)
{
	double sx = 0, cx = 0, sy = 0, cy = 0, sxy = 0, cxy = 0, sxx = 0, cxx = 0;
	bool constant = true;
	for (size_t i = 0; i < n; i++) {
		double x = (double)(s[i].t - at) / 1000;
		constant = constant && s[i].v == s[0].v;
		kahan_add(x, &sx, &cx);
		kahan_add(s[i].v, &sy, &cy);
		kahan_add(x * s[i].v, &sxy, &cxy);
		kahan_add(x * x, &sxx, &cxx);
	}
	if (constant) {
		*slope = isinf(s[0].v) ? NAN : 0;
		*intercept = isinf(s[0].v) ? NAN : s[0].v;
		return;
	}
	double k = (double)n;
	sx += cx;
	sy += cy;
	sxy += cxy;
	sxx += cxx;
	*slope = (sxy - sx * sy / k) / (sxx - sx * sx / k);
	*intercept = sy / k - *slope * sx / k;
}

RANGE_FN(fn_deriv)
{
	size_t n;
	double intercept;
	const struct sample *s = window_floats(ev, w, &n);
	if (n < 2)
		return false;
	linear_regression(s, n, s[0].t, &out->v, &intercept);
	return true;
}

RANGE_FN(fn_predict_linear)
{
	size_t n;
	double slope, intercept, ahead = w->scalars[1];
	const struct sample *s = window_floats(ev, w, &n);
	if (n < 2)
		return false;
	linear_regression(s, n, ev->t, &slope, &intercept);
	out->v = slope * ahead + intercept;
	return true;
}

RANGE_FN(fn_double_exponential_smoothing)
{
	double sf = w->scalars[1], tf = w->scalars[2];
	if (sf <= 0 || sf >= 1) {
		ev_fail(ev, -EINVAL, "invalid smoothing factor. Expected: 0 < sf < 1, got: %f", sf);
		return false;
	}
	if (tf <= 0 || tf >= 1) {
		ev_fail(ev, -EINVAL, "invalid trend factor. Expected: 0 < tf < 1, got: %f", tf);
		return false;
	}
	size_t n;
	const struct sample *s = window_floats(ev, w, &n);
	if (n < 2)
		return false;
	double before = 0, level = s[0].v, trend = s[1].v - s[0].v;
	for (size_t i = 1; i < n; i++) {
		if (i > 1)
			trend = tf * (level - before) + (1 - tf) * trend;
		before = level;
		level = sf * s[i].v + (1 - sf) * (level + trend);
	}
	out->v = level;
	return true;
}
