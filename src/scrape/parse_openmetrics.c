// SPDX-License-Identifier: GPL-2.0-or-later
/* OpenMetrics text 1.0.0 and 0.0.1. As strict as Prometheus: it minds blanks, units and the end, not the order of families. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "model/text.h"
#include "scrape/lex.h"

enum what { HELP, TYPE, UNIT };

static bool type_of(struct sv s, enum metric_type *type)
{
	for (int i = 0; i < N_METRIC_TYPES; i++)
		if (sv_eqs(s, metric_type_name((enum metric_type)i))) {
			*type = (enum metric_type)i;
			return true;
		}
	return false;
}

static int unit(struct lex *x, struct sv name, struct sv text)
{
	if (text.n && (name.n < text.n + 1 || name.p[name.n - text.n - 1] != '_' ||
		       !sv_eq(sv_make(name.p + name.n - text.n, text.n), text)))
		return lex_failf(x, "unit \"%.*s\" not a suffix of metric \"%.*s\"", SV_ARG(text), SV_ARG(name));
	if (x->sink->unit)
		x->sink->unit(x->sink->arg, name, text);
	return 0;
}

static void help(struct lex *x, struct sv name, struct sv text)
{
	/* The same escapes as in a label's value. */
	struct parsed_sample s = {.name = text, .name_escaped = memchr(text.p, '\\', text.n) != NULL};
	struct buf scratch = BUF_LIMIT((size_t)64 << 20);
	struct label l;
	if (!x->sink->help)
		return;
	parsed_labels(&s, &scratch, &l);
	x->sink->help(x->sink->arg, name, l.value);
	buf_free(&scratch);
}

static int metadata(struct lex *x, enum what what)
{
	static const char *const names[] = {"HELP", "TYPE", "UNIT"};
	struct buf name_text = BUF_LIMIT(1 << 20);
	struct sv name;
	int err = lex_family(x, names[what], &name, &name_text);
	if (!err && !lex_at(x, ' '))
		err = lex_failf(x, "expected text in %s", names[what]);
	struct sv text = err ? SV("") : lex_rest(x);
	if (!err && x->p == x->end)
		err = lex_failf(x, "expected text in %s", names[what]);
	if (!err) {
		text = sv_make(text.p + 1, text.n - 1);
		x->p++;
		if (what == UNIT)
			err = unit(x, name, text);
		else if (what == TYPE && !type_of(text, &x->type))
			err = lex_failf(x, "invalid metric type \"%.*s\"", text.n > 40 ? 40 : (int)text.n, text.p);
		else if (what == TYPE && x->sink->type)
			x->sink->type(x->sink->arg, name, x->type);
		else if (what == HELP && !text_is_utf8(text))
			err = lex_failf(x, "help text is not a valid utf8 string");
		else if (what == HELP)
			help(x, name, text);
	}
	buf_free(&name_text);
	return err;
}

static bool take_word(struct lex *x, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(x->end - x->p) < n || memcmp(x->p, word, n) != 0)
		return false;
	x->p += n;
	return true;
}

/* A blank and a word. */
static bool next_word(struct lex *x, struct sv *word)
{
	const char *from = x->p;
	if (!lex_at(x, ' '))
		return false;
	x->p++;
	*word = lex_word(x, 0);
	if (!word->n || sv_eqs(*word, "#")) {
		x->p = from;
		return false;
	}
	return true;
}

static int timestamp(struct lex *x, struct sv word, int64_t *t)
{
	double v;
	int err = lex_float(x, word, &v);
	if (!err && !isfinite(v))
		err = lex_failf(x, "invalid timestamp %.*s", word.n > 40 ? 40 : (int)word.n, word.p);
	if (!err && fabs(v) > 9e15)
		err = lex_failf(x, "timestamp %.*s is out of range", word.n > 40 ? 40 : (int)word.n, word.p);
	if (!err)
		*t = (int64_t)(v * 1000);
	return err;
}

/* " # {...} value [time]": its form is checked, it is not kept. */
static int exemplar(struct lex *x)
{
	struct parsed_sample s;
	struct sv word;
	double v;
	int64_t t;
	/* The labels of the sample stay where they are. */
	struct lex inner = *x;
	inner.labels = NULL;
	inner.n_labels = inner.cap_labels = 0;
	int err = lex_labels(&inner, true, &s, &(bool){true});
	free(inner.labels);
	x->p = inner.p;
	x->error = inner.error;
	if (err)
		return err;
	if (!next_word(x, &word))
		return lex_fail(x, "expected value after exemplar labels");
	if ((err = lex_float(x, word, &v)))
		return err;
	return next_word(x, &word) ? timestamp(x, word, &t) : 0;
}

static int sample(struct lex *x)
{
	struct parsed_sample s;
	struct sv word;
	int err = lex_series(x, &s);
	if (err)
		return err;
	if (!next_word(x, &word))
		return lex_fail(x, "expected value after metric");
	if ((err = lex_float(x, word, &s.v)))
		return err;
	if (next_word(x, &word)) {
		if ((err = timestamp(x, word, &s.t)))
			return err;
		s.has_t = true;
	}
	if (take_word(x, " # {") && (err = exemplar(x)))
		return err;
	if (x->p == x->end)
		return lex_failf(x, "data does not end with # EOF");
	if (*x->p != '\n')
		return lex_fail(x, "expected the end of the line");
	x->p++;
	return x->sink->sample(x->sink->arg, &s, &x->error);
}

static int line(struct lex *x, bool *done)
{
	if (*x->p != '#')
		return sample(x);
	if (take_word(x, "# HELP "))
		return metadata(x, HELP);
	if (take_word(x, "# TYPE "))
		return metadata(x, TYPE);
	if (take_word(x, "# UNIT "))
		return metadata(x, UNIT);
	if (!take_word(x, "# EOF"))
		return lex_fail(x, "expected a valid start token");
	*done = true;
	if (lex_at(x, '\n'))
		x->p++;
	return x->p == x->end ? 0 : lex_failf(x, "unexpected data after # EOF");
}

int parse_openmetrics(struct sv body, const struct parse_sink *sink, char **error)
{
	struct lex x = {.begin = body.p, .p = body.p, .end = body.p + body.n, .entry = body.p, .sink = sink};
	bool done = false;
	int err = 0;
	while (!err && !done) {
		x.entry = x.p;
		err = x.p == x.end ? lex_failf(&x, "data does not end with # EOF") : line(&x, &done);
	}
	if (err) {
		*error = x.error;
		x.error = NULL;
	}
	lex_free(&x);
	return err;
}
