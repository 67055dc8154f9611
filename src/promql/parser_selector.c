// SPDX-License-Identifier: GPL-2.0-or-later
/* Selectors and what may follow them: ranges, subqueries, offset, @, anchored and smoothed; and the durations
 * in those. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "model/text.h"
#include "promql/parser.h"

static bool add_matcher(struct parser *p, struct expr *e, size_t *cap, uint32_t pos, enum matcher_type type,
			struct sv name, struct sv value)
{
	struct matcher m = {.type = type, .name = name, .value = value};
	if (type == MATCH_REGEXP || type == MATCH_NOT_REGEXP) {
		char *error = NULL;
		if (regex_new(value, REGEX_ANCHORED | REGEX_DOTALL, &m.re, &error)) {
			parser_fail(p, pos, "%s", error);
			free(error);
			return false;
		}
		array_grow(p->p->regexes, p->p->n_regexes, p->p->cap_regexes);
		p->p->regexes[p->p->n_regexes++] = m.re;
	}
	arena_grow(p->a, e->vector.matchers, e->vector.n, *cap);
	e->vector.matchers[e->vector.n++] = m;
	return true;
}

static bool set_metric_name(struct parser *p, struct expr *e, size_t *cap, uint32_t pos, struct sv name)
{
	e->vector.quoted = !e->vector.name.n;
	if (e->vector.name.n) /* refused when the tree is checked */
		return add_matcher(p, e, cap, pos, MATCH_EQUAL, SV(LABEL_NAME), name);
	if (!name.n || !text_is_utf8(name)) {
		parser_fail(p, pos, "invalid metric name: \"%.*s\"", SV_ARG(name));
		return false;
	}
	e->vector.name = name;
	return true;
}

static bool parse_matcher(struct parser *p, struct expr *e, size_t *cap)
{
	const struct token *t = parser_cur(p);
	struct sv name = t->text, value;
	enum matcher_type type;
	if (t->type == TOKEN_STRING) {
		if (!parser_string(p, &name))
			return false;
		if (parser_cur(p)->type == TOKEN_COMMA || parser_cur(p)->type == TOKEN_RIGHT_BRACE)
			return set_metric_name(p, e, cap, t->pos, name);
	} else if (t->type == TOKEN_IDENTIFIER) {
		parser_advance(p);
		name = parser_keep(p, name);
	} else {
		parser_unexpected(p, "label matching", "identifier or \"}\"");
		return false;
	}
	switch (parser_cur(p)->type) {
	case TOKEN_EQL:
		type = MATCH_EQUAL;
		break;
	case TOKEN_NEQ:
		type = MATCH_NOT_EQUAL;
		break;
	case TOKEN_EQL_REGEX:
		type = MATCH_REGEXP;
		break;
	case TOKEN_NEQ_REGEX:
		type = MATCH_NOT_REGEXP;
		break;
	default:
		parser_unexpected(p, "label matching", "label matching operator");
		return false;
	}
	parser_advance(p);
	if (parser_cur(p)->type != TOKEN_STRING) {
		parser_unexpected(p, "label matching", "string");
		return false;
	}
	if (!parser_string(p, &value))
		return false;
	return add_matcher(p, e, cap, t->pos, type, name, value);
}

struct expr *parse_vector_selector(struct parser *p)
{
	const struct token *t = parser_cur(p);
	struct expr *e = parser_new(p, EXPR_VECTOR, t->pos);
	size_t cap = 0;
	if (t->type != TOKEN_LEFT_BRACE) {
		parser_advance(p);
		e->vector.name = parser_keep(p, t->text);
	}
	if (parser_take(p, TOKEN_LEFT_BRACE))
		while (!parser_take(p, TOKEN_RIGHT_BRACE)) {
			if (!parse_matcher(p, e, &cap))
				return NULL;
			if (!parser_take(p, TOKEN_COMMA) && parser_cur(p)->type != TOKEN_RIGHT_BRACE)
				return parser_unexpected(p, "label matching", "\",\" or \"}\"");
		}
	if (e->vector.name.n) {
		if (!add_matcher(p, e, &cap, t->pos, MATCH_EQUAL, SV(LABEL_NAME), e->vector.name))
			return NULL;
	}
	e->end = p->last_end;
	return e;
}

