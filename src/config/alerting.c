// SPDX-License-Identifier: GPL-2.0-or-later
/* alerting: which Alertmanagers there are and how to speak to them. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config/decode.h"

#define TIMEOUT_DEFAULT 10000
#define REFRESH_DEFAULT 300000

static void decode_api_version(struct decoder *d, const struct yaml_node *node, void *to)
{
	char *s = NULL;
	decode_string(d, node, &s);
	if (s && strcmp(s, "v2") != 0)
		decode_fail(d, node, "expected Alertmanager api version to be one of [v2] but got %s", s);
	free(s);
}

static void decode_path_prefix(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_string(d, node, to);
	const char *s = *(char **)to;
	if (s && strpbrk(s, "?# \t\r\n"))
		decode_fail(d, node, "%s: \"%s\" is not a valid path", buf_str(&d->path), s);
}

static void decode_timeout(struct decoder *d, const struct yaml_node *node, void *to)
{
	int64_t *ms = to;
	decode_duration(d, node, ms);
	if (!d->error && *ms <= 0)
		decode_fail(d, node, "%s: want a duration above 0", buf_str(&d->path));
}

static bool file_sd_name_ok(const char *s)
{
	const char *base = strrchr(s, '/'), *dot = strrchr(s, '.');
	const char *star = strchr(s, '*');
	/* As Prometheus has it: a star may stand in the last component only. */
	return dot && (strcmp(dot, ".json") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0) &&
	       (!star || !base || star > base);
}

void decode_file_sd(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"files", decode_files, offsetof(struct config_file_sd, files), FIELD_REQUIRED},
		{"refresh_interval", decode_timeout, offsetof(struct config_file_sd, refresh_interval), 0},
	};
	struct config_file_sd *sd = to;
	*sd = (struct config_file_sd){.refresh_interval = REFRESH_DEFAULT};
	decode_map(d, node, sd, fields, ARRAY_SIZE(fields));
	const struct yaml_node *files = yaml_get(node, "files");
	if (!d->error && sd->files.n == 0)
		decode_fail(d, files ? files : node, "%s: file service discovery config must contain at least one path name",
			    buf_str(&d->path));
	for (size_t i = 0; i < sd->files.n && !d->error; i++) {
		if (!file_sd_name_ok(sd->files.v[i]))
			decode_fail(d, files->values[i],
				    "%s: path name \"%s\" is not valid for file discovery; want a name or a glob ending in .json, .yml or .yaml",
				    buf_str(&d->path), files->values[i]->text);
	}
}

static void decode_file_sds(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_alertmanagers *a = to;
	if (!decode_is_list(d, node))
		return;
	for (size_t i = 0; i < node->n && !d->error; i++) {
		array_grow(a->file_sd, a->n_file_sd, a->cap_file_sd);
		struct config_file_sd *sd = &a->file_sd[a->n_file_sd++];
		*sd = (struct config_file_sd){0};
		decode_item(d, node, i, decode_file_sd, sd);
	}
}

/* A common mistake: a URL where an address belongs. With relabelling it may still become an address. */
static void check_addresses(struct decoder *d, const struct yaml_node *node, const struct config_alertmanagers *a)
{
	const struct yaml_node *statics = yaml_get(node, "static_configs");
	for (size_t i = 0; i < a->static_targets.n && a->relabel.n == 0; i++) {
		const struct strings *targets = &a->static_targets.v[i].targets;
		for (size_t j = 0; j < targets->n; j++) {
			if (strchr(targets->v[j], '/'))
				decode_fail(d, yaml_get(statics->values[i], "targets")->values[j],
					    "\"%s\" is not a valid hostname; want host:port, the scheme and the path have keys of their own",
					    targets->v[j]);
		}
	}
}

static void decode_alertmanagers(struct decoder *d, const struct yaml_node *node, void *to)
{
	typedef struct config_alertmanagers self;
	static const struct field fields[] = {
		{"static_configs", decode_target_groups, offsetof(self, static_targets), 0},
		{"file_sd_configs", decode_file_sds, 0, 0},
		{"http_sd_configs", decode_http_sds, offsetof(self, http_sd), 0},
		{"scheme", decode_scheme, offsetof(self, scheme), 0},
		{"path_prefix", decode_path_prefix, offsetof(self, path_prefix), 0},
		{"timeout", decode_timeout, offsetof(self, timeout), 0},
		{"api_version", decode_api_version, 0, 0},
		{"relabel_configs", decode_relabel_rules, offsetof(self, relabel), 0},
		{"alert_relabel_configs", decode_relabel_rules, offsetof(self, alert_relabel), 0},
		HTTP_CLIENT_FIELDS(self, http),
		{"sigv4", check_map, 0, FIELD_INERT},
		OTHER_SD_FIELDS,
	};
	struct config_alerting *alerting = to;
	array_grow(alerting->v, alerting->n, alerting->cap);
	self *a = &alerting->v[alerting->n++];
	*a = (self){.scheme = xstrdup("http"), .path_prefix = xstrdup(""), .timeout = TIMEOUT_DEFAULT};
	net_options_init(&a->http);
	decode_map(d, node, a, fields, ARRAY_SIZE(fields));
	decode_http_client_end(d, node, &a->http);
	if (!d->error)
		check_addresses(d, node, a);
}

static void decode_alertmanagers_list(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, decode_alertmanagers, to);
}

void decode_alerting(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"alert_relabel_configs", decode_relabel_rules, offsetof(struct config_alerting, alert_relabel), 0},
		{"alertmanagers", decode_alertmanagers_list, 0, 0},
	};
	decode_map(d, node, to, fields, ARRAY_SIZE(fields));
}

static void alertmanagers_free(struct config_alertmanagers *a)
{
	target_groups_free(&a->static_targets);
	for (size_t i = 0; i < a->n_file_sd; i++)
		strings_free(&a->file_sd[i].files);
	free(a->file_sd);
	config_http_sds_free(&a->http_sd);
	free(a->scheme);
	free(a->path_prefix);
	net_options_free(&a->http);
	relabel_rules_free(&a->relabel);
	relabel_rules_free(&a->alert_relabel);
}

struct config_alerting *config_alerting_ref(struct config_alerting *a)
{
	__atomic_fetch_add(&a->refs, 1, __ATOMIC_RELAXED);
	return a;
}

void config_alerting_unref(struct config_alerting *a)
{
	if (!a || __atomic_sub_fetch(&a->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < a->n; i++)
		alertmanagers_free(&a->v[i]);
	free(a->v);
	relabel_rules_free(&a->alert_relabel);
	labels_unref(a->external_labels);
	free(a);
}
