// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/pool.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"

void pool_init(struct pool *p)
{
	*p = (struct pool){0};
	p->empty = pool_intern(p, labels_empty());
}

void pool_free(struct pool *p)
{
	for (size_t i = 0; i < p->cap; i++)
		labels_unref((struct labels *)p->sets[i]);
	free(p->sets);
	free(p->memo);
	*p = (struct pool){0};
}

static size_t find(const struct pool *p, const struct labels *l)
{
	size_t i = l->hash & (p->cap - 1);
	while (p->sets[i] && !labels_equal(p->sets[i], l))
		i = (i + 1) & (p->cap - 1);
	return i;
}

void pool_reserve(struct pool *p, size_t n)
{
	if ((p->n + n) * 2 <= p->cap)
		return;
	struct pool old = *p;
	if (!p->cap)
		p->cap = 64;
	while ((p->n + n) * 2 > p->cap)
		p->cap *= 2;
	p->sets = xcalloc(p->cap, sizeof(*p->sets));
	for (size_t k = 0; k < old.cap; k++)
		if (old.sets[k]) { /* no two are equal */
			size_t i = old.sets[k]->hash & (p->cap - 1);
			while (p->sets[i])
				i = (i + 1) & (p->cap - 1);
			p->sets[i] = old.sets[k];
		}
	free(old.sets);
}

static bool holds_pairs(const struct labels *l, const struct label *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!sv_eq(l->l[i].name, pairs[i].name) || !sv_eq(l->l[i].value, pairs[i].value))
			return false;
	return true;
}

const struct labels *pool_intern_pairs(struct pool *p, const struct label *pairs, size_t n)
{
	pool_reserve(p, 1);
	uint64_t hash = labels_hash_pairs(pairs, n);
	size_t i = hash & (p->cap - 1);
	for (; p->sets[i]; i = (i + 1) & (p->cap - 1))
		if (p->sets[i]->hash == hash && p->sets[i]->n == n && holds_pairs(p->sets[i], pairs, n))
			return p->sets[i];
	p->n++;
	return p->sets[i] = labels_new_sorted(pairs, n);
}

const struct labels *pool_intern(struct pool *p, struct labels *owned)
{
	pool_reserve(p, 1);
	size_t i = find(p, owned);
	if (p->sets[i]) {
		labels_unref(owned);
		return p->sets[i];
	}
	p->sets[i] = owned;
	p->n++;
	return owned;
}

static uint64_t spread(uint64_t x)
{
	x ^= x >> 32;
	x *= 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

static size_t find_memo(const struct pool *p, uintptr_t op, const struct labels *a, const struct labels *b)
{
	size_t i = spread(op + spread((uintptr_t)a + spread((uintptr_t)b))) & (p->cap_memo - 1);
	while (p->memo[i].result && (p->memo[i].op != op || p->memo[i].a != a || p->memo[i].b != b))
		i = (i + 1) & (p->cap_memo - 1);
	return i;
}

const struct labels *pool_recall(const struct pool *p, uintptr_t op, const struct labels *a,
				 const struct labels *b)
{
	return p->cap_memo ? p->memo[find_memo(p, op, a, b)].result : NULL;
}

void pool_remember(struct pool *p, uintptr_t op, const struct labels *a, const struct labels *b,
		   const struct labels *result)
{
	if (p->n_memo * 2 >= p->cap_memo) {
		struct pool old = *p;
		p->cap_memo = old.cap_memo ? old.cap_memo * 2 : 64;
		p->memo = xcalloc(p->cap_memo, sizeof(*p->memo));
		for (size_t i = 0; i < old.cap_memo; i++)
			if (old.memo[i].result)
				p->memo[find_memo(p, old.memo[i].op, old.memo[i].a, old.memo[i].b)] =
				    old.memo[i];
		free(old.memo);
	}
	size_t i = find_memo(p, op, a, b);
	if (!p->memo[i].result)
		p->n_memo++;
	p->memo[i] = (struct memo_entry){op, a, b, result};
}

void ptrmap_init(struct ptrmap *m, struct arena *a, size_t n)
{
	*m = (struct ptrmap){.cap = 8, .arena = a};
	while (m->cap < n * 2)
		m->cap *= 2;
	m->keys = arena_calloc(a, m->cap, sizeof(*m->keys));
	m->values = arena_alloc(a, m->cap * sizeof(*m->values));
}

static size_t find_ptr(const struct ptrmap *m, const void *key)
{
	size_t i = spread((uintptr_t)key) & (m->cap - 1);
	while (m->keys[i] && m->keys[i] != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

uint32_t *ptrmap_slot(struct ptrmap *m, const void *key, bool *is_new)
{
	if (m->n * 2 >= m->cap) {
		struct ptrmap old = *m;
		ptrmap_init(m, old.arena, old.cap);
		m->n = old.n;
		for (size_t k = 0; k < old.cap; k++)
			if (old.keys[k]) {
				size_t i = find_ptr(m, old.keys[k]);
				m->keys[i] = old.keys[k];
				m->values[i] = old.values[k];
			}
	}
	size_t i = find_ptr(m, key);
	*is_new = !m->keys[i];
	m->n += *is_new;
	m->keys[i] = key;
	return &m->values[i];
}

uint32_t *ptrmap_find(const struct ptrmap *m, const void *key)
{
	size_t i = find_ptr(m, key);
	return m->keys[i] ? &m->values[i] : NULL;
}

void hints_set(struct hints *h, struct arena *a, const struct labels *l, uint32_t id)
{
	if (h->at >= h->n) {
		if (h->n == h->cap) {
			size_t before = h->cap;
			arena_grow(a, h->l, h->n, h->cap);
			uint32_t *ids = arena_alloc(a, h->cap * sizeof(*ids));
			if (before)
				memcpy(ids, h->ids, before * sizeof(*ids));
			h->ids = ids;
		}
		h->n++;
	}
	h->l[h->at] = l;
	h->ids[h->at++] = id;
}
