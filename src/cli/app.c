// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "collector/collector.h"
#include "config/config.h"
#include "discovery/cgroup_tree.h"
#include "discovery/discovery.h"
#include "exposition/scrape.h"
#include "loader/loader.h"
#include "store/store.h"

/* Default: enough for 14 buckets and 1,000 endpoints, and the same for everybody else. */
static int load_programs(struct app *a, char **error)
{
	const struct config_http *h = &a->config->http;
	uint64_t ignored[1024] = {0};
	char *root = NULL;
	bool any = false;

	int err = find_cgroup2_mount(&root, error);
	if (err)
		return err;
	for (uint32_t p = 0; p < 65536; p++)
		if (!config_wants_port(h, (uint16_t)p)) {
			ignored[p / 64] |= 1ull << p % 64;
			any = true;
		}
	struct loader_options opt = {
		.cgroup_root = root,
		.bounds = h->buckets,
		.n_bounds = h->n_buckets,
		.max_series = h->budget_series,
		.max_endpoints = h->budget_series,
		.endpoints_per_service = h->budget_endpoints,
		.series_per_service = h->budget_series / 4 > h->budget_endpoints ? h->budget_series / 4 : h->budget_endpoints,
		.ignored_ports = any ? ignored : NULL,
	};
	err = loader_open(&opt, &a->loader, error);
	if (!err)
		a->discovery = discovery_new(root);
	free(root);
	return err;
}

static bool shows_service(void *arg, const char *service, const char *comm)
{
	const struct config_http *h = arg;
	return config_wants_service(h, service) && (strcmp(service, comm) == 0 || config_wants_service(h, comm));
}

/* A fresh scrape; the caller unrefs it. NULL if the maps cannot be read. */
static struct snapshot *collect(struct app *a)
{
	struct snapshot *s = NULL;

	pthread_mutex_lock(&a->collect_lock);
	int err = collector_snapshot(a->collector, &s);
	pthread_mutex_unlock(&a->collect_lock);
	if (err) {
		log_error("cannot read the kernel's maps: %s", strerror(-err));
		return NULL;
	}
	pthread_mutex_lock(&a->latest_lock);
	snapshot_unref(a->latest);
	a->latest = snapshot_ref(s);
	pthread_mutex_unlock(&a->latest_lock);
	return s;
}

static void handle_metrics(void *ctx, struct web_request *req, struct web_response *res)
{
	struct snapshot *s = collect(ctx);
	if (!s) {
		web_response_text(res, 500, "the kernel's maps cannot be read");
		return;
	}
	scrape_respond(req, res, s);
	snapshot_unref(s);
}

static struct snapshot *latest(void *arg)
{
	struct app *a = arg;
	pthread_mutex_lock(&a->latest_lock);
	struct snapshot *s = a->latest ? snapshot_ref(a->latest) : NULL;
	pthread_mutex_unlock(&a->latest_lock);
	return s;
}

static int reload(void *arg, char **error)
{
	return app_reload(arg, error);
}

/* Binds the addresses first: a port in use is the most common mistake, and nothing is attached yet. */
static int bind_web(struct app *a, char **error)
{
	struct web_route routes[API_MAX_ROUTES + 1];
	size_t n = api_routes(&a->api, routes);

	routes[n++] = (struct web_route){.method = "GET", .path = a->opt.telemetry_path, .handle = handle_metrics, .ctx = a};
	struct web_options opt = {.addresses = a->opt.addresses, .n_addresses = a->opt.n_addresses, .routes = routes, .n_routes = n};
	return web_new(&opt, &a->web, error);
}

static void name_ourselves(struct app *a)
{
	char host[256] = "localhost";
	const char *address = web_address(a->web, 0), *port = address ? strrchr(address, ':') : NULL;

	gethostname(host, sizeof(host) - 1);
	a->instance = xasprintf("%s%s", host, port ? port : "");
	a->external_url = a->opt.external_url ? xstrdup(a->opt.external_url) : xasprintf("http://%s", a->instance);
	a->own_labels = labels_from("job", "reqtally", "instance", a->instance, NULL);
	a->api.instance = a->instance;
}

int app_start(struct app *a, const struct app_options *opt, char **error)
{
	*a = (struct app){.opt = *opt, .wake_fd = -1};
	pthread_mutex_init(&a->collect_lock, NULL);
	pthread_mutex_init(&a->latest_lock, NULL);
	pthread_mutex_init(&a->reload_lock, NULL);
	int err = 0;
	if (opt->config_file)
		err = config_load(opt->config_file, &a->config, error);
	else
		a->config = config_default();
	if (err)
		goto fail;
	a->store = store_new(&(struct store_options){0});
	a->api = (struct api){.store = a->store,
			      .version = REQTALLY_VERSION,
			      .revision = "",
			      .build_date = "",
			      .telemetry_path = opt->telemetry_path,
			      .latest = latest,
			      .reload = reload,
			      .arg = a};
	err = bind_web(a, error);
	if (err)
		goto fail;
	name_ourselves(a);
	err = load_programs(a, error);
	if (err)
		goto fail;
	struct collector_options co = {
		.bounds = a->config->http.buckets, .n_bounds = a->config->http.n_buckets, .shows = shows_service, .arg = &a->config->http};
	a->collector = collector_new(a->loader, a->discovery, &co);
	err = web_start(a->web, error);
	if (err)
		goto fail;
	log_info("serving on %s", web_address(a->web, 0));
	return 0;
fail:
	app_stop(a);
	return err;
}

int app_run(struct app *a)
{
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	for (;;) {
		int sig;
		if (sigwait(&mask, &sig))
			continue;
		if (sig != SIGHUP)
			break;
	}
	return 0;
}

void app_stop(struct app *a)
{
	web_free(a->web);
	collector_free(a->collector);
	loader_free(a->loader);
	discovery_free(a->discovery);
	store_free(a->store);
	snapshot_unref(a->latest);
	labels_unref(a->own_labels);
	free(a->instance);
	free(a->external_url);
	config_free(a->config);
	*a = (struct app){0};
}

int app_reload(struct app *a, char **error)
{
	return 0;
}
