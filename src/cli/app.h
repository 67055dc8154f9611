/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The running program: all parts, wired.
 *
 * The main thread scrapes our own figures into the window and evaluates rules when they are due. The web server's workers scrape for
 * Prometheus (one at a time: collect_lock), answer queries and reload. The notifier has its own threads. */
#ifndef RT_CLI_APP_H
#define RT_CLI_APP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "cli/alert_state.h"

struct app_options {
	const char *config_file; /* NULL: the defaults and the bundled rule */
	const char *web_config_file;
	const char *telemetry_path;
	struct promql_options promql; /* the features that are on */
	const char *alert_state_file; /* NULL or empty: alerts start anew after a restart */
	int64_t outage_tolerance_ms, grace_ms, resend_delay_ms;
	const struct regex *cors_origin; /* NULL: all */
	const char *external_url; /* NULL: made from host name and port */
	const char *pin_path; /* NULL: programs and maps end with the process */
	bool pin_required;
	const char *const *addresses;
	size_t n_addresses;
	size_t n_sockets; /* from systemd, instead of addresses */
};

#define SYSTEMD_FIRST_SOCKET 3

struct app {
	struct app_options opt;
	/* The first one stays: buckets, budgets and filters are in the kernel by then. A reload replaces `config`. */
	struct config *first, *config;
	struct loader *loader;
	struct pressure *pressure;
	struct discovery *discovery;
	struct collector *collector;
	struct store *store;
	struct notifier *notifier;
	struct rule_manager *rules;
	struct rule_threads *rule_threads;
	bool stopping; /* evaluations of rules are to end; atomic */
	struct alert_state_keeper alert_state;
	struct scraper *scraper;
	uint64_t memory_limit; /* of the cgroup, or MEMORY_UNLIMITED */
	struct web *web;
	struct web_config *web_config;
	struct api api;
	char *instance, *external_url;
	struct labels *own_labels; /* job, instance */
	pthread_mutex_t collect_lock;
	struct snapshot *latest; /* under latest_lock */
	pthread_mutex_t latest_lock;
	pthread_mutex_t reload_lock;
	unsigned sending;  /* atomic: scrapes on their way to scrapers */
	int64_t scrape_ms; /* atomic: interval of our own scrapes */
	int wake_fd;	   /* eventfd: the main thread looks at the time again */
	int signal_fd;
	bool reload_ok; /* atomic: the last reload */
	int64_t reload_ms; /* atomic: when it succeeded */
};

/* 0, or a negative errno and *ERROR, one message for the user. On failure nothing is left behind. */
int app_start(struct app *a, const struct app_options *opt, char **error);
/* Until SIGTERM or SIGINT. The exit code. */
int app_run(struct app *a);
void app_stop(struct app *a);
/* Reads configuration and rules anew. On failure everything stays as it was. Thread-safe. */
int app_reload(struct app *a, char **error);

/* A reference to the latest scrape, whoever asked for it; NULL if there was none yet. Thread-safe. */
struct snapshot *app_latest(struct app *a);
/* A fresh scrape of everything, with our own figures; the caller unrefs it. NULL, and logged, if the maps cannot be read. */
struct snapshot *app_collect(struct app *a);

#endif
