// SPDX-License-Identifier: GPL-2.0-or-later
/* Recursive descent with precedence climbing over the lexer's tokens. Only the shape is decided here; types, arities and
 * what may be combined are checked on the finished tree (check.c), so that the first complaint is about the syntax. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "model/text.h"
#include "promql/ast.h"
#include "promql/functions.h"

#define DEPTH_MAX 500
#define TEXT_MAX (1u << 20)

struct parser {
	struct promql_expr *p;
	struct arena *a;
	struct token *tokens;
	size_t i;
	size_t depth;
	uint32_t last_end; /* where the last consumed token ended */
	char *error;
};

static struct expr *parse_expr(struct parser *p, int min_prec);
static struct expr *parse_duration_expr(struct parser *p, int min_prec);

static const struct token *cur(const struct parser *p)
{
	return &p->tokens[p->i];
}

static enum token_type ahead(const struct parser *p, size_t k)
{
	size_t i = p->i;
	while (k-- && p->tokens[i].type != TOKEN_EOF && p->tokens[i].type != TOKEN_ERROR)
		i++;
	return p->tokens[i].type;
}

static const struct token *advance(struct parser *p)
{
	const struct token *t = cur(p);
	if (t->type != TOKEN_EOF && t->type != TOKEN_ERROR)
		p->i++;
	p->last_end = t->pos + (uint32_t)t->text.n;
	return t;
}

static bool take_token(struct parser *p, enum token_type type)
{
	if (cur(p)->type != type)
		return false;
	advance(p);
	return true;
}

static void *__attribute__((format(printf, 3, 4))) fail(struct parser *p, uint32_t pos, const char *fmt, ...)
{
	if (p->error)
		return NULL;
	va_list ap;
	va_start(ap, fmt);
	char *msg = xvasprintf(fmt, ap);
	va_end(ap);
	promql_error_at(p->p->text, pos, &p->error, "%s", msg);
	free(msg);
	return NULL;
}

static void describe(const struct token *t, struct buf *b)
{
	const char *kind = NULL;
	switch (t->type) {
	case TOKEN_EOF:
		buf_adds(b, "end of input");
		return;
	case TOKEN_IDENTIFIER:
		buf_addf(b, "identifier \"%.*s\"", SV_ARG(t->text));
		return;
	case TOKEN_METRIC_IDENTIFIER:
		buf_addf(b, "metric identifier \"%.*s\"", SV_ARG(t->text));
		return;
	case TOKEN_STRING:
		kind = "string ";
		break;
	case TOKEN_NUMBER:
		kind = "number ";
		break;
	case TOKEN_DURATION:
		kind = "duration ";
		break;
	default:
		break;
	}
	if (TOKEN_IS_AGGREGATOR(t->type)) {
		buf_addf(b, "<aggr:%.*s>", SV_ARG(t->text));
	} else if (TOKEN_IS_OPERATOR(t->type)) {
		buf_addf(b, "<op:%.*s>", SV_ARG(t->text));
	} else if (TOKEN_IS_KEYWORD(t->type)) {
		buf_addf(b, "<%.*s>", SV_ARG(t->text));
	} else {
		buf_adds(b, kind ? kind : "");
		if (t->text.n > 10) {
			text_go_quote(sv_make(t->text.p, 10), b);
			buf_adds(b, "...");
		} else {
			text_go_quote(t->text, b);
		}
	}
}

/* "unexpected X in CONTEXT, expected WHAT"; the lexer's own error goes first. */
static void *unexpected(struct parser *p, const char *context, const char *expected)
{
	const struct token *t = cur(p);
	if (t->type == TOKEN_ERROR)
		return fail(p, t->pos, "%s", t->error);
	struct buf b = BUF_INIT;
	buf_adds(&b, "unexpected ");
	describe(t, &b);
	if (context)
		buf_addf(&b, " in %s", context);
	if (expected)
		buf_addf(&b, ", expected %s", expected);
	fail(p, t->pos, "%s", buf_str(&b));
	buf_free(&b);
	return NULL;
}

