// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void strings_take(struct strings *list, char *s)
{
	array_grow(list->v, list->n, list->cap);
	list->v[list->n++] = s;
}

void strings_add(struct strings *list, const char *s)
{
	strings_take(list, xstrdup(s));
}

bool strings_has(const struct strings *list, const char *s)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->v[i], s) == 0)
			return true;
	}
	return false;
}

void strings_add_once(struct strings *list, const char *s)
{
	if (!strings_has(list, s))
		strings_add(list, s);
}

void strings_free(struct strings *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct strings){0};
}
