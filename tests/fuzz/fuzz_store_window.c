// SPDX-License-Identifier: GPL-2.0-or-later
/* Whatever order floats and native histograms come in, what the window took comes out of it as it went in. Operations: series, step of
 * time, kind and size; then the values. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/histogram.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define SERIES 3
#define SAMPLES 512

struct taken {
	int64_t t;
	double v;
	struct histogram *h;
};

struct input {
	const unsigned char *p;
	size_t n;
};

static unsigned byte(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static double number(struct input *in, unsigned how)
{
	double v = 0;
	unsigned char raw[8];
	if (how & 1)
		return (double)byte(in);
	for (int i = 0; i < 8; i++)
		raw[i] = (unsigned char)byte(in);
	memcpy(&v, raw, sizeof(v));
	return v;
}

static struct histogram *make(struct input *in, unsigned how)
{
	struct histogram *h = xcalloc(1, sizeof(*h));
	size_t n_pos = how >> 2 & 7, n_neg = how >> 5 & 3;
	int32_t at = (int32_t)byte(in) - 128;
	h->schema = (int32_t)(byte(in) % 13) - 4;
	h->hint = how & 2 ? HINT_GAUGE : HINT_UNKNOWN;
	h->zero_threshold = byte(in) & 1 ? 0.001 : 0;
	h->sum = number(in, how);
	h->zero_count = byte(in);
	h->count = number(in, 1);
	h->pos = xcalloc(n_pos + 1, sizeof(*h->pos));
	h->neg = xcalloc(n_neg + 1, sizeof(*h->neg));
	for (size_t i = 0; i < n_pos; i++, h->n_pos++) {
		at += 1 + (int32_t)(byte(in) & 7);
		h->pos[i] = (struct histogram_bucket){at, 1 + byte(in)};
	}
	for (size_t i = 0; i < n_neg; i++, h->n_neg++) {
		at += 1 + (int32_t)(byte(in) & 7);
		h->neg[i] = (struct histogram_bucket){at, number(in, how)};
	}
	return h;
}

static void histogram_free(struct histogram *h)
{
	if (!h)
		return;
	free(h->pos);
	free(h->neg);
	free(h);
}

static bool same_bits(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Buckets of zero may be left out, and others given with zero. */
static bool same_buckets(const struct histogram_bucket *a, size_t n_a, const struct histogram_bucket *b, size_t n_b)
{
	size_t i = 0, k = 0;
	for (;;) {
		while (i < n_a && a[i].n == 0)
			i++;
		while (k < n_b && b[k].n == 0)
			k++;
		if (i == n_a || k == n_b)
			return i == n_a && k == n_b;
		if (a[i].i != b[k].i || !same_bits(a[i].n, b[k].n))
			return false;
		i++;
		k++;
	}
}

static bool same(const struct sample *s, const struct taken *t)
{
	if (s->t != t->t || !s->h != !t->h)
		return false;
	if (!t->h)
		return same_bits(s->v, t->v);
	return s->h->schema == t->h->schema && same_bits(s->h->count, t->h->count) && same_bits(s->h->sum, t->h->sum) &&
	       same_bits(s->h->zero_count, t->h->zero_count) && same_bits(s->h->zero_threshold, t->h->zero_threshold) &&
	       (s->h->hint == HINT_GAUGE) == (t->h->hint == HINT_GAUGE) &&
	       same_buckets(s->h->pos, s->h->n_pos, t->h->pos, t->h->n_pos) && same_buckets(s->h->neg, s->h->n_neg, t->h->neg, t->h->n_neg);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct taken taken[SERIES][SAMPLES];
	size_t n[SERIES] = {0};
	struct input in = {data, size};
	struct store *s = store_new(&(struct store_options){.retention_ms = INT64_MAX / 4});
	struct labels *ls[SERIES];
	for (int i = 0; i < SERIES; i++) {
		char name[2] = {(char)('a' + i), 0};
		ls[i] = labels_from("__name__", "m", "i", name, NULL);
	}
	int64_t now = 1700000000000;
	while (in.n > 3) {
		unsigned k = byte(&in) % SERIES, step = byte(&in), how = byte(&in);
		now += step < 250 ? (int64_t)step * 15 : -(int64_t)step;
		struct taken x = {.t = now};
		int err;
		if (how & 0x80) {
			x.h = make(&in, how);
			err = store_append_histogram(s, ls[k], now, x.h);
		} else {
			x.v = number(&in, how);
			err = store_append(s, ls[k], now, x.v);
		}
		/* The same again is taken, and nothing added. */
		bool again = !err && n[k] && taken[k][n[k] - 1].t == now;
		if (!err && !again && n[k] && now < taken[k][n[k] - 1].t)
			abort();
		if (err || again || n[k] == SAMPLES)
			histogram_free(x.h);
		if (!err && !again && n[k] == SAMPLES)
			break;
		if (!err && !again)
			taken[k][n[k]++] = x;
	}
	for (int k = 0; k < SERIES; k++) {
		char name[2] = {(char)('a' + k), 0};
		struct matcher m = {.type = MATCH_EQUAL, .name = SV("i"), .value = sv_of(name)};
		struct series_set set = {0};
		char *error = NULL;
		const struct sample_source *src = store_source(s);
		if (src->select(src->self, &m, 1, INT64_MIN, INT64_MAX, &set, &error))
			abort();
		if (set.n != (n[k] > 0) || (set.n && set.series[0].n < n[k]))
			abort();
		for (size_t i = 0; i < n[k]; i++)
			if (!same(&set.series[0].samples[i], &taken[k][i]))
				abort();
		if (set.release)
			set.release(&set);
		for (size_t i = 0; i < n[k]; i++)
			histogram_free(taken[k][i].h);
		labels_unref(ls[k]);
	}
	store_free(s);
	return 0;
}
