// SPDX-License-Identifier: GPL-2.0-or-later
/* Groups: when they are due, what a reload keeps of them, what others may read. */
#include "rules/manager_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "rules/label_set.h"

#define DEFAULT_INTERVAL_MS 60000
#define DEFAULT_RESEND_MS 60000

static void options_free(struct rule_manager_options *o)
{
	labels_unref(o->external_labels);
	free((char *)o->external_url);
}

static void options_copy(struct rule_manager_options *to, const struct rule_manager_options *from)
{
	*to = *from;
	to->external_labels = from->external_labels ? labels_ref(from->external_labels) : labels_empty();
	to->external_url = xstrdup(from->external_url ? from->external_url : "");
	if (to->evaluation_interval_ms <= 0)
		to->evaluation_interval_ms = DEFAULT_INTERVAL_MS;
	if (to->resend_delay_ms <= 0)
		to->resend_delay_ms = DEFAULT_RESEND_MS;
	if (to->promql.subquery_step_ms <= 0)
		to->promql.subquery_step_ms = to->evaluation_interval_ms;
}

struct rule_manager *rule_manager_new(const struct rule_manager_options *opt)
{
	struct rule_manager *m = xcalloc(1, sizeof(*m));
	options_copy(&m->opt, opt);
	pthread_mutex_init(&m->eval_lock, NULL);
	pthread_mutex_init(&m->state_lock, NULL);
	pthread_cond_init(&m->quiet, NULL);
	return m;
}

static void rule_clear(struct rule *r)
{
	for (size_t i = 0; i < r->n_active; i++)
		active_free(r->active[i]);
	for (size_t i = 0; i < r->n_produced; i++)
		labels_unref(r->produced[i]);
	free(r->active);
	free(r->produced);
	free(r->last_error);
}

static void group_free(struct rule_group *g)
{
	for (size_t i = 0; i < g->n_rules; i++)
		rule_clear(&g->rules[i]);
	for (size_t i = 0; i < g->n_stale; i++)
		labels_unref(g->stale[i]);
	free(g->stale);
	free(g->rules);
	rule_group_def_clear(&g->def);
	free(g);
}

void rule_manager_free(struct rule_manager *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_groups; i++)
		group_free(m->groups[i]);
	for (size_t i = 0; i < m->n_retired; i++)
		labels_unref(m->retired[i].labels);
	alert_states_clear(&m->remembered);
	free(m->retired);
	free(m->groups);
	options_free(&m->opt);
	pthread_mutex_destroy(&m->eval_lock);
	pthread_mutex_destroy(&m->state_lock);
	pthread_cond_destroy(&m->quiet);
	free(m);
}

/* Groups of one interval are spread over it, each always at the same place: k * interval + offset. This is
 * the last such time that is not after NOW. */
static int64_t slot_before(const struct rule_group *g, int64_t now)
{
	uint64_t h =
	    hash_bytes(g->def.name, strlen(g->def.name), hash_bytes(g->def.file, strlen(g->def.file), 0));
	int64_t offset = (int64_t)(h % (uint64_t)g->interval_ms), rest = (now - offset) % g->interval_ms;
	return now - (rest < 0 ? rest + g->interval_ms : rest);
}

/* Takes the definition. */
static struct rule_group *group_new(const struct rule_manager_options *opt, struct rule_group_def *def,
				    int64_t now, bool restore)
{
	struct rule_group *g = xcalloc(1, sizeof(*g));
	g->def = *def;
	*def = (struct rule_group_def){0};
	g->interval_ms = g->def.interval_ms > 0 ? g->def.interval_ms : opt->evaluation_interval_ms;
	g->query_offset_ms = g->def.query_offset_ms >= 0 ? g->def.query_offset_ms : opt->query_offset_ms;
	g->next_ms = slot_before(g, now) + g->interval_ms;
	g->last_evaluation = RULE_NEVER;
	g->restore_in = restore ? 2 : 0;
	g->n_rules = g->def.n_rules;
	g->rules = xcalloc(g->n_rules + 1, sizeof(*g->rules));
	for (size_t i = 0; i < g->n_rules; i++) {
		g->rules[i].def = &g->def.rules[i];
		g->rules[i].last_evaluation = RULE_NEVER;
		g->rules[i].restored = !restore;
		g->rules[i].seen = RULE_NEVER;
	}
	return g;
}

static bool same_rule(const struct rule_def *a, const struct rule_def *b)
{
	return a->is_alert == b->is_alert && !strcmp(a->name, b->name) &&
	       rule_texts_equal(a->labels, a->n_labels, b->labels, b->n_labels);
}

