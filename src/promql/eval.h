/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The evaluator's inside, shared by the files of src/promql.
 *
 * A query runs step by step: at each step the tree is walked and every node gives a vector (struct vec) or a
 * scalar. What is read from the source is selected once per selector for all steps (struct node), and so is a
 * subquery evaluated once for all steps. Vectors live in the arena of the step; label sets in a pool for the
 * whole run. Errors are sticky: the first one is kept in ev->error, and everything after it gives nothing. */
#ifndef RT_PROMQL_EVAL_H
#define RT_PROMQL_EVAL_H

#include "base/arena.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "promql/pool.h"

struct vsample {
	const struct labels *l; /* pooled */
	double v;
	const struct histogram *h; /* NULL: a float */
	int64_t t;		   /* when the sample was taken; only timestamp() looks */
	int64_t st;		   /* when its counter began; only start_timestamp() looks */
	bool drop;		   /* the name goes when the query is done (delayed name removal) */
};

struct vec {
	struct vsample *s;
	size_t n, cap;
	bool distinct; /* no two have the same labels, by the way they were made: not to be checked */
};

/* A series as a selector or a subquery gives it, for all steps. */
struct range_series {
	const struct labels *l;
	const struct sample *s; /* ascending; without stale markers if the selector has a range */
	const int64_t *st;	/* as in struct series, or NULL */
	size_t n;
	const struct series *packed; /* not NULL: S is what ev_open read of it last */
	bool drop, histograms;
	uint32_t first, last; /* where the step before found its samples */
	uint32_t even_from, even_to; /* samples between these two are EVEN ms apart, see ev_is_even */
	int64_t even;
	uint32_t rising_from, rising_to; /* no value between these two is below the one before it, see ev_is_rising */
	const struct labels *result; /* under which a range function's results stand, once that is known */
	bool result_drop;
	bool named; /* its name has been looked at for an annotation */
};

/* What a node gives at the next few steps, see eval_rows.h. */
struct block {
	double *v;     /* row N at step K of the block: v[N * steps + K]; the stale marker: nothing */
	int64_t first; /* the time of the block's first step */
	size_t steps, room; /* how many there are; how many values fit */
};

/* The last window of a series with its values in order. */
struct sorted_window {
	const struct range_series *series;
	size_t first, last, n, cap;
	double *v;
};

/* What was counted in the last window of a series. */
struct counted_window {
	const struct range_series *series;
	size_t first, last, n;
};

/* How the samples of a window lay in it, and what rate_factor makes of that alone: in the windows of other series that end at the same time they
 * mostly lie the same. */
#define RATE_EDGES 256 /* remembered by the windows' ends */
struct rate_edges {
	int64_t before, span, after; /* ms: from the window's beginning to the first sample, to the last, to the end */
	size_t n;
	double to_start, to_end, seconds, factor;
	bool known;
};

/* What a range function gets of one series at one step. */
struct window {
	const struct labels *l;
	const struct sample
	    *s; /* t in (from, to], and beyond on either side if the selector is anchored or smoothed */
	size_t n;
	size_t n_histograms;
	int64_t from, to, range;
	int64_t now; /* of the step */
	double seconds; /* the range */
	enum extended extended;
	const struct expr *arg; /* whom annotations are about */
	const int64_t *st;	/* of the samples, or NULL */
	struct range_series *series;
	size_t first;		  /* of the series' samples, the window's first */
	const double *scalars;	  /* the values of the call's arguments; those that are no scalars are not set */
	struct sorted_window *sorted; /* of the call, see window_sorted */
	struct counted_window *counted; /* of the call, see window_count */
	struct rate_edges *edges; /* of the call, see rate_factor */
};

