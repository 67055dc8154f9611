// SPDX-License-Identifier: GPL-2.0-or-later
/* PromQL's tokens depend on a little context: inside braces every word is a label name, and only inside
 * brackets is a colon the separator of a subquery instead of a part of a metric name. */
#include "promql/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"

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

/* The character at P as Go's %q shows it, whole if it is UTF-8. */
static const char *quoted_char(const struct lexer *l, size_t at, char out[16])
{
	size_t n = 1;
	unsigned char c = at < l->in.n ? (unsigned char)l->in.p[at] : 0;
	if (at >= l->in.n) {
		snprintf(out, 16, "'\xef\xbf\xbd'");
		return out;
	}
	if (c >= 0xc2)
		n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (at + n > l->in.n)
		n = 1;
	if (c == '\'' || c == '\\')
		snprintf(out, 16, "'\\%c'", c);
	else if (c < 0x20 || c == 0x7f)
		snprintf(out, 16, "'\\x%02x'", c);
	else
		snprintf(out, 16, "'%.*s'", (int)n, l->in.p + at);
	return out;
}

static void lex_string(struct lexer *l)
{
	size_t from = l->i;
	int quote = peek(l, 0);
	for (l->i++;; l->i++) {
		int c = peek(l, 0);
		if (c == quote)
			break;
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
		if (c == '\\' && peek(l, 1) >= 0 && peek(l, 1) != '\n')
			l->i++;
	}
	l->i++;
	emit(l, TOKEN_STRING, from);
}

