// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/oauth2.h"

void net_options_init(struct net_options *o)
{
	*o = (struct net_options){.follow_redirects = true, .http2 = true};
}

static void headers_free(struct net_headers *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].name);
		strings_free(&h->v[i].values);
		strings_free(&h->v[i].files);
	}
	free(h->v);
}

void net_options_free(struct net_options *o)
{
	char *owned[] = {o->username,	 o->username_file, o->password,	   o->password_file,   o->auth_type, o->credentials,
			 o->credentials_file, o->tls.ca,	   o->tls.ca_file, o->tls.cert,	       o->tls.cert_file,
			 o->tls.key,	 o->tls.key_file,  o->tls.server_name, o->proxy_url,   o->no_proxy};
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		free(owned[i]);
	net_oauth2_unref(o->oauth2);
	headers_free(&o->proxy_headers);
	headers_free(&o->headers);
	*o = (struct net_options){0};
}

bool net_tls_version_parse(const char *s, enum net_tls_version *v)
{
	static const char *const names[] = {"TLS10", "TLS11", "TLS12", "TLS13"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(s, names[i]) == 0) {
			*v = (enum net_tls_version)(NET_TLS_10 + i);
			return true;
		}
	}
	return false;
}

char *net_url_shown(const char *url)
{
	const char *scheme = strstr(url, "://"), *from = scheme ? scheme + 3 : url + strlen(url), *at = NULL;
	for (const char *p = from; *p && !strchr("/?#", *p); p++)
		at = *p == '@' ? p : at;
	const char *colon = at ? memchr(from, ':', (size_t)(at - from)) : NULL;
	return colon ? xasprintf("%.*sxxxxx%s", (int)(colon + 1 - url), url, at) : xstrdup(url);
}