static struct expr *parse_duration_expr(struct parser *p, int min_prec);

static struct expr *duration_literal(struct parser *p, struct expr *e)
{
	/* time.Duration's 292 years */
	if (e && !(fabs(e->number.value) <= DURATION_MAX_SECONDS))
		return parser_fail(p, e->pos, "duration out of range");
	return e;
}

/* step(), range(), min_of(a, b), max_of(a, b), a number, or an expression in parentheses. */
static struct expr *parse_duration_primary(struct parser *p)
{
	const struct token *t = parser_cur(p);
	if (parser_is_number(t->type))
		return duration_literal(p, parser_number_expr(p));
	if (t->type == TOKEN_LEFT_PAREN) {
		parser_advance(p);
		struct expr *inner = parse_duration_expr(p, 1);
		if (!inner)
			return NULL;
		if (!parser_take(p, TOKEN_RIGHT_PAREN))
			return parser_unexpected(p, NULL, NULL);
		/* Prometheus keeps one pair of them, and none around a literal. */
		if (inner->kind == EXPR_NUMBER || inner->kind == EXPR_PAREN)
			return inner;
		struct expr *e = parser_new(p, EXPR_PAREN, t->pos);
		e->paren = inner;
		e->end = p->last_end;
		return parser_built(p, e);
	}
	size_t want = t->type == TOKEN_STEP || t->type == TOKEN_RANGE ? 0 : 2;
	if (!want || t->type == TOKEN_MIN_OF || t->type == TOKEN_MAX_OF) {
		parser_advance(p);
		struct expr *e = parser_new(p, EXPR_CALL, t->pos);
		e->call.name = sv_of(token_word(t->type));
		e->call.args = arena_calloc(p->a, 2, sizeof(*e->call.args));
		if (!parser_take(p, TOKEN_LEFT_PAREN))
			return parser_unexpected(p, NULL, NULL);
		for (size_t i = 0; i < want; i++) {
			if (i && !parser_take(p, TOKEN_COMMA))
				return parser_unexpected(p, NULL, NULL);
			if (!(e->call.args[e->call.n++] = parse_duration_expr(p, 1)))
				return NULL;
		}
		if (!parser_take(p, TOKEN_RIGHT_PAREN))
			return parser_unexpected(p, NULL, NULL);
		e->end = p->last_end;
		return parser_built(p, e);
	}
	return parser_unexpected(p, NULL, NULL);
}

static struct expr *parse_duration_expr(struct parser *p, int min_prec)
{
	if (++p->depth > DEPTH_MAX)
		return parser_fail(p, parser_cur(p)->pos, "expression is nested too deeply");
	const struct token *t = parser_cur(p);
	struct expr *lhs;
	if (t->type == TOKEN_ADD || t->type == TOKEN_SUB) {
		parser_advance(p);
		lhs = parse_duration_expr(p, 6);
		if (lhs && (t->type == TOKEN_SUB || lhs->kind == EXPR_NUMBER))
			lhs = parser_unary(p, t, lhs);
	} else {
		lhs = parse_duration_primary(p);
	}
	while (lhs) {
		enum token_type op = parser_cur(p)->type;
		uint32_t at = parser_cur(p)->pos;
		int prec = op >= TOKEN_ADD && op <= TOKEN_POW ? parser_precedence(op) : 0;
		if (!prec || prec < min_prec)
			break;
		parser_advance(p);
		struct expr *rhs = parse_duration_expr(p, op == TOKEN_POW ? prec : prec + 1);
		if (!rhs)
			return NULL;
		if ((op == TOKEN_DIV || op == TOKEN_MOD) && rhs->kind == EXPR_NUMBER && !rhs->number.value)
			return parser_fail(p, at, op == TOKEN_DIV ? "division by zero" : "modulo by zero");
		struct expr *b = parser_new(p, EXPR_BINARY, lhs->pos);
		b->binary.op = op;
		b->binary.lhs = lhs;
		b->binary.rhs = rhs;
		lhs = parser_built(p, b);
	}
	p->depth--;
	return lhs;
}

