// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/histogram_ops.h"

#include <errno.h>
#include <math.h>

static void *from_arena(void *arg, size_t n)
{
	return arena_alloc(arg, n);
}

struct histogram_alloc histogram_arena(struct arena *a)
{
	return (struct histogram_alloc){from_arena, a};
}

struct histogram *histogram_copy_arena(const struct histogram *h, struct arena *a)
{
	struct histogram_alloc al = histogram_arena(a);
	return histogram_copy(h, &al);
}

struct histogram *histogram_scaled_arena(const struct histogram *h, double k, struct arena *a)
{
	struct histogram_alloc al = histogram_arena(a);
	return histogram_scale(h, k, &al);
}

int64_t histogram_weight(const struct histogram *h)
{
	return 6 + (int64_t)(h->n_pos + h->n_neg + h->n_custom) / 2;
}

#define MIXED_SCHEMAS                                                                                        \
	"vector contains a mix of histograms with exponential and custom buckets schemas for metric name %s"

/* The hint of a sum or difference. True if one says reset and the other that there was none. */
static bool combine_hints(enum histogram_hint *a, enum histogram_hint b)
{
	if (*a == b || *a == HINT_GAUGE)
		return false;
	if (b == HINT_GAUGE) {
		*a = b;
		return false;
	}
	bool conflict = *a != HINT_UNKNOWN && b != HINT_UNKNOWN;
	*a = HINT_UNKNOWN;
	return conflict;
}

static bool add_operator(struct eval *ev, const struct expr *e, const struct histogram *a,
			 const struct histogram *b, bool minus, struct vsample *out)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	const char *what = minus ? "subtraction" : "addition";
	bool reconciled = false;
	struct histogram *r = histogram_add(a, b, minus ? -1 : 1, &al, &reconciled);
	if (!r) {
		ev_warn(ev, e, "incompatible bucket layout encountered for binary operator %s", token_word(e->binary.op));
		return false;
	}
	/* A complaint of Prometheus' elements drops them, whatever it is about. */
	if (combine_hints(&r->hint, b->hint)) {
		ev_warn(ev, e, "conflicting counter resets during histogram %s", what);
		return false;
	}
	if (reconciled)
		ev_info(ev, e, "mismatched custom buckets were reconciled during %s", what);
	if (minus)
		r->hint = HINT_GAUGE;
	out->h = r;
	return true;
}

bool histogram_operator(struct eval *ev, const struct expr *e, const struct vsample *a,
			const struct vsample *b, struct vsample *out, bool *skip)
{
	enum token_type op = e->binary.op;
	struct histogram_alloc al = histogram_arena(ev->tmp);
	if (a->h && b->h) {
		switch (op) {
		case TOKEN_ADD:
		case TOKEN_SUB:
			*skip = !add_operator(ev, e, a->h, b->h, op == TOKEN_SUB, out);
			return !*skip;
		case TOKEN_EQLC:
		case TOKEN_NEQ:
			out->h = a->h;
			return histogram_equal(a->h, b->h) == (op == TOKEN_EQLC);
		default:
			break;
		}
	} else if (a->h) {
		switch (op) {
		case TOKEN_MUL:
			out->h = histogram_scale(a->h, b->v, &al);
			return true;
		case TOKEN_DIV:
			out->h = histogram_divide(a->h, b->v, &al);
			return true;
		case TOKEN_TRIM_UPPER:
		case TOKEN_TRIM_LOWER:
			out->h = histogram_trim(a->h, b->v, op == TOKEN_TRIM_UPPER, &al);
			return true;
		default:
			break;
		}
	} else if (op == TOKEN_MUL) {
		out->h = histogram_scale(b->h, a->v, &al);
		return true;
	}
	ev_info(ev, e, "incompatible sample types encountered for binary operator \"%s\": %s %s %s",
		token_word(op), a->h ? "histogram" : "float", token_word(op), b->h ? "histogram" : "float");
	*skip = true;
	return false;
}

