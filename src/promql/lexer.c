// SPDX-License-Identifier: GPL-2.0-or-later
/* PromQL's tokens depend on a little context: inside braces every word is a label name, and only inside
 * brackets is a colon the separator of a subquery instead of a part of a metric name. */
#include "promql/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/unicode.h"
#include "base/utf8.h"

static const struct {
	const char *word;
	enum token_type type;
} words[] = {
    {"and", TOKEN_LAND},
    {"or", TOKEN_LOR},
    {"unless", TOKEN_LUNLESS},
    {"atan2", TOKEN_ATAN2},
    {"sum", TOKEN_SUM},
    {"avg", TOKEN_AVG},
    {"count", TOKEN_COUNT},
    {"min", TOKEN_MIN},
    {"max", TOKEN_MAX},
    {"group", TOKEN_GROUP},
    {"stddev", TOKEN_STDDEV},
    {"stdvar", TOKEN_STDVAR},
    {"topk", TOKEN_TOPK},
    {"bottomk", TOKEN_BOTTOMK},
    {"count_values", TOKEN_COUNT_VALUES},
    {"quantile", TOKEN_QUANTILE},
    {"limitk", TOKEN_LIMITK},
    {"limit_ratio", TOKEN_LIMIT_RATIO},
    {"offset", TOKEN_OFFSET},
    {"by", TOKEN_BY},
    {"without", TOKEN_WITHOUT},
    {"on", TOKEN_ON},
    {"ignoring", TOKEN_IGNORING},
    {"group_left", TOKEN_GROUP_LEFT},
    {"group_right", TOKEN_GROUP_RIGHT},
    {"bool", TOKEN_BOOL},
    {"fill", TOKEN_FILL},
    {"fill_left", TOKEN_FILL_LEFT},
    {"fill_right", TOKEN_FILL_RIGHT},
    {"anchored", TOKEN_ANCHORED},
    {"smoothed", TOKEN_SMOOTHED},
    {"start", TOKEN_START},
    {"end", TOKEN_END},
    {"step", TOKEN_STEP},
    {"range", TOKEN_RANGE},
    {"min_of", TOKEN_MIN_OF},
    {"max_of", TOKEN_MAX_OF},
    {"inf", TOKEN_NUMBER},
    {"nan", TOKEN_NUMBER},
};

static const struct {
	const char *text;
	enum token_type type;
} signs[] = {
    {"+", TOKEN_ADD},	      {"-", TOKEN_SUB},		{"*", TOKEN_MUL},   {"/", TOKEN_DIV},
    {"%", TOKEN_MOD},	      {"^", TOKEN_POW},		{"==", TOKEN_EQLC}, {"!=", TOKEN_NEQ},
    {"<=", TOKEN_LTE},	      {"<", TOKEN_LSS},		{">=", TOKEN_GTE},  {">", TOKEN_GTR},
    {"</", TOKEN_TRIM_UPPER}, {">/", TOKEN_TRIM_LOWER},
};

enum token_type token_of_word(struct sv word)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == word.n && !strncasecmp(words[i].word, word.p, word.n))
			return words[i].type;
	return TOKEN_IDENTIFIER;
}

const char *token_word(enum token_type t)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].type == t && t != TOKEN_NUMBER)
			return words[i].word;
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (signs[i].type == t)
			return signs[i].text;
	return NULL;
}

struct lexer {
	struct sv in;
	size_t i;
	struct arena *a;
	struct token *v;
	size_t n, cap;
	size_t parens;
	bool brace, bracket;
	bool colon; /* seen in these brackets */
	bool before_duration; /* in brackets, and no number yet: another set of characters, as Prometheus has it */
	bool got_duration;    /* in any brackets so far */
};

static bool is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The byte K places ahead, -1 past the end. */
static int peek(const struct lexer *l, size_t k)
{
	return l->i + k < l->in.n ? (unsigned char)l->in.p[l->i + k] : -1;
}

static void emit(struct lexer *l, enum token_type type, size_t from)
{
	arena_grow(l->a, l->v, l->n, l->cap);
	l->v[l->n++] =
	    (struct token){.type = type, .pos = (uint32_t)from, .text = sv_make(l->in.p + from, l->i - from)};
}

static void __attribute__((format(printf, 3, 4))) fail(struct lexer *l, size_t at, const char *fmt, ...)
{
	char tmp[160];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	l->i = at;
	emit(l, TOKEN_ERROR, at);
	l->v[l->n - 1].error = arena_strndup(l->a, tmp, strlen(tmp));
}

