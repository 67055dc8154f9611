/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One Alertmanager: its queue, its thread, its counters. Internal to notifier.
 *
 * Everything here but the sending itself happens under the notifier's one lock, which is only ever held for moments: callers
 * put messages in, the peer's thread takes a batch out, lets go of the lock, and sends. */
#ifndef RT_NOTIFIER_PEER_H
#define RT_NOTIFIER_PEER_H

#include <pthread.h>
#include <stdbool.h>

#include "net/http.h"
#include "notifier/message.h"

struct peer {
	pthread_mutex_t *lock;
	pthread_cond_t wake;
	pthread_t thread;
	const struct notifier_options *options;
	char *url;
	size_t block;			  /* in ALERTING */
	struct config_alerting *alerting; /* what the client's options belong to */
	struct config_alerting *next_alerting; /* after a reload, until the thread has taken it; with next_block */
	size_t next_block;
	struct http_client *client;
	struct message **ring; /* OPTIONS->capacity slots */
	size_t head, len;
	bool leaving, done, joined;
	uint64_t deadline; /* CLOCK_MONOTONIC ns: when leaving, drop what is not sent by then */
	struct notifier_peer_stats stats; /* url, queue_length and queue_capacity are filled in by peer_stats */
};

/* Starts the thread. URL is copied, a reference to ALERTING taken. NULL if there can be no thread. */
struct peer *peer_new(pthread_mutex_t *lock, const struct notifier_options *options, struct config_alerting *alerting, size_t block,
		      const char *url);
/* With the lock held: */
void peer_push(struct peer *p, struct message *m);
void peer_reconfigure(struct peer *p, struct config_alerting *alerting, size_t block);
void peer_leave(struct peer *p, uint64_t deadline);
/* The block of the configuration that peer_reconfigure gave last. */
size_t peer_block(const struct peer *p);
void peer_stats(const struct peer *p, struct notifier_peer_stats *out);
/* Without it: waits for the thread, which peer_leave has told to end. The counters stay. */
void peer_join(struct peer *p);
void peer_free(struct peer *p);

#endif
