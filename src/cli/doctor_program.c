// SPDX-License-Identifier: GPL-2.0-or-later
/* The running reqtally: asked over its own web server, judged by its own metrics. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/doctor.h"
#include "model/text.h"
#include "net/http.h"

#define ANSWER_MAX ((size_t)16 << 20)
#define ANSWER_MS 10000
#define NEARLY 0.9 /* of a budget: somebody should look */

/* What a loss means and what to do. LEVEL: some are the doing of clients, and nobody on this machine can help it. */
static const struct {
	const char *reason;
	enum finding_level level;
	const char *advice;
} losses[] = {
	{"malformed", FINDING_NOTE, "clients sent what is no HTTP/1: scanners, or TLS spoken to a clear-text port"},
	{"incomplete", FINDING_NOTE, "clients went away inside the request line: health checks that only connect, scanners"},
	{"response_malformed", FINDING_WARNING,
	 "a server answered with what is no HTTP/1: if a port carries a protocol of its own, put it in http.exclude_ports"},
	{"pipeline_depth", FINDING_WARNING, "a client sends more than 16 requests ahead of their responses: only its requests are affected"},
	{"gap", FINDING_WARNING,
	 "packets were missed or came too far out of order: see reqtally_segments_reordered_total and the drops of the network card"},
	{"no_memory", FINDING_WARNING, "the kernel had no memory for the state of a connection: look at the memory of the machine"},
	{"handover", FINDING_NOTE, "requests under way on connections that an upgrade could not carry over"},
	{"connection_budget", FINDING_WARNING, "more connections at a time than http.budgets.connections: raise it"},
	{"reclaimed", FINDING_WARNING, "state of slow connections was taken back to keep within http.budgets.connections: raise it"},
};

/* ---- the answer ---- */

static bool labels_have(const json_t *labels, const char *name, const char *value)
{
	const char *have = json_string_value(json_object_get(labels, name));
	return !name || (have && strcmp(have, value) == 0);
}

static bool metric_value(const json_t *m, double *v)
{
	const char *text = json_string_value(json_object_get(m, "value"));
	return text && text_parse_float(sv_of(text), v);
}

/* The value of the metric NAME, with LABEL=VALUE unless LABEL is NULL; NAN if there is none. */
static double metric(const json_t *data, const char *name, const char *label, const char *value)
{
	const json_t *list = json_object_get(data, "metrics");
	double v;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		const char *n = json_string_value(json_object_get(m, "name"));
		if (n && strcmp(n, name) == 0 && labels_have(json_object_get(m, "labels"), label, value) && metric_value(m, &v))
			return v;
	}
	return NAN;
}

static double metric_or_zero(const json_t *data, const char *name)
{
	double v = metric(data, name, NULL, NULL);
	return isnan(v) ? 0 : v;
}

/* How much it grew since EARLIER, all of it if there is no earlier. */
static double growth(const json_t *data, const json_t *earlier, const char *name)
{
	double v = metric_or_zero(data, name), before = earlier ? metric_or_zero(earlier, name) : 0;
	return v >= before ? v - before : v;
}

static json_t *ask(struct http_client *c, const char *url, char **error)
{
	struct http_reply reply = {0};
	json_error_t je;
	if (http_client_post(c, url, "application/x-www-form-urlencoded", "", 0, ANSWER_MS, ANSWER_MAX, &reply, error))
		return NULL;
	json_t *root = reply.status == 200 ? json_loadb(reply.body, reply.n, JSON_REJECT_DUPLICATES, &je) : NULL;
	json_t *data = json_incref(json_object_get(root, "data"));
	if (reply.status == 401 || reply.status == 403)
		*error = xasprintf("it answers with status %d: give the credentials with --http.config.file", reply.status);
	else if (reply.status == 404 || reply.status == 405)
		*error = xasprintf("it answers with status %d: is it a reqtally, and one with " DOCTOR_PATH "?", reply.status);
	else if (reply.status != 200)
		*error = xasprintf("it answers with status %d", reply.status);
	else if (!json_is_object(data) || !json_is_array(json_object_get(data, "metrics")))
		*error = xstrdup("its answer is not that of a reqtally");
	http_reply_free(&reply);
	json_decref(root);
	if (!*error)
		return data;
	json_decref(data);
	return NULL;
}

/* ---- the judgement ---- */

static char *span(double seconds)
{
	struct buf b = BUF_INIT;
	text_duration((int64_t)seconds * 1000, &b);
	return buf_steal(&b);
}

