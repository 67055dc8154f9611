// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/web.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/decode.h"

static void decode_client_auth(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct {
		const char *name;
		enum config_client_auth auth;
	} names[] = {
		{"NoClientCert", CLIENT_AUTH_NONE},
		{"RequestClientCert", CLIENT_AUTH_REQUEST},
		{"RequireAnyClientCert", CLIENT_AUTH_REQUIRE_ANY},
		{"RequireClientCert", CLIENT_AUTH_REQUIRE_ANY},
		{"VerifyClientCertIfGiven", CLIENT_AUTH_VERIFY_IF_GIVEN},
		{"RequireAndVerifyClientCert", CLIENT_AUTH_REQUIRE_AND_VERIFY},
	};
	_cleanup_free_ char *s = NULL;
	decode_string(d, node, &s);
	if (!s || !*s)
		return;
	_cleanup_buf_ struct buf list = BUF_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(s, names[i].name) == 0) {
			*(enum config_client_auth *)to = names[i].auth;
			return;
		}
		buf_addf(&list, "%s%s", i ? ", " : "", names[i].name);
	}
	decode_fail(d, node, "%s: invalid ClientAuth: \"%s\"; accepted: %s", buf_str(&d->path), s, buf_str(&list));
}

static void decode_version(struct decoder *d, const struct yaml_node *node, void *to)
{
	_cleanup_free_ char *s = NULL;
	decode_string(d, node, &s);
	if (s && !net_tls_version_parse(s, to))
		decode_fail(d, node, "%s: unknown TLS version: \"%s\"; accepted: TLS10, TLS11, TLS12, TLS13", buf_str(&d->path), s);
}

static void decode_tls_server(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"cert", decode_string, offsetof(struct config_web_tls, cert), 0},
		{"key", decode_string, offsetof(struct config_web_tls, key), 0},
		{"client_ca", decode_string, offsetof(struct config_web_tls, client_ca), 0},
		{"cert_file", decode_file, offsetof(struct config_web_tls, cert_file), 0},
		{"key_file", decode_file, offsetof(struct config_web_tls, key_file), 0},
		{"client_ca_file", decode_file, offsetof(struct config_web_tls, client_ca_file), 0},
		{"client_auth_type", decode_client_auth, offsetof(struct config_web_tls, client_auth), 0},
		{"client_allowed_sans", decode_strings, offsetof(struct config_web_tls, client_allowed_sans), 0},
		{"min_version", decode_version, offsetof(struct config_web_tls, min_version), 0},
		{"max_version", decode_version, offsetof(struct config_web_tls, max_version), 0},
		{"cipher_suites", check_strings, 0, FIELD_INERT},
		{"curve_preferences", check_strings, 0, FIELD_INERT},
		{"prefer_server_cipher_suites", check_bool, 0, FIELD_INERT},
	};
	struct config_web_tls *t = to;
	decode_map(d, node, t, fields, ARRAY_SIZE(fields));
	t->enabled = node->n > 0;
	if (!t->enabled || d->error)
		return;
	bool cert = t->cert || t->cert_file, key = t->key || t->key_file, ca = t->client_ca || t->client_ca_file;
	if ((t->cert && t->cert_file) || (t->key && t->key_file) || (t->client_ca && t->client_ca_file))
		decode_fail(d, node, "%s: cert and cert_file, key and key_file, client_ca and client_ca_file: one of each", buf_str(&d->path));
	else if (!cert)
		decode_fail(d, node, "%s: missing one of cert or cert_file", buf_str(&d->path));
	else if (!key)
		decode_fail(d, node, "%s: missing one of key or key_file", buf_str(&d->path));
	else if (ca && t->client_auth == CLIENT_AUTH_NONE)
		decode_fail(d, node, "%s: client_ca needs a client_auth_type other than NoClientCert", buf_str(&d->path));
	else if (t->min_version > t->max_version)
		decode_fail(d, node, "%s: min_version is above max_version", buf_str(&d->path));
}

