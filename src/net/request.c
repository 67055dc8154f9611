// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/request.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "net/oauth2.h"

#define CREDENTIAL_MAX ((size_t)64 << 10)
#define PEM_MAX ((size_t)4 << 20)
#define MAX_REDIRECTS 10

static void global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

void net_global_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, global_init);
}

void net_request_free(struct net_request *r)
{
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->proxy_headers);
	curl_slist_free_all(r->connect_to);
	char *owned[] = {r->username, r->password, r->ca, r->cert, r->key, r->url, r->token};
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		free(owned[i]);
	*r = (struct net_request){0};
}

/* The file's content, at most MAX bytes. */
static int read_secret(const char *what, const char *path, size_t max, char **out, char **error)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		*error = xasprintf("cannot read %s %s: %s", what, path, strerror(errno));
		return -EACCES;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
		*error = xasprintf("cannot read %s %s: it is not a file of at most %zu bytes", what, path, max);
		return -EACCES;
	}
	struct buf b = BUF_LIMIT(max);
	for (;;) {
		char chunk[4096];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n > 0) {
			buf_add(&b, chunk, (size_t)n);
			continue;
		}
		if (n == 0 && !b.failed && memchr(buf_str(&b), 0, b.n) == NULL)
			break;
		*error = xasprintf("cannot read %s %s: %s", what, path, n < 0 ? strerror(errno) : "too long or not text");
		buf_free(&b);
		return -EACCES;
	}
	*out = buf_steal(&b);
	return 0;
}

static void trim(char *s)
{
	static const char blank[] = " \t\r\n\v\f";
	size_t lead = strspn(s, blank), n = strlen(s);
	memmove(s, s + lead, n - lead + 1);
	for (n -= lead; n && strchr(blank, s[n - 1]); n--)
		s[n - 1] = 0;
}

int net_credential(const char *what, const char *text, const char *file, char **out, char **error)
{
	if (!file) {
		*out = text ? xstrdup(text) : NULL;
		return 0;
	}
	int err = read_secret(what, file, CREDENTIAL_MAX, out, error);
	if (!err)
		trim(*out);
	return err;
}

static int resolve_pem(const char *what, const char *text, const char *file, char **out, char **error)
{
	if (file)
		return read_secret(what, file, PEM_MAX, out, error);
	*out = text ? xstrdup(text) : NULL;
	return 0;
}

int net_add_header(struct curl_slist **list, const char *name, const char *sep, const char *value, char **error)
{
	if (strpbrk(name, "\r\n") || strpbrk(value, "\r\n")) {
		*error = xasprintf("header %s: a header cannot hold a line break", name);
		return -EIO;
	}
	/* curl sends a header without a value only if it ends in a semicolon. */
	char *line = *value ? xasprintf("%s%s%s", name, sep, value) : xasprintf("%s;", name);
	struct curl_slist *grown = curl_slist_append(*list, line);
	free(line);
	if (!grown)
		abort();
	*list = grown;
	return 0;
}

static int add_headers(struct curl_slist **list, const struct net_headers *headers, char **error)
{
	for (size_t i = 0; i < headers->n; i++) {
		const struct net_header *h = &headers->v[i];
		int err = 0;
		for (size_t j = 0; j < h->values.n && !err; j++)
			err = net_add_header(list, h->name, ": ", h->values.v[j], error);
		for (size_t j = 0; j < h->files.n && !err; j++) {
			_cleanup_free_ char *value = NULL;
			err = net_credential("header file", NULL, h->files.v[j], &value, error);
			if (!err)
				err = net_add_header(list, h->name, ": ", value, error);
		}
		if (err)
			return err;
	}
	return 0;
}

int net_request_authorize(struct net_request *r, CURL *curl, const char *value, char **error)
{
	int err = net_add_header(&r->headers, "Authorization", ": ", value, error);
	if (err)
		return err;
	free(r->token);
	r->token = xstrdup(value);
	r->needs_token = false;
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, r->headers);
	return 0;
}

static int set_auth(CURL *curl, const struct net_options *o, struct net_request *r, char **error)
{
	int err;
	if (o->basic_auth) {
		if ((err = net_credential("username_file", o->username, o->username_file, &r->username, error)) ||
		    (err = net_credential("password_file", o->password, o->password_file, &r->password, error)))
			return err;
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, r->username ? r->username : "");
		curl_easy_setopt(curl, CURLOPT_PASSWORD, r->password ? r->password : "");
	}
	if (o->auth_type) {
		_cleanup_free_ char *credentials = NULL;
		if ((err = net_credential("credentials_file", o->credentials, o->credentials_file, &credentials, error)))
			return err;
		_cleanup_free_ char *value = xasprintf("%s %s", o->auth_type, credentials ? credentials : "");
		return net_add_header(&r->headers, "Authorization", ": ", value, error);
	}
	if (o->oauth2) {
		_cleanup_free_ char *value = NULL;
		if ((err = net_oauth2_cached(o->oauth2, &value, error)))
			return err;
		r->needs_token = !value;
		return value ? net_request_authorize(r, curl, value, error) : 0;
	}
	return 0;
}

