// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's figures and those of the program's own parts in one snapshot. */
#include <string.h>

#include "base/log.h"
#include "cli/app.h"
#include "collector/collector.h"
#include "exposition/web_metrics.h"
#include "notifier/metrics.h"
#include "rules/manager.h"
#include "scrape/scrape.h"
#include "store/metrics.h"

static void add(struct snapshot *s, const char *name, enum family_type type, const char *unit, const char *help, double v)
{
	family_add_value(snapshot_family(s, name, type, unit, help), labels_empty(), v);
}

static void rule_families(struct rule_manager *m, struct snapshot *s)
{
	struct rule_manager_stats st;

	rule_manager_stats(m, &st);
	add(s, "reqtally_rules", FAMILY_GAUGE, NULL, "Rules loaded.", (double)st.rules);
	add(s, "reqtally_rule_groups", FAMILY_GAUGE, NULL, "Groups of rules loaded.", (double)st.groups);
	add(s, "reqtally_rule_evaluations_total", FAMILY_COUNTER, NULL, "Evaluations of rules.", (double)st.evaluations);
	add(s, "reqtally_rule_evaluation_failures_total", FAMILY_COUNTER, NULL, "Evaluations of rules that failed.", (double)st.failures);
	add(s, "reqtally_rule_evaluation_seconds_total", FAMILY_COUNTER, "seconds", "Time spent on evaluations.", (double)st.duration_ns / 1e9);
	add(s, "reqtally_rule_group_iterations_total", FAMILY_COUNTER, NULL, "Evaluations of groups.", (double)st.iterations);
	add(s, "reqtally_rule_group_iterations_missed_total", FAMILY_COUNTER, NULL, "Evaluations of groups left out for being late.",
	    (double)st.missed);
	struct family *f = snapshot_family(s, "reqtally_rule_alerts", FAMILY_GAUGE, NULL, "Alerts by state.");
	family_add_value(f, labels_from("state", "pending", NULL), (double)st.alerts_pending);
	family_add_value(f, labels_from("state", "firing", NULL), (double)st.alerts_firing);
}

struct snapshot *app_collect(struct app *a)
{
	struct snapshot *s = NULL;

	pthread_mutex_lock(&a->collect_lock);
	int err = collector_snapshot(a->collector, &s);
	pthread_mutex_unlock(&a->collect_lock);
	if (err) {
		log_error("cannot read the kernel's maps: %s", strerror(-err));
		return NULL;
	}
	rule_families(a->rules, s);
	notifier_metrics(a->notifier, s);
	scraper_metrics(a->scraper, s);
	store_metrics(a->store, s);
	web_metrics(a->web, s);
	add(s, "reqtally_config_last_reload_successful", FAMILY_GAUGE, NULL, "Whether the last reload of the configuration succeeded.",
	    __atomic_load_n(&a->reload_ok, __ATOMIC_RELAXED));
	add(s, "reqtally_config_last_reload_success_timestamp_seconds", FAMILY_GAUGE, "seconds", "When the configuration in force was read.",
	    (double)__atomic_load_n(&a->reload_ms, __ATOMIC_RELAXED) / 1e3);
	pthread_mutex_lock(&a->latest_lock);
	snapshot_unref(a->latest);
	a->latest = snapshot_ref(s);
	pthread_mutex_unlock(&a->latest_lock);
	return s;
}
