// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/sample.h"

#include "base/regex.h"

bool matcher_matches(const struct matcher *m, struct sv value)
{
	switch (m->type) {
	case MATCH_EQUAL:
		return sv_eq(m->value, value);
	case MATCH_NOT_EQUAL:
		return !sv_eq(m->value, value);
	case MATCH_REGEXP:
		return regex_match(m->re, value) == 1;
	case MATCH_NOT_REGEXP:
		return regex_match(m->re, value) == 0;
	}
	return false;
}

bool matchers_match(const struct matcher *m, size_t n, const struct labels *ls)
{
	for (size_t i = 0; i < n; i++)
		if (!matcher_matches(&m[i], labels_get(ls, m[i].name)))
			return false;
	return true;
}
