// SPDX-License-Identifier: GPL-2.0-or-later
/* Text for people, JSON for programs. The keys of the JSON are a promise (docs/doctor.md). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "cli/doctor.h"
#include "cli/plain.h"
#include "model/text.h"

#define COLUMNS 7

const char *level_name(enum finding_level level)
{
	static const char *const names[] = {"ok", "note", "warning", "failure"};
	return names[level];
}

const char *section_name(enum finding_section section)
{
	static const char *const names[FINDING_SECTIONS] = {"host", "reqtally", "losses", "budgets"};
	return names[section];
}

static void print_findings(const struct doctor *d, enum finding_section section, const char *title, FILE *out)
{
	int width = 0;
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].section == section) {
			int w = (int)strlen(d->v[i].name);
			width = w > width ? w : width;
			n++;
		}
	if (!n)
		return;
	fprintf(out, "%s\n", title);
	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->v[i];
		if (f->section != section)
			continue;
		_cleanup_buf_ struct buf text = BUF_INIT, advice = BUF_INIT;
		plain_add(&text, f->text);
		plain_add(&advice, f->advice ? f->advice : "");
		fprintf(out, "  %-7s  %-*s  %s\n", level_name(f->level), width, f->name, buf_str(&text));
		if (advice.n)
			fprintf(out, "  %7s  %*s  %s\n", "", width, "", buf_str(&advice));
	}
	fputc('\n', out);
}

static void service_text(const struct doctor_listener *l, struct buf *b)
{
	if (l->namespace && l->pod)
		buf_addf(b, "%s/%s", l->namespace, l->pod);
	else
		buf_adds(b, l->service ? l->service : "-");
}

static void fill_row(const struct doctor *d, const struct doctor_listener *l, char *cells[COLUMNS])
{
	struct buf addresses = BUF_INIT, service = BUF_INIT, all;
	listener_addresses(&l->l, &addresses);
	service_text(l, &service);
	char *raw[COLUMNS] = {
		xasprintf("%u", l->l.port),
		buf_steal(&addresses),
		l->l.pid ? xstrdup(l->l.comm) : xstrdup("-"),
		l->l.pid ? xasprintf(l->l.processes > 1 ? "%d+%u" : "%d", (int)l->l.pid, l->l.processes - 1) : xstrdup("-"),
		l->l.netns == d->own_netns ? xstrdup("-") : xasprintf("%llu", (unsigned long long)l->l.netns),
		buf_steal(&service),
		xstrdup(l->text),
	};
	for (int k = 0; k < COLUMNS; k++) {
		all = BUF_INIT;
		plain_add(&all, raw[k]);
		cells[k] = buf_steal(&all);
		free(raw[k]);
	}
}

static void print_listeners(const struct doctor *d, FILE *out)
{
	static const char *const heads[COLUMNS] = {"PORT", "ADDRESS", "PROCESS", "PID", "NETNS", "SERVICE", "SEEN AS"};
	int width[COLUMNS];
	if (!d->listeners_looked)
		return;
	char *(*rows)[COLUMNS] = xcalloc(d->n_listeners + 1, sizeof(*rows));
	for (int k = 0; k < COLUMNS; k++)
		width[k] = (int)strlen(heads[k]);
	for (size_t i = 0; i < d->n_listeners; i++) {
		fill_row(d, &d->listeners[i], rows[i]);
		for (int k = 0; k < COLUMNS; k++)
			if ((int)strlen(rows[i][k]) > width[k])
				width[k] = (int)strlen(rows[i][k]);
	}
	fprintf(out, "Listening: %zu in %u network namespace%s\n", d->n_listeners, d->namespaces, d->namespaces == 1 ? "" : "s");
	for (size_t i = 0; d->n_listeners && i <= d->n_listeners; i++) {
		fputs("  ", out);
		for (int k = 0; k < COLUMNS; k++) {
			const char *cell = i ? rows[i - 1][k] : heads[k];
			if (k == COLUMNS - 1)
				fprintf(out, "%s\n", cell);
			else
				fprintf(out, k ? "%-*s  " : "%*s  ", width[k], cell);
		}
	}
	fputc('\n', out);
	for (size_t i = 0; i < d->n_listeners; i++)
		for (int k = 0; k < COLUMNS; k++)
			free(rows[i][k]);
	free(rows);
}

struct coverage {
	size_t listeners[SEEN_KINDS];
	uint64_t connections[RT_VERDICTS];
};

/* Listeners of one socket's cgroup and port share their counts: they are added once. */
static struct coverage coverage_of(const struct doctor *d)
{
	struct coverage c = {0};
	for (size_t i = 0; i < d->n_listeners; i++)
		c.listeners[d->listeners[i].seen]++;
	for (size_t i = 0; i < d->n_verdicts; i++)
		for (int k = 0; k < RT_VERDICTS; k++)
			c.connections[k] += d->verdicts[i].connections[k];
	return c;
}

