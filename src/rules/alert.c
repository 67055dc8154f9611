// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a rule's alerts: pending, firing, inactive; what is written about them, and when they are sent.
 */
#include "rules/manager_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rules/label_set.h"

void active_free(struct rule_active *a)
{
	if (!a)
		return;
	labels_unref(a->labels);
	labels_unref(a->annotations);
	free(a);
}

static struct rule_active *active_new(const struct alert_candidate *c, int64_t ts)
{
	struct rule_active *a = xmalloc(sizeof(*a));
	*a = (struct rule_active){
	    .state = RULE_PENDING,
	    .labels = c->labels,
	    .annotations = c->annotations,
	    .value = c->value,
	    .active_at = ts,
	    .fired_at = RULE_NEVER,
	    .resolved_at = RULE_NEVER,
	    .last_sent_at = RULE_NEVER,
	    .valid_until = RULE_NEVER,
	    .keep_firing_since = RULE_NEVER,
	    .in_result = true,
	};
	return a;
}

/* Puts the results in: a new identity, or one that was resolved, starts afresh; a known one gets the new
 * value and texts. */
static void take_results(struct rule *r, struct alert_candidate *c, size_t n, int64_t ts)
{
	struct label_set known = {0};
	size_t at;
	for (size_t i = 0; i < r->n_active; i++) {
		r->active[i]->in_result = false;
		label_set_add(&known, r->active[i]->labels, i, &at);
	}
	for (size_t i = 0; i < n; i++) {
		if (!label_set_find(&known, c[i].labels, &at)) {
			array_grow(r->active, r->n_active, r->cap_active);
			r->active[r->n_active++] = active_new(&c[i], ts);
			continue;
		}
		struct rule_active *a = r->active[at];
		if (a->state == RULE_INACTIVE) {
			r->active[at] = active_new(&c[i], ts);
			active_free(a);
			continue;
		}
		a->in_result = true;
		a->value = c[i].value;
		labels_unref(c[i].labels);
		labels_unref(a->annotations);
		a->annotations = c[i].annotations;
	}
	label_set_free(&known);
}

/* ALERTS and ALERTS_FOR_STATE. They start from the rule's labels as written and are overlaid with the
 * alert's, so a label that expanded to nothing shows up here with its template: Prometheus' quirk, kept. */
static void write_series(const struct rule *r, const struct rule_active *a, struct produced *out)
{
	for (int for_state = 0; for_state < 2; for_state++) {
		struct labels_builder b;
		labels_builder_init(&b, NULL);
		for (size_t i = 0; i < r->def->n_labels; i++)
			labels_builder_set(&b, r->def->labels[i].name, r->def->labels[i].value);
		for (uint32_t i = 0; i < a->labels->n; i++)
			labels_builder_set(&b, a->labels->l[i].name, a->labels->l[i].value);
		labels_builder_set(&b, SV(LABEL_NAME), for_state ? SV("ALERTS_FOR_STATE") : SV("ALERTS"));
		labels_builder_set(&b, SV("alertname"), sv_of(r->def->name));
		if (!for_state)
			labels_builder_set(&b, SV("alertstate"),
					   a->state == RULE_FIRING ? SV("firing") : SV("pending"));
		/* Whole seconds, rounded down as Time.Unix does. */
		int64_t s = a->active_at / 1000 - (a->active_at % 1000 < 0);
		produced_add(out, labels_builder_build(&b), for_state ? (double)s : 1, NULL);
		labels_builder_free(&b);
	}
}

/* False: the alert is done with and goes. *COUNTS: it is pending or firing. */
static bool step_one(const struct rule *r, struct rule_active *a, int64_t ts, bool *counts)
{
	const struct rule_def *def = r->def;
	*counts = true;
	if (a->in_result) {
		a->keep_firing_since = RULE_NEVER;
		if (a->state == RULE_FIRING &&
		    ts - a->active_at < def->for_ms) { /* a reload made `for` longer */
			a->state = RULE_PENDING;
			a->fired_at = a->last_sent_at = RULE_NEVER;
		}
		if (a->state == RULE_PENDING && ts - a->active_at >= def->for_ms) {
			a->state = RULE_FIRING;
			a->fired_at = ts;
		}
		return true;
	}
	if (a->state == RULE_FIRING && def->keep_firing_ms > 0) {
		if (a->keep_firing_since == RULE_NEVER)
			a->keep_firing_since = ts;
		if (ts - a->keep_firing_since < def->keep_firing_ms)
			return true;
	}
	*counts = false;
	if (a->state == RULE_PENDING ||
	    (a->state == RULE_INACTIVE && ts - a->resolved_at > RULE_RESOLVED_RETENTION_MS))
		return false;
	if (a->state == RULE_FIRING) {
		a->state = RULE_INACTIVE;
		a->resolved_at = ts;
	}
	return true;
}

int alerts_step(struct rule *r, const struct rule_group *g, struct alert_candidate *c, size_t n, int64_t ts,
		struct produced *out, char **error)
{
	size_t kept = 0, count = 0;
	take_results(r, c, n, ts);
	for (size_t i = 0; i < r->n_active; i++) {
		bool counts;
		struct rule_active *a = r->active[i];
		if (!step_one(r, a, ts, &counts)) {
			active_free(a);
			continue;
		}
		r->active[kept++] = a;
		count += counts;
		if (counts && r->restored)
			write_series(r, a, out);
	}
	r->n_active = kept;
	if (g->def.limit <= 0 || count <= (size_t)g->def.limit)
		return 0;
	for (size_t i = 0; i < r->n_active; i++)
		active_free(r->active[i]);
	r->n_active = 0;
	*error = xasprintf("exceeded limit of %lld with %zu alerts", (long long)g->def.limit, count);
	return -E2BIG;
}

static bool needs_sending(const struct rule_active *a, int64_t ts, int64_t resend_delay)
{
	if (a->state == RULE_PENDING)
		return false;
	/* Resolved since the last time? RULE_NEVER is before every time, so one that was never resolved is
	 * not. */
	if (a->resolved_at > a->last_sent_at)
		return true;
	return a->last_sent_at == RULE_NEVER || a->last_sent_at + resend_delay < ts;
}

size_t alerts_to_send(const struct rule_manager *m, struct rule *r, const struct rule_group *g, int64_t ts,
		      struct rule_alert *out)
{
	size_t n = 0;
	int64_t delay = m->opt.resend_delay_ms;
	for (size_t i = 0; i < r->n_active; i++) {
		struct rule_active *a = r->active[i];
		if (!needs_sending(a, ts, delay))
			continue;
		a->last_sent_at = ts;
		a->valid_until = ts + 4 * (g->interval_ms > delay ? g->interval_ms : delay);
		out[n++] = (struct rule_alert){
		    .labels = labels_ref(a->labels),
		    .annotations = labels_ref(a->annotations),
		    .starts_at = a->fired_at,
		    .ends_at = a->resolved_at != RULE_NEVER ? a->resolved_at : a->valid_until,
		};
	}
	return n;
}
