// SPDX-License-Identifier: GPL-2.0-or-later
/* PCRE2 accepts far more than RE2 does, and reads a few things differently (`\s`, `$` before a last newline,
 * `a++`). So a pattern is never handed over as it is: it is read by Go's rules, refused in Go's words, and
 * written anew in the subset that means the same in both. */
#include "base/regex_syntax.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

struct reader {
	struct sv whole;
	size_t i;
	struct regex_syntax *s;
	char **error;
};

static int fail(struct reader *r, const char *what, size_t from, size_t to)
{
	*r->error = xasprintf("error parsing regexp: %s: `%.*s`", what, (int)(to - from), r->whole.p + from);
	return -EINVAL;
}

static bool more(const struct reader *r)
{
	return r->i < r->whole.n;
}

/* The byte OFFSET behind the cursor, 0 past the end. */
static char at(const struct reader *r, size_t offset)
{
	return r->i + offset < r->whole.n ? r->whole.p[r->i + offset] : 0;
}

static unsigned next_rune(struct reader *r)
{
	unsigned cp = 0;
	r->i += utf8_decode(r->whole.p + r->i, r->whole.n - r->i, &cp);
	return cp;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void put_literal(struct reader *r, unsigned cp)
{
	if (cp < 0x80 && is_word((char)cp))
		buf_addc(&r->s->out, (char)cp);
	else
		buf_addf(&r->s->out, "\\x{%x}", cp);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A backslash that stands for one character; the cursor is on it. */
static int read_escape(struct reader *r, unsigned *cp)
{
	size_t from = r->i++;
	if (!more(r)) {
		*r->error = xstrdup("error parsing regexp: trailing backslash at end of expression: ``");
		return -EINVAL;
	}
	unsigned c = next_rune(r);
	switch (c) {
	case '1' ... '7':
		if (at(r, 0) < '0' || at(r, 0) > '7')
			return fail(r, "invalid escape sequence", from, r->i); /* a back-reference */
									       /* fallthrough */
	case '0':
		c -= '0';
		for (int k = 1; k < 3 && at(r, 0) >= '0' && at(r, 0) <= '7'; k++)
			c = c * 8 + (unsigned)(r->whole.p[r->i++] - '0');
		*cp = c;
		return 0;
	case 'x':
		c = 0;
		if (at(r, 0) == '{') {
			size_t digits = 0;
			for (r->i++; hex_digit(at(r, 0)) >= 0; r->i++, digits++) {
				c = c * 16 + (unsigned)hex_digit(at(r, 0));
				if (c > 0x10ffff)
					return fail(r, "invalid escape sequence", from, r->i + 1);
			}
			if (at(r, 0) != '}' || !digits)
				return fail(r, "invalid escape sequence", from, r->i + (more(r) ? 1 : 0));
			r->i++;
		} else {
			if (hex_digit(at(r, 0)) < 0 || hex_digit(at(r, 1)) < 0)
				return fail(r, "invalid escape sequence", from, r->i + (more(r) ? 1 : 0));
			c = (unsigned)(hex_digit(at(r, 0)) * 16 + hex_digit(at(r, 1)));
			r->i += 2;
		}
		*cp = c;
		return 0;
	case 'a':
		*cp = 7;
		return 0;
	case 'f':
		*cp = '\f';
		return 0;
	case 'n':
		*cp = '\n';
		return 0;
	case 'r':
		*cp = '\r';
		return 0;
	case 't':
		*cp = '\t';
		return 0;
	case 'v':
		*cp = '\v';
		return 0;
	}
	if (c < 0x80 && !is_word((char)c)) {
		*cp = c; /* escaped punctuation is itself */
		return 0;
	}
	return fail(r, "invalid escape sequence", from, r->i);
}

/* \d \s \w and their complements, ASCII as in Go; true if the cursor was on one. */
static bool read_perl_class(struct reader *r, bool in_class)
{
	static const struct {
		char c;
		const char *alone, *inside;
	} classes[] = {
	    {'d', "[0-9]", "0-9"},
	    {'D', "[^0-9]", "\\D"},
	    {'s', "[\\t\\n\\f\\r ]", "\\t\\n\\f\\r\\x20"},
	    {'S', "[^\\t\\n\\f\\r ]", "\\S\\x0b"},
	    {'w', "[0-9A-Za-z_]", "0-9A-Za-z_"},
	    {'W', "[^0-9A-Za-z_]", "\\W"},
	};
	if (at(r, 0) != '\\')
		return false;
	for (size_t k = 0; k < ARRAY_SIZE(classes); k++)
		if (at(r, 1) == classes[k].c) {
			buf_adds(&r->s->out, in_class ? classes[k].inside : classes[k].alone);
			r->i += 2;
			return true;
		}
	return false;
}

/* \pL \p{Greek} \P{^Lu}: 1 if the cursor was on one. Whether the name exists PCRE2 says later. */
static int read_unicode_class(struct reader *r)
{
	size_t from = r->i;
	char p = at(r, 1);
	if (at(r, 0) != '\\' || (p != 'p' && p != 'P'))
		return 0;
	r->i += 2;
	if (!more(r))
		return fail(r, "invalid character class range", from, r->i);
	size_t name = r->i, end;
	if (at(r, 0) != '{') {
		next_rune(r);
		end = r->i;
	} else {
		const char *close = memchr(r->whole.p + r->i, '}', r->whole.n - r->i);
		if (!close)
			return fail(r, "invalid character class range", from, r->whole.n);
		name++;
		end = (size_t)(close - r->whole.p);
		r->i = end + 1;
	}
	bool negated = p == 'P';
	if (end > name && r->whole.p[name] == '^') {
		negated = !negated;
		name++;
	}
	if (end == name)
		return fail(r, "invalid character class range", from, r->i);
	for (size_t k = name; k < end; k++)
		if (!is_word(r->whole.p[k]))
			return fail(r, "invalid character class range", from, r->i);
	buf_addf(&r->s->out, "\\%c{%.*s}", negated ? 'P' : 'p', (int)(end - name), r->whole.p + name);
	return 1;
}

/* [:alpha:] inside a class: 1 if there was one. */
static int read_posix_class(struct reader *r)
{
	static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
					    "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
	if (at(r, 0) != '[' || at(r, 1) != ':')
		return 0;
	const char *close = NULL;
	for (size_t k = r->i + 2; k + 1 < r->whole.n && !close; k++)
		if (r->whole.p[k] == ':' && r->whole.p[k + 1] == ']')
			close = r->whole.p + k;
	if (!close)
		return 0;
	struct sv whole = sv_make(r->whole.p + r->i, (size_t)(close + 2 - (r->whole.p + r->i)));
	struct sv name = sv_make(whole.p + 2, whole.n - 4);
	if (name.n && name.p[0] == '^')
		name = sv_make(name.p + 1, name.n - 1);
	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		if (sv_eqs(name, names[k])) {
			buf_addsv(&r->s->out, whole);
			r->i += whole.n;
			return 1;
		}
	return fail(r, "invalid character class range", r->i, r->i + whole.n);
}

static int read_class_char(struct reader *r, size_t class_from, unsigned *cp)
{
	if (!more(r))
		return fail(r, "missing closing ]", class_from, r->whole.n);
	if (at(r, 0) == '\\')
		return read_escape(r, cp);
	*cp = next_rune(r);
	return 0;
}

static int read_class(struct reader *r)
{
	size_t from = r->i++;
	buf_addc(&r->s->out, '[');
	if (at(r, 0) == '^') {
		buf_addc(&r->s->out, '^');
		r->i++;
	}
	for (bool first = true; !more(r) || at(r, 0) != ']' || first; first = false) {
		if (!more(r))
			return fail(r, "missing closing ]", from, r->whole.n);
		/* A bare - is literal only first, or last before ]. */
		if (at(r, 0) == '-' && !first && r->i + 1 < r->whole.n && at(r, 1) != ']') {
			size_t dash = r->i++;
			next_rune(r);
			return fail(r, "invalid character class range", dash, r->i);
		}
		int k = read_posix_class(r);
		if (!k)
			k = read_unicode_class(r);
		if (!k)
			k = read_perl_class(r, true);
		if (k < 0)
			return k;
		if (k)
			continue;
		size_t range = r->i;
		unsigned lo, hi;
		if ((k = read_class_char(r, from, &lo)) < 0)
			return k;
		hi = lo;
		if (at(r, 0) == '-' && r->i + 1 < r->whole.n && at(r, 1) != ']') {
			r->i++;
			if ((k = read_class_char(r, from, &hi)) < 0)
				return k;
			if (hi < lo)
				return fail(r, "invalid character class range", range, r->i);
		}
		put_literal(r, lo);
		if (hi != lo) {
			buf_addc(&r->s->out, '-');
			put_literal(r, hi);
		}
	}
	r->i++;
	buf_addc(&r->s->out, ']');
	return 0;
}

/* {n} {n,} {n,m} at the cursor: true, with the cursor behind it. Anything else is a literal brace. */
static bool read_counts(struct reader *r, long *min, long *max)
{
	size_t i = r->i + 1;
	long v[2] = {-1, -1};
	for (int k = 0; k < 2; k++) {
		size_t from = i;
		long n = 0;
		for (; i < r->whole.n && r->whole.p[i] >= '0' && r->whole.p[i] <= '9'; i++)
			n = n > 100000 ? n : n * 10 + (r->whole.p[i] - '0');
		if (i - from > 1 && r->whole.p[from] == '0')
			return false; /* no leading zeros */
		if (i > from)
			v[k] = n;
		else if (k == 0)
			return false;
		if (k == 0) {
			if (i < r->whole.n && r->whole.p[i] == ',') {
				i++;
				continue;
			}
			v[1] = n;
			break;
		}
	}
	if (i >= r->whole.n || r->whole.p[i] != '}')
		return false;
	r->i = i + 1;
	*min = v[0];
	*max = v[1];
	return true;
}

static int add_group(struct reader *r, struct sv name, size_t from, size_t to)
{
	struct regex_syntax *s = r->s;
	for (size_t k = 1; name.n && k <= s->n_groups; k++)
		if (s->names[k] && sv_eqs(name, s->names[k]))
			return fail(r, "duplicate capture group name", from, to);
	s->n_groups++;
	array_grow(s->names, s->n_groups, s->cap_names);
	s->names[0] = NULL;
	s->names[s->n_groups] = name.n ? xmemdup(name.p, name.n) : NULL;
	buf_addc(&s->out, '(');
	return 0;
}

/* (?...: the cursor is on the parenthesis. *OPENED says whether a group was opened or only flags were set. */
static int read_perl_group(struct reader *r, bool *opened)
{
	size_t from = r->i;
	bool p = at(r, 2) == 'P' && at(r, 3) == '<', plain = at(r, 2) == '<';
	if (p || plain) {
		size_t name = from + (p ? 4 : 3);
		const char *close = memchr(r->whole.p + from, '>', r->whole.n - from);
		if (!close)
			return fail(r, "invalid named capture", from, r->whole.n);
		size_t end = (size_t)(close - r->whole.p);
		bool valid = end > name;
		for (size_t k = name; k < end; k++)
			valid = valid && is_word(r->whole.p[k]);
		if (!valid)
			return fail(r, "invalid named capture", from, end + 1);
		r->i = end + 1;
		*opened = true;
		return add_group(r, sv_make(r->whole.p + name, end - name), name, end);
	}
	bool minus = false, flag = false;
	for (r->i += 2; more(r);) {
		unsigned c = next_rune(r);
		if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
			flag = true;
			continue;
		}
		if (c == '-' && !minus) {
			minus = true;
			flag = false;
			continue;
		}
		if ((c == ':' || c == ')') && !(minus && !flag)) {
			buf_add(&r->s->out, r->whole.p + from, r->i - from);
			*opened = c == ':';
			return 0;
		}
		return fail(r, "invalid or unsupported Perl syntax", from, r->i);
	}
	return fail(r, "missing closing )", 0, r->whole.n);
}

/* What stands before a repetition operator. */
enum before { NOTHING, ATOM, REPEAT };

static int read_repeat(struct reader *r, enum before *before, size_t *last_repeat)
{
	size_t from = r->i;
	char op[32];
	if (at(r, 0) == '{') {
		long min, max;
		if (!read_counts(r, &min, &max)) {
			put_literal(r, next_rune(r));
			*before = ATOM;
			return 0;
		}
		if (min > 1000 || max > 1000 || (max >= 0 && min > max))
			return fail(r, "invalid repeat count", from, r->i);
		if (max < 0)
			snprintf(op, sizeof(op), "{%ld,}", min);
		else
			snprintf(op, sizeof(op), "{%ld,%ld}", min, max);
	} else {
		op[0] = at(r, 0);
		op[1] = 0;
		r->i++;
	}
	bool lazy = at(r, 0) == '?';
	if (lazy)
		r->i++;
	if (*before == NOTHING)
		return fail(r, "missing argument to repetition operator", from, r->i);
	if (*before == REPEAT)
		return fail(r, "invalid nested repetition operator", *last_repeat, r->i);
	buf_adds(&r->s->out, op);
	if (lazy)
		buf_addc(&r->s->out, '?');
	*before = REPEAT;
	*last_repeat = from;
	return 0;
}

static int read_backslash(struct reader *r, enum before *before)
{
	*before = ATOM;
	switch (at(r, 1)) {
	case 'A':
	case 'b':
	case 'B':
	case 'z':
		buf_addf(&r->s->out, "(?:\\%c)",
			 at(r, 1)); /* a group, because Go lets an assertion be repeated */
		r->i += 2;
		return 0;
	case 'Q':
		r->i += 2;
		while (more(r) && !(at(r, 0) == '\\' && at(r, 1) == 'E'))
			put_literal(r, next_rune(r));
		if (more(r))
			r->i += 2;
		return 0;
	}
	int k = read_unicode_class(r);
	if (k || read_perl_class(r, false))
		return k < 0 ? k : 0;
	unsigned cp;
	if ((k = read_escape(r, &cp)) < 0)
		return k;
	put_literal(r, cp);
	return 0;
}

static int read_all(struct reader *r)
{
	struct buf *out = &r->s->out;
	enum before before = NOTHING;
	size_t last_repeat = 0, depth = 0;
	while (more(r)) {
		char c = at(r, 0);
		int err = 0;
		bool opened = true;
		switch (c) {
		case '(':
			if (at(r, 1) == '?') {
				err = read_perl_group(r, &opened);
			} else {
				r->i++;
				err = add_group(r, (struct sv){0}, 0, 0);
			}
			/* Flags alone leave nothing new to repeat, but what stood before stays repeatable, as
			 * in Go. */
			if (opened) {
				before = NOTHING;
				if (++depth > REGEX_NEST_MAX)
					err = err ?: fail(r, "expression nests too deeply", 0, r->whole.n);
			}
			break;
		case ')':
			if (!depth)
				return fail(r, "unexpected )", 0, r->whole.n);
			depth--;
			r->i++;
			buf_addc(out, ')');
			before = ATOM;
			break;
		case '|':
			r->i++;
			buf_addc(out, '|');
			before = NOTHING;
			break;
		case '[':
			err = read_class(r);
			before = ATOM;
			break;
		case '*':
		case '+':
		case '?':
		case '{':
			err = read_repeat(r, &before, &last_repeat);
			break;
		case '\\':
			err = read_backslash(r, &before);
			break;
		case '^':
		case '$':
			r->i++;
			buf_addf(out, "(?:%c)", c);
			before = ATOM;
			break;
		case '.':
			r->i++;
			buf_addc(out, '.');
			before = ATOM;
			break;
		default:
			put_literal(r, next_rune(r));
			before = ATOM;
		}
		if (err)
			return err;
	}
	return depth ? fail(r, "missing closing )", 0, r->whole.n) : 0;
}

int regex_translate(struct sv pattern, struct regex_syntax *s, char **error)
{
	struct reader r = {.whole = pattern, .s = s, .error = error};
	unsigned cp;
	*s = (struct regex_syntax){.out = BUF_LIMIT(REGEX_PATTERN_MAX * 12)};
	if (pattern.n > REGEX_PATTERN_MAX) {
		*error = xasprintf("error parsing regexp: expression too large: more than %u bytes",
				   REGEX_PATTERN_MAX);
		return -EINVAL;
	}
	for (size_t i = 0, k; i < pattern.n; i += k)
		if (!(k = utf8_decode(pattern.p + i, pattern.n - i, &cp)) || !cp) {
			*error = k ? xstrdup("error parsing regexp: expression contains a NUL byte")
				   : xasprintf("error parsing regexp: invalid UTF-8: `%.*s`", (int)r.whole.n, r.whole.p);
			return -EINVAL;
		}
	return read_all(&r);
}

void regex_syntax_free(struct regex_syntax *s)
{
	buf_free(&s->out);
	for (size_t k = 1; k <= s->n_groups; k++)
		free(s->names[k]);
	free(s->names);
	*s = (struct regex_syntax){0};
}
