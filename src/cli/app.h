/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The running program: all parts, wired. */
#ifndef RT_CLI_APP_H
#define RT_CLI_APP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"

struct loader;
struct discovery;
struct collector;
struct store;
struct notifier;
struct config;
struct web;
struct rule_manager;

struct app_options {
	const char *config_file; /* NULL: the defaults and the bundled rule */
	const char *web_config_file;
	const char *telemetry_path;
	const char *external_url; /* NULL: made from host name and port */
	const char *const *addresses;
	size_t n_addresses;
};

struct app {
	struct app_options opt;
	struct config *config;
	struct loader *loader;
	struct discovery *discovery;
	struct collector *collector;
	struct store *store;
	struct notifier *notifier;
	struct rule_manager *rules;
	struct web *web;
	struct api api;
	char *instance, *external_url;
	struct labels *own_labels; /* job, instance */
	pthread_mutex_t collect_lock;
	pthread_mutex_t latest_lock;
	struct snapshot *latest;
	int wake_fd; /* an eventfd: a reload is asked for */
	pthread_mutex_t reload_lock;
};

/* 0, or a negative errno and *ERROR, one message for the user. On failure nothing is left behind. */
int app_start(struct app *a, const struct app_options *opt, char **error);
/* Until SIGTERM or SIGINT. The exit code. */
int app_run(struct app *a);
void app_stop(struct app *a);
/* Reads configuration and rules anew. On failure everything stays as it was. */
int app_reload(struct app *a, char **error);

#endif
