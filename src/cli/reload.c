// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration and rules put into force, at start and again at SIGHUP or POST /-/reload. */
#include "cli/reload.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/budget.h"
#include "cli/bundled.h"
#include "config/config.h"
#include "model/text.h"
#include "notifier/notifier.h"
#include "rules/manager.h"
#include "scrape/scrape.h"
#include "store/store.h"

/* Without a configuration file nobody has set an interval: often enough that `for: 2m` means two minutes. */
#define DEFAULT_INTERVAL_MS 15000
#define RULE_MAX_SAMPLES 50000000 /* as Prometheus, where memory is not limited */
/* Longer than any range a rule reads, so that a late evaluation still finds its samples. */
#define RETENTION_MARGIN_MS (5 * 60 * 1000)

static void append_produced(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	struct app *a = self;
	struct store_sample s = {.labels = labels, .t = t, .h = h, .marker = !h && sample_is_stale(&v)};
	memcpy(&s.v, &v, sizeof(v)); /* a stale marker keeps its bits */
	store_append_batch(a->store, &s, 1);
}

static void notify(void *self, const struct rule_alert *alerts, size_t n)
{
	struct app *a = self;
	struct notifier_alert *out = xcalloc(n, sizeof(*out));
	for (size_t i = 0; i < n; i++)
		out[i] = (struct notifier_alert){.labels = alerts[i].labels,
						 .annotations = alerts[i].annotations,
						 .starts_at = alerts[i].starts_at,
						 .ends_at = alerts[i].ends_at,
						 .generator_url = alerts[i].generator_url};
	notifier_send(a->notifier, out, n);
	free(out);
}

static void failed(void *self, const char *group, const char *rule, const char *error)
{
	log_warn("rule %s of %s failed: %s", rule, group, error);
}

static bool is_stopping(void *self)
{
	return __atomic_load_n(&((struct app *)self)->stopping, __ATOMIC_RELAXED);
}

static struct rule_manager_options rule_options(struct app *a, const struct config *cfg)
{
	bool bundled = !cfg->path;
	return (struct rule_manager_options){
		.source = *store_source(a->store),
		.promql = {.subquery_step_ms = bundled ? DEFAULT_INTERVAL_MS : cfg->global.evaluation_interval,
			   .max_samples = budget_query_samples(a->memory_limit, RULE_MAX_SAMPLES),
			   .is_gone = is_stopping,
			   .gone_arg = a,
			   .experimental_functions = a->opt.promql.experimental_functions,
			   .delayed_name_removal = a->opt.promql.delayed_name_removal,
			   .start_timestamps = a->opt.promql.start_timestamps},
		.evaluation_interval_ms = bundled ? DEFAULT_INTERVAL_MS : cfg->global.evaluation_interval,
		.query_offset_ms = cfg->global.rule_query_offset,
		.resend_delay_ms = a->opt.resend_delay_ms,
		.external_labels = cfg->global.external_labels,
		.external_url = a->external_url,
		.append = append_produced,
		.notify = notify,
		.failed = failed,
		.self = a,
	};
}

/* All errors in one line, as one message. */
static char *join(const struct strings *errors)
{
	_cleanup_buf_ struct buf b = BUF_LIMIT(1 << 20);
	for (size_t i = 0; i < errors->n; i++) {
		if (i && !strcmp(errors->v[i], errors->v[i - 1])) /* syntax errors are told twice, as promtool does */
			continue;
		buf_adds(&b, i ? "; " : "");
		/* yaml's errors are a heading and indented lines. */
		for (const char *p = errors->v[i]; *p; p++) {
			buf_addc(&b, *p == '\n' ? ' ' : *p);
			if (*p == '\n')
				p += strspn(p + 1, " ");
		}
	}
	return buf_steal(&b);
}

int reload_read_rules(const struct app *a, const struct config *cfg, struct rule_set **out, char **error)
{
	struct strings errors = {0};
	struct rule_set *set = rule_set_new();
	int err;

	set->experimental_functions = a->opt.promql.experimental_functions;
	if (cfg->path)
		err = rule_files_load_into(&cfg->rule_files, set, &errors);
	else
		err = rule_file_parse(BUNDLED_NAME, bundled_rules, strlen(bundled_rules), set, &errors);
	if (err) {
		*error = join(&errors);
		rule_set_free(set);
	} else {
		*out = set;
	}
	strings_free(&errors);
	return err;
}

