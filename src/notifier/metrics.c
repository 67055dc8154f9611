// SPDX-License-Identifier: GPL-2.0-or-later
#include "notifier/metrics.h"

#include <string.h>

#include "base/alloc.h"

/* Two items of the configuration may name the same URL; in the metrics it is one Alertmanager. */
static void merge_same_urls(struct notifier_stats *st)
{
	for (size_t i = 0; i < st->n; i++) {
		struct notifier_peer_stats *to = &st->v[i];
		for (size_t j = i + 1; j < st->n;) {
			struct notifier_peer_stats *from = &st->v[j];
			if (strcmp(from->url, to->url) != 0) {
				j++;
				continue;
			}
			to->sent += from->sent;
			to->errors += from->errors;
			to->dropped += from->dropped;
			to->latency_count += from->latency_count;
			to->latency_sum += from->latency_sum;
			to->queue_length += from->queue_length;
			to->queue_capacity += from->queue_capacity;
			/* The last one takes its place; the order is of no matter here. */
			struct notifier_peer_stats spare = *from;
			*from = st->v[--st->n];
			st->v[st->n] = spare;
		}
	}
}

static double sent(const struct notifier_peer_stats *p)
{
	return (double)p->sent;
}

static double errors(const struct notifier_peer_stats *p)
{
	return (double)p->errors;
}

static double dropped(const struct notifier_peer_stats *p)
{
	return (double)p->dropped;
}

static double requests(const struct notifier_peer_stats *p)
{
	return (double)p->latency_count;
}

static double seconds(const struct notifier_peer_stats *p)
{
	return p->latency_sum;
}

static double queue_length(const struct notifier_peer_stats *p)
{
	return (double)p->queue_length;
}

static double queue_capacity(const struct notifier_peer_stats *p)
{
	return (double)p->queue_capacity;
}

void notifier_metrics(struct notifier *n, struct snapshot *s)
{
	static const struct {
		const char *name;
		enum family_type type;
		const char *unit, *help;
		double (*value)(const struct notifier_peer_stats *p);
	} of_peers[] = {
		{"reqtally_notifications_sent_total", FAMILY_COUNTER, NULL, "Alerts that an Alertmanager took.", sent},
		{"reqtally_notifications_errors_total", FAMILY_COUNTER, NULL, "Alerts in requests that failed.", errors},
		{"reqtally_notifications_dropped_total", FAMILY_COUNTER, NULL,
		 "Alerts dropped: their request failed, the queue was full, or time ran out at the end.", dropped},
		{"reqtally_notifications_requests_total", FAMILY_COUNTER, NULL, "Requests to an Alertmanager.", requests},
		{"reqtally_notifications_request_seconds_total", FAMILY_COUNTER, "seconds", "Time that these requests took.", seconds},
		{"reqtally_notifications_queue_length", FAMILY_GAUGE, NULL, "Alerts that wait.", queue_length},
		{"reqtally_notifications_queue_capacity", FAMILY_GAUGE, NULL, "Alerts that may wait.", queue_capacity},
	};
	struct notifier_stats st;
	notifier_stats(n, &st);
	size_t all = st.n;
	merge_same_urls(&st);
	for (size_t i = 0; i < ARRAY_SIZE(of_peers); i++) {
		struct family *f = snapshot_family(s, of_peers[i].name, of_peers[i].type, of_peers[i].unit, of_peers[i].help);
		for (size_t j = 0; j < st.n; j++)
			family_add_value(f, labels_from("alertmanager", st.v[j].url, NULL), of_peers[i].value(&st.v[j]));
	}
	family_add_value(snapshot_family(s, "reqtally_notifications_alertmanagers", FAMILY_GAUGE, NULL, "Alertmanagers now known."),
			 labels_empty(), (double)st.n);
	family_add_value(snapshot_family(s, "reqtally_notifications_discovery_errors_total", FAMILY_COUNTER, NULL,
					 "Failures to read a file of file_sd_configs or a URL of http_sd_configs."),
			 labels_empty(), (double)st.discovery_errors);
	st.n = all;
	notifier_stats_free(&st);
}