const char *lexer_quote_char(struct sv s, char out[16])
{
	uint32_t c = UTF8_REPLACEMENT;
	size_t n = s.n ? utf8_decode(s.p, s.n, &c) : 0;
	if (!n) {
		snprintf(out, 16, "'\xef\xbf\xbd'");
		return out;
	}
	static const char escaped[] = "\a\b\f\n\r\t\v'\\", letters[] = "abfnrtv'\\";
	const char *e = c && c < 0x80 ? strchr(escaped, (int)c) : NULL;
	if (e)
		snprintf(out, 16, "'\\%c'", letters[e - escaped]);
	else if (c < 0x20 || c == 0x7f)
		snprintf(out, 16, "'\\x%02x'", c);
	else if (!unicode_is_print(c))
		snprintf(out, 16, c < 0x10000 ? "'\\u%04x'" : "'\\U%08x'", c);
	else
		snprintf(out, 16, "'%.*s'", (int)n, s.p);
	return out;
}

static const char *quoted_char(const struct lexer *l, size_t at, char out[16])
{
	at = at < l->in.n ? at : l->in.n;
	return lexer_quote_char(sv_make(l->in.p + at, l->in.n - at), out);
}

static void lex_string(struct lexer *l)
{
	size_t from = l->i;
	int quote = peek(l, 0);
	for (l->i++;; l->i++) {
		int c = peek(l, 0);
		if (c == quote)
			break;
		if (c >= 0x80) {
			uint32_t rune = UTF8_REPLACEMENT;
			size_t n = utf8_decode(l->in.p + l->i, l->in.n - l->i, &rune);
			if (!n || rune == UTF8_REPLACEMENT) { /* written or not: Prometheus does not tell */
				fail(l, from, "invalid UTF-8 rune");
				return;
			}
			l->i += n - 1;
			continue;
		}
		if (quote == '`') {
			if (c < 0) {
				fail(l, from, "unterminated raw string");
				return;
			}
			continue;
		}
		if (c < 0 || c == '\n') {
			fail(l, from, "unterminated quoted string");
			return;
		}
		if (c != '\\')
			continue;
		char text[8];
		size_t n = 0;
		const char *error = NULL;
		struct sv rest = sv_make(l->in.p + l->i + 1, l->in.n - l->i - 1);
		size_t k = lexer_unescape(rest, (char)quote, l->a, text, &n, &error);
		if (error) {
			fail(l, from, "%s", error);
			return;
		}
		l->i += k;
	}
	l->i++;
	emit(l, TOKEN_STRING, from);
}

/* Digits and units; bad units such as `hs` are found when the duration is read. */
static bool take_duration(struct lexer *l)
{
	size_t units = 0;
	while (is_digit(peek(l, 0))) {
		while (is_digit(peek(l, 0)))
			l->i++;
		int c = peek(l, 0);
		if (c <= 0 || !strchr("smhdwy", c))
			return false;
		l->i++;
		if (c == 'm' && peek(l, 0) == 's')
			l->i++;
		units++;
	}
	return units && !is_alpha(peek(l, 0));
}

static bool take_one(struct lexer *l, const char *of)
{
	int c = peek(l, 0);
	if (c <= 0 || !strchr(of, c))
		return false;
	l->i++;
	return true;
}

/* Prometheus' idea of a number: what may be one is taken, and read later; where it cannot become one, false, and as much is taken as the
 * message is to show. That the e of a hexadecimal number is taken for an exponent is its own. HEX: 0x
 * may begin one. Not so among the values of a series, where 0x40 is forty more zeros. */
static bool take_number(struct lexer *l, bool hex)
{
	const char *digits = "0123456789";
	bool dot = false, exponent = false;
	hex = hex && peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X');
	if (hex) {
		l->i += 2;
		take_one(l, "_");
		digits = "0123456789abcdefABCDEF";
	}
	take_one(l, ".");
	take_one(l, digits);
	for (;;) {
		int c = peek(l, 0);
		if (c == '.') {
			l->i++;
			if (dot || take_one(l, "_.") || hex)
				return false;
			dot = true;
		} else if (c == 'e' || c == 'E') {
			l->i++;
			if (exponent)
				return false;
			exponent = true;
			take_one(l, "+-");
			if (take_one(l, "._eE") || peek(l, 0) < 0)
				return false;
		} else if (c == '_') {
			l->i++;
			if (take_one(l, "._eE") || peek(l, 0) < 0)
				return false;
		} else if (!take_one(l, digits)) {
			return true;
		}
	}
}