/* E of the kind GET reads, with what a syntax error in it is told to be in. */
static struct expr *duration_in(struct parser *p, struct expr *(*get)(struct parser *p), const char *context, const char *expected)
{
	const char *outer_context = p->context, *outer_expected = p->expected;
	p->context = context;
	p->expected = expected;
	struct expr *e = get(p);
	p->context = outer_context;
	p->expected = outer_expected;
	return e;
}

static struct expr *any_duration(struct parser *p)
{
	return parse_duration_expr(p, 1);
}

static bool is_constant(const struct expr *e)
{
	if (e->kind == EXPR_CALL && !e->call.n)
		return false;
	for (size_t i = 0; expr_child(e, i); i++)
		if (!is_constant(expr_child(e, i)))
			return false;
	return true;
}

static void set_duration(struct duration *d, struct expr *e)
{
	*d = (struct duration){.expr = e};
	d->constant = is_constant(e) && duration_resolve(d, 0, 0, &d->ms);
	if (e->kind == EXPR_NUMBER)
		d->expr = NULL;
}

/* What is computed is looked at when the query runs. */
static bool must_be_positive(struct parser *p, const struct expr *e)
{
	if (e->kind != EXPR_NUMBER || e->number.value > 0)
		return true;
	parser_fail(p, e->pos, "duration must be greater than 0");
	return false;
}

static bool has_constant_offset(const struct timing *t)
{
	return t->offset.ms && !t->offset.expr;
}

struct expr *parse_range(struct parser *p, struct expr *e)
{
	uint32_t bracket = parser_advance(p)->pos;
	struct duration range, step = {0};
	bool has_step = false, subquery = false;
	struct expr *d = duration_in(p, any_duration, "subquery or range selector", "number, duration, step(), or range()");
	if (!d || !must_be_positive(p, d))
		return NULL;
	set_duration(&range, d);
	if (parser_take(p, TOKEN_COLON)) {
		subquery = true;
		if (parser_cur(p)->type != TOKEN_RIGHT_BRACKET) {
			d = duration_in(p, any_duration, "subquery selector", "number, duration, step(), range(), or \"]\"");
			if (!d || !must_be_positive(p, d))
				return NULL;
			set_duration(&step, d);
			has_step = true;
		}
	}
	if (!parser_take(p, TOKEN_RIGHT_BRACKET))
		return parser_unexpected(p, subquery ? "subquery selector" : "subquery or range",
					 has_step ? "\"]\"" : "\":\" or \"]\"");
	if (subquery) {
		struct expr *s = parser_new(p, EXPR_SUBQUERY, e->pos);
		s->subquery.expr = e;
		s->subquery.range = range;
		s->subquery.step = step;
		s->subquery.has_step = has_step;
		return parser_built(p, s);
	}
	if (e->kind != EXPR_VECTOR)
		return parser_fail(p, bracket, "ranges only allowed for vector selectors");
	/* As Prometheus has it: only what is a number, and is not zero, counts. */
	if (has_constant_offset(&e->vector.timing))
		return parser_fail(p, bracket, "no offset modifiers allowed before range");
	if (e->vector.timing.at == AT_TIME)
		return parser_fail(p, bracket, "no @ modifiers allowed before range");
	struct expr *m = parser_new(p, EXPR_MATRIX, e->pos);
	m->matrix.vector = e;
	m->matrix.range = range;
	return m;
}

static struct timing *timing_of(struct expr *e)
{
	if (e->kind == EXPR_VECTOR)
		return &e->vector.timing;
	if (e->kind == EXPR_MATRIX)
		return &e->matrix.vector->vector.timing;
	return e->kind == EXPR_SUBQUERY ? &e->subquery.timing : NULL;
}

