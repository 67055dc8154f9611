// SPDX-License-Identifier: GPL-2.0-or-later
/* What is checked on a finished tree: types, arities, matching clauses; and what a tree can be asked. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "promql/ast.h"
#include "promql/functions.h"

void promql_position(struct sv text, uint32_t pos, unsigned *line, unsigned *col)
{
	*line = *col = 1;
	for (uint32_t i = 0; i < pos && i < text.n; i++)
		if (text.p[i] == '\n') {
			++*line;
			*col = 1;
		} else {
			++*col;
		}
}

int promql_error_at(struct sv text, uint32_t pos, char **error, const char *fmt, ...)
{
	unsigned line, col;
	va_list ap;
	va_start(ap, fmt);
	char *msg = xvasprintf(fmt, ap);
	va_end(ap);
	promql_position(text, pos, &line, &col);
	*error = xasprintf("%u:%u: parse error: %s", line, col, msg);
	free(msg);
	return -EINVAL;
}

const char *promql_type_name(enum promql_type t)
{
	static const char *const names[] = {"none", "scalar", "instant vector", "range vector", "string"};
	return names[t];
}

enum promql_type promql_expr_type(const struct promql_expr *e)
{
	return e->root->type;
}

struct expr *expr_child(const struct expr *e, size_t i)
{
	switch (e->kind) {
	case EXPR_NUMBER:
	case EXPR_STRING:
	case EXPR_VECTOR:
		return NULL;
	case EXPR_MATRIX:
		return i ? NULL : e->matrix.vector;
	case EXPR_SUBQUERY:
		return i ? NULL : e->subquery.expr;
	case EXPR_CALL:
		return i < e->call.n ? e->call.args[i] : NULL;
	case EXPR_AGGREGATE:
		if (e->aggregate.param)
			return i == 0 ? e->aggregate.param : i == 1 ? e->aggregate.expr : NULL;
		return i ? NULL : e->aggregate.expr;
	case EXPR_BINARY:
		return i == 0 ? e->binary.lhs : i == 1 ? e->binary.rhs : NULL;
	case EXPR_UNARY:
		return i ? NULL : e->unary.expr;
	case EXPR_PAREN:
		return i ? NULL : e->paren;
	}
	return NULL;
}

const struct expr *expr_unwrap(const struct expr *e)
{
	while (e->kind == EXPR_PAREN)
		e = e->paren;
	return e;
}

double duration_value(const struct expr *e, int64_t step, int64_t range)
{
	double a, b;
	switch (e->kind) {
	case EXPR_NUMBER:
		return e->number.value;
	case EXPR_PAREN:
		return duration_value(e->paren, step, range);
	case EXPR_UNARY:
		a = duration_value(e->unary.expr, step, range);
		return e->unary.op == TOKEN_SUB ? -a : a;
	case EXPR_CALL:
		if (sv_eqs(e->call.name, "step"))
			return (double)step / 1000;
		if (sv_eqs(e->call.name, "range"))
			return (double)range / 1000;
		a = duration_value(e->call.args[0], step, range);
		b = duration_value(e->call.args[1], step, range);
		return sv_eqs(e->call.name, "min_of") ? fmin(a, b) : fmax(a, b);
	case EXPR_BINARY:
		a = duration_value(e->binary.lhs, step, range);
		b = duration_value(e->binary.rhs, step, range);
		switch (e->binary.op) {
		case TOKEN_ADD:
			return a + b;
		case TOKEN_SUB:
			return a - b;
		case TOKEN_MUL:
			return a * b;
		case TOKEN_DIV:
			return a / b;
		case TOKEN_MOD:
			return fmod(a, b);
		case TOKEN_POW:
			return pow(a, b);
		default:
			return NAN;
		}
	default:
		return NAN;
	}
}

bool duration_resolve(const struct duration *d, int64_t step, int64_t range, int64_t *ms)
{
	if (!d->expr || d->constant) {
		*ms = d->ms;
		return true;
	}
	double v = duration_value(d->expr, step, range);
	if (!(fabs(v) <= DURATION_MAX_SECONDS))
		return false;
	/* As Prometheus has it: literals are rounded to nanoseconds, and what is left of a millisecond goes. */
	double ns = round(v * 1e9);
	if (d->expr->kind == EXPR_NUMBER && fabs(ns) < 9.2e18)
		*ms = (int64_t)ns / 1000000;
	else
		*ms = (int64_t)(v * 1000);
	return true;
}

