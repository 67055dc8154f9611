/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PromQL: parse, print, evaluate. Follows Prometheus 3.x (spec:
 * https://prometheus.io/docs/prometheus/latest/querying/). */
#ifndef RT_PROMQL_PROMQL_H
#define RT_PROMQL_PROMQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"
#include "model/labels.h"
#include "model/sample.h"

enum promql_type { PROMQL_NONE, PROMQL_SCALAR, PROMQL_VECTOR, PROMQL_MATRIX, PROMQL_STRING };

struct promql_expr;

/* Parses TEXT. 0 and *EXPR (promql_expr_free it), or -EINVAL and *ERROR (heap): "LINE:COL: parse error: MSG".
 * Functions and operators this build cannot evaluate are refused here by name. */
int promql_parse(struct sv text, struct promql_expr **expr, char **error);
/* The same for what a match[] parameter takes: a bare instant vector selector, of which nothing but the syntax is checked. */
int promql_parse_selector(struct sv text, struct promql_expr **expr, char **error);
void promql_expr_free(struct promql_expr *expr);
enum promql_type promql_expr_type(const struct promql_expr *expr);
/* The first function or aggregation of the expression that needs the option experimental_functions, or NULL.
 */
const char *promql_experimental(const struct promql_expr *expr);
/* The printed form: what generatorURL and the API show, and what parses back to the same
 * expression. */
void promql_print(const struct promql_expr *expr, struct buf *out);
/* The same, lines longer than 100 bytes broken up. */
void promql_prettify(const struct promql_expr *expr, struct buf *out);
/* The syntax tree as JSON, as Prometheus' API shows it (web/api/v1, parse_query). */
void promql_print_tree(const struct promql_expr *expr, struct buf *out);
/* Calls FN for every selector of the expression with its matchers (the metric name is a matcher on __name__),
 * so that a store knows what rules read; RANGE_MS: how far before the evaluation time it may look (lookback,
 * range, offset, subquery). */
void promql_selectors(const struct promql_expr *expr,
		      void (*fn)(void *arg, const struct matcher *m, size_t n, int64_t range_ms), void *arg);

/* Calls EACH for every function there is, sorted by name. */
void promql_functions(void (*each)(void *arg, const char *name, bool experimental), void *arg);

struct promql_options {
	int64_t lookback_ms;	     /* default 5m when 0 */
	int64_t subquery_step_ms;    /* for e[d:] ; default 1m when 0 */
	int64_t timeout_ms;	     /* default 2m when 0 */
	uint64_t max_samples;	     /* default 50,000,000 when 0 */
	bool delayed_name_removal;   /* feature flag promql-delayed-name-removal */
	bool experimental_functions; /* feature flag promql-experimental-functions */
	bool rows;		     /* the results of a range query may be rows, which take a third of the memory */
	bool (*is_gone)(void *arg); /* does nobody wait for the result any more? Then it ends soon with -ECANCELED. NULL: somebody does */
	void *gone_arg;
	bool start_timestamps; /* feature flag: counters are known to have been reset by when they began */
};

struct promql_series {
	struct labels *labels; /* a reference */
	struct sample *points; /* histograms are owned by the value */
	size_t n; /* instant vector: exactly 1 */
	/* With promql_options.rows POINTS may be NULL and the N floats in ROW, which has LENGTH places: the value at v->start +
	 * (first + k) * v->step, or the stale marker where there is none. */
	const double *row;
	size_t first, length;
};

/* The result of an evaluation. Vector: series with one point each. Matrix: sorted by labels. */
struct promql_value {
	enum promql_type type;
	int64_t t;     /* scalar, string: evaluation time */
	int64_t start, step; /* of a range query */
	double scalar; /* PROMQL_SCALAR */
	char *string;  /* PROMQL_STRING: NUL-terminated, string_len bytes */
	size_t string_len;
	struct promql_series *series;
	size_t n;
	struct promql_stats {
		uint64_t samples;      /* read by selectors, over all steps; those of a range in each of its windows */
		uint64_t peak_samples; /* held at once */
		double eval_seconds;   /* all in all */
		double prepare_seconds, sort_seconds; /* of these: selecting series; ordering the result */
	} stats;
	char **warnings, **infos; /* "PromQL warning: ...", deduplicated */
	size_t n_warnings, n_infos;
	void *arena; /* private: what points and histograms live in */
};

/* 0 and *OUT (promql_value_free it; leave it alone on failure), or a negative errno and *ERROR (heap):
 * -ETIME timeout, -E2BIG sample limit, -ECANCELED, -EDOM a duration that cannot be, -EINVAL evaluation error. T, START, END, STEP in ms. */
int promql_eval_instant(const struct promql_options *opt, const struct promql_expr *expr,
			const struct sample_source *src, int64_t t, struct promql_value *out, char **error);
int promql_eval_range(const struct promql_options *opt, const struct promql_expr *expr,
		      const struct sample_source *src, int64_t start, int64_t end, int64_t step,
		      struct promql_value *out, char **error);
void promql_value_free(struct promql_value *v);

/* 0, or -EINVAL and *ERROR in the words of promql_parse if the expression needs what OPT does not enable. */
int promql_check_enabled(const struct promql_expr *expr, const struct promql_options *opt, char **error);

#endif
