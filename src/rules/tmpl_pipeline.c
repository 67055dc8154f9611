// SPDX-License-Identifier: GPL-2.0-or-later
/* The cursor over the tokens with its complaints, and the expressions of an action: numbers, operands,
 * commands, pipelines. */
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"
#include "rules/tmpl_parser.h"

/* A token that was not read yet when the parser fails does not move the line in the message. */
static const struct tmpl_token *token_at(struct tmpl_parser *p, size_t i)
{
	if (i >= p->n_tok)
		i = p->n_tok - 1;
	if (i > p->furthest)
		p->furthest = i;
	return &p->tok[i];
}

const struct tmpl_token *tp_next(struct tmpl_parser *p)
{
	return token_at(p, p->at++);
}

const struct tmpl_token *tp_peek(struct tmpl_parser *p)
{
	return token_at(p, p->at);
}

static void skip_space(struct tmpl_parser *p)
{
	while (tp_peek(p)->type == TOK_SPACE)
		p->at++;
}

const struct tmpl_token *tp_next_nonspace(struct tmpl_parser *p)
{
	skip_space(p);
	return tp_next(p);
}

const struct tmpl_token *tp_peek_nonspace(struct tmpl_parser *p)
{
	skip_space(p);
	return tp_peek(p);
}

struct tmpl_node *tp_fail(struct tmpl_parser *p, const char *fmt, ...)
{
	if (p->error)
		return NULL;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *msg = xvasprintf(fmt, ap);
	va_end(ap);
	p->error = xasprintf("template: %.*s:%d: %s", SV_ARG(p->t->name), p->tok[p->furthest].line, msg);
	return NULL;
}

static void print_token(const struct tmpl_token *t, struct buf *out)
{
	if (t->type == TOK_EOF) {
		buf_adds(out, "EOF");
	} else if (t->type == TOK_ERROR) {
		buf_addsv(out, t->val);
	} else if (t->type > TOK_KEYWORD && t->type != TOK_DOT) {
		buf_addf(out, "<%.*s>", SV_ARG(t->val));
	} else if (t->type == TOK_DOT) {
		buf_adds(out, "<.>");
	} else {
		/* At most ten characters, then dots. */
		size_t i = 0;
		for (int k = 0; i < t->val.n && k < 10; k++)
			tmpl_utf8_next(t->val, &i);
		text_go_quote(sv_make(t->val.p, i), out);
		if (i < t->val.n && t->val.n > 10)
			buf_adds(out, "...");
	}
}

struct tmpl_node *tp_unexpected(struct tmpl_parser *p, const struct tmpl_token *t, const char *context)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	print_token(t, &b);
	if (t->type != TOK_ERROR)
		return tp_fail(p, "unexpected %s in %s", buf_str(&b), context);
	if (p->action_line && p->action_line != t->line) {
		bool is_action = b.n > 7 && !strcmp(b.p + b.n - 7, " action");
		buf_addf(&b, "%s started at %.*s:%d", is_action ? "" : " in action", SV_ARG(p->t->name),
			 p->action_line);
	}
	return tp_fail(p, "%s", buf_str(&b));
}

const struct tmpl_token *tp_expect(struct tmpl_parser *p, enum tok type, const char *context)
{
	const struct tmpl_token *t = tp_next_nonspace(p);
	if (t->type != type) {
		tp_unexpected(p, t, context);
		return NULL;
	}
	return t;
}

struct tmpl_node *tp_node(struct tmpl_parser *p, enum node_type type, const struct tmpl_token *t)
{
	struct tmpl_node *n = tmpl_alloc(&p->t->arena, sizeof(*n));
	n->type = type;
	n->pos = t->pos;
	n->text = t->val;
	return n;
}

void tp_add(struct tmpl_parser *p, struct tmpl_node *parent, struct tmpl_node *kid)
{
	tmpl_grow(&p->t->arena, parent->kids, parent->n_kids, parent->cap_kids);
	parent->kids[parent->n_kids++] = kid;
}

