// SPDX-License-Identifier: GPL-2.0-or-later
/* targets and targets/metadata: what is scraped, how it went, and what the targets say of their metrics. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/param.h"
#include "api/reply.h"
#include "api/targets_json.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"

static json_t *duration(int64_t ms)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	text_duration(ms, &b);
	return json_string(buf_str(&b));
}

/* The host of "host:port", with its brackets, and the port. */
static struct sv split_port(struct sv address, struct sv *port)
{
	size_t i = address.n;
	while (i && address.p[i - 1] != ':' && address.p[i - 1] != ']')
		i--;
	bool has = i && address.p[i - 1] == ':';
	*port = has ? sv_make(address.p + i, address.n - i) : SV("");
	return has ? sv_make(address.p, i - 1) : address;
}

static bool is_local(struct sv host)
{
	return sv_eqs(host, "localhost") || sv_eqs(host, "127.0.0.1") || sv_eqs(host, "[::1]");
}

/* The URL as others see it: a target on this host has the host name of the external URL. */
static char *global_url(const struct api *api, const char *url)
{
	const char *p = strstr(url, "://"), *ext = api->external_url ? strstr(api->external_url, "://") : NULL;
	if (!p || !ext)
		return xstrdup(url);
	size_t n = strcspn(p + 3, "/?");
	struct sv port, ext_port, own_port, host = split_port(sv_make(p + 3, n), &port),
					    ext_host = split_port(sv_make(ext + 3, strcspn(ext + 3, "/?")), &ext_port);
	const char *rest = p + 3 + n;
	if (!is_local(host) || !port.n)
		return xstrdup(url);
	split_port(sv_of(api->listen_address), &own_port);
	if (sv_eq(port, own_port))
		return xasprintf("%.*s://%.*s%s%.*s%s", (int)(ext - api->external_url), api->external_url, SV_ARG(ext_host),
				 ext_port.n ? ":" : "", SV_ARG(ext_port), rest);
	return xasprintf("%.*s://%.*s:%.*s%s", (int)(p - url), url, SV_ARG(ext_host), SV_ARG(port), rest);
}

struct listing {
	const struct api *api;
	const char *pool; /* NULL: all */
	json_t *out;
};

static void add_active(void *arg, const struct scrape_target *t)
{
	static const char *const health[] = {"unknown", "up", "down"};
	const struct listing *l = arg;
	if (l->pool && strcmp(l->pool, t->job) != 0)
		return;
	_cleanup_free_ char *global = global_url(l->api, t->url);
	json_t *o = json_object();
	json_object_set_new(o, "discoveredLabels", reply_labels(t->discovered));
	json_object_set_new(o, "labels", reply_labels(t->labels));
	json_object_set_new(o, "scrapePool", reply_string(t->job));
	json_object_set_new(o, "scrapeUrl", reply_string(t->url));
	json_object_set_new(o, "globalUrl", reply_string(global));
	json_object_set_new(o, "lastError", reply_string(t->error));
	json_object_set_new(o, "lastScrape", reply_time(t->last_scrape));
	json_object_set_new(o, "lastScrapeDuration", json_real(t->last_duration));
	json_object_set_new(o, "health", json_string(health[t->health]));
	json_object_set_new(o, "scrapeInterval", duration(t->interval));
	json_object_set_new(o, "scrapeTimeout", duration(t->timeout));
	json_array_append_new(l->out, o);
}

struct place {
	json_t *target;
	size_t i;
};

static int by_pool(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int r = strcmp(json_string_value(json_object_get(x->target, "scrapePool")), json_string_value(json_object_get(y->target, "scrapePool")));
	return r ? r : x->i < y->i ? -1 : 1;
}

/* As in Prometheus: sorted by job, then as the configuration has them. Takes TARGETS. */
static json_t *sort_by_pool(json_t *targets)
{
	size_t n = json_array_size(targets);
	struct place *v = xcalloc(n + 1, sizeof(*v));
	json_t *sorted = json_array();
	for (size_t i = 0; i < n; i++)
		v[i] = (struct place){json_array_get(targets, i), i};
	qsort(v, n, sizeof(*v), by_pool);
	for (size_t i = 0; i < n; i++)
		json_array_append(sorted, v[i].target);
	free(v);
	json_decref(targets);
	return sorted;
}

json_t *active_targets_json(const struct api *api, const char *pool)
{
	struct listing l = {.api = api, .pool = pool, .out = json_array()};
	if (api->scraper)
		scraper_targets(api->scraper, add_active, &l);
	return sort_by_pool(l.out);
}

static void add_dropped(void *arg, const char *job, const struct labels *discovered)
{
	const struct listing *l = arg;
	if (l->pool && strcmp(l->pool, job) != 0)
		return;
	json_t *o = json_object();
	json_object_set_new(o, "discoveredLabels", reply_labels(discovered));
	json_object_set_new(o, "scrapePool", reply_string(job));
	json_array_append_new(l->out, o);
}

static void add_count(void *arg, const char *job, uint64_t n)
{
	const struct listing *l = arg;
	if (!l->pool || strcmp(l->pool, job) == 0)
		json_object_set_new(l->out, job, json_integer((json_int_t)n));
}

