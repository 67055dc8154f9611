/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request for a token, for both clients. Internal to net. */
#ifndef RT_NET_TOKEN_H
#define RT_NET_TOKEN_H

#include "base/sv.h"
#include "net/oauth2.h"
#include "net/request.h"

struct token_request {
	struct net_request net;
	char *form, *secret;
	bool again;   /* the second attempt, with id and secret in the form */
	bool in_body; /* that is how it was asked */
};

/* Sets all but the functions on CURL, which then points into T. 0, or a negative errno and *ERROR. */
int token_request_prepare(struct token_request *t, struct net_oauth2 *o, CURL *curl, int64_t timeout_ms, char **error);
/* The request has ended with CODE and BODY: the token is kept, and the header's *VALUE told (heap). -EAGAIN without *ERROR: it should be made once
 * more, with `again` set; any other negative errno with *ERROR. */
int token_request_finish(struct token_request *t, struct net_oauth2 *o, CURL *curl, CURLcode code, struct sv body, char **value, char **error);
void token_request_clear(struct token_request *t);
/* The header's value, asked for if it must be; at most two requests of TIMEOUT_MS each. STOP is called with ARG and ends it with anything but 0. */
int token_fetch(struct net_oauth2 *o, int64_t timeout_ms, curl_xferinfo_callback stop, void *arg, char **value, char **error);

#endif