struct node {
	bool loaded, has_set, has_cached;
	bool packed, ranged; /* some of its series are packed; stale markers are left out */
	struct sample *opened; /* of the packed series that was opened last */
	size_t cap_opened;
	int64_t offset, range, step; /* ms, resolved for this query */
	const struct expr *of_rows; /* a subquery's, if it is evaluated by rows: series N is its row N when it is opened */
	int64_t rows_start;
	size_t rows_steps;
	struct series_set set;
	struct range_series *series;
	size_t n;
	struct vec cached; /* an invariant node's result */
	uint64_t cached_total; /* and what it had read */
	bool rows_known;
	struct rows *rows; /* NULL: it is not evaluated by rows */
	struct block block;
	struct sorted_window sorted;
	struct counted_window counted;
	struct rate_edges *edges;
	double least, most;  /* an aggregation's parameter so far */
	bool has_param, not_a_number;
	struct hints groups; /* an aggregation's: which group a label set belongs to */
	const struct labels **group_labels;
	size_t n_groups, cap_groups;
	struct ptrmap group_map;
	const struct labels **unique; /* the labels of the last result that was found to be without twins */
	size_t n_unique, cap_unique;
	struct bucket_memo *buckets; /* fn_histogram.c */
	void *extra; /* a function's own state, in ev->arena unless free_extra is set */
	void (*free_extra)(void *extra);
};

/* A selection that more than one selector of the expression reads. */
struct shared_set {
	const struct expr *selector; /* of its matchers */
	int64_t lo, hi;
	const struct series_set *set;
};

/* Buckets of classic histograms that were raised to the one before, all together. */
struct raised {
	int64_t from, to; /* when */
	double lowest, highest, most; /* bounds; by how much */
	size_t n;
};

/* One of each text is kept, wherever it is about. */
struct annotation {
	char *text;
	uint32_t pos;
	struct raised raised; /* n: there were any */
};

struct annotations {
	struct annotation *v;
	size_t n, cap;
};

/* What the elements of a binary operation complain of: only the last one is told. */
struct complaint {
	const char *text; /* NULL: none; lives as long as the step */
	bool warning;
};

struct eval {
	const struct promql_expr *p;
	const struct sample_source *src;
	struct promql_options opt;
	int64_t query_start, query_end, query_step; /* of the query; a subquery does not change them */
	int64_t start, end, step, t;		    /* of what is being evaluated */
	bool instant, in_subquery;
	struct arena arena; /* lives as long as the run */
	struct arena *tmp;  /* lives as long as the step */
	struct pool pool;
	struct node *nodes; /* by expr->id */
	const struct expr *run; /* what is evaluated step by step at present: the query's expression, or a subquery's */
	struct shared_set *shared; /* in ev->arena */
	size_t n_shared, cap_shared;
	struct annotations warnings, infos;
	struct complaint complaint; /* where annotations go while COMPLAINING */
	bool complaining;
	int err;
	char *error;
	uint64_t samples, peak; /* held now, and at most */
	uint64_t total;		/* read by selectors */
	uint64_t select_ns, sort_ns, begun_ns;
	uint64_t deadline_ns;
	uint64_t asked_ns; /* when it was last asked whether anybody still waits */
	unsigned ticks;
	uint64_t work; /* samples gone through since the clock was looked at */
};

/* The value of a result series' points as they come. */
struct output_series {
	const struct labels *l;
	bool drop;
	struct sample *s;
	size_t n, cap;
	/* Or a row, as long as it has values in at least every third place: S is then NULL, and N how many. */
	double *row;
	size_t row_first, row_length, row_cap; /* the first place's step, counted from the run's first */
	size_t index;
	struct output_series *next; /* in its hash bucket */
};

struct output {
	struct arena *a;
	bool rows; /* are fine */
	struct output_series **v;
	size_t n, cap;
	struct output_series **table;
	size_t table_cap;
	size_t at; /* the series that comes next if this step is like the one before */
};

