// SPDX-License-Identifier: GPL-2.0-or-later
/* The status page: plain HTML without scripts, made of what the API answers. Every text is escaped. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/rules_json.h"
#include "api/status_html.h"
#include "api/targets_json.h"
#include "exposition/escape.h"
#include "model/text.h"

void status_add_html(const char *s, struct buf *out)
{
	struct buf utf8 = BUF_INIT;
	escape_utf8(sv_of(s ? s : ""), &utf8);
	for (size_t i = 0; i < utf8.n; i++) {
		char c = utf8.p[i];
		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
			buf_addf(out, "&#%d;", c);
		else
			buf_addc(out, c);
	}
	buf_free(&utf8);
}

void status_add_cell(const char *s, struct buf *out)
{
	buf_adds(out, "<td>");
	status_add_html(s, out);
	buf_adds(out, "</td>");
}

/* `a="b" c="d"` */
static void add_map_cell(const json_t *map, struct buf *out)
{
	const char *key;
	json_t *value;
	buf_adds(out, "<td>");
	json_object_foreach((json_t *)map, key, value) {
		status_add_html(key, out);
		buf_adds(out, "=&quot;");
		status_add_html(json_string_value(value), out);
		buf_adds(out, "&quot; ");
	}
	buf_adds(out, "</td>");
}

static const char *get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static void add_alerts(const struct api *api, struct buf *out)
{
	json_t *alerts = alerts_json(api), *a;
	size_t i;
	buf_addf(out, "<h2>Alerts (%zu)</h2>\n", json_array_size(alerts));
	if (json_array_size(alerts))
		buf_adds(out, "<table><tr><th>State<th>Labels<th>Annotations<th>Since<th>Value</tr>\n");
	else
		buf_adds(out, "<p>No alert is pending or firing.</p>\n");
	json_array_foreach(alerts, i, a) {
		const char *state = get(a, "state");
		buf_addf(out, "<tr class=\"%s\">", strcmp(state, "firing") == 0 ? "bad" : "warn");
		status_add_cell(state, out);
		add_map_cell(json_object_get(a, "labels"), out);
		add_map_cell(json_object_get(a, "annotations"), out);
		status_add_cell(get(a, "activeAt"), out);
		status_add_cell(get(a, "value"), out);
		buf_adds(out, "</tr>\n");
	}
	if (json_array_size(alerts))
		buf_adds(out, "</table>\n");
	json_decref(alerts);
}

/* The time of day is UTC; before the first one there is the year 1, which is no time to show. */
static void add_time_cell(const char *time, struct buf *out)
{
	status_add_cell(strncmp(time, "0001-", 5) == 0 ? "not yet" : time, out);
}

static void add_rules(const struct api *api, struct buf *out)
{
	json_t *groups = rules_json(api, &(struct rules_filter){.no_alerts = true}, NULL), *g, *r;
	size_t i, k;
	buf_adds(out, "<h2>Rules</h2>\n");
	json_array_foreach(groups, i, g) {
		buf_adds(out, "<h3>");
		status_add_html(get(g, "file"), out);
		buf_adds(out, " &gt; ");
		status_add_html(get(g, "name"), out);
		buf_adds(out, "</h3>\n<table><tr><th>Rule<th>Expression<th>State<th>Health<th>Evaluated<th>Error</tr>\n");
		json_t *rules = json_object_get(g, "rules");
		json_array_foreach(rules, k, r) {
			bool bad = strcmp(get(r, "health"), "err") == 0;
			buf_addf(out, "<tr%s>", bad ? " class=\"bad\"" : "");
			status_add_cell(get(r, "name"), out);
			buf_adds(out, "<td><code>");
			status_add_html(get(r, "query"), out);
			buf_adds(out, "</code></td>");
			status_add_cell(get(r, "state"), out);
			status_add_cell(get(r, "health"), out);
			add_time_cell(get(r, "lastEvaluation"), out);
			status_add_cell(get(r, "lastError"), out);
			buf_adds(out, "</tr>\n");
		}
		buf_adds(out, "</table>\n");
	}
	if (!json_array_size(groups))
		buf_adds(out, "<p>No rules are loaded.</p>\n");
	json_decref(groups);
}

