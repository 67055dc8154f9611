// SPDX-License-Identifier: GPL-2.0-or-later
/* Chunks of native histograms. The slots of a sample: count, zero bucket, positive buckets, negative buckets. Each is written as its
 * difference to the one before (the first to 0):
 *   0             the same
 *   10   +  6     whole numbers that differ by -32 to 31
 *   110  + 14
 *   1110 + 32
 *   1111 + 64     any other double, all its bits
 * The sum is written as the value of a float sample. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/histogram.h"
#include "store/bits.h"

#define EXACT_MAX 4503599627370496.0 /* 2^52: differences of whole numbers below are exact */

static const struct {
	uint8_t prefix, prefix_bits, bits;
} classes[] = {{0x2, 2, 6}, {0x6, 3, 14}, {0xe, 4, 32}};

static bool is_whole(double v)
{
	/* Not -0, which would come back as 0. */
	return fabs(v) <= EXACT_MAX && v == (double)(int64_t)v && !(v == 0 && signbit(v));
}

static void put_slot(struct chunk *c, double before, double v)
{
	uint64_t raw, old;
	memcpy(&raw, &v, sizeof(raw));
	memcpy(&old, &before, sizeof(old));
	if (raw == old) {
		put_bits(c, 0, 1);
		return;
	}
	if (is_whole(v) && is_whole(before)) {
		int64_t d = (int64_t)v - (int64_t)before;
		for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
			unsigned bits = classes[i].bits;
			if (d < -(1ll << (bits - 1)) || d >= 1ll << (bits - 1))
				continue;
			put_bits(c, classes[i].prefix, classes[i].prefix_bits);
			put_bits(c, (uint64_t)d, bits);
			return;
		}
	}
	put_bits(c, 0xf, 4);
	put_bits(c, raw, 64);
}

static double get_slot(struct chunk_iter *it, double before)
{
	uint32_t at = it->bit >> 3;
	if (at + 8 <= it->chunk->cap) { /* eight bytes hold any difference */
		uint64_t word;
		memcpy(&word, it->chunk->bytes + at, sizeof(word));
		word = be64toh(word) << (it->bit & 7);
		unsigned ones = (unsigned)__builtin_clzll(~(word & 0xfull << 60));
		if (!ones) {
			it->bit++;
			return before;
		}
		if (ones < 4) {
			unsigned bits = classes[ones - 1].bits;
			it->bit += ones + 1 + bits;
			return (double)((int64_t)before + ((int64_t)(word << (ones + 1)) >> (64 - bits)));
		}
	}
	if (!get_bits(it, 1))
		return before;
	size_t i = 0;
	while (i < ARRAY_SIZE(classes) && get_bits(it, 1))
		i++;
	if (i == ARRAY_SIZE(classes)) {
		uint64_t raw = get_bits(it, 64);
		double v;
		memcpy(&v, &raw, sizeof(v));
		return v;
	}
	unsigned bits = classes[i].bits;
	uint64_t d = get_bits(it, bits);
	if (d >> (bits - 1))
		d |= ~0ull << bits; /* the sign */
	return (double)((int64_t)before + (int64_t)d);
}

/* --- layouts --- */

size_t chunk_layout_size(const struct chunk_layout *l)
{
	return sizeof(*l) + l->n_custom * sizeof(double) + (l->n_pos + l->n_neg) * sizeof(int32_t) + 16;
}

static bool same_kind(const struct chunk_layout *l, const struct histogram *h)
{
	return l->schema == h->schema && l->gauge == (h->hint == HINT_GAUGE) &&
	       memcmp(&l->zero_threshold, &h->zero_threshold, sizeof(double)) == 0 && l->n_custom == h->n_custom &&
	       (!h->n_custom || memcmp(l->custom, h->custom, h->n_custom * sizeof(double)) == 0);
}

/* The indices of A and of the buckets B together, ascending, in OUT. */
static uint32_t merge(const int32_t *a, uint32_t n_a, const struct histogram_bucket *b, size_t n_b, int32_t *out)
{
	uint32_t i = 0, n = 0;
	size_t k = 0;
	while (i < n_a || k < n_b)
		if (k == n_b || (i < n_a && a[i] < b[k].i)) {
			out[n++] = a[i++];
		} else {
			if (i < n_a && a[i] == b[k].i)
				i++;
			out[n++] = b[k++].i;
		}
	return n;
}

static struct chunk_layout *layout_new(const struct histogram *h, const struct chunk_layout *before)
{
	if (before && !same_kind(before, h))
		before = NULL;
	size_t most_pos = h->n_pos + (before ? before->n_pos : 0), most_neg = h->n_neg + (before ? before->n_neg : 0);
	struct chunk_layout *l = xcalloc(1, sizeof(*l) + h->n_custom * sizeof(double) + (most_pos + most_neg) * sizeof(int32_t));
	l->schema = h->schema;
	l->gauge = h->hint == HINT_GAUGE;
	l->zero_threshold = h->zero_threshold;
	l->n_custom = (uint32_t)h->n_custom;
	l->custom = (double *)(l + 1);
	if (h->n_custom)
		memcpy(l->custom, h->custom, h->n_custom * sizeof(double));
	l->pos = (void *)(l->custom + h->n_custom);
	l->n_pos = merge(before ? before->pos : NULL, before ? before->n_pos : 0, h->pos, h->n_pos, l->pos);
	l->neg = l->pos + l->n_pos;
	l->n_neg = merge(before ? before->neg : NULL, before ? before->n_neg : 0, h->neg, h->n_neg, l->neg);
	return l;
}

