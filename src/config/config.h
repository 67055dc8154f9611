/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file as plain data: Prometheus' own shape, and one section of ours, `http:`. Every key that Prometheus 3
 * knows is accepted, so that an existing prometheus.yml loads as it is; what is accepted and not acted on is listed by name.
 * An unknown key or a wrong value is an error that says where, what, and what would be right. */
#ifndef RT_CONFIG_CONFIG_H
#define RT_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/strings.h"
#include "config/scrape.h"
#include "config/targets.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "net/options.h"

#define CONFIG_BUCKETS_MAX 31	/* the kernel's table of bounds */
#define CONFIG_ROUTES_MAX 64	/* routes and streams, each */
#define CONFIG_ROUTE_LENGTH 191 /* the kernel's endpoint is 192 bytes */
#define CONFIG_NAMES_MAX 256	/* services, ports */

struct config_global {
	int64_t scrape_interval, scrape_timeout, evaluation_interval, rule_query_offset; /* ms */
	struct labels *external_labels;
	bool legacy_names; /* metric_name_validation_scheme: legacy */
	struct config_scrape_common scrape; /* what jobs have that say nothing else */
};

/* One item of alerting.alertmanagers: any number of Alertmanagers that are spoken to in the same way. */
struct config_alertmanagers {
	struct target_groups static_targets;
	struct config_file_sd *file_sd;
	size_t n_file_sd, cap_file_sd;
	struct config_http_sds http_sd;
	char *scheme;	   /* "http" or "https" */
	char *path_prefix; /* "" or "/..." */
	int64_t timeout;   /* ms */
	struct net_options http;
	struct relabel_rules relabel;	    /* of the targets */
	struct relabel_rules alert_relabel; /* of the alerts, after the common ones */
};

/* Shared by reference between the configuration and the notifier. Immutable. */
struct config_alerting {
	uint32_t refs;
	struct labels *external_labels;
	struct relabel_rules alert_relabel;
	struct config_alertmanagers *v;
	size_t n, cap;
};

/* The window of samples in memory that rules and queries read. */
struct config_window {
	int64_t retention; /* ms; rules that look back further make it longer */
	uint64_t size;	   /* bytes */
};

/* Which requests are counted, and how. */
struct config_http {
	double buckets[CONFIG_BUCKETS_MAX]; /* seconds, ascending */
	size_t n_buckets;
	struct strings routes;	/* "/users/{name}/orders", "/static/" followed by two stars */
	struct strings streams; /* the same form: endpoints whose responses are streams */
	struct strings include_services, exclude_services; /* names or globs */
	uint16_t *ports, *exclude_ports;
	size_t n_ports, n_exclude_ports;
	uint32_t budget_endpoints; /* per service */
	uint32_t budget_series, budget_connections;
};

struct config {
	char *path; /* as given; NULL for the defaults */
	struct config_global global;
	struct strings rule_patterns; /* as written */
	struct strings missing_rule_files; /* those that are no globs and not there: told as warnings, errors for a checker */
	struct strings rule_files;    /* the files they match now, sorted within a pattern, each once */
	struct config_alerting *alerting;
	struct strings scrape_files; /* scrape_config_files as globs */
	struct config_scraping *scraping;
	struct config_window window;
	struct config_http http;
	struct buf yaml; /* what is in force, to be shown: the defaults of global filled in, secrets left out */
	struct strings not_acted_on; /* "remote_write", "global.query_log_file", ... each once */
	struct strings warnings;     /* "FILE:LINE:COL: ...", for the log */
};

/* Reads PATH. 0 and *CFG, or a negative errno and *ERROR, "FILE:LINE:COL: what is wrong, what is accepted". */
int config_load(const char *path, struct config **cfg, char **error);
/* The same from text; DIR is what relative file names start from. */
int config_parse(const char *name, const char *dir, const char *text, size_t len, struct config **cfg, char **error);
/* What holds with no file at all. */
struct config *config_default(void);
void config_free(struct config *cfg);

/* Reads a file of Prometheus' HTTP client configuration. 0 and *OUT (net_options_free it), or a negative errno and *ERROR
 * "FILE:LINE:COL: ...". */
int config_http_client_load(const char *path, struct net_options *out, char **error);

struct config_alerting *config_alerting_ref(struct config_alerting *a);
void config_alerting_unref(struct config_alerting *a);

/* Is the service called NAME to be counted? exclude_services wins; an empty include_services includes all. */
bool config_wants_service(const struct config_http *http, const char *name);
bool config_wants_port(const struct config_http *http, uint16_t port);

#endif
