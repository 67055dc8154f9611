// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/target_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define DROPPED_MAX 1000 /* kept for the API, whatever keep_dropped_targets says */
#define SAID_MAX 20	 /* messages about single targets at a time */

void target_pool_configure(struct target_pool *p)
{
	http_sd_begin(&p->https);
	for (size_t i = 0; i < p->config->n; i++)
		for (size_t k = 0; k < p->config->v[i].http_sd.n; k++)
			http_sd_add(&p->https, i, &p->config->v[i].http_sd.v[k]);
	http_sd_end(&p->https);
}

bool target_pool_look(struct target_pool *p, int64_t now)
{
	file_sd_begin(&p->files);
	for (size_t i = 0; p->config && i < p->config->n; i++)
		for (size_t k = 0; k < p->config->v[i].n_file_sd; k++)
			file_sd_look(&p->files, i, &p->config->v[i].file_sd[k]);
	bool changed = file_sd_end(&p->files);
	return http_sd_poll(&p->https, now) || changed;
}

int64_t target_next_due(const struct target *t, int64_t now)
{
	int64_t since = (now - t->offset) % t->interval;
	if (since < 0)
		since += t->interval;
	return now - since + t->interval;
}

struct making {
	struct target_pool *p;
	struct target **v;
	size_t n, cap;
	size_t job_first; /* of the job's targets in V */
	size_t said;
	uint64_t left_out;
	void (*say)(void *arg, const char *message);
	void *arg;
};

static void say(struct making *m, const struct config_job *job, const char *what)
{
	if (!m->say || m->said++ >= SAID_MAX)
		return;
	_cleanup_free_ char *text = xasprintf("scrape job %s: %s", job->name, what);
	m->say(m->arg, text);
}

static bool known(const struct making *m, const char *key)
{
	for (size_t i = m->job_first; i < m->n; i++)
		if (strcmp(m->v[i]->key, key) == 0)
			return true;
	return false;
}

static void add_dropped(struct making *m, size_t job, struct labels *discovered)
{
	struct target_pool *p = m->p;
	uint64_t keep = p->config->v[job].common.limits.keep_dropped;
	uint64_t before = p->counts[job].dropped++;
	if (p->n_dropped >= DROPPED_MAX || (keep && before >= keep))
		return;
	array_grow(p->dropped, p->n_dropped, p->cap_dropped);
	p->dropped[p->n_dropped++] = (struct dropped){config_scraping_ref(p->config), &p->config->v[job], labels_ref(discovered)};
}

static void add_group(struct making *m, size_t job, const struct target_group *g)
{
	const struct config_job *j = &m->p->config->v[job];
	for (size_t i = 0; i < g->targets.n; i++) {
		struct target *t = NULL;
		struct labels *discovered = NULL;
		char *error = NULL;
		if (m->n >= SCRAPE_TARGETS_MAX) {
			m->left_out++;
			continue;
		}
		if (target_new(m->p->config, j, g->targets.v[i], g->labels, &t, &discovered, &error)) {
			_cleanup_free_ char *what = xasprintf("target %s: %s", g->targets.v[i], error);
			say(m, j, what);
		} else if (!t) {
			add_dropped(m, job, discovered);
		} else if (known(m, t->key)) {
			target_free(t);
		} else {
			array_grow(m->v, m->n, m->cap);
			m->v[m->n++] = t;
		}
		labels_unref(discovered);
		free(error);
	}
}

