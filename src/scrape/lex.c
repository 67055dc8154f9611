// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/lex.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"

#define SHOWN 120 /* bytes of a line in a message */

static void quote(const char *p, const char *end, struct buf *out)
{
	bool cut = end - p > SHOWN;
	text_go_quote(sv_make(p, cut ? SHOWN : (size_t)(end - p)), out);
	if (cut)
		buf_adds(out, "...");
}

static size_t line_of(const struct lex *x)
{
	size_t n = 1;
	for (const char *p = x->begin; p < x->entry; p++)
		n += *p == '\n';
	return n;
}

static int fail(struct lex *x, const char *what, const char *got, const char *got_end)
{
	struct buf b = BUF_LIMIT(4096);
	const char *end = x->p < x->entry ? x->entry : x->p;
	buf_addf(&b, "line %zu: %s", line_of(x), what);
	if (got) {
		buf_adds(&b, ", got ");
		if (got == x->end)
			buf_adds(&b, "the end of the body");
		else
			quote(got, got_end, &b);
	}
	/* The entry as far as it was read, with the token that was wrong. */
	if (got_end && got_end > end)
		end = got_end;
	buf_adds(&b, " while parsing: ");
	quote(x->entry, end, &b);
	if (!x->error)
		x->error = buf_steal(&b);
	buf_free(&b);
	return -EBADMSG;
}

int lex_fail(struct lex *x, const char *what)
{
	lex_blanks(x);
	const char *end = x->p;
	if (end < x->end && *end != '\n')
		while (end < x->end && *end != '\n' && *end != ' ')
			end++;
	else if (end < x->end)
		end++;
	return fail(x, what, x->p, end);
}

int lex_failf(struct lex *x, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *what = xvasprintf(fmt, ap);
	va_end(ap);
	return fail(x, what, NULL, NULL);
}

struct sv lex_name(struct lex *x, bool label)
{
	const char *from = x->p;
	while (x->p < x->end) {
		char c = *x->p;
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c == ':' && !label);
		if (!letter && !(x->p > from && c >= '0' && c <= '9'))
			break;
		x->p++;
	}
	return sv_make(from, (size_t)(x->p - from));
}

bool lex_quoted(struct lex *x, bool line, struct sv *s, bool *escaped)
{
	if (!lex_at(x, '"'))
		return false;
	for (const char *p = x->p + 1; p < x->end && !(line && *p == '\n'); p++) {
		if (*p == '"') {
			*s = sv_make(x->p + 1, (size_t)(p - x->p - 1));
			x->p = p + 1;
			return true;
		}
		if (*p == '\\') {
			*escaped = true;
			if (++p == x->end || *p == '\n')
				return false;
		}
	}
	return false;
}

int lex_family(struct lex *x, const char *after, struct sv *name, struct buf *text)
{
	bool escaped = false;
	if (!lex_quoted(x, true, name, &escaped)) {
		*name = lex_name(x, false);
		if (!name->n) {
			_cleanup_free_ char *what = xasprintf("expected metric name after %s", after);
			return lex_fail(x, what);
		}
	}
	if (escaped) {
		struct parsed_sample s = {.name = *name, .name_escaped = true};
		struct label l;
		parsed_labels(&s, text, &l);
		*name = l.value;
	}
	return 0;
}

int lex_labels(struct lex *x, bool exemplar, struct parsed_sample *s, bool *named)
{
	x->n_labels = 0;
	for (;;) {
		struct parsed_label l = {0};
		if (lex_take(x, '}'))
			return 0;
		bool quoted = lex_quoted(x, exemplar, &l.name, &l.escaped);
		if (!quoted)
			l.name = lex_name(x, true);
		if (!quoted && !l.name.n)
			return lex_fail(x, "expected label name");
		lex_blanks(x);
		if (!exemplar && quoted && (lex_at(x, ',') || lex_at(x, '}'))) {
			if (*named)
				return lex_failf(x, "metric name already set");
			*named = true;
			s->name = l.name;
			s->name_escaped = l.escaped;
			lex_take(x, ',');
			continue;
		}
		if (!lex_take(x, '='))
			return lex_fail(x, "expected equal");
		lex_blanks(x);
		if (!lex_quoted(x, !x->blanks, &l.value, &l.escaped))
			return lex_fail(x, "expected label value");
		if (!text_is_utf8(l.value))
			return lex_failf(x, "invalid UTF-8 label value");
		if (x->n_labels == PARSED_LABELS_MAX)
			return lex_failf(x, "more than %d labels", PARSED_LABELS_MAX);
		array_grow(x->labels, x->n_labels, x->cap_labels);
		x->labels[x->n_labels++] = l;
		lex_take(x, ',');
	}
}

int lex_series(struct lex *x, struct parsed_sample *s)
{
	bool named = false;
	const char *from = x->p;
	*s = (struct parsed_sample){.name = lex_name(x, false)};
	x->n_labels = 0;
	if (s->name.n)
		named = true;
	else if (!lex_at(x, '{'))
		return lex_fail(x, "expected a valid start token");
	s->key = sv_make(from, (size_t)(x->p - from));
	if (lex_take(x, '{')) {
		int err = lex_labels(x, false, s, &named);
		if (err)
			return err;
		s->key = sv_make(from, (size_t)(x->p - from));
	}
	if (!named)
		return lex_failf(x, "metric name not set");
	s->labels = x->labels;
	s->n_labels = x->n_labels;
	s->bound = x->type == METRIC_HISTOGRAM ? "le" : x->type == METRIC_SUMMARY ? "quantile" : NULL;
	return 0;
}

int lex_float(struct lex *x, struct sv s, double *v)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '_' || s.p[i] == 'p' || s.p[i] == 'P')
			return lex_failf(x, "unsupported character in float");
	struct sv t = s;
	if (t.n && (*t.p == '+' || *t.p == '-'))
		t = sv_make(t.p + 1, t.n - 1);
	bool infinite = t.n && (*t.p == 'i' || *t.p == 'I');
	/* Go knows a signed infinity, but no signed NaN. */
	bool signed_nan = t.n < s.n && t.n && (*t.p == 'n' || *t.p == 'N');
	if (signed_nan || !text_parse_float(s, v))
		return lex_failf(x, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax", s.n > SHOWN ? SHOWN : (int)s.n, s.p);
	if (!infinite && (*v > 0x1.fffffffffffffp1023 || *v < -0x1.fffffffffffffp1023))
		return lex_failf(x, "strconv.ParseFloat: parsing \"%.*s\": value out of range", s.n > SHOWN ? SHOWN : (int)s.n, s.p);
	return 0;
}

struct sv lex_word(struct lex *x, char stop)
{
	const char *from = x->p;
	while (x->p < x->end && *x->p != '\n' && *x->p != ' ' && !(x->blanks && *x->p == '\t') && !(stop && *x->p == stop))
		x->p++;
	return sv_make(from, (size_t)(x->p - from));
}

struct sv lex_rest(struct lex *x)
{
	const char *from = x->p, *nl = memchr(from, '\n', (size_t)(x->end - from));
	x->p = nl ? nl : x->end;
	return sv_make(from, (size_t)(x->p - from));
}

void lex_free(struct lex *x)
{
	free(x->labels);
	free(x->error);
}
