// SPDX-License-Identifier: GPL-2.0-or-later
/* The walk over the tree. Every step is counted, every failure names the node it happened at; after a failure
 * all functions return at once with V_MISSING. */
#include "rules/tmpl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

static const struct value missing = {.kind = V_MISSING};

static struct value exec_fail(struct tmpl_exec *ex, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static struct value exec_fail(struct tmpl_exec *ex, const char *fmt, ...)
{
	if (ex->error)
		return missing;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *msg = xvasprintf(fmt, ap);
	va_end(ap);
	_cleanup_buf_ struct buf context = BUF_LIMIT(TEMPLATE_MAX_OUTPUT), name = BUF_INIT;
	text_go_quote(ex->def->name, &name);
	if (!ex->at) {
		ex->error = xasprintf("template: %.*s: %s", SV_ARG(ex->def->name), msg);
		return missing;
	}
	/* Line from 1, column from 0 on the first line and from 1 on the others: so counts Go. */
	struct sv before = sv_make(ex->t->text.p, ex->at->pos);
	const char *nl = memrchr(before.p, '\n', before.n);
	size_t line = 1, col = before.n - (nl ? (size_t)(nl - before.p) + 1 : 0);
	for (size_t i = 0; i < before.n; i++)
		line += before.p[i] == '\n';
	tmpl_node_print(ex->at, &context);
	ex->error = xasprintf("template: %.*s:%zu:%zu: executing %s at <%s>: %s", SV_ARG(ex->t->name), line,
			      col, buf_str(&name), buf_str(&context), msg);
	return missing;
}

struct value tmpl_fail(struct tmpl_exec *ex, const char *fmt, ...)
{
	if (ex->call_error)
		return missing;
	va_list ap;
	va_start(ap, fmt);
	ex->call_error = xvasprintf(fmt, ap);
	va_end(ap);
	return missing;
}

static bool step(struct tmpl_exec *ex)
{
	if (ex->error)
		return false;
	if (++ex->steps > TEMPLATE_MAX_STEPS)
		exec_fail(ex, "exceeded maximum of %d steps", TEMPLATE_MAX_STEPS);
	else if (ex->arena->full)
		exec_fail(ex, "exceeded maximum memory of %zu bytes", TEMPLATE_MAX_MEMORY);
	else if (ex->out->failed)
		exec_fail(ex, "exceeded maximum output of %zu bytes", TEMPLATE_MAX_OUTPUT);
	return !ex->error;
}

/* Trees nest no deeper than TEMPLATE_MAX_DEPTH, but templates call each other: what is bounded is the C
 * stack. */
#define EXEC_MAX_DEPTH 1000

static void enter(struct tmpl_exec *ex)
{
	if (++ex->depth > EXEC_MAX_DEPTH)
		exec_fail(ex, "exceeded maximum template depth (%d)", EXEC_MAX_DEPTH);
}

static void push_var(struct tmpl_exec *ex, struct sv name, struct value v)
{
	tmpl_grow(ex->arena, ex->vars, ex->n_vars, ex->cap_vars);
	ex->vars[ex->n_vars++] = (struct tmpl_variable){name, v};
}

static struct tmpl_variable *find_var(struct tmpl_exec *ex, struct sv name)
{
	for (size_t i = ex->n_vars; i > 0; i--)
		if (sv_eq(ex->vars[i - 1].name, name))
			return &ex->vars[i - 1];
	return NULL;
}

static struct value eval_pipe(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *pipe);
static struct value eval_arg(struct tmpl_exec *ex, struct value dot, enum ptype p, const struct tmpl_node *n);

static bool not_a_function(struct tmpl_exec *ex, const struct tmpl_node *first, size_t n_args, bool has_final)
{
	if (n_args <= 1 && !has_final)
		return true;
	_cleanup_buf_ struct buf b = BUF_INIT;
	tmpl_node_print(first, &b);
	exec_fail(ex, "can't give argument to non-function %s", buf_str(&b));
	return false;
}

static struct value eval_field(struct tmpl_exec *ex, struct value dot, struct sv name, struct value receiver,
			       const struct tmpl_node *const *args, size_t n_args, const struct value *final)
{
	struct value out = missing;
	bool is_method;
	const char *type = receiver.is_interface ? "interface {}" : tmpl_type(receiver);
	if (receiver.kind == V_NIL && receiver.is_interface)
		return exec_fail(ex, "nil pointer evaluating %s.%.*s", type, SV_ARG(name));
	if (ex->error || receiver.kind == V_MISSING || receiver.kind == V_NIL)
		return missing;
	if (receiver.kind == V_SAMPLE && !receiver.sample)
		return exec_fail(ex, "nil pointer evaluating *template.sample.%.*s", SV_ARG(name));
	if (receiver.kind == V_TIME && sv_eqs(name, "Format")) {
		if (n_args + (final != NULL) != 2)
			return exec_fail(ex, "wrong number of args for Format: want 1 got %zu",
					 n_args - 1 + (final != NULL));
		struct value layout = final ? *final : eval_arg(ex, dot, P_STRING, args[1]);
		if (ex->error || layout.kind != V_STRING)
			return exec_fail(ex, "wrong type for value; expected string; got %s",
					 tmpl_type(layout));
		_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
		tmpl_fmt_time(receiver.i, layout.s, &b);
		return v_string(tmpl_dup(ex->arena, sv_make(buf_str(&b), b.n)));
	}
	bool has_args = n_args > 1 || final;
	if (!tmpl_field(ex->arena, receiver, name, &out, &is_method))
		return exec_fail(ex, "can't evaluate field %.*s in type %s", SV_ARG(name), type);
	if (has_args && is_method)
		return exec_fail(ex, "wrong number of args for %.*s: want 0 got %zu", SV_ARG(name),
				 n_args - (n_args > 0) + (final != NULL));
	if (has_args)
		return receiver.kind == V_LABELS || receiver.kind == V_MAP
			   ? exec_fail(ex, "%.*s is not a method but has arguments", SV_ARG(name))
			   : exec_fail(ex, "%.*s has arguments but cannot be invoked as function",
				       SV_ARG(name));
	return out;
}

static struct value eval_chain(struct tmpl_exec *ex, struct value dot, struct value receiver,
			       const struct tmpl_node *n, size_t from, const struct tmpl_node *const *args,
			       size_t n_args, const struct value *final)
{
	for (size_t i = from; i < n->n_ident && !ex->error; i++) {
		bool last = i + 1 == n->n_ident;
		receiver = eval_field(ex, dot, n->ident[i], receiver, last ? args : NULL, last ? n_args : 0,
				      last ? final : NULL);
	}
	return receiver;
}

static const struct tmpl_func *find_function(struct sv name)
{
	for (const struct tmpl_func *f = tmpl_builtins; f->name; f++)
		if (sv_eqs(name, f->name))
			return f;
	for (const struct tmpl_func *f = tmpl_prom_funcs; f->name; f++)
		if (sv_eqs(name, f->name))
			return f;
	return NULL;
}

bool tmpl_has_function(struct sv name)
{
	return find_function(name) != NULL;
}

static const char *ptype_name(enum ptype p)
{
	switch (p) {
	case P_STRING:
		return "string";
	case P_VECTOR:
		return "template.queryResult";
	case P_SAMPLE:
		return "*template.sample";
	case P_ANY:
		return "interface {}";
	case P_VALUE:
		return "reflect.Value";
	}
	return "";
}

/* Is V of the parameter's type? As Go's validateType. */
static struct value validate(struct tmpl_exec *ex, struct value v, enum ptype p)
{
	if (ex->error || p == P_VALUE)
		return v;
	bool none = v.kind == V_MISSING || v.kind == V_NIL;
	if (none && v.is_interface && p != P_ANY)
		return exec_fail(ex, "wrong type for value; expected %s; got interface {}", ptype_name(p));
	if (none)
		switch (p) {
		case P_VECTOR:
			return (struct value){.kind = V_VECTOR};
		case P_SAMPLE:
			return (struct value){.kind = V_SAMPLE};
		case P_STRING:
			return exec_fail(ex, "invalid value; expected string");
		default:
			return (struct value){.kind = V_NIL};
		}
	if ((p == P_STRING && (v.kind != V_STRING || v.is_html)) || (p == P_VECTOR && v.kind != V_VECTOR) ||
	    (p == P_SAMPLE && v.kind != V_SAMPLE))
		return exec_fail(ex, "wrong type for value; expected %s; got %s", ptype_name(p),
				 tmpl_type(v));
	return v;
}

static struct value ideal_constant(struct tmpl_exec *ex, const struct tmpl_node *n)
{
	ex->at = n;
	if (n->is_complex)
		return (struct value){.kind = V_COMPLEX, .c = n->c};
	bool hex = n->text.n > 2 && n->text.p[0] == '0' && (n->text.p[1] | 0x20) == 'x' &&
		   !memchr(n->text.p, 'p', n->text.n) && !memchr(n->text.p, 'P', n->text.n);
	bool floating = false;
	for (size_t i = 0; i < n->text.n && n->text.p[0] != '\''; i++)
		floating |= n->text.p[i] && strchr(".eEpP", n->text.p[i]);
	if (n->is_float && !hex && floating)
		return v_float(n->f);
	if (n->is_int)
		return v_int(n->i);
	return exec_fail(ex, "%.*s overflows int", SV_ARG(n->text));
}

static struct value eval_call(struct tmpl_exec *ex, struct value dot, const struct tmpl_func *f,
			      const struct tmpl_node *node, const struct tmpl_node *const *args,
			      size_t n_args, const struct value *final)
{
	size_t given = n_args ? n_args - 1 : 0, n_in = given + (final != NULL);
	if (f->variadic && n_in < (size_t)f->n_fixed)
		return exec_fail(ex, "wrong number of args for %s: want at least %d got %zu", f->name,
				 f->n_fixed, n_in);
	if (!f->variadic && n_in != (size_t)f->n_fixed)
		return exec_fail(ex, "wrong number of args for %s: want %d got %zu", f->name, f->n_fixed,
				 n_in);
	struct value *argv = tmpl_alloc(ex->arena, (n_in + 1) * sizeof(*argv));
	bool is_and = !strcmp(f->name, "and"), is_or = !strcmp(f->name, "or");
	for (size_t i = 0; i < n_in && !ex->error; i++) {
		enum ptype p = f->p[i < (size_t)f->n_fixed ? i : (size_t)f->n_fixed];
		argv[i] = i < given ? eval_arg(ex, dot, p, args[i + 1]) : validate(ex, *final, p);
		/* The rest is not evaluated once the answer is known. */
		if (!ex->error && (is_and || is_or) && (tmpl_truth(argv[i]) == is_or || i + 1 == n_in))
			return argv[i];
	}
	if (ex->error)
		return missing;
	ex->callee = n_args > 1 ? args[1] : NULL;
	struct value v = f->call(ex, argv, n_in);
	if (ex->call_error) {
		ex->at = node;
		exec_fail(ex, "error calling %s: %s", f->name, ex->call_error);
		free(ex->call_error);
		ex->call_error = NULL;
		return missing;
	}
	return v;
}

static struct value eval_function(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *ident,
				  const struct tmpl_node *cmd, const struct tmpl_node *const *args,
				  size_t n_args, const struct value *final)
{
	ex->at = ident;
	return eval_call(ex, dot, find_function(ident->text), cmd, args, n_args, final);
}

static struct value eval_variable(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n,
				  const struct tmpl_node *const *args, size_t n_args,
				  const struct value *final)
{
	ex->at = n;
	struct tmpl_variable *var = find_var(ex, n->ident[0]);
	if (!var)
		return exec_fail(ex, "undefined variable: %.*s", SV_ARG(n->ident[0]));
	if (n->n_ident == 1)
		return not_a_function(ex, n, n_args, final) ? var->v : missing;
	return eval_chain(ex, dot, var->v, n, 1, args, n_args, final);
}

static struct value eval_chain_node(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n,
				    const struct tmpl_node *const *args, size_t n_args,
				    const struct value *final)
{
	ex->at = n;
	struct value start = eval_arg(ex, dot, P_VALUE, n->pipe);
	return eval_chain(ex, dot, start, n, 0, args, n_args, final);
}

static struct value eval_arg(struct tmpl_exec *ex, struct value dot, enum ptype p, const struct tmpl_node *n)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct value v;
	if (!step(ex))
		return missing;
	ex->at = n;
	switch (n->type) {
	case NODE_DOT:
		return validate(ex, dot, p);
	case NODE_NIL:
		if (p == P_STRING)
			return exec_fail(ex, "cannot assign nil to string");
		return validate(ex, (struct value){.kind = V_NIL}, p);
	case NODE_FIELD:
		return validate(ex, eval_chain(ex, dot, dot, n, 0, NULL, 0, NULL), p);
	case NODE_VARIABLE:
		return validate(ex, eval_variable(ex, dot, n, NULL, 0, NULL), p);
	case NODE_PIPE:
		v = eval_pipe(ex, dot, n);
		return validate(ex, v, p);
	case NODE_IDENT:
		return validate(ex, eval_function(ex, dot, n, n, NULL, 0, NULL), p);
	case NODE_CHAIN:
		return validate(ex, eval_chain_node(ex, dot, n, NULL, 0, NULL), p);
	default:
		break;
	}
	tmpl_node_print(n, &b);
	if (p == P_STRING && n->type != NODE_STRING)
		return exec_fail(ex, "expected string; found %s", buf_str(&b));
	if (p == P_VECTOR || p == P_SAMPLE)
		return exec_fail(ex, "can't handle %s for arg of type %s", buf_str(&b), ptype_name(p));
	if (n->type == NODE_STRING)
		return v_string(n->str);
	if (n->type == NODE_BOOL)
		return v_bool(n->truth);
	return ideal_constant(ex, n);
}

