// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/ast.h"

static void print_label(struct sv name, struct buf *out)
{
	if (text_is_legacy_label_name(name))
		buf_addsv(out, name);
	else
		text_go_quote(name, out);
}

static void print_labels(const struct name_list *l, struct buf *out)
{
	buf_adds(out, " (");
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_adds(out, ", ");
		print_label(l->v[i], out);
	}
	buf_addc(out, ')');
}

static void print_number(double v, bool duration, struct buf *out)
{
	/* A duration prints as one if it has whole milliseconds, so that it reads back to the same value. */
	if (duration && fabs(v) < 9e12 && (double)(int64_t)round(v * 1000) / 1000 == v)
		text_duration((int64_t)round(v * 1000), out);
	else
		text_float(v, 'f', out);
}

static void print_duration(const struct duration *d, struct buf *out)
{
	if (d->expr)
		expr_print(d->expr, out);
	else
		text_duration(d->ms, out);
}

static void print_at(const struct timing *t, struct buf *out)
{
	if (t->at == AT_TIME)
		buf_addf(out, " @ %.3f", (double)t->at_ms / 1000);
	else if (t->at != AT_NONE)
		buf_adds(out, t->at == AT_START ? " @ start()" : " @ end()");
}

static void print_offset(const struct timing *t, struct buf *out)
{
	if (!t->has_offset || (!t->offset.expr && !t->offset.ms))
		return;
	buf_adds(out, " offset ");
	print_duration(&t->offset, out);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_matchers(const struct expr *e, bool name_outside, struct buf *out)
{
	static const char *const ops[] = {"=", "!=", "=~", "!~"};
	char **v = xcalloc(e->vector.n + 1, sizeof(*v));
	size_t n = 0;
	for (size_t i = 0; i < e->vector.n; i++) {
		const struct matcher *m = &e->vector.matchers[i];
		struct buf b = BUF_INIT;
		/* The name's own matcher is the last one. */
		if (e->vector.name.n && !e->vector.quoted && i + 1 == e->vector.n)
			continue;
		print_label(m->name, &b);
		buf_adds(&b, ops[m->type]);
		text_go_quote(m->value, &b);
		v[n++] = buf_steal(&b);
	}
	qsort(v, n, sizeof(*v), by_text);
	if (n || !name_outside) {
		buf_addc(out, '{');
		if (!name_outside && e->vector.name.n && !e->vector.quoted) {
			text_go_quote(e->vector.name, out);
			if (n)
				buf_addc(out, ',');
		}
		for (size_t i = 0; i < n; i++) {
			if (i)
				buf_addc(out, ',');
			buf_adds(out, v[i]);
		}
		buf_addc(out, '}');
	}
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static void print_selector(const struct expr *e, const struct duration *range, struct buf *out)
{
	static const char *const extended[] = {"", " anchored", " smoothed"};
	/* Keywords that the grammar does not take for a metric name, and Inf and NaN, go into the braces. */
	struct sv name = e->vector.name;
	bool outside = name.n && !e->vector.quoted && text_is_legacy_metric_name(name);
	if (outside) {
		enum token_type t = token_of_word(name);
		if (t == TOKEN_NUMBER || t == TOKEN_BOOL || t == TOKEN_ON || t == TOKEN_IGNORING ||
		    t == TOKEN_GROUP_LEFT || t == TOKEN_GROUP_RIGHT || t == TOKEN_ATAN2)
			outside = false;
	}
	if (outside)
		buf_addsv(out, name);
	print_matchers(e, outside, out);
	if (range) {
		buf_addc(out, '[');
		print_duration(range, out);
		buf_addc(out, ']');
	} else {
		print_at(&e->vector.timing, out);
	}
	buf_adds(out, extended[e->vector.extended]);
	if (range)
		print_at(&e->vector.timing, out);
	print_offset(&e->vector.timing, out);
}

static void print_args(struct expr *const *args, size_t n, struct buf *out)
{
	buf_addc(out, '(');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_adds(out, ", ");
		expr_print(args[i], out);
	}
	buf_addc(out, ')');
}

static void print_fill(const struct matching *m, struct buf *out)
{
	if (m->has_fill_left && m->has_fill_right &&
	    (m->fill_left == m->fill_right || (isnan(m->fill_left) && isnan(m->fill_right)))) {
		buf_adds(out, " fill (");
		text_float(m->fill_left, 'f', out);
		buf_addc(out, ')');
		return;
	}
	if (m->has_fill_left) {
		buf_adds(out, " fill_left (");
		text_float(m->fill_left, 'f', out);
		buf_addc(out, ')');
	}
	if (m->has_fill_right) {
		buf_adds(out, " fill_right (");
		text_float(m->fill_right, 'f', out);
		buf_addc(out, ')');
	}
}

void expr_print_operator(const struct expr *e, struct buf *out)
{
	const struct matching *m = &e->binary.matching;
	buf_adds(out, token_word(e->binary.op));
	if (e->binary.is_bool)
		buf_adds(out, " bool");
	bool grouped = m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY;
	/* Between a vector and a number `on ()` says nothing, and is left out. */
	bool vectors = e->binary.lhs->type == PROMQL_VECTOR && e->binary.rhs->type == PROMQL_VECTOR;
	if (vectors && (m->labels.n || m->on || grouped)) {
		buf_adds(out, m->on ? " on" : " ignoring");
		print_labels(&m->labels, out);
		if (grouped) {
			buf_adds(out, m->card == CARD_MANY_TO_ONE ? " group_left" : " group_right");
			print_labels(&m->include, out);
		}
	}
	print_fill(m, out);
}

void expr_print_aggregation(const struct expr *e, struct buf *out)
{
	buf_adds(out, token_word(e->aggregate.op));
	if (!e->aggregate.without && !e->aggregate.by.n)
		return;
	buf_adds(out, e->aggregate.without ? " without" : " by");
	print_labels(&e->aggregate.by, out);
	buf_addc(out, ' ');
}

void expr_print_subquery_range(const struct expr *e, struct buf *out)
{
	buf_addc(out, '[');
	print_duration(&e->subquery.range, out);
	buf_addc(out, ':');
	if (e->subquery.has_step)
		print_duration(&e->subquery.step, out);
	buf_addc(out, ']');
	print_at(&e->subquery.timing, out);
	print_offset(&e->subquery.timing, out);
}

void expr_print(const struct expr *e, struct buf *out)
{
	switch (e->kind) {
	case EXPR_NUMBER:
		print_number(e->number.value, e->number.duration, out);
		break;
	case EXPR_STRING:
		text_go_quote(e->string, out);
		break;
	case EXPR_VECTOR:
		print_selector(e, NULL, out);
		break;
	case EXPR_MATRIX:
		print_selector(e->matrix.vector, &e->matrix.range, out);
		break;
	case EXPR_SUBQUERY:
		expr_print(e->subquery.expr, out);
		expr_print_subquery_range(e, out);
		break;
	case EXPR_CALL:
		buf_addsv(out, e->call.name);
		print_args(e->call.args, e->call.n, out);
		break;
	case EXPR_AGGREGATE:
		expr_print_aggregation(e, out);
		buf_addc(out, '(');
		if (e->aggregate.param) {
			expr_print(e->aggregate.param, out);
			buf_adds(out, ", ");
		}
		expr_print(e->aggregate.expr, out);
		buf_addc(out, ')');
		break;
	case EXPR_BINARY:
		expr_print(e->binary.lhs, out);
		buf_addc(out, ' ');
		expr_print_operator(e, out);
		buf_addc(out, ' ');
		expr_print(e->binary.rhs, out);
		break;
	case EXPR_UNARY:
		buf_adds(out, token_word(e->unary.op));
		expr_print(e->unary.expr, out);
		break;
	case EXPR_PAREN:
		buf_addc(out, '(');
		expr_print(e->paren, out);
		buf_addc(out, ')');
		break;
	}
}

void promql_print(const struct promql_expr *expr, struct buf *out)
{
	expr_print(expr->root, out);
}
