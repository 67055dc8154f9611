// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/impl.h"

/* Chunks in the making are seldom old: a look at every series once a minute is enough to let go of those nobody appends to. */
#define SWEEP_MS 60000

struct store *store_new(const struct store_options *opt)
{
	struct store *s = xcalloc(1, sizeof(*s));
	if (opt)
		s->opt = *opt;
	if (s->opt.retention_ms <= 0)
		s->opt.retention_ms = 3600000;
	if (!s->opt.budget)
		s->opt.budget = (size_t)64 << 20;
	if (!s->opt.max_select)
		s->opt.max_select = 4000000;
	pthread_rwlock_init(&s->lock, NULL);
	s->n_buckets = s->n_name_buckets = 64;
	s->buckets = xcalloc(s->n_buckets, sizeof(struct stored *));
	s->names = xcalloc(s->n_name_buckets, sizeof(struct name_list *));
	s->source = (struct sample_source){.select = store_select, .select_packed = store_select_packed, .unpack = store_unpack, .self = s};
	s->newest_t = s->swept_t = INT64_MIN;
	return s;
}

static void stored_free(struct stored *series)
{
	for (struct chunk *c = series->oldest, *newer; c; c = newer) {
		newer = c->newer;
		chunk_free(c);
	}
	free(series->slots);
	labels_unref(series->labels);
	free(series);
}

static void name_list_free(struct name_list *l)
{
	free(l->name);
	free(l->series);
	free(l);
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct stored *p = s->buckets[i], *next; p; p = next) {
			next = p->next;
			stored_free(p);
		}
	for (size_t i = 0; i < s->n_name_buckets; i++)
		for (struct name_list *p = s->names[i], *next; p; p = next) {
			next = p->next;
			name_list_free(p);
		}
	flat_table_free(&s->flat);
	flat_table_free(&s->former);
	store_filter_free(s->filter);
	labels_unref(s->extra);
	free(s->buckets);
	free(s->names);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

/* --- names --- */

static struct name_list **name_slot(struct store *s, struct sv name)
{
	struct name_list **p = &s->names[hash_bytes(name.p, name.n, hash_secret()) & (s->n_name_buckets - 1)];
	while (*p && !sv_eq(sv_make((*p)->name, (*p)->name_len), name))
		p = &(*p)->next;
	return p;
}

static void grow_names(struct store *s)
{
	size_t n = s->n_name_buckets * 2;
	struct name_list **fresh = xcalloc(n, sizeof(*fresh));
	for (size_t i = 0; i < s->n_name_buckets; i++)
		for (struct name_list *p = s->names[i], *next; p; p = next) {
			next = p->next;
			struct name_list **to = &fresh[hash_bytes(p->name, p->name_len, hash_secret()) & (n - 1)];
			p->next = *to;
			*to = p;
		}
	free(s->names);
	s->names = fresh;
	s->n_name_buckets = n;
}

static void name_add(struct store *s, struct stored *series)
{
	struct sv name = labels_get(series->labels, SV(LABEL_NAME));
	struct name_list **slot = name_slot(s, name), *l = *slot;
	if (!l) {
		if (s->n_names >= s->n_name_buckets) {
			grow_names(s);
			slot = name_slot(s, name);
		}
		l = *slot = xcalloc(1, sizeof(*l));
		l->name = xmemdup(name.p, name.n);
		l->name_len = name.n;
		s->n_names++;
	}
	array_grow(l->series, l->n, l->cap);
	series->name = l;
	series->in_name = l->n;
	l->series[l->n++] = series;
}

static void name_remove(struct store *s, struct stored *series)
{
	struct name_list *l = series->name;
	struct stored *last = l->series[--l->n];
	l->series[series->in_name] = last;
	last->in_name = series->in_name;
	if (l->n)
		return;
	struct name_list **slot = name_slot(s, sv_make(l->name, l->name_len));
	*slot = l->next;
	name_list_free(l);
	s->n_names--;
}

