// SPDX-License-Identifier: GPL-2.0-or-later
/* Tokens to a tree: Go's text/template/parse, with its messages. Here the statements: text, control
 * structures, templates in templates. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "rules/tmpl_parser.h"

static struct tmpl_node *parse_text_or_action(struct tmpl_parser *p);

/* Items up to {{end}} or {{else}}, which goes to *END. */
static struct tmpl_node *parse_list(struct tmpl_parser *p, struct tmpl_node **end)
{
	struct tmpl_node *list = tp_node(p, NODE_LIST, tp_peek_nonspace(p));
	while (tp_peek_nonspace(p)->type != TOK_EOF) {
		struct tmpl_node *n = parse_text_or_action(p);
		if (!n)
			return NULL;
		if (n->type == NODE_END || n->type == NODE_ELSE) {
			*end = n;
			return list;
		}
		tp_add(p, list, n);
	}
	return tp_fail(p, "unexpected EOF");
}

static struct tmpl_node *parse_control(struct tmpl_parser *p, enum node_type type,
				       const struct tmpl_token *word, const char *context)
{
	struct tmpl_node *n = tp_node(p, type, word), *end = NULL;
	size_t vars = p->n_vars;
	if (!tp_enter(p))
		return NULL;
	n->pipe = tp_pipeline(p, context, TOK_RIGHT);
	if (!n->pipe)
		return NULL;
	p->range_depth += type == NODE_RANGE;
	n->list = parse_list(p, &end);
	p->range_depth -= type == NODE_RANGE;
	if (!n->list)
		return NULL;
	if (end->type == NODE_ELSE) {
		/* {{else if x}} is {{else}}{{if x}} with one {{end}} for both; so is {{else with x}}. */
		const struct tmpl_token *t = tp_peek_nonspace(p);
		if ((type == NODE_IF && t->type == TOK_IF) || (type == NODE_WITH && t->type == TOK_WITH)) {
			tp_next(p);
			n->otherwise = tp_node(p, NODE_LIST, t);
			struct tmpl_node *inner = parse_control(p, type, t, context);
			if (!inner)
				return NULL;
			tp_add(p, n->otherwise, inner);
		} else {
			if (t->type == TOK_IF || t->type == TOK_WITH)
				return tp_unexpected(p, tp_next_nonspace(p), "input");
			if (!tp_expect(p, TOK_RIGHT, "else"))
				return NULL;
			n->otherwise = parse_list(p, &end);
			if (!n->otherwise)
				return NULL;
			if (end->type != NODE_END)
				return tp_fail(p, "expected end; found {{else}}");
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

static bool parse_name(struct tmpl_parser *p, const char *context, struct sv *name, struct tmpl_node *n)
{
	const struct tmpl_token *t = tp_next_nonspace(p);
	if (t->type != TOK_STRING && t->type != TOK_RAW_STRING) {
		tp_unexpected(p, t, context);
		return false;
	}
	if (n) {
		n->text = t->val;
		n->pos = t->pos;
	}
	if (!tmpl_unquote(&p->t->arena, t->val, name)) {
		tp_fail(p, "invalid syntax");
		return false;
	}
	return true;
}

/* The body of {{define}} or {{block}}: its own variables, its own tree. */
static bool parse_body(struct tmpl_parser *p, struct sv name, const char *context)
{
	struct tmpl_node *end = NULL;
	struct sv *vars = p->vars;
	size_t n_vars = p->n_vars, cap = p->cap_vars;
	int range_depth = p->range_depth;
	p->vars = NULL;
	p->n_vars = p->cap_vars = 0;
	p->range_depth = 0;
	tp_var_push(p, SV("$"));
	if (!tp_enter(p))
		return false;
	struct tmpl_node *list = parse_list(p, &end);
	if (!list)
		return false;
	if (end->type != NODE_END) {
		tp_fail(p, "unexpected {{else}} in %s", context);
		return false;
	}
	p->depth--;
	p->vars = vars;
	p->n_vars = n_vars;
	p->cap_vars = cap;
	p->range_depth = range_depth;
	struct tmpl_define *old = find_define(p->t, name);
	if (old && !is_blank_list(list) && !is_blank_list(old->root)) {
		tp_fail(p, "template: multiple definition of template \"%.*s\"", SV_ARG(name));
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

static struct tmpl_node *parse_template(struct tmpl_parser *p, const struct tmpl_token *word, bool block)
{
	struct tmpl_node *n = tp_node(p, NODE_TEMPLATE, word);
	const char *context = block ? "block clause" : "template clause";
	if (!parse_name(p, context, &n->str, n))
		return NULL;
	if (block || tp_peek_nonspace(p)->type != TOK_RIGHT) {
		n->pipe = tp_pipeline(p, context, TOK_RIGHT);
		if (!n->pipe)
			return NULL;
	} else {
		tp_next(p);
	}
	return !block || parse_body(p, n->str, context) ? n : NULL;
}

static struct tmpl_node *parse_action(struct tmpl_parser *p)
{
	const struct tmpl_token *t = tp_next_nonspace(p);
	struct tmpl_node *n;
	switch (t->type) {
	case TOK_BLOCK:
		return parse_template(p, t, true);
	case TOK_TEMPLATE:
		return parse_template(p, t, false);
	case TOK_BREAK:
	case TOK_CONTINUE: {
		const struct tmpl_token *end = tp_next_nonspace(p);
		if (end->type != TOK_RIGHT)
			return tp_unexpected(p, end, t->type == TOK_BREAK ? "{{break}}" : "{{continue}}");
		if (!p->range_depth)
			return tp_fail(p, "{{%.*s}} outside {{range}}", SV_ARG(t->val));
		return tp_node(p, t->type == TOK_BREAK ? NODE_BREAK : NODE_CONTINUE, t);
	}
	case TOK_ELSE: {
		/* A following `if` or `with` is left for the control structure this belongs to. */
		const struct tmpl_token *after = tp_peek_nonspace(p);
		if (after->type != TOK_IF && after->type != TOK_WITH && after->type != TOK_RIGHT)
			return tp_unexpected(p, tp_next(p), "else");
		return tp_node(p, NODE_ELSE, t);
	}
	case TOK_END:
		return tp_expect(p, TOK_RIGHT, "end") ? tp_node(p, NODE_END, t) : NULL;
	case TOK_IF:
		return parse_control(p, NODE_IF, t, "if");
	case TOK_RANGE:
		return parse_control(p, NODE_RANGE, t, "range");
	case TOK_WITH:
		return parse_control(p, NODE_WITH, t, "with");
	default:
		p->at--;
		n = tp_node(p, NODE_ACTION, t);
		n->pipe = tp_pipeline(p, "command", TOK_RIGHT);
		return n->pipe ? n : NULL;
	}
}

static struct tmpl_node *parse_text_or_action(struct tmpl_parser *p)
{
	const struct tmpl_token *t = tp_next_nonspace(p);
	struct tmpl_node *n;
	switch (t->type) {
	case TOK_TEXT:
		return tp_node(p, NODE_TEXT, t);
	case TOK_LEFT:
		p->action_line = t->line;
		n = parse_action(p);
		p->action_line = 0;
		return n;
	default:
		return tp_unexpected(p, t, "input");
	}
}

static void parse_top(struct tmpl_parser *p)
{
	struct tmpl_node *root = tp_node(p, NODE_LIST, tp_peek(p));
	p->t->defs[0].root = root;
	while (!p->error && tp_peek(p)->type != TOK_EOF) {
		size_t back = p->at;
		if (tp_peek(p)->type == TOK_LEFT) {
			tp_next(p);
			if (tp_next_nonspace(p)->type == TOK_DEFINE) {
				struct sv name;
				if (!parse_name(p, "define clause", &name, NULL) ||
				    !tp_expect(p, TOK_RIGHT, "define clause") ||
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
			tp_fail(p, "unexpected {{%s}}", n->type == NODE_END ? "end" : "else");
			return;
		}
		tp_add(p, root, n);
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
	struct tmpl_parser p = {.t = t};
	p.tok = tmpl_lex(&t->arena, t->text, &p.n_tok);
	tmpl_grow(&t->arena, t->defs, t->n_defs, t->cap_defs);
	t->defs[t->n_defs++] = (struct tmpl_define){t->name, NULL};
	tp_var_push(&p, SV("$"));
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
	arena_free(&t->arena.mem);
	free(t);
}
