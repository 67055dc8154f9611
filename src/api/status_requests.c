// SPDX-License-Identifier: GPL-2.0-or-later
/* The status page's tables of services and of the ledger, from the latest scrape of our own figures. */
#include <stdlib.h>
#include <string.h>

#include "api/status_html.h"
#include "base/alloc.h"
#include "model/text.h"

#define SERVICES_SHOWN 50

struct service {
	const char *name; /* inside a label set of the snapshot */
	double requests, failed, client_errors, timed, seconds, in_flight, oldest;
};

struct services {
	struct service *v;
	size_t n, cap;
};

/* Labels come in the order of services nearly always, so the search begins at the last one found. */
static struct service *service_of(struct services *all, const struct labels *ls)
{
	struct sv name = labels_get(ls, SV("service"));
	for (size_t i = all->n; i--;)
		if (sv_eqs(name, all->v[i].name))
			return &all->v[i];
	array_grow(all->v, all->n, all->cap);
	all->v[all->n] = (struct service){.name = name.n ? name.p : ""};
	return &all->v[all->n++];
}

static void add_requests(struct service *s, const struct metric *m)
{
	struct sv code = labels_get(m->labels, SV("code"));
	s->requests += m->value;
	s->failed += sv_eqs(code, "000") || sv_starts_with(code, SV("5")) ? m->value : 0;
	s->client_errors += sv_starts_with(code, SV("4")) ? m->value : 0;
}

static void add_durations(struct service *s, const struct metric *m, size_t n_bounds)
{
	for (size_t i = 0; i <= n_bounds; i++)
		s->timed += (double)m->buckets[i];
	s->seconds += m->sum;
}

static void collect(const struct snapshot *s, struct services *all)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct family *f = &s->families[i];
		bool requests = strcmp(f->name, "http_requests_total") == 0,
		     durations = strcmp(f->name, "http_requests_duration_seconds") == 0,
		     flight = strcmp(f->name, "http_requests_in_flight") == 0,
		     oldest = strcmp(f->name, "http_requests_oldest_in_flight_seconds") == 0;
		for (size_t k = 0; (requests || durations || flight || oldest) && k < f->n; k++) {
			const struct metric *m = &f->metrics[k];
			struct service *to = service_of(all, m->labels);
			if (requests)
				add_requests(to, m);
			else if (durations)
				add_durations(to, m, f->n_bounds);
			else if (flight)
				to->in_flight += m->value;
			else
				to->oldest = m->value > to->oldest ? m->value : to->oldest;
		}
	}
}

static int busiest_first(const void *a, const void *b)
{
	const struct service *x = a, *y = b;
	return x->requests == y->requests ? strcmp(x->name, y->name) : x->requests < y->requests ? 1 : -1;
}

static void add_number_cell(struct buf *out, const char *format, double v)
{
	buf_adds(out, "<td class=\"n\">");
	buf_addf(out, format, v);
	buf_adds(out, "</td>");
}

static void add_share_cell(struct buf *out, double part, double of)
{
	add_number_cell(out, part ? "%.2f%%" : "%.0f%%", of ? 100 * part / of : 0);
}

static void add_services(const struct snapshot *s, struct buf *out)
{
	struct services all = {0};
	collect(s, &all);
	buf_addf(out, "<h2>Services (%zu)</h2>\n", all.n);
	if (all.n) {
		qsort(all.v, all.n, sizeof(*all.v), busiest_first);
		buf_adds(out, "<p>Since counting began. What happens now: <code>reqtally top</code>.</p>\n"
			      "<table><tr><th>Service<th>Requests<th>5xx or no response<th>4xx<th>Mean duration<th>In flight<th>Oldest</tr>\n");
	} else {
		buf_adds(out, "<p>No request has been answered yet.</p>\n");
	}
	for (size_t i = 0; i < all.n && i < SERVICES_SHOWN; i++) {
		const struct service *v = &all.v[i];
		buf_adds(out, "<tr>");
		status_add_cell(v->name, out);
		add_number_cell(out, "%.0f", v->requests);
		add_share_cell(out, v->failed, v->requests);
		add_share_cell(out, v->client_errors, v->requests);
		if (v->timed)
			add_number_cell(out, "%.3g s", v->seconds / v->timed);
		else
			buf_adds(out, "<td></td>");
		add_number_cell(out, "%.0f", v->in_flight);
		if (v->in_flight)
			add_number_cell(out, "%.3g s", v->oldest);
		else
			buf_adds(out, "<td></td>");
		buf_adds(out, "</tr>\n");
	}
	buf_adds(out, all.n ? "</table>\n" : "");
	if (all.n > SERVICES_SHOWN)
		buf_addf(out, "<p>and %zu more</p>\n", all.n - SERVICES_SHOWN);
	free(all.v);
}

static double sum_of(const struct snapshot *s, const char *name)
{
	double sum = 0;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; strcmp(s->families[i].name, name) == 0 && k < s->families[i].n; k++)
			sum += s->families[i].metrics[k].value;
	return sum;
}

/* One line that balances, and each loss by its name. */
static void add_ledger(const struct snapshot *s, struct buf *out)
{
	const char *separator = ": ";
	buf_addf(out, "<h2>Ledger</h2>\n<p>%.0f seen = %.0f recorded + %.0f lost + %.0f in flight</p>\n",
		 sum_of(s, "reqtally_requests_seen_total"), sum_of(s, "reqtally_requests_recorded_total"),
		 sum_of(s, "reqtally_requests_lost_total"), sum_of(s, "http_requests_in_flight"));
	for (size_t i = 0; i < s->n; i++) {
		const struct family *f = &s->families[i];
		for (size_t k = 0; strcmp(f->name, "reqtally_requests_lost_total") == 0 && k < f->n; k++) {
			struct sv reason = labels_get(f->metrics[k].labels, SV("reason"));
			if (!f->metrics[k].value)
				continue;
			buf_adds(out, *separator == ':' ? "<p class=\"warn\">Lost" : "");
			buf_adds(out, separator);
			status_add_html(reason.p, out);
			buf_addf(out, " %.0f", f->metrics[k].value);
			separator = ", ";
		}
	}
	buf_adds(out, *separator == ',' ? "</p>\n" : "");
}

void status_add_requests(const struct snapshot *s, struct buf *out)
{
	if (!s)
		return;
	add_services(s, out);
	add_ledger(s, out);
}
