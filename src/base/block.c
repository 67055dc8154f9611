// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/block.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

#define CLASSES 6 /* 128 KiB to 4 MiB */
#define WAITING_MAX ((size_t)8 << 20)

struct waiting {
	struct waiting *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiting *waiting[CLASSES];
static size_t bytes; /* of all that wait */

/* The class of blocks for SIZE, CLASSES if there is none. */
static unsigned class_of(size_t size)
{
	unsigned c = 0;
	while (c < CLASSES && size > BLOCK_LEAST << c)
		c++;
	return c;
}

static void *unlink_first(unsigned c)
{
	struct waiting *p = waiting[c];
	if (p) {
		waiting[c] = p->next;
		bytes -= BLOCK_LEAST << c;
	}
	return p;
}

void *block_take(size_t *size)
{
	unsigned c = class_of(*size);
	if (c == CLASSES)
		return xmalloc(*size);
	*size = BLOCK_LEAST << c;
	pthread_mutex_lock(&lock);
	void *p = unlink_first(c);
	pthread_mutex_unlock(&lock);
	return p ? p : xmalloc(*size);
}

void *block_waiting(size_t *size)
{
	void *p = NULL;
	pthread_mutex_lock(&lock);
	for (unsigned c = CLASSES; !p && c > 0 && BLOCK_LEAST << (c - 1) >= *size;) {
		p = unlink_first(--c);
		*size = p ? BLOCK_LEAST << c : *size;
	}
	pthread_mutex_unlock(&lock);
	return p;
}

void block_give(void *p, size_t size)
{
	unsigned c = class_of(size);
	pthread_mutex_lock(&lock);
	bool keep = p && c < CLASSES && size == BLOCK_LEAST << c && bytes + size <= WAITING_MAX;
	if (keep) {
		struct waiting *w = p;
		w->next = waiting[c];
		waiting[c] = w;
		bytes += size;
	}
	pthread_mutex_unlock(&lock);
	if (!keep)
		free(p);
}

void block_forget(void)
{
	struct waiting *all = NULL;
	pthread_mutex_lock(&lock);
	for (unsigned c = 0; c < CLASSES; c++)
		for (struct waiting *w; (w = unlink_first(c)); all = w)
			w->next = all;
	pthread_mutex_unlock(&lock);
	while (all) {
		struct waiting *next = all->next;
		free(all);
		all = next;
	}
}