/* --- series --- */

size_t labels_size(const struct labels *ls)
{
	size_t n = sizeof(*ls) + 16;
	for (uint32_t i = 0; i < ls->n; i++)
		n += sizeof(struct label) + ls->l[i].name.n + ls->l[i].value.n + 2;
	return n;
}

/* With its places in the two indexes. */
static size_t stored_size(const struct stored *series)
{
	return sizeof(*series) + 16 + 3 * sizeof(void *) + labels_size(series->labels);
}

struct stored *stored_find(struct store *s, const struct labels *labels)
{
	struct stored *p = s->buckets[labels->hash & (s->n_buckets - 1)];
	while (p && !labels_equal(p->labels, labels))
		p = p->next;
	return p;
}

static void grow_buckets(struct store *s)
{
	size_t n = s->n_buckets * 2;
	struct stored **fresh = xcalloc(n, sizeof(*fresh));
	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct stored *p = s->buckets[i], *next; p; p = next) {
			next = p->next;
			struct stored **to = &fresh[p->labels->hash & (n - 1)];
			p->next = *to;
			*to = p;
		}
	free(s->buckets);
	s->buckets = fresh;
	s->n_buckets = n;
}

static void stored_remove(struct store *s, struct stored *series)
{
	struct stored **p = &s->buckets[series->labels->hash & (s->n_buckets - 1)];
	while (*p != series)
		p = &(*p)->next;
	*p = series->next;
	name_remove(s, series);
	s->stats.series--;
	s->stats.bytes -= stored_size(series);
	stored_free(series);
}

/* --- chunks --- */

/* What the newest chunk, C, needed to be appended to. */
static void forget_slots(struct store *s, struct stored *series, const struct chunk *c)
{
	if (!series->slots)
		return;
	s->stats.bytes -= chunk_slots(c) * sizeof(double) + 16;
	free(series->slots);
	series->slots = NULL;
}

/* Takes the oldest chunk off its series and frees it; the number of its samples. */
static uint32_t drop_oldest_chunk(struct store *s, struct stored *series)
{
	struct chunk *c = series->oldest;
	uint32_t n = c->n;
	bool sealed = c->seal_prev || c->seal_next || s->seal_oldest == c;
	if (sealed) {
		*(c->seal_prev ? &c->seal_prev->seal_next : &s->seal_oldest) = c->seal_next;
		*(c->seal_next ? &c->seal_next->seal_prev : &s->seal_newest) = c->seal_prev;
	}
	series->oldest = c->newer;
	if (series->newest == c)
		series->newest = NULL;
	s->stats.bytes -= chunk_size(c);
	s->stats.samples -= n;
	s->stats.chunks--;
	if (!series->newest)
		forget_slots(s, series, c);
	chunk_free(c);
	return n;
}

/* Lets the oldest full chunks go until NEED bytes fit. False if they do not even so. */
static bool make_room(struct store *s, size_t need)
{
	while (s->stats.bytes + need > s->opt.budget) {
		if (!s->seal_oldest)
			return false;
		struct stored *series = s->seal_oldest->owner;
		s->stats.dropped_total += drop_oldest_chunk(s, series);
	}
	return true;
}

struct stored *stored_get(struct store *s, const struct labels *labels)
{
	struct stored *p = stored_find(s, labels);
	if (p)
		return p;
	struct stored probe = {.labels = (struct labels *)labels};
	size_t need = stored_size(&probe) + sizeof(struct chunk) + 64;
	if (!make_room(s, need)) {
		s->stats.refused_series_total++;
		return NULL;
	}
	if (s->stats.series >= s->n_buckets)
		grow_buckets(s);
	p = xcalloc(1, sizeof(*p));
	p->labels = labels_ref(labels);
	struct stored **slot = &s->buckets[labels->hash & (s->n_buckets - 1)];
	p->next = *slot;
	*slot = p;
	name_add(s, p);
	s->stats.series++;
	s->stats.bytes += stored_size(p);
	return p;
}

