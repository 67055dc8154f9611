/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both text parsers share: a cursor over the body, names, quoted strings, label lists, numbers. Internal to scrape. */
#ifndef RT_SCRAPE_LEX_H
#define RT_SCRAPE_LEX_H

#include "scrape/parse.h"

struct lex {
	const char *begin, *p, *end;
	const char *entry; /* where the present line's entry begins, for messages */
	bool blanks;	   /* blanks and tabs between tokens are skipped: the text format, not OpenMetrics */
	const struct parse_sink *sink;
	char *error; /* heap; the first one */
	struct parsed_label *labels;
	size_t n_labels, cap_labels;
	enum metric_type type; /* of the last TYPE line */
};

/* "line 3: WHAT, got "x" while parsing: "..."" Always -EBADMSG. */
int lex_fail(struct lex *x, const char *what);
/* The same with words of its own. */
int lex_failf(struct lex *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void lex_blanks(struct lex *x)
{
	while (x->blanks && x->p < x->end && (*x->p == ' ' || *x->p == '\t'))
		x->p++;
}
static inline bool lex_at(const struct lex *x, char c)
{
	return x->p < x->end && *x->p == c;
}
static inline bool lex_take(struct lex *x, char c)
{
	lex_blanks(x);
	if (!lex_at(x, c))
		return false;
	x->p++;
	return true;
}
/* [a-zA-Z_:][a-zA-Z0-9_:]* or, with LABEL, without colons. Empty if there is none. */
struct sv lex_name(struct lex *x, bool label);
/* "..." with backslash escapes, without its quotes; LINE: it may not hold a line end. False: it is none. */
bool lex_quoted(struct lex *x, bool line, struct sv *s, bool *escaped);
/* The name of a HELP, TYPE or UNIT line, perhaps quoted. */
int lex_family(struct lex *x, const char *after, struct sv *name, struct buf *text);
/* Everything behind "{" and the "}". With NAME (not NULL) a lone quoted string is the metric's name. */
int lex_labels(struct lex *x, bool exemplar, struct parsed_sample *s, bool *named);
/* A series: name, labels. Fills all of S but the value and the time. */
int lex_series(struct lex *x, struct parsed_sample *s);
/* S as a number of Go without _ and hexadecimal; any NaN is the one NaN. */
int lex_float(struct lex *x, struct sv s, double *v);
/* What is not the end of a line, a blank or (with STOP) that character. */
struct sv lex_word(struct lex *x, char stop);
/* The rest of the line without its end. */
struct sv lex_rest(struct lex *x);
void lex_free(struct lex *x);

#endif
