// SPDX-License-Identifier: GPL-2.0-or-later
#include "notifier/discovery.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/relabel.h"

#define API_PATH "/api/v2/alerts"

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

/* What a source has to complain of. */
static void take_errors(struct peer_discovery *d, uint64_t *n, char **error)
{
	d->errors += *n;
	*n = 0;
	if (*error) {
		free(d->error);
		d->error = *error;
		*error = NULL;
	}
}

void peer_discovery_configure(struct peer_discovery *d, const struct config_alerting *alerting)
{
	file_sd_free(&d->files);
	http_sd_begin(&d->https);
	for (size_t i = 0; i < alerting->n; i++)
		for (size_t j = 0; j < alerting->v[i].http_sd.n; j++)
			http_sd_add(&d->https, i, &alerting->v[i].http_sd.v[j]);
	http_sd_end(&d->https);
}

bool peer_discovery_refresh(struct peer_discovery *d, const struct config_alerting *alerting, int64_t now)
{
	file_sd_begin(&d->files);
	for (size_t i = 0; i < alerting->n; i++)
		for (size_t j = 0; j < alerting->v[i].n_file_sd; j++)
			file_sd_look(&d->files, i, &alerting->v[i].file_sd[j]);
	bool changed = file_sd_end(&d->files);
	changed |= http_sd_poll(&d->https, now);
	take_errors(d, &d->files.errors, &d->files.error);
	take_errors(d, &d->https.errors, &d->https.error);
	return changed;
}

void peer_discovery_free(struct peer_discovery *d)
{
	file_sd_free(&d->files);
	http_sd_free(&d->https);
	free(d->error);
	*d = (struct peer_discovery){0};
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
		for (size_t i = 0; i < d->files.n; i++)
			for (size_t j = 0; d->files.v[i].block == block && j < d->files.v[i].groups.n; j++)
				add_group(d, alerting, block, &d->files.v[i].groups.v[j], max, out);
		for (size_t i = 0; i < d->https.n; i++)
			for (size_t j = 0; d->https.v[i]->block == block && j < d->https.v[i]->groups.n; j++)
				add_group(d, alerting, block, &d->https.v[i]->groups.v[j], max, out);
	}
}
