// SPDX-License-Identifier: GPL-2.0-or-later
/* features: what this server can do, under the names that Prometheus has for it. */
#include "api/handlers.h"
#include "api/reply.h"
#include "base/alloc.h"

struct feature {
	const char *name;
	bool there;
};

static void add(json_t *o, const char *category, const struct feature *v, size_t n)
{
	json_t *c = json_object();
	for (size_t i = 0; i < n; i++)
		json_object_set_new(c, v[i].name, json_boolean(v[i].there));
	json_object_set_new(o, category, c);
}

struct listing {
	json_t *out;
	bool experimental;
};

static void add_function(void *arg, const char *name, bool experimental)
{
	const struct listing *l = arg;
	json_object_set_new(l->out, name, json_boolean(!experimental || l->experimental));
}

void api_features(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	const struct feature api_features[] = {
		{"admin", false},	       {"exclude_alerts", true}, {"label_values_match", true},	  {"lifecycle", api->reload != NULL},
		{"otlp_write_receiver", false}, {"query_stats", true},	  {"query_warnings", true},	  {"remote_write_receiver", false},
		{"time_range_labels", true},   {"time_range_series", true},
	};
	const struct feature promql[] = {
		{"anchored", api->promql.experimental_functions},
		{"at_modifier", true},
		{"bool", true},
		{"by", true},
		{"delayed_name_removal", api->promql.delayed_name_removal},
		{"duration_expr", true},
		{"experimental_functions", api->promql.experimental_functions},
		{"group_left", true},
		{"group_right", true},
		{"ignoring", true},
		{"negative_offset", true},
		{"offset", true},
		{"on", true},
		{"per_query_lookback_delta", true},
		{"per_step_stats", false},
		{"smoothed", api->promql.experimental_functions},
		{"subqueries", true},
		{"type_and_unit_labels", false},
		{"without", true},
	};
	static const struct feature rules[] = {
		{"concurrent_rule_eval", false}, {"keep_firing_for", true}, {"new_rule_labels", true}, {"query_offset", true}};
	static const struct feature scrape[] = {
		{"extra_scrape_metrics", true}, {"start_timestamp_zero_ingestion", false}, {"type_and_unit_labels", false}};
	static const struct feature discovery[] = {{"file", true}, {"http", true}, {"static", true}};
	json_t *o = json_object(), *functions = json_object();
	add(o, "api", api_features, ARRAY_SIZE(api_features));
	add(o, "promql", promql, ARRAY_SIZE(promql));
	add(o, "rules", rules, ARRAY_SIZE(rules));
	add(o, "scrape", scrape, ARRAY_SIZE(scrape));
	add(o, "service_discovery_providers", discovery, ARRAY_SIZE(discovery));
	promql_functions(add_function, &(struct listing){functions, api->promql.experimental_functions});
	json_object_set_new(o, "promql_functions", functions);
	reply_json(res, o);
}
