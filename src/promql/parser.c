// SPDX-License-Identifier: GPL-2.0-or-later
/* Recursive descent with precedence climbing over the lexer's tokens. Only the shape is decided here; types,
 * arities and what may be combined are checked on the finished tree (check.c), so that the first complaint is
 * about the syntax. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "model/text.h"
#include "promql/functions.h"
#include "promql/parser.h"

#define TEXT_MAX (1u << 20)

/* Words that are keywords elsewhere but may name a metric. */
bool parser_is_metric_name(enum token_type t)
{
	return t == TOKEN_IDENTIFIER || t == TOKEN_METRIC_IDENTIFIER || TOKEN_IS_AGGREGATOR(t) ||
	       TOKEN_IS_SET_OPERATOR(t) || t == TOKEN_OFFSET || t == TOKEN_BY || t == TOKEN_WITHOUT ||
	       (t >= TOKEN_FILL && t <= TOKEN_MAX_OF);
}

/* (a, "b c", by): any word is a label here. */
static bool parse_label_list(struct parser *p, struct name_list *out)
{
	if (!parser_take(p, TOKEN_LEFT_PAREN)) {
		parser_unexpected(p, "grouping opts", "\"(\"");
		return false;
	}
	while (!parser_take(p, TOKEN_RIGHT_PAREN)) {
		const struct token *t = parser_cur(p);
		struct sv name = t->text;
		if (t->type == TOKEN_STRING) {
			if (!parser_string(p, &name))
				return false;
			if (!name.n || !text_is_utf8(name)) {
				parser_fail(p, t->pos, "invalid label name for grouping: \"%.*s\"",
					    SV_ARG(name));
				return false;
			}
		} else if (name.n && text_is_legacy_label_name(name) && t->type != TOKEN_METRIC_IDENTIFIER &&
			   !parser_is_number(t->type)) {
			parser_advance(p);
		} else {
			parser_unexpected(p, "grouping opts", "label");
			return false;
		}
		arena_grow(p->a, out->v, out->n, out->cap);
		out->v[out->n++] = parser_keep(p, name);
		if (!parser_take(p, TOKEN_COMMA) && parser_cur(p)->type != TOKEN_RIGHT_PAREN) {
			parser_unexpected(p, "grouping opts", "\",\" or \")\"");
			return false;
		}
	}
	return true;
}

static struct expr *parse_expr(struct parser *p, int min_prec);

static bool begins_expr(enum token_type t)
{
	return parser_is_number(t) || t == TOKEN_STRING || t == TOKEN_LEFT_PAREN || t == TOKEN_LEFT_BRACE || t == TOKEN_ADD ||
	       t == TOKEN_SUB || parser_is_metric_name(t);
}

static bool parse_args(struct parser *p, struct expr *call)
{
	size_t cap = 0;
	if (!parser_take(p, TOKEN_LEFT_PAREN)) {
		parser_unexpected(p, NULL, NULL);
		return false;
	}
	if (parser_take(p, TOKEN_RIGHT_PAREN))
		return true;
	for (;;) {
		struct expr *arg = parse_expr(p, 1);
		if (!arg)
			return false;
		arena_grow(p->a, call->call.args, call->call.n, cap);
		call->call.args[call->call.n++] = arg;
		if (parser_take(p, TOKEN_RIGHT_PAREN))
			return true;
		const struct token *comma = parser_cur(p);
		if (!parser_take(p, TOKEN_COMMA)) {
			parser_unexpected(p, NULL, NULL);
			return false;
		}
		enum token_type next = parser_cur(p)->type;
		if (next != TOKEN_ERROR && !begins_expr(next)) {
			parser_fail(p, comma->pos, "trailing commas not allowed in function call args");
			return false;
		}
	}
}

