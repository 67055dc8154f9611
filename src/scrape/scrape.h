/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scraping: what scrape_configs says, done as Prometheus 3 does it. A scraper has one thread that fetches and one that parses and stores; targets come
 * from static_configs and from the files of file_sd_configs, which it looks at again and again. */
#ifndef RT_SCRAPE_SCRAPE_H
#define RT_SCRAPE_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/scrape.h"
#include "model/family.h"
#include "scrape/parse.h"
#include "store/store.h"

#define SCRAPE_TARGETS_MAX 2000			 /* more are left out, and said */
#define SCRAPE_SAMPLES_MAX 100000		 /* of one scrape, whatever sample_limit says */
#define SCRAPE_BUCKETS_MAX 5000			 /* of a native histogram; finer ones are made coarser */
#define SCRAPE_BODY_MAX ((uint64_t)32 << 20)	 /* of one scrape, decompressed, if there is no body_size_limit */
#define SCRAPE_BODIES_MAX ((uint64_t)64 << 20)	 /* of all that are under way together */

struct scraper;

struct scraper_options {
	struct store *store;
	uint64_t max_bodies; /* bytes of all bodies under way together; 0: SCRAPE_BODIES_MAX */
	/* A message for the log: files and targets that are wrong. May be NULL. */
	void (*report)(void *self, const char *message);
	void *self;
};

/* Starts the thread. It has no targets before scraper_apply. */
struct scraper *scraper_new(const struct scraper_options *opt);
/* From now on these jobs (a reference is taken). A target that is the same goes on as it was; one that is gone has its series end after
 * two of its intervals. Returns before it is done. Thread-safe. */
void scraper_apply(struct scraper *s, struct config_scraping *config);
void scraper_free(struct scraper *s);

enum scrape_health { SCRAPE_UNKNOWN, SCRAPE_UP, SCRAPE_DOWN };

/* One target as the API shows it; borrowed for the call. */
struct scrape_target {
	const char *job;
	const struct labels *discovered, *labels;
	const char *url;
	const char *error; /* "" if there is none */
	int64_t last_scrape; /* ms; INT64_MIN: never */
	double last_duration; /* s */
	enum scrape_health health;
	int64_t interval, timeout; /* ms */
	const void *families; /* for scraper_families */
};
/* Every target, sorted by job, then as the configuration has them. The scraper stands still meanwhile. */
void scraper_targets(struct scraper *s, void (*each)(void *arg, const struct scrape_target *t), void *arg);
/* Those that relabelling dropped, as many as keep_dropped_targets says. */
void scraper_dropped(struct scraper *s, void (*each)(void *arg, const char *job, const struct labels *discovered), void *arg);
/* How many it dropped of each job that dropped any. */
void scraper_dropped_counts(struct scraper *s, void (*each)(void *arg, const char *job, uint64_t n), void *arg);
/* What a target says of its metrics: only inside scraper_targets. */
void scraper_families(const struct scrape_target *t,
		      void (*each)(void *arg, const char *name, enum metric_type type, const char *help, const char *unit), void *arg);

/* Adds the families reqtally_scrape_* to a snapshot that is being built. */
void scraper_metrics(struct scraper *s, struct snapshot *snapshot);

#endif
