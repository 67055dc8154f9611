// SPDX-License-Identifier: GPL-2.0-or-later
/* The values of a series description: `1 2+3x4 _x2 stale {{sum:1 buckets:[1 2]}}x3`. Tokens, and where in the grammar a mistake is found, are
 * Prometheus', and so is what is said of it: a mistake inside of an item is one "in series values", what cannot follow a whole item is just
 * unexpected. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"
#include "promql/ast.h"
#include "promql/histogram_ops.h"
#include "promql/lexer.h"
#include "promql/test_values.h"

#define REPEAT_MAX 1000000
#define HISTOGRAM_KEY "histogram description key, e.g. buckets:[5 10 7]"

enum kind {
	END,
	ERROR, /* told already */
	SPACE,
	BLANK, /* _ */
	TIMES, /* x */
	ADD,
	SUB,
	NUMBER,
	WORD,
	OTHER, /* nothing that may stand in a list */
	OPEN,
	CLOSE,
	COLON,
	LEFT,
	RIGHT,
	FIELD, /* of a histogram, a colon follows */
	HINT,
};

static const char *const fields[] = {"schema", "sum", "count", "z_bucket", "z_bucket_w", "buckets", "n_buckets", "custom_values",
				     "offset", "n_offset", "counter_reset_hint"};
enum { SCHEMA, SUM, COUNT, Z_BUCKET, Z_BUCKET_W, BUCKETS, N_BUCKETS, CUSTOM_VALUES, OFFSET, N_OFFSET, COUNTER_RESET_HINT };
static const char *const hints[] = {"unknown", "reset", "not_reset", "gauge"};

struct values {
	struct sv line;
	size_t i;
	struct arena *a;
	bool histogram, bracket, bracket_sub; /* inside of {{ }}, of [ ], behind a sign there */
	enum kind kind;			      /* of the token that is looked at */
	struct token token;
	size_t word;   /* FIELD, HINT: which */
	bool has_field; /* in this histogram */
	const char *error;
};

static bool fail(struct values *v, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool fail(struct values *v, size_t at, const char *fmt, ...)
{
	if (v->error)
		return false;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *msg = xvasprintf(fmt, ap), *error = NULL;
	va_end(ap);
	promql_error_at(v->line, (uint32_t)at, &error, "%s", msg);
	v->error = arena_strndup(v->a, error, strlen(error));
	v->kind = ERROR;
	return false;
}

static bool unexpected(struct values *v, const char *context, const char *expected)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	token_describe(&v->token, &b);
	return fail(v, v->token.pos, "unexpected %s%s%s%s%s", buf_str(&b), context ? " in " : "", context ? context : "",
		    expected ? ", expected " : "", expected ? expected : "");
}

/* In the middle of an item. */
static bool broken_item(struct values *v)
{
	return v->histogram && v->has_field ? unexpected(v, "histogram description", HISTOGRAM_KEY) : unexpected(v, "series values", NULL);
}