static void print_coverage(const struct doctor *d, FILE *out)
{
	struct coverage c = coverage_of(d);
	uint64_t web = c.connections[RT_VERDICT_HTTP] + c.connections[RT_VERDICT_TLS] + c.connections[RT_VERDICT_HTTP2];
	if ((!d->running && !d->pinned) || !d->listeners_looked)
		return;
	fprintf(out, "Coverage: %zu counted, %zu TLS, %zu HTTP/2, %zu not HTTP, %zu met in the middle, %zu silent, %zu excluded\n",
		c.listeners[SEEN_HTTP], c.listeners[SEEN_TLS], c.listeners[SEEN_HTTP2], c.listeners[SEEN_NOT_HTTP],
		c.listeners[SEEN_MID_CONNECTION], c.listeners[SEEN_NOTHING], c.listeners[SEEN_EXCLUDED]);
	if (web)
		fprintf(out, "  %.1f%% of the connections that spoke HTTP/1, HTTP/2 or TLS were HTTP/1 in clear text\n",
			100.0 * (double)c.connections[RT_VERDICT_HTTP] / (double)web);
	fputc('\n', out);
}

void doctor_print(const struct doctor *d, FILE *out)
{
	static const char *const ends[] = {"Healthy.", "Something needs a look (see the warnings).", "It cannot count (see the failures)."};
	fprintf(out, "reqtally %s doctor%s\n\n", REQTALLY_VERSION, d->root ? "" : ", not as root: less can be seen");
	print_findings(d, FINDING_HOST, "Host", out);
	print_findings(d, FINDING_PROGRAM, "reqtally", out);
	print_findings(d, FINDING_LOSS, "Losses", out);
	print_findings(d, FINDING_BUDGET, "Budgets", out);
	print_listeners(d, out);
	print_coverage(d, out);
	fprintf(out, "%s\n", ends[doctor_exit_code(d)]);
}

/* ---- JSON ---- */

static json_t *text_json(const char *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	if (!s)
		return json_null();
	plain_add(&b, s);
	return json_string(buf_str(&b));
}

