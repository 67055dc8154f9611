// SPDX-License-Identifier: GPL-2.0-or-later
/* Management endpoints and build information. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/reply.h"

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
	json_object_set_new(o, "application", json_string("reqtally"));
	json_object_set_new(o, "version", reply_string(api->version));
	json_object_set_new(o, "revision", reply_string(api->revision));
	json_object_set_new(o, "branch", json_string(""));
	json_object_set_new(o, "buildUser", json_string(""));
	json_object_set_new(o, "buildDate", reply_string(api->build_date));
	json_object_set_new(o, "goVersion", json_string("")); /* clients expect the key */
	reply_json(res, o);
}

size_t api_routes(struct api *api, struct web_route *routes)
{
	static const struct {
		const char *path;
		api_handler *handle;
		enum { EXACT, PREFIX, FORM } kind; /* FORM: also POST, and may take long */
	} table[] = {
		{"/", api_status_page, EXACT},
		{"/-/healthy", api_healthy, EXACT},
		{"/-/ready", api_ready, EXACT},
		{"/api/v1/query", api_query, FORM},
		{"/api/v1/query_range", api_query_range, FORM},
		{"/api/v1/series", api_series, FORM},
		{"/api/v1/labels", api_labels, FORM},
		{"/api/v1/label/", api_label_values, PREFIX},
		{"/api/v1/metadata", api_metadata, EXACT},
		{"/api/v1/rules", api_rules, EXACT},
		{"/api/v1/alerts", api_alerts, EXACT},
		{"/api/v1/targets", api_targets, EXACT},
		{"/api/v1/targets/metadata", api_targets_metadata, EXACT},
		{"/api/v1/status/buildinfo", api_buildinfo, EXACT},
	};
	size_t n = 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool heavy = table[i].kind != EXACT;
		routes[n++] = (struct web_route){"GET", table[i].path, table[i].kind == PREFIX, table[i].handle, api, heavy};
		if (table[i].kind == FORM)
			routes[n++] = (struct web_route){"POST", table[i].path, false, table[i].handle, api, heavy};
	}
	routes[n++] = (struct web_route){"POST", "/-/reload", false, api_reload, api, false};
	routes[n++] = (struct web_route){"PUT", "/-/reload", false, api_reload, api, false};
	return n;
}
