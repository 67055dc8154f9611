// SPDX-License-Identifier: GPL-2.0-or-later
/* Text to tokens, as Go's text/template cuts it: an action is `{{ ... }}`, a `- ` or ` -` inside the
 * delimiters trims the blanks of the text outside, a comment is an action of its own. */
#include "rules/tmpl.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/unicode.h"
#include "base/utf8.h"
#include "model/text.h"

struct lexer {
	struct tmpl_arena *a;
	struct sv in;
	size_t pos, start;
	int line, start_line, parens;
	struct tmpl_token *t;
	size_t n, cap;
	bool done;
};

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alnum(uint32_t c)
{
	return c == '_' || unicode_is_alnum(c);
}

static int peek_at(const struct lexer *l, size_t i)
{
	return i < l->in.n ? (unsigned char)l->in.p[i] : -1;
}

static bool has(const struct lexer *l, const char *s)
{
	return sv_starts_with(sv_make(l->in.p + l->pos, l->in.n - l->pos), sv_of(s));
}

static void emit(struct lexer *l, enum tok type)
{
	tmpl_grow(l->a, l->t, l->n, l->cap);
	l->t[l->n++] = (struct tmpl_token){type, l->start, l->start_line,
					   sv_make(l->in.p + l->start, l->pos - l->start)};
	l->start = l->pos;
	l->start_line = l->line;
}

static void skip(struct lexer *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (l->in.p[l->pos + i] == '\n')
			l->line++;
	l->pos += n;
}

static void ignore(struct lexer *l)
{
	l->start = l->pos;
	l->start_line = l->line;
}

