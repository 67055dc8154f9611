/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of rules over time: when each is due, what its evaluation records and which alerts it raises. The
 * manager has neither thread nor clock: its owner calls rule_manager_run with the time and sleeps until the
 * time it returns.
 *
 * Two locks keep it simple. The evaluation lock is held by run and apply, so definitions do not change under
 * a query; the state lock guards what readers see and is held only for moments, never during a query or a
 * callback. */
#ifndef RT_RULES_MANAGER_H
#define RT_RULES_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strings.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/promql.h"
#include "rules/alert_states.h"
#include "rules/rule_file.h"

#define RULE_NEVER INT64_MIN /* a time that is not set: zero is one that tests use */
#define RULE_RESOLVED_RETENTION_MS (15 * 60 * 1000)

/* One alert to send. Borrowed for the call. Times in ms since the epoch. */
struct rule_alert {
	struct labels *labels;
	struct labels *annotations; /* the one set of labels that may hold empty values */
	int64_t starts_at, ends_at;
	const char *generator_url;
};

struct rule_manager_options {
	struct sample_source source;
	struct promql_options promql;
	int64_t evaluation_interval_ms; /* of groups without their own; 0: 1m */
	int64_t query_offset_ms;	/* of groups without their own */
	int64_t resend_delay_ms;	/* 0: 1m */
	struct labels *external_labels; /* NULL: none; a reference is taken */
	const char *external_url;	/* without a / at its end; NULL: empty; copied */
	bool url_is_nil;		/* as in struct template_env */
	/* A produced sample: a recorded series, ALERTS, ALERTS_FOR_STATE, a stale marker. H: a native histogram instead of V (NULL: a
	 * float), borrowed for the call. May be NULL. */
	void (*append)(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h);
	/* Alerts that are firing or were resolved. May be NULL. */
	void (*notify)(void *self, const struct rule_alert *alerts, size_t n);
	/* A failed evaluation, for the log: FILE;GROUP, the rule's name. May be NULL. */
	void (*failed)(void *self, const char *group, const char *rule, const char *error);
	void *self; /* of the four */
};

enum rule_health { RULE_UNKNOWN, RULE_OK, RULE_ERR };
enum rule_alert_state {
	RULE_STATE_UNKNOWN,
	RULE_INACTIVE,
	RULE_PENDING,
	RULE_FIRING
}; /* in order of weight */

struct rule_active {
	enum rule_alert_state state;
	struct labels *labels;
	struct labels *annotations; /* may hold empty values */
	double value;
	int64_t active_at, fired_at, resolved_at, last_sent_at, valid_until,
	    keep_firing_since; /* or RULE_NEVER */
	bool in_result;	       /* of the running evaluation */
};

struct rule {
	const struct rule_def *def;
	enum rule_health health;
	char *last_error;	 /* NULL: none */
	int64_t last_evaluation; /* or RULE_NEVER */
	uint64_t duration_ns;
	/* May ALERTS be written? At once, unless the `for` state of a former process is yet to be restored. */
	bool restored;
	int64_t seen; /* time of the last ALERTS_FOR_STATE, or of the restoration; or RULE_NEVER */
	struct rule_active **active; /* with the resolved ones */
	size_t n_active, cap_active;
	struct labels **produced; /* series of the last successful evaluation */
	size_t n_produced;
};

struct rule_group {
	struct rule_group_def def;
	struct rule *rules;
	size_t n_rules;			      /* in def order */
	int64_t interval_ms, query_offset_ms; /* in force */
	int64_t next_ms;		      /* slot of the next evaluation */
	int64_t last_evaluation;	      /* slot of the last one, or RULE_NEVER */
	bool running;			      /* it is being evaluated */
	int restore_in;			      /* evaluations until the alerts of a former process are restored; 0: none */
	struct labels **stale;		      /* series of rules that a reload took away */
	size_t n_stale, cap_stale;
	/* Counters since the group was first loaded. */
	uint64_t evaluations, failures; /* of rules */
	uint64_t iterations, missed;
	uint64_t duration_ns, last_duration_ns, last_samples;
};

struct rule_manager;

struct rule_manager *rule_manager_new(const struct rule_manager_options *opt);
void rule_manager_free(struct rule_manager *m);
/* What a former process knew of its alerts, before the first apply: STATES is taken over. As Prometheus does, a group is evaluated
 * twice, so that recorded series and scrapes are there again; then an alert that is active and was seen at most OUTAGE_TOLERANCE_MS
 * ago goes on with its `for` where it was, the outage not counted, but with at least GRACE_MS to go unless it was firing already.
 * Rules with a shorter `for` than GRACE_MS start anew. */
void rule_manager_remember(struct rule_manager *m, struct alert_states *states, int64_t outage_tolerance_ms, int64_t grace_ms);
/* What a later process should be told: the pending and firing alerts of rules whose `for` is worth it; while the restoration is to
 * come also what was remembered. Adds to OUT. */
void rule_manager_states(struct rule_manager *m, struct alert_states *out);
/* A number that changes whenever rule_manager_states may return something else. */
uint64_t rule_manager_states_version(struct rule_manager *m);

/* From now on these rules, which the manager takes. A group that is the same goes on as it was; the others
 * start at their next slot with the alerts and series of the rules of the same name and labels. With OPT the
 * options too change (NULL: they stay). */
void rule_manager_apply(struct rule_manager *m, struct rule_set *set, const struct rule_manager_options *opt,
			int64_t now_ms);
/* Loads the files behind PATTERNS and applies them. On failure nothing changes: a negative errno and all
 * errors in ERRORS. */
int rule_manager_reload(struct rule_manager *m, const struct strings *patterns,
			const struct rule_manager_options *opt, int64_t now_ms, struct strings *errors);
/* Evaluates the group that is due first at NOW_MS, if one is: *EVALUATED. TAKEN (may be NULL) is called with ARG when it is chosen: from then
 * on other threads may take others. Returns the time when something is due next, INT64_MAX: nothing ever; if it evaluated one, NOW_MS. */
int64_t rule_manager_run_one(struct rule_manager *m, int64_t now_ms, void (*taken)(void *arg), void *arg, bool *evaluated);
/* Evaluates all that are due, one behind the other. */
int64_t rule_manager_run(struct rule_manager *m, int64_t now_ms);
/* Evaluates one group now, whatever its slot: for tests of rules. Index in the order of rule_manager_groups.
 */
void rule_manager_eval_group(struct rule_manager *m, size_t group, int64_t ts_ms);

/* Reading: between lock and unlock everything stays as it is. Groups sorted by file, then name. */
void rule_manager_lock(struct rule_manager *m);
void rule_manager_unlock(struct rule_manager *m);
struct rule_group *const *rule_manager_groups(const struct rule_manager *m, size_t *n);
enum rule_alert_state rule_state(const struct rule *r);
const char *rule_state_name(enum rule_alert_state state);
const char *rule_health_name(enum rule_health health);

struct rule_manager_stats {
	size_t groups, rules;
	size_t alerts_pending, alerts_firing;
	uint64_t evaluations, failures, iterations, missed; /* of the groups there are and were */
	uint64_t duration_ns;
};
void rule_manager_stats(struct rule_manager *m, struct rule_manager_stats *out);

#endif
