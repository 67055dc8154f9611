// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/web_config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "config/web.h"

struct web_config {
	char *path;
	struct config_web *file;
	struct strings watched;
	struct stat *seen; /* of each watched file; zeros if it was not there */
	/* Views of FILE. */
	struct web_security security;
	struct web_tls tls;
};

static struct stat look_at(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		memset(&st, 0, sizeof(st));
	return st;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void remember(struct web_config *c, const struct strings *files)
{
	struct strings now = {0};
	for (size_t i = 0; i < files->n; i++)
		strings_add(&now, files->v[i]);
	strings_free(&c->watched);
	c->watched = now;
	free(c->seen);
	c->seen = xcalloc(now.n, sizeof(*c->seen));
	for (size_t i = 0; i < now.n; i++)
		c->seen[i] = look_at(now.v[i]);
}

static enum web_client_auth client_auth(enum config_client_auth a)
{
	static const enum web_client_auth to[] = {
		[CLIENT_AUTH_NONE] = WEB_NO_CLIENT_CERT,
		[CLIENT_AUTH_REQUEST] = WEB_REQUEST_CLIENT_CERT,
		[CLIENT_AUTH_REQUIRE_ANY] = WEB_REQUIRE_ANY_CLIENT_CERT,
		[CLIENT_AUTH_VERIFY_IF_GIVEN] = WEB_VERIFY_CLIENT_CERT_IF_GIVEN,
		[CLIENT_AUTH_REQUIRE_AND_VERIFY] = WEB_REQUIRE_AND_VERIFY_CLIENT_CERT,
	};
	return to[a];
}

static int version(enum net_tls_version v)
{
	return v == NET_TLS_DEFAULT ? 0 : 10 + (int)(v - NET_TLS_10);
}

static void views_free(struct web_config *c)
{
	free(c->security.users);
	free(c->security.headers);
	c->security = (struct web_security){0};
}

static void make_views(struct web_config *c)
{
	struct config_web *f = c->file;
	struct web_security *s = &c->security;
	views_free(c);
	if (f->tls.enabled) {
		c->tls = (struct web_tls){.cert_pem = f->tls.cert,
					  .key_pem = f->tls.key,
					  .client_ca_pem = f->tls.client_ca,
					  .client_auth = client_auth(f->tls.client_auth),
					  .client_sans = f->tls.client_allowed_sans.v,
					  .n_client_sans = f->tls.client_allowed_sans.n,
					  .min_version = version(f->tls.min_version),
					  .max_version = version(f->tls.max_version)};
		s->tls = &c->tls;
	}
	s->users = xcalloc(f->users.n, sizeof(*s->users));
	for (size_t i = 0; i < f->users.n; i++)
		s->users[s->n_users++] = (struct web_user){f->users.v[i], f->hashes.v[i]};
	s->headers = xcalloc(f->header_names.n, sizeof(*s->headers));
	for (size_t i = 0; i < f->header_names.n; i++)
		s->headers[s->n_headers++] = (struct web_header){f->header_names.v[i], f->header_values.v[i]};
	s->rate_interval_ns = (uint64_t)f->rate_interval_ns;
	s->rate_burst = (unsigned)f->rate_burst;
}

int web_config_open(const char *path, struct web_config **out, char **error)
{
	struct config_web *file;
	int err = config_web_load(path, &file, error);
	if (err)
		return err;
	struct web_config *c = xcalloc(1, sizeof(*c));
	c->path = xstrdup(path);
	c->file = file;
	remember(c, &file->files);
	make_views(c);
	*out = c;
	return 0;
}

const struct web_security *web_config_security(const struct web_config *c)
{
	return &c->security;
}

int web_config_refresh(struct web_config *c, char **error)
{
	bool changed = false;
	for (size_t i = 0; i < c->watched.n; i++) {
		struct stat now = look_at(c->watched.v[i]);
		changed |= !same_stat(&now, &c->seen[i]);
		c->seen[i] = now;
	}
	if (!changed)
		return 0;
	struct config_web *file;
	int err = config_web_load(c->path, &file, error);
	if (err)
		return err;
	config_web_free(c->file);
	c->file = file;
	remember(c, &file->files);
	make_views(c);
	return 1;
}

void web_config_free(struct web_config *c)
{
	if (!c)
		return;
	views_free(c);
	config_web_free(c->file);
	strings_free(&c->watched);
	free(c->seen);
	free(c->path);
	free(c);
}
