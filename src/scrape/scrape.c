// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/scrape.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "model/text.h"
#include "net/fetch.h"
#include "scrape/answers.h"
#include "scrape/format.h"
#include "scrape/ingest.h"
#include "scrape/target_pool.h"
#include "scrape/stats.h"

#define RUNNING_MAX 256	  /* fetches at a time; so many targets may hang before others wait */
#define SAMPLE_SHARE 160  /* bytes of max_bodies for a sample */
#define TRIM_SAMPLES 10000
#define LOOK_MS 1000	  /* between looks at the files of file_sd_configs; servers may want to be looked for sooner */
#define WAIT_MAX_MS 60000
#define BUSY_WAIT_MS 10 /* before the next try to look while a body is being stored */
#define TOLERANCE_MS 2 /* a scrape so late has the time it should have had: regular times compress best */

struct scraper {
	struct scraper_options opt;
	struct http_fetcher *fetcher;
	struct answers answers;
	pthread_t thread, storing;
	/* Held while a body is parsed and stored: which targets there are and what they say of their families stays as it is. Taken before
	 * LOCK. The fetching thread never waits for it, since the time of targets is running: it says WANTED and comes again, and who stores
	 * lets it have its turn between two bodies. */
	pthread_mutex_t storing_lock;
	pthread_cond_t turn;
	bool wanted; /* atomic */
	pthread_mutex_t lock; /* of all below, for moments only */
	struct target_pool pool;
	struct config_scraping *pending; /* to be applied by the thread */
	struct scrape_stats stats;
	int64_t look_due;
	bool looks; /* any file_sd_configs or http_sd_configs */
	bool stop;
};

/* What is left to do at the end of every scrape. Takes ERROR. */
static void finish(struct scraper *s, struct target *t, bool up, char *error, const struct ingest_counts *c)
{
	free(t->error);
	t->error = error;
	t->health = up ? SCRAPE_UP : SCRAPE_DOWN;
	t->last_scrape = t->started;
	t->last_duration_ns = clock_mono_ns() - t->started_ns;
	ingest_reports(t, s->opt.store, t->started, t->health == SCRAPE_UP, (double)t->last_duration_ns / 1e9, c, false);
	s->stats.scrapes++;
	s->stats.failures += t->health != SCRAPE_UP;
	s->stats.duration_ns += t->last_duration_ns;
	s->stats.samples += t->health == SCRAPE_UP ? c->added : 0;
	s->stats.out_of_order += c->out_of_order;
	s->stats.duplicate += c->duplicate;
	s->stats.out_of_bounds += c->out_of_bounds;
	s->stats.no_room += c->no_room;
}

/* Is it stored? *ERROR says what is wrong, in part or with all of it. */
static bool take_body(struct scraper *s, struct target *t, const struct answer *r, struct ingest_counts *c, char **error)
{
	/* The bound of bodies is that of memory: what a sample takes while it is on its way, a few hundred bytes, is bounded with it. */
	uint64_t most = s->opt.max_bodies / SAMPLE_SHARE;
	if (most > SCRAPE_SAMPLES_MAX)
		most = SCRAPE_SAMPLES_MAX;
	if (ingest_body(t, s->opt.store, t->started, r->content_type, sv_make(buf_str(&r->body), r->body.n), most, c, error))
		return false;
	/* It is up, but not all of it is there: that should not go unseen. */
	if (c->no_room)
		*error = xasprintf("no room in the window for %llu of its samples", (unsigned long long)c->no_room);
	return true;
}

