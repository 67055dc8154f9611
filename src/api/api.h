/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' HTTP API (RULES 10) over the window of own samples, the status page and the management endpoints: routes for web.h. */
#ifndef RT_API_API_H
#define RT_API_API_H

#include "exposition/web.h"
#include "model/family.h"
#include "promql/promql.h"
#include "rules/manager.h"
#include "scrape/scrape.h"
#include "store/store.h"


/* What the handlers need. It is only read, and must outlive the web server. */
struct api {
	struct store *store;
	struct promql_options promql; /* for queries; max_samples 0: API_MAX_SAMPLES */
	struct rule_manager *rules;  /* NULL: none */
	struct scraper *scraper;     /* NULL: none */
	const char *external_url;    /* for globalUrl; NULL: that is scrapeUrl */
	const char *listen_address;  /* host:port, for globalUrl too */
	const char *version, *revision, *build_date;
	const char *telemetry_path; /* "/metrics" */
	const char *instance;	    /* host:port, for the title of the status page */
	/* The latest scrape as a reference, or NULL: for metadata and the status page. */
	struct snapshot *(*latest)(void *arg);
	/* NULL (always ready), or whether the first scrape is done. */
	bool (*is_ready)(void *arg);
	/* 0, or a negative errno and *ERROR (heap). */
	int (*reload)(void *arg, char **error);
	void *arg;
};

#define API_MAX_SAMPLES 4000000 /* a hundred megabytes in an evaluation */
#define API_MAX_ROUTES 32

/* Fills ROUTES (room for API_MAX_ROUTES) with everything but the telemetry path; returns their number. */
size_t api_routes(struct api *api, struct web_route *routes);

#endif