static struct value eval_command(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *cmd,
				 const struct value *final)
{
	const struct tmpl_node *const *args = (const struct tmpl_node *const *)cmd->kids;
	const struct tmpl_node *first = args[0];
	size_t n = cmd->n_kids;
	switch (first->type) {
	case NODE_FIELD:
		ex->at = first;
		return eval_chain(ex, dot, dot, first, 0, args, n, final);
	case NODE_CHAIN:
		return eval_chain_node(ex, dot, first, args, n, final);
	case NODE_IDENT:
		return eval_function(ex, dot, first, cmd, args, n, final);
	case NODE_PIPE:
		return not_a_function(ex, first, n, final) ? eval_pipe(ex, dot, first) : missing;
	case NODE_VARIABLE:
		return eval_variable(ex, dot, first, args, n, final);
	default:
		break;
	}
	ex->at = first;
	if (!not_a_function(ex, first, n, final))
		return missing;
	switch (first->type) {
	case NODE_BOOL:
		return v_bool(first->truth);
	case NODE_DOT:
		return dot;
	case NODE_NIL:
		return exec_fail(ex, "nil is not a command");
	case NODE_NUMBER:
		return ideal_constant(ex, first);
	default:
		return v_string(first->str);
	}
}

static struct value eval_pipe(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *pipe)
{
	struct value v = missing;
	if (!step(ex))
		return missing;
	ex->at = pipe;
	enter(ex);
	for (size_t i = 0; i < pipe->n_kids && step(ex); i++) {
		struct value in = v;
		v = eval_command(ex, dot, pipe->kids[i], i ? &in : NULL);
		v.is_interface = false;
	}
	ex->depth--;
	for (size_t i = 0; i < pipe->n_decl && !ex->error; i++) {
		struct tmpl_variable *var = pipe->is_assign ? find_var(ex, pipe->decl[i]->ident[0]) : NULL;
		if (var)
			var->v = v;
		else if (pipe->is_assign)
			exec_fail(ex, "undefined variable: %.*s", SV_ARG(pipe->decl[i]->ident[0]));
		else
			push_var(ex, pipe->decl[i]->ident[0], v);
	}
	return ex->error ? missing : v;
}