static struct expr *parse_call(struct parser *p)
{
	const struct token *t = parser_advance(p);
	struct expr *e = parser_new(p, EXPR_CALL, t->pos);
	e->call.name = parser_keep(p, t->text);
	struct sv name = t->text;
	/* start, end, step, range, min_of and max_of are keywords, and so in any case. */
	const char *word = TOKEN_IS_KEYWORD(t->type) ? token_word(t->type) : NULL;
	if (word)
		e->call.name = name = sv_of(word);
	e->call.fn = function_find(name);
	if (!parse_args(p, e)) /* what is wrong in there is told first */
		return NULL;
	if (!e->call.fn)
		return parser_fail(p, t->pos, "unknown function with name \"%.*s\"", SV_ARG(name));
	e->end = p->last_end;
	return parser_built(p, e);
}

static bool aggregate_takes_param(enum token_type op)
{
	return op == TOKEN_TOPK || op == TOKEN_BOTTOMK || op == TOKEN_COUNT_VALUES || op == TOKEN_QUANTILE ||
	       op == TOKEN_LIMITK || op == TOKEN_LIMIT_RATIO;
}

static struct expr *parse_aggregate_in_context(struct parser *p)
{
	const struct token *t = parser_advance(p);
	struct expr *e = parser_new(p, EXPR_AGGREGATE, t->pos);
	e->aggregate.op = t->type;
	bool grouped = false;
	struct expr args = {.kind = EXPR_CALL};
	for (int round = 0; round < 2; round++) {
		if (!grouped && (parser_cur(p)->type == TOKEN_BY || parser_cur(p)->type == TOKEN_WITHOUT)) {
			e->aggregate.without = parser_advance(p)->type == TOKEN_WITHOUT;
			if (!parse_label_list(p, &e->aggregate.by))
				return NULL;
			grouped = true;
		}
		if (round)
			break;
		if (parser_cur(p)->type != TOKEN_LEFT_PAREN)
			return parser_unexpected(p, "aggregation", NULL);
		if (!parse_args(p, &args))
			return NULL;
		if (!grouped && parser_cur(p)->type == TOKEN_ERROR) /* the token behind is looked at for by and without */
			return parser_unexpected(p, NULL, NULL);
	}
	size_t want = aggregate_takes_param(t->type) ? 2 : 1;
	if (!args.call.n)
		return parser_fail(p, t->pos, "no arguments for aggregate expression provided");
	if (args.call.n != want)
		return parser_fail(p, t->pos, "wrong number of arguments for aggregate expression provided, expected %zu, got %zu", want,
				   args.call.n);
	e->aggregate.expr = args.call.args[want - 1];
	e->aggregate.param = want == 2 ? args.call.args[0] : NULL;
	e->end = p->last_end;
	return parser_built(p, e);
}

static struct expr *parse_aggregate(struct parser *p)
{
	const char *context = p->context, *expected = p->expected;
	p->context = "aggregation";
	p->expected = NULL;
	struct expr *e = parse_aggregate_in_context(p);
	p->context = context;
	p->expected = expected;
	return e;
}

static struct expr *parse_primary(struct parser *p)
{
	const struct token *t = parser_cur(p);
	struct expr *e;
	switch (t->type) {
	case TOKEN_NUMBER:
	case TOKEN_DURATION:
		return parser_number_expr(p);
	case TOKEN_STRING: {
		struct sv s;
		if (!parser_string(p, &s))
			return NULL;
		e = parser_new(p, EXPR_STRING, t->pos);
		e->string = s;
		return e;
	}
	case TOKEN_LEFT_PAREN:
		parser_advance(p);
		e = parser_new(p, EXPR_PAREN, t->pos);
		e->paren = parse_expr(p, 1);
		if (!e->paren)
			return NULL;
		if (!parser_take(p, TOKEN_RIGHT_PAREN))
			return parser_unexpected(p, NULL, NULL);
		e->end = p->last_end;
		return parser_built(p, e);
	case TOKEN_LEFT_BRACE:
		return parse_vector_selector(p);
	default:
		break;
	}
	enum token_type next = parser_ahead(p, 1);
	if (TOKEN_IS_AGGREGATOR(t->type) &&
	    (next == TOKEN_LEFT_PAREN || next == TOKEN_BY || next == TOKEN_WITHOUT))
		return parse_aggregate(p);
	if (next == TOKEN_LEFT_PAREN &&
	    (t->type == TOKEN_IDENTIFIER || (t->type >= TOKEN_START && t->type <= TOKEN_MAX_OF)))
		return parse_call(p);
	if (parser_is_metric_name(t->type))
		return parse_vector_selector(p);
	return parser_unexpected(p, NULL, NULL);
}

