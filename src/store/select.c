// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/block.h"
#include "base/cleanup.h"
#include "store/impl.h"

/* Calls FN for every series that matches and may have samples in the range; stops when it returns non-zero, with that. */
static int each_match(struct store *s, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt,
		      int (*fn)(void *arg, struct stored *series), void *arg)
{
	const struct name_list *only = NULL;
	bool by_name = false;
	size_t at = n; /* the matcher that all of ONLY satisfy */
	for (size_t i = 0; i < n && !by_name; i++)
		if (matchers[i].type == MATCH_EQUAL && sv_eqs(matchers[i].name, LABEL_NAME) && matchers[i].value.n) {
			at = i;
			struct sv name = matchers[i].value;
			only = s->names[hash_bytes(name.p, name.n, hash_secret()) & (s->n_name_buckets - 1)];
			while (only && !sv_eq(sv_make(only->name, only->name_len), name))
				only = only->next;
			by_name = true;
		}
	for (size_t b = 0; b < s->n_name_buckets; b++) {
		for (const struct name_list *l = by_name ? only : s->names[b]; l; l = by_name ? NULL : l->next)
			for (size_t i = 0; i < l->n; i++) {
				struct stored *p = l->series[i];
				if (!p->oldest || p->newest->t_last < mint || p->oldest->t_first > maxt ||
				    !matchers_match(matchers, at, p->labels) ||
				    (at < n && !matchers_match(matchers + at + 1, n - at - 1, p->labels)))
					continue;
				int r = fn(arg, p);
				if (r)
					return r;
			}
		if (by_name)
			break;
	}
	return 0;
}

/* What a set points to lies in blocks, the last one first in set.priv. */
struct block {
	struct block *before;
	size_t size, used;
	_Alignas(16) char bytes[];
};

#define BLOCK_SIZE (256u << 10)

struct selection {
	struct series_set *out;
	size_t cap;
	int64_t mint, maxt;
	uint64_t samples, max;
};

/* At most N bytes; what is not needed of them is not taken: block->used is moved by whoever fills them. */
static void *block_room(struct selection *sel, size_t n)
{
	struct block *b = sel->out->priv;
	if (!b || b->size - b->used < n) {
		size_t all = n > BLOCK_SIZE - sizeof(*b) ? sizeof(*b) + n : BLOCK_SIZE;
		struct block *fresh = block_take(&all);
		*fresh = (struct block){.before = b, .size = all - sizeof(*fresh)};
		sel->out->priv = b = fresh;
	}
	return b->bytes + b->used;
}

static void block_use(struct selection *sel, size_t n)
{
	struct block *b = sel->out->priv;
	b->used += (n + 15) & ~(size_t)15;
	if (b->used > b->size)
		b->used = b->size;
}

static const struct histogram *own(struct selection *sel, const struct chunk_iter *it)
{
	size_t size;
	_cleanup_free_ struct histogram *h = chunk_iter_histogram(it, &size);
	struct histogram *moved = block_room(sel, size);
	block_use(sel, size);
	memcpy(moved, h, size);
	moved->custom = (double *)(moved + 1);
	moved->pos = (struct histogram_bucket *)(moved->custom + moved->n_custom);
	moved->neg = moved->pos + moved->n_pos;
	/* In the room of a sample: a large histogram costs as much as many floats. */
	sel->samples += size / sizeof(struct sample);
	return moved;
}

static size_t select_histograms(struct selection *sel, const struct chunk *c, struct sample *v)
{
	struct chunk_iter it;
	size_t n = 0;
	chunk_iter_init(&it, c);
	while (sel->samples <= sel->max && chunk_iter_next(&it) && it.t <= sel->maxt)
		if (it.t >= sel->mint)
			v[n++] = (struct sample){.t = it.t, .h = own(sel, &it)};
	chunk_iter_end(&it);
	return n;
}

static int select_series(void *arg, struct stored *p)
{
	struct selection *sel = arg;
	size_t room = 0, n = 0;
	bool histograms = false;
	for (const struct chunk *c = p->oldest; c; c = c->newer)
		if (c->t_last >= sel->mint && c->t_first <= sel->maxt) {
			room += c->n;
			histograms = histograms || c->layout;
		}
	if (!room)
		return 0;
	struct sample *v = block_room(sel, room * sizeof(*v));
	if (histograms) /* whose own room comes behind that of all samples */
		block_use(sel, room * sizeof(*v));
	for (const struct chunk *c = p->oldest; c; c = c->newer) {
		if (c->t_last < sel->mint || c->t_first > sel->maxt)
			continue;
		n += c->layout ? select_histograms(sel, c, v + n) : chunk_decode(c, sel->mint, sel->maxt, v + n);
	}
	if (!n)
		return 0;
	if (!histograms)
		block_use(sel, n * sizeof(*v));
	array_grow(sel->out->series, sel->out->n, sel->cap);
	sel->out->series[sel->out->n++] = (struct series){.labels = labels_ref(p->labels), .samples = v, .n = n};
	sel->samples += n;
	return sel->samples > sel->max ? -E2BIG : 0;
}