static struct expr *new_expr(struct parser *p, enum expr_kind kind, uint32_t pos)
{
	struct expr *e = arena_calloc(p->a, 1, sizeof(*e));
	e->kind = kind;
	e->pos = pos;
	e->end = p->last_end;
	e->id = p->p->n_nodes++;
	return e;
}

static struct sv keep(struct parser *p, struct sv s)
{
	return sv_make(arena_strndup(p->a, s.p, s.n), s.n);
}

static bool read_string(struct parser *p, struct sv *out)
{
	const struct token *t = advance(p);
	const char *error = NULL;
	size_t n;
	const char *s = lexer_unquote(t->text, p->a, &n, &error);
	if (!s) {
		fail(p, t->pos, "%s", error);
		return false;
	}
	*out = sv_make(s, n);
	return true;
}

/* Integer with a base prefix first (010 is 8), then float. */
static bool parse_number_text(struct sv s, double *v)
{
	char tmp[512];
	size_t n = 0;
	if (s.n >= sizeof(tmp))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '_')
			tmp[n++] = s.p[i];
	tmp[n] = 0;
	char *end;
	errno = 0;
	long long k = strtoll(tmp, &end, 0);
	if (n && !*end && !errno) {
		*v = (double)k;
		return true;
	}
	return text_parse_float(sv_make(tmp, n), v);
}

static bool read_number(struct parser *p, double *v, bool *is_duration)
{
	const struct token *t = advance(p);
	*is_duration = t->type == TOKEN_DURATION;
	if (*is_duration) {
		int64_t ms;
		if (!text_parse_duration(t->text, &ms)) {
			fail(p, t->pos, "not a valid duration string: \"%.*s\"", SV_ARG(t->text));
			return false;
		}
		*v = (double)ms / 1000;
		return true;
	}
	if (!parse_number_text(t->text, v)) {
		fail(p, t->pos, "error parsing number: \"%.*s\": invalid syntax", SV_ARG(t->text));
		return false;
	}
	return true;
}

static struct expr *number_expr(struct parser *p)
{
	uint32_t pos = cur(p)->pos;
	double v;
	bool duration;
	if (!read_number(p, &v, &duration))
		return NULL;
	struct expr *e = new_expr(p, EXPR_NUMBER, pos);
	e->number.value = v;
	e->number.duration = duration;
	return e;
}

static bool is_number(enum token_type t)
{
	return t == TOKEN_NUMBER || t == TOKEN_DURATION;
}

/* Words that are keywords elsewhere but may name a metric. */
static bool is_metric_name(enum token_type t)
{
	return t == TOKEN_IDENTIFIER || t == TOKEN_METRIC_IDENTIFIER || TOKEN_IS_AGGREGATOR(t) || TOKEN_IS_SET_OPERATOR(t) ||
	       t == TOKEN_OFFSET || t == TOKEN_BY || t == TOKEN_WITHOUT || (t >= TOKEN_FILL && t <= TOKEN_MAX_OF);
}

/* (a, "b c", by): any word is a label here. */
static bool parse_label_list(struct parser *p, struct name_list *out)
{
	if (!take_token(p, TOKEN_LEFT_PAREN)) {
		unexpected(p, "grouping opts", "\"(\"");
		return false;
	}
	while (!take_token(p, TOKEN_RIGHT_PAREN)) {
		const struct token *t = cur(p);
		struct sv name = t->text;
		if (t->type == TOKEN_STRING) {
			if (!read_string(p, &name))
				return false;
			if (!name.n || !text_is_utf8(name)) {
				fail(p, t->pos, "invalid label name for grouping: \"%.*s\"", SV_ARG(name));
				return false;
			}
		} else if (name.n && text_is_legacy_label_name(name) && t->type != TOKEN_METRIC_IDENTIFIER &&
			   t->type != TOKEN_DURATION) {
			advance(p);
		} else {
			unexpected(p, "grouping opts", "label");
			return false;
		}
		arena_grow(p->a, out->v, out->n, out->cap);
		out->v[out->n++] = keep(p, name);
		if (!take_token(p, TOKEN_COMMA) && cur(p)->type != TOKEN_RIGHT_PAREN) {
			unexpected(p, "grouping opts", "\",\" or \")\"");
			return false;
		}
	}
	return true;
}