static void judge_itself(struct doctor *d, const json_t *data)
{
	double start = metric(data, "process_start_time_seconds", NULL, NULL), rss = metric(data, "process_resident_memory_bytes", NULL, NULL);
	_cleanup_free_ char *up = span(isnan(start) ? 0 : fmax(0, (double)clock_unix_ms() / 1e3 - start));
	const char *version = json_string_value(json_object_get(data, "version"));
	free(d->version);
	d->version = xstrdup(version ? version : "");
	bool other = strcmp(d->version, REQTALLY_VERSION) != 0;
	doctor_add(d, FINDING_PROGRAM, other ? FINDING_NOTE : FINDING_OK, "running",
		   xasprintf("version %s at %s for %s, %.1f MB", d->version, d->url, up, isnan(rss) ? 0 : rss / 1e6),
		   other ? xstrdup("this program is version " REQTALLY_VERSION) : NULL);
	if (metric(data, "reqtally_config_last_reload_successful", NULL, NULL) == 0)
		doctor_add(d, FINDING_PROGRAM, FINDING_WARNING, "configuration", xstrdup("the last reload failed; the old one is in force"),
			   xstrdup("the log says where; `reqtally check config FILE` does, too"));
	const json_t *list = json_object_get(data, "metrics");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		const char *n = json_string_value(json_object_get(m, "name"));
		const char *feature = json_string_value(json_object_get(json_object_get(m, "labels"), "feature"));
		double v;
		if (n && feature && strcmp(n, "reqtally_feature_enabled") == 0 && metric_value(m, &v) && v == 0)
			doctor_add(d, FINDING_PROGRAM, FINDING_NOTE, feature, xstrdup("switched off"), xstrdup("the log of its start says why"));
	}
}

static void judge_ledger(struct doctor *d, const json_t *data)
{
	struct ledger *l = &d->ledger;
	const json_t *list = json_object_get(data, "metrics");
	*l = (struct ledger){.seen = metric_or_zero(data, "reqtally_requests_seen_total"),
			     .recorded = metric_or_zero(data, "reqtally_requests_recorded_total"),
			     .in_flight = metric_or_zero(data, "http_requests_in_flight")};
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		const char *n = json_string_value(json_object_get(m, "name"));
		double v;
		if (n && strcmp(n, "reqtally_requests_lost_total") == 0 && metric_value(m, &v))
			l->lost += v;
	}
	/* The parts are not read at one moment: what ended in between is a difference, at most some thousandths under load. */
	double off = l->seen - l->recorded - l->lost - l->in_flight;
	bool wrong = fabs(off) > 100 + l->seen / 100;
	doctor_add(d, FINDING_PROGRAM, wrong ? FINDING_WARNING : FINDING_OK, "ledger",
		   xasprintf("%.0f seen = %.0f recorded + %.0f lost + %.0f in flight%s", l->seen, l->recorded, l->lost, l->in_flight,
			     wrong ? ": not equal" : ""),
		   wrong ? xstrdup("requests went uncounted without a name: a bug of reqtally, please report it") : NULL);
}

static void judge_losses(struct doctor *d, const json_t *data, const json_t *earlier)
{
	const json_t *list = json_object_get(data, "metrics");
	double seen = growth(data, earlier, "reqtally_requests_seen_total");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		const char *n = json_string_value(json_object_get(m, "name"));
		const char *reason = json_string_value(json_object_get(json_object_get(m, "labels"), "reason"));
		double v;
		if (!n || !reason || strcmp(n, "reqtally_requests_lost_total") != 0 || !metric_value(m, &v))
			continue;
		double before = earlier ? metric(earlier, n, "reason", reason) : 0;
		if (before > 0 && v >= before)
			v -= before;
		array_grow(d->losses, d->n_losses, d->cap_losses);
		d->losses[d->n_losses++] = (struct loss){.reason = xstrdup(reason), .requests = v};
		if (v <= 0)
			continue;
		enum finding_level level = FINDING_WARNING;
		const char *advice = "see the ledger in docs/metrics.md";
		for (size_t k = 0; k < ARRAY_SIZE(losses); k++)
			if (strcmp(losses[k].reason, reason) == 0) {
				level = losses[k].level;
				advice = losses[k].advice;
			}
		doctor_add(d, FINDING_LOSS, level, reason, xasprintf("%.0f of %.0f requests", v, seen), xstrdup(advice));
	}
}

static const char *budget_key(const char *map)
{
	static const struct {
		const char *map, *key;
	} keys[] = {{"series", "http.budgets.series"}, {"endpoints", "http.budgets.series"}, {"connections", "http.budgets.connections"},
		    {"pipelines", "http.budgets.connections"}};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].map, map) == 0)
			return keys[i].key;
	return NULL;
}

