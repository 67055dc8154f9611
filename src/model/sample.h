/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples, series, matchers, and the table of callbacks through which PromQL reads them. */
#ifndef RT_MODEL_SAMPLE_H
#define RT_MODEL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model/labels.h"

struct histogram; /* a native histogram; model/histogram.h */

struct sample {
	int64_t t; /* ms since the epoch */
	double v;
	const struct histogram *h; /* NULL for a float sample; owned by the series_set it is read from */
};

/* The stale marker is a NaN with these bits. It must be compared by bits and never pass through arithmetic. */
#define STALE_NAN_BITS 0x7ff0000000000002ull
#define NORMAL_NAN_BITS 0x7ff8000000000001ull

static inline double sample_stale_marker(void)
{
	uint64_t bits = STALE_NAN_BITS;
	double v;
	memcpy(&v, &bits, 8);
	return v;
}

static inline bool sample_is_stale(const double *v)
{
	uint64_t bits;
	memcpy(&bits, v, 8);
	return bits == STALE_NAN_BITS;
}

struct series {
	struct labels *labels; /* a reference */
	struct sample *samples; /* ascending t; NULL if they are packed */
	size_t n;		/* of packed ones the most there may be */
	const void *packed;	/* for the source's unpack; NULL unless select_packed gave it */
	int64_t *st; /* when each sample's counter began, ms, 0 if that is not known; NULL if it is known of none */
};

/* What a select returned. The provider sets `release`, which frees everything in the set. */
struct series_set {
	struct series *series;
	size_t n;
	void (*release)(struct series_set *set);
	void *priv;
};

enum matcher_type { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEXP, MATCH_NOT_REGEXP };

struct regex;

struct matcher {
	enum matcher_type type;
	struct sv name, value;
	struct regex *re; /* for the two regexp types: anchored, dotall */
};

/* Does VALUE (empty if the label is absent) satisfy M? A pattern that runs into its match limit does not match. */
bool matcher_matches(const struct matcher *m, struct sv value);
bool matchers_match(const struct matcher *m, size_t n, const struct labels *ls);

/* A source of samples. select: all series that match every matcher and have samples with mint <= t <= maxt (both ms,
 * inclusive), with those samples, stale markers included. 0, or a negative errno and *ERROR (heap). Thread-safe. */
struct sample_source {
	int (*select)(void *self, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt, struct series_set *out,
		      char **error);
	/* The same, but series may come packed, as the source keeps them: a tenth of the memory. NULL: the source has no such form. */
	int (*select_packed)(void *self, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt, struct series_set *out,
			     char **error);
	/* Writes the samples of a packed series with mint <= t <= maxt to OUT, which has room for s->n; how many there are. All are floats. */
	size_t (*unpack)(const struct series *s, int64_t mint, int64_t maxt, struct sample *out);
	void *self;
};

#endif
