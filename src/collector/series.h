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
	struct rt_series figures;
	struct rt_streams streams;
	bool seen, has_streams;
};

/* Requests in flight of one label set without a code. */
struct flight {
	struct labels *labels;
	uint64_t count, oldest_ns;
};

struct rows {
	struct row *v;
	size_t n, cap;
	struct flight *flights;
	size_t n_flights, cap_flights;
	size_t series; /* keys in the kernel's map */
	uint64_t earlier[RT_LEDGER_SIZE]; /* counters of the ledger that programs before these had; to be added */
};

struct series_reader;

struct series_reader *series_reader_new(struct loader *l, struct discovery *d, const struct collector_options *opt);
void series_reader_free(struct series_reader *r);
/* Reads everything anew. The result belongs to the reader and holds until the next call. 0 or a negative errno. */
int series_reader_read(struct series_reader *r, const struct rows **rows);

#endif
