// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/resident.h"
#include "cli/budget.h"
#include "cli/doctor.h"
#include "cli/metrics.h"
#include "cli/pressure.h"
#include "cli/rule_threads.h"
#include "cli/reload.h"
#include "cli/status.h"
#include "cli/web_config.h"
#include "collector/collector.h"
#include "collector/listeners.h"
#include "config/config.h"
#include "discovery/cgroup_tree.h"
#include "discovery/discovery.h"
#include "discovery/memory_limit.h"
#include "loader/features.h"
#include "loader/loader.h"
#include "notifier/notifier.h"
#include "rules/manager.h"
#include "rules/rule_file.h"
#include "scrape/scrape.h"
#include "store/store.h"

#define DRAIN_MS 10000
#define RULE_THREADS 4
#define RULE_THREADS_FROM ((uint64_t)512 << 20) /* less memory than this: one */

static void warn_of_gaps(const struct loader *l)
{
	const struct loader_feature *f = loader_features(l);
	for (int i = 0; i < LOADER_FEATURES; i++)
		if (!f[i].available)
			log_warn("feature %s is off: %s; %s", f[i].name, f[i].reason, f[i].cost);
}

static void report_loader(void *arg, bool warning, const char *message)
{
	if (warning)
		log_warn("%s", message);
	else
		log_info("%s", message);
}

/* A limit of the cgroup that the budgets would not fit into lowers them: no limit of memory may end in the process being killed. */
static bool fit_budgets(struct app *a)
{
	struct config_http *h = &a->first->http;
	struct budgets b = {.series = h->budget_series, .connections = h->budget_connections};
	uint64_t limit = a->memory_limit, window = a->first->window.size, bodies = SCRAPE_BODIES_MAX;

	/* Where others are scraped, what that takes is not there for us. Bodies may pass their bound by as much again (net/fetch.c). */
	budget_samples(limit, &window, &bodies);
	if (a->first->scraping->n && limit != MEMORY_UNLIMITED)
		limit -= window + 2 * bodies < limit ? window + 2 * bodies : limit;
	if (budget_fit(&b, limit))
		log_info("memory is limited to %llu MiB: budgets are lowered to %u series (%u) and %u connections (%u)",
			 (unsigned long long)(a->memory_limit >> 20), b.series, h->budget_series, b.connections, h->budget_connections);
	h->budget_series = b.series;
	h->budget_connections = b.connections;
	return b.lean;
}

static int load_programs(struct app *a, char **error)
{
	bool lean = fit_budgets(a);
	const struct config_http *h = &a->first->http;
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
		/* One service may take a quarter of all series, or one for each of its endpoints if that is more. */
		.series_per_service = h->budget_series / 4 > h->budget_endpoints ? h->budget_series / 4 : h->budget_endpoints,
		.max_connections = h->budget_connections,
		.lean_maps = lean,
		.ignored_ports = any ? ignored : NULL,
		.routes = h->routes.v,
		.n_routes = h->routes.n,
		.streams = h->streams.v,
		.n_streams = h->streams.n,
		.pin_path = a->opt.pin_path,
		.pin_required = a->opt.pin_required,
		.report = report_loader,
	};
	err = loader_open(&opt, &a->loader, error);
	if (!err) {
		a->discovery = discovery_new(root);
		warn_of_gaps(a->loader);
		collector_enter_listeners(a->loader);
	}
	free(root);
	return err;
}

static bool shows_service(void *arg, const char *service, const char *comm)
{
	const struct config_http *h = arg;
	return config_wants_service(h, service) && (strcmp(service, comm) == 0 || config_wants_service(h, comm));
}

struct snapshot *app_latest(struct app *a)
{
	pthread_mutex_lock(&a->latest_lock);
	struct snapshot *s = a->latest ? snapshot_ref(a->latest) : NULL;
	pthread_mutex_unlock(&a->latest_lock);
	return s;
}

