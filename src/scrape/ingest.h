/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an answered body to samples in the store: all of a scrape or nothing of it. Internal to scrape. */
#ifndef RT_SCRAPE_INGEST_H
#define RT_SCRAPE_INGEST_H

#include "scrape/target.h"
#include "store/store.h"

struct ingest_counts {
	uint64_t scraped, added, series_added;		    /* as the scrape_ series say */
	uint64_t out_of_order, duplicate, out_of_bounds, no_room; /* samples that were left out */
};

/* Stores what BODY holds with the time T (ms). 0, or a negative errno and *ERROR: then nothing of it is stored and every series of the
 * target has a stale marker. More than MAX_SAMPLES are a failure. COUNTS is set in either case. */
int ingest_body(struct target *t, struct store *store, int64_t time, const char *content_type, struct sv body, uint64_t max_samples,
		struct ingest_counts *counts, char **error);
/* There is no body: markers for every series of the target. */
void ingest_nothing(struct target *t, struct store *store, int64_t time);
/* up and the scrape_ series; with STALE their markers. */
void ingest_reports(struct target *t, struct store *store, int64_t time, bool up, double seconds, const struct ingest_counts *counts,
		    bool stale);

#endif
