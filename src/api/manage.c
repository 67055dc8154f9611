// SPDX-License-Identifier: GPL-2.0-or-later
/* Management endpoints and build information. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/reply.h"
#include "base/clock.h"
#include "model/text.h"

void api_healthy(void *ctx, struct web_request *req, struct web_response *res)
{
	web_response_text(res, 200, "reqtally is Healthy.");
}

void api_ready(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	bool ready = !api->is_ready || api->is_ready(api->arg);
	web_response_text(res, ready ? 200 : 503, ready ? "reqtally is Ready." : "Service Unavailable");
}

void api_reload(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	char *error = NULL;
	if (!api->reload) {
		web_response_text(res, 403, "reload is not enabled");
	} else if (api->reload(api->arg, &error)) {
		web_response_text(res, 500, "failed to reload config: %s", error ? error : "unknown error");
	} else {
		web_response_text(res, 200, "reloaded");
	}
	free(error);
}

void api_buildinfo(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	json_t *o = json_object();
	json_object_set_new(o, "version", reply_string(api->version));
	json_object_set_new(o, "revision", reply_string(api->revision));
	json_object_set_new(o, "branch", json_string(""));
	json_object_set_new(o, "buildUser", json_string(""));
	json_object_set_new(o, "buildDate", reply_string(api->build_date));
	json_object_set_new(o, "goVersion", json_string("")); /* clients expect the key */
	reply_json(res, o);
}

void api_runtimeinfo(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	char cwd[4096] = "", host[256] = "";
	int64_t t = INT64_MIN;
	json_t *o = json_object();
	_cleanup_buf_ struct buf retention = BUF_INIT;
	bool ok = !api->last_config || api->last_config(api->arg, &t);
	if (!getcwd(cwd, sizeof(cwd)))
		*cwd = 0;
	gethostname(host, sizeof(host) - 1);
	json_object_set_new(o, "startTime", reply_time(api->started_ms));
	json_object_set_new(o, "serverTime", reply_time(clock_unix_ms()));
	json_object_set_new(o, "CWD", reply_string(cwd));
	json_object_set_new(o, "hostname", reply_string(host));
	json_object_set_new(o, "reloadConfigSuccess", json_boolean(ok));
	json_object_set_new(o, "lastConfigTime", reply_time(t));
	json_object_set_new(o, "corruptionCount", json_integer(0));
	/* Clients expect the keys; there is no Go in here. */
	json_object_set_new(o, "goroutineCount", json_integer(0));
	json_object_set_new(o, "GOMAXPROCS", json_integer(0));
	json_object_set_new(o, "GOMEMLIMIT", json_integer(0));
	json_object_set_new(o, "GOGC", json_string(""));
	json_object_set_new(o, "GODEBUG", json_string(""));
	text_duration(store_retention(api->store), &retention);
	json_object_set_new(o, "storageRetention", json_string(buf_str(&retention)));
	reply_json(res, o);
}

static void reply_status(const struct api *api, struct web_response *res, const char *what)
{
	json_t *o = api->status ? api->status(api->arg, what) : NULL;
	if (o)
		reply_json(res, o);
	else
		web_response_text(res, 404, "404 page not found");
}

void api_config(void *ctx, struct web_request *req, struct web_response *res)
{
	reply_status(ctx, res, "config");
}

void api_flags(void *ctx, struct web_request *req, struct web_response *res)
{
	reply_status(ctx, res, "flags");
}

void api_alertmanagers(void *ctx, struct web_request *req, struct web_response *res)
{
	reply_status(ctx, res, "alertmanagers");
}

/* As Prometheus: pages of other origins may read what is asked without credentials. */
static void allow_origin(const struct api *api, struct web_request *req, struct web_response *res)
{
	const char *origin = web_request_header(req, "Origin");
	if (!origin || (api->cors_origin && regex_match(api->cors_origin, sv_of(origin)) != 1))
		return;
	web_response_header(res, "Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin");
	web_response_header(res, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
	web_response_header(res, "Access-Control-Allow-Origin", api->cors_origin ? origin : "*");
	web_response_header(res, "Access-Control-Expose-Headers", "Date");
	if (api->cors_origin)
		web_response_header(res, "Vary", "Origin");
}

static void handle(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api_entry *e = ctx;
	if (strncmp(req->path, "/api/", 5) == 0)
		allow_origin(e->api, req, res);
	e->handle((void *)e->api, req, res);
}

static void handle_options(void *ctx, struct web_request *req, struct web_response *res)
{
	res->status = 204;
}

static void add_route(struct api *api, struct web_route *routes, size_t *n, const char *method, const char *path, bool prefix,
		      api_handler *fn, bool heavy)
{
	api->entries[*n] = (struct api_entry){api, fn};
	routes[*n] = (struct web_route){method, path, prefix, handle, &api->entries[*n], heavy};
	(*n)++;
}

size_t api_routes(struct api *api, struct web_route *routes)
{
	static const struct {
		const char *path;
		api_handler *handle;
		enum { EXACT, PREFIX, HEAVY, FORM } kind; /* HEAVY: may take long; FORM: that, and also POST */
	} table[] = {
		{"/", api_status_page, EXACT},
		{"/-/healthy", api_healthy, EXACT},
		{"/-/ready", api_ready, EXACT},
		{"/federate", api_federate, HEAVY},
		{"/api/v1/query", api_query, FORM},
		{"/api/v1/query_range", api_query_range, FORM},
		{"/api/v1/format_query", api_format_query, FORM},
		{"/api/v1/parse_query", api_parse_query, FORM},
		{"/api/v1/query_exemplars", api_query_exemplars, FORM},
		{"/api/v1/series", api_series, FORM},
		{"/api/v1/labels", api_labels, FORM},
		{"/api/v1/label/", api_label_values, PREFIX},
		{"/api/v1/metadata", api_metadata, EXACT},
		{"/api/v1/rules", api_rules, EXACT},
		{"/api/v1/alerts", api_alerts, EXACT},
		{"/api/v1/targets", api_targets, EXACT},
		{"/api/v1/targets/metadata", api_targets_metadata, EXACT},
		{"/api/v1/scrape_pools", api_scrape_pools, EXACT},
		{"/api/v1/alertmanagers", api_alertmanagers, EXACT},
		{"/api/v1/features", api_features, EXACT},
		{"/api/v1/status/tsdb", api_tsdb, HEAVY},
		{"/api/v1/status/buildinfo", api_buildinfo, EXACT},
		{"/api/v1/status/runtimeinfo", api_runtimeinfo, EXACT},
		{"/api/v1/status/config", api_config, EXACT},
		{"/api/v1/status/flags", api_flags, EXACT},
	};
	size_t n = 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool heavy = table[i].kind != EXACT;
		add_route(api, routes, &n, "GET", table[i].path, table[i].kind == PREFIX, table[i].handle, heavy);
		if (table[i].kind == FORM)
			add_route(api, routes, &n, "POST", table[i].path, false, table[i].handle, heavy);
		if (strncmp(table[i].path, "/api/", 5) == 0)
			add_route(api, routes, &n, "OPTIONS", table[i].path, table[i].kind == PREFIX, handle_options, false);
	}
	add_route(api, routes, &n, "POST", "/-/reload", false, api_reload, false);
	add_route(api, routes, &n, "PUT", "/-/reload", false, api_reload, false);
	return n;
}
