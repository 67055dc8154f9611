// SPDX-License-Identifier: GPL-2.0-or-later
/* The text format 0.0.4, with the quoted names of 1.0.0. */
#include <errno.h>
#include <stdlib.h>

#include "model/text.h"
#include "scrape/lex.h"

static bool type_of(struct sv s, enum metric_type *type)
{
	static const enum metric_type known[] = {METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY};
	*type = METRIC_UNKNOWN;
	if (sv_eqs(s, "untyped"))
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sv_eqs(s, metric_type_name(known[i]))) {
			*type = known[i];
			return true;
		}
	return false;
}

/* \\ and \n; every other backslash stays. */
static void unescape_help(struct sv s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\' && i + 1 < s.n && (s.p[i + 1] == '\\' || s.p[i + 1] == 'n'))
			c = s.p[++i] == 'n' ? '\n' : '\\';
		buf_addc(out, c);
	}
}

/* Behind "# HELP" or "# TYPE". */
static int metadata(struct lex *x, bool help)
{
	struct buf name_text = BUF_LIMIT(1 << 20), text = BUF_LIMIT((size_t)64 << 20);
	struct sv name;
	enum metric_type type;
	lex_blanks(x);
	int err = lex_family(x, help ? "HELP" : "TYPE", &name, &name_text);
	struct sv rest = err ? SV("") : lex_rest(x);
	if (rest.n) /* one blank, or whatever stood between name and text */
		rest = sv_make(rest.p + 1, rest.n - 1);
	if (err) {
		/* said */
	} else if (!help) {
		if (!type_of(rest, &type))
			err = lex_failf(x, "invalid metric type \"%.*s\"", rest.n > 40 ? 40 : (int)rest.n, rest.p);
		x->type = type;
		if (!err && x->sink->type)
			x->sink->type(x->sink->arg, name, type);
	} else if (!text_is_utf8(rest)) {
		err = lex_failf(x, "help text is not a valid utf8 string");
	} else if (x->sink->help) {
		unescape_help(rest, &text);
		x->sink->help(x->sink->arg, name, sv_make(buf_str(&text), text.n));
	}
	buf_free(&name_text);
	buf_free(&text);
	return err;
}

static int comment(struct lex *x)
{
	x->p++;
	if (x->p < x->end && (*x->p == ' ' || *x->p == '\t')) {
		lex_blanks(x);
		const char *from = x->p;
		struct sv word = lex_word(x, 0);
		bool help = sv_eqs(word, "HELP"), blank = x->p < x->end && (*x->p == ' ' || *x->p == '\t');
		if (blank && (help || sv_eqs(word, "TYPE")))
			return metadata(x, help);
		x->p = from;
	}
	lex_rest(x);
	return 0;
}

static int timestamp(struct lex *x, struct parsed_sample *s)
{
	int64_t t = 0;
	for (; x->p < x->end && *x->p >= '0' && *x->p <= '9'; x->p++)
		if (__builtin_mul_overflow(t, 10, &t) || __builtin_add_overflow(t, *x->p - '0', &t))
			return lex_failf(x, "timestamp: value out of range");
	s->has_t = true;
	s->t = t;
	lex_blanks(x);
	return x->p == x->end || *x->p == '\n' ? 0 : lex_fail(x, "expected next entry after timestamp");
}

static int sample(struct lex *x)
{
	struct parsed_sample s;
	int err = lex_series(x, &s);
	if (err)
		return err;
	lex_blanks(x);
	struct sv value = lex_word(x, '{');
	if (!value.n)
		return lex_fail(x, "expected value after metric");
	if ((err = lex_float(x, value, &s.v)))
		return err;
	lex_blanks(x);
	if (x->p < x->end && *x->p >= '0' && *x->p <= '9')
		err = timestamp(x, &s);
	else if (x->p < x->end && *x->p != '\n')
		err = lex_fail(x, "expected timestamp or new record");
	return err ? err : x->sink->sample(x->sink->arg, &s, &x->error);
}

int parse_text(struct sv body, const struct parse_sink *sink, char **error)
{
	struct lex x = {.begin = body.p, .p = body.p, .end = body.p + body.n, .entry = body.p, .blanks = true, .sink = sink};
	int err = 0;
	while (!err) {
		lex_blanks(&x);
		x.entry = x.p;
		if (x.p == x.end)
			break;
		if (*x.p == '\n')
			x.p++;
		else
			err = *x.p == '#' ? comment(&x) : sample(&x);
	}
	if (err) {
		*error = x.error;
		x.error = NULL;
	}
	lex_free(&x);
	return err;
}
