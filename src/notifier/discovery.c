// SPDX-License-Identifier: GPL-2.0-or-later
#include "notifier/discovery.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/relabel.h"

#define FILES_MAX 1024
#define API_PATH "/api/v2/alerts"

static void file_free(struct discovered_file *f)
{
	free(f->path);
	target_groups_free(&f->groups);
}

void peer_discovery_free(struct peer_discovery *d)
{
	for (size_t i = 0; i < d->n; i++)
		file_free(&d->v[i]);
	free(d->v);
	free(d->error);
	*d = (struct peer_discovery){0};
}

void endpoints_free(struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].url);
	free(e->v);
	*e = (struct endpoints){0};
}

static void failed(struct peer_discovery *d, char *why)
{
	d->errors++;
	free(d->error);
	d->error = why;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct discovered_file *find(struct discovered_file *v, size_t n, size_t block, const char *path)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].path && v[i].block == block && strcmp(v[i].path, path) == 0)
			return &v[i];
	}
	return NULL;
}

/* Moves PATH from OLD to NOW, reading it if it changed. True if its targets may have changed. */
static bool visit(struct peer_discovery *d, struct peer_discovery *now, size_t block, const char *path)
{
	struct discovered_file f = {.block = block}, *old = find(d->v, d->n, block, path);
	struct stat st;
	if (now->n == FILES_MAX || stat(path, &st) < 0 || find(now->v, now->n, block, path))
		return false; /* a file that vanished under us shows as such next time */
	bool changed = !old || !same_file(&old->st, &st);
	if (old) {
		f = *old;
		*old = (struct discovered_file){0};
	} else {
		f.path = xstrdup(path);
	}
	if (changed) {
		struct target_groups groups = {0};
		char *why = NULL;
		if (targets_read_file(path, &groups, &why) < 0) {
			failed(d, why);
		} else {
			target_groups_free(&f.groups);
			f.groups = groups;
		}
		f.st = st;
	}
	array_grow(now->v, now->n, now->cap);
	now->v[now->n++] = f;
	return changed;
}

bool peer_discovery_refresh(struct peer_discovery *d, const struct config_alerting *alerting)
{
	struct peer_discovery now = {0};
	bool changed = false;
	for (size_t i = 0; i < alerting->n; i++) {
		const struct config_alertmanagers *a = &alerting->v[i];
		for (size_t j = 0; j < a->n_file_sd; j++) {
			for (size_t k = 0; k < a->file_sd[j].files.n; k++) {
				glob_t g = {0};
				if (glob(a->file_sd[j].files.v[k], 0, NULL, &g) == 0) {
					for (size_t m = 0; m < g.gl_pathc; m++)
						changed |= visit(d, &now, i, g.gl_pathv[m]);
				}
				globfree(&g);
			}
		}
	}
	for (size_t i = 0; i < d->n; i++) {
		changed |= d->v[i].path != NULL; /* left over: it is gone */
		file_free(&d->v[i]);
	}
	free(d->v);
	d->v = now.v;
	d->n = now.n;
	d->cap = now.cap;
	return changed;
}

/* "/" + prefix + API_PATH, without doubled slashes. */
static char *api_path(const char *prefix)
{
	struct buf b = BUF_INIT;
	buf_addc(&b, '/');
	for (const char *p = prefix; *p; p++) {
		if (*p != '/' || b.p[b.n - 1] != '/')
			buf_addc(&b, *p);
	}
	if (b.p[b.n - 1] == '/')
		b.p[--b.n] = 0;
	buf_adds(&b, API_PATH);
	return buf_steal(&b);
}

static void set_default(struct labels_builder *b, const char *name, const char *value)
{
	if (labels_builder_get(b, sv_of(name)).n == 0)
		labels_builder_set(b, sv_of(name), sv_of(value));
}

/* The URL for one target, or NULL if relabelling drops it or leaves no address. */
static char *url_of(const struct config_alertmanagers *a, const struct target_group *g, const char *address)
{
	_cleanup_free_ char *path = api_path(a->path_prefix);
	struct labels_builder b;
	char *url = NULL;
	labels_builder_init(&b, g->labels);
	labels_builder_set(&b, SV("__address__"), sv_of(address));
	set_default(&b, "__scheme__", a->scheme);
	set_default(&b, "__alerts_path__", path);
	if (relabel_apply(&a->relabel, &b)) {
		struct sv host = labels_builder_get(&b, SV("__address__")), scheme = labels_builder_get(&b, SV("__scheme__")),
			  to = labels_builder_get(&b, SV("__alerts_path__"));
		bool web = sv_eqs(scheme, "http") || sv_eqs(scheme, "https");
		if (host.n && !memchr(host.p, '/', host.n) && web)
			url = xasprintf("%.*s://%.*s%s%.*s", SV_ARG(scheme), SV_ARG(host), to.n && to.p[0] == '/' ? "" : "/", SV_ARG(to));
	}
	labels_builder_free(&b);
	return url;
}

static void add_group(struct peer_discovery *d, const struct config_alerting *alerting, size_t block, const struct target_group *g,
		      size_t max, struct endpoints *out)
{
	for (size_t i = 0; i < g->targets.n; i++) {
		_cleanup_free_ char *url = url_of(&alerting->v[block], g, g->targets.v[i]);
		bool known = !url;
		for (size_t j = 0; j < out->n && !known; j++)
			known = out->v[j].block == block && strcmp(out->v[j].url, url) == 0;
		if (known)
			continue;
		if (out->n == max) {
			failed(d, xasprintf("more than %zu Alertmanagers, %s is left out", max, url));
			return;
		}
		array_grow(out->v, out->n, out->cap);
		out->v[out->n++] = (struct endpoint){block, take(url)};
	}
}

void peer_discovery_endpoints(struct peer_discovery *d, const struct config_alerting *alerting, size_t max, struct endpoints *out)
{
	for (size_t block = 0; block < alerting->n; block++) {
		const struct target_groups *statics = &alerting->v[block].static_targets;
		for (size_t i = 0; i < statics->n; i++)
			add_group(d, alerting, block, &statics->v[i], max, out);
		for (size_t i = 0; i < d->n; i++) {
			for (size_t j = 0; d->v[i].block == block && j < d->v[i].groups.n; j++)
				add_group(d, alerting, block, &d->v[i].groups.v[j], max, out);
		}
	}
}
