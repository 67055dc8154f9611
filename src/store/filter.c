// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "store/impl.h"

struct selector {
	struct matcher *matchers;
	char **values; /* what the matchers' names and values point to: two each */
	size_t n;
};

struct store_filter {
	struct selector *selectors;
	size_t n, cap;
	int64_t range_ms;
};

struct store_filter *store_filter_new(void)
{
	return xcalloc(1, sizeof(struct store_filter));
}

void store_filter_free(struct store_filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		struct selector *sel = &f->selectors[i];
		for (size_t k = 0; k < sel->n; k++) {
			regex_free(sel->matchers[k].re);
			free(sel->values[2 * k]);
			free(sel->values[2 * k + 1]);
		}
		free(sel->matchers);
		free(sel->values);
	}
	free(f->selectors);
	free(f);
}

void store_filter_add(void *filter, const struct matcher *matchers, size_t n, int64_t range_ms)
{
	struct store_filter *f = filter;
	struct selector sel = {.matchers = xcalloc(n, sizeof(struct matcher)), .values = xcalloc(2 * n, sizeof(char *))};
	for (size_t i = 0; i < n; i++) {
		struct matcher m = {.type = matchers[i].type};
		bool regexp = m.type == MATCH_REGEXP || m.type == MATCH_NOT_REGEXP;
		char *error = NULL;
		if (regexp && regex_new(matchers[i].value, REGEX_ANCHORED | REGEX_DOTALL, &m.re, &error)) {
			free(error); /* cannot be, it was compiled before; without this matcher the selector keeps more, not less */
			continue;
		}
		sel.values[2 * sel.n] = xmemdup(matchers[i].name.p, matchers[i].name.n);
		sel.values[2 * sel.n + 1] = xmemdup(matchers[i].value.p, matchers[i].value.n);
		m.name = sv_make(sel.values[2 * sel.n], matchers[i].name.n);
		m.value = sv_make(sel.values[2 * sel.n + 1], matchers[i].value.n);
		sel.matchers[sel.n++] = m;
	}
	array_grow(f->selectors, f->n, f->cap);
	f->selectors[f->n++] = sel;
	if (range_ms > f->range_ms)
		f->range_ms = range_ms;
}

int64_t store_filter_range(const struct store_filter *f)
{
	return f->range_ms;
}

bool filter_wants_name(const struct store_filter *f, struct sv name)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct selector *sel = &f->selectors[i];
		size_t k = 0;
		while (k < sel->n && (!sv_eqs(sel->matchers[k].name, LABEL_NAME) || matcher_matches(&sel->matchers[k], name)))
			k++;
		if (k == sel->n)
			return true;
	}
	return false;
}

bool filter_wants(const struct store_filter *f, const struct labels *labels)
{
	for (size_t i = 0; i < f->n; i++)
		if (matchers_match(f->selectors[i].matchers, f->selectors[i].n, labels))
			return true;
	return false;
}