/* The newest chunk moved in memory: whoever pointed at FROM points at TO. */
static void newest_moved(struct stored *series, const struct chunk *from, struct chunk *to)
{
	struct chunk **p = &series->oldest;
	while (*p != from)
		p = &(*p)->newer;
	*p = series->newest = to;
}

static void seal(struct store *s, struct stored *series)
{
	struct chunk *before = series->newest;
	s->stats.bytes -= chunk_size(before);
	struct chunk *c = chunk_seal(before);
	s->stats.bytes += chunk_size(c);
	newest_moved(series, before, c);
	c->seal_prev = s->seal_newest;
	*(s->seal_newest ? &s->seal_newest->seal_next : &s->seal_oldest) = c;
	s->seal_newest = c;
}

/* A fresh newest chunk, for floats or (H not NULL) for histograms like H. */
static void begin_chunk(struct store *s, struct stored *series, const struct histogram *h)
{
	struct chunk *before = series->newest, *c = h ? chunk_new_histograms(series, h, before) : chunk_new(series);
	if (before) {
		forget_slots(s, series, before);
		before->newer = c;
	} else {
		series->oldest = c;
	}
	series->newest = c;
	s->stats.chunks++;
	s->stats.bytes += chunk_size(c);
	if (h) {
		series->slots = xcalloc(chunk_slots(c), sizeof(double));
		s->stats.bytes += chunk_slots(c) * sizeof(double) + 16;
	}
}

/* Is it what the series' last sample says? Of a histogram count, sum and zero bucket are looked at. */
static bool same_as_last(const struct stored *series, double v, const struct histogram *h)
{
	uint64_t bits;
	if (!h != !series->newest->layout)
		return false;
	memcpy(&bits, h ? &h->sum : &v, sizeof(bits));
	return bits == series->tail.value && (!h || (h->count == series->slots[0] && h->zero_count == series->slots[1]));
}

static bool fits(const struct chunk *c, const struct histogram *h)
{
	return c && c->n < CHUNK_SAMPLES && (h ? chunk_takes(c, h) : !c->layout);
}

int stored_append(struct store *s, struct stored *series, int64_t t, double v, const struct histogram *h)
{
	struct chunk *c = series->newest;
	if (c && t <= c->t_last) {
		if (t == c->t_last && same_as_last(series, v, h))
			return 0;
		(*(t == c->t_last ? &s->stats.duplicate_total : &s->stats.out_of_order_total))++;
		return t == c->t_last ? -EEXIST : -ESTALE;
	}
	if (c && !fits(c, h))
		seal(s, series);
	/* Room for a worst-case step of growth; if even the oldest of all is gone, the series forgets its own past. */
	size_t layout = h ? (h->n_pos + h->n_neg) * (sizeof(double) + sizeof(int32_t)) + h->n_custom * sizeof(double) : 0;
	if (!make_room(s, sizeof(struct chunk) + 128 + (h ? 2 * chunk_histogram_max(h) + layout : 0)))
		while (series->oldest)
			s->stats.dropped_total += drop_oldest_chunk(s, series);
	if (!fits(series->newest, h))
		begin_chunk(s, series, h);
	c = series->newest;
	s->stats.bytes -= chunk_size(c);
	struct chunk *grown = h ? chunk_append_histogram(c, &series->tail, series->slots, t, h) : chunk_append(c, &series->tail, t, v);
	s->stats.bytes += chunk_size(grown);
	if (grown != c)
		newest_moved(series, c, grown);
	s->stats.samples++;
	s->stats.appended_total++;
	if (t > s->newest_t)
		s->newest_t = t;
	return 0;
}

/* --- age --- */