size_t lexer_number(struct sv s, bool *ok)
{
	struct lexer l = {.in = s};
	*ok = take_number(&l, false) && l.i && (peek(&l, 0) == 'x' || (!is_alpha(peek(&l, 0)) && !is_digit(peek(&l, 0))));
	return l.i;
}

/* What looks like the units of a duration behind a number that is none, such as the `m` of `0.5m`: the parser will say that it is no
 * valid duration. False, with as much taken as the message is to show. */
static bool take_rest_of_duration(struct lexer *l)
{
	if (!take_one(l, "smhdwy"))
		return false;
	take_one(l, "s");
	while (take_one(l, "0123456789")) {
		while (take_one(l, "0123456789"))
			;
		if (!take_one(l, "smhdw"))
			return false;
		take_one(l, "s");
	}
	if (!is_alpha(peek(l, 0)) && !is_digit(peek(l, 0)))
		return true;
	l->i++;
	return false;
}

static void lex_number(struct lexer *l)
{
	size_t from = l->i;
	if (take_duration(l)) {
		emit(l, TOKEN_DURATION, from);
		return;
	}
	l->i = from;
	if (take_number(l, true) && !is_alpha(peek(l, 0)) && !is_digit(peek(l, 0))) {
		emit(l, TOKEN_NUMBER, from);
		return;
	}
	if (take_rest_of_duration(l)) {
		emit(l, TOKEN_DURATION, from);
		return;
	}
	fail(l, from, "bad number or duration syntax: \"%.*s\"", (int)(l->i - from), l->in.p + from);
}

static void lex_word(struct lexer *l, bool colon)
{
	size_t from = l->i;
	bool has_colon = false;
	for (;; l->i++) {
		int c = peek(l, 0);
		if (c == ':' && colon)
			has_colon = true;
		else if (!is_alpha(c) && !is_digit(c))
			break;
	}
	struct sv word = sv_make(l->in.p + from, l->i - from);
	size_t after = 0;
	while (is_space(peek(l, after)))
		after++;
	enum token_type type = has_colon  ? TOKEN_METRIC_IDENTIFIER
			       : l->brace ? TOKEN_IDENTIFIER
					  : token_of_word(word);
	/* These are keywords only in front of their value. */
	if (type >= TOKEN_FILL && type <= TOKEN_FILL_RIGHT && peek(l, after) != '(')
		type = TOKEN_IDENTIFIER;
	emit(l, type, from);
}

/* A sign that is the same inside and outside braces, or an operator. False if there is none here. */
static bool lex_sign(struct lexer *l)
{
	size_t from = l->i;
	static const char singles[] = ",@";
	int c = peek(l, 0), d = peek(l, 1);
	if (c == '=' && d == '~') {
		l->i += 2;
		emit(l, TOKEN_EQL_REGEX, from);
	} else if (c == '!' && d == '~') {
		l->i += 2;
		emit(l, TOKEN_NEQ_REGEX, from);
	} else if (c == '=' && (d != '=' || l->brace)) {
		l->i++;
		emit(l, TOKEN_EQL, from);
	} else if (c > 0 && strchr(singles, c)) {
		l->i++;
		emit(l, c == ',' ? TOKEN_COMMA : TOKEN_AT, from);
	} else {
		size_t best = 0, len = 0;
		for (size_t k = 0; k < ARRAY_SIZE(signs); k++) {
			size_t n = strlen(signs[k].text);
			if (n > len && n <= l->in.n - l->i && !memcmp(signs[k].text, l->in.p + l->i, n)) {
				best = k;
				len = n;
			}
		}
		if (!len)
			return false;
		l->i += len;
		emit(l, signs[best].type, from);
	}
	return true;
}

static bool is_duration_word(enum token_type t)
{
	return t == TOKEN_STEP || t == TOKEN_RANGE || t == TOKEN_MIN_OF || t == TOKEN_MAX_OF;
}

/* In brackets, up to the first number nothing but a duration's beginning is known: here is a word, a colon, or what cannot be. */
static void lex_before_duration(struct lexer *l)
{
	size_t from = l->i;
	char q[16];
	if (peek(l, 0) == ':' && l->got_duration && !l->colon) {
		l->i++;
		l->colon = true;
		emit(l, TOKEN_COLON, from);
		return;
	}
	if (peek(l, 0) == ':') {
		fail(l, from + 1, l->got_duration ? "unexpected repeated colon in duration expression"
						  : "unexpected colon before duration in duration expression");
		return;
	}
	if (is_alpha(peek(l, 0))) {
		lex_word(l, false);
		if (is_duration_word(l->v[l->n - 1].type)) {
			l->got_duration = true;
			return;
		}
		l->n--;
	}
	fail(l, from, "unexpected character in duration expression: %s", quoted_char(l, from, q));
}

