// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/web_guard.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* A bcrypt check takes a tenth of a second on purpose, too long for every scrape: the digests of what was right lately are kept,
 * salted with bytes that never leave the process. */
#define CACHE_SIZE 100
#define DIGEST_LEN 32

struct guard {
	pthread_mutex_t lock;
	struct web_user *users;
	size_t n_users;
	struct web_header *headers;
	size_t n_headers;
	uint64_t interval_ns, refilled_ns;
	unsigned burst;
	double tokens;
	unsigned char salt[32];
	char *nobody; /* the hash an unknown user's password is held against */
	unsigned char right[CACHE_SIZE][DIGEST_LEN];
	size_t n_right, next_right;
};

struct guard *guard_new(void)
{
	struct guard *g = xcalloc(1, sizeof(*g));
	pthread_mutex_init(&g->lock, NULL);
	if (gnutls_rnd(GNUTLS_RND_KEY, g->salt, sizeof(g->salt)) < 0)
		abort(); /* no entropy: nothing secret can be done */
	return g;
}

static void guard_clear(struct guard *g)
{
	for (size_t i = 0; i < g->n_users; i++) {
		free(g->users[i].name);
		free(g->users[i].bcrypt);
	}
	for (size_t i = 0; i < g->n_headers; i++) {
		free(g->headers[i].name);
		free(g->headers[i].value);
	}
	free(g->users);
	free(g->headers);
	g->users = NULL;
	g->headers = NULL;
	g->n_users = g->n_headers = 0;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	guard_clear(g);
	free(g->nobody);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* bcrypt of PASSWORD under SETTING equals SETTING? Constant time in the comparison. */
static bool bcrypt_matches(const char *password, const char *setting)
{
	struct crypt_data *scratch = xcalloc(1, sizeof(*scratch));
	const char *got = crypt_r(password, setting, scratch);
	size_t n = strlen(setting);
	bool same = got && got[0] != '*' && strlen(got) == n && gnutls_memcmp(got, setting, n) == 0;
	gnutls_memset(scratch, 0, sizeof(*scratch));
	free(scratch);
	return same;
}

static bool is_bcrypt(const char *hash)
{
	/* $2b$NN$ and 53 characters of salt and checksum. */
	return strlen(hash) == 60 && hash[0] == '$' && hash[1] == '2' && strchr("aby", hash[2]) && hash[3] == '$' &&
	       crypt_checksalt(hash) != CRYPT_SALT_INVALID;
}

int guard_check(const struct web_security *s, char **error)
{
	for (size_t i = 0; s && i < s->n_users; i++)
		if (!is_bcrypt(s->users[i].bcrypt)) {
			*error = xasprintf("basic_auth_users: the password of \"%s\" is not a bcrypt hash ($2y$10$...)",
					   s->users[i].name);
			return -EINVAL;
		}
	return 0;
}

int guard_set(struct guard *g, const struct web_security *s, char **error)
{
	int r = guard_check(s, error);
	if (r)
		return r;
	pthread_mutex_lock(&g->lock);
	guard_clear(g);
	g->n_right = g->next_right = 0;
	if (s) {
		g->users = xcalloc(s->n_users, sizeof(*g->users));
		for (size_t i = 0; i < s->n_users; i++)
			g->users[g->n_users++] =
				(struct web_user){xstrdup(s->users[i].name), xstrdup(s->users[i].bcrypt)};
		g->headers = xcalloc(s->n_headers, sizeof(*g->headers));
		for (size_t i = 0; i < s->n_headers; i++)
			g->headers[g->n_headers++] =
				(struct web_header){xstrdup(s->headers[i].name), xstrdup(s->headers[i].value)};
	}
	g->interval_ns = s ? s->rate_interval_ns : 0;
	g->burst = s && s->rate_burst ? s->rate_burst : 1;
	g->tokens = g->burst;
	g->refilled_ns = clock_mono_ns();
	if (g->n_users && !g->nobody) {
		/* As costly as the first user's: any password, a random salt. */
		char setting[CRYPT_GENSALT_OUTPUT_SIZE];
		unsigned long cost = (unsigned long)atoi(g->users[0].bcrypt + 4);
		struct crypt_data *scratch = xcalloc(1, sizeof(*scratch));
		if (crypt_gensalt_rn("$2b$", cost, (const char *)g->salt, 16, setting, sizeof(setting)))
			g->nobody = xstrdup(crypt_r("nobody", setting, scratch));
		free(scratch);
	}
	pthread_mutex_unlock(&g->lock);
	return 0;
}

bool guard_admit(struct guard *g)
{
	bool ok = true;
	pthread_mutex_lock(&g->lock);
	if (g->interval_ns) {
		uint64_t now = clock_mono_ns();
		g->tokens += (double)(now - g->refilled_ns) / (double)g->interval_ns;
		g->refilled_ns = now;
		if (g->tokens > g->burst)
			g->tokens = g->burst;
		ok = g->tokens >= 1;
		if (ok)
			g->tokens -= 1;
	}
	pthread_mutex_unlock(&g->lock);
	return ok;
}

bool guard_needs_auth(struct guard *g)
{
	pthread_mutex_lock(&g->lock);
	bool needed = g->n_users > 0;
	pthread_mutex_unlock(&g->lock);
	return needed;
}

static bool digest(const struct guard *g, const char *user, const char *bcrypt, const char *password,
		   unsigned char out[DIGEST_LEN])
{
	gnutls_hmac_hd_t h;
	if (gnutls_hmac_init(&h, GNUTLS_MAC_SHA256, g->salt, sizeof(g->salt)) < 0)
		return false;
	/* With their NULs: no two triples run together alike. */
	gnutls_hmac(h, user, strlen(user) + 1);
	gnutls_hmac(h, bcrypt, strlen(bcrypt) + 1);
	gnutls_hmac(h, password, strlen(password) + 1);
	gnutls_hmac_deinit(h, out);
	return true;
}

bool guard_check_password(struct guard *g, const char *user, const char *password)
{
	if (!user || !password)
		return !guard_needs_auth(g);
	char *hash = NULL;
	unsigned char key[DIGEST_LEN];
	bool known = false, cached = false, hashed = false;
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < g->n_users && !known; i++)
		if (strcmp(g->users[i].name, user) == 0) {
			hash = xstrdup(g->users[i].bcrypt);
			known = true;
		}
	if (known && (hashed = digest(g, user, hash, password, key)))
		for (size_t i = 0; i < g->n_right; i++)
			cached |= gnutls_memcmp(g->right[i], key, DIGEST_LEN) == 0;
	if (!known && g->nobody)
		hash = xstrdup(g->nobody);
	pthread_mutex_unlock(&g->lock);

	bool ok = cached;
	if (!cached && hash)
		ok = bcrypt_matches(password, hash) && known;
	if (ok && !cached && hashed) {
		pthread_mutex_lock(&g->lock);
		memcpy(g->right[g->next_right], key, DIGEST_LEN);
		g->next_right = (g->next_right + 1) % CACHE_SIZE;
		if (g->n_right < CACHE_SIZE)
			g->n_right++;
		pthread_mutex_unlock(&g->lock);
	}
	free(hash);
	return ok;
}

