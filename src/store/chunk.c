// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/bits.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Bits, the most significant first. A difference of differences of times in ms, as prefix and two's complement:
 *   0            the same distance again
 *   10   + 8     jitter of the scrape
 *   110  + 14
 *   1110 + 20    a missed scrape
 *   1111 + 64
 * A value, exclusive-or with the one before:
 *   0                                       the same
 *   10 + the changed bits                   inside the window of the last change
 *   11 + 5 leading + 6 (width-1) + the bits a new window
 * The first sample of a chunk is its t_first and 64 bits. */

static const struct {
	uint8_t prefix, prefix_bits, bits;
} steps[] = {{0x2, 2, 8}, {0x6, 3, 14}, {0xe, 4, 20}, {0xf, 4, 64}};

struct chunk *chunk_new(struct stored *owner)
{
	struct chunk *c = xcalloc(1, sizeof(*c) + FIRST_BYTES);
	c->owner = owner;
	c->cap = FIRST_BYTES;
	return c;
}

size_t chunk_size(const struct chunk *c)
{
	return sizeof(*c) + c->cap + 16 + (c->layout ? chunk_layout_size(c->layout) : 0); /* 16: the allocator's own */
}

void chunk_put_time(struct chunk *c, int64_t step)
{
	if (!step) {
		put_bits(c, 0, 1);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned bits = steps[i].bits;
		if (bits < 64 && (step < -(1ll << (bits - 1)) || step >= 1ll << (bits - 1)))
			continue;
		put_bits(c, steps[i].prefix, steps[i].prefix_bits);
		put_bits(c, (uint64_t)step, bits);
		return;
	}
}

int64_t chunk_get_time(struct chunk_iter *it)
{
	if (!get_bits(it, 1))
		return 0;
	size_t i = 0;
	while (i < 3 && get_bits(it, 1))
		i++;
	unsigned bits = steps[i].bits;
	uint64_t raw = get_bits(it, bits);
	if (bits < 64 && raw >> (bits - 1))
		raw |= ~0ull << bits; /* the sign */
	return (int64_t)raw;
}

void chunk_put_value(struct chunk *c, struct chunk_tail *tail, uint64_t value)
{
	uint64_t changed = value ^ tail->value;
	tail->value = value;
	if (!changed) {
		put_bits(c, 0, 1);
		return;
	}
	unsigned leading = (unsigned)__builtin_clzll(changed), trailing = (unsigned)__builtin_ctzll(changed);
	if (leading > 31)
		leading = 31;
	unsigned width = 64 - leading - trailing;
	unsigned shift = 64u - tail->leading - tail->width;
	/* Stay in the old window unless a new one saves more than the 11 bits that say so. */
	if (tail->width && leading >= tail->leading && trailing >= shift && tail->width <= width + 11u) {
		put_bits(c, 2, 2);
		put_bits(c, changed >> shift, tail->width);
		return;
	}
	put_bits(c, 3, 2);
	put_bits(c, leading, 5);
	put_bits(c, width - 1, 6);
	put_bits(c, changed >> trailing, width);
	tail->leading = (uint8_t)leading;
	tail->width = (uint8_t)width;
}

uint64_t chunk_get_value(struct chunk_iter *it)
{
	struct chunk_tail *tail = &it->tail;
	if (!get_bits(it, 1))
		return tail->value;
	if (get_bits(it, 1)) {
		tail->leading = (uint8_t)get_bits(it, 5);
		tail->width = (uint8_t)(get_bits(it, 6) + 1);
	}
	tail->value ^= get_bits(it, tail->width) << (64u - tail->leading - tail->width);
	return tail->value;
}

struct chunk *chunk_make_room(struct chunk *c, uint32_t bits)
{
	uint32_t need = (c->bits + bits) / 8 + 1;
	if (need > c->cap) {
		uint32_t cap = c->cap + c->cap / 2 > need ? c->cap + c->cap / 2 : need;
		c = xrealloc(c, sizeof(*c) + cap);
		memset(c->bytes + c->cap, 0, cap - c->cap); /* put_bits ors */
		c->cap = cap;
	}
	return c;
}

