/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bits in chunks, and what both kinds of chunks share. Internal to store. */
#ifndef RT_STORE_BITS_H
#define RT_STORE_BITS_H

#include <endian.h>
#include <string.h>

#include "store/chunk.h"

#define SAMPLE_BITS_MAX (4 + 64 + 2 + 5 + 6 + 64) /* a time and a float */
#define SLOT_BITS_MAX (4 + 64)
#define FIRST_BYTES 48

/* There is room: chunk_make_room. */
static inline void put_bits(struct chunk *c, uint64_t value, unsigned n)
{
	while (n) {
		unsigned room = 8 - (c->bits & 7), k = n < room ? n : room;
		uint8_t part = (uint8_t)((value >> (n - k)) & ((1u << k) - 1));
		c->bytes[c->bits >> 3] |= (uint8_t)(part << (room - k));
		c->bits += k;
		n -= k;
	}
}

static inline uint64_t get_bits(struct chunk_iter *it, unsigned n)
{
	uint64_t value = 0;
	uint32_t at = it->bit >> 3;
	if (n <= 56 && at + 8 <= it->chunk->cap) { /* eight bytes hold them all */
		uint64_t word;
		memcpy(&word, it->chunk->bytes + at, sizeof(word));
		word = be64toh(word) << (it->bit & 7);
		it->bit += n;
		return n ? word >> (64 - n) : 0;
	}
	while (n) {
		unsigned room = 8 - (it->bit & 7), k = n < room ? n : room;
		uint8_t byte = it->chunk->bytes[it->bit >> 3];
		value = value << k | ((byte >> (room - k)) & ((1u << k) - 1));
		it->bit += k;
		n -= k;
	}
	return value;
}

void chunk_put_time(struct chunk *c, int64_t step);
int64_t chunk_get_time(struct chunk_iter *it);
void chunk_put_value(struct chunk *c, struct chunk_tail *tail, uint64_t value);
uint64_t chunk_get_value(struct chunk_iter *it);
/* Room for BITS more; C may move. */
struct chunk *chunk_make_room(struct chunk *c, uint32_t bits);
/* Reads the counts of the present sample into it->slots. */
void chunk_get_slots(struct chunk_iter *it);
size_t chunk_layout_size(const struct chunk_layout *l);

#endif
