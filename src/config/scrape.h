/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scrape_configs as plain data: jobs, each with its targets and how they are asked. */
#ifndef RT_CONFIG_SCRAPE_H
#define RT_CONFIG_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strings.h"
#include "config/targets.h"
#include "model/relabel.h"
#include "net/options.h"

/* Formats of an exposition, by their names in scrape_protocols. */
enum config_protocol {
	PROTOCOL_NONE,
	PROTOCOL_PROTO,	  /* PrometheusProto */
	PROTOCOL_OM_1,	  /* OpenMetricsText1.0.0 */
	PROTOCOL_OM_0,	  /* OpenMetricsText0.0.1 */
	PROTOCOL_TEXT_1,  /* PrometheusText1.0.0 */
	PROTOCOL_TEXT_0,  /* PrometheusText0.0.4 */
	N_PROTOCOLS,
};

struct config_file_sd {
	struct strings files; /* globs, absolute or from the working directory */
	int64_t refresh_interval; /* ms */
};

struct config_http_sd {
	char *url;
	int64_t refresh_interval; /* ms */
	struct net_options http;
};

struct config_http_sds {
	struct config_http_sd *v;
	size_t n, cap;
};

void config_http_sds_free(struct config_http_sds *list);

struct config_param {
	char *name;
	struct strings values;
};

/* 0: no limit. */
struct config_scrape_limits {
	uint64_t body_size; /* bytes, decompressed */
	uint64_t samples, targets, labels, label_name_length, label_value_length, histogram_buckets;
	uint64_t keep_dropped; /* how many dropped targets the API lists */
};

/* What global says for all jobs and each job may say for itself. */
struct config_scrape_common {
	int64_t interval, timeout; /* ms */
	enum config_protocol protocols[N_PROTOCOLS]; /* in order of preference; PROTOCOL_NONE ends them */
	struct config_scrape_limits limits;
	signed char native_histograms; /* 1: ask for them and keep them; -1 while being read: not said */
	signed char nhcb;	       /* 1: classic histograms become native ones with custom bounds; -1 as above */
	signed char extra;	       /* 1: more series about the scrape itself; -1 as above */
	signed char always_classic;    /* 1: keep the classic buckets of a native histogram too; -1 as above */
	bool legacy_names;
	char *escaping; /* "allow-utf-8", "underscores", "dots", "values" */
};

struct config_job {
	char *name;
	uint64_t fingerprint; /* of all that is said of it: another one, another way of naming its series */
	struct config_scrape_common common;
	char *metrics_path, *scheme;
	struct config_param *params;
	size_t n_params, cap_params;
	bool honor_labels, honor_timestamps, track_timestamps_staleness, compression;
	enum config_protocol fallback; /* for a Content-Type that says nothing */
	double min_bucket_factor;      /* native histograms: the least growth of a bucket; 0: any */
	struct target_groups static_targets;
	struct config_file_sd *file_sd;
	size_t n_file_sd, cap_file_sd;
	struct config_http_sds http_sd;
	struct relabel_rules relabel, metric_relabel;
	struct net_options http;
};

/* Shared by reference between the configuration and the scraper. Immutable. */
struct config_scraping {
	uint32_t refs;
	struct config_job *v;
	size_t n, cap;
};

struct config_scraping *config_scraping_new(void);
struct config_scraping *config_scraping_ref(struct config_scraping *s);
void config_scraping_unref(struct config_scraping *s);

#endif
