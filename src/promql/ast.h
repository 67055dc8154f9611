/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The syntax tree: private to src/promql. Immutable once parsed, so that threads can share it. */
#ifndef RT_PROMQL_AST_H
#define RT_PROMQL_AST_H

#include "model/sample.h"
#include "base/arena.h"
#include "promql/lexer.h"
#include "promql/promql.h"

struct function;

enum expr_kind {
	EXPR_NUMBER,
	EXPR_STRING,
	EXPR_VECTOR, /* instant vector selector */
	EXPR_MATRIX, /* a selector with a range */
	EXPR_SUBQUERY,
	EXPR_CALL,
	EXPR_AGGREGATE,
	EXPR_BINARY,
	EXPR_UNARY,
	EXPR_PAREN,
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

#define DURATION_MAX_SECONDS 9223372036.854776 /* of Go's time.Duration: 292 years */

/* A length of time: milliseconds, or an expression over step() and range() known when a query runs. */
struct duration {
	int64_t ms;
	struct expr *expr; /* NULL: written as one literal; otherwise kept for printing, and for evaluation if
			      !constant */
	bool constant;
};

struct timing {
	struct duration offset;
	bool has_offset;
	enum at_kind at;
	int64_t at_ms;
};

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

struct name_list {
	struct sv *v;
	size_t n, cap;
};

struct matching {
	enum match_card card;
	bool on;
	bool given; /* on or ignoring was written */
	struct name_list labels, include;
	bool has_fill_left, has_fill_right;
	double fill_left, fill_right;
};

enum extended { EXTENDED_NONE, EXTENDED_ANCHORED, EXTENDED_SMOOTHED };

struct expr {
	enum expr_kind kind;
	enum promql_type type;
	uint32_t pos, end; /* byte range in the text */
	uint32_t depth;	   /* of the tree below */
	uint32_t id;	   /* numbers every node: the evaluator's per-node state */
	bool invariant;	   /* the same at every step of a range query */
	union {
		struct {
			double value;
			bool duration; /* written as 5m */
		} number;
		struct sv string;
		struct {
			struct sv name; /* the metric name, or empty */
			bool quoted;	/* it stands in the braces */
			struct matcher *matchers;
			size_t n;
			struct timing timing;
			enum extended extended;
			bool timed; /* when its samples were taken is asked for */
			bool stats; /* only counts and sums of its histograms are wanted */
		} vector;
		struct {
			struct expr *vector;
			struct duration range;
		} matrix;
		struct {
			struct expr *expr;
			struct duration range, step;
			bool has_step;
			struct timing timing;
		} subquery;
		struct {
			struct sv name;
			const struct function *fn; /* NULL in a duration: step range min_of max_of */
			struct expr **args;
			size_t n;
		} call;
		struct {
			enum token_type op;
			struct expr *expr, *param;
			bool without;
			struct name_list by;
		} aggregate;
		struct {
			enum token_type op;
			struct expr *lhs, *rhs;
			bool is_bool;
			struct matching matching;
		} binary;
		struct {
			enum token_type op;
			struct expr *expr;
		} unary;
		struct expr *paren;
	};
};

struct promql_expr {
	struct arena arena;
	struct sv text;
	struct expr *root;
	uint32_t n_nodes;
	struct regex **regexes;
	size_t n_regexes, cap_regexes;
};

/* E as it is written on one line, and parts of that: `sum by (a) `, `== bool on (a)`, `[5m:1m] offset 1m`. */
void expr_print(const struct expr *e, struct buf *out);
void expr_print_aggregation(const struct expr *e, struct buf *out);
void expr_print_operator(const struct expr *e, struct buf *out);
void expr_print_subquery_range(const struct expr *e, struct buf *out);
/* Line and column, both from 1, of byte POS. */
void promql_position(struct sv text, uint32_t pos, unsigned *line, unsigned *col);
/* The type's name in messages: "instant vector". */
const char *promql_type_name(enum promql_type t);
/* Types and arities of the whole tree. 0, or -EINVAL with *ERROR in place. */
int promql_check(struct promql_expr *p, char **error);
/* -EINVAL and *ERROR "L:C: parse error: ...". */
int promql_error_at(struct sv text, uint32_t pos, char **error, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Children of E in written order, NULL past the last. */
struct expr *expr_child(const struct expr *e, size_t i);
/* Without the parentheses around it. */
const struct expr *expr_unwrap(const struct expr *e);
/* The value in seconds of a duration expression. */
double duration_value(const struct expr *e, int64_t step_ms, int64_t range_ms);
/* Milliseconds of D for a query with this step and range; false if it does not fit. */
bool duration_resolve(const struct duration *d, int64_t step_ms, int64_t range_ms, int64_t *ms);
/* What is wrong with the first computed duration in E that a query cannot run with, for the caller to free; or NULL. */
char *promql_durations_wrong(const struct expr *e, int64_t step_ms, int64_t range_ms);

#endif
