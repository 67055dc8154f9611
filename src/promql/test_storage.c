// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/test_storage.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/histogram_ops.h"

static size_t series_index(struct test_storage *s, const struct labels *l)
{
	for (size_t i = 0; i < s->n; i++)
		if (labels_equal(s->series[i].labels, l))
			return i;
	if (s->n >= s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->series = xreallocarray(s->series, s->cap, sizeof(*s->series));
		s->caps = xreallocarray(s->caps, s->cap, sizeof(*s->caps));
	}
	s->series[s->n] = (struct series){.labels = labels_ref(l)};
	s->caps[s->n] = 0;
	return s->n++;
}

/* Sets the sample at T, keeping the order of times. */
static void put(struct test_storage *s, size_t i, struct sample x, int64_t st)
{
	struct series *se = &s->series[i];
	size_t k = se->n;
	while (k > 0 && se->samples[k - 1].t > x.t)
		k--;
	if (k > 0 && se->samples[k - 1].t == x.t) {
		se->samples[k - 1] = x;
		se->st[k - 1] = st;
		return;
	}
	if (se->n >= s->caps[i]) {
		s->caps[i] = s->caps[i] ? s->caps[i] * 2 : 16;
		se->samples = xreallocarray(se->samples, s->caps[i], sizeof(*se->samples));
		se->st = xreallocarray(se->st, s->caps[i], sizeof(*se->st));
	}
	memmove(&se->samples[k + 1], &se->samples[k], (se->n - k) * sizeof(*se->samples));
	memmove(&se->st[k + 1], &se->st[k], (se->n - k) * sizeof(*se->st));
	se->samples[k] = x;
	se->st[k] = st;
	se->n++;
}

/* Would the real store put H into the chunk that BEFORE is in? */
static bool same_chunk(const struct histogram *h, const struct histogram *before)
{
	if (!before || before->hint == HINT_GAUGE || h->hint == HINT_RESET || h->schema != before->schema ||
	    h->zero_threshold != before->zero_threshold || h->n_custom != before->n_custom)
		return false;
	for (size_t i = 0; i < h->n_custom; i++)
		if (h->custom[i] != before->custom[i])
			return false;
	struct histogram unsaid = *h;
	unsaid.hint = HINT_UNKNOWN;
	return !histogram_was_reset(&unsaid, before);
}

/* What a chunk of the real store says of its histograms: nothing of the first, and of later ones that there
 * was no reset. */
static void set_hints(struct test_storage *s, struct series *se)
{
	struct histogram_alloc alloc = histogram_arena(&s->arena);
	const struct histogram *before = NULL;
	for (size_t k = 0; k < se->n; k++) {
		const struct histogram *h = se->samples[k].h;
		if (h && h->hint != HINT_GAUGE) {
			struct histogram *c = histogram_copy(h, &alloc);
			c->hint = same_chunk(h, before) ? HINT_NOT_RESET : HINT_UNKNOWN;
			se->samples[k].h = c;
		}
		before = se->samples[k].h;
	}
}

static bool has_suffix(struct sv s, const char *suffix, struct sv *base)
{
	size_t n = strlen(suffix);
	if (s.n <= n || memcmp(s.p + s.n - n, suffix, n))
		return false;
	*base = sv_make(s.p, s.n - n);
	return true;
}

/* One moment of a classic histogram. */
struct moment {
	int64_t t;
	double sum, count;
	bool has_count;
	struct histogram_bucket *b; /* i unused; with `bounds` */
	double *bounds, *counts;
	size_t n;
};

struct classic {
	struct labels *labels;
	struct moment *m;
	size_t n, cap;
};

static struct moment *moment_at(struct test_storage *s, struct classic *c, int64_t t)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->m[i].t == t)
			return &c->m[i];
	arena_grow(&s->arena, c->m, c->n, c->cap);
	c->m[c->n] = (struct moment){.t = t};
	return &c->m[c->n++];
}

static const struct histogram *to_native(struct test_storage *s, struct moment *m)
{
	if (!m->n)
		return NULL;
	for (size_t i = 1; i < m->n; i++)
		for (size_t k = i; k > 0 && m->bounds[k - 1] > m->bounds[k]; k--) {
			double b = m->bounds[k], c = m->counts[k];
			m->bounds[k] = m->bounds[k - 1];
			m->counts[k] = m->counts[k - 1];
			m->bounds[k - 1] = b;
			m->counts[k - 1] = c;
		}
	struct histogram *h = arena_calloc(&s->arena, 1, sizeof(*h));
	h->schema = HISTOGRAM_CUSTOM;
	h->sum = m->sum;
	h->count = m->has_count ? m->count : m->counts[m->n - 1];
	h->custom = arena_alloc(&s->arena, (m->n + 1) * sizeof(*h->custom));
	h->pos = arena_alloc(&s->arena, (m->n + 2) * sizeof(*h->pos));
	double below = 0;
	for (size_t i = 0; i <= m->n; i++) {
		bool last = i == m->n || isinf(m->bounds[i]);
		double count = i == m->n ? h->count : m->counts[i];
		if (count < below)
			return NULL;
		if (count != below)
			h->pos[h->n_pos++] = (struct histogram_bucket){(int32_t)h->n_custom, count - below};
		below = count;
		if (last)
			break;
		h->custom[h->n_custom++] = m->bounds[i];
	}
	return h;
}

