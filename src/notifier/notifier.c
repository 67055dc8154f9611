// SPDX-License-Identifier: GPL-2.0-or-later
#include "notifier/notifier.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "notifier/discovery.h"
#include "notifier/peer.h"

#define POLL_MAX_MS 5000
#define POLL_MIN_MS 100

/* Two locks, taken in this order: `configuring` is held while files are read and peers come and go; `lock` guards the queues
 * and is never held while anything slow happens. */
struct notifier {
	struct notifier_options options;
	pthread_mutex_t configuring;
	struct peer_discovery discovery;
	pthread_t keeper; /* looks at the files of file_sd_configs, asks http_sd_configs and clears away peers that have gone */
	bool has_keeper;

	pthread_mutex_t lock;
	pthread_cond_t keeper_wake;
	bool stopped;
	struct config_alerting *alerting; /* written under both locks */
	int64_t ask_due; /* ms: when the keeper must look again for what servers of http_sd_configs tell */
	struct peer **peers;
	size_t n_peers;
	struct peer **leaving;
	size_t n_leaving, cap_leaving;
	struct notifier_stats gone; /* of peers that were cleared away; only the gone_ fields */
	uint64_t discovery_errors;
	char *discovery_error;
};

static void report(struct notifier *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void report(struct notifier *n, const char *fmt, ...)
{
	if (!n->options.report)
		return;
	va_list ap;
	va_start(ap, fmt);
	char *text = xvasprintf(fmt, ap);
	va_end(ap);
	n->options.report(n->options.self, text);
	free(text);
}

static struct peer *take_peer(struct peer **peers, size_t n, const struct endpoint *e, bool any_block)
{
	for (size_t i = 0; i < n; i++) {
		if (peers[i] && (any_block || peer_block(peers[i]) == e->block) && strcmp(peers[i]->url, e->url) == 0) {
			struct peer *p = peers[i];
			peers[i] = NULL;
			return p;
		}
	}
	return NULL;
}

/* How long a peer that is no longer configured may go on with its queue. */
static uint64_t leave_by(const struct peer *p)
{
	return clock_mono_ns() + (uint64_t)p->alerting->v[p->block].timeout * 1000000u;
}

/* Makes the peers those of ALERTING and of what discovery knows. With `configuring` held. */
static void apply(struct notifier *n, struct config_alerting *alerting)
{
	struct endpoints now = {0};
	peer_discovery_endpoints(&n->discovery, alerting, NOTIFIER_ALERTMANAGERS_MAX, &now);
	struct peer **peers = xcalloc(now.n, sizeof(*peers));
	size_t n_peers = 0, failed = 0;
	pthread_mutex_lock(&n->lock);
	bool reloaded = alerting != n->alerting;
	for (size_t i = 0; i < now.n; i++) {
		struct peer *p = take_peer(n->peers, n->n_peers, &now.v[i], false);
		if (!p && reloaded)
			p = take_peer(n->peers, n->n_peers, &now.v[i], true);
		if (p && reloaded)
			peer_reconfigure(p, alerting, now.v[i].block);
		if (!p)
			p = peer_new(&n->lock, &n->options, alerting, now.v[i].block, now.v[i].url);
		if (p)
			peers[n_peers++] = p;
		else
			failed++;
	}
	for (size_t i = 0; i < n->n_peers; i++) {
		if (!n->peers[i])
			continue;
		peer_leave(n->peers[i], leave_by(n->peers[i]));
		array_grow(n->leaving, n->n_leaving, n->cap_leaving);
		n->leaving[n->n_leaving++] = n->peers[i];
	}
	free(n->peers);
	n->peers = peers;
	n->n_peers = n_peers;
	if (reloaded) {
		config_alerting_unref(n->alerting);
		n->alerting = config_alerting_ref(alerting);
	}
	pthread_mutex_unlock(&n->lock);
	endpoints_free(&now);
	if (failed)
		report(n, "no threads for %zu Alertmanagers", failed);
}

static void note_discovery(struct notifier *n, uint64_t before)
{
	if (n->discovery.errors == before)
		return;
	report(n, "discovery of Alertmanagers: %s", n->discovery.error);
	pthread_mutex_lock(&n->lock);
	n->discovery_errors = n->discovery.errors;
	free(n->discovery_error);
	n->discovery_error = xstrdup(n->discovery.error);
	pthread_mutex_unlock(&n->lock);
}

/* Joins peers whose threads have ended; with ALL, waits for the rest. With `configuring` held. */
static void clear_away(struct notifier *n, bool all)
{
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n_leaving;) {
		struct peer *p = n->leaving[i];
		if (!p->done && !all) {
			i++;
			continue;
		}
		n->leaving[i] = n->leaving[--n->n_leaving];
		pthread_mutex_unlock(&n->lock);
		peer_join(p);
		pthread_mutex_lock(&n->lock);
		n->gone.gone_sent += p->stats.sent;
		n->gone.gone_errors += p->stats.errors;
		n->gone.gone_dropped += p->stats.dropped;
		peer_free(p);
	}
	pthread_mutex_unlock(&n->lock);
}