static void judge_budgets(struct doctor *d, const json_t *data, const json_t *earlier)
{
	static const struct {
		const char *name, *metric, *text, *advice;
	} overflows[] = {
		{"series", "reqtally_series_overflow_total", "requests counted in an overflow series, by code only", "raise http.budgets.series"},
		{"endpoints", "reqtally_endpoint_overflow_total", "requests counted under {other}",
		 "name the routes of that service in http.routes, or raise http.budgets.endpoints_per_service"},
	};
	const json_t *list = json_object_get(data, "metrics");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		const char *n = json_string_value(json_object_get(m, "name"));
		const char *map = json_string_value(json_object_get(json_object_get(m, "labels"), "map"));
		double used, limit;
		if (!n || !map || strcmp(n, "reqtally_bpf_map_entries") != 0 || !metric_value(m, &used))
			continue;
		limit = metric(data, "reqtally_bpf_map_max_entries", "map", map);
		if (!(limit > 0))
			continue;
		array_grow(d->budgets, d->n_budgets, d->cap_budgets);
		d->budgets[d->n_budgets++] = (struct budget){.name = xstrdup(map), .used = used, .limit = limit};
		bool nearly = used >= limit * NEARLY;
		const char *key = budget_key(map);
		/* States of idle connections are taken back when room is short: a full house is no harm by itself, its losses are. */
		bool taken_back = strcmp(map, "connections") == 0 || strcmp(map, "pipelines") == 0;
		doctor_add(d, FINDING_BUDGET, !nearly ? FINDING_OK : taken_back ? FINDING_NOTE : FINDING_WARNING, map,
			   xasprintf("%.0f of %.0f", used, limit), nearly && key ? xasprintf("nearly spent: raise %s", key) : NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(overflows); i++) {
		double v = growth(data, earlier, overflows[i].metric);
		if (v > 0)
			doctor_add(d, FINDING_BUDGET, FINDING_WARNING, overflows[i].name, xasprintf("%.0f %s", v, overflows[i].text),
				   xstrdup(overflows[i].advice));
	}
}

static void judge_rules(struct doctor *d, const json_t *data, const json_t *earlier)
{
	double failures = growth(data, earlier, "reqtally_rule_evaluation_failures_total");
	double missed = growth(data, earlier, "reqtally_rule_group_iterations_missed_total");
	const json_t *list = json_object_get(data, "metrics");
	if (failures > 0)
		doctor_add(d, FINDING_PROGRAM, FINDING_WARNING, "rules", xasprintf("%.0f evaluations failed", failures),
			   xstrdup("the errors stand on the status page and in /api/v1/rules"));
	if (missed > 0)
		doctor_add(d, FINDING_PROGRAM, FINDING_WARNING, "rules", xasprintf("%.0f evaluations of groups were late and left out", missed),
			   xstrdup("give the groups a longer interval"));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		const char *n = json_string_value(json_object_get(m, "name"));
		const char *who = json_string_value(json_object_get(json_object_get(m, "labels"), "alertmanager"));
		double v;
		if (!n || strcmp(n, "reqtally_notifications_dropped_total") != 0 || !metric_value(m, &v))
			continue;
		double before = earlier && who ? metric(earlier, n, "alertmanager", who) : 0;
		if (before > 0 && v >= before)
			v -= before;
		if (v > 0)
			doctor_add(d, FINDING_PROGRAM, FINDING_WARNING, "notifications",
				   xasprintf("%.0f alerts for %s were dropped", v, who && *who ? who : "an Alertmanager"),
				   xstrdup("it did not answer, or refused them: the log says which"));
	}
}

static void judge_scraping(struct doctor *d, const json_t *data, const json_t *earlier)
{
	double down = metric(data, "reqtally_scrape_targets", "health", "down"), up = metric(data, "reqtally_scrape_targets", "health", "up");
	double left_out = metric(data, "reqtally_scrape_samples_left_out_total", "reason", "no_room");
	double before = earlier ? metric(earlier, "reqtally_scrape_samples_left_out_total", "reason", "no_room") : 0;
	if (down > 0)
		doctor_add(d, FINDING_PROGRAM, FINDING_NOTE, "targets", xasprintf("%.0f of %.0f scrape targets are down", down, down + (up > 0 ? up : 0)),
			   xstrdup("why stands in /api/v1/targets"));
	if (before > 0 && left_out >= before)
		left_out -= before;
	if (left_out > 0)
		doctor_add(d, FINDING_PROGRAM, FINDING_WARNING, "targets", xasprintf("%.0f scraped samples found no room in the window", left_out),
			   xstrdup("rules may miss them: scrape fewer series (metric_relabel_configs), or give the window more room"));
}