/* Moves the state of FROM's rules to those of TO with the same name and labels, duplicates in order. What is
 * left over are series that end at the next evaluation. */
static void copy_state(struct rule_group *to, struct rule_group *from)
{
	bool *used = xcalloc(from->n_rules + 1, sizeof(*used));
	for (size_t i = 0; i < to->n_rules; i++)
		for (size_t k = 0; k < from->n_rules; k++) {
			if (used[k] || !same_rule(to->rules[i].def, from->rules[k].def))
				continue;
			const struct rule_def *def = to->rules[i].def;
			used[k] = true;
			to->rules[i] = from->rules[k];
			to->rules[i].def = def;
			from->rules[k] = (struct rule){.def = from->rules[k].def, .seen = RULE_NEVER};
			break;
		}
	for (size_t k = 0; k < from->n_rules; k++)
		for (size_t i = 0; i < from->rules[k].n_produced; i++) {
			array_grow(to->stale, to->n_stale, to->cap_stale);
			to->stale[to->n_stale++] = labels_ref(from->rules[k].produced[i]);
		}
	for (size_t i = 0; i < from->n_stale; i++) {
		array_grow(to->stale, to->n_stale, to->cap_stale);
		to->stale[to->n_stale++] = labels_ref(from->stale[i]);
	}
	to->restore_in = from->restore_in;
	to->last_evaluation = from->last_evaluation;
	to->evaluations = from->evaluations;
	to->failures = from->failures;
	to->iterations = from->iterations;
	to->missed = from->missed;
	to->duration_ns = from->duration_ns;
	to->last_duration_ns = from->last_duration_ns;
	to->last_samples = from->last_samples;
	free(used);
}

static void retire(struct rule_manager *m, struct labels *labels, int64_t t, int64_t due)
{
	array_grow(m->retired, m->n_retired, m->cap_retired);
	m->retired[m->n_retired++] = (struct retired_series){labels_ref(labels), t, due};
}

static void retire_group(struct rule_manager *m, struct rule_group *g, int64_t now)
{
	int64_t due = now + 2 * g->interval_ms;
	for (size_t i = 0; i < g->n_rules; i++)
		for (size_t k = 0; k < g->rules[i].n_produced; k++)
			retire(m, g->rules[i].produced[k], now, due);
	for (size_t i = 0; i < g->n_stale; i++)
		retire(m, g->stale[i], now, due);
	m->gone.evaluations += g->evaluations;
	m->gone.failures += g->failures;
	m->gone.iterations += g->iterations;
	m->gone.missed += g->missed;
	m->gone.duration_ns += g->duration_ns;
}

static int group_cmp(const void *a, const void *b)
{
	const struct rule_group *x = *(struct rule_group *const *)a, *y = *(struct rule_group *const *)b;
	int c = strcmp(x->def.file, y->def.file);
	return c ? c : strcmp(x->def.name, y->def.name);
}

/* What becomes of a group at a reload. */
enum fate { GONE, GOES_ON, REPLACED };

/* The group of the same name as DEF, and where its fate is written down; NULL: there is none, or another one has it already. */
static struct rule_group *find_group(struct rule_manager *m, const struct rule_group_def *def, enum fate *fates, enum fate **fate)
{
	struct rule_group wanted = {.def = *def}, *key = &wanted, **found = NULL;
	if (m->n_groups)
		found = bsearch(&key, m->groups, m->n_groups, sizeof(*m->groups), group_cmp);
	*fate = found ? &fates[found - m->groups] : NULL;
	return found && **fate == GONE ? *found : NULL;
}