struct chunk *chunk_new_histograms(struct stored *owner, const struct histogram *h, const struct chunk *before)
{
	struct chunk *c = chunk_new(owner);
	c->layout = layout_new(h, before ? before->layout : NULL);
	return c;
}

static bool has_places(const int32_t *at, uint32_t n, const struct histogram_bucket *b, size_t n_b)
{
	uint32_t i = 0;
	for (size_t k = 0; k < n_b; k++, i++) {
		while (i < n && at[i] < b[k].i)
			i++;
		if (i == n || at[i] != b[k].i)
			return false;
	}
	return true;
}

bool chunk_takes(const struct chunk *c, const struct histogram *h)
{
	const struct chunk_layout *l = c->layout;
	return l && same_kind(l, h) && has_places(l->pos, l->n_pos, h->pos, h->n_pos) && has_places(l->neg, l->n_neg, h->neg, h->n_neg);
}

uint32_t chunk_slots(const struct chunk *c)
{
	return 2 + c->layout->n_pos + c->layout->n_neg;
}

size_t chunk_histogram_max(const struct histogram *h)
{
	return (SAMPLE_BITS_MAX + (2 + h->n_pos + h->n_neg) * SLOT_BITS_MAX) / 8 + 1;
}

/* --- samples --- */

static void put_side(struct chunk *c, double *slots, const int32_t *at, uint32_t n, const struct histogram_bucket *b, size_t n_b)
{
	size_t k = 0;
	for (uint32_t i = 0; i < n; i++) {
		double v = k < n_b && b[k].i == at[i] ? b[k++].n : 0;
		put_slot(c, slots[i], v);
		slots[i] = v;
	}
}

struct chunk *chunk_append_histogram(struct chunk *c, struct chunk_tail *tail, double *slots, int64_t t, const struct histogram *h)
{
	const struct chunk_layout *l = c->layout;
	const double head[2] = {h->count, h->zero_count};
	c = chunk_make_room(c, SLOT_BITS_MAX * chunk_slots(c) + SAMPLE_BITS_MAX);
	if (!c->n)
		memset(slots, 0, chunk_slots(c) * sizeof(*slots));
	c = chunk_append(c, tail, t, h->sum);
	for (int i = 0; i < 2; i++) {
		put_slot(c, slots[i], head[i]);
		slots[i] = head[i];
	}
	put_side(c, slots + 2, l->pos, l->n_pos, h->pos, h->n_pos);
	put_side(c, slots + 2 + l->n_pos, l->neg, l->n_neg, h->neg, h->n_neg);
	return c;
}

void chunk_get_slots(struct chunk_iter *it)
{
	uint32_t n = chunk_slots(it->chunk);
	for (uint32_t i = 0; i < n; i++)
		it->slots[i] = get_slot(it, it->slots[i]);
}

static struct histogram_bucket *fill(struct histogram_bucket *to, size_t *n, const int32_t *at, uint32_t n_at, const double *slots)
{
	*n = 0;
	for (uint32_t i = 0; i < n_at; i++)
		if (slots[i] != 0)
			to[(*n)++] = (struct histogram_bucket){at[i], slots[i]};
	return to + *n;
}

struct histogram *chunk_iter_histogram(const struct chunk_iter *it, size_t *size)
{
	const struct chunk_layout *l = it->chunk->layout;
	size_t n = 0;
	for (uint32_t i = 2; i < chunk_slots(it->chunk); i++)
		n += it->slots[i] != 0;
	size_t bytes = sizeof(struct histogram) + l->n_custom * sizeof(double) + n * sizeof(struct histogram_bucket);
	struct histogram *h = xcalloc(1, bytes);
	h->schema = l->schema;
	h->hint = l->gauge ? HINT_GAUGE : HINT_UNKNOWN;
	h->zero_threshold = l->zero_threshold;
	h->count = it->slots[0];
	h->zero_count = it->slots[1];
	h->sum = it->v;
	h->n_custom = l->n_custom;
	h->custom = (double *)(h + 1);
	if (l->n_custom)
		memcpy(h->custom, l->custom, l->n_custom * sizeof(double));
	h->pos = (struct histogram_bucket *)(h->custom + l->n_custom);
	h->neg = fill(h->pos, &h->n_pos, l->pos, l->n_pos, it->slots + 2);
	fill(h->neg, &h->n_neg, l->neg, l->n_neg, it->slots + 2 + l->n_pos);
	if (size)
		*size = bytes;
	return h;
}