/* Appends S to the series of (L, DROP); fails if that has a sample at the same time already. */
void ev_output_add(struct eval *ev, struct output *o, const struct labels *l, bool drop, struct sample s);
/* Appends the values of V at the N steps from ev->t on, but for stale markers, to the series of L, which no other row of these steps may have. */
void ev_output_row(struct eval *ev, struct output *o, const struct labels *l, const double *v, size_t n);
/* Evaluates E at every step of ev->start..end into O. FINAL: names marked for removal are removed. */
void ev_run_steps(struct eval *ev, const struct expr *e, struct output *o, bool final);

/* Sets the error unless there is one. */
void ev_fail(struct eval *ev, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* " (line:col)" of E is added. */
void ev_warn(struct eval *ev, const struct expr *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ev_info(struct eval *ev, const struct expr *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As ev_info, about buckets that were raised by R: one for all of them. */
void ev_info_raised(struct eval *ev, const struct expr *e, const struct raised *r, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Annotates E, a binary operation, with the last complaint of its elements. */
void ev_complain(struct eval *ev, const struct expr *e, const struct complaint *c);
/* The text of annotation A with where it is about; heap. */
char *ev_annotation_text(const struct eval *ev, const struct annotation *a);
/* The metric's name. */
struct sv ev_name(const struct labels *l);
/* The same in quotes, for a message, and S in quotes. */
const char *ev_quoted_name(struct eval *ev, const struct labels *l);
const char *ev_quoted(struct eval *ev, struct sv s);
/* ` for metric name "NAME"`, or nothing if there is no name. */
const char *ev_for_metric(struct eval *ev, const struct labels *l);
/* Counts N more samples held at once, to be given back with a negative N; false if that is too many. */
bool ev_charge(struct eval *ev, int64_t n);
bool ev_worked(struct eval *ev, size_t n);
/* N samples are about to be worked with: false if they would be too many at once, or as ev_alive. */
static inline bool ev_work(struct eval *ev, size_t n)
{
	ev->work += n;
	ev->total += n;
	ev->peak = ev->samples + n > ev->peak ? ev->samples + n : ev->peak;
	if (__builtin_expect(ev->samples + n > ev->opt.max_samples || ev->work > 1u << 20 || ev->err, false))
		return ev_worked(ev, n);
	return true;
}
/* False if the query has run out of time or has failed. */
bool ev_alive(struct eval *ev);

double eval_scalar(struct eval *ev, const struct expr *e);
struct vec eval_vector(struct eval *ev, const struct expr *e);
struct sv eval_string(const struct expr *e);
/* An instant vector selector at the current step. */
struct vec eval_selector(struct eval *ev, const struct expr *e);
struct vec eval_binary(struct eval *ev, const struct expr *e);
struct vec eval_aggregate(struct eval *ev, const struct expr *e);
/* Warns of parameters that the aggregations in E had at some step and cannot use: only of the least and the greatest of each. */
void ev_tell_parameters(struct eval *ev, const struct expr *e);
struct vec eval_call(struct eval *ev, const struct expr *e);
double scalar_operator(enum token_type op, double a, double b);

void vec_add(struct eval *ev, struct vec *v, struct vsample s);
/* Room for N samples in V, which is empty. */
void vec_reserve(struct eval *ev, struct vec *v, size_t n);
/* A sample with V for the series of S: name dropped (or to be), time now. */
struct vsample ev_derived(struct eval *ev, const struct vsample *s, double v);
/* L without the name (and __type__ and __unit__), at once or, with delayed removal, *DROP instead. */
const struct labels *ev_drop_name(struct eval *ev, const struct labels *l, bool *drop);
const struct labels *ev_without_name(struct eval *ev, const struct labels *l);
/* The same, not remembered: for who asks once. */
const struct labels *ev_stripped(struct eval *ev, const struct labels *l);
/* Is it the name, or a label that goes when the name goes? */
static inline bool label_goes_with_name(struct sv label)
{
	return label.n > 4 && label.p[0] == '_' && (sv_eqs(label, LABEL_NAME) || sv_eqs(label, "__type__") || sv_eqs(label, "__unit__"));
}
/* Fails if two samples of V, the result of E, have the same labels. */
void ev_check_unique(struct eval *ev, const struct expr *e, const struct vec *v);
/* L with only (KEEP) or without the labels of NAMES (and then without __name__). */
const struct labels *ev_projected(struct eval *ev, const struct labels *l, const struct name_list *names, bool keep);
/* L without the labels of NAMES; the name stays if it is not one of them. */
const struct labels *ev_without_labels(struct eval *ev, const struct labels *l, const struct name_list *names);
/* L with NAME set to VALUE, or without it if that is empty. */
const struct labels *ev_with_label(struct eval *ev, const struct labels *l, struct sv name, struct sv value);
/* ev_projected, remembered under OP, unique per list. */
const struct labels *ev_project(struct eval *ev, uintptr_t op, const struct labels *l,
				const struct name_list *names, bool keep);

/* Selects, once, what selector or subquery E reads in this evaluation. */
struct node *ev_load(struct eval *ev, const struct expr *e);
/* The same, but series may stay packed: each is to be opened before its samples are looked at. */
struct node *ev_load_packed(struct eval *ev, const struct expr *e);
/* Reads the samples of S with LO < t <= HI, until another series of N is opened. Nothing to do if S is not packed. */
void ev_open(struct eval *ev, struct node *n, struct range_series *s, int64_t lo, int64_t hi);
/* The time that an @ fixes, else NOW. */
int64_t ev_fixed_time(const struct eval *ev, const struct timing *t, int64_t now);
/* The window of series S of E (EXPR_MATRIX or EXPR_SUBQUERY, loaded as N) at the current step; false if it is
 * empty. */
bool ev_window(struct eval *ev, const struct expr *e, const struct node *n, struct range_series *s, struct window *w);
/* What the windows of N = E at the steps from FIRST to LAST reach. */
void ev_window_bounds(const struct eval *ev, const struct expr *e, const struct node *n, int64_t first, int64_t last, int64_t *lo, int64_t *hi);
/* An anchored or smoothed selector gives more than its range, which few functions know what to do with: fails if CALL does not. */
bool ev_takes_extended(struct eval *ev, const struct expr *call, const struct expr *arg);
/* What an anchored or smoothed selector gives as a result of its own: its values at both ends of the window W and the samples between. */
const struct sample *window_extended(struct eval *ev, const struct window *w, size_t *n);
/* A call of a range function at the current step. */
struct vec eval_range_function(struct eval *ev, const struct expr *e);
/* Is no value of the window below the one before it? Windows of one series come in ascending order. */
bool ev_is_rising(const struct window *w);
/* Are the window's samples, two at least, at even distances? */
bool ev_is_even(const struct window *w, int64_t *distance);
/* How many of the window's samples but the first differ from the one before as DIFFER says: only those that came and went since the window before
 * are looked at. For windows of floats without start times. */
size_t window_count(const struct window *w, bool (*differ)(double before, double v));
/* The window's values in order, NaN first, in an array of the call's; W has no histograms. */
const double *window_sorted(struct eval *ev, const struct window *w);

/* Prometheus' compensated sum, Neumaier's variant of Kahan's: *C collects what *SUM loses. An infinite sum has no error to collect. */
static inline void kahan_add(double x, double *sum, double *c)
{
	double t = *sum + x;
	if (__builtin_isinf(t))
		*c = 0;
	else if (__builtin_fabs(*sum) >= __builtin_fabs(x))
		*c += (*sum - t) + x;
	else
		*c += (x - t) + *sum;
	*sum = t;
}
/* Linear interpolation in the sorted values; handles q outside [0, 1]. */
double quantile_of(double q, double *v, size_t n);
/* The same of values that are in order already. */
double quantile_of_sorted(double q, const double *v, size_t n);
/* NaN sorts first. */
int compare_values(const void *a, const void *b);
void sort_values(double *v, size_t n);
/* Appends DST labels; the pooled result of a builder. */
const struct labels *ev_intern(struct eval *ev, struct labels *l);

#endif