/* From the answer to samples and reports. Under the lock of storing. */
static void take_answer(struct scraper *s, const struct answer *r)
{
	struct target *t = r->target;
	struct ingest_counts counts = {0};
	char *error = NULL;
	bool up = false;
	if (!r->err && r->status == 200) {
		up = take_body(s, t, r, &counts, &error);
	} else {
		error = !r->err			? xasprintf("server returned HTTP status %d%s%s", r->status, *r->reason ? " " : "", r->reason)
			: r->err == -EFBIG || r->err == -ENOBUFS ? xstrdup(r->error)
			: r->err == -ETIMEDOUT ? xasprintf("Get \"%s\": context deadline exceeded: %s", t->url, r->error)
					       : xasprintf("Get \"%s\": %s", t->url, r->error);
		ingest_nothing(t, s->opt.store, t->started);
	}
	pthread_mutex_lock(&s->lock);
	t->fetching = false;
	s->stats.body_bytes += r->err ? 0 : r->body.n;
	/* As Prometheus tells it: nothing of an answer that was not good, -1 of one that was too large. */
	t->body_bytes = r->err == -EFBIG ? -1 : !r->err && r->status == 200 ? (double)r->body.n : 0;
	finish(s, t, up, error, &counts);
	pthread_mutex_unlock(&s->lock);
	/* What a large scrape took should not stay with the allocator when it failed. */
	if (!up && counts.scraped > TRIM_SAMPLES)
		malloc_trim(0);
}

static void on_fetched(void *ctx, const struct http_fetched *r)
{
	struct scraper *s = ctx;
	answers_put(&s->answers, r);
}

/* The second thread: a large body takes a while to be stored, and the other targets' answers come in meanwhile. */
static void *store_answers(void *arg)
{
	struct scraper *s = arg;
	while (answers_wait(&s->answers)) {
		pthread_mutex_lock(&s->storing_lock);
		while (__atomic_load_n(&s->wanted, __ATOMIC_RELAXED))
			pthread_cond_wait(&s->turn, &s->storing_lock);
		/* Taken under the lock: its target stays until it is stored. */
		struct answer *a = answers_take(&s->answers);
		if (a)
			take_answer(s, a);
		pthread_mutex_unlock(&s->storing_lock);
		answer_free(a, s->fetcher);
		http_fetcher_wake(s->fetcher);
	}
	return NULL;
}

static void fetch(struct scraper *s, struct target *t)
{
	const struct config_job *job = t->job;
	_cleanup_buf_ struct buf accept = BUF_INIT, timeout = BUF_INIT;
	/* As Prometheus: a body that reaches the limit is over it. */
	uint64_t most = job->common.limits.body_size ? job->common.limits.body_size - 1 : SCRAPE_BODY_MAX;
	format_accept(&job->common, &accept);
	text_float((double)t->timeout / 1000, 'f', &timeout);
	const char *headers[] = {"Accept", buf_str(&accept), "X-Prometheus-Scrape-Timeout-Seconds", buf_str(&timeout)};
	http_fetcher_start(s->fetcher, &(struct http_fetch){.url = t->url,
							    .options = &job->http,
							    .headers = headers,
							    .n_headers = ARRAY_SIZE(headers) / 2,
							    .timeout_ms = t->timeout,
							    .max_body = (size_t)(most < s->opt.max_bodies ? most : s->opt.max_bodies),
							    .gzip = job->compression,
							    .arg = t});
	t->fetching = true;
}

static void begin(struct scraper *s, struct target *t, int64_t now)
{
	int64_t late = now - t->due, tolerance = t->interval / 100 < TOLERANCE_MS ? t->interval / 100 : TOLERANCE_MS;
	t->started = late <= tolerance ? t->due : now;
	t->started_ns = clock_mono_ns();
	t->due = target_next_due(t, now);
	if (!t->forced_error) {
		fetch(s, t);
		return;
	}
	ingest_nothing(t, s->opt.store, t->started);
	finish(s, t, false, xstrdup(t->forced_error), &(struct ingest_counts){0});
}

/* The end of a target that was taken away. */
static void bury(struct scraper *s, size_t i)
{
	struct target *t = s->pool.v[i];
	ingest_nothing(t, s->opt.store, t->started);
	ingest_reports(t, s->opt.store, t->started, false, 0, &(struct ingest_counts){0}, true);
	target_pool_remove(&s->pool, i);
}