void api_targets(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	const char *state = web_request_param(req, "state"), *pool = web_request_param(req, "scrapePool");
	bool any = !state || !*state || strcasecmp(state, "any") == 0;
	bool active = any || strcasecmp(state, "active") == 0, dropped = any || strcasecmp(state, "dropped") == 0;
	struct listing l = {.api = api, .pool = pool && *pool ? pool : NULL};
	json_t *o = json_object();
	json_object_set_new(o, "activeTargets", active ? active_targets_json(api, l.pool) : json_array());
	l.out = json_array();
	if (dropped && api->scraper)
		scraper_dropped(api->scraper, add_dropped, &l);
	json_object_set_new(o, "droppedTargets", sort_by_pool(l.out));
	l.out = dropped ? json_object() : json_null();
	if (dropped && api->scraper)
		scraper_dropped_counts(api->scraper, add_count, &l);
	json_object_set_new(o, "droppedTargetCounts", l.out);
	reply_json(res, o);
}

static void add_pool(void *arg, const char *job, uint64_t n)
{
	json_t *pools = arg;
	size_t i = 0;
	while (i < json_array_size(pools) && strcmp(json_string_value(json_array_get(pools, i)), job) < 0)
		i++;
	json_array_insert_new(pools, i, reply_string(job));
}

void api_scrape_pools(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	json_t *o = json_object(), *pools = json_array();
	if (api->scraper)
		scraper_dropped_counts(api->scraper, add_pool, pools);
	json_object_set_new(o, "scrapePools", pools);
	reply_json(res, o);
}

struct metadata_listing {
	const struct matcher *matchers;
	size_t n_matchers;
	const char *metric; /* NULL: all */
	int64_t limit;	    /* below 0: none */
	json_t *out, *labels; /* of the target */
};

static void add_metadata(void *arg, const char *name, enum metric_type type, const char *help, const char *unit)
{
	struct metadata_listing *l = arg;
	if (l->metric && strcmp(l->metric, name) != 0)
		return;
	json_t *o = json_object();
	json_object_set(o, "target", l->labels);
	if (!l->metric)
		json_object_set_new(o, "metric", reply_string(name));
	json_object_set_new(o, "type", json_string(metric_type_name(type)));
	json_object_set_new(o, "help", reply_string(help));
	json_object_set_new(o, "unit", reply_string(unit));
	json_array_append_new(l->out, o);
}

static void add_target_metadata(void *arg, const struct scrape_target *t)
{
	struct metadata_listing *l = arg;
	/* As Prometheus: once there are so many no further target is asked; of one all is told. */
	if ((l->limit >= 0 && json_array_size(l->out) >= (size_t)l->limit) || !matchers_match(l->matchers, l->n_matchers, t->labels))
		return;
	l->labels = reply_labels(t->labels);
	scraper_families(t, add_metadata, l);
	json_decref(l->labels);
}

static void list_metadata(void *arg, const struct matcher *m, size_t n, int64_t range_ms)
{
	struct metadata_listing *l = arg;
	l->matchers = m;
	l->n_matchers = n;
}

void api_targets_metadata(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	const char *match = web_request_param(req, "match_target"), *metric = web_request_param(req, "metric");
	struct metadata_listing l = {.metric = metric && *metric ? metric : NULL, .limit = -1};
	struct promql_expr *expr = NULL;
	char *error = NULL;
	if (!param_number(req, res, "limit", &l.limit))
		return;
	if (match && *match) {
		if (promql_parse_selector(sv_of(match), &expr, &error)) {
			reply_error(res, REPLY_BAD_DATA, "invalid parameter \"match_target\": %s", error);
			free(error);
			return;
		}
		promql_selectors(expr, list_metadata, &l);
	}
	l.out = json_array();
	if (api->scraper)
		scraper_targets(api->scraper, add_target_metadata, &l);
	if (expr)
		promql_expr_free(expr);
	reply_json(res, l.out);
}

struct all_metadata {
	json_t *out;
	const char *metric;
	size_t most; /* of each */
};

/* Each family once for each way of describing it. */
static void merge_metadata(void *arg, const char *name, enum metric_type type, const char *help, const char *unit)
{
	const struct all_metadata *all = arg;
	json_t *m, *list = json_object_get(all->out, name);
	size_t i;
	if (all->metric && strcmp(all->metric, name) != 0)
		return;
	json_t *fresh = json_object();
	json_object_set_new(fresh, "type", json_string(metric_type_name(type)));
	json_object_set_new(fresh, "unit", reply_string(unit));
	json_object_set_new(fresh, "help", reply_string(help));
	json_array_foreach(list, i, m)
		if (json_equal(m, fresh)) {
			json_decref(fresh);
			return;
		}
	if (!list)
		json_object_set_new(all->out, name, list = json_array());
	if (json_array_size(list) < all->most)
		json_array_append_new(list, fresh);
	else
		json_decref(fresh);
}

static void merge_target(void *arg, const struct scrape_target *t)
{
	scraper_families(t, merge_metadata, arg);
}

void scraped_metadata_json(const struct api *api, const char *metric, size_t most, json_t *out)
{
	struct all_metadata all = {out, metric && *metric ? metric : NULL, most};
	if (api->scraper)
		scraper_targets(api->scraper, merge_target, &all);
}
