/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the maps held, by final label set: keys of the kernel that lead to the same labels (two cgroups of one unit) are added up. */
#ifndef RT_COLLECTOR_SERIES_H
#define RT_COLLECTOR_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/collector.h"
#include "reqtally.h"

struct row {
	struct labels *labels;	    /* service, method, endpoint, code, port and those of Kubernetes */
	struct labels *without_code; /* for the in-flight gauges */
	struct rt_streams *streams; /* NULL: it has never had any */
	bool seen, has_streams;
};

/* The figures of a row, without the buckets that are not in use. Of a histogram: the sum in ns, then n_buckets counts. */
enum { FIGURE_STREAMS, FIGURE_REQUEST_BYTES, FIGURE_RESPONSE_BYTES, FIGURE_HISTOGRAMS };
enum { ROW_DURATION, ROW_TTFB, ROW_QUEUE, ROW_HISTOGRAMS };

/* Requests in flight of one label set without a code. */
struct flight {
	struct labels *labels;
	uint64_t count, oldest_ns;
};

struct rows {
	struct row *v;
	size_t n, cap;
	uint64_t *figures; /* only between series_reader_read() and series_reader_done(): they are most of the memory */
	size_t n_figures;  /* rows that they have room for */
	size_t n_buckets;
	struct flight *flights;
	size_t n_flights, cap_flights;
	size_t series; /* keys in the kernel's map */
	uint64_t earlier[RT_LEDGER_SIZE]; /* counters of the ledger that programs before these had; to be added */
};

static inline size_t rows_stride(const struct rows *rows)
{
	return FIGURE_HISTOGRAMS + ROW_HISTOGRAMS * (1 + rows->n_buckets);
}

static inline uint64_t *row_figures(const struct rows *rows, size_t i)
{
	return rows->figures + i * rows_stride(rows);
}

static inline uint64_t *row_histogram(const struct rows *rows, size_t i, int which)
{
	return row_figures(rows, i) + FIGURE_HISTOGRAMS + (size_t)which * (1 + rows->n_buckets);
}

struct series_reader;

struct series_reader *series_reader_new(struct loader *l, struct discovery *d, const struct collector_options *opt);
void series_reader_free(struct series_reader *r);
/* Reads everything anew. The result belongs to the reader and holds until series_reader_done(), which has to follow. 0 or a negative errno. */
int series_reader_read(struct series_reader *r, const struct rows **rows);
/* Lets go of the figures. */
void series_reader_done(struct series_reader *r);

#endif
