// SPDX-License-Identifier: GPL-2.0-or-later
/* Sections of prometheus.yml that are checked and not acted on: a typing error in them should still be found. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config/decode.h"

static void check_queue_config(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"capacity", check_uint, 0, 0},		    {"max_shards", check_uint, 0, 0},
		{"min_shards", check_uint, 0, 0},	    {"max_samples_per_send", check_uint, 0, 0},
		{"batch_send_deadline", check_duration, 0, 0}, {"min_backoff", check_duration, 0, 0},
		{"max_backoff", check_duration, 0, 0},	    {"retry_on_http_429", check_bool, 0, 0},
		{"sample_age_limit", check_duration, 0, 0},
	};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

static void check_metadata_config(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"send", check_bool, 0, 0},
		{"send_interval", check_duration, 0, 0},
		{"max_samples_per_send", check_uint, 0, 0},
	};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

struct remote {
	struct net_options http;
};

static void check_remote(struct decoder *d, const struct yaml_node *node, const struct field *fields, size_t n)
{
	struct remote r;
	net_options_init(&r.http);
	decode_map(d, node, &r, fields, n);
	decode_http_client_end(d, node, &r.http);
	net_options_free(&r.http);
}

static void check_remote_write_item(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"url", check_url, 0, FIELD_REQUIRED},
		{"name", check_string, 0, 0},
		{"remote_timeout", check_duration, 0, 0},
		{"headers", check_headers, 0, 0},
		{"write_relabel_configs", check_relabel_rules, 0, 0},
		{"send_exemplars", check_bool, 0, 0},
		{"send_native_histograms", check_bool, 0, 0},
		{"round_robin_dns", check_bool, 0, 0},
		{"protobuf_message", check_string, 0, 0},
		{"queue_config", check_queue_config, 0, 0},
		{"metadata_config", check_metadata_config, 0, 0},
		{"sigv4", check_map, 0, 0},
		{"azuread", check_map, 0, 0},
		{"google_iam", check_map, 0, 0},
		HTTP_CLIENT_FIELDS(struct remote, http),
	};
	check_remote(d, node, fields, ARRAY_SIZE(fields));
}

static void check_remotes(struct decoder *d, const struct yaml_node *node, decode_fn *one, const char *what)
{
	decode_list(d, node, one, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		const struct yaml_node *name = yaml_get(node->values[i], "name"), *other;
		for (size_t k = 0; k < i && name && name->len && !d->error; k++)
			if ((other = yaml_get(node->values[k], "name")) && other->len == name->len && memcmp(other->text, name->text, name->len) == 0)
				decode_fail(d, name, "found multiple remote %s configs with job name \"%s\"", what, name->text);
	}
}

void check_remote_write(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_remotes(d, node, check_remote_write_item, "write");
}

static void check_remote_read_item(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"url", check_url, 0, FIELD_REQUIRED},
		{"name", check_string, 0, 0},
		{"remote_timeout", check_duration, 0, 0},
		{"chunked_read_limit", check_uint, 0, 0},
		{"headers", check_headers, 0, 0},
		{"read_recent", check_bool, 0, 0},
		{"required_matchers", check_labels, 0, 0},
		{"filter_external_labels", check_bool, 0, 0},
		HTTP_CLIENT_FIELDS(struct remote, http),
	};
	check_remote(d, node, fields, ARRAY_SIZE(fields));
}

void check_remote_read(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_remotes(d, node, check_remote_read_item, "read");
}

/* A map with keys that are known, and others that a newer Prometheus may have. */
static void check_known(struct decoder *d, const struct yaml_node *node, const struct field *fields, size_t n)
{
	check_map(d, node, NULL);
	for (size_t i = 0; i < n && !d->error; i++) {
		const struct yaml_node *v = yaml_get(node, fields[i].name);
		if (v)
			fields[i].decode(d, v, NULL);
	}
}

static void check_retention(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"time", check_duration, 0, 0}, {"size", check_size, 0, 0}, {"percentage", check_number, 0, 0}};
	check_known(d, node, fields, ARRAY_SIZE(fields));
}

static void check_tsdb(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"out_of_order_time_window", check_duration, 0, 0}, {"retention", check_retention, 0, 0}};
	check_known(d, node, fields, ARRAY_SIZE(fields));
}

static void check_exemplars(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"max_exemplars", check_number, 0, 0}};
	check_known(d, node, fields, ARRAY_SIZE(fields));
}

void check_storage(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"tsdb", check_tsdb, 0, 0}, {"exemplars", check_exemplars, 0, 0}};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

static void check_client_type(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_string(d, node, NULL);
	if (!d->error && node->kind != YAML_NULL && strcmp(node->text, "http") != 0 && strcmp(node->text, "grpc") != 0)
		decode_fail(d, node, "%s: want http or grpc, got \"%s\"", buf_str(&d->path), node->text);
}

void check_tracing(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"client_type", check_client_type, 0, 0}, {"endpoint", check_string, 0, FIELD_REQUIRED},
		{"sampling_fraction", check_number, 0, 0}, {"insecure", check_bool, 0, 0},
		{"tls_config", check_map, 0, 0},     {"headers", check_headers, 0, 0},
		{"compression", check_string, 0, 0}, {"timeout", check_duration, 0, 0},
	};
	if (node->kind != YAML_NULL)
		decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

void check_otlp(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"promote_all_resource_attributes", check_bool, 0, 0},
		{"promote_resource_attributes", check_strings, 0, 0},
		{"ignore_resource_attributes", check_strings, 0, 0},
		{"translation_strategy", check_string, 0, 0},
		{"keep_identifying_resource_attributes", check_bool, 0, 0},
		{"convert_histograms_to_nhcb", check_bool, 0, 0},
		{"promote_scope_metadata", check_bool, 0, 0},
		{"label_name_underscore_sanitization", check_bool, 0, 0},
		{"label_name_preserve_multiple_underscores", check_bool, 0, 0},
	};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

void check_runtime(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"gogc", check_any, 0, 0}};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}
