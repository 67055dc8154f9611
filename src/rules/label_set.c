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
