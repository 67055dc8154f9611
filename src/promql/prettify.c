// SPDX-License-Identifier: GPL-2.0-or-later
/* An expression over several lines, as Prometheus' prettifier has it: what is longer than a line is broken up, its parts on lines of their
 * own and further in. */
#include "promql/ast.h"

#define LINE_MAX_BYTES 100
#define DEPTH_MAX 100 /* what lies deeper stays on one line: every level looks at all that is below it */

static void pretty(const struct expr *e, int level, struct buf *out);

static void indent(int level, struct buf *out)
{
	for (int i = 0; i < level; i++)
		buf_adds(out, "  ");
}

static bool is_long(const struct expr *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	expr_print(e, &b);
	return b.n > LINE_MAX_BYTES;
}

static void pretty_args(const struct expr *e, int level, struct buf *out)
{
	buf_adds(out, "(\n");
	for (size_t i = 0; i < e->call.n; i++) {
		if (i)
			buf_adds(out, ",\n");
		pretty(e->call.args[i], level + 1, out);
	}
	buf_addc(out, '\n');
	indent(level, out);
	buf_addc(out, ')');
}

static void pretty_aggregate(const struct expr *e, int level, struct buf *out)
{
	expr_print_aggregation(e, out);
	buf_adds(out, "(\n");
	if (e->aggregate.param) {
		pretty(e->aggregate.param, level + 1, out);
		buf_adds(out, ",\n");
	}
	pretty(e->aggregate.expr, level + 1, out);
	buf_addc(out, '\n');
	indent(level, out);
	buf_addc(out, ')');
}

static void pretty_binary(const struct expr *e, int level, struct buf *out)
{
	pretty(e->binary.lhs, level + 1, out);
	buf_addc(out, '\n');
	indent(level, out);
	expr_print_operator(e, out);
	buf_addc(out, '\n');
	pretty(e->binary.rhs, level + 1, out);
}

/* A sign stands right before what it belongs to, which has been moved in. */
static void pretty_unary(const struct expr *e, int level, struct buf *out)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	pretty(e->unary.expr, level, &b);
	struct sv s = sv_make(buf_str(&b), b.n);
	while (s.n && *s.p == ' ')
		s = sv_make(s.p + 1, s.n - 1);
	indent(level, out);
	buf_adds(out, token_word(e->unary.op));
	buf_addsv(out, s);
}

static void pretty(const struct expr *e, int level, struct buf *out)
{
	bool whole = level > DEPTH_MAX || !is_long(e);
	if (e->kind == EXPR_UNARY && level <= DEPTH_MAX) {
		pretty_unary(e, level, out);
		return;
	}
	if (whole || e->kind == EXPR_VECTOR || e->kind == EXPR_MATRIX || e->kind == EXPR_NUMBER || e->kind == EXPR_STRING) {
		indent(whole && e->kind == EXPR_SUBQUERY ? 0 : level, out); /* Prometheus forgets a subquery's */
		expr_print(e, out);
		return;
	}
	switch (e->kind) {
	case EXPR_BINARY:
		pretty_binary(e, level, out);
		break;
	case EXPR_SUBQUERY:
		pretty(e->subquery.expr, level, out);
		expr_print_subquery_range(e, out);
		break;
	case EXPR_CALL:
		indent(level, out);
		buf_addsv(out, e->call.name);
		pretty_args(e, level, out);
		break;
	case EXPR_AGGREGATE:
		indent(level, out);
		pretty_aggregate(e, level, out);
		break;
	default:
		indent(level, out);
		buf_adds(out, "(\n");
		pretty(e->paren, level + 1, out);
		buf_addc(out, '\n');
		indent(level, out);
		buf_addc(out, ')');
	}
}

void promql_prettify(const struct promql_expr *expr, struct buf *out)
{
	pretty(expr->root, 0, out);
}
