// SPDX-License-Identifier: GPL-2.0-or-later
/* Service discoveries that are not done here: their keys are checked, so that a typing error is found as Prometheus would find it. */
#include <string.h>

#include "base/alloc.h"
#include "config/decode.h"

struct client {
	struct net_options http;
};

#define KEY(name) {name, check_any, 0, 0}
#define PORT {"port", check_uint, 0, 0}
#define REFRESH {"refresh_interval", check_duration, 0, 0}
#define CLIENT HTTP_CLIENT_FIELDS(struct client, http)
#define TLS_ONLY {"tls_config", decode_tls, offsetof(struct client, http.tls), 0}
#define AWS                                                                                                             \
	KEY("region"), KEY("endpoint"), KEY("access_key"), KEY("secret_key"), KEY("profile"), KEY("role_arn"), KEY("external_id"), PORT, \
		REFRESH, CLIENT

static void check_filter(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"name", check_string, 0, 0}, {"values", check_strings, 0, 0}};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

static void check_filters(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, check_filter, NULL);
}

#define FILTERS {"filters", check_filters, 0, 0}

static void check_kubernetes_role(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const char *const roles[] = {"pod", "service", "endpoints", "endpointslice", "node", "ingress"};
	check_string(d, node, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (node->kind == YAML_NULL || d->error || strcmp(node->text, roles[i]) == 0)
			return;
	decode_fail(d, node, "%s: unknown Kubernetes SD role \"%s\"; accepted: pod, service, endpoints, endpointslice, node, ingress",
		    buf_str(&d->path), node->text);
}

static void check_selector(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"role", check_kubernetes_role, 0, 0}, {"label", check_string, 0, 0}, {"field", check_string, 0, 0}};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

static void check_selectors(struct decoder *d, const struct yaml_node *node, void *to)
{
	decode_list(d, node, check_selector, NULL);
}

static void check_namespaces(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"own_namespace", check_bool, 0, 0}, {"names", check_strings, 0, 0}};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

static void check_attached(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {{"node", check_bool, 0, 0}, {"namespace", check_bool, 0, 0}};
	decode_map(d, node, NULL, fields, ARRAY_SIZE(fields));
}

static const struct field azure[] = {KEY("environment"), KEY("authentication_method"), KEY("subscription_id"), KEY("tenant_id"),
				     KEY("client_id"),	 KEY("client_secret"),	       KEY("resource_group"),  PORT, REFRESH, CLIENT};
static const struct field consul[] = {KEY("server"),	KEY("path_prefix"), KEY("token"),	  KEY("datacenter"), KEY("namespace"),
				      KEY("partition"), KEY("scheme"),	    KEY("username"),	  KEY("password"),   {"services", check_strings, 0, 0},
				      KEY("tags"),	KEY("tag_separator"), KEY("node_meta"), KEY("filter"),	     KEY("health_filter"),
				      {"allow_stale", check_bool, 0, 0}, REFRESH, CLIENT};
static const struct field dns[] = {{"names", check_strings, 0, FIELD_REQUIRED}, KEY("type"), PORT, REFRESH};
static const struct field docker[] = {KEY("host"), KEY("host_networking_host"), {"match_first_network", check_bool, 0, 0}, FILTERS, PORT, REFRESH, CLIENT};
static const struct field dockerswarm[] = {KEY("host"), KEY("role"), FILTERS, PORT, REFRESH, CLIENT};
static const struct field ec2[] = {FILTERS, AWS};
static const struct field lightsail[] = {AWS};
static const struct field eureka[] = {KEY("server"), REFRESH, CLIENT};
static const struct field gce[] = {KEY("project"), KEY("zone"), KEY("filter"), KEY("tag_separator"), PORT, REFRESH};
static const struct field hetzner[] = {KEY("role"), KEY("label_selector"), PORT, REFRESH, CLIENT};
static const struct field ionos[] = {KEY("datacenter_id"), PORT, REFRESH, CLIENT};
static const struct field kubernetes[] = {KEY("api_server"),
					  {"role", check_kubernetes_role, 0, FIELD_REQUIRED},
					  KEY("kubeconfig_file"),
					  {"namespaces", check_namespaces, 0, 0},
					  {"selectors", check_selectors, 0, 0},
					  {"attach_metadata", check_attached, 0, 0},
					  CLIENT};
static const struct field kuma[] = {KEY("server"), KEY("client_id"), {"fetch_timeout", check_duration, 0, 0}, REFRESH, CLIENT};
static const struct field linode[] = {KEY("region"), KEY("tag_separator"), PORT, REFRESH, CLIENT};
static const struct field marathon[] = {{"servers", check_strings, 0, FIELD_REQUIRED}, KEY("auth_token"), KEY("auth_token_file"), REFRESH, CLIENT};
static const struct field zookeeper[] = {
	{"servers", check_strings, 0, FIELD_REQUIRED}, {"paths", check_strings, 0, FIELD_REQUIRED}, {"timeout", check_duration, 0, 0}};
