/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples in memory for tests of rules: append in any order of series, read as a sample source. Not
 * thread-safe. */
#ifndef RT_RULES_MEMORY_H
#define RT_RULES_MEMORY_H

#include "model/sample.h"
#include "rules/label_set.h"

struct memory_source {
	struct series *series;
	size_t *caps;
	size_t n, cap;
	struct label_set index;
};

/* Not newer than the series' last sample: ignored, as by a store. H must outlive the source; NULL: a float. */
void memory_append(struct memory_source *s, const struct labels *labels, int64_t t, double v,
		   const struct histogram *h);
void memory_clear(struct memory_source *s);
struct sample_source memory_source(struct memory_source *s);

#endif