void rule_manager_apply(struct rule_manager *m, struct rule_set *set, const struct rule_manager_options *opt,
			int64_t now_ms)
{
	pthread_mutex_lock(&m->eval_lock);
	m->applying++;
	while (m->running)
		pthread_cond_wait(&m->quiet, &m->eval_lock);
	pthread_mutex_lock(&m->state_lock);
	if (opt) {
		struct rule_manager_options fresh;
		options_copy(&fresh, opt);
		options_free(&m->opt);
		m->opt = fresh;
	}
	struct rule_group **groups = xcalloc(set->n + 1, sizeof(*groups));
	_cleanup_free_ enum fate *fates = xcalloc(m->n_groups + 1, sizeof(*fates));
	for (size_t i = 0; i < set->n; i++) {
		enum fate *fate;
		struct rule_group *old = find_group(m, &set->groups[i], fates, &fate);
		struct rule_group *g = group_new(&m->opt, &set->groups[i], now_ms, !m->applied && m->remembered.n);
		if (old && rule_group_def_equal(&old->def, &g->def) && old->interval_ms == g->interval_ms &&
		    old->query_offset_ms == g->query_offset_ms) {
			group_free(g);
			groups[i] = old;
			*fate = GOES_ON;
			continue;
		}
		if (old) {
			copy_state(g, old);
			*fate = REPLACED;
		}
		groups[i] = g;
	}
	for (size_t i = 0; i < m->n_groups; i++) {
		if (fates[i] == GONE)
			retire_group(m, m->groups[i], now_ms);
		if (fates[i] != GOES_ON)
			group_free(m->groups[i]);
	}
	free(m->groups);
	m->groups = groups;
	m->n_groups = set->n;
	qsort(m->groups, m->n_groups, sizeof(*m->groups), group_cmp);
	m->applied = true;
	forget_if_restored(m);
	m->states_version++;
	m->applying--;
	pthread_cond_broadcast(&m->quiet);
	pthread_mutex_unlock(&m->state_lock);
	pthread_mutex_unlock(&m->eval_lock);
	rule_set_free(set);
}

int rule_manager_reload(struct rule_manager *m, const struct strings *patterns,
			const struct rule_manager_options *opt, int64_t now_ms, struct strings *errors)
{
	struct rule_set *set;
	int rc = rule_files_load(patterns, &set, errors);
	if (rc == 0)
		rule_manager_apply(m, set, opt, now_ms);
	return rc;
}

static void group_eval(struct rule_manager *m, struct rule_group *g, int64_t ts, int64_t now)
{
	uint64_t start = clock_mono_ns();
	pthread_mutex_lock(&m->state_lock);
	g->last_samples = 0;
	pthread_mutex_unlock(&m->state_lock);
	for (size_t i = 0; i < g->n_rules; i++)
		rule_eval(m, g, &g->rules[i], ts);
	for (size_t i = 0; i < g->n_stale; i++) {
		if (m->opt.append)
			m->opt.append(m->opt.self, g->stale[i], ts - g->query_offset_ms,
				      sample_stale_marker(), NULL);
		labels_unref(g->stale[i]);
	}
	g->n_stale = 0;
	group_restore(m, g, now);
	pthread_mutex_lock(&m->state_lock);
	g->last_evaluation = ts;
	g->iterations++;
	g->last_duration_ns = clock_mono_ns() - start;
	g->duration_ns += g->last_duration_ns;
	pthread_mutex_unlock(&m->state_lock);
}

/* Ends the series of groups that are gone, unless a rule of today writes them. */
static void end_retired(struct rule_manager *m, int64_t now)
{
	struct label_set live = {0};
	size_t at, kept = 0, due = 0;
	for (size_t i = 0; i < m->n_retired; i++)
		due += m->retired[i].due <= now;
	if (!due)
		return;
	pthread_mutex_lock(&m->state_lock); /* what evaluations under way produced stays as it is */
	for (size_t i = 0; i < m->n_groups; i++)
		for (size_t k = 0; k < m->groups[i]->n_rules; k++)
			for (size_t s = 0; s < m->groups[i]->rules[k].n_produced; s++)
				label_set_add(&live, m->groups[i]->rules[k].produced[s], 0, &at);
	for (size_t i = 0; i < m->n_retired; i++) {
		struct retired_series *r = &m->retired[i];
		if (r->due > now) {
			m->retired[kept++] = *r;
			continue;
		}
		if (m->opt.append && !label_set_find(&live, r->labels, &at))
			m->opt.append(m->opt.self, r->labels, r->t, sample_stale_marker(), NULL);
		labels_unref(r->labels);
	}
	m->n_retired = kept;
	label_set_free(&live);
	pthread_mutex_unlock(&m->state_lock);
}

/* The group that is due first of those that nobody evaluates just now; NULL: there is none. With the evaluation lock. */
static struct rule_group *first_due(struct rule_manager *m, int64_t now_ms)
{
	struct rule_group *first = NULL;
	pthread_mutex_lock(&m->state_lock);
	for (size_t i = 0; i < m->n_groups; i++) {
		struct rule_group *g = m->groups[i];
		if (g->running)
			continue;
		if (g->next_ms > now_ms + g->interval_ms) /* the clock was set back: the slots are elsewhere now */
			g->next_ms = slot_before(g, now_ms) + g->interval_ms;
		if (!first || g->next_ms < first->next_ms)
			first = g;
	}
	pthread_mutex_unlock(&m->state_lock);
	return first;
}

