/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A label set: immutable, sorted by name in byte order, names unique, no empty values (an empty value means that the label is
 * absent), reference-counted with atomics. One allocation. The metric name is the label `__name__`. */
#ifndef RT_MODEL_LABELS_H
#define RT_MODEL_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"

#define LABEL_NAME "__name__"

struct label {
	struct sv name, value; /* both also followed by a NUL inside a struct labels */
};

struct labels {
	uint32_t refs;
	uint32_t n;
	uint64_t hash; /* over all labels; another in every process */
	struct label l[];
};

/* Copies N pairs in any order. A name given twice: the later one wins; empty values are left out. One reference. */
struct labels *labels_new(const struct label *pairs, size_t n);
/* The same of pairs sorted by name, none twice and none empty. */
struct labels *labels_new_sorted(const struct label *pairs, size_t n);
/* The hash of the set that labels_new_sorted would make. */
uint64_t labels_hash_pairs(const struct label *pairs, size_t n);
/* labels_from("job", "x", "instance", "y", NULL). */
struct labels *labels_from(const char *name, ...) __attribute__((sentinel));
/* The shared empty set; still labels_unref it. */
struct labels *labels_empty(void);
struct labels *labels_ref(const struct labels *ls);
void labels_unref(struct labels *ls);
bool labels_equal(const struct labels *a, const struct labels *b);
/* Pairwise name, then value, byte order; shorter first: the order of matrix results. */
int labels_cmp(const struct labels *a, const struct labels *b);
/* The value, or an empty view if absent. */
struct sv labels_get(const struct labels *ls, struct sv name);
/* Appends `name{a="b", c="d"}`, as Prometheus prints a metric: Go-quoted values, `{}` for the empty set, no braces for a
 * lone name; a name that is no legacy identifier goes quoted into the braces. */
void labels_print(const struct labels *ls, struct buf *out);

/* Builder: start from a set (may be NULL), set and delete, get a new set. */
struct labels_builder {
	struct label *l; /* views; what labels_builder_set got is copied */
	size_t n, cap;
	char **owned;
	size_t n_owned, cap_owned;
};

void labels_builder_init(struct labels_builder *b, const struct labels *base); /* keeps no reference: base must outlive */
void labels_builder_set(struct labels_builder *b, struct sv name, struct sv value); /* copies; empty value deletes */
void labels_builder_del(struct labels_builder *b, struct sv name);
struct sv labels_builder_get(const struct labels_builder *b, struct sv name);
struct labels *labels_builder_build(const struct labels_builder *b);
void labels_builder_free(struct labels_builder *b);

static inline void labels_cleanup(struct labels **ls)
{
	labels_unref(*ls);
}
#define _cleanup_labels_ __attribute__((cleanup(labels_cleanup)))

/* 64-bit hash of bytes, chained by SEED. The same in every process: whoever knows the seed can make texts collide. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
/* A seed that nobody outside this process knows: for tables whose keys strangers choose. A set's `hash` has it. */
uint64_t hash_secret(void);

#endif
