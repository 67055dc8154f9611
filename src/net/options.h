/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How to speak to an HTTP server: plain data, Prometheus' HTTP client configuration. Files named here are read again for every
 * request, so that rotated credentials and certificates are used without a reload. */
#ifndef RT_NET_OPTIONS_H
#define RT_NET_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strings.h"

enum net_tls_version { NET_TLS_DEFAULT, NET_TLS_10, NET_TLS_11, NET_TLS_12, NET_TLS_13 };

/* Each of ca, cert and key is either PEM text or the name of a file; NULL is unset. */
struct net_tls {
	char *ca, *ca_file;
	char *cert, *cert_file;
	char *key, *key_file;
	char *server_name; /* name that the certificate must have, instead of the URL's host */
	bool insecure_skip_verify;
	enum net_tls_version min_version, max_version;
};

struct net_header {
	char *name;
	struct strings values, files; /* one header line each */
};

struct net_headers {
	struct net_header *v;
	size_t n, cap;
};

struct net_oauth2;

struct net_options {
	bool basic_auth;
	char *username, *username_file, *password, *password_file;
	char *auth_type; /* "Bearer" or another scheme; NULL: no such header */
	char *credentials, *credentials_file;
	struct net_oauth2 *oauth2; /* NULL: none. Its token is kept for all who use these options */
	struct net_tls tls;
	bool follow_redirects, http2;
	char *proxy_url, *no_proxy;
	bool proxy_from_environment;
	struct net_headers proxy_headers; /* for CONNECT */
	struct net_headers headers;
};

void net_options_init(struct net_options *o); /* follow redirects, HTTP/2 where the server offers it */
void net_options_free(struct net_options *o);
/* URL as it may be shown: xxxxx for a password in it, as Go prints it. free() it. */
char *net_url_shown(const char *url);
/* TLS10, TLS11, TLS12, TLS13. */
bool net_tls_version_parse(const char *s, enum net_tls_version *v);

#endif
