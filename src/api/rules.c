// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "api/handlers.h"
#include "api/reply.h"
#include "api/rules_json.h"

json_t *rules_json(const struct api *api, const struct rules_filter *filter)
{
	return json_array();
}

json_t *alerts_json(const struct api *api)
{
	return json_array();
}

void api_rules(void *ctx, struct web_request *req, struct web_response *res)
{
	const char *type = web_request_param(req, "type"), *exclude = web_request_param(req, "exclude_alerts");
	struct rules_filter filter = {.req = req};
	if (type && *type && strcmp(type, "alert") != 0 && strcmp(type, "record") != 0) {
		reply_error(res, REPLY_BAD_DATA, "invalid parameter \"type\": not supported value \"%s\"", type);
		return;
	}
	filter.no_alerting = type && strcmp(type, "record") == 0;
	filter.no_recording = type && strcmp(type, "alert") == 0;
	filter.no_alerts = exclude && strcmp(exclude, "true") == 0;
	json_t *data = json_object();
	json_object_set_new(data, "groups", rules_json(ctx, &filter));
	reply_json(res, data);
}

void api_alerts(void *ctx, struct web_request *req, struct web_response *res)
{
	json_t *data = json_object();
	json_object_set_new(data, "alerts", alerts_json(ctx));
	reply_json(res, data);
}