static enum flow walk(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n);

static enum flow range_once(struct tmpl_exec *ex, const struct tmpl_node *n, struct value index,
			    struct value elem)
{
	size_t mark = ex->n_vars;
	const struct tmpl_node *pipe = n->pipe;
	/* With two variables the first is the index; with one it is the element. The declared ones are on top
	 * already. */
	for (size_t i = 0; i < pipe->n_decl; i++) {
		struct tmpl_variable *var = find_var(ex, pipe->decl[i]->ident[0]);
		if (var)
			var->v = pipe->n_decl == 2 && i == 0 ? index : elem;
	}
	enum flow flow = step(ex) ? walk(ex, elem, n->list) : FLOW_BREAK;
	ex->n_vars = mark;
	return flow;
}

static void walk_range(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n)
{
	size_t mark = ex->n_vars, i = 0;
	struct value v = eval_pipe(ex, dot, n->pipe);
	enum flow flow = FLOW_NEXT;
	if (ex->error)
		return;
	switch (v.kind) {
	case V_VECTOR:
		for (; i < v.vec.n && flow != FLOW_BREAK; i++)
			flow = range_once(ex, n, v_int((int64_t)i),
					  (struct value){.kind = V_SAMPLE, .sample = &v.vec.v[i]});
		break;
	case V_LABELS:
		for (; v.labels && i < v.labels->n && flow != FLOW_BREAK; i++)
			flow =
			    range_once(ex, n, v_string(v.labels->l[i].name), v_string(v.labels->l[i].value));
		break;
	case V_MAP:
		for (; i < v.map.n && flow != FLOW_BREAK; i++)
		{
			struct value item = v.map.e[i].v;
			item.is_interface = true;
			flow = range_once(ex, n, v_string(v.map.e[i].key), item);
		}
		break;
	case V_INT:
	case V_UINT:
		if (n->pipe->n_decl > 1) {
			exec_fail(ex, "can't use %lld to iterate over more than one variable", (long long)v.i);
			break;
		}
		for (; (int64_t)i < v.i && flow != FLOW_BREAK; i++)
			flow = range_once(ex, n, v_int((int64_t)i), v_int((int64_t)i));
		break;
	case V_MISSING:
	case V_NIL:
		break;
	default: {
		_cleanup_buf_ struct buf b = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
		tmpl_fmt_value(v, &b);
		exec_fail(ex, "range can't iterate over %s", buf_str(&b));
	}
	}
	if (!ex->error && !i && n->otherwise)
		walk(ex, dot, n->otherwise);
	ex->n_vars = mark;
}

