// SPDX-License-Identifier: GPL-2.0-or-later
/* A line of the test language: a series and its values, or start timestamps. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "model/text.h"
#include "promql/histogram_ops.h"
#include "promql/lexer.h"
#include "promql/test_storage.h"
#include "promql/test_values.h"

struct cursor {
	const char *p, *end;
	struct arena *a;
	const char *error;
};

#define REPEAT_MAX 100000

static bool fail(struct cursor *c, const char *what)
{
	if (!c->error)
		c->error = what;
	return false;
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && is_blank(*c->p))
		c->p++;
}

static bool starts(const struct cursor *c, const char *s)
{
	size_t n = strlen(s);
	return (size_t)(c->end - c->p) >= n && !memcmp(c->p, s, n);
}

static bool parse_labels(struct cursor *c, struct labels_builder *b)
{
	char *error = NULL;
	size_t end;
	if (promql_parse_metric(sv_make(c->p, (size_t)(c->end - c->p)), &end, b, &error) < 0) {
		fail(c, arena_strndup(c->a, error, strlen(error)));
		free(error);
		return false;
	}
	c->p += end;
	return true;
}

static bool parse_duration(struct cursor *c, int64_t *ms)
{
	bool minus = false;
	if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
		minus = *c->p++ == '-';
	const char *from = c->p;
	while (c->p < c->end && (isdigit((unsigned char)*c->p) || strchr("ywdhms", *c->p)))
		c->p++;
	if (!text_parse_duration(sv_make(from, (size_t)(c->p - from)), ms))
		return fail(c, "expected a duration");
	*ms = minus ? -*ms : *ms;
	return true;
}

static void add_value(struct cursor *c, struct test_row *r, struct test_value v)
{
	arena_grow(c->a, r->v, r->n, r->cap);
	r->v[r->n++] = v;
}

/* The N of xN, 0 if there is none. */
static bool parse_times(struct cursor *c, size_t *times)
{
	*times = 0;
	if (c->p >= c->end || *c->p != 'x')
		return true;
	c->p++;
	if (c->p >= c->end || !isdigit((unsigned char)*c->p))
		return fail(c, "expected a count after x");
	while (c->p < c->end && isdigit((unsigned char)*c->p) && *times < REPEAT_MAX)
		*times = *times * 10 + (size_t)(*c->p++ - '0');
	return *times < REPEAT_MAX || fail(c, "repeated too often");
}

/* A start time before or behind its sample's, `@` one from the test's beginning on, or `^`, the one before again. */
static bool parse_start_time(struct cursor *c, struct test_row *r)
{
	struct test_value v = {.relative = true};
	int64_t step = 0;
	size_t times;
	if (*c->p == '^') {
		c->p++;
		v.again = true;
	} else {
		if (*c->p == '@') {
			c->p++;
			v.relative = false;
		}
		if (!parse_duration(c, &v.st))
			return false;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-') && !parse_duration(c, &step))
			return false;
	}
	if (!parse_times(c, &times))
		return false;
	for (size_t i = 0; i <= times; i++, v.st += step)
		add_value(c, r, v);
	return true;
}

static bool parse_start_times(struct cursor *c, struct test_row *row)
{
	for (;;) {
		size_t times;
		skip_blanks(c);
		if (c->p >= c->end)
			return true;
		if (*c->p != '_') {
			if (!parse_start_time(c, row))
				return false;
		} else {
			c->p++;
			if (!parse_times(c, &times))
				return false;
			for (size_t i = 0; i < (times ? times : 1); i++)
				add_value(c, row, (struct test_value){.omitted = true});
		}
		if (c->p < c->end && !is_blank(*c->p))
			return fail(c, "unexpected text behind a value");
	}
}

bool test_row_parse(struct sv line, struct arena *a, struct test_row *row, const char **error)
{
	struct cursor c = {line.p, line.p + line.n, a, NULL};
	struct labels_builder b;
	*row = (struct test_row){0};
	labels_builder_init(&b, NULL);
	bool ok = parse_labels(&c, &b);
	row->start_times = ok && starts(&c, "@st");
	if (row->start_times) {
		c.p += 3;
		ok = parse_start_times(&c, row);
	} else if (ok) {
		ok = test_values_scan(line, (size_t)(c.p - line.p), a, row, &c.error);
	}
	if (ok)
		row->labels = labels_builder_build(&b);
	labels_builder_free(&b);
	*error = c.error;
	return ok;
}
