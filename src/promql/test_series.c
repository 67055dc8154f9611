// SPDX-License-Identifier: GPL-2.0-or-later
/* Text forms of the test language: label sets, value lists, histograms in double braces. */
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

/* A number without the x of a repetition: no hexadecimal here. */
static bool parse_number(struct cursor *c, double *v)
{
	const char *from = c->p, *p = c->p;
	if (p < c->end && (*p == '+' || *p == '-'))
		p++;
	if ((size_t)(c->end - p) >= 3 && (!strncasecmp(p, "inf", 3) || !strncasecmp(p, "nan", 3))) {
		p += 3;
	} else {
		while (p < c->end && (isdigit((unsigned char)*p) || *p == '.'))
			p++;
		if (p < c->end && (*p == 'e' || *p == 'E')) {
			const char *x = p + 1;
			if (x < c->end && (*x == '+' || *x == '-'))
				x++;
			if (x < c->end && isdigit((unsigned char)*x)) {
				while (x < c->end && isdigit((unsigned char)*x))
					x++;
				p = x;
			}
		}
	}
	if (!text_parse_float(sv_make(from, (size_t)(p - from)), v))
		return fail(c, "expected a number");
	c->p = p;
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

static bool parse_list(struct cursor *c, double **v, size_t *n)
{
	size_t cap = 0;
	*n = 0;
	*v = NULL;
	if (c->p >= c->end || *c->p++ != '[')
		return fail(c, "expected [");
	for (;;) {
		double x;
		skip_blanks(c);
		if (c->p < c->end && *c->p == ']') {
			c->p++;
			return true;
		}
		if (!parse_number(c, &x))
			return false;
		arena_grow(c->a, *v, *n, cap);
		(*v)[(*n)++] = x;
	}
}

static bool parse_hint(struct cursor *c, enum histogram_hint *hint)
{
	static const char *const names[] = {"unknown", "reset", "not_reset", "gauge"};
	for (size_t i = 4; i-- > 0;)
		if (starts(c, names[i])) {
			c->p += strlen(names[i]);
			*hint = (enum histogram_hint)i;
			return true;
		}
	return fail(c, "unknown counter_reset_hint");
}

static struct histogram_bucket *to_buckets(struct arena *a, const double *v, size_t n, int offset,
					   size_t *out_n)
{
	struct histogram_bucket *b = arena_alloc(a, (n + 1) * sizeof(*b));
	*out_n = 0;
	for (size_t i = 0; i < n; i++)
		if (v[i] != 0)
			b[(*out_n)++] = (struct histogram_bucket){offset + (int)i, v[i]};
	return b;
}

/* {{schema:0 sum:5 count:4 buckets:[1 2 1]}} */
static bool parse_histogram(struct cursor *c, const struct histogram **out)
{
	struct histogram *h = arena_calloc(c->a, 1, sizeof(*h));
	double *pos = NULL, *neg = NULL, x, offset = 0, n_offset = 0;
	size_t n_pos = 0, n_neg = 0;
	c->p += 2;
	for (;;) {
		skip_blanks(c);
		if (starts(c, "}}"))
			break;
		const char *colon = memchr(c->p, ':', (size_t)(c->end - c->p));
		if (!colon)
			return fail(c, "expected a histogram field");
		struct sv key = sv_make(c->p, (size_t)(colon - c->p));
		c->p = colon + 1;
		bool ok;
		if (sv_eqs(key, "schema") && (ok = parse_number(c, &x)))
			h->schema = x >= -100 && x <= 100 ? (int32_t)x : INT32_MAX; /* refused below */
		else if (sv_eqs(key, "sum"))
			ok = parse_number(c, &h->sum);
		else if (sv_eqs(key, "count"))
			ok = parse_number(c, &h->count);
		else if (sv_eqs(key, "z_bucket"))
			ok = parse_number(c, &h->zero_count);
		else if (sv_eqs(key, "z_bucket_w"))
			ok = parse_number(c, &h->zero_threshold);
		else if (sv_eqs(key, "buckets"))
			ok = parse_list(c, &pos, &n_pos);
		else if (sv_eqs(key, "n_buckets"))
			ok = parse_list(c, &neg, &n_neg);
		else if (sv_eqs(key, "custom_values"))
			ok = parse_list(c, &h->custom, &h->n_custom);
		else if (sv_eqs(key, "offset"))
			ok = parse_number(c, &offset);
		else if (sv_eqs(key, "n_offset"))
			ok = parse_number(c, &n_offset);
		else if (sv_eqs(key, "counter_reset_hint"))
			ok = parse_hint(c, &h->hint);
		else
			ok = c->error ? false : fail(c, "unknown histogram field");
		if (!ok && c->error)
			return false;
	}
	c->p += 2;
	if (!histogram_is_custom(h) && (h->schema < -4 || h->schema > 8))
		return fail(c, "a schema is -53 or between -4 and 8");
	if (!(fabs(offset) < 1e6) || !(fabs(n_offset) < 1e6) ||
	    (histogram_is_custom(h) && (offset < 0 || n_neg)))
		return fail(c, "offset out of range");
	h->pos = to_buckets(c->a, pos, n_pos, (int)offset, &h->n_pos);
	h->neg = to_buckets(c->a, neg, n_neg, (int)n_offset, &h->n_neg);
	*out = h;
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

static bool parse_value(struct cursor *c, struct test_row *r)
{
	size_t times;
	if (*c->p == '_') {
		c->p++;
		if (!parse_times(c, &times))
			return false;
		for (size_t i = 0; i < (times ? times : 1); i++)
			add_value(c, r, (struct test_value){.omitted = true});
		return true;
	}
	if (r->start_times)
		return parse_start_time(c, r);
	if (starts(c, "stale")) {
		c->p += 5;
		add_value(c, r, (struct test_value){.v = sample_stale_marker()});
		return true;
	}
	struct test_value v = {0}, step = {0};
	bool histogram = starts(c, "{{"), minus = false, stepped;
	if (!(histogram ? parse_histogram(c, &v.h) : parse_number(c, &v.v)))
		return false;
	stepped = c->p < c->end && (*c->p == '+' || *c->p == '-');
	if (stepped) {
		minus = *c->p++ == '-';
		if (!(histogram ? parse_histogram(c, &step.h) : parse_number(c, &step.v)))
			return false;
	}
	if (!parse_times(c, &times))
		return false;
	add_value(c, r, v);
	for (size_t i = 1; i <= times; i++) {
		if (stepped && histogram) {
			struct histogram_alloc alloc = histogram_arena(c->a);
			enum histogram_hint hint = v.h->hint;
			struct histogram *next = histogram_add(v.h, step.h, minus ? -1 : 1, &alloc, NULL);
			next->hint = hint;
			v.h = next;
		} else if (stepped) {
			v.v = minus ? v.v - step.v : v.v + step.v;
		}
		add_value(c, r, v);
	}
	return true;
}

static bool parse_values(struct cursor *c, struct test_row *row)
{
	for (;;) {
		skip_blanks(c);
		if (c->p >= c->end)
			return true;
		if (!parse_value(c, row))
			return false;
		if (c->p < c->end && !is_blank(*c->p))
			return fail(c, "unexpected text behind a value");
	}
}

bool test_values_parse(struct sv text, struct arena *a, struct test_row *row, const char **error)
{
	struct cursor c = {text.p, text.p + text.n, a, NULL};
	*row = (struct test_row){0};
	bool ok = parse_values(&c, row);
	*error = c.error;
	return ok;
}

bool test_row_parse(struct sv line, struct arena *a, struct test_row *row, const char **error)
{
	struct cursor c = {line.p, line.p + line.n, a, NULL};
	struct labels_builder b;
	*row = (struct test_row){0};
	labels_builder_init(&b, NULL);
	bool ok = parse_labels(&c, &b);
	if (ok && starts(&c, "@st")) {
		c.p += 3;
		row->start_times = true;
	}
	ok = ok && parse_values(&c, row);
	if (ok)
		row->labels = labels_builder_build(&b);
	labels_builder_free(&b);
	*error = c.error;
	return ok;
}
