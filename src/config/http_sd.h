/* SPDX-License-Identifier: GPL-2.0-or-later */
/* http_sd_configs: target groups that a server tells as JSON, asked for again and again. Belongs to one thread, which is never held up:
 * every poll does what can be done at once. */
#ifndef RT_CONFIG_HTTP_SD_H
#define RT_CONFIG_HTTP_SD_H

#include <stdbool.h>
#include <stdint.h>

#include "config/scrape.h"
#include "config/targets.h"

struct http_fetcher;

#define HTTP_SD_BODY_MAX ((size_t)16 << 20)
#define HTTP_SD_POLL_MS 50 /* between polls while an answer is awaited */

struct http_sd_entry {
	size_t block; /* the caller's: which job */
	const struct config_http_sd *sd;
	char *url;
	int64_t due; /* ms */
	bool fetching;
	struct target_groups groups; /* as of the last good answer */
};

struct http_sd_cache {
	struct http_sd_entry **v;
	size_t n, cap;
	struct http_sd_entry **old; /* while a new configuration is taken over */
	size_t n_old;
	struct http_fetcher *fetcher; /* there once there is something to ask */
	bool changed;
	uint64_t errors; /* since the beginning */
	char *error;	 /* the last one; the caller may take it away */
};

/* A new configuration: begin, add for every item, end. What a URL has told before holds until it tells something else. SD must live until
 * the next begin or the end of the cache. */
void http_sd_begin(struct http_sd_cache *c);
void http_sd_add(struct http_sd_cache *c, size_t block, const struct config_http_sd *sd);
void http_sd_end(struct http_sd_cache *c);
/* Asks what is due, takes in what has come. True if the targets may be others than before. A server that fails or tells nonsense changes
 * nothing. */
bool http_sd_poll(struct http_sd_cache *c, int64_t now);
/* When to poll again, ms. INT64_MAX: there is nothing to ask. */
int64_t http_sd_next(const struct http_sd_cache *c, int64_t now);
void http_sd_free(struct http_sd_cache *c);

#endif