static struct snapshot *latest(void *arg)
{
	return app_latest(arg);
}

static struct labels *external_labels(void *arg)
{
	struct app *a = arg;
	pthread_mutex_lock(&a->reload_lock);
	struct labels *ls = labels_ref(a->config->global.external_labels);
	pthread_mutex_unlock(&a->reload_lock);
	return ls;
}

static bool last_config(void *arg, int64_t *t)
{
	struct app *a = arg;
	*t = __atomic_load_n(&a->reload_ms, __ATOMIC_RELAXED);
	return __atomic_load_n(&a->reload_ok, __ATOMIC_RELAXED);
}

static int reload(void *arg, char **error)
{
	int err = app_reload(arg, error);
	if (err)
		log_error("reload failed, the old state stays: %s", *error);
	return err;
}

/* Binds the addresses first: a port in use is the most common mistake, and nothing is attached yet. */
static int bind_web(struct app *a, char **error)
{
	struct web_route routes[API_MAX_ROUTES + 3];

	if (a->opt.web_config_file) {
		int err = web_config_open(a->opt.web_config_file, &a->web_config, error);
		if (err)
			return err;
	}
	size_t n = api_routes(&a->api, routes);
	routes[n++] = (struct web_route){.method = "GET", .path = a->opt.telemetry_path, .handle = metrics_serve, .ctx = a};
	routes[n++] = (struct web_route){.method = "GET", .path = DOCTOR_PATH, .handle = doctor_serve, .ctx = a, .heavy = true};
	routes[n++] = (struct web_route){.method = "POST", .path = DOCTOR_PATH, .handle = doctor_serve, .ctx = a, .heavy = true};
	struct web_options opt = {.addresses = a->opt.addresses,
				  .n_addresses = a->opt.n_addresses,
				  .first_socket = SYSTEMD_FIRST_SOCKET,
				  .n_sockets = a->opt.n_sockets,
				  .routes = routes,
				  .n_routes = n,
				  .max_answer = budget_answer(a->memory_limit),
				  .security = a->web_config ? web_config_security(a->web_config) : NULL};
	return web_new(&opt, &a->web, error);
}

static void name_ourselves(struct app *a)
{
	char host[256] = "localhost";
	const char *address = web_address(a->web, 0), *port = address ? strrchr(address, ':') : NULL;

	gethostname(host, sizeof(host) - 1);
	a->instance = xasprintf("%s%s", host, port ? port : "");
	a->external_url = a->opt.external_url ? xstrdup(a->opt.external_url) : xasprintf("http://%s", a->instance);
	for (size_t n = strlen(a->external_url); n && a->external_url[n - 1] == '/';)
		a->external_url[--n] = 0;
	a->own_labels = labels_from("job", "reqtally", "instance", a->instance, NULL);
	a->api.instance = a->instance;
	a->api.external_url = a->external_url;
	a->api.listen_address = address;
}

static void report(void *self, const char *message)
{
	log_warn("%s", message);
}

