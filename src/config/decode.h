/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From YAML nodes to plain structs by tables of keys. Internal to config.
 *
 * A table names the keys of one map, each with the function that decodes its value. A decoder stops at its first error; a
 * function that finds d->error set has nothing to do. Functions called check_* look at the value and keep nothing. */
#ifndef RT_CONFIG_DECODE_H
#define RT_CONFIG_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/strings.h"
#include "base/yaml.h"
#include "config/scrape.h"
#include "config/targets.h"
#include "model/relabel.h"
#include "net/options.h"

struct config;

struct decoder {
	const char *file;
	const char *dir; /* what relative file names start from */
	char *error;	 /* heap; the first one */
	struct buf path; /* "alerting.alertmanagers[0].timeout" */
	int quiet;	 /* > 0 inside a section that is not acted on as a whole */
	struct strings *not_acted_on;
	struct strings *warnings;
	bool legacy_names;
};

typedef void decode_fn(struct decoder *d, const struct yaml_node *node, void *to);

enum field_flags {
	FIELD_INERT = 1,    /* accepted, not acted on: its name is noted */
	FIELD_UNLISTED = 2, /* left out of the list of accepted keys in messages, which has room for the common ones */
	FIELD_REQUIRED = 4,
};

struct field {
	const char *name;
	decode_fn *decode;
	size_t offset; /* of what DECODE writes to, in the struct that decode_map fills */
	int flags;
};