struct chunk *chunk_append(struct chunk *c, struct chunk_tail *tail, int64_t t, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	c = chunk_make_room(c, SAMPLE_BITS_MAX);
	if (!c->n) {
		*tail = (struct chunk_tail){.value = bits};
		c->t_first = t;
		put_bits(c, bits, 64);
	} else {
		int64_t delta = (int64_t)((uint64_t)t - (uint64_t)c->t_last);
		chunk_put_time(c, (int64_t)((uint64_t)delta - (uint64_t)tail->delta));
		tail->delta = delta;
		chunk_put_value(c, tail, bits);
	}
	c->t_last = t;
	c->n++;
	if (c->n == CHUNK_HALF)
		c->half = (struct chunk_mark){.t = t, .delta = tail->delta, .value = tail->value, .bit = c->bits, .leading = tail->leading, .width = tail->width};
	return c;
}

void chunk_free(struct chunk *c)
{
	if (c)
		free(c->layout);
	free(c);
}

struct chunk *chunk_seal(struct chunk *c)
{
	c->cap = (c->bits + 7) / 8;
	return xrealloc(c, sizeof(*c) + c->cap);
}

/* The usual sample, whose time and value stand in the next 57 bits; false: nothing is taken. */
static bool next_usual(struct chunk_iter *it)
{
	uint32_t at = it->bit >> 3;
	uint64_t word;
	unsigned leading = it->tail.leading, width = it->tail.width, used;
	if (at + 8 > it->chunk->cap)
		return false;
	memcpy(&word, it->chunk->bytes + at, sizeof(word));
	word = be64toh(word) << (it->bit & 7);
	if (word >> 63) /* another distance */
		return false;
	word <<= 1;
	if (!(word >> 63)) { /* the same value */
		it->bit += 2;
		it->t = (int64_t)((uint64_t)it->t + (uint64_t)it->tail.delta);
		return true;
	}
	if (word >> 62 == 2) {
		word <<= 2;
		used = 3 + width;
	} else {
		leading = (unsigned)(word << 2 >> 59);
		width = (unsigned)(word << 7 >> 58) + 1;
		word <<= 13;
		used = 14 + width;
	}
	if (used > 57 || !width)
		return false;
	it->tail.leading = (uint8_t)leading;
	it->tail.width = (uint8_t)width;
	it->tail.value ^= word >> (64 - width) << (64u - leading - width);
	it->bit += used;
	it->t = (int64_t)((uint64_t)it->t + (uint64_t)it->tail.delta);
	return true;
}

void chunk_iter_init(struct chunk_iter *it, const struct chunk *c)
{
	*it = (struct chunk_iter){.chunk = c, .slots = c->layout ? xcalloc(chunk_slots(c), sizeof(double)) : NULL};
}

void chunk_iter_end(struct chunk_iter *it)
{
	free(it->slots);
	it->slots = NULL;
}

bool chunk_iter_next(struct chunk_iter *it)
{
	const struct chunk *c = it->chunk;
	if (it->i == c->n)
		return false;
	uint64_t bits;
	if (it->i++ == 0) {
		it->t = c->t_first;
		bits = it->tail.value = get_bits(it, 64);
	} else if (next_usual(it)) {
		bits = it->tail.value;
	} else {
		it->tail.delta = (int64_t)((uint64_t)it->tail.delta + (uint64_t)chunk_get_time(it));
		it->t = (int64_t)((uint64_t)it->t + (uint64_t)it->tail.delta);
		bits = chunk_get_value(it);
	}
	memcpy(&it->v, &bits, sizeof(bits));
	if (c->layout)
		chunk_get_slots(it);
	return true;
}
