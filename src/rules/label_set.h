/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From label set to a number, for the length of one evaluation. Borrows the label sets. */
#ifndef RT_RULES_LABEL_SET_H
#define RT_RULES_LABEL_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "model/labels.h"

struct label_set {
	const struct labels **keys; /* a power of two, or none */
	size_t *values;
	size_t n, cap;
};

/* Sets *AT to the number LS has, or -- false -- gives it VALUE. */
bool label_set_add(struct label_set *s, const struct labels *ls, size_t value, size_t *at);
bool label_set_find(const struct label_set *s, const struct labels *ls, size_t *at);
void label_set_free(struct label_set *s);

/* Annotations in the shape of a label set, sorted, but with those that are empty. Of equal names the last is
 * kept. */
struct labels *annotations_new(const struct label *pairs, size_t n);

#endif