int parser_precedence(enum token_type op)
{
	switch (op) {
	case TOKEN_LOR:
		return 1;
	case TOKEN_LAND:
	case TOKEN_LUNLESS:
		return 2;
	case TOKEN_ADD:
	case TOKEN_SUB:
		return 4;
	case TOKEN_MUL:
	case TOKEN_DIV:
	case TOKEN_MOD:
	case TOKEN_ATAN2:
		return 5;
	case TOKEN_POW:
		return 6;
	default:
		return TOKEN_IS_OPERATOR(op) ? 3 : 0;
	}
}

struct expr *parser_unary(struct parser *p, const struct token *op, struct expr *e)
{
	if (e->kind == EXPR_NUMBER) {
		if (op->type == TOKEN_SUB)
			e->number.value = -e->number.value;
		e->pos = op->pos;
		return e;
	}
	struct expr *u = parser_new(p, EXPR_UNARY, op->pos);
	u->unary.op = op->type;
	u->unary.expr = e;
	return parser_built(p, u);
}

static struct expr *parse_postfix(struct parser *p)
{
	struct expr *e = parse_primary(p);
	while (e) {
		switch (parser_cur(p)->type) {
		case TOKEN_LEFT_BRACKET:
			e = parse_range(p, e);
			break;
		case TOKEN_OFFSET:
			e = parse_offset(p, e);
			break;
		case TOKEN_AT:
			e = parse_at(p, e);
			break;
		case TOKEN_ANCHORED:
		case TOKEN_SMOOTHED:
			e = parse_extended(p, e);
			break;
		default:
			return e;
		}
	}
	return NULL;
}

static bool parse_fill(struct parser *p, struct matching *m)
{
	for (;;) {
		enum token_type t = parser_cur(p)->type;
		if (t < TOKEN_FILL || t > TOKEN_FILL_RIGHT)
			return true;
		const struct token *word = parser_advance(p);
		parser_advance(p);
		bool minus = false, duration;
		double v;
		if (parser_cur(p)->type == TOKEN_ADD || parser_cur(p)->type == TOKEN_SUB)
			minus = parser_advance(p)->type == TOKEN_SUB;
		if (!parser_is_number(parser_cur(p)->type)) {
			parser_unexpected(p, "fill modifier", "number");
			return false;
		}
		if (!parser_number(p, &v, &duration))
			return false;
		if (!parser_take(p, TOKEN_RIGHT_PAREN)) {
			parser_unexpected(p, "fill modifier", "\")\"");
			return false;
		}
		v = minus ? -v : v;
		if ((t != TOKEN_FILL_RIGHT && m->has_fill_left) ||
		    (t != TOKEN_FILL_LEFT && m->has_fill_right)) {
			parser_fail(p, word->pos, "%.*s may not be set multiple times", SV_ARG(word->text));
			return false;
		}
		if (t != TOKEN_FILL_RIGHT) {
			m->has_fill_left = true;
			m->fill_left = v;
		}
		if (t != TOKEN_FILL_LEFT) {
			m->has_fill_right = true;
			m->fill_right = v;
		}
	}
}