static enum flow walk_if_or_with(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n)
{
	size_t mark = ex->n_vars;
	enum flow flow = FLOW_NEXT;
	struct value v = eval_pipe(ex, dot, n->pipe);
	if (!ex->error) {
		if (tmpl_truth(v))
			flow = walk(ex, n->type == NODE_WITH ? v : dot, n->list);
		else if (n->otherwise)
			flow = walk(ex, dot, n->otherwise);
	}
	ex->n_vars = mark;
	return flow;
}

static void walk_template(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n)
{
	const struct tmpl_define *def = NULL, *old = ex->def;
	for (size_t i = 0; i < ex->t->n_defs; i++)
		if (sv_eq(ex->t->defs[i].name, n->str))
			def = &ex->t->defs[i];
	if (!def) {
		_cleanup_buf_ struct buf q = BUF_INIT;
		text_go_quote(n->str, &q);
		exec_fail(ex, "template %s not defined", buf_str(&q));
		return;
	}
	struct value arg = n->pipe ? eval_pipe(ex, dot, n->pipe) : missing;
	if (ex->error)
		return;
	/* A template sees its own $ and no variable of its caller. */
	struct tmpl_variable *vars = ex->vars;
	size_t n_vars = ex->n_vars, cap = ex->cap_vars;
	ex->vars = NULL;
	ex->n_vars = ex->cap_vars = 0;
	push_var(ex, SV("$"), arg);
	ex->def = def;
	walk(ex, arg, def->root);
	ex->def = old;
	ex->vars = vars;
	ex->n_vars = n_vars;
	ex->cap_vars = cap;
}

