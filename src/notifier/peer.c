// SPDX-License-Identifier: GPL-2.0-or-later
#include "notifier/peer.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* What of a refusal is shown. */
#define REPLY_SHOWN 512

static const struct config_alertmanagers *settings(const struct peer *p)
{
	return &p->alerting->v[p->block];
}

static void release(struct message *m)
{
	if (--m->refs == 0)
		message_free(m);
}

static void drop_oldest(struct peer *p)
{
	release(p->ring[p->head]);
	p->head = (p->head + 1) % p->options->capacity;
	p->len--;
	p->stats.dropped++;
}

void peer_push(struct peer *p, struct message *m)
{
	if (p->len == p->options->capacity)
		drop_oldest(p);
	m->refs++;
	p->ring[(p->head + p->len++) % p->options->capacity] = m;
	pthread_cond_signal(&p->wake);
}

void peer_reconfigure(struct peer *p, struct config_alerting *alerting, size_t block)
{
	config_alerting_unref(p->next_alerting);
	p->next_alerting = config_alerting_ref(alerting);
	p->next_block = block;
}

void peer_leave(struct peer *p, uint64_t deadline)
{
	p->leaving = true;
	p->deadline = deadline;
	http_client_abort_at(p->client, deadline);
	pthread_cond_signal(&p->wake);
}

size_t peer_block(const struct peer *p)
{
	return p->next_alerting ? p->next_block : p->block;
}

void peer_stats(const struct peer *p, struct notifier_peer_stats *out)
{
	*out = p->stats;
	out->url = xstrdup(p->url);
	out->last_error = p->stats.last_error ? xstrdup(p->stats.last_error) : NULL;
	out->queue_length = p->len;
	out->queue_capacity = p->options->capacity;
}

static int post(struct peer *p, const char *body, int64_t timeout_ms, char **error)
{
	struct http_reply reply = {0};
	int err = http_client_post(p->client, p->url, "application/json", body, strlen(body), timeout_ms, REPLY_SHOWN, &reply, error);
	if (!err && reply.status / 100 != 2) {
		struct buf b = BUF_LIMIT(4096);
		message_refusal(reply.status, reply.body, reply.n, &b);
		*error = buf_steal(&b);
		err = -1;
	}
	http_reply_free(&reply);
	return err;
}

static int64_t timeout_of(const struct peer *p)
{
	int64_t timeout = settings(p)->timeout;
	uint64_t now = clock_mono_ns();
	if (p->leaving && p->deadline) {
		int64_t left = p->deadline > now ? (int64_t)((p->deadline - now) / 1000000) : 0;
		if (left < timeout)
			timeout = left > 0 ? left : 1;
	}
	return timeout;
}

/* Sends N messages; called with the lock held, which is free during the sending. */
static void send_batch(struct peer *p, struct message **batch, size_t n)
{
	int64_t timeout = timeout_of(p);
	char *error = NULL;
	pthread_mutex_unlock(p->lock);
	char *body = message_json(batch, n);
	uint64_t begin = clock_mono_ns();
	int err = post(p, body, timeout, &error);
	double seconds = (double)(clock_mono_ns() - begin) / 1e9;
	free(body);
	if (err && p->options->report) {
		char *text = xasprintf("error sending %zu alerts to %s: %s", n, p->url, error);
		p->options->report(p->options->self, text);
		free(text);
	}
	pthread_mutex_lock(p->lock);
	p->stats.latency_count++;
	p->stats.latency_sum += seconds;
	p->stats.failing = err != 0;
	if (err) {
		p->stats.errors += n;
		p->stats.dropped += n;
		free(p->stats.last_error);
		p->stats.last_error = error;
		p->stats.last_error_at = clock_unix_ms();
	} else {
		p->stats.sent += n;
	}
}

static void take_settings(struct peer *p)
{
	if (!p->next_alerting)
		return;
	http_client_free(p->client);
	config_alerting_unref(p->alerting);
	p->alerting = p->next_alerting;
	p->block = p->next_block;
	p->next_alerting = NULL;
	p->client = http_client_new(&settings(p)->http);
	if (p->leaving)
		http_client_abort_at(p->client, p->deadline);
}

static void *run(void *arg)
{
	struct peer *p = arg;
	struct message **batch = xcalloc(p->options->batch, sizeof(*batch));
	pthread_mutex_lock(p->lock);
	for (;;) {
		while (p->len == 0 && !p->leaving)
			pthread_cond_wait(&p->wake, p->lock);
		while (p->leaving && p->len && clock_mono_ns() >= p->deadline)
			drop_oldest(p);
		if (p->len == 0)
			break;
		take_settings(p);
		size_t n = 0;
		while (n < p->options->batch && p->len) {
			batch[n++] = p->ring[p->head];
			p->head = (p->head + 1) % p->options->capacity;
			p->len--;
		}
		send_batch(p, batch, n);
		while (n)
			release(batch[--n]);
	}
	p->done = true;
	pthread_mutex_unlock(p->lock);
	free(batch);
	return NULL;
}

struct peer *peer_new(pthread_mutex_t *lock, const struct notifier_options *options, struct config_alerting *alerting, size_t block,
		      const char *url)
{
	struct peer *p = xcalloc(1, sizeof(*p));
	p->lock = lock;
	p->options = options;
	p->alerting = config_alerting_ref(alerting);
	p->block = block;
	p->url = xstrdup(url);
	p->ring = xcalloc(options->capacity, sizeof(*p->ring));
	p->client = http_client_new(&settings(p)->http);
	pthread_cond_init(&p->wake, NULL);
	/* Signals are for the main thread. */
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool started = pthread_create(&p->thread, NULL, run, p) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (started)
		return p;
	p->joined = true;
	peer_free(p);
	return NULL;
}

void peer_join(struct peer *p)
{
	if (!p->joined)
		pthread_join(p->thread, NULL);
	p->joined = true;
}

void peer_free(struct peer *p)
{
	peer_join(p);
	http_client_free(p->client);
	config_alerting_unref(p->alerting);
	config_alerting_unref(p->next_alerting);
	pthread_cond_destroy(&p->wake);
	free(p->stats.last_error);
	free(p->ring);
	free(p->url);
	free(p);
}
