// SPDX-License-Identifier: GPL-2.0-or-later
/* Tokens to a tree: Go's text/template/parse, with its messages. */
#include "rules/tmpl.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"

struct parser {
	struct template *t;
	struct tmpl_token *tok;
	size_t n_tok, at, furthest;
	struct sv *vars;
	size_t n_vars, cap_vars;
	int range_depth, depth, action_line;
	char *error;
};

/* A token that was not read yet when the parser fails does not move the line in the message. */
static const struct tmpl_token *token_at(struct parser *p, size_t i)
{
	if (i >= p->n_tok)
		i = p->n_tok - 1;
	if (i > p->furthest)
		p->furthest = i;
	return &p->tok[i];
}

static const struct tmpl_token *next(struct parser *p)
{
	return token_at(p, p->at++);
}

static const struct tmpl_token *peek(struct parser *p)
{
	return token_at(p, p->at);
}

static void skip_space(struct parser *p)
{
	while (peek(p)->type == TOK_SPACE)
		p->at++;
}

static const struct tmpl_token *next_nonspace(struct parser *p)
{
	skip_space(p);
	return next(p);
}

static const struct tmpl_token *peek_nonspace(struct parser *p)
{
	skip_space(p);
	return peek(p);
}

static struct tmpl_node *fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static struct tmpl_node *fail(struct parser *p, const char *fmt, ...)
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

static struct tmpl_node *unexpected(struct parser *p, const struct tmpl_token *t, const char *context)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	print_token(t, &b);
	if (t->type != TOK_ERROR)
		return fail(p, "unexpected %s in %s", buf_str(&b), context);
	if (p->action_line && p->action_line != t->line) {
		bool is_action = b.n > 7 && !strcmp(b.p + b.n - 7, " action");
		buf_addf(&b, "%s started at %.*s:%d", is_action ? "" : " in action", SV_ARG(p->t->name),
			 p->action_line);
	}
	return fail(p, "%s", buf_str(&b));
}

static const struct tmpl_token *expect(struct parser *p, enum tok type, const char *context)
{
	const struct tmpl_token *t = next_nonspace(p);
	if (t->type != type) {
		unexpected(p, t, context);
		return NULL;
	}
	return t;
}

static struct tmpl_node *node_new(struct parser *p, enum node_type type, const struct tmpl_token *t)
{
	struct tmpl_node *n = tmpl_alloc(&p->t->arena, sizeof(*n));
	n->type = type;
	n->pos = t->pos;
	n->text = t->val;
	return n;
}

static void node_add(struct parser *p, struct tmpl_node *parent, struct tmpl_node *kid)
{
	tmpl_grow(&p->t->arena, parent->kids, parent->n_kids, parent->cap_kids);
	parent->kids[parent->n_kids++] = kid;
}

static void ident_add(struct parser *p, struct tmpl_node *n, struct sv name)
{
	tmpl_grow(&p->t->arena, n->ident, n->n_ident, n->cap_ident);
	n->ident[n->n_ident++] = name;
}

static void var_push(struct parser *p, struct sv name)
{
	tmpl_grow(&p->t->arena, p->vars, p->n_vars, p->cap_vars);
	p->vars[p->n_vars++] = name;
}

/* Deep nesting is refused before it can hurt the C stack. */
static bool enter(struct parser *p)
{
	if (++p->depth <= TEMPLATE_MAX_DEPTH)
		return true;
	fail(p, "exceeded maximum nesting depth (%d)", TEMPLATE_MAX_DEPTH);
	return false;
}

static struct tmpl_node *parse_pipeline(struct parser *p, const char *context, enum tok end);

static bool strip_underscores(struct sv s, char out[64])
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '_')
			continue;
		if (n == 63)
			return false;
		out[n++] = s.p[i];
	}
	out[n] = 0;
	return n > 0;
}

