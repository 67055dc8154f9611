// SPDX-License-Identifier: GPL-2.0-or-later
/* A snapshot as series. Building a label set for every bucket of every endpoint at every scrape would cost more than the rest of the
 * store; so each metric (a family and its labels) keeps an entry with its series, found again by the hash of its labels. An entry that a
 * snapshot does not touch has vanished: its series get a stale marker and it goes.
 * When the filter or the extra labels change, the table becomes `former` and a new one is begun: the next snapshot marks those series of
 * it stale that it did not append to. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/text.h"
#include "store/impl.h"

static size_t flat_size(const struct flat *e)
{
	return sizeof(*e) + e->n * sizeof(e->series[0]) + 16 + labels_size(e->labels);
}

static void flat_free(struct store *s, struct flat *e)
{
	s->stats.bytes -= flat_size(e);
	for (uint32_t i = 0; i < e->n; i++)
		if (e->series[i])
			e->series[i]->scraped--;
	labels_unref(e->labels);
	free(e);
}

void flat_table_free(struct flat_table *t)
{
	for (size_t i = 0; i < t->n_buckets; i++)
		for (struct flat *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			labels_unref(e->labels);
			free(e);
		}
	free(t->buckets);
	*t = (struct flat_table){0};
}

static void grow(struct flat_table *t)
{
	size_t n = t->n_buckets ? t->n_buckets * 2 : 64;
	struct flat **fresh = xcalloc(n, sizeof(*fresh));
	for (size_t i = 0; i < t->n_buckets; i++)
		for (struct flat *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = fresh[e->hash & (n - 1)];
			fresh[e->hash & (n - 1)] = e;
		}
	free(t->buckets);
	t->buckets = fresh;
	t->n_buckets = n;
}

/* The slots of a family: its series' name suffixes, and for a bucket its le. */
static uint32_t n_slots(const struct family *f)
{
	return f->type == FAMILY_HISTOGRAM ? (uint32_t)f->n_bounds + 3 : 1;
}

struct slots {
	struct sv *names, *les; /* of each slot; an empty name: the filter wants none of its series */
	struct buf text;
	uint32_t n;
	bool any;
};

static void slots_init(struct slots *sl, const struct family *f, const struct store_filter *filter)
{
	uint32_t n = n_slots(f);
	size_t *ends = xcalloc(2 * n, sizeof(*ends));
	*sl = (struct slots){.names = xcalloc(n, sizeof(struct sv)), .les = xcalloc(n, sizeof(struct sv)), .text = BUF_INIT, .n = n};
	for (uint32_t i = 0; i < n; i++) {
		bool bucket = f->type == FAMILY_HISTOGRAM && i <= f->n_bounds;
		buf_adds(&sl->text, f->name);
		if (f->type == FAMILY_HISTOGRAM)
			buf_adds(&sl->text, bucket ? "_bucket" : i == n - 2 ? "_sum" : "_count");
		ends[2 * i] = sl->text.n;
		if (bucket)
			text_canonical_bound(i < f->n_bounds ? f->bounds[i] : INFINITY, &sl->text);
		ends[2 * i + 1] = sl->text.n;
	}
	size_t at = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct sv name = sv_make(sl->text.p + at, ends[2 * i] - at);
		sl->les[i] = sv_make(sl->text.p + ends[2 * i], ends[2 * i + 1] - ends[2 * i]);
		at = ends[2 * i + 1];
		if (filter && !filter_wants_name(filter, name))
			continue;
		sl->names[i] = name;
		sl->any = true;
	}
	free(ends);
}

static void slots_free(struct slots *sl)
{
	free(sl->names);
	free(sl->les);
	buf_free(&sl->text);
}

static struct labels *series_labels(const struct metric *m, const struct labels *extra, struct sv name, struct sv le)
{
	struct labels_builder b;
	labels_builder_init(&b, m->labels);
	for (uint32_t i = 0; extra && i < extra->n; i++) {
		struct sv taken = labels_get(m->labels, extra->l[i].name);
		if (taken.n) {
			char *moved = xasprintf("exported_%.*s", SV_ARG(extra->l[i].name));
			labels_builder_set(&b, sv_of(moved), taken);
			free(moved);
		}
		labels_builder_set(&b, extra->l[i].name, extra->l[i].value);
	}
	labels_builder_set(&b, SV(LABEL_NAME), name);
	if (le.n)
		labels_builder_set(&b, SV("le"), le);
	struct labels *ls = labels_builder_build(&b);
	labels_builder_free(&b);
	return ls;
}

/* Fills the slots that have no series yet. */
static void resolve(struct store *s, struct flat *e, const struct metric *m, const struct slots *sl)
{
	e->incomplete = false;
	for (uint32_t i = 0; i < e->n; i++) {
		if (!sl->names[i].n || e->series[i])
			continue;
		struct labels *ls = series_labels(m, s->extra, sl->names[i], sl->les[i]);
		if (!s->filter || filter_wants(s->filter, ls)) {
			e->series[i] = stored_get(s, ls);
			if (e->series[i])
				e->series[i]->scraped++;
			else
				e->incomplete = true;
		}
		labels_unref(ls);
	}
}