static void take_verdicts(struct doctor *d, const json_t *data)
{
	const json_t *list = json_object_get(data, "listeners");
	free(d->verdicts);
	d->verdicts = xcalloc(json_array_size(list) + 1, sizeof(*d->verdicts));
	d->n_verdicts = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		struct listener_verdicts *v = &d->verdicts[d->n_verdicts++];
		v->cgroup_id = (uint64_t)json_integer_value(json_object_get(o, "cgroup"));
		v->port = (uint16_t)json_integer_value(json_object_get(o, "port"));
		for (int k = 0; k < RT_VERDICTS; k++)
			v->connections[k] = (uint64_t)json_integer_value(json_object_get(json_object_get(o, "connections"), verdict_name(k)));
	}
}

static void take_strings(const json_t *list, struct strings *out)
{
	strings_free(out);
	*out = (struct strings){0};
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		if (s)
			strings_add(out, s);
	}
}

static void take_filters(struct doctor *d, const json_t *data)
{
	const json_t *filters = json_object_get(data, "filters"), *ports = json_object_get(filters, "excluded_ports");
	free(d->excluded);
	d->excluded = xcalloc(json_array_size(ports) + 1, sizeof(*d->excluded));
	d->n_excluded = 0;
	for (size_t i = 0; i < json_array_size(ports); i++) {
		const json_t *pair = json_array_get(ports, i);
		d->excluded[d->n_excluded][0] = (uint16_t)json_integer_value(json_array_get(pair, 0));
		d->excluded[d->n_excluded++][1] = (uint16_t)json_integer_value(json_array_get(pair, 1));
	}
	take_strings(json_object_get(filters, "include_services"), &d->include_services);
	take_strings(json_object_get(filters, "exclude_services"), &d->exclude_services);
}

void doctor_judge_program(struct doctor *d, const json_t *data, const json_t *earlier)
{
	d->running = true;
	judge_itself(d, data);
	judge_ledger(d, data);
	judge_losses(d, data, earlier);
	judge_budgets(d, data, earlier);
	judge_rules(d, data, earlier);
	judge_scraping(d, data, earlier);
	take_verdicts(d, data);
	take_filters(d, data);
}

/* Programs that were left attached count without anybody to serve the figures. */
static void look_at_pins(struct doctor *d)
{
	uint64_t seen, recorded, lost;
	int err = collector_pinned_ledger(&seen, &recorded, &lost);
	if (err == -ENOENT || err == -EACCES || err == -EPERM)
		return;
	if (err) {
		doctor_add(d, FINDING_PROGRAM, FINDING_NOTE, "pins", xstrdup("programs of another version are attached and count on"),
			   xstrdup("`reqtally run` takes them over, `reqtally uninstall` removes them"));
		return;
	}
	d->pinned = collector_pinned_listeners(&d->verdicts, &d->n_verdicts) == 0;
	doctor_add(d, FINDING_PROGRAM, FINDING_NOTE, "pins",
		   xasprintf("programs are attached and count on: %llu seen, %llu recorded, %llu lost", (unsigned long long)seen,
			     (unsigned long long)recorded, (unsigned long long)lost),
		   xstrdup("`reqtally run` serves these figures, `reqtally uninstall` removes them"));
}

void doctor_ask_program(struct doctor *d, const struct net_options *http, int64_t interval_ms)
{
	struct http_client *c = http_client_new(http);
	_cleanup_free_ char *url = xasprintf("%s" DOCTOR_PATH, d->url), *error = NULL;
	json_t *data = ask(c, url, &error), *earlier = NULL;
	if (data && interval_ms > 0) {
		struct timespec t = {.tv_sec = interval_ms / 1000, .tv_nsec = interval_ms % 1000 * 1000000};
		earlier = data;
		while (nanosleep(&t, &t) && errno == EINTR)
			;
		data = ask(c, url, &error);
	}
	if (data) {
		doctor_judge_program(d, data, earlier);
	} else {
		doctor_add(d, FINDING_PROGRAM, d->url_given ? FINDING_FAILURE : FINDING_NOTE, "running",
			   xasprintf("no reqtally answers at %s: %s", d->url, error),
			   xstrdup("what follows is what can be said without; --url says where to ask"));
		look_at_pins(d);
	}
	json_decref(data);
	json_decref(earlier);
	http_client_free(c);
}
