// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/ast.h"

bool promql_is_selector(const struct promql_expr *expr)
{
	const struct expr *e = expr->root;
	return e->kind == EXPR_VECTOR && !e->vector.timing.has_offset && e->vector.timing.at == AT_NONE &&
	       e->vector.extended == EXTENDED_NONE;
}
