// SPDX-License-Identifier: GPL-2.0-or-later
/* An expression as the JSON tree that Prometheus' parse_query answers with, keys in alphabetical order. */
#include <math.h>

#include "model/text.h"
#include "promql/ast.h"
#include "promql/functions.h"

static void tree(const struct expr *e, struct buf *out);

/* Everything that parsed is UTF-8, but for what \x escapes made of a string: such bytes become U+FFFD, as in Go. */
static void add_string(struct sv s, struct buf *out)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
		if (c >= 0x80) {
			if (i + len <= s.n && text_is_utf8(sv_make(s.p + i, len))) {
				buf_add(out, s.p + i, len);
				i += len - 1;
			} else {
				buf_adds(out, "\\ufffd");
			}
		} else if (c == '"' || c == '\\') {
			buf_addf(out, "\\%c", c);
		} else if (c < 0x20 || c == 0x7f || c == '<' || c == '>' || c == '&') {
			buf_addf(out, "\\u%04x", c);
		} else {
			buf_addc(out, (char)c);
		}
	}
	buf_addc(out, '"');
}

static void add_bool(const char *key, bool v, struct buf *out)
{
	buf_addf(out, "\"%s\":%s", key, v ? "true" : "false");
}

static void add_names(const char *key, const struct name_list *l, struct buf *out)
{
	buf_addf(out, "\"%s\":[", key);
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_addc(out, ',');
		add_string(l->v[i], out);
	}
	buf_addc(out, ']');
}

static void add_child(const char *key, const struct expr *e, struct buf *out)
{
	buf_addf(out, "\"%s\":", key);
	if (e)
		tree(e, out);
	else
		buf_adds(out, "null");
}

static void add_fill(const char *key, bool has, double v, struct buf *out)
{
	buf_addf(out, "\"%s\":", key);
	if (has && isfinite(v))
		text_float(v, 'g', out);
	else
		buf_adds(out, "null");
}

static void add_matching(const struct expr *e, struct buf *out)
{
	static const char *const cards[] = {[CARD_ONE_TO_ONE] = "one-to-one",
					    [CARD_MANY_TO_ONE] = "many-to-one",
					    [CARD_ONE_TO_MANY] = "one-to-many",
					    [CARD_MANY_TO_MANY] = "many-to-many"};
	const struct matching *m = &e->binary.matching;
	bool set = TOKEN_IS_SET_OPERATOR(e->binary.op);
	buf_adds(out, "\"matching\":");
	if (e->binary.lhs->type != PROMQL_VECTOR || e->binary.rhs->type != PROMQL_VECTOR) {
		buf_adds(out, "null");
		return;
	}
	buf_addf(out, "{\"card\":\"%s\",\"fillValues\":{", cards[set ? CARD_MANY_TO_MANY : m->card]);
	add_fill("lhs", m->has_fill_left, m->fill_left, out);
	buf_addc(out, ',');
	add_fill("rhs", m->has_fill_right, m->fill_right, out);
	buf_adds(out, "},");
	add_names("include", &m->include, out);
	buf_addc(out, ',');
	add_names("labels", &m->labels, out);
	buf_addc(out, ',');
	add_bool("on", m->on, out);
	buf_addc(out, '}');
}

static const char *type_word(enum promql_type t)
{
	return t == PROMQL_SCALAR ? "scalar" : t == PROMQL_VECTOR ? "vector" : t == PROMQL_MATRIX ? "matrix" : "string";
}

static void add_function(const struct function *f, struct buf *out)
{
	buf_adds(out, "\"func\":{\"argTypes\":[");
	for (int i = 0; i < f->n_args; i++)
		buf_addf(out, "%s\"%s\"", i ? "," : "", type_word(f->args[i]));
	buf_addf(out, "],\"name\":\"%s\",\"returnType\":\"%s\",\"variadic\":%d}", f->name, type_word(f->ret), f->variadic);
}

static void duration_tree(const struct expr *e, bool wrapped, struct buf *out)
{
	const struct expr *lhs = NULL, *rhs = NULL;
	struct sv op = {0};
	switch (e->kind) {
	case EXPR_PAREN:
		duration_tree(e->paren, true, out);
		return;
	case EXPR_NUMBER:
		buf_addc(out, '{');
		add_bool("duration", e->number.duration, out);
		buf_adds(out, ",\"type\":\"numberLiteral\",\"val\":\"");
		text_float(e->number.value, 'f', out);
		buf_adds(out, "\"}");
		return;
	case EXPR_CALL:
		op = e->call.name;
		lhs = e->call.n ? e->call.args[0] : NULL;
		rhs = e->call.n ? e->call.args[1] : NULL;
		break;
	case EXPR_UNARY:
		op = sv_of(token_word(e->unary.op));
		rhs = e->unary.expr;
		break;
	default:
		op = sv_of(token_word(e->binary.op));
		lhs = e->binary.lhs;
		rhs = e->binary.rhs;
	}
	buf_adds(out, "{\"lhs\":");
	if (lhs)
		duration_tree(lhs, false, out);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"op\":");
	add_string(op, out);
	buf_adds(out, ",\"rhs\":");
	if (rhs)
		duration_tree(rhs, false, out);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"type\":\"durationExpr\",");
	add_bool("wrapped", wrapped, out);
	buf_addc(out, '}');
}

/* As a number, which is 0 if it is to be computed, and as what it is to be computed from. */
static void add_duration(const char *key, const struct duration *d, struct buf *out)
{
	buf_addf(out, "\"%s\":%lld,\"%sExpr\":", key, d->expr ? 0ll : (long long)d->ms, key);
	if (d->expr)
		duration_tree(d->expr, false, out);
	else
		buf_adds(out, "null");
}