static bool add_matcher(struct parser *p, struct expr *e, size_t *cap, uint32_t pos, enum matcher_type type, struct sv name,
			struct sv value)
{
	struct matcher m = {.type = type, .name = name, .value = value};
	if (type == MATCH_REGEXP || type == MATCH_NOT_REGEXP) {
		char *error = NULL;
		if (regex_new(value, REGEX_ANCHORED | REGEX_DOTALL, &m.re, &error)) {
			fail(p, pos, "%s", error);
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

static bool set_metric_name(struct parser *p, struct expr *e, uint32_t pos, struct sv name)
{
	if (e->vector.name.n) {
		fail(p, pos, "metric name must not be set twice: \"%.*s\" or \"%.*s\"", SV_ARG(e->vector.name), SV_ARG(name));
		return false;
	}
	if (!name.n || !text_is_utf8(name)) {
		fail(p, pos, "invalid metric name: \"%.*s\"", SV_ARG(name));
		return false;
	}
	e->vector.name = name;
	return true;
}

static bool parse_matcher(struct parser *p, struct expr *e, size_t *cap)
{
	const struct token *t = cur(p);
	struct sv name = t->text, value;
	enum matcher_type type;
	if (t->type == TOKEN_STRING) {
		if (!read_string(p, &name))
			return false;
		if (cur(p)->type == TOKEN_COMMA || cur(p)->type == TOKEN_RIGHT_BRACE)
			return set_metric_name(p, e, t->pos, name);
	} else if (t->type == TOKEN_IDENTIFIER) {
		advance(p);
		name = keep(p, name);
	} else {
		unexpected(p, "label matching", "identifier or \"}\"");
		return false;
	}
	switch (cur(p)->type) {
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
		unexpected(p, "label matching", "label matching operator");
		return false;
	}
	advance(p);
	if (cur(p)->type != TOKEN_STRING) {
		unexpected(p, "label matching", "string");
		return false;
	}
	if (!read_string(p, &value))
		return false;
	return add_matcher(p, e, cap, t->pos, type, name, value);
}

static struct expr *parse_vector_selector(struct parser *p)
{
	const struct token *t = cur(p);
	struct expr *e = new_expr(p, EXPR_VECTOR, t->pos);
	size_t cap = 0;
	if (t->type != TOKEN_LEFT_BRACE) {
		advance(p);
		e->vector.name = keep(p, t->text);
	}
	if (take_token(p, TOKEN_LEFT_BRACE))
		while (!take_token(p, TOKEN_RIGHT_BRACE)) {
			if (!parse_matcher(p, e, &cap))
				return NULL;
			if (!take_token(p, TOKEN_COMMA) && cur(p)->type != TOKEN_RIGHT_BRACE)
				return unexpected(p, "label matching", "\",\" or \"}\"");
		}
	if (e->vector.name.n) {
		for (size_t i = 0; i < e->vector.n; i++)
			if (sv_eqs(e->vector.matchers[i].name, LABEL_NAME) && e->vector.matchers[i].type == MATCH_EQUAL)
				return fail(p, t->pos, "metric name must not be set twice: \"%.*s\" or \"%.*s\"", SV_ARG(e->vector.name),
					    SV_ARG(e->vector.matchers[i].value));
		if (!add_matcher(p, e, &cap, t->pos, MATCH_EQUAL, SV(LABEL_NAME), e->vector.name))
			return NULL;
	}
	e->end = p->last_end;
	return e;
}

static bool parse_args(struct parser *p, struct expr *call)
{
	size_t cap = 0;
	if (!take_token(p, TOKEN_LEFT_PAREN)) {
		unexpected(p, NULL, NULL);
		return false;
	}
	if (take_token(p, TOKEN_RIGHT_PAREN))
		return true;
	for (;;) {
		struct expr *arg = parse_expr(p, 1);
		if (!arg)
			return false;
		arena_grow(p->a, call->call.args, call->call.n, cap);
		call->call.args[call->call.n++] = arg;
		if (take_token(p, TOKEN_RIGHT_PAREN))
			return true;
		const struct token *comma = cur(p);
		if (!take_token(p, TOKEN_COMMA)) {
			unexpected(p, NULL, NULL);
			return false;
		}
		if (cur(p)->type == TOKEN_RIGHT_PAREN) {
			fail(p, comma->pos, "trailing commas not allowed in function call args");
			return false;
		}
	}
}

static struct expr *parse_call(struct parser *p)
{
	const struct token *t = advance(p);
	struct expr *e = new_expr(p, EXPR_CALL, t->pos);
	e->call.name = keep(p, t->text);
	struct sv name = t->text;
	/* start, end, step, range, min_of and max_of are keywords, and so in any case. */
	const char *word = TOKEN_IS_KEYWORD(t->type) ? token_word(t->type) : NULL;
	if (word)
		e->call.name = name = sv_of(word);
	e->call.fn = function_find(name);
	if (!e->call.fn)
		return fail(p, t->pos, "unknown function with name \"%.*s\"", SV_ARG(name));
	if (!parse_args(p, e))
		return NULL;
	e->end = p->last_end;
	return e;
}

static bool aggregate_takes_param(enum token_type op)
{
	return op == TOKEN_TOPK || op == TOKEN_BOTTOMK || op == TOKEN_COUNT_VALUES || op == TOKEN_QUANTILE || op == TOKEN_LIMITK ||
	       op == TOKEN_LIMIT_RATIO;
}

static struct expr *parse_aggregate(struct parser *p)
{
	const struct token *t = advance(p);
	struct expr *e = new_expr(p, EXPR_AGGREGATE, t->pos);
	e->aggregate.op = t->type;
	bool grouped = false;
	for (int round = 0; round < 2; round++) {
		if (!grouped && (cur(p)->type == TOKEN_BY || cur(p)->type == TOKEN_WITHOUT)) {
			e->aggregate.without = advance(p)->type == TOKEN_WITHOUT;
			if (!parse_label_list(p, &e->aggregate.by))
				return NULL;
			grouped = true;
		}
		if (round)
			break;
		if (cur(p)->type != TOKEN_LEFT_PAREN)
			return unexpected(p, "aggregation", NULL);
		struct expr args = {.kind = EXPR_CALL};
		if (!parse_args(p, &args))
			return NULL;
		size_t want = aggregate_takes_param(t->type) ? 2 : 1;
		e->end = p->last_end;
		if (!args.call.n)
			return fail(p, t->pos, "no arguments for aggregate expression provided");
		if (args.call.n != want)
			return fail(p, t->pos, "wrong number of arguments for aggregate expression provided, expected %zu, got %zu",
				    want, args.call.n);
		e->aggregate.expr = args.call.args[want - 1];
		e->aggregate.param = want == 2 ? args.call.args[0] : NULL;
	}
	e->end = p->last_end;
	return e;
}

static struct expr *parse_primary(struct parser *p)
{
	const struct token *t = cur(p);
	struct expr *e;
	switch (t->type) {
	case TOKEN_NUMBER:
	case TOKEN_DURATION:
		return number_expr(p);
	case TOKEN_STRING: {
		struct sv s;
		if (!read_string(p, &s))
			return NULL;
		e = new_expr(p, EXPR_STRING, t->pos);
		e->string = s;
		return e;
	}
	case TOKEN_LEFT_PAREN:
		advance(p);
		e = new_expr(p, EXPR_PAREN, t->pos);
		e->paren = parse_expr(p, 1);
		if (!e->paren)
			return NULL;
		if (!take_token(p, TOKEN_RIGHT_PAREN))
			return unexpected(p, NULL, NULL);
		e->end = p->last_end;
		return e;
	case TOKEN_LEFT_BRACE:
		return parse_vector_selector(p);
	default:
		break;
	}
	enum token_type next = ahead(p, 1);
	if (TOKEN_IS_AGGREGATOR(t->type) && (next == TOKEN_LEFT_PAREN || next == TOKEN_BY || next == TOKEN_WITHOUT))
		return parse_aggregate(p);
	if (next == TOKEN_LEFT_PAREN && (t->type == TOKEN_IDENTIFIER || (t->type >= TOKEN_START && t->type <= TOKEN_MAX_OF)))
		return parse_call(p);
	if (is_metric_name(t->type))
		return parse_vector_selector(p);
	return unexpected(p, NULL, NULL);
}

/* step(), range(), min_of(a, b), max_of(a, b), a number, or an expression in parentheses. */
static struct expr *parse_duration_primary(struct parser *p)
{
	const struct token *t = cur(p);
	if (is_number(t->type))
		return number_expr(p);
	if (t->type == TOKEN_LEFT_PAREN) {
		advance(p);
		struct expr *e = new_expr(p, EXPR_PAREN, t->pos);
		e->paren = parse_duration_expr(p, 1);
		if (!e->paren)
			return NULL;
		if (!take_token(p, TOKEN_RIGHT_PAREN))
			return unexpected(p, "duration expression", "\")\"");
		e->end = p->last_end;
		return e;
	}
	size_t want = t->type == TOKEN_STEP || t->type == TOKEN_RANGE ? 0 : 2;
	if (!want || t->type == TOKEN_MIN_OF || t->type == TOKEN_MAX_OF) {
		advance(p);
		struct expr *e = new_expr(p, EXPR_CALL, t->pos);
		e->call.name = sv_of(token_word(t->type));
		e->call.args = arena_calloc(p->a, 2, sizeof(*e->call.args));
		if (!take_token(p, TOKEN_LEFT_PAREN))
			return unexpected(p, "duration expression", "\"(\"");
		for (size_t i = 0; i < want; i++) {
			if (i && !take_token(p, TOKEN_COMMA))
				return unexpected(p, "duration expression", "\",\"");
			if (!(e->call.args[e->call.n++] = parse_duration_expr(p, 1)))
				return NULL;
		}
		if (!take_token(p, TOKEN_RIGHT_PAREN))
			return unexpected(p, "duration expression", "\")\"");
		e->end = p->last_end;
		return e;
	}
	return unexpected(p, "subquery or range selector", "number, duration, step(), or range()");
}

static int precedence(enum token_type op)
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

static struct expr *unary_expr(struct parser *p, const struct token *op, struct expr *e)
{
	if (e->kind == EXPR_NUMBER) {
		if (op->type == TOKEN_SUB)
			e->number.value = -e->number.value;
		e->pos = op->pos;
		return e;
	}
	struct expr *u = new_expr(p, EXPR_UNARY, op->pos);
	u->unary.op = op->type;
	u->unary.expr = e;
	return u;
}

static struct expr *parse_duration_expr(struct parser *p, int min_prec)
{
	if (++p->depth > DEPTH_MAX)
		return fail(p, cur(p)->pos, "expression is nested too deeply");
	const struct token *t = cur(p);
	struct expr *lhs;
	if (t->type == TOKEN_ADD || t->type == TOKEN_SUB) {
		advance(p);
		lhs = parse_duration_expr(p, 6);
		if (lhs)
			lhs = unary_expr(p, t, lhs);
	} else {
		lhs = parse_duration_primary(p);
	}
	while (lhs) {
		enum token_type op = cur(p)->type;
		int prec = op >= TOKEN_ADD && op <= TOKEN_POW ? precedence(op) : 0;
		if (!prec || prec < min_prec)
			break;
		advance(p);
		struct expr *rhs = parse_duration_expr(p, op == TOKEN_POW ? prec : prec + 1);
		if (!rhs)
			return NULL;
		struct expr *b = new_expr(p, EXPR_BINARY, lhs->pos);
		b->binary.op = op;
		b->binary.lhs = lhs;
		b->binary.rhs = rhs;
		lhs = b;
	}
	p->depth--;
	return lhs;
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

/* The divisor that is zero, of the constant part of E, or NULL. */
static const struct expr *zero_divisor(const struct expr *e)
{
	const struct expr *found = NULL;
	if (e->kind == EXPR_BINARY && (e->binary.op == TOKEN_DIV || e->binary.op == TOKEN_MOD) && is_constant(e->binary.rhs) &&
	    duration_value(e->binary.rhs, 0, 0) == 0)
		return e;
	for (size_t i = 0; expr_child(e, i) && !found; i++)
		found = zero_divisor(expr_child(e, i));
	return found;
}

static bool set_duration(struct parser *p, struct duration *d, struct expr *e)
{
	const struct expr *zero = zero_divisor(e);
	if (zero) {
		fail(p, zero->binary.rhs->pos, zero->binary.op == TOKEN_DIV ? "division by zero" : "modulo by zero");
		return false;
	}
	d->constant = is_constant(e);
	d->expr = e->kind == EXPR_NUMBER ? NULL : e;
	const struct expr *inner = d->expr ? d->expr : e;
	struct duration whole = {.expr = (struct expr *)inner};
	if (d->constant && !duration_resolve(&whole, 0, 0, &d->ms)) {
		fail(p, e->pos, "duration out of range");
		return false;
	}
	return true;
}

static bool must_be_positive(struct parser *p, const struct duration *d, uint32_t pos)
{
	if (!d->constant || d->ms > 0)
		return true;
	fail(p, pos, "duration must be greater than 0");
	return false;
}

static struct expr *parse_range(struct parser *p, struct expr *e)
{
	uint32_t bracket = advance(p)->pos;
	struct duration range, step = {0};
	bool has_step = false, subquery = false;
	uint32_t at = cur(p)->pos;
	struct expr *d = parse_duration_expr(p, 1);
	if (!d || !set_duration(p, &range, d) || !must_be_positive(p, &range, at))
		return NULL;
	if (take_token(p, TOKEN_COLON)) {
		subquery = true;
		if (cur(p)->type != TOKEN_RIGHT_BRACKET) {
			at = cur(p)->pos;
			d = parse_duration_expr(p, 1);
			if (!d || !set_duration(p, &step, d) || !must_be_positive(p, &step, at))
				return NULL;
			has_step = true;
		}
	}
	if (!take_token(p, TOKEN_RIGHT_BRACKET))
		return unexpected(p, subquery ? "subquery selector" : "subquery or range", has_step ? "\"]\"" : "\":\" or \"]\"");
	if (subquery) {
		struct expr *s = new_expr(p, EXPR_SUBQUERY, e->pos);
		s->subquery.expr = e;
		s->subquery.range = range;
		s->subquery.step = step;
		s->subquery.has_step = has_step;
		return s;
	}
	if (e->kind != EXPR_VECTOR)
		return fail(p, bracket, "ranges only allowed for vector selectors");
	if (e->vector.timing.has_offset)
		return fail(p, bracket, "no offset modifiers allowed before range");
	if (e->vector.timing.at != AT_NONE)
		return fail(p, bracket, "no @ modifiers allowed before range");
	struct expr *m = new_expr(p, EXPR_MATRIX, e->pos);
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

static struct expr *parse_offset(struct parser *p, struct expr *e)
{
	advance(p);
	const struct token *sign = cur(p);
	bool is_signed = sign->type == TOKEN_ADD || sign->type == TOKEN_SUB;
	if (is_signed)
		advance(p);
	enum token_type t = cur(p)->type;
	if (!is_number(t) && t != TOKEN_LEFT_PAREN && t != TOKEN_STEP && t != TOKEN_RANGE && t != TOKEN_MIN_OF && t != TOKEN_MAX_OF)
		return unexpected(p, "offset", "number, duration, step(), or range()");
	struct expr *d = parse_duration_primary(p);
	if (!d)
		return NULL;
	if (is_signed)
		d = unary_expr(p, sign, d);
	struct timing *timing = timing_of(e);
	if (!timing)
		return fail(p, e->pos,
			    "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
	if (timing->has_offset)
		return fail(p, e->pos, "offset may not be set multiple times");
	timing->has_offset = true;
	if (!set_duration(p, &timing->offset, d))
		return NULL;
	e->end = p->last_end;
	return e;
}

static struct expr *parse_at(struct parser *p, struct expr *e)
{
	advance(p);
	struct timing *timing = timing_of(e);
	enum token_type t = cur(p)->type;
	enum at_kind kind = AT_TIME;
	double v = 0;
	if (t == TOKEN_START || t == TOKEN_END) {
		advance(p);
		kind = t == TOKEN_START ? AT_START : AT_END;
		if (!take_token(p, TOKEN_LEFT_PAREN) || !take_token(p, TOKEN_RIGHT_PAREN))
			return unexpected(p, "@", "timestamp");
	} else {
		bool duration, minus = false;
		if (t == TOKEN_ADD || t == TOKEN_SUB)
			minus = advance(p)->type == TOKEN_SUB;
		if (!is_number(cur(p)->type))
			return unexpected(p, "@", "timestamp");
		if (!read_number(p, &v, &duration))
			return NULL;
		v = minus ? -v : v;
	}
	if (!timing)
		return fail(p, e->pos,
			    "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
	if (timing->at != AT_NONE)
		return fail(p, e->pos, "@ <timestamp> may not be set multiple times");
	if (!isfinite(v) || fabs(v) >= 9.2e15) {
		struct buf b = BUF_INIT;
		text_float(v, 'f', &b);
		fail(p, e->pos, "timestamp out of bounds for @ modifier: %s", buf_str(&b));
		buf_free(&b);
		return NULL;
	}
	timing->at = kind;
	timing->at_ms = (int64_t)round(v * 1000);
	e->end = p->last_end;
	return e;
}

static struct expr *parse_extended(struct parser *p, struct expr *e)
{
	enum extended x = advance(p)->type == TOKEN_ANCHORED ? EXTENDED_ANCHORED : EXTENDED_SMOOTHED;
	const char *word = x == EXTENDED_ANCHORED ? "anchored" : "smoothed";
	struct expr *v = e->kind == EXPR_MATRIX ? e->matrix.vector : e;
	if (v->kind != EXPR_VECTOR || (x == EXTENDED_ANCHORED && e->kind != EXPR_MATRIX))
		return fail(p, e->pos, "%s modifier must be preceded by %s", word,
			    x == EXTENDED_ANCHORED ? "a range selector" : "an instant vector selector or range vector selector");
	if (v->vector.extended != EXTENDED_NONE)
		return fail(p, e->pos, "%s modifier cannot be used together with %s", word,
			    v->vector.extended == EXTENDED_ANCHORED ? "anchored" : "smoothed");
	v->vector.extended = x;
	e->end = p->last_end;
	return e;
}

static struct expr *parse_postfix(struct parser *p)
{
	struct expr *e = parse_primary(p);
	while (e) {
		switch (cur(p)->type) {
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
		enum token_type t = cur(p)->type;
		if (t < TOKEN_FILL || t > TOKEN_FILL_RIGHT || ahead(p, 1) != TOKEN_LEFT_PAREN)
			return true;
		const struct token *word = advance(p);
		advance(p);
		bool minus = false, duration;
		double v;
		if (cur(p)->type == TOKEN_ADD || cur(p)->type == TOKEN_SUB)
			minus = advance(p)->type == TOKEN_SUB;
		if (!is_number(cur(p)->type)) {
			unexpected(p, "fill modifier", "number");
			return false;
		}
		if (!read_number(p, &v, &duration))
			return false;
		if (!take_token(p, TOKEN_RIGHT_PAREN)) {
			unexpected(p, "fill modifier", "\")\"");
			return false;
		}
		v = minus ? -v : v;
		if ((t != TOKEN_FILL_RIGHT && m->has_fill_left) || (t != TOKEN_FILL_LEFT && m->has_fill_right)) {
			fail(p, word->pos, "%.*s may not be set multiple times", SV_ARG(word->text));
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
	b->binary.is_bool = take_token(p, TOKEN_BOOL);
	if (cur(p)->type == TOKEN_ON || cur(p)->type == TOKEN_IGNORING) {
		m->given = true;
		m->on = advance(p)->type == TOKEN_ON;
		if (!parse_label_list(p, &m->labels))
			return false;
		if (cur(p)->type == TOKEN_GROUP_LEFT || cur(p)->type == TOKEN_GROUP_RIGHT) {
			m->card = advance(p)->type == TOKEN_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
			if (cur(p)->type == TOKEN_LEFT_PAREN && !parse_label_list(p, &m->include))
				return false;
		}
	}
	return parse_fill(p, m);
}

static struct expr *parse_expr(struct parser *p, int min_prec)
{
	if (++p->depth > DEPTH_MAX)
		return fail(p, cur(p)->pos, "expression is nested too deeply");
	const struct token *t = cur(p);
	struct expr *lhs;
	if (t->type == TOKEN_ADD || t->type == TOKEN_SUB) {
		advance(p);
		lhs = parse_expr(p, 6); /* binds like *, so only ^ is taken first */
		if (lhs)
			lhs = unary_expr(p, t, lhs);
	} else {
		lhs = parse_postfix(p);
	}
	while (lhs) {
		enum token_type op = cur(p)->type;
		int prec = precedence(op);
		if (!prec || prec < min_prec)
			break;
		advance(p);
		struct expr *b = new_expr(p, EXPR_BINARY, lhs->pos);
		b->binary.op = op;
		b->binary.lhs = lhs;
		if (!parse_modifiers(p, b))
			return NULL;
		b->binary.rhs = parse_expr(p, op == TOKEN_POW ? prec : prec + 1);
		if (!b->binary.rhs)
			return NULL;
		b->end = p->last_end;
		lhs = b;
	}
	p->depth--;
	return lhs;
}

int promql_parse(struct sv text, struct promql_expr **out, char **error)
{
	if (text.n > TEXT_MAX) {
		*error = xasprintf("1:1: parse error: expression is longer than %u bytes", TEXT_MAX);
		return -EINVAL;
	}
	struct promql_expr *e = xcalloc(1, sizeof(*e));
	e->text = sv_make(arena_strndup(&e->arena, text.p, text.n), text.n);
	struct parser p = {.p = e, .a = &e->arena};
	size_t n;
	p.tokens = lexer_run(e->text, &e->arena, &n);
	int rc;
	if (p.tokens[0].type == TOKEN_EOF) {
		fail(&p, 0, "no expression found in input");
	} else {
		e->root = parse_expr(&p, 1);
		if (e->root && cur(&p)->type != TOKEN_EOF)
			unexpected(&p, NULL, NULL);
	}
	rc = p.error ? -EINVAL : promql_check(e, &p.error);
	if (rc) {
		*error = p.error;
		promql_expr_free(e);
		return rc;
	}
	*out = e;
	return 0;
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
