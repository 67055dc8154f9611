/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From BPF maps to an immutable snapshot of metric families (docs/metrics.md). */
#ifndef RT_COLLECTOR_COLLECTOR_H
#define RT_COLLECTOR_COLLECTOR_H

#include <stdbool.h>

#include "model/family.h"

struct loader;
struct discovery;
struct collector;

struct collector_options {
	const double *bounds; /* as given to the loader */
	size_t n_bounds;
	uint32_t max_connections; /* the budget of their states, as given to the loader */
	/* Is this service shown? NULL: all are. */
	bool (*shows)(void *arg, const char *service, const char *comm);
	void *arg;
};

/* Keeps L and D, which must outlive it. */
struct collector *collector_new(struct loader *l, struct discovery *d, const struct collector_options *opt);
void collector_free(struct collector *c);
/* Reads the maps. 0 and *OUT (snapshot_unref it), or a negative errno. Not thread-safe: the caller serialises. */
int collector_snapshot(struct collector *c, struct snapshot **out);

#endif