/* How many samples of C are in the range, about: exact if they come at a steady pace. */
static uint64_t count_about(const struct selection *sel, const struct chunk *c)
{
	int64_t from = sel->mint > c->t_first ? sel->mint : c->t_first, to = sel->maxt < c->t_last ? sel->maxt : c->t_last;
	double whole = (double)c->t_last - (double)c->t_first;
	return whole > 0 ? 1 + (uint64_t)((double)(c->n - 1) * (((double)to - (double)from) / whole)) : c->n;
}

static int select_packed(void *arg, struct stored *p)
{
	struct selection *sel = arg;
	struct chunk *first = NULL, **next = &first;
	size_t room = 0;
	for (const struct chunk *c = p->oldest; c; c = c->newer)
		if (c->layout)
			return select_series(arg, p);
	for (const struct chunk *c = p->oldest; c; c = c->newer) {
		if (c->t_last < sel->mint || c->t_first > sel->maxt)
			continue;
		uint32_t used = (c->bits + 7) / 8;
		struct chunk *copy = block_room(sel, sizeof(*copy) + used);
		memcpy(copy, c, sizeof(*copy) + used);
		block_use(sel, sizeof(*copy) + used);
		copy->cap = used;
		copy->newer = NULL;
		*next = copy;
		next = &copy->newer;
		room += c->n;
		sel->samples += count_about(sel, c);
	}
	if (!first)
		return 0;
	array_grow(sel->out->series, sel->out->n, sel->cap);
	sel->out->series[sel->out->n++] = (struct series){.labels = labels_ref(p->labels), .packed = first, .n = room};
	return sel->samples > sel->max ? -E2BIG : 0;
}

size_t store_unpack(const struct series *series, int64_t mint, int64_t maxt, struct sample *out)
{
	size_t n = 0;
	for (const struct chunk *c = series->packed; c; c = c->newer)
		if (c->t_last >= mint && c->t_first <= maxt)
			n += chunk_decode(c, mint, maxt, out + n);
	return n;
}

static void release(struct series_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		labels_unref(set->series[i].labels);
	free(set->series);
	for (struct block *b = set->priv, *before; b; b = before) {
		before = b->before;
		block_give(b, sizeof(*b) + b->size);
	}
	*set = (struct series_set){0};
}

static int select_with(struct store *s, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt, struct series_set *out,
		       char **error, int (*fn)(void *arg, struct stored *p))
{
	struct series_set set = {.release = release};
	struct selection sel = {.out = &set, .mint = mint, .maxt = maxt, .max = s->opt.max_select};
	pthread_rwlock_rdlock(&s->lock);
	int r = each_match(s, matchers, n, mint, maxt, fn, &sel);
	pthread_rwlock_unlock(&s->lock);
	if (r) {
		release(&set);
		*error = xasprintf("a selector returned more than %llu samples", (unsigned long long)s->opt.max_select);
		return r;
	}
	*out = set;
	return 0;
}

int store_select(void *self, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt, struct series_set *out, char **error)
{
	return select_with(self, matchers, n, mint, maxt, out, error, select_series);
}

int store_select_packed(void *self, const struct matcher *matchers, size_t n, int64_t mint, int64_t maxt, struct series_set *out,
			char **error)
{
	return select_with(self, matchers, n, mint, maxt, out, error, select_packed);
}

struct label_selection {
	struct labels **labels;
	size_t n, cap;
	int64_t mint, maxt;
};

static int select_labels(void *arg, struct stored *p)
{
	struct label_selection *sel = arg;
	/* Chunks are close together; a gap between two that holds the whole range is the only way to be wrong. */
	bool inside = false;
	for (const struct chunk *c = p->oldest; c && !inside; c = c->newer)
		inside = c->t_last >= sel->mint && c->t_first <= sel->maxt;
	if (!inside)
		return 0;
	array_grow(sel->labels, sel->n, sel->cap);
	sel->labels[sel->n++] = labels_ref(p->labels);
	return 0;
}

void store_select_labels(struct store *s, const struct matcher *matchers, size_t n_matchers, int64_t mint, int64_t maxt,
			 struct labels ***out, size_t *n)
{
	struct label_selection sel = {.mint = mint, .maxt = maxt};
	pthread_rwlock_rdlock(&s->lock);
	each_match(s, matchers, n_matchers, mint, maxt, select_labels, &sel);
	pthread_rwlock_unlock(&s->lock);
	*out = sel.labels;
	*n = sel.n;
}

void store_labels_free(struct labels **labels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		labels_unref(labels[i]);
	free(labels);
}
