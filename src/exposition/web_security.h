/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Prometheus web config file asks of the server: TLS, users, headers, rate limit. */
#ifndef RT_EXPOSITION_WEB_SECURITY_H
#define RT_EXPOSITION_WEB_SECURITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct web_header {
	char *name, *value;
};

struct web_user {
	char *name, *bcrypt; /* "$2y$10$..." */
};

enum web_client_auth {
	WEB_NO_CLIENT_CERT,
	WEB_REQUEST_CLIENT_CERT,
	WEB_REQUIRE_ANY_CLIENT_CERT,
	WEB_VERIFY_CLIENT_CERT_IF_GIVEN,
	WEB_REQUIRE_AND_VERIFY_CLIENT_CERT,
};

struct web_tls {
	char *cert_pem, *key_pem; /* texts, not paths */
	char *client_ca_pem;	  /* or NULL */
	enum web_client_auth client_auth;
	char **client_sans; /* if any: a verified client certificate must carry one of these (DNS, IP, e-mail or URI) */
	size_t n_client_sans;
	int min_version, max_version; /* 10..13 for TLS 1.0..1.3; 0: 12 and 13 */
};

struct web_security {
	struct web_tls *tls; /* NULL: plain HTTP */
	struct web_user *users;
	size_t n_users; /* 0: no authentication */
	struct web_header *headers; /* added to every response */
	size_t n_headers;
	uint64_t rate_interval_ns; /* one token per interval; 0: no limit */
	unsigned rate_burst;
};

#endif
