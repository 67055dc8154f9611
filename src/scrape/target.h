/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is scraped: an address of a job after relabelling, what came of it last, and what is known of its series. Internal to scrape. */
#ifndef RT_SCRAPE_TARGET_H
#define RT_SCRAPE_TARGET_H

#include "config/scrape.h"
#include "scrape/metadata.h"
#include "scrape/scrape.h"
#include "scrape/series_cache.h"

#define REPORTS 5 /* up, scrape_duration_seconds, ... */
#define REPORTS_EXTRA 3 /* and of a job with extra_scrape_metrics: scrape_timeout_seconds, scrape_sample_limit, scrape_body_size_bytes */

struct target {
	struct config_scraping *config; /* a reference, for JOB */
	const struct config_job *job;
	struct labels *discovered; /* before relabelling */
	struct labels *labels;	   /* what samples get */
	struct labels *reports[REPORTS + REPORTS_EXTRA];
	size_t n_reports;
	char *key; /* what makes it the same target after a reload */
	uint64_t key_hash;
	char *url;
	int64_t interval, timeout, offset; /* ms; scrapes are due at k * interval + offset */
	/* The schedule. */
	int64_t due;	  /* ms */
	int64_t started;  /* the timestamp of the scrape under way */
	uint64_t started_ns;
	bool fetching;
	bool retired; /* no longer a target: its series end at DUE, unless someone else goes on with them */
	bool kept;    /* while targets are compared */
	char *forced_error; /* it is not asked: why */
	/* What came of it. */
	enum scrape_health health;
	char *error;
	int64_t last_scrape; /* ms; 0: never */
	uint64_t last_duration_ns;
	double body_bytes; /* of the last scrape, -1: more than body_size_limit */
	struct series_cache cache;
	struct metadata metadata;
};

/* The target for ADDRESS and the labels of its group. 0 and *T; 0 and *T NULL: relabelling drops it, and *DISCOVERED is what it was;
 * -EINVAL and *ERROR. *DISCOVERED is set in each case. */
int target_new(struct config_scraping *config, const struct config_job *job, const char *address, const struct labels *group,
	       struct target **t, struct labels **discovered, char **error);
void target_free(struct target *t);
/* T goes on under the configuration that FRESH was made from. */
void target_adopt(struct target *t, struct target *fresh);

#endif
