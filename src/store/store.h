/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded window of the latest samples in memory: our own scrape, what rules record, ALERTS. Floats and native histograms,
 * compressed in chunks.
 * When the budget is spent the oldest full chunk of all is dropped, and counted; what has aged out of the retention goes first.
 * All functions are thread-safe. */
#ifndef RT_STORE_STORE_H
#define RT_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/family.h"
#include "model/histogram.h"
#include "model/sample.h"

struct store;

struct store_options {
	int64_t retention_ms;	   /* default 1h */
	size_t budget;		   /* bytes for series and samples; default 64 MiB */
	uint64_t max_select;	   /* samples one select may return; default 4,000,000, about 100 MB */
};

struct store *store_new(const struct store_options *opt);
void store_free(struct store *s);

/* Appends one sample; LABELS hold __name__. -ESTALE: not newer than the series' last sample; -EEXIST: same time, another value (the
 * same value again is 0 and nothing happens); -ENOSPC: a new series finds no room in the budget. Each is counted. */
int store_append(struct store *s, const struct labels *labels, int64_t t, double v);

/* The same for a native histogram, which is copied. Its hint is not kept, but for that of gauges. */
int store_append_histogram(struct store *s, const struct labels *labels, int64_t t, const struct histogram *h);

/* One of a batch. ERR becomes what store_append would have returned. */
struct store_sample {
	struct labels *labels;
	int64_t t;
	double v;
	const struct histogram *h; /* copied; NULL: V */
	/* A stale marker for a series that ends: it makes no series, and where the series has a sample of that time already it is
	 * left out without being counted as refused. */
	bool marker;
	int err;
};
void store_append_batch(struct store *s, struct store_sample *samples, size_t n);

/* Appends a scrape: every family becomes its series (name; name_bucket with le in its canonical spelling, name_sum, name_count), with
 * EXTRA added (job, instance; a label of the metric by such a name becomes exported_NAME). A series that the scrape before had and
 * this one has not gets a stale marker at the snapshot's time. Only series that the filter wants are kept. */
void store_append_snapshot(struct store *s, const struct snapshot *snapshot, const struct labels *extra);

/* Which series of a snapshot are worth keeping: those that at least one selector matches. */
struct store_filter;
struct store_filter *store_filter_new(void);
void store_filter_free(struct store_filter *f);
/* Adds a selector (copied). The signature fits promql_selectors: ARG is the filter. */
void store_filter_add(void *filter, const struct matcher *matchers, size_t n, int64_t range_ms);
/* The widest RANGE_MS added: what retention the selectors need. */
int64_t store_filter_range(const struct store_filter *f);
/* Takes FILTER; NULL keeps everything (the state of a new store). Series that are no longer wanted get a stale marker at the next
 * snapshot. */
void store_set_filter(struct store *s, struct store_filter *filter);

/* The clock was set back to T. Series with samples of later times would refuse all that comes until then: they begin anew. How many. */
size_t store_set_back(struct store *s, int64_t t);

/* How far back samples are kept, and how many bytes of them: what is over is dropped, oldest first, with the next append. */
void store_set_limits(struct store *s, int64_t retention_ms, size_t budget);
int64_t store_retention(struct store *s);

/* For PromQL. A select past max_select samples is -E2BIG. The source lives as long as the store. */
const struct sample_source *store_source(struct store *s);

/* The label sets of the series that match and have a sample in [mint, maxt]: references in *OUT, an array of *N to free. */
void store_select_labels(struct store *s, const struct matcher *matchers, size_t n_matchers, int64_t mint, int64_t maxt,
			 struct labels ***out, size_t *n);
void store_labels_free(struct labels **labels, size_t n);

struct store_stats {
	uint64_t series, chunks, bytes;		    /* now */
	uint64_t samples;			    /* now in the window */
	uint64_t appended_total;		    /* accepted, stale markers included */
	uint64_t out_of_order_total, duplicate_total; /* refused */
	uint64_t refused_series_total;		    /* appends to a new series that found no room */
	uint64_t expired_total, dropped_total;	    /* samples gone by age; by the budget */
	int64_t oldest_t, newest_t;		    /* of all samples; 0 if there is none */
	int64_t retention_ms;
	uint64_t budget;
};
void store_stats(struct store *s, struct store_stats *out);

#endif