void histogram_sum_add(struct eval *ev, const struct expr *e, struct histogram_sum *s,
		       const struct labels *l, const struct histogram *h, bool average)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	bool reconciled = false;
	s->n++;
	if (s->failed)
		return;
	s->seen_reset = s->seen_reset || h->hint == HINT_RESET;
	s->seen_not_reset = s->seen_not_reset || h->hint == HINT_NOT_RESET;
	if (!s->h) {
		s->h = histogram_copy(h, &al);
		s->c = histogram_scale(h, 0, &al);
		s->c->hint = HINT_UNKNOWN;
		return;
	}
	enum histogram_hint hint = s->h->hint;
	combine_hints(&hint, h->hint);
	double n = (double)s->n;
	if (average && !s->incremental) {
		/* As long as the sum fits; else, and from there on, by the mean. */
		struct histogram *sum = s->h, *c = s->c;
		if (!histogram_kahan_add(&sum, &c, h, &al, &reconciled)) {
			s->failed = true;
		} else if (!histogram_has_overflow(sum)) {
			s->h = sum;
			s->c = c;
			h = NULL;
		} else {
			s->incremental = true;
			s->h = histogram_divide(s->h, n - 1, &al);
			s->c = histogram_divide(s->c, n - 1, &al);
		}
	}
	if (h && !s->failed) {
		if (average) {
			double q = (n - 1) / n;
			s->h = histogram_scale(s->h, q, &al);
			s->c = histogram_scale(s->c, q, &al);
			h = histogram_divide(h, n, &al);
		}
		s->failed = !histogram_kahan_add(&s->h, &s->c, h, &al, &reconciled);
	}
	if (s->failed)
		ev_warn(ev, e, MIXED_SCHEMAS, ev_quoted_name(ev, l));
	else
		s->h->hint = hint;
	s->reconciled = s->reconciled || reconciled;
}

const struct histogram *histogram_sum_finish(struct eval *ev, const struct expr *e, struct histogram_sum *s,
					     bool average)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	if (s->failed)
		return NULL;
	if (s->reconciled)
		ev_info(ev, e, "mismatched custom buckets were reconciled during aggregation");
	if (s->seen_reset && s->seen_not_reset)
		ev_warn(ev, e, "conflicting counter resets during histogram aggregation");
	struct histogram *r = s->h, *c = s->c;
	if (average && !s->incremental && s->n > 1) {
		r = histogram_divide(r, (double)s->n, &al);
		c = histogram_divide(c, (double)s->n, &al);
	}
	enum histogram_hint hint = r->hint;
	r = histogram_add(r, c, 1, &al, NULL);
	r->hint = hint;
	return r;
}

bool histogram_rate(struct eval *ev, const struct window *w, struct vsample *out, bool counter,
		    bool per_second)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	const struct sample *s = w->s;
	size_t n = w->n;
	bool begins = counter && window_starts_counter(w);
	if (n < 2 && !begins)
		return false;
	const struct histogram *prev = s[0].h, *last = s[n - 1].h;
	if (n == 1) { /* it began within the window, at zero */
		out->h = histogram_scale(prev, rate_factor(w, prev->count, prev->count, counter, per_second), &al);
		return true;
	}
	bool gauge = false, mixed = false, reconciled_sub = false, reconciled_add = false;
	/* With a reset right after the first sample its layout does not matter. */
	struct histogram zero = {.schema = s[1].h->schema, .custom = s[1].h->custom, .n_custom = s[1].h->n_custom};
	zero.zero_threshold = s[1].h->zero_threshold;
	if (counter && (window_restarted(w, 1) || histogram_was_reset(s[1].h, prev)))
		prev = &zero;
	bool custom = histogram_is_custom(prev), ends_mixed = histogram_is_custom(last) != custom;
	for (size_t i = 1; counter && i + 1 < n; i++) {
		mixed = mixed || histogram_is_custom(s[i].h) != custom;
		gauge = gauge || s[i].h->hint == HINT_GAUGE;
	}
	/* Samples between the ends that do not go with them silence what is to be said of hints. */
	if (counter && (ends_mixed || !mixed) && (gauge || s[0].h->hint == HINT_GAUGE || last->hint == HINT_GAUGE))
		ev_warn(ev, w->arg, "this native histogram metric is not a counter: %s", ev_quoted_name(ev, w->l));
	if (ends_mixed || mixed) {
		ev_warn(ev, w->arg, MIXED_SCHEMAS, ev_quoted_name(ev, w->l));
		return false;
	}
	if (!counter && (s[0].h->hint != HINT_GAUGE || last->hint != HINT_GAUGE))
		ev_warn(ev, w->arg, "this native histogram metric is not a gauge: %s", ev_quoted_name(ev, w->l));
	if (counter)
		window_check_overlap(ev, w);
	struct histogram *r = histogram_add(last, prev, -1, &al, &reconciled_sub);
	for (size_t i = 1; counter && i < n; i++) {
		if (histogram_was_reset(s[i].h, prev) || window_restarted(w, i))
			r = histogram_add(r, prev, 1, &al, &reconciled_add);
		prev = s[i].h;
	}
	if (begins)
		r = histogram_add(r, s[0].h, 1, &al, &reconciled_add);
	if (reconciled_sub)
		ev_info(ev, w->arg, "mismatched custom buckets were reconciled during subtraction");
	if (reconciled_add)
		ev_info(ev, w->arg, "mismatched custom buckets were reconciled during addition");
	out->h = r = histogram_scale(r, rate_factor(w, r->count, s[0].h->count, counter, per_second), &al);
	r->hint = HINT_GAUGE;
	return true;
}

