/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of a map in order: for duplicates and merges, in less than quadratic time. Internal to base. */
#ifndef RT_BASE_YAML_KEYS_H
#define RT_BASE_YAML_KEYS_H

#include "base/yaml.h"

struct yaml_key_ref {
	const struct yaml_node *key;
	size_t i; /* its place in the map */
};

int yaml_key_cmp(const struct yaml_node *a, const struct yaml_node *b);
/* The scalar keys of MAP sorted by text, then by place; free() them. */
struct yaml_key_ref *yaml_sorted_keys(const struct yaml_node *map, size_t *n);
bool yaml_has_key(const struct yaml_key_ref *refs, size_t n, const struct yaml_node *key);
/* "mapping key "a" already defined at line 3" */
char *yaml_duplicate_text(const struct yaml_node *again, const struct yaml_node *first);

#endif