/* Begins what is due. When to look again. */
static int64_t begin_due(struct scraper *s, int64_t now)
{
	int64_t next = now + WAIT_MAX_MS;
	for (size_t i = 0; i < s->pool.n; i++) {
		struct target *t = s->pool.v[i];
		/* The clock was set back. */
		if (!t->retired && t->due > now + t->interval)
			t->due = target_next_due(t, now);
		if (t->due <= now && t->retired) {
			bury(s, i--);
			continue;
		}
		if (t->due <= now && !t->fetching) {
			if (http_fetcher_running(s->fetcher) >= RUNNING_MAX)
				continue; /* an end of one wakes us */
			begin(s, t, now);
		}
		if (t->due < next)
			next = t->due > now ? t->due : next;
	}
	return next;
}

static void on_gone(void *arg, struct target *t)
{
	struct scraper *s = arg;
	http_fetcher_cancel(s->fetcher, t);
	answers_drop(&s->answers, t, s->fetcher);
}

static void say(void *arg, const char *message)
{
	struct scraper *s = arg;
	if (s->opt.report)
		s->opt.report(s->opt.self, message);
}

static void say_once(struct scraper *s, char **error)
{
	if (*error)
		say(s, *error);
	free(*error);
	*error = NULL;
}

static void look(struct scraper *s, int64_t now)
{
	bool fresh = s->pending != NULL;
	if (fresh) {
		struct config_scraping *old = s->pool.config;
		s->pool.config = s->pending;
		s->pending = NULL;
		/* Entries are numbered by job, and jobs may be others now. */
		uint64_t errors = s->pool.files.errors;
		file_sd_free(&s->pool.files);
		s->pool.files.errors = errors;
		target_pool_configure(&s->pool);
		config_scraping_unref(old);
	}
	bool changed = target_pool_look(&s->pool, now);
	say_once(s, &s->pool.files.error);
	say_once(s, &s->pool.https.error);
	if (fresh || changed)
		target_pool_apply(&s->pool, now, on_gone, say, s);
	s->looks = s->pool.https.n > 0;
	for (size_t i = 0; i < s->pool.config->n; i++)
		s->looks |= s->pool.config->v[i].n_file_sd > 0;
	int64_t next = http_sd_next(&s->pool.https, now);
	s->look_due = next < now + LOOK_MS ? next : now + LOOK_MS;
}

/* A new configuration, or time to look; but nothing of what a body belongs to changes while it is stored. */
static void look_in_turn(struct scraper *s, int64_t now)
{
	if (!s->pending && (!s->pool.config || (now < s->look_due && now >= s->look_due - LOOK_MS)))
		return;
	bool busy = pthread_mutex_trylock(&s->storing_lock) != 0;
	__atomic_store_n(&s->wanted, busy, __ATOMIC_RELAXED);
	if (busy)
		return;
	look(s, now);
	pthread_cond_signal(&s->turn);
	pthread_mutex_unlock(&s->storing_lock);
}