static void add_targets(const struct api *api, struct buf *out)
{
	json_t *targets = active_targets_json(api, NULL), *t;
	size_t i;
	if (json_array_size(targets)) {
		buf_addf(out, "<h2>Scrape targets (%zu)</h2>\n", json_array_size(targets));
		buf_adds(out, "<table><tr><th>Job<th>URL<th>Health<th>Labels<th>Last scrape<th>Error</tr>\n");
	}
	json_array_foreach(targets, i, t) {
		buf_addf(out, "<tr%s>", strcmp(get(t, "health"), "down") == 0 ? " class=\"bad\"" : "");
		status_add_cell(get(t, "scrapePool"), out);
		status_add_cell(get(t, "scrapeUrl"), out);
		status_add_cell(get(t, "health"), out);
		add_map_cell(json_object_get(t, "labels"), out);
		add_time_cell(get(t, "lastScrape"), out);
		status_add_cell(get(t, "lastError"), out);
		buf_adds(out, "</tr>\n");
	}
	if (json_array_size(targets))
		buf_adds(out, "</table>\n");
	json_decref(targets);
}

static void add_requests(const struct api *api, struct buf *out)
{
	struct snapshot *s = api->latest ? api->latest(api->arg) : NULL;
	status_add_requests(s, out);
	snapshot_unref(s);
}

static void add_window(const struct api *api, struct buf *out)
{
	struct store_stats st;
	store_stats(api->store, &st);
	struct buf retention = BUF_INIT;
	text_duration(st.retention_ms, &retention);
	buf_addf(out,
		 "<h2>Window of samples</h2>\n<p>%llu series, %llu samples in %.1f MiB of at most %.1f MiB, kept for %s; %llu samples dropped "
		 "for want of room.</p>\n",
		 (unsigned long long)st.series, (unsigned long long)st.samples, (double)st.bytes / (1 << 20), (double)st.budget / (1 << 20),
		 buf_str(&retention), (unsigned long long)st.dropped_total);
	buf_free(&retention);
}

static void add_links(const struct api *api, struct buf *out)
{
	static const char *const links[] = {"/api/v1/rules", "/api/v1/alerts", "/api/v1/targets", "/api/v1/metadata", "/api/v1/status/buildinfo", "/-/healthy",
					    "/-/ready"};
	buf_adds(out, "<p><a href=\"");
	status_add_html(api->telemetry_path ? api->telemetry_path : "/metrics", out);
	buf_adds(out, "\">");
	status_add_html(api->telemetry_path ? api->telemetry_path : "/metrics", out);
	buf_adds(out, "</a>");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		buf_addf(out, " &middot; <a href=\"%s\">%s</a>", links[i], links[i]);
	buf_adds(out, "</p>\n");
}

void api_status_page(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	struct buf *out = &res->body;
	res->content_type = "text/html; charset=utf-8";
	/* Nothing is loaded and nothing runs, whatever a label holds. */
	web_response_header(res, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
	buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>reqtally ");
	status_add_html(api->instance, out);
	buf_adds(out, "</title>\n<style>body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
		      "td,th{border:1px solid #bbb;padding:.3em .6em;text-align:left;vertical-align:top}"
		      ".n{text-align:right}.bad{background:#fdd}.warn{background:#ffd}</style></head><body>\n<h1>reqtally</h1>\n<p>");
	status_add_html(api->version, out);
	buf_adds(out, " on ");
	status_add_html(api->instance, out);
	buf_adds(out, "</p>\n");
	add_links(api, out);
	add_alerts(api, out);
	add_requests(api, out);
	add_rules(api, out);
	add_targets(api, out);
	add_window(api, out);
	buf_adds(out, "</body></html>\n");
}