static void make_job(struct making *m, size_t job)
{
	const struct config_job *j = &m->p->config->v[job];
	uint64_t limit = j->common.limits.targets;
	m->job_first = m->n;
	m->p->counts[job].job = j;
	for (size_t i = 0; i < j->static_targets.n; i++)
		add_group(m, job, &j->static_targets.v[i]);
	for (size_t i = 0; i < m->p->files.n; i++)
		for (size_t k = 0; m->p->files.v[i].block == job && k < m->p->files.v[i].groups.n; k++)
			add_group(m, job, &m->p->files.v[i].groups.v[k]);
	for (size_t i = 0; i < m->p->https.n; i++)
		for (size_t k = 0; m->p->https.v[i]->block == job && k < m->p->https.v[i]->groups.n; k++)
			add_group(m, job, &m->p->https.v[i]->groups.v[k]);
	size_t n = m->n - m->job_first;
	for (size_t i = m->job_first; limit && n > limit && i < m->n; i++) {
		free(m->v[i]->forced_error);
		m->v[i]->forced_error =
			xasprintf("target_limit exceeded (number of targets: %zu, limit: %llu)", n, (unsigned long long)limit);
	}
}

static struct target *find(struct target_pool *p, const char *key, uint64_t hash)
{
	for (size_t i = 0; i < p->n; i++)
		if (!p->v[i]->kept && p->v[i]->key_hash == hash && strcmp(p->v[i]->key, key) == 0)
			return p->v[i];
	return NULL;
}

/* AT_ONCE: there are many that wait already. */
static void retire(struct making *m, struct target *t, int64_t now, bool at_once, void (*gone)(void *arg, struct target *t))
{
	gone(m->arg, t);
	if (!t->last_scrape) {
		target_free(t);
		return;
	}
	if (!t->retired) {
		/* Markers get the time of the scrape that would have been next, and are written when whoever took the series over has
		 * scraped: then they come too late and change nothing. */
		t->retired = true;
		t->fetching = false;
		t->started = t->due > now ? t->due : target_next_due(t, now);
		t->due = t->started + t->interval + t->interval / 10;
	}
	if (at_once)
		t->due = now;
	array_grow(m->v, m->n, m->cap);
	m->v[m->n++] = t;
}

static void forget_dropped(struct target_pool *p)
{
	for (size_t i = 0; i < p->n_dropped; i++) {
		labels_unref(p->dropped[i].discovered);
		config_scraping_unref(p->dropped[i].config);
	}
	p->n_dropped = 0;
}

void target_pool_apply(struct target_pool *p, int64_t now, void (*gone)(void *arg, struct target *t), void (*say_it)(void *arg, const char *message),
		void *arg)
{
	struct making m = {.p = p, .say = say_it, .arg = arg};
	forget_dropped(p);
	free(p->counts);
	p->counts = xcalloc(p->config->n + 1, sizeof(*p->counts));
	for (size_t i = 0; i < p->config->n; i++)
		make_job(&m, i);
	if (m.left_out && say_it) {
		_cleanup_free_ char *text = xasprintf("%llu scrape targets are left out: more than %d are not scraped",
						      (unsigned long long)m.left_out, SCRAPE_TARGETS_MAX);
		say_it(arg, text);
	}
	for (size_t i = 0; i < m.n; i++) {
		struct target *t = m.v[i], *old = find(p, t->key, t->key_hash);
		if (!old) {
			t->due = target_next_due(t, now);
			continue;
		}
		if (old->retired)
			old->due = target_next_due(old, now);
		old->retired = false;
		old->kept = true;
		target_adopt(old, t);
		target_free(t);
		m.v[i] = old;
	}
	size_t retired = 0;
	for (size_t i = 0; i < p->n; i++)
		if (!p->v[i]->kept)
			retire(&m, p->v[i], now, ++retired > SCRAPE_TARGETS_MAX, gone);
		else
			p->v[i]->kept = false;
	free(p->v);
	p->v = m.v;
	p->n = m.n;
	p->cap = m.cap;
}

void target_pool_remove(struct target_pool *p, size_t i)
{
	target_free(p->v[i]);
	memmove(&p->v[i], &p->v[i + 1], (p->n - i - 1) * sizeof(*p->v));
	p->n--;
}

void target_pool_free(struct target_pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		target_free(p->v[i]);
	free(p->v);
	forget_dropped(p);
	free(p->dropped);
	free(p->counts);
	file_sd_free(&p->files);
	http_sd_free(&p->https);
	config_scraping_unref(p->config);
	*p = (struct target_pool){0};
}
