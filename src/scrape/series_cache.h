/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The series of one target, found by the bytes that stand for them in the exposition: unescaping, target labels and relabelling are done
 * once a series, not once a sample. It also knows which series need a stale marker when they are gone. Internal to scrape. */
#ifndef RT_SCRAPE_SERIES_CACHE_H
#define RT_SCRAPE_SERIES_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sv.h"
#include "model/labels.h"

struct series_entry {
	struct series_entry *next; /* in its hash bucket */
	uint64_t hash;
	struct labels *labels; /* as stored; NULL: relabelling drops it */
	uint32_t seen;	       /* the scrape that had it last */
	bool live;	       /* it was stored, at the scrape's time: mark it when it is gone */
	bool taken;	       /* counted in scrape_series_added */
	uint32_t key_len;
	char key[];
};

struct series_cache {
	struct series_entry **buckets;
	size_t n, n_buckets;
	uint32_t scrape;     /* number of the present one */
	size_t n_successful; /* entries after the last scrape that succeeded */
	/* Live series of before a reload changed how they are named: marked after the next scrape, unless it has them again. */
	struct labels **former;
	size_t n_former, cap_former;
};

struct series_entry *series_cache_find(const struct series_cache *c, struct sv key);
/* KEY is not in it. Takes LABELS. */
struct series_entry *series_cache_add(struct series_cache *c, struct sv key, struct labels *labels);
/* Calls GONE for each live series that this scrape did not have (with ALL, for every live one), which then are live no more. */
void series_cache_gone(struct series_cache *c, bool all, void (*gone)(void *arg, struct labels *labels), void *arg);
/* Lets go of entries that the present scrape did not have: after a success all of them, else the whole cache, if it has
 * grown much in scrapes that failed. */
void series_cache_trim(struct series_cache *c, bool success);
/* Names are made anew from now on. */
void series_cache_forget(struct series_cache *c);
void series_cache_free(struct series_cache *c);

#endif
