/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Alerts to Alertmanagers, as Prometheus' notifier does it. Each Alertmanager has a bounded queue and a thread of its own, so
 * that one that is down or slow neither blocks the caller nor the others. A batch that fails is dropped and counted: the
 * periodic resend by the rules is the retry. */
#ifndef RT_NOTIFIER_NOTIFIER_H
#define RT_NOTIFIER_NOTIFIER_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "model/labels.h"

#define NOTIFIER_CAPACITY 10000
#define NOTIFIER_BATCH 256
#define NOTIFIER_ALERTMANAGERS_MAX 128 /* each has a thread */

struct notifier_alert {
	struct labels *labels, *annotations;
	int64_t starts_at, ends_at; /* ms since the epoch; 0: left out */
	const char *generator_url;  /* NULL: left out */
};

struct notifier_options {
	size_t capacity; /* alerts in each queue; 0: NOTIFIER_CAPACITY */
	size_t batch;	 /* alerts in a request; 0: NOTIFIER_BATCH */
	/* Called from any thread with what went wrong, for the log; may be NULL. */
	void (*report)(void *self, const char *message);
	void *self;
};

struct notifier;

struct notifier *notifier_new(const struct notifier_options *options);
/* From now on these Alertmanagers get the alerts. Those that stay keep their queues and counters; the others send what they
 * have queued and go. Takes a reference. Not to be called from two threads at once. */
void notifier_reload(struct notifier *n, struct config_alerting *alerting);
/* Queues the alerts for every Alertmanager: adds external labels, relabels, drops the oldest if a queue is full. Takes its own
 * references. Does not wait for the network. */
void notifier_send(struct notifier *n, const struct notifier_alert *alerts, size_t count);
/* Sends what is queued, for at most DRAIN_MS; what is left is dropped and counted. No alert is taken afterwards. */
void notifier_stop(struct notifier *n, int64_t drain_ms);
/* Stops at once if notifier_stop was not called. */
void notifier_free(struct notifier *n);

struct notifier_peer_stats {
	char *url;
	uint64_t sent, errors, dropped; /* alerts */
	uint64_t latency_count;		/* requests */
	double latency_sum;		/* seconds */
	size_t queue_length, queue_capacity;
	char *last_error; /* NULL: none yet */
	int64_t last_error_at; /* ms since the epoch */
	bool failing;	  /* the last request failed */
};

/* One entry for each Alertmanager now known, in the order of the configuration. */
struct notifier_stats {
	struct notifier_peer_stats *v;
	size_t n;
	uint64_t gone_sent, gone_errors, gone_dropped; /* of those no longer known */
	uint64_t discovery_errors;
	char *discovery_error; /* the last one; NULL: none */
};

void notifier_stats(struct notifier *n, struct notifier_stats *out);
void notifier_stats_free(struct notifier_stats *s);

#endif