/* A + SIGN * B with the hint that both have together; NULL and a warning if they do not go together. */
static struct histogram *combine(struct eval *ev, const struct window *w, const struct histogram *a, const struct histogram *b, double sign)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	bool reconciled = false;
	struct histogram *r = histogram_add(a, b, sign, &al, &reconciled);
	if (!r) {
		ev_warn(ev, w->arg, MIXED_SCHEMAS, ev_quoted_name(ev, w->l));
		return NULL;
	}
	combine_hints(&r->hint, b->hint);
	if (reconciled)
		ev_info(ev, w->arg, "mismatched custom buckets were reconciled during %s", sign < 0 ? "subtraction" : "addition");
	return r;
}

const struct histogram *histogram_between(struct eval *ev, const struct window *w, const struct sample *a, const struct sample *b,
					  int64_t t, bool counter)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	double part = (double)(t - a->t) / (double)(b->t - a->t);
	if (t == a->t || t == b->t)
		return t == a->t ? a->h : b->h;
	if (histogram_is_custom(a->h) != histogram_is_custom(b->h)) {
		ev_warn(ev, w->arg, MIXED_SCHEMAS, ev_quoted_name(ev, w->l));
		return NULL;
	}
	if (counter && histogram_was_reset(b->h, a->h))
		return histogram_scale(b->h, part, &al); /* it began at zero */
	struct histogram *step = combine(ev, w, b->h, a->h, -1);
	return step ? combine(ev, w, histogram_scale(step, part, &al), a->h, 1) : NULL;
}

/* What the resets between LEFT and RIGHT, the values at the window's edges, have taken away; NULL if there are none. False on failure. */
static bool correct_resets(struct eval *ev, const struct window *w, const struct histogram *left, const struct histogram *right,
			   const struct histogram **correction)
{
	const struct sample *s = w->s;
	size_t first = 1, last = w->n - 1; /* the samples between are looked at; RIGHT has what is said of the last one */
	const struct histogram *prev = left;
	*correction = NULL;
	if (w->extended == EXTENDED_SMOOTHED && s[0].t < w->from && histogram_was_reset(s[1].h, s[0].h)) {
		/* LEFT has that reset behind it. */
		prev = s[1].h;
		first++;
	}
	if (first > last)
		return true;
	for (size_t i = first; i <= last; i++) {
		const struct histogram *h = i < last ? s[i].h : right;
		if (histogram_was_reset(h, prev)) {
			*correction = *correction ? combine(ev, w, *correction, prev, 1) : prev;
			if (!*correction)
				return false;
		}
		prev = h;
	}
	return true;
}

bool histogram_extended_rate(struct eval *ev, const struct window *w, struct vsample *out, bool counter,
			     bool per_second)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	const struct sample *s = w->s, *last = &w->s[w->n - 1];
	bool smoothed = w->extended == EXTENDED_SMOOTHED;
	for (size_t i = 0; i < w->n; i++) {
		if (histogram_is_custom(s[i].h) != histogram_is_custom(s[0].h)) {
			ev_warn(ev, w->arg, MIXED_SCHEMAS, ev_quoted_name(ev, w->l));
			return false;
		}
		if (counter && s[i].h->hint == HINT_GAUGE)
			ev_warn(ev, w->arg, "this native histogram metric is not a counter: %s", ev_quoted_name(ev, w->l));
	}
	const struct histogram *left = s[0].h, *right = last->h, *correction;
	if (smoothed && s[0].t < w->from)
		left = histogram_between(ev, w, &s[0], &s[1], w->from, counter);
	if (smoothed && w->n > 1 && last->t > w->to)
		right = histogram_between(ev, w, last - 1, last, w->to, counter);
	if (!left || !right)
		return false;
	if (!counter && (left->hint != HINT_GAUGE || right->hint != HINT_GAUGE))
		ev_warn(ev, w->arg, "this native histogram metric is not a gauge: %s", ev_quoted_name(ev, w->l));
	struct histogram *r = combine(ev, w, right, left, -1);
	if (!r || (counter && !correct_resets(ev, w, left, right, &correction)))
		return false;
	if (counter && correction)
		r = combine(ev, w, r, correction, 1);
	if (!r)
		return false;
	if (per_second)
		r = histogram_divide(r, w->seconds, &al);
	r->hint = HINT_GAUGE;
	out->h = r;
	return true;
}

