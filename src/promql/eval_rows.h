/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evaluation by rows: what a node gives at the next few steps, series by series rather than step by step. A series' samples are then read
 * while they are in the processor's caches, its windows follow one another, labels are looked at once and not at each step, and an aggregation
 * keeps no more than its groups. It is for nodes whose series are known before their values: floats, selected by a selector or a subquery,
 * through range functions, functions and operators with scalars, and aggregations that make one value of a group. All others take these
 * nodes' columns, a step at a time, and what cannot be done by rows at all is evaluated step by step from the ground up. */
#ifndef RT_PROMQL_EVAL_ROWS_H
#define RT_PROMQL_EVAL_ROWS_H

#include "promql/eval.h"

/* At first, first + ev->step, ... */
struct steps {
	int64_t first;
	size_t n;
};

/* Can E be evaluated by rows? Then selectors in it have been read. */
bool rows_can(struct eval *ev, const struct expr *e);
/* How many rows E has, which can, and their labels. */
size_t rows_count(const struct eval *ev, const struct expr *e);
const struct labels *rows_labels(struct eval *ev, const struct expr *e, size_t i);
/* Is it fine to ask for rows of that many steps at once? */
bool rows_fit(const struct eval *ev, const struct expr *e, size_t steps);
/* Row I at the steps B, good until the next one is asked for. The stale marker: no value. */
const double *rows_get(struct eval *ev, const struct expr *e, const struct steps *b, size_t i);
/* E, which can, at the present step. */
struct vec rows_vector(struct eval *ev, const struct expr *e);
/* E, which can, from ev->t on into O for as many steps as fit; moves ev->t to the last of them. */
void rows_run(struct eval *ev, const struct expr *e, struct output *o);

/* eval_window.c: the values of series I of N = E, or of its windows (N = ARG), at the steps B to ROW; the stale marker: none. SCALARS: for each step
 * those of the call's arguments. */
void selector_row(struct eval *ev, const struct expr *e, struct node *n, size_t i, const struct steps *b, double *row);
void range_function_row(struct eval *ev, const struct expr *e, const struct expr *arg, struct node *n, size_t i, const struct steps *b,
			const double *scalars, double *row);
const struct expr *matrix_argument(const struct expr *call);
/* Does CALL know what to do with an anchored or smoothed selector ARG? True of all others. */
bool call_takes_extended(const struct expr *call, const struct expr *arg);
/* Does CALL know what to do with an anchored or smoothed selector ARG? True of all others. */
bool call_takes_extended(const struct expr *call, const struct expr *arg);

/* eval_rows_group.c: sums and the like of groups of rows. */
struct row_groups;
/* Room for N groups at STEPS steps. */
struct row_groups *row_groups_new(struct arena *a, enum token_type op, size_t n, size_t steps);
void row_groups_reset(struct row_groups *g, size_t steps);
void row_groups_add(struct row_groups *g, size_t group, const double *row);
/* The values of GROUP, when all members have been added; once. */
const double *row_groups_finish(struct row_groups *g, size_t group);

#endif
