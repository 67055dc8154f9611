/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OAuth 2.0 with client credentials (RFC 6749, 4.4): a token is asked for when there is none or its time is over, kept for all requests
 * with these options, and sent in their Authorization header. Thread-safe. */
#ifndef RT_NET_OAUTH2_H
#define RT_NET_OAUTH2_H

#include <pthread.h>
#include <stdint.h>

#include "net/options.h"

#define NET_OAUTH2_REPLY_MAX ((size_t)1 << 20)

struct net_oauth2 {
	int refs;
	char *client_id, *client_secret, *client_secret_file;
	char *token_url;
	struct strings scopes;
	struct strings params;	 /* of the form, each a name and then its value */
	struct net_options http; /* how to speak to the token's server */

	pthread_mutex_t lock, fetching; /* the second one first, never while a transfer of the fetcher is under way */
	char *token;			/* "Bearer abc"; NULL: none */
	char *token_secret;		/* the secret that got it: a rotated one gets another token */
	uint64_t expires;		/* CLOCK_MONOTONIC ns */
	bool in_body; /* this server wants id and secret in the form instead of an Authorization header */
	bool probed;  /* that is known */
};

struct net_oauth2 *net_oauth2_new(void);
struct net_oauth2 *net_oauth2_ref(struct net_oauth2 *o);
void net_oauth2_unref(struct net_oauth2 *o);
/* The header's value, heap, or NULL if a token has to be asked for. 0, or -EACCES and *ERROR: the secret's file. */
int net_oauth2_cached(struct net_oauth2 *o, char **value, char **error);
/* VALUE was refused: it is not used again. */
void net_oauth2_refused(struct net_oauth2 *o, const char *value);

#endif