static enum flow walk_node(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n)
{
	struct value v;
	size_t mark;
	enum flow flow = FLOW_NEXT;
	switch (n->type) {
	case NODE_TEXT:
		buf_addsv(ex->out, n->text);
		break;
	case NODE_ACTION:
		v = eval_pipe(ex, dot, n->pipe);
		if (!ex->error && !n->pipe->n_decl)
			tmpl_fmt_value(v, ex->out);
		break;
	case NODE_LIST:
		mark = ex->n_vars;
		for (size_t i = 0; i < n->n_kids && flow == FLOW_NEXT && !ex->error; i++)
			flow = walk(ex, dot, n->kids[i]);
		/* What is declared in here ends with the list, but the declarations of a loop's head stay. */
		ex->n_vars = mark;
		break;
	case NODE_IF:
	case NODE_WITH:
		return walk_if_or_with(ex, dot, n);
	case NODE_RANGE:
		walk_range(ex, dot, n);
		break;
	case NODE_TEMPLATE:
		walk_template(ex, dot, n);
		break;
	case NODE_BREAK:
		return FLOW_BREAK;
	case NODE_CONTINUE:
		return FLOW_CONTINUE;
	default:
		exec_fail(ex, "unknown node");
	}
	return ex->error ? FLOW_BREAK : flow;
}

static enum flow walk(struct tmpl_exec *ex, struct value dot, const struct tmpl_node *n)
{
	if (!step(ex))
		return FLOW_BREAK;
	ex->at = n;
	enter(ex);
	enum flow flow = ex->error ? FLOW_BREAK : walk_node(ex, dot, n);
	ex->depth--;
	return flow;
}

int template_expand(const struct template *t, const struct template_env *env, struct buf *out, char **error)
{
	struct tmpl_arena arena = {.max = TEMPLATE_MAX_MEMORY};
	_cleanup_buf_ struct buf text = BUF_LIMIT(TEMPLATE_MAX_OUTPUT);
	struct tmpl_exec ex = {.t = t, .env = env, .arena = &arena, .out = &text, .def = &t->defs[0]};
	struct value root = {.kind = V_DATA, .env = env};
	push_var(&ex, SV("$"), root);
	walk(&ex, root, t->defs[0].root);
	step(&ex); /* the last piece of output may have been the one too many */
	for (size_t i = 0; i < ex.n_queries; i++)
		promql_value_free(&ex.queries[i]);
	arena_free(&arena.mem);
	if (ex.error) {
		*error = xasprintf("error executing template %.*s: %s", SV_ARG(t->name), ex.error);
		free(ex.error);
		return -EINVAL;
	}
	buf_add(out, buf_str(&text), text.n);
	return 0;
}