static const struct field nomad[] = {{"allow_stale", check_bool, 0, 0}, KEY("namespace"), KEY("region"), KEY("server"), KEY("tag_separator"), REFRESH, CLIENT};
static const struct field openstack[] = {
	KEY("role"),	    KEY("region"),	 KEY("identity_endpoint"),	  KEY("username"),		    KEY("userid"),
	KEY("password"),    KEY("domain_name"),	 KEY("domain_id"),		  KEY("project_name"),		    KEY("project_id"),
	KEY("application_credential_name"), KEY("application_credential_id"), KEY("application_credential_secret"), {"all_tenants", check_bool, 0, 0},
	KEY("availability"), PORT, REFRESH, TLS_ONLY};
static const struct field ovhcloud[] = {KEY("application_key"), KEY("application_secret"), KEY("consumer_key"), KEY("service"), KEY("endpoint"), REFRESH};
static const struct field port_only[] = {PORT, REFRESH, CLIENT};
static const struct field puppetdb[] = {
	{"url", check_url, 0, FIELD_REQUIRED}, {"query", check_string, 0, FIELD_REQUIRED}, {"include_parameters", check_bool, 0, 0}, PORT, REFRESH, CLIENT};
static const struct field scaleway[] = {KEY("access_key"), KEY("secret_key"), KEY("secret_key_file"), KEY("project_id"), KEY("role"), KEY("api_url"),
					KEY("zone"), KEY("name_filter"), {"tags_filter", check_strings, 0, 0}, PORT, REFRESH, CLIENT};
static const struct field stackit[] = {KEY("project"), KEY("region"), KEY("endpoint"), KEY("service_account_key"), KEY("service_account_key_path"),
				       KEY("private_key"), KEY("private_key_path"), KEY("credentials_file_path"), PORT, REFRESH, CLIENT};
static const struct field triton[] = {KEY("role"), KEY("account"), KEY("dns_suffix"), KEY("endpoint"), {"groups", check_strings, 0, 0}, KEY("version"), PORT, REFRESH, TLS_ONLY};
static const struct field uyuni[] = {KEY("server"), KEY("username"), KEY("password"), KEY("entitlement"), KEY("separator"), REFRESH, CLIENT};

/* The newest ones are not here; of them anything is taken. */
static const struct kind {
	const char *name;
	const struct field *fields;
	size_t n;
} kinds[] = {
#define KIND(name, fields) {name "_sd_configs", fields, ARRAY_SIZE(fields)}
	KIND("azure", azure),		KIND("consul", consul),	    KIND("digitalocean", port_only), KIND("dns", dns),
	KIND("docker", docker),		KIND("dockerswarm", dockerswarm), KIND("ec2", ec2),	     KIND("eureka", eureka),
	KIND("gce", gce),		KIND("hetzner", hetzner),   KIND("ionos", ionos),	     KIND("kubernetes", kubernetes),
	KIND("kuma", kuma),		KIND("lightsail", lightsail), KIND("linode", linode),	     KIND("marathon", marathon),
	KIND("nerve", zookeeper),	KIND("nomad", nomad),	    KIND("openstack", openstack),    KIND("ovhcloud", ovhcloud),
	KIND("puppetdb", puppetdb),	KIND("scaleway", scaleway), KIND("serverset", zookeeper),    KIND("stackit", stackit),
	KIND("triton", triton),		KIND("uyuni", uyuni),	    KIND("vultr", port_only),
};

static const struct kind *kind_of(const char *path)
{
	const char *key = strrchr(path, '.');
	for (size_t i = 0; key && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(key + 1, kinds[i].name) == 0)
			return &kinds[i];
	return NULL;
}

static void check_one(struct decoder *d, const struct yaml_node *node, void *to)
{
	const struct kind *k = to;
	struct client c;
	net_options_init(&c.http);
	decode_map(d, node, &c, k->fields, k->n);
	if (!d->error)
		decode_http_client_end(d, node, &c.http);
	net_options_free(&c.http);
}

void decode_other_sd(struct decoder *d, const struct yaml_node *node, void *to)
{
	if (!decode_is_list(d, node) || !node->n)
		return;
	decode_warn(d, node, "%s: this kind of discovery is not done here, so there are no targets from it; "
			     "static_configs, file_sd_configs and http_sd_configs are", buf_str(&d->path));
	const struct kind *k = kind_of(buf_str(&d->path));
	if (!k)
		return;
	d->quiet += 2; /* nothing below is acted on, and that has been said */
	decode_list(d, node, check_one, (void *)k);
	d->quiet -= 2;
}
