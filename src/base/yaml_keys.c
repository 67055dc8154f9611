// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/yaml_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Duplicate keys that are listed of one map: enough to repair a file, too few to flood a log. */
#define DUPLICATES_SHOWN 20
#define DUPLICATES_LOOKED_AT 10000

int yaml_key_cmp(const struct yaml_node *a, const struct yaml_node *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int d = n ? memcmp(a->text, b->text, n) : 0;
	return d ? d : (a->len > b->len) - (a->len < b->len);
}

static int key_ref_cmp(const void *pa, const void *pb)
{
	const struct yaml_key_ref *a = pa, *b = pb;
	int d = yaml_key_cmp(a->key, b->key);
	return d ? d : (a->i > b->i) - (a->i < b->i);
}

struct yaml_key_ref *yaml_sorted_keys(const struct yaml_node *map, size_t *n)
{
	struct yaml_key_ref *refs = xmalloc((map->n ? map->n : 1) * sizeof(*refs));
	*n = 0;
	for (size_t i = 0; i < map->n; i++) {
		if (map->keys[i]->text)
			refs[(*n)++] = (struct yaml_key_ref){map->keys[i], i};
	}
	qsort(refs, *n, sizeof(*refs), key_ref_cmp);
	return refs;
}

char *yaml_duplicate_text(const struct yaml_node *again, const struct yaml_node *first)
{
	return xasprintf("mapping key \"%s\" already defined at line %d", again->text, first->line);
}

bool yaml_has_key(const struct yaml_key_ref *refs, size_t n, const struct yaml_node *key)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = yaml_key_cmp(refs[mid].key, key);
		if (d == 0)
			return true;
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

void yaml_duplicates(const struct yaml_node *map, struct strings *problems)
{
	size_t n, shown = 0;
	bool any = false;
	struct yaml_key_ref *refs = yaml_sorted_keys(map, &n);
	for (size_t i = 1; i < n && !any; i++)
		any = yaml_key_cmp(refs[i].key, refs[i - 1].key) == 0;
	free(refs);
	/* Every pair, as Go tells them. */
	for (size_t i = 0; any && i < map->n && i < DUPLICATES_LOOKED_AT; i++)
		for (size_t k = i + 1; map->keys[i]->text && k < map->n && shown < DUPLICATES_SHOWN; k++)
			if (map->keys[k]->text && yaml_key_cmp(map->keys[i], map->keys[k]) == 0) {
				_cleanup_free_ char *text = yaml_duplicate_text(map->keys[k], map->keys[i]);
				strings_take(problems, xasprintf("line %d: %s", map->keys[k]->line, text));
				shown++;
			}
	if (map->merge_again_line)
		strings_take(problems, xasprintf("line %d: mapping key \"<<\" already defined at line %d", map->merge_again_line, map->merge_line));
}
