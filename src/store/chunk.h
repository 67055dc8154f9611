/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chunk: up to CHUNK_SAMPLES samples of one series, floats or native histograms, compressed as in Facebook's Gorilla paper (VLDB 2015, section 4.1): times as
 * differences of differences, values as the changed bits of the one before. Steady scrapes of steady counters need one to three
 * bytes a sample; the worst case is 18. A chunk of histograms holds once which buckets there are; its samples are their counts as
 * differences, one bit for each that did not change. A histogram that does not fit into the buckets begins another chunk. */
#ifndef RT_STORE_CHUNK_H
#define RT_STORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sample.h"

#define CHUNK_SAMPLES 120
#define CHUNK_HALF 60

struct stored;
struct histogram;
struct chunk_layout;

/* Where reading may begin: behind the first half of a chunk of floats, of which the newest samples are asked for most. */
struct chunk_mark {
	int64_t t, delta;
	uint64_t value;
	uint32_t bit;
	uint8_t leading, width;
};

struct chunk {
	struct chunk *newer;		  /* of the same series */
	struct chunk *seal_prev, *seal_next; /* of all series, in the order in which they were filled */
	struct stored *owner;
	struct chunk_layout *layout; /* of histograms; NULL: floats */
	int64_t t_first, t_last;
	struct chunk_mark half; /* set if N is at least CHUNK_HALF; the state after as many samples */
	uint32_t n, bits, cap; /* samples; bits used; bytes of room */
	uint8_t bytes[];
};

/* What the next sample of the newest chunk is a difference to. */
struct chunk_tail {
	int64_t delta;
	uint64_t value;
	uint8_t leading, width; /* the window of changed bits; width 0: none yet */
};

/* What all histograms of a chunk have in common. */
struct chunk_layout {
	int32_t schema;
	bool gauge;
	double zero_threshold;
	uint32_t n_pos, n_neg, n_custom;
	double *custom;
	int32_t *pos, *neg; /* indices of buckets, ascending */
};

struct chunk *chunk_new(struct stored *owner);
/* Appends a sample with t > t_last. The chunk may move: store the result. It must not be full. */
struct chunk *chunk_append(struct chunk *c, struct chunk_tail *tail, int64_t t, double v);
/* For histograms like H; with BEFORE (NULL: none), a chunk of histograms, its buckets have places too if they are of the same kind. */
struct chunk *chunk_new_histograms(struct stored *owner, const struct histogram *h, const struct chunk *before);
void chunk_free(struct chunk *c);
/* Has C a place for everything in H? No chunk of floats has. */
bool chunk_takes(const struct chunk *c, const struct histogram *h);
/* Numbers of a histogram in C besides its sum. */
uint32_t chunk_slots(const struct chunk *c);
/* As chunk_append, if chunk_takes; SLOTS are those of the sample before, and become this one's. */
struct chunk *chunk_append_histogram(struct chunk *c, struct chunk_tail *tail, double *slots, int64_t t, const struct histogram *h);
/* The most bytes that one sample of H can take. */
size_t chunk_histogram_max(const struct histogram *h);
/* Gives back the unused room of a full chunk. */
struct chunk *chunk_seal(struct chunk *c);
/* What the chunk costs in memory. */
size_t chunk_size(const struct chunk *c);

struct chunk_iter {
	const struct chunk *chunk;
	uint32_t i, bit;
	int64_t t;
	double v; /* of a histogram its sum */
	struct chunk_tail tail;
	double *slots; /* owned; histograms only */
};

void chunk_iter_init(struct chunk_iter *it, const struct chunk *c);
/* Only needed for chunks of histograms. */
void chunk_iter_end(struct chunk_iter *it);
/* The present histogram: one block, to free. SIZE (may be NULL): its bytes. */
struct histogram *chunk_iter_histogram(const struct chunk_iter *it, size_t *size);
/* Moves to the next sample (it->t, it->v, every bit as it was appended); false past the last. */
bool chunk_iter_next(struct chunk_iter *it);
/* The samples of a chunk of floats with MINT <= t <= MAXT, every bit as it was appended: OUT has room for all of C->n. How many there are. */
size_t chunk_decode(const struct chunk *c, int64_t mint, int64_t maxt, struct sample *out);

#endif
