// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/metrics.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "discovery/memory_limit.h"
#include "exposition/scrape.h"

/* Each scrape has figures of its own, and they stay in memory until the scraper has read its answer: a megabyte for a thousand series.
 * Scrapers that read slowly, or never to the end, would fill the memory with them. So when these many are on their way, whoever comes
 * besides gets the figures of the latest one, which are there anyhow. */
#define OWN_MAX 4
#define OWN_MAX_LIMITED 2 /* where memory is limited: cli/budget.c */

/* An answer on its way: scrape_read and scrape_free, and the count. */
struct sending {
	struct app *a;
	ssize_t (*read)(void *arg, char *p, size_t max);
	void (*read_free)(void *arg);
	void *arg;
};

static ssize_t sending_read(void *arg, char *p, size_t max)
{
	struct sending *s = arg;
	return s->read(s->arg, p, max);
}

static void sending_free(void *arg)
{
	struct sending *s = arg;
	s->read_free(s->arg);
	__atomic_sub_fetch(&s->a->sending, 1, __ATOMIC_RELAXED);
	free(s);
}

void metrics_serve(void *ctx, struct web_request *req, struct web_response *res)
{
	struct app *a = ctx;
	unsigned most = a->memory_limit == MEMORY_UNLIMITED ? OWN_MAX : OWN_MAX_LIMITED;
	bool own = __atomic_add_fetch(&a->sending, 1, __ATOMIC_RELAXED) <= most;
	struct snapshot *s = own ? NULL : app_latest(a);

	if (!s)
		s = app_collect(a);
	if (!s) {
		__atomic_sub_fetch(&a->sending, 1, __ATOMIC_RELAXED);
		web_response_text(res, 500, "the kernel's maps cannot be read");
		return;
	}
	scrape_respond(req, res, s);
	snapshot_unref(s);
	struct sending *sending = xmalloc(sizeof(*sending));
	*sending = (struct sending){.a = a, .read = res->read, .read_free = res->read_free, .arg = res->read_arg};
	res->read = sending_read;
	res->read_free = sending_free;
	res->read_arg = sending;
}
