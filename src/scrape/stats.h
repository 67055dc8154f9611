/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_SCRAPE_STATS_H
#define RT_SCRAPE_STATS_H

#include "scrape/scrape.h"

struct scrape_stats {
	uint64_t targets[SCRAPE_DOWN + 1], dropped; /* now */
	uint64_t scrapes, failures, duration_ns, body_bytes, samples;
	uint64_t out_of_order, duplicate, out_of_bounds, no_room; /* samples left out */
	uint64_t file_errors;
};

void scrape_stats_families(const struct scrape_stats *st, struct snapshot *s);

#endif