struct expr *parse_offset(struct parser *p, struct expr *e)
{
	parser_advance(p);
	const struct token *sign = parser_cur(p);
	bool is_signed = sign->type == TOKEN_ADD || sign->type == TOKEN_SUB;
	if (is_signed)
		parser_advance(p);
	enum token_type t = parser_cur(p)->type;
	if (!parser_is_number(t) && t != TOKEN_LEFT_PAREN && t != TOKEN_STEP && t != TOKEN_RANGE &&
	    t != TOKEN_MIN_OF && t != TOKEN_MAX_OF)
		return parser_unexpected(p, "offset", "number, duration, step(), or range()");
	struct expr *d = duration_in(p, parse_duration_primary, "offset", "number, duration, step(), or range()");
	if (!d)
		return NULL;
	if (is_signed && (sign->type == TOKEN_SUB || d->kind != EXPR_PAREN))
		d = parser_unary(p, sign, d);
	if (!d)
		return NULL;
	struct timing *timing = timing_of(e);
	if (!timing)
		return parser_fail(p, e->pos,
				   "offset modifier must be preceded by an instant vector selector or range "
				   "vector selector or a subquery");
	if (timing->offset.expr || has_constant_offset(timing))
		return parser_fail(p, e->pos, "offset may not be set multiple times");
	timing->has_offset = true;
	set_duration(&timing->offset, d);
	e->end = p->last_end;
	return e;
}

struct expr *parse_at(struct parser *p, struct expr *e)
{
	parser_advance(p);
	struct timing *timing = timing_of(e);
	enum token_type t = parser_cur(p)->type;
	enum at_kind kind = AT_TIME;
	double v = 0;
	if (t == TOKEN_START || t == TOKEN_END) {
		parser_advance(p);
		kind = t == TOKEN_START ? AT_START : AT_END;
		if (!parser_take(p, TOKEN_LEFT_PAREN) || !parser_take(p, TOKEN_RIGHT_PAREN))
			return parser_unexpected(p, "@", "timestamp");
	} else {
		bool duration, minus = false;
		if (t == TOKEN_ADD || t == TOKEN_SUB)
			minus = parser_advance(p)->type == TOKEN_SUB;
		if (!parser_is_number(parser_cur(p)->type))
			return parser_unexpected(p, "@", "timestamp");
		if (!parser_number(p, &v, &duration))
			return NULL;
		v = minus ? -v : v;
	}
	if (!isfinite(v) || fabs(v) >= 9.2e15) {
		char text[400];
		snprintf(text, sizeof(text), "%f", v);
		return parser_fail(p, e->pos, "timestamp out of bounds for @ modifier: %s",
				   isnan(v) ? "NaN" : isinf(v) ? (v < 0 ? "-Inf" : "+Inf") : text);
	}
	if (!timing)
		return parser_fail(p, e->pos,
				   "@ modifier must be preceded by an instant vector selector or range "
				   "vector selector or a subquery");
	if (timing->at != AT_NONE)
		return parser_fail(p, e->pos, "@ <timestamp> may not be set multiple times");
	timing->at = kind;
	timing->at_ms = (int64_t)round(v * 1000);
	e->end = p->last_end;
	return e;
}

struct expr *parse_extended(struct parser *p, struct expr *e)
{
	enum extended x = parser_advance(p)->type == TOKEN_ANCHORED ? EXTENDED_ANCHORED : EXTENDED_SMOOTHED;
	const char *word = x == EXTENDED_ANCHORED ? "anchored" : "smoothed";
	struct expr *v = e->kind == EXPR_MATRIX ? e->matrix.vector : e;
	if (v->kind != EXPR_VECTOR)
		return parser_fail(p, e->pos, "%s modifier %s", word,
				   v->kind == EXPR_SUBQUERY ? "is not supported for subqueries" : "not implemented");
	if (v->vector.extended != EXTENDED_NONE && v->vector.extended != x)
		return parser_fail(p, e->pos, "anchored and smoothed modifiers cannot be used together");
	v->vector.extended = x;
	e->end = p->last_end;
	return e;
}