/* Before any thread is made, so that all of them leave the signals to the main one. */
static void block_signals(struct app *a)
{
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	a->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC);
	a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int start(struct app *a, char **error)
{
	int err = 0;

	if (a->opt.config_file)
		err = config_load(a->opt.config_file, &a->first, error);
	else
		a->first = config_default();
	if (err)
		return err;
	a->memory_limit = memory_limit();
	uint64_t window = a->first->window.size, bodies = SCRAPE_BODIES_MAX;
	budget_samples(a->memory_limit, &window, &bodies);
	a->opt.promql.max_samples = budget_query_samples(a->memory_limit, API_MAX_SAMPLES);
	a->store = store_new(&(struct store_options){.budget = window, .max_select = a->opt.promql.max_samples});
	a->api = (struct api){.store = a->store,
			      .promql = a->opt.promql,
			      .version = REQTALLY_VERSION,
			      .revision = "",
			      .build_date = "",
			      .telemetry_path = a->opt.telemetry_path,
			      .latest = latest,
			      .status = status_data,
			      .last_config = last_config,
			      .external_labels = external_labels,
			      .cors_origin = a->opt.cors_origin,
			      .started_ms = clock_unix_ms(),
			      .reload = reload,
			      .arg = a};
	if ((err = bind_web(a, error)))
		return err;
	name_ourselves(a);
	struct rule_set *rules;
	if ((err = reload_read_rules(a, a->first, &rules, error)))
		return err;
	if ((err = load_programs(a, error))) {
		rule_set_free(rules);
		return err;
	}
	struct collector_options co = {
		.bounds = a->first->http.buckets, .n_bounds = a->first->http.n_buckets, .max_connections = a->first->http.budget_connections, .shows = shows_service, .arg = &a->first->http};
	a->collector = collector_new(a->loader, a->discovery, &co);
	/* Capabilities are a thread's own. So before the first one is made: those that read what strangers send have none of them. */
	if (loader_drop_capabilities())
		log_warn("cannot give up capabilities");
	if ((err = loader_forbid_system_calls()))
		log_warn("cannot forbid system calls that are not needed: %s", strerror(-err));
	a->pressure = pressure_start(a->loader, &a->collect_lock);
	if (!a->pressure)
		log_warn("no thread for taking back states of connections: past their budget new ones are not counted");
	a->notifier = notifier_new(&(struct notifier_options){.report = report});
	a->scraper = scraper_new(&(struct scraper_options){.store = a->store, .max_bodies = bodies, .report = report});
	a->api.scraper = a->scraper;
	reload_apply(a, a->first, rules);
	a->api.rules = a->rules;
	return web_start(a->web, error);
}

int app_start(struct app *a, const struct app_options *opt, char **error)
{
	*a = (struct app){.opt = *opt};
	pthread_mutex_init(&a->collect_lock, NULL);
	pthread_mutex_init(&a->latest_lock, NULL);
	pthread_mutex_init(&a->reload_lock, NULL);
	block_signals(a);
	int err = start(a, error);
	if (err) {
		app_stop(a);
		return err;
	}
	for (size_t i = 0; web_address(a->web, i); i++)
		log_info("serving on %s", web_address(a->web, i));
	resident_forget_code();
	return 0;
}

static void report_own_scrape(struct app *a, const char *name, int64_t t, double v)
{
	struct labels_builder b;
	labels_builder_init(&b, a->own_labels);
	labels_builder_set(&b, SV(LABEL_NAME), sv_of(name));
	struct labels *ls = labels_builder_build(&b);
	labels_builder_free(&b);
	store_append(a->store, ls, t, v);
	labels_unref(ls);
}

/* We are a job of our own, and as every job have an `up`. */
static void scrape_ourselves(struct app *a)
{
	int64_t begun = clock_unix_ms();
	uint64_t begun_ns = clock_mono_ns();
	struct snapshot *s = app_collect(a);
	if (s)
		store_append_snapshot(a->store, s, a->own_labels);
	report_own_scrape(a, "up", s ? s->t : begun, s != NULL);
	report_own_scrape(a, "scrape_duration_seconds", s ? s->t : begun, (double)(clock_mono_ns() - begun_ns) / 1e9);
	snapshot_unref(s);
}

static void refresh_web_config(struct app *a)
{
	char *error = NULL;
	if (!a->web_config)
		return;
	int r = web_config_refresh(a->web_config, &error);
	if (r > 0)
		r = web_set_security(a->web, web_config_security(a->web_config), &error);
	if (r < 0)
		log_error("%s; the old web configuration stays", error);
	free(error);
}

