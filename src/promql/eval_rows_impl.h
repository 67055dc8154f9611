/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of eval_rows share. */
#ifndef RT_PROMQL_EVAL_ROWS_IMPL_H
#define RT_PROMQL_EVAL_ROWS_IMPL_H

#include "promql/eval_rows.h"

/* What a node has for its rows. */
struct rows {
	size_t n;
	size_t held;		 /* values for each step that lie somewhere while the rows are read */
	const struct labels **l; /* never changed: others have it too */
	bool one_name;		 /* all have the same name, and nothing that goes with it: without it they stay different */
	bool nameless;		 /* they are to be understood without it */
	const struct expr *child;
	double *row; /* the one given last */
	size_t room;
	struct steps of; /* what SCALARS and GROUPS are for */
	double *scalars;
	size_t scalars_room;
	uint32_t *group; /* of each row of the child */
	struct row_groups *groups;
	size_t groups_room;
	struct row_join *join;
};

static inline struct rows *rows_of(const struct eval *ev, const struct expr *e)
{
	return ev->nodes[e->id].rows;
}

static inline bool same_steps(const struct steps *a, const struct steps *b)
{
	return a->n == b->n && a->first == b->first;
}

struct rows *rows_new(struct eval *ev, size_t n);
/* The labels as they are, if they were only to be understood without the name. */
void rows_name(struct eval *ev, struct rows *r);
/* Are no two labels of R, which are as they are, the same? */
bool rows_differ(struct eval *ev, const struct rows *r);
/* Takes the names away from the rows of R. False if some are the same without. */
bool rows_drop_names(struct eval *ev, struct rows *r);

/* Works out what E needs once for the steps B, whether it has rows or not: what is read is read all the same. */
void rows_prepare(struct eval *ev, const struct expr *e, const struct steps *b);

/* eval_rows_join.c: binary operators between vectors. */
struct rows *rows_of_join(struct eval *ev, const struct expr *e);
void join_prepare(struct eval *ev, const struct expr *e, struct rows *r, const struct steps *b);
void join_row(struct eval *ev, const struct expr *e, struct rows *r, const struct steps *b, size_t i, double *row);

/* eval_binary.c: what a side's labels have in common with those that match them, and the labels of a pair. */
const struct labels *binary_key(struct eval *ev, const struct expr *e, const struct labels *l);
const struct labels *binary_labels(struct eval *ev, const struct expr *e, const struct labels *many, const struct labels *one);

#endif