/* The bytes E is written in, as Prometheus counts them: without parentheses around. */
static void duration_span(const struct expr *e, uint32_t *start, uint32_t *end)
{
	uint32_t unused;
	e = expr_unwrap(e);
	*start = e->pos;
	*end = e->end;
	if (e->kind == EXPR_UNARY) {
		duration_span(e->unary.expr, &unused, end);
	} else if (e->kind == EXPR_BINARY) {
		duration_span(e->binary.lhs, start, &unused);
		duration_span(e->binary.rhs, &unused, end);
	}
}

static char *duration_error(const struct expr *e, const char *text)
{
	uint32_t start, end;
	duration_span(e, &start, &end);
	return xasprintf("%u:%u: %s", start, end, text);
}

static char *zero_divisor(const struct expr *e, int64_t step, int64_t range)
{
	for (size_t i = 0; expr_child(e, i); i++) {
		char *inner = zero_divisor(expr_child(e, i), step, range);
		if (inner)
			return inner;
	}
	if (e->kind != EXPR_BINARY || (e->binary.op != TOKEN_DIV && e->binary.op != TOKEN_MOD) ||
	    duration_value(e->binary.rhs, step, range))
		return NULL;
	return duration_error(e, e->binary.op == TOKEN_DIV ? "division by zero" : "modulo by zero");
}

static char *duration_wrong(const struct duration *d, bool positive, int64_t step, int64_t range)
{
	if (!d->expr)
		return NULL;
	char *zero = zero_divisor(d->expr, step, range);
	if (zero)
		return zero;
	double v = duration_value(d->expr, step, range);
	if (!isfinite(v))
		return duration_error(d->expr, "duration is NaN or infinite");
	if (positive && v <= 0)
		return duration_error(d->expr, "duration must be greater than 0");
	return fabs(v) > DURATION_MAX_SECONDS ? duration_error(d->expr, "duration is out of range") : NULL;
}

char *promql_durations_wrong(const struct expr *e, int64_t step, int64_t range)
{
	char *wrong = NULL;
	if (e->kind == EXPR_VECTOR)
		wrong = duration_wrong(&e->vector.timing.offset, false, step, range);
	else if (e->kind == EXPR_MATRIX)
		wrong = duration_wrong(&e->matrix.range, true, step, range);
	else if (e->kind == EXPR_SUBQUERY)
		wrong = duration_wrong(&e->subquery.timing.offset, false, step, range) ?:
			duration_wrong(&e->subquery.step, true, step, range) ?:
			duration_wrong(&e->subquery.range, true, step, range);
	for (size_t i = 0; !wrong && expr_child(e, i); i++)
		wrong = promql_durations_wrong(expr_child(e, i), step, range);
	return wrong;
}

struct check {
	struct promql_expr *p;
	char **error;
};

#define FAIL(e, ...) return promql_error_at(c->p->text, (e)->pos, c->error, __VA_ARGS__)

static int check(struct check *c, struct expr *e);

static int expect(struct check *c, const struct expr *e, enum promql_type want, const char *context)
{
	if (e->type == want)
		return 0;
	FAIL(e, "expected type %s in %s, got %s", promql_type_name(want), context, promql_type_name(e->type));
}

static int check_selector(struct check *c, struct expr *e)
{
	/* The name that stands before or alone in the braces is the last matcher. Before them, no other matcher may be on the name. */
	bool before = c->p->text.p[e->pos] != '{';
	struct sv name = e->vector.name;
	for (size_t i = 0; i + (e->vector.name.n > 0) < e->vector.n; i++) {
		const struct matcher *m = &e->vector.matchers[i];
		if (!sv_eqs(m->name, LABEL_NAME) || (!before && m->type != MATCH_EQUAL))
			continue;
		if (name.n)
			FAIL(e, "metric name must not be set twice: \"%.*s\" or \"%.*s\"", SV_ARG(name), SV_ARG(m->value));
		name = m->value;
	}
	for (size_t i = 0; i < e->vector.n; i++)
		if (!matcher_matches(&e->vector.matchers[i], SV("")))
			return 0;
	FAIL(e, "vector selector must contain at least one non-empty matcher");
}