static long curl_tls_version(enum net_tls_version v)
{
	static const long min[] = {CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_TLSv1_1,
				   CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_3};
	return min[v];
}

static long curl_tls_max(enum net_tls_version v)
{
	static const long max[] = {CURL_SSLVERSION_MAX_DEFAULT, CURL_SSLVERSION_MAX_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_1,
				   CURL_SSLVERSION_MAX_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_3};
	return max[v];
}

static void set_blob(CURL *curl, CURLoption option, char *pem)
{
	struct curl_blob blob = {pem, strlen(pem), CURL_BLOB_NOCOPY};
	curl_easy_setopt(curl, option, &blob);
}

/* Certificates go to curl as text, not as file names: it compares them when it looks for a connection to reuse, so a rotated
 * certificate gets a new connection. */
static int set_tls(CURL *curl, const struct net_options *o, struct net_request *r, char **error)
{
	const struct net_tls *t = &o->tls;
	int err;
	if ((err = resolve_pem("ca_file", t->ca, t->ca_file, &r->ca, error)) ||
	    (err = resolve_pem("cert_file", t->cert, t->cert_file, &r->cert, error)) ||
	    (err = resolve_pem("key_file", t->key, t->key_file, &r->key, error)))
		return err;
	if (r->ca)
		set_blob(curl, CURLOPT_CAINFO_BLOB, r->ca);
	if (r->cert)
		set_blob(curl, CURLOPT_SSLCERT_BLOB, r->cert);
	if (r->key)
		set_blob(curl, CURLOPT_SSLKEY_BLOB, r->key);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, t->insecure_skip_verify ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, t->insecure_skip_verify ? 0L : 2L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, curl_tls_version(t->min_version) | curl_tls_max(t->max_version));
	return 0;
}

/* server_name: curl checks the certificate against the URL's host, so the URL gets that name and the connection is led to the
 * real host; the Host header stays the real one. */
static int set_url(CURL *curl, const struct net_options *o, struct net_request *r, const char *url, char **error)
{
	const char *name = o->tls.server_name;
	if (!name || strncmp(url, "https://", 8) != 0) {
		r->url = xstrdup(url);
		return 0;
	}
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL, *shown = NULL, *sent = NULL;
	bool ok = u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
		  !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	bool has_port = ok && !curl_url_get(u, CURLUPART_PORT, &shown, 0);
	ok = ok && !curl_url_set(u, CURLUPART_HOST, name, 0) && !curl_url_get(u, CURLUPART_URL, &sent, 0);
	int err = 0;
	if (ok) {
		_cleanup_free_ char *to = xasprintf("%s:%s:%s:%s", name, port, host, port);
		_cleanup_free_ char *real = has_port ? xasprintf("%s:%s", host, shown) : xstrdup(host);
		r->connect_to = curl_slist_append(NULL, to);
		r->url = xstrdup(sent);
		curl_easy_setopt(curl, CURLOPT_CONNECT_TO, r->connect_to);
		err = net_add_header(&r->headers, "Host", ": ", real, error);
	} else {
		*error = xasprintf("cannot use server_name %s with %s", name, url);
		err = -EIO;
	}
	curl_free(host);
	curl_free(port);
	curl_free(shown);
	curl_free(sent);
	curl_url_cleanup(u);
	return err;
}

/* curl reads the proxy variables of the environment unless told otherwise; Prometheus does only if told so. */
static int set_proxy(CURL *curl, const struct net_options *o, struct net_request *r, char **error)
{
	if (!o->proxy_from_environment) {
		curl_easy_setopt(curl, CURLOPT_PROXY, o->proxy_url ? o->proxy_url : "");
		curl_easy_setopt(curl, CURLOPT_NOPROXY, o->no_proxy ? o->no_proxy : "");
	}
	int err = add_headers(&r->proxy_headers, &o->proxy_headers, error);
	if (!err && r->proxy_headers) {
		curl_easy_setopt(curl, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
		curl_easy_setopt(curl, CURLOPT_PROXYHEADER, r->proxy_headers);
	}
	return err;
}

int net_request_prepare(struct net_request *r, CURL *curl, const struct net_options *o, const char *url, char **error)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, o->follow_redirects ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)(o->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "reqtally/" REQTALLY_VERSION);
	int err;
	if ((err = set_auth(curl, o, r, error)) || (err = add_headers(&r->headers, &o->headers, error)) ||
	    (err = set_proxy(curl, o, r, error)) || (err = set_tls(curl, o, r, error)) || (err = set_url(curl, o, r, url, error)))
		return err;
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(curl, CURLOPT_URL, r->url);
	return 0;
}
