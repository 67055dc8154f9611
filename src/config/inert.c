// SPDX-License-Identifier: GPL-2.0-or-later
/* Sections of prometheus.yml that are checked and not acted on: a typing error in them should still be found. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config/decode.h"

static void check_file_sd(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_file_sd sd;
	decode_file_sd(d, node, &sd);
	strings_free(&sd.files);
}

static void check_file_sds(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, check_file_sd, NULL);
}

static void check_static_configs(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct target_groups groups = {0};
	decode_target_groups(d, node, &groups);
	target_groups_free(&groups);
}

static void check_params(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++)
		check_strings(d, node->values[i], NULL);
}

struct scrape {
	char *job_name;
	int64_t interval, timeout;
	struct net_options http;
	struct strings *jobs; /* names so far */
};

static void decode_job_name(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct scrape *s = to;
	decode_string(d, node, &s->job_name);
	if (!s->job_name)
		return;
	if (!*s->job_name)
		decode_fail(d, node, "job_name is empty");
	else if (strings_has(s->jobs, s->job_name))
		decode_fail(d, node, "found multiple scrape configs with job name \"%s\"", s->job_name);
	else
		strings_add(s->jobs, s->job_name);
}

static void check_scrape_config(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"job_name", decode_job_name, 0, FIELD_REQUIRED},
		{"scrape_interval", decode_duration, offsetof(struct scrape, interval), 0},
		{"scrape_timeout", decode_duration, offsetof(struct scrape, timeout), 0},
		{"metrics_path", check_string, 0, 0},
		{"scheme", check_string, 0, 0},
		{"params", check_params, 0, 0},
		{"honor_labels", check_bool, 0, 0},
		{"honor_timestamps", check_bool, 0, 0},
		{"track_timestamps_staleness", check_bool, 0, 0},
		{"enable_compression", check_bool, 0, 0},
		{"scrape_protocols", check_strings, 0, 0},
		{"fallback_scrape_protocol", check_string, 0, 0},
		{"scrape_native_histograms", check_bool, 0, 0},
		{"always_scrape_classic_histograms", check_bool, 0, 0},
		{"scrape_classic_histograms", check_bool, 0, FIELD_UNLISTED},
		{"convert_classic_histograms_to_nhcb", check_bool, 0, 0},
		{"extra_scrape_metrics", check_bool, 0, 0},
		{"scrape_failure_log_file", check_string, 0, 0},
		{"body_size_limit", check_size, 0, 0},
		{"sample_limit", check_uint, 0, 0},
		{"target_limit", check_uint, 0, 0},
		{"label_limit", check_uint, 0, 0},
		{"label_name_length_limit", check_uint, 0, 0},
		{"label_value_length_limit", check_uint, 0, 0},
		{"native_histogram_bucket_limit", check_uint, 0, 0},
		{"native_histogram_min_bucket_factor", check_number, 0, 0},
		{"keep_dropped_targets", check_uint, 0, 0},
		{"metric_name_validation_scheme", check_name_scheme, 0, 0},
		{"metric_name_escaping_scheme", check_string, 0, 0},
		{"static_configs", check_static_configs, 0, 0},
		{"file_sd_configs", check_file_sds, 0, 0},
		{"relabel_configs", check_relabel_rules, 0, 0},
		{"metric_relabel_configs", check_relabel_rules, 0, 0},
		HTTP_CLIENT_FIELDS(struct scrape, http),
		OTHER_SD_FIELDS,
	};
	struct scrape s = {.jobs = to};
	net_options_init(&s.http);
	decode_map(d, node, &s, fields, ARRAY_SIZE(fields));
	decode_http_client_end(d, node, &s.http);
	if (s.interval && s.timeout > s.interval)
		decode_fail(d, node, "scrape timeout greater than scrape interval for scrape config with job name \"%s\"",
			    s.job_name ? s.job_name : "");
	free(s.job_name);
	net_options_free(&s.http);
}

void check_scrape_configs(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct strings jobs = {0};
	decode_list(d, node, check_scrape_config, &jobs);
	strings_free(&jobs);
}

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

void check_remote_write(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, check_remote_write_item, NULL);
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
	decode_list(d, node, check_remote_read_item, NULL);
}

/* What stands below these is Prometheus' own storage; only the shape is looked at. */
void check_storage(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"tsdb", check_map, 0, 0}, {"exemplars", check_map, 0, 0}};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

void check_tracing(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"client_type", check_string, 0, 0}, {"endpoint", check_string, 0, FIELD_REQUIRED},
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