static int check_call(struct check *c, struct expr *e)
{
	const struct function *f = e->call.fn;
	int n = (int)e->call.n, min = f->variadic ? f->n_args - 1 : f->n_args;
	if (!f->variadic && n != min)
		FAIL(e, "expected %d argument(s) in call to \"%s\", got %d", min, f->name, n);
	if (n < min)
		FAIL(e, "expected at least %d argument(s) in call to \"%s\", got %d", min, f->name, n);
	if (f->variadic > 0 && n > min + f->variadic)
		FAIL(e, "expected at most %d argument(s) in call to \"%s\", got %d", min + f->variadic,
		     f->name, n);
	bool info = !strcmp(f->name, "info");
	for (int i = 0; i < n; i++) {
		struct expr *arg = e->call.args[i];
		char context[80];
		int err;
		if (info && i == 1) {
			/* The label matchers of info() may match the empty string; this selector is never run
			 * as it is. */
			if (arg->kind != EXPR_VECTOR) {
				if ((err = check(c, arg)))
					return err;
				if (arg->type != PROMQL_VECTOR)
					FAIL(e, "expected type %s in call to function \"info\", got %s",
					     promql_type_name(PROMQL_VECTOR), promql_type_name(arg->type));
				FAIL(arg, "expected label selectors only");
			}
			if (arg->vector.name.n && !arg->vector.quoted)
				FAIL(arg, "expected label selectors only, got vector selector instead");
			arg->type = PROMQL_VECTOR;
			continue;
		}
		if ((err = check(c, arg)))
			return err;
		snprintf(context, sizeof(context), "call to function \"%s\"", f->name);
		if ((err = expect(c, arg, f->args[i < f->n_args ? i : f->n_args - 1], context)))
			return err;
	}
	e->type = f->ret;
	return 0;
}

static int check_aggregate(struct check *c, struct expr *e)
{
	int err = check(c, e->aggregate.expr);
	err = err ?: expect(c, e->aggregate.expr, PROMQL_VECTOR, "aggregation expression");
	if (!err && e->aggregate.param) {
		enum promql_type want = e->aggregate.op == TOKEN_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR;
		err = check(c, e->aggregate.param);
		err = err ?: expect(c, e->aggregate.param, want, "aggregation parameter");
	}
	e->type = PROMQL_VECTOR;
	return err;
}

/* Messages about an operator point at the operator, not at the left operand. */
static struct expr operator_position(struct check *c, const struct expr *e)
{
	struct expr at = {.pos = e->binary.lhs->end};
	const struct sv t = c->p->text;
	while (at.pos < t.n &&
	       (t.p[at.pos] == ' ' || t.p[at.pos] == '\t' || t.p[at.pos] == '\n' || t.p[at.pos] == '\r'))
		at.pos++;
	return at;
}

static int check_binary(struct check *c, struct expr *e)
{
	int err = check(c, e->binary.lhs);
	err = err ?: check(c, e->binary.rhs);
	if (err)
		return err;
	enum token_type op = e->binary.op;
	struct matching *m = &e->binary.matching;
	const struct expr *l = e->binary.lhs, *r = e->binary.rhs, at = operator_position(c, e);
	bool set = TOKEN_IS_SET_OPERATOR(op), vectors = l->type == PROMQL_VECTOR && r->type == PROMQL_VECTOR;
	if (e->binary.is_bool && !TOKEN_IS_COMPARISON(op))
		FAIL(&at, "bool modifier can only be used on comparison operators");
	if (TOKEN_IS_COMPARISON(op) && !e->binary.is_bool && l->type == PROMQL_SCALAR &&
	    r->type == PROMQL_SCALAR)
		FAIL(&at, "comparisons between scalars must use BOOL modifier");
	for (size_t i = 0; m->on && i < m->labels.n; i++)
		for (size_t k = 0; k < m->include.n; k++)
			if (sv_eq(m->labels.v[i], m->include.v[k]))
				FAIL(&at, "label \"%.*s\" must not occur in ON and GROUP clause at once",
				     SV_ARG(m->labels.v[i]));
	if (l->type != PROMQL_SCALAR && l->type != PROMQL_VECTOR)
		FAIL(l, "binary expression must contain only scalar and instant vector types");
	if (r->type != PROMQL_SCALAR && r->type != PROMQL_VECTOR)
		FAIL(r, "binary expression must contain only scalar and instant vector types");
	if (!vectors && (m->labels.n || m->card != CARD_ONE_TO_ONE))
		FAIL(e, "vector matching only allowed between instant vectors");
	if (!vectors && (m->has_fill_left || m->has_fill_right))
		FAIL(e, "filling in missing series only allowed between instant vectors");
	if (set) {
		if (!vectors)
			FAIL(e, "set operator \"%s\" not allowed in binary scalar expression",
			     token_word(op));
		if (m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY)
			FAIL(e, "no grouping allowed for \"%s\" operation", token_word(op));
		if (m->has_fill_left || m->has_fill_right)
			FAIL(e, "filling in missing series not allowed for set operators");
		m->card = CARD_MANY_TO_MANY;
	}
	if ((op == TOKEN_TRIM_LOWER || op == TOKEN_TRIM_UPPER) && l->type == PROMQL_SCALAR &&
	    r->type == PROMQL_SCALAR)
		FAIL(&at, "operator \"%s\" not allowed for Scalar operations", token_word(op));
	e->type = l->type == PROMQL_SCALAR && r->type == PROMQL_SCALAR ? PROMQL_SCALAR : PROMQL_VECTOR;
	return 0;
}

