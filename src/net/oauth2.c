// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/oauth2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/token.h"

#define EARLY_NS (10 * 1000000000ull) /* a token is renewed so long before its end */
#define LIFETIME_MAX (10.0 * 365 * 86400)
#define REFUSAL_SHOWN 200

struct net_oauth2 *net_oauth2_new(void)
{
	struct net_oauth2 *o = xcalloc(1, sizeof(*o));
	o->refs = 1;
	net_options_init(&o->http);
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->fetching, NULL);
	return o;
}

struct net_oauth2 *net_oauth2_ref(struct net_oauth2 *o)
{
	__atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED);
	return o;
}

void net_oauth2_unref(struct net_oauth2 *o)
{
	if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	char *owned[] = {o->client_id, o->client_secret, o->client_secret_file, o->token_url, o->token, o->token_secret};
	for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
		free(owned[i]);
	strings_free(&o->scopes);
	strings_free(&o->params);
	net_options_free(&o->http);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->fetching);
	free(o);
}

static int secret_of(const struct net_oauth2 *o, char **secret, char **error)
{
	int err = net_credential("client_secret_file", o->client_secret, o->client_secret_file, secret, error);
	if (!err && !*secret)
		*secret = xstrdup("");
	return err;
}

int net_oauth2_cached(struct net_oauth2 *o, char **value, char **error)
{
	_cleanup_free_ char *secret = NULL;
	*value = NULL;
	int err = secret_of(o, &secret, error);
	if (err)
		return err;
	pthread_mutex_lock(&o->lock);
	if (o->token && clock_mono_ns() < o->expires && strcmp(o->token_secret, secret) == 0)
		*value = xstrdup(o->token);
	pthread_mutex_unlock(&o->lock);
	return 0;
}

void net_oauth2_refused(struct net_oauth2 *o, const char *value)
{
	pthread_mutex_lock(&o->lock);
	if (o->token && strcmp(o->token, value) == 0)
		o->expires = 0;
	pthread_mutex_unlock(&o->lock);
}

/* application/x-www-form-urlencoded */
static void escape(const char *s, struct buf *out)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.~", c))
			buf_addc(out, (char)c);
		else if (c == ' ')
			buf_addc(out, '+');
		else
			buf_addf(out, "%%%02X", c);
	}
}

static void add_field(struct buf *form, const char *name, const char *value)
{
	if (form->n)
		buf_addc(form, '&');
	escape(name, form);
	buf_addc(form, '=');
	escape(value, form);
}

static void write_form(const struct net_oauth2 *o, bool in_body, const char *secret, struct buf *form)
{
	bool grant = false;
	for (size_t i = 0; i + 1 < o->params.n; i += 2)
		grant |= strcmp(o->params.v[i], "grant_type") == 0;
	if (!grant)
		add_field(form, "grant_type", "client_credentials");
	if (o->scopes.n) {
		_cleanup_buf_ struct buf scopes = BUF_INIT;
		for (size_t i = 0; i < o->scopes.n; i++)
			buf_addf(&scopes, "%s%s", i ? " " : "", o->scopes.v[i]);
		add_field(form, "scope", buf_str(&scopes));
	}
	for (size_t i = 0; i + 1 < o->params.n; i += 2)
		add_field(form, o->params.v[i], o->params.v[i + 1]);
	if (in_body) {
		add_field(form, "client_id", o->client_id ? o->client_id : "");
		if (*secret)
			add_field(form, "client_secret", secret);
	}
}

int token_request_prepare(struct token_request *t, struct net_oauth2 *o, CURL *curl, int64_t timeout_ms, char **error)
{
	int err = secret_of(o, &t->secret, error);
	if (err || (err = net_request_prepare(&t->net, curl, &o->http, o->token_url, error)))
		return err;
	struct buf form = BUF_INIT, id = BUF_INIT, secret = BUF_INIT;
	pthread_mutex_lock(&o->lock);
	t->in_body = t->again || (o->probed && o->in_body);
	pthread_mutex_unlock(&o->lock);
	write_form(o, t->in_body, t->secret, &form);
	t->form = buf_steal(&form);
	if (!t->in_body) {
		escape(o->client_id ? o->client_id : "", &id);
		escape(t->secret, &secret);
		t->net.username = buf_steal(&id);
		t->net.password = buf_steal(&secret);
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, t->net.username);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, t->net.password);
	}
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, t->form);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	return 0;
}

void token_request_clear(struct token_request *t)
{
	net_request_free(&t->net);
	free(t->form);
	free(t->secret);
	*t = (struct token_request){0};
}

static bool begins(const char *s, const char *with)
{
	return s && strncasecmp(s, with, strlen(with)) == 0;
}

struct reply {
	char *token, *type;
	double seconds; /* until it ends; 0: it does not */
};

static void read_json(struct sv body, struct reply *r)
{
	json_t *root = json_loadb(body.p, body.n, 0, NULL);
	const char *token = json_string_value(json_object_get(root, "access_token")), *type = json_string_value(json_object_get(root, "token_type"));
	json_t *expires = json_object_get(root, "expires_in");
	r->token = token ? xstrdup(token) : NULL;
	r->type = type ? xstrdup(type) : NULL;
	/* Some servers send a string. */
	r->seconds = json_is_string(expires) ? strtod(json_string_value(expires), NULL) : json_number_value(expires);
	json_decref(root);
}