static struct flat *entry_get(struct store *s, const struct family *f, const struct metric *m, const struct slots *sl)
{
	struct flat_table *t = &s->flat;
	uint64_t hash = m->labels->hash ^ (hash_bytes(f->name, strlen(f->name), 0) | 1);
	if (t->n >= t->n_buckets)
		grow(t);
	struct flat *e = t->buckets[hash & (t->n_buckets - 1)];
	while (e && (e->hash != hash || e->n != sl->n || strcmp(e->family, f->name) != 0 || !labels_equal(e->labels, m->labels)))
		e = e->next;
	if (e) {
		if (e->incomplete)
			resolve(s, e, m, sl);
		return e;
	}
	e = xcalloc(1, sizeof(*e) + sl->n * sizeof(e->series[0]));
	e->family = f->name;
	e->labels = labels_ref(m->labels);
	e->hash = hash;
	e->n = sl->n;
	e->next = t->buckets[hash & (t->n_buckets - 1)];
	t->buckets[hash & (t->n_buckets - 1)] = e;
	t->n++;
	s->stats.bytes += flat_size(e);
	resolve(s, e, m, sl);
	return e;
}

static void append_slot(struct store *s, const struct flat *e, uint32_t i, int64_t t, double v)
{
	if (!e->series[i])
		return;
	e->series[i]->generation = s->generation;
	stored_append(s, e->series[i], t, v, NULL);
}

static void append_metric(struct store *s, const struct family *f, const struct metric *m, const struct slots *sl, int64_t t)
{
	struct flat *e = entry_get(s, f, m, sl);
	e->generation = s->generation;
	if (f->type != FAMILY_HISTOGRAM) {
		append_slot(s, e, 0, t, m->value);
		return;
	}
	uint64_t cumulative = 0;
	uint32_t i = 0;
	for (; i <= f->n_bounds; i++) {
		cumulative += m->buckets[i];
		append_slot(s, e, i, t, (double)cumulative);
	}
	append_slot(s, e, i, t, m->sum);
	append_slot(s, e, i + 1, t, (double)cumulative);
}

/* Marks the series of vanished entries stale and frees the entries: those of an older generation, or with ALL every one. */
static void let_go(struct store *s, struct flat_table *t, int64_t at, bool all)
{
	for (size_t i = 0; i < t->n_buckets; i++)
		for (struct flat **p = &t->buckets[i], *e; (e = *p);) {
			if (!all && e->generation == s->generation) {
				p = &e->next;
				continue;
			}
			*p = e->next;
			t->n--;
			for (uint32_t k = 0; k < e->n; k++)
				if (e->series[k] && e->series[k]->generation != s->generation)
					stored_append(s, e->series[k], at, sample_stale_marker(), NULL);
			flat_free(s, e);
		}
}

/* The present table is to be rebuilt. If `former` still waits for a snapshot, both are its predecessors: move the entries over. */
static void begin_anew(struct store *s)
{
	for (size_t i = 0; i < s->flat.n_buckets; i++)
		for (struct flat *e = s->flat.buckets[i], *next; e; e = next) {
			next = e->next;
			if (s->former.n >= s->former.n_buckets)
				grow(&s->former);
			struct flat **slot = &s->former.buckets[e->hash & (s->former.n_buckets - 1)];
			e->next = *slot;
			*slot = e;
			s->former.n++;
		}
	free(s->flat.buckets);
	s->flat = (struct flat_table){0};
}

void store_set_filter(struct store *s, struct store_filter *filter)
{
	pthread_rwlock_wrlock(&s->lock);
	store_filter_free(s->filter);
	s->filter = filter;
	begin_anew(s);
	pthread_rwlock_unlock(&s->lock);
}

void store_append_snapshot(struct store *s, const struct snapshot *snapshot, const struct labels *extra)
{
	pthread_rwlock_wrlock(&s->lock);
	if (!extra != !s->extra || (extra && !labels_equal(extra, s->extra))) {
		labels_unref(s->extra);
		s->extra = extra ? labels_ref(extra) : NULL;
		begin_anew(s);
	}
	store_expire(s, snapshot->t);
	s->generation++;
	for (size_t i = 0; i < snapshot->n; i++) {
		const struct family *f = &snapshot->families[i];
		struct slots sl;
		if (!f->n)
			continue;
		slots_init(&sl, f, s->filter);
		for (size_t k = 0; sl.any && k < f->n; k++)
			append_metric(s, f, &f->metrics[k], &sl, snapshot->t);
		slots_free(&sl);
	}
	let_go(s, &s->flat, snapshot->t, false);
	let_go(s, &s->former, snapshot->t, true);
	free(s->former.buckets);
	s->former = (struct flat_table){0};
	pthread_rwlock_unlock(&s->lock);
}
