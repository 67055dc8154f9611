/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chunk: up to CHUNK_SAMPLES float samples of one series, compressed as in Facebook's Gorilla paper (VLDB 2015, section 4.1): times as
 * differences of differences, values as the changed bits of the one before. Steady scrapes of steady counters need one to three
 * bytes a sample; the worst case is 18. */
#ifndef RT_STORE_CHUNK_H
#define RT_STORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_SAMPLES 120

struct stored;

struct chunk {
	struct chunk *newer;		  /* of the same series */
	struct chunk *seal_prev, *seal_next; /* of all series, in the order in which they were filled */
	struct stored *owner;
	int64_t t_first, t_last;
	uint32_t n, bits, cap; /* samples; bits used; bytes of room */
	uint8_t bytes[];
};

/* What the next sample of the newest chunk is a difference to. */
struct chunk_tail {
	int64_t delta;
	uint64_t value;
	uint8_t leading, width; /* the window of changed bits; width 0: none yet */
};

struct chunk *chunk_new(struct stored *owner);
/* Appends a sample with t > t_last. The chunk may move: store the result. It must not be full. */
struct chunk *chunk_append(struct chunk *c, struct chunk_tail *tail, int64_t t, double v);
/* Gives back the unused room of a full chunk. */
struct chunk *chunk_seal(struct chunk *c);
/* What the chunk costs in memory. */
size_t chunk_size(const struct chunk *c);

struct chunk_iter {
	const struct chunk *chunk;
	uint32_t i, bit;
	int64_t t;
	double v;
	struct chunk_tail tail;
};

void chunk_iter_init(struct chunk_iter *it, const struct chunk *c);
/* Moves to the next sample (it->t, it->v, every bit as it was appended); false past the last. */
bool chunk_iter_next(struct chunk_iter *it);

#endif