bool histogram_instant(struct eval *ev, const struct window *w, const struct histogram *a,
		       const struct histogram *b, struct vsample *out, bool rate, double dt)
{
	struct histogram_alloc al = histogram_arena(ev->tmp);
	bool reconciled = false;
	if (rate && (a->hint == HINT_GAUGE || b->hint == HINT_GAUGE))
		ev_warn(ev, w->arg, "this native histogram metric is not a counter: %s", ev_quoted_name(ev, w->l));
	if (!rate && (a->hint != HINT_GAUGE || b->hint != HINT_GAUGE))
		ev_warn(ev, w->arg, "this native histogram metric is not a gauge: %s", ev_quoted_name(ev, w->l));
	struct histogram *r = histogram_copy(b, &al);
	if (!rate || !(histogram_was_reset(b, a) || window_restarted(w, w->n - 1))) {
		r = histogram_add(b, a, -1, &al, &reconciled);
		if (!r) {
			ev_warn(ev, w->arg, MIXED_SCHEMAS, ev_quoted_name(ev, w->l));
			return false;
		}
		if (reconciled)
			ev_info(ev, w->arg, "mismatched custom buckets were reconciled during subtraction");
	}
	if (rate)
		r = histogram_divide(r, dt, &al);
	r->hint = HINT_GAUGE;
	out->h = r;
	return true;
}

double histogram_quantile_native(struct eval *ev, const struct expr *arg, double q, const struct histogram *h,
				 const struct labels *l)
{
	enum histogram_note note;
	double v = histogram_quantile(h, q, &note);
	if (note != NOTE_NONE)
		ev_info(ev, arg, "input to histogram_quantile has NaN observations, result is %s%s",
			note == NOTE_NAN_RESULT ? "NaN" : "skewed higher", ev_for_metric(ev, l));
	return v;
}

double histogram_fraction_native(struct eval *ev, const struct expr *arg, double lower, double upper,
				 const struct histogram *h, const struct labels *l)
{
	enum histogram_note note;
	double v = histogram_fraction(h, lower, upper, &note);
	if (note != NOTE_NONE)
		ev_info(ev, arg, "input to histogram_fraction has NaN observations, which are excluded from all fractions%s",
			ev_for_metric(ev, l));
	return v;
}

/* xxHash64 with seed 0 (the algorithm is public:
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). */
static const uint64_t P1 = 0x9e3779b185ebca87u, P2 = 0xc2b2ae3d27d4eb4fu, P3 = 0x165667b19e3779f9u,
		      P4 = 0x85ebca77c2b2ae63u, P5 = 0x27d4eb2f165667c5u;

static uint64_t rotate(uint64_t x, int r)
{
	return x << r | x >> (64 - r);
}

static uint64_t xx_round(uint64_t acc, uint64_t lane)
{
	return rotate(acc + lane * P2, 31) * P1;
}

static uint64_t load64(const unsigned char *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

static uint64_t xxhash64(const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;
	uint64_t h = P5;
	if (n >= 32) {
		uint64_t v[4] = {P1 + P2, P2, 0, -P1};
		for (; end - p >= 32; p += 32)
			for (int i = 0; i < 4; i++)
				v[i] = xx_round(v[i], load64(p + 8 * i));
		h = rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) + rotate(v[3], 18);
		for (int i = 0; i < 4; i++)
			h = (h ^ xx_round(0, v[i])) * P1 + P4;
	}
	h += n;
	for (; end - p >= 8; p += 8)
		h = rotate(h ^ xx_round(0, load64(p)), 27) * P1 + P4;
	if (end - p >= 4) {
		uint32_t w;
		memcpy(&w, p, 4);
		h = rotate(h ^ (uint64_t)w * P1, 23) * P2 + P3;
		p += 4;
	}
	for (; p < end; p++)
		h = rotate(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

uint64_t labels_xxhash(const struct labels *l)
{
	/* Each string behind its length: one byte, or 255 and three bytes, the low one first. */
	struct buf b = BUF_INIT;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct sv part[2] = {l->l[i].name, l->l[i].value};
		for (int k = 0; k < 2; k++) {
			unsigned char size[4] = {255, (unsigned char)part[k].n,
						 (unsigned char)(part[k].n >> 8),
						 (unsigned char)(part[k].n >> 16)};
			if (part[k].n < 255)
				buf_add(&b, &size[1], 1);
			else
				buf_add(&b, size, 4);
			buf_addsv(&b, part[k]);
		}
	}
	uint64_t h = xxhash64((const unsigned char *)buf_str(&b), b.n);
	buf_free(&b);
	return h;
}
