/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The web configuration file of the Prometheus exporters (--web.config.file) as plain data: TLS, users, headers, rate limit. */
#ifndef RT_CONFIG_WEB_H
#define RT_CONFIG_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strings.h"
#include "net/options.h"

enum config_client_auth {
	CLIENT_AUTH_NONE,
	CLIENT_AUTH_REQUEST,
	CLIENT_AUTH_REQUIRE_ANY,
	CLIENT_AUTH_VERIFY_IF_GIVEN,
	CLIENT_AUTH_REQUIRE_AND_VERIFY,
};

struct config_web_tls {
	bool enabled;
	/* PEM texts: as written, or read from the files now. */
	char *cert, *key, *client_ca;
	char *cert_file, *key_file, *client_ca_file;
	enum config_client_auth client_auth;
	struct strings client_allowed_sans;
	enum net_tls_version min_version, max_version; /* NET_TLS_12 and NET_TLS_13 unless set */
};

struct config_web {
	struct config_web_tls tls;
	struct strings users, hashes;		   /* in pairs: name, bcrypt hash */
	struct strings header_names, header_values; /* in pairs */
	int64_t rate_interval_ns; /* one token each; 0: no limit */
	uint64_t rate_burst;
	struct strings files;	     /* that were read, the configuration first: when one changes, load again */
	struct strings not_acted_on; /* keys that are accepted and without effect */
	struct strings warnings;
};

/* Reads PATH and the certificates it names. 0 and *WEB, or a negative errno and *ERROR "FILE:LINE:COL: ...". */
int config_web_load(const char *path, struct config_web **web, char **error);
void config_web_free(struct config_web *web);

#endif