static void *run(void *arg)
{
	struct scraper *s = arg;
	for (;;) {
		pthread_mutex_lock(&s->lock);
		int64_t now = clock_unix_ms();
		if (s->stop)
			break;
		look_in_turn(s, now);
		int64_t next = begin_due(s, now);
		if (s->looks && s->look_due < next)
			next = s->look_due;
		if (__atomic_load_n(&s->wanted, __ATOMIC_RELAXED))
			next = now + BUSY_WAIT_MS;
		int64_t wait = next - clock_unix_ms();
		pthread_mutex_unlock(&s->lock);
		http_fetcher_run(s->fetcher, wait > WAIT_MAX_MS ? WAIT_MAX_MS : wait > 0 ? (int)wait : 0, on_fetched, s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct scraper *scraper_new(const struct scraper_options *opt)
{
	struct scraper *s = xcalloc(1, sizeof(*s));
	s->opt = *opt;
	if (!s->opt.max_bodies || s->opt.max_bodies > SCRAPE_BODIES_MAX)
		s->opt.max_bodies = SCRAPE_BODIES_MAX;
	s->fetcher = http_fetcher_new((size_t)s->opt.max_bodies);
	answers_init(&s->answers);
	pthread_mutex_init(&s->storing_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->turn, NULL);
	if (pthread_create(&s->thread, NULL, run, s) || pthread_create(&s->storing, NULL, store_answers, s))
		abort();
	return s;
}

void scraper_apply(struct scraper *s, struct config_scraping *config)
{
	pthread_mutex_lock(&s->lock);
	config_scraping_unref(s->pending);
	s->pending = config_scraping_ref(config);
	pthread_mutex_unlock(&s->lock);
	http_fetcher_wake(s->fetcher);
}

void scraper_free(struct scraper *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	http_fetcher_wake(s->fetcher);
	pthread_join(s->thread, NULL);
	pthread_mutex_lock(&s->storing_lock);
	s->wanted = false;
	pthread_cond_signal(&s->turn);
	pthread_mutex_unlock(&s->storing_lock);
	answers_end(&s->answers);
	pthread_join(s->storing, NULL);
	for (struct answer *a; (a = answers_take(&s->answers));)
		answer_free(a, s->fetcher);
	http_fetcher_free(s->fetcher);
	target_pool_free(&s->pool);
	config_scraping_unref(s->pending);
	pthread_cond_destroy(&s->turn);
	pthread_mutex_destroy(&s->storing_lock);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- for readers --- */

void scraper_targets(struct scraper *s, void (*each)(void *arg, const struct scrape_target *t), void *arg)
{
	pthread_mutex_lock(&s->storing_lock); /* for their families */
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->pool.n; i++) {
		const struct target *t = s->pool.v[i];
		if (t->retired)
			continue;
		each(arg, &(struct scrape_target){.job = t->job->name,
						  .discovered = t->discovered,
						  .labels = t->labels,
						  .url = t->url,
						  .error = t->error ? t->error : "",
						  .last_scrape = t->last_scrape ? t->last_scrape : INT64_MIN,
						  .last_duration = (double)t->last_duration_ns / 1e9,
						  .health = t->health,
						  .interval = t->interval,
						  .timeout = t->timeout,
						  .families = &t->metadata});
	}
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->storing_lock);
}

void scraper_dropped(struct scraper *s, void (*each)(void *arg, const char *job, const struct labels *discovered), void *arg)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->pool.n_dropped; i++)
		each(arg, s->pool.dropped[i].job->name, s->pool.dropped[i].discovered);
	pthread_mutex_unlock(&s->lock);
}

void scraper_dropped_counts(struct scraper *s, void (*each)(void *arg, const char *job, uint64_t n), void *arg)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; s->pool.counts && i < s->pool.config->n; i++)
		each(arg, s->pool.counts[i].job->name, s->pool.counts[i].dropped);
	pthread_mutex_unlock(&s->lock);
}

void scraper_families(const struct scrape_target *t,
		      void (*each)(void *arg, const char *name, enum metric_type type, const char *help, const char *unit), void *arg)
{
	const struct metadata *m = t->families;
	for (size_t i = 0; i < m->n_buckets; i++)
		for (const struct metadata_entry *e = m->buckets[i]; e; e = e->next)
			each(arg, e->name, e->type, e->help ? e->help : "", e->unit ? e->unit : "");
}

void scraper_metrics(struct scraper *s, struct snapshot *snapshot)
{
	pthread_mutex_lock(&s->lock);
	struct scrape_stats st = s->stats;
	st.file_errors = s->pool.files.errors + s->pool.https.errors;
	for (size_t i = 0; i < s->pool.n; i++)
		if (!s->pool.v[i]->retired)
			st.targets[s->pool.v[i]->health]++;
	for (size_t i = 0; s->pool.counts && i < s->pool.config->n; i++)
		st.dropped += s->pool.counts[i].dropped;
	pthread_mutex_unlock(&s->lock);
	scrape_stats_families(&st, snapshot);
}
