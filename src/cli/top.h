/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `reqtally top`: what the services of the machine answer right now. Two scrapes of /metrics (top_figures.c) make a table of what happened
 * between them (top_table.c), which is printed (top_print.c) once or again and again on a terminal (top.c, terminal.c). */
#ifndef RT_CLI_TOP_H
#define RT_CLI_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"

struct regex;

#define TOP_LABELS 6   /* a group has at most so many labels */
#define TOP_BUCKETS 64 /* of the histogram; reqtally itself has at most 32 */
#define TOP_REASONS 32 /* of lost requests */

/* By which labels series are put together: a column each. */
struct top_by {
	struct sv label[TOP_LABELS]; /* views into the text it was made from */
	size_t n;
};

/* "service,endpoint". False: too many, one twice, or no names of labels. */
bool top_by_parse(struct sv text, struct top_by *by);

/* Counters of one group. */
struct top_counts {
	double requests, failed, client_errors; /* failed: status 5xx, or 000, no response; client_errors: 4xx */
	double timed, seconds;			/* durations: how many, their sum */
	double buckets[TOP_BUCKETS];		/* cumulative, in the order of the bounds */
};

struct top_group {
	char *key; /* the values of the labels, each with its NUL */
	size_t n_key;
	uint64_t hash;
	struct top_counts counts;
	double in_flight, oldest;
};

/* One scrape. */
struct top_figures {
	struct top_by by;
	bool by_code; /* then nothing of what is in flight, which has no status yet, is looked at */
	struct top_group *groups;
	size_t n, cap;
	uint32_t *slots; /* hash table of index + 1 */
	size_t n_slots;
	double bounds[TOP_BUCKETS];
	size_t n_bounds;
	struct top_loss {
		char *reason;
		double requests;
	} lost[TOP_REASONS];
	size_t n_lost;
	double pending, firing; /* alerts */
	bool ours;		/* it is a reqtally that was scraped */
	double at;		/* seconds, of a clock that only goes forward */
};

/* From a scrape in the text format, of the time AT. 0 and *OUT (top_figures_free it), or a negative errno and *ERROR. */
int top_figures_parse(struct sv body, const struct top_by *by, double at, struct top_figures **out, char **error);
void top_figures_free(struct top_figures *f);
/* The group with these values, or NULL. */
const struct top_group *top_figures_find(const struct top_figures *f, const struct top_group *like);

enum top_sort {
	TOP_SORT_RATE,
	TOP_SORT_FAILED,
	TOP_SORT_CLIENT_ERRORS,
	TOP_SORT_AVG,
	TOP_SORT_P50,
	TOP_SORT_P99,
	TOP_SORT_BUSY,
	TOP_SORT_IN_FLIGHT,
	TOP_SORT_OLDEST,
	TOP_SORT_NAME,
	TOP_SORTS,
};

/* "rate", "failed", "p99", ...: the values of --sort. TOP_SORTS if it is none. */
const char *top_sort_name(enum top_sort sort);
enum top_sort top_sort_parse(const char *name);

struct top_row {
	const char *key; /* as in top_group */
	double requests; /* in a second; of a total: all */
	double failed, client_errors; /* shares of the requests */
	double avg, p50, p99;	      /* seconds; INFINITY: above the highest bound */
	double busy;		      /* requests that were being answered at a time, on average */
	double in_flight, oldest;     /* now; seconds. By code: NAN, for what is in flight has none yet */
};

/* Borrows from the figures it was made of. What is not known is NAN. */
struct top_table {
	struct top_by by;
	struct top_row *rows, sum;
	size_t n, groups; /* rows shown, and groups that there are */
	double lowest, highest; /* bounds */
	double seconds;	  /* between the two scrapes; NAN: since counting began */
	double lost;	  /* in a second; of a total: all */
	const char *lost_most; /* the reason of most of them */
	double pending, firing;
};

/* What happened between WAS and NOW. WAS NULL: nothing is known of rates yet, only what is in flight. TOTAL: everything since counting
 * began. FILTER (NULL: none) is looked for in the values of a group, joined by blanks; the sum is of what it lets through. Groups in which
 * nothing happened are left out. */
void top_table_make(struct top_table *t, const struct top_figures *now, const struct top_figures *was, bool total, enum top_sort sort,
		    const struct regex *filter);
void top_table_free(struct top_table *t);

struct top_view {
	const char *source; /* who was asked */
	const char *clock;  /* the time, to be printed */
	double interval;    /* seconds */
	enum top_sort sort;
	size_t skip, rows;  /* the first row shown, and how many at most */
	size_t width;	    /* lines are cut there; 0: they are not */
	bool colours;
	const char *note;   /* a line of its own; NULL: none */
};

/* Lines, each with its line feed: three of the whole, one empty, the head of the table, its rows. */
void top_print(const struct top_table *t, const struct top_view *view, struct buf *out);

#endif
