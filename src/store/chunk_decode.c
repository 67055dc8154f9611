// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a chunk of floats at once: what a query spends most of its time with. The format is chunk.c's. The state is in locals, and every
 * read takes eight bytes; where those could be behind the chunk's end, its last bytes are read from a copy that goes on with zeros. */
#include "store/bits.h"

/* No sample has more bits; with eight bytes more none of its reads passes the end. */
#define SAMPLE_BYTES (SAMPLE_BITS_MAX / 8 + 1 + 8)

/* The bits from AT on, the first one on top; 57 of them are right. */
static inline uint64_t peek(const uint8_t *p, uint32_t at)
{
	uint64_t word;
	memcpy(&word, p + (at >> 3), sizeof(word));
	return be64toh(word) << (at & 7);
}

static inline uint64_t take(const uint8_t *p, uint32_t *at, unsigned n)
{
	uint64_t high = 0;
	if (n > 32) {
		high = peek(p, *at) >> 32 << (n - 32);
		*at += 32;
		n -= 32;
	}
	uint64_t low = peek(p, *at) >> (64 - n);
	*at += n;
	return high | low;
}

/* A difference of differences that is not zero. */
static int64_t take_time(const uint8_t *p, uint32_t *at)
{
	static const uint8_t widths[] = {8, 14, 20, 64};
	unsigned ones = (unsigned)__builtin_clzll(~(peek(p, *at) & 0xfull << 60)); /* 1 to 4 */
	*at += ones < 4 ? ones + 1 : 4;
	unsigned bits = widths[ones - 1];
	uint64_t raw = take(p, at, bits);
	if (bits < 64 && raw >> (bits - 1))
		raw |= ~0ull << bits;
	return (int64_t)raw;
}

size_t chunk_decode(const struct chunk *c, int64_t mint, int64_t maxt, struct sample *out)
{
	uint8_t tail[2 * SAMPLE_BYTES];
	const uint8_t *p = c->bytes;
	uint32_t at = 0, size = c->cap, used = (c->bits + 7) / 8;
	int64_t t = c->t_first;
	uint64_t value = 0, delta = 0;
	unsigned leading = 0, width = 0;
	size_t n = 0;
	uint32_t i = 0;
	if (used < size)
		size = used;
	if (c->n > CHUNK_HALF && c->half.t < mint) {
		i = CHUNK_HALF;
		at = c->half.bit;
		t = c->half.t;
		delta = (uint64_t)c->half.delta;
		value = c->half.value;
		leading = c->half.leading;
		width = c->half.width;
	}
	for (; i < c->n; i++) {
		if ((at >> 3) + SAMPLE_BYTES > size && p != tail) {
			uint32_t done = at >> 3;
			memset(tail, 0, sizeof(tail));
			memcpy(tail, p + done, size - done);
			p = tail;
			at &= 7;
		}
		uint64_t word = peek(p, at);
		if (!i) {
			value = take(p, &at, 64);
		} else {
			if (!(word >> 63)) { /* the same distance again */
				at++;
				word <<= 1;
			} else {
				delta += (uint64_t)take_time(p, &at);
				word = peek(p, at);
			}
			t = (int64_t)((uint64_t)t + delta);
			if (!(word >> 63)) { /* the same value */
				at++;
			} else {
				at += 2;
				if (word >> 62 == 3) {
					leading = (unsigned)(word << 2 >> 59);
					width = (unsigned)(word << 7 >> 58) + 1;
					at += 11;
				}
				value ^= take(p, &at, width) << (64u - leading - width);
			}
		}
		if (t > maxt)
			break;
		out[n] = (struct sample){.t = t};
		memcpy(&out[n].v, &value, sizeof(value));
		n += t >= mint;
	}
	return n;
}
