// SPDX-License-Identifier: GPL-2.0-or-later
/* From two scrapes to a table. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/regex.h"
#include "cli/top.h"

static const char *const sorts[TOP_SORTS] = {"rate", "failed", "4xx", "avg", "p50", "p99", "busy", "in-flight", "oldest", "name"};

const char *top_sort_name(enum top_sort sort)
{
	return sorts[sort];
}

enum top_sort top_sort_parse(const char *name)
{
	enum top_sort s = 0;
	while (s < TOP_SORTS && strcmp(name, sorts[s]) != 0)
		s++;
	return s;
}

/* How much a group grew. Counters of a group that fell began anew: reqtally was started again without its pins. */
static void subtract(struct top_counts *c, const struct top_counts *was)
{
	if (!was || was->requests > c->requests || was->timed > c->timed)
		return;
	c->requests -= was->requests;
	c->failed -= was->failed;
	c->client_errors -= was->client_errors;
	c->timed -= was->timed;
	c->seconds -= was->seconds;
	for (size_t i = 0; i < TOP_BUCKETS; i++)
		c->buckets[i] -= was->buckets[i];
}

static void add(struct top_counts *to, const struct top_counts *c)
{
	to->requests += c->requests;
	to->failed += c->failed;
	to->client_errors += c->client_errors;
	to->timed += c->timed;
	to->seconds += c->seconds;
	for (size_t i = 0; i < TOP_BUCKETS; i++)
		to->buckets[i] += c->buckets[i];
}

/* As PromQL's histogram_quantile, but for what is above the highest bound, of which no more is known. */
static double quantile(double q, const struct top_counts *c, const double *bounds, size_t n)
{
	double total = n ? c->buckets[n - 1] : 0, rank = q * total;
	size_t k = 0;
	if (!(total > 0))
		return NAN;
	while (k < n - 1 && c->buckets[k] < rank)
		k++;
	if (isinf(bounds[k]))
		return INFINITY;
	double start = k ? bounds[k - 1] : 0, below = k ? c->buckets[k - 1] : 0;
	return start + (bounds[k] - start) * (rank - below) / (c->buckets[k] - below);
}

static struct top_row row_of(const struct top_counts *c, const struct top_figures *now, double seconds, bool known)
{
	struct top_row r = {.requests = NAN, .failed = NAN, .client_errors = NAN, .avg = NAN, .p50 = NAN, .p99 = NAN, .busy = NAN};
	if (!known)
		return r;
	r.requests = isnan(seconds) ? c->requests : c->requests / seconds;
	r.busy = c->seconds / seconds;
	if (c->requests > 0) {
		r.failed = c->failed / c->requests;
		r.client_errors = c->client_errors / c->requests;
	}
	if (c->timed > 0)
		r.avg = c->seconds / c->timed;
	r.p50 = quantile(0.5, c, now->bounds, now->n_bounds);
	r.p99 = quantile(0.99, c, now->bounds, now->n_bounds);
	return r;
}

static bool passes(const struct top_group *g, const struct regex *filter, struct buf *text)
{
	if (!filter)
		return true;
	buf_reset(text);
	for (size_t i = 0; i + 1 < g->n_key; i++)
		buf_addc(text, g->key[i] ? g->key[i] : ' ');
	return regex_match(filter, sv_make(buf_str(text), text->n)) > 0;
}

static double sort_value(const struct top_row *r, enum top_sort sort)
{
	double v[TOP_SORTS] = {r->requests, r->failed, r->client_errors, r->avg, r->p50, r->p99, r->busy, r->in_flight, r->oldest, 0};
	return isnan(v[sort]) ? -1 : v[sort];
}

struct order {
	enum top_sort sort;
	size_t labels;
};

static int by_order(const void *x, const void *y, void *arg)
{
	const struct top_row *a = x, *b = y;
	const struct order *o = arg;
	double va = sort_value(a, o->sort), vb = sort_value(b, o->sort);
	if (va != vb)
		return va < vb ? 1 : -1;
	if (o->sort != TOP_SORT_NAME && sort_value(a, TOP_SORT_RATE) != sort_value(b, TOP_SORT_RATE))
		return sort_value(a, TOP_SORT_RATE) < sort_value(b, TOP_SORT_RATE) ? 1 : -1;
	const char *ka = a->key, *kb = b->key;
	for (size_t i = 0; i < o->labels; i++) {
		int c = strcmp(ka, kb);
		if (c)
			return c;
		ka += strlen(ka) + 1;
		kb += strlen(kb) + 1;
	}
	return 0;
}

static void add_losses(struct top_table *t, const struct top_figures *now, const struct top_figures *was, bool total)
{
	double most = 0;
	t->lost = was || total ? 0 : NAN;
	for (size_t i = 0; i < now->n_lost; i++) {
		double v = now->lost[i].requests, before = 0;
		for (size_t k = 0; was && !total && k < was->n_lost; k++)
			if (strcmp(was->lost[k].reason, now->lost[i].reason) == 0)
				before = was->lost[k].requests;
		v = v < before ? v : v - before;
		t->lost += v;
		if (v > most) {
			most = v;
			t->lost_most = now->lost[i].reason;
		}
	}
	if (!total && was)
		t->lost /= t->seconds;
}

void top_table_make(struct top_table *t, const struct top_figures *now, const struct top_figures *was, bool total, enum top_sort sort,
		    const struct regex *filter)
{
	struct buf text = BUF_INIT;
	struct top_counts all = {0};
	bool known = was || total;
	double in_flight = now->by_code ? NAN : 0, oldest = in_flight;

	*t = (struct top_table){.by = now->by, .groups = now->n, .pending = now->pending, .firing = now->firing, .seconds = NAN};
	if (was && !total)
		t->seconds = now->at - was->at;
	for (size_t i = 0; i < now->n_bounds; i++)
		if (!isinf(now->bounds[i]))
			t->highest = now->bounds[i];
	t->lowest = now->n_bounds ? now->bounds[0] : NAN;
	t->rows = xcalloc(now->n + 1, sizeof(*t->rows));
	for (size_t i = 0; i < now->n; i++) {
		const struct top_group *g = &now->groups[i], *before = was && !total ? top_figures_find(was, g) : NULL;
		struct top_counts c = g->counts;
		if (!passes(g, filter, &text))
			continue;
		/* A group that was not there before has only what came since. */
		subtract(&c, before ? &before->counts : NULL);
		add(&all, &c);
		in_flight += g->in_flight;
		oldest = g->oldest > oldest ? g->oldest : oldest;
		if (!(g->in_flight > 0) && (!known || !(c.requests > 0)))
			continue;
		struct top_row *r = &t->rows[t->n++];
		*r = row_of(&c, now, t->seconds, known);
		r->key = g->key;
		r->in_flight = now->by_code ? NAN : g->in_flight;
		r->oldest = now->by_code ? NAN : g->oldest;
	}
	t->sum = row_of(&all, now, t->seconds, known);
	t->sum.in_flight = in_flight;
	t->sum.oldest = oldest;
	add_losses(t, now, was, total);
	struct order order = {sort, now->by.n};
	qsort_r(t->rows, t->n, sizeof(*t->rows), by_order, &order);
	buf_free(&text);
}

void top_table_free(struct top_table *t)
{
	free(t->rows);
	t->rows = NULL;
}
