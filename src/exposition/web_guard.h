/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard at the server's door: rate limit, passwords, client certificates. Thread-safe. */
#ifndef RT_EXPOSITION_WEB_GUARD_H
#define RT_EXPOSITION_WEB_GUARD_H

#include <stdbool.h>

#include "base/buf.h"
#include "exposition/web_security.h"

struct guard;

struct guard *guard_new(void);
void guard_free(struct guard *g);
/* -EINVAL and *ERROR if a password is no bcrypt text that libcrypt knows. */
int guard_check(const struct web_security *s, char **error);
/* Copies users, headers and rate, after guard_check. */
int guard_set(struct guard *g, const struct web_security *s, char **error);
/* Takes a token; false: answer 429. */
bool guard_admit(struct guard *g);
bool guard_needs_auth(struct guard *g);
/* USER or PASSWORD may be NULL: not given. Takes as long for an unknown user as for a wrong password. */
bool guard_check_password(struct guard *g, const char *user, const char *password);
/* Calls FN for every configured response header. */
void guard_headers(struct guard *g, void (*fn)(void *arg, const char *name, const char *value), void *arg);

/* Is the peer of a GnuTLS session as TLS demands? NULL if so, else the reason, static. */
const char *guard_check_peer(void *gnutls_session, const struct web_tls *tls);
/* The GnuTLS priority string of the version bounds. */
void guard_tls_priorities(const struct web_tls *tls, struct buf *out);

#endif
