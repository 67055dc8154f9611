// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/memory.h"

#include <stdlib.h>

#include "base/alloc.h"

void memory_append(struct memory_source *s, const struct labels *labels, int64_t t, double v,
		   const struct histogram *h)
{
	size_t at;
	if (!label_set_find(&s->index, labels, &at)) {
		if (s->n >= s->cap) {
			s->cap = s->cap ? s->cap * 2 : 16;
			s->series = xreallocarray(s->series, s->cap, sizeof(*s->series));
			s->caps = xreallocarray(s->caps, s->cap, sizeof(*s->caps));
		}
		at = s->n++;
		s->series[at] = (struct series){.labels = labels_ref(labels)};
		s->caps[at] = 0;
		size_t same;
		label_set_add(&s->index, s->series[at].labels, at, &same);
	}
	struct series *se = &s->series[at];
	struct sample x = {.t = t, .h = h};
	memcpy(&x.v, &v, sizeof(v)); /* a stale marker keeps its bits */
	if (se->n && se->samples[se->n - 1].t >= t)
		return;
	array_grow(se->samples, se->n, s->caps[at]);
	se->samples[se->n++] = x;
}

void memory_clear(struct memory_source *s)
{
	label_set_free(&s->index);
	for (size_t i = 0; i < s->n; i++) {
		labels_unref(s->series[i].labels);
		free(s->series[i].samples);
	}
	free(s->series);
	free(s->caps);
	*s = (struct memory_source){0};
}

static void release(struct series_set *set)
{
	free(set->series);
}

static size_t first_from(const struct series *se, int64_t t)
{
	size_t lo = 0, hi = se->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (se->samples[mid].t < t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The set points into the source, which stays as it is while a query runs. */
static int memory_select(void *self, const struct matcher *m, size_t n, int64_t mint, int64_t maxt,
			 struct series_set *out, char **error)
{
	struct memory_source *s = self;
	*out = (struct series_set){.series = xcalloc(s->n + 1, sizeof(*out->series)), .release = release};
	for (size_t i = 0; i < s->n; i++) {
		if (!matchers_match(m, n, s->series[i].labels))
			continue;
		size_t from = first_from(&s->series[i], mint),
		       to = first_from(&s->series[i], maxt == INT64_MAX ? maxt : maxt + 1);
		if (from == to)
			continue;
		out->series[out->n++] = (struct series){
		    .labels = s->series[i].labels, .samples = s->series[i].samples + from, .n = to - from};
	}
	return 0;
}

struct sample_source memory_source(struct memory_source *s)
{
	return (struct sample_source){.select = memory_select, .self = s};
}