static void ident_add(struct tmpl_parser *p, struct tmpl_node *n, struct sv name)
{
	tmpl_grow(&p->t->arena, n->ident, n->n_ident, n->cap_ident);
	n->ident[n->n_ident++] = name;
}

void tp_var_push(struct tmpl_parser *p, struct sv name)
{
	tmpl_grow(&p->t->arena, p->vars, p->n_vars, p->cap_vars);
	p->vars[p->n_vars++] = name;
}

/* Deep nesting is refused before it can hurt the C stack. */
bool tp_enter(struct tmpl_parser *p)
{
	if (++p->depth <= TEMPLATE_MAX_DEPTH)
		return true;
	tp_fail(p, "exceeded maximum nesting depth (%d)", TEMPLATE_MAX_DEPTH);
	return false;
}

static struct tmpl_node *parse_number(struct tmpl_parser *p, const struct tmpl_token *t)
{
	struct tmpl_node *n = tp_node(p, NODE_NUMBER, t);
	_cleanup_free_ char *error = tmpl_parse_number(n, t->type);
	return error ? tp_fail(p, "%s", error) : n;
}

static struct sv behind_dot(struct sv s)
{
	return sv_make(s.p + 1, s.n - 1);
}

static struct tmpl_node *parse_term(struct tmpl_parser *p)
{
	const struct tmpl_token *t = tp_next_nonspace(p);
	struct tmpl_node *n;
	switch (t->type) {
	case TOK_IDENT:
		if (!tmpl_has_function(t->val)) {
			_cleanup_buf_ struct buf q = BUF_INIT;
			text_go_quote(t->val, &q);
			return tp_fail(p, "function %s not defined", buf_str(&q));
		}
		return tp_node(p, NODE_IDENT, t);
	case TOK_DOT:
		return tp_node(p, NODE_DOT, t);
	case TOK_NIL:
		return tp_node(p, NODE_NIL, t);
	case TOK_VARIABLE:
		for (size_t i = 0; i < p->n_vars; i++)
			if (sv_eq(p->vars[i], t->val)) {
				n = tp_node(p, NODE_VARIABLE, t);
				ident_add(p, n, t->val);
				return n;
			}
		return tp_fail(p, "undefined variable \"%.*s\"", SV_ARG(t->val));
	case TOK_FIELD:
		n = tp_node(p, NODE_FIELD, t);
		ident_add(p, n, behind_dot(t->val));
		return n;
	case TOK_BOOL:
		n = tp_node(p, NODE_BOOL, t);
		n->truth = sv_eqs(t->val, "true");
		return n;
	case TOK_CHAR_CONSTANT:
	case TOK_COMPLEX:
	case TOK_NUMBER:
		return parse_number(p, t);
	case TOK_LPAREN:
		if (!tp_enter(p))
			return NULL;
		n = tp_pipeline(p, "parenthesized pipeline", TOK_RPAREN);
		p->depth--;
		return n;
	case TOK_STRING:
	case TOK_RAW_STRING:
		n = tp_node(p, NODE_STRING, t);
		if (!tmpl_unquote(&p->t->arena, t->val, &n->str))
			return tp_fail(p, "invalid syntax");
		return n;
	default:
		p->at--;
		return NULL;
	}
}

static struct tmpl_node *parse_operand(struct tmpl_parser *p)
{
	struct tmpl_node *n = parse_term(p);
	if (!n || tp_peek(p)->type != TOK_FIELD)
		return n;
	struct tmpl_node *chain = n;
	if (n->type == NODE_BOOL || n->type == NODE_STRING || n->type == NODE_NUMBER || n->type == NODE_NIL ||
	    n->type == NODE_DOT) {
		_cleanup_buf_ struct buf b = BUF_INIT, q = BUF_INIT;
		tp_next(p);
		tmpl_node_print(n, &b);
		text_go_quote(sv_make(buf_str(&b), b.n), &q);
		return tp_fail(p, "unexpected . after term %s", buf_str(&q));
	}
	if (n->type != NODE_FIELD && n->type != NODE_VARIABLE) {
		chain = tp_node(p, NODE_CHAIN, tp_peek(p));
		chain->pipe = n;
	}
	chain->pos = tp_peek(p)->pos; /* where Go says such a node stands */
	while (tp_peek(p)->type == TOK_FIELD)
		ident_add(p, chain, behind_dot(tp_next(p)->val));
	return chain;
}

