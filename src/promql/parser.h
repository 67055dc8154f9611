/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between parser.c, parser_selector.c and parser_token.c. A function that gives NULL or false has set p->error. */
#ifndef RT_PROMQL_PARSER_H
#define RT_PROMQL_PARSER_H

#include "model/labels.h"
#include "promql/ast.h"

#define DEPTH_MAX 500	    /* of parentheses, calls, signs: what the parser goes down */
#define TREE_DEPTH_MAX 2000 /* of the tree: `1 + 1 + 1 ...` is as deep as it is long, and everything later goes down it */

struct parser {
	struct promql_expr *p;
	struct arena *a;
	struct token *tokens;
	size_t i;
	size_t depth;
	uint32_t last_end; /* where the last consumed token ended */
	/* What a syntax error is told to be in if its place does not say better: the innermost construct that is open and has words of
	 * its own for that, as the error productions of Prometheus' grammar. May be NULL. */
	const char *context, *expected;
	char *error;
};

const struct token *parser_cur(const struct parser *p);
/* The type of the token K places ahead. */
enum token_type parser_ahead(const struct parser *p, size_t k);
const struct token *parser_advance(struct parser *p);
bool parser_take(struct parser *p, enum token_type type);
/* Always NULL; only the first error is kept. */
void *parser_fail(struct parser *p, uint32_t pos, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "unexpected X in CONTEXT, expected WHAT"; without a context that of P. The lexer's own error goes first. */
void *parser_unexpected(struct parser *p, const char *context, const char *expected);
struct expr *parser_new(struct parser *p, enum expr_kind kind, uint32_t pos);
/* E now has its children. NULL, and the error is set, if the tree has become too deep; else E. */
struct expr *parser_built(struct parser *p, struct expr *e);
struct sv parser_keep(struct parser *p, struct sv s);
bool parser_string(struct parser *p, struct sv *out);
bool parser_number(struct parser *p, double *v, bool *is_duration);
bool parser_is_number(enum token_type t);
/* Words that may stand for a metric, keywords among them. */
bool parser_is_metric_name(enum token_type t);
struct expr *parser_number_expr(struct parser *p);
/* 1 (or) to 6 (^), 0 for what is no binary operator. */
int parser_precedence(enum token_type op);
/* OP E; a sign before a number becomes part of it. */
struct expr *parser_unary(struct parser *p, const struct token *op, struct expr *e);

struct expr *parse_vector_selector(struct parser *p);
/* What follows expression E: the cursor is on [, offset, @, anchored or smoothed. */
struct expr *parse_range(struct parser *p, struct expr *e);
struct expr *parse_offset(struct parser *p, struct expr *e);
struct expr *parse_at(struct parser *p, struct expr *e);
struct expr *parse_extended(struct parser *p, struct expr *e);

#endif
