// SPDX-License-Identifier: GPL-2.0-or-later
/* The table as lines of text, cut to the width of a terminal. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/plain.h"
#include "cli/top.h"

#define FIGURES 9
#define LEAST_LABEL 8 /* characters that a column of labels keeps */
#define GOOD_LABELS 36 /* what figures leave to all of them, as long as there are figures to leave out */

static const struct {
	const char *head;
	enum top_sort sort;
	int width;
} figures[FIGURES] = {
	{"REQ/S", TOP_SORT_RATE, 9},  {"FAIL%", TOP_SORT_FAILED, 6},   {"4XX%", TOP_SORT_CLIENT_ERRORS, 6},
	{"AVG", TOP_SORT_AVG, 7},     {"P50", TOP_SORT_P50, 7},	       {"P99", TOP_SORT_P99, 7},
	{"BUSY", TOP_SORT_BUSY, 7},   {"NOW", TOP_SORT_IN_FLIGHT, 6},  {"OLDEST", TOP_SORT_OLDEST, 7},
};

/* On a narrow terminal these give way, one after the other. */
static const enum top_sort dispensable[] = {TOP_SORT_CLIENT_ERRORS, TOP_SORT_BUSY, TOP_SORT_P50, TOP_SORT_OLDEST, TOP_SORT_AVG};

/* Three figures or the whole part, so that a column is read at a glance. */
static void add_number(struct buf *b, double v)
{
	if (isnan(v))
		buf_addc(b, '-');
	else if (v == 0 || v >= 99.95)
		buf_addf(b, "%.0f", v);
	else
		buf_addf(b, v < 0.005 ? "<0.01" : v < 9.995 ? "%.2f" : "%.1f", v);
}

static void add_share(struct buf *b, double v)
{
	if (v > 0 && v < 0.00005)
		buf_adds(b, "<0.01");
	else if (isnan(v) || v == 0 || v == 1)
		add_number(b, v * 100);
	else
		buf_addf(b, v < 0.09995 ? "%.2f" : "%.1f", fmin(v * 100, 99.9));
}

static void add_seconds(struct buf *b, double v)
{
	if (isnan(v))
		buf_addc(b, '-');
	else if (v < 0.0009995)
		buf_addf(b, "%.0fus", v * 1e6);
	else if (v < 0.9995)
		buf_addf(b, v < 0.009995 ? "%.2fms" : v < 0.09995 ? "%.1fms" : "%.0fms", v * 1e3);
	else if (v < 99.95)
		buf_addf(b, v < 9.995 ? "%.2fs" : "%.1fs", v);
	else if (v < 3600)
		buf_addf(b, "%dm%02ds", (int)v / 60, (int)v % 60);
	else
		buf_addf(b, "%dh%02dm", (int)fmin(v / 3600, 1e6), (int)fmod(v / 60, 60));
}

/* Inside the first and the last bucket nothing is known but its bound. */
static void add_quantile(struct buf *b, double v, const struct top_table *t)
{
	double bound = isinf(v) ? t->highest : v <= t->lowest ? t->lowest : NAN;
	if (isnan(bound))
		add_seconds(b, v);
	else
		buf_addf(b, bound < 1 ? "%c%.3gms" : "%c%.3gs", isinf(v) ? '>' : '<', bound < 1 ? bound * 1e3 : bound);
}

static void add_requests(struct buf *b, const struct top_row *r, const struct top_table *t)
{
	if (isnan(t->seconds) && !isnan(r->requests))
		buf_addf(b, "%.0f", r->requests);
	else
		add_number(b, r->requests);
}

static void add_figure(struct buf *b, const struct top_row *r, enum top_sort which, const struct top_table *t)
{
	switch (which) {
	case TOP_SORT_RATE:
		add_requests(b, r, t);
		break;
	case TOP_SORT_FAILED:
		add_share(b, r->failed);
		break;
	case TOP_SORT_CLIENT_ERRORS:
		add_share(b, r->client_errors);
		break;
	case TOP_SORT_AVG:
		add_seconds(b, r->avg);
		break;
	case TOP_SORT_P50:
		add_quantile(b, r->p50, t);
		break;
	case TOP_SORT_P99:
		add_quantile(b, r->p99, t);
		break;
	case TOP_SORT_BUSY:
		add_number(b, r->busy);
		break;
	case TOP_SORT_IN_FLIGHT:
		buf_addf(b, isnan(r->in_flight) ? "-" : "%.0f", r->in_flight);
		break;
	default:
		add_seconds(b, r->in_flight > 0 ? r->oldest : NAN);
	}
}

/* One line, LINE, cut to the width of the terminal. MARK: an attribute of ECMA-48 for it, "" if none. */
static void put_line(struct buf *out, const struct top_view *view, struct buf *line, const char *mark)
{
	size_t n = view->width ? plain_cut(buf_str(line), view->width) : line->n;
	while (n && line->p[n - 1] == ' ')
		n--;
	if (view->colours && *mark)
		buf_addf(out, "\033[%sm", mark);
	buf_add(out, buf_str(line), n);
	buf_adds(out, view->colours && *mark ? "\033[0m\n" : "\n");
	buf_reset(line);
}

