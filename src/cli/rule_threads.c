// SPDX-License-Identifier: GPL-2.0-or-later
/* One thread leads: it waits until a group is due, takes it, and leaves the lead to the next one while it evaluates. So all but one sleep
 * without a clock. */
#include "cli/rule_threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

#define THREADS_MAX 4
#define WAIT_MAX_MS 60000 /* a clock that is set is noticed by then */

struct rule_threads {
	struct rule_manager *rules;
	void (*after)(void *self);
	void *self;
	pthread_t v[THREADS_MAX];
	size_t n;
	pthread_mutex_t lead, after_lock;
	pthread_mutex_t lock; /* for these two, taken last */
	pthread_cond_t changed;
	bool woken, stop;
};

static void wait_until(struct rule_threads *t, int64_t due)
{
	int64_t ms = due - clock_unix_ms();
	ms = ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += ms > 0 ? ms % 1000 * 1000000 : 0;
	ts.tv_sec += (ms > 0 ? ms / 1000 : 0) + ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	pthread_mutex_lock(&t->lock);
	int r = 0;
	while (ms > 0 && !t->woken && !t->stop && r == 0)
		r = pthread_cond_timedwait(&t->changed, &t->lock, &ts);
	t->woken = false;
	pthread_mutex_unlock(&t->lock);
}

static bool stopped(struct rule_threads *t)
{
	pthread_mutex_lock(&t->lock);
	bool stop = t->stop;
	pthread_mutex_unlock(&t->lock);
	return stop;
}

static void leave_lead(void *arg)
{
	struct rule_threads *t = arg;
	pthread_mutex_unlock(&t->lead);
}

static void *run(void *arg)
{
	struct rule_threads *t = arg;
	for (;;) {
		bool evaluated = false;
		pthread_mutex_lock(&t->lead);
		if (stopped(t))
			break;
		int64_t due = rule_manager_run_one(t->rules, clock_unix_ms(), leave_lead, t, &evaluated);
		if (!evaluated) {
			wait_until(t, due);
			pthread_mutex_unlock(&t->lead);
			continue;
		}
		pthread_mutex_lock(&t->after_lock);
		t->after(t->self);
		pthread_mutex_unlock(&t->after_lock);
		/* Who leads did not reckon with this group. */
		if (t->n > 1)
			rule_threads_wake(t);
	}
	pthread_mutex_unlock(&t->lead);
	return NULL;
}

struct rule_threads *rule_threads_start(struct rule_manager *rules, size_t n, void (*after)(void *self), void *self)
{
	struct rule_threads *t = xcalloc(1, sizeof(*t));
	pthread_condattr_t attr;
	sigset_t all, old;
	*t = (struct rule_threads){.rules = rules, .after = after, .self = self};
	pthread_mutex_init(&t->lead, NULL);
	pthread_mutex_init(&t->after_lock, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	/* Signals are for the main thread. None begins before it is known how many they are. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&t->lead);
	while (t->n < n && t->n < THREADS_MAX && pthread_create(&t->v[t->n], NULL, run, t) == 0)
		t->n++;
	pthread_mutex_unlock(&t->lead);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (t->n)
		return t;
	rule_threads_stop(t);
	return NULL;
}

void rule_threads_wake(struct rule_threads *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->woken = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

void rule_threads_stop(struct rule_threads *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < t->n; i++)
		pthread_join(t->v[i], NULL);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->after_lock);
	pthread_mutex_destroy(&t->lead);
	free(t);
}
