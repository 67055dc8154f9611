// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/answers.h"

#include <stdlib.h>

#include "base/alloc.h"

void answers_init(struct answers *q)
{
	*q = (struct answers){.last = &q->first};
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->arrived, NULL);
}

void answers_put(struct answers *q, const struct http_fetched *r)
{
	struct answer *a = xcalloc(1, sizeof(*a));
	a->target = r->arg;
	a->err = r->err;
	a->status = r->status;
	a->error = xstrdup(r->error ? r->error : "");
	a->reason = xstrdup(r->reason);
	a->content_type = r->content_type ? xstrdup(r->content_type) : NULL;
	a->body = *r->body;
	*r->body = BUF_LIMIT(a->body.max);
	pthread_mutex_lock(&q->lock);
	*q->last = a;
	q->last = &a->next;
	pthread_cond_signal(&q->arrived);
	pthread_mutex_unlock(&q->lock);
}

bool answers_wait(struct answers *q)
{
	pthread_mutex_lock(&q->lock);
	while (!q->first && !q->ended)
		pthread_cond_wait(&q->arrived, &q->lock);
	bool ended = q->ended;
	pthread_mutex_unlock(&q->lock);
	return !ended;
}

struct answer *answers_take(struct answers *q)
{
	pthread_mutex_lock(&q->lock);
	struct answer *a = q->first;
	if (a && !(q->first = a->next))
		q->last = &q->first;
	pthread_mutex_unlock(&q->lock);
	return a;
}

void answers_drop(struct answers *q, const struct target *t, struct http_fetcher *f)
{
	pthread_mutex_lock(&q->lock);
	struct answer **p = &q->first, *a;
	while ((a = *p)) {
		if (a->target != t) {
			p = &a->next;
			continue;
		}
		*p = a->next;
		answer_free(a, f);
	}
	q->last = p;
	pthread_mutex_unlock(&q->lock);
}

void answers_end(struct answers *q)
{
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	pthread_cond_broadcast(&q->arrived);
	pthread_mutex_unlock(&q->lock);
}

void answer_free(struct answer *a, struct http_fetcher *f)
{
	if (!a)
		return;
	http_fetcher_release(f, a->body.cap);
	buf_free(&a->body);
	free(a->error);
	free(a->reason);
	free(a->content_type);
	free(a);
}
