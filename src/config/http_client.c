// SPDX-License-Identifier: GPL-2.0-or-later
/* Prometheus' HTTP client configuration, as it stands in alertmanagers, scrape_configs, remote_write and others. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "config/decode.h"
#include "net/oauth2.h"

static void at_most_one(struct decoder *d, const struct yaml_node *node, const char *a, const char *b)
{
	const struct yaml_node *second = yaml_get(node, b);
	if (yaml_get(node, a) && second)
		decode_fail(d, second, "%s: at most one of %s and %s must be configured", buf_str(&d->path), a, b);
}

void decode_basic_auth(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"username", decode_string, offsetof(struct net_options, username), 0},
		{"username_file", decode_file, offsetof(struct net_options, username_file), 0},
		{"username_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"password", decode_string, offsetof(struct net_options, password), 0},
		{"password_file", decode_file, offsetof(struct net_options, password_file), 0},
		{"password_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
	};
	struct net_options *o = to;
	if (node->kind == YAML_NULL)
		return;
	o->basic_auth = true;
	decode_map(d, node, o, fields, ARRAY_SIZE(fields));
	at_most_one(d, node, "username", "username_file");
	at_most_one(d, node, "password", "password_file");
}

void decode_authorization(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"type", decode_string, offsetof(struct net_options, auth_type), 0},
		{"credentials", decode_string, offsetof(struct net_options, credentials), 0},
		{"credentials_file", decode_file, offsetof(struct net_options, credentials_file), 0},
		{"credentials_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
	};
	struct net_options *o = to;
	if (node->kind == YAML_NULL)
		return;
	decode_map(d, node, o, fields, ARRAY_SIZE(fields));
	at_most_one(d, node, "credentials", "credentials_file");
	if (!o->auth_type || !*o->auth_type) {
		free(o->auth_type);
		o->auth_type = xstrdup("Bearer");
	}
	if (strcasecmp(o->auth_type, "basic") == 0)
		decode_fail(d, node, "%s: type cannot be \"basic\", use \"basic_auth\" instead", buf_str(&d->path));
}

static void bearer(struct decoder *d, const struct yaml_node *node, struct net_options *o, decode_fn *fn, char **to)
{
	if (node->kind == YAML_NULL)
		return;
	fn(d, node, to);
	free(o->auth_type);
	o->auth_type = xstrdup("Bearer");
}

void decode_bearer_token(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct net_options *o = to;
	bearer(d, node, o, decode_string, &o->credentials);
}

void decode_bearer_token_file(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct net_options *o = to;
	bearer(d, node, o, decode_file, &o->credentials_file);
}

static void check_proxy(struct decoder *d, const struct yaml_node *node, const struct net_options *o)
{
	const struct yaml_node *proxy = yaml_get(node, "proxy_url");
	if (proxy && o->proxy_url && *o->proxy_url && !strstr(o->proxy_url, "://"))
		decode_fail(d, proxy, "%s: proxy_url \"%s\" is not a valid URL: it must begin with a scheme such as http://", buf_str(&d->path),
			    o->proxy_url);
	if (o->proxy_from_environment && (o->proxy_url || o->no_proxy))
		decode_fail(d, node, "%s: if proxy_from_environment is set, neither proxy_url nor no_proxy may be", buf_str(&d->path));
	if (!o->proxy_from_environment && !o->proxy_url && (o->no_proxy || o->proxy_headers.n))
		decode_fail(d, node, "%s: no_proxy and proxy_connect_header need proxy_url or proxy_from_environment", buf_str(&d->path));
}

/* endpoint_params: map[string]string */
static void decode_params(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		char *value = NULL;
		decode_string(d, node->values[i], &value);
		strings_add(to, node->keys[i]->text ? node->keys[i]->text : "");
		strings_add(to, value ? value : "");
		free(value);
	}
}

static void decode_url(struct decoder *d, const struct yaml_node *node, void *to)
{
	check_url(d, node, NULL);
	decode_string(d, node, to);
}

void decode_oauth2(struct decoder *d, const struct yaml_node *node, void *to)
{
	typedef struct net_oauth2 self;
	static const struct field fields[] = {
		{"client_id", decode_string, offsetof(self, client_id), FIELD_REQUIRED},
		{"client_secret", decode_string, offsetof(self, client_secret), 0},
		{"client_secret_file", decode_file, offsetof(self, client_secret_file), 0},
		{"client_secret_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"client_certificate_key_id", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"client_certificate_key", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"client_certificate_key_file", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"client_certificate_key_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"grant_type", check_string, 0, FIELD_UNLISTED},
		{"signature_algorithm", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"iss", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"audience", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"claims", check_map, 0, FIELD_INERT | FIELD_UNLISTED},
		{"scopes", decode_strings, offsetof(self, scopes), 0},
		{"token_url", decode_url, offsetof(self, token_url), FIELD_REQUIRED},
		{"endpoint_params", decode_params, offsetof(self, params), 0},
		{"tls_config", decode_tls, offsetof(self, http.tls), 0},
		{"proxy_url", decode_string, offsetof(self, http.proxy_url), 0},
		{"no_proxy", decode_string, offsetof(self, http.no_proxy), 0},
		{"proxy_from_environment", decode_bool, offsetof(self, http.proxy_from_environment), 0},
		{"proxy_connect_header", decode_proxy_headers, offsetof(self, http.proxy_headers), 0},
	};
	struct net_options *o = to;
	if (node->kind == YAML_NULL)
		return;
	net_oauth2_unref(o->oauth2);
	o->oauth2 = net_oauth2_new();
	decode_map(d, node, o->oauth2, fields, ARRAY_SIZE(fields));
	at_most_one(d, node, "client_secret", "client_secret_file");
	if (!d->error && (!o->oauth2->client_id || !*o->oauth2->client_id))
		decode_fail(d, node, "%s: client_id must be configured", buf_str(&d->path));
	check_proxy(d, node, &o->oauth2->http);
	const struct yaml_node *grant = yaml_get(node, "grant_type");
	if (d->error || !grant || !grant->len || strcmp(grant->text, "client_credentials") == 0)
		return;
	if (!d->quiet)
		decode_warn(d, grant, "%s: grant_type %s is not done here: requests go without a token", buf_str(&d->path), grant->text);
	net_oauth2_unref(o->oauth2);
	o->oauth2 = NULL;
}