static bool parse_uint(const char *s, uint64_t *u)
{
	int base = 10;
	char *end;
	if (s[0] == '0' && s[1]) {
		char c = s[1] | 0x20;
		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	if (!*s || *s == '+' || *s == '-' || *s == ' ')
		return false;
	errno = 0;
	*u = strtoull(s, &end, base);
	return !*end && !errno;
}

static struct tmpl_node *parse_number(struct parser *p, const struct tmpl_token *t)
{
	struct tmpl_node *n = node_new(p, NODE_NUMBER, t);
	char s[64];
	if (t->type == TOK_CHAR_CONSTANT) {
		uint32_t cp;
		if (!tmpl_unquote_char(t->val, &cp))
			return fail(p, "malformed character constant: %.*s", SV_ARG(t->val));
		n->i = cp;
		n->u = cp;
		n->f = cp;
		n->is_int = n->is_uint = n->is_float = true;
		return n;
	}
	if (!strip_underscores(t->val, s) || s[strlen(s) - 1] == 'i')
		return fail(p, "illegal number syntax: \"%.*s\"", SV_ARG(t->val));
	const char *digits = s[0] == '+' || s[0] == '-' ? s + 1 : s;
	if (parse_uint(digits, &n->u)) {
		bool neg = s[0] == '-';
		n->is_uint = !neg && digits == s;
		n->is_int = n->u <= (uint64_t)INT64_MAX || (neg && n->u == (uint64_t)INT64_MAX + 1);
		if (n->is_int)
			n->i = neg ? (int64_t)(0 - n->u) : (int64_t)n->u;
		n->is_float = n->is_int || n->is_uint;
		n->f = n->is_int ? (double)n->i : (double)n->u;
		if (n->is_float)
			return n;
	}
	if (!strpbrk(s, ".eEpP") && strspn(digits, "0123456789abcdefABCDEFxXoO") == strlen(digits) && *digits)
		return strspn(digits, "0123456789") == strlen(digits)
			   ? fail(p, "integer overflow: \"%.*s\"", SV_ARG(t->val))
			   : fail(p, "illegal number syntax: \"%.*s\"", SV_ARG(t->val));
	if (!text_parse_float(sv_of(s), &n->f) || isinf(n->f))
		return fail(p, "illegal number syntax: \"%.*s\"", SV_ARG(t->val));
	n->is_float = true;
	if (n->f > -9e18 && n->f < 9e18 && n->f == (double)(int64_t)n->f) { /* 1e3 may stand where an int is wanted */
		n->is_int = true;
		n->i = (int64_t)n->f;
	}
	return n;
}

static struct sv behind_dot(struct sv s)
{
	return sv_make(s.p + 1, s.n - 1);
}

static struct tmpl_node *parse_term(struct parser *p)
{
	const struct tmpl_token *t = next_nonspace(p);
	struct tmpl_node *n;
	switch (t->type) {
	case TOK_IDENT:
		if (!tmpl_has_function(t->val)) {
			_cleanup_buf_ struct buf q = BUF_INIT;
			text_go_quote(t->val, &q);
			return fail(p, "function %s not defined", buf_str(&q));
		}
		return node_new(p, NODE_IDENT, t);
	case TOK_DOT:
		return node_new(p, NODE_DOT, t);
	case TOK_NIL:
		return node_new(p, NODE_NIL, t);
	case TOK_VARIABLE:
		for (size_t i = 0; i < p->n_vars; i++)
			if (sv_eq(p->vars[i], t->val)) {
				n = node_new(p, NODE_VARIABLE, t);
				ident_add(p, n, t->val);
				return n;
			}
		return fail(p, "undefined variable \"%.*s\"", SV_ARG(t->val));
	case TOK_FIELD:
		n = node_new(p, NODE_FIELD, t);
		ident_add(p, n, behind_dot(t->val));
		return n;
	case TOK_BOOL:
		n = node_new(p, NODE_BOOL, t);
		n->truth = sv_eqs(t->val, "true");
		return n;
	case TOK_CHAR_CONSTANT:
	case TOK_NUMBER:
		return parse_number(p, t);
	case TOK_LPAREN:
		if (!enter(p))
			return NULL;
		n = parse_pipeline(p, "parenthesized pipeline", TOK_RPAREN);
		p->depth--;
		return n;
	case TOK_STRING:
	case TOK_RAW_STRING:
		n = node_new(p, NODE_STRING, t);
		if (!tmpl_unquote(&p->t->arena, t->val, &n->str))
			return fail(p, "invalid syntax");
		return n;
	default:
		p->at--;
		return NULL;
	}
}

static struct tmpl_node *parse_operand(struct parser *p)
{
	struct tmpl_node *n = parse_term(p);
	if (!n || peek(p)->type != TOK_FIELD)
		return n;
	struct tmpl_node *chain = n;
	if (n->type == NODE_BOOL || n->type == NODE_STRING || n->type == NODE_NUMBER || n->type == NODE_NIL ||
	    n->type == NODE_DOT) {
		_cleanup_buf_ struct buf b = BUF_INIT, q = BUF_INIT;
		next(p);
		tmpl_node_print(n, &b);
		text_go_quote(sv_make(buf_str(&b), b.n), &q);
		return fail(p, "unexpected . after term %s", buf_str(&q));
	}
	if (n->type != NODE_FIELD && n->type != NODE_VARIABLE) {
		chain = node_new(p, NODE_CHAIN, peek(p));
		chain->pipe = n;
	}
	chain->pos = peek(p)->pos; /* where Go says such a node stands */
	while (peek(p)->type == TOK_FIELD)
		ident_add(p, chain, behind_dot(next(p)->val));
	return chain;
}

static struct tmpl_node *parse_command(struct parser *p)
{
	struct tmpl_node *cmd = node_new(p, NODE_COMMAND, peek_nonspace(p));
	for (;;) {
		skip_space(p);
		struct tmpl_node *n = parse_operand(p);
		if (p->error)
			return NULL;
		if (n)
			node_add(p, cmd, n);
		const struct tmpl_token *t = next(p);
		if (t->type == TOK_SPACE)
			continue;
		if (t->type == TOK_RIGHT || t->type == TOK_RPAREN)
			p->at--;
		else if (t->type != TOK_PIPE)
			return unexpected(p, t, "operand");
		break;
	}
	return cmd->n_kids ? cmd : fail(p, "empty command");
}

/* `$x :=`, `$x =`, in a range also `$i, $x :=`. False on failure. */
static bool parse_declarations(struct parser *p, struct tmpl_node *pipe, const char *context)
{
	for (;;) {
		size_t back = p->at;
		const struct tmpl_token *v = peek_nonspace(p);
		if (v->type != TOK_VARIABLE)
			return true;
		next(p);
		const struct tmpl_token *t = peek_nonspace(p);
		bool comma = t->type == TOK_CHAR && sv_eqs(t->val, ",");
		if (t->type != TOK_ASSIGN && t->type != TOK_DECLARE && !comma) {
			p->at = back;
			return true;
		}
		next_nonspace(p);
		if (pipe->n_decl == ARRAY_SIZE(pipe->decl)) {
			fail(p, "too many declarations in %s", context);
			return false;
		}
		struct tmpl_node *d = node_new(p, NODE_VARIABLE, v);
		ident_add(p, d, v->val);
		pipe->decl[pipe->n_decl++] = d;
		var_push(p, v->val);
		if (!comma) {
			pipe->is_assign = t->type == TOK_ASSIGN;
			return true;
		}
		if (strcmp(context, "range") || pipe->n_decl == 2) {
			fail(p, "too many declarations in %s", context);
			return false;
		}
		t = peek_nonspace(p);
		if (t->type != TOK_VARIABLE && t->type != TOK_RIGHT && t->type != TOK_RPAREN) {
			fail(p, "range can only initialize variables");
			return false;
		}
	}
}

static struct tmpl_node *parse_pipeline(struct parser *p, const char *context, enum tok end)
{
	struct tmpl_node *pipe = node_new(p, NODE_PIPE, peek_nonspace(p));
	if (!parse_declarations(p, pipe, context))
		return NULL;
	for (;;) {
		const struct tmpl_token *t = next_nonspace(p);
		switch (t->type) {
		case TOK_BOOL:
		case TOK_CHAR_CONSTANT:
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
			node_add(p, pipe, cmd);
			break;
		default:
			if (t->type != end)
				return unexpected(p, t, context);
			if (!pipe->n_kids)
				return fail(p, "missing value for %s", context);
			for (size_t i = 1; i < pipe->n_kids; i++) {
				enum node_type k = pipe->kids[i]->kids[0]->type;
				if (k == NODE_BOOL || k == NODE_DOT || k == NODE_NIL || k == NODE_NUMBER ||
				    k == NODE_STRING)
					return fail(p, "non executable command in pipeline stage %zu", i + 1);
			}
			return pipe;
		}
	}
}

static struct tmpl_node *parse_text_or_action(struct parser *p);

/* Items up to {{end}} or {{else}}, which goes to *END. */
static struct tmpl_node *parse_list(struct parser *p, struct tmpl_node **end)
{
	struct tmpl_node *list = node_new(p, NODE_LIST, peek_nonspace(p));
	while (peek_nonspace(p)->type != TOK_EOF) {
		struct tmpl_node *n = parse_text_or_action(p);
		if (!n)
			return NULL;
		if (n->type == NODE_END || n->type == NODE_ELSE) {
			*end = n;
			return list;
		}
		node_add(p, list, n);
	}
	return fail(p, "unexpected EOF");
}

static struct tmpl_node *parse_control(struct parser *p, enum node_type type, const struct tmpl_token *word,
				       const char *context)
{
	struct tmpl_node *n = node_new(p, type, word), *end = NULL;
	size_t vars = p->n_vars;
	if (!enter(p))
		return NULL;
	n->pipe = parse_pipeline(p, context, TOK_RIGHT);
	if (!n->pipe)
		return NULL;
	p->range_depth += type == NODE_RANGE;
	n->list = parse_list(p, &end);
	p->range_depth -= type == NODE_RANGE;
	if (!n->list)
		return NULL;
	if (end->type == NODE_ELSE) {
		/* {{else if x}} is {{else}}{{if x}} with one {{end}} for both; so is {{else with x}}. */
		const struct tmpl_token *t = peek_nonspace(p);
		if ((type == NODE_IF && t->type == TOK_IF) || (type == NODE_WITH && t->type == TOK_WITH)) {
			next(p);
			n->otherwise = node_new(p, NODE_LIST, t);
			struct tmpl_node *inner = parse_control(p, type, t, context);
			if (!inner)
				return NULL;
			node_add(p, n->otherwise, inner);
		} else {
			if (!expect(p, TOK_RIGHT, "else"))
				return NULL;
			n->otherwise = parse_list(p, &end);
			if (!n->otherwise)
				return NULL;
			if (end->type != NODE_END)
				return fail(p, "expected end; found {{else}}");
		}
	}
	p->n_vars = vars;
	p->depth--;
	return n;
}

static struct tmpl_define *find_define(struct template *t, struct sv name)
{
	for (size_t i = 0; i < t->n_defs; i++)
		if (sv_eq(t->defs[i].name, name))
			return &t->defs[i];
	return NULL;
}

static bool is_blank_list(const struct tmpl_node *list)
{
	for (size_t i = 0; i < list->n_kids; i++) {
		const struct tmpl_node *k = list->kids[i];
		if (k->type != NODE_TEXT)
			return false;
		for (size_t j = 0; j < k->text.n; j++)
			if (!strchr(" \t\r\n", k->text.p[j]))
				return false;
	}
	return true;
}

static bool parse_name(struct parser *p, const char *context, struct sv *name, struct tmpl_node *n)
{
	const struct tmpl_token *t = next_nonspace(p);
	if (t->type != TOK_STRING && t->type != TOK_RAW_STRING) {
		unexpected(p, t, context);
		return false;
	}
	if (n) {
		n->text = t->val;
		n->pos = t->pos;
	}
	if (!tmpl_unquote(&p->t->arena, t->val, name)) {
		fail(p, "invalid syntax");
		return false;
	}
	return true;
}

/* The body of {{define}} or {{block}}: its own variables, its own tree. */
static bool parse_body(struct parser *p, struct sv name, const char *context)
{
	struct tmpl_node *end = NULL;
	struct sv *vars = p->vars;
	size_t n_vars = p->n_vars, cap = p->cap_vars;
	int range_depth = p->range_depth;
	p->vars = NULL;
	p->n_vars = p->cap_vars = 0;
	p->range_depth = 0;
	var_push(p, SV("$"));
	if (!enter(p))
		return false;
	struct tmpl_node *list = parse_list(p, &end);
	if (!list)
		return false;
	if (end->type != NODE_END) {
		fail(p, "unexpected {{else}} in %s", context);
		return false;
	}
	p->depth--;
	p->vars = vars;
	p->n_vars = n_vars;
	p->cap_vars = cap;
	p->range_depth = range_depth;
	struct tmpl_define *old = find_define(p->t, name);
	if (old && !is_blank_list(list) && !is_blank_list(old->root)) {
		fail(p, "template: multiple definition of template \"%.*s\"", SV_ARG(name));
		return false;
	}
	if (old) {
		if (is_blank_list(old->root))
			old->root = list;
		return true;
	}
	tmpl_grow(&p->t->arena, p->t->defs, p->t->n_defs, p->t->cap_defs);
	p->t->defs[p->t->n_defs++] = (struct tmpl_define){name, list};
	return true;
}

static struct tmpl_node *parse_template(struct parser *p, const struct tmpl_token *word, bool block)
{
	struct tmpl_node *n = node_new(p, NODE_TEMPLATE, word);
	const char *context = block ? "block clause" : "template clause";
	if (!parse_name(p, context, &n->str, n))
		return NULL;
	if (block || peek_nonspace(p)->type != TOK_RIGHT) {
		n->pipe = parse_pipeline(p, context, TOK_RIGHT);
		if (!n->pipe)
			return NULL;
	} else {
		next(p);
	}
	return !block || parse_body(p, n->str, context) ? n : NULL;
}

static struct tmpl_node *parse_action(struct parser *p)
{
	const struct tmpl_token *t = next_nonspace(p);
	struct tmpl_node *n;
	switch (t->type) {
	case TOK_BLOCK:
		return parse_template(p, t, true);
	case TOK_TEMPLATE:
		return parse_template(p, t, false);
	case TOK_BREAK:
	case TOK_CONTINUE: {
		const struct tmpl_token *end = next_nonspace(p);
		if (end->type != TOK_RIGHT)
			return unexpected(p, end, t->type == TOK_BREAK ? "{{break}}" : "{{continue}}");
		if (!p->range_depth)
			return fail(p, "{{%.*s}} outside {{range}}", SV_ARG(t->val));
		return node_new(p, t->type == TOK_BREAK ? NODE_BREAK : NODE_CONTINUE, t);
	}
	case TOK_ELSE: {
		/* A following `if` or `with` is left for the control structure this belongs to. */
		const struct tmpl_token *after = peek_nonspace(p);
		if (after->type != TOK_IF && after->type != TOK_WITH && after->type != TOK_RIGHT)
			return unexpected(p, next(p), "else");
		return node_new(p, NODE_ELSE, t);
	}
	case TOK_END:
		return expect(p, TOK_RIGHT, "end") ? node_new(p, NODE_END, t) : NULL;
	case TOK_IF:
		return parse_control(p, NODE_IF, t, "if");
	case TOK_RANGE:
		return parse_control(p, NODE_RANGE, t, "range");
	case TOK_WITH:
		return parse_control(p, NODE_WITH, t, "with");
	default:
		p->at--;
		n = node_new(p, NODE_ACTION, t);
		n->pipe = parse_pipeline(p, "command", TOK_RIGHT);
		return n->pipe ? n : NULL;
	}
}

static struct tmpl_node *parse_text_or_action(struct parser *p)
{
	const struct tmpl_token *t = next_nonspace(p);
	struct tmpl_node *n;
	switch (t->type) {
	case TOK_TEXT:
		return node_new(p, NODE_TEXT, t);
	case TOK_LEFT:
		p->action_line = t->line;
		n = parse_action(p);
		p->action_line = 0;
		return n;
	default:
		return unexpected(p, t, "input");
	}
}

static void parse_top(struct parser *p)
{
	struct tmpl_node *root = node_new(p, NODE_LIST, peek(p));
	p->t->defs[0].root = root;
	while (!p->error && peek(p)->type != TOK_EOF) {
		size_t back = p->at;
		if (peek(p)->type == TOK_LEFT) {
			next(p);
			if (next_nonspace(p)->type == TOK_DEFINE) {
				struct sv name;
				if (!parse_name(p, "define clause", &name, NULL) ||
				    !expect(p, TOK_RIGHT, "define clause") ||
				    !parse_body(p, name, "define clause"))
					return;
				continue;
			}
			p->at = back;
		}
		struct tmpl_node *n = parse_text_or_action(p);
		if (!n)
			return;
		if (n->type == NODE_END || n->type == NODE_ELSE) {
			fail(p, "unexpected {{%s}}", n->type == NODE_END ? "end" : "else");
			return;
		}
		node_add(p, root, n);
	}
}

int template_parse(const char *name, struct sv text, struct template **out, char **error)
{
	static const char preamble[] = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
				       "{{$externalURL := .ExternalURL}}{{$value := .Value}}";
	if (text.n > TEMPLATE_MAX_TEXT) {
		*error = xasprintf("template: %s:1: text longer than %zu bytes", name, TEMPLATE_MAX_TEXT);
		return -EINVAL;
	}
	struct template *t = xcalloc(1, sizeof(*t));
	t->arena.max = SIZE_MAX; /* the tree is a small multiple of the text */
	t->name = tmpl_dup(&t->arena, sv_of(name));
	t->text = tmpl_dupf(&t->arena, "%s%.*s", preamble, SV_ARG(text));
	struct parser p = {.t = t};
	p.tok = tmpl_lex(&t->arena, t->text, &p.n_tok);
	tmpl_grow(&t->arena, t->defs, t->n_defs, t->cap_defs);
	t->defs[t->n_defs++] = (struct tmpl_define){t->name, NULL};
	var_push(&p, SV("$"));
	parse_top(&p);
	if (p.error) {
		*error = p.error;
		template_free(t);
		return -EINVAL;
	}
	*out = t;
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	struct tmpl_arena a = t->arena;
	tmpl_arena_free(&a);
	free(t);
}