static struct tmpl_node *parse_command(struct tmpl_parser *p)
{
	struct tmpl_node *cmd = tp_node(p, NODE_COMMAND, tp_peek_nonspace(p));
	for (;;) {
		skip_space(p);
		struct tmpl_node *n = parse_operand(p);
		if (p->error)
			return NULL;
		if (n)
			tp_add(p, cmd, n);
		const struct tmpl_token *t = tp_next(p);
		if (t->type == TOK_SPACE)
			continue;
		if (t->type == TOK_RIGHT || t->type == TOK_RPAREN)
			p->at--;
		else if (t->type != TOK_PIPE)
			return tp_unexpected(p, t, "operand");
		break;
	}
	return cmd->n_kids ? cmd : tp_fail(p, "empty command");
}

/* `$x :=`, `$x =`, in a range also `$i, $x :=`. False on failure. */
static bool parse_declarations(struct tmpl_parser *p, struct tmpl_node *pipe, const char *context)
{
	for (;;) {
		size_t back = p->at;
		const struct tmpl_token *v = tp_peek_nonspace(p);
		if (v->type != TOK_VARIABLE)
			return true;
		tp_next(p);
		const struct tmpl_token *t = tp_peek_nonspace(p);
		bool comma = t->type == TOK_CHAR && sv_eqs(t->val, ",");
		if (t->type != TOK_ASSIGN && t->type != TOK_DECLARE && !comma) {
			p->at = back;
			return true;
		}
		tp_next_nonspace(p);
		if (pipe->n_decl == ARRAY_SIZE(pipe->decl)) {
			tp_fail(p, "too many declarations in %s", context);
			return false;
		}
		struct tmpl_node *d = tp_node(p, NODE_VARIABLE, v);
		ident_add(p, d, v->val);
		pipe->decl[pipe->n_decl++] = d;
		tp_var_push(p, v->val);
		if (!comma) {
			pipe->is_assign = t->type == TOK_ASSIGN;
			return true;
		}
		if (strcmp(context, "range") || pipe->n_decl == 2) {
			tp_fail(p, "too many declarations in %s", context);
			return false;
		}
		t = tp_peek_nonspace(p);
		if (t->type != TOK_VARIABLE && t->type != TOK_RIGHT && t->type != TOK_RPAREN) {
			tp_fail(p, "range can only initialize variables");
			return false;
		}
	}
}

struct tmpl_node *tp_pipeline(struct tmpl_parser *p, const char *context, enum tok end)
{
	struct tmpl_node *pipe = tp_node(p, NODE_PIPE, tp_peek_nonspace(p));
	if (!parse_declarations(p, pipe, context))
		return NULL;
	for (;;) {
		const struct tmpl_token *t = tp_next_nonspace(p);
		switch (t->type) {
		case TOK_BOOL:
		case TOK_CHAR_CONSTANT:
		case TOK_COMPLEX:
		case TOK_DOT:
		case TOK_FIELD:
		case TOK_IDENT:
		case TOK_NUMBER:
		case TOK_NIL:
		case TOK_RAW_STRING:
		case TOK_STRING:
		case TOK_VARIABLE:
		case TOK_LPAREN:
			p->at--;
			struct tmpl_node *cmd = parse_command(p);
			if (!cmd)
				return NULL;
			tp_add(p, pipe, cmd);
			break;
		default:
			if (t->type != end)
				return tp_unexpected(p, t, context);
			if (!pipe->n_kids)
				return tp_fail(p, "missing value for %s", context);
			for (size_t i = 1; i < pipe->n_kids; i++) {
				enum node_type k = pipe->kids[i]->kids[0]->type;
				if (k == NODE_BOOL || k == NODE_DOT || k == NODE_NIL || k == NODE_NUMBER ||
				    k == NODE_STRING)
					return tp_fail(p, "non executable command in pipeline stage %zu",
						       i + 1);
			}
			return pipe;
		}
	}
}