static void decode_tls_version(struct decoder *d, const struct yaml_node *node, void *to)
{
	char *s = NULL;
	decode_string(d, node, &s);
	if (s && !net_tls_version_parse(s, to))
		decode_fail(d, node, "%s: unknown TLS version \"%s\"; accepted: TLS10, TLS11, TLS12, TLS13", buf_str(&d->path), s);
	free(s);
}

void decode_tls(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"ca", decode_string, offsetof(struct net_tls, ca), 0},
		{"ca_file", decode_file, offsetof(struct net_tls, ca_file), 0},
		{"ca_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"cert", decode_string, offsetof(struct net_tls, cert), 0},
		{"cert_file", decode_file, offsetof(struct net_tls, cert_file), 0},
		{"cert_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"key", decode_string, offsetof(struct net_tls, key), 0},
		{"key_file", decode_file, offsetof(struct net_tls, key_file), 0},
		{"key_ref", check_string, 0, FIELD_INERT | FIELD_UNLISTED},
		{"server_name", decode_string, offsetof(struct net_tls, server_name), 0},
		{"insecure_skip_verify", decode_bool, offsetof(struct net_tls, insecure_skip_verify), 0},
		{"min_version", decode_tls_version, offsetof(struct net_tls, min_version), 0},
		{"max_version", decode_tls_version, offsetof(struct net_tls, max_version), 0},
	};
	const struct net_tls *t = to;
	decode_map(d, node, to, fields, ARRAY_SIZE(fields));
	at_most_one(d, node, "ca", "ca_file");
	at_most_one(d, node, "cert", "cert_file");
	at_most_one(d, node, "key", "key_file");
	bool cert = t->cert || t->cert_file || yaml_get(node, "cert_ref"), key = t->key || t->key_file || yaml_get(node, "key_ref");
	if (cert != key)
		decode_fail(d, node, "%s: a client certificate needs both its certificate (cert or cert_file) and its key (key or key_file)",
			    buf_str(&d->path));
	if (t->max_version && t->min_version > t->max_version)
		decode_fail(d, node, "%s: min_version is above max_version", buf_str(&d->path));
}

static struct net_header *add_header(struct decoder *d, const struct yaml_node *key, struct net_headers *headers)
{
	static const char *const reserved[] = {"Authorization", "Host",		"Content-Encoding", "Content-Length",
					       "Content-Type",	"User-Agent",	"Connection",	    "Keep-Alive",
					       "Transfer-Encoding", "Proxy-Authorization", "Expect"};
	if (!key->text || !*key->text || strpbrk(key->text, " \t\r\n:")) {
		decode_fail(d, key, "%s: \"%s\" is not a valid header name", buf_str(&d->path), key->text ? key->text : "");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (strcasecmp(key->text, reserved[i]) == 0) {
			decode_fail(d, key, "%s: setting header \"%s\" is not allowed", buf_str(&d->path), key->text);
			return NULL;
		}
	}
	array_grow(headers->v, headers->n, headers->cap);
	struct net_header *h = &headers->v[headers->n++];
	*h = (struct net_header){.name = xstrdup(key->text)};
	return h;
}

void decode_http_headers(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"values", decode_strings, offsetof(struct net_header, values), 0},
		{"secrets", decode_strings, offsetof(struct net_header, values), 0},
		{"files", decode_files, offsetof(struct net_header, files), 0},
	};
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		struct net_header *h = add_header(d, node->keys[i], to);
		if (h)
			decode_map(d, node->values[i], h, fields, ARRAY_SIZE(fields));
	}
}

void decode_proxy_headers(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct net_headers *headers = to;
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		const struct yaml_node *key = node->keys[i];
		array_grow(headers->v, headers->n, headers->cap);
		struct net_header *h = &headers->v[headers->n++];
		*h = (struct net_header){.name = xstrdup(key->text ? key->text : "")};
		decode_strings(d, node->values[i], &h->values);
	}
}

void decode_http_client_end(struct decoder *d, const struct yaml_node *node, const struct net_options *o)
{
	static const char *const auth[] = {"basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "sigv4",
					   "azuread",	 "google_iam"};
	const char *first = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(auth); i++) {
		const struct yaml_node *v = yaml_get(node, auth[i]);
		if (!v || v->kind == YAML_NULL)
			continue;
		if (first)
			decode_fail(d, v, "%s: at most one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file may be "
				    "configured, got %s and %s", buf_str(&d->path), first, auth[i]);
		first = auth[i];
	}
	check_proxy(d, node, o);
}