static void print_whole(const struct top_table *t, const struct top_view *view, struct buf *out)
{
	struct buf line = BUF_INIT;
	const struct top_row *s = &t->sum;
	buf_adds(&line, "reqtally top  ");
	plain_add(&line, view->source);
	if (isnan(t->seconds))
		buf_adds(&line, isnan(s->requests) ? "  measuring" : "  since counting began");
	else
		buf_addf(&line, "  last %.3gs", t->seconds);
	buf_addf(&line, "  by %s  %s", top_sort_name(view->sort), view->clock);
	put_line(out, view, &line, "1");
	add_requests(&line, s, t);
	buf_adds(&line, isnan(t->seconds) ? " requests, " : " requests/s, ");
	add_share(&line, s->failed);
	buf_adds(&line, "% failed, ");
	add_share(&line, s->client_errors);
	buf_adds(&line, "% 4xx, avg ");
	add_seconds(&line, s->avg);
	buf_adds(&line, ", p50 ");
	add_quantile(&line, s->p50, t);
	buf_adds(&line, ", p99 ");
	add_quantile(&line, s->p99, t);
	if (!isnan(s->in_flight))
		buf_addf(&line, ", %.0f in flight", s->in_flight);
	if (s->in_flight > 0) {
		buf_adds(&line, ", oldest ");
		add_seconds(&line, s->oldest);
	}
	put_line(out, view, &line, "");
	if (view->note) {
		plain_add(&line, view->note);
		put_line(out, view, &line, "1;31");
	} else {
		buf_adds(&line, "lost ");
		add_number(&line, t->lost);
		buf_adds(&line, isnan(t->seconds) ? "" : "/s");
		if (t->lost_most)
			buf_addf(&line, " (most: %s)", t->lost_most);
		buf_addf(&line, ", alerts %.0f firing, %.0f pending; %zu of %zu rows", t->firing, t->pending, t->n, t->groups);
		put_line(out, view, &line, t->firing > 0 ? "1;31" : t->lost > 0 ? "33" : "");
	}
	put_line(out, view, &line, "");
	buf_free(&line);
}

/* ---- the table ---- */

/* Which figures are shown, those below; how many characters they take. */
static size_t choose(bool shown[FIGURES], const struct top_view *view)
{
	size_t room = 0, k = 0;
	for (size_t i = 0; i < FIGURES; i++) {
		shown[i] = true;
		room += (size_t)figures[i].width + 1;
	}
	for (size_t i = 0; view->width && room + GOOD_LABELS > view->width && i < ARRAY_SIZE(dispensable); i++) {
		for (k = 0; figures[k].sort != dispensable[i]; k++)
			;
		if (dispensable[i] != view->sort) {
			shown[k] = false;
			room -= (size_t)figures[k].width + 1;
		}
	}
	return room;
}

/* The columns of labels: widths that fit into what the figures leave. */
static void fit(size_t *width, size_t n, size_t total)
{
	for (size_t used = total + 1; total && used > total;) {
		size_t widest = 0;
		used = 0;
		for (size_t i = 0; i < n; i++) {
			used += width[i] + 1;
			widest = width[i] > width[widest] ? i : widest;
		}
		if (width[widest] <= LEAST_LABEL)
			break;
		if (used > total)
			width[widest]--;
	}
}

static void add_cell(struct buf *b, const char *text, size_t width)
{
	size_t have = plain_width(text);
	if (have <= width) {
		buf_addf(b, "%s%*s", text, (int)(width - have), "");
	} else {
		buf_add(b, text, plain_cut(text, width - 1));
		buf_addc(b, '~');
	}
	buf_addc(b, ' ');
}

static void add_figures(struct buf *line, const bool shown[FIGURES], const struct top_row *r, const struct top_table *t)
{
	for (size_t k = 0; k < FIGURES; k++) {
		struct buf cell = BUF_INIT;
		if (!shown[k])
			continue;
		if (r)
			add_figure(&cell, r, figures[k].sort, t);
		else
			buf_adds(&cell, !k && isnan(t->seconds) ? "REQUESTS" : figures[k].head);
		buf_addf(line, " %*s", figures[k].width, buf_str(&cell));
		buf_free(&cell);
	}
}

void top_print(const struct top_table *t, const struct top_view *view, struct buf *out)
{
	size_t first = view->skip < t->n ? view->skip : t->n, n = t->n - first < view->rows ? t->n - first : view->rows;
	size_t width[TOP_LABELS], labels = t->by.n;
	bool shown[FIGURES];
	char *(*cells)[TOP_LABELS] = xcalloc(n + 1, sizeof(*cells));
	struct buf line = BUF_INIT;

	print_whole(t, view, out);
	for (size_t k = 0; k < labels; k++)
		width[k] = t->by.label[k].n;
	for (size_t i = 0; i < n; i++) {
		const char *value = t->rows[first + i].key;
		for (size_t k = 0; k < labels; k++, value += strlen(value) + 1) {
			struct buf cell = BUF_INIT;
			plain_add(&cell, *value ? value : "-");
			cells[i][k] = buf_steal(&cell);
			size_t w = plain_width(cells[i][k]);
			width[k] = w > width[k] ? w : width[k];
		}
	}
	size_t room = choose(shown, view);
	if (view->width)
		fit(width, labels, view->width > room ? view->width - room : 1);

	for (size_t k = 0; k < labels; k++) {
		struct buf head = BUF_INIT;
		for (size_t i = 0; i < t->by.label[k].n; i++)
			buf_addc(&head, (char)toupper((unsigned char)t->by.label[k].p[i]));
		add_cell(&line, buf_str(&head), width[k]);
		buf_free(&head);
	}
	add_figures(&line, shown, NULL, t);
	put_line(out, view, &line, "7");
	for (size_t i = 0; i < n; i++) {
		const struct top_row *r = &t->rows[first + i];
		for (size_t k = 0; k < labels; k++) {
			add_cell(&line, cells[i][k], width[k]);
			free(cells[i][k]);
		}
		add_figures(&line, shown, r, t);
		put_line(out, view, &line, r->failed >= 0.01 ? "31" : "");
	}
	free(cells);
	buf_free(&line);
}
