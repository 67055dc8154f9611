// SPDX-License-Identifier: GPL-2.0-or-later
/* How `for` goes on after a restart, and what is told to the next process. */
#include <stdlib.h>

#include "rules/label_set.h"
#include "rules/manager_impl.h"

void rule_manager_remember(struct rule_manager *m, struct alert_states *states, int64_t outage_tolerance_ms, int64_t grace_ms)
{
	alert_states_clear(&m->remembered);
	m->remembered = *states;
	*states = (struct alert_states){0};
	m->outage_tolerance_ms = outage_tolerance_ms;
	m->grace_ms = grace_ms;
}

/* Since when an alert counts as active that was so SINCE, as last seen at SEEN. */
static int64_t restored_since(const struct rule_manager *m, int64_t for_ms, int64_t since, int64_t seen, int64_t now)
{
	int64_t remaining = for_ms - (seen - since);
	if (remaining <= 0) /* it was firing, and does so again at the next evaluation */
		return since;
	if (remaining < m->grace_ms)
		return now + m->grace_ms - for_ms;
	return since + (now - seen);
}

static void restore_rule(struct rule_manager *m, struct rule *r, const struct label_set *known, int64_t now)
{
	size_t at;
	r->restored = true;
	if (!r->def->is_alert || r->def->for_ms < m->grace_ms)
		return;
	for (size_t i = 0; i < r->n_active; i++) {
		struct rule_active *a = r->active[i];
		if (!label_set_find(known, a->labels, &at))
			continue;
		int64_t seen = m->remembered.v[at].seen;
		if (seen <= now && seen >= now - m->outage_tolerance_ms)
			a->active_at =
			    restored_since(m, r->def->for_ms, m->remembered.v[at].active_at * 1000, seen, now);
	}
	/* With the new ActiveAt, now is as good a time to have seen it. */
	r->seen = now;
}

void forget_if_restored(struct rule_manager *m)
{
	for (size_t i = 0; i < m->n_groups; i++)
		if (m->groups[i]->restore_in)
			return;
	alert_states_clear(&m->remembered);
}

void group_restore(struct rule_manager *m, struct rule_group *g, int64_t now)
{
	struct label_set known = {0};
	size_t at;
	pthread_mutex_lock(&m->state_lock);
	if (!g->restore_in || --g->restore_in) {
		pthread_mutex_unlock(&m->state_lock);
		return;
	}
	for (size_t i = 0; i < m->remembered.n; i++)
		label_set_add(&known, m->remembered.v[i].labels, i, &at);
	for (size_t i = 0; i < g->n_rules; i++)
		if (!g->rules[i].restored)
			restore_rule(m, &g->rules[i], &known, now);
	label_set_free(&known);
	forget_if_restored(m);
	m->states_version++;
	pthread_mutex_unlock(&m->state_lock);
}

void rule_manager_states(struct rule_manager *m, struct alert_states *out)
{
	struct label_set have = {0};
	size_t at;
	pthread_mutex_lock(&m->state_lock);
	for (size_t i = 0; i < m->n_groups; i++)
		for (size_t k = 0; k < m->groups[i]->n_rules; k++) {
			const struct rule *r = &m->groups[i]->rules[k];
			/* A shorter `for` would not be looked at. */
			if (!r->def->is_alert || r->seen == RULE_NEVER || r->def->for_ms < m->grace_ms)
				continue;
			for (size_t a = 0; a < r->n_active; a++) {
				const struct rule_active *x = r->active[a];
				if (x->state != RULE_PENDING && x->state != RULE_FIRING)
					continue;
				if (!label_set_add(&have, x->labels, 0, &at))
					alert_states_add(out, x->labels, x->active_at / 1000 - (x->active_at % 1000 < 0), r->seen);
			}
		}
	for (size_t i = 0; i < m->remembered.n; i++)
		if (!label_set_find(&have, m->remembered.v[i].labels, &at))
			alert_states_add(out, m->remembered.v[i].labels, m->remembered.v[i].active_at, m->remembered.v[i].seen);
	label_set_free(&have);
	pthread_mutex_unlock(&m->state_lock);
}

uint64_t rule_manager_states_version(struct rule_manager *m)
{
	pthread_mutex_lock(&m->state_lock);
	uint64_t v = m->states_version;
	pthread_mutex_unlock(&m->state_lock);
	return v;
}
