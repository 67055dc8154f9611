// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/test.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "model/text.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "promql/test_case.h"

#define FILE_MAX (16u << 20)

struct run {
	struct arena arena;
	struct test_storage storage;
	struct sv *lines;
	size_t n_lines, at;
	const char *path;
	FILE *out;
	int passed, failed;
	struct buf why;
};

static const struct promql_options suite_options = {.max_samples = 10000,
						    .delayed_name_removal = true,
						    .experimental_functions = true,
						    .start_timestamps = true};

static struct sv trim(struct sv s)
{
	while (s.n && strchr(" \t\r", s.p[0]))
		s = sv_make(s.p + 1, s.n - 1);
	while (s.n && strchr(" \t\r", s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The next word of *S, which goes behind it. */
static struct sv word(struct sv *s)
{
	*s = trim(*s);
	size_t n = 0;
	while (n < s->n && !strchr(" \t", s->p[n]))
		n++;
	struct sv w = sv_make(s->p, n);
	*s = trim(sv_make(s->p + n, s->n - n));
	return w;
}

static bool is_blank_line(struct sv l)
{
	return !l.n || l.p[0] == '#';
}

static bool parse_time(struct sv s, int64_t *ms)
{
	bool minus = s.n && s.p[0] == '-';
	double v;
	if (minus)
		s = sv_make(s.p + 1, s.n - 1);
	if (!text_parse_duration(s, ms)) {
		if (!text_parse_float(s, &v) || !(fabs(v) < 1e12))
			return false;
		*ms = (int64_t)round(v * 1000);
	}
	*ms = minus ? -*ms : *ms;
	return true;
}

/* `from A to B step S`; the rest stays in *S. */
static bool parse_span(struct sv *s, int64_t *from, int64_t *to, int64_t *step)
{
	return sv_eqs(word(s), "from") && parse_time(word(s), from) && sv_eqs(word(s), "to") &&
	       parse_time(word(s), to) && sv_eqs(word(s), "step") && parse_time(word(s), step) && *step > 0;
}

static bool parse_expect(struct run *r, struct test_case *c, struct sv s)
{
	struct sv what = word(&s);
	struct expectation e = {.any = !s.n};
	if (sv_eqs(what, "no_warn"))
		return c->no_warn = true;
	if (sv_eqs(what, "no_info"))
		return c->no_info = true;
	if (sv_eqs(what, "ordered"))
		return c->ordered = true;
	if (sv_eqs(what, "string")) {
		const char *error;
		c->expects_string = true;
		c->string.p = s.n >= 2 ? lexer_unquote(s, &r->arena, &c->string.n, &error) : NULL;
		return c->string.p;
	}
	if (sv_eqs(what, "range")) {
		c->expects_matrix = true;
		return sv_eqs(word(&s), "vector") && parse_span(&s, &c->m_start, &c->m_end, &c->m_step);
	}
	if (sv_eqs(what, "fail")) {
		c->fail = true;
		e.what = EXPECT_FAIL;
	} else if (sv_eqs(what, "warn")) {
		c->warn = true;
		e.what = EXPECT_WARN;
	} else if (sv_eqs(what, "info")) {
		c->info = true;
		e.what = EXPECT_INFO;
	} else {
		return false;
	}
	if (s.n) {
		if (sv_starts_with(s, SV("msg:")))
			e.text = trim(sv_make(s.p + 4, s.n - 4));
		else if ((e.regex = sv_starts_with(s, SV("regex:"))))
			e.text = trim(sv_make(s.p + 6, s.n - 6));
		else
			return false;
	}
	arena_grow(&r->arena, c->e, c->n_e, c->cap_e);
	c->e[c->n_e++] = e;
	return true;
}

static bool parse_expected_line(struct run *r, struct test_case *c, struct sv l)
{
	const char *error = NULL;
	struct sv rest = l;
	struct sv first = word(&rest);
	if (sv_eqs(first, "expect"))
		return parse_expect(r, c, rest);
	if (sv_eqs(first, "expected_fail_message") || sv_eqs(first, "expected_fail_regexp")) {
		struct expectation e = {
		    .what = EXPECT_FAIL, .text = rest, .regex = sv_eqs(first, "expected_fail_regexp")};
		arena_grow(&r->arena, c->e, c->n_e, c->cap_e);
		c->e[c->n_e++] = e;
		return true;
	}
	if (!rest.n && text_parse_float(first, &c->value))
		return c->scalar = true;
	arena_grow(&r->arena, c->rows, c->n, c->cap);
	if (!test_row_parse(l, &r->arena, &c->rows[c->n], &error)) {
		buf_addf(&r->why, "%s", error ? error : "malformed series");
		return false;
	}
	c->n++;
	return true;
}

static bool uses_function(const struct expr *e, bool (*wanted)(const struct expr *e))
{
	if (wanted(e))
		return true;
	for (size_t i = 0; expr_child(e, i); i++)
		if (uses_function(expr_child(e, i), wanted))
			return true;
	return false;
}

static bool depends_on_time(const struct expr *e)
{
	return e->kind == EXPR_CALL && e->call.fn->time == TIME_DEPENDENT;
}

static bool has_query_bound(const struct duration *d)
{
	return d->expr && !d->constant;
}

/* start(), end(), step() and range() mean something else when an instant query becomes a range query. */
static bool depends_on_query(const struct expr *e)
{
	const struct timing *t = e->kind == EXPR_VECTOR	    ? &e->vector.timing
				 : e->kind == EXPR_SUBQUERY ? &e->subquery.timing
							    : NULL;
	if (t && (t->at == AT_START || t->at == AT_END || has_query_bound(&t->offset)))
		return true;
	if ((e->kind == EXPR_MATRIX && has_query_bound(&e->matrix.range)) ||
	    (e->kind == EXPR_SUBQUERY &&
	     (has_query_bound(&e->subquery.range) || has_query_bound(&e->subquery.step))))
		return true;
	return e->kind == EXPR_CALL && (sv_eqs(e->call.name, "start") || sv_eqs(e->call.name, "end") ||
					sv_eqs(e->call.name, "step") || sv_eqs(e->call.name, "range"));
}

/* Gives every selector and subquery outside a pinned subquery its own @ T. */
static void pin(struct expr *e, int64_t t)
{
	struct timing *timing = e->kind == EXPR_VECTOR	   ? &e->vector.timing
				: e->kind == EXPR_SUBQUERY ? &e->subquery.timing
							   : NULL;
	if (timing && timing->at != AT_TIME) { /* start() and end() are T, too */
		timing->at = AT_TIME;
		timing->at_ms = t;
	}
	if (e->kind == EXPR_SUBQUERY)
		return;
	for (size_t i = 0; expr_child(e, i); i++)
		pin(expr_child(e, i), t);
}

static bool run_instant(struct run *r, const struct test_case *c, const struct promql_expr *e, int64_t t)
{
	struct sample_source src = test_storage_source(&r->storage);
	struct promql_value v = {0};
	char *error = NULL;
	if (promql_eval_instant(&suite_options, e, &src, t, &v, &error))
		return test_check_failure(&r->why, c, error);
	if (c->fail) {
		buf_adds(&r->why, "it should have failed");
		promql_value_free(&v);
		return false;
	}
	bool ok = test_check_annotations(&r->why, c, &v) && test_compare(&r->why, c, &v);
	enum promql_type type = v.type;
	promql_value_free(&v);
	if (!ok || type == PROMQL_STRING || type == PROMQL_MATRIX || uses_function(e->root, depends_on_query))
		return ok;
	/* The same within a range query: its middle step. */
	if (promql_eval_range(&suite_options, e, &src, t - 60000, t + 60000, 60000, &v, &error)) {
		buf_addf(&r->why, "as a range query: %s", error);
		free(error);
		return false;
	}
	size_t n = 0;
	for (size_t i = 0; i < v.n; i++) {
		struct promql_series *s = &v.series[i];
		size_t k = 0;
		while (k < s->n && s->points[k].t != t)
			k++;
		if (k == s->n) {
			labels_unref(s->labels);
			continue;
		}
		struct promql_series kept = {.labels = s->labels, .points = s->points + k, .n = 1};
		v.series[n++] = kept;
	}
	v.n = n;
	v.type = type;
	v.scalar = type == PROMQL_SCALAR && n ? v.series[0].points[0].v : 0;
	struct test_case unordered = *c;
	unordered.ordered = false;
	if (!c->ordered && !test_compare(&r->why, &unordered, &v)) {
		buf_adds(&r->why, " (as a range query)");
		ok = false;
	}
	promql_value_free(&v);
	return ok;
}

static bool run_range(struct run *r, const struct test_case *c, const struct promql_expr *e)
{
	struct sample_source src = test_storage_source(&r->storage);
	struct promql_value v = {0};
	char *error = NULL;
	if (promql_eval_range(&suite_options, e, &src, c->start, c->end, c->step, &v, &error))
		return test_check_failure(&r->why, c, error);
	bool ok = !c->fail;
	if (!ok)
		buf_adds(&r->why, "it should have failed");
	ok = ok && test_check_annotations(&r->why, c, &v) && test_compare(&r->why, c, &v);
	promql_value_free(&v);
	return ok;
}

static bool parse_again(struct run *r, const struct test_case *c, struct promql_expr **e)
{
	char *error = NULL;
	if (!promql_parse(c->expr, e, &error))
		return true;
	buf_addf(&r->why, "%s", error);
	free(error);
	return false;
}

static bool run_pinned(struct run *r, const struct test_case *c)
{
	int64_t t = c->start;
	int64_t times[] = {-10 * t, 0, t / 5, t, 10 * t};
	int64_t zero_times[] = {-1000, 0, 1000};
	const int64_t *at = t ? times : zero_times;
	size_t n = t ? ARRAY_SIZE(times) : ARRAY_SIZE(zero_times);
	struct promql_expr *e;
	bool ok = true;
	if (!parse_again(r, c, &e))
		return false;
	pin(e->root, t);
	/* What was pinned may now be the same at every step. */
	char *error = NULL;
	promql_check(e, &error);
	for (size_t i = 0; i < n && ok; i++) {
		ok = run_instant(r, c, e, at[i]);
		if (!ok)
			buf_addf(&r->why, " (with @ at %g)", (double)at[i] / 1000);
	}
	promql_expr_free(e);
	return ok;
}

/* The printed form must read back as itself. */
static bool check_print(struct run *r, const struct promql_expr *e)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	struct promql_expr *again = NULL;
	char *error = NULL;
	promql_print(e, &a);
	bool ok = !promql_parse(sv_make(buf_str(&a), a.n), &again, &error);
	if (ok) {
		promql_print(again, &b);
		ok = !strcmp(buf_str(&a), buf_str(&b));
	}
	if (!ok)
		buf_addf(&r->why, "printed form `%s` does not read back: %s", buf_str(&a),
			 error ? error : buf_str(&b));
	free(error);
	promql_expr_free(again);
	buf_free(&a);
	buf_free(&b);
	return ok;
}

static bool run_case(struct run *r, struct test_case *c)
{
	struct promql_expr *e;
	char *error = NULL;
	if (promql_parse(c->expr, &e, &error))
		return test_check_failure(&r->why, c, error);
	bool ok = check_print(r, e) && (c->range ? run_range(r, c, e) : run_instant(r, c, e, c->start));
	bool timeless = !uses_function(e->root, depends_on_time);
	promql_expr_free(e);
	return ok && (c->range || !timeless || run_pinned(r, c));
}

static void report(struct run *r, const struct test_case *c, bool ok)
{
	if (ok)
		r->passed++;
	else
		r->failed++;
	if (r->out) {
		fprintf(r->out, "%s %s:%zu %.*s", ok ? "ok" : "FAIL", r->path, c->line, SV_ARG(c->expr));
		if (!ok)
			fprintf(r->out, "  # %s", buf_str(&r->why));
		fputc('\n', r->out);
	}
	buf_reset(&r->why);
}

static bool malformed(struct run *r, const char *what)
{
	if (r->out)
		fprintf(r->out, "%s:%zu: %s%s%s\n", r->path, r->at + 1, what, r->why.n ? ": " : "",
			buf_str(&r->why));
	buf_reset(&r->why);
	return false;
}

static bool load_command(struct run *r, struct sv rest, bool nhcb)
{
	struct test_row *rows = NULL;
	size_t n = 0, cap = 0;
	int64_t interval;
	bool ok = true;
	if (!text_parse_duration(word(&rest), &interval) || rest.n)
		return malformed(r, "load wants one duration");
	for (r->at++; r->at < r->n_lines && !is_blank_line(r->lines[r->at]); r->at++) {
		const char *error = NULL;
		array_grow(rows, n, cap);
		if (!test_row_parse(r->lines[r->at], &r->storage.arena, &rows[n], &error)) {
			ok = malformed(r, error ? error : "malformed series");
			break;
		}
		n++;
	}
	if (ok)
		test_storage_load(&r->storage, rows, n, interval, nhcb);
	for (size_t i = 0; i < n; i++)
		labels_unref(rows[i].labels);
	free(rows);
	return ok;
}

static bool parse_eval(struct test_case *c, struct sv command, struct sv rest)
{
	c->fail = sv_eqs(command, "eval_fail");
	c->warn = sv_eqs(command, "eval_warn");
	c->info = sv_eqs(command, "eval_info");
	c->ordered = sv_eqs(command, "eval_ordered");
	struct sv mode = word(&rest);
	if (sv_eqs(mode, "instant")) {
		if (!sv_eqs(word(&rest), "at") || !parse_time(word(&rest), &c->start))
			return false;
	} else if (sv_eqs(mode, "range")) {
		c->range = true;
		if (!parse_span(&rest, &c->start, &c->end, &c->step))
			return false;
	} else {
		return false;
	}
	c->expr = rest;
	return rest.n > 0;
}

static bool eval_command(struct run *r, struct sv command, struct sv rest)
{
	struct test_case c = {.line = r->at + 1};
	bool ok = true;
	if (!parse_eval(&c, command, rest))
		return malformed(r, "malformed eval command");
	/* The old forms say what is expected without a text. */
	if (c.warn || c.info) {
		arena_grow(&r->arena, c.e, c.n_e, c.cap_e);
		c.e[c.n_e++] = (struct expectation){.what = c.warn ? EXPECT_WARN : EXPECT_INFO, .any = true};
	}
	for (r->at++; r->at < r->n_lines && !is_blank_line(r->lines[r->at]); r->at++)
		if (!parse_expected_line(r, &c, r->lines[r->at])) {
			ok = malformed(r, "malformed expectation");
			break;
		}
	if (ok)
		report(r, &c, run_case(r, &c));
	for (size_t i = 0; i < c.n; i++)
		labels_unref(c.rows[i].labels);
	arena_reset(&r->arena);
	return ok;
}

static bool run_all(struct run *r)
{
	while (r->at < r->n_lines) {
		struct sv rest = r->lines[r->at];
		if (is_blank_line(rest)) {
			r->at++;
			continue;
		}
		struct sv command = word(&rest);
		if (sv_eqs(command, "clear")) {
			test_storage_clear(&r->storage);
			r->at++;
		} else if (sv_eqs(command, "load") || sv_eqs(command, "load_with_nhcb")) {
			if (!load_command(r, rest, command.n > 4))
				return false;
		} else if (sv_starts_with(command, SV("eval"))) {
			if (!eval_command(r, command, rest))
				return false;
		} else {
			return malformed(r, "unknown command");
		}
	}
	return true;
}

static int read_file(const char *path, struct buf *b)
{
	char tmp[65536];
	size_t n;
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	while ((n = fread(tmp, 1, sizeof(tmp), f)) > 0)
		buf_add(b, tmp, n);
	int rc = ferror(f) ? -EIO : b->failed ? -EFBIG : 0;
	fclose(f);
	return rc;
}

int promql_test_file(const char *path, FILE *out, int *passed, int *failed)
{
	struct run r = {.path = path, .out = out, .why = BUF_LIMIT(1 << 20)};
	struct buf text = BUF_LIMIT(FILE_MAX);
	size_t cap = 0;
	int rc = read_file(path, &text);
	if (rc) {
		if (out)
			fprintf(out, "%s: %s\n", path, strerror(-rc));
		buf_free(&text);
		return rc;
	}
	for (size_t from = 0; from < text.n;) {
		const char *nl = memchr(text.p + from, '\n', text.n - from);
		size_t to = nl ? (size_t)(nl - text.p) : text.n;
		array_grow(r.lines, r.n_lines, cap);
		r.lines[r.n_lines++] = trim(sv_make(text.p + from, to - from));
		from = to + 1;
	}
	if (!run_all(&r))
		rc = -EINVAL;
	*passed += r.passed;
	*failed += r.failed;
	test_storage_clear(&r.storage);
	arena_free(&r.arena);
	free(r.lines);
	buf_free(&r.why);
	buf_free(&text);
	return rc;
}