static void sweep(struct store *s, int64_t before)
{
	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct stored *p = s->buckets[i], *next; p; p = next) {
			next = p->next;
			while (p->oldest && p->oldest->t_last < before)
				s->stats.expired_total += drop_oldest_chunk(s, p);
			if (!p->oldest && !p->scraped)
				stored_remove(s, p);
		}
}

void store_expire(struct store *s, int64_t t)
{
	int64_t before = t - s->opt.retention_ms;
	while (s->seal_oldest && s->seal_oldest->t_last < before)
		s->stats.expired_total += drop_oldest_chunk(s, s->seal_oldest->owner);
	/* The clock may have been set back: then the last sweep lies in the future. */
	if (s->swept_t == INT64_MIN)
		s->swept_t = t;
	if (t >= s->swept_t && t - s->swept_t < SWEEP_MS)
		return;
	sweep(s, before);
	s->swept_t = t;
}

/* --- the public face --- */

size_t store_set_back(struct store *s, int64_t t)
{
	size_t n = 0;
	pthread_rwlock_wrlock(&s->lock);
	s->newest_t = t;
	s->swept_t = t;
	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct stored *p = s->buckets[i]; p; p = p->next) {
			if (!p->newest || p->newest->t_last <= t)
				continue;
			while (p->oldest)
				s->stats.dropped_total += drop_oldest_chunk(s, p);
			n++;
		}
	pthread_rwlock_unlock(&s->lock);
	return n;
}

int store_append(struct store *s, const struct labels *labels, int64_t t, double v)
{
	pthread_rwlock_wrlock(&s->lock);
	store_expire(s, s->newest_t > t ? s->newest_t : t);
	struct stored *series = stored_get(s, labels);
	int r = series ? stored_append(s, series, t, v, NULL) : -ENOSPC;
	pthread_rwlock_unlock(&s->lock);
	return r;
}

int store_append_histogram(struct store *s, const struct labels *labels, int64_t t, const struct histogram *h)
{
	struct store_sample p = {.labels = (struct labels *)labels, .t = t, .h = h};
	store_append_batch(s, &p, 1);
	return p.err;
}

void store_append_batch(struct store *s, struct store_sample *samples, size_t n)
{
	pthread_rwlock_wrlock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		struct store_sample *p = &samples[i];
		if (!i || p->t > s->newest_t)
			store_expire(s, s->newest_t > p->t ? s->newest_t : p->t);
		struct stored *series = p->marker ? stored_find(s, p->labels) : stored_get(s, p->labels);
		if (p->marker && (!series || !series->newest || p->t <= series->newest->t_last))
			p->err = 0;
		else
			p->err = series ? stored_append(s, series, p->t, p->v, p->h) : -ENOSPC;
	}
	pthread_rwlock_unlock(&s->lock);
}

void store_set_limits(struct store *s, int64_t retention_ms, size_t budget)
{
	pthread_rwlock_wrlock(&s->lock);
	s->opt.retention_ms = retention_ms;
	s->opt.budget = budget;
	pthread_rwlock_unlock(&s->lock);
}

int64_t store_retention(struct store *s)
{
	pthread_rwlock_rdlock(&s->lock);
	int64_t ms = s->opt.retention_ms;
	pthread_rwlock_unlock(&s->lock);
	return ms;
}

const struct sample_source *store_source(struct store *s)
{
	return &s->source;
}

void store_stats(struct store *s, struct store_stats *out)
{
	pthread_rwlock_rdlock(&s->lock);
	*out = s->stats;
	out->retention_ms = s->opt.retention_ms;
	out->budget = s->opt.budget;
	out->oldest_t = out->newest_t = 0;
	bool any = false;
	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct stored *p = s->buckets[i]; p; p = p->next) {
			if (!p->oldest)
				continue;
			if (!any || p->oldest->t_first < out->oldest_t)
				out->oldest_t = p->oldest->t_first;
			if (!any || p->newest->t_last > out->newest_t)
				out->newest_t = p->newest->t_last;
			any = true;
		}
	pthread_rwlock_unlock(&s->lock);
}