static void lex_one(struct lexer *l)
{
	size_t from = l->i;
	char q[16];
	int c = peek(l, 0);
	if (c == '"' || c == '\'' || c == '`') {
		lex_string(l);
		return;
	}
	if (l->brace) {
		if (is_alpha(c)) {
			lex_word(l, false);
		} else if (c == '}') {
			l->i++;
			l->brace = false;
			emit(l, TOKEN_RIGHT_BRACE, from);
		} else if (c == '{') {
			fail(l, from, "unexpected left brace '{'");
		} else if (c == '!' && peek(l, 1) != '=' && peek(l, 1) != '~') {
			fail(l, from, "unexpected character after '!' inside braces: %s",
			     quoted_char(l, from + 1, q));
		} else if (c == '=' || c == '!' || c == ',') {
			lex_sign(l);
		} else {
			fail(l, from, "unexpected character inside braces: %s", quoted_char(l, from, q));
		}
		return;
	}
	if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
		l->before_duration = false;
		l->got_duration |= l->bracket;
		lex_number(l);
		return;
	}
	if (l->before_duration && c != ']' && c != '(' && c != ')' && !(c > 0 && strchr("+-*/%^,", c))) {
		lex_before_duration(l);
		return;
	}
	if (is_alpha(c) || (c == ':' && !l->bracket)) {
		lex_word(l, !l->bracket);
		if (!l->bracket || is_duration_word(l->v[l->n - 1].type))
			return;
		l->n--;
		fail(l, from, "unexpected character: %s, expected ':'", quoted_char(l, from, q));
		return;
	}
	if ((c == '!' && peek(l, 1) != '=') || (c == '=' && peek(l, 1) == '~')) {
		fail(l, from, "unexpected character after '%c': %s", c, quoted_char(l, from + 1, q));
		return;
	}
	if (c == ':' && l->colon) {
		fail(l, from, "unexpected colon ':'");
		return;
	}
	if (lex_sign(l))
		return;
	l->i++;
	switch (c) {
	case '(':
		l->parens++;
		emit(l, TOKEN_LEFT_PAREN, from);
		return;
	case ')':
		if (!l->parens)
			break;
		l->parens--;
		emit(l, TOKEN_RIGHT_PAREN, from);
		return;
	case '{':
		l->brace = true;
		emit(l, TOKEN_LEFT_BRACE, from);
		return;
	case '[':
		if (l->bracket) {
			fail(l, from, "unexpected left bracket '['");
			return;
		}
		l->bracket = l->before_duration = true;
		l->colon = false;
		emit(l, TOKEN_LEFT_BRACKET, from);
		return;
	case ']':
		if (!l->bracket) {
			fail(l, from, "unexpected right bracket ']'");
			return;
		}
		l->bracket = l->before_duration = false;
		l->colon = false;
		emit(l, TOKEN_RIGHT_BRACKET, from);
		return;
	case ':':
		l->colon = true;
		emit(l, TOKEN_COLON, from);
		return;
	}
	if (c == ')')
		fail(l, from + 1, "unexpected right parenthesis ')'");
	else
		fail(l, from, "unexpected character: %s", quoted_char(l, from, q));
}

struct token *lexer_run(struct sv text, struct arena *a, size_t *n)
{
	struct lexer l = {.in = text, .a = a};
	do {
		while (is_space(peek(&l, 0)) || (peek(&l, 0) == '#' && !l.before_duration)) {
			if (peek(&l, 0) == '#')
				while (peek(&l, 0) >= 0 && peek(&l, 0) != '\n')
					l.i++;
			else
				l.i++;
		}
		if (l.i < text.n)
			lex_one(&l);
		else if (l.brace)
			fail(&l, text.n, "unexpected end of input inside braces");
		else if (l.before_duration)
			fail(&l, text.n, "unexpected end of input in duration expression");
		else if (l.parens)
			fail(&l, text.n, "unclosed left parenthesis");
		else if (l.bracket)
			fail(&l, text.n, "unclosed left bracket");
		else
			emit(&l, TOKEN_EOF, text.n);
	} while (l.v[l.n - 1].type != TOKEN_EOF && l.v[l.n - 1].type != TOKEN_ERROR);
	*n = l.n;
	return l.v;
}
