/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The label sets of one evaluation, each kept once, so that equal sets are equal pointers and grouping is
 * pointer work; and a memory of what was derived from what (name dropped, group key, joined labels), so that
 * a range query does label work only at its first step. */
#ifndef RT_PROMQL_POOL_H
#define RT_PROMQL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/labels.h"

struct memo_entry {
	uintptr_t op;
	const struct labels *a, *b;
	const struct labels *result;
};

struct pool {
	const struct labels **sets; /* open addressing by hash */
	size_t n, cap;
	struct memo_entry *memo;
	size_t n_memo, cap_memo;
	const struct labels *empty;
};

void pool_init(struct pool *p);
void pool_free(struct pool *p);
/* Room for N more. */
void pool_reserve(struct pool *p, size_t n);
/* The kept set equal to OWNED, whose reference is taken over. */
const struct labels *pool_intern(struct pool *p, struct labels *owned);
/* What pool_remember was told for (OP, A, B), or NULL. Sets are pooled ones; B may be NULL. */
const struct labels *pool_recall(const struct pool *p, uintptr_t op, const struct labels *a,
				 const struct labels *b);
void pool_remember(struct pool *p, uintptr_t op, const struct labels *a, const struct labels *b,
		   const struct labels *result);

/* The kept set of these pairs, sorted by name, without empty values: no set is made if there is one. */
const struct labels *pool_intern_pairs(struct pool *p, const struct label *pairs, size_t n);

/* Pointer to index, for the groups of one step. */
struct ptrmap {
	const void **keys;
	uint32_t *values;
	size_t n, cap;
	struct arena *arena;
};
struct arena;
/* Room for N keys; more make it grow. */
void ptrmap_init(struct ptrmap *m, struct arena *a, size_t n);
/* The slot of KEY; *IS_NEW says that it was not there and now is, its value to be set. */
uint32_t *ptrmap_slot(struct ptrmap *m, const void *key, bool *is_new);
/* NULL if KEY is not there. */
uint32_t *ptrmap_find(const struct ptrmap *m, const void *key);

/* Label set to number, for a step's samples one by one: at each step mostly the same ones come in the same order, so that the place after
 * the one that was found last is looked at first. */
struct hints {
	const struct labels **l;
	uint32_t *ids;
	size_t n, cap, at;
};
/* Before the first sample of a step. */
static inline void hints_rewind(struct hints *h)
{
	h->at = 0;
}
/* True and *ID if L is near the place of the one before. */
static inline bool hints_find(struct hints *h, const struct labels *l, uint32_t *id)
{
	for (size_t i = h->at; i < h->n && i < h->at + 4; i++)
		if (h->l[i] == l) {
			h->at = i + 1;
			*id = h->ids[i];
			return true;
		}
	return false;
}
/* L, which was not found, is number ID. */
void hints_set(struct hints *h, struct arena *a, const struct labels *l, uint32_t id);

#endif