static bool is_bcrypt(const char *s)
{
	if (strlen(s) != 60 || strncmp(s, "$2", 2) != 0 || !strchr("aby", s[2]) || s[3] != '$' || s[6] != '$' || !isdigit((unsigned char)s[4]) ||
	    !isdigit((unsigned char)s[5]))
		return false;
	int cost = (s[4] - '0') * 10 + s[5] - '0';
	for (size_t i = 7; i < 60; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '.' && s[i] != '/')
			return false;
	}
	return cost >= 4 && cost <= 31;
}

static void decode_users(struct decoder *d, const struct yaml_node *node, void *to)
{
	struct config_web *w = to;
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		const struct yaml_node *k = node->keys[i], *v = node->values[i];
		if (!k->text || !v->text || v->kind == YAML_NULL)
			decode_fail(d, k, "%s: want a map of user names and bcrypt hashes", buf_str(&d->path));
		else if (!is_bcrypt(v->text)) /* the value is not repeated: it may be a password */
			decode_fail(d, v, "%s: what stands for user \"%s\" is not a bcrypt hash such as $2y$10$... (htpasswd -nBC 10 \"\")",
				    buf_str(&d->path), k->text);
		if (d->error)
			return;
		strings_add(&w->users, k->text);
		strings_add(&w->hashes, v->text);
	}
}

static bool one_of(const char *value, const char *const *list)
{
	for (; *list; list++) {
		if (strcasecmp(value, *list) == 0)
			return true;
	}
	return false;
}

static void decode_response_headers(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct {
		const char *name;
		const char *values[3]; /* NULL: any */
	} known[] = {
		{"Content-Security-Policy", {NULL}}, {"X-Frame-Options", {"deny", "sameorigin"}},
		{"X-Content-Type-Options", {"nosniff"}}, {"X-XSS-Protection", {NULL}},
		{"Strict-Transport-Security", {NULL}},
	};
	struct config_web *w = to;
	check_map(d, node, NULL);
	for (size_t i = 0; i < node->n && !d->error; i++) {
		const struct yaml_node *k = node->keys[i], *v = node->values[i];
		size_t j = 0;
		while (j < ARRAY_SIZE(known) && k->text && strcasecmp(k->text, known[j].name) != 0)
			j++;
		if (!k->text || j == ARRAY_SIZE(known)) {
			decode_fail(d, k,
				    "%s: HTTP header \"%s\" can not be configured; accepted: Content-Security-Policy, X-Frame-Options, "
				    "X-Content-Type-Options, X-XSS-Protection, Strict-Transport-Security",
				    buf_str(&d->path), k->text ? k->text : "");
			return;
		}
		char *value = NULL;
		decode_string(d, v, &value);
		if (value && known[j].values[0] && !one_of(value, known[j].values))
			decode_fail(d, v, "%s: invalid value for %s: \"%s\"; accepted: %s%s%s", buf_str(&d->path), known[j].name, value,
				    known[j].values[0], known[j].values[1] ? ", " : "", known[j].values[1] ? known[j].values[1] : "");
		else if (value && strpbrk(value, "\r\n"))
			decode_fail(d, v, "%s: %s holds a line break", buf_str(&d->path), known[j].name);
		if (!value || !*value || d->error) {
			free(value);
			continue;
		}
		strings_add(&w->header_names, known[j].name);
		strings_take(&w->header_values, value);
	}
}

static void decode_http_server(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"http2", check_bool, 0, FIELD_INERT},
		{"headers", decode_response_headers, 0, 0},
	};
	decode_map(d, node, to, fields, ARRAY_SIZE(fields));
}

/* Go's time.Duration text without a sign: 1s, 1.5s, 100ms, 1m30s, 0. */
static bool parse_go_duration(const char *s, int64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	double sum = 0;
	if (strcmp(s, "0") == 0) {
		*ns = 0;
		return true;
	}
	if (!*s)
		return false;
	while (*s) {
		size_t digits = strspn(s, "0123456789."), unit = strcspn(s + digits, "0123456789."), i = 0;
		char number[32];
		if (!digits || digits >= sizeof(number) || !unit)
			return false;
		memcpy(number, s, digits);
		number[digits] = 0;
		char *dot = strchr(number, '.');
		if ((dot && strchr(dot + 1, '.')) || strcmp(number, ".") == 0)
			return false;
		while (i < ARRAY_SIZE(units) && (strlen(units[i].unit) != unit || memcmp(units[i].unit, s + digits, unit) != 0))
			i++;
		if (i == ARRAY_SIZE(units))
			return false;
		sum += strtod(number, NULL) * units[i].ns;
		s += digits + unit;
	}
	if (sum > 9e18)
		return false;
	*ns = (int64_t)sum;
	return true;
}

