/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RT_PROMQL_LEXER_H
#define RT_PROMQL_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sv.h"
#include "base/arena.h"
#include "base/buf.h"

enum token_type {
	TOKEN_EOF,
	TOKEN_ERROR,
	TOKEN_IDENTIFIER,	 /* no colon in it */
	TOKEN_METRIC_IDENTIFIER, /* with a colon */
	TOKEN_STRING,
	TOKEN_NUMBER,
	TOKEN_DURATION,
	TOKEN_LEFT_PAREN,
	TOKEN_RIGHT_PAREN,
	TOKEN_LEFT_BRACE,
	TOKEN_RIGHT_BRACE,
	TOKEN_LEFT_BRACKET,
	TOKEN_RIGHT_BRACKET,
	TOKEN_COMMA,
	TOKEN_COLON,
	TOKEN_EQL,	 /* = */
	TOKEN_EQL_REGEX, /* =~ */
	TOKEN_NEQ_REGEX, /* !~ */
	TOKEN_AT,
	/* operators */
	TOKEN_ADD,
	TOKEN_SUB,
	TOKEN_MUL,
	TOKEN_DIV,
	TOKEN_MOD,
	TOKEN_POW,
	TOKEN_ATAN2,
	TOKEN_EQLC, /* == */
	TOKEN_NEQ,
	TOKEN_LTE,
	TOKEN_LSS,
	TOKEN_GTE,
	TOKEN_GTR,
	TOKEN_TRIM_UPPER, /* </ */
	TOKEN_TRIM_LOWER, /* >/ */
	TOKEN_LAND,
	TOKEN_LOR,
	TOKEN_LUNLESS,
	/* aggregators */
	TOKEN_SUM,
	TOKEN_AVG,
	TOKEN_COUNT,
	TOKEN_MIN,
	TOKEN_MAX,
	TOKEN_GROUP,
	TOKEN_STDDEV,
	TOKEN_STDVAR,
	TOKEN_TOPK,
	TOKEN_BOTTOMK,
	TOKEN_COUNT_VALUES,
	TOKEN_QUANTILE,
	TOKEN_LIMITK,
	TOKEN_LIMIT_RATIO,
	/* keywords */
	TOKEN_OFFSET,
	TOKEN_BY,
	TOKEN_WITHOUT,
	TOKEN_ON,
	TOKEN_IGNORING,
	TOKEN_GROUP_LEFT,
	TOKEN_GROUP_RIGHT,
	TOKEN_BOOL,
	TOKEN_FILL,
	TOKEN_FILL_LEFT,
	TOKEN_FILL_RIGHT,
	TOKEN_ANCHORED,
	TOKEN_SMOOTHED,
	TOKEN_START,
	TOKEN_END,
	TOKEN_STEP,
	TOKEN_RANGE,
	TOKEN_MIN_OF,
	TOKEN_MAX_OF,
};

#define TOKEN_IS_AGGREGATOR(t) ((t) >= TOKEN_SUM && (t) <= TOKEN_LIMIT_RATIO)
#define TOKEN_IS_OPERATOR(t) ((t) >= TOKEN_ADD && (t) <= TOKEN_LUNLESS)
#define TOKEN_IS_COMPARISON(t) ((t) >= TOKEN_EQLC && (t) <= TOKEN_GTR)
#define TOKEN_IS_SET_OPERATOR(t) ((t) >= TOKEN_LAND && (t) <= TOKEN_LUNLESS)
#define TOKEN_IS_KEYWORD(t) ((t) >= TOKEN_OFFSET && (t) <= TOKEN_MAX_OF)

struct token {
	enum token_type type;
	uint32_t pos; /* byte offset */
	struct sv text;
	const char *error; /* TOKEN_ERROR: the message */
};

/* All tokens of TEXT, ending with TOKEN_EOF or the first TOKEN_ERROR. Everything lives in A or in TEXT. */
struct token *lexer_run(struct sv text, struct arena *a, size_t *n);
/* The written form of an operator, aggregator or keyword; NULL for others. */
const char *token_word(enum token_type t);
/* A word's token type in any case, TOKEN_IDENTIFIER if it is none. NaN and Inf are TOKEN_NUMBER. */
enum token_type token_of_word(struct sv word);
/* One escape behind the backslash at S, in a string between QUOTEs: its bytes are added to OUT at *N, at most 4. How many bytes of S
 * it takes, or 0 and *ERROR (static or in A). */
size_t lexer_unescape(struct sv s, char quote, struct arena *a, char *out, size_t *n, const char **error);
/* How much of S is a number as a series description has it, with an x behind it or no letter or digit. Not *OK: there is none, and as much
 * is told as a message is to show. */
size_t lexer_number(struct sv s, bool *ok);
/* The value of a number's text; false and *ERROR (heap). */
bool token_number(struct sv s, double *v, char **error);
/* As messages name a token: `identifier "foo"`, `<op:+>`. */
void token_describe(const struct token *t, struct buf *b);
/* The first character of S as Go's %q shows it, whole if it is UTF-8. */
const char *lexer_quote_char(struct sv s, char out[16]);
/* The content of a quoted string token, escapes resolved. NULL and *ERROR (arena) if it is malformed. */
const char *lexer_unquote(struct sv quoted, struct arena *a, size_t *n, const char **error);

#endif