void guard_headers(struct guard *g, void (*fn)(void *arg, const char *name, const char *value), void *arg)
{
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < g->n_headers; i++)
		fn(arg, g->headers[i].name, g->headers[i].value);
	pthread_mutex_unlock(&g->lock);
}

static bool is_address(const char *text, const void *raw, size_t n)
{
	unsigned char addr[16];
	return inet_pton(n == 4 ? AF_INET : AF_INET6, text, addr) == 1 && memcmp(addr, raw, n) == 0;
}

static bool san_allowed(gnutls_x509_crt_t crt, const struct web_tls *tls)
{
	char name[512];
	for (unsigned i = 0;; i++) {
		size_t n = sizeof(name) - 1;
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &n, NULL);
		if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (type < 0)
			return false;
		name[n] = 0;
		for (size_t k = 0; k < tls->n_client_sans; k++) {
			const char *want = tls->client_sans[k];
			if (type != GNUTLS_SAN_IPADDRESS ? strlen(want) == n && memcmp(want, name, n) == 0
							 : (n == 4 || n == 16) && is_address(want, name, n))
				return true;
		}
	}
}

const char *guard_check_peer(void *gnutls_session, const struct web_tls *tls)
{
	gnutls_session_t session = gnutls_session;
	if (tls->client_auth == WEB_NO_CLIENT_CERT || tls->client_auth == WEB_REQUEST_CLIENT_CERT)
		return NULL;
	unsigned n = 0, status = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	if (!chain || !n)
		return tls->client_auth == WEB_VERIFY_CLIENT_CERT_IF_GIVEN ? NULL : "a client certificate is required";
	if (tls->client_auth == WEB_REQUIRE_ANY_CLIENT_CERT)
		return NULL;
	/* Verified for its purpose as well: a server's certificate is no client's. */
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (void *)GNUTLS_KP_TLS_WWW_CLIENT};
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status)
		return "the client certificate is not trusted";
	if (!tls->n_client_sans)
		return NULL;
	gnutls_x509_crt_t crt;
	if (gnutls_x509_crt_init(&crt) < 0)
		return "the client certificate cannot be read";
	bool ok = gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) == 0 && san_allowed(crt, tls);
	gnutls_x509_crt_deinit(crt);
	return ok ? NULL : "no subject alternative name of the client certificate is allowed";
}

void guard_tls_priorities(const struct web_tls *tls, struct buf *out)
{
	int min = tls->min_version ? tls->min_version : 12, max = tls->max_version ? tls->max_version : 13;
	buf_adds(out, "NORMAL:-VERS-ALL");
	for (int v = max; v >= min && v >= 10; v--)
		buf_addf(out, ":+VERS-TLS1.%d", v - 10);
}
