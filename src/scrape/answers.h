/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of targets on their way from the thread that fetches to the one that stores. Internal to scrape. */
#ifndef RT_SCRAPE_ANSWERS_H
#define RT_SCRAPE_ANSWERS_H

#include <pthread.h>

#include "net/fetch.h"
#include "scrape/target.h"

/* As struct http_fetched, but its own. */
struct answer {
	struct answer *next;
	struct target *target;
	int err, status;
	char *error, *reason, *content_type; /* the last may be NULL */
	struct buf body;
};

struct answers {
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct answer *first, **last;
	bool ended;
};

void answers_init(struct answers *q);
/* Takes over the body of R, whose ARG is the target. */
void answers_put(struct answers *q, const struct http_fetched *r);
/* Waits until there is one; false: they have ended. */
bool answers_wait(struct answers *q);
/* The oldest, or NULL. */
struct answer *answers_take(struct answers *q);
/* Lets go of what T has answered. */
void answers_drop(struct answers *q, const struct target *t, struct http_fetcher *f);
/* Nobody waits any more. */
void answers_end(struct answers *q);
/* F: where the body came from. NULL is fine. */
void answer_free(struct answer *a, struct http_fetcher *f);

#endif