static int64_t poll_interval(const struct notifier *n)
{
	int64_t ms = POLL_MAX_MS;
	for (size_t i = 0; n->alerting && i < n->alerting->n; i++) {
		const struct config_alertmanagers *a = &n->alerting->v[i];
		for (size_t j = 0; j < a->n_file_sd; j++)
			ms = a->file_sd[j].refresh_interval < ms ? a->file_sd[j].refresh_interval : ms;
	}
	ms = ms < POLL_MIN_MS ? POLL_MIN_MS : ms;
	int64_t next = n->ask_due - clock_unix_ms();
	return next < ms ? next < HTTP_SD_POLL_MS ? HTTP_SD_POLL_MS : next : ms;
}

static void *keep(void *arg)
{
	struct notifier *n = arg;
	pthread_mutex_lock(&n->lock);
	while (!n->stopped) {
		struct timespec ts;
		int64_t ms = poll_interval(n);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += ms % 1000 * 1000000;
		ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&n->keeper_wake, &n->lock, &ts);
		if (n->stopped)
			break;
		pthread_mutex_unlock(&n->lock);
		pthread_mutex_lock(&n->configuring);
		uint64_t errors = n->discovery.errors;
		if (n->alerting && peer_discovery_refresh(&n->discovery, n->alerting, clock_unix_ms()))
			apply(n, n->alerting);
		note_discovery(n, errors);
		clear_away(n, false);
		int64_t due = http_sd_next(&n->discovery.https, clock_unix_ms());
		pthread_mutex_unlock(&n->configuring);
		pthread_mutex_lock(&n->lock);
		n->ask_due = due;
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

struct notifier *notifier_new(const struct notifier_options *options)
{
	struct notifier *n = xcalloc(1, sizeof(*n));
	pthread_condattr_t attr;
	sigset_t all, old;
	n->options = *options;
	n->ask_due = INT64_MAX;
	if (!n->options.capacity)
		n->options.capacity = NOTIFIER_CAPACITY;
	if (!n->options.batch)
		n->options.batch = NOTIFIER_BATCH;
	pthread_mutex_init(&n->configuring, NULL);
	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&n->keeper_wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	n->has_keeper = pthread_create(&n->keeper, NULL, keep, n) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!n->has_keeper)
		report(n, "no thread to re-read file_sd_configs");
	return n;
}

void notifier_reload(struct notifier *n, struct config_alerting *alerting)
{
	pthread_mutex_lock(&n->configuring);
	/* Block numbers are another configuration's: read all files anew. */
	uint64_t errors = n->discovery.errors;
	peer_discovery_configure(&n->discovery, alerting);
	peer_discovery_refresh(&n->discovery, alerting, clock_unix_ms());
	if (!n->stopped)
		apply(n, alerting);
	note_discovery(n, errors);
	clear_away(n, false);
	pthread_mutex_lock(&n->lock);
	n->ask_due = http_sd_next(&n->discovery.https, clock_unix_ms());
	pthread_cond_signal(&n->keeper_wake);
	pthread_mutex_unlock(&n->lock);
	pthread_mutex_unlock(&n->configuring);
}

/* External labels where the alert has no such label, then the common relabelling; NULL if it is dropped. */
static struct message *prepare(const struct config_alerting *alerting, const struct notifier_alert *alert)
{
	struct labels_builder b;
	const struct labels *ext = alerting->external_labels;
	labels_builder_init(&b, alert->labels);
	for (uint32_t i = 0; i < ext->n; i++) {
		if (labels_builder_get(&b, ext->l[i].name).n == 0)
			labels_builder_set(&b, ext->l[i].name, ext->l[i].value);
	}
	struct labels *ls = relabel_apply(&alerting->alert_relabel, &b) ? labels_builder_build(&b) : NULL;
	labels_builder_free(&b);
	return ls ? message_new(alert, ls) : NULL;
}

/* What the Alertmanagers of one block get for COMMON: the same message if the block has nothing to change. */
static struct message *for_block(const struct config_alertmanagers *a, struct message *common)
{
	if (!common || a->alert_relabel.n == 0)
		return common;
	struct labels *ls = relabel_labels(&a->alert_relabel, common->labels);
	if (!ls)
		return NULL;
	struct notifier_alert same = {common->labels, common->annotations, common->starts_at, common->ends_at, common->generator_url};
	return message_new(&same, ls);
}

