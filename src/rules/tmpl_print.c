// SPDX-License-Identifier: GPL-2.0-or-later
/* A node as text, as execution errors quote it. */
#include "rules/tmpl.h"

#include "model/text.h"

static void print_joined(struct tmpl_node *const *kids, size_t n, const char *sep, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_adds(out, sep);
		bool parens = kids[i]->type == NODE_PIPE;
		if (parens)
			buf_addc(out, '(');
		tmpl_node_print(kids[i], out);
		if (parens)
			buf_addc(out, ')');
	}
}

static void print_control(const struct tmpl_node *n, const char *word, struct buf *out)
{
	buf_addf(out, "{{%s ", word);
	tmpl_node_print(n->pipe, out);
	buf_adds(out, "}}");
	tmpl_node_print(n->list, out);
	if (n->otherwise) {
		buf_adds(out, "{{else}}");
		tmpl_node_print(n->otherwise, out);
	}
	buf_adds(out, "{{end}}");
}

void tmpl_node_print(const struct tmpl_node *n, struct buf *out)
{
	switch (n->type) {
	case NODE_LIST:
		print_joined(n->kids, n->n_kids, "", out);
		break;
	case NODE_ACTION:
		buf_adds(out, "{{");
		tmpl_node_print(n->pipe, out);
		buf_adds(out, "}}");
		break;
	case NODE_PIPE:
		print_joined(n->decl, n->n_decl, ", ", out);
		if (n->n_decl)
			buf_adds(out, n->is_assign ? " = " : " := ");
		print_joined(n->kids, n->n_kids, " | ", out);
		break;
	case NODE_COMMAND:
		print_joined(n->kids, n->n_kids, " ", out);
		break;
	case NODE_CHAIN:
		if (n->pipe->type == NODE_PIPE)
			buf_addc(out, '(');
		tmpl_node_print(n->pipe, out);
		if (n->pipe->type == NODE_PIPE)
			buf_addc(out, ')');
		/* fallthrough */
	case NODE_FIELD:
	case NODE_VARIABLE:
		for (size_t i = 0; i < n->n_ident; i++) {
			if (i || n->type != NODE_VARIABLE)
				buf_addc(out, '.');
			buf_addsv(out, n->ident[i]);
		}
		break;
	case NODE_TEXT:
	case NODE_IDENT:
	case NODE_BOOL:
	case NODE_NUMBER:
	case NODE_STRING:
		buf_addsv(out, n->text);
		break;
	case NODE_DOT:
		buf_addc(out, '.');
		break;
	case NODE_NIL:
		buf_adds(out, "nil");
		break;
	case NODE_IF:
		print_control(n, "if", out);
		break;
	case NODE_WITH:
		print_control(n, "with", out);
		break;
	case NODE_RANGE:
		print_control(n, "range", out);
		break;
	case NODE_TEMPLATE:
		buf_adds(out, "{{template ");
		text_go_quote(n->str, out);
		if (n->pipe) {
			buf_addc(out, ' ');
			tmpl_node_print(n->pipe, out);
		}
		buf_adds(out, "}}");
		break;
	case NODE_BREAK:
		buf_adds(out, "{{break}}");
		break;
	case NODE_CONTINUE:
		buf_adds(out, "{{continue}}");
		break;
	case NODE_END:
		buf_adds(out, "{{end}}");
		break;
	case NODE_ELSE:
		buf_adds(out, "{{else}}");
		break;
	}
}
