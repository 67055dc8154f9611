/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metric families, the form between the collector and the exposition writers (and the own-sample window). */
#ifndef RT_MODEL_FAMILY_H
#define RT_MODEL_FAMILY_H

#include <stddef.h>
#include <stdint.h>

#include "model/labels.h"

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };

struct metric {
	struct labels *labels; /* without __name__; a reference */
	double value;	       /* counter, gauge */
	/* histogram: n_bounds + 1 counts, *not* cumulative, the last one is above every bound; the metric's count is their
	 * sum, so count and buckets cannot disagree. */
	uint64_t *buckets;
	double sum;
};

struct family {
	const char *name; /* as in 0.0.4: a counter's ends in _total. Static. */
	const char *help; /* static */
	const char *unit; /* "seconds", "bytes" or NULL; static */
	enum family_type type;
	const double *bounds; /* histogram: ascending upper bounds without +Inf; owned by the snapshot */
	size_t n_bounds;
	struct metric *metrics;
	size_t n, cap;
	uint64_t *reserved; /* buckets of the first metrics, see family_reserve() */
	size_t n_reserved;
};

/* A whole scrape: immutable once built, reference-counted. Families in the order they are to be shown. */
struct snapshot {
	uint32_t refs;
	int64_t t; /* ms: when it was taken */
	struct family *families;
	size_t n, cap;
	double *bounds; /* the histograms' common bounds */
	size_t n_bounds;
};

struct snapshot *snapshot_new(const double *bounds, size_t n_bounds);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
/* Pointers to a family stay valid until the next snapshot_family call: fill one before starting another. The strings are
 * kept as pointers. */
struct family *snapshot_family(struct snapshot *s, const char *name, enum family_type type, const char *unit, const char *help);
/* Room for N metrics in one piece, which goes back to the system as a whole. Before the first one is added; more than N may be. */
void family_reserve(struct family *f, size_t n);
/* Takes the reference to LABELS. */
void family_add_value(struct family *f, struct labels *labels, double value);
/* Takes the reference to LABELS; copies n_bounds + 1 non-cumulative counts. */
void family_add_histogram(struct family *f, struct labels *labels, const uint64_t *buckets, double sum);

#endif