static void decode_go_duration(struct decoder *d, const struct yaml_node *node, void *to)
{
	_cleanup_free_ char *s = NULL;
	decode_string(d, node, &s);
	if (s && !parse_go_duration(s, to))
		decode_fail(d, node, "%s: want a duration such as 1s, 100ms or 1m30s, got \"%s\"", buf_str(&d->path), s);
}

static void decode_rate_limit(struct decoder *d, const struct yaml_node *node, void *to)
{
	static const struct field fields[] = {
		{"interval", decode_go_duration, offsetof(struct config_web, rate_interval_ns), 0},
		{"burst", decode_uint, offsetof(struct config_web, rate_burst), 0},
	};
	struct config_web *w = to;
	decode_map(d, node, to, fields, ARRAY_SIZE(fields));
	if (!d->error && w->rate_burst > 1000000)
		decode_fail(d, yaml_get(node, "burst"), "%s.burst: want at most 1000000", buf_str(&d->path));
}

static int read_pem(struct config_web *w, const char *what, const char *file, char **to, char **error)
{
	if (!file)
		return 0;
	struct buf b = BUF_INIT;
	char *why = NULL;
	strings_add(&w->files, file);
	int err = config_read_file(file, &b, &why);
	if (err) {
		*error = xasprintf("%s: %s %s", w->files.v[0], what, why);
		free(why);
		buf_free(&b);
		return err;
	}
	*to = buf_steal(&b);
	return 0;
}

static int decode_web(const char *path, const char *dir, const struct yaml_node *root, struct config_web *w, char **error)
{
	static const struct field fields[] = {
		{"tls_server_config", decode_tls_server, offsetof(struct config_web, tls), 0},
		{"http_server_config", decode_http_server, 0, 0},
		{"basic_auth_users", decode_users, 0, 0},
		{"rate_limit", decode_rate_limit, 0, 0},
	};
	struct decoder d = {.file = path,
			    .dir = dir,
			    .path = BUF_LIMIT((size_t)64 << 10),
			    .not_acted_on = &w->not_acted_on,
			    .warnings = &w->warnings};
	decode_map(&d, root, w, fields, ARRAY_SIZE(fields));
	buf_free(&d.path);
	*error = d.error;
	int err = d.error ? -EINVAL : 0;
	struct config_web_tls *t = &w->tls;
	if (!err)
		err = read_pem(w, "cert_file", t->cert_file, &t->cert, error);
	if (!err)
		err = read_pem(w, "key_file", t->key_file, &t->key, error);
	if (!err)
		err = read_pem(w, "client_ca_file", t->client_ca_file, &t->client_ca, error);
	return err;
}

int config_web_load(const char *path, struct config_web **out, char **error)
{
	_cleanup_free_ char *dir = config_dir_of(path);
	struct yaml_doc *doc;
	int err = config_read_yaml(path, &doc, error);
	if (err)
		return err;
	struct config_web *w = xcalloc(1, sizeof(*w));
	w->tls.min_version = NET_TLS_12;
	w->tls.max_version = NET_TLS_13;
	strings_add(&w->files, path);
	err = decode_web(path, dir, yaml_root(doc), w, error);
	yaml_doc_free(doc);
	if (err)
		config_web_free(w);
	else
		*out = w;
	return err;
}

void config_web_free(struct config_web *w)
{
	if (!w)
		return;
	struct config_web_tls *t = &w->tls;
	char *owned[] = {t->cert, t->key, t->client_ca, t->cert_file, t->key_file, t->client_ca_file};
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		free(owned[i]);
	struct strings *lists[] = {&t->client_allowed_sans, &w->users, &w->hashes,	 &w->header_names,
				   &w->header_values,	    &w->files, &w->not_acted_on, &w->warnings};
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strings_free(lists[i]);
	free(w);
}
