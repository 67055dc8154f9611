/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the manager. manager.c: groups, slots, reload; eval.c: one rule; alert.c: the life of its alerts; restore.c: that of
 * alerts of a former process. */
#ifndef RT_RULES_MANAGER_IMPL_H
#define RT_RULES_MANAGER_IMPL_H

#include <pthread.h>

#include "rules/manager.h"

/* Series of groups that are gone: they end two intervals later, if no other rule has taken them over by then.
 */
struct retired_series {
	struct labels *labels;
	int64_t t, due;
};

struct rule_manager {
	struct rule_manager_options opt; /* with its own reference and copy */
	/* The first is held while groups come, go and are taken for an evaluation, not during it; the second, taken after it, for what others
	 * read of them. */
	pthread_mutex_t eval_lock, state_lock;
	size_t running, applying; /* evaluations under way; rules that wait for their end */
	pthread_cond_t quiet;	  /* either has become less */
	struct rule_group **groups; /* sorted by file, name */
	size_t n_groups;
	struct retired_series *retired;
	size_t n_retired, cap_retired;
	struct alert_states remembered; /* of a former process; none once all groups are restored */
	int64_t outage_tolerance_ms, grace_ms;
	bool applied; /* only what the first apply brings is restored */
	uint64_t states_version;
	struct rule_manager_stats gone; /* counters of groups that are no more */
};

/* Samples that an evaluation produced, to be appended when it is known to have succeeded. */
struct produced {
	struct {
		struct labels *labels; /* a reference */
		double v;
		const struct histogram *h; /* of the query's result; NULL: a float */
	} * v;
	size_t n, cap;
};

/* Takes the reference. */
void produced_add(struct produced *p, struct labels *labels, double v, const struct histogram *h);
void produced_free(struct produced *p);

/* Runs RULE at TS with its query at TS - the group's offset; one thread at a time for a group, without the state
 * lock. */
void rule_eval(struct rule_manager *m, struct rule_group *g, struct rule *r, int64_t ts);

/* After an evaluation of G: the second one restores its alerts, as of NOW. Without the state lock. */
void group_restore(struct rule_manager *m, struct rule_group *g, int64_t now);

/* What was remembered is of no use once no group waits for it. With both locks. */
void forget_if_restored(struct rule_manager *m);

/* A query's sample as an alert, its labels and annotations expanded. */
struct alert_candidate {
	struct labels *labels, *annotations;
	double value;
};

/* One step of 4.2 of the state machine with the candidates of TS; with the state lock. What the alerts write
 * goes to OUT. 0, or -E2BIG with all alerts gone and *ERROR (heap). Takes the references of the candidates.
 */
int alerts_step(struct rule *r, const struct rule_group *g, struct alert_candidate *c, size_t n, int64_t ts,
		struct produced *out, char **error);
/* Which alerts are to be sent at TS; marks them as sent. With the state lock. OUT has room for n_active;
 * takes references. */
size_t alerts_to_send(const struct rule_manager *m, struct rule *r, const struct rule_group *g, int64_t ts,
		      struct rule_alert *out);
void active_free(struct rule_active *a);

#endif