/* MESSAGES[block * count + i]: alert i for a block, NULL if it is not for it. */
static struct message **prepare_all(const struct config_alerting *alerting, const struct notifier_alert *alerts, size_t count)
{
	struct message **m = xcalloc(alerting->n * count, sizeof(struct message *));
	for (size_t i = 0; i < count; i++) {
		struct message *common = prepare(alerting, &alerts[i]);
		if (common)
			common->refs = 1;
		for (size_t b = 0; b < alerting->n; b++) {
			struct message *own = m[b * count + i] = for_block(&alerting->v[b], common);
			if (own)
				own->refs++;
		}
		if (common && --common->refs == 0)
			message_free(common);
	}
	return m;
}

static void release_all(struct message **m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (m[i] && --m[i]->refs == 0)
			message_free(m[i]);
	}
	free(m);
}

void notifier_send(struct notifier *n, const struct notifier_alert *alerts, size_t count)
{
	pthread_mutex_lock(&n->lock);
	struct config_alerting *alerting = n->alerting && !n->stopped && n->n_peers ? config_alerting_ref(n->alerting) : NULL;
	pthread_mutex_unlock(&n->lock);
	while (alerting && count) {
		struct message **m = prepare_all(alerting, alerts, count);
		uint64_t overflow = 0;
		pthread_mutex_lock(&n->lock);
		bool same = n->alerting == alerting;
		for (size_t k = 0; same && !n->stopped && k < n->n_peers; k++) {
			struct peer *p = n->peers[k];
			size_t block = peer_block(p);
			uint64_t before = p->stats.dropped;
			for (size_t i = 0; i < count; i++) {
				if (m[block * count + i])
					peer_push(p, m[block * count + i]);
			}
			overflow += p->stats.dropped - before;
		}
		release_all(m, alerting->n * count);
		/* Reloaded meanwhile: once more, with what holds now. */
		config_alerting_unref(alerting);
		alerting = same ? NULL : config_alerting_ref(n->alerting);
		pthread_mutex_unlock(&n->lock);
		if (overflow)
			report(n, "alert queue full, %llu oldest alerts dropped", (unsigned long long)overflow);
	}
}

void notifier_stop(struct notifier *n, int64_t drain_ms)
{
	uint64_t deadline = clock_mono_ns() + (drain_ms > 0 ? (uint64_t)drain_ms * 1000000u : 0);
	pthread_mutex_lock(&n->lock);
	bool first = !n->stopped;
	n->stopped = true;
	pthread_cond_signal(&n->keeper_wake);
	pthread_mutex_unlock(&n->lock);
	if (!first)
		return;
	if (n->has_keeper)
		pthread_join(n->keeper, NULL);
	pthread_mutex_lock(&n->configuring);
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < n->n_peers; i++)
		peer_leave(n->peers[i], deadline);
	for (size_t i = 0; i < n->n_leaving; i++)
		peer_leave(n->leaving[i], deadline);
	struct peer **peers = n->peers;
	size_t n_peers = n->n_peers;
	pthread_mutex_unlock(&n->lock);
	/* The peers stay in the list, for the statistics, until notifier_free. */
	for (size_t i = 0; i < n_peers; i++)
		peer_join(peers[i]);
	clear_away(n, true);
	pthread_mutex_unlock(&n->configuring);
}

void notifier_free(struct notifier *n)
{
	if (!n)
		return;
	notifier_stop(n, 0);
	for (size_t i = 0; i < n->n_peers; i++)
		peer_free(n->peers[i]);
	free(n->peers);
	free(n->leaving);
	config_alerting_unref(n->alerting);
	peer_discovery_free(&n->discovery);
	free(n->discovery_error);
	pthread_cond_destroy(&n->keeper_wake);
	pthread_mutex_destroy(&n->lock);
	pthread_mutex_destroy(&n->configuring);
	free(n);
}

void notifier_stats(struct notifier *n, struct notifier_stats *out)
{
	*out = (struct notifier_stats){0};
	pthread_mutex_lock(&n->lock);
	*out = n->gone;
	out->v = xcalloc(n->n_peers, sizeof(*out->v));
	for (size_t i = 0; i < n->n_peers; i++)
		peer_stats(n->peers[i], &out->v[out->n++]);
	for (size_t i = 0; i < n->n_leaving; i++) {
		out->gone_sent += n->leaving[i]->stats.sent;
		out->gone_errors += n->leaving[i]->stats.errors;
		out->gone_dropped += n->leaving[i]->stats.dropped;
	}
	out->discovery_errors = n->discovery_errors;
	out->discovery_error = n->discovery_error ? xstrdup(n->discovery_error) : NULL;
	pthread_mutex_unlock(&n->lock);
}

void notifier_stats_free(struct notifier_stats *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].url);
		free(s->v[i].last_error);
	}
	free(s->v);
	free(s->discovery_error);
	*s = (struct notifier_stats){0};
}