/* True at the signal that ends the program. */
static bool take_signal(struct app *a)
{
	struct signalfd_siginfo si;
	char *error = NULL;

	if (read(a->signal_fd, &si, sizeof(si)) != sizeof(si))
		return false;
	if (si.ssi_signo != SIGHUP)
		return true;
	reload(a, &error);
	free(error);
	return false;
}

/* Behind each evaluation of rules. */
static void after_rules(void *self)
{
	struct app *a = self;
	alert_state_keep(&a->alert_state, a->rules, false);
}

static int64_t mono_ms(void)
{
	return (int64_t)(clock_mono_ns() / 1000000);
}

int app_run(struct app *a)
{
	/* Scrapes and rules go by the clock on the wall; what only has to come again does not depend on it. */
	int64_t scrape_due = clock_unix_ms(), web_due = mono_ms(), tend_due = web_due;
	struct pollfd fds[] = {{.fd = a->signal_fd, .events = POLLIN}, {.fd = a->wake_fd, .events = POLLIN}};
	uint64_t woken;

	/* Where memory is short one evaluation at a time has to do. */
	a->rule_threads = rule_threads_start(a->rules, a->memory_limit < RULE_THREADS_FROM ? 1 : RULE_THREADS, after_rules, a);
	if (!a->rule_threads) {
		log_error("cannot start a thread for rules");
		return -EAGAIN;
	}
	for (;;) {
		int64_t now = clock_unix_ms(), interval = __atomic_load_n(&a->scrape_ms, __ATOMIC_RELAXED);
		if (scrape_due > now + interval) {
			size_t n = store_set_back(a->store, now);
			log_warn("the clock was set back: %zu series with samples of later times begin anew", n);
			scrape_due = now;
		}
		if (now >= scrape_due) {
			scrape_ourselves(a);
			memory_give_back();
			scrape_due = now - now % interval + interval;
		}
		int64_t mono = mono_ms();
		if (mono >= web_due) {
			refresh_web_config(a);
			web_due = mono + 1000;
		}
		if (mono >= tend_due) {
			pthread_mutex_lock(&a->collect_lock);
			int next = loader_tend(a->loader);
			pthread_mutex_unlock(&a->collect_lock);
			tend_due = next < 0 ? INT64_MAX : mono + next;
		}
		int64_t wait = scrape_due - clock_unix_ms();
		mono = mono_ms();
		if (a->web_config && web_due - mono < wait)
			wait = web_due - mono;
		if (tend_due - mono < wait)
			wait = tend_due - mono;
		if (poll(fds, 2, wait > 60000 ? 60000 : wait > 0 ? (int)wait : 0) <= 0)
			continue;
		if (fds[1].revents) {
			rule_threads_wake(a->rule_threads);
			if (read(a->wake_fd, &woken, sizeof(woken)) < 0)
				continue;
		}
		if (fds[0].revents && take_signal(a))
			break;
	}
	__atomic_store_n(&a->stopping, true, __ATOMIC_RELAXED);
	log_info("stopping%s", loader_pinned(a->loader) ? "; counting goes on without, until `reqtally uninstall`" : "");
	return 0;
}

void app_stop(struct app *a)
{
	web_free(a->web);
	pressure_stop(a->pressure);
	rule_threads_stop(a->rule_threads);
	scraper_free(a->scraper);
	if (a->notifier) {
		notifier_stop(a->notifier, DRAIN_MS);
		notifier_free(a->notifier);
	}
	if (a->rules) {
		alert_state_keep(&a->alert_state, a->rules, true);
		rule_manager_free(a->rules);
	}
	collector_free(a->collector);
	loader_free(a->loader);
	discovery_free(a->discovery);
	store_free(a->store);
	web_config_free(a->web_config);
	snapshot_unref(a->latest);
	labels_unref(a->own_labels);
	free(a->instance);
	free(a->external_url);
	if (a->config != a->first)
		config_free(a->config);
	config_free(a->first);
	close(a->signal_fd);
	close(a->wake_fd);
	*a = (struct app){0};
}
