// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parser stands on: the cursor over the tokens, its complaints, new nodes, and what a single token
 * is worth. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"
#include "promql/parser.h"

const struct token *parser_cur(const struct parser *p)
{
	return &p->tokens[p->i];
}

enum token_type parser_ahead(const struct parser *p, size_t k)
{
	size_t i = p->i;
	while (k-- && p->tokens[i].type != TOKEN_EOF && p->tokens[i].type != TOKEN_ERROR)
		i++;
	return p->tokens[i].type;
}

const struct token *parser_advance(struct parser *p)
{
	const struct token *t = parser_cur(p);
	if (t->type != TOKEN_EOF && t->type != TOKEN_ERROR)
		p->i++;
	p->last_end = t->pos + (uint32_t)t->text.n;
	return t;
}

bool parser_take(struct parser *p, enum token_type type)
{
	if (parser_cur(p)->type != type)
		return false;
	parser_advance(p);
	return true;
}

void *parser_fail(struct parser *p, uint32_t pos, const char *fmt, ...)
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

void token_describe(const struct token *t, struct buf *b)
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
	} else if (TOKEN_IS_OPERATOR(t->type) || t->type == TOKEN_AT || t->type == TOKEN_EQL_REGEX ||
		   t->type == TOKEN_NEQ_REGEX) {
		buf_addf(b, "<op:%.*s>", SV_ARG(t->text));
	} else if (TOKEN_IS_KEYWORD(t->type) && !(t->type >= TOKEN_START && t->type <= TOKEN_RANGE)) {
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

void *parser_unexpected(struct parser *p, const char *context, const char *expected)
{
	const struct token *t = parser_cur(p);
	if (t->type == TOKEN_ERROR)
		return parser_fail(p, t->pos, "%s", t->error);
	struct buf b = BUF_INIT;
	if (!context) {
		context = p->context;
		expected = p->expected;
	}
	buf_adds(&b, "unexpected ");
	token_describe(t, &b);
	if (context)
		buf_addf(&b, " in %s", context);
	if (expected)
		buf_addf(&b, ", expected %s", expected);
	parser_fail(p, t->pos, "%s", buf_str(&b));
	buf_free(&b);
	return NULL;
}

struct expr *parser_new(struct parser *p, enum expr_kind kind, uint32_t pos)
{
	struct expr *e = arena_calloc(p->a, 1, sizeof(*e));
	e->kind = kind;
	e->pos = pos;
	e->end = p->last_end;
	e->id = p->p->n_nodes++;
	return e;
}

struct expr *parser_built(struct parser *p, struct expr *e)
{
	const struct expr *child;
	for (size_t i = 0; (child = expr_child(e, i)); i++)
		if (child->depth >= e->depth)
			e->depth = child->depth + 1;
	return e->depth > TREE_DEPTH_MAX ? parser_fail(p, e->pos, "expression is nested too deeply") : e;
}

struct sv parser_keep(struct parser *p, struct sv s)
{
	return sv_make(arena_strndup(p->a, s.p, s.n), s.n);
}

bool parser_string(struct parser *p, struct sv *out)
{
	const struct token *t = parser_advance(p);
	const char *error = NULL;
	size_t n;
	const char *s = lexer_unquote(t->text, p->a, &n, &error);
	if (!s) {
		parser_fail(p, t->pos, "%s", error);
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

bool token_number(struct sv s, double *v, char **error)
{
	bool inf = s.n && (s.p[0] == 'i' || s.p[0] == 'I');
	bool read = parse_number_text(s, v);
	if (read && (inf || !isinf(*v)))
		return true;
	*error = xasprintf("error parsing number: strconv.ParseFloat: parsing \"%.*s\": %s", SV_ARG(s), read ? "value out of range" : "invalid syntax");
	return false;
}

bool parser_number(struct parser *p, double *v, bool *is_duration)
{
	const struct token *t = parser_advance(p);
	*is_duration = t->type == TOKEN_DURATION;
	if (*is_duration) {
		int64_t ms;
		if (!text_parse_duration(t->text, &ms)) {
			if (text_duration_too_long(t->text))
				parser_fail(p, t->pos, "duration out of range");
			else
				parser_fail(p, t->pos, "not a valid duration string: \"%.*s\"", SV_ARG(t->text));
			return false;
		}
		*v = (double)ms / 1000;
		return true;
	}
	_cleanup_free_ char *error = NULL;
	if (token_number(t->text, v, &error))
		return true;
	parser_fail(p, t->pos, "%s", error);
	return false;
}

struct expr *parser_number_expr(struct parser *p)
{
	uint32_t pos = parser_cur(p)->pos;
	double v;
	bool duration;
	if (!parser_number(p, &v, &duration))
		return NULL;
	struct expr *e = parser_new(p, EXPR_NUMBER, pos);
	e->number.value = v;
	e->number.duration = duration;
	return e;
}

bool parser_is_number(enum token_type t)
{
	return t == TOKEN_NUMBER || t == TOKEN_DURATION;
}