static void read_form(struct sv body, struct reply *r)
{
	_cleanup_free_ char *text = xstrndup(body.p, body.n);
	char *save = NULL;
	for (char *pair = strtok_r(text, "&\r\n", &save); pair; pair = strtok_r(NULL, "&\r\n", &save)) {
		char *value = strchr(pair, '=');
		int n = 0;
		if (!value)
			continue;
		*value++ = 0;
		for (char *p = value; *p; p++)
			*p = *p == '+' ? ' ' : *p;
		char *plain = curl_easy_unescape(NULL, value, 0, &n);
		char **to = strcmp(pair, "access_token") == 0 ? &r->token : strcmp(pair, "token_type") == 0 ? &r->type : NULL;
		if (to && plain && !*to)
			*to = xstrdup(plain);
		if (strcmp(pair, "expires_in") == 0)
			r->seconds = strtod(value, NULL);
		curl_free(plain);
	}
}

static void keep(struct net_oauth2 *o, const struct token_request *t, const struct reply *r, char **value)
{
	const char *type = r->type && *r->type && strcasecmp(r->type, "bearer") ? r->type : "Bearer";
	uint64_t now = clock_mono_ns(), expires = UINT64_MAX;
	if (r->seconds > 0)
		expires = now + (uint64_t)((r->seconds < LIFETIME_MAX ? r->seconds : LIFETIME_MAX) * 1e9);
	*value = xasprintf("%s %s", type, r->token);
	pthread_mutex_lock(&o->lock);
	free(o->token);
	free(o->token_secret);
	o->token = xstrdup(*value);
	o->token_secret = xstrdup(t->secret);
	o->expires = expires == UINT64_MAX ? expires : expires - now > EARLY_NS ? expires - EARLY_NS : now;
	o->in_body = t->in_body;
	o->probed = true;
	pthread_mutex_unlock(&o->lock);
}

int token_request_finish(struct token_request *t, struct net_oauth2 *o, CURL *curl, CURLcode code, struct sv body, char **value, char **error)
{
	struct reply r = {0};
	char *type = NULL;
	long status = 0;
	if (code != CURLE_OK) {
		*error = xasprintf("cannot fetch a token from %s: %s", o->token_url, t->net.error[0] ? t->net.error : curl_easy_strerror(code));
		return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : code == CURLE_ABORTED_BY_CALLBACK ? -ECANCELED : -EIO;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	if (status / 100 == 2)
		(begins(type, "application/x-www-form-urlencoded") || begins(type, "text/plain") ? read_form : read_json)(body, &r);
	int err = 0;
	if (r.token && *r.token && !strpbrk(r.token, "\r\n") && !(r.type && strpbrk(r.type, "\r\n"))) {
		keep(o, t, &r, value);
	} else if (!t->in_body && !t->again && !o->probed) {
		t->again = true; /* id and secret may have to stand in the form */
		err = -EAGAIN;
	} else if (status / 100 == 2) {
		*error = xasprintf("cannot fetch a token from %s: there is no access_token in the answer", o->token_url);
		err = -EIO;
	} else {
		struct buf shown = BUF_INIT;
		for (size_t i = 0; i < body.n && i < REFUSAL_SHOWN; i++)
			buf_addc(&shown, (unsigned char)body.p[i] < ' ' ? ' ' : body.p[i]);
		*error = xasprintf("cannot fetch a token from %s: HTTP status %ld%s%s", o->token_url, status, shown.n ? ": " : "", buf_str(&shown));
		buf_free(&shown);
		err = -EIO;
	}
	free(r.token);
	free(r.type);
	return err;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;
	buf_add(b, p, n);
	return b->failed ? 0 : n;
}

/* One request for a token, to its end. */
static int ask(struct token_request *t, struct net_oauth2 *o, int64_t timeout_ms, curl_xferinfo_callback stop, void *arg, char **value,
	       char **error)
{
	_cleanup_buf_ struct buf body = BUF_LIMIT(NET_OAUTH2_REPLY_MAX);
	CURL *curl = curl_easy_init();
	if (!curl)
		abort();
	int err = token_request_prepare(t, o, curl, timeout_ms, error);
	if (!err) {
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
		curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop);
		curl_easy_setopt(curl, CURLOPT_XFERINFODATA, arg);
		CURLcode code = curl_easy_perform(curl);
		err = token_request_finish(t, o, curl, code, sv_make(buf_str(&body), body.n), value, error);
	}
	curl_easy_cleanup(curl);
	return err;
}

int token_fetch(struct net_oauth2 *o, int64_t timeout_ms, curl_xferinfo_callback stop, void *arg, char **value, char **error)
{
	pthread_mutex_lock(&o->fetching);
	/* Another request may have got it meanwhile. */
	int err = net_oauth2_cached(o, value, error);
	for (int round = 0; !err && !*value && round < 2; round++) {
		struct token_request t = {.again = round > 0};
		err = ask(&t, o, timeout_ms, stop, arg, value, error);
		token_request_clear(&t);
		if (err == -EAGAIN)
			err = 0;
	}
	pthread_mutex_unlock(&o->fetching);
	return err;
}