/* The window keeps what rules read, for as far back as they look. */
static void follow_rules(struct app *a, const struct config *cfg, const struct rule_set *set)
{
	struct store_filter *f = store_filter_new();
	for (size_t i = 0; i < set->n; i++)
		for (size_t k = 0; k < set->groups[i].n_rules; k++)
			promql_selectors(set->groups[i].rules[k].expr, store_filter_add, f);
	int64_t range = store_filter_range(f) + RETENTION_MARGIN_MS;
	int64_t retention = range > cfg->window.retention ? range : cfg->window.retention;
	uint64_t size = cfg->window.size, bodies = 0;
	budget_samples(a->memory_limit, &size, &bodies);
	store_set_limits(a->store, retention, size);
	store_set_filter(a->store, f);
}

void reload_apply(struct app *a, struct config *cfg, struct rule_set *set)
{
	for (size_t i = 0; i < cfg->warnings.n; i++)
		log_warn("%s", cfg->warnings.v[i]);
	if (cfg->not_acted_on.n) {
		char *names = join(&cfg->not_acted_on);
		log_info("accepted and not acted on in %s: %s", cfg->path, names);
		free(names);
	}
	struct rule_manager_options opt = rule_options(a, cfg);
	follow_rules(a, cfg, set);
	size_t rules = rule_set_count(set);
	if (!a->rules) {
		a->rules = rule_manager_new(&opt);
		alert_state_recall(&a->alert_state, a->opt.alert_state_file, a->rules, a->opt.outage_tolerance_ms, a->opt.grace_ms);
	}
	rule_manager_apply(a->rules, set, &opt, clock_unix_ms());
	notifier_reload(a->notifier, cfg->alerting);
	scraper_apply(a->scraper, cfg->scraping);
	__atomic_store_n(&a->scrape_ms, cfg->path ? cfg->global.scrape_interval : DEFAULT_INTERVAL_MS, __ATOMIC_RELAXED);
	__atomic_store_n(&a->api.subquery_step_ms, opt.promql.subquery_step_ms, __ATOMIC_RELAXED);
	a->config = cfg;
	__atomic_store_n(&a->reload_ok, true, __ATOMIC_RELAXED);
	__atomic_store_n(&a->reload_ms, clock_unix_ms(), __ATOMIC_RELAXED);
	struct buf window = BUF_INIT;
	text_duration(store_retention(a->store), &window);
	struct store_stats st;
	store_stats(a->store, &st);
	log_info("the window keeps samples for %s in at most %.0f MiB; %zu scrape jobs", buf_str(&window), (double)st.budget / (1 << 20),
		 cfg->scraping->n);
	buf_free(&window);
	log_info("%zu rule%s from %s", rules, rules == 1 ? "" : "s", cfg->path ? cfg->path : "the bundled file");
	memory_give_back(); /* the files as trees, and what was in force before */
}

int app_reload(struct app *a, char **error)
{
	struct config *cfg = NULL;
	struct rule_set *set;
	int err = 0;

	pthread_mutex_lock(&a->reload_lock);
	struct config *old = a->config; /* another reload may have put it there while this one waited */
	if (a->opt.config_file)
		err = config_load(a->opt.config_file, &cfg, error);
	else
		cfg = config_default();
	if (!err)
		err = reload_read_rules(a, cfg, &set, error);
	if (!err)
		reload_apply(a, cfg, set);
	if (err) {
		config_free(cfg);
		__atomic_store_n(&a->reload_ok, false, __ATOMIC_RELAXED);
	} else if (old != a->first) {
		config_free(old);
	}
	pthread_mutex_unlock(&a->reload_lock);
	if (!err && write(a->wake_fd, &(uint64_t){1}, 8) < 0)
		log_warn("cannot wake the main thread: %s", strerror(errno));
	return err;
}
