/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handlers behind api_routes; CTX is the struct api. */
#ifndef RT_API_HANDLERS_H
#define RT_API_HANDLERS_H

#include "api/api.h"

typedef void api_handler(void *ctx, struct web_request *req, struct web_response *res);

api_handler api_query, api_query_range, api_format_query, api_parse_query, api_query_exemplars;
api_handler api_series, api_labels, api_label_values, api_metadata;
api_handler api_rules, api_alerts;
api_handler api_targets, api_targets_metadata, api_scrape_pools;
api_handler api_runtimeinfo, api_config, api_flags, api_alertmanagers, api_buildinfo, api_tsdb, api_features;
api_handler api_federate;
api_handler api_status_page, api_healthy, api_ready, api_reload;

#endif