static void fail(struct lexer *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct lexer *l, const char *fmt, ...)
{
	char msg[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	emit(l, TOK_ERROR);
	l->t[l->n - 1].val = tmpl_dup(l->a, sv_of(msg));
	l->done = true;
}

static void fail_char(struct lexer *l, const char *what)
{
	size_t i = l->pos;
	char u[5] = "";
	uint32_t cp = tmpl_utf8_next(l->in, &i);
	utf8_encode(cp, u);
	if (unicode_is_print(cp))
		fail(l, "%s U+%04X '%s'", what, cp, u);
	else
		fail(l, "%s U+%04X", what, cp);
}

/* ` -}}` or `}}` at the position: the length up to behind the braces, or 0. */
static size_t at_right(const struct lexer *l, bool *trim)
{
	*trim = is_space(peek_at(l, l->pos)) && peek_at(l, l->pos + 1) == '-' &&
		peek_at(l, l->pos + 2) == '}' && peek_at(l, l->pos + 3) == '}';
	if (*trim)
		return 4;
	return has(l, "}}") ? 2 : 0;
}

static void trim_following(struct lexer *l)
{
	size_t n = 0;
	while (is_space(peek_at(l, l->pos + n)))
		n++;
	skip(l, n);
	ignore(l);
}

static void lex_text(struct lexer *l)
{
	size_t from = l->pos, n = 0;
	const char *p = memmem(l->in.p + from, l->in.n - from, "{{", 2);
	if (!p) {
		skip(l, l->in.n - from);
		if (l->pos > l->start)
			emit(l, TOK_TEXT);
		emit(l, TOK_EOF);
		l->done = true;
		return;
	}
	n = (size_t)(p - l->in.p) - from;
	size_t keep = n;
	if (peek_at(l, from + n + 2) == '-' && is_space(peek_at(l, from + n + 3)))
		while (keep && is_space(peek_at(l, from + keep - 1)))
			keep--;
	skip(l, keep);
	if (l->pos > l->start)
		emit(l, TOK_TEXT);
	skip(l, n - keep);
	ignore(l);
}

static void lex_comment(struct lexer *l)
{
	const char *end = memmem(l->in.p + l->pos, l->in.n - l->pos, "*/", 2);
	if (!end) {
		fail(l, "unclosed comment");
		return;
	}
	skip(l, (size_t)(end - l->in.p) + 2 - l->pos);
	bool trim;
	size_t n = at_right(l, &trim);
	if (!n) {
		fail(l, "comment ends before closing delimiter");
		return;
	}
	skip(l, n);
	ignore(l);
	if (trim)
		trim_following(l);
}

static bool at_terminator(const struct lexer *l)
{
	int c = peek_at(l, l->pos);
	return c < 0 || is_space(c) || strchr(".,|:()", c) || has(l, "}}");
}

static void lex_word(struct lexer *l)
{
	while (l->pos < l->in.n) {
		size_t i = l->pos;
		if (!is_alnum(tmpl_utf8_next(l->in, &i)))
			break;
		l->pos = i;
	}
}

static void lex_identifier(struct lexer *l)
{
	static const struct {
		const char *word;
		enum tok type;
	} words[] = {{"block", TOK_BLOCK},   {"break", TOK_BREAK},	 {"continue", TOK_CONTINUE},
		     {"define", TOK_DEFINE}, {"else", TOK_ELSE},	 {"end", TOK_END},
		     {"if", TOK_IF},	     {"nil", TOK_NIL},		 {"range", TOK_RANGE},
		     {"with", TOK_WITH},     {"template", TOK_TEMPLATE}, {"true", TOK_BOOL},
		     {"false", TOK_BOOL}};
	lex_word(l);
	if (!at_terminator(l)) {
		fail_char(l, "bad character");
		return;
	}
	struct sv w = sv_make(l->in.p + l->start, l->pos - l->start);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (sv_eqs(w, words[i].word)) {
			emit(l, words[i].type);
			return;
		}
	emit(l, TOK_IDENT);
}

/* Behind `.` or `$`. */
static void lex_field(struct lexer *l, enum tok type)
{
	if (at_terminator(l)) {
		emit(l, type == TOK_FIELD ? TOK_DOT : TOK_VARIABLE);
		return;
	}
	lex_word(l);
	if (!at_terminator(l))
		fail_char(l, "bad character");
	else
		emit(l, type);
}

static void accept_run(struct lexer *l, const char *set)
{
	while (l->pos < l->in.n && l->in.p[l->pos] && strchr(set, l->in.p[l->pos]))
		l->pos++;
}

static bool accept(struct lexer *l, const char *set)
{
	if (l->pos >= l->in.n || !l->in.p[l->pos] || !strchr(set, l->in.p[l->pos]))
		return false;
	l->pos++;
	return true;
}

static bool scan_number(struct lexer *l)
{
	const char *digits = "0123456789_";
	accept(l, "+-");
	if (accept(l, "0")) {
		if (accept(l, "xX"))
			digits = "0123456789abcdefABCDEF_";
		else if (accept(l, "oO"))
			digits = "01234567_";
		else if (accept(l, "bB"))
			digits = "01_";
	}
	accept_run(l, digits);
	if (accept(l, "."))
		accept_run(l, digits);
	if (strlen(digits) == 11 && accept(l, "eE")) {
		accept(l, "+-");
		accept_run(l, "0123456789_");
	}
	if (strlen(digits) == 23 && accept(l, "pP")) {
		accept(l, "+-");
		accept_run(l, "0123456789_");
	}
	accept(l, "i");
	size_t i = l->pos;
	if (l->pos >= l->in.n || !is_alnum(tmpl_utf8_next(l->in, &i)))
		return true;
	l->pos = i;
	return false;
}

/* A number, or a complex one: two of them, the second with its sign and an `i`. */
static void lex_number(struct lexer *l)
{
	enum tok type = TOK_NUMBER;
	bool ok = scan_number(l);
	if (ok && (peek_at(l, l->pos) == '+' || peek_at(l, l->pos) == '-')) {
		ok = scan_number(l) && l->in.p[l->pos - 1] == 'i';
		type = TOK_COMPLEX;
	}
	if (ok) {
		emit(l, type);
		return;
	}
	_cleanup_buf_ struct buf q = BUF_INIT;
	text_go_quote(sv_make(l->in.p + l->start, l->pos - l->start), &q);
	fail(l, "bad number syntax: %s", buf_str(&q));
}

static void lex_quoted(struct lexer *l, char quote)
{
	for (;;) {
		int c = peek_at(l, l->pos);
		if (c == '\\' && quote != '`' && peek_at(l, l->pos + 1) >= 0 &&
		    peek_at(l, l->pos + 1) != '\n') {
			skip(l, 2);
			continue;
		}
		if (c < 0 || (c == '\n' && quote != '`')) {
			fail(l, quote == '"'   ? "unterminated quoted string"
				: quote == '`' ? "unterminated raw quoted string"
					       : "unterminated character constant");
			return;
		}
		skip(l, 1);
		if (c == quote)
			break;
	}
	emit(l, quote == '"' ? TOK_STRING : quote == '`' ? TOK_RAW_STRING : TOK_CHAR_CONSTANT);
}

static void lex_inside(struct lexer *l)
{
	bool trim;
	size_t n = at_right(l, &trim);
	if (n) {
		if (l->parens) {
			fail(l, "unclosed left paren");
			return;
		}
		if (trim) {
			skip(l, 2);
			ignore(l);
		}
		skip(l, 2);
		emit(l, TOK_RIGHT);
		if (trim)
			trim_following(l);
		lex_text(l);
		return;
	}
	int c = peek_at(l, l->pos);
	if (c < 0) {
		fail(l, "unclosed action");
		return;
	}
	if (is_space(c)) {
		while (is_space(peek_at(l, l->pos)) && !(at_right(l, &trim) && trim))
			skip(l, 1);
		emit(l, TOK_SPACE);
		return;
	}
	if (c == '+' || c == '-' || (c >= '0' && c <= '9') ||
	    (c == '.' && (peek_at(l, l->pos + 1) < 0 || (peek_at(l, l->pos + 1) >= '0' && peek_at(l, l->pos + 1) <= '9')))) {
		lex_number(l);
		return;
	}
	size_t i = l->pos;
	if (is_alnum(tmpl_utf8_next(l->in, &i))) {
		lex_identifier(l);
		return;
	}
	if (c >= 0x80 || c < 0x20 || c == 0x7f) {
		fail_char(l, "unrecognized character in action:");
		return;
	}
	skip(l, 1);
	switch (c) {
	case '=':
		emit(l, TOK_ASSIGN);
		break;
	case ':':
		if (peek_at(l, l->pos) != '=') {
			fail(l, "expected :=");
			break;
		}
		skip(l, 1);
		emit(l, TOK_DECLARE);
		break;
	case '|':
		emit(l, TOK_PIPE);
		break;
	case '"':
	case '`':
	case '\'':
		lex_quoted(l, (char)c);
		break;
	case '$':
		lex_field(l, TOK_VARIABLE);
		break;
	case '.':
		lex_field(l, TOK_FIELD);
		break;
	case '(':
		l->parens++;
		emit(l, TOK_LPAREN);
		break;
	case ')':
		if (!l->parens) {
			fail(l, "unexpected right paren");
			break;
		}
		l->parens--;
		emit(l, TOK_RPAREN);
		break;
	default:
		emit(l, TOK_CHAR);
	}
}

struct tmpl_token *tmpl_lex(struct tmpl_arena *a, struct sv text, size_t *n)
{
	struct lexer l = {.a = a, .in = text, .line = 1, .start_line = 1};
	lex_text(&l);
	while (!l.done) {
		/* Outside an action the position is at `{{`; inside anywhere else, for `{{` is two characters
		 * no action has. */
		bool inside = l.n && l.t[l.n - 1].type != TOK_RIGHT && l.t[l.n - 1].type != TOK_TEXT;
		if (inside) {
			lex_inside(&l);
			continue;
		}
		bool trim = peek_at(&l, l.pos + 2) == '-' && is_space(peek_at(&l, l.pos + 3));
		size_t skip_marker = trim ? 2 : 0;
		if (peek_at(&l, l.pos + 2 + skip_marker) == '/' &&
		    peek_at(&l, l.pos + 3 + skip_marker) == '*') {
			skip(&l, 2 + skip_marker);
			lex_comment(&l);
			if (!l.done)
				lex_text(&l);
			continue;
		}
		skip(&l, 2);
		emit(&l, TOK_LEFT);
		skip(&l, skip_marker);
		ignore(&l);
		l.parens = 0;
	}
	*n = l.n;
	return l.t;
}
