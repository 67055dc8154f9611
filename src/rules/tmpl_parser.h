/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between tmpl_parse.c and tmpl_pipeline.c. A function that gives NULL or false has set p->error. */
#ifndef RT_RULES_TMPL_PARSER_H
#define RT_RULES_TMPL_PARSER_H

#include "rules/tmpl.h"

struct tmpl_parser {
	struct template *t;
	struct tmpl_token *tok;
	size_t n_tok, at, furthest;
	struct sv *vars;
	size_t n_vars, cap_vars;
	int range_depth, depth, action_line;
	char *error;
};

const struct tmpl_token *tp_next(struct tmpl_parser *p);
const struct tmpl_token *tp_peek(struct tmpl_parser *p);
const struct tmpl_token *tp_next_nonspace(struct tmpl_parser *p);
const struct tmpl_token *tp_peek_nonspace(struct tmpl_parser *p);
/* Always NULL; only the first error is kept. */
struct tmpl_node *tp_fail(struct tmpl_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "unexpected T in CONTEXT"; the lexer's own error goes first. Always NULL. */
struct tmpl_node *tp_unexpected(struct tmpl_parser *p, const struct tmpl_token *t, const char *context);
const struct tmpl_token *tp_expect(struct tmpl_parser *p, enum tok type, const char *context);
struct tmpl_node *tp_node(struct tmpl_parser *p, enum node_type type, const struct tmpl_token *t);
void tp_add(struct tmpl_parser *p, struct tmpl_node *parent, struct tmpl_node *kid);
void tp_var_push(struct tmpl_parser *p, struct sv name);
/* One level deeper. False: too deep; the caller that goes up again counts p->depth down. */
bool tp_enter(struct tmpl_parser *p);
/* Commands between | up to a token END. CONTEXT stands in messages. */
struct tmpl_node *tp_pipeline(struct tmpl_parser *p, const char *context, enum tok end);

#endif