static void add_at(const struct timing *t, struct buf *out)
{
	buf_addf(out, "\"startOrEnd\":%s", t->at == AT_START ? "\"start\"" : t->at == AT_END ? "\"end\"" : "null");
}

static void add_timestamp(const struct timing *t, struct buf *out)
{
	if (t->at == AT_TIME)
		buf_addf(out, "\"timestamp\":%lld", (long long)t->at_ms);
	else
		buf_adds(out, "\"timestamp\":null");
}

static void add_selector(const struct expr *e, const struct duration *range, struct buf *out)
{
	static const char *const types[] = {"=", "!=", "=~", "!~"};
	add_bool("anchored", e->vector.extended == EXTENDED_ANCHORED, out);
	buf_adds(out, ",\"matchers\":[");
	for (size_t i = 0; i < e->vector.n; i++) {
		const struct matcher *m = &e->vector.matchers[i];
		buf_addf(out, "%s{\"name\":", i ? "," : "");
		add_string(m->name, out);
		buf_addf(out, ",\"type\":\"%s\",\"value\":", types[m->type]);
		add_string(m->value, out);
		buf_addc(out, '}');
	}
	buf_adds(out, "],\"name\":");
	add_string(e->vector.quoted ? SV("") : e->vector.name, out);
	buf_addc(out, ',');
	add_duration("offset", &e->vector.timing.offset, out);
	buf_addc(out, ',');
	if (range) {
		add_duration("range", range, out);
		buf_addc(out, ',');
	}
	add_bool("smoothed", e->vector.extended == EXTENDED_SMOOTHED, out);
	buf_addc(out, ',');
	add_at(&e->vector.timing, out);
	buf_addc(out, ',');
	add_timestamp(&e->vector.timing, out);
	buf_addf(out, ",\"type\":\"%s\"", range ? "matrixSelector" : "vectorSelector");
}

static void add_subquery(const struct expr *e, struct buf *out)
{
	add_child("expr", e->subquery.expr, out);
	buf_addc(out, ',');
	add_duration("offset", &e->subquery.timing.offset, out);
	buf_addc(out, ',');
	add_duration("range", &e->subquery.range, out);
	buf_addc(out, ',');
	add_at(&e->subquery.timing, out);
	buf_addc(out, ',');
	add_duration("step", &e->subquery.step, out);
	buf_addc(out, ',');
	add_timestamp(&e->subquery.timing, out);
	buf_adds(out, ",\"type\":\"subquery\"");
}

static void add_binary(const struct expr *e, struct buf *out)
{
	add_bool("bool", e->binary.is_bool, out);
	buf_addc(out, ',');
	add_child("lhs", e->binary.lhs, out);
	buf_addc(out, ',');
	add_matching(e, out);
	buf_adds(out, ",\"op\":");
	add_string(sv_of(token_word(e->binary.op)), out);
	buf_addc(out, ',');
	add_child("rhs", e->binary.rhs, out);
	buf_adds(out, ",\"type\":\"binaryExpr\"");
}

static void add_aggregate(const struct expr *e, struct buf *out)
{
	add_child("expr", e->aggregate.expr, out);
	buf_addc(out, ',');
	add_names("grouping", &e->aggregate.by, out);
	buf_addf(out, ",\"op\":\"%s\",", token_word(e->aggregate.op));
	add_child("param", e->aggregate.param, out);
	buf_adds(out, ",\"type\":\"aggregation\",");
	add_bool("without", e->aggregate.without, out);
}

static void add_call(const struct expr *e, struct buf *out)
{
	buf_adds(out, "\"args\":[");
	for (size_t i = 0; i < e->call.n; i++) {
		if (i)
			buf_addc(out, ',');
		tree(e->call.args[i], out);
	}
	buf_adds(out, "],");
	add_function(e->call.fn, out);
	buf_adds(out, ",\"type\":\"call\"");
}

static void tree(const struct expr *e, struct buf *out)
{
	buf_addc(out, '{');
	switch (e->kind) {
	case EXPR_NUMBER:
		buf_adds(out, "\"type\":\"numberLiteral\",\"val\":\"");
		text_float(e->number.value, 'f', out);
		buf_addc(out, '"');
		break;
	case EXPR_STRING:
		buf_adds(out, "\"type\":\"stringLiteral\",\"val\":");
		add_string(e->string, out);
		break;
	case EXPR_VECTOR:
		add_selector(e, NULL, out);
		break;
	case EXPR_MATRIX:
		add_selector(e->matrix.vector, &e->matrix.range, out);
		break;
	case EXPR_SUBQUERY:
		add_subquery(e, out);
		break;
	case EXPR_CALL:
		add_call(e, out);
		break;
	case EXPR_AGGREGATE:
		add_aggregate(e, out);
		break;
	case EXPR_BINARY:
		add_binary(e, out);
		break;
	case EXPR_UNARY:
		add_child("expr", e->unary.expr, out);
		buf_addf(out, ",\"op\":\"%s\",\"type\":\"unaryExpr\"", token_word(e->unary.op));
		break;
	case EXPR_PAREN:
		add_child("expr", e->paren, out);
		buf_adds(out, ",\"type\":\"parenExpr\"");
		break;
	}
	buf_addc(out, '}');
}

void promql_print_tree(const struct promql_expr *expr, struct buf *out)
{
	tree(expr->root, out);
}
