/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From net_options to a prepared curl handle, for both clients. Internal to net. */
#ifndef RT_NET_REQUEST_H
#define RT_NET_REQUEST_H

#include <curl/curl.h>

#include "net/options.h"

/* One request's own things, released together when the handle no longer points to them. */
struct net_request {
	struct curl_slist *headers, *proxy_headers, *connect_to;
	char *username, *password, *ca, *cert, *key;
	char *url; /* as sent: with server_name in place of the host if that is set */
	char error[CURL_ERROR_SIZE];
	char *token; /* of oauth2, as sent */
	bool needs_token; /* one must be fetched first, and given to net_request_authorize */
};

void net_global_init(void);
/* Sets all that O says on CURL, which then points into R; headers already in R are sent too. 0, or a negative errno and *ERROR. */
int net_request_prepare(struct net_request *r, CURL *curl, const struct net_options *o, const char *url, char **error);
int net_add_header(struct curl_slist **list, const char *name, const char *sep, const char *value, char **error);
/* Sends VALUE as Authorization. */
int net_request_authorize(struct net_request *r, CURL *curl, const char *value, char **error);
/* TEXT or, if FILE is set, what the file holds now without blanks around it; NULL if neither is set. 0, or -EACCES and *ERROR. */
int net_credential(const char *what, const char *text, const char *file, char **out, char **error);
void net_request_free(struct net_request *r);

#endif
