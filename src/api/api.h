/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' HTTP API over the window of own samples, the status page and the management endpoints: routes for web.h. */
#ifndef RT_API_API_H
#define RT_API_API_H

#include "base/json.h"
#include "base/regex.h"
#include "exposition/web.h"
#include "model/family.h"
#include "promql/promql.h"
#include "rules/manager.h"
#include "scrape/scrape.h"
#include "store/store.h"


#define API_MAX_ROUTES 72

/* What the handlers need. But for subquery_step_ms nothing changes once the server runs, and it must outlive the web server, at its place. */
struct api {
	struct store *store;
	struct promql_options promql; /* for queries; max_samples 0: API_MAX_SAMPLES */
	int64_t subquery_step_ms;     /* atomic, since a reload changes it; 0: that of promql */
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
	/* `data` of status/WHAT, "config" or "flags", and of "alertmanagers"; NULL, or returns NULL: there is no such thing. */
	json_t *(*status)(void *arg, const char *what);
	/* A reference to the external labels in force, for /federate. NULL: there are none. */
	struct labels *(*external_labels)(void *arg);
	/* When the configuration in force was read, ms since the epoch, and whether the last attempt succeeded. NULL: never. */
	bool (*last_config)(void *arg, int64_t *t);
	const struct regex *cors_origin; /* anchored: origins whose pages may read the API; NULL: all */
	int64_t started_ms;
	/* 0, or a negative errno and *ERROR (heap). */
	int (*reload)(void *arg, char **error);
	void *arg;
	struct api_entry { /* private: what the routes point to */
		const struct api *api;
		void (*handle)(void *ctx, struct web_request *req, struct web_response *res);
	} entries[API_MAX_ROUTES];
};

#define API_MAX_SAMPLES 4000000 /* a hundred megabytes in an evaluation */

/* Fills ROUTES (room for API_MAX_ROUTES) with everything but the telemetry path; returns their number. */
size_t api_routes(struct api *api, struct web_route *routes);

#endif
