/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regular expressions of the RE2 dialect that Prometheus uses, run by PCRE2 (the only place that includes it) with match
 * limits, so that no pattern can stall an evaluation. What RE2 refuses (look-around, back-references) is refused here. */
#ifndef RT_BASE_REGEX_H
#define RT_BASE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/sv.h"

struct regex;

enum regex_flags {
	REGEX_ANCHORED = 1, /* the whole text must match, as in selectors and relabelling */
	REGEX_DOTALL = 2,   /* `.` matches a newline (Prometheus 3.x selectors) */
};

/* 0 and *RE (regex_free it), or -EINVAL and *ERROR in Go's wording: "error parsing regexp: missing closing ): `(`". */
int regex_new(struct sv pattern, int flags, struct regex **re, char **error);
void regex_free(struct regex *re);
/* 1 match, 0 no match, -E2BIG if the match limit was hit. Thread-safe on one regex. */
int regex_match(const struct regex *re, struct sv text);
/* First match in TEXT: appends TEMPLATE to OUT with $1, ${1}, $name, ${name}, $$ expanded as Go's Regexp.Expand.
 * Returns as regex_match. */
int regex_expand(const struct regex *re, struct sv text, struct sv template, struct buf *out);
/* Go's ReplaceAllString. 0 or -E2BIG. */
int regex_replace_all(const struct regex *re, struct sv text, struct sv template, struct buf *out);

#endif