/* bool, on/ignoring, group_left/right, fill: in this order. */
static bool parse_modifiers(struct parser *p, struct expr *b)
{
	struct matching *m = &b->binary.matching;
	b->binary.is_bool = parser_take(p, TOKEN_BOOL);
	if (parser_cur(p)->type == TOKEN_ON || parser_cur(p)->type == TOKEN_IGNORING) {
		m->given = true;
		m->on = parser_advance(p)->type == TOKEN_ON;
		if (!parse_label_list(p, &m->labels))
			return false;
		if (parser_cur(p)->type == TOKEN_GROUP_LEFT || parser_cur(p)->type == TOKEN_GROUP_RIGHT) {
			m->card =
			    parser_advance(p)->type == TOKEN_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
			if (parser_cur(p)->type == TOKEN_LEFT_PAREN && !parse_label_list(p, &m->include))
				return false;
			if (!begins_expr(parser_cur(p)->type) && parser_ahead(p, 0) != TOKEN_ERROR) {
				parser_unexpected(p, "grouping opts", "\"(\"");
				return false;
			}
		}
	}
	return parse_fill(p, m);
}

static struct expr *parse_expr(struct parser *p, int min_prec)
{
	if (++p->depth > DEPTH_MAX)
		return parser_fail(p, parser_cur(p)->pos, "expression is nested too deeply");
	const struct token *t = parser_cur(p);
	struct expr *lhs;
	if (t->type == TOKEN_ADD || t->type == TOKEN_SUB) {
		parser_advance(p);
		lhs = parse_expr(p, 6); /* binds like *, so only ^ is taken first */
		if (lhs)
			lhs = parser_unary(p, t, lhs);
	} else {
		lhs = parse_postfix(p);
	}
	while (lhs) {
		enum token_type op = parser_cur(p)->type;
		int prec = parser_precedence(op);
		if (!prec || prec < min_prec)
			break;
		parser_advance(p);
		struct expr *b = parser_new(p, EXPR_BINARY, lhs->pos);
		b->binary.op = op;
		b->binary.lhs = lhs;
		if (!parse_modifiers(p, b))
			return NULL;
		b->binary.rhs = parse_expr(p, op == TOKEN_POW ? prec : prec + 1);
		if (!b->binary.rhs)
			return NULL;
		b->end = p->last_end;
		lhs = parser_built(p, b);
	}
	p->depth--;
	return lhs;
}

static struct expr *parse_only_selector(struct parser *p)
{
	enum token_type t = parser_cur(p)->type;
	return t == TOKEN_LEFT_BRACE || parser_is_metric_name(t) ? parse_vector_selector(p) : parser_unexpected(p, NULL, NULL);
}

static int parse_text(struct sv text, bool selector, struct promql_expr **out, char **error)
{
	if (text.n > TEXT_MAX) {
		*error = xasprintf("1:1: parse error: expression is longer than %u bytes", TEXT_MAX);
		return -EINVAL;
	}
	struct promql_expr *e = xcalloc(1, sizeof(*e));
	e->text = sv_make(arena_strndup(&e->arena, text.p, text.n), text.n);
	struct parser p = {.p = e, .a = &e->arena};
	struct arena tokens = {0}; /* they are larger than the tree, and of no use later */
	size_t n;
	p.tokens = lexer_run(e->text, &tokens, &n);
	int rc;
	if (p.tokens[0].type == TOKEN_EOF && !selector) {
		parser_fail(&p, 0, "no expression found in input");
	} else {
		e->root = selector ? parse_only_selector(&p) : parse_expr(&p, 1);
		if (e->root && parser_cur(&p)->type != TOKEN_EOF)
			parser_unexpected(&p, NULL, NULL);
	}
	arena_free(&tokens);
	rc = p.error ? -EINVAL : selector ? 0 : promql_check(e, &p.error);
	if (rc) {
		*error = p.error;
		promql_expr_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

int promql_parse(struct sv text, struct promql_expr **out, char **error)
{
	return parse_text(text, false, out, error);
}

int promql_parse_selector(struct sv text, struct promql_expr **out, char **error)
{
	return parse_text(text, true, out, error);
}

void promql_expr_free(struct promql_expr *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_regexes; i++)
		regex_free(e->regexes[i]);
	free(e->regexes);
	arena_free(&e->arena);
	free(e);
}
