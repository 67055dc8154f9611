// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/label_set.h"

#include <stdlib.h>

#include "base/alloc.h"

static size_t slot_of(const struct label_set *s, const struct labels *ls)
{
	size_t i = (size_t)ls->hash & (s->cap - 1);
	while (s->keys[i] && !labels_equal(s->keys[i], ls))
		i = (i + 1) & (s->cap - 1);
	return i;
}

static void grow(struct label_set *s)
{
	struct label_set bigger = {.cap = s->cap ? s->cap * 2 : 16, .n = s->n};
	bigger.keys = xcalloc(bigger.cap, sizeof(*bigger.keys));
	bigger.values = xcalloc(bigger.cap, sizeof(*bigger.values));
	for (size_t i = 0; i < s->cap; i++)
		if (s->keys[i]) {
			size_t k = slot_of(&bigger, s->keys[i]);
			bigger.keys[k] = s->keys[i];
			bigger.values[k] = s->values[i];
		}
	label_set_free(s);
	*s = bigger;
}

bool label_set_add(struct label_set *s, const struct labels *ls, size_t value, size_t *at)
{
	if (s->n * 2 >= s->cap)
		grow(s);
	size_t i = slot_of(s, ls);
	if (s->keys[i]) {
		*at = s->values[i];
		return true;
	}
	s->keys[i] = ls;
	s->values[i] = value;
	s->n++;
	return false;
}

bool label_set_find(const struct label_set *s, const struct labels *ls, size_t *at)
{
	if (!s->cap)
		return false;
	size_t i = slot_of(s, ls);
	if (s->keys[i])
		*at = s->values[i];
	return s->keys[i];
}

void label_set_free(struct label_set *s)
{
	free(s->keys);
	free(s->values);
	*s = (struct label_set){0};
}

static int pair_cmp(const void *a, const void *b)
{
	return sv_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

struct labels *annotations_new(const struct label *pairs, size_t n)
{
	struct label *v = xreallocarray(NULL, n + 1, sizeof(*v));
	size_t bytes = 0, kept = 0;
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < kept && !sv_eq(v[k].name, pairs[i].name))
			k++;
		v[k] = pairs[i];
		kept += k == kept;
	}
	qsort(v, kept, sizeof(*v), pair_cmp);
	for (size_t i = 0; i < kept; i++)
		bytes += v[i].name.n + v[i].value.n + 2;
	struct labels *ls = xmalloc(sizeof(*ls) + kept * sizeof(struct label) + bytes);
	char *p = (char *)&ls->l[kept];
	uint64_t hash = kept ^ hash_secret(); /* as labels_new does */
	for (size_t i = 0; i < kept; i++)
		for (int k = 0; k < 2; k++) {
			struct sv s = k ? v[i].value : v[i].name, *to = k ? &ls->l[i].value : &ls->l[i].name;
			if (s.n)
				memcpy(p, s.p, s.n);
			p[s.n] = 0;
			*to = sv_make(p, s.n);
			p += s.n + 1;
			hash = hash_bytes(to->p, to->n, hash);
		}
	ls->refs = 1;
	ls->n = (uint32_t)kept;
	ls->hash = hash;
	free(v);
	return ls;
}