static int peek(const struct values *v, size_t k)
{
	return v->i + k < v->line.n ? (unsigned char)v->line.p[v->i + k] : -1;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alpha(int c)
{
	return c == '_' || (c > 0 && c < 128 && isalpha(c));
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static void emit(struct values *v, enum kind kind, enum token_type type, size_t from)
{
	v->kind = kind;
	v->token = (struct token){.type = type, .pos = (uint32_t)from, .text = sv_make(v->line.p + from, v->i - from)};
}

static void strange(struct values *v, const char *what)
{
	char q[16];
	fail(v, v->i, "%s: %s", what, lexer_quote_char(sv_make(v->line.p + v->i, v->line.n - v->i), q));
}

static void lex_number(struct values *v)
{
	size_t from = v->i;
	bool ok;
	v->i += lexer_number(sv_make(v->line.p + v->i, v->line.n - v->i), &ok);
	if (ok)
		emit(v, NUMBER, TOKEN_NUMBER, from);
	else
		fail(v, from, "bad number syntax: \"%.*s\"", (int)(v->i - from), v->line.p + from);
}

/* One blank stands for all of them. */
static void lex_blank(struct values *v)
{
	size_t from = v->i++;
	emit(v, SPACE, TOKEN_COLON, from);
	while (is_blank(peek(v, 0)))
		v->i++;
}

static bool is_one_of(struct sv word, const char *const *list, size_t n, size_t *which)
{
	for (*which = 0; *which < n; ++*which)
		if (strlen(list[*which]) == word.n && !strncasecmp(list[*which], word.p, word.n))
			return true;
	return false;
}

static void lex_field(struct values *v)
{
	size_t from = v->i;
	while (is_alpha(peek(v, 0)))
		v->i++;
	struct sv word = sv_make(v->line.p + from, v->i - from);
	if (is_one_of(word, fields, ARRAY_SIZE(fields), &v->word)) {
		if (peek(v, 0) == ':')
			emit(v, FIELD, TOKEN_COLON, from);
		else
			fail(v, from, "missing `:` for histogram descriptor");
	} else if (token_of_word(word) == TOKEN_NUMBER) {
		emit(v, NUMBER, TOKEN_NUMBER, from);
	} else if (is_one_of(word, hints, ARRAY_SIZE(hints), &v->word)) {
		emit(v, HINT, TOKEN_COLON, from);
	} else {
		fail(v, from, "bad histogram descriptor found: \"%.*s\"", SV_ARG(word));
	}
}

static void lex_bucket(struct values *v)
{
	size_t from = v->i;
	int c = peek(v, 0);
	bool sub = v->bracket_sub;
	v->bracket_sub = false;
	if (sub || is_digit(c)) {
		lex_number(v);
	} else if (is_blank(c)) {
		lex_blank(v);
	} else if (c == '-') {
		v->i++;
		v->bracket_sub = true;
		emit(v, SUB, TOKEN_SUB, from);
	} else if (c == ']') {
		v->i++;
		v->bracket = false;
		emit(v, RIGHT, TOKEN_RIGHT_BRACKET, from);
	} else if (v->line.n - v->i >= 3 && token_of_word(sv_make(v->line.p + v->i, 3)) == TOKEN_NUMBER) {
		v->i += 3;
		emit(v, NUMBER, TOKEN_NUMBER, from);
	} else {
		strange(v, "invalid character in buckets description");
	}
}

static void lex_histogram(struct values *v)
{
	size_t from = v->i;
	int c = peek(v, 0);
	if (is_blank(c)) {
		lex_blank(v);
	} else if (is_alpha(c)) {
		lex_field(v);
	} else if (is_digit(c)) {
		lex_number(v);
	} else if (c == ':' || c == '-' || c == '[') {
		v->i++;
		v->bracket = c == '[';
		emit(v, c == ':' ? COLON : c == '-' ? SUB : LEFT, c == ':' ? TOKEN_COLON : c == '-' ? TOKEN_SUB : TOKEN_LEFT_BRACKET, from);
	} else if (c == '}' && peek(v, 1) == '}') {
		v->i += 2;
		emit(v, CLOSE, TOKEN_COLON, from);
	} else {
		strange(v, "histogram description incomplete unexpected");
	}
}

static void lex_word(struct values *v)
{
	size_t from = v->i;
	bool colon = false;
	for (; is_alpha(peek(v, 0)) || is_digit(peek(v, 0)) || peek(v, 0) == ':'; v->i++)
		colon |= peek(v, 0) == ':';
	enum token_type type = token_of_word(sv_make(v->line.p + from, v->i - from));
	if (colon)
		type = TOKEN_METRIC_IDENTIFIER;
	emit(v, type == TOKEN_NUMBER ? NUMBER : type == TOKEN_IDENTIFIER ? WORD : OTHER, type, from);
}

static void next(struct values *v)
{
	static const struct {
		char c;
		enum kind kind;
		enum token_type type;
	} signs[] = {{'+', ADD, TOKEN_ADD}, {'-', SUB, TOKEN_SUB}, {'x', TIMES, TOKEN_COLON}, {'_', BLANK, TOKEN_COLON}};
	size_t from = v->i;
	int c = peek(v, 0);
	if (v->error)
		return;
	if (v->bracket) {
		lex_bucket(v);
		return;
	}
	if (v->histogram) {
		lex_histogram(v);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (c == signs[i].c) {
			v->i++;
			emit(v, signs[i].kind, signs[i].type, from);
			return;
		}
	if (c < 0) {
		emit(v, END, TOKEN_EOF, from);
	} else if (c == '{' && peek(v, 1) == '{') {
		v->i += 2;
		v->histogram = true;
		v->has_field = false;
		emit(v, OPEN, TOKEN_COLON, from);
	} else if (is_blank(c)) {
		lex_blank(v);
	} else if (is_digit(c) || (c == '.' && is_digit(peek(v, 1)))) {
		lex_number(v);
	} else if (is_alpha(c)) {
		lex_word(v);
	} else {
		strange(v, "unexpected character in series sequence");
	}
}

static bool accept(struct values *v, enum kind kind)
{
	if (v->kind != kind)
		return false;
	next(v);
	return true;
}

static bool number(struct values *v, double *x)
{
	_cleanup_free_ char *error = NULL;
	if (v->kind != NUMBER)
		return broken_item(v);
	if (!token_number(v->token.text, x, &error))
		return fail(v, v->token.pos, "%s", error);
	next(v);
	return !v->error;
}

static bool signed_number(struct values *v, double *x)
{
	bool minus = v->kind == SUB;
	if (minus || v->kind == ADD)
		next(v);
	if (!number(v, x))
		return false;
	*x = minus ? -*x : *x;
	return true;
}

static bool whole_number(struct values *v, uint64_t *n)
{
	struct sv s = v->token.text;
	if (v->kind != NUMBER)
		return broken_item(v);
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		bool digit = is_digit(s.p[i]);
		if (!digit || __builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, (uint64_t)(s.p[i] - '0'), n))
			return fail(v, v->token.pos, "invalid repetition in series values: strconv.ParseUint: parsing \"%.*s\": %s", SV_ARG(s),
				    digit ? "value out of range" : "invalid syntax");
	}
	return true;
}

/* The N of xN; the cursor is on the x. The number stays the token looked at, where mistakes of the whole item are told. */
static bool times(struct values *v, uint64_t *n)
{
	if (v->kind != TIMES)
		return broken_item(v);
	next(v);
	if (v->error || !whole_number(v, n))
		return false;
	return *n < REPEAT_MAX || fail(v, v->token.pos, "more than %d values", REPEAT_MAX);
}

static bool integer(struct values *v, int64_t min, int64_t max, const char *what, int *out)
{
	uint64_t n;
	bool minus = accept(v, SUB);
	size_t at = v->token.pos;
	if (v->error || !whole_number(v, &n))
		return false;
	int64_t i = n > INT32_MAX ? INT32_MAX : (int64_t)n;
	i = minus ? -i : i;
	if (i < min || i > max)
		return fail(v, at, "%s", what);
	*out = (int)i;
	next(v);
	return !v->error;
}

/* A mistake behind the first number is passed over up to where the list can go on: so it is with Prometheus. */
static bool bucket_list(struct values *v, double **list, size_t *n)
{
	size_t cap = 0;
	double x;
	*n = 0;
	*list = NULL;
	if (!accept(v, LEFT))
		return v->error ? false : broken_item(v);
	do {
		if (*n && v->kind == RIGHT)
			break;
		if (!signed_number(v, &x))
			return false;
		arena_grow(v->a, *list, *n, cap);
		(*list)[(*n)++] = x;
		while (!v->error && v->kind != SPACE && v->kind != RIGHT)
			next(v);
	} while (accept(v, SPACE));
	return !v->error && accept(v, RIGHT) && !v->error;
}

static struct histogram_bucket *to_buckets(struct arena *a, const double *v, size_t n, int offset, size_t *out_n)
{
	struct histogram_bucket *b = arena_alloc(a, (n + 1) * sizeof(*b));
	*out_n = 0;
	for (size_t i = 0; i < n; i++)
		if (v[i] != 0)
			b[(*out_n)++] = (struct histogram_bucket){offset + (int)i, v[i]};
	return b;
}

struct description {
	struct histogram *h;
	double *pos, *neg;
	size_t n_pos, n_neg;
	int offset, n_offset;
};

static bool field(struct values *v, struct description *d)
{
	static const char schemas[] = "a schema is -53 or between -4 and 8", offsets[] = "offset out of range";
	struct histogram *h = d->h;
	size_t which = v->word;
	next(v);
	if (!accept(v, COLON) || v->error)
		return false;
	switch (which) {
	case SCHEMA:
		return integer(v, -53, 8, schemas, &h->schema) &&
		       (h->schema >= -4 || h->schema == -53 || fail(v, v->token.pos, "%s", schemas));
	case SUM:
		return signed_number(v, &h->sum);
	case COUNT:
		return signed_number(v, &h->count);
	case Z_BUCKET:
		return signed_number(v, &h->zero_count);
	case Z_BUCKET_W:
		return number(v, &h->zero_threshold);
	case BUCKETS:
		return bucket_list(v, &d->pos, &d->n_pos);
	case N_BUCKETS:
		return bucket_list(v, &d->neg, &d->n_neg);
	case CUSTOM_VALUES:
		return bucket_list(v, &h->custom, &h->n_custom);
	case OFFSET:
		return integer(v, -1000000, 1000000, offsets, &d->offset);
	case N_OFFSET:
		return integer(v, -1000000, 1000000, offsets, &d->n_offset);
	}
	if (v->kind != HINT)
		return broken_item(v);
	h->hint = (enum histogram_hint)v->word;
	next(v);
	return !v->error;
}

static bool field_list(struct values *v, struct description *d)
{
	unsigned seen = 0;
	accept(v, SPACE);
	while (!v->error && v->kind != CLOSE) {
		if (v->kind != FIELD)
			return broken_item(v);
		if (seen & 1u << v->word)
			return fail(v, 0, "duplicate key \"%s\" in histogram", fields[v->word]);
		seen |= 1u << v->word;
		if (!field(v, d))
			return false;
		v->has_field = true;
		if (v->kind != CLOSE && !accept(v, SPACE))
			return v->error ? false : broken_item(v);
	}
	return !v->error;
}

static bool histogram(struct values *v, const struct histogram **out)
{
	struct description d = {.h = arena_calloc(v->a, 1, sizeof(*d.h))};
	size_t from = v->token.pos;
	next(v);
	if (!field_list(v, &d))
		return false;
	if (histogram_is_custom(d.h) && (d.offset < 0 || d.n_neg))
		return fail(v, from, "custom buckets have no negative offset and no negative buckets");
	d.h->pos = to_buckets(v->a, d.pos, d.n_pos, d.offset, &d.h->n_pos);
	d.h->neg = to_buckets(v->a, d.neg, d.n_neg, d.n_offset, &d.h->n_neg);
	*out = d.h;
	v->histogram = false;
	next(v);
	return !v->error;
}

static void add(struct values *v, struct test_row *row, struct test_value value)
{
	arena_grow(v->a, row->v, row->n, row->cap);
	row->v[row->n++] = value;
}

static bool histogram_item(struct values *v, struct test_row *row)
{
	struct test_value value = {0};
	const struct histogram *step = NULL;
	uint64_t n = 0;
	if (!histogram(v, &value.h))
		return false;
	bool minus = v->kind == SUB;
	if (minus || v->kind == ADD) {
		next(v);
		if (v->kind != OPEN)
			return v->error ? false : broken_item(v);
		if (!histogram(v, &step))
			return false;
	}
	if ((step || v->kind == TIMES) && !times(v, &n))
		return false;
	if (n && step && value.h->schema > step->schema)
		return fail(v, v->token.pos, "error combining histograms: cannot merge from schema %d to %d", step->schema, value.h->schema);
	add(v, row, value);
	for (uint64_t i = 0; i < n; i++) {
		if (step) {
			struct histogram_alloc alloc = histogram_arena(v->a);
			struct histogram *sum = histogram_add(value.h, step, minus ? -1 : 1, &alloc, NULL);
			if (!sum)
				return fail(v, v->token.pos,
					    "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas");
			sum->hint = value.h->hint;
			value.h = sum;
		}
		add(v, row, value);
	}
	accept(v, NUMBER);
	return !v->error;
}

static bool float_item(struct values *v, struct test_row *row)
{
	double x, step = 0;
	uint64_t n = 0;
	if (v->kind == WORD) {
		if (!sv_eqs(v->token.text, "stale"))
			return unexpected(v, "series values", "number or \"stale\"");
		x = sample_stale_marker();
		next(v);
	} else if (!signed_number(v, &x)) {
		return false;
	}
	bool stepped = v->kind == ADD || v->kind == SUB;
	if (v->error || (stepped && !signed_number(v, &step)))
		return false;
	if (stepped || v->kind == TIMES) {
		if (!times(v, &n))
			return false;
		next(v);
	}
	/* A sum quietens the stale marker; a copy must not. */
	for (uint64_t i = 0; i <= n; i++, x = stepped ? x + step : x)
		add(v, row, (struct test_value){.v = x});
	return !v->error;
}

static bool blank_item(struct values *v, struct test_row *row)
{
	uint64_t n = 1;
	next(v);
	if (v->kind == TIMES) {
		if (!times(v, &n))
			return false;
		next(v);
	}
	for (uint64_t i = 0; i < n; i++)
		add(v, row, (struct test_value){.omitted = true});
	return !v->error;
}

bool test_values_scan(struct sv line, size_t from, struct arena *a, struct test_row *row, const char **error)
{
	struct values v = {.line = line, .i = from, .a = a};
	next(&v);
	/* What follows a series without a blank is no value. */
	if (!v.error && v.kind != SPACE && v.kind != END)
		broken_item(&v);
	while (!v.error && v.kind != END) {
		bool ok = true;
		if (!accept(&v, SPACE))
			ok = unexpected(&v, NULL, NULL);
		else if (v.kind == BLANK)
			ok = blank_item(&v, row);
		else if (v.kind == OPEN)
			ok = histogram_item(&v, row);
		else if (v.kind == NUMBER || v.kind == ADD || v.kind == SUB || v.kind == WORD)
			ok = float_item(&v, row);
		else if (!v.error && v.kind != END)
			ok = unexpected(&v, NULL, NULL);
		if (!ok)
			break;
	}
	*error = v.error;
	return !v.error;
}