/* Names DECODER's file and NODE's place; the first call wins. */
void decode_fail(struct decoder *d, const struct yaml_node *node, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "FILE:LINE:COL: ..." into the warnings. */
void decode_warn(struct decoder *d, const struct yaml_node *node, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Decodes the map NODE (null: an empty one) into OBJ. */
void decode_map(struct decoder *d, const struct yaml_node *node, void *obj, const struct field *fields, size_t n);
/* Is NODE a list? Null is an empty one; anything else is an error. */
bool decode_is_list(struct decoder *d, const struct yaml_node *node);
/* Decodes item I of the list into TO with FN; a null item is an error. */
void decode_item(struct decoder *d, const struct yaml_node *list, size_t i, decode_fn *fn, void *to);
/* Calls FN for each item, all with the same TO. */
void decode_list(struct decoder *d, const struct yaml_node *list, decode_fn *fn, void *to);

decode_fn decode_string;   /* char **; replaces what is there */
decode_fn decode_bool;	   /* bool * */
decode_fn decode_duration; /* int64_t *, ms */
decode_fn decode_uint;	   /* uint64_t * */
decode_fn decode_strings;  /* struct strings *, appends */
decode_fn decode_labels;   /* struct labels ** */
decode_fn decode_file;	   /* char **: a file name, relative to the configuration's folder */
decode_fn decode_files;	   /* struct strings *: the same, a list of globs */
decode_fn decode_scheme;   /* char **: http or https */
decode_fn decode_relabel_rules; /* struct relabel_rules * */
decode_fn decode_target_groups; /* struct target_groups *: static_configs */
bool decode_double(struct decoder *d, const struct yaml_node *node, double *v);
bool decode_uint_in(struct decoder *d, const struct yaml_node *node, uint64_t min, uint64_t max, uint64_t *v);

decode_fn check_any, check_string, check_bool, check_duration, check_uint, check_number, check_size, check_strings, check_labels;
decode_fn check_url, check_relabel_rules, check_list, check_map, check_name_scheme, check_headers;

/* The keys of Prometheus' HTTP client configuration, for a struct TYPE with a struct net_options MEMBER. */
decode_fn decode_basic_auth, decode_authorization, decode_oauth2, decode_bearer_token, decode_bearer_token_file, decode_tls;
decode_fn decode_proxy_headers, decode_http_headers;
#define HTTP_CLIENT_FIELDS(type, member)                                                                                \
	{"basic_auth", decode_basic_auth, offsetof(type, member), 0},                                                   \
	{"authorization", decode_authorization, offsetof(type, member), 0},                                             \
	{"oauth2", decode_oauth2, offsetof(type, member), 0},                                                           \
	{"bearer_token", decode_bearer_token, offsetof(type, member), FIELD_UNLISTED},                                  \
	{"bearer_token_file", decode_bearer_token_file, offsetof(type, member), FIELD_UNLISTED},                        \
	{"tls_config", decode_tls, offsetof(type, member.tls), 0},                                                      \
	{"follow_redirects", decode_bool, offsetof(type, member.follow_redirects), 0},                                  \
	{"enable_http2", decode_bool, offsetof(type, member.http2), 0},                                                 \
	{"proxy_url", decode_string, offsetof(type, member.proxy_url), 0},                                              \
	{"no_proxy", decode_string, offsetof(type, member.no_proxy), 0},                                                \
	{"proxy_from_environment", decode_bool, offsetof(type, member.proxy_from_environment), 0},                      \
	{"proxy_connect_header", decode_proxy_headers, offsetof(type, member.proxy_headers), 0},                        \
	{"http_headers", decode_http_headers, offsetof(type, member.headers), 0}
/* What the keys must satisfy together. NODE is the map they stand in. */
void decode_http_client_end(struct decoder *d, const struct yaml_node *node, const struct net_options *o);

decode_fn decode_http_sds; /* struct config_http_sds * */
/* Service discoveries other than static, file and http: accepted, not acted on, and that is warned of. */
decode_fn decode_other_sd;
#define OTHER_SD_FIELDS                                                                                                 \
	SD_FIELD("aws"), SD_FIELD("azure"), SD_FIELD("consul"), SD_FIELD("digitalocean"), SD_FIELD("dns"),              \
		SD_FIELD("docker"), SD_FIELD("dockerswarm"), SD_FIELD("ec2"), SD_FIELD("ecs"), SD_FIELD("elasticache"), \
		SD_FIELD("eureka"), SD_FIELD("gce"), SD_FIELD("hetzner"), SD_FIELD("ionos"),                            \
		SD_FIELD("kubernetes"), SD_FIELD("kuma"), SD_FIELD("lightsail"), SD_FIELD("linode"),                    \
		SD_FIELD("marathon"), SD_FIELD("msk"), SD_FIELD("nerve"), SD_FIELD("nomad"), SD_FIELD("openstack"),     \
		SD_FIELD("outscale"), SD_FIELD("ovhcloud"), SD_FIELD("puppetdb"), SD_FIELD("rds"),                      \
		SD_FIELD("scaleway"), SD_FIELD("serverset"), SD_FIELD("stackit"), SD_FIELD("triton"),                   \
		SD_FIELD("uyuni"), SD_FIELD("vultr")
#define SD_FIELD(name) {name "_sd_configs", decode_other_sd, 0, FIELD_UNLISTED}

/* The sections that have a file of their own. */
decode_fn decode_http_section;	/* struct config_http * */
decode_fn decode_alerting;	/* struct config_alerting * */
decode_fn decode_file_sd;	/* struct config_file_sd *: one item */
decode_fn decode_scrape_configs; /* struct config_scraping * */
decode_fn check_remote_write, check_remote_read, check_storage, check_tracing, check_otlp, check_runtime;

/* The keys of global that jobs take over, for decode_map: SCRAPE_COMMON_FIELDS(type, member, inert). */
decode_fn decode_protocols;   /* enum config_protocol[N_PROTOCOLS] */
decode_fn decode_size;	      /* uint64_t *: bytes, "512MB" */
decode_fn decode_switch;      /* signed char *: 0 or 1, for what may be unset (-1) */
decode_fn decode_escaping;    /* char ** */
#define SCRAPE_COMMON_FIELDS(type, member)                                                                              \
	{"scrape_protocols", decode_protocols, offsetof(type, member.protocols), 0},                                    \
	{"body_size_limit", decode_size, offsetof(type, member.limits.body_size), 0},                                   \
	{"sample_limit", decode_uint, offsetof(type, member.limits.samples), 0},                                        \
	{"target_limit", decode_uint, offsetof(type, member.limits.targets), 0},                                        \
	{"label_limit", decode_uint, offsetof(type, member.limits.labels), 0},                                          \
	{"label_name_length_limit", decode_uint, offsetof(type, member.limits.label_name_length), 0},                   \
	{"label_value_length_limit", decode_uint, offsetof(type, member.limits.label_value_length), 0},                 \
	{"keep_dropped_targets", decode_uint, offsetof(type, member.limits.keep_dropped), 0},                           \
	{"metric_name_escaping_scheme", decode_escaping, offsetof(type, member.escaping), 0},                           \
	{"scrape_native_histograms", decode_switch, offsetof(type, member.native_histograms), 0},                       \
	{"convert_classic_histograms_to_nhcb", decode_switch, offsetof(type, member.nhcb), 0},                         \
	{"extra_scrape_metrics", decode_switch, offsetof(type, member.extra), 0},                                       \
	{"always_scrape_classic_histograms", decode_switch, offsetof(type, member.always_classic), 0}
/* Reads scrape_config_files and gives every job what global says for all. ROOT is the whole document. */
void decode_scrape_end(struct decoder *d, const struct yaml_node *root, const struct strings *files, struct config *cfg);

/* Appends CFG as text; ROOT is the document that it was read from, NULL: none. */
void config_print(const struct config *cfg, const struct yaml_node *root, struct buf *out);

/* Reads at most YAML_MAX_BYTES. 0, or a negative errno and *ERROR "PATH: why". */
int config_read_file(const char *path, struct buf *out, char **error);
/* The same, read as YAML: *DOC is to be freed. *ERROR has line and column, where there are any. */
int config_read_yaml(const char *path, struct yaml_doc **doc, char **error);
/* The folder of PATH, "." if it has none. */
char *config_dir_of(const char *path);

#endif