static int check_one(struct check *c, struct expr *e)
{
	int err;
	switch (e->kind) {
	case EXPR_NUMBER:
		e->type = PROMQL_SCALAR;
		return 0;
	case EXPR_STRING:
		e->type = PROMQL_STRING;
		return 0;
	case EXPR_VECTOR:
		e->type = PROMQL_VECTOR;
		return check_selector(c, e);
	case EXPR_MATRIX:
		e->type = PROMQL_MATRIX;
		return check(c, e->matrix.vector);
	case EXPR_SUBQUERY:
		e->type = PROMQL_MATRIX;
		if ((err = check(c, e->subquery.expr)))
			return err;
		if (e->subquery.expr->type != PROMQL_VECTOR)
			FAIL(e, "subquery is only allowed on instant vector, got %s instead",
			     e->subquery.expr->type == PROMQL_MATRIX
				 ? "matrix"
				 : promql_type_name(e->subquery.expr->type));
		return 0;
	case EXPR_CALL:
		return check_call(c, e);
	case EXPR_AGGREGATE:
		return check_aggregate(c, e);
	case EXPR_BINARY:
		return check_binary(c, e);
	case EXPR_UNARY:
		if ((err = check(c, e->unary.expr)))
			return err;
		e->type = e->unary.expr->type;
		if (e->type != PROMQL_SCALAR && e->type != PROMQL_VECTOR)
			FAIL(e,
			     "unary expression only allowed on expressions of type scalar or instant vector, "
			     "got \"%s\"",
			     promql_type_name(e->type));
		return 0;
	case EXPR_PAREN:
		err = check(c, e->paren);
		e->type = e->paren->type;
		return err;
	}
	return -EINVAL;
}

static bool is_invariant(const struct expr *e)
{
	if (e->kind == EXPR_VECTOR)
		return e->vector.timing.at != AT_NONE;
	if (e->kind == EXPR_SUBQUERY)
		return e->subquery.timing.at != AT_NONE;
	if (e->kind == EXPR_CALL && e->call.fn->time == TIME_DEPENDENT)
		return false;
	if (e->kind == EXPR_AGGREGATE) /* as Prometheus has it: whatever the parameter */
		return e->aggregate.expr->invariant;
	for (size_t i = 0; expr_child(e, i); i++)
		if (!expr_child(e, i)->invariant)
			return false;
	return true;
}

static int check(struct check *c, struct expr *e)
{
	int err = check_one(c, e);
	if (!err)
		e->invariant = is_invariant(e);
	return err;
}

/* Below histogram_count and its like only counts and sums matter, and Prometheus reads histograms another way there, which shows in what it
 * knows of counter resets; but not where anything above looks at buckets, or at steps of its own (WHOLE). */