/* G is due: the slot it is evaluated for. Late by whole intervals: those are missed, and the evaluation is the one of the latest slot. */
static int64_t take_slot(struct rule_manager *m, struct rule_group *g, int64_t now_ms)
{
	pthread_mutex_lock(&m->state_lock);
	int64_t late = (now_ms - g->next_ms) / g->interval_ms, ts = g->next_ms + late * g->interval_ms;
	g->missed += (uint64_t)late;
	g->next_ms = ts + g->interval_ms;
	pthread_mutex_unlock(&m->state_lock);
	return ts;
}

int64_t rule_manager_run_one(struct rule_manager *m, int64_t now_ms, void (*taken)(void *arg), void *arg, bool *evaluated)
{
	pthread_mutex_lock(&m->eval_lock);
	while (m->applying)
		pthread_cond_wait(&m->quiet, &m->eval_lock);
	end_retired(m, now_ms);
	struct rule_group *g = first_due(m, now_ms);
	int64_t next = g ? g->next_ms : INT64_MAX;
	*evaluated = g && next <= now_ms;
	if (*evaluated) {
		int64_t ts = take_slot(m, g, now_ms);
		g->running = true;
		m->running++;
		pthread_mutex_unlock(&m->eval_lock);
		if (taken)
			taken(arg);
		group_eval(m, g, ts, now_ms);
		pthread_mutex_lock(&m->eval_lock);
		g->running = false;
		m->running--;
		pthread_cond_broadcast(&m->quiet);
		next = now_ms;
	}
	for (size_t i = 0; i < m->n_retired; i++)
		if (m->retired[i].due < next)
			next = m->retired[i].due;
	pthread_mutex_unlock(&m->eval_lock);
	return next;
}

int64_t rule_manager_run(struct rule_manager *m, int64_t now_ms)
{
	bool evaluated = true;
	int64_t next = now_ms;
	while (evaluated)
		next = rule_manager_run_one(m, now_ms, NULL, NULL, &evaluated);
	return next;
}

void rule_manager_eval_group(struct rule_manager *m, size_t group, int64_t ts_ms)
{
	pthread_mutex_lock(&m->eval_lock);
	if (group < m->n_groups)
		group_eval(m, m->groups[group], ts_ms, ts_ms);
	pthread_mutex_unlock(&m->eval_lock);
}

void rule_manager_lock(struct rule_manager *m)
{
	pthread_mutex_lock(&m->state_lock);
}

void rule_manager_unlock(struct rule_manager *m)
{
	pthread_mutex_unlock(&m->state_lock);
}

struct rule_group *const *rule_manager_groups(const struct rule_manager *m, size_t *n)
{
	*n = m->n_groups;
	return m->groups;
}

enum rule_alert_state rule_state(const struct rule *r)
{
	if (r->last_evaluation == RULE_NEVER)
		return RULE_STATE_UNKNOWN;
	enum rule_alert_state state = RULE_INACTIVE;
	for (size_t i = 0; i < r->n_active; i++)
		if (r->active[i]->state > state)
			state = r->active[i]->state;
	return state;
}

const char *rule_state_name(enum rule_alert_state state)
{
	static const char *const names[] = {"unknown", "inactive", "pending", "firing"};
	return names[state];
}

const char *rule_health_name(enum rule_health health)
{
	static const char *const names[] = {"unknown", "ok", "err"};
	return names[health];
}

void rule_manager_stats(struct rule_manager *m, struct rule_manager_stats *out)
{
	pthread_mutex_lock(&m->state_lock);
	*out = m->gone;
	out->groups = m->n_groups;
	for (size_t i = 0; i < m->n_groups; i++) {
		const struct rule_group *g = m->groups[i];
		out->rules += g->n_rules;
		out->evaluations += g->evaluations;
		out->failures += g->failures;
		out->iterations += g->iterations;
		out->missed += g->missed;
		out->duration_ns += g->duration_ns;
		for (size_t k = 0; k < g->n_rules; k++)
			for (size_t a = 0; a < g->rules[k].n_active; a++) {
				out->alerts_pending += g->rules[k].active[a]->state == RULE_PENDING;
				out->alerts_firing += g->rules[k].active[a]->state == RULE_FIRING;
			}
	}
	pthread_mutex_unlock(&m->state_lock);
}
