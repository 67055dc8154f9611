/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All targets there are: made from a configuration and from files, compared with those there were. Internal to scrape. */
#ifndef RT_SCRAPE_TARGET_POOL_H
#define RT_SCRAPE_TARGET_POOL_H

#include "config/file_sd.h"
#include "config/http_sd.h"
#include "scrape/target.h"

struct dropped {
	struct config_scraping *config; /* a reference, for JOB */
	const struct config_job *job;
	struct labels *discovered;
};

struct job_count {
	const struct config_job *job; /* of the pool's configuration */
	uint64_t dropped;
};

struct target_pool {
	struct config_scraping *config; /* NULL: none yet */
	struct file_sd_cache files;
	struct http_sd_cache https;
	struct target **v; /* in the configuration's order, then the retired ones */
	size_t n, cap;
	struct dropped *dropped;
	size_t n_dropped, cap_dropped;
	struct job_count *counts; /* one a job */
};

/* The configuration is another: which URLs of http_sd_configs there are. */
void target_pool_configure(struct target_pool *p);
/* Looks at the files again, and for what servers have told. True if targets may be others than before. */
bool target_pool_look(struct target_pool *p, int64_t now);
/* Makes the targets anew. Targets that are gone are retired, or freed if they never were scraped; GONE is called for each before. SAY (may
 * be NULL) gets what is wrong with single targets. */
void target_pool_apply(struct target_pool *p, int64_t now, void (*gone)(void *arg, struct target *t), void (*say)(void *arg, const char *message),
		void *arg);
/* Removes and frees V[I]. */
void target_pool_remove(struct target_pool *p, size_t i);
void target_pool_free(struct target_pool *p);
/* The first time after NOW that T is due. */
int64_t target_next_due(const struct target *t, int64_t now);

#endif
