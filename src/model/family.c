// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/family.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct snapshot *snapshot_new(const double *bounds, size_t n_bounds)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));
	s->refs = 1;
	s->bounds = xmemdup(bounds, n_bounds * sizeof(*bounds));
	s->n_bounds = n_bounds;
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < s->n; i++) {
		struct family *f = &s->families[i];
		for (size_t k = 0; k < f->n; k++) {
			labels_unref(f->metrics[k].labels);
			if (k >= f->n_reserved)
				free(f->metrics[k].buckets);
		}
		free(f->metrics);
		free(f->reserved);
	}
	free(s->families);
	free(s->bounds);
	free(s);
}

struct family *snapshot_family(struct snapshot *s, const char *name, enum family_type type, const char *unit, const char *help)
{
	array_grow(s->families, s->n, s->cap);
	struct family *f = &s->families[s->n++];
	*f = (struct family){.name = name, .type = type, .unit = unit, .help = help};
	if (type == FAMILY_HISTOGRAM) {
		f->bounds = s->bounds;
		f->n_bounds = s->n_bounds;
	}
	return f;
}

void family_reserve(struct family *f, size_t n)
{
	if (f->n || !n)
		return;
	f->metrics = xreallocarray(f->metrics, n, sizeof(*f->metrics));
	f->cap = n;
	if (f->type == FAMILY_HISTOGRAM && !f->reserved) {
		f->reserved = xcalloc(n, (f->n_bounds + 1) * sizeof(*f->reserved));
		f->n_reserved = n;
	}
}

void family_add_value(struct family *f, struct labels *labels, double value)
{
	array_grow(f->metrics, f->n, f->cap);
	f->metrics[f->n++] = (struct metric){.labels = labels, .value = value};
}

void family_add_histogram(struct family *f, struct labels *labels, const uint64_t *buckets, double sum)
{
	size_t n = f->n_bounds + 1;
	uint64_t *copy = f->n < f->n_reserved ? f->reserved + f->n * n : xcalloc(n, sizeof(*copy));
	memcpy(copy, buckets, n * sizeof(*copy));
	array_grow(f->metrics, f->n, f->cap);
	f->metrics[f->n++] = (struct metric){.labels = labels, .buckets = copy, .sum = sum};
}