static void take_digits(struct lexer *l, bool hex)
{
	for (;; l->i++) {
		int c = peek(l, 0);
		bool digit = is_digit(c) || (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
		if (!digit && !(c == '_' && is_digit(peek(l, 1))))
			return;
	}
}

/* Digits and units; bad units such as `hs` are found when the duration is read. */
static bool take_duration(struct lexer *l)
{
	size_t units = 0;
	while (is_digit(peek(l, 0))) {
		while (is_digit(peek(l, 0)))
			l->i++;
		int c = peek(l, 0);
		if (c < 0 || !strchr("smhdwy", c))
			return false;
		l->i++;
		if (c == 'm' && peek(l, 0) == 's')
			l->i++;
		units++;
	}
	return units && !is_alpha(peek(l, 0));
}

static void lex_number(struct lexer *l)
{
	size_t from = l->i;
	if (take_duration(l)) {
		emit(l, TOKEN_DURATION, from);
		return;
	}
	l->i = from;
	bool hex = peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X');
	if (hex)
		l->i += 2;
	take_digits(l, hex);
	if (!hex && peek(l, 0) == '.') {
		l->i++;
		take_digits(l, false);
	}
	if (!hex && (peek(l, 0) == 'e' || peek(l, 0) == 'E')) {
		size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
		if (is_digit(peek(l, 1 + sign))) {
			l->i += 1 + sign;
			take_digits(l, false);
		}
	}
	if (is_alpha(peek(l, 0)) || is_digit(peek(l, 0))) {
		/* The message shows what could still have become a duration. */
		size_t end = l->i, k = 0;
		while (end + k < l->in.n && strchr("smhdwy", l->in.p[end + k])) {
			k++;
			if (end + k < l->in.n && l->in.p[end + k] == 's')
				k++;
			if (end + k < l->in.n && !is_digit(l->in.p[end + k])) {
				k += is_alpha(l->in.p[end + k]);
				break;
			}
			while (end + k < l->in.n && is_digit(l->in.p[end + k]))
				k++;
		}
		end += k;
		fail(l, from, "bad number or duration syntax: \"%.*s\"", (int)(end - from), l->in.p + from);
		return;
	}
	emit(l, TOKEN_NUMBER, from);
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
	enum token_type type = has_colon  ? TOKEN_METRIC_IDENTIFIER
			       : l->brace ? TOKEN_IDENTIFIER
					  : token_of_word(word);
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
		lex_number(l);
		return;
	}
	if (is_alpha(c) || (c == ':' && !l->bracket)) {
		lex_word(l, !l->bracket);
		return;
	}
	if (c == '!' && peek(l, 1) != '=' && peek(l, 1) != '~') {
		fail(l, from, "unexpected character after '!': %s", quoted_char(l, from + 1, q));
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
		l->bracket = true;
		l->colon = false;
		emit(l, TOKEN_LEFT_BRACKET, from);
		return;
	case ']':
		if (!l->bracket) {
			fail(l, from, "unexpected right bracket ']'");
			return;
		}
		l->bracket = false;
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
		while (is_space(peek(&l, 0)) || peek(&l, 0) == '#') {
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
		else if (l.bracket)
			fail(&l, text.n, "unclosed left bracket");
		else if (l.parens)
			fail(&l, text.n, "unclosed left parenthesis");
		else
			emit(&l, TOKEN_EOF, text.n);
	} while (l.v[l.n - 1].type != TOKEN_EOF && l.v[l.n - 1].type != TOKEN_ERROR);
	*n = l.n;
	return l.v;
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t k = n - 1; k > 0; k--, c >>= 6)
		out[k] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

static int digit_of(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

static const char *bad_escape(struct arena *a, const char *fmt, unsigned char c)
{
	char tmp[80];
	snprintf(tmp, sizeof(tmp), fmt, c, c);
	return arena_strndup(a, tmp, strlen(tmp));
}

/* One escape behind the backslash at S: bytes taken, or 0 and *ERROR. */
static size_t unescape(struct sv s, char quote, struct arena *a, char *out, size_t *n, const char **error)
{
	static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\";
	char c = s.p[0];
	for (size_t k = 0; k + 1 < sizeof(simple); k += 2)
		if (c == simple[k]) {
			out[(*n)++] = simple[k + 1];
			return 1;
		}
	if (c == quote) {
		out[(*n)++] = c;
		return 1;
	}
	size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '7' ? 3 : 0;
	int base = digits == 3 ? 8 : 16;
	size_t from = digits == 3 ? 0 : 1;
	if (!digits) {
		*error = bad_escape(a, "unknown escape sequence U+%04X '%c'", (unsigned char)c);
		return 0;
	}
	uint32_t v = 0;
	for (size_t k = from; k < from + digits; k++) {
		/* Behind the end stands the closing quote. */
		char x = k < s.n ? s.p[k] : quote;
		int d = digit_of(x);
		if (d >= base) {
			*error = bad_escape(a, "illegal character U+%04X '%c' in escape sequence",
					    (unsigned char)x);
			return 0;
		}
		v = v * (uint32_t)base + (uint32_t)d;
	}
	if (c == 'u' || c == 'U') {
		if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
			*error = "escape sequence is an invalid Unicode code point";
			return 0;
		}
		*n += put_utf8(out + *n, v);
	} else {
		if (v > 255) {
			*error = "escape sequence is an invalid Unicode code point";
			return 0;
		}
		out[(*n)++] = (char)v;
	}
	return from + digits;
}

const char *lexer_unquote(struct sv q, struct arena *a, size_t *n, const char **error)
{
	char *out = arena_alloc(a, q.n + 1);
	char quote = q.p[0];
	struct sv s = sv_make(q.p + 1, q.n - 2);
	*n = 0;
	for (size_t i = 0; i < s.n;) {
		if (s.p[i] != '\\' || quote == '`') {
			if (!(quote == '`' && s.p[i] == '\r'))
				out[(*n)++] = s.p[i];
			i++;
			continue;
		}
		size_t k = unescape(sv_make(s.p + i + 1, s.n - i - 1), quote, a, out, n, error);
		if (!k)
			return NULL;
		i += 1 + k;
	}
	out[*n] = 0;
	return out;
}
