/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From Go's regular expression syntax to PCRE2's: private to regex.c. */
#ifndef RT_BASE_REGEX_SYNTAX_H
#define RT_BASE_REGEX_SYNTAX_H

#include <stddef.h>

#include "base/buf.h"
#include "base/sv.h"

#define REGEX_PATTERN_MAX (64u << 10)
#define REGEX_NEST_MAX 250

struct regex_syntax {
	struct buf out; /* the PCRE2 pattern */
	char **names;	/* [1..n_groups]: NULL for an unnamed group */
	size_t n_groups, cap_names;
};

/* Checks PATTERN as Go's regexp/syntax with the Perl flags does and writes the same expression for PCRE2. 0,
 * or -EINVAL and *ERROR in Go's wording. Free with regex_syntax_free in both cases. */
int regex_translate(struct sv pattern, struct regex_syntax *s, char **error);
void regex_syntax_free(struct regex_syntax *s);

#endif