static void mark_stats(struct expr *e, bool stats, bool whole)
{
	if (e->kind == EXPR_VECTOR)
		e->vector.stats = stats && !whole;
	if (e->kind == EXPR_SUBQUERY || (e->kind == EXPR_BINARY && (e->binary.op == TOKEN_TRIM_LOWER || e->binary.op == TOKEN_TRIM_UPPER)))
		whole = true;
	if (e->kind == EXPR_CALL) {
		const char *name = e->call.fn->name;
		struct expr *arg = e->call.n ? (struct expr *)expr_unwrap(e->call.args[0]) : NULL;
		if (arg && arg->kind == EXPR_VECTOR && (!strcmp(name, "timestamp") || !strcmp(name, "start_timestamp")))
			arg->vector.timed = true;
		if (!strcmp(name, "histogram_count") || !strcmp(name, "histogram_sum") || !strcmp(name, "histogram_avg"))
			stats = true;
		else if (!strcmp(name, "histogram_quantile") || !strcmp(name, "histogram_quantiles") || !strcmp(name, "histogram_fraction"))
			whole = true;
	}
	for (size_t i = 0; expr_child(e, i); i++)
		mark_stats(expr_child(e, i), stats, whole);
}

int promql_check(struct promql_expr *p, char **error)
{
	struct check c = {p, error};
	mark_stats(p->root, false, false);
	return check(&c, p->root);
}

static void selectors(const struct expr *e, int64_t range_ms,
		      void (*fn)(void *, const struct matcher *, size_t, int64_t), void *arg)
{
	const struct timing *t = e->kind == EXPR_VECTOR	    ? &e->vector.timing
				 : e->kind == EXPR_SUBQUERY ? &e->subquery.timing
							    : NULL;
	if (t) {
		/* A fixed evaluation time may lie anywhere before now. */
		if (t->at != AT_NONE)
			range_ms = INT64_MAX / 4;
		if (t->offset.ms > 0)
			range_ms += t->offset.ms;
	}
	if (e->kind == EXPR_MATRIX)
		range_ms += e->matrix.range.ms;
	if (e->kind == EXPR_SUBQUERY)
		range_ms += e->subquery.range.ms + e->subquery.step.ms;
	if (e->kind == EXPR_VECTOR)
		fn(arg, e->vector.matchers, e->vector.n, range_ms);
	if (e->kind == EXPR_CALL && !strcmp(e->call.fn->name, "info")) {
		struct matcher target = {
		    .type = MATCH_EQUAL, .name = SV(LABEL_NAME), .value = SV("target_info")};
		bool named = false;
		for (size_t i = 0; e->call.n > 1 && i < e->call.args[1]->vector.n; i++)
			named = named || sv_eqs(e->call.args[1]->vector.matchers[i].name, LABEL_NAME);
		if (!named)
			fn(arg, &target, 1, range_ms + 300000);
	}
	for (size_t i = 0; expr_child(e, i); i++)
		selectors(expr_child(e, i), range_ms, fn, arg);
}

void promql_selectors(const struct promql_expr *expr,
		      void (*fn)(void *arg, const struct matcher *m, size_t n, int64_t range_ms), void *arg)
{
	selectors(expr->root, 300000, fn, arg);
}

/* The innermost first: the order in which Prometheus' parser comes to them. */
static const struct expr *experimental(const struct expr *e)
{
	for (size_t i = 0; expr_child(e, i); i++) {
		const struct expr *found = experimental(expr_child(e, i));
		if (found)
			return found;
	}
	if ((e->kind == EXPR_CALL && e->call.fn->experimental) ||
	    (e->kind == EXPR_AGGREGATE && (e->aggregate.op == TOKEN_LIMITK || e->aggregate.op == TOKEN_LIMIT_RATIO)))
		return e;
	return NULL;
}

const char *promql_experimental(const struct promql_expr *expr)
{
	const struct expr *e = experimental(expr->root);
	return !e ? NULL : e->kind == EXPR_CALL ? e->call.fn->name : token_word(e->aggregate.op);
}

int promql_check_enabled(const struct promql_expr *expr, const struct promql_options *opt, char **error)
{
	const struct expr *e = opt->experimental_functions ? NULL : experimental(expr->root);
	if (!e)
		return 0;
	if (e->kind == EXPR_CALL)
		return promql_error_at(expr->text, e->pos, error, "function \"%s\" is not enabled", e->call.fn->name);
	return promql_error_at(expr->text, e->pos, error,
			       "%s() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
			       token_word(e->aggregate.op));
}