static json_t *findings_json(const struct doctor *d)
{
	json_t *list = json_array();
	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->v[i];
		json_t *o = json_object();
		json_object_set_new(o, "section", json_string(section_name(f->section)));
		json_object_set_new(o, "name", text_json(f->name));
		json_object_set_new(o, "level", json_string(level_name(f->level)));
		json_object_set_new(o, "text", text_json(f->text));
		json_object_set_new(o, "advice", text_json(f->advice));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *connections_json(const uint64_t n[RT_VERDICTS])
{
	json_t *o = json_object();
	for (int k = 0; k < RT_VERDICTS; k++)
		json_object_set_new(o, verdict_name(k), json_integer((json_int_t)n[k]));
	return o;
}

static json_t *listener_json(const struct doctor *d, const struct doctor_listener *l)
{
	json_t *o = json_object(), *addresses = json_array();
	for (uint32_t i = 0; i < l->l.n_addresses && i < LISTENER_ADDRESSES; i++) {
		struct listener one = {.n_addresses = 1, .addresses = {l->l.addresses[i]}};
		_cleanup_buf_ struct buf b = BUF_INIT;
		listener_addresses(&one, &b);
		json_array_append_new(addresses, json_string(buf_str(&b)));
	}
	json_object_set_new(o, "port", json_integer(l->l.port));
	json_object_set_new(o, "addresses", addresses);
	json_object_set_new(o, "netns", json_integer((json_int_t)l->l.netns));
	json_object_set_new(o, "own_netns", json_boolean(l->l.netns == d->own_netns));
	json_object_set_new(o, "pid", l->l.pid ? json_integer(l->l.pid) : json_null());
	json_object_set_new(o, "process", text_json(l->l.pid ? l->l.comm : NULL));
	json_object_set_new(o, "processes", json_integer(l->l.processes));
	json_object_set_new(o, "service", text_json(l->service));
	json_object_set_new(o, "namespace", text_json(l->namespace));
	json_object_set_new(o, "pod", text_json(l->pod));
	json_object_set_new(o, "container", text_json(l->container));
	json_object_set_new(o, "connections_open", json_integer(l->l.connections));
	json_object_set_new(o, "seen", json_string(seen_name(l->seen)));
	json_object_set_new(o, "hidden", json_boolean(l->hidden));
	json_object_set_new(o, "connections", connections_json(l->connections));
	json_t *tls = json_null();
	if (l->tls.library) {
		tls = json_object();
		json_object_set_new(tls, "library", json_string(tls_library_name(l->tls.library)));
		json_object_set_new(tls, "file", text_json(l->tls.file));
		json_object_set_new(tls, "readable", json_boolean(tls_library_readable(l->tls.library)));
	}
	json_object_set_new(o, "tls", tls);
	json_object_set_new(o, "text", text_json(l->text));
	return o;
}

static json_t *number_json(double v)
{
	return v == (double)(json_int_t)v ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *program_json(const struct doctor *d)
{
	json_t *o = json_object(), *ledger = json_object(), *losses = json_object(), *budgets = json_object();
	json_object_set_new(ledger, "seen", number_json(d->ledger.seen));
	json_object_set_new(ledger, "recorded", number_json(d->ledger.recorded));
	json_object_set_new(ledger, "lost", number_json(d->ledger.lost));
	json_object_set_new(ledger, "in_flight", number_json(d->ledger.in_flight));
	for (size_t i = 0; i < d->n_losses; i++)
		json_object_set_new(losses, d->losses[i].reason, number_json(d->losses[i].requests));
	for (size_t i = 0; i < d->n_budgets; i++) {
		json_t *b = json_object();
		json_object_set_new(b, "used", number_json(d->budgets[i].used));
		json_object_set_new(b, "limit", number_json(d->budgets[i].limit));
		json_object_set_new(budgets, d->budgets[i].name, b);
	}
	json_object_set_new(o, "version", text_json(d->version));
	json_object_set_new(o, "ledger", ledger);
	json_object_set_new(o, "losses", losses);
	json_object_set_new(o, "budgets", budgets);
	return o;
}

json_t *doctor_json(const struct doctor *d)
{
	static const char *const verdicts[] = {"healthy", "degraded", "failing"};
	json_t *o = json_object(), *listeners = json_array(), *seen = json_object(), *coverage = json_object();
	struct coverage c = coverage_of(d);
	for (size_t i = 0; i < d->n_listeners; i++)
		json_array_append_new(listeners, listener_json(d, &d->listeners[i]));
	for (int k = 0; k < SEEN_KINDS; k++)
		json_object_set_new(seen, seen_name(k), json_integer((json_int_t)c.listeners[k]));
	json_object_set_new(coverage, "listeners", seen);
	json_object_set_new(coverage, "connections", connections_json(c.connections));
	json_object_set_new(o, "version", json_string(REQTALLY_VERSION));
	json_object_set_new(o, "verdict", json_string(verdicts[doctor_exit_code(d)]));
	json_object_set_new(o, "exit_code", json_integer(doctor_exit_code(d)));
	json_object_set_new(o, "root", json_boolean(d->root));
	json_object_set_new(o, "url", text_json(d->url));
	json_object_set_new(o, "running", d->running ? program_json(d) : json_null());
	json_object_set_new(o, "findings", findings_json(d));
	json_object_set_new(o, "listeners", d->listeners_looked ? listeners : json_null());
	if (!d->listeners_looked)
		json_decref(listeners);
	json_object_set_new(o, "coverage", coverage);
	return o;
}
