// SPDX-License-Identifier: GPL-2.0-or-later
/* http_sd_configs of scrape_configs and alertmanagers. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/decode.h"

#define REFRESH_DEFAULT 60000

static void decode_refresh(struct decoder *d, const struct yaml_node *node, void *to)
{
	int64_t *ms = to;
	decode_duration(d, node, ms);
	if (!d->error && node->kind != YAML_NULL && *ms <= 0)
		decode_fail(d, node, "%s: want a duration above 0", buf_str(&d->path));
}

static void decode_sd_url(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_url(d, node, NULL);
	if (!d->error)
		decode_string(d, node, to);
}

static void decode_http_sd(struct decoder *d, const struct yaml_node *node, void *to)
{
	typedef struct config_http_sd self;
	static const struct field fields[] = {
		{"url", decode_sd_url, offsetof(self, url), FIELD_REQUIRED},
		{"refresh_interval", decode_refresh, offsetof(self, refresh_interval), 0},
		HTTP_CLIENT_FIELDS(self, http),
	};
	self *sd = to;
	decode_map(d, node, sd, fields, ARRAY_SIZE(fields));
	decode_http_client_end(d, node, &sd->http);
}

void decode_http_sds(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_http_sds *list = to;
	if (!decode_is_list(d, node))
		return;
	for (size_t i = 0; i < node->n && !d->error; i++) {
		array_grow(list->v, list->n, list->cap);
		struct config_http_sd *sd = &list->v[list->n++];
		*sd = (struct config_http_sd){.refresh_interval = REFRESH_DEFAULT};
		net_options_init(&sd->http);
		decode_item(d, node, i, decode_http_sd, sd);
	}
}

void config_http_sds_free(struct config_http_sds *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->v[i].url);
		net_options_free(&list->v[i].http);
	}
	free(list->v);
	*list = (struct config_http_sds){0};
}