static void collect_classic(struct test_storage *s, struct classic *c, const struct test_row *r,
			    int64_t interval, int kind, double le)
{
	for (size_t k = 0; k < r->n; k++) {
		if (r->v[k].omitted || r->v[k].h || sample_is_stale(&r->v[k].v))
			continue;
		struct moment *m = moment_at(s, c, (int64_t)k * interval);
		if (kind == 1) {
			m->count = r->v[k].v;
			m->has_count = true;
		} else if (kind == 2) {
			m->sum = r->v[k].v;
		} else {
			double *bounds = arena_alloc(&s->arena, (m->n + 1) * sizeof(double));
			double *counts = arena_alloc(&s->arena, (m->n + 1) * sizeof(double));
			memcpy(bounds, m->bounds ? m->bounds : bounds, m->n * sizeof(double));
			memcpy(counts, m->counts ? m->counts : counts, m->n * sizeof(double));
			bounds[m->n] = le;
			counts[m->n] = r->v[k].v;
			m->bounds = bounds;
			m->counts = counts;
			m->n++;
		}
	}
}

static void load_nhcb(struct test_storage *s, struct test_row *rows, size_t n, int64_t interval)
{
	static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
	struct classic *cs = xcalloc(n + 1, sizeof(*cs));
	size_t n_cs = 0;
	for (size_t i = 0; i < n; i++) {
		struct sv name = labels_get(rows[i].labels, SV(LABEL_NAME)), base;
		struct labels_builder b;
		double le = 0;
		int kind = 0;
		while (kind < 3 && !has_suffix(name, suffixes[kind], &base))
			kind++;
		if (kind == 3 || (kind == 0 && !text_parse_float(labels_get(rows[i].labels, SV("le")), &le)))
			continue;
		labels_builder_init(&b, rows[i].labels);
		labels_builder_set(&b, SV(LABEL_NAME), base);
		labels_builder_del(&b, SV("le"));
		struct labels *l = labels_builder_build(&b);
		labels_builder_free(&b);
		size_t k = 0;
		while (k < n_cs && !labels_equal(cs[k].labels, l))
			k++;
		if (k == n_cs)
			cs[n_cs++].labels = labels_ref(l);
		labels_unref(l);
		collect_classic(s, &cs[k], &rows[i], interval, kind, le);
	}
	for (size_t k = 0; k < n_cs; k++) {
		for (size_t i = 0; i < cs[k].n; i++) {
			const struct histogram *h = to_native(s, &cs[k].m[i]);
			if (h)
				put(s, series_index(s, cs[k].labels),
				    (struct sample){.t = cs[k].m[i].t, .h = h}, 0);
		}
		labels_unref(cs[k].labels);
	}
	free(cs);
}

/* The start time of sample K, at T, behind one with BEFORE; 0: not known. */
static int64_t start_time(const struct test_row *st, size_t k, int64_t t, int64_t before)
{
	if (k >= st->n || st->v[k].omitted)
		return 0;
	if (st->v[k].again)
		return before;
	return st->v[k].st + (st->v[k].relative ? t : 0);
}

void test_storage_load(struct test_storage *s, struct test_row *rows, size_t n, int64_t interval, bool nhcb)
{
	for (size_t i = 0; i < n; i++) {
		/* The same series twice in one load: the last one is it. */
		bool later = false;
		for (size_t k = i + 1; k < n && !later; k++)
			later = rows[k].start_times == rows[i].start_times &&
				labels_equal(rows[k].labels, rows[i].labels);
		if (later || rows[i].start_times)
			continue;
		size_t at = series_index(s, rows[i].labels);
		const struct test_row *st = NULL;
		for (size_t k = 0; k < n && !st; k++)
			if (rows[k].start_times && labels_equal(rows[k].labels, rows[i].labels))
				st = &rows[k];
		int64_t began = 0;
		for (size_t k = 0; k < rows[i].n; k++) {
			const struct test_value *v = &rows[i].v[k];
			int64_t t = (int64_t)k * interval;
			if (st)
				began = start_time(st, k, t, began);
			if (!v->omitted)
				put(s, at, (struct sample){.t = t, .v = v->v, .h = v->h}, began);
		}
	}
	if (nhcb)
		load_nhcb(s, rows, n, interval);
	for (size_t i = 0; i < s->n; i++)
		set_hints(s, &s->series[i]);
}

void test_storage_clear(struct test_storage *s)
{
	for (size_t i = 0; i < s->n; i++) {
		labels_unref(s->series[i].labels);
		free(s->series[i].samples);
		free(s->series[i].st);
	}
	free(s->series);
	free(s->caps);
	arena_free(&s->arena);
	*s = (struct test_storage){0};
}

static void release(struct series_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		labels_unref(set->series[i].labels);
		free(set->series[i].samples);
		free(set->series[i].st);
	}
	free(set->series);
}

static int select_series(void *self, const struct matcher *m, size_t n, int64_t mint, int64_t maxt,
			 struct series_set *out, char **error)
{
	const struct test_storage *s = self;
	*out = (struct series_set){.series = xcalloc(s->n + 1, sizeof(*out->series)), .release = release};
	for (size_t i = 0; i < s->n; i++) {
		const struct series *se = &s->series[i];
		size_t from = 0, to = se->n;
		while (from < to && se->samples[from].t < mint)
			from++;
		while (to > from && se->samples[to - 1].t > maxt)
			to--;
		if (from == to || !matchers_match(m, n, se->labels))
			continue;
		/* Copied to the byte, so that a sanitizer sees a step too far. */
		struct series *r = &out->series[out->n++];
		r->labels = labels_ref(se->labels);
		r->n = to - from;
		r->samples = xreallocarray(NULL, r->n, sizeof(*r->samples));
		memcpy(r->samples, se->samples + from, r->n * sizeof(*r->samples));
		r->st = xreallocarray(NULL, r->n, sizeof(*r->st));
		memcpy(r->st, se->st + from, r->n * sizeof(*r->st));
	}
	return 0;
}

struct sample_source test_storage_source(struct test_storage *s)
{
	return (struct sample_source){.select = select_series, .self = s};
}
