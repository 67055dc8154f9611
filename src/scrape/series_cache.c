// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/series_cache.h"

#include <stdlib.h>

#include "base/alloc.h"

struct series_entry *series_cache_find(const struct series_cache *c, struct sv key)
{
	uint64_t hash = hash_bytes(key.p, key.n, hash_secret());
	struct series_entry *e = c->n_buckets ? c->buckets[hash & (c->n_buckets - 1)] : NULL;
	while (e && (e->hash != hash || !sv_eq(sv_make(e->key, e->key_len), key)))
		e = e->next;
	return e;
}

static void grow(struct series_cache *c)
{
	size_t n = c->n_buckets ? c->n_buckets * 2 : 64;
	struct series_entry **fresh = xcalloc(n, sizeof(*fresh));
	for (size_t i = 0; i < c->n_buckets; i++)
		for (struct series_entry *e = c->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = fresh[e->hash & (n - 1)];
			fresh[e->hash & (n - 1)] = e;
		}
	free(c->buckets);
	c->buckets = fresh;
	c->n_buckets = n;
}

struct series_entry *series_cache_add(struct series_cache *c, struct sv key, struct labels *labels)
{
	if (c->n >= c->n_buckets)
		grow(c);
	struct series_entry *e = xcalloc(1, sizeof(*e) + key.n);
	e->hash = hash_bytes(key.p, key.n, hash_secret());
	e->labels = labels;
	e->key_len = (uint32_t)key.n;
	memcpy(e->key, key.p, key.n);
	e->next = c->buckets[e->hash & (c->n_buckets - 1)];
	c->buckets[e->hash & (c->n_buckets - 1)] = e;
	c->n++;
	return e;
}

void series_cache_gone(struct series_cache *c, bool all, void (*gone)(void *arg, struct labels *labels), void *arg)
{
	for (size_t i = 0; i < c->n_buckets; i++)
		for (struct series_entry *e = c->buckets[i]; e; e = e->next)
			if (e->live && (all || e->seen != c->scrape)) {
				gone(arg, e->labels);
				e->live = false;
			}
	for (size_t i = 0; i < c->n_former; i++) {
		gone(arg, c->former[i]);
		labels_unref(c->former[i]);
	}
	free(c->former);
	c->former = NULL;
	c->n_former = c->cap_former = 0;
}

static void entry_free(struct series_entry *e)
{
	labels_unref(e->labels);
	free(e);
}

static void clear(struct series_cache *c, bool remember)
{
	for (size_t i = 0; i < c->n_buckets; i++)
		for (struct series_entry *e = c->buckets[i], *next; e; e = next) {
			next = e->next;
			if (remember && e->live) {
				array_grow(c->former, c->n_former, c->cap_former);
				c->former[c->n_former++] = labels_ref(e->labels);
			}
			entry_free(e);
		}
	free(c->buckets);
	c->buckets = NULL;
	c->n = c->n_buckets = 0;
}

void series_cache_trim(struct series_cache *c, bool success)
{
	if (!success) {
		/* What failed is met again, most likely; but a flood of names must not stay. Nothing is live after a failure. */
		if (c->n > 2 * c->n_successful + 1000)
			clear(c, false);
		return;
	}
	for (size_t i = 0; i < c->n_buckets; i++)
		for (struct series_entry **p = &c->buckets[i], *e; (e = *p);) {
			if (e->seen == c->scrape) {
				p = &e->next;
				continue;
			}
			*p = e->next;
			c->n--;
			entry_free(e);
		}
	c->n_successful = c->n;
}

void series_cache_forget(struct series_cache *c)
{
	clear(c, true);
}

void series_cache_free(struct series_cache *c)
{
	clear(c, false);
	for (size_t i = 0; i < c->n_former; i++)
		labels_unref(c->former[i]);
	free(c->former);
	*c = (struct series_cache){0};
}
