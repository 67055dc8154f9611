/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules and alerts as the API shows them; the status page is made of the same. */
#ifndef RT_API_RULES_JSON_H
#define RT_API_RULES_JSON_H

#include "api/api.h"
#include "base/json.h"

/* Which rules to show; all fields may be unset. */
struct rules_filter {
	const struct web_request *req; /* rule_name[], rule_group[], file[]; NULL: none */
	bool no_alerting, no_recording, no_alerts;
	const char *from_token; /* begin with the group that an earlier answer ended at */
	uint64_t group_limit;	/* 0: none */
	struct promql_expr **selectors; /* match[]: one of them must fit the rule's labels, if there is any */
	size_t n_selectors;
};

/* The array of groups, sorted by file and name. Where the limit cuts it, *NEXT (may be NULL) becomes the token of the first group
 * left out, a heap string; NULL otherwise. */
json_t *rules_json(const struct api *api, const struct rules_filter *filter, char **next);
/* The array of active alerts. */
json_t *alerts_json(const struct api *api);

#endif
